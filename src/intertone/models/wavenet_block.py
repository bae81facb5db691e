"""The residual block of the WaveNet encoder, whose maps lie side by side in memory."""

import torch
from torch import Tensor, nn


class WaveNetBlock(nn.Module):
    """A residual block: ReLU, dilated convolution, ReLU, convolution of width 1, sum.

    Args:
        channels: Maps.
        dilation: Samples between those that the dilated convolution sees.
        width: Samples that it sees.
    """

    def __init__(self, channels: int, dilation: int, *, width: int) -> None:
        super().__init__()
        self.dilated = _Convolution(channels, channels, width, padding=width // 2 * dilation, dilation=dilation)
        self.mix = _Convolution(channels, channels, 1)

    def forward(self, trunk: Tensor) -> Tensor:
        """Return the sum of what comes in and what is found, ``(batch, channels, 1, n_frames)`` as it."""
        mixed: Tensor = self.mix(self.dilated(trunk.relu()).relu_()).add_(trunk)
        return mixed


class _Convolution(nn.Conv1d):
    """A convolution over time of ``(batch, channels, 1, n_frames)``, whose maps lie side by side in memory.

    The result is that of a plain one but for rounding, and its gradient takes a third of the time. With one thread
    PyTorch computes a plain convolution of width 1 by another library, whose products are slower; a dilation, which
    means nothing at this width, keeps it with the one that computes the others.
    """

    def forward(self, maps: Tensor) -> Tensor:
        weight = self.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        dilation = self.dilation[0] if self.kernel_size[0] > 1 else 2
        padding = (0, int(self.padding[0]))
        return nn.functional.conv2d(maps, weight, self.bias, padding=padding, dilation=(1, dilation))
