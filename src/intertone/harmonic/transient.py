"""The transient of an attack: levels of bands in the first 80 ms of a sound."""

import torch
from torch import Tensor

from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import HarmonicSound
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import db_to_power

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
