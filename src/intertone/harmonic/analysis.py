"""Analysis of one sound: its pitch, its partials, and the residual."""

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from intertone.curve import at_positions, held, slow_part
from intertone.harmonic.inharmonic import find_inharmonic_partials, measure_inharmonic_partials
from intertone.harmonic.onset import find_onset, find_ramp, play_ramps
from intertone.harmonic.partials import measure_partials
from intertone.harmonic.rows import loudest
from intertone.harmonic.sound import HarmonicSound, Residual
from intertone.harmonic.synthesis import Synthesiser
from intertone.harmonic.tuning import find_pitch
from intertone.harmonic.warp import window_seconds
from intertone.level import TINY

NOISY, LESS_NOISE = 0.02, 0.5
"""Share of the energy: where the residual of harmonics has more, inharmonic partials are tried. Theirs must have
less than the second number times that of the harmonics."""


def analyse_sound(sound: Tensor, synthesiser: Synthesiser, f0: Tensor | None = None) -> tuple[HarmonicSound, float]:
    """Return the harmonic sound of a sound, and its periodicity: synthesis gives the sound again.

    The periodicity is the share of the energy that repeats after a period, 0…1, and 1 where f0 is given.

    Args:
        sound: ``(channels, samples)``.
        synthesiser: That of the representation.
        f0: Hz every ``hop_length`` samples from the first sample on, ``(n_frames,)``, > 0; found if not given.
    """
    onset, below = find_onset(sound, synthesiser.sample_rate), slow_part(sound, synthesiser.sample_rate)
    analysed, periodicity = _analyse(sound - below, onset, synthesiser, f0)
    residuals = tuple(replace(each, before=sound[:, :onset], below=below[:, onset:]) for each in analysed.residuals)
    return replace(analysed, residuals=residuals), periodicity


def _analyse(sound: Tensor, onset: int, synthesiser: Synthesiser, f0: Tensor | None) -> tuple[HarmonicSound, float]:
    """Return what ``analyse_sound`` returns, of a sound without its slow part."""
    hop, body = synthesiser.config.hop_length, sound[:, onset:]
    if f0 is not None:
        known = at_positions(f0.double(), torch.arange(synthesiser.n_frames(body.shape[-1])) + onset / hop)
        return _describe(sound, onset, synthesiser, *measure_partials(body, known, synthesiser.config)), 1.0
    found, periodicity = find_pitch(body, synthesiser.sample_rate, hop)
    analysed = _describe(sound, onset, synthesiser, *measure_partials(body, found, synthesiser.config))
    if (rest := _noise_share(analysed, body)) > NOISY:
        freely = _describe_freely(sound, analysed, synthesiser)
        if freely is not None and _noise_share(freely, body) < LESS_NOISE * rest:
            analysed = freely
    return analysed, periodicity


def _describe_freely(sound: Tensor, analysed: HarmonicSound, synthesiser: Synthesiser) -> HarmonicSound | None:
    """Return a harmonic sound with inharmonic partials, or None where none explain the sound."""
    body = sound[:, analysed.onset :]
    n_frames = synthesiser.n_frames(body.shape[-1])
    median = float(analysed.f0[:n_frames].median())
    found = find_inharmonic_partials(body, median, analysed.inharmonicity, synthesiser.config)
    if found is None:
        return None
    f0 = torch.full((n_frames,), found[0], dtype=torch.float64)
    amplitudes = measure_inharmonic_partials(body, found[1], f0, synthesiser.config)
    return _describe(sound, analysed.onset, synthesiser, f0, found[1], amplitudes)


def _describe(
    sound: Tensor, onset: int, synthesiser: Synthesiser, f0: Tensor, multiples: Tensor, amplitudes: Tensor
) -> HarmonicSound:
    """Return a harmonic sound of measured partials."""
    body, n_frames = sound[:, onset:], synthesiser.n_frames(sound.shape[-1])
    inside = torch.arange(n_frames) < amplitudes.shape[-1]
    phase = torch.from_numpy(np.unwrap(amplitudes.angle().numpy(), axis=-1)).float() / (2 * math.pi)
    analysed = HarmonicSound(
        samples=sound.shape[-1],
        onset=onset,
        reference=loudest(body, 2 * synthesiser.config.hop_length),
        f0=held(f0, n_frames),
        multiples=multiples,
        amplitude=held(amplitudes.abs(), n_frames) * inside,
        phase=held(phase, n_frames),
        noise=torch.zeros(len(sound), synthesiser.config.n_noise, n_frames),
    )
    played = synthesiser.partials(analysed)
    both, longest = ((body, played), (body.flip(-1), played.flip(-1))), window_seconds(float(f0.median()))
    ramps = torch.stack([find_ramp(*each, synthesiser.sample_rate, longest) for each in both])
    rest = body - played * play_ramps(ramps, body.shape[-1], synthesiser.sample_rate)
    between = synthesiser.bands.between(f0, multiples[multiples.isfinite()].sort().values)
    powers = held(synthesiser.bands.powers(synthesiser.bands.spectrum(rest), between), n_frames) * inside
    residual = Residual(rest, sound[:, :onset], torch.zeros_like(rest), powers, torch.ones(n_frames), analysed.f0)
    return replace(analysed, ramps=ramps, noise=(2 * powers).sqrt(), residuals=(residual,))


def _noise_share(analysed: HarmonicSound, body: Tensor) -> float:
    (residual,) = analysed.residuals
    return float(residual.sound.square().sum() / body.square().sum().clamp_min(TINY))
