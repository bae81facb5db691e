"""The transient of an attack: levels of bands in the first 80 ms of a sound, interpolated by themselves above 2 kHz."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from intertone.curve import held, odd_frames, weighted_sum
from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import HarmonicSound, SeparatedSound, residual_correlation
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import TINY, db_to_power
from intertone.loudness import BLOCK_SECONDS

WEAKEST_DB = -50.0
"""Level relative to the reference at which weaker bands count."""

LOWEST_HZ = 2000.0
"""Lower end of the bands of the transient: the body of an attack lies below."""

BANDS = 8
"""Number of bands of partials, and as many of noise, over the whole range, equally wide in mel."""


def transient_levels(sound: HarmonicSound, synthesiser: Synthesiser) -> Tensor:
    """Return the logarithms of the powers of partials and of noise, in wide bands, in the first frames of a sound.

    They are the mean over the channels, relative to the reference, ``(1, 2 · BANDS, frames of the attack)``.
    """
    n_frames = int((attack_share(sound.amplitude.shape[-1], synthesiser.config.frame_seconds) > 0).sum())
    partials, noise = (
        (each[..., :n_frames] / sound.reference).square().mean(0, keepdim=True)
        for each in (sound.amplitude, sound.noise)
    )
    power = torch.full((1, 2 * BANDS, n_frames), db_to_power(WEAKEST_DB))
    power.index_add_(1, partial_bands(sound, synthesiser), partials)
    return power.index_add_(1, BANDS + noise_bands(synthesiser), noise).log()


def partial_bands(sound: HarmonicSound, synthesiser: Synthesiser) -> Tensor:
    """Return the wide band of each partial, at the median f0."""
    return noise_bands(synthesiser)[synthesiser.bands.band_of(sound.multiples * float(sound.f0.median()))]


def noise_bands(synthesiser: Synthesiser) -> Tensor:
    """Return the wide band of each band of noise."""
    return torch.arange(synthesiser.config.n_noise) * BANDS // synthesiser.config.n_noise


def transient_shares(sounds: Sequence[SeparatedSound], weights: Tensor, frame_seconds: float) -> Tensor:
    """Return the shares of the residuals in the attack, by weight and power: noise that adds up to unit power.

    Each sound has a residual of its own; ``weights`` and the shares, 0…1, are ``(n_sounds, n_frames)``.
    """
    residuals = [residual for sound in sounds for residual in sound.residuals]
    n_frames = int((attack_share(weights.shape[1], frame_seconds) > 0).sum())
    power = torch.stack([residual.powers[..., :n_frames].sum() for residual in residuals]).double()
    shares = (weights.clamp_min(0) * power[:, None]).sqrt()
    total = (shares * (residual_correlation(residuals) @ shares)).sum(0).sqrt()
    return shares / total.clamp_min(TINY)


def match_transient(
    mixed: SeparatedSound, sounds: Sequence[SeparatedSound], weights: Tensor, synthesiser: Synthesiser
) -> SeparatedSound:
    """Return a mixture whose transient has interpolated levels, relative to the loudest stretch of each sound.

    The attacks of aligned sounds are stretched to a common length, which the tick of a hammer is not; and the mean of
    two spectra in dB, partial by partial, is fainter than both where their strong partials are others. So is that of
    two transients, band by band and frame by frame; their energies are interpolated as well.

    Args:
        mixed: The mixture.
        sounds: Its sounds; their transients are those that they had before they were aligned.
        weights: ``(n_sounds, n_frames)``.
        synthesiser: That of the representation.
    """
    loud = replace(mixed, amplitude=mixed.amplitude * mixed.modulation.abs())
    now = transient_levels(loud, synthesiser) + _over_loudest(mixed, synthesiser)
    share = attack_share(weights.shape[1], synthesiser.config.frame_seconds)[: now.shape[-1]]
    noise = noise_bands(synthesiser)
    high = torch.ones(BANDS, dtype=torch.bool).index_fill(0, noise[synthesiser.bands.centres < LOWEST_HZ], False)
    high = high.repeat(2)
    rows = weights[:, : now.shape[-1]]
    known = [(held(one.transient, len(share)) + _over_loudest(one, synthesiser))[:, high] for one in sounds]
    wanted = weighted_sum(known, rows)
    energies = torch.stack([(one.exp() * share).sum().log() for one in (wanted, *known)])
    wanted = wanted + (rows @ share.double()) @ energies[1:].double() / share.sum() - energies[0]
    change = torch.zeros(1, 2 * BANDS, weights.shape[1])
    change[:, high, : len(share)] = 0.5 * share * (wanted - now[:, high])
    gains, partials = change.exp(), partial_bands(mixed, synthesiser)
    return replace(mixed, amplitude=mixed.amplitude * gains[:, partials], noise=mixed.noise * gains[:, BANDS + noise])


def _over_loudest(sound: SeparatedSound, synthesiser: Synthesiser) -> float:
    """Return the logarithm of the power of the reference over that of the loudest stretch of a sound."""
    power = sound.strength.square()
    length = min(odd_frames(BLOCK_SECONDS, synthesiser.config.frame_seconds), len(power))
    loudest = float(avg_pool1d(power[None], length, 1).max())
    return 2 * math.log(sound.reference) - math.log(max(loudest, TINY))
