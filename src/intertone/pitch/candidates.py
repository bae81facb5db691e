"""Candidates for the f0 of each frame: lags after which the sound repeats, with what speaks for each."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.level import TINY, power_to_db
from intertone.pitch.note import CENTS
from intertone.pitch.parabola import Array, parabola_top
from intertone.stft import fast_length

PERIODS = 3.5
"""Periods of a band's lowest frequency in the window that is compared with itself."""

COMB_PERIODS = 8.0
"""Periods of a band's lowest frequency in the window whose spectrum shows the partials."""

SHORTEST_WINDOW = 0.025
"""Seconds; 3.5 periods of a high note alone would be too few samples to be robust against noise."""

TOGETHER = 4
"""Samples whose energy is added before it is weighted, since the weights hardly change within them."""

N_CANDIDATES = 5
"""Tops kept for each frame and band."""

OCTAVE_BIAS = 0.04
"""Similarity that an octave further up is worth: of all multiples of the period the first is meant."""

COMB_RANGE_DB = 40.0
"""Partials so much weaker than the strongest are not seen."""

N_PARTIALS = 8
"""Partials that are looked at."""

LOW_PARTIALS = 4.0
"""From the fourth partial on, partials count less and less for the exact frequency, as many are not harmonic."""

STEEPNESS = 8
"""The power of ``number / 4`` with which they do; 8 halves the fourth and leaves a 250th of the eighth."""

N_TABLES = 8
"""Number of weight tables kept in the cache, one for each band and search range."""

REFINEMENTS = 3
"""Steps towards the exact frequency, each of at most 3 %; all together of at most 6 %."""

REFINEMENT_CENTS = 5.0
"""Cents below which an exact frequency counts as found."""

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Band:
    """A range of f0 that is searched with one window at one sample rate.

    Attributes:
        low: Hz.
        high: Hz.
        sample_rate: Hz; the partials above half of it are not heard.
        oversampling: Lags for each sample, for the tops between them to be parabolas.
    """

    low: float
    high: float
    sample_rate: int
    oversampling: int

    @property
    def n_window(self) -> int:
        """Samples of the window that is compared with itself: a multiple of four."""
        return TOGETHER * math.ceil(self.sample_rate * max(PERIODS / self.low, SHORTEST_WINDOW) / TOGETHER)


BANDS = (Band(0, 100, 6000, 2), Band(95, 420, 8000, 2), Band(400, math.inf, 16000, 4))
"""The windows are short where the notes are high, to follow vibrato; neighbours overlap by a semitone."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates for the f0 of each frame.

    Attributes:
        frequency: Hz, ``(n_frames, 5)``; NaN where there are fewer.
        similarity: Share of the energy that repeats after the period, 0…1; 0 where there is none.
        comb: Level at its partials less that half-way between them, higher orders weighing less, about −1…2.
        power: Power spectrum of every frame, ``(n_frames, bins)``.
        spectrum: Level of every frame over a longer window, ``(n_frames, bins)``: 1 at the strongest bin, 0 from 40 dB
            below it.
    """

    frequency: Array
    similarity: Array
    comb: Array
    power: Frames
    spectrum: Frames


def find_candidates(sound: Frames, centres: Array, band: Band) -> Candidates:
    """Find the lags of a band after which the sound repeats.

    Args:
        sound: ``(channels, samples)`` at the band's sample rate.
        centres: Of the frames, seconds.
        band: What is searched.

    Returns:
        The best five of each frame.
    """
    rate = band.sample_rate
    first = math.floor(band.oversampling * rate / band.high) - 1
    last = math.ceil(band.oversampling * rate / band.low) + 1
    similarity, power = _similarity(sound, centres * rate, band, first, last)
    frequency, height = _tops(similarity, first)
    frequency *= band.oversampling * rate
    spectrum = _spectrum(sound, centres * rate, round(rate * max(COMB_PERIODS / band.low, SHORTEST_WINDOW)))
    return Candidates(frequency, height, _comb(spectrum, frequency / rate), power, spectrum)


