"""Padding of sounds with different shapes to a common shape."""

import torch
from torch import Tensor

from intertone.downmix import mix_to_mono
from intertone.errors import InputError
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)


def match_shapes(*sounds: Tensor, shortest: int = 0, lengths: bool = True) -> tuple[Tensor, ...]:
    """Return sounds with the same number of axes, channels and, if ``lengths``, samples; changes are logged.

    Args:
        sounds: ``(samples,)``, ``(channels, samples)`` or ``(batch, channels, samples)``.
        shortest: Smallest number of samples of each result.
        lengths: Whether all results have the same length.

    Returns:
        All sounds; shorter ones are padded with silence, and missing channels are the mean of the existing ones.

    Raises:
        InputError: If one is a batch and another is not a batch of the same size.

    Example:
        >>> [tuple(sound.shape) for sound in match_shapes(torch.ones(3), torch.ones(2, 5))]
        [(2, 5), (2, 5)]
    """
    axes = max(sound.ndim for sound in sounds)
    if axes == 3 and len({tuple(sound.shape[:-2]) for sound in sounds}) > 1:
        shapes = " and ".join(str(tuple(sound.shape)) for sound in sounds)
        raise InputError(f"all sounds must be batches of the same size, got {shapes}")
    sounds = tuple(sound.unsqueeze(0) if sound.ndim < 2 <= axes else sound for sound in sounds)
    longest = max(*(sound.shape[-1] for sound in sounds), shortest)
    channels = max(sound.shape[-2] for sound in sounds) if axes > 1 else None
    completed = []
    for index, sound in enumerate(sounds):
        name = chr(ord("A") + index)
        samples = longest if lengths else max(sound.shape[-1], shortest)
        if sound.shape[-1] < samples:
            logger.info("%s was padded with silence from %d to %d samples", name, sound.shape[-1], samples)
        if channels and sound.shape[-2] < channels:
            logger.info("%s was extended from %d to %d channels", name, sound.shape[-2], channels)
        completed.append(_complete(sound, channels, samples))
    return tuple(completed)


def _complete(sound: Tensor, channels: int | None, samples: int) -> Tensor:
    if sound.shape[-1] < samples:
        sound = torch.nn.functional.pad(sound, (0, samples - sound.shape[-1]))
    if channels and sound.shape[-2] < channels:
        missing = channels - sound.shape[-2]
        mono = torch.stack([mix_to_mono(item) for item in sound.reshape(-1, *sound.shape[-2:])])
        filled = mono.reshape(*sound.shape[:-2], 1, -1).expand(*sound.shape[:-2], missing, -1)
        sound = torch.cat([sound, filled], -2)
    return sound
