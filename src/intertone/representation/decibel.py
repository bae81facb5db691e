"""Settings of the spectrograms in decibels, and what they do not show of a sound."""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from intertone.config import Settings
from intertone.models.contract import Conditions
from intertone.stft import SpectrogramConfig, mel_filterbank


class DecibelConfig(Settings):
    """Linear frequency, decibels below the sound's own maximum; the Nyquist row is left out."""

    kind: Literal["decibel"] = "decibel"
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    top_db: float = Field(80.0, gt=0, le=200, description="depth of the floor below the maximum, dB")

    @property
    def n_features(self) -> int:
        """Rows that the network sees."""
        return self.spectrogram.n_bins - 1


class MelConfig(Settings):
    """HTK-mel bands, decibels below the sound's own maximum; the way back is approximate."""

    kind: Literal["mel"] = "mel"
    spectrogram: SpectrogramConfig = SpectrogramConfig()
    top_db: float = Field(80.0, gt=0, le=200, description="depth of the floor below the maximum, dB")
    n_mels: int = Field(128, ge=2, description="bands")
    f_min: float = Field(0.0, ge=0, description="lower edge of the lowest band, Hz")
    f_max: float = Field(8000.0, gt=0, description="upper edge of the highest band, Hz")

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        highest = self.spectrogram.sample_rate / 2
        if not self.f_min < self.f_max <= highest:
            raise ValueError(f"f_min < f_max <= {highest} Hz must hold, got {self.f_min} and {self.f_max}")
        return self

    @property
    def n_features(self) -> int:
        """Rows that the network sees."""
        return self.n_mels


def build_filterbank(config: DecibelConfig | MelConfig) -> Tensor | None:
    """Return the mel bands of the features, ``(n_mels, n_bins)``, or None where the frequency is linear."""
    match config:
        case MelConfig():
            return mel_filterbank(config.spectrogram, n_mels=config.n_mels, f_min=config.f_min, f_max=config.f_max)
        case DecibelConfig():
            return None


@dataclass(frozen=True)
class SpectrogramContext:
    """What the network does not see of a batch of sounds, and what the way back needs.

    Attributes:
        reference: Magnitude of 0 dB, ``(batch,)``: one for all channels of a sound.
        energy: Mean squared magnitude over channels, bins and frames, ``(batch,)``; NaN: as the features say.
        least_energy: What the energy may fall to where ``loudest`` asks for it, ``(batch,)``: the quietest sound's.
        loudest: Mean squared magnitude over channels and bins of the loudest frame, ``(batch,)``.
        audio: The sounds as they were given. They hold the phase: the kept one, and where the phase is estimated the
            differences between the channels. (Half as large as the phase itself, and exact.)
        edited: Whether the code that this goes with is another than the sounds' own.
        conditions: What a network is conditioned on beside the features.
    """

    reference: Tensor
    energy: Tensor
    least_energy: Tensor
    loudest: Tensor
    audio: Tensor
    edited: bool = False
    conditions: Conditions = field(default_factory=dict)

    def as_edited(self) -> "SpectrogramContext":
        """Return this context for a code that was changed: its phase is estimated on the way back."""
        return replace(self, edited=True)

    def with_conditions(self, conditions: Conditions) -> "SpectrogramContext":
        """Return this context with further conditions, or others."""
        return replace(self, conditions={**self.conditions, **conditions})
