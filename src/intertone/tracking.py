"""The f0 of a whole sound as one smooth line, for an analysis that follows it sample by sample."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import fft, ndimage
from torch import Tensor

from intertone.audio import resample
from intertone.errors import InputError

PERIODS = 3.5
"""Periods of a band's lowest frequency in its window."""

SHORTEST_WINDOW = 0.025
"""Seconds."""

OVERSAMPLING = 4
"""Of the lags, for the tops between them to be parabolas."""

N_CANDIDATES = 5
"""Tops kept for each frame and band."""

OCTAVE_BIAS = 0.04
"""Cost of an octave further down, for of all multiples of the period the first is meant."""

COMB_COST = 0.15
"""Cost of a candidate between whose partials there is as much as on them."""

COMB_PERIODS = 8.0
"""Periods of a band's lowest frequency in the window whose spectrum shows the partials."""

COMB_SECONDS = 0.25
"""The longest such window."""

COMB_RANGE_DB = 40.0
"""Partials so much weaker than the strongest are not seen."""

N_PARTIALS = 8
"""Partials that are looked at."""

JUMP_COST = 8.0
"""Cost of a jump of an octave from one frame to the next in a steady sound."""

LARGEST_JUMP = 1.5
"""Octaves from which a jump costs no more."""

FREE_STEP = 0.02
"""Octaves of movement in 10 ms that cost nothing: vibrato and slides."""

SWITCH_COST = 2.0
"""Cost of a voice's beginning or end in a steady sound."""

CHANGE_SECONDS = 0.03
"""Time over which it is seen how much the sound changes."""

CHANGE_WEIGHT = 2.5
"""How much cheaper jumps and switches are where the sound changes."""

CHEAPEST_CHANGE = 0.1
"""Share of their cost that always remains."""

LEVEL_EXPONENT = 0.3
"""A frame's cost counts as its power to this exponent, relative to the loudest one around it."""

LEVEL_SECONDS = 0.1
"""What is around a frame, to either side."""

VOICED = 0.5
"""Periodicity from which a frame is rather voiced than not."""

LEAST_PERIODICITY = 0.4
"""Frames of less are not voiced, wherever the line goes."""

SILENCE_DB = -100.0
"""Frames of less power, relative to full scale, are not voiced."""

RANGE_DB = 60.0
"""Frames so much quieter than the loudest one are not voiced."""

LEVEL_WINDOW = 0.02
"""Seconds over which a frame's level is taken."""

FRAME_SECONDS = 0.01
"""What the costs of a frame are meant for; those of shorter frames count less."""

IMPOSSIBLE = 1e9
"""Cost of a candidate that is none."""

Array = npt.NDArray[np.float64]
Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PitchTrack:
    """The f0 of a sound over time.

    Attributes:
        f0: Hz, ``(n_frames,)``, float64. Where any frame is voiced every frame has a positive one: the others lie on
            straight lines in log frequency between the voiced ones, the ends held. Else all NaN.
        voiced: ``(n_frames,)``, bool.
        periodicity: ``(n_frames,)``, float64, 0…1: the share of the energy that repeats after a period; 0 for silence.
    """

    f0: Tensor
    voiced: Tensor
    periodicity: Tensor


@dataclass(frozen=True)
class _Band:
    """A range of f0, in Hz, that is searched with one window at one sample rate."""

    low: float
    high: float
    sample_rate: int


_BANDS = (_Band(0, 100, 6000), _Band(95, 420, 8000), _Band(400, math.inf, 16000))


