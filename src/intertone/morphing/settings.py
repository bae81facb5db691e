"""Settings of a morph other than the mix."""

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from intertone.config import Settings
from intertone.harmonic.morph.landmark import Alignment
from intertone.pitch.note import parse_note

Network = Literal["residual", "full", "none"]
"""Use of the network: to correct the interpolated features, to decode all features, or none."""
RENAMED = {"carried": "residual", "alone": "full"}
"""Present names of the uses of the network by the names of earlier versions."""
NEAREST = "nearest"
"""Value of ``MorphConfig.pitch`` for the key that is nearest to the interpolated pitch."""


class MorphConfig(Settings):
    """Settings of a morph: pitch, alignment, use of the network, length."""

    later: ClassVar[frozenset[str]] = frozenset({"length", "velocity"})

    pitch: str = Field(
        "glide",
        description="glide: f0 is interpolated with the mix; a, b, …: f0 of that sound; a note (A3, 57): glide, "
        "transposed to that note; nearest: glide, transposed to the nearest key; free: f0 has a separate mix",
    )
    alignment: Alignment = Field(
        "envelope", description="none, onset, or envelope: attack, sustain and release coincide"
    )
    network: Network | None = Field(
        None,
        description="residual: the network corrects the interpolated features; full: everything is decoded; "
        "none: no network; not set: the default of the morph method",
    )
    strength: float = Field(
        0.5, ge=0, le=4, description="factor of the network's correction between timbres, for network residual"
    )
    register_strength: float = Field(
        1.0,
        ge=0,
        le=4,
        description="factor of the network's change of timbre for a transposed sound, for network residual",
    )
    hold_seconds: float | None = Field(
        None, gt=0, le=120, description="time from onset to release, seconds; not set: interpolated between the sounds"
    )
    length: str = Field(
        "mean",
        description="for sounds that are mixed as spectrograms. mean: interpolated between the sounds; longest: that "
        "of the longest sound; a, b, …: that of sound a, b, …",
    )
    velocity: float | None = Field(
        None,
        ge=1,
        le=127,
        description="velocity that the network is conditioned on, if the sounds were played at 127; not set: unchanged",
    )
    even: bool = Field(False, description="mixes are warped so that equal steps sound equally large")

    @field_validator("network", mode="before")
    @classmethod
    def _check_network(cls, network: object) -> object:
        if isinstance(network, str) and network in RENAMED:
            raise ValueError(f"network must be {RENAMED[network]}, as it is called now, got {network}")
        return network

    @field_validator("pitch")
    @classmethod
    def _check_pitch(cls, pitch: str) -> str:
        pitch = pitch.lower() if len(pitch) == 1 else pitch
        if pitch not in ("glide", "free", NEAREST) and not re.fullmatch("[a-z]", pitch) and parse_note(pitch) is None:
            raise ValueError(
                f"pitch must be glide, nearest, free, a letter of a sound (a, b) or a note (A3, C#4, 60), got {pitch}"
            )
        return pitch

    @field_validator("length")
    @classmethod
    def _check_length(cls, length: str) -> str:
        if length not in ("mean", "longest") and not re.fullmatch("[a-z]", length):
            raise ValueError(f"length must be mean, longest or the letter of a sound (a, b), got {length}")
        return length

    @model_validator(mode="after")
    def _check_velocity(self) -> Self:
        if self.velocity is not None and self.network == "none":
            raise ValueError(f"a velocity must be used with a network, got velocity {self.velocity:g} and network none")
        return self

    @model_validator(mode="after")
    def _check_hold(self) -> Self:
        if self.hold_seconds is not None and self.alignment != "envelope":
            raise ValueError(f"hold_seconds must be used with the alignment envelope, got {self.alignment}")
        return self
