"""Texture statistics of a sound, after McDermott and Simoncelli, and their agreement between two sounds."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.metrics.pair import unit_rms

RATE = 16000
N_BANDS = 24
"""Number of cochlear bands of equal ERB width; the source has 30 up to 10 kHz, about 24 of them up to 7.6 kHz."""

F_MIN, F_MAX = 40.0, 7600.0
"""Lower edge of the lowest band and upper edge of the highest band, Hz."""

COMPRESSION = 0.3
"""Exponent of the envelopes, as in the source."""

ENVELOPE_RATE = 400
"""Sample rate of the envelopes in Hz, as in the source."""

MODULATION_HZ = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Edges of the modulation bands, Hz."""

LIMIT_DB = 60.0
"""Largest signal-to-noise ratio of a class of statistics, dB; the source ends its synthesis at 30 dB."""


def texture_statistics(audio: Tensor) -> dict[str, Tensor]:
    """Return the statistics of the compressed envelopes of a sound in 24 cochlear bands.

    ``mean``, ``variation`` (standard deviation over mean), ``skewness`` and ``kurtosis`` are those of each band's
    envelope; ``correlation`` is that of each pair of bands; ``modulation`` is the share of each band's variance in
    eight octaves from 0.5 to 128 Hz. The bands are half cosines in frequency that overlap their neighbours by half.
    The envelopes are magnitudes of the analytic signal, to the power of 0.3, at 400 Hz.

    Args:
        audio: 16 kHz mono, ``(samples,)``, at least 0.1 s; its level does not matter.

    Returns:
        Name of a class of statistics → values, float64: ``(24,)`` for the first four, ``(276,)`` correlations,
        ``(192,)`` modulations. All are finite, also for silence.

    Raises:
        ValueError: If ``audio`` is shorter than 0.1 s or not one-dimensional.

    Source:
        McDermott and Simoncelli (2011), "Sound texture perception via statistics of the auditory periphery"; here with
        fewer modulation bands and without the correlations of modulation.

    Example:
        >>> {name: len(values) for name, values in texture_statistics(torch.randn(16000)).items()}
        {'mean': 24, 'variation': 24, 'skewness': 24, 'kurtosis': 24, 'correlation': 276, 'modulation': 192}
    """
    if audio.ndim != 1 or len(audio) < RATE // 10:
        raise ValueError(f"audio must be (samples,), at least {RATE // 10} of them, got {tuple(audio.shape)}")
    envelope = _envelopes(unit_rms(audio.double()))
    mean = envelope.mean(1)
    centred = envelope - mean[:, None]
    deviation = centred.square().mean(1).sqrt().clamp_min(1e-9)
    normal = centred / deviation[:, None]
    upper = torch.triu_indices(N_BANDS, N_BANDS, 1)
    power = torch.fft.rfft(normal).abs().square()
    frequencies = torch.fft.rfftfreq(normal.shape[1], 1 / ENVELOPE_RATE, dtype=torch.float64)
    inside = [(frequencies >= low) & (frequencies < high) for low, high in pairwise(MODULATION_HZ)]
    return {
        "mean": mean,
        "variation": deviation / mean.clamp_min(1e-9),
        "skewness": normal.pow(3).mean(1),
        "kurtosis": normal.pow(4).mean(1),
        "correlation": (normal @ normal.T / normal.shape[1])[upper[0], upper[1]],
        "modulation": torch.stack([power[:, band].sum(1) for band in inside]).flatten()
        / power.sum(1).clamp_min(1e-9).repeat(len(inside)),
    }


def texture_snr(estimate: Tensor, reference: Tensor) -> float:
    """Return the signal-to-noise ratio of a sound's texture statistics, as a mean over their six classes.

    The ratio of a class of ``texture_statistics`` is ``10·log10(Σ t² / Σ (t̂ − t)²)``, at most 60 dB, for the values
    ``t`` of the reference and ``t̂`` of the estimate.

    Args:
        estimate: 16 kHz mono, ``(samples,)``; its level does not matter.
        reference: The same, of any length.

    Returns:
        dB, higher is better; 60 for sounds that differ in gain or polarity only.

    Raises:
        ValueError: If a sound is shorter than 0.1 s or not one-dimensional.

    Source:
        McDermott and Simoncelli (2011), whose synthesis ends when each class reaches 30 dB.

    Example:
        >>> sound = torch.randn(16000)
        >>> texture_snr(-0.5 * sound, sound)
        60.0
    """
    first, second = (texture_statistics(sound) for sound in (estimate, reference))
    ratios = []
    for name, wanted in second.items():
        error = (first[name] - wanted).square().sum() / wanted.square().sum().clamp_min(1e-30)
        ratios.append(-power_to_db(error.clamp_min(db_to_power(-LIMIT_DB))))
    return float(torch.stack(ratios).mean())


def _envelopes(audio: Tensor) -> Tensor:
    """Return the compressed envelopes of the bands, ``(24, n)``, at 400 Hz."""
    factor = RATE // ENVELOPE_RATE
    audio = audio[: len(audio) // factor * factor]
    spectrum = torch.fft.fft(audio)[: len(audio) // 2 + 1]
    hz = torch.fft.rfftfreq(len(audio), 1 / RATE, dtype=torch.float64)
    lowest, highest = (_erb_number(torch.tensor(edge, dtype=torch.float64)) for edge in (F_MIN, F_MAX))
    width = (highest - lowest) / (N_BANDS + 1)  # half the width of a band, which is the distance of two centres
    centres = lowest + width * torch.arange(1, N_BANDS + 1, dtype=torch.float64)
    distance = (_erb_number(hz) - centres[:, None]) / width
    weights = torch.where(distance.abs() < 1, torch.cos(0.5 * math.pi * distance), 0.0)
    analytic: Tensor = torch.fft.ifft(2 * weights * spectrum, len(audio))
    compressed: Tensor = analytic.abs().pow(COMPRESSION)
    return torch.nn.functional.avg_pool1d(compressed, factor)


def _erb_number(hz: Tensor) -> Tensor:
    """Return the number of equivalent rectangular bandwidths below a frequency (Glasberg and Moore, 1990)."""
    return torch.log1p(hz / (24.7 * 9.265)) * 9.265
