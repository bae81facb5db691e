"""Bandwidth of a sound: standard deviation of its spectrum, and the frequency below which 95 % of its power lies."""

import torch
from torch import Tensor

from intertone.metrics.spectral import SECOND_STFT
from intertone.stft import stft

ROLL_OFF_SHARE = 0.95
"""Share of the power that lies below the roll-off."""


def spectral_spread(audio: Tensor) -> Tensor:
    """Return the standard deviation of frequency, weighted by the power of the whole sound.

    Args:
        audio: 16 kHz mono, ``(samples,)``; its level does not matter.

    Returns:
        Hz, ``()``: about 2309 for white noise, about 15 for a steady tone; NaN for silence.

    Raises:
        ValueError: If ``audio`` is not one-dimensional.

    Source:
        Peeters et al. (2011), "The Timbre Toolbox"; here the power is summed over time before the moments are taken.

    Example:
        >>> tone = torch.sin(torch.arange(16000) * 0.5)
        >>> float(spectral_spread(tone)) < 50 < float(spectral_spread(tone + torch.sin(torch.arange(16000) * 1.5)))
        True
    """
    power, frequencies = _power(audio)
    share = power / power.sum()
    centroid = (share * frequencies).sum()
    return (share * (frequencies - centroid).square()).sum().sqrt()


def spectral_roll_off(audio: Tensor) -> Tensor:
    """Return the frequency below which 95 % of the power of the whole sound lies.

    Args:
        audio: 16 kHz mono, ``(samples,)``; its level does not matter.

    Returns:
        Hz, ``()``, the centre of an STFT bin (window 2048, hop 256); NaN for silence.

    Raises:
        ValueError: If ``audio`` is not one-dimensional.

    Source:
        Peeters et al. (2011), "The Timbre Toolbox"; here the power is summed over time first.

    Example:
        >>> float(spectral_roll_off(torch.sin(torch.arange(16000) * torch.pi / 8)))  # 1000 Hz
        1007.8125
    """
    power, frequencies = _power(audio)
    if not power.sum() > 0:
        return torch.tensor(torch.nan, dtype=torch.float64)
    below = power.cumsum(0) / power.sum()
    return frequencies[int((below < ROLL_OFF_SHARE).sum())]


def _power(audio: Tensor) -> tuple[Tensor, Tensor]:
    """Return the power of each bin, summed over time, and the frequencies of the bins in Hz, ``(n_bins,)`` each."""
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    power = stft(audio.double(), SECOND_STFT).abs().square().sum(-1)
    frequencies = torch.arange(len(power), dtype=torch.float64) * SECOND_STFT.sample_rate / SECOND_STFT.n_fft
    return power, frequencies
