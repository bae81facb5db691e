"""Course of the level: falls, the pulse of held keys, and what comes before a note."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from torch import Tensor

from intertone.level import power_to_db
from intertone.pitch.comb import as_array

STEP_SECONDS = 0.01
FALL_SECONDS = 0.05
"""Time within which a fall is a cliff."""

NEAR_SECONDS = 0.1
"""Time between two falls that are the same one."""

FLOOR_DB = -60.0
"""Level below the loudest 10 ms at which a sound counts as silent."""

PULSE_SECONDS = 0.1
"""Time over which the level of a held key is a mean: the beats of one partial are shorter."""

PULSE_SHARES = (5.0, 95.0)
"""Percentiles of the level between which a held key pulses: single noise peaks do not count."""

GHOST_SECONDS = 0.3
"""Time before an onset in which nothing of the next note may sound."""

GUARD_SECONDS = 0.02
"""Time just before an onset that belongs to the attack."""

GHOST_FLOOR_DB = -80.0

Array = npt.NDArray[np.float64]


def cliff_db(sound: Tensor, sources: Sequence[Tensor], sample_rate: int) -> float:
    """Return by how much the level falls at most within 50 ms where no source falls so.

    A fall of a source counts within 100 ms of the same time. Since a morph may be longer or shorter than its sources,
    the same is done with the same share of the sound, and the smaller result is taken. That a source ends is no fall of
    it: it is no reason for a cliff.

    Args:
        sound: The morph, ``(samples,)``; what comes after its end is no fall.
        sources: The sounds that are morphed, each of its own length.
        sample_rate: Hz.

    Returns:
        The largest fall less the larger one of the sources around it, dB, at least 0; the level of 10 ms is not
        followed further than 60 dB below the loudest.

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
    """Return how much the level of a held sound moves.

    Args:
        sound: ``(samples,)``.
        first_seconds: Where the part that is held begins.
        last_seconds: Where it ends, at least 0.3 s later.
        sample_rate: Hz.

    Returns:
        dB from the 5th to the 95th percentile of the level of 100 ms, beside its straight line.

    Raises:
        ValueError: If the part is too short.

    Example:
        >>> import torch
        >>> time = torch.arange(64000) / 16000
        >>> tone = torch.sin(2 * torch.pi * 220 * time)
        >>> pulse = 10 ** (5 * torch.sin(2 * torch.pi * 1.4 * time) / 20)
        >>> round(pulse_range_db(tone, 0, 4, 16000), 1), 9 < pulse_range_db(tone * pulse, 0, 4, 16000) < 10
        (0.0, True)
    """
    part = sound[round(first_seconds * sample_rate) : round(last_seconds * sample_rate)]
    level = _level(part, sample_rate, PULSE_SECONDS)
    if len(level) < 3:
        raise ValueError(f"a held part must last 0.3 s or more, got {len(part) / sample_rate:g} s")
    steps = np.arange(len(level))
    slope, start = np.polyfit(steps, level, 1)
    low, high = np.percentile(level - slope * steps - start, PULSE_SHARES)
    return float(high - low)


def ghost_ratio(sound: Tensor, onsets: Sequence[float], sample_rate: int) -> Array:
    """Return the power before each onset, relative to the note after it.

    Args:
        sound: ``(samples,)``.
        onsets: Seconds, at least 0.3.
        sample_rate: Hz.

    Returns:
        Loudest 10 ms from 300 to 20 ms before each onset over the loudest of the 300 ms after it, ``(n_onsets,)``; 0
        where nothing comes after it.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 220 * torch.arange(16000) / 16000)
        >>> sound = torch.cat([torch.zeros(16000), tone])
        >>> ghost_ratio(sound, [1.0], 16000).tolist()
        [0.0]
    """
    power = _power(as_array(sound), sample_rate, STEP_SECONDS)
    ratios = []
    for onset in onsets:
        now = round(onset / STEP_SECONDS)
        before = power[now - round(GHOST_SECONDS / STEP_SECONDS) : now - round(GUARD_SECONDS / STEP_SECONDS)]
        after = power[now : now + round(GHOST_SECONDS / STEP_SECONDS)]
        heard = len(before) and len(after) and after.max() > 0
        ratios.append(float(before.max() / after.max()) if heard else 0.0)
    return np.array(ratios)


def ghost_db(sound: Tensor, sources: Sequence[Tensor], onsets: Sequence[float], sample_rate: int) -> float:
    """Return what sounds before notes and does not so in the sources.

    Args:
        sound: The morph, ``(samples,)``.
        sources: The sounds that are morphed; their notes begin at the same times.
        onsets: Seconds, at least 0.3; before each, the sources rest.
        sample_rate: Hz.

    Returns:
        The largest over the onsets: ``ghost_ratio`` less that of the source in which it is larger, in dB; at least −80.

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
    """Return the fall of the level within 50 ms from each step of 10 ms on, dB, at least 0."""
    level = np.maximum(_level(sound, sample_rate, STEP_SECONDS), FLOOR_DB)
    lag = round(FALL_SECONDS / STEP_SECONDS)
    return np.maximum(level[:-lag] - level[lag:], 0.0) if len(level) > lag else np.zeros(0)


def _level(sound: Tensor, sample_rate: int, step_seconds: float) -> Array:
    """Return the level in steps, dB relative to the loudest."""
    power = _power(as_array(sound), sample_rate, step_seconds)
    loudest = float(power.max()) if len(power) else 0.0
    level: Array = power_to_db(np.maximum(power / max(loudest, 1e-30), 1e-12))
    return level


def _power(sound: Array, sample_rate: int, step_seconds: float) -> Array:
    size = round(step_seconds * sample_rate)
    n_steps = len(sound) // size
    power: Array = (sound[: n_steps * size].reshape(n_steps, size) ** 2).mean(1) if n_steps else np.zeros(0)
    return power
