"""Faults of the level over time: sudden drops, pulsation of sustained keys, and sound before the onset of a note."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal
from torch import Tensor

from intertone.level import power_to_db
from intertone.pitch.comb import as_array

STEP_SECONDS = 0.01
FALL_SECONDS = 0.05
"""Time over which a drop of the level is measured."""

NEAR_SECONDS = 0.1
"""Largest time between a drop in the morph and one in a source that explains it."""

FLOOR_DB = -60.0
"""Lowest level, dB relative to the loudest 10 ms; anything below counts as silence."""

LOWEST_HZ = 20.0
"""Lowest frequency that is measured. Some notes of the bank end with a DC offset that is louder than the rest of their
release; where two of them meet, the sum passes zero and was measured as a drop of 21.6 dB."""

PULSE_SECONDS = 0.1
"""Time over which the level of a sustained key is averaged, so that the beating of single partials is not measured."""

PULSE_SHARES = (5.0, 95.0)
"""Percentiles of the level whose distance is the pulsation; single noise peaks are outside."""

GHOST_SECONDS = 0.3
"""Time before an onset in which the next note must not be audible."""

GUARD_SECONDS = 0.02
"""Time just before an onset that is left out because it belongs to the attack."""

GHOST_FLOOR_DB = -80.0

Array = npt.NDArray[np.float64]


def cliff_db(sound: Tensor, sources: Sequence[Tensor], sample_rate: int) -> float:
    """Return the largest drop of the morph's level within 50 ms that no drop of a source explains.

    The drop of a source within 100 ms of the same time is subtracted. Since a morph may be longer or shorter than its
    sources, the comparison is repeated at the same relative time, and the smaller result is returned. The end of a
    sound is no drop.

    Args:
        sound: The morph, ``(samples,)``.
        sources: The source sounds, ``(samples,)``, of any lengths.
        sample_rate: Hz.

    Returns:
        The largest drop minus the largest drop of the sources near it, dB, at least 0. Levels are those of 10 ms,
        limited to 60 dB below the loudest.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(16000) / 16000)
        >>> step = torch.cat([tone, 0.1 * tone])
        >>> round(cliff_db(step, [torch.cat([tone, tone]), tone], 16000), 1), cliff_db(step, [step, tone], 16000)
        (20.0, 0.0)
    """
    falls = _falls(sound, sample_rate)
    near = round(NEAR_SECONDS / STEP_SECONDS)
    steps = np.arange(len(falls))
    every = [
        ndimage.maximum_filter1d(own, 2 * near + 1, mode="constant")
        for source in sources
        if len(own := _falls(source, sample_rate))
    ]
    found = []
    for as_share in (False, True):
        known = np.zeros(len(falls))
        for own in every:
            places = steps * len(own) // max(1, len(falls)) if as_share else steps
            known = np.maximum(known, np.where(places < len(own), own[np.minimum(places, len(own) - 1)], 0.0))
        found.append(float((falls - known).max(initial=0.0)))
    return min(found)


def pulse_range_db(sound: Tensor, first_seconds: float, last_seconds: float, sample_rate: int) -> float:
    """Return the pulsation of a sustained sound: the range of its level around a linear trend.

    Args:
        sound: ``(samples,)``.
        first_seconds: Start of the sustained part.
        last_seconds: End of the sustained part, at least 0.3 s later.
        sample_rate: Hz.

    Returns:
        Distance in dB from the 5th to the 95th percentile of the level of 100 ms, minus its linear trend.

    Raises:
        ValueError: If the part is shorter than 0.3 s.

    Example:
        >>> import torch
        >>> time = torch.arange(64000) / 16000
        >>> tone = torch.sin(2 * torch.pi * 220 * time)
        >>> pulse = 10 ** (5 * torch.sin(2 * torch.pi * 1.4 * time) / 20)
        >>> round(pulse_range_db(tone, 0, 4, 16000), 1), 9 < pulse_range_db(tone * pulse, 0, 4, 16000) < 10
        (0.0, True)
    """
    part = _audible(sound, sample_rate)[round(first_seconds * sample_rate) : round(last_seconds * sample_rate)]
    level = _level(part, sample_rate, PULSE_SECONDS)
    if len(level) < 3:
        raise ValueError(f"a held part must last 0.3 s or more, got {len(part) / sample_rate:g} s")
    steps = np.arange(len(level))
    slope, start = np.polyfit(steps, level, 1)
    low, high = np.percentile(level - slope * steps - start, PULSE_SHARES)
    return float(high - low)


def ghost_ratio(sound: Tensor, onsets: Sequence[float], sample_rate: int) -> Array:
    """Return the power before each onset, relative to the power of the note after it.

    Args:
        sound: ``(samples,)``.
        onsets: Times of the onsets in seconds, at least 0.3.
        sample_rate: Hz.

    Returns:
        Power of the loudest 10 ms from 300 to 20 ms before each onset, divided by that of the loudest 10 ms in the
        300 ms after it, ``(n_onsets,)``; 0 if the sound is silent after the onset.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(16000) / 16000)
        >>> sound = torch.cat([torch.zeros(16000), tone])
        >>> ghost_ratio(sound, [1.0], 16000).tolist()
        [0.0]
    """
    power = _power(_audible(sound, sample_rate), sample_rate, STEP_SECONDS)
    ratios = []
    for onset in onsets:
        now = round(onset / STEP_SECONDS)
        before = power[now - round(GHOST_SECONDS / STEP_SECONDS) : now - round(GUARD_SECONDS / STEP_SECONDS)]
        after = power[now : now + round(GHOST_SECONDS / STEP_SECONDS)]
        audible = len(before) and len(after) and after.max() > 0
        ratios.append(float(before.max() / after.max()) if audible else 0.0)
    return np.array(ratios)


def ghost_db(sound: Tensor, sources: Sequence[Tensor], onsets: Sequence[float], sample_rate: int) -> float:
    """Return the level of sound before the onsets of a morph that is not in the sources either (ghost notes).

    Args:
        sound: The morph, ``(samples,)``.
        sources: The source sounds; their notes begin at the same times.
        onsets: Times of the onsets in seconds, at least 0.3; the sources have a rest before each.
        sample_rate: Hz.

    Returns:
        ``ghost_ratio`` of the morph minus the larger one of the sources, at the onset where this is largest, in dB; at
        least −80.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(16000) / 16000)
        >>> note = torch.cat([torch.zeros(16000), tone])
        >>> early = torch.cat([torch.zeros(12000), 10 ** (-25 / 20) * tone[:4000], tone])
        >>> round(ghost_db(early, [note, note], [1.0], 16000)), ghost_db(note, [note, note], [1.0], 16000)
        (-25, -80.0)
    """
    own = np.stack([ghost_ratio(source, onsets, sample_rate) for source in sources]).max(0)
    beyond = ghost_ratio(sound, onsets, sample_rate) - own
    return max(float(power_to_db(max(float(beyond.max()), 1e-30))), GHOST_FLOOR_DB)


def _falls(sound: Tensor, sample_rate: int) -> Array:
    """Return the drop of the level within the 50 ms after each step of 10 ms, dB, at least 0."""
    level = np.maximum(_level(_audible(sound, sample_rate), sample_rate, STEP_SECONDS), FLOOR_DB)
    lag = round(FALL_SECONDS / STEP_SECONDS)
    return np.maximum(level[:-lag] - level[lag:], 0.0) if len(level) > lag else np.zeros(0)


def _audible(sound: Tensor, sample_rate: int) -> Array:
    """Return a sound without what lies below ``LOWEST_HZ``, as if its first sample had been there before."""
    samples = as_array(sound)
    if not len(samples):
        return samples
    sections = signal.butter(2, LOWEST_HZ, "highpass", fs=sample_rate, output="sos")
    filtered: Array = signal.sosfilt(sections, samples, zi=signal.sosfilt_zi(sections) * samples[0])[0]
    return filtered


def _level(sound: Array, sample_rate: int, step_seconds: float) -> Array:
    """Return the level of each step, dB relative to the loudest step."""
    power = _power(sound, sample_rate, step_seconds)
    loudest = float(power.max()) if len(power) else 0.0
    level: Array = power_to_db(np.maximum(power / max(loudest, 1e-30), 1e-12))
    return level


def _power(sound: Array, sample_rate: int, step_seconds: float) -> Array:
    size = round(step_seconds * sample_rate)
    n_steps = len(sound) // size
    if not n_steps:
        return np.zeros(0)
    power: Array = (sound[: n_steps * size].reshape(n_steps, size) ** 2).mean(1)
    return power
