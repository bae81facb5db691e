"""How sounds are morphed, beside how much of each."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from intertone.config import Settings
from intertone.pitch import pitch_to_hz
from intertone.representation import Alignment

NOTE = re.compile(r"([A-Ga-g])([#♯b♭]?)(-?\d+)")
STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}

Network = Literal["carried", "alone", "none"]
"""What the network is for: what it adds to the images interpolated, all that is heard, or nothing."""


class MorphConfig(Settings):
    """What is done between the sounds."""

    pitch: str = Field(
        "glide",
        description="glide from one to the other with the mix; a, b, … stays on that sound's; a note (A3, 57) is glide "
        "shifted there; free follows a mix of its own",
    )
    alignment: Alignment = Field("envelope", description="what is laid over what in time")
    network: Network | None = Field(None, description="what the network is for; none given: what the codec does best")
    strength: float = Field(0.5, ge=0, le=4, description="of what a carried network adds between timbres")
    register_strength: float = Field(1.0, ge=0, le=4, description="of what a carried network changes for another pitch")
    hold_seconds: float | None = Field(
        None, gt=0, le=120, description="from onset to release, if that is to be another time than the sounds' own"
    )
    even: bool = Field(False, description="ratios are bent so that equal steps sound equally large")

    @field_validator("pitch")
    @classmethod
    def _check_pitch(cls, pitch: str) -> str:
        if pitch not in ("glide", "free") and not re.fullmatch("[a-z]", pitch) and parse_note(pitch) is None:
            raise ValueError(
                f"pitch must be glide, free, a letter of a sound (a, b) or a note (A3, C#4, 60), got {pitch}"
            )
        return pitch

    @model_validator(mode="after")
    def _check_hold(self) -> Self:
        if self.hold_seconds is not None and self.alignment != "envelope":
            raise ValueError(f"a sound that is held must have the alignment envelope, got {self.alignment}")
        return self


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
