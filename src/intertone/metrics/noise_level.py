"""Additional noise of a sound, relative to the two sounds that it was made of."""

import torch
from torch import Tensor

from intertone.level import db_to_amplitude, db_to_power
from intertone.metrics.descriptor import flatness_db
from intertone.metrics.pair import unit_rms
from intertone.metrics.spectral import SECOND_STFT
from intertone.stft import magnitude_to_db, stft

FLOOR_SHARE = 0.1
"""Share of the frames whose level in a bin is below the bin's noise floor."""

FLOOR_DB = 80.0
"""Lowest noise floor, dB below the loudest cell of a sound; rests of digital silence would otherwise have none."""

SOUNDING_DB = 60.0
"""Range in dB below the sound's loudest bin; frames whose loudest bin is below it are left out of the flatness."""


def mean_flatness(audio: Tensor) -> Tensor:
    """Return the mean spectral flatness, a power ratio, over the frames that are not silent.

    The flatness of a frame is the geometric over the arithmetic mean of its power spectrum (window 2048, hop 256).
    Bins more than 60 dB below the frame's largest one are raised to 60 dB below it.

    Args:
        audio: 16 kHz mono, ``(samples,)``; its level does not matter.

    Returns:
        0…1, ``()``: about 0.56 for white noise, 0.02 and less for tones; 1 for silence.

    Source:
        Johnston (1988), "Transform coding of audio signals using perceptual noise criteria".

    Example:
        >>> round(float(mean_flatness(torch.randn(64000))), 1)
        0.6
    """
    magnitude = stft(unit_rms(audio), SECOND_STFT).abs()
    loudest = magnitude.amax(-2)
    if not loudest.max() > 0:
        return torch.ones(())
    sounding = magnitude[:, loudest > loudest.max() * db_to_amplitude(-SOUNDING_DB)]
    return db_to_power(flatness_db(sounding.T)).mean()


def flatness_ratio(estimate: Tensor, first: Tensor, second: Tensor) -> float:
    """Return the flatness of a sound relative to the larger flatness of the two sounds that it was made of.

    Args:
        estimate: 16 kHz mono, ``(samples,)``; its level does not matter.
        first: First source sound.
        second: Second source sound.

    Returns:
        Ratio of ``mean_flatness``; at most 1 if the sound is not noisier than the noisier source.

    Example:
        >>> noise, tone = torch.randn(16000), torch.sin(torch.arange(16000) * 0.2)
        >>> flatness_ratio(noise, noise, tone), flatness_ratio(noise, tone, tone) > 10
        (1.0, True)
    """
    return float(mean_flatness(estimate) / torch.maximum(mean_flatness(first), mean_flatness(second)))


def noise_floor_lift(estimate: Tensor, first: Tensor, second: Tensor) -> float:
    """Return the mean increase of a sound's noise floor over those of the two sounds that it was made of.

    The noise floor of a bin is the 10th percentile of its level over time (window 2048, hop 256), with the sound at RMS
    1, and at least 80 dB below the loudest cell of the sound. The increase is the floor minus the higher floor of the
    two sources, or 0 if that is negative. The result is the mean over the bins.

    Args:
        estimate: 16 kHz mono, ``(samples,)``; its level does not matter.
        first: First source sound.
        second: Second source sound.

    Returns:
        dB, >= 0; 0 if ``estimate`` is one of the sources, with any gain or polarity.

    Example:
        >>> tone = torch.sin(torch.arange(32000) * 0.2)
        >>> hiss = 0.01 * torch.randn(32000)
        >>> noise_floor_lift(tone, tone, tone), noise_floor_lift(tone + hiss, tone, tone) > 3
        (0.0, True)
    """
    floors = [_floor(sound) for sound in (estimate, first, second)]
    return float((floors[0] - torch.maximum(floors[1], floors[2])).clamp_min(0).mean())


def _floor(audio: Tensor) -> Tensor:
    """Return the noise floor of each bin, ``(n_bins,)`` in dB, of the sound at RMS 1."""
    magnitude = stft(unit_rms(audio.double()), SECOND_STFT).abs()
    peak = magnitude.max().clamp_min(1e-10)
    floored = magnitude_to_db(magnitude, peak, top_db=FLOOR_DB) + 20 * peak.log10()
    return floored.quantile(FLOOR_SHARE, dim=-1)
