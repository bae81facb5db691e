"""Transposed notes compared with the instrument's real notes at the target key, and with resampling.

A soundfont often plays neighbouring keys by resampling one recording. For those keys the resampled note is the real
note, so only pairs of keys with different recordings are evaluated; the others are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import bank_of, draw_moves
from intertone.evaluate.figure import Summary, log_mel_errors, seeded, spread, summary
from intertone.evaluate.resynthesis import has_partials
from intertone.evaluate.study import Draw, Example, Shown, Sounds, Study, file_part, note_words
from intertone.morphing import MorphConfig, analyse_sounds, morph_sources
from intertone.page import Table, percent
from intertone.pitch.note import hz_to_pitch

MOVED = ("network correction", "without network", "full")
"""Ways to transpose with a codec: the network corrects the harmonic features; no network; everything is decoded."""

RESAMPLED = "resampled"
GOAL = 0.75
"""Target: share of the notes for which transposition is nearer to the real note than resampling."""

DISTANCES = {"1 to 4": range(1, 5), "5 to 8": range(5, 9), "9 to 12": range(9, 13)}


@torch.inference_mode()
def move_note(codec: Codec, sound: Tensor, semitones: float, *, seed: int = 0) -> dict[str, Tensor]:
    """Return a note transposed by four methods.

    Args:
        codec: A harmonic codec.
        sound: ``(samples,)`` at the codec's sample rate.
        semitones: Interval from the pitch that is found in the sound; positive is upwards.
        seed: Seed of noise.

    Returns:
        ``network correction``: the transposed harmonic features, corrected by the decoder's difference between the two
        pitches; ``without network``: the transposed features alone; ``full``: everything is decoded, without the
        residual; and ``resampled``: the sound played faster or slower. Each has the length of ``sound``; a shorter
        result is padded with silence.
    """
    sources = analyse_sounds(codec, sound, recognise=False)
    pitch = hz_to_pitch(sources.analyses[0].context.sounds[0].median_hz) + semitones
    moved = {}
    for name, network in zip(MOVED, ("residual", "none", "full"), strict=True):
        config = MorphConfig.parse({"pitch": f"{min(max(pitch, 0), 127):.6f}", "network": network})
        residual = network != "full"
        moved[name] = morph_sources(sources, [1.0], config=config, residual=residual, generator=seeded(seed))
    moved[RESAMPLED] = resample(sound, round(codec.sample_rate * 2 ** (semitones / 12)), codec.sample_rate)
    samples = len(sound)
    return {
        name: torch.nn.functional.pad(audio, (0, max(0, samples - len(audio))))[:samples]
        for name, audio in moved.items()
    }


@dataclass(frozen=True)
class MoveFigures:
    """Errors of one transposed note.

    Attributes:
        semitones: Interval from source to target; positive is upwards.
        errors: Method → figures of ``log_mel_errors`` against the real note, dB, over the time during which both the
            real and the resampled note are sustained; and ``whole``, at 16 kHz over the whole note.
    """

    semitones: int
    errors: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class MoveLine:
    """Errors of all notes that were transposed by one method.

    Attributes:
        errors: Summary of each error of ``MoveFigures``.
        wins: Share of the notes with a smaller error than the resampled note: by each kind of error, and by
            ``log_mel_16k`` for the notes transposed ``up``, ``down``, and by each of ``DISTANCES``; None: no such
            note.
    """

    errors: Mapping[str, Summary]
    wins: Mapping[str, float | None]


@dataclass(frozen=True)
class Transposition:
    """Result of the study of transposed notes; the counts of pairs are those of ``Moves``.

    Attributes:
        n: Number of transposed notes.
        methods: Errors by method; empty if there is no note.
        examples: Sounds of some notes.
    """

    n: int
    n_pairs: int
    n_same: int
    n_octaves: int
    n_same_octaves: int
    methods: Mapping[str, MoveLine]
    examples: tuple[Example, ...] = ()


class TranspositionStudy(Study[Transposition]):
    """Study of notes of a soundfont that are transposed to another key."""

    name = "transposition"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the codec is harmonic and the notes are of the installed soundfont; otherwise the reason."""
        if not has_partials(codec):
            return "Transposed notes: this codec has no harmonic representation."
        try:
            bank_of(notes)
        except InputError as error:
            return f"Transposed notes: {error}."
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Transposition:
        """Return the errors of all transposed notes, and the sounds of the first ones."""
        config = draw.config
        moves = draw_moves(notes, bank_of(notes), config.n_moves, split=config.split, seed=config.seed)
        step = draw.steps.begin("notes transposed", len(moves.rows))
        figures: list[MoveFigures] = []
        examples: list[Example] = []
        for source, target in moves.rows:
            found, sounds = measure_move(codec, notes, source, target, seed=config.seed)
            figures.append(found)
            if len(examples) < config.n_morph_sounds:
                examples.append(_example(notes, source, target, found, sounds))
            step(1)
        counts = (moves.n_pairs, moves.n_same, moves.n_octaves, moves.n_same_octaves)
        return Transposition(len(figures), *counts, collect_moves(figures), tuple(examples))

    def show(self, result: Transposition) -> Shown:
        """Return the errors as tables and a sentence."""
        if not result.methods:
            return Shown("Transposition", left_out=("Transposed notes: no two keys have different recordings.",))
        note = (
            "A note, the real note of the same instrument at another key, and the first note transposed to that key. "
        )
        note += "dB off: log-mel error over the whole note."
        sounds = Sounds("Listen: transposed notes", note, result.examples)
        return Shown("Transposition", (_table(result), _wins_table(result)), (_sentence(result),), sounds=sounds)


