"""Detuned unisons: several sawtooth voices a few cents apart, as in synthesizers."""

import numpy as np
import torch
from torch import Tensor

VOICES = 5
MOST_CENTS = (8.0, 25.0)
"""Range of the random detuning of the outermost voices, cents."""

N_PARTIALS = 24
ATTACK_SECONDS, RELEASE_SECONDS = 0.03, 0.25


def detuned_unison(
    f0: float, sample_rate: int, generator: np.random.Generator, *, seconds: float, held_seconds: float
) -> tuple[Tensor, float]:
    """Return a unison of five sawtooth voices of 24 partials, with equally spaced detuning around a pitch.

    Args:
        f0: Frequency of the middle voice, Hz.
        sample_rate: Hz.
        generator: Source of the phases and of the detuning, 8 to 25 cents for the outermost voices.
        seconds: Length of the sound.
        held_seconds: Time at which the release of 0.25 s begins.

    Returns:
        The sound, ``(samples,)``, with an RMS amplitude of about 1, and the detuning of the outermost voices in cents.

    Example:
        >>> sound, cents = detuned_unison(220.0, 16000, np.random.default_rng(0), seconds=1, held_seconds=0.8)
        >>> sound.shape, 8 <= cents <= 25
        (torch.Size([16000]), True)
    """
    cents = float(generator.uniform(*MOST_CENTS))
    time = torch.arange(round(seconds * sample_rate), dtype=torch.float64) / sample_rate
    sound = torch.zeros_like(time)
    for detuning in np.linspace(-cents, cents, VOICES):
        voice = f0 * 2 ** (detuning / 1200)
        phase = generator.uniform(0, 1)
        # the powers of the complex fundamental are its harmonics
        fundamental = torch.polar(torch.ones_like(time), 2 * torch.pi * (voice * time + phase))
        partial = fundamental.clone()
        for order in range(1, 1 + min(N_PARTIALS, int(0.45 * sample_rate / voice))):
            sound += partial.imag / order
            partial *= fundamental
    attack = (time / ATTACK_SECONDS).clamp(max=1)
    release = (1 - (time - held_seconds) / RELEASE_SECONDS).clamp(0, 1)
    return (sound * attack * release / np.sqrt(VOICES)).float(), cents
