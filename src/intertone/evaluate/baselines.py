"""Baselines of a codec: linear codes, and features of rank one.

The linear codes take features as they come. Features of rank one are a product of linear magnitudes: the scales of a
representation say how features become magnitudes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.models import Scale
from intertone.stft import db_to_magnitude, magnitude_to_db


@dataclass(frozen=True)
class LinearCode:
    """A principal component analysis of features, kept as the features that it was fitted to.

    Attributes:
        mean: Mean features, ``(n_features · n_frames,)``.
        images: Features less their mean, ``(n_images, n_features · n_frames)``.
        projector: ``(n_images, n_images)``; ``projector @ images`` is the projection on the components, seen from the
            products with ``images``.
        n_components: Numbers of the code.
    """

    mean: Tensor
    images: Tensor
    projector: Tensor
    n_components: int

    def reconstruct(self, features: Tensor) -> Tensor:
        """Return what the code keeps of ``(batch, n_features, n_frames)``."""
        flat = features.flatten(1).to(self.mean) - self.mean
        kept = (flat @ self.images.T) @ self.projector @ self.images + self.mean
        return kept.view_as(features).to(features)


def fit_linear_code(
    read: Callable[[slice], Tensor], n_images: int, n_components: int, *, batch_size: int = 32
) -> LinearCode:
    """Fit a principal component analysis by the Gram matrix of features.

    Args:
        read: Gives the features of a slice of 0…``n_images`` notes, ``(batch, n_features, n_frames)``.
        n_images: Notes to fit to; the features of all are held in memory, in 32 bits.
        n_components: Numbers of the code wanted; there are at most ``n_images − 1``.
        batch_size: Notes read at a time.

    Returns:
        The code.

    Raises:
        ValueError: If there are fewer than two notes.

    Source:
        Turk and Pentland (1991), "Eigenfaces for recognition": the eigenvectors of the small matrix of products.

    Example:
        >>> images = torch.randn(6, 2, 1) @ torch.randn(1, 5)  # each a column of its own times one row
        >>> code = fit_linear_code(lambda rows: images[rows], 6, 2)
        >>> torch.allclose(code.reconstruct(images), images, atol=1e-4)
        True
    """
    if n_images < 2:
        raise ValueError(f"a linear code must be fitted to at least two images, got {n_images}")
    images: Tensor | None = None
    for start in range(0, n_images, batch_size):
        rows = slice(start, min(start + batch_size, n_images))
        batch = read(rows).flatten(1).cpu()
        images = batch.new_empty(n_images, batch.shape[1]) if images is None else images
        images[rows] = batch
    assert images is not None
    mean = images.mean(0)
    images -= mean
    # numpy computes half of a product of a matrix with its own transpose
    values, vectors = np.linalg.eigh((images.numpy() @ images.numpy().T).astype(np.float64))
    n_components = min(n_components, n_images - 1)
    kept = values > max(values[-1], 0) * 1e-9
    kept[: n_images - n_components] = False
    vectors, values = vectors[:, kept], values[kept]
    projector = torch.from_numpy((vectors / values) @ vectors.T).float()
    return LinearCode(mean, images, projector, n_components)


def images_that_fit(n_bytes: float, *, cells: int, n_components: int, available: int) -> int:
    """Return how many training notes to fit to: as many as ``n_bytes`` hold, but at least 1.5 per component.

    Example:
        >>> images_that_fit(2e9, cells=512 * 251, n_components=2048, available=40000)
        3890
    """
    return min(available, max(math.floor(n_bytes / (4 * cells)), math.ceil(1.5 * n_components)))


def shows_magnitudes(scales: Sequence[Scale]) -> bool:
    """Return whether features can be turned into magnitudes."""
    return all(scale.kind in FROM_MAGNITUDE for scale in scales)


def rank_one(features: Tensor, scales: Sequence[Scale]) -> Tensor:
    """Return features of a mean spectrum times an envelope: a sound whose timbre never changes.

    On linear magnitudes: the mean over time times the mean over the rows. The peak is that of the features, of decibels
    0 dB; the energy is that of the context, as for all features.

    Args:
        features: ``(batch, n_features, n_frames)``.
        scales: Their scales.

    Returns:
        Features of the same shape.

    Raises:
        ValueError: If the features are no magnitudes.

    Example:
        >>> decibels = torch.tensor([[[0.0, -20.0], [-20.0, -40.0]]])
        >>> (rank_one(1 + decibels / 80, [Scale("decibels", 2, 80.0)]) - 1) * 80
        tensor([[[  0., -20.], [-20., -40.]]])
        >>> rank_one(torch.tensor([[[8.0, 4.0], [2.0, 1.0]]]), [Scale("linear", 2)])
        tensor([[[8., 4.], [2., 1.]]])
    """
    if not shows_magnitudes(scales):
        raise ValueError(f"features must be magnitudes, got {', '.join(scale.kind for scale in scales)}")
    groups = zip(features.split([scale.n_rows for scale in scales], -2), scales, strict=True)
    magnitude = torch.cat([TO_MAGNITUDE[scale.kind](part, scale) for part, scale in groups], -2)
    image = magnitude.mean(-1, keepdim=True) * magnitude.mean(-2, keepdim=True)
    image = image / image.amax((-2, -1), keepdim=True).clamp_min(1e-30)
    peak = magnitude.amax((-2, -1), keepdim=True)
    parts = zip(image.split([scale.n_rows for scale in scales], -2), scales, strict=True)
    return torch.cat([FROM_MAGNITUDE[scale.kind](part, peak, scale) for part, scale in parts], -2)


def _from_decibels(features: Tensor, scale: Scale) -> Tensor:
    return torch.where(features > 0, db_to_magnitude((features.clamp(0, 1) - 1) * scale.range_db, 1.0), 0)


TO_MAGNITUDE: Mapping[str, Callable[[Tensor, Scale], Tensor]] = {
    "decibels": _from_decibels,
    "log1p": lambda features, _: features.expm1(),
    "linear": lambda features, _: features,
}
"""Kind of a scale → magnitudes of features; kinds that are missing show no magnitudes."""

FROM_MAGNITUDE: Mapping[str, Callable[[Tensor, Tensor, Scale], Tensor]] = {
    "decibels": lambda image, _, scale: 1 + magnitude_to_db(image, 1.0, top_db=scale.range_db) / scale.range_db,
    "log1p": lambda image, peak, _: (image * peak).log1p(),
    "linear": lambda image, peak, _: image * peak,
}
"""Kind of a scale → features of magnitudes whose peak is 1, brought to a peak."""
