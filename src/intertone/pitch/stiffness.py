"""Partials of stiff strings: their frequencies, and estimates of f0 and inharmonicity from several partials."""

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from intertone.level import TINY

STIFFEST = 0.01
"""Largest inharmonicity B; the highest strings of a piano have about this value."""


def stretch_of(count: int, inharmonicity: float) -> Tensor:
    """Return the ratio of the partials of a stiff string to harmonics, ``√(1 + B·k²)``, ``(count,)``, float64.

    Example:
        >>> stretch_of(3, 0.01)
        tensor([1.0050, 1.0198, 1.0440], dtype=torch.float64)
    """
    return (1 + inharmonicity * partial_orders(count).square()).sqrt()


def stretched(count: int, inharmonicity: float) -> Tensor:
    """Return the frequencies of the partials of a stiff string as multiples of f0, ``k·√(1 + B·k²)``.

    Args:
        count: Number of partials.
        inharmonicity: B.

    Returns:
        ``(count,)``, float64.

    Source:
        Fletcher (1964), "Normal vibration frequencies of a stiff piano string".

    Example:
        >>> stretched(3, 0.01)
        tensor([1.0050, 2.0396, 3.1321], dtype=torch.float64)
    """
    return partial_orders(count) * stretch_of(count, inharmonicity)


def partial_orders(count: int) -> Tensor:
    """Return the orders 1…``count``, float64."""
    return torch.arange(1, count + 1, dtype=torch.float64)


def common_error(error: Tensor, weight: Tensor, kernel: Tensor) -> Tensor:
    """Return the weighted mean of the errors of all partials, averaged over a few frames; 0 in silence.

    Args:
        error: Relative error of f0 according to each partial, between each frame and the next,
            ``(n_partials, n_frames - 1)``, float64.
        weight: Weights of the errors, of the same shape.
        kernel: Weights of the moving average, ``(1, 1, n)`` with odd n, float64.

    Returns:
        Relative error, ``(n_frames - 1,)``.

    Example:
        >>> error, weight = torch.tensor([[0.01], [0.03]]).double(), torch.tensor([[3.0], [1.0]]).double()
        >>> common_error(error, weight, torch.ones(1, 1, 1).double()).round(decimals=4)
        tensor([0.0150], dtype=torch.float64)
    """
    sums = torch.stack([(weight * error).sum(0), weight.sum(0)])[:, None]
    total, weights = conv1d(sums, kernel, padding=kernel.shape[-1] // 2)[:, 0]
    return total / (weights + 1e-4 * weights.max() + TINY)


def at_frames(between: Tensor) -> Tensor:
    """Return values at frames, ``(..., n)``, interpolated from values half-way between frames, ``(..., n - 1)``.

    Example:
        >>> at_frames(torch.tensor([1.0, 3.0]))
        tensor([1., 2., 3.])
    """
    return torch.cat([between[..., :1], 0.5 * (between[..., 1:] + between[..., :-1]), between[..., -1:]], -1)


def fit_inharmonicity(multiples: Tensor, weight: Tensor) -> float:
    """Return the inharmonicity B, 0…0.01, by a weighted linear fit of ``(f_k / (k·f0))² = c·(1 + B·k²)`` over ``k²``.

    Args:
        multiples: Frequencies of the partials as multiples of f0, ``(n_partials,)``, float64.
        weight: Weight of each partial, of the same shape.

    Example:
        >>> round(fit_inharmonicity(stretched(8, 0.001), torch.ones(8).double()), 6)
        0.001
    """
    squares = partial_orders(len(multiples)).square()
    stretch = multiples.square() / squares
    weight = (weight + TINY) / (weight + TINY).sum()
    x, mean = squares - (weight * squares).sum(), (weight * stretch).sum()
    slope = (weight * x * stretch).sum() / ((weight * x * x).sum() + TINY)
    return min(max(0.0, float(slope / (mean - slope * (weight * squares).sum()))), STIFFEST)
