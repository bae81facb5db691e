"""A paper's finding beside our figures: an order that holds, fails, or is undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import Literal

Verdict = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Order:
    """Networks in the order of their errors, as a paper reports it.

    Attributes:
        title: For tables.
        runs: Errors of all seeds of each network, the one that shall be lowest first.
    """

    title: str
    runs: tuple[Sequence[float], ...]


def order_verdict(runs: Sequence[Sequence[float]]) -> Verdict:
    """Return whether the means of neighbours stand in their order, farther apart than the seeds of either spread.

    An order *holds* if all neighbours do, *fails* if two of them stand the other way by more than the spread, and is
    *undecided* otherwise. The spread is the difference of the highest and the lowest seed.

    Args:
        runs: Errors of all seeds of each network, the one that shall be lowest first.

    Returns:
        The verdict.

    Example:
        >>> [order_verdict(runs) for runs in ([[1, 1.2], [2, 2.1]], [[2, 2.1], [1, 1.2]], [[1, 3], [2, 2]])]
        ['holds', 'fails', 'undecided']
    """
    return overall([_compare(first, second) for first, second in pairwise(runs)])


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict on several orders together: one that fails makes all fail, all must hold.

    Example:
        >>> overall(["holds", "undecided"]), overall(["undecided", "fails"]), overall(["holds"])
        ('undecided', 'fails', 'holds')
    """
    if "fails" in verdicts:
        return "fails"
    return "holds" if all(verdict == "holds" for verdict in verdicts) else "undecided"


def _compare(low: Sequence[float], high: Sequence[float]) -> Verdict:
    spread = max(max(runs) - min(runs) for runs in (low, high))
    difference = mean(high) - mean(low)
    return "holds" if difference > spread else "fails" if -difference > spread else "undecided"
