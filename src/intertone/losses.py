"""What training minimises."""

from torch import Tensor


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
        >>> import torch
        >>> mean_squared_error(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))  # (1 + 4) / 2
        tensor(2.5000)
    """
    return (estimate - reference).square().mean()
