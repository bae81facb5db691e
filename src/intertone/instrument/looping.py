"""Loop points that are not heard, in a sound that is held."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.level import TINY, db_to_power, power_to_db

FIRST, LAST = 0.35, 0.9
"""Limits of a loop, as shares of the time from onset to release."""

SHORTEST_SECONDS = 0.2
"""Shortest loop."""

WINDOW_SECONDS = 0.04
"""Length of the waveform that is compared at both ends."""

FADE_SECONDS = 0.05
"""Length of the crossfade from the end of the loop to its start, seconds."""

FADES_DB = 12.0
"""A sound that is softer by more at the end of its loop than it was is not looped: it would ring on for ever."""

FALLS_DB = 3.0
"""Largest fall within the limits of a loop, of a sound that is softer by half of that at the end."""

LEVEL_SECONDS = 0.2
"""Time over which a level is averaged, so that a tremolo is no fall."""

TIMBRE_DB = 3.0
"""Largest difference of the level of an octave between the ends."""

TIMBRE_SECONDS, TIMBRE_HOP_SECONDS = 0.16, 0.01
"""Window and hop of the spectra around an end."""

LOWEST_OCTAVE, FLOOR_DB = 125.0, -40.0
"""Hz; and level below the loudest octave at which one is inaudible; each is raised by 6 dB against the one below."""

N_ENDS = 12
"""Places that are tried for the end."""

NEARLY = 0.05
"""Largest loss of correlation of a longer loop that is preferred."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loop:
    """Samples that are repeated while a key is held: from ``start`` up to, not including, ``end``."""

    start: int
    end: int


def find_loop(audio: Tensor, sample_rate: int, held_seconds: float) -> Loop | None:
    """Return the longest loop of those whose ends match best: in wave and in every octave.

    Args:
        audio: ``(channels, samples)``; or of several sounds that shall have one loop, ``(sounds, channels, samples)``.
            Then that sound counts whose ends match worst.
        sample_rate: Hz.
        held_seconds: Until the release begins.

    Returns:
        The loop, or None for sounds of which one is held too shortly, fades, or moves on in timbre without coming
        back.

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
    sounds = audio.double().numpy().reshape(-1, *audio.shape[-2:])
    if any(_fades(sound, sample_rate, first, last) for sound in sounds):
        return None
    compared = [(sound[(sound**2).sum(-1).argmax()], _octaves(sound, sample_rate, first, last)) for sound in sounds]
    ends = np.linspace(last, first + shortest, N_ENDS).round().astype(int)
    alike = [
        np.min([_compare(mono, octaves, first, int(end), sample_rate) for mono, octaves in compared], axis=0)
        for end in ends
    ]
    best = max(float(values.max()) for values in alike)
    # of loops that are as good the longest: a short one is heard as one
    good = [values > best - NEARLY for values in alike]
    found = [Loop(first + int(fit.argmax()), int(end)) for fit, end in zip(good, ends, strict=True) if fit.any()]
    return max(found, key=lambda loop: loop.end - loop.start, default=None)


def _fades(sound: Array, sample_rate: int, first: int, last: int) -> bool:
    """Return whether the level falls far until the last place of a loop, or goes on falling where a loop may lie."""
    length = round(LEVEL_SECONDS * sample_rate)
    sums = np.cumsum(np.pad((sound[:, :last] ** 2).sum(0), (1, 0)))
    level = power_to_db(np.maximum(sums[length:] - sums[:-length], TINY))
    fallen = float(level[: first + 1].max() - level[-1])
    inner = level[first:]
    # the medians of the halves lie half of the part apart
    half = -(-len(inner) // 2)
    falls = 2 * float(np.median(inner[:half]) - np.median(inner[-half:]))
    return fallen > FADES_DB or (fallen > FADES_DB / 2 and falls > FALLS_DB)


def _octaves(sound: Array, sample_rate: int, first: int, last: int) -> Array:
    """Return how loud each octave is around each place from ``first`` to ``last``, dB, ``(octaves, places)``."""
    length, hop = round(TIMBRE_SECONDS * sample_rate), round(TIMBRE_HOP_SECONDS * sample_rate)
    padded = np.pad(sound, ((0, 0), (length, length)))
    hz = np.fft.rfftfreq(length, 1 / sample_rate)
    height = np.log2(np.maximum(hz, 1.0) / LOWEST_OCTAVE)
    numbers = np.arange(max(1, int(height[-1]) + 1))
    near = hz**2 * np.cos(0.5 * np.pi * np.clip(height - numbers[:, None], -1, 1)) ** 2
    window = np.hanning(length)
    starts = range(first + length - length // 2, last + length - length // 2 + 1, hop)
    # one by one: together they would fill the memory
    spectra = (np.fft.rfft(padded[:, start : start + length] * window) for start in starts)
    octaves = np.stack([near @ (np.abs(spectrum) ** 2).sum(0) for spectrum in spectra], 1)
    return power_to_db(octaves + max(TINY, db_to_power(FLOOR_DB) * float(octaves.max())))


def _compare(mono: Array, octaves: Array, first: int, end: int, sample_rate: int) -> Array:
    """Return the correlation of each place from ``first`` on with the end, −∞ where the timbre is another one."""
    window, shortest = (round(seconds * sample_rate) for seconds in (WINDOW_SECONDS, SHORTEST_SECONDS))
    wanted = mono[end - window : end + window]
    starts = mono[first - window : end - shortest + window]
    size = 2 ** int(np.ceil(np.log2(len(starts) + len(wanted))))
    products = np.fft.irfft(np.fft.rfft(starts, size) * np.conj(np.fft.rfft(wanted, size)), size)
    sums = np.cumsum(np.pad(starts**2, (1, 0)))
    energy = np.maximum(sums[len(wanted) :] - sums[: -len(wanted)], TINY)
    own = max(float((wanted**2).sum()), TINY)
    hop = round(TIMBRE_HOP_SECONDS * sample_rate)
    at_end = octaves[:, min(round((end - first) / hop), octaves.shape[1] - 1)]
    differs = np.abs(octaves - at_end[:, None]).max(0)
    places = np.arange(len(energy))
    timbre = np.interp(places / hop, np.arange(len(differs)), differs)
    wave = products[: len(energy)] / np.sqrt(energy * own)
    return np.where(timbre <= TIMBRE_DB, wave, -np.inf)


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
    alike = float((here * there).sum() / (here.norm() * there.norm()).clamp_min(TINY))
    share = 0.5 + 0.5 * torch.cos(torch.pi * places / reach)
    power = share.square() + (1 - share).square() + 2 * max(0.0, alike) * share * (1 - share)
    closed = audio.clone()
    closed[:, loop.end - reach : loop.end + reach] = (share * there + (1 - share) * here) / power.sqrt()
    return closed
