"""Short random melodies, reproducible from a seed, for the content and style of a transfer."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

SECONDS = 4.0
"""Length of a melody in seconds."""

RELEASE_SECONDS = 0.4
"""Time without pressed keys at the end, in which the last notes decay."""

UNIT_SECONDS = (0.18, 0.3)
"""Range of the shortest note's duration, drawn for each melody so that two melodies differ in tempo."""

LEAD_SECONDS = (0.05, 0.2)
"""Range of the time before the first note."""

MAJOR = (0, 2, 4, 5, 7, 9, 11)
"""Major scale in semitones above the tonic."""

UPPER, LOWER = (62, 81), (48, 62)
"""Lowest and highest MIDI note of the upper voice and of the lower one."""


@dataclass(frozen=True)
class MelodyNote:
    """A note of a melody.

    Attributes:
        pitch: MIDI note number.
        start: Time of the onset in seconds.
        duration: Seconds from the onset to the release of the key.
        velocity: MIDI velocity, 1…127.
    """

    pitch: int
    start: float
    duration: float
    velocity: int


def draw_melody(
    generator: np.random.Generator, *, voices: int = 1, without: Collection[int] = ()
) -> tuple[MelodyNote, ...]:
    """Draw a melody of 4 s in a major key.

    The upper voice lies between D4 and A5, moves by up to three scale steps from note to note, and has notes of one to
    three units. The second voice lies between C3 and D4 and has longer notes. The length of the unit, the tonic, the
    velocities and the first onset are random too.

    Args:
        generator: Random number generator.
        voices: Number of voices, 1 or 2.
        without: MIDI notes to leave out; the scale must keep at least one note in the range of each voice.

    Returns:
        The notes, first those of the upper voice; each voice is monophonic and in order of time.

    Raises:
        ValueError: If ``voices`` is not 1 or 2.

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
            following = place + step if 0 <= place + step < len(keys) else place - step
            place = min(max(following, 0), len(keys) - 1)
            now += length
    return tuple(notes)
