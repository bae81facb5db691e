"""The statistic of a reference, and the difference of another sound's from it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor


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
