"""The Gram matrix of infinitely many random filters, in closed form."""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.autograd.function import FunctionCtx

from intertone.config import Settings
from intertone.transfer.target import Difference, Target

MOST_PATCHES = 1500
"""Patches of a sound that are compared with all others, about; of a longer one every second or third and so on: memory
and time grow with the square of their number."""


class FilterKernelConfig(Settings):
    """Gram matrix of infinitely many random filters over time, without drawing one.

    For normal weights, the mean product of two ReLU outputs is ``|x|·|y|·(sin θ + (π − θ)·cos θ) / 2π``, where x and y
    are the patches of columns that a filter of this width sees, and θ is the angle between them. The squared distance
    of the Gram matrices is then the mean of this kernel squared over all pairs of patches, as with drawn filters.
    There is no draw to which a sound could be fitted: with drawn filters, it is fitted to them and not to others.

    Source:
        Cho and Saul (2009), "Kernel methods for deep learning", for the kernel; Ulyanov and Lebedev (2016) for the
        filters.
    """

    kind: Literal["filter-kernel"] = "filter-kernel"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((11,), min_length=1, description="columns of the filters")

    def build(self, reference: Tensor, frame_seconds: float) -> "FilterKernelTarget":
        """Return the target."""
        return FilterKernelTarget(self, reference)


class FilterKernelTarget(Target):
    """Patches of a reference."""

    def __init__(self, config: FilterKernelConfig, reference: Tensor) -> None:
        self.widths = config.widths
        self.reference = _columns(reference, max(config.widths))
        self.norms, self.powers = [], []
        for width in self.widths:
            products = _products(self.reference, self.reference, width)
            self.norms.append(_norms(products))
            self.powers.append(_kernel(products, self.norms[-1], self.norms[-1]).square().mean())

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference of the Gram matrices of each width."""
        columns = _columns(activations, max(self.widths))
        found = []
        for width, norms, power in zip(self.widths, self.norms, self.powers, strict=True):
            products = _products(columns, columns, width)
            own_norms = _norms(products)
            squared = _kernel(products, own_norms, own_norms).square().mean() + power
            across = _products(columns, self.reference, width)
            squared = squared - 2 * _kernel(across, own_norms, norms).square().mean()
            found.append(Difference(squared.clamp_min(0), power, 1))
        return found


def _columns(activations: Tensor, width: int) -> Tensor:
    """Return ``(channels, rows, columns)`` with at least ``width`` columns, completed by zeros."""
    rows = activations.flatten(1, -2)
    return torch.nn.functional.pad(rows, (0, max(0, width - rows.shape[-1])))


def _products(first: Tensor, second: Tensor, width: int) -> Tensor:
    """Return the inner products of patches of so many columns, ``(channels · n, channels · m)``, float64."""
    steps = [max(1, math.ceil(len(one) * one.shape[-1] / MOST_PATCHES)) for one in (first, second)]
    if max(steps) == 1:  # the products of columns serve all patches
        products = torch.einsum("crt,dru->ctdu", first, second).double()
        n, m = (one.shape[-1] - width + 1 for one in (first, second))
        summed = products[:, :n, :, :m]
        for k in range(1, width):
            summed = summed + products[:, k : k + n, :, k : k + m]
        return summed.flatten(2).flatten(0, 1)
    patches = [one.unfold(-1, width, step) for one, step in zip((first, second), steps, strict=True)]
    return torch.einsum("crtw,druw->ctdu", *patches).double().flatten(2).flatten(0, 1)


def _norms(products: Tensor) -> Tensor:
    """Return the lengths of patches from their products with each other, ``(n,)``."""
    return (products.diagonal() + 1e-12).sqrt()


def _kernel(products: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return the mean product of two outputs for all pairs of patches of these lengths."""
    lengths = first[:, None] * second
    kernel: Tensor = lengths * _MeanProduct.apply(products / lengths) / (2 * math.pi)
    return kernel


class _MeanProduct(torch.autograd.Function):
    """``sin θ + (π − θ)·cos θ`` of cos θ; its derivative, π − θ, is finite where that of θ is not."""

    @staticmethod
    def forward(context: FunctionCtx, cosine: Tensor) -> Tensor:
        """Return the values."""
        bounded = cosine.clamp(-1, 1)
        angle = torch.acos(bounded)
        context.save_for_backward(angle)
        return (1 - bounded.square()).sqrt() + (math.pi - angle) * bounded

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        """Return the gradient of the cosines."""
        (angle,) = context.saved_tensors  # type: ignore[attr-defined]  # the stub of the context lacks it
        return gradient * (math.pi - angle)
