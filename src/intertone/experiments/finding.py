"""Test of a paper's finding, such as an order of networks by their errors: it holds, fails, or is undecided."""

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
    """A finding of a paper, whether it holds in the replay, and the figures of the replay."""

    sentence: str
    verdict: Verdict
    figures: str


@dataclass(frozen=True)
class Order:
    """Order of networks by increasing error, as a paper reports it, with the errors of the replay.

    Attributes:
        title: Title in tables.
        runs: Errors of all seeds of each network, in the order of the paper.
    """

    title: str
    runs: tuple[Sequence[float], ...]


def order_verdict(runs: Sequence[Sequence[float]]) -> Verdict:
    """Return whether the mean errors of networks increase in the given order by more than the spread of the seeds.

    Each network is compared with the next one. The spread is the difference of the highest and the lowest error over
    the seeds, the larger one of the two networks; with one seed it is 0. An order *holds* if every mean is larger than
    the preceding one by more than the spread, *fails* if one is smaller by more than the spread, and is *undecided*
    otherwise. An error is infinite if training stopped with an error.

    Args:
        runs: Errors of all seeds of each network, the network with the expected lowest error first.

    Example:
        >>> [order_verdict(runs) for runs in ([[1, 1.2], [2, 2.1]], [[2, 2.1], [1, 1.2]], [[1, 3], [2, 2]])]
        ['holds', 'fails', 'undecided']
    """
    return overall([_compare(first, second) for first, second in pairwise(runs)])


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the common verdict on several orders: ``fails`` if one fails, ``holds`` if all hold, else ``undecided``.

    Example:
        >>> overall(["holds", "undecided"]), overall(["undecided", "fails"]), overall(["holds"])
        ('undecided', 'fails', 'holds')
    """
    if "fails" in verdicts:
        return "fails"
    return "holds" if all(verdict == "holds" for verdict in verdicts) else "undecided"


def judge(sentence: str, orders: Sequence[Order], *, digits: int = 2) -> Finding:
    """Return the verdict on a finding that states one or more orders of networks by their errors.

    Args:
        sentence: The finding.
        orders: The orders; if a network of one of them was not trained, the finding is undecided.
        digits: Number of decimals of the figures.

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
    """Return a Markdown table of findings with verdicts and figures."""
    lines = [(finding.sentence, finding.verdict, finding.figures) for finding in findings]
    return markdown_rows(("the paper finds", "here", "figures"), lines)


def _compare(low: Sequence[float], high: Sequence[float]) -> Verdict:
    stopped = [all(isinf(value) for value in runs) for runs in (low, high)]
    if any(stopped):  # a network is worse if all of its seeds stopped with an error; a single seed is not enough
        return "undecided" if all(stopped) else "fails" if stopped[0] else "holds"
    if any(isinf(value) for value in (*low, *high)):
        return "undecided"
    spread = max(max(runs) - min(runs) for runs in (low, high))
    difference = mean(high) - mean(low)
    return "holds" if difference > spread else "fails" if -difference > spread else "undecided"
