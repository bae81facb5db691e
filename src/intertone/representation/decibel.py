"""Settings of the spectrograms in decibels, and what they do not show of a sound."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from intertone.representation.short_time import ShortTimeConfig, ShortTimeContext
from intertone.stft import mel_filterbank


class DepthConfig(ShortTimeConfig):
    """Settings of all spectrograms in decibels."""

    top_db: float = Field(80.0, gt=0, le=200, description="depth of the floor below the maximum, dB")


class DecibelConfig(DepthConfig):
    """Linear frequency, decibels below the sound's own maximum; the Nyquist row is left out."""

    kind: Literal["decibel"] = "decibel"


class MelConfig(DepthConfig):
    """HTK-mel bands, decibels below the sound's own maximum; the way back is approximate."""

    kind: Literal["mel"] = "mel"
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
class SpectrogramContext(ShortTimeContext):
    """The part of a batch of sounds that the network does not see, for the way back.

    Attributes:
        reference: Magnitude of 0 dB, ``(batch,)``: one for all channels of a sound.
        energy: Mean squared magnitude over channels, bins and frames, ``(batch,)``; NaN: as the features say.
        least_energy: What the energy may fall to where ``loudest`` asks for it, ``(batch,)``: the quietest sound's.
        loudest: Mean squared magnitude over channels and bins of the loudest frame, ``(batch,)``.
    """

    reference: Tensor
    energy: Tensor
    least_energy: Tensor
    loudest: Tensor
