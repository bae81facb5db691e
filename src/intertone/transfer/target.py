"""The statistic of a reference, and the difference of another sound's from it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


class Difference(NamedTuple):
    """Difference of two statistics, from which every divergence is computed.

    Attributes:
        squared: Sum of the squared differences of all entries, ``()``.
        reference: Sum of the squared entries of the reference, ``()``.
        size: Number of entries.
    """

    squared: Tensor
    reference: Tensor
    size: int


class Target(ABC):
    """The statistic of a reference, computed once."""

    @abstractmethod
    def differences(self, activations: Tensor) -> list[Difference]:
        """Return how far the statistic of other activations lies from that of the reference, part by part."""


def positions(activations: Tensor) -> Tensor:
    """Return ``(filters, n_positions)`` of ``(channels, filters, …)``: all places of all channels in one row."""
    return activations.flatten(2).transpose(0, 1).flatten(1)


def difference_of(estimate: Tensor, reference: Tensor) -> Difference:
    """Return the difference of two arrays of one shape."""
    return Difference((estimate - reference).square().sum(), reference.square().sum(), reference.numel())


def products(rows: Tensor) -> Tensor:
    """Return the inner products of rows with each other.

    Args:
        rows: ``(…, n, length)``.

    Returns:
        ``(…, n, n)``, symmetric.
    """
    found: Tensor = _Products.apply(rows)
    return found


class _Products(torch.autograd.Function):
    """``rows · rowsᵀ``; its gradient needs one product of matrices, where those of two different factors need two.

    The gradient lies in memory as the rows do: sums of arrays that lie in different ways take several times as long.
    """

    @staticmethod
    def forward(context: FunctionCtx, rows: Tensor) -> Tensor:
        """Return the products."""
        context.save_for_backward(rows)
        return rows @ rows.mT

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        """Return the gradient of the rows."""
        (rows,) = context.saved_tensors  # type: ignore[attr-defined]  # the stub of the context lacks it
        both = gradient + gradient.mT
        return both @ rows if rows.stride(-1) == 1 else (rows.mT @ both).mT
