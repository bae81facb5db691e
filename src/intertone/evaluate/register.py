"""A note moved to another key, beside the instrument's real note there: is it nearer than the note resampled?

A soundfont often plays neighbouring keys from one recording, resampled. There the resampled note is the real one, so
only keys that the bank plays from different recordings are judged; the others are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.soundfont import Bank, find_soundfont, read_soundfont
from intertone.errors import InputError
from intertone.evaluate.copies import log_mel_errors
from intertone.evaluate.draw import Rows, pitched_rows, program_of
from intertone.evaluate.reconstruction import Step, seeded, summary
from intertone.morphing import MorphConfig, analyse_sounds, morph_sources

FARTHEST = 12
"""Semitones."""

MOVED = ("network carried", "without network", "network alone")
RESAMPLED = "resampled"
DISTANCES = {"1 to 4": range(1, 5), "5 to 8": range(5, 9), "9 to 12": range(9, 13)}


@dataclass(frozen=True)
class Moves:
    """Which notes are moved, and how many could be.

    Attributes:
        rows: Source and target, ``(n, 2)``: of one instrument and velocity, up to an octave apart, from different
            recordings.
        n_pairs: Pairs of keys of one instrument and velocity so far apart.
        n_same: Of them, those that the bank plays from one recording.
        n_octaves: Of all, those an octave apart.
        n_same_octaves: Of these, those from one recording.
    """

    rows: Rows
    n_pairs: int
    n_same: int
    n_octaves: int
    n_same_octaves: int


def bank_of(notes: Notes) -> Bank:
    """Return the tables of the bank that notes were rendered from.

    Raises:
        InputError: If they were not, or that bank is not installed.
    """
    if notes.kind != "soundfont":
        raise InputError(f"the notes must be those of a soundfont, got those of kind {notes.kind!r}")
    bank, wanted = read_soundfont(find_soundfont()), notes.header["settings"].get("bank")
    if bank.name != wanted:
        raise InputError(f"the notes must be those of the installed bank {bank.name}, got notes of {wanted}")
    return bank


def draw_moves(notes: Notes, bank: Bank, n_moves: int, *, split: str, seed: int) -> Moves:
    """Draw notes to move, the instruments in turn.

    Args:
        notes: A note set rendered from ``bank``.
        bank: Says which recordings each key plays.
        n_moves: At most so many.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Of the draw.

    Returns:
        The notes, and the counts of all of the split.
    """
    generator = np.random.default_rng([seed, 7])
    rows = pitched_rows(notes, split=split)
    waiting: list[list[tuple[int, int]]] = []
    counts = np.zeros(4, np.int64)
    for instrument in np.unique(notes.instrument[rows]):
        own = rows[notes.instrument[rows] == instrument]
        different, found = _pairs(notes, bank, own)
        counts += found
        order = generator.permutation(len(different))
        waiting.append([different[place] for place in order])
    chosen = [pair for turn in range(n_moves) for pairs in waiting for pair in pairs[turn : turn + 1]]
    return Moves(np.array(chosen[:n_moves], np.int64).reshape(-1, 2), *(int(count) for count in counts))


def _pairs(notes: Notes, bank: Bank, rows: Rows) -> tuple[list[tuple[int, int]], tuple[int, int, int, int]]:
    """Return the pairs of an instrument from different recordings, both ways, and the counts of ``Moves``."""
    place = {(int(notes.pitch[row]), int(notes.velocity[row])): int(row) for row in rows}
    recordings = {
        key: {sample.place for sample in bank.sounding(program_of(notes, row), *key)} for key, row in place.items()
    }
    different: list[tuple[int, int]] = []
    n_pairs = n_octaves = n_same_octaves = 0
    for (pitch, velocity), row in place.items():
        for distance in range(1, FARTHEST + 1):
            above = (pitch + distance, velocity)
            if above not in place:
                continue
            same = bool(recordings[pitch, velocity] & recordings[above])
            n_pairs += 1
            n_octaves += distance == FARTHEST
            n_same_octaves += same and distance == FARTHEST
            if not same:
                different += [(row, place[above]), (place[above], row)]
    return different, (n_pairs, n_pairs - len(different) // 2, n_octaves, n_same_octaves)


@torch.inference_mode()
def move_note(codec: Codec, sound: Tensor, semitones: float, *, seed: int = 0) -> dict[str, Tensor]:
    """Return a note moved to another pitch in every way that is judged.

    Args:
        codec: A codec of harmonic images.
        sound: ``(samples,)`` at the codec's rate.
        semitones: How far up; from the pitch that is found in the sound.
        seed: Of noise.

    Returns:
        ``network carried``: the sound's image and what the decoder makes different for the other pitch;
        ``without network``: the image itself; ``network alone``: the decoder's image with other noise; and
        ``resampled``: the sound played faster or slower. Each as long as the sound, the last one completed with
        silence.
    """
    sources = analyse_sounds(codec, sound, recognise=False)
    pitch = sources.analyses[0].context.tracks[0].pitch + semitones
    moved = {}
    for name, network in zip(MOVED, ("carried", "none", "alone"), strict=True):
        config = MorphConfig.parse({"pitch": f"{min(max(pitch, 0), 127):.6f}", "network": network})
        own = network != "alone"
        moved[name] = morph_sources(sources, [1.0], config=config, residual=own, generator=seeded(seed))
    moved[RESAMPLED] = resample(sound, round(codec.sample_rate * 2 ** (semitones / 12)), codec.sample_rate)
    samples = len(sound)
    return {
        name: torch.nn.functional.pad(audio, (0, max(0, samples - len(audio))))[:samples]
        for name, audio in moved.items()
    }


@dataclass(frozen=True)
class MoveFigures:
    """What was measured of one note.

    Attributes:
        semitones: From the source up to the target.
        errors: Method → figures of ``log_mel_errors`` against the real note, dB, while the resampled one holds; and
            ``whole``, at 16 kHz over the whole note.
    """

    semitones: int
    errors: Mapping[str, Mapping[str, float]]


def judge_moves(codec: Codec, notes: Notes, moves: Moves, *, seed: int, step: Step) -> list[MoveFigures]:
    """Move every source to its target's pitch and compare with the target.

    Resampled upwards, a note ends sooner. So that this does not count, all are compared only as long as both the
    resampled and the real note hold; of notes of unknown hold, as long as the resampled one sounds.

    Args:
        codec: A codec of harmonic images.
        notes: The note set.
        moves: From ``draw_moves``.
        seed: Of noise.
        step: Called after every note.

    Returns:
        One entry for each note, in their order.
    """
    seconds = notes.header["settings"].get("hold_seconds", notes.samples / notes.sample_rate)
    figures = []
    for source, target in moves.rows:
        semitones = int(notes.pitch[target]) - int(notes.pitch[source])
        sound, wanted = notes.audio([source, target])
        held = round(seconds * min(1, 2 ** (-semitones / 12)) * notes.sample_rate)
        errors = {}
        for name, moved in move_note(codec, sound, semitones, seed=seed).items():
            part = log_mel_errors(moved[:held], wanted[:held], notes.sample_rate)
            part["whole"] = log_mel_errors(moved, wanted, notes.sample_rate)["log_mel_16k"]
            errors[name] = {key: float(value) for key, value in part.items()}
        figures.append(MoveFigures(semitones, errors))
        step(1)
    return figures


def register_table(moves: Moves, figures: Sequence[MoveFigures]) -> dict[str, Any]:
    """Return what the moved notes say together.

    Args:
        moves: From ``draw_moves``.
        figures: From ``judge_moves``.

    Returns:
        The counts of ``moves``, ``n``, and ``methods``: method → ``summary`` of each error; ``wins``: the share of
        notes nearer to the real one than the resampled note, by each error, and by the first of them ``up``, ``down``
        and for each of ``DISTANCES``; None where there is no such note.
    """
    counts = {name: value for name, value in asdict(moves).items() if name != "rows"}
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
        methods[method] = {**found, "wins": wins if method != RESAMPLED else {}}
    return {"n": len(figures), **counts, "methods": methods}


def _wins(figures: Sequence[MoveFigures], method: str, kind: str = "log_mel_16k") -> float | None:
    nearer = [figure.errors[method][kind] < figure.errors[RESAMPLED][kind] for figure in figures]
    return round(float(np.mean(nearer)), 6) if nearer else None
