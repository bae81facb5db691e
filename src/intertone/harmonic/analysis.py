"""Analysis of one sound: its pitch, its partials, and the residual."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from intertone.curve import at_positions, held
from intertone.harmonic.inharmonic import find_inharmonic_partials, measure_inharmonic_partials
from intertone.harmonic.onset import find_onset, find_ramp, play_ends
from intertone.harmonic.partials import measure_partials
from intertone.harmonic.rows import loudest
from intertone.harmonic.sound import HarmonicSound, Residual
from intertone.harmonic.synthesis import Synthesiser
from intertone.harmonic.tuning import find_pitch
from intertone.harmonic.warp import window_seconds

NOISY, LITTLE_NOISE, LESS_NOISE = 0.02, 0.3, 0.5
"""Shares of the energy: where the residual of harmonics has more than the first, inharmonic partials are tried; their
residual must have less than the second, and less than the third times that of the harmonics."""


def analyse_sound(sound: Tensor, player: Synthesiser, f0: Tensor | None = None) -> tuple[Tensor, HarmonicSound]:
    """Return features and harmonic sound of a sound.

    Args:
        sound: ``(channels, samples)``.
        player: Synthesiser of the representation.
        f0: Hz every ``hop_length`` samples from the first sample on, ``(n_frames,)``, > 0; found if not given.

    Returns:
        ``(features, track)``; features ``(channels, n_features, n_frames)``. Synthesis of both gives the sound again.
    """
    hop, onset = player.config.hop_length, find_onset(sound, player.sample_rate)
    body = sound[:, onset:]
    if f0 is not None:
        known = at_positions(f0.double(), torch.arange(player.n_frames(body.shape[-1])) + onset / hop)
        return _describe(sound, onset, player, *measure_partials(body, known, player.config))
    found, periodicity = find_pitch(body, player.sample_rate, hop)
    image, track = _describe(sound, onset, player, *measure_partials(body, found, player.config))
    if (rest := _noise_share(track, body)) > NOISY:
        freely = _describe_freely(sound, track, player)
        if freely is not None and _noise_share(freely[1], body) < min(LESS_NOISE * rest, LITTLE_NOISE):
            image, track = freely
    return image, replace(track, periodicity=periodicity)


def _describe_freely(sound: Tensor, track: HarmonicSound, player: Synthesiser) -> tuple[Tensor, HarmonicSound] | None:
    """Return features and harmonic sound with inharmonic partials, or None where none explain the sound."""
    body = sound[:, track.onset :]
    shown = player.n_frames(body.shape[-1])
    found = find_inharmonic_partials(body, float(track.f0[:shown].median()), track.inharmonicity, player.config)
    if found is None:
        return None
    f0 = torch.full((shown,), found[0], dtype=torch.float64)
    amplitudes = measure_inharmonic_partials(body, found[1], f0, player.config)
    return _describe(sound, track.onset, player, f0, 0.0, amplitudes, found[1])


def _describe(
    sound: Tensor,
    onset: int,
    player: Synthesiser,
    f0: Tensor,
    inharmonicity: float,
    amplitudes: Tensor,
    ratios: Tensor | None = None,
) -> tuple[Tensor, HarmonicSound]:
    """Return features and harmonic sound from measured partials."""
    rows, samples = player.rows, sound.shape[-1]
    body, n_frames = sound[:, onset:], player.n_frames(samples)
    levels = amplitudes.abs()
    reference = loudest(body, 2 * player.config.hop_length)
    shown = rows.partial_rows(levels)
    inside = torch.arange(n_frames) < shown.shape[-1]
    partials = rows.to_features(held(shown, n_frames) * inside, reference)
    turned = torch.from_numpy(np.unwrap(amplitudes.angle().numpy(), axis=-1)).float() / (2 * math.pi)
    track = HarmonicSound(
        samples=samples,
        onset=onset,
        reference=reference,
        f0=held(f0, n_frames),
        inharmonicity=inharmonicity,
        phase=held(turned, n_frames),
        detail=rows.detail(levels, shown),
        noise=(),
        power=levels.square().mean(-1),
        ratios=ratios,
    )
    played = player.partials(rows.to_amplitudes(partials, reference), track)
    rise, fall = (
        find_ramp(*pair, player.sample_rate, window_seconds(float(f0.median())))
        for pair in ((body, played), (body.flip(-1), played.flip(-1)))
    )
    track = replace(track, rise=rise, fall=fall)
    noise = body - played * play_ends(rise, fall, body.shape[-1], player.sample_rate)
    between = player.bands.between(f0, track.multiples(len(rows.row_of) + 1).sort().values)
    powers = player.bands.powers(player.bands.spectrum(noise), between)
    bands = rows.to_features(held((2 * powers).sqrt(), n_frames) * inside, reference)
    # powers as the features hold them, so that noise is unchanged where they are unchanged
    powers = rows.to_amplitudes(bands, reference).square() / 2
    kept = Residual(noise, sound[:, :onset], powers, torch.ones(n_frames), track.f0)
    return torch.cat([partials, bands], 1), replace(track, noise=(kept,), level=float(sound.square().mean().sqrt()))


def _noise_share(track: HarmonicSound, body: Tensor) -> float:
    (kept,) = track.noise
    return float(kept.sound.square().sum() / body.square().sum().clamp_min(1e-30))
