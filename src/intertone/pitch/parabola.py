"""Maximum of a sampled peak between the samples, by a parabola."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def parabola_top(before: Array, here: Array, after: Array) -> tuple[Array, Array]:
    """Return position and height of the maximum of the parabola through three neighbouring samples.

    Args:
        before: First samples, any shape.
        here: Second samples, of the same shape.
        after: Third samples, of the same shape.

    Returns:
        Position of the maximum relative to the second sample, −1…1 samples, and its height; 0 and the value of the
        second sample where the parabola has no maximum.

    Example:
        >>> place, height = parabola_top(*np.array([[0.0], [3.0], [2.0]]))
        >>> round(float(place[0]), 4), round(float(height[0]), 4)
        (0.25, 3.125)
    """
    bend = before - 2 * here + after
    offset = np.divide(0.5 * (before - after), bend, out=np.zeros_like(here), where=bend < 0).clip(-1, 1)
    return offset, here - 0.25 * (before - after) * offset
