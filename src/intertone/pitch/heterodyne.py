"""The f0 of a note whose pitch is known, refined by its partials, each turned down to 0 Hz and averaged."""

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
"""Share of the sample rate above which no partial is measured or played."""

HOP_SECONDS = 0.005
WINDOW_PERIODS, WINDOW_SECONDS = 3, 0.02
"""A partial is averaged over so many periods, where its neighbours cancel out, but at least over so long."""

TRACK_FRAMES = 7
"""Frames over which f0 is averaged."""

TRACK_STAGES = (8, 8, 16, 32, 64, 64)
"""Partials that f0 and inharmonicity are refined with, in turn; the high ones tell most, once they are found."""


def refine_pitch(audio: Tensor, f0: float, sample_rate: int) -> tuple[Tensor, float]:
    """Return the f0 of a note over time and its inharmonicity, by the speeds at which its partials turn.

    In every stage the partials are turned down to 0 Hz along the f0 known so far; what they agree on is its error,
    the loud and high ones most.

    Args:
        audio: ``(samples,)``.
        f0: Hz; the note may deviate from it by a semitone.
        sample_rate: Hz.

    Returns:
        ``(f0, inharmonicity)``: Hz at steps of 5 ms, ``(n_frames,)``, float64, and B, 0…0.01.

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
    """Return how each partial rotates against its supposed frequency from frame to frame.

    The product of each complex amplitude and the conjugate of the one before, ``(n_partials, n_frames − 1)``.
    """
    partials = partial_amplitudes(audio, partial_periods(frequency, sample_rate, len(audio)), length, sample_rate)
    return (partials[:, 1:] * partials[:, :-1].conj()).to(torch.complex128)


def partial_amplitudes(audio: Tensor, periods: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return the complex amplitude of each partial under a Hann window, ``(n_partials, n_frames)``.

    Beyond the ends of the sound the window is cut off, not filled with silence.
    """
    hop, angle = hop_of(sample_rate), 2 * math.pi * periods
    rows = torch.cat([audio * angle.cos(), -audio * angle.sin(), torch.ones(1, len(audio))])
    after = -(-len(audio) // hop) * hop + length // 2 + 1 - len(audio)
    sums = conv1d(pad(rows, (length // 2, after))[:, None], hann_kernel(length), stride=hop)[:, 0]
    real, imaginary = sums[:-1].chunk(2)
    return torch.complex(real, imaginary) * 2 / sums[-1]


def hop_of(sample_rate: int) -> int:
    """Return the samples from one frame to the next."""
    return round(HOP_SECONDS * sample_rate)


def hz_per_radian(sample_rate: int) -> float:
    """Return the frequency of what rotates by a radian a frame."""
    return sample_rate / (2 * math.pi * hop_of(sample_rate))


def window_length(f0: float, sample_rate: int) -> int:
    """Return an odd number of samples."""
    return 2 * round(max(WINDOW_PERIODS / f0, WINDOW_SECONDS) * sample_rate / 2) + 1


def hann_kernel(length: int) -> Tensor:
    """Return a Hann window as a kernel, ``(1, 1, length)``."""
    return torch.hann_window(length + 2, periodic=False)[None, None, 1:-1]


def count_in_range(f0: Tensor, tuning: Tensor, sample_rate: int) -> int:
    """Return how many partials, from the first on, are always low enough."""
    highest = (partial_orders(len(tuning))[:, None] * f0 * tuning).amax(1)
    return int((highest < HIGHEST * sample_rate).cumprod(0).sum())


def partial_periods(frequency: Tensor, sample_rate: int, samples: int) -> Tensor:
    """Return the share of a turn at which each partial is: ``(rows, n_frames)`` in Hz to ``(rows, samples)``."""
    each_frame = 0.5 * (frequency[:, 1:] + frequency[:, :-1]) * hop_of(sample_rate) / sample_rate
    periods = pad(each_frame.cumsum(1), (1, 0))
    return (per_sample(periods, sample_rate, samples) % 1).float()


def per_sample(values: Tensor, sample_rate: int, samples: int) -> Tensor:
    """Draw straight lines between the frames: ``(rows, n_frames)`` to ``(rows, samples)``."""
    size = (values.shape[-1] - 1) * hop_of(sample_rate) + 1
    return interpolate(values[None], size=size, mode="linear", align_corners=True)[0, :, :samples]
