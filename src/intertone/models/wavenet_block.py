"""Residual block of the WaveNet encoder, in a memory layout with the channels last."""

import torch
from torch import Tensor, nn


class WaveNetBlock(nn.Module):
    """Residual block: ReLU, dilated convolution, ReLU, convolution of width 1, sum with the input.

    Args:
        channels: Number of channels.
        dilation: Dilation of the convolution, samples.
        width: Kernel size of the convolution.
    """

    def __init__(self, channels: int, dilation: int, *, width: int) -> None:
        super().__init__()
        self.dilated = _Convolution(channels, channels, width, padding=width // 2 * dilation, dilation=dilation)
        self.mix = _Convolution(channels, channels, 1)

    def forward(self, trunk: Tensor) -> Tensor:
        """Return the sum of input and residual, both ``(batch, channels, 1, n_frames)``."""
        mixed: Tensor = self.mix(self.dilated(trunk.relu()).relu_()).add_(trunk)
        return mixed


class _Convolution(nn.Conv1d):
    """Convolution over time of ``(batch, channels, 1, n_frames)`` in a memory layout with the channels last.

    The result equals that of ``Conv1d`` except for rounding, and its gradient takes a third of the time. With one
    thread, PyTorch would compute a convolution of width 1 with another, slower library; a dilation, which has no effect
    at this width, prevents this.
    """

    def forward(self, maps: Tensor) -> Tensor:
        weight = self.weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        dilation = self.dilation[0] if self.kernel_size[0] > 1 else 2
        padding = (0, int(self.padding[0]))
        return nn.functional.conv2d(maps, weight, self.bias, padding=padding, dilation=(1, dilation))
