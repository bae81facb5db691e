"""Weights of sounds as tensors, computed from a mix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.ratio import Mix, MixCurve, mix_shares

HALVINGS = 24
"""Number of bisection steps of ``find_span``."""


def mix_weights(
    mix: Mix, n_sounds: int, *, frames_per_second: float, n_frames: int, first_seconds: float = 0.0
) -> Tensor:
    """Return the weight of each sound.

    Args:
        mix: A ratio or a curve between two sounds, or one weight for each sound; weights are divided by their sum.
        n_sounds: Number of sounds.
        frames_per_second: Frame rate of the weights of a curve, 1/s.
        n_frames: Number of frames of the weights of a curve.
        first_seconds: Time of the first frame of a curve, s.

    Returns:
        Weights, ``(n_sounds,)``, or ``(n_sounds, n_frames)`` for a curve, float64, with a sum of 1.

    Raises:
        InputError: If the mix does not fit the number of sounds, or a number is out of range.

    Example:
        >>> mix_weights(0.25, 2, frames_per_second=1, n_frames=3)
        tensor([0.7500, 0.2500], dtype=torch.float64)
        >>> mix_weights(MixCurve((0, 2), (0, 1)), 2, frames_per_second=1, n_frames=3)
        tensor([[1.0000, 0.5000, 0.0000],
                [0.0000, 0.5000, 1.0000]], dtype=torch.float64)
    """
    shares = mix_shares(mix, n_sounds)
    if isinstance(shares, MixCurve):
        ratios = torch.from_numpy(shares.at(first_seconds + np.arange(max(1, n_frames)) / frames_per_second))
        return torch.stack([1 - ratios, ratios])
    return torch.tensor(shares, dtype=torch.float64)


def at_end(weights: Tensor) -> bool:
    """Return whether one weight is 1 and all others are 0; False for weights over time, ``(n_sounds, n_frames)``."""
    return bool(((weights == 0) | (weights == 1)).all()) and weights.ndim == 1


@dataclass(frozen=True)
class Weights:
    """Weights of the sounds of a morph.

    Attributes:
        overall: Weights of all attributes without separate ones: ``(n_sounds,)``, or ``(n_sounds, n_frames)`` for a
            curve; each column has the sum 1.
        own: Weights of attributes that have separate ones, by name, of the same shapes.
        pitch: Weights of the pitch, of the same shapes.
        first_seconds: Time of the first frame from the start of the result, s.
        common: Weights of timing, pitch and phases that several morphs share, ``(n_sounds,)``; None: nothing is shared.
    """

    overall: Tensor
    own: Mapping[str, Tensor]
    pitch: Tensor
    first_seconds: float = 0.0
    common: Tensor | None = None

    @property
    def timing(self) -> Tensor:
        """Weights of the envelope: level over time, attack and length."""
        return self.own.get("envelope", self.overall)

    @property
    def changing(self) -> list[Tensor]:
        """All weights that change over time, except those of the pitch."""
        return [each for each in (self.overall, *self.own.values()) if each.ndim == 2]

    @property
    def only(self) -> int | None:
        """Index of the sound that has weight 1 in all attributes; None if there is none."""
        alike = all(torch.equal(each, self.overall) for each in (self.pitch, *self.own.values()))
        return int(self.overall.argmax()) if at_end(self.overall) and alike else None

    def at(self, column: int) -> "Weights":
        """Return constant weights: those of one frame."""

        def constant(weights: Tensor) -> Tensor:
            return weights if weights.ndim == 1 else weights[:, column]

        own = {name: constant(each) for name, each in self.own.items()}
        return Weights(constant(self.overall), own, constant(self.pitch), self.first_seconds, self.common)


def find_span(
    curve: MixCurve, span: Callable[[Tensor], tuple[float, float]], *, frames_per_second: float
) -> tuple[float, float]:
    """Return start and end of a morph with a mix curve, whose length depends on the mean ratio up to its end.

    Start and end are found by bisection of the mean ratio, since the mean depends on them in turn.

    Args:
        curve: Mix curve between two sounds.
        span: Returns start and end, s, of a morph with constant weights, ``(2,)``.
        frames_per_second: Frame rate at which the mean of the curve is computed, 1/s.

    Returns:
        ``(first, end)``, s: ``span`` of the curve's mean between ``first`` and ``end``.

    Example:
        >>> curve = MixCurve((0, 1), (0, 1))  # from a sound of 2 s to one of 4 s
        >>> _, end = find_span(curve, lambda weights: (0.0, 2 + 2 * float(weights[1])), frames_per_second=1000)
        >>> round(end, 2)  # 2 + 2 · (1 - 0.5 / 3.73)
        3.73
    """
    low, high = min(curve.ratios), max(curve.ratios)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        first, end = span(torch.tensor([1 - middle, middle], dtype=torch.float64))
        times = np.arange(first, max(end, first) + 0.5 / frames_per_second, 1 / frames_per_second)
        low, high = (middle, high) if float(curve.at(times).mean()) > middle else (low, middle)
    return first, end
