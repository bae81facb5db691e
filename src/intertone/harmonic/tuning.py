"""Pitch and inharmonicity of a note, refined by its partials."""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from intertone.curve import odd_frames
from intertone.harmonic.warp import Warped
from intertone.level import TINY
from intertone.pitch import follow_pitch
from intertone.pitch.continuity import without_jumps
from intertone.pitch.stiffness import at_frames, common_error, fit_inharmonicity, stretched

STAGES = (8, 16, 32, 64)
"""Numbers of partials that refine f0, one after another: high partials are the most precise, once they are found."""

SMOOTH_SECONDS = 0.07
"""Window over which pitch is averaged."""

LARGEST_CORRECTION = 0.03
"""Share of f0 that the pitch may be corrected by: half a semitone."""

UNPITCHED_HZ = 110.0
"""f0 of a sound without pitch: A2."""


def find_pitch(body: Tensor, sample_rate: int, hop_length: int) -> tuple[Tensor, float]:
    """Return f0, and the share of the energy that repeats after its period.

    Args:
        body: A sound from its onset on, ``(channels, samples)``.
        sample_rate: Hz.
        hop_length: Samples from one frame to the next.

    Returns:
        Hz, ``(n_frames,)``, float64, and 0…1. A sound without pitch gets A2, whose partials are dense. A note has no
        jumps of 3 semitones or more, unless other parts are as loud and long as notes.

    Example:
        >>> f0, periodicity = find_pitch(torch.sin(torch.arange(8000) * 0.25)[None], 8000, 80)
        >>> round(float(f0[50]), 1), round(periodicity, 2)
        (318.3, 1.0)
    """
    track = follow_pitch(body, sample_rate, hop_length=hop_length)
    squares = pad(body.double().square().sum(0), (hop_length, 2 * hop_length))
    power = avg_pool1d(squares[None], 2 * hop_length, hop_length)[0, : len(track.f0)]
    periodicity = float((power * track.periodicity).sum() / power.sum().clamp_min(TINY))
    f0 = track.f0 if not bool(track.f0.isnan().any()) else torch.full_like(track.f0, UNPITCHED_HZ)
    return without_jumps(f0, track.voiced, power, hop_length / sample_rate), periodicity


def refine_tuning(
    warped: Warped, f0: Tensor, centres: Tensor, *, length: float, n_partials: int, frame_rate: float
) -> tuple[Tensor, float]:
    """Return by what share f0 is too low in each frame, and the inharmonicity, from the phase speeds of the partials.

    Args:
        warped: The sound along ``f0``.
        f0: Hz, ``(n_frames,)``, float64.
        centres: Times of the frames in periods, ``(n_frames,)``.
        length: Length of the windows, periods.
        n_partials: Number of partials.
        frame_rate: Frames a second.

    Returns:
        ``(correction, inharmonicity)``: ``(n_frames,)``, within ±3 %, and B, 0…0.01.
    """
    correction, inharmonicity = torch.zeros_like(f0), 0.0
    if len(f0) < 2:
        return correction, inharmonicity
    n_averaged = odd_frames(SMOOTH_SECONDS, 1 / frame_rate)
    kernel = torch.hann_window(n_averaged + 2, periodic=False, dtype=torch.float64)[None, None, 1:-1]
    for count in STAGES:
        multiples = stretched(min(count, n_partials), inharmonicity)
        found = warped.measure(multiples, centres, length)
        steps = (found[..., 1:] * found[..., :-1].conj()).sum(0).to(torch.complex128)
        known = multiples[:, None] * (correction * f0)[:-1] / frame_rate
        # a window that did not move at an edge has no phase speed
        weight = torch.where(steps.imag == 0, 0, steps.abs()) * multiples[:, None].square()
        advance = (steps * torch.polar(torch.ones_like(known), -2 * math.pi * known)).angle() / (2 * math.pi)
        error = advance * frame_rate / f0[:-1] / multiples[:, None]
        common = common_error(error, weight, kernel)
        correction = (correction + at_frames(common)).clamp(-LARGEST_CORRECTION, LARGEST_CORRECTION)
        total = weight.sum(1)
        own = (weight * (error - common)).sum(1) / total.clamp_min(TINY)
        inharmonicity = fit_inharmonicity(multiples * (1 + own), total)
    return correction, inharmonicity
