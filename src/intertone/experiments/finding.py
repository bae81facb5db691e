"""A paper's finding beside our figures: an order that holds, fails, or is undecided."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isinf
from statistics import mean
from typing import Literal

from intertone.page import markdown_rows

Verdict = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Finding:
    """A sentence of a paper, whether it holds here, and our figures."""

    sentence: str
    verdict: Verdict
    figures: str


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
    *undecided* otherwise. The spread is the difference of the highest and the lowest seed; with one seed it is 0. An
    infinite error is that of a network whose training was stopped.

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


def judge(sentence: str, orders: Sequence[Order], *, digits: int = 2) -> Finding:
    """Return whether all orders hold that a sentence of a paper speaks of.

    Args:
        sentence: What the paper finds.
        orders: The orders in question; one with a network that was not trained leaves the finding undecided.
        digits: Behind the point of the figures.

    Example:
        >>> judge("wide is better", [Order("", ([0.1, 0.12], [0.3, 0.31]))])
        Finding(sentence='wide is better', verdict='holds', figures='1.10e-01 < 3.05e-01')
    """
    judged = [order for order in orders if all(order.runs)]
    if not judged:
        return Finding(sentence, "undecided", "not trained")
    verdicts = [order_verdict(order.runs) for order in judged]
    means = ["; ".join(f"{mean(runs):.{digits}e}" for runs in order.runs) for order in judged]
    means = [
        text.replace("; ", " < " if verdict == "holds" else ", ") for text, verdict in zip(means, verdicts, strict=True)
    ]
    lines = [
        f"{order.title}: {verdict} ({values})" for order, verdict, values in zip(judged, verdicts, means, strict=True)
    ]
    figures = "; ".join(lines) if len(judged) > 1 else means[0]
    missing = len(orders) - len(judged)
    verdict = "undecided" if missing else overall(verdicts)
    return Finding(sentence, verdict, figures + (f"; {missing} not trained" if missing else ""))


def findings_table(findings: Sequence[Finding]) -> str:
    """Return findings beside our verdicts and figures."""
    lines = [(finding.sentence, finding.verdict, finding.figures) for finding in findings]
    return markdown_rows(("the paper finds", "here", "figures"), lines)


def _compare(low: Sequence[float], high: Sequence[float]) -> Verdict:
    stopped = [all(isinf(value) for value in runs) for runs in (low, high)]
    if any(stopped):  # a network that cannot be trained has lost; one of its seeds alone decides nothing
        return "undecided" if all(stopped) else "fails" if stopped[0] else "holds"
    if any(isinf(value) for value in (*low, *high)):
        return "undecided"
    spread = max(max(runs) - min(runs) for runs in (low, high))
    difference = mean(high) - mean(low)
    return "holds" if difference > spread else "fails" if -difference > spread else "undecided"
