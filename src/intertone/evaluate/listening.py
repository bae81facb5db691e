"""What an evaluation leaves for the ear: notes and half-way morphs, each beside what it is to be compared with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.copies import copy_notes
from intertone.evaluate.draw import draw_notes, draw_pairs, pitched_rows
from intertone.evaluate.morphs import log_magnitude_morph
from intertone.evaluate.reconstruction import ESTIMATED, at_16_khz, seeded
from intertone.evaluate.register import bank_of, draw_moves, move_note
from intertone.metrics import log_mel_error
from intertone.morphing import MorphConfig, morph

NAME_BYTES = 80
"""Of a note's name in a file's name: two of them must fit into the 255 bytes that systems allow."""


@dataclass(frozen=True)
class Example:
    """Sounds that belong together.

    Attributes:
        kind: ``"note"``, ``"move"`` or ``"morph"``.
        file: What its files' names begin with.
        title: For people.
        note: What the sounds are, for people.
        sounds: Short name → audio, ``(samples,)``.
        words: Short name → what the sound is called for people.
    """

    kind: str
    file: str
    title: str
    note: str
    sounds: Mapping[str, Tensor]
    words: Mapping[str, str]


def examples(result: Mapping[str, Any], codec: Codec, notes: Notes) -> Iterator[Example]:
    """Yield the first of the judged notes and of the judged pairs with their sounds.

    Args:
        result: From ``evaluate_codec`` with the same codec and notes.
        codec: The codec.
        notes: The note set.

    Returns:
        An iterator: notes, then notes moved to another key if the codec can, then half-way morphs.
    """
    if "copies" in result:
        yield from _harmonic_examples(result, codec, notes)
        return
    settings = result["settings"]
    choice = {"split": settings["split"], "seed": settings["seed"]}
    for row in draw_notes(notes, settings["n_note_sounds"], **choice):
        yield _note(codec, notes, int(row))
    for row_a, row_b in draw_pairs(notes, settings["n_morph_sounds"], **choice):
        yield _morph(codec, notes, int(row_a), int(row_b))


def _note(codec: Codec, notes: Notes, row: int) -> Example:
    audio = notes.audio([row])[0]
    kept = codec.reconstruct(audio)
    estimated = codec.reconstruct(audio, phase=ESTIMATED, generator=seeded(0))
    sounds = {"reference": audio, "codec-kept-phase": kept, "codec-estimated-phase": estimated}
    words = {
        "reference": "the note",
        "codec-kept-phase": f"codec, the note's phase: {_error(codec, kept, audio):.1f} dB off",
        "codec-estimated-phase": f"codec, estimated phase: {_error(codec, estimated, audio):.1f} dB off",
    }
    return Example("note", f"note-{_part(notes, row)}", str(notes.name[row]), _facts(notes, row), sounds, words)


def _harmonic_examples(result: Mapping[str, Any], codec: Codec, notes: Notes) -> Iterator[Example]:
    settings = result["settings"]
    choice = {"split": settings["split"], "seed": settings["seed"]}
    among = pitched_rows(notes, split=settings["split"])
    for row in draw_notes(notes, settings["n_note_sounds"], among=among, **choice):
        yield _copy(codec, notes, int(row))
    if result["register"]:
        for source, target in draw_moves(notes, bank_of(notes), settings["n_morph_sounds"], **choice).rows:
            yield _move(codec, notes, int(source), int(target))
    for row_a, row_b in draw_pairs(notes, settings["n_morph_sounds"], **choice):
        yield _harmonic_morph(codec, notes, int(row_a), int(row_b))


def _copy(codec: Codec, notes: Notes, row: int) -> Example:
    (batch,) = copy_notes(codec, notes, np.array([row]), seed=0)
    audio = batch.audio[0]
    shown = {
        "image": (("image", "estimated"), "its image"),
        "network-own-noise": (("network", "kept"), "network, the note's noise"),
        "network-alone": (("network", "estimated"), "network alone"),
    }
    sounds, words = {"reference": audio}, {"reference": "the note"}
    for name, (key, word) in shown.items():
        sounds[name] = batch.sounds[key][0]
        words[name] = f"{word}: {_error(codec, sounds[name], audio):.1f} dB off"
    return Example("note", f"note-{_part(notes, row)}", str(notes.name[row]), _facts(notes, row), sounds, words)


def _move(codec: Codec, notes: Notes, source: int, target: int) -> Example:
    audio, wanted = notes.audio([source, target])
    semitones = int(notes.pitch[target]) - int(notes.pitch[source])
    moved = move_note(codec, audio, semitones)
    sounds = {"source": audio, "target": wanted} | {name.replace(" ", "-"): sound for name, sound in moved.items()}
    words = {"source": "the note that is moved", "target": f"the real note, {semitones:+d} semitones"}
    words |= {name.replace(" ", "-"): f"{name}: {_error(codec, moved[name], wanted):.1f} dB off" for name in moved}
    file = f"move-{_part(notes, source)}-{_part(notes, target)}"
    return Example("move", file, f"{notes.name[source]} to {notes.name[target]}", _facts(notes, source), sounds, words)


def _harmonic_morph(codec: Codec, notes: Notes, row_a: int, row_b: int) -> Example:
    a, b = notes.audio([row_a, row_b])
    sounds = {"a": a, "codec": morph(codec, a, b), "image": morph(codec, a, b, config=MorphConfig(network="none"))}
    words = {
        "a": f"A: {notes.instrument[row_a]}",
        "codec": "half-way, codec",
        "image": "half-way, without network",
        "b": f"B: {notes.instrument[row_b]}",
    }
    file = f"morph-{_part(notes, row_a)}-{_part(notes, row_b)}"
    note = f"A: {_facts(notes, row_a)}. B: {_facts(notes, row_b)}."
    return Example("morph", file, f"{notes.name[row_a]} and {notes.name[row_b]}", note, {**sounds, "b": b}, words)


def _morph(codec: Codec, notes: Notes, row_a: int, row_b: int) -> Example:
    a, b = notes.audio([row_a, row_b]).unsqueeze(1)
    without = log_magnitude_morph(codec, a[None].to(codec.device), b[None].to(codec.device), mix=0.5)
    sounds = {"a": a[0], "codec": morph(codec, a, b)[0], "log-magnitude": without[0, 0], "b": b[0]}
    words = {
        "a": f"A: {notes.instrument[row_a]}",
        "codec": "half-way, codec",
        "log-magnitude": "half-way, log magnitude",
        "b": f"B: {notes.instrument[row_b]}",
    }
    file = f"morph-{_part(notes, row_a)}-{_part(notes, row_b)}"
    title = f"{notes.name[row_a]} and {notes.name[row_b]}"
    return Example("morph", file, title, f"A: {_facts(notes, row_a)}. B: {_facts(notes, row_b)}.", sounds, words)


def _error(codec: Codec, estimate: Tensor, reference: Tensor) -> float:
    first, second = (at_16_khz(sound, codec.sample_rate) for sound in (estimate, reference))
    return float(log_mel_error(first, second))


def _facts(notes: Notes, row: int) -> str:
    known = [f"{name} {value}" for name in ("pitch", "velocity") if (value := int(getattr(notes, name)[row])) >= 0]
    return ", ".join([str(notes.instrument[row]), str(notes.family[row]), *known])


def _part(notes: Notes, row: int) -> str:
    """Return row and name of a note as a part of a file's name; a long name is cut."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in str(notes.name[row]))
    return f"{row}-{name.encode()[:NAME_BYTES].decode(errors='ignore')}"
