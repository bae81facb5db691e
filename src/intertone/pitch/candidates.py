"""Candidates for the f0 of each frame: peaks of the autocorrelation, each with measures of its plausibility."""

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
"""Length of the autocorrelation window, in periods of the lowest frequency of a band."""
COMB_PERIODS = 8.0
"""Length of the window of the spectrum in which partials are compared, in periods of the lowest frequency of a band."""
SHORTEST_WINDOW = 0.025
"""Shortest window, s: 3.5 periods of a high note would be too few samples to be robust against noise."""
TOGETHER = 4
"""Number of neighbouring samples whose energies are added before weighting; the weights hardly change within them."""
N_CANDIDATES = 5
"""Number of peaks of the autocorrelation that are kept for each frame and band."""
OCTAVE_BIAS = 0.04
"""Bonus in similarity for each octave of frequency, so that the shortest of all multiples of a period is preferred."""
COMB_RANGE_DB = 40.0
"""Range of levels below the strongest bin in which partials are compared, dB."""
N_PARTIALS = 8
"""Number of partials that are compared with the level between them."""
LOW_PARTIALS = 4.0
"""Order of the partial that has weight 1/2 in ``refine``; higher partials have less, since many are inharmonic."""
STEEPNESS = 8
"""Exponent of the weight ``1 / (1 + (order / LOW_PARTIALS)^STEEPNESS)``: the eighth partial has a weight of 1/257."""
N_TABLES = 8
"""Number of cached weight tables, one for each band and search range."""
REFINEMENTS = 3
"""Number of Newton steps in ``refine``; each changes the frequency by at most 3 %, all together by at most 6 %."""
REFINEMENT_CENTS = 5.0
"""Part of a correction in ``refine`` that is left out, cents: smaller corrections are within its accuracy."""

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Band:
    """Range of f0 that is searched with one window length at one sample rate.

    Attributes:
        low: Lowest f0, Hz.
        high: Highest f0, Hz.
        sample_rate: Sample rate of the searched sound, Hz; partials above half of it are removed.
        oversampling: Number of lags per sample: enough for a parabola to fit a peak between the lags.
    """

    low: float
    high: float
    sample_rate: int
    oversampling: int

    @property
    def n_window(self) -> int:
        """Length of the autocorrelation window, samples: a multiple of ``TOGETHER``."""
        return TOGETHER * math.ceil(self.sample_rate * max(PERIODS / self.low, SHORTEST_WINDOW) / TOGETHER)


BANDS = (Band(0, 100, 6000, 2), Band(95, 420, 8000, 2), Band(400, math.inf, 16000, 4))
"""Searched ranges; higher ones have shorter windows, which can follow vibrato. Neighbours overlap by a semitone."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates for the f0 of each frame.

    Attributes:
        frequency: Hz, ``(n_frames, 5)``; NaN where a frame has fewer candidates.
        similarity: Normalised autocorrelation at the period, ``(n_frames, 5)``, 0…1; 0 where there is no candidate.
        comb: Sum over 8 partials of level minus mean level half-way to the neighbouring partials, divided by the order,
            ``(n_frames, 5)``, about −1…2. Levels are those of ``spectrum``.
        power: Power spectrum of every frame, ``(n_frames, bins)``.
        spectrum: Level spectrum of every frame with a longer window, ``(n_frames, bins)``: 1 is the strongest bin, 0 is
            40 dB below it.
    """

    frequency: Array
    similarity: Array
    comb: Array
    power: Frames
    spectrum: Frames


def find_candidates(sound: Frames, centres: Array, band: Band) -> Candidates:
    """Return the candidates for f0 within a band.

    Args:
        sound: ``(channels, samples)`` at the band's sample rate.
        centres: Centres of the frames, s, ``(n_frames,)``.
        band: The searched range.

    Returns:
        The five best candidates of each frame.
    """
    rate = band.sample_rate
    first = math.floor(band.oversampling * rate / band.high) - 1
    last = math.ceil(band.oversampling * rate / band.low) + 1
    similarity, power = _similarity(sound, centres * rate, band, first, last)
    frequency, height = _peaks(similarity, first)
    frequency *= band.oversampling * rate
    spectrum = _spectrum(sound, centres * rate, round(rate * max(COMB_PERIODS / band.low, SHORTEST_WINDOW)))
    return Candidates(frequency, height, _comb(spectrum, frequency / rate), power, spectrum)


def refine(power: Frames, band: Band, frequency: Array) -> Array:
    """Return frequencies that are corrected with the autocorrelation of the low partials alone.

    Struck bars, plates and strings have inharmonic high partials, which shift the peak of the autocorrelation. Newton's
    method finds the peak for the low partials, with the autocorrelation divided by that of the window. For harmonic
    sounds the correction is less exact than the original peak, so it is reduced by ``REFINEMENT_CENTS``.

    Args:
        power: Power spectrum of each frame, ``(n, bins)``, from ``find_candidates``.
        band: Band of the candidates.
        frequency: Frequency of the chosen candidates, Hz, ``(n,)``.

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
        slope = -_product(weights * np.sin(angle), turn) / height
        bend = np.minimum(-_product(cosine, turn**2) / height - slope**2, -TINY)
        step = (_window_slope(lag / length) / length - slope) / bend
        lag = (lag + step.clip(-0.03 * lag, 0.03 * lag)).clip(0.94 / frequency, 1.06 / frequency)
    octaves = -np.log2(lag * frequency)
    dead = REFINEMENT_CENTS / CENTS
    return np.asarray(frequency * 2 ** (octaves - octaves.clip(-dead, dead)))


def _window_slope(lag: Array) -> Array:
    """Return the derivative of the logarithm of a Hann window's autocorrelation; lags are fractions of its length."""
    angle = 2 * math.pi * lag
    height = (1 - lag) * (2 + np.cos(angle)) / 3 + np.sin(angle) / (2 * math.pi)
    return np.asarray((2 * (np.cos(angle) - 1) / 3 - (1 - lag) * 2 * math.pi * np.sin(angle) / 3) / height)


