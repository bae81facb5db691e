"""Structural similarity (SSIM) of spectrograms."""

import torch
from torch import Tensor

from intertone.metrics.decibel import FLOOR_DB, decibel_images
from intertone.metrics.pair import same_shape

WINDOW_SIZE = 11
WINDOW_SIGMA = 1.5
STABILISERS = (0.01**2, 0.03**2)
"""Constants C₁ = (K1·L)² and C₂ = (K2·L)² of SSIM for values of range L = 1."""


def structural_similarity(estimate: Tensor, reference: Tensor, *, floor_db: float = FLOOR_DB) -> Tensor:
    """Return the structural similarity of two sounds' dB spectrograms (SSIM).

    It is the ``image_similarity`` of ``1 + D / floor_db`` with ``D`` from ``decibel_images``; 1 is the loudest cell of
    the reference and 0 the floor. Cells at the floor in both sounds are similar, so long silence increases the value.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``; its level does not matter.
        reference: The same shape, at least 2305 samples (11 frames).
        floor_db: Floor in dB below the reference's loudest cell.

    Returns:
        -1…1, ``(...,)``; 1 for sounds that differ in gain or polarity only, above 0.995 for a note delayed by 5 ms.

    Raises:
        ValueError: If the shapes differ, or the sounds have fewer than 2305 samples.

    Source:
        That of ``image_similarity``. Natsiou, Longo and O'Leary (2023), arXiv 2301.07665, use it on spectrograms and
        find that it does not reflect the quality.

    Example:
        >>> sound = torch.randn(1, 16000)
        >>> round(float(structural_similarity(-0.5 * sound, sound)), 3)
        1.0
    """
    first, second = (1 + image / floor_db for image in decibel_images(estimate, reference, floor_db=floor_db))
    return image_similarity(first, second)


def image_similarity(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the structural similarity of two images (SSIM).

    ``(2·μ₁·μ₂ + C₁)·(2·σ₁₂ + C₂) / ((μ₁² + μ₂² + C₁)·(σ₁² + σ₂² + C₂))`` with ``C₁ = 0.01²`` and ``C₂ = 0.03²``, where
    means μ, variances σ² and the covariance σ₁₂ are local, under a Gaussian window of 11×11 with σ = 1.5. The result is
    the mean over all positions at which the window is inside the image.

    Args:
        estimate: ``(..., height, width)``, values of 0…1, at least 11 × 11.
        reference: The same shape.

    Returns:
        -1…1, ``(...,)``; 1 for equal images.

    Raises:
        ValueError: If the shapes differ, or an image is smaller than the window.

    Source:
        Wang, Bovik, Sheikh and Simoncelli (2004), "Image quality assessment: from error visibility to structural
        similarity", equation 13; agrees with scikit-image's ``structural_similarity`` with ``gaussian_weights=True``,
        ``use_sample_covariance=False`` and ``data_range=1``.

    Example:
        >>> image = torch.rand(2, 64, 32)
        >>> image_similarity(image, image)
        tensor([1., 1.])
    """
    first, second = (image.double() for image in same_shape(estimate, reference))
    if first.ndim < 2 or min(first.shape[-2:]) < WINDOW_SIZE:
        size = f"(..., height, width) of at least {WINDOW_SIZE} × {WINDOW_SIZE}"
        raise ValueError(f"images must be {size}, got {tuple(estimate.shape)}")
    mean_1, mean_2 = _blur(first), _blur(second)
    variance_1 = _blur(first * first) - mean_1**2
    variance_2 = _blur(second * second) - mean_2**2
    covariance = _blur(first * second) - mean_1 * mean_2
    c_1, c_2 = STABILISERS
    luminance = (2 * mean_1 * mean_2 + c_1) / (mean_1**2 + mean_2**2 + c_1)
    structure = (2 * covariance + c_2) / (variance_1 + variance_2 + c_2)
    return (luminance * structure).mean((-2, -1)).to(estimate.dtype)


def _blur(image: Tensor) -> Tensor:
    """Return the local means under the Gaussian window, with 10 rows and columns fewer than ``image``."""
    place = torch.arange(WINDOW_SIZE, dtype=image.dtype, device=image.device) - WINDOW_SIZE // 2
    window = torch.exp(-0.5 * (place / WINDOW_SIGMA) ** 2)
    window = window / window.sum()
    for axis in (-2, -1):
        image = image.unfold(axis, WINDOW_SIZE, 1) @ window
    return image
