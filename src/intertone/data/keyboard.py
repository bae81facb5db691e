"""Keys, velocities and lengths of notes that are played into a note set."""

from typing import Self

from pydantic import Field, model_validator

from intertone.audio import MIN_SECONDS
from intertone.config import Settings
from intertone.container import MIN_SAMPLE_RATE

HIGHEST_RATE = 96000
"""Highest sample rate at which notes are played, Hz."""


class KeyboardConfig(Settings):
    """Notes that are played: each key of a range with each velocity."""

    sample_rate: int = Field(44100, ge=MIN_SAMPLE_RATE, le=HIGHEST_RATE, description="in Hz")
    hold_seconds: float = Field(3.0, gt=0, le=60, description="until the key is let go")
    release_seconds: float = Field(1.0, ge=0, le=60, description="after that")
    pitch_min: int = Field(36, ge=0, le=127, description="lowest key")
    pitch_max: int = Field(84, ge=0, le=127, description="highest key, included")
    pitch_step: int = Field(1, ge=1, le=127, description="2 takes every second key from pitch_min on")
    velocities: tuple[int, ...] = Field((75, 127), min_length=1, description="each 1..127")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pitch_min > self.pitch_max:
            raise ValueError(f"pitch_min must be <= pitch_max={self.pitch_max}, got {self.pitch_min}")
        if any(not 1 <= velocity <= 127 for velocity in self.velocities):
            raise ValueError(f"velocities must be in 1..127, got {self.velocities}")
        if (seconds := self.hold_seconds + self.release_seconds) < MIN_SECONDS:
            raise ValueError(f"hold_seconds and release_seconds must add up to >= {MIN_SECONDS}, got {seconds:g}")
        return self

    @property
    def hold(self) -> int:
        """Samples until the key is let go."""
        return round(self.hold_seconds * self.sample_rate)

    @property
    def samples(self) -> int:
        """Length of a note."""
        return self.hold + round(self.release_seconds * self.sample_rate)

    @property
    def pitches(self) -> range:
        """The keys that are played."""
        return range(self.pitch_min, self.pitch_max + 1, self.pitch_step)
