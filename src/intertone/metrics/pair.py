"""Preparation of a comparison: equal shapes and equal levels."""

from torch import Tensor


def same_shape(estimate: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Return both, after checking that they can be compared.

    Args:
        estimate: Any shape.
        reference: The same shape.

    Returns:
        ``(estimate, reference)``.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> same_shape(torch.zeros(2), torch.zeros(3))
        Traceback (most recent call last):
        ...
        ValueError: shapes must be equal, got (2,) and (3,)
    """
    if estimate.shape != reference.shape:
        raise ValueError(f"shapes must be equal, got {tuple(estimate.shape)} and {tuple(reference.shape)}")
    return estimate, reference


def unit_rms(audio: Tensor) -> Tensor:
    """Return the sound at RMS 1.

    Args:
        audio: ``(..., samples)``; each row is scaled by itself.

    Returns:
        The same shape; silence stays silent.

    Example:
        >>> import torch
        >>> unit_rms(torch.tensor([3.0, -3.0]))
        tensor([ 1., -1.])
    """
    return audio / audio.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-10)
