"""The partials of one note, measured at its refined pitch."""

import torch
from torch import Tensor

from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.tuning import refine_tuning
from intertone.harmonic.warp import Warped, oversample, periods_of, window_seconds
from intertone.pitch.stiffness import stretched


def measure_partials(body: Tensor, f0: Tensor, config: HarmonicConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Return f0, refined, frequencies of the partials over f0, and their complex amplitudes; see ``Warped.measure``.

    Args:
        body: A sound from its onset on, ``(channels, samples)``.
        f0: Hz, ``(n_frames,)``, float64, within 3 %.
        config: The rows.
    """
    rate, hop = config.sample_rate, config.hop_length
    length = float(f0.median()) * window_seconds(float(f0.median()))
    places = (torch.arange(len(f0)) * hop).clamp(max=body.shape[-1] - 1)
    periods = periods_of(f0, hop, rate, body.shape[-1])
    fine = oversample(body, rate)
    warped = Warped(fine, periods, rate, slowest(f0))
    correction, inharmonicity = refine_tuning(
        warped, f0, periods[places], length=length, n_partials=count_partials(f0, 0, config), frame_rate=rate / hop
    )
    f0 = f0 * (1 + correction)
    multiples = stretched(count_partials(f0, inharmonicity, config), inharmonicity)
    periods = periods_of(f0, hop, rate, body.shape[-1])
    return f0, multiples, Warped(fine, periods, rate, slowest(f0)).measure(multiples, periods[places], length)


def count_partials(f0: Tensor, inharmonicity: float, config: HarmonicConfig) -> int:
    """Return how many partials the median pitch has below ``f_max``, at least one."""
    multiples = stretched(config.edges[-1] - 1, inharmonicity)
    return max(1, int((multiples * float(f0.median()) <= config.f_max).sum()))


def slowest(f0: Tensor) -> float:
    """Return the lowest f0 that sets the number of samples in a period; lower outliers are ignored."""
    return max(float(f0.min()), 0.25 * float(f0.median()))
