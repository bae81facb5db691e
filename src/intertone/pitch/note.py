"""Pitches: names of notes, MIDI numbers, Hz and cents."""

import math
import re

import numpy as np
import torch
from torch import Tensor

from intertone.level import Values

SEMITONES = 12
"""Number of semitones, and of pitch classes, in an octave."""
CENTS = 1200
"""Number of cents in an octave."""
A4, A4_HZ = 69, 440
"""MIDI number and frequency, Hz, of the tuning note A4."""

HIGHEST_NUMBER = 127
"""Highest MIDI number; the lowest is 0."""


def hz_to_cents(estimate: Tensor | float, reference: Tensor | float) -> Tensor:
    """Return the interval from ``reference`` up to ``estimate``, cents.

    Args:
        estimate: Hz, any shape.
        reference: Hz; broadcasts against ``estimate``.

    Returns:
        ``1200·log2(estimate / reference)``, float64; NaN where one of them is NaN.

    Example:
        >>> hz_to_cents(torch.tensor([440.0, 880.0]), 440.0)
        tensor([   0., 1200.], dtype=torch.float64)
    """
    ratio = torch.as_tensor(estimate, dtype=torch.float64) / torch.as_tensor(reference, dtype=torch.float64)
    return CENTS * torch.log2(ratio)


def pitch_to_hz(pitch: Values) -> Values:
    """Return the frequency of a MIDI number in equal temperament, A4 = 69 = 440 Hz.

    Args:
        pitch: MIDI number, which may have a fraction; a number, an array or a tensor of any shape.

    Returns:
        Hz; the same type and shape.

    Example:
        >>> pitch_to_hz(57)
        220.0
    """
    return A4_HZ * 2 ** ((pitch - A4) / SEMITONES)


def hz_to_pitch(frequency: Values) -> Values:
    """Return the MIDI number of a frequency, ``69 + 12·log2(f / 440)``, the inverse of ``pitch_to_hz``.

    Args:
        frequency: Hz, above 0; a number, an array or a tensor of any shape.

    Returns:
        MIDI numbers with fractions; the same type and shape. In arrays and tensors NaN gives NaN.

    Example:
        >>> hz_to_pitch(220.0), hz_to_pitch(torch.tensor([440.0, 466.16])).round(decimals=2)
        (57.0, tensor([69., 70.]))
    """
    if isinstance(frequency, Tensor):
        return A4 + SEMITONES * torch.log2(frequency / A4_HZ)
    if isinstance(frequency, np.ndarray):
        return np.asarray(A4 + SEMITONES * np.log2(frequency / A4_HZ))
    return A4 + SEMITONES * math.log2(frequency / A4_HZ)


NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
"""Names of the keys of an octave."""

NOTE = re.compile(r"([A-Ga-g])([#♯b♭]?)(-?\d+)")
_SHIFTS = {"": 0, "#": 1, "♯": 1, "s": 1, "b": -1, "♭": -1}


def note_number(letter: str, accidental: str, octave: int) -> int:
    """Return the MIDI number of a note; middle C is C4 = 60.

    Args:
        letter: ``A`` to ``G``.
        accidental: Empty, ``#``, ``♯`` or ``s`` for sharp, ``b`` or ``♭`` for flat.
        octave: Any integer.

    Example:
        >>> note_number("C", "", 4), note_number("D", "b", 3), note_number("F", "s", 5)
        (60, 49, 78)
    """
    return SEMITONES * (octave + 1) + NAMES.index(letter) + _SHIFTS[accidental]


def parse_note(text: str) -> float | None:
    """Return the MIDI number of the name of a note.

    Args:
        text: ``C4``, ``f#3``, ``Bb2``, also with ``♯`` and ``♭``, or a number 0…127, which may have a fraction. Middle
            C is C4 = 60.

    Returns:
        MIDI number, 0…127; None for any other text, also for notes outside this range, such as ``C10``.

    Example:
        >>> parse_note("A4"), parse_note("Eb3"), parse_note("60.5"), parse_note("H2")
        (69.0, 51.0, 60.5, None)
    """
    if found := NOTE.fullmatch(text.strip()):
        letter, accidental, octave = found.groups()
        number: float = note_number(letter.upper(), accidental, int(octave))
    else:
        try:
            number = float(text)
        except ValueError:
            return None
    return float(number) if 0 <= number <= HIGHEST_NUMBER else None


def note_hz(text: str) -> float | None:
    """Return the frequency of the name of a note, Hz, or None where ``parse_note`` returns None."""
    number = parse_note(text)
    return None if number is None else pitch_to_hz(number)


def key_name(pitch: int) -> str:
    """Return the name of a MIDI number; 60 is C4.

    Example:
        >>> key_name(61), key_name(21)
        ('C♯4', 'A0')
    """
    return f"{NAMES[pitch % SEMITONES]}{pitch // SEMITONES - 1}"


def note_name(pitch: int) -> str:
    """Return the name of a MIDI number for file names, with ``s`` for sharp, since ``#`` has a meaning in SFZ.

    Example:
        >>> note_name(60), note_name(61), note_name(0)
        ('C4', 'Cs4', 'C-1')
    """
    return key_name(pitch).replace("♯", "s")