def refine(power: Frames, band: Band, frequency: Array) -> Array:
    """Move frequencies towards where the lowest partials alone repeat best.

    The strokes of bars, plates and strings have high partials that are not harmonic and pull the top of the similarity
    aside. Newton's method climbs to the top of that of the lower partials, divided by that of the window. It is less
    exact than the similarity where all is harmonic, so the first five cents of the way are not gone.

    Args:
        power: Power spectrum of each frame, ``(n, bins)``, from ``find_candidates``.
        band: That of the candidates.
        frequency: Hz, ``(n,)``.

    Returns:
        Hz, ``(n,)``, within 6 % of ``frequency``.
    """
    n_bins = power.shape[1]
    hertz = np.linspace(0, band.sample_rate / 2, n_bins, dtype=np.float32)
    turn = 2 * np.float32(math.pi) * hertz
    weights = power / (1 + (hertz / (LOW_PARTIALS * frequency[:, None]).astype(np.float32)) ** STEEPNESS)
    length = (band.n_window + 1) / band.sample_rate
    lag = 1 / frequency
    for _ in range(REFINEMENTS):
        angle = turn * lag[:, None].astype(np.float32)
        cosine = weights * np.cos(angle)
        height = np.maximum(cosine.sum(1, dtype=np.float64), TINY)
        slope = -_times(weights * np.sin(angle), turn) / height
        bend = np.minimum(-_times(cosine, turn**2) / height - slope**2, -TINY)
        step = (_window_slope(lag / length) / length - slope) / bend
        lag = (lag + step.clip(-0.03 * lag, 0.03 * lag)).clip(0.94 / frequency, 1.06 / frequency)
    octaves = -np.log2(lag * frequency)
    dead = REFINEMENT_CENTS / CENTS
    return np.asarray(frequency * 2 ** (octaves - octaves.clip(-dead, dead)))


def _window_slope(lag: Array) -> Array:
    """Return the slope of the logarithm of a Hann window's similarity with itself; its length is 1."""
    angle = 2 * math.pi * lag
    height = (1 - lag) * (2 + np.cos(angle)) / 3 + np.sin(angle) / (2 * math.pi)
    return np.asarray((2 * (np.cos(angle) - 1) / 3 - (1 - lag) * 2 * math.pi * np.sin(angle) / 3) / height)


def _tops(similarity: Frames, first: int) -> tuple[Array, Array]:
    """Return one over the lag and the height of each frame's best tops; NaN and 0 where there are fewer."""
    here = similarity[:, 1:-1]
    bias = (-OCTAVE_BIAS * np.log2(np.arange(first + 1, first + 1 + here.shape[1]))).astype(np.float32)
    tops = np.where((here >= similarity[:, :-2]) & (here > similarity[:, 2:]) & (here > 0), here + bias, -np.inf)
    best = np.argpartition(-tops, min(N_CANDIDATES, tops.shape[1]) - 1, axis=1)[:, :N_CANDIDATES]
    rows = np.arange(len(tops))[:, None]
    offset, height = parabola_top(*(similarity[rows, best + place].astype(np.float64) for place in (0, 1, 2)))
    height, present = height.clip(0, 1), np.isfinite(tops[rows, best])
    return np.where(present, 1 / (first + 1 + best + offset), np.nan), np.where(present, height, 0)


