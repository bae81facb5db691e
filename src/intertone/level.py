"""Levels: decibels to amplitudes and powers and back, and how far a gain may go."""

from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.floating[Any]]
Values = TypeVar("Values", float, Array, Tensor)


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


@overload
def amplitude_to_db(amplitude: Tensor) -> Tensor: ...
@overload
def amplitude_to_db(amplitude: Array) -> Array: ...
@overload
def amplitude_to_db(amplitude: float) -> float: ...
def amplitude_to_db(amplitude: Tensor | Array | float) -> Tensor | Array | float:
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


@overload
def power_to_db(power: Tensor) -> Tensor: ...
@overload
def power_to_db(power: Array) -> Array: ...
@overload
def power_to_db(power: float) -> float: ...
def power_to_db(power: Tensor | Array | float) -> Tensor | Array | float:
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


@overload
def limited_gain(gain: Tensor, most_db: float) -> Tensor: ...
@overload
def limited_gain(gain: float, most_db: float) -> float: ...
def limited_gain(gain: Tensor | float, most_db: float) -> Tensor | float:
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
    return gain.clamp(max=most) if isinstance(gain, Tensor) else min(gain, most)


def _log10(values: Any) -> Any:
    return torch.log10(values) if isinstance(values, Tensor) else np.log10(values)
