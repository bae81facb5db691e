"""What every representation does, which one it is, and the way from settings to representation."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, Self

import torch
from pydantic import Field
from torch import Tensor

from intertone.harmonic.morph.landmark import Alignment
from intertone.harmonic.rows import HarmonicConfig
from intertone.phase import PhaseConfig
from intertone.representation.decibel import DecibelConfig, MelConfig
from intertone.representation.harmonic import HarmonicRepresentation
from intertone.representation.pitch_normalised import PitchNormalisedConfig, PitchNormalisedRepresentation
from intertone.representation.spectrogram import SpectrogramRepresentation

RepresentationConfig = Annotated[
    DecibelConfig | MelConfig | PitchNormalisedConfig | HarmonicConfig, Field(discriminator="kind")
]
"""Settings of a representation, told apart by ``kind``."""


class Context(Protocol):
    """What the network does not see of sounds; each representation has its own kind."""

    @property
    def edited(self) -> bool:
        """Whether the code that this goes with is another than the sounds' own."""

    @property
    def conditions(self) -> Tensor | None:
        """What a network is told beside the features: pitch and velocity, ``(batch · channels, 2)``, or nothing."""

    def as_edited(self) -> Self:
        """Return this context for a code that was changed."""


class Representation(Protocol):
    """A way to show a sound to a network; ``SpectrogramRepresentation`` and ``HarmonicRepresentation`` say how."""

    @property
    def sample_rate(self) -> int:
        """Hz."""

    @property
    def n_features(self) -> int:
        """Rows that the network sees."""

    @property
    def parts(self) -> Mapping[str, slice]:
        """Names of groups of feature rows that may be mixed by ratios of their own."""

    @property
    def feature_range_db(self) -> float:
        """Decibels between features 0 and 1."""

    @property
    def octaves(self) -> tuple[Tensor, Tensor] | None:
        """Where rows of partials and rows of noise lie, where a representation has such."""

    @property
    def bends_time(self) -> bool:
        """Whether ``align`` takes sounds of different lengths."""

    def facts(self) -> dict[str, float | int | str]:
        """Return what a person would want to know, by name."""

    def n_frames(self, samples: int) -> int:
        """Return the number of feature columns of a sound of ``samples``."""

    def samples(self, n_frames: int) -> int:
        """Return the length of the longest sound that has ``n_frames`` columns."""

    def analyse(self, audio: Tensor) -> tuple[Tensor, Any]:
        """Turn sounds into what the network sees and what it does not."""

    def synthesise(
        self,
        features: Tensor,
        context: Any,
        *,
        phase: PhaseConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Turn features back into sounds."""

    def settle(self, features: Tensor, context: Any) -> tuple[Tensor, Any]:
        """Bring an analysed sound into the form in which it can be mixed; it sounds as before."""

    def span(
        self,
        images: Sequence[tuple[Tensor, Any]],
        weights: Tensor,
        *,
        alignment: Alignment,
        hold_seconds: float | None = None,
    ) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its end: seconds from the mixture's start."""

    def align(
        self,
        images: Sequence[tuple[Tensor, Any]],
        weights: Tensor,
        *,
        ratios: Mapping[str, Tensor] | None = None,
        alignment: Alignment,
        hold_seconds: float | None = None,
    ) -> list[tuple[Tensor, Any]]:
        """Bring sounds to one time, that of a mixture of them."""

    def move(
        self,
        images: Sequence[tuple[Tensor, Any]],
        context: Any,
        decoded: Sequence[tuple[Tensor, Tensor]] | None = None,
        *,
        share: float = 1.0,
    ) -> Sequence[tuple[Tensor, Any]]:
        """Bring aligned sounds to the pitch of their mixture."""

    def mix_features(
        self, features: Sequence[Tensor], weights: Tensor, ratios: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the features between some, part by part."""

    def mix_contexts(
        self,
        contexts: Sequence[Any],
        weights: Tensor,
        *,
        pitch: Tensor | None = None,
        median_hz: float | None = None,
    ) -> Any:
        """Return the context of a mixture of aligned sounds."""


def build_representation(config: DecibelConfig | MelConfig | PitchNormalisedConfig | HarmonicConfig) -> Representation:
    """Return the representation that ``config`` describes."""
    match config:
        case HarmonicConfig():
            return HarmonicRepresentation(config)
        case PitchNormalisedConfig():
            return PitchNormalisedRepresentation(config)
        case _:
            return SpectrogramRepresentation(config)
