"""Base class of representations whose frames are those of a short-time Fourier transform."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Self, TypeVar

from torch import Tensor

from intertone.config import Settings
from intertone.models.contract import Conditions, Facts
from intertone.representation.contract import Representation
from intertone.stft import SpectrogramConfig


class ShortTimeConfig(Settings):
    """Settings that all short-time representations have."""

    kind: str
    spectrogram: SpectrogramConfig = SpectrogramConfig()

    @property
    def n_features(self) -> int:
        """Number of rows of the features: all bins except the Nyquist bin."""
        return self.spectrogram.n_bins - 1


@dataclass(frozen=True)
class ShortTimeContext:
    """Context of a short-time representation: the analysed sounds themselves, from which the phase is computed.

    Attributes:
        audio: The analysed sounds. With the phase method ``kept`` their phase is used; with other methods the phase
            differences between their channels. (Audio needs half of the memory of its phase, and is exact.)
        edited: Whether the features or the code were changed.
        conditions: Conditions of a network, by name.
    """

    audio: Tensor
    edited: bool = field(default=False, kw_only=True)
    conditions: Conditions = field(default_factory=dict, kw_only=True)

    @property
    def samples(self) -> int:
        """Length of the sounds, samples."""
        return self.audio.shape[-1]

    def as_edited(self) -> Self:
        """Return this context marked as edited, so that the phase is estimated in the synthesis."""
        return replace(self, edited=True)

    def with_conditions(self, conditions: Conditions) -> Self:
        """Return this context with ``conditions`` added; they replace existing ones of the same name."""
        return replace(self, conditions={**self.conditions, **conditions})


S = TypeVar("S", bound=ShortTimeConfig)
X = TypeVar("X", bound=ShortTimeContext)


class ShortTimeRepresentation(Representation[X], Generic[S, X]):
    """Representation whose frames are those of a short-time Fourier transform.

    Args:
        config: The settings.
    """

    def __init__(self, config: S) -> None:
        self.config = config
        self.sample_rate = config.spectrogram.sample_rate
        self.hop_length = config.spectrogram.hop_length
        self.n_features = config.n_features

    def facts(self) -> Facts:
        """Return the main settings by name, for ``intertone info``."""
        return {
            "representation": self.config.kind,
            "n_fft": self.config.spectrogram.n_fft,
            "hop_length": self.hop_length,
            "n_features": self.n_features,
        }


def check_mixture(contexts: Sequence[ShortTimeContext], weights: Tensor) -> None:
    """Refuse contexts of sounds of different shapes, or with another number of weights.

    Raises:
        ValueError: If the shapes of the sounds, or the numbers of contexts and weights, are not equal.
    """
    shapes = {tuple(context.audio.shape) for context in contexts}
    if len(shapes) != 1 or len(contexts) != len(weights):
        raise ValueError(
            f"one weight for each of equally shaped sounds must be given, got {len(weights)} for {sorted(shapes)}"
        )
