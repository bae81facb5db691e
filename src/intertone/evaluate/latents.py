"""What a code looks like: how many of its dimensions work, and how much they say the same."""

import math
from typing import Any

import torch
from torch import Tensor

ACTIVE_SHARE = 0.01
"""Of the largest variance of a dimension; a dimension with less counts as inactive."""


def latent_statistics(latents: Tensor) -> dict[str, Any]:
    """Return statistics of the code of many notes.

    Every latent vector, one a note and place in time, is an observation; a dimension that never moves correlates with
    nothing and is left out of the correlations.

    Args:
        latents: ``(n, latent_dim, n_latents)``; at least two latent vectors.

    Returns:
        ``n_dimensions``, ``n_vectors``; ``mean_correlation``, the mean of |Pearson's r| over all pairs of different
        dimensions, None where fewer than two move; ``active``, the dimensions whose variance is at least 1 % of the
        largest; ``participation``, ``(Σλ)² / Σλ²`` of the eigenvalues λ of the covariance, the number of dimensions
        of an even code of this spread; ``n_for_95``, principal components that hold 95 % of the variance;
        ``variance_share``, ``[n, share]`` of the variance in the first n of them, n = 1, 2, 4…; ``mean`` and ``std``
        of all numbers; ``over_time``, the share of the variance that is within notes, None where a note has one
        vector only.

    Raises:
        ValueError: If there are fewer than two latent vectors.

    Source:
        Roche et al. (2019), "Autoencoders for music sound modeling", the mean absolute correlation. Active units:
        Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", with a limit relative to the largest
        variance instead of 0.01, since these codes have no fixed scale. Participation ratio: Gao et al.
        (2017), "A theory of multineuronal dimensionality, dynamics and measurement".

    Example:
        >>> vectors = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
        >>> found = latent_statistics(torch.stack([vectors, -2 * vectors, 0.001 * vectors], 1))
        >>> round(found["mean_correlation"], 3), found["active"], round(found["participation"], 3)
        (1.0, 2, 1.0)
    """
    n_dimensions, n_latents = latents.shape[1:]
    vectors = latents.double().transpose(1, 2).reshape(-1, n_dimensions)
    if len(vectors) < 2:
        raise ValueError(f"latents must hold at least two vectors, got {len(vectors)}")
    covariance = torch.cov(vectors.T).reshape(n_dimensions, n_dimensions)
    variance = covariance.diagonal()
    values = torch.linalg.eigvalsh(covariance).flip(0).clamp_min(0)
    shares = (values.cumsum(0) / values.sum().clamp_min(1e-300)).clamp_max(1)
    counts = sorted({min(2**power, n_dimensions) for power in range(math.ceil(math.log2(n_dimensions)) + 1)})
    within = latents.double().var(-1, correction=0).mean(0).sum() if n_latents > 1 else None
    total = vectors.var(0, correction=0).sum()
    return {
        "n_dimensions": n_dimensions,
        "n_vectors": len(vectors),
        "mean_correlation": _mean_correlation(covariance),
        "active": int((variance >= ACTIVE_SHARE * variance.max().clamp_min(1e-300)).sum()),
        "participation": _rounded(values.sum() ** 2 / values.square().sum().clamp_min(1e-300)),
        "n_for_95": min(int((shares < 0.95).sum()) + 1, n_dimensions),
        "variance_share": [[count, _rounded(shares[count - 1])] for count in counts],
        "mean": _rounded(latents.double().mean()),
        "std": _rounded(latents.double().std(correction=0)),
        "over_time": None if within is None else _rounded(within / total.clamp_min(1e-300)),
    }


def latent_plane(latents: Tensor) -> Tensor:
    """Return where notes lie in the plane of the two principal components of their mean codes.

    Args:
        latents: ``(n, latent_dim, n_latents)``, at least two dimensions.

    Returns:
        ``(n, 2)``; the larger entry of each axis counts as its positive side.

    Example:
        >>> codes = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])[..., None]
        >>> latent_plane(codes).abs()
        tensor([[3., 0.], [3., 0.], [0., 1.], [0., 1.]])
    """
    means = latents.double().mean(-1)
    means = means - means.mean(0)
    axes = torch.linalg.svd(means, full_matrices=False).Vh
    axes = torch.nn.functional.pad(axes, (0, 0, 0, max(0, 2 - len(axes))))[:2]
    place = axes.abs().argmax(1, keepdim=True)
    return (means @ (axes * axes.gather(1, place).sign()).T).float()


def _mean_correlation(covariance: Tensor) -> float | None:
    spread = covariance.diagonal().sqrt()
    moving = spread > 1e-9 * spread.max()
    if int(moving.sum()) < 2:
        return None
    correlation = covariance[moving][:, moving] / torch.outer(spread[moving], spread[moving])
    n_moving = len(correlation)
    return _rounded((correlation.abs().sum() - n_moving) / (n_moving * (n_moving - 1)))


def _rounded(value: Tensor) -> float:
    return round(float(value), 6)
