"""Preparation of two sounds for a comparison: check of the shapes, and normalisation of the level."""

from torch import Tensor


def same_shape(estimate: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Return both tensors after a check that their shapes are equal.

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
    """Return sounds scaled to an RMS amplitude of 1.

    Args:
        audio: ``(..., samples)``; each sound is scaled separately.

    Returns:
        The same shape; silence stays silent.

    Example:
        >>> import torch
        >>> unit_rms(torch.tensor([3.0, -3.0]))
        tensor([ 1., -1.])
    """
    return audio / audio.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-10)
