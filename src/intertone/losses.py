"""Losses that training minimises."""

import torch
from torch import Tensor
from torch.nn.functional import pad

AUDIBLE = 0.6
"""Level of a harmonic image from which a cell counts in full: 40 dB below the loudest where 1 stands for 100 dB."""

FAINTEST = 0.05
"""Weight of the cells that nobody hears, against 1: enough to keep them down."""

SCALES, WIDER = 3, 4
"""Number of comparisons of the levels; each averages over ``WIDER`` times as many frames as the one before."""


def mean_squared_error(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the mean of ``(estimate − reference)²`` over all cells.

    Args:
        estimate: Features, ``(batch, n_features, n_frames)``.
        reference: Features of the same shape.

    Returns:
        Scalar, in squared units of the features: times ``top_db²`` for dB².

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
        reference: Magnitudes of the same shape; silence alone gives a large number, not infinity.

    Returns:
        Scalar without a unit.

    Source:
        Colonel, Curro and Keene (2018), whose code takes the squared ratio; elsewhere the root is meant.

    Example:
        >>> squared_convergence(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0]))
        tensor(0.5000)
    """
    return (estimate - reference).square().sum() / reference.square().sum().clamp_min(1e-12)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of normal distributions from the standard one, summed over a code.

    Args:
        mean: ``(..., latent_dim)``.
        log_variance: Natural logarithm of the variance, of the same shape.

    Returns:
        Scalar in nats: the mean over all codes.

    Source:
        Kingma and Welling (2014), "Auto-Encoding Variational Bayes", appendix B.

    Example:
        >>> gaussian_divergence(torch.ones(3, 2), torch.zeros(3, 2))
        tensor(1.)
    """
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(-1).mean()


def existing_rows(orders: Tensor, f0: Tensor, *, n_features: int, f_max: float = 20000.0) -> Tensor:
    """Say which rows of a harmonic image exist for notes of these pitches.

    A row of partials exists if its lowest partial lies at ``f_max`` or below; rows of noise always do.

    Args:
        orders: Number of the lowest partial of each row of partials, ``(n_rows,)``; the rows after them are noise.
        f0: Hz, ``(batch,)``.
        n_features: Rows of the image.
        f_max: Hz.

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
    """Return the mean of ``|estimate − reference|`` over the cells of harmonic images, the audible ones above all.

    A cell counts in full down to 40 dB below the loudest, then with the square of its level: a quarter at 70 dB below.
    The level is that of the louder of the two, so that sound where there should be none costs as much as sound that is
    missing. The mean is taken note by note: a short note counts as much as a long one.

    Args:
        estimate: ``(batch, n_features, n_frames)``; 1 is the loudest cell of the note, 0 the floor.
        reference: Features of the same shape.
        exists: Rows that count, ``(batch, n_features)``, from ``existing_rows``.

    Returns:
        Scalar in units of the features: times ``top_db`` for dB.

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
    """Return the mean of ``audible_error`` of the frames, of averages over 4 of them, and over 16.

    Modulation from frame to frame cannot be predicted; its average over some time can. Frames that do not
    fill an average are left out of it; a sound that is too short for one is compared without.

    Args:
        estimate: ``(batch, n_features, n_frames)``; 1 is the loudest cell of the note, 0 the floor.
        reference: Features of the same shape.
        exists: Rows that count, ``(batch, n_features)``, from ``existing_rows``.

    Returns:
        Scalar in units of the features: times ``top_db`` for dB.

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
