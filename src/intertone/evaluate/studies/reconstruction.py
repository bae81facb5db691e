"""Errors of reconstructed notes, by the codec and by baselines, all with the same synthesis."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import Figures, Line, Way, at_16_khz, listed, log_mel_errors, spread
from intertone.evaluate.resynthesis import CODEC, TRUE, Resynthesis, has_partials
from intertone.evaluate.study import Draw, Example, Shown, Sounds, Study, file_part, note_words
from intertone.metrics import in_tune, log_mel_error, loud_cell_error
from intertone.page import Picture, Table, percent
from intertone.plot import bars_png

CLOSE = 0.05
"""Difference in dB below which two errors count as equal."""

SAME_DB = -200.0
"""Lowest level difference that is reported, dB."""

TUNED: tuple[Way, ...] = ((TRUE, "estimated"), (CODEC, "estimated"))
"""Methods and phases of harmonic codecs whose f0 is measured; the others have the same f0."""

PARTIAL_WORDS: Mapping[Way, str] = {
    ("original", "own"): "the notes themselves",
    (TRUE, "kept"): "harmonic features, residual",
    (TRUE, "estimated"): "harmonic features",
    (CODEC, "kept"): "full, residual",
    (CODEC, "estimated"): "full",
    ("rank one", "estimated"): "rank one",
}

EXAMPLES: Mapping[Way, tuple[str, str]] = {
    (CODEC, "kept"): ("codec-kept-phase", "codec, the note's phase"),
    (CODEC, "estimated"): ("codec-estimated-phase", "codec, estimated phase"),
}
PARTIAL_EXAMPLES: Mapping[Way, tuple[str, str]] = {
    (TRUE, "estimated"): ("harmonic-features", "its harmonic features"),
    (CODEC, "kept"): ("full-residual", "full, with the note's residual"),
    (CODEC, "estimated"): ("full", "full: everything is decoded"),
}


@dataclass(frozen=True)
class Reconstruction:
    """Errors of the reconstructions of all notes.

    Attributes:
        lines: Figures for each method and phase: ``log_mel_16k`` and, for codecs at 44.1 kHz, ``log_mel_44k``, dB;
            ``loud_cells``, dB; ``difference``, the energy of the difference over that of the note, dB; and, for
            harmonic codecs, ``in_tune``, the share whose f0 is within 50 cents of the key.
        partials: Whether the codec is harmonic.
        code_size: Number of values of the codec's latent code.
        n_components: Number of components of the PCA; None: no PCA was fitted.
        n_wanted: Number of components that the settings asked for.
        n_training_notes: Number of notes that the PCA was fitted to.
        examples: Sounds of some notes.
    """

    lines: tuple[Line, ...]
    partials: bool
    code_size: int
    n_components: int | None
    n_wanted: int
    n_training_notes: int
    examples: tuple[Example, ...] = ()


class ReconstructionStudy(Study[Reconstruction]):
    """Study of the errors of reconstructed notes."""

    name = "reconstruction"

    def measure_batch(self, codec: Codec, notes: Notes, draw: Draw, batch: Resynthesis) -> Figures:
        """Return the figures of ``Reconstruction.lines`` for a batch."""
        tuned = has_partials(codec) and batch.start < draw.config.n_estimated
        figures: Figures = {}
        if tuned:
            figures["original", "own"] = {"in_tune": _in_tune(notes, batch.rows, batch.audio)}
        reference = at_16_khz(batch.audio, batch.sample_rate)
        for way, sound in batch.sounds.items():
            off = (sound - batch.audio).square().sum(-1) / batch.audio.square().sum(-1).clamp_min(1e-12)
            figures[way] = {
                **log_mel_errors(sound, batch.audio, batch.sample_rate),
                "loud_cells": loud_cell_error(at_16_khz(sound, batch.sample_rate), reference),
                "difference": (10 * torch.log10(off.clamp_min(1e-30))).clamp_min(SAME_DB),
            }
            if tuned and way in TUNED:
                figures[way]["in_tune"] = _in_tune(notes, batch.rows, sound)
        return figures

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Reconstruction:
        """Return the figures of all notes, and the sounds of the first ones."""
        made = draw.reconstructions()
        kinds = PARTIAL_EXAMPLES if has_partials(codec) else EXAMPLES
        count = draw.config.n_note_sounds
        found = [_example(notes, batch, item, kinds) for batch in made.first for item in range(len(batch.rows))]
        return Reconstruction(
            made.figures[self.name],
            has_partials(codec),
            draw.code_size,
            made.n_components,
            draw.config.n_components or draw.code_size,
            made.n_training_notes,
            tuple(found[:count]),
        )

    def show(self, result: Reconstruction) -> Shown:
        """Return the errors as a table, bars and sentences."""
        lines = {line.way: line for line in result.lines}
        errors = {way: error for way, line in lines.items() if (error := line.get("log_mel_16k"))}
        if result.partials:
            left_out = "The linear code (PCA): it needs the features of a thousand training notes, which take minutes "
            return Shown(
                "Reconstruction",
                (_partials_table(lines),),
                _partials_sentences(result, lines),
                (_partials_bars({way: error.median for way, error in errors.items()}),),
                Sounds("Listen: notes", PARTIAL_NOTE, result.examples),
                (left_out + "to analyse.",),
            )
        return Shown(
            "Reconstruction",
            (_table(result),),
            _sentences(result, lines),
            (_bars({way: error.mean for way, error in errors.items()}),),
            Sounds("Listen: notes", NOTE, result.examples),
        )


NOTE = (
    "Each note and its reconstructions: with the phase of the note, so that only the network causes errors, and with "
    "an estimated phase, as in every morph. dB off: log-mel error. Spectrograms: kHz over seconds, from the maximum "
    "of each sound down to −80 dB."
)
PARTIAL_NOTE = (
    "Each note, synthesised from its harmonic features, and synthesised from the features that the network decodes "
    "(full), with and without the note's residual. dB off: log-mel error at 16 kHz. Spectrograms: kHz over seconds, "
    "from the maximum of each sound down to −80 dB."
)


def _in_tune(notes: Notes, rows: Rows, sounds: Tensor) -> Tensor:
    pitches = torch.as_tensor(notes.pitch[rows].astype(float))
    return in_tune(at_16_khz(sounds, notes.sample_rate), pitches).double()


def _example(notes: Notes, batch: Resynthesis, item: int, kinds: Mapping[Way, tuple[str, str]]) -> Example:
    row, audio = int(batch.rows[item]), batch.audio[item]
    sounds, words = {"reference": audio}, {"reference": "the note"}
    reference = at_16_khz(audio, batch.sample_rate)
    for way, (name, word) in kinds.items():
        sounds[name] = batch.sounds[way][item].clone()
        error = float(log_mel_error(at_16_khz(sounds[name], batch.sample_rate), reference))
        words[name] = f"{word}: {error:.1f} dB off"
    return Example(f"note-{file_part(notes, row)}", str(notes.name[row]), note_words(notes, row), sounds, words)


def _table(result: Reconstruction) -> Table:
    fitted = f"PCA: {result.n_components:,} components of {result.n_training_notes:,} training notes"
    if (result.n_components or 0) < result.n_wanted:
        fitted += f" ({result.n_wanted:,} are set, but there are too few training notes)"
    rows = []
    for line in result.lines:
        cells = spread(line["log_mel_16k"], "mean", "median", "p90") + spread(
            line["loud_cells"], "mean", "median", "p10"
        )
        rows.append((line.method, line.phase, str(line["log_mel_16k"].n), *cells))
    return Table(
        "Reconstruction",
        "Log-mel error: mean absolute difference in dB over 64 bands, floor −60 dB, at equal RMS. Loud cells: mean "
        "signed error, dB, of the time-frequency cells within 20 dB of the peak; positive is too loud. "
        f"{fitted}. Rank one: mean spectrum × envelope. All methods use the same synthesis, with the energy of the "
        "note.",
        ("method", "phase", "notes", "log-mel mean", "median", "90 %", "loud cells mean", "median", "10 %"),
        rows,
    )


def _partials_table(lines: Mapping[Way, Line]) -> Table:
    originals = _accuracy(lines, ("original", "own"))
    heads, rows = ("median", "mean", "p90"), []
    for way, line in lines.items():
        tune = _accuracy(lines, way)
        rows.append(
            (
                PARTIAL_WORDS[way],
                *spread(line.get("log_mel_16k"), *heads),
                *spread(line.get("log_mel_44k"), *heads),
                *spread(line.get("difference"), "median", decimals=0),
                percent(tune),
                "–" if tune is None or not originals else f"{tune / originals:.3f}",
            )
        )
    heads = ("median", "mean", "90 %")
    return Table(
        "Reconstruction",
        "Log-mel error, dB, at 16 kHz, and at 44.1 kHz up to 20 kHz; the two cannot be compared with each other. "
        "Harmonic features: the note is synthesised from them without the network. Full: everything but f0, phases "
        "and level is decoded from the code. Residual: the residual of the note is added. Rank one: mean spectrum × "
        "envelope. The network is conditioned on the measured pitch; the velocity is unknown. Diff.: median energy of "
        "the difference relative to the note, dB. In tune: share of the notes with an f0 within 50 cents of the key; "
        "rel.: that share over the share of the original notes.",
        ("synthesised from", *heads, *(f"44.1 kHz {head}" for head in heads), "diff.", "in tune", "rel."),
        rows,
    )


def _bars(errors: Mapping[Way, float]) -> Picture:
    groups: dict[str, dict[str, float]] = {}
    for (method, phase), error in errors.items():
        groups.setdefault(method, {})[f"{phase} phase"] = error
    far = groups.pop("mean image", None)
    return _picture(groups, "Mean", f" Not drawn: the mean image, {listed(far, 2)} dB." if far else "")


def _partials_bars(errors: Mapping[Way, float]) -> Picture:
    groups: dict[str, dict[str, float]] = {}
    for (method, phase), error in errors.items():
        residual = "with residual" if phase == "kept" else "without residual"
        groups.setdefault(PARTIAL_WORDS[method, "estimated"], {})[residual] = error
    return _picture(groups, "Median", "")


def _picture(groups: Mapping[str, Mapping[str, float]], part: str, more: str) -> Picture:
    alt = "Bars of the log-mel error: " + "; ".join(f"{name} {listed(each, 2)} dB" for name, each in groups.items())
    caption = f"{part} log-mel error at 16 kHz; lower is better.{more}"
    return Picture(bars_png(groups, y_label="log-mel error, dB", decimals=2), alt, caption)


def _sentences(result: Reconstruction, lines: Mapping[Way, Line]) -> tuple[str, ...]:
    error = {way: line["log_mel_16k"].mean for way, line in lines.items()}
    codec, pca = error[CODEC, "kept"], error["PCA", "kept"]
    same = result.n_components == result.code_size
    numbers = f"{result.n_components:,} numbers" + ("" if same else f", where the codec has {result.code_size:,},")
    if abs(codec - pca) < CLOSE:
        outcome = "neither is better"
    else:
        outcome = f"the codec is {abs(codec - pca):.2f} dB {'better' if codec < pca else 'worse'}"
    rank_one = error.get(("rank one", "kept"))
    others = "" if rank_one is None else f"Rank one is {rank_one:.2f} dB off. "
    alone, whole = error[TRUE, "estimated"], error[CODEC, "estimated"]
    return (
        f"With the note's own phase, a reconstruction is {codec:.2f} dB of log-mel error off, and a linear code (PCA) "
        f"of {numbers} {pca:.2f} dB: {outcome}. {others}The mean image is {error['mean image', 'kept']:.2f} dB off.",
        f"Phase estimation on the true magnitudes alone causes an error of {alone:.2f} dB; the reconstruction with an "
        f"estimated phase is {whole:.2f} dB off. {'The code' if codec > alone else 'The phase'} causes most of it.",
    )


def _partials_sentences(result: Reconstruction, lines: Mapping[Way, Line]) -> tuple[str, ...]:
    features, full, kept = (lines[way]["log_mel_16k"] for way in (TUNED[0], TUNED[1], (CODEC, "kept")))
    found = [
        f"Synthesised from its harmonic features, without the network, a note is {features.median:.2f} dB of log-mel "
        f"error off in the median ({features.mean:.2f} in the mean); with its residual the difference is "
        f"{lines[TRUE, 'kept']['difference'].median:.0f} dB.",
        f"Where everything is decoded (full), from {result.code_size:,} numbers, it is {full.median:.2f} dB off "
        f"({full.mean:.2f} in the mean, {full.p90:.2f} at the 90th percentile), with the residual {kept.median:.2f} "
        f"dB; features of rank one are {lines['rank one', 'estimated']['log_mel_16k'].median:.2f} dB off.",
    ]
    original, copy = _accuracy(lines, ("original", "own")), _accuracy(lines, TUNED[1])
    if original and copy is not None:
        found.append(
            f"{percent(original)} of the notes are in tune with their key, and {percent(copy)} of those "
            f"that are decoded from their code: {copy / original:.3f} times as many."
        )
    return tuple(found)


def _accuracy(lines: Mapping[Way, Line], way: Way) -> float | None:
    figure = lines[way].get("in_tune") if way in lines else None
    return None if figure is None else figure.mean
