"""Free partials: where those of bells and bars lie, which are no multiples of one pitch."""

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor

from intertone.representation.image import HarmonicConfig
from intertone.representation.partials import TURNS, Warped, oversample, turns_of
from intertone.representation.tuning import stretched

SPECTRUM_SECONDS = 0.75
"""Length of the window whose spectrum shows the partials."""

PEAK_DB, CLEAR_DB = 60.0, 15.0
"""A partial lies less than the first below the strongest, and stands out by the second from what is around it."""

AROUND_HZ, APART_HZ, LOWEST_HZ = 800.0, 25.0, 25.0
"""Width of what is around a partial, least distance of two, and where they begin."""

NEAR_BINS = 6
"""Half of the width of a partial in that spectrum, whose bins are half as wide as its window's resolution."""

EXPLAINED = 0.7
"""Share of the power that must lie in partials."""

FARTHEST = 1.0
"""Orders that a partial may lie beside the row that it is shown in, if the row has a harmonic."""

WINDOW_SECONDS = 0.05
"""Length of the window that partials are measured with, at least: they ring, and lie closely."""

Array = npt.NDArray[np.float64]


def find_free_partials(body: Tensor, f0: float, inharmonicity: float, config: HarmonicConfig) -> Tensor | None:
    """Find where the partials of a struck body lie: the peaks of the spectrum of its first 0.75 s.

    Each is shown in the row of the harmonic that it lies nearest to and that no stronger one has taken, at most one
    order away; the others are shown in rows above the last harmonic, as long as there are rows of one partial.

    Args:
        body: A sound from its onset on, ``(channels, samples)``.
        f0: Hz, what frequencies are counted in.
        inharmonicity: B of the harmonics.
        config: The rows.

    Returns:
        Where the partial of each row lies, in f0, ``(n_partials,)``, float64; NaN in rows without one. None where
        partials hold less than 0.7 of the power.

    Example:
        >>> time, config = torch.arange(16000) / 16000, HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
        >>> bell = sum(torch.sin(6.2831853 * 400 * ratio * time) for ratio in (1, 2.76, 5.4))
        >>> find_free_partials(bell[None], 400.0, 0.0, config).nan_to_num().round(decimals=2).tolist()
        [1.0, 0.0, 2.76, 0.0, 5.4]
    """
    places, powers, share = _peaks(body, config.sample_rate, min(config.n_harmonics, 64))
    if share < EXPLAINED:
        return None
    harmonics = stretched(config.edges[-1] - 1, inharmonicity)
    harmonics = harmonics[harmonics * f0 <= config.f_max]
    count = len(harmonics)
    ratios = torch.full((max(count, config.n_harmonics),), torch.nan, dtype=torch.float64)
    for peak in np.argsort(-powers):
        ratio = float(places[peak] / f0)
        away = torch.where(ratios[:count].isnan(), (harmonics - ratio).abs(), torch.inf)
        if count and float(away.min()) <= FARTHEST:
            ratios[int(away.argmin())] = ratio
        elif bool(ratios[count:].isnan().any()):
            ratios[count + int(ratios[count:].isnan().int().argmax())] = ratio
    return ratios[: int(ratios.isfinite().nonzero().max()) + 1]


def measure_free_partials(body: Tensor, ratios: Tensor, f0: Tensor, config: HarmonicConfig) -> Tensor:
    """Return complex amplitudes of free partials.

    Args:
        body: A sound from its onset on, ``(channels, samples)``.
        ratios: From ``find_free_partials``.
        f0: Hz, the same in all frames, ``(n_frames,)``, float64.
        config: The rows.

    Returns:
        ``(channels, n_partials, n_frames)``, complex64, 0 in rows without a partial; see ``Warped.measure``.
    """
    frequency, rate, hop = float(f0[0]), config.sample_rate, config.hop_length
    turns = turns_of(f0, hop, rate, body.shape[-1])
    warped = Warped(oversample(body, rate), turns, rate, frequency)
    centres = turns[(torch.arange(len(f0)) * hop).clamp(max=body.shape[-1] - 1)]
    there = ratios.isfinite()
    amplitudes = torch.zeros(len(body), len(ratios), len(f0), dtype=torch.complex64)
    amplitudes[:, there] = warped.measure(ratios[there], centres, max(TURNS, WINDOW_SECONDS * frequency))
    return amplitudes


def _peaks(body: Tensor, sample_rate: int, most: int) -> tuple[Array, Array, float]:
    """Return frequencies and powers of the partials, and the share of the power that lies in them."""
    length = round(SPECTRUM_SECONDS * sample_rate)
    start = body[:, :length].double().numpy()
    start = np.pad(start, ((0, 0), (0, length - start.shape[1]))) * np.hanning(length + 2)[1:-1]
    power = (np.abs(np.fft.rfft(start, 2 * length)) ** 2).sum(0) + 1e-30
    bin_hz, level = sample_rate / (2 * length), 10 * np.log10(power)
    coarse = level[::8]  # the median of a wide range needs no fine steps
    around = ndimage.median_filter(coarse, max(3, round(AROUND_HZ / (8 * bin_hz))), mode="nearest")
    around = np.interp(np.arange(len(level)), 8 * np.arange(len(coarse)), around)
    highest = ndimage.maximum_filter1d(level, 2 * max(1, round(APART_HZ / bin_hz)) + 1)
    peak = (level == highest) & (level > level.max() - PEAK_DB) & (level > around + CLEAR_DB)
    peak[: max(1, round(LOWEST_HZ / bin_hz))] = peak[-1] = False
    places = np.flatnonzero(peak)
    places = np.sort(places[np.argsort(-level[places])[:most]])
    if not len(places):
        return np.zeros(0), np.zeros(0), 0.0
    near = np.zeros(len(power), bool)
    for away in range(-NEAR_BINS, NEAR_BINS + 1):
        near[(places + away).clip(0, len(power) - 1)] = True
    before, here, after = level[places - 1], level[places], level[places + 1]
    offset = 0.5 * (before - after) / np.minimum(before - 2 * here + after, -1e-9)
    return (places + offset) * bin_hz, power[places], float(power[near].sum() / power.sum())