def _peaks(similarity: Frames, first: int) -> tuple[Array, Array]:
    """Return 1 / lag and height of the best peaks of each frame, ``(n_frames, 5)``; NaN and 0 for missing peaks."""
    here = similarity[:, 1:-1]
    bias = (-OCTAVE_BIAS * np.log2(np.arange(first + 1, first + 1 + here.shape[1]))).astype(np.float32)
    tops = np.where((here >= similarity[:, :-2]) & (here > similarity[:, 2:]) & (here > 0), here + bias, -np.inf)
    best = np.argpartition(-tops, min(N_CANDIDATES, tops.shape[1]) - 1, axis=1)[:, :N_CANDIDATES]
    rows = np.arange(len(tops))[:, None]
    offset, height = parabola_top(*(similarity[rows, best + place].astype(np.float64) for place in (0, 1, 2)))
    height, present = height.clip(0, 1), np.isfinite(tops[rows, best])
    return np.where(present, 1 / (first + 1 + best + offset), np.nan), np.where(present, height, 0)


def _similarity(sound: Frames, centres: Array, band: Band, first: int, last: int) -> tuple[Frames, Frames]:
    """Return the normalised autocorrelation of each frame at lags ``first`` to ``last``, −1…1, and the power spectrum.

    Each pair of samples is weighted with the product of their window values, so that the weighted centre of the pairs
    is the centre of the frame at every lag.
    """
    n_window, oversampling = band.n_window, band.oversampling
    frames = _frames(sound, centres, n_window)
    weights = np.hanning(n_window + 2)[1:-1].astype(np.float32)
    frames = frames - (_product(frames, weights) / weights.sum())[..., None]
    power = _power(frames * weights, fast_length(n_window + last // oversampling + 1))
    products = torch.from_numpy(power) @ _cosines(power.shape[1], oversampling, first, last)
    # energies of four neighbouring samples are added, since the weights are smooth
    squares = (frames**2).sum(0).reshape(frames.shape[1], -1, TOGETHER).sum(-1)
    energy = torch.from_numpy(squares) @ _pair_weights(band, first, last)
    return (2 * products / energy.clamp_min(TINY)).numpy(), power


@lru_cache(maxsize=N_TABLES)
def _cosines(n_bins: int, oversampling: int, first: int, last: int) -> Tensor:
    """Return the matrix that converts a power spectrum to its autocorrelation at the lags, ``(n_bins, lags)``."""
    size = 2 * (n_bins - 1)
    periods = np.outer(np.arange(n_bins), np.arange(first, last + 1)) % (oversampling * size) / (oversampling * size)
    counts = np.full(n_bins, 2.0)
    counts[[0, -1]] = 1.0, 1.0 if oversampling == 1 else 2.0
    return torch.from_numpy(np.cos(2 * math.pi * periods) * counts[:, None] / size).float()


@lru_cache(maxsize=N_TABLES)
def _pair_weights(band: Band, first: int, last: int) -> Tensor:
    """Return the weight of the energy of each group of four samples at every lag, ``(n_window / 4, lags)``."""
    n_window = band.n_window
    weights = np.hanning(n_window + 2)
    lags = np.arange(first, last + 1) / band.oversampling
    place = np.arange(n_window)[:, None] + lags * np.array([[[1]], [[-1]]])
    pairs = weights[1:-1, None] * np.interp(place + 1, np.arange(n_window + 2), weights).sum(0)
    return torch.from_numpy(pairs.reshape(-1, TOGETHER, len(lags)).mean(1)).float()


def _spectrum(sound: Frames, centres: Array, n_window: int) -> Frames:
    """Return the level spectrum of each frame: 1 is the strongest bin, 0 is ``COMB_RANGE_DB`` below it."""
    weights = np.hanning(n_window + 2)[1:-1].astype(np.float32)
    power = _power(_frames(sound, centres, n_window) * weights, fast_length(n_window)) + np.float32(TINY)
    return np.asarray((power_to_db(power / power.max(1, keepdims=True)) / COMB_RANGE_DB + 1).clip(0, 1), np.float32)


def _comb(spectrum: Frames, frequency: Array) -> Array:
    """Return the measure ``comb`` of ``Candidates``; ``frequency`` is a fraction of the sample rate."""
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


def _product(rows: Frames, weights: Frames) -> Frames:
    """Return ``rows @ weights``, computed by PyTorch, since NumPy would start additional threads in every thread."""
    return np.asarray((torch.from_numpy(rows) @ torch.from_numpy(weights)).numpy())


def _frames(sound: Frames, centres: Array, n_window: int) -> Frames:
    """Return the windows around ``centres``, ``(channels, n, n_window)``, moved inwards at the ends of the sound."""
    sound = np.pad(sound, ((0, 0), (0, max(0, n_window - sound.shape[1]))))
    starts = np.rint(centres - n_window / 2).astype(np.intp).clip(0, sound.shape[1] - n_window)
    return np.lib.stride_tricks.sliding_window_view(sound, n_window, axis=1)[:, starts]
