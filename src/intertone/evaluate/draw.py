"""Random selection of the notes and pairs that are evaluated; it depends on the note set and the seed only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intertone.data.notes import Notes
from intertone.data.soundfont import Bank, find_soundfont, read_soundfont
from intertone.errors import InputError

Rows = npt.NDArray[np.int64]

FARTHEST = 12
"""Largest interval of a transposition, in semitones."""

EXCLUDED_PROGRAMS: Mapping[int, str] = {
    112: "a bell tree: many small bells in a row",
    113: "an agogô: two bells, whose partials are not harmonic",
    114: "a steel drum, a percussion program: its key does not determine its pitch",
    115: "a wood block: a click",
    116: "a taiko drum: a skin, whose partials are not harmonic",
    117: "a tom: a skin, whose pitch falls and whose partials are not harmonic",
    118: "a synthetic drum: its pitch falls",
    119: "a cymbal played backwards: noise",
    120: "fret noise: a scratch",
    121: "breath noise: noise",
    122: "sea shore: noise",
    123: "bird tweets: gliding whistles without a key",
    124: "a telephone: two tones and pauses without a key",
    125: "a helicopter: periodic bursts of noise",
    126: "applause: noise",
    127: "a gun shot: noise",
}
"""General MIDI programs, counted from 0, that are not evaluated, each with the reason. Drum kits have no pitch at all.
"""


def pitched_rows(notes: Notes, *, split: str) -> Rows:
    """Return the rows of a split's notes with a pitch; those of a soundfont's ``EXCLUDED_PROGRAMS`` are left out."""
    rows = notes.select(split=split)
    rows = rows[notes.pitch[rows] >= 0]
    if notes.kind != "soundfont":
        return rows
    return np.array([row for row in rows if program_of(notes, int(row)) not in EXCLUDED_PROGRAMS], np.int64)


def program_of(notes: Notes, row: int) -> int:
    """Return the General MIDI program, counted from 0, of a note that was rendered from a soundfont."""
    return int(str(notes.instrument[row]).partition("-")[0])


def draw_notes(notes: Notes, n_notes: int, *, split: str, seed: int, among: Rows | None = None) -> Rows:
    """Return random notes of a split in an order that alternates between the instruments.

    Each round takes one note of every instrument, so that the first notes already cover all instruments.

    Args:
        notes: The note set.
        n_notes: Largest number of notes.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Seed of the order of the instruments and of their notes.
        among: Rows to select from; None: all rows of the split.

    Returns:
        Distinct row numbers, ``(<= n_notes,)``.
    """
    generator = np.random.default_rng([seed, 3])
    rows = generator.permutation(notes.select(split=split) if among is None else among)
    turn = np.empty(len(rows), np.int64)
    for instrument in np.unique(notes.instrument[rows]):
        own = notes.instrument[rows] == instrument
        turn[own] = np.arange(own.sum())
    return rows[np.argsort(turn, kind="stable")][:n_notes]


def draw_pairs(notes: Notes, n_pairs: int, *, split: str, seed: int) -> Rows:
    """Return random pairs of notes of equal pitch and velocity from different instruments and groups.

    Successive pairs alternate between the octaves.

    Args:
        notes: The note set; notes of unknown pitch are left out.
        n_pairs: Largest number of pairs.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Seed of the random selection.

    Returns:
        Pairs of row numbers, ``(<= n_pairs, 2)``; each note is in at most one pair.
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
    """Return a random third note for every pair, of any pitch, velocity and instrument.

    Args:
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``.
        split: ``"train"``, ``"valid"`` or ``"test"``; if there is a pair, the split must have at least three notes.
        seed: Seed of the random selection.

    Returns:
        Row numbers, ``(n,)``; the third note differs from both notes of its pair.
    """
    generator = np.random.default_rng([seed, 5])
    rows = notes.select(split=split)
    return np.array([generator.choice(rows[~np.isin(rows, pair)]) for pair in pairs], np.int64)


def _octave_pairs(notes: Notes, rows: Rows, generator: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield the pairs of one octave in random order; each note is in at most one pair."""
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


@dataclass(frozen=True)
class Moves:
    """Notes to transpose, each with the real note at the target key, and counts of all possible pairs.

    Attributes:
        rows: Rows of source and target, ``(n, 2)``: same instrument and velocity, 1 to 12 semitones apart, played
            from different recordings of the bank.
        n_pairs: Number of all pairs of keys of one instrument and velocity, 1 to 12 semitones apart.
        n_same: Number of these pairs that the bank plays from one recording.
        n_octaves: Number of all pairs that are 12 semitones apart.
        n_same_octaves: Number of these that the bank plays from one recording.
    """

    rows: Rows
    n_pairs: int
    n_same: int
    n_octaves: int
    n_same_octaves: int


def bank_of(notes: Notes) -> Bank:
    """Return the zone tables of the soundfont that the notes were rendered from.

    Raises:
        InputError: If the notes were not rendered from a soundfont, or another soundfont is installed.
    """
    if notes.kind != "soundfont":
        raise InputError(f"the notes must be those of a soundfont, got those of kind {notes.kind!r}")
    bank, wanted = read_soundfont(find_soundfont()), notes.header["settings"].get("bank")
    if bank.name != wanted:
        raise InputError(f"the notes must be those of the installed bank {bank.name}, got notes of {wanted}")
    return bank


def draw_moves(notes: Notes, bank: Bank, n_moves: int, *, split: str, seed: int) -> Moves:
    """Return random notes to transpose, in an order that alternates between the instruments.

    Args:
        notes: A note set rendered from ``bank``.
        bank: The soundfont, which gives the recordings that each key plays.
        n_moves: Largest number of notes.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        seed: Seed of the random selection.

    Returns:
        The selected notes, and the counts of the whole split.
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
    """Return an instrument's pairs from different recordings, in both directions, and the four counts of ``Moves``."""
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
