"""Limit on the level of a morph relative to the loudest of its source sounds."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from intertone.level import TINY, db_to_amplitude
from intertone.loudness import BLOCK_SECONDS
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

BEYOND_DB = 6.0
"""Largest level of a morph above its loudest source sound, dB, for the peak and for the loudest 0.4 s."""


def limit_level(sound: Tensor, sounds: Sequence[Tensor], sample_rate: int) -> Tensor:
    """Return a morph scaled so that it is at most ``BEYOND_DB`` louder than its loudest source sound.

    The peak and the RMS of the loudest 0.4 s are each compared with the largest value of the source sounds. A morph
    within the limits is unchanged.

    Args:
        sound: Morph, ``(batch, channels, samples)``.
        sounds: Source sounds with the same batch size and number of channels, and any length.
        sample_rate: Hz.

    Returns:
        The morph, of the same shape.

    Example:
        >>> quiet, loud = torch.full((1, 1, 400), 0.1), torch.full((1, 1, 300), 10.0)
        >>> round(float(limit_level(loud, [quiet], 1000).max()), 3)
        0.2
    """
    if not sound.numel():
        return sound
    length = round(BLOCK_SECONDS * sample_rate)
    peaks = torch.stack([_peak(each) for each in sounds]).amax(0)
    levels = torch.stack([_loudest(each, length) for each in sounds]).amax(0)
    most = db_to_amplitude(BEYOND_DB)
    ratio = torch.maximum(_peak(sound) / peaks, _loudest(sound, length) / levels)
    gain = (most / ratio).clamp(max=1)
    if bool((gain == 1).all()):
        return sound
    logger.info(
        "the result was lowered by %.1f dB, to at most 6 dB above the sounds", -20 * math.log10(float(gain.min()))
    )
    return sound * gain[:, None, None].to(sound)


def _peak(sound: Tensor) -> Tensor:
    return sound.abs().amax((1, 2)).double().clamp_min(TINY)


def _loudest(sound: Tensor, length: int) -> Tensor:
    """Return the root mean square of the loudest ``length`` samples, ``(batch,)``, float64."""
    power = sound.double().square().mean(1).cumsum(-1)
    if power.shape[-1] <= length:
        sums = power[:, -1:]
    else:
        sums = torch.cat([power[:, length - 1 : length], power[:, length:] - power[:, :-length]], -1)
    return (sums.amax(-1) / length).clamp_min(TINY).sqrt()
