"""Weights of sounds: a number, a curve over time, or one weight for each."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeGuard, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.errors import InputError, shortened

FARTHEST = 0.5
"""Distance beyond 0 and 1 that a ratio may have."""

SUM_TOLERANCE = 1e-6

HALVINGS = 24
"""Times that the range in which the mean of a curve lies is halved, until it is found."""


@dataclass(frozen=True)
class MixCurve:
    """A ratio that changes over time: straight lines between points, the ends held.

    What is one number for the whole sound, such as its length or the place of its onset, follows the mean of the ratio
    from the onset to the end.

    Attributes:
        seconds: Of each point, rising, from the start of the result.
        ratios: At each point; 0 is A, 1 is B.
    """

    seconds: tuple[float, ...]
    ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.seconds or len(self.seconds) != len(self.ratios):
            raise InputError(
                f"a curve must have as many times as ratios, one or more, got {self.seconds} and {self.ratios}"
            )
        if any(not math.isfinite(value) for value in self.seconds) or self.seconds[0] < 0:
            raise InputError(f"the times of a curve must be finite and 0 or later, got {self.seconds}")
        if any(after <= before for before, after in zip(self.seconds, self.seconds[1:], strict=False)):
            raise InputError(f"the times of a curve must rise, got {', '.join(f'{value:g}' for value in self.seconds)}")
        for ratio in self.ratios:
            _check_ratio(ratio)

    def at(self, seconds: npt.NDArray[np.float64]) -> Tensor:
        """Return the ratio at some times.

        Args:
            seconds: ``(n,)``; before the first point and after the last one their ratios are held.

        Returns:
            ``(n,)``, float64.

        Example:
            >>> MixCurve((1, 2), (0, 0.5)).at(np.array([0, 1.5, 9]))
            tensor([0.0000, 0.2500, 0.5000], dtype=torch.float64)
        """
        return torch.from_numpy(np.interp(seconds, self.seconds, self.ratios))


Mix = float | Sequence[float] | MixCurve
"""A ratio between two sounds, one weight for each of several, or a curve between two."""


def read_mix(mix: Mix | str) -> Mix:
    """Return a mix, or that of a text as ``parse_mix`` reads it."""
    return parse_mix(mix) if isinstance(mix, str) else mix


def parse_mix(text: str) -> Mix:
    """Read a mix as it is written on a command line.

    Args:
        text: ``0.3``; ``0:0,1.5:0.7,4:1``, seconds and ratios; or ``.1,.2,.7``, one weight for each sound.

    Returns:
        What ``mix_weights`` takes.

    Raises:
        InputError: If it is none of these.

    Example:
        >>> parse_mix("0.25"), parse_mix(".5, .5"), parse_mix("0:0,4:1").ratios
        (0.25, (0.5, 0.5), (0.0, 1.0))
    """
    parts = [part.strip() for part in text.split(",")]
    try:
        points = [tuple(float(number) for number in re.split(r"\s*:\s*", part)) for part in parts]
    except ValueError:
        points = []
    sizes = {len(point) for point in points}
    if sizes == {2}:
        return MixCurve(tuple(point[0] for point in points), tuple(point[1] for point in points))
    if sizes == {1}:
        return points[0][0] if len(points) == 1 else tuple(point[0] for point in points)
    raise InputError(
        f"a mix must be a number (0.5), seconds and ratios (0:0,1.5:0.7,4:1) or a weight for each sound (.2,.3,.5), "
        f"got {shortened(text)}"
    )


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
    if isinstance(mix, MixCurve):
        _check_two(n_sounds, "a curve")
        ratios = mix.at(first_seconds + np.arange(max(1, n_frames)) / frames_per_second)
        return torch.stack([1 - ratios, ratios])
    if is_ratio(mix):
        _check_two(n_sounds, "one ratio")
        ratio = float(mix)
        _check_ratio(ratio)
        return torch.tensor([1 - ratio, ratio], dtype=torch.float64)
    given = [float(weight) for weight in cast(Sequence[float], mix)]
    if len(given) != n_sounds:
        raise InputError(f"there must be one weight for each of {n_sounds} sounds, got {len(given)}")
    total = math.fsum(given)
    if not all(math.isfinite(weight) for weight in given) or not total > SUM_TOLERANCE:
        raise InputError(f"weights must be finite and have a sum above 0, got {', '.join(f'{w:g}' for w in given)}")
    shares = [weight / total for weight in given]
    for share in shares:
        _check_ratio(share)
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


def is_ratio(mix: Mix) -> TypeGuard[float]:
    """Tell whether a mix is one real number, of whatever type.

    Example:
        >>> is_ratio(np.float32(0.5)), is_ratio(torch.tensor(0.5)), is_ratio((0.5, 0.5))
        (True, True, False)
    """
    return isinstance(mix, Real) or getattr(mix, "ndim", None) == 0


def _check_two(n_sounds: int, what: str) -> None:
    if n_sounds != 2:
        raise InputError(f"{what} goes between two sounds, got {n_sounds}; give one weight for each")


def _check_ratio(ratio: float) -> None:
    if not (math.isfinite(ratio) and -FARTHEST <= ratio <= 1 + FARTHEST):
        raise InputError(f"mix must be in {-FARTHEST:g}..{1 + FARTHEST:g}, got {ratio:g}")
