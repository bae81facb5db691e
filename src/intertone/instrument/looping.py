"""Loop points that are not heard, in a sound that is held."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FIRST, LAST = 0.35, 0.9
"""Of the time that a sound is held: where its loop lies."""

SHORTEST_SECONDS = 0.2
"""Of a loop."""

WINDOW_SECONDS = 0.04
"""Of what must be alike at both ends."""

FADE_SECONDS = 0.05
"""In which one end goes over into the other."""

LEVEL_DB = 3.0
"""By how much the level may differ between the ends; a sound that fades is not looped."""

NEARLY = 0.05
"""Of correlation, by which a longer loop may be worse."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loop:
    """Samples that are repeated while a key is held: from ``start`` up to, not including, ``end``."""

    start: int
    end: int


def find_loop(audio: Tensor, sample_rate: int, held_seconds: float) -> Loop | None:
    """Return the loop whose ends are most alike.

    Args:
        audio: ``(channels, samples)``.
        sample_rate: Hz.
        held_seconds: Until the release begins.

    Returns:
        The loop, or None for a sound that is held too shortly, or that fades.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(48000) / 16000)[None]
        >>> loop = find_loop(tone, 16000, 3.0)
        >>> abs((loop.end - loop.start) * 220 / 16000 % 1 - 0.5) > 0.48
        True
    """
    window = round(WINDOW_SECONDS * sample_rate)
    first, last = (round(share * held_seconds * sample_rate) for share in (FIRST, LAST))
    shortest = round(SHORTEST_SECONDS * sample_rate)
    if last + window > audio.shape[-1] or last - first < shortest or first < window:
        return None
    mono = audio[audio.square().sum(-1).argmax()].double().numpy()
    end = mono[last - window : last + window]
    starts = mono[first - window : last - shortest + window]
    size = 2 ** int(np.ceil(np.log2(len(starts) + len(end))))
    products = np.fft.irfft(np.fft.rfft(starts, size) * np.conj(np.fft.rfft(end, size)), size)
    products = products[: len(starts) - len(end) + 1]
    sums = np.cumsum(np.pad(starts**2, (1, 0)))
    energy = np.maximum(sums[len(end) :] - sums[: -len(end)], 1e-20)
    own = max(float((end**2).sum()), 1e-20)
    level = 10 * np.log10(energy / own)
    alike = products / np.sqrt(energy * own) - 0.02 * np.abs(level)
    # of places that are as good the first: a short loop is heard as one
    best = int((alike > alike.max() - NEARLY).argmax())
    return Loop(first + best, last) if abs(float(level[best])) <= LEVEL_DB else None


def close_loop(audio: Tensor, loop: Loop, sample_rate: int) -> Tensor:
    """Return the sound with both ends of its loop blended into each other.

    Before the end it goes over into what leads to the start, and after the end back from what follows the start. So
    it is continuous when the loop is repeated and when it is left. As much power is kept as the two are unlike.

    Args:
        audio: ``(channels, samples)``.
        loop: From ``find_loop``.
        sample_rate: Hz.

    Returns:
        Of the same shape.

    Example:
        >>> noise = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
        >>> closed = close_loop(noise, Loop(1000, 3000), 8000)
        >>> torch.equal(closed[:, 3000], noise[:, 1000]), torch.equal(closed[:, :2600], noise[:, :2600])
        (True, True)
    """
    reach = min(round(FADE_SECONDS * sample_rate), loop.start, audio.shape[-1] - loop.end)
    places = torch.arange(-reach, reach)
    here, there = audio[:, loop.end - reach : loop.end + reach], audio[:, loop.start - reach : loop.start + reach]
    alike = float((here * there).sum() / (here.norm() * there.norm()).clamp_min(1e-20))
    share = 0.5 + 0.5 * torch.cos(torch.pi * places / reach)
    power = share.square() + (1 - share).square() + 2 * max(0.0, alike) * share * (1 - share)
    closed = audio.clone()
    closed[:, loop.end - reach : loop.end + reach] = (share * there + (1 - share) * here) / power.sqrt()
    return closed
