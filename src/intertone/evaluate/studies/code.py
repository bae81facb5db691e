"""Statistics of the latent code: how many of its dimensions are active, and how much they correlate."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.study import Draw, Shown, Study
from intertone.latent import latent_plane
from intertone.page import Picture, Table, percent
from intertone.plot import curves_png, map_png

ACTIVE_SHARE = 0.01
"""Least variance of an active dimension, as a share of the largest variance of a dimension."""


MOST_ON_MAP = 256
"""Largest number of notes on the map of latent codes."""


@dataclass(frozen=True)
class CodeStatistics:
    """Statistics of the latent codes of many notes.

    Attributes:
        n_dimensions: Dimensions of a latent vector.
        n_vectors: Number of latent vectors.
        mean_correlation: Mean of |Pearson's r| over all pairs of different dimensions; None if fewer than two
            dimensions vary.
        active: Number of dimensions whose variance is at least 1 % of the largest.
        participation: Participation ratio ``(Σλ)² / Σλ²`` of the eigenvalues λ of the covariance: the effective number
            of dimensions, from 1 to ``n_dimensions`` (all of equal variance).
        n_for_95: Number of principal components that hold 95 % of the variance.
        variance_share: Pairs ``(n, share)`` of the variance in the first n principal components, n = 1, 2, 4….
        mean: Mean of all values.
        std: Standard deviation of all values.
        over_time: Share of the variance that is within notes, over time; None: a note has one latent vector only.
    """

    n_dimensions: int
    n_vectors: int
    mean_correlation: float | None
    active: int
    participation: float
    n_for_95: int
    variance_share: tuple[tuple[int, float], ...]
    mean: float
    std: float
    over_time: float | None


@dataclass(frozen=True)
class Place:
    """Coordinates of a note on the two largest principal components, and its instrument family."""

    x: float
    y: float
    family: str


@dataclass(frozen=True)
class Code:
    """Statistics of the latent codes, and a map of the first notes; a code of one dimension has no map."""

    statistics: CodeStatistics
    plane: tuple[Place, ...]


class CodeStudy(Study[Code]):
    """Study of the latent codes: statistics and a map."""

    name = "code"

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Code:
        """Return the statistics of the latent codes of all notes, and the map."""
        latents = draw.reconstructions().latents
        drawn = latents[:MOST_ON_MAP] if latents.shape[1] > 1 else latents[:0]
        families = [str(name) for name in notes.family[draw.rows[: len(drawn)]]]
        points = latent_plane(drawn).tolist() if len(drawn) else []
        plane = tuple(Place(round(x, 6), round(y, 6), name) for (x, y), name in zip(points, families, strict=True))
        return Code(latent_statistics(latents), plane)

    def show(self, result: Code) -> Shown:
        """Return the statistics as a table, a curve, a map and a sentence."""
        pictures = (_curve(result.statistics), *([_map(result.plane)] if result.plane else []))
        return Shown("The code", (_table(result.statistics),), (_sentence(result.statistics),), pictures)


def latent_statistics(latents: Tensor) -> CodeStatistics:
    """Return statistics of the latent codes of many notes.

    Every latent vector, at any time of any note, is one observation. A constant dimension has no correlation and is
    left out of the mean correlation.

    Args:
        latents: ``(n, latent_dim, n_latents)``, with at least two latent vectors in all.

    Returns:
        The statistics.

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
        >>> round(found.mean_correlation, 3), found.active, round(found.participation, 3)
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
    return CodeStatistics(
        n_dimensions=n_dimensions,
        n_vectors=len(vectors),
        mean_correlation=_mean_correlation(covariance),
        active=int((variance >= ACTIVE_SHARE * variance.max().clamp_min(1e-300)).sum()),
        participation=_rounded(values.sum() ** 2 / values.square().sum().clamp_min(1e-300)),
        n_for_95=min(int((shares < 0.95).sum()) + 1, n_dimensions),
        variance_share=tuple((count, _rounded(shares[count - 1])) for count in counts),
        mean=_rounded(latents.double().mean()),
        std=_rounded(latents.double().std(correction=0)),
        over_time=None if within is None else _rounded(within / total.clamp_min(1e-300)),
    )


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


def _table(found: CodeStatistics) -> Table:
    correlation = "–" if found.mean_correlation is None else f"{found.mean_correlation:.3f}"
    rows = [
        ("dimensions of a latent vector", f"{found.n_dimensions:,}"),
        ("of them active", f"{found.active:,}"),
        ("participation ratio of the covariance", f"{found.participation:.1f}"),
        ("principal components for 95 % of the variance", f"{found.n_for_95:,}"),
        ("mean absolute correlation of two dimensions", correlation),
        ("mean of all numbers", f"{found.mean:.3f}"),
        ("standard deviation of all numbers", f"{found.std:.3f}"),
        ("variance within notes, over time", percent(found.over_time)),
    ]
    return Table(
        "The code",
        f"Of {found.n_vectors:,} latent vectors of the evaluated notes. Active: a variance of at least "
        f"{100 * ACTIVE_SHARE:g} % of the largest one. Participation ratio: the effective number of dimensions, "
        "(Σλ)² / Σλ² of the eigenvalues of the covariance.",
        ("statistic", "value"),
        rows,
    )


def _curve(found: CodeStatistics) -> Picture:
    counts, shares = zip(*found.variance_share, strict=True)
    curve = {"share": [100 * share for share in shares]}
    png = curves_png(curve, counts, x_label="principal components", y_label="variance held, %", log_x=True)
    alt = "; ".join(f"{count}: {100 * share:.0f} %" for count, share in found.variance_share)
    return Picture(png, f"Curve of the variance held: {alt}", "Variance of the code held by its first components.")


def _map(plane: tuple[Place, ...]) -> Picture:
    families = [place.family for place in plane]
    x, y = [place.x for place in plane], [place.y for place in plane]
    png = map_png(x, y, families, x_label="first component", y_label="second component")
    caption = f"The mean codes of {len(plane)} notes in the plane of their two largest components, by family."
    return Picture(png, f"Map of the codes of {len(plane)} notes of {len(set(families))} families", caption)


def _sentence(found: CodeStatistics) -> str:
    text = f"The code has {found.n_dimensions:,} dimensions, {found.active:,} of them active; its effective number of "
    text += f"dimensions (participation ratio) is {found.participation:.0f}"
    if found.mean_correlation is not None:
        text += f"; the mean absolute correlation of two dimensions is {found.mean_correlation:.2f}"
    return text + "."
