"""Short melodies, drawn from a seed: what both sounds of a transfer play."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

SECONDS = 4.0
"""Length of a sound."""

RELEASE_SECONDS = 0.4
"""Silence of the keys at the end, in which the last notes decay."""

UNIT_SECONDS = (0.18, 0.3)
"""Shortest note: drawn for each melody, so that two melodies have no common pulse."""

LEAD_SECONDS = (0.05, 0.2)
"""Time before the first note."""

MAJOR = (0, 2, 4, 5, 7, 9, 11)
"""Semitones of the scale above its tonic, which is drawn."""

UPPER, LOWER = (62, 81), (48, 62)
"""Lowest and highest key of the melody and of the second voice."""


@dataclass(frozen=True)
class MelodyNote:
    """A note.

    Attributes:
        pitch: MIDI number.
        start: Seconds.
        duration: Seconds until the key is let go.
        velocity: 1…127.
    """

    pitch: int
    start: float
    duration: float
    velocity: int


def draw_melody(
    generator: np.random.Generator, *, voices: int = 1, without: Collection[int] = ()
) -> tuple[MelodyNote, ...]:
    """Draw a melody of 4 s in a major key.

    The upper voice walks by up to three steps of the scale from D4 to A5, in notes of one to three units; a second one
    has longer notes below it, from C3 to D4. Unit, tonic, velocities and the first onset are drawn too.

    Args:
        generator: Source of the draws.
        voices: 1 or 2.
        without: Keys that it does not use, fewer than the scale has.

    Returns:
        The notes, the upper voice first; each voice is in the order of time and holds one note at a time.

    Raises:
        ValueError: If there are not one or two voices.

    Example:
        >>> notes = draw_melody(np.random.default_rng(0))
        >>> len(notes), max(note.start + note.duration for note in notes) <= 3.6
        (7, True)
    """
    if voices not in (1, 2):
        raise ValueError(f"voices must be 1 or 2, got {voices}")
    tonic = int(generator.integers(12))
    unit, lead = generator.uniform(*UNIT_SECONDS), generator.uniform(*LEAD_SECONDS)
    n_units = int((SECONDS - RELEASE_SECONDS - lead) / unit)
    notes = []
    for (low, high), lengths in ((UPPER, (1, 2, 3)), (LOWER, (3, 4, 6)))[:voices]:
        keys = [key for key in range(low, high + 1) if (key - tonic) % 12 in MAJOR and key not in without]
        place, now = int(generator.integers(len(keys))), 0
        while now < n_units:
            length = min(int(generator.choice(lengths)), n_units - now)
            velocity = int(generator.integers(70, 111))
            notes.append(MelodyNote(keys[place], lead + now * unit, length * unit, velocity))
            step = int(generator.choice((-3, -2, -1, 1, 2, 3)))
            turned = place + step if 0 <= place + step < len(keys) else place - step
            place = min(max(turned, 0), len(keys) - 1)
            now += length
    return tuple(notes)
