"""Fit of a comb of partials, with f0 and inharmonicity, to the peaks of the spectrum of a whole note."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.level import TINY, amplitude_to_db, db_to_amplitude
from intertone.pitch.note import CENTS
from intertone.pitch.parabola import Array, parabola_top

PEAK_SECONDS = (0.08, 1.10)
"""Start and end of the stretch whose spectrum is analysed, s."""
PEAK_FFT = 2**17
"""Length of the FFT, samples."""
PEAK_RANGE_DB = 55.0
"""Largest distance of a peak below the highest peak, dB."""
PEAK_PROMINENCE_DB = 9.0
"""Smallest prominence of a peak, dB."""
SEARCH = (0.97, 1.03)
"""Factors of the lower and the higher of two f0, which give the range in which the f0 of a comb is searched."""
GRID_CENTS = 4.0
"""Step of the searched f0, cents."""
INHARMONICITIES = tuple(step * 0.5e-4 for step in range(9))
"""Searched values of the inharmonicity B."""
TOLERANCE_CENTS = 30.0
TOLERANCE_SHARE = 0.12
"""Largest distance between a peak and its partial: the smaller one of 30 cents and this fraction of f0."""
EQUAL = 0.01
"""Difference of the score of two combs up to which they are equally good."""
OCCUPIED = 12
"""Number of harmonics whose absence lowers the score: a comb an octave too low explains as many peaks as the right
one."""


@dataclass(frozen=True)
class Peaks:
    """Peaks of a sound's spectrum.

    Attributes:
        frequency: Hz, rising, ``(n_peaks,)``.
        weight: Square root of the amplitude relative to the highest peak, ``10^(dB / 40)``, ``(n_peaks,)``.
    """

    frequency: Array
    weight: Array


@dataclass(frozen=True)
class Comb:
    """Series of partials at the frequencies ``k · f0 · √(1 + B·k²)``.

    Attributes:
        f0: Hz.
        inharmonicity: B, 0 for a harmonic sound.
        explained: Share of the total weight of peaks that are near a partial, 0…1.
    """

    f0: float
    inharmonicity: float
    explained: float


def spectral_peaks(audio: Tensor, sample_rate: int) -> Peaks:
    """Return the peaks of the spectrum of a sound from 0.08 to 1.10 s.

    The window is a Blackman-Harris window, zero-padded to 2¹⁷ samples. Peaks are at least 20 Hz, at most 55 dB below
    the highest and have a prominence of at least 9 dB. Their frequencies are refined with a parabola.

    Args:
        audio: ``(samples,)``, longer than 0.08 s.
        sample_rate: Hz.

    Returns:
        The peaks; none for silence.

    Raises:
        ValueError: If the sound is too short.

    Example:
        >>> import torch
        >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(32000) / 16000)
        >>> spectral_peaks(tone, 16000).frequency.round(2).tolist()
        [440.0]
    """
    from scipy import signal  # slow to import, and not needed for a morph

    first, last = (round(seconds * sample_rate) for seconds in PEAK_SECONDS)
    part = as_array(audio)[first:last]
    if len(part) < 16:
        raise ValueError(f"a sound must be longer than {PEAK_SECONDS[0]} s, got {audio.shape[-1] / sample_rate:g} s")
    magnitude = np.abs(np.fft.rfft(part * signal.windows.blackmanharris(len(part)), PEAK_FFT))
    lowest = math.ceil(20 * PEAK_FFT / sample_rate)
    highest = magnitude[lowest:].max()
    if highest < 1e-9:
        return Peaks(np.zeros(0), np.zeros(0))
    db = amplitude_to_db(np.maximum(magnitude / highest, TINY))
    found, _ = signal.find_peaks(db, height=-PEAK_RANGE_DB, prominence=PEAK_PROMINENCE_DB)
    found = found[found >= lowest]
    offset, _ = parabola_top(db[found - 1], db[found], db[found + 1])
    return Peaks((found + offset) * sample_rate / PEAK_FFT, db_to_amplitude(db[found] / 2))


def fit_comb(peaks: Peaks, f_low: float, f_high: float) -> Comb:
    """Return the comb that explains the peaks best, with an f0 between those of two notes.

    All combs of a grid are compared: f0 in 0.97·``f_low``…1.03·``f_high`` in steps of 4 cents, and nine inharmonicities
    up to 4·10⁻⁴. A comb explains the peaks within min(30 cents, 0.12·f0) of its partials. Its score is ``explained·(0.7
    + 0.3·o)``, where o is the share of its partials 1…12 that have a peak. Among combs within 0.01 of the best score,
    the one with the smallest inharmonicity is taken. f0 and B are then refined by a least-squares fit of ``(f/k)² = f0²
    + f0²·B·k²`` to the explained peaks, weighted by amplitude.

    Args:
        peaks: Peaks from ``spectral_peaks``.
        f_low: f0 of the lower note, Hz.
        f_high: f0 of the higher note, Hz.

    Returns:
        The comb; without peaks, f0 is NaN and ``explained`` 0.

    Example:
        >>> comb = fit_comb(Peaks(np.array([200.0, 400.0, 600.0]), np.ones(3)), 190, 210)
        >>> round(comb.f0, 3), comb.explained
        (200.0, 1.0)
    """
    if not len(peaks.frequency):
        return Comb(math.nan, 0.0, 0.0)
    n_steps = max(1, math.ceil(CENTS * math.log2(SEARCH[1] * f_high / (SEARCH[0] * f_low)) / GRID_CENTS))
    grid = SEARCH[0] * f_low * 2 ** (np.arange(n_steps + 1) * GRID_CENTS / CENTS)
    f0 = np.repeat(grid, len(INHARMONICITIES))[:, None]
    stretch = np.tile(INHARMONICITIES, len(grid))[:, None]
    order, hit = _on_comb(peaks.frequency, f0, stretch)
    explained = (hit * peaks.weight).sum(1) / peaks.weight.sum()
    counted = np.clip(np.floor(peaks.frequency.max() / f0[:, 0]), 1, OCCUPIED)
    occupied = np.stack([((order == k) & hit).any(1) for k in range(1, OCCUPIED + 1)], 1).sum(1)
    merit = explained * (0.7 + 0.3 * np.minimum(occupied / counted, 1))
    # the smallest inharmonicity of the equally good combs, and of these the middle one: neighbours have the same score
    best = np.flatnonzero(merit >= merit.max() - EQUAL)
    best = best[stretch[best, 0] == stretch[best, 0].min()]
    top = best[merit[best] >= merit[best].max() - 1e-9]
    index = top[len(top) // 2]
    refined = _refine(peaks, order[index], hit[index], float(f0[index, 0]), float(stretch[index, 0]))
    return Comb(*refined, float(explained[index]))


def comb_partials(comb: Comb, top: float) -> Array:
    """Return the frequencies of a comb's partials up to ``top``, Hz, rising.

    Example:
        >>> comb_partials(Comb(200, 0, 1), 650).tolist()
        [200.0, 400.0, 600.0]
    """
    order = np.arange(1, max(2, math.ceil(top / comb.f0) + 1))
    partial = order * comb.f0 * np.sqrt(1 + comb.inharmonicity * order**2)
    return partial[partial <= top]


def _on_comb(frequency: Array, f0: Array, stretch: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return for each comb (row) the order of the partial nearest to each frequency, and whether it is near enough."""
    ratio = (frequency / f0) ** 2
    square = np.where(stretch > 0, (np.sqrt(1 + 4 * stretch * ratio) - 1) / np.maximum(2 * stretch, TINY), ratio)
    order = np.maximum(1, np.rint(np.sqrt(square)))
    partial = order * f0 * np.sqrt(1 + stretch * order**2)
    near = np.abs(frequency - partial) <= np.minimum(
        TOLERANCE_SHARE * f0, partial * (2 ** (TOLERANCE_CENTS / CENTS) - 1)
    )
    return order, near


def _refine(peaks: Peaks, order: Array, hit: npt.NDArray[np.bool_], f0: float, stretch: float) -> tuple[float, float]:
    order, weight = order[hit], peaks.weight[hit]
    if not len(order):
        return f0, stretch
    target = (peaks.frequency[hit] / order) ** 2
    if len(np.unique(order)) > 3:
        design = np.stack([np.ones_like(order), order**2], 1)
        level, slope = np.linalg.lstsq(design * weight[:, None], target * weight, rcond=None)[0]
        if level > 0 and slope > 0:
            return math.sqrt(level), float(slope / level)
    return math.sqrt(float(np.average(target / (1 + stretch * order**2), weights=weight**2))), stretch


def as_array(audio: Tensor) -> Array:
    """Return the sound of one channel as a float64 array, ``(samples,)``.

    Raises:
        ValueError: If ``audio`` is not ``(samples,)``.
    """
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    return audio.detach().cpu().double().numpy()
