"""Search for inaudible loop points in a sustained sound."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.level import TINY, db_to_power, power_to_db

FIRST, LAST = 0.35, 0.9
"""Earliest start and latest end of a loop, as fractions of the time from onset to release."""
SHORTEST_SECONDS = 0.2
"""Shortest loop, s."""
WINDOW_SECONDS = 0.04
"""Length of the waveform that is compared before and after each end of the loop, s."""
FADE_SECONDS = 0.05
"""Length of the crossfade before and after the end of the loop, s."""
FADES_DB = 12.0
"""Largest decrease in level up to the latest end of a loop, dB: a sound that decays more would ring for ever if
looped."""
FALLS_DB = 3.0
"""Largest decrease in level within the limits of a loop, dB, for a sound that decreases by more than half of
``FADES_DB``."""
LEVEL_SECONDS = 0.2
"""Length of the average of the level, s, so that a tremolo is not taken for a decay."""
TIMBRE_DB = 3.0
"""Largest difference in the level of an octave band between the ends of a loop, dB."""
TIMBRE_SECONDS, TIMBRE_HOP_SECONDS = 0.16, 0.01
"""Window and hop of the spectra from which the octave bands are measured, s."""
LOWEST_OCTAVE, FLOOR_DB = 125.0, -40.0
"""Centre of the lowest octave band, Hz, and level relative to the loudest band below which a band is ignored, dB; the
spectrum is raised by 6 dB per octave before."""
N_ENDS = 12
"""Number of end points that are tried."""
NEARLY = 0.05
"""Largest loss of correlation, compared with the best loop, at which a longer loop is preferred."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Loop:
    """Samples that are repeated while a key is held: from ``start``, included, to ``end``, excluded."""

    start: int
    end: int


def find_loop(audio: Tensor, sample_rate: int, held_seconds: float) -> Loop | None:
    """Return the longest of the loops whose two ends are most similar in waveform and in the level of every octave.

    Args:
        audio: ``(channels, samples)``, or ``(sounds, channels, samples)`` for several sounds with a common loop; its
            quality is that of the sound whose ends are least similar.
        sample_rate: Hz.
        held_seconds: Time from the start to the release, s.

    Returns:
        The loop. None if the sustain of a sound is too short, a sound decays, or its timbre has no two similar places.

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
    if any(_decays(sound, sample_rate, first, last) for sound in sounds):
        return None
    compared = [(sound[(sound**2).sum(-1).argmax()], _octaves(sound, sample_rate, first, last)) for sound in sounds]
    ends = np.linspace(last, first + shortest, N_ENDS).round().astype(int)
    alike = [
        np.min([_compare(mono, octaves, first, int(end), sample_rate) for mono, octaves in compared], axis=0)
        for end in ends
    ]
    best = max(float(values.max()) for values in alike)
    # the longest of the good loops, since the repetition of a short loop is audible
    good = [values > best - NEARLY for values in alike]
    found = [Loop(first + int(fit.argmax()), int(end)) for fit, end in zip(good, ends, strict=True) if fit.any()]
    return max(found, key=lambda loop: loop.end - loop.start, default=None)


def _decays(sound: Array, sample_rate: int, first: int, last: int) -> bool:
    """Return whether the level decreases too much up to ``last``, or between ``first`` and ``last``, samples."""
    length = round(LEVEL_SECONDS * sample_rate)
    sums = np.cumsum(np.pad((sound[:, :last] ** 2).sum(0), (1, 0)))
    level = power_to_db(np.maximum(sums[length:] - sums[:-length], TINY))
    fallen = float(level[: first + 1].max() - level[-1])
    inner = level[first:]
    # the medians of the two halves are half of the stretch apart, hence the factor of 2
    half = -(-len(inner) // 2)
    falls = 2 * float(np.median(inner[:half]) - np.median(inner[-half:]))
    return fallen > FADES_DB or (fallen > FADES_DB / 2 and falls > FALLS_DB)


def _octaves(sound: Array, sample_rate: int, first: int, last: int) -> Array:
    """Return the level of each octave band between ``first`` and ``last``, samples, as dB, ``(octaves, places)``."""
    length, hop = round(TIMBRE_SECONDS * sample_rate), round(TIMBRE_HOP_SECONDS * sample_rate)
    padded = np.pad(sound, ((0, 0), (length, length)))
    hz = np.fft.rfftfreq(length, 1 / sample_rate)
    height = np.log2(np.maximum(hz, 1.0) / LOWEST_OCTAVE)
    numbers = np.arange(max(1, int(height[-1]) + 1))
    near = hz**2 * np.cos(0.5 * np.pi * np.clip(height - numbers[:, None], -1, 1)) ** 2
    window = np.hanning(length)
    starts = range(first + length - length // 2, last + length - length // 2 + 1, hop)
    # one spectrum after the other, since all of them could exceed the memory
    spectra = (np.fft.rfft(padded[:, start : start + length] * window) for start in starts)
    octaves = np.stack([near @ (np.abs(spectrum) ** 2).sum(0) for spectrum in spectra], 1)
    return power_to_db(octaves + max(TINY, db_to_power(FLOOR_DB) * float(octaves.max())))


def _compare(mono: Array, octaves: Array, first: int, end: int, sample_rate: int) -> Array:
    """Return the correlation of each start from ``first`` on with the end; −∞ where the timbre differs too much."""
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
    """Return a sound with a crossfade at the end of its loop.

    Before the end, the sound is crossfaded into the sound before the loop's start, and after the end back from the
    sound after the start. Thus it is continuous both when the loop is repeated and when it is left. The gain keeps the
    power constant according to the correlation of the two stretches.

    Args:
        audio: ``(channels, samples)``.
        loop: Loop from ``find_loop``.
        sample_rate: Hz.

    Returns:
        Sound of the same shape.

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
