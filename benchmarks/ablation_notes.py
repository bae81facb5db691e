"""Notes of the ablation: those of each set, and what they sound like."""

from collections import Counter

import numpy as np
from torch import Tensor

from intertone.data.notes import Notes
from intertone.evaluate.draw import EXCLUDED_PROGRAMS, program_of

SETS = 3
"""Sets of notes, and seeds, whose figures show the spread."""

RATE = 16000
"""Sample rate of what is synthesised and of what is analysed by partials, Hz."""

DECAYING = {*range(16), *range(24, 38), 45, 46, 47}
"""Programs whose notes die away, and which no loop should hold."""

OF_TWO_PITCHES = {9, 18, 47, 55, 86, 97}
"""Programs whose label is not what sounds at some keys: organ registers, fifths, drums, chords, a sample
pulled far down."""

Figures = dict[str, float]


def drawn(notes: Notes, number: int, count: int, *, of: int = SETS, pitched: bool = True) -> list[int]:
    """Return rows of one of some sets, none in two and none of the test split, an instrument once where it can be."""
    rows = [int(row) for split in ("train", "valid") for row in notes.select(split=split)]
    rows = [row for row in rows if (notes.pitch[row] >= 0) == pitched]
    if pitched:
        rows = [row for row in rows if program_of(notes, row) not in {*EXCLUDED_PROGRAMS, *OF_TWO_PITCHES}]
    shuffled = np.random.default_rng(0).permutation(rows)
    seen: Counter[str] = Counter()
    turn = {}
    for row in shuffled:
        turn[row] = seen[str(notes.instrument[row])]
        seen[str(notes.instrument[row])] += 1
    ordered = sorted(shuffled, key=lambda row: turn[row])
    return [int(row) for row in ordered[number::of][:count]]


def sound_of(notes: Notes, row: int, seconds: float) -> Tensor:
    """Return the beginning of a note, ``(samples,)``."""
    return notes.audio([row])[0][: round(seconds * notes.sample_rate)]
