"""The transient of an attack: levels of bands in the first 80 ms of a sound."""

import torch
from torch import Tensor

from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import HarmonicSound
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import db_to_power

AUDIBLE_DB = -60.0
"""Level of a band relative to the reference at which weaker ones count."""

BANDS = 8
"""Number of bands over the whole range, equally wide in mel; each holds several bands of noise."""


def transient_levels(sound: HarmonicSound, player: Synthesiser, f0: float | None = None) -> Tensor:
    """Return the logarithms of the powers of the bands of a transient in its first frames.

    Args:
        sound: The sound.
        player: Synthesiser of the representation.
        f0: Hz, at which its partials are played; its own median if not given.

    Returns:
        ``(channels, BANDS, frames of the attack)``.
    """
    partials, noise = transient_bands(sound, f0 or float(sound.f0.median()), player)
    n_frames = int((attack_share(sound.amplitude.shape[-1], player.config.frame_seconds) > 0).sum())
    power = torch.full((len(sound.amplitude), BANDS, n_frames), sound.reference**2 * db_to_power(AUDIBLE_DB))
    power.index_add_(1, partials, sound.amplitude[..., :n_frames].square())
    return power.index_add_(1, noise, sound.noise[..., :n_frames].square()).log()


def transient_bands(sound: HarmonicSound, f0: float, player: Synthesiser) -> tuple[Tensor, Tensor]:
    """Return the band of each partial, and of each band of noise, for partials played at ``f0``."""
    bands = player.bands
    bin_hz = player.sample_rate / bands.config.n_fft
    nearest = (sound.multiples.nan_to_num() * f0 / bin_hz).round().long().clamp(max=bands.config.n_bins - 1)
    wide = torch.arange(player.config.n_noise) * BANDS // player.config.n_noise
    return wide[bands.shares.argmax(0)[nearest]], wide
