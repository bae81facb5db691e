"""Loudness of a morph, interpolated between the loudnesses of its source sounds."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.curve import at_positions
from intertone.level import db_to_amplitude, limited_gain
from intertone.loudness import maximum_momentary_loudness
from intertone.morphing.sources import Sources
from intertone.morphing.weights import Weights
from intertone.parallel import side_by_side

MOST_GAIN_DB = 24.0
"""Largest gain of a morph, dB."""

BEYOND_LU = 6.0
"""Largest extrapolation of the loudness above the loudest and below the quietest source sound, LU."""
FARTHEST_STEP, MOST_STEPS = 0.25, 16
"""Change of the weights after which the gain is measured again, and largest number of such steps."""


def bring_to_level(
    sound: Tensor,
    sources: Sources,
    weights: Weights,
    render: Callable[[int], Tensor],
) -> Tensor:
    """Return a mixture scaled to the interpolated maximum momentary loudness, LUFS, of its source sounds.

    Extrapolated loudness is limited to 6 LU beyond the loudest and the quietest source sound, since one of them may be
    very faint.

    Weights that change over time give a gain that changes over time. The gain of a frame is that of the whole morph
    with the constant weights of this frame. It is measured at frames between which the weights change by 0.25 (by more
    if that needed more than 16 steps), and interpolated between them.

    Args:
        sound: The mixture, ``(batch, channels, samples)``.
        sources: Its source sounds.
        weights: Weights of the sounds; ``weights.timing`` are those of the loudness.
        render: Returns the whole mixture with the constant weights of the given frame.

    Returns:
        The mixture, of the same shape; a silent one is unchanged.
    """
    timing = weights.timing
    if not (changing := weights.changing):
        return sound * _gain(_missing_db(sound, sources, timing))[:, None, None]
    change = torch.stack([0.5 * each.diff().abs().sum(0) for each in changing]).amax(0)
    total_change = pad(change.cumsum(0), (1, 0))
    n_steps = min(MOST_STEPS, math.ceil(float(total_change[-1]) / FARTHEST_STEP))
    columns = (
        torch.searchsorted(
            total_change, torch.linspace(0, float(total_change[-1]), n_steps + 1, dtype=total_change.dtype)
        )
        .unique()
        .tolist()
    )

    def missing(column: int) -> Tensor:
        return _missing_db(render(column), sources, timing if timing.ndim == 1 else timing[:, column])

    known = torch.stack(list(side_by_side(missing, columns)), 1).numpy()
    found = np.stack([np.interp(total_change.numpy(), total_change[columns].numpy(), row) for row in known])
    seconds = torch.arange(sound.shape[-1], dtype=torch.float64) / sources.codec.sample_rate
    gains = at_positions(torch.from_numpy(found), (seconds - weights.first_seconds) * sources.method.frames_per_second)
    return sound * _gain(gains)[:, None]


def _gain(decibels: Tensor) -> Tensor:
    return limited_gain(db_to_amplitude(decibels), MOST_GAIN_DB).float()


def _missing_db(sound: Tensor, sources: Sources, weights: Tensor) -> Tensor:
    """Return the gain that each mixture of a batch needs for its interpolated loudness, dB, ``(batch,)``, float64."""
    shares = weights.tolist()
    missing = torch.zeros(len(sound), dtype=torch.float64)
    for item, one in enumerate(sound):
        found = maximum_momentary_loudness(one, sources.codec.sample_rate)
        known = [(share, own[item]) for share, own in zip(shares, sources.loudness, strict=True) if share]
        levels = [level for _, level in known if math.isfinite(level)]
        if not math.isfinite(found) or not levels:
            continue
        wanted = found
        if len(levels) == len(known):
            wanted = max(sum(share * level for share, level in known), min(levels) - BEYOND_LU)
        missing[item] = min(wanted, max(levels) + BEYOND_LU) - found
    return missing
