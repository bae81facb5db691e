"""The top of a peak between the samples around it."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def parabola_top(before: Array, here: Array, after: Array) -> tuple[Array, Array]:
    """Return place and height of the top of the parabola through three neighbours.

    Args:
        before: Values, any shape.
        here: Values one place further on, of the same shape.
        after: Values two places further on.

    Returns:
        Distance of the top from the middle, −1…1 places, and its height; the middle itself where it is no peak.

    Example:
        >>> place, height = parabola_top(*np.array([[0.0], [3.0], [2.0]]))
        >>> round(float(place[0]), 4), round(float(height[0]), 4)
        (0.25, 3.125)
    """
    bend = before - 2 * here + after
    offset = np.divide(0.5 * (before - after), bend, out=np.zeros_like(here), where=bend < 0).clip(-1, 1)
    return offset, here - 0.25 * (before - after) * offset
