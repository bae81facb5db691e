"""Operations on latents ``(batch, latent_dim, n_latents)``: pure functions that serve every model."""

from torch import Tensor


def lerp(a: Tensor, b: Tensor, mix: float) -> Tensor:
    """Return ``(1 − mix)·a + mix·b``, element by element.

    Args:
        a: Latents at mix 0.
        b: Latents at mix 1, the shape of ``a``.
        mix: Any finite number; beyond 0…1 it extrapolates.

    Returns:
        Latents of the same shape; exactly ``a`` at 0 and ``b`` at 1.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Langer (2023), section 3.5.

    Example:
        >>> import torch
        >>> lerp(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0]), 0.5)
        tensor([0.5000, 2.0000])
    """
    if a.shape != b.shape:
        raise ValueError(f"latents must have equal shapes, got {tuple(a.shape)} and {tuple(b.shape)}")
    return (1 - mix) * a + mix * b
