"""Several channels as one."""

import torch
from torch import Tensor


def mix_to_mono(audio: Tensor) -> Tensor:
    """Return the mean of all channels, each with the polarity of its correlation with the loudest one.

    Channels of opposite polarity, as in artificially widened stereo, would cancel out in the plain mean.

    Args:
        audio: ``(..., samples)``.

    Returns:
        ``(samples,)``.

    Example:
        >>> mix_to_mono(torch.tensor([[1.0, 2.0], [-1.0, -2.0]]))
        tensor([1., 2.])
    """
    channels = audio.reshape(-1, audio.shape[-1]) if audio.ndim > 1 else audio[None]
    if len(channels) == 1:
        return channels[0]
    moving = channels - channels.mean(-1, keepdim=True)  # an offset says nothing about the polarity
    loudest = moving[moving.square().sum(1).argmax()]
    return torch.where((moving @ loudest < 0)[:, None], -channels, channels).mean(0)
