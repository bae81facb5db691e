"""Interpolation of harmonic sounds: pitch, levels, phases and residuals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.curve import at_positions, weighted_sum
from intertone.harmonic.morph.attack import match_transient
from intertone.harmonic.morph.modulation import SeparatedSound
from intertone.harmonic.morph.phase import mix_phases, transposed
from intertone.harmonic.onset import shortest_rise
from intertone.harmonic.rows import ImageRows
from intertone.harmonic.sound import HarmonicSound, Residual, completed, residual_correlation
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import TINY, db_to_amplitude
from intertone.pitch.stiffness import stretched

KEPT_REACH = 0.4
"""Distance from weight 1 up to which a sound's residual and modulation are used, with decreasing share."""

FARTHEST_SEMITONES = 1.5
"""Transposition from which on a sound's residual is no longer used."""

AUDIBLE_DB, NOISE_DB = -60.0, -100.0
"""Levels relative to the reference at which weaker partials and noise bands count: so they pull no mixture down."""

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
    residuals = [track.residuals[0] for track in tracks if len(track.residuals) == 1]
    if len(residuals) < len(tracks) or len(tracks) == 1:
        return (residual_share(weights),) * 2
    together = residual_correlation(residuals).square() @ weights  # squared: a little alike is hardly kin
    itself = residual_share(together)
    return itself, torch.where(itself > 0, itself * weights / together, 0)


def retime_sound(
    track: SeparatedSound,
    places: Tensor,
    itself: Tensor,
    share: Tensor,
    *,
    samples: int,
    onset: int,
    hop_length: int,
    sample_rate: int,
) -> SeparatedSound:
    """Return a harmonic sound on another time.

    Args:
        track: From ``separate_modulation``.
        places: Its frame for each new frame, ``(n_frames,)``.
        itself: Share of its modulation that is used as it is, and not its regular part, 0…1, ``(n_frames,)``.
        share: Share of its residual that is used, ``(n_frames,)``.
        samples: New length.
        onset: New onset, samples.
        hop_length: Samples from one frame to the next.
        sample_rate: Hz.

    Returns:
        The harmonic sound.
    """
    late = max(0, round(-float(places[0]) * hop_length))
    phase = at_positions(track.phase, places)
    if late:  # periods are counted from the common onset on
        turns = track.multiples.nan_to_num() * (float(track.f0[0]) * late / sample_rate)
        phase = phase - (turns % 1).float()[:, None]
    modulation, regular = at_positions(track.modulation, places), at_positions(track.regular, places)
    return replace(
        track,
        samples=samples,
        onset=onset,
        f0=at_positions(track.f0.log(), places).exp(),
        amplitude=at_positions(track.amplitude, places),
        phase=phase,
        noise=at_positions(track.noise, places),
        modulation=regular + itself.float() * (modulation - regular),
        regular=regular,
        residuals=tuple(
            _refit(residual, share, samples=samples, onset=onset, late=late, hop_length=hop_length)
            for residual in track.residuals
            if bool(share.any())
        ),
    )


def mix_f0(tracks: Sequence[HarmonicSound], weights: Tensor, median_hz: float | None = None) -> Tensor:
    """Return f0 between sounds, interpolated in its logarithm, ``(n_frames,)``, float64.

    Args:
        tracks: Of one length.
        weights: ``(n_tracks, n_frames)``, each column summing to 1.
        median_hz: What its median is brought to.
    """
    f0 = weighted_sum([track.f0.log() for track in tracks], weights).exp()
    return f0 if median_hz is None else f0 * (median_hz / f0.median())


def mix_reference(tracks: Sequence[HarmonicSound], weights: Tensor) -> Tensor:
    """Return the amplitude of feature 1 between sounds, interpolated in dB, ``(n_frames,)``."""
    return (torch.tensor([math.log(track.reference) for track in tracks]).double() @ weights).exp().float()