def _similarity(sound: Frames, centres: Array, band: Band, first: int, last: int) -> tuple[Frames, Frames]:
    """Return how similar each frame is to itself after lags number ``first`` to ``last``, −1…1, and its power.

    Every pair of samples counts with the product of both weights, so that the pairs' centre is the frame's at every
    lag.
    """
    n_window, oversampling = band.n_window, band.oversampling
    frames = _frames(sound, centres, n_window)
    weights = np.hanning(n_window + 2)[1:-1].astype(np.float32)
    frames = frames - (_times(frames, weights) / weights.sum())[..., None]
    power = _power(frames * weights, fast_length(n_window + last // oversampling + 1))
    products = torch.from_numpy(power) @ _cosines(power.shape[1], oversampling, first, last)
    # the energy of four samples at a time: the weights are smooth
    squares = (frames**2).sum(0).reshape(frames.shape[1], -1, TOGETHER).sum(-1)
    energy = torch.from_numpy(squares) @ _pair_weights(band, first, last)
    return (2 * products / energy.clamp_min(TINY)).numpy(), power


@lru_cache(maxsize=N_TABLES)
def _cosines(n_bins: int, oversampling: int, first: int, last: int) -> Tensor:
    """Return the cosines by which a power spectrum becomes products at some lags, ``(n_bins, lags)``."""
    size = 2 * (n_bins - 1)
    periods = np.outer(np.arange(n_bins), np.arange(first, last + 1)) % (oversampling * size) / (oversampling * size)
    counts = np.full(n_bins, 2.0)
    counts[[0, -1]] = 1.0, 1.0 if oversampling == 1 else 2.0
    return torch.from_numpy(np.cos(2 * math.pi * periods) * counts[:, None] / size).float()


@lru_cache(maxsize=N_TABLES)
def _pair_weights(band: Band, first: int, last: int) -> Tensor:
    """Return how much the energy of each four samples counts at every lag, ``(n_window / 4, lags)``."""
    n_window = band.n_window
    weights = np.hanning(n_window + 2)
    lags = np.arange(first, last + 1) / band.oversampling
    place = np.arange(n_window)[:, None] + lags * np.array([[[1]], [[-1]]])
    pairs = weights[1:-1, None] * np.interp(place + 1, np.arange(n_window + 2), weights).sum(0)
    return torch.from_numpy(pairs.reshape(-1, TOGETHER, len(lags)).mean(1)).float()


def _spectrum(sound: Frames, centres: Array, n_window: int) -> Frames:
    """Return the level of each frame's bins, 1 at the strongest."""
    weights = np.hanning(n_window + 2)[1:-1].astype(np.float32)
    power = _power(_frames(sound, centres, n_window) * weights, fast_length(n_window)) + np.float32(TINY)
    return np.asarray((power_to_db(power / power.max(1, keepdims=True)) / COMB_RANGE_DB + 1).clip(0, 1), np.float32)


def _comb(spectrum: Frames, frequency: Array) -> Array:
    """Return how much stronger each candidate's partials are than what is between them; frequency 1 is the rate."""
    padded = np.pad(spectrum, ((0, 0), (0, 1)))
    rows = np.arange(len(spectrum))[:, None, None]
    last = spectrum.shape[1] - 1

    def at(multiples: npt.NDArray[np.integer | np.floating]) -> Array:
        place = (np.nan_to_num(frequency)[..., None] * multiples * 2 * last).clip(0, last)
        index = place.astype(np.intp)
        return np.asarray(padded[rows, index] * (1 - place + index) + padded[rows, index + 1] * (place - index))

    order = np.arange(1, N_PARTIALS + 1)
    between = at(np.arange(N_PARTIALS + 1) + 0.5)
    return np.asarray(((at(order) - (between[..., 1:] + between[..., :-1]) / 2) / order).sum(-1))


def _power(frames: Frames, size: int) -> Frames:
    """Return the power spectrum of ``(channels, n, n_window)``, summed over the channels."""
    spectrum = torch.view_as_real(torch.fft.rfft(torch.from_numpy(frames), size)).numpy()
    return np.asarray((spectrum[..., 0] ** 2 + spectrum[..., 1] ** 2).sum(0))


def _times(rows: Frames, weights: Frames) -> Frames:
    """Return ``rows @ weights``, in PyTorch: NumPy's would start threads of its own in each of several threads."""
    return np.asarray((torch.from_numpy(rows) @ torch.from_numpy(weights)).numpy())


def _frames(sound: Frames, centres: Array, n_window: int) -> Frames:
    """Return the windows around ``centres``, ``(channels, n, n_window)``, the outermost where they fit."""
    sound = np.pad(sound, ((0, 0), (0, max(0, n_window - sound.shape[1]))))
    starts = np.rint(centres - n_window / 2).astype(np.intp).clip(0, sound.shape[1] - n_window)
    return np.lib.stride_tricks.sliding_window_view(sound, n_window, axis=1)[:, starts]
