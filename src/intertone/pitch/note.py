"""Pitches: names of notes, MIDI numbers, Hz and cents."""

import math
import re

import torch
from torch import Tensor


def hz_to_cents(estimate: Tensor | float, reference: Tensor | float) -> Tensor:
    """Return how far ``estimate`` lies above ``reference``, in hundredths of a semitone.

    Args:
        estimate: Hz, any shape.
        reference: Hz; broadcasts against ``estimate``.

    Returns:
        ``1200·log2(estimate / reference)``, float64; NaN where either is.

    Example:
        >>> hz_to_cents(torch.tensor([440.0, 880.0]), 440.0)
        tensor([   0., 1200.], dtype=torch.float64)
    """
    ratio = torch.as_tensor(estimate, dtype=torch.float64) / torch.as_tensor(reference, dtype=torch.float64)
    return 1200 * torch.log2(ratio)


def pitch_to_hz(pitch: float) -> float:
    """Return the frequency of a MIDI number in equal temperament, A4 = 69 = 440 Hz.

    Example:
        >>> pitch_to_hz(57)
        220.0
    """
    return 440 * 2 ** ((pitch - 69) / 12)


def hz_to_pitch(frequency: float) -> float:
    """Return the MIDI number of a frequency in Hz; the inverse of ``pitch_to_hz``.

    Example:
        >>> hz_to_pitch(220.0)
        57.0
    """
    return 69 + 12 * math.log2(frequency / 440)


NOTE = re.compile(r"([A-Ga-g])([#♯b♭]?)(-?\d+)")


STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def parse_note(text: str) -> float | None:
    """Return the MIDI number of a note's name, or None where the text is none.

    Args:
        text: ``C4``, ``f#3``, ``Bb2``, ``♯`` and ``♭`` too, or a number 0…127, fractions allowed. Middle C is C4 = 60.

    Returns:
        MIDI number, 0…127; None too for notes outside of these, such as ``C10``. Nothing is raised.

    Example:
        >>> parse_note("A4"), parse_note("Eb3"), parse_note("60.5"), parse_note("H2")
        (69.0, 51.0, 60.5, None)
    """
    if found := NOTE.fullmatch(text.strip()):
        letter, accidental, octave = found.groups()
        shift = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[accidental]
        number = 12.0 * (int(octave) + 1) + STEPS[letter.lower()] + shift
    else:
        try:
            number = float(text)
        except ValueError:
            return None
    return number if 0 <= number <= 127 else None


def note_hz(text: str) -> float | None:
    """Return the frequency of a note's name, Hz, or None where the text is none."""
    number = parse_note(text)
    return None if number is None else pitch_to_hz(number)


NAMES = ("C", "Cs", "D", "Ds", "E", "F", "Fs", "G", "Gs", "A", "As", "B")
"""Of the keys of an octave; s is sharp, since # means something else in SFZ."""


def note_name(pitch: int) -> str:
    """Return the name of a MIDI number, with ``s`` for sharp.

    Example:
        >>> note_name(60), note_name(61), note_name(0)
        ('C4', 'Cs4', 'C-1')
    """
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def key_name(pitch: int) -> str:
    """Return the name of a MIDI number; 60 is C4.

    Example:
        >>> key_name(61), key_name(21)
        ('C♯4', 'A0')
    """
    names = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
    return f"{names[pitch % 12]}{pitch // 12 - 1}"