def mix_sounds(
    tracks: Sequence[SeparatedSound],
    weights: Tensor,
    f0: Tensor,
    player: Synthesiser,
    *,
    own: Mapping[str, Tensor] | None = None,
) -> SeparatedSound:
    """Interpolate harmonic sounds that are aligned.

    Slow levels are interpolated in dB; phases start from the interpolation over the shorter arc and advance at
    interpolated speeds. The factors of modulation are interpolated: between a choir and a flute the choir's beating is
    half as deep.

    Args:
        tracks: From ``align_sounds``, of one length, with the same ramps.
        weights: ``(n_tracks, n_frames)``, each column summing to 1.
        f0: Of the mixture, from ``mix_f0``.
        player: Synthesiser of the representation.
        own: Weights of ``harmonics``, ``noise``, or ``envelope``, the level over time of all partials and noise
            together; where nothing is given, ``weights``.

    Returns:
        The harmonic sound.
    """
    used = [index for index, row in enumerate(weights) if own or bool(row.any())]
    sounds, overall = [tracks[index] for index in used], weights[used]
    given = {name: (own or {}).get(name, weights)[used] for name in ("harmonics", "noise", "envelope")}
    count = max(len(sound.multiples) for sound in sounds)
    mean = overall.mean(1).tolist()
    amplitude, noise, modulation = _mix_levels(sounds, given, count, player.rows)
    phases = [transposed(completed(sound.phase, count), f0 / sound.f0) for sound in sounds]
    mixed = replace(
        sounds[0],
        reference=math.exp(sum(share * math.log(sound.reference) for share, sound in zip(mean, sounds, strict=True))),
        f0=f0,
        multiples=_mix_multiples(sounds, (mean, given["harmonics"].mean(1).tolist()), count),
        amplitude=amplitude,
        phase=mix_phases(phases, [_heard(sound, count) for sound in sounds], overall.float()),
        noise=noise,
        modulation=modulation,
        regular=modulation,
        residuals=tuple(
            replace(residual, share=residual.share * _in_tune(track.f0, f0))
            for track in tracks
            for residual in track.residuals
        ),
    )
    reference = mix_reference(sounds, given["envelope"])
    mixed = match_transient(mixed, [sound.transient for sound in sounds], overall, reference, player)
    return _limited(mixed, sounds) if any(bool((each < 0).any()) for each in given.values()) else mixed


def _limited(mixed: SeparatedSound, sounds: Sequence[SeparatedSound]) -> SeparatedSound:
    """Return an extrapolated mixture that is nowhere stronger than the strongest of its sounds by more than ``BEYOND``.

    Away from a sound that is silent for a while, levels in dB would explode.
    """
    most = BEYOND * torch.stack([_strength(sound) for sound in sounds]).amax(0)
    gain = (most / _strength(mixed).clamp_min(TINY)).clamp(max=1)
    return replace(mixed, amplitude=mixed.amplitude * gain, noise=mixed.noise * gain)


def _strength(sound: SeparatedSound) -> Tensor:
    """Return the amplitude of a sinusoid as loud as all partials and noise together, ``(n_frames,)``."""
    partials = sound.amplitude * sound.modulation
    return torch.cat([partials, sound.noise], 1).square().sum((0, 1)).sqrt()


