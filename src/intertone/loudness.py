"""Loudness of a sound according to ITU-R BS.1770: K-weighting, integrated and momentary loudness."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.level import db_to_amplitude, power_to_db

BLOCK_SECONDS = 0.4
MOMENTARY_SECONDS = 0.01
"""Hop between the blocks of the momentary loudness, s."""
LUFS_OFFSET = -0.691
"""Loudness of a K-weighted power of 1, LUFS: a tone of 997 Hz at full scale then has −3.01."""
ABSOLUTE_GATE = -70.0
"""Blocks below this loudness, LUFS, are left out as silence."""
RELATIVE_GATE = -10.0
"""Blocks this far below the mean loudness of all blocks above the absolute gate, LU, are left out."""
RINGING_SECONDS = 0.2
"""Length to which the filters' impulse responses are cut, s: the high-pass, with 38 Hz, decays by 20 dB in 10 ms."""
N_RESPONSES = 4
"""Number of cached frequency responses, one for each sample rate."""

Array = npt.NDArray[np.float64]


def integrated_loudness(audio: Tensor, sample_rate: int) -> float:
    """Return the integrated loudness of a sound.

    It is the mean K-weighted power of blocks of 0.4 s; blocks below the two gates are left out. The powers of all
    channels are added. A sound shorter than 0.4 s is one block.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``, all channels of equal weight.
        sample_rate: Hz.

    Returns:
        LUFS; minus infinity if all blocks are below −70 LUFS.

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
    """Return the maximum momentary loudness of a sound: that of its loudest 0.4 s.

    A shorter sound is padded with silence.

    Args:
        audio: The same as for ``integrated_loudness``.
        sample_rate: Hz.

    Returns:
        LUFS; minus infinity if all blocks are below −70 LUFS.

    Raises:
        ValueError: If ``audio`` has more than two axes or no sample.

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
    """Return the K-weighted mean squares of blocks of 0.4 s with a hop of ``step_seconds``, ``(n_blocks,)``."""
    if audio.ndim not in (1, 2) or not audio.numel():
        raise ValueError(f"audio must be (samples,) or (channels, samples), got {tuple(audio.shape)}")
    samples = audio.shape[-1]
    power = sum(_k_weighted(row, sample_rate) ** 2 for row in audio.detach().cpu().reshape(-1, samples))
    block = min(round(BLOCK_SECONDS * sample_rate), samples)
    sums = np.cumsum(np.pad(power, (1, 0)))
    starts = np.arange(0, samples - block + 1, max(1, round(step_seconds * sample_rate)))
    powers: Array = (sums[starts + block] - sums[starts]) / block
    return powers


def _k_weighted(sound: Tensor, sample_rate: int) -> Array:
    """Return one channel, ``(samples,)``, filtered by both filters of the K-weighting.

    The filters are applied by fast convolution: ``scipy.signal`` has recursive filters, but its import is slow.
    """
    samples, ringing = len(sound), round(RINGING_SECONDS * sample_rate)
    size = 2 ** math.ceil(math.log2(2 * ringing))
    block = size - ringing
    parts = pad(sound.double(), (0, -samples % block)).unflatten(0, (-1, block))
    filtered = torch.fft.irfft(torch.fft.rfft(parts, size) * _response(sample_rate, size), size)
    found = pad(filtered[:, :block].flatten(), (0, ringing))
    for index, rest in enumerate(filtered[:, block:], 1):
        found[index * block : index * block + ringing] += rest
    return np.asarray(found[:samples].numpy())


@lru_cache(maxsize=N_RESPONSES)
def _response(sample_rate: int, size: int) -> Tensor:
    """Return the frequency response of both filters at each bin of an FFT."""
    return _response_at(torch.arange(size // 2 + 1, dtype=torch.float64) / size, sample_rate)


def _response_at(turns: Tensor, sample_rate: int) -> Tensor:
    """Return the frequency response of both filters at some frequencies, over the sample rate."""
    delay = torch.polar(torch.ones_like(turns), -2 * math.pi * turns)
    response = torch.ones_like(delay)
    for numerator, denominator in k_weighting(sample_rate):
        above, below = (a + delay * (b + delay * c) for a, b, c in (numerator.tolist(), denominator.tolist()))
        response *= above / below
    return response


def weighting_at(hz: Tensor, sample_rate: int) -> Tensor:
    """Return the power gain of K-weighting at some frequencies, Hz; that of 0.49 of the sample rate above it.

    Example:
        >>> weighting_at(torch.tensor([100.0, 1000.0, 10000.0]), 48000)
        tensor([0.7703, 1.1743, 2.5362])
    """
    turns = (hz.double() / sample_rate).clamp(max=0.49)
    return _response_at(turns, sample_rate).abs().square().float()


def k_weighting(sample_rate: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return the two filters of the K-weighting: a high shelf for the acoustic effect of the head, and a high-pass.

    The standard gives coefficients for 48 kHz only. Here they are computed for any rate by the bilinear transform of
    the corresponding analogue filters.

    Args:
        sample_rate: Hz, above 4000.

    Returns:
        Numerator and denominator of each filter, three coefficients each, in the order of ``scipy.signal.lfilter``.

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
    return LUFS_OFFSET + power_to_db(np.maximum(power, 1e-30))
