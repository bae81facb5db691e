"""Summary of the hard pairs: mean and worst of each measure by kind, and on how many pairs a crossfade is better."""

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from intertone.bench.hard.measure import MEASURES, Figures
from intertone.bench.hard.methods import CROSSFADE
from intertone.bench.hard.pairs import HARD_KINDS
from intertone.bench.hard.run import MORPHS, HardEntry


class MeasureSummary(TypedDict):
    """A measure over the pairs of a kind.

    ``mean``: of all values, of a signed measure of their magnitudes. ``worst``: the value furthest over the limit, or
    nearest to it. ``failed``: pairs with a value over the limit, ``of`` so many that have the measure.
    """

    mean: float
    worst: float
    failed: int
    of: int


class HardSummary(TypedDict):
    """A method over the pairs of a kind, or over all.

    ``better`` and ``worse``: pairs on which it is better or worse than a crossfade; None for the crossfade. ``refused``
    and ``no_keys``: pairs that it refuses to morph, and of which it refuses to make keys.
    """

    n: int
    measures: dict[str, MeasureSummary]
    better: int | None
    worse: int | None
    refused: int
    no_keys: int
    seconds: float


ALL = "all"
"""Name of all kinds together."""


def summarise_hard(entries: Mapping[str, HardEntry]) -> dict[str, dict[str, HardSummary]]:
    """Return the summary of a run.

    Args:
        entries: From ``run_hard_pairs``; at least one.

    Returns:
        Kind, then ``all`` → method → summary, in the order of the kinds and of the rows.
    """
    kinds = [kind for kind in HARD_KINDS if any(entry["kind"] == kind for entry in entries.values())]
    parts = {str(kind): [entry for entry in entries.values() if entry["kind"] == kind] for kind in kinds}
    parts[ALL] = [*entries.values()]
    names = list(next(iter(entries.values()))["rows"])
    return {kind: {name: _summary(chosen, name) for name in names} for kind, chosen in parts.items()}


def compare_figures(figures: Figures, others: Figures) -> int:
    """Return which of two rows of one pair is better.

    Of each measure that both have, the mean of the values' excess over the limit counts, 0 for those within it; a row
    is better whose excess is smaller in more measures than it is larger.

    Args:
        figures: Of one method.
        others: Of the other one.

    Returns:
        1 if the first is better, −1 if the second is, 0 if neither.

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
