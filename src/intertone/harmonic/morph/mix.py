"""Interpolation of harmonic sounds: pitch, levels, phases and residuals."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.curve import at_positions, averaged
from intertone.harmonic.morph.phase import complete_phase, mix_phases, transposed
from intertone.harmonic.onset import shortest_rise
from intertone.harmonic.sound import HarmonicSound, Residual, residual_correlation

KEPT_REACH = 0.4
"""Distance from weight 1 up to which a sound's residual and modulation are used, with decreasing share."""

FARTHEST_SEMITONES = 1.5
"""Transposition from which on a sound's residual is no longer used."""

MODULATION_FRAMES = 7
"""Frames over which modulation is averaged in a mixture: beating is kept, noise is not."""

GIVES_WAY = 0.8
"""Weight of the correction that lowers interpolated noise: 0.2 of the level difference at mix 0.5."""


def residual_share(weights: Tensor) -> Tensor:
    """Return the share of a sound's residual at these weights: 1 at weight 1, 0 from 0.6 down."""
    away = (weights - 1).abs() / KEPT_REACH
    return torch.where(away < 1, torch.cos(0.5 * math.pi * away), 0)


def residual_shares(tracks: Sequence[HarmonicSound], weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shares of modulation and of residual of each of several sounds in a mixture.

    Sounds with the same residual count together: between two equal sounds nothing is lost, and their residuals, which
    add up coherently, are used by their weights.

    Args:
        tracks: Harmonic sound of each sound, from an analysis.
        weights: ``(n_sounds, n_frames)``, each column summing to 1.

    Returns:
        Both 0…1 (the second exceeds 1 where equal sounds are extrapolated), ``(n_sounds, n_frames)``.
    """
    noises = [track.noise[0] for track in tracks if len(track.noise) == 1]
    if len(noises) < len(tracks) or len(tracks) == 1:
        return (residual_share(weights),) * 2
    together = residual_correlation(noises).square() @ weights  # squared: a little alike is hardly kin
    itself = residual_share(together)
    return itself, torch.where(itself > 0, itself * weights / together, 0)


def retime_sound(
    track: HarmonicSound,
    places: Tensor,
    itself: Tensor,
    share: Tensor,
    *,
    samples: int,
    onset: int,
    hop_length: int,
    sample_rate: int,
) -> HarmonicSound:
    """Return a harmonic sound on another time.

    Args:
        track: From an analysis.
        places: Its frame for each new frame, ``(n_frames,)``.
        itself: Share of its modulation that is not averaged, 0…1, ``(n_frames,)``.
        share: Share of its residual that is used, ``(n_frames,)``.
        samples: New length.
        onset: New onset, samples.
        hop_length: Samples from one frame to the next.
        sample_rate: Hz.

    Returns:
        The harmonic sound.
    """
    late = max(0, round(-float(places[0]) * hop_length))
    moved: dict[str, Any] = {
        name: at_positions(value, places)
        for name in ("phase", "amplitude_modulation", "phase_deviation", "tonality")
        if (value := getattr(track, name)) is not None
    }
    if late:  # periods are counted from the common onset on
        turns = track.multiples(track.phase.shape[1]) * (float(track.f0[0]) * late / sample_rate)
        moved["phase"] = moved["phase"] - (turns % 1).float()[:, None]
    if "tonality" in moved:
        moved["tonality"] = (moved["tonality"] + itself * (1 - moved["tonality"])).float()
        if not bool((itself == 1).all()):
            modulation = torch.polar(moved["amplitude_modulation"], 2 * math.pi * moved["phase_deviation"])
            slow = averaged(modulation, MODULATION_FRAMES)
            modulation = slow + itself.float() * (modulation - slow)
            moved["amplitude_modulation"], moved["phase_deviation"] = (
                modulation.abs(),
                modulation.angle() / (2 * math.pi),
            )
    noise = tuple(
        _refit(noise, share, samples=samples, onset=onset, late=late, hop_length=hop_length)
        for noise in track.noise
        if bool(share.any())
    )
    f0 = at_positions(track.f0.log(), places).exp()
    return replace(track, samples=samples, onset=onset, f0=f0, noise=noise, level=None, **moved)


def mix_sounds(
    tracks: Sequence[HarmonicSound], weights: Tensor, *, pitch: Tensor | None = None, median_hz: float | None = None
) -> HarmonicSound:
    """Interpolate harmonic sounds that are aligned.

    f0 and the reference are interpolated in their logarithms, the rest linearly; slow phases start from
    the interpolation over the shorter arc and advance at interpolated speeds. Modulation is interpolated as complex
    numbers: between a choir and a flute the choir's beating is half as deep.

    Args:
        tracks: From ``align_sounds``, of one length, with the same ramps and gain curve.
        weights: ``(n_tracks, n_frames)``, each column summing to 1.
        pitch: The same for f0; as ``weights`` if not given.
        median_hz: Median of f0 that the result is transposed to.

    Returns:
        The harmonic sound.
    """
    pitch = weights if pitch is None else pitch
    mean = weights.mean(1).tolist()
    f0 = sum(row * track.f0.log() for row, track in zip(pitch, tracks, strict=True))
    f0 = torch.as_tensor(f0).exp()
    if median_hz is not None:
        f0 = f0 * (median_hz / f0.median())
    used = [index for index, row in enumerate(weights) if bool(row.any())]
    count = max(tracks[index].phase.shape[1] for index in used)
    detail = torch.zeros(tracks[0].phase.shape[0], count)
    for index in used:
        own = tracks[index].detail
        detail[:, : own.shape[1]] += mean[index] * own[:, :count]
    phases = [complete_phase(transposed(tracks[index].phase, f0 / tracks[index].f0), count) for index in used]
    phase = mix_phases(phases, [_heard(tracks[index], count) for index in used], weights[used].float())
    amplitude_modulation, phase_deviation = _mixed_modulation([tracks[index] for index in used], weights[used], count)
    return replace(
        tracks[0],
        reference=math.exp(sum(share * math.log(track.reference) for share, track in zip(mean, tracks, strict=True))),
        f0=f0,
        inharmonicity=max(0.0, sum(share * track.inharmonicity for share, track in zip(mean, tracks, strict=True))),
        phase=phase if phase_deviation is None else phase + phase_deviation,
        amplitude_modulation=amplitude_modulation,
        phase_deviation=None,
        tonality=None,
        detail=detail,
        power=None,
        ratios=_mix_ratios([tracks[index] for index in used], [mean[index] for index in used], count),
        noise=tuple(
            replace(noise, share=noise.share * _in_tune(track.f0, f0)) for track in tracks for noise in track.noise
        ),
    )


def _heard(track: HarmonicSound, count: int) -> Tensor:
    """Return the level of each partial in each channel relative to the loudest channel, 0…1, ``(channels, count)``."""
    heard = torch.ones(len(track.phase), count)
    if track.power is not None:
        known = track.power[:, :count]
        heard[:, : known.shape[1]] = (known / known.amax(0).clamp_min(1e-20)).sqrt()
    return heard


def _mix_ratios(tracks: Sequence[HarmonicSound], weights: Sequence[float], count: int) -> Tensor | None:
    """Interpolate the ratios of inharmonic and other partials in their logarithms; NaN in rows that none has."""
    if all(track.ratios is None for track in tracks):
        return None
    total, known = torch.zeros(count, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)
    for track, weight in zip(tracks, weights, strict=True):
        here = torch.zeros(count, dtype=torch.bool)
        own = track.phase.shape[1]
        here[:own] = True if track.ratios is None else track.ratios[:own].isfinite()
        total += torch.where(here, weight * track.multiples(count).log(), 0)
        known += weight * here
    return torch.where(known == 0, torch.nan, (total / known).exp())


def _refit(noise: Residual, share: Tensor, *, samples: int, onset: int, late: int, hop_length: int) -> Residual:
    """Cut or pad a residual to a new length, its onset ``late`` samples after the new one.

    It is not stretched: divided by its powers it is stationary, and where it has ended random noise replaces it.
    """
    lead, body, n_frames = onset + late, samples - onset, len(share)
    before = pad(noise.before, (max(0, lead - noise.before.shape[-1]), 0))[:, max(0, noise.before.shape[-1] - lead) :]
    sound = torch.cat([before[:, onset:], noise.sound], -1)
    frames = torch.arange(n_frames)
    return Residual(
        sound=pad(sound, (0, max(0, body - sound.shape[-1])))[:, :body],
        before=before[:, :onset],
        powers=at_positions(noise.powers, frames.double() - late / hop_length),
        share=share * (frames * hop_length < sound.shape[-1] + hop_length),
        f0=at_positions(noise.f0, frames.double() - late / hop_length),
    )


def _in_tune(own: Tensor, wanted: Tensor) -> Tensor:
    """Return the share of a residual at another pitch: remains of the sound's partials in it keep their frequencies."""
    semitones = 12 * (own / wanted).log2().abs()
    return torch.cos(0.5 * math.pi * (semitones / FARTHEST_SEMITONES).clamp(max=1)).clamp_min(0)


def _mixed_modulation(
    tracks: Sequence[HarmonicSound], weights: Tensor, count: int
) -> tuple[Tensor | None, Tensor | None]:
    """Return amplitude modulation and phase deviation of a mixture."""
    first = tracks[0]
    if all(map(partial(_modulated_alike, first), tracks)) and (
        first.tonality is None or bool((first.tonality == 1).all())
    ):
        return first.amplitude_modulation, first.phase_deviation
    total: Tensor | None = None
    for row, track in zip(weights, tracks, strict=True):
        if track.amplitude_modulation is None or track.phase_deviation is None or track.tonality is None:
            modulation = torch.ones((*track.phase.shape[:1], count, track.phase.shape[-1]), dtype=torch.complex64)
        else:
            modulation = torch.polar(track.amplitude_modulation, 2 * math.pi * track.phase_deviation)
            modulation = 1 + track.tonality * (modulation - 1)
            highest = modulation[:, -1:].expand(-1, count - modulation.shape[1], -1)  # partials too high to be measured
            modulation = torch.cat([modulation, highest], 1)
        share = row.to(torch.complex64) * modulation
        total = share if total is None else total + share
    assert total is not None
    turned = np.unwrap(total.angle().numpy(), axis=-1) / (2 * math.pi)
    return total.abs(), torch.from_numpy(turned).float()


def _modulated_alike(track: HarmonicSound, other: HarmonicSound) -> bool:
    if track is other:
        return True
    pairs = (
        (getattr(track, name), getattr(other, name)) for name in ("amplitude_modulation", "phase_deviation", "tonality")
    )
    return all(a is None and b is None if a is None or b is None else torch.equal(a, b) for a, b in pairs)


def mix_ramps(rises: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Interpolate attack or release ramps: times are interpolated in their logarithms.

    Args:
        rises: From ``find_ramp``.
        weights: One each, summing to 1.

    Returns:
        A ramp; however far the weights extrapolate, at most twice as long as the longest.

    Example:
        >>> rise = mix_ramps([shortest_rise(), 4 * shortest_rise()], [0.5, 0.5])
        >>> [round(float(times), 3) for times in (rise / shortest_rise())[::5]]
        [2.0, 2.0, 2.0, 2.0]
    """
    for rise, weight in zip(rises, weights, strict=True):
        if weight == 1 and sum(map(abs, weights)) == 1:
            return rise  # to the last digit
    total = sum(weight * rise.log() for rise, weight in zip(rises, weights, strict=True))
    longest = 2 * torch.stack(list(rises)).amax(0)
    times = torch.minimum(torch.as_tensor(total).exp(), longest)
    return torch.maximum(times, shortest_rise()).cummax(0).values


def noise_reduction(noise: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return how far the noise of a mixture is lowered below the weighted mean of its sounds' noise, in features.

    It is the weighted difference of all pairs: zero at weight 1 and between equal sounds. Noise is audible beside
    partials at low levels: interpolated half-way in dB, a mixture would sound as noisy as the noisier sound.

    Args:
        noise: Rows of noise of each sound, ``(channels, n_noise, n_frames)``.
        weights: ``(n_sounds, n_frames)``.
    """
    less = torch.zeros_like(noise[0])
    for first, second in combinations(range(len(noise)), 2):
        share = (weights[first] * weights[second]).clamp_min(0).to(less)
        less += GIVES_WAY * share * (noise[first] - noise[second]).abs()
    return less
