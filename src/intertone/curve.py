"""Curves over time: interpolation at positions, moving averages, weighted sums."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

SLOW_SECONDS = 0.1
"""Window of the average that is a sound's slow part, s."""


def at_positions(values: Tensor, places: Tensor) -> Tensor:
    """Return values at fractional frame positions, by linear interpolation; the end values continue outside.

    Args:
        values: ``(..., n_frames)``.
        places: Positions, frames, ``(n,)``, float64.

    Returns:
        Interpolated values, ``(..., n)``.

    Example:
        >>> at_positions(torch.tensor([0.0, 2.0, 6.0]), torch.tensor([0.5, 1.0, 7.0], dtype=torch.float64))
        tensor([1., 2., 6.])
    """
    last = values.shape[-1] - 1
    places = places.clamp(0, last)
    first = places.floor().long().clamp(max=max(0, last - 1))
    share = (places - first).to(values.dtype)
    before, after = values[..., first], values[..., (first + 1).clamp(max=last)]
    return torch.where(share == 0, before, before + share * (after - before))


def weights_over_time(weights: Tensor, n_frames: int) -> Tensor:
    """Return the weights of sounds for each frame; where frames are missing, the last weights are repeated.

    Args:
        weights: ``(n_sounds,)`` or ``(n_sounds, any number of frames)``.
        n_frames: Number of frames.

    Returns:
        Weights, ``(n_sounds, n_frames)``, float64.

    Example:
        >>> weights_over_time(torch.tensor([[1.0, 0.5], [0.0, 0.5]]), 3)
        tensor([[1.0000, 0.5000, 0.5000],
                [0.0000, 0.5000, 0.5000]], dtype=torch.float64)
    """
    rows = weights.double()
    return rows[:, None].expand(-1, n_frames) if rows.ndim == 1 else held(rows, n_frames)


def odd_frames(seconds: float, frame_seconds: float) -> int:
    """Return the odd number of frames that lasts about ``seconds``, for frames with a hop of ``frame_seconds``.

    Example:
        >>> odd_frames(0.07, 0.01), odd_frames(0.07, 0.02), odd_frames(0.001, 0.01)
        (7, 3, 1)
    """
    return 2 * int(seconds / (2 * frame_seconds)) + 1


def averaged(values: Tensor, n_frames: int) -> Tensor:
    """Return the moving average of values over time with a Hann window; the end values continue outside.

    Args:
        values: Real or complex, ``(..., any number of frames)``.
        n_frames: Width of the window, frames, odd.

    Returns:
        Averages of the same shape.

    Example:
        >>> averaged(torch.tensor([0.0, 0.0, 4.0, 0.0]), 3)
        tensor([0., 1., 2., 1.])
    """
    if values.is_complex():
        return torch.complex(averaged(values.real, n_frames), averaged(values.imag, n_frames))
    kernel = torch.hann_window(n_frames + 2, periodic=False)[1:-1].to(values)
    rows = pad(values.reshape(-1, 1, values.shape[-1]), (n_frames // 2,) * 2, mode="replicate")
    return conv1d(rows, (kernel / kernel.sum())[None, None]).view(values.shape)


def averaged_from_onset(values: Tensor, n_frames: int) -> Tensor:
    """Return the moving average of values with windows that do not begin before the first frame.

    Near the first frame the windows are narrowed until they begin there. The first value stays unchanged, so an attack
    is not averaged with later frames.

    Args:
        values: ``(..., any number of frames)``.
        n_frames: Width of the window, frames, odd.

    Returns:
        Averages of the same shape.

    Example:
        >>> averaged_from_onset(torch.tensor([4.0, 0.0, 0.0, 0.0, 0.0]), 3)
        tensor([4., 1., 0., 0., 0.])
    """
    found = averaged(values, n_frames)
    for frame in range(min(n_frames // 2, (values.shape[-1] - 1) // 2)):
        width = 2 * frame + 1
        weights = torch.hann_window(width + 2, periodic=False)[1:-1].to(values)
        found[..., frame] = values[..., :width] @ (weights / weights.sum())
    return found


def slow_part(sound: Tensor, sample_rate: int) -> Tensor:
    """Return what is too slow to be heard in a sound, such as a DC offset: its average over ``SLOW_SECONDS``.

    The average has a Hann window, which leaves −6 dB at 10 Hz and less than −31 dB above 20 Hz; it is taken every tenth
    of the window and interpolated linearly. Its first and last values continue to the ends of the sound.

    Args:
        sound: ``(channels, samples)``.
        sample_rate: Hz.

    Returns:
        The slow part, of the same shape.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(8000) / 8000)[None]
        >>> slow = slow_part(0.5 + tone, 8000)
        >>> slow.shape, bool(((slow - 0.5).abs() < 0.001).all())
        (torch.Size([1, 8000]), True)
    """
    width = min(round(SLOW_SECONDS * sample_rate), sound.shape[-1])
    window = torch.hann_window(width + 2, periodic=False, dtype=torch.float64)[1:-1]
    step = max(1, width // 10)
    means = conv1d(sound[:, None], (window / window.sum()).to(sound)[None, None], stride=step)[:, 0]
    places, centres = np.arange(sound.shape[-1]), (width - 1) / 2 + step * np.arange(means.shape[-1])
    return torch.stack([torch.from_numpy(np.interp(places, centres, row)).to(sound) for row in means.numpy()])


def weighted_sum(values: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the weighted sum of tensors; a tensor whose weights are all 0 may contain NaN.

    Args:
        values: Tensors of equal shape, ``(..., n_frames)``.
        weights: ``(n_values, n_frames)``.

    Returns:
        Sum, ``(..., n_frames)``.

    Example:
        >>> weighted_sum([torch.ones(2), torch.full((2,), torch.nan)], torch.tensor([[0.5, 2.0], [0.0, 0.0]]))
        tensor([0.5000, 2.0000])
    """
    total = torch.zeros_like(values[0])
    for row, value in zip(weights, values, strict=True):
        if bool(row.any()):
            total = total + row.to(value) * value
    return total


def held(values: Tensor, n_frames: int) -> Tensor:
    """Return values ``(..., any)`` as ``(..., n_frames)``: cut at the end, or extended by repeating the last value."""
    missing = n_frames - values.shape[-1]
    if missing <= 0:
        return values[..., :n_frames]
    return torch.cat([values, values[..., -1:].expand(*values.shape[:-1], missing)], -1)


def completed(values: Tensor, count: int, missing: float = 0.0) -> Tensor:
    """Return curves of at least ``count`` partials, along the axis that is the last of one, else the second.

    Args:
        values: ``(n,)`` or ``(channels, n, ...)``.
        count: Number of partials.
        missing: Value of those that are missing.

    Example:
        >>> completed(torch.ones(2), 3), completed(torch.ones(1, 2, 5), 3).shape
        (tensor([1., 1., 0.]), torch.Size([1, 3, 5]))
    """
    axis = min(1, values.ndim - 1)
    shape = list(values.shape)
    shape[axis] = max(0, count - shape[axis])
    return torch.cat([values, values.new_full(shape, missing)], axis)
