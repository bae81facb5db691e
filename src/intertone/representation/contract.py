"""Interface of a representation, which networks, training and evaluation use."""

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
    """Analysed sounds: the features, which a network encodes, and the context, which bypasses the network.

    Attributes:
        features: ``(batch · channels, n_features, n_frames)``.
        context: Data other than the features that ``synthesise`` needs.
    """

    features: Tensor
    context: C


class Context(Protocol):
    """Data of sounds that bypass the network, such as phase and level; each representation has its own type."""

    @property
    def samples(self) -> int:
        """Length of the sounds, samples."""

    @property
    def edited(self) -> bool:
        """Whether the features or the code were changed, so that phase and residual of the sounds do not fit them."""

    @property
    def conditions(self) -> Conditions:
        """Conditions of a network, by name, ``(batch · channels, size, 1 or n_frames)``; NaN: unknown."""

    def as_edited(self) -> Self:
        """Return this context marked as edited."""

    def with_conditions(self, conditions: Conditions) -> Self:
        """Return this context with ``conditions`` added; they replace existing ones of the same name."""


X = TypeVar("X", bound=Context)


class Representation(Generic[X]):
    """Base class of all representations, which convert audio to features and back.

    A subclass sets the attributes and defines ``facts``, ``analyse``, ``blank``, ``mix`` and ``_synthesise``, and
    ``features`` if it is differentiable.

    Attributes:
        sample_rate: Hz.
        hop_length: Hop between frames, samples.
        n_features: Number of rows of the features; several quantities, such as magnitude and phase, are stacked.
        scales: Scale of the values in each group of rows.
        rows: Positions of the rows of partials and of noise bands, for models that shift them; None: there are none.
        frequencies: Centre frequency of each row, Hz, ``(n_features,)``; None: they are not fixed.
        measures: Names of the conditions that ``analyse`` measures.
        no_gradient: Error message of a representation without ``features``: why it is not differentiable.
    """

    sample_rate: int
    hop_length: int
    n_features: int
    scales: tuple[Scale, ...]
    rows: Rows | None = None
    frequencies: Tensor | None = None
    measures: tuple[str, ...] = ()
    no_gradient = "this representation is not differentiable"

    @property
    def frame_seconds(self) -> float:
        """Hop between frames, s."""
        return self.hop_length / self.sample_rate

    def facts(self) -> Facts:
        """Return the main settings by name, for ``intertone info``."""
        raise NotImplementedError

    def n_frames(self, samples: int) -> int:
        """Return the number of frames of a sound of ``samples``."""
        return 1 + -(-samples // self.hop_length)

    def samples(self, n_frames: int) -> int:
        """Return the length of the longest sound that has ``n_frames`` frames, samples."""
        return (n_frames - 1) * self.hop_length

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of sounds, ``(batch · channels, n_features, n_frames)``, with gradient.

        Args:
            audio: The same as for ``analyse``.

        Raises:
            NotImplementedError: If this representation is not differentiable; the message says why.
        """
        raise NotImplementedError(self.no_gradient)

    def analyse(self, audio: Tensor) -> Analysis[X]:
        """Return the features and the context of sounds.

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
        """Return the sounds of features.

        Args:
            analysis: Features, ``(batch · channels, n_features, >= n_frames)``, of which frames after the end of the
                sound are ignored, and the context from ``analyse``, ``mix`` or ``blank``.
            phase: How the phase is found, if the representation estimates one. None: ``kept`` if the context is not
                edited, else ``pghi-fast``.
            residual: Whether the residual in the context, which the features do not contain, is used; an edited
                context has none.
            generator: Source of random phase and noise.

        Returns:
            Audio of the shape of the analysed sounds.

        Raises:
            ValueError: If ``phase`` is ``kept`` and the context is edited.
        """
        edited = analysis.context.edited
        if phase is None:
            phase = PhaseConfig(method="pghi-fast" if edited else "kept")
        if phase.method == "kept" and edited:
            raise ValueError("the phase method kept must be used with a context that is not edited, got an edited one")
        return self._synthesise(analysis, phase, residual, generator)

    def _synthesise(
        self, analysis: Analysis[X], phase: PhaseConfig, residual: bool, generator: torch.Generator | None
    ) -> Tensor:
        """Return the sounds of features with the given phase method; ``synthesise`` has checked the arguments."""
        raise NotImplementedError

    def magnitude(self, analysis: Analysis[X]) -> Tensor:
        """Return the magnitude spectrogram of features.

        Args:
            analysis: Features and context, the same as for ``synthesise``.

        Returns:
            Linear, ``(batch · channels, n_bins, n_frames)``, >= 0.

        Raises:
            NotImplementedError: If the features of this representation are not magnitudes of frames.
        """
        raise NotImplementedError("the features of this representation are not magnitudes of frames")

    def blank(self, samples: int, **conditions: Tensor) -> X:
        """Return a context for one mono sound without an analysis, with which a freely chosen code is decoded.

        Args:
            samples: Length of the sound, samples.
            conditions: Conditions such as ``pitch``, ``(1, size, 1 or n_frames)`` each.
        """
        raise NotImplementedError

    def mix(self, contexts: Sequence[X], weights: Tensor, *, pitch: Tensor | None = None) -> X:
        """Return the context of a mixture of codes, marked as edited.

        Args:
            contexts: Contexts of sounds of the same shape.
            weights: ``(n_sounds,)``, or ``(n_sounds, n_frames)`` for weights over time; each column has the sum 1.
            pitch: Weights of the pitch, if the context has one, of the same shapes; None: ``weights``.

        Raises:
            ValueError: If the shapes of the sounds, or the numbers of contexts and weights, are not equal.
        """
        raise NotImplementedError


def mean_shares(weights: Tensor) -> list[float]:
    """Return one weight for each sound; weights over time, ``(n_sounds, n_frames)``, are averaged over the frames."""
    shares: list[float] = (weights if weights.ndim == 1 else weights.mean(1)).tolist()
    return shares


def mix_conditions(all_conditions: Sequence[Conditions], weights: Tensor) -> dict[str, Tensor]:
    """Return the conditions of a mixture of sounds.

    Values are interpolated, pitch as a MIDI number, which is logarithmic in frequency. The chroma of a mixture is
    one-hot for the class with the largest weight; at a tie that of the first sound. A value that is unknown for one
    sound with a weight other than 0 is unknown for the mixture.

    Args:
        all_conditions: Conditions of each sound, with the same names.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``; for a condition that is constant over time, weights over
            time are averaged.

    Returns:
        Conditions by name, ``(batch, size, 1 or n_frames)``.

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
            # the class of the first sound is favoured by a factor of 1 + 1e-6, which decides a tie
            total = one_hot_classes(total * (1 + 1e-6 * first))
        mixed[name] = total
    return mixed
