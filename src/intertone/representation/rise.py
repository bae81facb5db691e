"""How the partials of a sound come in, faster than one window of the analysis shows."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

STEPS = 16
"""Equal steps of gain, from 0 to 1, whose times are known."""

SHORTEST_SECONDS = 0.001
"""In which all partials come in at least; then the gain is half a turn of a cosine."""

SMOOTHED_SECONDS = 0.002
"""Over which energies are averaged to be compared."""

FLOOR = 1e-2
"""Of the highest energy of the partials: where they have less, their level is not told."""

NEARLY = 0.98
"""Of a gain counts as that gain."""


def shortest_rise() -> Tensor:
    """Return the rise of what begins at once; see ``find_rise``."""
    gains = torch.arange(1, STEPS + 1, dtype=torch.float64) / STEPS
    return SHORTEST_SECONDS * (1 - 2 * gains).acos() / math.pi


def find_rise(sound: Tensor, partials: Tensor, sample_rate: int, longest_seconds: float) -> Tensor:
    """Find how a sound rises where its partials are held at the levels of the first whole window.

    Args:
        sound: From its onset on, ``(channels, samples)``.
        partials: Its partials, played from the onset on at full level, of the same shape.
        sample_rate: Hz.
        longest_seconds: When all partials are in at last, from the onset.

    Returns:
        When the gain of the partials first reaches 1/16, 2/16, … 1: seconds from the onset, ``(16,)``, float64, not
        falling, and nowhere earlier than ``shortest_rise``.

    Example:
        >>> tone = torch.sin(torch.arange(8000) * 0.25)[None]
        >>> rise = find_rise(tone * (torch.arange(8000) / 160).clamp(max=1), tone, 16000, 0.02)
        >>> [round(1000 * float(seconds)) for seconds in rise[3::4]]
        [2, 5, 7, 10]
    """
    length = min(sound.shape[-1], max(1, round(longest_seconds * sample_rate)))
    wanted, given = (_energy(each, length, sample_rate) for each in (sound, partials))
    gains = (wanted / (given + FLOOR * given.max()).clamp_min(1e-30)).sqrt().cummax(0).values
    levels = NEARLY * torch.arange(1, STEPS + 1, dtype=torch.float64) / STEPS
    reached = torch.searchsorted(gains, levels).clamp(max=length) / sample_rate
    return torch.maximum(reached, shortest_rise())


def mix_rises(rises: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the rise between some: the times are interpolated in their logarithms.

    Args:
        rises: From ``find_rise``.
        weights: One each, summing to 1.

    Returns:
        Of the same kind; however far the weights extrapolate, none is twice as long as the longest.

    Example:
        >>> rise = mix_rises([shortest_rise(), 4 * shortest_rise()], [0.5, 0.5])
        >>> [round(float(times), 3) for times in (rise / shortest_rise())[::5]]
        [2.0, 2.0, 2.0, 2.0]
    """
    for rise, weight in zip(rises, weights, strict=True):
        if weight == 1 and sum(map(abs, weights)) == 1:
            return rise  # to the last digit
    total = sum(weight * rise.log() for rise, weight in zip(rises, weights, strict=True))
    longest = 2 * torch.stack(list(rises)).amax(0)
    times = torch.minimum(torch.as_tensor(total).exp(), longest)
    return torch.maximum(times, shortest_rise()).cummax(0).values


def play_rise(rise: Tensor, samples: int, sample_rate: int) -> Tensor:
    """Return the gain of the partials at each sample, ``(samples,)``, from 0 to 1."""
    seconds = np.arange(samples) / sample_rate
    gains = np.interp(seconds, np.concatenate([[0], rise.numpy()]), np.arange(STEPS + 1) / STEPS)
    return torch.from_numpy(gains).float()


def _energy(sound: Tensor, length: int, sample_rate: int) -> Tensor:
    half = round(0.5 * SMOOTHED_SECONDS * sample_rate)
    power = sound.double().square().sum(0)[: length + half]
    return avg_pool1d(pad(power, (half, half))[None], 2 * half + 1, 1)[0, :length]
