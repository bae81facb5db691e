"""An evaluation as one HTML page: what was found, tables, plots, and the sounds to listen through."""

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from intertone import __version__
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.classifier import HEADS
from intertone.evaluate.draw import draw_notes
from intertone.evaluate.findings import findings
from intertone.evaluate.latents import latent_plane
from intertone.evaluate.listening import Example
from intertone.evaluate.reconstruction import BATCH
from intertone.evaluate.report import (
    facts,
    latents_table,
    measure_tables,
    morph_tables,
    network_table,
    phase_table,
    recognition_table,
    reconstruction_table,
    speed_table,
    tables,
)
from intertone.page import Block, Clip, Command, Listening, Picture, Points, Section, Table, render_page
from intertone.plot import bars_png, curves_png, map_png, spectrogram_png

MOST_ON_MAP = 256
"""Notes whose codes are drawn in the plane."""

SOUNDS = {
    "note": (
        "Listen: notes",
        "Each note beside what the codec makes of it, with the note's own phase, which leaves the network's errors "
        "alone, and with the estimated phase that every morph has. dB off: log-mel error. Spectrograms: kHz over "
        "seconds, 80 dB below the sound's own maximum.",
    ),
    "morph": (
        "Listen: half-way morphs",
        "Two notes of one pitch and velocity; between them the codec's half-way morph, and the two spectrograms "
        "interpolated in dB without a network.",
    ),
}
HARMONIC_SOUNDS = {
    "note": (
        "Listen: notes",
        "Each note beside its image without the network and what the network makes of it. dB off: log-mel error at "
        "16 kHz. Spectrograms: kHz over seconds, 80 dB below the sound's own maximum.",
    ),
    "move": (
        "Listen: notes moved to another key",
        "A note, the real note of the same instrument there, and the first one moved, by the network and without it. "
        "dB off: log-mel error over the whole note.",
    ),
    "morph": ("Listen: half-way morphs", "Two notes of one pitch and velocity, and the morphs half-way."),
}


def evaluation_page(
    result: Mapping[str, Any], codec: Codec, notes: Notes, sounds: Sequence[Example], *, command: str
) -> str:
    """Return the page of an evaluation.

    Args:
        result: From ``evaluate_codec`` with the same codec and notes.
        codec: The codec.
        notes: The note set.
        sounds: From ``examples``.
        command: What made the result.

    Returns:
        The text of an HTML file that needs no other.
    """
    n_sounds = sum(len(example.sounds) for example in sounds)
    lead: list[Block] = [facts(result), Command(command), Points(findings(result))]
    lead.append(f"Below are the figures behind these sentences, and {n_sounds} sounds to check them by ear.")
    if "copies" in result:
        return render_page("Evaluation of a codec", _harmonic(result, codec, notes, sounds), lead=lead)
    sections = [
        Section("Reconstruction", [reconstruction_table(result), _errors(result), *measure_tables(result)]),
        Section("Phase", [phase_table(result["phase"])]),
        Section("Recognition", [recognition_table(result), _recognised(result)]),
        Section("Half-way morphs", _morphs(result)),
        Section("The code", [latents_table(result["latents"]), *_code(result, codec, notes)]),
        Section("Network and speed", [network_table(result["network"]), speed_table(result["speed"])]),
        *_listening(sounds, codec.sample_rate, SOUNDS),
        Section("Settings and versions", [_settings(result)]),
    ]
    return render_page("Evaluation of a codec", sections, lead=lead)


def _harmonic(result: Mapping[str, Any], codec: Codec, notes: Notes, sounds: Sequence[Example]) -> list[Section]:
    copies, *others = tables(result)
    (code,) = (table for table in others if table.title == "The code")
    groups: dict[str, dict[str, float]] = {}
    for line in result["copies"]:
        if "log_mel_16k" in line:
            groups.setdefault(line["method"], {})[f"{line['phase']} noise"] = line["log_mel_16k"]["median"]
    alt = "; ".join(f"{name} {_listed(values, 2)} dB" for name, values in groups.items())
    png = bars_png(groups, y_label="log-mel error, dB", decimals=2)
    errors = Picture(png, f"Bars of the log-mel error: {alt}", "Median log-mel error at 16 kHz; lower is better.")
    return [
        Section("Reconstruction", [copies, errors]),
        Section("Pitch, speed, and what was left out", [table for table in others if table is not code]),
        Section("The code", [code, *_code(result, codec, notes)]),
        *_listening(sounds, codec.sample_rate, HARMONIC_SOUNDS),
        Section("Settings and versions", [_settings(result)]),
    ]


def _errors(result: Mapping[str, Any]) -> Picture:
    groups: dict[str, dict[str, float]] = {}
    for line in result["reconstruction"]:
        groups.setdefault(line["method"], {})[f"{line['phase']} phase"] = line["log_mel_error"]["mean"]
    far = groups.pop("mean image")
    png = bars_png(groups, y_label="log-mel error, dB", decimals=2)
    alt = "; ".join(f"{name} {_listed(values, 2)} dB" for name, values in groups.items())
    caption = f"Mean log-mel error; lower is better. Not drawn: the mean image, {_listed(far, 2)} dB."
    return Picture(png, f"Bars of the log-mel error: {alt}", caption)


