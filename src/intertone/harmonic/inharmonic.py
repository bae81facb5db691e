"""Inharmonic partials: those of bells and bars, which are no multiples of one f0."""

import numpy as np
import torch
from torch import Tensor

from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.warp import PERIODS, Warped, oversample, periods_of
from intertone.level import TINY, db_to_power, power_to_db
from intertone.pitch.parabola import Array, parabola_top
from intertone.pitch.stiffness import stretched

SPECTRUM_SECONDS = 0.75
"""Length of the window whose spectrum shows the partials."""

PEAK_DB, CLEAR_DB = 60.0, 15.0
"""A partial lies less than the first below the strongest, and lies above its surroundings by at least the second."""

AROUND_HZ, APART_HZ, LOWEST_HZ = 800.0, 25.0, 25.0
"""Width of a partial's surroundings, least distance of two partials, and lowest frequency."""

COARSE = 8
"""Bins from one to the next at which the level of the surroundings is measured."""

NEAR_BINS = 6
"""Half of the width of a partial in that spectrum, whose bins are half as wide as its window's resolution."""

EXPLAINED = 0.7
"""Share of the power that must lie in partials: without it a ringing telephone is a bell, and a low organ pipe."""

MISTUNED, INHARMONIC = 0.01, 0.01
"""Partials that lie beside the nearest harmonic by more than the first, relative to its frequency, must hold more than
the second of the power of all."""

ROOT_DB, IN_TUNE = 25.0, 0.006
"""A partial within the first of the strongest is a strong one. One whose double and threefold are partials too, but for
the second, is the first of a note; two such notes are a chord, and no bell."""

STRIKE = 0.03
"""Largest relative distance of strong partials from the second, third and fourth multiple of the strike note, at which
a bell is heard although no partial lies there. Without this rule a tubular bell's f0 is its hum, a sixth lower; with
all f0 kept, a church bell had one of 126 Hz, below its lowest partial, 246 Hz."""

FEW = 32
"""At most so many partials; a string stiffer than the formula has more."""

WINDOW_SECONDS = 0.05
"""Length of the window that partials are measured with, at least: they ring, and lie closely."""


def find_inharmonic_partials(
    body: Tensor, f0: float, inharmonicity: float, config: HarmonicConfig
) -> tuple[float, Tensor] | None:
    """Find where the partials of a struck body lie: the peaks of the spectrum of its first 0.75 s.

    Each gets a row of its own, such that all together lie as near to the harmonics of their rows as can be, the strong
    ones before the weak ones: so partials of two bells that share a row lie near each other.

    Args:
        body: A sound from its onset on, ``(channels, samples)``.
        f0: Hz, that of the harmonics that the sound was taken for; it is kept where a strong partial lies there, or
            where it is the strike note.
        inharmonicity: B of the harmonics that the sound was taken for.
        config: The rows.

    Returns:
        f0, or else the frequency of the lowest strong partial, and the partial of each row over f0,
        ``(>= n_harmonics,)``, float64; NaN in rows without one. None where partials hold less than 0.7 of the power,
        are many, or nearly all harmonics, of one note or several.
    """
    from scipy.optimize import linear_sum_assignment  # here, since only bells need it

    places, powers, share = _peaks(body, config.sample_rate, config.n_harmonics)
    harmonics = stretched(config.edges[-1] - 1, inharmonicity)
    if share < EXPLAINED or not _inharmonic(places / f0, powers, harmonics) or _count_notes(places, powers) > 1:
        return None
    strong = places[powers > powers.max() * db_to_power(-ROOT_DB)]
    first, *multiples = (np.abs(strong / (order * f0) - 1).min() <= STRIKE for order in (1, 2, 3, 4))
    if not first and not all(multiples):
        f0 = float(strong[0])
    found = places / f0
    rows = np.arange(1, 1 + max(config.n_harmonics, min(config.edges[-1] - 1, int(config.f_max / f0))))
    level = 1 + PEAK_DB + power_to_db(powers / powers.max())
    peaks, taken = linear_sum_assignment((found[:, None] - rows) ** 2 * level[:, None])
    ratios = torch.full((max(config.n_harmonics, int(taken.max()) + 1),), torch.nan, dtype=torch.float64)
    ratios[taken] = torch.from_numpy(found[peaks])
    return f0, ratios


def measure_inharmonic_partials(body: Tensor, ratios: Tensor, f0: Tensor, config: HarmonicConfig) -> Tensor:
    """Return complex amplitudes of inharmonic partials, 0 in rows without one; see ``Warped.measure``.

    Args:
        body: A sound from its onset on, ``(channels, samples)``.
        ratios: From ``find_inharmonic_partials``.
        f0: Hz, the same in all frames, ``(n_frames,)``, float64.
        config: The rows.
    """
    frequency, rate, hop = float(f0[0]), config.sample_rate, config.hop_length
    periods = periods_of(f0, hop, rate, body.shape[-1])
    warped = Warped(oversample(body, rate), periods, rate, frequency)
    centres = periods[(torch.arange(len(f0)) * hop).clamp(max=body.shape[-1] - 1)]
    there = ratios.isfinite()
    amplitudes = torch.zeros(len(body), len(ratios), len(f0), dtype=torch.complex64)
    amplitudes[:, there] = warped.measure(ratios[there], centres, max(PERIODS, WINDOW_SECONDS * frequency))
    return amplitudes


def _inharmonic(found: Array, powers: Array, harmonics: Tensor) -> bool:
    """Return whether there are few partials, and enough of their power lies beside the harmonics."""
    away = np.abs(found[:, None] - harmonics.numpy())
    far = (away > MISTUNED * harmonics.numpy()).all(1)
    return len(found) <= FEW and bool(powers[far].sum() > INHARMONIC * powers.sum())


def _count_notes(places: Array, powers: Array) -> int:
    """Return of how many notes the partials are that are strong, and no multiples of another's first."""
    roots: list[float] = []
    for place in places[powers > powers.max() * db_to_power(-ROOT_DB)]:
        orders = [max(2, round(place / root)) for root in roots]
        if any(abs(place / (order * root) - 1) < 2 * IN_TUNE for order, root in zip(orders, roots, strict=True)):
            continue
        if all((np.abs(places / (order * place) - 1) < IN_TUNE).any() for order in (2, 3)):
            roots.append(float(place))
    return len(roots)


def _peaks(body: Tensor, sample_rate: int, most: int) -> tuple[Array, Array, float]:
    """Return frequencies and powers of the partials, and the share of the power that lies in them."""
    from scipy import ndimage

    length = round(SPECTRUM_SECONDS * sample_rate)
    start = body[:, :length].double().numpy()
    start = np.pad(start, ((0, 0), (0, length - start.shape[1]))) * np.hanning(length + 2)[1:-1]
    power = (np.abs(np.fft.rfft(start, 2 * length)) ** 2).sum(0) + TINY
    bin_hz, level = sample_rate / (2 * length), power_to_db(power)
    coarse = np.arange(0, len(level), COARSE)  # the median of a wide range needs no fine steps
    around = ndimage.median_filter(level[coarse], round(AROUND_HZ / (COARSE * bin_hz)), mode="nearest")
    around = np.interp(np.arange(len(level)), coarse, around)
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
    offset, _ = parabola_top(level[places - 1], level[places], level[places + 1])
    return (places + offset) * bin_hz, power[places], float(power[near].sum() / power.sum())
