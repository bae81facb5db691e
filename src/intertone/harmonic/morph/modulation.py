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
"""Times that the windows are longer in which noise is told from modulated partials."""

CLEAR = 0.5
"""How clear of noise a partial is, on average, whose phase is its own."""

INAUDIBLE = 0.4
"""Feature that a partial counts at least as in a mixture: six tenths of ``top_db`` below the loudest."""

PHASE_FRAMES = 21
"""Over which a partial is averaged to find its steady phase."""

STEADY_FRAMES, WEAK_FRAMES = 21, 61
"""Over which a partial's own level is averaged between the ends; the second where it is hardly louder than noise."""

CLEAR_DB = 15.0
"""A partial this much above the noise under its window is clear of it."""

WINDOW_BINS = 1.5
"""Bandwidth of a Hann window's noise, in bins of its length."""


def separate_modulation(image: Tensor, track: HarmonicSound, player: Synthesiser) -> tuple[Tensor, HarmonicSound]:
    """Separate the slow envelope and the fast modulation of one sound.

    Args:
        image: Its features, ``(channels, n_features, n_frames)``.
        track: Its track, from an analysis.
        player: Of the representation.

    Returns:
        Image and track that sound the same.
    """
    rows, top_db = player.rows, player.config.top_db
    steady, clear = separate_envelope(image, float(track.f0.median()), rows, player.bands)
    row_of = rows.row_of[: track.phase.shape[1]]
    # a partial that is heard turns as it turns; what noise turns is not the partial's
    heard = clear.mean(-1, keepdim=True)[:, row_of] > CLEAR
    steadied = steady_phase(rows.to_amplitudes(image, track.reference)[:, row_of], track.phase)
    phase = torch.where(heard, track.phase, steadied)
    # what is inaudible must not pull half of a mixture below hearing: it is added as what it is
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
    """Return the rows of noise without what leaks into them from modulated partials."""
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
    """Return the phase of partials averaged over time as complex numbers, turns, unwrapped.

    Args:
        levels: Amplitudes, ``(channels, n_partials, n_frames)``.
        phase: Turns, of the same shape.

    Returns:
        Of the same shape.
    """
    turning = averaged(torch.polar(levels + 1e-12, 2 * math.pi * phase), PHASE_FRAMES)
    return torch.from_numpy(np.unwrap(turning.angle().numpy(), axis=-1) / (2 * math.pi)).float()


def separate_envelope(image: Tensor, f0: float, rows: ImageRows, bands: NoiseBands) -> tuple[Tensor, Tensor]:
    """Return an image whose partials keep only what they do slowly, or all together.

    Args:
        image: ``(channels, n_features, n_frames)``.
        f0: Hz.
        rows: The rows of the image.
        bands: The bands of noise.

    Returns:
        The image, and how clear of noise each row of partials is, 0…1, ``(channels, n_partial_rows, n_frames)``.
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
    """Return what each partial's row would show of the noise alone, ``(channels, n_partial_rows, n_frames)``."""
    length = window_seconds(f0)
    bin_hz = rows.config.sample_rate / bands.config.n_fft
    orders = torch.tensor(rows.config.edges[:-1])
    nearest = (orders * f0 / bin_hz).round().long().clamp(max=bands.config.n_bins - 1)
    density = amplitude_to_db((WINDOW_BINS / length / (bands.widths[:, 0] * bin_hz)).sqrt()) / rows.config.top_db
    return (noise + density[:, None])[:, bands.shares.argmax(0)[nearest]]
