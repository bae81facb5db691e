"""Momentary loudness, and how far it is from a straight line."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import signal
from torch import Tensor

from intertone.level import power_to_db
from intertone.loudness import ABSOLUTE_GATE, BLOCK_SECONDS, k_weighting
from intertone.pitch.comb import as_array

STEP_SECONDS = 0.01
"""From one block to the next."""

OFFSET = -0.691
"""LUFS of a K-weighted power of 1."""


def maximum_momentary_loudness(audio: Tensor, sample_rate: int) -> float:
    """Return the loudness of the loudest 400 ms of a sound.

    Args:
        audio: ``(samples,)``; one shorter than 400 ms is followed by silence.
        sample_rate: Hz.

    Returns:
        LUFS, at least −70.

    Source:
        EBU Tech 3341 (2016), "Loudness metering: EBU mode metering", section 2.2; steps of 10 ms.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(48000) / 48000)
        >>> round(maximum_momentary_loudness(tone, 48000), 1)
        -3.0
    """
    sound = as_array(audio)
    for numerator, denominator in k_weighting(sample_rate):
        sound = signal.lfilter(numerator, denominator, sound)
    block = round(BLOCK_SECONDS * sample_rate)
    sums = np.cumsum(np.pad(sound**2, (1, max(0, block - len(sound)))))
    starts = np.arange(0, len(sums) - block, round(STEP_SECONDS * sample_rate))
    power = float((sums[starts + block] - sums[starts]).max()) / block
    return max(OFFSET + float(power_to_db(max(power, 1e-30))), ABSOLUTE_GATE)


def loudness_bend_lu(sounds: Sequence[Tensor], mixes: Sequence[float], sample_rate: int) -> float:
    """Return the largest distance of the loudness along a sweep of mixes from the straight line between its ends.

    Args:
        sounds: A sound for each mix, ``(samples,)``.
        mixes: Rising, the first 0 and the last 1.
        sample_rate: Hz.

    Returns:
        LU of the loudest 400 ms, with the sign of the distance: positive where a sound is too loud.

    Raises:
        ValueError: If there is not one sound for each of three mixes or more.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(16000) / 16000)
        >>> round(loudness_bend_lu([tone, 0.5 * tone, tone], [0, 0.5, 1], 16000), 2)
        -6.02
    """
    if len(sounds) != len(mixes) or len(mixes) < 3:
        raise ValueError(f"there must be a sound for each of three mixes or more, got {len(sounds)} and {len(mixes)}")
    loudness = np.array([maximum_momentary_loudness(sound, sample_rate) for sound in sounds])
    return _furthest(loudness - np.interp(mixes, (mixes[0], mixes[-1]), loudness[[0, -1]]))


def key_bend_lu(sounds: Sequence[Tensor], pitches: Sequence[float], sample_rate: int) -> float:
    """Return the largest distance of the loudness of keys from the straight line that fits them best.

    Args:
        sounds: A sound for each key, ``(samples,)``.
        pitches: MIDI numbers.
        sample_rate: Hz.

    Returns:
        LU of the loudest 400 ms, with the sign of the distance: positive where a key is too loud.

    Raises:
        ValueError: If there is not one sound for each of three keys or more.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(16000) / 16000)
        >>> round(key_bend_lu([tone, 0.8 * tone, 0.64 * tone], [60, 61, 62], 16000), 6)
        0.0
    """
    if len(sounds) != len(pitches) or len(pitches) < 3:
        raise ValueError(f"there must be a sound for each of three keys or more, got {len(sounds)} and {len(pitches)}")
    loudness = np.array([maximum_momentary_loudness(sound, sample_rate) for sound in sounds])
    slope, level = np.polyfit(pitches, loudness, 1)
    return _furthest(loudness - slope * np.asarray(pitches) - level)


def _furthest(distances: npt.NDArray[np.float64]) -> float:
    return float(distances[np.abs(distances).argmax()])
