"""f0 over time of a note with a known pitch, refined by heterodyning: each partial is shifted to 0 Hz and averaged."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv1d, interpolate, pad

from intertone.pitch.note import SEMITONES
from intertone.pitch.stiffness import (
    at_frames,
    common_error,
    fit_inharmonicity,
    partial_orders,
    stretch_of,
    stretched,
)

HIGHEST = 0.475
"""Highest frequency of a partial that is measured, as a fraction of the sample rate."""
HOP_SECONDS = 0.005
"""Hop between frames, s."""
WINDOW_PERIODS, WINDOW_SECONDS = 3, 0.02
"""Length of the window of a partial's average in periods, over which its neighbours cancel, and shortest length, s."""
TRACK_FRAMES = 7
"""Width of the moving average of f0, frames."""
TRACK_STAGES = (8, 8, 16, 32, 64, 64)
"""Number of partials in each stage of the refinement. High partials are the most exact, but can be measured only after
low partials have given a good estimate."""


def refine_pitch(audio: Tensor, f0: float, sample_rate: int) -> tuple[Tensor, float]:
    """Return the f0 of a note over time and its inharmonicity, measured by the phase changes of its partials.

    In every stage the partials are heterodyned to 0 Hz with the present estimate of f0. The weighted mean of their
    remaining frequencies, in which loud and high partials have the largest weights, corrects the estimate.

    Args:
        audio: ``(samples,)``.
        f0: Initial estimate, Hz; the note may deviate from it by a semitone.
        sample_rate: Hz.

    Returns:
        ``(f0, inharmonicity)``: Hz with a hop of 5 ms, ``(n_frames,)``, float64, and B, 0…0.01.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> track, inharmonicity = refine_pitch(tone, 445.0, 16000)
        >>> round(float(track[50]))
        440
    """
    kernel = hann_kernel(TRACK_FRAMES).double()
    track = torch.full((1 + -(-len(audio) // hop_of(sample_rate)),), f0, dtype=torch.float64)
    inharmonicity = 0.0
    for n_partials in TRACK_STAGES:
        n_partials = count_in_range(track, stretch_of(n_partials, inharmonicity)[:, None], sample_rate)
        multiples = stretched(n_partials, inharmonicity)
        steps = partial_steps(audio, multiples[:, None] * track, window_length(f0, sample_rate), sample_rate)
        turned = steps.angle() * (hz_per_radian(sample_rate) / f0)
        weight = steps.abs() * multiples[:, None].square()
        track = track * (1 + at_frames(common_error(turned / multiples[:, None], weight, kernel)))
        track = track.clamp(f0 * 2 ** (-1 / SEMITONES), f0 * 2 ** (1 / SEMITONES))
        total = steps.sum(1)
        found = multiples + total.angle() * (hz_per_radian(sample_rate) / f0)
        inharmonicity = fit_inharmonicity(found, total.abs() * partial_orders(n_partials).square())
    return track, inharmonicity


def partial_steps(audio: Tensor, frequency: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return the phase change of each heterodyned partial between frames, as complex numbers.

    Each is the product of a complex amplitude and the conjugate of the previous one, ``(n_partials, n_frames − 1)``.
    """
    partials = partial_amplitudes(audio, partial_periods(frequency, sample_rate, len(audio)), length, sample_rate)
    return (partials[:, 1:] * partials[:, :-1].conj()).to(torch.complex128)


def partial_amplitudes(audio: Tensor, periods: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return the complex amplitude of each partial, averaged with a Hann window, ``(n_partials, n_frames)``.

    At the ends of the sound the window is cut and renormalised, so that amplitudes do not fall there.
    """
    hop, angle = hop_of(sample_rate), 2 * math.pi * periods
    rows = torch.cat([audio * angle.cos(), -audio * angle.sin(), torch.ones(1, len(audio))])
    after = -(-len(audio) // hop) * hop + length // 2 + 1 - len(audio)
    sums = conv1d(pad(rows, (length // 2, after))[:, None], hann_kernel(length), stride=hop)[:, 0]
    real, imaginary = sums[:-1].chunk(2)
    return torch.complex(real, imaginary) * 2 / sums[-1]


def hop_of(sample_rate: int) -> int:
    """Return the hop between frames, samples."""
    return round(HOP_SECONDS * sample_rate)


def hz_per_radian(sample_rate: int) -> float:
    """Return the frequency of a phase change of one radian per frame, Hz."""
    return sample_rate / (2 * math.pi * hop_of(sample_rate))


def window_length(f0: float, sample_rate: int) -> int:
    """Return the length of the averaging window for an f0 in Hz, an odd number of samples."""
    return 2 * round(max(WINDOW_PERIODS / f0, WINDOW_SECONDS) * sample_rate / 2) + 1


def hann_kernel(length: int) -> Tensor:
    """Return a Hann window as a kernel, ``(1, 1, length)``."""
    return torch.hann_window(length + 2, periodic=False)[None, None, 1:-1]


def count_in_range(f0: Tensor, tuning: Tensor, sample_rate: int) -> int:
    """Return the number of partials, from the first on, that are always below ``HIGHEST``."""
    highest = (partial_orders(len(tuning))[:, None] * f0 * tuning).amax(1)
    return int((highest < HIGHEST * sample_rate).cumprod(0).sum())


def partial_periods(frequency: Tensor, sample_rate: int, samples: int) -> Tensor:
    """Return the phase of each partial in periods, 0…1, ``(rows, samples)``, from Hz, ``(rows, n_frames)``."""
    each_frame = 0.5 * (frequency[:, 1:] + frequency[:, :-1]) * hop_of(sample_rate) / sample_rate
    periods = pad(each_frame.cumsum(1), (1, 0))
    return (per_sample(periods, sample_rate, samples) % 1).float()


def per_sample(values: Tensor, sample_rate: int, samples: int) -> Tensor:
    """Return values interpolated linearly from ``(rows, n_frames)`` to ``(rows, samples)``."""
    size = (values.shape[-1] - 1) * hop_of(sample_rate) + 1
    return interpolate(values[None], size=size, mode="linear", align_corners=True)[0, :, :samples]
