"""Descriptors of sounds (attack, envelope, brightness), and the linearity of their change over a series of morphs."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.level import db_to_amplitude, power_to_db
from intertone.metrics.decibel import FLOOR_DB
from intertone.metrics.envelope import attack_time, rms_envelope
from intertone.metrics.fusion import decay_db
from intertone.metrics.spectral import LOG_MEL_STFT
from intertone.stft import stft

RATE = LOG_MEL_STFT.sample_rate
LOWEST_HZ = 20.0

JND = {
    "attack": 0.15,
    "temporal centroid": 0.04,
    "decay": 0.15,
    "centroid": 0.12,
    "spread": 0.06,
    "flux": 0.15,
}
"""Just noticeable difference of each descriptor; one that differs less between two sounds is ignored. The units are
log10 s, s, log10 (dB/s), octaves, octaves, and log10."""

WORST = 1.5
"""Largest contribution of a single descriptor to ``descriptor_non_linearity``."""

Array = npt.NDArray[np.float64]


def describe(audio: Tensor) -> dict[str, float]:
    """Return the six descriptors of a note.

    ``attack``: log10 of the seconds from 20 to 90 % of the envelope's maximum. ``temporal centroid``: mean time
    weighted by the envelope, s. ``decay``: sign·log10(1 + |slope|), with the slope in dB/s of the level from its peak
    to −45 dB (at most 1.1 s). ``centroid`` and ``spread``: mean and standard deviation of log2 frequency, weighted by
    the mean amplitude over time, octaves. ``flux``: log10 of the norm of the change from frame to frame, relative to
    the norm of the frames. The STFT has a window of 1024 and a hop of 256; magnitudes more than 60 dB below the maximum
    are set to 0. No descriptor depends on gain or polarity.

    Args:
        audio: 16 kHz, ``(samples,)``.

    Returns:
        Name → value; all 0 for silence.

    Raises:
        ValueError: If ``audio`` is not one-dimensional.

    Source:
        Peeters et al. (2011), "The Timbre Toolbox", for the choice of descriptors; the definitions are this project's.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 1024 * torch.arange(32000) / 16000)
        >>> round(describe(tone)["centroid"], 1)
        10.0
    """
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    if float(audio.abs().max()) < 1e-9:
        return dict.fromkeys(JND, 0.0)
    magnitude = stft(audio.float(), LOG_MEL_STFT).abs().double()
    magnitude = torch.where(magnitude >= magnitude.max() * db_to_amplitude(-FLOOR_DB), magnitude, 0)
    frequency = torch.arange(magnitude.shape[0], dtype=torch.float64) * RATE / LOG_MEL_STFT.n_fft
    centroid, spread = centroid_and_spread(magnitude.mean(-1), frequency)
    step = (magnitude[:, 1:] - magnitude[:, :-1]).norm(dim=0).sum() / magnitude.norm(dim=0).sum()
    envelope = rms_envelope(audio, RATE, step_seconds=0.01).numpy()
    decay = decay_db(audio, RATE)
    slope = float(np.polyfit(np.arange(len(decay)) * 0.01, decay, 1)[0]) if len(decay) > 1 else 0.0
    return {
        "attack": math.log10(float(attack_time(audio, RATE))),
        "temporal centroid": float((envelope * np.arange(len(envelope))).sum() / envelope.sum() * 0.01),
        "decay": math.copysign(math.log10(1 + abs(slope)), slope),
        "centroid": float(centroid),
        "spread": float(spread),
        "flux": math.log10(max(float(step), 1e-6)),
    }


def centroid_and_spread(magnitude: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of log2 frequency, weighted by the magnitude.

    Args:
        magnitude: Linear, >= 0, ``(..., n_bins)``.
        frequencies: Frequency of each bin in Hz, ``(n_bins,)``; bins below 20 Hz are ignored.

    Returns:
        The mean as log2 of Hz, and the standard deviation in octaves, ``(...,)`` each; NaN for silence.

    Example:
        >>> frequencies = torch.tensor([0.0, 256.0, 1024.0])
        >>> centroid_and_spread(torch.tensor([9.0, 1.0, 1.0]), frequencies)
        (tensor(9.), tensor(1.))
    """
    octave = frequencies.clamp_min(LOWEST_HZ).log2()
    weight = magnitude * (frequencies >= LOWEST_HZ)
    weight = weight / weight.sum(-1, keepdim=True)
    centroid = (weight * octave).sum(-1)
    return centroid, (weight * (octave - centroid[..., None]) ** 2).sum(-1).sqrt()


