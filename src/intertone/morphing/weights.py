"""Weights of sounds, as tensors, from a ratio between them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.ratio import Mix, MixCurve, mix_shares

HALVINGS = 24
"""Times that the range in which the mean of a curve lies is halved, until it is found."""


def mix_weights(
    mix: Mix, n_sounds: int, *, frames_per_second: float, n_frames: int, first_seconds: float = 0.0
) -> Tensor:
    """Return how much each sound counts.

    Args:
        mix: A ratio or a curve between two sounds, or one weight for each sound; weights are divided by their sum.
        n_sounds: How many sounds there are.
        frames_per_second: For a curve: frames of the weights.
        n_frames: For a curve: how many.
        first_seconds: For a curve: where the first of them lies.

    Returns:
        ``(n_sounds,)``, or for a curve ``(n_sounds, n_frames)``, float64, summing to 1.

    Raises:
        InputError: If the mix does not go with the number of sounds, or a number is out of range.

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
    """Tell whether weights, ``(n_sounds,)``, are all 0 but one that is 1; those that change over time are not."""
    return bool(((weights == 0) | (weights == 1)).all()) and weights.ndim == 1


@dataclass(frozen=True)
class Weights:
    """Weights of the sounds of a morph.

    Attributes:
        overall: ``(n_sounds,)``, or of a curve ``(n_sounds, n_frames)``; each column sums to 1.
        own: The same of attributes that have a ratio of their own, by name.
        pitch: The same of the pitch.
        first_seconds: Where the first column lies, seconds from the start of the result.
        common: ``(n_sounds,)``: weights of time, pitch and phases, where several morphs share these.
    """

    overall: Tensor
    own: Mapping[str, Tensor]
    pitch: Tensor
    first_seconds: float = 0.0
    common: Tensor | None = None

    @property
    def timing(self) -> Tensor:
        """Weights of level, attack and length."""
        return self.own.get("envelope", self.overall)

    @property
    def changing(self) -> list[Tensor]:
        """Those that change over time, but for the pitch."""
        return [each for each in (self.overall, *self.own.values()) if each.ndim == 2]

    @property
    def only(self) -> int | None:
        """Index of the only sound that counts, for everything; None where several do."""
        alike = all(torch.equal(each, self.overall) for each in (self.pitch, *self.own.values()))
        return int(self.overall.argmax()) if at_end(self.overall) and alike else None

    def at(self, column: int) -> "Weights":
        """Return the weights of one column, held."""

        def held(weights: Tensor) -> Tensor:
            return weights if weights.ndim == 1 else weights[:, column]

        own = {name: held(each) for name, each in self.own.items()}
        return Weights(held(self.overall), own, held(self.pitch), self.first_seconds, self.common)


def find_span(
    curve: MixCurve, span: Callable[[Tensor], tuple[float, float]], *, frames_per_second: float
) -> tuple[float, float]:
    """Return where a sound begins and ends whose length depends on the mean of a curve, which depends on its length.

    Args:
        curve: The ratio.
        span: Called with weights, ``(2,)``; returns first and last second of what they make.
        frames_per_second: At which the mean is taken.

    Returns:
        ``(first, end)``, seconds: such that ``span`` of the mean between them gives them.

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