def follow_pitch(
    audio: Tensor, sample_rate: int, *, hop_length: int, f_min: float = 25.0, f_max: float = 5000.0
) -> PitchTrack:
    """Follow the f0 of one melodic line through a sound.

    Every frame has some candidates: the tops of how similar the sound is to itself one lag later, in three bands with
    a window each, shorter for higher notes. Of all lines through the candidates the one of least cost is taken: it
    should be periodic, lie high among multiples of one period, and not jump.

    Args:
        audio: ``(samples,)``, or ``(channels, samples)``: then one track for all, from the sum of their similarities,
            so that polarity does not matter.
        sample_rate: Hz.
        hop_length: Samples from one frame to the next; frame ``n`` is centred at ``n · hop_length``.
        f_min: Lowest frequency searched, Hz.
        f_max: Highest frequency searched, Hz; what lies above 0.45 of ``sample_rate`` is not.

    Returns:
        The track, of ``1 + ceil(samples / hop_length)`` frames.

    Raises:
        InputError: If ``audio`` is no sound, is not finite, or a setting is out of range.

    Source:
        The similarity is that of McLeod and Wyvill (2005), "A smarter way to find pitch", equation 9, with a smooth
        window; the search for a line is that of Boersma (1993), "Accurate short-term analysis of the fundamental
        frequency", section 2.4.

    Example:
        >>> audio = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> track = follow_pitch(audio, 16000, hop_length=160)
        >>> track.f0.shape, round(float(track.f0.median())), bool(track.voiced.all())
        (torch.Size([51]), 440, True)
    """
    f_max = min(f_max, 0.45 * sample_rate)
    _check(audio, hop_length, f_min, f_max)
    sound = torch.atleast_2d(audio.detach().cpu().float())
    n_frames = 1 + -(-sound.shape[-1] // hop_length)
    centres = np.arange(n_frames) * hop_length / sample_rate
    level = _levels(sound.numpy(), n_frames, hop_length, sample_rate)
    quiet = level <= max(10 ** (SILENCE_DB / 10), level.max() * 10 ** (-RANGE_DB / 10))
    if quiet.all():
        nothing = torch.full((n_frames,), torch.nan, dtype=torch.float64)
        return PitchTrack(nothing, torch.zeros(n_frames, dtype=torch.bool), torch.zeros_like(nothing))
    found = []
    for band in _BANDS:
        low, high = max(band.low, f_min), min(band.high, f_max)
        if low < high:
            resampled = resample(sound, sample_rate, band.sample_rate).numpy()
            frequency, similarity = _candidates(resampled, centres, _Band(low, high, band.sample_rate))
            spectrum = _spectrum(resampled, centres, band.sample_rate, low)
            found.append((frequency, similarity, _comb(spectrum, frequency / band.sample_rate)))
    frequency, similarity, comb = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    cost = 1 - similarity - OCTAVE_BIAS * np.log2(np.nan_to_num(frequency, nan=1) / 440) + COMB_COST * (1 - comb)
    cost[quiet[:, None] | np.isnan(frequency)] = IMPOSSIBLE
    seconds = hop_length / sample_rate
    path = _cheapest_path(cost, frequency, _weights(level, seconds), _steadiness(spectrum, seconds), seconds)
    return _track(frequency, similarity, quiet, path)


def _check(audio: Tensor, hop_length: int, f_min: float, f_max: float) -> None:
    if audio.ndim not in (1, 2) or not audio.numel():
        raise InputError(f"audio must be (samples,) or (channels, samples) and not empty, got {tuple(audio.shape)}")
    if not audio.isfinite().all():
        raise InputError("audio must be finite in every sample, got others")
    if hop_length < 1:
        raise InputError(f"hop_length must be 1 or more, got {hop_length}")
    if not 10 <= f_min < f_max <= 7000:
        raise InputError(f"10 <= f_min < f_max <= 7000 Hz must hold, got {f_min:g} and {f_max:g}")


def _levels(sound: Frames, n_frames: int, hop_length: int, sample_rate: int) -> Array:
    """Return the power of every frame, summed over the channels."""
    half = max(1, round(LEVEL_WINDOW * sample_rate / 2))
    power = np.cumsum(np.pad((sound.astype(np.float64) ** 2).sum(0), (1, 0)))
    centres = np.arange(n_frames) * hop_length
    first, last = (centres - half).clip(0, len(power) - 1), (centres + half).clip(0, len(power) - 1)
    return np.asarray((power[last] - power[first]) / (2 * half))


def _candidates(sound: Frames, centres: Array, band: _Band) -> tuple[Array, Array]:
    """Return frequency and similarity of each frame's best tops, ``(n_frames, N_CANDIDATES)``; NaN and 0 if absent."""
    rate = band.sample_rate
    n_window = 4 * math.ceil(rate * max(PERIODS / band.low, SHORTEST_WINDOW) / 4)
    first = math.floor(OVERSAMPLING * rate / band.high) - 1
    last = math.ceil(OVERSAMPLING * rate / band.low) + 1
    similarity = _similarity(sound, centres * rate, n_window, first, last)
    here = similarity[:, 1:-1]
    bias = (-OCTAVE_BIAS * np.log2(np.arange(first + 1, last))).astype(np.float32)
    tops = np.where((here >= similarity[:, :-2]) & (here > similarity[:, 2:]) & (here > 0), here + bias, -np.inf)
    best = np.argpartition(-tops, min(N_CANDIDATES, tops.shape[1] - 1), axis=1)[:, :N_CANDIDATES]
    rows = np.arange(len(tops))[:, None]
    before, height, after = (similarity[rows, best + offset].astype(np.float64) for offset in range(3))
    bend = np.minimum(before - 2 * height + after, -1e-12)
    offset = ((before - after) / (2 * bend)).clip(-0.5, 0.5)
    present = np.isfinite(tops[rows, best])
    frequency = np.where(present, OVERSAMPLING * rate / (first + 1 + best + offset), np.nan)
    return frequency, np.where(present, height - 0.25 * (before - after) * offset, 0).clip(0, 1)


def _similarity(sound: Frames, centres: Array, n_window: int, first: int, last: int) -> Frames:
    """Return how similar each frame is to itself after lags of ``first`` to ``last`` quarter samples, -1…1.

    Every pair of samples counts with the product of both weights, so that a frame's centre of gravity is its centre
    at every lag.
    """
    frames = _frames(sound, centres, n_window)
    weights = np.hanning(n_window + 2)[1:-1].astype(np.float32)
    frames = frames - (frames @ weights / weights.sum())[..., None]
    size = fft.next_fast_len(n_window + last // OVERSAMPLING + 1, real=True)
    products = fft.irfft(_power(frames * weights, size), OVERSAMPLING * size)[:, first : last + 1] * OVERSAMPLING
    # the energy of four samples at a time: the weights are smooth
    energy = (frames**2).sum(0).reshape(len(centres), -1, 4).sum(-1) @ _pair_weights(n_window, first, last)
    return np.asarray(2 * products / np.maximum(energy, 1e-12), np.float32)


@lru_cache(maxsize=8)
def _pair_weights(n_window: int, first: int, last: int) -> Frames:
    """Return how much the energy of each four samples counts at every lag, ``(n_window / 4, lags)``."""
    weights = np.pad(np.hanning(n_window + 2)[1:-1], 1)
    lags = np.arange(first, last + 1) / OVERSAMPLING
    place = np.arange(n_window)[:, None] + lags * np.array([[[1]], [[-1]]])
    pairs = weights[1:-1, None] * np.interp(place, np.arange(-1, n_window + 1), weights).sum(0)
    return np.asarray(pairs.reshape(-1, 4, len(lags)).mean(1), np.float32)


def _power(frames: Frames, size: int) -> Frames:
    """Return the power spectrum of ``(channels, n, n_window)``, summed over the channels."""
    spectrum = fft.rfft(frames, size)
    return np.asarray((spectrum.real**2 + spectrum.imag**2).sum(0))


def _frames(sound: Frames, centres: Array, n_window: int) -> Frames:
    """Return the windows around ``centres``, ``(channels, n, n_window)``, the outermost where they fit."""
    sound = np.pad(sound, ((0, 0), (0, max(0, n_window - sound.shape[1]))))
    starts = np.rint(centres - n_window / 2).astype(np.intp).clip(0, sound.shape[1] - n_window)
    return np.lib.stride_tricks.sliding_window_view(sound, n_window, axis=1)[:, starts]


def _spectrum(sound: Frames, centres: Array, rate: int, low: float) -> Frames:
    """Return each frame's level in bins up to half of ``rate``: 1 at the strongest, 0 from 40 dB below it."""
    n_window = round(rate * min(COMB_SECONDS, max(COMB_PERIODS / low, SHORTEST_WINDOW)))
    weights = np.hanning(n_window + 2)[1:-1].astype(np.float32)
    size = fft.next_fast_len(2 * n_window, real=True)
    power = _power(_frames(sound, centres * rate, n_window) * weights, size) + np.float32(1e-20)
    return np.asarray((10 * np.log10(power / power.max(1, keepdims=True)) / COMB_RANGE_DB + 1).clip(0, 1), np.float32)


def _comb(spectrum: Frames, frequency: Array) -> Array:
    """Return how much stronger each candidate's partials are than what lies between them; frequency as of the rate."""
    padded = np.pad(spectrum, ((0, 0), (0, 1)))
    rows = np.arange(len(spectrum))[:, None, None]
    last = spectrum.shape[1] - 1

    def at(multiples: npt.NDArray[Any]) -> Array:
        place = (np.nan_to_num(frequency)[..., None] * multiples * 2 * last).clip(0, last)
        index = place.astype(np.intp)
        return np.asarray(padded[rows, index] * (1 - place + index) + padded[rows, index + 1] * (place - index))

    order = np.arange(1, N_PARTIALS + 1)
    between = at(np.arange(N_PARTIALS + 1) + 0.5)
    return np.asarray(((at(order) - (between[..., 1:] + between[..., :-1]) / 2) / order).sum(-1))


def _weights(level: Array, seconds: float) -> Array:
    """Return how much each frame's cost counts: little where it is quieter than what is around it."""
    around = ndimage.maximum_filter1d(level, 2 * round(LEVEL_SECONDS / seconds) + 1)
    return np.asarray(
        (np.maximum(level, 1e-30) / np.maximum(around, 1e-30)) ** LEVEL_EXPONENT * seconds / FRAME_SECONDS
    )


def _steadiness(spectrum: Frames, seconds: float) -> Array:
    """Return what share of its cost a jump has between each frame and the next."""
    half = max(1, round(CHANGE_SECONDS / 2 / seconds))
    place = np.arange(len(spectrum) - 1)
    before, after = spectrum[(place + 1 - half).clip(0)], spectrum[(place + half).clip(max=len(spectrum) - 1)]
    product = np.sqrt((before**2).sum(1) * (after**2).sum(1))
    change = 1 - (before * after).sum(1) / np.maximum(product, 1e-12)
    return np.asarray((1 - CHANGE_WEIGHT * change).clip(CHEAPEST_CHANGE, 1), np.float64)


def _cheapest_path(cost: Array, frequency: Array, weights: Array, steadiness: Array, seconds: float) -> list[int]:
    """Return the candidate of every frame on the line of least cost; the number after the last is "unvoiced"."""
    n_frames, unvoiced = cost.shape
    octave = np.log2(np.nan_to_num(frequency, nan=1))
    cost = np.concatenate([cost, np.full((n_frames, 1), 1 - VOICED)], axis=1) * weights[:, None]
    moves = np.full((n_frames - 1, unvoiced + 1, unvoiced + 1), SWITCH_COST)
    jumps = np.abs(octave[:-1, :, None] - octave[1:, None, :]) - FREE_STEP * seconds / FRAME_SECONDS
    moves[:, :-1, :-1] = JUMP_COST * jumps.clip(0, LARGEST_JUMP)
    moves[:, -1, -1] = 0
    moves *= steadiness[:, None, None]
    total, origins = cost[0], []
    for move, own in zip(moves, cost[1:], strict=True):
        ways = total[:, None] + move
        origins.append(ways.argmin(0))
        total = ways.min(0) + own
    path = [int(total.argmin())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return path[::-1]


def _track(frequency: Array, similarity: Array, quiet: npt.NDArray[np.bool_], path: list[int]) -> PitchTrack:
    rows, places = np.arange(len(path)), np.asarray(path)
    on = places < frequency.shape[1]
    periodicity = np.where(quiet, 0, similarity.max(1))
    periodicity[on] = similarity[rows[on], places[on]]
    voiced = on & (periodicity >= LEAST_PERIODICITY)
    f0 = np.full(len(path), np.nan)
    if voiced.any():
        f0 = np.exp(np.interp(rows, rows[voiced], np.log(frequency[rows[voiced], places[voiced]])))
    return PitchTrack(torch.from_numpy(f0), torch.from_numpy(voiced), torch.from_numpy(periodicity))
