"""Settings of a morph beside the weights of its sounds."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from intertone.config import Settings
from intertone.harmonic.morph.landmark import Alignment
from intertone.pitch.note import parse_note

Network = Literal["carried", "alone", "none"]
"""Use of the network: it corrects the interpolated features, decodes all that is heard, or does nothing."""


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
