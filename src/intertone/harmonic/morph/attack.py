"""The transient of an attack: noise and partials above 2 kHz in its first 80 ms, interpolated by themselves."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import held, weighted_sum
from intertone.harmonic.morph.modulation import SeparatedSound
from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import residual_correlation
from intertone.harmonic.synthesis import Synthesiser
from intertone.harmonic.transient import BANDS, LOWEST_HZ, noise_bands, partial_bands, transient_levels
from intertone.level import TINY


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
