"""How loud a morph is: as loud as is between its sounds."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from intertone.loudness import integrated_loudness
from intertone.morphing.sources import Sources
from intertone.representation.timeline import at_positions

MOST_GAIN_DB = 24.0
"""What a morph is made louder by at most."""


def bring_to_level(
    sound: Tensor, sources: Sources, weights: Tensor, first_seconds: float, render: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return sounds as loud as is between the sources: LUFS are interpolated.

    Where the weights change over time, so does the gain: nothing is missing at the ends, and between them
    ``(1 − Σ wᵢ²) / (1 − Σ hᵢ²)`` of what is missing at equal weights h.

    Args:
        sound: What the mixed images gave, ``(batch, channels, samples)``.
        sources: Of it.
        weights: ``(n_sounds,)``, or at each column of the result ``(n_sounds, n_frames)``.
        first_seconds: Where the first column lies.
        render: Returns what the mixed images give at weights ``(n_sounds,)``.

    Returns:
        Of the same shape; what has no loudness is left as it is.
    """
    over_time = weights.reshape(len(weights), -1)
    if bool((over_time == over_time[:, :1]).all()):
        return sound * _gain(_missing_db(sound, sources, over_time[:, 0]))[:, None, None]
    equal = torch.full_like(over_time[:, 0], 1 / len(weights))
    missing = _missing_db(render(equal), sources, equal)
    shares = (1 - over_time.square().sum(0)).clamp_min(0) / (1 - equal.square().sum())
    seconds = torch.arange(sound.shape[-1], dtype=torch.float64) / sources.codec.sample_rate
    shares = at_positions(shares, (seconds - first_seconds) * sources.frames_per_second)
    return sound * _gain(missing[:, None] * shares)[:, None]


def _gain(decibels: Tensor) -> Tensor:
    return (10 ** (decibels.clamp(max=MOST_GAIN_DB) / 20)).float()


def _missing_db(sound: Tensor, sources: Sources, weights: Tensor) -> Tensor:
    """Return by how much each sound of a batch is too quiet for its weights, dB, ``(batch,)``, float64."""
    shares = weights.tolist()
    missing = torch.zeros(len(sound), dtype=torch.float64)
    for item, one in enumerate(sound):
        found = integrated_loudness(one, sources.codec.sample_rate)
        known = [(share, own[item]) for share, own in zip(shares, sources.loudness, strict=True) if share]
        if math.isfinite(found) and all(math.isfinite(level) for _, level in known):
            missing[item] = sum(share * level for share, level in known) - found
    return missing
