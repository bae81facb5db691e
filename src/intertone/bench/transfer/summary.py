"""Summary of a transfer bench: means over the pairs with confidence intervals, and differences from the baselines."""

from collections.abc import Mapping
from typing import TypedDict

from intertone.bench.summary import bootstrap_interval
from intertone.bench.transfer.measure import FIGURES
from intertone.bench.transfer.methods import BASELINES
from intertone.bench.transfer.run import TRUTH, TransferRow


class Interval(TypedDict):
    """Mean over the pairs with its 95 % bootstrap confidence interval."""

    mean: float
    low: float
    high: float


class TransferSummary(TypedDict):
    """Summary of one method over all pairs.

    ``n``: number of pairs. ``figures``: metric → mean. ``gains``: baseline → metric → mean difference from this
    baseline, positive where the method is better. ``seconds``: mean computing time.
    """

    n: int
    figures: dict[str, Interval]
    gains: dict[str, dict[str, Interval]]
    seconds: float


def summarise_transfers(rows: Mapping[str, Mapping[str, TransferRow]], *, seed: int = 0) -> dict[str, TransferSummary]:
    """Return a summary of each method.

    Args:
        rows: Pair → method → row, from ``run_transfers``; at least one pair.
        seed: Seed of the bootstrap.

    Returns:
        Method → summary, in the order of the rows. A gain is the mean of the paired differences from a baseline,
        positive where the method is better; it is significant where its interval does not contain 0.
    """
    methods = list(next(iter(rows.values())))
    return {name: _summary(rows, name, seed) for name in methods}


def figures_won(summary: Mapping[str, TransferSummary], name: str) -> list[str]:
    """Return the metrics, of likeness to the style and to the ground truth, in which a method has the best mean.

    Args:
        summary: From ``summarise_transfers``.
        name: Name of the method.

    Returns:
        The metrics in which no other method is better. The copy of the style and the ground truth are not counted as
        methods.
    """
    others = [other for other in summary if other not in (name, "copy-style", TRUTH)]
    found = []
    for figure, facts in FIGURES.items():
        sign = 1 if facts.higher else -1
        means = {other: sign * summary[other]["figures"][figure]["mean"] for other in (name, *others)}
        if facts.aspect in ("style", "truth") and means[name] >= max(means.values()):
            found.append(figure)
    return found


def _summary(rows: Mapping[str, Mapping[str, TransferRow]], name: str, seed: int) -> TransferSummary:
    own = {figure: [row[name]["figures"][figure] for row in rows.values()] for figure in FIGURES}
    gains: dict[str, dict[str, Interval]] = {}
    for baseline in BASELINES:
        if baseline == name:
            continue
        gains[baseline] = {}
        for figure, facts in FIGURES.items():
            sign = 1 if facts.higher else -1
            other = (row[baseline]["figures"][figure] for row in rows.values())
            gains[baseline][figure] = _interval([sign * (a - b) for a, b in zip(own[figure], other, strict=True)], seed)
    return {
        "n": len(rows),
        "figures": {figure: _interval(values, seed) for figure, values in own.items()},
        "gains": gains,
        "seconds": sum(row[name]["seconds"] for row in rows.values()) / len(rows),
    }


def _interval(values: list[float], seed: int) -> Interval:
    low, high = bootstrap_interval(values, seed=seed)
    return {"mean": sum(values) / len(values), "low": low, "high": high}
