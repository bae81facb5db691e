"""Summary over the hard pairs: mean and worst value of each measure by kind, and comparison with the crossfade."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from intertone.bench.hard.measure import MEASURES, Figures
from intertone.bench.hard.methods import CROSSFADE
from intertone.bench.hard.pairs import HARD_KINDS
from intertone.bench.hard.run import MORPHS, HardEntry


class MeasureSummary(TypedDict):
    """Summary of a measure over the pairs of a kind.

    ``mean``: mean of all values, for a signed measure of their absolute values. ``worst``: the largest value, for a
    signed measure the value of largest magnitude. ``failed``: number of pairs with a value over the limit. ``of``:
    number of pairs with this measure.
    """

    mean: float
    worst: float
    failed: int
    of: int


class HardSummary(TypedDict):
    """Summary of a method over the pairs of a kind, or over all pairs.

    ``n``: number of pairs. ``better`` and ``worse``: number of pairs on which the method is better or worse than the
    crossfade; None for the crossfade itself. ``refused`` and ``no_keys``: number of pairs that it refuses to morph, and
    for which it refuses to render keys. ``seconds``: mean computation time of a morph.
    """

    n: int
    measures: dict[str, MeasureSummary]
    better: int | None
    worse: int | None
    refused: int
    no_keys: int
    seconds: float


ALL = "all"
"""Key of the summary over all kinds."""


def summarise_hard(entries: Mapping[str, HardEntry]) -> dict[str, dict[str, HardSummary]]:
    """Return the summary of a run.

    Args:
        entries: Output of ``run_hard_pairs`` for at least one pair.

    Returns:
        Kind, or ``all`` → method → summary, in the order of ``HARD_KINDS`` and of the methods.
    """
    kinds = [kind for kind in HARD_KINDS if any(entry["kind"] == kind for entry in entries.values())]
    parts = {str(kind): [entry for entry in entries.values() if entry["kind"] == kind] for kind in kinds}
    parts[ALL] = [*entries.values()]
    names = list(next(iter(entries.values()))["rows"])
    return {kind: {name: _summary(chosen, name) for name in names} for kind, chosen in parts.items()}


def compare_figures(figures: Figures, others: Figures) -> int:
    """Return which of two methods is better on a pair.

    The methods are compared by each measure that both have, by the mean excess of its values over the limit (0 for
    values within the limit). The method with the smaller excess in more measures is better.

    Args:
        figures: Figures of the first method.
        others: Figures of the second method.

    Returns:
        1: the first is better; −1: the second is better; 0: neither is.

    Example:
        >>> compare_figures({"loudness_bend_lu": [1.0], "cliff_db": [20.0]}, {"loudness_bend_lu": [-4.0]})
        1
    """
    votes = 0
    for name in figures.keys() & others.keys():
        first, second = (_excess(name, values[name]) for values in (figures, others))
        votes += (first < second) - (first > second)
    return (votes > 0) - (votes < 0)


def _excess(name: str, values: list[float]) -> float:
    return float(np.mean([MEASURES[name].excess(value) for value in values]))


def _summary(entries: list[HardEntry], name: str) -> HardSummary:
    rows = [entry["rows"][name] for entry in entries]
    compared = [
        compare_figures(entry["rows"][name]["figures"], entry["rows"][CROSSFADE]["figures"]) for entry in entries
    ]
    done = [row["seconds"] for row in rows if MORPHS not in row["refused"]]
    return {
        "n": len(rows),
        "measures": {
            measure: _measure(measure, values)
            for measure in MEASURES
            if (values := [row["figures"][measure] for row in rows if measure in row["figures"]])
        },
        "better": None if name == CROSSFADE else compared.count(1),
        "worse": None if name == CROSSFADE else compared.count(-1),
        "refused": sum(MORPHS in row["refused"] for row in rows),
        "no_keys": sum(any(what != MORPHS for what in row["refused"]) for row in rows),
        "seconds": round(float(np.mean(done)), 4) if done else 0.0,
    }


def _measure(name: str, pairs: list[list[float]]) -> MeasureSummary:
    measure = MEASURES[name]
    values = [value for each in pairs for value in each]
    sizes = np.abs(values) if measure.signed else np.array(values)
    return {
        "mean": round(float(sizes.mean()), 4),
        "worst": round(values[int(sizes.argmax())], 4),
        "failed": sum(any(measure.excess(value) > 0 for value in each) for each in pairs),
        "of": len(pairs),
    }