def _mix_levels(
    sounds: Sequence[SeparatedSound], weights: Mapping[str, Tensor], count: int, rows: ImageRows
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the amplitudes of the partials and of the noise bands, and the modulation of the partials.

    The level of the loudest channel is interpolated in dB, at least the least level that counts. How much weaker the
    other channels are, and what lies below that level, are factors, which are interpolated themselves: so two sounds
    are heard half-way of which each is silent in another channel. The modulation holds what lies below.
    """
    partials = [completed(sound.amplitude, count) for sound in sounds]
    levels = [_loudest(each, AUDIBLE_DB, sound) for each, sound in zip(partials, sounds, strict=True)]
    bands = [_loudest(sound.noise, NOISE_DB, sound) for sound in sounds]
    balance = [
        torch.maximum(each / level, _least(AUDIBLE_DB, sound) / level)
        for each, level, sound in zip(partials, levels, sounds, strict=True)
    ]
    silence = [sound.noise / level for sound, level in zip(sounds, bands, strict=True)]
    modulated = [
        each / level * completed(sound.modulation, count)
        for each, level, sound in zip(partials, levels, sounds, strict=True)
    ]
    heard, noises = ([level.log() for level in each] for each in (levels, bands))
    if any(not torch.equal(weights[name], weights["envelope"]) for name in ("harmonics", "noise")):
        totals = [_total(sound, rows) for sound in sounds]
        total = weighted_sum(totals, weights["envelope"])
        heard, noises = (
            [level - one + total for level, one in zip(each, totals, strict=True)] for each in (heard, noises)
        )
    between = weighted_sum(balance, weights["harmonics"]).clamp_min(TINY)
    noise = weighted_sum(noises, weights["noise"]) - noise_reduction(noises, weights["noise"])
    return (
        weighted_sum(heard, weights["harmonics"]).exp() * between,
        noise.exp() * weighted_sum(silence, weights["noise"]).clamp_min(0),
        weighted_sum(modulated, weights["harmonics"]) / between,
    )


def _least(least_db: float, sound: HarmonicSound) -> float:
    return sound.reference * db_to_amplitude(least_db)


def _loudest(amplitude: Tensor, least_db: float, sound: HarmonicSound) -> Tensor:
    """Return amplitudes in the loudest channel, of at least a level relative to the reference, ``(1, n, n_frames)``."""
    return amplitude.amax(0, keepdim=True).clamp_min(_least(least_db, sound))


def _total(sound: SeparatedSound, rows: ImageRows) -> Tensor:
    """Return the logarithm of the level of all rows of the loudest channel together, ``(1, 1, n_frames)``."""
    level = rows.level(rows.view(sound)).amax(0, keepdim=True)
    return (level - 1) * (rows.config.top_db * math.log(10) / 20) + math.log(sound.reference)


def _heard(track: HarmonicSound, count: int) -> Tensor:
    """Return the level of each partial in each channel relative to the loudest channel, 0…1, ``(channels, count)``."""
    power = completed(track.amplitude, count).square().mean(-1)
    return (power / power.amax(0).clamp_min(TINY)).sqrt()


def _mix_multiples(tracks: Sequence[HarmonicSound], weights: Sequence[Sequence[float]], count: int) -> Tensor:
    """Interpolate the frequencies of partials over f0 in their logarithms; NaN in rows that none has.

    The first weights count; of a partial that no sound has by these, the second ones.
    """
    if not any(track.is_bell for track in tracks):
        stiff = [track.inharmonicity for track in tracks]
        return stretched(count, max(0.0, sum(weight * each for weight, each in zip(weights[0], stiff, strict=True))))
    known = torch.stack([completed(track.sounding, count, torch.nan) for track in tracks])
    found = torch.full((count,), torch.nan, dtype=torch.float64)
    for row in weights:
        shares = torch.tensor(row, dtype=torch.float64)[:, None] * known.isfinite()
        total = shares.sum(0)
        between = ((shares * known.log().nan_to_num()).sum(0) / total).exp()
        found = torch.where(found.isnan() & (total > LEAST_WEIGHT), between, found)
    return found


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
    """Return how far the noise of a mixture is lowered below the weighted mean: the weighted difference of all pairs.

    Noise is audible beside partials at low levels: half-way in dB, a mixture would sound as noisy as the noisier sound.

    Args:
        noise: Levels of the noise bands of each sound, on a logarithmic scale, ``(channels, n_noise, n_frames)``.
        weights: ``(n_sounds, n_frames)``.
    """
    less = torch.zeros_like(noise[0])
    for first, second in combinations(range(len(noise)), 2):
        share = (weights[first] * weights[second]).clamp_min(0).to(less)
        less += GIVES_WAY * share * (noise[first] - noise[second]).abs()
    return less
