"""Which notes and which pairs of notes are judged: a pure function of note set and seed."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from intertone.data.notes import Notes
from intertone.evaluate.tracking import EXCLUDED_PROGRAMS

Rows = npt.NDArray[np.int64]


def pitched_rows(notes: Notes, *, split: str) -> Rows:
    """Return the notes of a split that have a pitch, those of a soundfont without what the tracker is not judged on."""
    rows = notes.select(split=split)
    rows = rows[notes.pitch[rows] >= 0]
    if notes.kind != "soundfont":
        return rows
    return np.array([row for row in rows if program_of(notes, int(row)) not in EXCLUDED_PROGRAMS], np.int64)


def program_of(notes: Notes, row: int) -> int:
    """Return the General MIDI program, counted from 0, of a note that was rendered from a soundfont."""
    return int(str(notes.instrument[row]).partition("-")[0])


def draw_notes(notes: Notes, n_notes: int, *, split: str, seed: int, among: Rows | None = None) -> Rows:
    """Draw notes of a split, the instruments in turn, so that the first ones are as varied as all.

    Args:
        notes: The note set.
        n_notes: At most so many.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Of the order of the instruments, and of each one's notes.
        among: Rows of the split that are drawn from; all if not given.

    Returns:
        Different row numbers, ``(<= n_notes,)``.
    """
    generator = np.random.default_rng([seed, 3])
    rows = generator.permutation(notes.select(split=split) if among is None else among)
    turn = np.empty(len(rows), np.int64)
    for instrument in np.unique(notes.instrument[rows]):
        own = notes.instrument[rows] == instrument
        turn[own] = np.arange(own.sum())
    return rows[np.argsort(turn, kind="stable")][:n_notes]


def draw_pairs(notes: Notes, n_pairs: int, *, split: str, seed: int) -> Rows:
    """Draw pairs of notes of equal pitch and velocity from different instruments and groups, the octaves in turn.

    Args:
        notes: The note set; notes of unknown pitch are passed over.
        n_pairs: At most so many.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Of the draw.

    Returns:
        Different pairs of row numbers, ``(<= n_pairs, 2)``.
    """
    generator = np.random.default_rng([seed, 4])
    rows = notes.select(split=split)
    rows = rows[notes.pitch[rows] >= 0]
    octaves = [rows[notes.pitch[rows] // 12 == octave] for octave in np.unique(notes.pitch[rows] // 12)]
    waiting = [_octave_pairs(notes, own, generator) for own in octaves]
    pairs: list[tuple[int, int]] = []
    while waiting and len(pairs) < n_pairs:
        for octave in list(waiting):
            pair = next(octave, None)
            if pair is None:
                waiting.remove(octave)
            elif len(pairs) < n_pairs:
                pairs.append(pair)
    return np.array(pairs, np.int64).reshape(-1, 2)


def draw_others(notes: Notes, pairs: Rows, *, split: str, seed: int) -> Rows:
    """Draw one more note for every pair: any of the split, of whatever pitch, velocity and instrument.

    Args:
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``.
        split: ``"train"``, ``"valid"`` or ``"test"``; at least three notes of it, if there is a pair.
        seed: Of the draw.

    Returns:
        Row numbers, ``(n,)``; none is in its own pair.
    """
    generator = np.random.default_rng([seed, 5])
    rows = notes.select(split=split)
    return np.array([generator.choice(rows[~np.isin(rows, pair)]) for pair in pairs], np.int64)


def _octave_pairs(notes: Notes, rows: Rows, generator: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield pairs, each note at most once, in random order."""
    left = list(generator.permutation(rows))
    while left:
        first = left.pop(0)
        for second in left:
            if (
                notes.pitch[first] == notes.pitch[second]
                and notes.velocity[first] == notes.velocity[second]
                and notes.instrument[first] != notes.instrument[second]
                and notes.group[first] != notes.group[second]
            ):
                left.remove(second)
                yield int(first), int(second)
                break
