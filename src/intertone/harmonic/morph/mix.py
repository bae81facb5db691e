"""Interpolation of harmonic sounds: pitch, levels, phases and residuals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.curve import at_positions, completed, odd_frames, weighted_sum
from intertone.harmonic.morph.landmark import AUDIBLE_DB
from intertone.harmonic.morph.modulation import STEADY_SECONDS
from intertone.harmonic.morph.phase import mix_phases, transposed
from intertone.harmonic.morph.transient import match_transient
from intertone.harmonic.rows import FeatureRows, HarmonicConfig
from intertone.harmonic.sound import HarmonicSound, Residual, SeparatedSound, residual_correlation
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import TINY, db_to_amplitude
from intertone.pitch.continuity import clear_median
from intertone.pitch.stiffness import stretched

KEPT_REACH = 0.4
"""Distance from weight 1 up to which a sound's residual and modulation are used, with decreasing share."""

FARTHEST_SEMITONES = 1.5
"""Transposition from which on a sound's residual is no longer used."""

NOISE_DB = -100.0
"""Level relative to the reference at which weaker noise bands count, as partials do at ``AUDIBLE_DB``."""

BEYOND = 2.0
"""Largest ratio of the amplitude of an extrapolated mixture to that of the strongest of its sounds."""

LEAST_WEIGHT = 0.01
"""Sum of the weights of the sounds that have a partial, up to which there is none between them."""

GIVES_WAY = 0.8
"""Weight of the correction that lowers interpolated noise: 0.2 of the level difference at mix 0.5."""


def residual_share(weights: Tensor) -> Tensor:
    """Return the share of a sound's residual at these weights: 1 at weight 1, 0 from 0.6 down."""
    away = (weights - 1).abs() / KEPT_REACH
    return torch.where(away < 1, torch.cos(0.5 * math.pi * away), 0)


