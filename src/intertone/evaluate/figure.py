"""Figures of many notes: one value for each note, grouped by method and phase, and summarised."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.metrics import LOG_MEL_44K, log_mel_error
from intertone.metrics.spectral import LOG_MEL_STFT

BATCH = 16
"""Notes that are processed at a time; a larger number needs more memory."""

Step = Callable[[int], None]
"""Function that is called with the number of notes or pairs that were just processed."""

Way = tuple[str, str]
"""Method and phase (``kept`` or ``estimated``) by which a sound was made; original notes: ``("original", "own")``."""

Figures = dict[Way, dict[str, Tensor]]
"""Method and phase → name of a figure → one value for each note, ``(n,)``; NaN: unknown."""


@dataclass(frozen=True)
class Summary:
    """Count, mean, median, 10th and 90th percentile of a figure over notes."""

    n: int
    mean: float
    median: float
    p10: float
    p90: float


def summary(values: Sequence[float] | np.ndarray) -> Summary:
    """Return count, mean, median, 10th and 90th percentile.

    Example:
        >>> summary([1.0, 2.0, 6.0])
        Summary(n=3, mean=3.0, median=2.0, p10=1.2, p90=5.2)
    """
    array = np.asarray(values, np.float64)
    p10, median, p90 = (round(float(value), 6) for value in np.percentile(array, [10, 50, 90]))
    return Summary(len(array), round(float(array.mean()), 6), median, p10, p90)


@dataclass(frozen=True)
class Line:
    """Figures of all sounds of one method and phase.

    Attributes:
        method: Method by which the sounds were made.
        phase: ``kept`` or ``estimated``; ``own`` for the original notes.
        figures: Name of a figure → its summary over the notes that have it; None: no note has it.
    """

    method: str
    phase: str
    figures: Mapping[str, Summary | None]

    @property
    def way(self) -> Way:
        """Method and phase."""
        return self.method, self.phase

    def __getitem__(self, name: str) -> Summary:
        """Return the summary of a figure that at least one note has."""
        figure = self.figures[name]
        assert figure is not None, name
        return figure

    def get(self, name: str) -> Summary | None:
        """Return the summary of a figure; None: it was not measured, or no note has it."""
        return self.figures.get(name)


class Collected:
    """Collector of the figures of successive batches, which summarises them as a table."""

    def __init__(self) -> None:
        self._parts: dict[Way, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))

    def add(self, figures: Figures) -> None:
        """Add the figures of a batch."""
        for way, columns in figures.items():
            for name, values in columns.items():
                self._parts[way][name].append(values)

    def table(self) -> tuple[Line, ...]:
        """Return one line for each method and phase, with the ``summary`` of each figure over the values but NaN."""
        return tuple(
            Line(*way, {name: _known(parts) for name, parts in columns.items()}) for way, columns in self._parts.items()
        )


def _known(parts: list[Tensor]) -> Summary | None:
    values = torch.cat(parts).double()
    values = values[~values.isnan()]
    return summary(values.numpy()) if len(values) else None


def at_16_khz(audio: Tensor, sample_rate: int) -> Tensor:
    """Return ``audio`` resampled to 16 kHz, the rate that the metrics are defined for."""
    return resample(audio, sample_rate, LOG_MEL_STFT.sample_rate)


def log_mel_errors(estimate: Tensor, reference: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Return ``log_mel_error`` at 16 kHz and, for sounds at 44.1 kHz, at that rate too.

    Args:
        estimate: ``(..., samples)``.
        reference: The same shape.
        sample_rate: Sample rate of both, Hz.

    Returns:
        ``log_mel_16k``, dB, of the sounds resampled to 16 kHz; and, if ``sample_rate`` is 44,100, ``log_mel_44k``, dB,
        up to 20 kHz.

    Example:
        >>> {name: float(error) for name, error in log_mel_errors(torch.ones(9000), torch.ones(9000), 44100).items()}
        {'log_mel_16k': 0.0, 'log_mel_44k': 0.0}
    """
    errors = {"log_mel_16k": log_mel_error(at_16_khz(estimate, sample_rate), at_16_khz(reference, sample_rate))}
    if sample_rate == LOG_MEL_44K.stft.sample_rate:
        errors["log_mel_44k"] = log_mel_error(estimate, reference, LOG_MEL_44K)
    return errors


def seeded(seed: int) -> torch.Generator:
    """Return a new random generator with ``seed``, so that no result depends on the order of the studies."""
    return torch.Generator().manual_seed(seed)


def spread(figure: Summary | None, *names: str, decimals: int = 2) -> tuple[str, ...]:
    """Return the fields ``names`` of a summary as cells of a table; without a summary, dashes.

    Example:
        >>> spread(summary([1.0, 2.0]), "mean", "p90"), spread(None, "mean")
        (('1.50', '1.90'), ('–',))
    """
    values = [None if figure is None else asdict(figure)[name] for name in names]
    return tuple("–" if value is None else f"{value:z.{decimals}f}" for value in values)


def listed(values: Mapping[str, float], decimals: int = 0) -> str:
    """Return named numbers as one text.

    Example:
        >>> listed({"PCA": 1.25, "codec": 1.0}, 2)
        'PCA 1.25, codec 1.00'
    """
    return ", ".join(f"{name} {value:.{decimals}f}" for name, value in values.items())
