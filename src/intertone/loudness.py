"""Loudness of a sound: K-weighting and gated loudness."""

import math

import numpy as np
import numpy.typing as npt
from scipy import signal
from torch import Tensor
from torch.nn.functional import pad

from intertone.level import db_to_amplitude, power_to_db

BLOCK_SECONDS = 0.4
MOMENTARY_SECONDS = 0.01
"""From one block of the momentary loudness to the next."""

ABSOLUTE_GATE = -70.0
"""LUFS below which a block counts as silence."""

RELATIVE_GATE = -10.0
"""LU below the loudness of the other blocks at which a block no longer counts."""

Array = npt.NDArray[np.float64]


def integrated_loudness(audio: Tensor, sample_rate: int) -> float:
    """Return the integrated loudness of a sound.

    K-weighted power in blocks of 0.4 s, of which the quiet ones do not count; the channels' powers are added. A sound
    shorter than a block is one block.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``, all channels of equal weight.
        sample_rate: Hz.

    Returns:
        LUFS; minus infinity where everything is below −70 LUFS.

    Raises:
        ValueError: If ``audio`` has more than two axes or no sample.

    Source:
        ITU-R BS.1770-4 (2015), "Algorithms to measure audio programme loudness and true-peak audio level".

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(48000) / 48000)
        >>> round(integrated_loudness(tone, 48000), 1)
        -3.0
    """
    power = _block_powers(audio, sample_rate, 0.25 * BLOCK_SECONDS)
    power = power[_lufs(power) > ABSOLUTE_GATE]
    if not len(power):
        return -math.inf
    power = power[_lufs(power) > _lufs(power.mean()) + RELATIVE_GATE]
    return float(_lufs(power.mean()))


def maximum_momentary_loudness(audio: Tensor, sample_rate: int) -> float:
    """Return the maximum momentary loudness of a sound, that of its loudest 0.4 s; silence completes a shorter sound.

    Args:
        audio: As for ``integrated_loudness``.
        sample_rate: Hz.

    Returns:
        LUFS; minus infinity where everything is below −70 LUFS.

    Raises:
        ValueError: As ``integrated_loudness``.

    Source:
        EBU Tech 3341 (2023), "Loudness metering: EBU mode metering", for the momentary loudness.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 997 * torch.arange(96000) / 48000)
        >>> round(maximum_momentary_loudness(tone * torch.linspace(1, 0, 96000) ** 0.01, 48000), 1)
        -3.0
    """
    missing = max(0, round(BLOCK_SECONDS * sample_rate) - audio.shape[-1])
    loudest = float(_lufs(_block_powers(pad(audio, (0, missing)), sample_rate, MOMENTARY_SECONDS).max()))
    return loudest if loudest > ABSOLUTE_GATE else -math.inf


def _block_powers(audio: Tensor, sample_rate: int, step_seconds: float) -> Array:
    """Return the K-weighted mean squares of blocks of 0.4 s, so many seconds apart, ``(n_blocks,)``."""
    if audio.ndim not in (1, 2) or not audio.numel():
        raise ValueError(f"audio must be (samples,) or (channels, samples), got {tuple(audio.shape)}")
    sound = audio.detach().cpu().double().numpy().reshape(-1, audio.shape[-1])
    for numerator, denominator in k_weighting(sample_rate):
        sound = signal.lfilter(numerator, denominator, sound)
    block = min(round(BLOCK_SECONDS * sample_rate), sound.shape[1])
    sums = np.cumsum(np.pad((sound**2).sum(0), (1, 0)))
    starts = np.arange(0, sound.shape[1] - block + 1, max(1, round(step_seconds * sample_rate)))
    powers: Array = (sums[starts + block] - sums[starts]) / block
    return powers


def k_weighting(sample_rate: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the two filters of K-weighting: a shelf for the head, and a high-pass.

    The standard gives them for 48 kHz; here they are made for any rate, by the bilinear transform of the analogue
    filters that those are.

    Args:
        sample_rate: Hz, above 4000.

    Returns:
        Numerator and denominator of each, for ``scipy.signal.lfilter``.

    Raises:
        ValueError: If ``sample_rate`` is too low for the shelf.

    Source:
        ITU-R BS.1770-4, tables 1 and 2, at 48 kHz; the analogue parameters are those of libebur128.

    Example:
        >>> [numerator.round(4).tolist() for numerator, _ in k_weighting(48000)]
        [[1.5351, -2.6917, 1.1984], [1.0, -2.0, 1.0]]
    """
    if sample_rate <= 4000:
        raise ValueError(f"sample_rate must be above 4000 Hz, got {sample_rate}")
    warped = math.tan(math.pi * 1681.974450955533 / sample_rate)
    quality, high = 0.7071752369554196, db_to_amplitude(3.999843853973347)
    middle = high**0.4996667741545416
    scale = 1 + warped / quality + warped**2
    shelf = [high + middle * warped / quality + warped**2, 2 * (warped**2 - high)]
    shelf.append(high - middle * warped / quality + warped**2)
    poles = [scale, 2 * (warped**2 - 1), 1 - warped / quality + warped**2]
    warped, quality = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    low_scale = 1 + warped / quality + warped**2
    low_poles = [low_scale, 2 * (warped**2 - 1), 1 - warped / quality + warped**2]
    return (
        (np.array(shelf) / scale, np.array(poles) / scale),
        (np.array([1.0, -2.0, 1.0]), np.array(low_poles) / low_scale),
    )


def _lufs(power: Array | np.float64) -> Array:
    return -0.691 + power_to_db(np.maximum(power, 1e-30))