def flatness_db(magnitude: Tensor) -> Tensor:
    """Return the spectral flatness: geometric over arithmetic mean of the power, in dB.

    Bins more than 60 dB below the largest one are raised to 60 dB below it.

    Args:
        magnitude: Linear, >= 0, ``(..., n_bins)``.

    Returns:
        dB, <= 0, ``(...,)``: 0 for a flat spectrum, about −2.5 for one frame of white noise, far lower for few
        partials; NaN for silence.

    Source:
        Johnston (1988), "Transform coding of audio signals using perceptual noise criteria".

    Example:
        >>> flatness_db(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])).round()
        tensor([  0., -35.])
    """
    peak = magnitude.amax(-1, keepdim=True)
    power = (magnitude / peak).square().clamp_min(db_to_amplitude(-FLOOR_DB) ** 2)
    return power_to_db(power).mean(-1) - power_to_db(power.mean(-1))


def descriptor_non_linearity(described: Sequence[Mapping[str, float]], ratios: Sequence[float]) -> float:
    """Return the mean deviation of the descriptors of a series of sounds from a linear change between A and B.

    For each descriptor in which A and B differ by more than ``JND``, the RMS deviation from the straight line between
    their values is divided by the difference of A and B and limited to 1.5. The result is the mean over these
    descriptors.

    Args:
        described: Descriptors from ``describe``: those of A, of B, and then of the sound at each ratio.
        ratios: Increasing ratios in 0…1.

    Returns:
        >= 0; 0 for a linear change, and if A and B differ in no descriptor.

    Raises:
        ValueError: If ``described`` does not have two more entries than ``ratios``.

    Source:
        Caetano and Rodet (2013), "Musical instrument sound morphing guided by perceptually motivated features", for
        the aim that features vary linearly; the formula is this project's.

    Example:
        >>> ends = [dict.fromkeys(JND, 0.0), dict.fromkeys(JND, 1.0)]
        >>> descriptor_non_linearity([*ends, *(dict.fromkeys(JND, x) for x in (0.0, 0.8, 1.0))], (0.0, 0.5, 1.0))
        0.173...
    """
    line = np.asarray(ratios, np.float64)
    faults = [
        min(WORST, float(np.sqrt(np.mean((values - a - line * (b - a)) ** 2))) / abs(b - a))
        for a, b, values in _moving(described, ratios)
    ]
    return float(np.mean(faults)) if faults else 0.0


def descriptor_path_efficiency(described: Sequence[Mapping[str, float]], ratios: Sequence[float]) -> float:
    """Return the path efficiency of the descriptors of a series of sounds, as a mean over the descriptors.

    For each descriptor in which A and B differ by more than ``JND``, the efficiency is the difference of A and B
    divided by the sum of all absolute steps of the series. If that is larger than 1, its inverse is taken, so that a
    constant series has the efficiency 0.

    Args:
        described: Descriptors from ``describe``: those of A, of B, and then of the sound at each ratio.
        ratios: Increasing ratios in 0…1.

    Returns:
        0…1; 1 if every descriptor changes monotonically from A to B, and if A and B differ in no descriptor.

    Raises:
        ValueError: If ``described`` does not have two more entries than ``ratios``.

    Example:
        >>> ends = [dict.fromkeys(JND, 0.0), dict.fromkeys(JND, 1.0)]
        >>> row = [dict.fromkeys(JND, x) for x in (0.0, 1.0, 0.5, 1.0)]
        >>> descriptor_path_efficiency([*ends, *row], (0.0, 0.3, 0.6, 1.0))
        0.5
    """
    shares = []
    for a, b, values in _moving(described, ratios):
        share = float(np.abs(np.diff(values)).sum()) / abs(b - a)
        shares.append(share if share < 1 else 1 / share)
    return float(np.mean(shares)) if shares else 1.0


def _moving(described: Sequence[Mapping[str, float]], ratios: Sequence[float]) -> list[tuple[float, float, Array]]:
    """Return the values of A, of B and of the series, for each descriptor that differs by more than ``JND``."""
    if len(described) != len(ratios) + 2:
        raise ValueError(f"A, B and one sound a ratio must be described, got {len(described)} for {len(ratios)} ratios")
    a, b, *row = described
    return [
        (a[name], b[name], np.array([sound[name] for sound in row]))
        for name, jnd in JND.items()
        if abs(b[name] - a[name]) > jnd
    ]
