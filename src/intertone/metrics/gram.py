"""Style distance as in neural style transfer: Gram matrices of random filters on a spectrogram."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from intertone.metrics.pair import unit_rms
from intertone.stft import SpectrogramConfig, stft

GRAM_STFT = SpectrogramConfig(sample_rate=16000, n_fft=2048, hop_length=512)
"""STFT with window and hop of the source in samples; the source uses 22,050 Hz."""

N_FILTERS, WIDTH = 4096, 11
GRAM_RMS = 0.1
"""RMS amplitude to which sounds are scaled (−20 dBFS), because log(1 + magnitude) depends on the level."""

EVALUATION_SEED = 2016_0913
"""Seed of the filters for evaluation; no method of style transfer in this package uses the same filters."""


def gram_distance(estimate: Tensor, reference: Tensor, *, n_filters: int = N_FILTERS, seed: int | None = None) -> float:
    """Return the squared distance of the Gram matrices of two sounds, relative to the squared norm of the reference's.

    ``‖G − G_ref‖² / ‖G_ref‖²`` with ``G = F·Fᵀ / n`` and ``F = ReLU(W * log(1 + |STFT|))``, where ``W`` are random
    filters of 11 frames over all bins and ``n`` is the number of frames. The computation uses ``‖F·Fᵀ‖ = ‖Fᵀ·F‖``,
    since there are far fewer frames than filters.

    Args:
        estimate: 16 kHz mono, ``(samples,)``, at least 0.32 s; its level does not matter.
        reference: The same, of any length; not silent.
        n_filters: Number of filters; the source has 4,096.
        seed: Seed of the filters; None: ``EVALUATION_SEED``.

    Returns:
        0 for equal matrices, 1 for a silent estimate; no upper bound.

    Raises:
        ValueError: If a sound has fewer frames than a filter or is not one-dimensional, or the reference is silent.

    Source:
        Ulyanov and Lebedev (2016), "Audio texture synthesis and style transfer", for filters and transform; Gatys et
        al. (2016), "Image style transfer using convolutional neural networks", for the matrix.

    Example:
        >>> sound = torch.randn(16000)
        >>> round(gram_distance(-0.5 * sound, sound, n_filters=64), 6)
        0.0
    """
    filters = random_filters(n_filters, EVALUATION_SEED if seed is None else seed)
    first, second = (_activations(sound, filters) for sound in (estimate, reference))
    own, other, across = (
        float((a.T @ b).square().sum()) for a, b in ((first, first), (second, second), (first, second))
    )
    if other == 0:
        raise ValueError("the reference must not be silent, got zeros")
    return max(0.0, (own - 2 * across + other) / other)


@lru_cache(maxsize=1)
def random_filters(n_filters: int, seed: int) -> Tensor:
    """Return the weights of random filters over all bins and 11 frames.

    The weights are normally distributed with the standard deviation ``√2·√(2 / ((n_bins + n_filters)·11))``. The last
    set of filters stays in memory (185 MB for 4,096).

    Args:
        n_filters: Number of filters.
        seed: Seed of the random weights.

    Returns:
        ``(n_filters, n_bins * 11)``, float32; time is the fastest index.
    """
    n_bins = GRAM_STFT.n_bins
    deviation = math.sqrt(2) * math.sqrt(2 / ((n_bins + n_filters) * WIDTH))
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_filters, n_bins * WIDTH, generator=generator).mul_(deviation)


def _activations(audio: Tensor, filters: Tensor) -> Tensor:
    """Return the filters' outputs, divided by the square root of the number of frames n, ``(n_filters, n)``."""
    if audio.ndim != 1:
        raise ValueError(f"audio must be (samples,), got {tuple(audio.shape)}")
    image = stft(GRAM_RMS * unit_rms(audio.float()), GRAM_STFT).abs().log1p()
    if image.shape[1] < WIDTH:
        raise ValueError(f"audio must have at least {WIDTH} frames of {GRAM_STFT.hop_length}, got {image.shape[1]}")
    columns = image.unfold(1, WIDTH, 1).permute(0, 2, 1).flatten(0, 1)
    return (filters @ columns).relu().double() / math.sqrt(columns.shape[1])
