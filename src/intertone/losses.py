"""Loss functions of training."""

import torch
from torch import Tensor
from torch.nn.functional import pad

AUDIBLE = 0.6
"""Level of harmonic features, 0…1, from which a cell has weight 1: 0.6 is 40 dB below the loudest at ``top_db=100``."""
FAINTEST = 0.05
"""Smallest weight of an existing cell: large enough that training does not raise the level of inaudible cells."""
SCALES, WIDER = 3, 4
"""Number of time resolutions of ``image_error``, and ratio between the lengths of their averages."""


def mean_squared_error(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the mean of ``(estimate − reference)²`` over all cells.

    Args:
        estimate: Features, ``(batch, n_features, n_frames)``.
        reference: Features of the same shape.

    Returns:
        Scalar, in squared units of the features; multiply by ``top_db²`` for dB².

    Source:
        Langer (2023), section 3.4.4.

    Example:
        >>> mean_squared_error(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))  # (1 + 4) / 2
        tensor(2.5000)
    """
    return (estimate - reference).square().mean()


def mean_absolute_error(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the mean of ``|estimate − reference|`` over all cells.

    Args:
        estimate: Features of any shape.
        reference: Features of the same shape.

    Returns:
        Scalar, in units of the features.

    Example:
        >>> mean_absolute_error(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))
        tensor(1.5000)
    """
    return (estimate - reference).abs().mean()


def squared_convergence(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return ``Σ(estimate − reference)² / Σ reference²``: the square of the spectral convergence.

    Args:
        estimate: Magnitudes of any shape.
        reference: Magnitudes of the same shape. For silence the result is large, but finite.

    Returns:
        Scalar without a unit.

    Source:
        Colonel, Curro and Keene (2018), whose code uses the squared ratio; spectral convergence is usually its root.

    Example:
        >>> squared_convergence(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0]))
        tensor(0.5000)
    """
    return (estimate - reference).square().sum() / reference.square().sum().clamp_min(1e-12)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence from the standard normal distribution, summed over the latent dimensions.

    Args:
        mean: ``(..., latent_dim)``.
        log_variance: Natural logarithm of the variance, of the same shape.

    Returns:
        Scalar in nats: the mean over all latent vectors.

    Source:
        Kingma and Welling (2014), "Auto-Encoding Variational Bayes", appendix B.

    Example:
        >>> gaussian_divergence(torch.ones(3, 2), torch.zeros(3, 2))
        tensor(1.)
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1).mean()


def existing_rows(orders: Tensor, f0: Tensor, *, n_features: int, f_max: float = 20000.0) -> Tensor:
    """Return which rows of the harmonic features exist for notes with these pitches.

    A row of partials exists if its lowest partial is not above ``f_max``; rows of noise bands always exist.

    Args:
        orders: Order of the lowest partial of each row of partials, ``(n_rows,)``; the rows after them are noise bands.
        f0: Hz, ``(batch,)``.
        n_features: Number of all rows.
        f_max: Highest frequency of a partial, Hz.

    Returns:
        Bool, ``(batch, n_features)``.

    Example:
        >>> existing_rows(torch.tensor([1, 2, 3]), torch.tensor([440.0, 8000.0]), n_features=4).int()
        tensor([[1, 1, 1, 1],
                [1, 1, 0, 1]], dtype=torch.int32)
    """
    partials = orders.to(f0) * f0.unsqueeze(-1) <= f_max
    return pad(partials, (0, n_features - len(orders)), value=True)


def audible_error(estimate: Tensor, reference: Tensor, exists: Tensor) -> Tensor:
    """Return the weighted mean of ``|estimate − reference|`` over the cells of harmonic features.

    A cell has weight 1 down to 40 dB below the loudest one, and below that the square of its level: 1/4 at 70 dB below.
    The weight depends on the louder of estimate and reference, so that added sound costs as much as missing sound. The
    mean is computed for each note first, so that a short note has the weight of a long one.

    Args:
        estimate: ``(batch, n_features, n_frames)``; 1 is the loudest cell of the note, 0 the floor.
        reference: Features of the same shape.
        exists: Rows that are compared, ``(batch, n_features)``, from ``existing_rows``.

    Returns:
        Scalar in units of the features; multiply by ``top_db`` for dB.

    Example:
        >>> reference = torch.tensor([[[1.0, 0.0], [0.5, 0.0]]])
        >>> round(float(audible_error(reference + 0.1, reference, torch.tensor([[True, False]]))), 4)
        0.1
    """
    level = torch.maximum(reference, estimate.detach())
    weight = (level / AUDIBLE).clamp(0, 1).square().clamp_min(FAINTEST) * exists.unsqueeze(-1)
    error = (weight * (estimate - reference).abs()).sum((1, 2))
    return (error / weight.sum((1, 2))).mean()


def image_error(estimate: Tensor, reference: Tensor, exists: Tensor) -> Tensor:
    """Return the mean of ``audible_error`` at three time resolutions: frames, and averages over 4 and 16 frames.

    Fast modulation cannot be predicted frame by frame, but its average can. Frames at the end that do not fill an
    average are left out; a resolution whose averages are longer than the sound is left out too.

    Args:
        estimate: ``(batch, n_features, n_frames)``; 1 is the loudest cell of the note, 0 the floor.
        reference: Features of the same shape.
        exists: Rows that are compared, ``(batch, n_features)``, from ``existing_rows``.

    Returns:
        Scalar in units of the features; multiply by ``top_db`` for dB.

    Example:
        >>> reference = torch.rand(2, 5, 40)
        >>> float(image_error(reference, reference, torch.ones(2, 5, dtype=torch.bool)))
        0.0
    """
    errors = [audible_error(estimate, reference, exists)]
    while len(errors) < SCALES and estimate.shape[-1] >= WIDER:
        estimate, reference = (_averages(image, WIDER) for image in (estimate, reference))
        errors.append(audible_error(estimate, reference, exists))
    return torch.stack(errors).mean()


def _averages(image: Tensor, width: int) -> Tensor:
    count = image.shape[-1] // width
    return image[..., : count * width].unflatten(-1, (count, width)).mean(-1)
