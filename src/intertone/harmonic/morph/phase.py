"""Phases of partials, in periods: transposition and interpolation."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from intertone.curve import averaged
from intertone.level import TINY


def resting_phase(first: int, last: int) -> Tensor:
    """Return phases, in periods, of partials that were not measured: spread evenly, so that no pulse adds up."""
    orders = torch.arange(first, last + 1, dtype=torch.float64)
    return (orders.square() * (0.5 * (math.sqrt(5) - 1)) % 1).float()


def transposed(phase: Tensor, ratio: Tensor) -> Tensor:
    """Return phases of partials whose pitch is multiplied: their distances from the harmonics stay the same in cents.

    Phases are in periods, ``(channels, n_partials, n_frames)``, unwrapped; the ratio of the pitches is ``(n_frames,)``.

    Example:
        >>> transposed(torch.tensor([[[0.0, 0.25, 0.5]]]), torch.full((3,), 2.0))
        tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    speed = phase.diff() * (0.5 * (ratio[1:] + ratio[:-1])).float()
    return torch.cat([phase[..., :1], phase[..., :1] + speed.cumsum(-1)], -1)


def mix_phases(phases: Sequence[Tensor], heard: Sequence[Tensor], weights: Tensor, n_averaged: int) -> Tensor:
    """Interpolate phases: those of the loudest channel over the shorter arc at the start, then by interpolated speeds.

    Phase differences of the other channels from it are interpolated as complex numbers, weighted by level: otherwise
    channels would take different arcs, and two sounds in phase would make one out of phase. Where those cancel each
    other, their phase would jump, and is averaged over time.

    Args:
        phases: In periods, ``(channels, n_partials, n_frames)`` each, unwrapped.
        heard: Level of each partial in each channel relative to the loudest, 0…1, ``(channels, n_partials)`` each.
        weights: ``(n_phases, n_frames)``.
        n_averaged: Frames of that average, odd.
    """
    if all(torch.equal(phase, phases[0]) for phase in phases[1:]):
        return phases[0]
    leads = [
        phase.gather(0, loud.argmax(0)[None, :, None].expand(1, -1, phase.shape[-1]))
        for phase, loud in zip(phases, heard, strict=True)
    ]
    anchor = leads[0][..., :1]
    start, speed = torch.zeros_like(anchor), torch.zeros_like(leads[0][..., 1:])
    apart, most = torch.zeros(phases[0].shape, dtype=torch.complex64), torch.full_like(phases[0], TINY)
    for phase, lead, loud, row in zip(phases, leads, heard, weights, strict=True):
        first = lead[..., :1]
        start += row[0] * (first - (first - anchor).round())
        speed += 0.5 * (row[1:] + row[:-1]) * lead.diff()
        apart += row * torch.polar(loud[..., None].expand_as(phase), 2 * math.pi * (phase - lead))
        most += row.abs() * loud[..., None]
    own = torch.from_numpy(np.unwrap(apart.angle().numpy(), axis=-1) / (2 * math.pi)).float()
    steady = averaged(own, n_averaged)
    return torch.cat([start, start + speed.cumsum(-1)], -1) + steady + (apart.abs() / most).square() * (own - steady)