def _recognised(result: Mapping[str, Any]) -> Picture:
    shown = (("original", "own"), ("codec", "kept"), ("codec", "estimated"), ("PCA", "kept"), ("PCA", "estimated"))
    lines = {(line["method"], line["phase"]): line for line in result["recognition"]}
    groups: dict[str, dict[str, float]] = {}
    for head in HEADS:
        for method, phase in shown:
            if (figure := lines.get((method, phase), {}).get(head)) is not None:
                name = method if phase == "own" else f"{method}, {phase} phase"
                groups.setdefault(head, {})[name] = 100 * figure["mean"]
    png = bars_png(groups, y_label="named right, %", decimals=0)
    alt = "; ".join(f"{name} {_listed(values)} %" for name, values in groups.items())
    return Picture(png, f"Bars of what is named right: {alt}", "What the classifier names right; higher is better.")


def _morphs(result: Mapping[str, Any]) -> list[Block]:
    if not result["morphs"]:
        return ["None were judged: no two notes have one pitch and velocity and come from different groups."]
    groups: dict[str, dict[str, float]] = {}
    for line in result["morphs"]:
        if "–" in line["pitches"] and line["in_tune"] is not None:
            groups.setdefault(line["pitches"], {})[line["method"]] = 100 * line["in_tune"]
    alt = "; ".join(f"{name} {_listed(values)} %" for name, values in groups.items())
    tune = Picture(
        bars_png(groups, y_label="in tune, %", decimals=0),
        f"Bars of the share of half-way morphs in tune: {alt}",
        "Half-way morphs within 50 cents of the pitch of their ends, by octave; octaves where no pair has both ends in "
        "tune are left out.",
    )
    blocks: list[Block] = [*morph_tables(result)]
    return [*blocks[:1], *([tune] if groups else []), *blocks[1:], *_path(result["path"])]


def _path(path: Mapping[str, Any]) -> list[Block]:
    if not path["methods"]:
        return []
    names = {"a": "heard as A", "b": "heard as B"}
    curves = {f"{method}: {names[end]}": figures[end] for method, figures in path["methods"].items() for end in names}
    ends = "; ".join(f"{name} from {values[0]:.2f} to {values[-1]:.2f}" for name, values in curves.items())
    png = curves_png(curves, path["mixes"], x_label="mix, 0 is A and 1 is B", y_label="mean probability")
    return [Picture(png, f"Curves of probabilities over the mix: {ends}", "What the classifier hears from A to B.")]


def _code(result: Mapping[str, Any], codec: Codec, notes: Notes) -> list[Block]:
    counts, shares = zip(*result["latents"]["variance_share"], strict=True)
    png = curves_png(
        {"share": [100 * share for share in shares]},
        counts,
        x_label="principal components",
        y_label="variance held, %",
        log_x=True,
    )
    alt = "; ".join(f"{count}: {100 * share:.0f} %" for count, share in zip(counts, shares, strict=True))
    blocks: list[Block] = [
        Picture(png, f"Curve of the variance held: {alt}", "Variance of the code held by its first components.")
    ]
    if codec.model.latent_dim < 2:
        return blocks
    settings = result["settings"]
    n_notes = min(settings["n_notes"], MOST_ON_MAP)
    rows = draw_notes(notes, n_notes, split=settings["split"], seed=settings["seed"])
    parts = [
        codec.encode(notes.audio(rows[start : start + BATCH]).unsqueeze(1))[0] for start in range(0, len(rows), BATCH)
    ]
    x, y = latent_plane(torch.cat(parts).cpu()).T.tolist()
    families = [str(name) for name in notes.family[rows]]
    drawn = map_png(x, y, families, x_label="first component", y_label="second component")
    n_families = len(np.unique(families))
    caption = f"The mean codes of {len(rows)} notes in the plane of their two largest components, by family."
    return [*blocks, Picture(drawn, f"Map of the codes of {len(rows)} notes of {n_families} families", caption)]


def _listening(sounds: Sequence[Example], sample_rate: int, kinds: Mapping[str, tuple[str, str]]) -> list[Section]:
    sections = []
    for kind, (title, note) in kinds.items():
        rows = [_row(example, sample_rate) for example in sounds if example.kind == kind]
        sections += [Section(title, [note, *rows])] if rows else []
    return sections


def _row(example: Example, sample_rate: int) -> Listening:
    clips = [
        Clip(example.words[name], audio, sample_rate, spectrogram_png(audio, sample_rate))
        for name, audio in example.sounds.items()
    ]
    return Listening(example.title, example.note, clips)


def _settings(result: Mapping[str, Any]) -> Table:
    notes, codec = result["notes"], result["codec"]
    rows = [(name, str(value)) for name, value in result["settings"].items()]
    rows += [(f"codec: {name}", str(value)) for name, value in codec.items()]
    rows += [("notes: kind", notes["kind"]), ("notes: digest of the index", notes["digest"])]
    versions = {"intertone": __version__, "Python": platform.python_version(), "PyTorch": torch.__version__}
    rows += list(versions.items())
    return Table(
        "Settings and versions", "The same ones give the same figures, but for the speed.", ("name", "value"), rows
    )


def _listed(values: Mapping[str, float], decimals: int = 0) -> str:
    return ", ".join(f"{name} {value:.{decimals}f}" for name, value in values.items())