def residual_shares(sounds: Sequence[HarmonicSound], weights: Tensor, noisy: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shares of modulation and of residual of each of several sounds in a mixture.

    Sounds with the same residual count together: between two equal sounds nothing is lost, and their residuals, which
    add up coherently, are used by their weights.

    Args:
        sounds: From an analysis.
        weights: ``(n_sounds, n_frames)``, each column summing to 1.
        noisy: Those of the noise, of the same shape.

    Returns:
        Both 0…1 (the second exceeds 1 where equal sounds are extrapolated), ``(n_sounds, n_frames)``.
    """
    residuals = [sound.residuals[0] for sound in sounds if len(sound.residuals) == 1]
    if len(residuals) < len(sounds) or len(sounds) == 1:
        return residual_share(weights), residual_share(noisy)
    alike = residual_correlation(residuals).square()  # squared: weakly correlated ones hardly count together
    together = alike @ noisy
    share = residual_share(together)
    return residual_share(alike @ weights), torch.where(share > 0, share * noisy / together, 0)


def retime_sound(
    sound: SeparatedSound,
    places: Tensor,
    itself: Tensor,
    share: Tensor,
    config: HarmonicConfig,
    *,
    samples: int,
    onset: int,
) -> SeparatedSound:
    """Return a harmonic sound on another time, of another length and with another onset.

    Args:
        sound: From ``separate_modulation``.
        places: Its frame for each new frame, ``(n_frames,)``.
        itself: Share of its modulation that is used as it is, and not its regular part, 0…1, ``(n_frames,)``.
        share: Share of its residual that is used, ``(n_frames,)``.
        config: Rows, for the length of a frame.
        samples: New length.
        onset: New onset, samples.
    """
    late = max(0, round(-float(places[0]) * config.hop_length))
    phase = at_positions(sound.phase, places)
    if late:  # periods are counted from the common onset on
        periods = sound.multiples.nan_to_num() * (float(sound.f0[0]) * late / config.sample_rate)
        phase = phase - (periods % 1).float()[:, None]
    modulation, regular = at_positions(sound.modulation, places), at_positions(sound.regular, places)
    residuals = sound.residuals if bool(share.any()) else ()
    return replace(
        sound,
        samples=samples,
        onset=onset,
        f0=at_positions(sound.f0.log(), places).exp(),
        amplitude=at_positions(sound.amplitude, places),
        phase=phase,
        noise=at_positions(sound.noise, places),
        modulation=regular + itself.float() * (modulation - regular),
        regular=regular,
        residuals=tuple(_refit(each, share, samples, onset, late, config.hop_length) for each in residuals),
    )


def mix_f0(sounds: Sequence[HarmonicSound], weights: Tensor, median_hz: float | None = None) -> Tensor:
    """Return f0 between sounds of one length, interpolated in its logarithm, ``(n_frames,)``, float64.

    Each column of ``weights``, ``(n_sounds, n_frames)``, sums to 1; the median is brought to ``median_hz``.
    """
    f0 = weighted_sum([sound.f0.log() for sound in sounds], weights).exp()
    if median_hz is None:
        return f0
    return f0 * (median_hz / clear_median(f0, weighted_sum([sound.level for sound in sounds], weights)))


def mix_reference(sounds: Sequence[HarmonicSound], weights: Tensor) -> Tensor:
    """Return the amplitude of feature 1 between sounds, interpolated in dB, ``(n_frames,)``."""
    return (torch.tensor([math.log(sound.reference) for sound in sounds]).double() @ weights).exp().float()


def mix_sounds(
    sounds: Sequence[SeparatedSound],
    weights: Tensor,
    f0: Tensor,
    synthesiser: Synthesiser,
    *,
    own: Mapping[str, Tensor] | None = None,
    common: Tensor | None = None,
) -> SeparatedSound:
    """Interpolate harmonic sounds that are aligned.

    Levels are interpolated in dB, frequencies in their logarithms, and the factors of modulation linearly.

    Args:
        sounds: From ``align_sounds``, of one length, with the same ramps.
        weights: ``(n_sounds, n_frames)``, each column summing to 1.
        f0: Of the mixture, from ``mix_f0``.
        synthesiser: That of the representation.
        own: Weights of ``harmonics``, ``noise``, or ``envelope``, the level of all together over time, instead.
        common: Weights of frequencies and phases of the partials instead.
    """
    tuned = weights if common is None else common
    used = [index for index, row in enumerate(torch.cat([weights, tuned], 1)) if own or bool(row.any())]
    sounds, overall, tuned = [sounds[index] for index in used], weights[used], tuned[used]
    given = {name: (own or {}).get(name, weights)[used] for name in ("harmonics", "noise", "envelope")}
    count, mean = max(len(sound.multiples) for sound in sounds), overall.mean(1).tolist()
    amplitude, noise, modulation = _mix_levels(sounds, given, count, synthesiser.rows)
    mixed = replace(
        sounds[0],
        reference=math.exp(sum(share * math.log(sound.reference) for share, sound in zip(mean, sounds, strict=True))),
        f0=f0,
        multiples=_mix_multiples(sounds, (tuned.mean(1).tolist(), given["harmonics"].mean(1).tolist()), count),
        amplitude=amplitude,
        phase=_mix_phases(sounds, f0, tuned, count, odd_frames(STEADY_SECONDS, synthesiser.config.frame_seconds)),
        noise=noise,
        modulation=modulation,
        regular=modulation,
        residuals=_transposed_residuals(sounds, f0),
    )
    return _limited(match_transient(mixed, sounds, overall, synthesiser), sounds, given.values())


def _limited(mixed: SeparatedSound, sounds: Sequence[SeparatedSound], weights: Iterable[Tensor]) -> SeparatedSound:
    """Return an extrapolated mixture that is nowhere stronger than the strongest of its sounds by more than ``BEYOND``.

    Away from a sound that is silent for a while, levels in dB would explode.
    """
    if not any(bool((each < 0).any()) for each in weights):
        return mixed
    most = BEYOND * torch.stack([sound.strength for sound in sounds]).amax(0)
    gain = (most / mixed.strength.clamp_min(TINY)).clamp(max=1)
    return replace(mixed, amplitude=mixed.amplitude * gain, noise=mixed.noise * gain)


def _mix_levels(
    sounds: Sequence[SeparatedSound], weights: Mapping[str, Tensor], count: int, rows: FeatureRows
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the amplitudes of the partials and of the noise bands, and the modulation of the partials.

    The level of the loudest channel is interpolated in dB, at least the least level that counts. How much weaker the
    other channels are, and what lies below that level, are factors, which are interpolated themselves: so two sounds
    are heard half-way of which each is silent in another channel. The modulation holds what lies below; it is not
    extrapolated, since less than none of a sound in a channel would be heard there in opposite phase.
    """
    partials, bands = [completed(sound.amplitude, count) for sound in sounds], [sound.noise for sound in sounds]
    floors = [sound.reference * db_to_amplitude(AUDIBLE_DB) for sound in sounds]
    highest = [each.amax(0, keepdim=True).clamp_min(floor) for each, floor in zip(partials, floors, strict=True)]
    loudest = [
        sound.noise.amax(0, keepdim=True).clamp_min(sound.reference * db_to_amplitude(NOISE_DB)) for sound in sounds
    ]
    balance = [each.clamp_min(floor) / top for each, top, floor in zip(partials, highest, floors, strict=True)]
    modulated = [
        each / top * completed(sound.modulation, count)
        for each, top, sound in zip(partials, highest, sounds, strict=True)
    ]
    levels, noises = ([top.log() for top in tops] for tops in (highest, loudest))
    if any(not torch.equal(each, weights["envelope"]) for each in weights.values()):
        totals = [_total(sound, rows) for sound in sounds]
        total = weighted_sum(totals, weights["envelope"])
        levels, noises = (
            [one - own + total for one, own in zip(each, totals, strict=True)] for each in (levels, noises)
        )
    noise = weighted_sum(noises, weights["noise"]) - noise_reduction(noises, weights["noise"])
    quieter = weighted_sum([band / top for band, top in zip(bands, loudest, strict=True)], weights["noise"])
    between = weighted_sum(balance, weights["harmonics"])
    amplitude = weighted_sum(levels, weights["harmonics"]).exp() * between.clamp_min(0)
    # extrapolated away from a sound that alone is heard in a channel, nothing is heard there
    modulation = torch.where(between > TINY, weighted_sum(modulated, weights["harmonics"]) / between, 0)
    return amplitude, noise.exp() * quieter.clamp_min(0), modulation


def _total(sound: SeparatedSound, rows: FeatureRows) -> Tensor:
    """Return the logarithm of the level of all rows of the loudest channel together, ``(1, 1, n_frames)``."""
    level = rows.level(rows.view(sound)).amax(0, keepdim=True)
    return (level - 1) * (rows.config.top_db * math.log(10) / 20) + math.log(sound.reference)


def _mix_phases(sounds: Sequence[HarmonicSound], f0: Tensor, weights: Tensor, count: int, n_averaged: int) -> Tensor:
    """Return the phases of the partials between sounds that are transposed to ``f0``."""
    phases = [transposed(completed(sound.phase, count), f0 / sound.f0) for sound in sounds]
    powers = [completed(sound.amplitude, count).square().mean(-1) for sound in sounds]
    heard = [(power / power.amax(0).clamp_min(TINY)).sqrt() for power in powers]
    return mix_phases(phases, heard, weights.float(), n_averaged)


def _mix_multiples(sounds: Sequence[HarmonicSound], weights: Sequence[Sequence[float]], count: int) -> Tensor:
    """Interpolate the frequencies of partials over f0 in their logarithms; NaN in rows that none has.

    The first weights count; of a partial that no sound has by these, the second ones.
    """
    if not any(sound.is_bell for sound in sounds):
        stiff = [sound.inharmonicity for sound in sounds]
        return stretched(count, max(0.0, sum(weight * each for weight, each in zip(weights[0], stiff, strict=True))))
    known = torch.stack([completed(sound.sounding, count, torch.nan) for sound in sounds])
    found = torch.full((count,), torch.nan, dtype=torch.float64)
    for row in weights:
        shares = torch.tensor(row, dtype=torch.float64)[:, None] * known.isfinite()
        total = shares.sum(0)
        between = ((shares * known.log().nan_to_num()).sum(0) / total).exp()
        found = torch.where(found.isnan() & (total > LEAST_WEIGHT), between, found)
    return found


def _refit(noise: Residual, share: Tensor, samples: int, onset: int, late: int, hop_length: int) -> Residual:
    """Cut or pad a residual to a new length, its onset ``late`` samples after the new one.

    It is not stretched: divided by its powers it is stationary, and where it has ended random noise replaces it.
    """
    lead, body, n_frames = onset + late, samples - onset, len(share)
    before = pad(noise.before, (max(0, lead - noise.before.shape[-1]), 0))[:, max(0, noise.before.shape[-1] - lead) :]
    sound = torch.cat([before[:, onset:], noise.sound], -1)
    below = pad(noise.below, (before[:, onset:].shape[-1], 0))
    frames = torch.arange(n_frames)
    return Residual(
        sound=pad(sound, (0, max(0, body - sound.shape[-1])))[:, :body],
        before=before[:, :onset],
        below=pad(below, (0, max(0, body - below.shape[-1])))[:, :body],
        powers=at_positions(noise.powers, frames.double() - late / hop_length),
        share=share * (frames * hop_length < sound.shape[-1] + hop_length),
        f0=at_positions(noise.f0, frames.double() - late / hop_length),
    )


def _transposed_residuals(sounds: Sequence[SeparatedSound], f0: Tensor) -> tuple[Residual, ...]:
    """Return the residuals of sounds at another pitch: the less, the farther remains of partials in them are moved.

    A residual without any share is left out, since its synthesis would take as long as that of one that is heard.
    """
    found = []
    for sound in sounds:
        away = 12 * (sound.f0 / f0).log2().abs() / FARTHEST_SEMITONES
        share = torch.where(away < 1, torch.cos(0.5 * math.pi * away), 0)
        found += [replace(residual, share=residual.share * share) for residual in sound.residuals]
    return tuple(residual for residual in found if bool(residual.share.any()))


def noise_reduction(noise: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return how far the noise of a mixture is lowered below the weighted mean: the weighted difference of all pairs.

    Noise is audible beside partials at low levels: half-way in dB, a mixture would sound as noisy as the noisier sound.
    Levels are on a logarithmic scale, ``(channels, n_noise, n_frames)``; weights are ``(n_sounds, n_frames)``.
    """
    less = torch.zeros_like(noise[0])
    for first, second in combinations(range(len(noise)), 2):
        share = (weights[first] * weights[second]).clamp_min(0).to(less)
        less += GIVES_WAY * share * (noise[first] - noise[second]).abs()
    return less
