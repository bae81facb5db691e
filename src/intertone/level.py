"""Levels: decibels to amplitudes and powers and back, and how far a gain may go."""

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.errors import InputError

Values = TypeVar("Values", float, npt.NDArray[Any], Tensor)
Gain = TypeVar("Gain", float, Tensor)

TINY = 1e-30
"""Power that stands for silence where it is divided by or its logarithm is taken."""


MAX_PEAK = 1e4
"""Largest sample that a sound may have, where 1 is full scale: powers of larger ones overflow in the analysis."""


def check_peak(peak: float, where: str) -> None:
    """Refuse a sound whose largest sample is not finite, or beyond ``MAX_PEAK``.

    Args:
        peak: Largest absolute value of a sample; NaN if one is none.
        where: The sound, for the error.

    Raises:
        InputError: If the peak is not finite, or larger.
    """
    if not math.isfinite(peak):
        raise InputError(f"every sample must be a finite number, got others in {where}")
    if peak > MAX_PEAK:
        raise InputError(f"every sample must be within ±{MAX_PEAK:g}, where 1 is full scale, got {peak:.4g} in {where}")


def db_to_amplitude(db: Values) -> Values:
    """Return ``10^(db / 20)``.

    Args:
        db: Decibels: a number, an array or a tensor of any shape.

    Returns:
        Of the same type and shape.

    Example:
        >>> db_to_amplitude(-20.0), db_to_amplitude(torch.tensor([0.0, 40.0]))
        (0.1, tensor([  1., 100.]))
    """
    return 10 ** (db / 20)


def db_to_power(db: Values) -> Values:
    """Return ``10^(db / 10)``.

    Args:
        db: Decibels: a number, an array or a tensor of any shape.

    Returns:
        Of the same type and shape.

    Example:
        >>> db_to_power(-20.0), db_to_power(torch.tensor([0.0, 20.0]))
        (0.01, tensor([  1., 100.]))
    """
    return 10 ** (db / 10)


def amplitude_to_db(amplitude: Values) -> Values:
    """Return ``20·log10(amplitude)``.

    Args:
        amplitude: Above 0; a number, an array or a tensor of any shape. There is no floor: see ``magnitude_to_db``.

    Returns:
        Decibels, of the same type and shape.

    Example:
        >>> amplitude_to_db(torch.tensor([1.0, 0.1]))
        tensor([  0., -20.])
    """
    return 20 * _log10(amplitude)


def power_to_db(power: Values) -> Values:
    """Return ``10·log10(power)``.

    Args:
        power: Above 0; a number, an array or a tensor of any shape.

    Returns:
        Decibels, of the same type and shape.

    Example:
        >>> power_to_db(torch.tensor([1.0, 0.1]))
        tensor([  0., -10.])
    """
    return 10 * _log10(power)


def limited_gain(gain: Gain, most_db: float) -> Gain:
    """Return a gain that makes nothing louder by more than ``most_db``.

    Args:
        gain: What levels would be multiplied by.
        most_db: The largest gain, dB.

    Returns:
        The gain, or the largest one.

    Example:
        >>> limited_gain(0.5, 20.0), limited_gain(torch.tensor([3.0, 30.0]), 20.0)
        (0.5, tensor([ 3., 10.]))
    """
    most = db_to_amplitude(most_db)
    if isinstance(gain, Tensor):
        return gain.clamp(max=most)
    return min(gain, most)


def _log10(values: Values) -> Values:
    if isinstance(values, Tensor):
        return torch.log10(values)
    return np.log10(values)
