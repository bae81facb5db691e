"""Statistics of a sound's texture, after McDermott and Simoncelli, and how closely another sound has them."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.metrics.pair import unit_rms

RATE = 16000
N_BANDS = 24
"""Cochlear bands, equally wide on the ERB scale; 30 up to 10 kHz in the source, so about these up to 7.6 kHz."""

F_MIN, F_MAX = 40.0, 7600.0
"""Hz, outer edges of the lowest and the highest band."""

COMPRESSION = 0.3
"""Exponent of the envelopes, as in the source."""

ENVELOPE_RATE = 400
"""Hz, of the envelopes, as in the source."""

MODULATION_HZ = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Edges of the modulation bands."""

LIMIT_DB = 60.0
"""Largest signal-to-noise ratio of a class of statistics; the source ends its synthesis at 30."""


def texture_statistics(audio: Tensor) -> dict[str, Tensor]:
    """Return the statistics of the compressed envelopes of a sound in 24 cochlear bands.

    ``mean``, ``variation`` (deviation over mean), ``skewness`` and ``kurtosis`` of each band's envelope;
    ``correlation`` of each two; ``modulation``: the share of each one's variance in eight octaves from 0.5 to 128 Hz.
    Bands are half cosines in frequency, each overlapping its neighbours by half; envelopes are magnitudes of the
    analytic signal, to the power of 0.3, at 400 Hz.

    Args:
        audio: 16 kHz mono, ``(samples,)``, at least 0.1 s; its level does not matter.

    Returns:
        Class → values: four times ``(24,)``, ``(276,)``, ``(192,)``; float64. All finite, for silence too.

    Raises:
        ValueError: If ``audio`` is shorter, or not one sound.

    Source:
        McDermott and Simoncelli (2011), "Sound texture perception via statistics of the auditory periphery"; fewer
        bands of modulation, without the correlations of modulation.

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
    """Return how closely a sound has the texture statistics of another, in the mean over the six classes.

    For each class of ``texture_statistics`` the signal-to-noise ratio ``10·log10(Σ t² / Σ (t̂ − t)²)``, at most 60 dB.

    Args:
        estimate: 16 kHz mono, ``(samples,)``; its level does not matter.
        reference: The same, of any length.

    Returns:
        dB, larger is better, at most 60: the value of sounds that differ in gain or polarity only.

    Raises:
        ValueError: As ``texture_statistics``.

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
    """Return the compressed envelopes, ``(24, n)`` at 400 Hz."""
    factor = RATE // ENVELOPE_RATE
    audio = audio[: len(audio) // factor * factor]
    spectrum = torch.fft.fft(audio)[: len(audio) // 2 + 1]
    hz = torch.fft.rfftfreq(len(audio), 1 / RATE, dtype=torch.float64)
    lowest, highest = (_erb_number(torch.tensor(edge, dtype=torch.float64)) for edge in (F_MIN, F_MAX))
    width = (highest - lowest) / (N_BANDS + 1)  # half of a band, and from one centre to the next
    centres = lowest + width * torch.arange(1, N_BANDS + 1, dtype=torch.float64)
    distance = (_erb_number(hz) - centres[:, None]) / width
    weights = torch.where(distance.abs() < 1, torch.cos(0.5 * math.pi * distance), 0.0)
    analytic: Tensor = torch.fft.ifft(2 * weights * spectrum, len(audio))
    compressed: Tensor = analytic.abs().pow(COMPRESSION)
    return torch.nn.functional.avg_pool1d(compressed, factor)


def _erb_number(hz: Tensor) -> Tensor:
    """Return the number of equivalent rectangular bandwidths below a frequency (Glasberg and Moore, 1990)."""
    return torch.log1p(hz / (24.7 * 9.265)) * 9.265