def measure_move(
    codec: Codec, notes: Notes, source: int, target: int, *, seed: int
) -> tuple[MoveFigures, dict[str, Tensor]]:
    """Transpose a note to the pitch of another note, and compare it with that note.

    A note that is resampled upwards becomes shorter. So that the length does not decide, all methods are compared over
    the time during which both the resampled and the real note are sustained; if that time is unknown, over the length
    of the resampled note.

    Args:
        codec: A harmonic codec.
        notes: The note set.
        source: Row of the note that is transposed.
        target: Row of the real note at the target key.
        seed: Seed of noise.

    Returns:
        The figures, and the sounds of ``move_note``.
    """
    seconds = notes.header["settings"].get("hold_seconds", notes.samples / notes.sample_rate)
    semitones = int(notes.pitch[target]) - int(notes.pitch[source])
    sound, wanted = notes.audio([source, target])
    held = round(seconds * min(1, 2 ** (-semitones / 12)) * notes.sample_rate)
    errors, sounds = {}, move_note(codec, sound, semitones, seed=seed)
    for name, moved in sounds.items():
        part = log_mel_errors(moved[:held], wanted[:held], notes.sample_rate)
        part["whole"] = log_mel_errors(moved, wanted, notes.sample_rate)["log_mel_16k"]
        errors[name] = {key: float(value) for key, value in part.items()}
    return MoveFigures(semitones, errors), sounds


def collect_moves(figures: Sequence[MoveFigures]) -> dict[str, MoveLine]:
    """Return the errors of all transposed notes by method; an empty dictionary without notes.

    Args:
        figures: Output of ``measure_move`` for each note.
    """
    kinds = list(figures[0].errors[RESAMPLED]) if figures else []
    ranges = {"up": range(1, 13), "down": range(-12, 0)}
    methods = {}
    for method in (*MOVED, RESAMPLED) if figures else ():
        found = {kind: summary([figure.errors[method][kind] for figure in figures]) for kind in kinds}
        wins: dict[str, float | None] = {kind: _wins(figures, method, kind) for kind in kinds}
        wins |= {name: _wins([f for f in figures if f.semitones in each], method) for name, each in ranges.items()}
        wins |= {
            name: _wins([f for f in figures if abs(f.semitones) in each], method) for name, each in DISTANCES.items()
        }
        methods[method] = MoveLine(found, wins if method != RESAMPLED else {})
    return methods


