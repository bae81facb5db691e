"""Baselines of a codec: a linear code (PCA) of the features, and a rank-one approximation of the magnitudes.

The linear code uses the features unchanged. The rank-one approximation converts features to linear magnitudes first,
by the scales of the representation.
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
    """Principal component analysis of features, stored in its dual form: as the features that it was fitted to.

    Attributes:
        mean: Mean of the features over the notes, ``(n_features · n_frames,)``.
        images: Features minus their mean, ``(n_images, n_features · n_frames)``.
        projector: ``V Λ⁻¹ Vᵀ`` of the kept eigenvectors of the Gram matrix, ``(n_images, n_images)``;
            ``images.T @ projector @ images`` is the projection on the principal components.
        n_components: Number of principal components.
    """

    mean: Tensor
    images: Tensor
    projector: Tensor
    n_components: int

    def reconstruct(self, features: Tensor) -> Tensor:
        """Return the features ``(batch, n_features, n_frames)`` projected on the principal components."""
        flat = features.flatten(1).to(self.mean) - self.mean
        kept = (flat @ self.images.T) @ self.projector @ self.images + self.mean
        return kept.view_as(features).to(features)


def fit_linear_code(
    read: Callable[[slice], Tensor], n_images: int, n_components: int, *, batch_size: int = 32
) -> LinearCode:
    """Return a principal component analysis that is fitted through the Gram matrix of the features.

    Args:
        read: Returns the features of a slice of the notes 0…``n_images``, ``(batch, n_features, n_frames)``.
        n_images: Number of notes; the features of all are held in memory as 32-bit floats.
        n_components: Desired number of components; ``n_images − 1`` is the largest possible one.
        batch_size: Number of notes that are read at a time.

    Returns:
        The fitted code.

    Raises:
        ValueError: If ``n_images`` < 2.

    Source:
        Turk and Pentland (1991), "Eigenfaces for recognition": the eigenvectors of the small matrix of products.

    Example:
        >>> images = torch.randn(6, 2, 1) @ torch.randn(1, 5)  # six columns, all times the same row
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
    # numpy computes only half of a product of a matrix and its transpose, which is symmetric
    values, vectors = np.linalg.eigh((images.numpy() @ images.numpy().T).astype(np.float64))
    n_components = min(n_components, n_images - 1)
    kept = values > max(values[-1], 0) * 1e-9
    kept[: n_images - n_components] = False
    vectors, values = vectors[:, kept], values[kept]
    projector = torch.from_numpy((vectors / values) @ vectors.T).float()
    return LinearCode(mean, images, projector, n_components)


def images_that_fit(n_bytes: float, *, cells: int, n_components: int, available: int) -> int:
    """Return the number of training notes for the PCA: as many as fit into ``n_bytes``, at least 1.5 per component.

    ``cells`` is the number of feature values of a note; the result is never larger than ``available``.

    Example:
        >>> images_that_fit(2e9, cells=512 * 251, n_components=2048, available=40000)
        3890
    """
    return min(available, max(math.floor(n_bytes / (4 * cells)), math.ceil(1.5 * n_components)))


def shows_magnitudes(scales: Sequence[Scale]) -> bool:
    """Return whether all scales can be converted to linear magnitudes."""
    return all(scale.kind in FROM_MAGNITUDE for scale in scales)


def rank_one(features: Tensor, scales: Sequence[Scale]) -> Tensor:
    """Return the features of mean spectrum × mean envelope: a sound whose timbre does not change over time.

    On linear magnitudes, the mean over time is multiplied by the mean over the rows. The result has the peak of the
    input (decibel features: 0 dB).

    Args:
        features: ``(batch, n_features, n_frames)``.
        scales: The scales of the features.

    Returns:
        Features of the same shape.

    Raises:
        ValueError: If a scale cannot be converted to magnitudes.

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
"""Kind of a scale → function that converts features to linear magnitudes; other kinds are no magnitudes."""

FROM_MAGNITUDE: Mapping[str, Callable[[Tensor, Tensor, Scale], Tensor]] = {
    "decibels": lambda image, _, scale: 1 + magnitude_to_db(image, 1.0, top_db=scale.range_db) / scale.range_db,
    "log1p": lambda image, peak, _: (image * peak).log1p(),
    "linear": lambda image, peak, _: image * peak,
}
"""Kind of a scale → function that scales magnitudes of peak 1 to a given peak and converts them to features."""
