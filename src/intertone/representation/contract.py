"""The contract of a representation with networks, training and evaluation."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Tensor

from intertone.curve import weights_over_time
from intertone.models.contract import Conditions, Facts, Rows, Scale
from intertone.phase import PhaseConfig
from intertone.pitch.chroma import one_hot_classes

C = TypeVar("C")


class Analysis(NamedTuple, Generic[C]):
    """Analysed sounds: what a network sees of them, and what goes round it; the two never travel apart.

    Attributes:
        features: ``(batch · channels, n_features, n_frames)``.
        context: What the way back needs beside the features.
    """

    features: Tensor
    context: C


class Context(Protocol):
    """The part of sounds that the network does not see; each representation has its own kind."""

    @property
    def samples(self) -> int:
        """Length of the sounds."""

    @property
    def edited(self) -> bool:
        """Whether the code that this goes with is another than the sounds' own."""

    @property
    def conditions(self) -> Conditions:
        """Conditions of a network, by name, ``(batch · channels, size, 1 or n_frames)``; NaN: unknown."""

    def as_edited(self) -> Self:
        """Return this context for a code that was changed."""

    def with_conditions(self, conditions: Conditions) -> Self:
        """Return this context with further conditions, or others."""


X = TypeVar("X", bound=Context)


class Representation(Generic[X]):
    """A way to show a sound to a network: the base class of all kinds.

    A kind sets the attributes and defines ``facts``, ``analyse``, ``blank``, ``mix`` and ``_synthesise``, and
    ``features`` if a gradient passes it.

    Attributes:
        sample_rate: Hz.
        hop_length: Samples from one column to the next.
        n_features: Rows that the network sees; of two channels, such as magnitude and phase, one lies below the other.
        scales: Meaning of the numbers of each group of rows.
        rows: Where rows of partials and rows of noise lie, for models that shift them; None: there are none.
        frequencies: Hz of the centre of each row, ``(n_features,)``; None: they are not fixed.
        measures: Names of the conditions that ``analyse`` finds itself.
        no_gradient: Why no gradient passes, for a representation without ``features``.
    """

    sample_rate: int
    hop_length: int
    n_features: int
    scales: tuple[Scale, ...]
    rows: Rows | None = None
    frequencies: Tensor | None = None
    measures: tuple[str, ...] = ()
    no_gradient = "no gradient passes this representation"

    @property
    def frame_seconds(self) -> float:
        """From one column to the next."""
        return self.hop_length / self.sample_rate

    def facts(self) -> Facts:
        """Return what a person would want to know, by name."""
        raise NotImplementedError

    def n_frames(self, samples: int) -> int:
        """Return the number of feature columns of a sound of ``samples``."""
        return 1 + -(-samples // self.hop_length)

    def samples(self, n_frames: int) -> int:
        """Return the length of the longest sound that has ``n_frames`` columns."""
        return (n_frames - 1) * self.hop_length

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of sounds, ``(batch · channels, n_features, n_frames)``, with gradient.

        Args:
            audio: As for ``analyse``.

        Raises:
            NotImplementedError: If no gradient passes this representation; the message says why.
        """
        raise NotImplementedError(self.no_gradient)

    def analyse(self, audio: Tensor) -> Analysis[X]:
        """Turn sounds into what the network sees and what it does not.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.
        """
        raise NotImplementedError

    def synthesise(
        self,
        analysis: Analysis[X],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Turn features back into sounds, the shape of those that were analysed.

        Args:
            analysis: Features, ``(batch · channels, n_features, >= n_frames)``, columns beyond the sound being padding,
                and the context from ``analyse``, ``mix`` or ``blank``.
            phase: How a phase is found, where one must be; default: kept where the code is untouched, else
                ``pghi-fast``.
            residual: Whether what the features do not show of an untouched sound is used.
            generator: Source of random phase and noise.

        Returns:
            Audio, the shape of the sounds that were analysed.

        Raises:
            ValueError: If the phase of an edited code shall be kept.
        """
        edited = analysis.context.edited
        if phase is None:
            phase = PhaseConfig(method="pghi-fast" if edited else "kept")
        if phase.method == "kept" and edited:
            raise ValueError("the kept phase goes with an untouched code only, got an edited one")
        return self._synthesise(analysis, phase, residual, generator)

    def _synthesise(
        self, analysis: Analysis[X], phase: PhaseConfig, residual: bool, generator: torch.Generator | None
    ) -> Tensor:
        """Turn features back into sounds; the phase is decided."""
        raise NotImplementedError

    def magnitude(self, analysis: Analysis[X]) -> Tensor:
        """Return the magnitudes that features stand for, for representations whose columns are frames of a spectrum.

        Args:
            analysis: Features and context, as for ``synthesise``.

        Returns:
            Linear, ``(batch · channels, n_bins, n_frames)``, >= 0.

        Raises:
            NotImplementedError: If the features hold no magnitude of each frame.
        """
        raise NotImplementedError("the features of this representation are not magnitudes of frames")

    def blank(self, samples: int, **conditions: Tensor) -> X:
        """Return the context of one mono sound that was not analysed, to decode a code that comes from nowhere.

        Args:
            samples: Length of the sound.
            conditions: ``(1, size, 1 or n_frames)`` each, such as ``pitch``.
        """
        raise NotImplementedError

    def mix(self, contexts: Sequence[X], weights: Tensor, *, pitch: Tensor | None = None) -> X:
        """Return the context of a mixture of codes; it counts as edited.

        Args:
            contexts: Of sounds of one shape.
            weights: ``(n_sounds,)`` or, frame by frame, ``(n_sounds, n_frames)``; each column sums to 1.
            pitch: The same for the pitch, where the context holds one; as ``weights`` if not given.

        Raises:
            ValueError: If the shapes differ or the numbers of contexts and weights do.
        """
        raise NotImplementedError


def mean_shares(weights: Tensor) -> list[float]:
    """Return one share for each sound: weights over time, ``(n_sounds, n_frames)``, count with their mean."""
    shares: list[float] = (weights if weights.ndim == 1 else weights.mean(1)).tolist()
    return shares


def mix_conditions(all_conditions: Sequence[Conditions], weights: Tensor) -> dict[str, Tensor]:
    """Return what a mixture of sounds is conditioned on.

    Numbers are interpolated: pitch as MIDI number, so in its logarithm. Of a chroma the strongest class counts, at a
    tie that of the first sound. What is unknown of one sound that counts is unknown of the mixture.

    Args:
        all_conditions: Of each sound, the same names.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``; weights over time count with their mean for a condition
            of the whole sound.

    Returns:
        Name → ``(batch, size, 1 or n_frames)``.

    Example:
        >>> notes = [{"pitch": torch.tensor([[[pitch]]])} for pitch in (60.0, 72.0)]
        >>> mix_conditions(notes, torch.tensor([0.5, 0.5]))["pitch"]
        tensor([[[66.]]])
    """
    shares = mean_shares(weights)
    mixed = {}
    for name, first in all_conditions[0].items():
        n_frames = first.shape[-1]
        factors = shares if n_frames == 1 or weights.ndim == 1 else list(weights_over_time(weights, n_frames).to(first))
        pairs = zip(factors, all_conditions, shares, strict=True)
        total = torch.stack([factor * own[name] for factor, own, share in pairs if share]).sum(0).to(first)
        if name == "chroma":
            # a millionth more of the first sound decides a tie
            total = one_hot_classes(total * (1 + 1e-6 * first))
        mixed[name] = total
    return mixed
