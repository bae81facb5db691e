"""Operations on latents ``(batch, latent_dim, n_latents)`` of any model."""

import torch
from torch import Tensor


def lerp(a: Tensor, b: Tensor, mix: float) -> Tensor:
    """Return ``(1 − mix)·a + mix·b``, element by element.

    Args:
        a: Latents at mix 0.
        b: Latents at mix 1, the shape of ``a``.
        mix: Any finite number; values outside 0…1 extrapolate.

    Returns:
        Latents of the same shape; exactly ``a`` at 0 and ``b`` at 1.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Langer (2023), section 3.5.

    Example:
        >>> lerp(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0]), 0.5)
        tensor([0.5000, 2.0000])
    """
    if a.shape != b.shape:
        raise ValueError(f"latents must have equal shapes, got {tuple(a.shape)} and {tuple(b.shape)}")
    return (1 - mix) * a + mix * b


def latent_plane(latents: Tensor) -> Tensor:
    """Return the first two principal components of the codes of notes, averaged over time.

    Args:
        latents: ``(n, latent_dim, n_latents)``; ``latent_dim`` is at least 2.

    Returns:
        Coordinates, ``(n, 2)``. The sign of each axis is such that its entry of largest magnitude is positive.

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
