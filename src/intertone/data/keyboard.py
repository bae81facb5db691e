"""Settings of rendered note sets: keys, velocities and lengths of the notes."""

from typing import Self

from pydantic import Field, model_validator

from intertone.audio import MIN_SECONDS
from intertone.config import Settings
from intertone.container import MIN_SAMPLE_RATE

HIGHEST_RATE = 96000
"""Highest sample rate of rendered notes, Hz."""


class KeyboardConfig(Settings):
    """Settings of the rendered notes: each key of a range with each velocity."""

    sample_rate: int = Field(44100, ge=MIN_SAMPLE_RATE, le=HIGHEST_RATE, description="sample rate, Hz")
    hold_seconds: float = Field(
        3.0, gt=0, le=60, description="time from the start of a note to the release of the key, s"
    )
    release_seconds: float = Field(1.0, ge=0, le=60, description="time from the release to the end of the note, s")
    pitch_min: int = Field(36, ge=0, le=127, description="lowest key, a MIDI number")
    pitch_max: int = Field(84, ge=0, le=127, description="highest key, a MIDI number")
    pitch_step: int = Field(1, ge=1, le=127, description="step between keys, semitones")
    velocities: tuple[int, ...] = Field((75, 127), min_length=1, description="MIDI velocities, 1..127 each")

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
        """Time from the start of a note to the release of the key, samples."""
        return round(self.hold_seconds * self.sample_rate)

    @property
    def samples(self) -> int:
        """Length of a note."""
        return self.hold + round(self.release_seconds * self.sample_rate)

    @property
    def pitches(self) -> range:
        """The rendered keys, MIDI numbers."""
        return range(self.pitch_min, self.pitch_max + 1, self.pitch_step)
