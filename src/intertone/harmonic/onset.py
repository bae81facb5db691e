"""Onset, and attack and release ramps of the partials, finer than one window of the analysis."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from intertone.level import TINY, db_to_power
from intertone.pitch import follow_pitch

STEPS = 16
"""Number of equal steps of gain, from 0 to 1, of a ramp."""

RAMP_SECONDS = 0.001
"""Length of the shortest ramp: half a period of a cosine."""

SMOOTHED_SECONDS = 0.002
"""Window over which products of signals are averaged."""

FLOOR = 1e-2
"""Share of the highest energy of the partials below which their gain is not measured."""

NEARLY = 0.98
"""Share of a step at which it counts as reached."""


def shortest_rise() -> Tensor:
    """Return the shortest ramp, that of an immediate onset; see ``find_ramp``."""
    gains = torch.arange(1, STEPS + 1, dtype=torch.float64) / STEPS
    return RAMP_SECONDS * (1 - 2 * gains).acos() / math.pi


def shortest_ramps() -> Tensor:
    """Return the shortest attack and release ramps, ``(2, 16)``."""
    return shortest_rise().expand(2, -1)


def find_ramp(sound: Tensor, partials: Tensor, sample_rate: int, longest_seconds: float) -> Tensor:
    """Measure the attack ramp of a sound whose partials have constant levels within the first window.

    The gain at a time is the projection of the sound on its partials, ``Σ xy / Σ y²``, over 2 ms, so that noise
    hardly counts; it is counted relative to its highest, and never falls.

    Args:
        sound: From its onset on, ``(channels, samples)``.
        partials: Its partials, synthesised without ramps, of the same shape.
        sample_rate: Hz.
        longest_seconds: Longest ramp, from the onset.

    Returns:
        Seconds from the onset at which the gain first reaches 1/16, 2/16, … 1, ``(16,)``, float64, nowhere earlier than
        ``shortest_rise``; that itself where the partials do not correlate with the sound.
    """
    length = min(sound.shape[-1], max(1, round(longest_seconds * sample_rate)))
    shared, own = (_averaged(sound, partials, length, sample_rate), _averaged(partials, partials, length, sample_rate))
    gains = (shared / (own + FLOOR * own.max()).clamp_min(TINY)).cummax(0).values
    if not float(gains[-1]) > 0:
        return shortest_rise()
    gains = gains / gains[-1].clamp(max=1)
    levels = NEARLY * torch.arange(1, STEPS + 1, dtype=torch.float64) / STEPS
    reached = torch.searchsorted(gains, levels).clamp(max=length) / sample_rate
    return torch.maximum(reached, shortest_rise())


def play_ramps(ramps: Tensor, samples: int, sample_rate: int) -> Tensor:
    """Return the gain of attack and release ramps, ``(2, 16)``, at each sample: from 0 to 1 and back to 0."""
    rise, fall = (play_rise(ramp, samples, sample_rate) for ramp in ramps)
    return rise * fall.flip(0)


def play_rise(rise: Tensor, samples: int, sample_rate: int) -> Tensor:
    """Return the gain of an attack ramp at each sample, ``(samples,)``, from 0 to 1."""
    seconds = np.arange(samples) / sample_rate
    gains = np.interp(seconds, np.concatenate([[0], rise.numpy()]), np.arange(STEPS + 1) / STEPS)
    return torch.from_numpy(gains).float()


def _averaged(sound: Tensor, other: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return products averaged over time, ``(length,)``, float64."""
    half = round(0.5 * SMOOTHED_SECONDS * sample_rate)
    product = (sound[:, : length + half].double() * other[:, : length + half].double()).sum(0)
    return avg_pool1d(pad(product, (half, half))[None], 2 * half + 1, 1)[0, :length]


ATTACK_SECONDS, FADE_SECONDS = 0.03, 0.05
"""Length of the attack of a sound after its onset, and of the time in which it passes into the rest."""


def attack_share(n_frames: int, frame_seconds: float) -> Tensor:
    """Return how far frames belong to the attack: 1 from the onset on, then falling to 0, ``(n_frames,)``."""
    seconds = torch.arange(n_frames) * frame_seconds
    return 0.5 + 0.5 * torch.cos(math.pi * ((seconds - ATTACK_SECONDS) / FADE_SECONDS).clamp(0, 1))


ONSET_DB, ONSET_SECONDS = -46.0, 0.003
"""A note begins where its level over this time first comes within this many decibels of its loudest."""

LEAD_DB, NOISE_DB = -20.0, -25.0
"""Level relative to the loudest at which what precedes a note ends, and up to which it may be noise. Rain before a
slam is a part of the sound."""

LEAD_SECONDS, STEADY_DB = 0.02, 2.0
"""Least length of the first half of what precedes a note, over which its level is averaged, and range of its levels if
it is noise. With 3 dB, 8 of 1117 notes of the bank lose breath before their tone, with 2 dB two."""

HUM_HZ, HUM_HOP_SECONDS = 125.0, 0.02
"""Highest pitch of mains hum, twice 60 Hz and some more; and hop at which the pitch of what precedes a note is found. A
tone above is the soft beginning of a sound."""


def find_onset(sound: Tensor, sample_rate: int) -> int:
    """Return the sample at which a sound, ``(channels, samples)``, begins; 0 for silence.

    That is where 3 ms are first within 46 dB of the loudest 3 ms. If the level stays within 2 dB from there for half of
    the time until it comes within 20 dB of the loudest, at least 25 dB below it and without a pitch above mains hum, it
    is that of noise before the note, which begins where the level has been 4 dB above it ever since.
    """
    if not sound.shape[-1]:
        return 0
    power = sound.double().square().sum(0)
    length = min(max(1, round(ONSET_SECONDS * sample_rate)), len(power))
    total = pad(power.cumsum(0), (1, 0))
    energy = total[length:] - total[:-length]
    first, near = (int((energy > energy.max() * db_to_power(level)).int().argmax()) for level in (ONSET_DB, LEAD_DB))
    noise = float(energy.max()) * db_to_power(NOISE_DB)
    end = _end_of_noise(energy[first:near], round(LEAD_SECONDS * sample_rate), noise)
    if end and not _is_tone(sound[:, first : first + end], sample_rate):
        first += end
    if not first:
        return 0
    reach = power[first : first + length]
    return first + int((reach > reach.max() * db_to_power(ONSET_DB)).int().argmax())


def _end_of_noise(lead: Tensor, least: int, most: float) -> int:
    """Return how many of the energies before a note are those of noise: 0 if their first half is loud or not steady."""
    half = lead[: len(lead) // 2]
    if len(half) < least:
        return 0
    total, length = pad(half.cumsum(0), (1, 0)), min(least, len(half) // 4)
    some = (total[length:] - total[:-length]) / length  # over a period of hum
    some = some[:: 1 + len(some) // 1000]  # a quantile sorts them
    low, middle, high = torch.quantile(some, torch.tensor([0.1, 0.5, 0.9], dtype=some.dtype)).tolist()
    if middle > most or high > low * db_to_power(STEADY_DB):
        return 0
    return 1 + int((lead <= middle * db_to_power(2 * STEADY_DB)).nonzero()[-1])


def _is_tone(lead: Tensor, sample_rate: int) -> bool:
    """Return whether more than half of the frames have a pitch, and its median is above that of mains hum."""
    track = follow_pitch(lead, sample_rate, hop_length=round(HUM_HOP_SECONDS * sample_rate))
    return int(track.voiced.sum()) > len(track.voiced) // 2 and float(track.f0[track.voiced].median()) > HUM_HZ
