"""Slow envelope and fast modulation of each partial, separated so that the envelope can be interpolated."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from intertone.curve import averaged, held
from intertone.harmonic.noise import NoiseBands
from intertone.harmonic.rows import ImageRows
from intertone.harmonic.sound import HarmonicSound, Residual
from intertone.harmonic.synthesis import Synthesiser
from intertone.harmonic.warp import window_seconds
from intertone.level import amplitude_to_db, db_to_amplitude

LONGER = 4
"""Factor of the length of the windows that separate noise from modulated partials."""

CLEAR = 0.5
"""Mean tonality above which a partial keeps its measured phase."""

INAUDIBLE = 0.4
"""Smallest feature of a partial in a mixture: six tenths of ``top_db`` below the loudest."""

PHASE_FRAMES = 21
"""Frames over which a partial is averaged to find its slow phase."""

STEADY_FRAMES, WEAK_FRAMES = 21, 61
"""Frames over which a partial's level is averaged; the second where it is hardly louder than noise."""

CLEAR_DB = 15.0
"""A partial this much above the noise under its window is clear of it."""

WINDOW_BINS = 1.5
"""Bandwidth of a Hann window's noise, in bins of its length."""


def separate_modulation(image: Tensor, track: HarmonicSound, player: Synthesiser) -> tuple[Tensor, HarmonicSound]:
    """Separate the slow envelope and the fast modulation of one sound.

    Args:
        image: Its features, ``(channels, n_features, n_frames)``.
        track: Its harmonic sound, from an analysis.
        player: Synthesiser of the representation.

    Returns:
        Features and harmonic sound that sound the same.
    """
    rows, top_db = player.rows, player.config.top_db
    steady, clear = separate_envelope(image, float(track.f0.median()), rows, player.bands)
    row_of = rows.row_of[: track.phase.shape[1]]
    # a tonal partial keeps its phase; the phase of a noisy one is averaged
    heard = clear.mean(-1, keepdim=True)[:, row_of] > CLEAR
    steadied = steady_phase(rows.to_amplitudes(image, track.reference)[:, row_of], track.phase)
    phase = torch.where(heard, track.phase, steadied)
    # inaudible rows must not pull a mixture below audibility: they count at the threshold, and modulation restores them
    faint = image[:, row_of] < INAUDIBLE
    steady[:, : rows.n_partial_rows].clamp_(min=INAUDIBLE)
    amplitude_modulation = db_to_amplitude((image - steady)[:, row_of] * top_db) * (image[:, row_of] > 0)
    bands, noise = _separate_noise(image, track, player)
    separated = replace(
        track,
        phase=phase,
        amplitude_modulation=amplitude_modulation,
        phase_deviation=track.phase - phase,
        tonality=torch.where(faint, 1.0, clear[:, row_of]),
        noise=noise,
    )
    return torch.cat([steady[:, : rows.n_partial_rows], bands], 1), separated


def _separate_noise(image: Tensor, track: HarmonicSound, player: Synthesiser) -> tuple[Tensor, tuple[Residual, ...]]:
    """Return the rows of noise without leakage from modulated partials."""
    rows, config = player.rows, player.config
    bands = image[:, rows.n_partial_rows :]
    if not track.noise:
        return bands, ()
    (kept,) = track.noise
    shown = player.n_frames(kept.sound.shape[-1])
    fine = NoiseBands(config.sample_rate, config.hop_length, config.n_noise, config.f_max, longer=LONGER)
    multiples = track.multiples(len(rows.row_of) + 1).sort().values
    powers = held(fine.floor(kept.sound, track.f0[:shown], multiples), bands.shape[-1])
    found = torch.minimum(rows.to_features((2 * powers).sqrt(), track.reference), bands)
    return found, (replace(kept, powers=rows.to_amplitudes(found, track.reference).square() / 2),)


def steady_phase(levels: Tensor, phase: Tensor) -> Tensor:
    """Return the phase of partials averaged over time as complex numbers, in periods, unwrapped.

    Args:
        levels: Amplitudes, ``(channels, n_partials, n_frames)``.
        phase: In periods, of the same shape.

    Returns:
        The phase, of the same shape.
    """
    turning = averaged(torch.polar(levels + 1e-12, 2 * math.pi * phase), PHASE_FRAMES)
    return torch.from_numpy(np.unwrap(turning.angle().numpy(), axis=-1) / (2 * math.pi)).float()


def separate_envelope(image: Tensor, f0: float, rows: ImageRows, bands: NoiseBands) -> tuple[Tensor, Tensor]:
    """Return features whose partials keep only slow changes, and changes common to all partials.

    Args:
        image: Features, ``(channels, n_features, n_frames)``.
        f0: Hz.
        rows: The rows of the features.
        bands: The bands of noise.

    Returns:
        The features, and the tonality of each row of partials, 0…1, ``(channels, n_partial_rows, n_frames)``.
    """
    partials, noise = image[:, : rows.n_partial_rows], image[:, rows.n_partial_rows :]
    level = rows.level(image)
    own = partials - level
    slow, slower = (averaged(own, n) for n in (STEADY_FRAMES, WEAK_FRAMES))
    clear = (
        (averaged(partials, WEAK_FRAMES) - averaged(_level_of_noise(noise, f0, rows, bands), WEAK_FRAMES))
        * rows.config.top_db
        / CLEAR_DB
    ).clamp(0, 1)
    steady = slower + clear * (slow - slower) + level
    return torch.cat([torch.where(partials > 0, steady, partials).clamp_min(0), noise], 1), clear


def _level_of_noise(noise: Tensor, f0: float, rows: ImageRows, bands: NoiseBands) -> Tensor:
    """Return the level of noise in the row of each partial, ``(channels, n_partial_rows, n_frames)``."""
    length = window_seconds(f0)
    bin_hz = rows.config.sample_rate / bands.config.n_fft
    orders = torch.tensor(rows.config.edges[:-1])
    nearest = (orders * f0 / bin_hz).round().long().clamp(max=bands.config.n_bins - 1)
    density = amplitude_to_db((WINDOW_BINS / length / (bands.widths[:, 0] * bin_hz)).sqrt()) / rows.config.top_db
    return (noise + density[:, None])[:, bands.shares.argmax(0)[nearest]]
