"""Deviation of the loudness from a linear change over mixes, and over keys."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.loudness import ABSOLUTE_GATE, maximum_momentary_loudness


def loudness_bend_lu(sounds: Sequence[Tensor], mixes: Sequence[float], sample_rate: int) -> float:
    """Return the largest deviation of the loudness over mixes from the line between the first and the last one.

    Args:
        sounds: A sound for each mix, ``(samples,)``.
        mixes: Increasing mixes, from 0 to 1.
        sample_rate: Hz.

    Returns:
        Deviation of the loudest 400 ms, LU; positive: a sound is too loud.

    Raises:
        ValueError: If there are fewer than three mixes, or another number of sounds.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(16000) / 16000)
        >>> round(loudness_bend_lu([tone, 0.5 * tone, tone], [0, 0.5, 1], 16000), 2)
        -6.02
    """
    if len(sounds) != len(mixes) or len(mixes) < 3:
        raise ValueError(f"there must be a sound for each of three mixes or more, got {len(sounds)} and {len(mixes)}")
    loudness = _loudest(sounds, sample_rate)
    return _furthest(loudness - np.interp(mixes, (mixes[0], mixes[-1]), loudness[[0, -1]]))


def key_bend_lu(sounds: Sequence[Tensor], pitches: Sequence[float], sample_rate: int) -> float:
    """Return the largest deviation of the loudness of keys from a line that is fitted by least squares.

    Args:
        sounds: A sound for each key, ``(samples,)``.
        pitches: MIDI numbers of the keys.
        sample_rate: Hz.

    Returns:
        Deviation of the loudest 400 ms, LU; positive: a key is too loud.

    Raises:
        ValueError: If there are fewer than three keys, or another number of sounds.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(16000) / 16000)
        >>> round(key_bend_lu([tone, 0.8 * tone, 0.64 * tone], [60, 61, 62], 16000), 6)
        0.0
    """
    if len(sounds) != len(pitches) or len(pitches) < 3:
        raise ValueError(f"there must be a sound for each of three keys or more, got {len(sounds)} and {len(pitches)}")
    loudness = _loudest(sounds, sample_rate)
    slope, level = np.polyfit(pitches, loudness, 1)
    return _furthest(loudness - slope * np.asarray(pitches) - level)


def _loudest(sounds: Sequence[Tensor], sample_rate: int) -> npt.NDArray[np.float64]:
    """Return the loudness of the loudest 400 ms of each sound, LUFS, at least −70."""
    return np.maximum([maximum_momentary_loudness(sound, sample_rate) for sound in sounds], ABSOLUTE_GATE)


def _furthest(distances: npt.NDArray[np.float64]) -> float:
    return float(distances[np.abs(distances).argmax()])
