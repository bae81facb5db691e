"""Mix of sounds: a ratio between two, a curve of this ratio over time, or one weight for each sound."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeGuard, cast

import numpy as np
import numpy.typing as npt

from intertone.errors import InputError, shortened

FARTHEST = 0.5
"""Largest extrapolation: a ratio may be from −0.5 to 1.5."""
SUM_TOLERANCE = 1e-6
"""Smallest sum of the weights of sounds, which are divided by it."""


@dataclass(frozen=True)
class MixCurve:
    """Ratio that changes over time: linear between points, constant before the first and after the last one.

    A property that is one number for the whole sound, such as its length or onset time, uses the mean ratio from the
    onset to the end.

    Attributes:
        seconds: Time of each point from the start of the result, s, rising.
        ratios: Ratio at each point; 0 is sound A, 1 is sound B.
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
            check_ratio(ratio)

    def at(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the ratio at the given times.

        Args:
            seconds: Times, s, ``(n,)``.

        Returns:
            Ratios, ``(n,)``.

        Example:
            >>> MixCurve((1, 2), (0, 0.5)).at(np.array([0, 1.5, 9]))
            array([0.  , 0.25, 0.5 ])
        """
        return np.interp(seconds, self.seconds, self.ratios)


Mix = float | Sequence[float] | MixCurve
"""Ratio between two sounds, sequence of one weight for each sound, or curve of the ratio between two sounds."""


def read_mix(mix: Mix | str) -> Mix:
    """Return a mix; a text is converted by ``parse_mix``."""
    return parse_mix(mix) if isinstance(mix, str) else mix


def parse_mix(text: str) -> Mix:
    """Return the mix of a text in the syntax of the command line.

    Args:
        text: ``0.3``; ``0:0,1.5:0.7,4:1``, seconds and ratios; or ``.1,.2,.7``, one weight for each sound.

    Returns:
        A number, a curve, or weights. ``mix_shares`` checks whether they fit the number of sounds.

    Raises:
        InputError: If the text has another form.

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


def mix_shares(mix: Mix, n_sounds: int) -> tuple[float, ...] | MixCurve:
    """Return the share of each sound, normalised to a sum of 1; a curve is returned unchanged.

    Args:
        mix: A ratio or a curve between two sounds, or one weight for each sound; weights are divided by their sum.
        n_sounds: How many sounds there are.

    Raises:
        InputError: If the mix does not fit the number of sounds, or a number is out of range.

    Example:
        >>> mix_shares(0.25, 2), mix_shares((1, 1, 2), 3)
        ((0.75, 0.25), (0.25, 0.25, 0.5))
    """
    if isinstance(mix, MixCurve):
        _check_two(n_sounds, "a curve")
        return mix
    if is_ratio(mix):
        _check_two(n_sounds, "one ratio")
        ratio = float(mix)
        check_ratio(ratio)
        return 1 - ratio, ratio
    given = [float(weight) for weight in cast(Sequence[float], mix)]
    if len(given) != n_sounds:
        raise InputError(f"there must be one weight for each of {n_sounds} sounds, got {len(given)}")
    total = math.fsum(given)
    if not all(math.isfinite(weight) for weight in given) or not total > SUM_TOLERANCE:
        raise InputError(f"weights must be finite and have a sum above 0, got {', '.join(f'{w:g}' for w in given)}")
    shares = tuple(weight / total for weight in given)
    for share in shares:
        check_ratio(share)
    return shares


def is_ratio(mix: Mix) -> TypeGuard[float]:
    """Return whether a mix is a single real number: a Python or numpy number, or an array without axes.

    Example:
        >>> is_ratio(np.float32(0.5)), is_ratio(np.array(0.5)), is_ratio((0.5, 0.5))
        (True, True, False)
    """
    return isinstance(mix, Real) or getattr(mix, "ndim", None) == 0


def check_ratio(ratio: float) -> None:
    """Refuse a ratio that is not finite, below ``−FARTHEST`` or above ``1 + FARTHEST``.

    Raises:
        InputError: If the ratio is outside that range.
    """
    if not (math.isfinite(ratio) and -FARTHEST <= ratio <= 1 + FARTHEST):
        raise InputError(f"mix must be in {-FARTHEST:g}..{1 + FARTHEST:g}, got {ratio:g}")


def _check_two(n_sounds: int, what: str) -> None:
    if n_sounds != 2:
        raise InputError(f"{what} must be used with two sounds, got {n_sounds}; give one weight for each")
