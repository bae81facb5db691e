"""Settings and context of the spectrograms in decibels."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, model_validator
from torch import Tensor

from intertone.representation.short_time import ShortTimeConfig, ShortTimeContext
from intertone.stft import mel_filterbank


class DepthConfig(ShortTimeConfig):
    """Settings of all spectrograms in decibels."""

    top_db: float = Field(80.0, gt=0, le=200, description="distance from the maximum to the floor, dB")


class DecibelConfig(DepthConfig):
    """Settings of the spectrogram in decibels relative to the sound's maximum, without the Nyquist bin."""

    kind: Literal["decibel"] = "decibel"


class MelConfig(DepthConfig):
    """Settings of the HTK-mel spectrogram in decibels relative to the sound's maximum; its inverse is approximate."""

    kind: Literal["mel"] = "mel"
    n_mels: int = Field(128, ge=2, description="number of bands")
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
        """Number of rows of the features."""
        return self.n_mels


def build_filterbank(config: DecibelConfig | MelConfig) -> Tensor | None:
    """Return the mel filters of the features, ``(n_mels, n_bins)``, or None for a linear frequency scale."""
    match config:
        case MelConfig():
            return mel_filterbank(config.spectrogram, n_mels=config.n_mels, f_min=config.f_min, f_max=config.f_max)
        case DecibelConfig():
            return None


@dataclass(frozen=True)
class SpectrogramContext(ShortTimeContext):
    """Context of a spectrogram in decibels: reference and energy of a batch of sounds.

    Attributes:
        reference: Magnitude of 0 dB, ``(batch,)``: one for all channels of a sound.
        energy: Mean squared magnitude over channels, bins and frames, ``(batch,)``, to which the synthesised sound is
            scaled; NaN: the sound is not scaled.
        least_energy: Smallest energy to which the limit ``loudest`` may reduce a sound, ``(batch,)``: that of the
            quietest sound of a mixture.
        loudest: Mean squared magnitude over channels and bins of the loudest frame, ``(batch,)``: an upper limit for
            sounds with an estimated phase.
    """

    reference: Tensor
    energy: Tensor
    least_energy: Tensor
    loudest: Tensor
