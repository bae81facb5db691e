"""Levels: conversion between decibels and amplitudes or powers, limits of peaks and gains."""

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
"""Smallest power in divisions and logarithms: a floor that avoids infinities for silence."""


MAX_PEAK = 1e4
"""Largest absolute value of a sample, where 1 is full scale: the powers of larger ones overflow in the analysis."""


def check_peak(peak: float, where: str) -> None:
    """Refuse a sound whose largest sample is not finite, or beyond ``MAX_PEAK``.

    Args:
        peak: Largest absolute value of the samples; NaN if a sample is NaN.
        where: Name of the sound, for the error sentence.

    Raises:
        InputError: If ``peak`` is not finite, or larger than ``MAX_PEAK``.
    """
    if not math.isfinite(peak):
        raise InputError(f"every sample must be a finite number, got infinity or NaN in {where}")
    if peak > MAX_PEAK:
        raise InputError(f"every sample must be within ±{MAX_PEAK:g}, where 1 is full scale, got {peak:.4g} in {where}")


def db_to_amplitude(db: Values) -> Values:
    """Return ``10^(db / 20)``.

    Args:
        db: Decibels: a number, an array or a tensor of any shape.

    Returns:
        Result of the same type and shape.

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
        Result of the same type and shape.

    Example:
        >>> db_to_power(-20.0), db_to_power(torch.tensor([0.0, 20.0]))
        (0.01, tensor([  1., 100.]))
    """
    return 10 ** (db / 10)


def amplitude_to_db(amplitude: Values) -> Values:
    """Return ``20·log10(amplitude)``.

    Args:
        amplitude: Above 0; a number, an array or a tensor of any shape. ``magnitude_to_db`` has a floor for 0.

    Returns:
        Decibels of the same type and shape.

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
        Decibels of the same type and shape.

    Example:
        >>> power_to_db(torch.tensor([1.0, 0.1]))
        tensor([  0., -10.])
    """
    return 10 * _log10(power)


def limited_gain(gain: Gain, most_db: float) -> Gain:
    """Return a linear gain, limited to ``most_db``.

    Args:
        gain: Factor of amplitudes.
        most_db: Largest gain, dB.

    Returns:
        The smaller of ``gain`` and ``10^(most_db / 20)``.

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
