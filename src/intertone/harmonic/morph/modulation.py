"""Slow envelope and fast modulation of each partial, separated so that the envelope can be interpolated."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import at_positions, averaged, averaged_from_onset, odd_frames
from intertone.harmonic.morph.transient import LOWEST_HZ, transient_levels
from intertone.harmonic.noise import NoiseBands
from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import HarmonicSound, SeparatedSound
from intertone.harmonic.synthesis import Synthesiser
from intertone.harmonic.warp import window_seconds

LONGER = 2
"""Factor of the hop of the windows that separate noise from modulated partials; the windows are four times as long."""

LEAST_FEATURE = 1e-3
"""Least slow level of a partial that is not silent, in features, so that its modulation has a finite factor."""

MODULATION_SECONDS = 0.07
"""Window over which modulation is averaged in a mixture: beating is kept, noise is not."""

STEADY_SECONDS = 0.21
"""Window over which the level of a partial is averaged, and its phase where it is faint."""

CLEAR_DB = 15.0
"""A partial this much above the noise under its window is clear of it."""

WINDOW_BINS = 1.5
"""Bandwidth of a Hann window's noise, in bins of its length."""


def unmodulated(sound: HarmonicSound, synthesiser: Synthesiser) -> SeparatedSound:
    """Return a sound of which all modulation counts as slow."""
    still = torch.ones_like(sound.amplitude, dtype=torch.complex64)
    transient = transient_levels(sound, synthesiser)
    return SeparatedSound(**vars(sound), modulation=still, regular=still, transient=transient)


def separate_modulation(sound: HarmonicSound, synthesiser: Synthesiser) -> SeparatedSound:
    """Separate the slow envelope and the fast modulation of a sound; joined again it sounds the same.

    Levels and phases that change slowly or all together can be interpolated between sounds; fast modulation (noise,
    beating) cannot: half of a beating in dB, at half of its phase, beats no less. The noise of the result is without
    leakage from modulated partials.
    """
    frame_seconds = synthesiser.config.frame_seconds
    amplitude, tonality = _separate_envelope(sound, synthesiser)
    factor = torch.where(amplitude > 0, sound.amplitude / amplitude, 0)
    phase = _steady_phase(sound, tonality * factor.clamp(max=1).square(), frame_seconds)
    modulation = torch.polar(factor, 2 * math.pi * (sound.phase - phase))
    regular = 1 + tonality * (averaged(modulation, odd_frames(MODULATION_SECONDS, frame_seconds)) - 1)
    noise = _separate_noise(sound, synthesiser)
    residuals = tuple(replace(residual, powers=noise.square() / 2) for residual in sound.residuals)
    slow = vars(sound) | {"amplitude": amplitude, "phase": phase, "noise": noise, "residuals": residuals}
    transient = transient_levels(replace(sound, noise=noise), synthesiser)
    return SeparatedSound(**slow, modulation=modulation, regular=regular, transient=transient)


def _steady_phase(sound: HarmonicSound, own: Tensor, frame_seconds: float) -> Tensor:
    """Return the phase of partials in periods: by a share of ``own`` their own, for the rest averaged over time.

    Where voices cancel each other, the phase of a partial moves by half a period at once, and the phase of a partial
    that has died away is that of noise; beside a sound in which that partial is loud, both would be heard.
    """
    steady = averaged(sound.phase, odd_frames(STEADY_SECONDS, frame_seconds))
    return steady + own * (sound.phase - steady)


def _separate_noise(sound: HarmonicSound, synthesiser: Synthesiser) -> Tensor:
    """Return the amplitudes of the noise bands, without leakage from modulated partials but in a transient's bands."""
    if not sound.residuals:
        return sound.noise
    config, (residual,) = synthesiser.config, sound.residuals
    n_frames = synthesiser.n_frames(residual.sound.shape[-1])
    fine = NoiseBands(config.sample_rate, LONGER * config.hop_length, config.n_noise, config.f_max, longer=LONGER)
    multiples = sound.multiples[sound.multiples.isfinite()].sort().values
    powers = fine.floor(residual.sound, sound.f0[:n_frames:LONGER], multiples)
    places = torch.arange(sound.noise.shape[-1], dtype=torch.float64) / LONGER
    found = torch.minimum((2 * at_positions(powers, places)).sqrt(), sound.noise)
    transient = (synthesiser.bands.centres >= LOWEST_HZ)[:, None]
    return found + transient * attack_share(found.shape[-1], config.frame_seconds) * (sound.noise - found)


def _separate_envelope(sound: HarmonicSound, synthesiser: Synthesiser) -> tuple[Tensor, Tensor]:
    """Return amplitudes with slow changes, and changes common to all partials, and the tonality of the partials.

    The tonality, 0…1, is how far a partial lies above the noise under its window. Both have the amplitudes' shape.
    """
    rows = synthesiser.rows
    partials = rows.to_features(sound.amplitude, sound.reference)
    level = rows.level(rows.view(sound))
    n_frames = odd_frames(STEADY_SECONDS, synthesiser.config.frame_seconds)
    envelope = (averaged_from_onset(partials - level, n_frames) + level).clamp_min(LEAST_FEATURE)
    above = averaged(partials - _level_of_noise(sound, synthesiser), n_frames)
    tonality = (above * rows.config.top_db / CLEAR_DB).clamp(0, 1)
    return torch.where(sound.amplitude > 0, rows.to_amplitudes(envelope, sound.reference), 0), tonality


def _level_of_noise(sound: HarmonicSound, synthesiser: Synthesiser) -> Tensor:
    """Return the level of noise under the window of each partial, in features, ``(channels, n_partials, n_frames)``."""
    rows, bands = synthesiser.rows, synthesiser.bands
    f0 = float(sound.f0.median())
    density = (WINDOW_BINS / window_seconds(f0) / (bands.widths * bands.config.sample_rate / bands.config.n_fft)).sqrt()
    return rows.to_features(sound.noise * density, sound.reference)[:, bands.band_of(sound.multiples * f0)]
