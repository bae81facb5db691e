"""The transient of an attack: levels of bands in the first 80 ms of a sound, interpolated by themselves above 2 kHz."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import held, weighted_sum
from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import HarmonicSound, SeparatedSound, residual_correlation
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import TINY, db_to_power

WEAKEST_DB = -50.0
"""Level relative to the reference at which weaker bands count."""

LOWEST_HZ = 2000.0
"""Lower end of the bands of the transient: the body of an attack lies below."""

BANDS = 8
"""Number of bands of partials, and as many of noise, over the whole range, equally wide in mel."""


def transient_levels(sound: HarmonicSound, synthesiser: Synthesiser, f0: float | None = None) -> Tensor:
    """Return the logarithms of the powers of partials and of noise, in wide bands, in the first frames of a sound.

    They are the mean over the channels, relative to the reference, ``(1, 2 · BANDS, frames of the attack)``. Partials
    are in the bands in which they lie at ``f0``, Hz; at the median f0 of the sound if it is not given.
    """
    n_frames = int((attack_share(sound.amplitude.shape[-1], synthesiser.config.frame_seconds) > 0).sum())
    partials, noise = (
        (each[..., :n_frames] / sound.reference).square().mean(0, keepdim=True)
        for each in (sound.amplitude, sound.noise)
    )
    power = torch.full((1, 2 * BANDS, n_frames), db_to_power(WEAKEST_DB))
    power.index_add_(1, partial_bands(sound, f0 or float(sound.f0.median()), synthesiser), partials)
    return power.index_add_(1, BANDS + noise_bands(synthesiser), noise).log()


def partial_bands(sound: HarmonicSound, f0: float, synthesiser: Synthesiser) -> Tensor:
    """Return the band of each partial, played at ``f0``."""
    return noise_bands(synthesiser)[synthesiser.bands.band_of(sound.multiples * f0)]


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
    mixed: SeparatedSound, transients: Sequence[Tensor], weights: Tensor, reference: Tensor, synthesiser: Synthesiser
) -> SeparatedSound:
    """Return a mixture whose transient has interpolated levels.

    The attacks of aligned sounds are stretched to a common length, which the tick of a hammer is not; and the mean of
    two spectra in dB, partial by partial, is fainter than both where their strong partials are others.

    Args:
        mixed: The mixture.
        transients: From ``transient_levels``, of each sound before it was aligned.
        weights: ``(n_sounds, n_frames)``.
        reference: Amplitude that the levels are relative to, ``(n_frames,)``.
        synthesiser: That of the representation.
    """
    f0 = float(mixed.f0.median())
    loud = replace(mixed, amplitude=mixed.amplitude * mixed.modulation.abs())
    now = transient_levels(loud, synthesiser, f0)
    n_frames = now.shape[-1]
    wanted = weighted_sum([held(each, n_frames) for each in transients], weights[:, :n_frames])
    wanted = wanted + 2 * (reference[:n_frames] / mixed.reference).log()
    share = attack_share(weights.shape[1], synthesiser.config.frame_seconds)
    change = torch.zeros(*now.shape[:2], weights.shape[1])
    change[..., :n_frames] = 0.5 * share[:n_frames] * (wanted - now)
    low = synthesiser.bands.centres < LOWEST_HZ
    partials, noise = partial_bands(mixed, f0, synthesiser), noise_bands(synthesiser)
    change[:, torch.cat([noise[low], BANDS + noise[low]])] = 0
    gains = change.exp()
    return replace(mixed, amplitude=mixed.amplitude * gains[:, partials], noise=mixed.noise * gains[:, BANDS + noise])