def _wins(figures: Sequence[MoveFigures], method: str, kind: str = "log_mel_16k") -> float | None:
    nearer = [figure.errors[method][kind] < figure.errors[RESAMPLED][kind] for figure in figures]
    return round(float(np.mean(nearer)), 6) if nearer else None


def _example(notes: Notes, source: int, target: int, found: MoveFigures, sounds: Mapping[str, Tensor]) -> Example:
    audio, wanted = notes.audio([source, target])
    words = {"source": "the note that is transposed", "target": f"the real note, {found.semitones:+d} semitones"}
    words |= {name.replace(" ", "-"): f"{name}: {found.errors[name]['whole']:.1f} dB off" for name in sounds}
    played = {"source": audio, "target": wanted} | {name.replace(" ", "-"): sound for name, sound in sounds.items()}
    file = f"move-{file_part(notes, source)}-{file_part(notes, target)}"
    return Example(file, f"{notes.name[source]} to {notes.name[target]}", note_words(notes, source), played, words)


def _table(result: Transposition) -> Table:
    rows = []
    for method, line in result.methods.items():
        errors = line.errors
        cells = spread(errors["log_mel_16k"], "median", "mean") + spread(errors.get("log_mel_44k"), "median")
        cells += spread(errors["whole"], "median")
        cells += tuple(percent(line.wins.get(kind)) for kind in ("log_mel_16k", "log_mel_44k", "whole"))
        rows.append((method, *cells))
    same = percent(result.n_same / result.n_pairs if result.n_pairs else None)
    octaves = percent(result.n_same_octaves / result.n_octaves if result.n_octaves else None)
    note = (
        f"{result.n} notes, each transposed to the key of another note of its instrument and velocity, up to 12 "
        "semitones away, that the bank plays from another recording. Errors: log-mel error against that real note, "
        f"dB, while both are sustained. Of {result.n_pairs:,} possible pairs of keys {result.n_same:,} ({same}) are "
        f"played from one recording and left out; of {result.n_octaves:,} octaves {result.n_same_octaves:,} "
        f"({octaves}). Network correction: the network corrects the transposed harmonic features; full: everything "
        "is decoded; resampled: played faster or slower. Nearer: share of the notes that are nearer to the real note "
        "than the resampled note is. Whole: over the whole note; the resampled note may end too early there."
    )
    heads = ("median", "mean", "44.1 kHz median", "whole median", "nearer", "44.1 kHz nearer", "whole nearer")
    wins = result.methods[MOVED[0]].wins
    held, whole = wins["log_mel_16k"] or 0.0, wins["whole"] or 0.0
    verdict = (
        f"Goal: the transposed note is nearer for at least {percent(GOAL)}. While both are sustained {percent(held)}, "
    )
    verdict += f"{'' if held >= GOAL else 'not '}reached; over the whole note {percent(whole)}, "
    verdict += f"{'' if whole >= GOAL else 'not '}reached."
    return Table("A note transposed to another key", note, ("way", *heads), rows, verdict)


def _wins_table(result: Transposition) -> Table:
    heads = ("up", "down", *DISTANCES)
    return Table(
        "Nearer than the resampled note, by interval",
        "Share of the notes, by log-mel error at 16 kHz: upwards, downwards, and by the number of semitones.",
        ("way", *heads),
        [
            (method, *(percent(line.wins[name]) for name in heads))
            for method, line in result.methods.items()
            if line.wins
        ],
    )


def _sentence(result: Transposition) -> str:
    held, without, full = (percent(result.methods[name].wins["log_mel_16k"]) for name in MOVED)
    return (
        f"A note transposed to another key is nearer to the instrument's real note there than the resampled one is "
        f"for {held} of {result.n} notes while both are sustained ({without} without the network, {full} where "
        f"everything is decoded), over the whole note for {percent(result.methods[MOVED[0]].wins['whole'])}."
    )
