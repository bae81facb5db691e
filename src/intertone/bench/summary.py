"""Summary over all pairs: mean scores with intervals, gates, comparisons with baselines, and the self-test."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from intertone.bench.judge import DECOY_METHODS
from intertone.bench.pair import KINDS
from intertone.bench.result import GateFailures, JudgedPair, JudgedRow, Summary
from intertone.bench.score import GATES
from intertone.bench.synthetic_pairs import PAIRS

RANKING = ("oracle", "harmonic", "log magnitude", "crossfade", "warped crossfade")
"""Methods in the order of the scores that a valid bench must give, the best first; ``self_test`` checks it."""

RIVAL = RANKING[2]
"""Method with which the win rate compares every other method, pair by pair."""

ALIGNED = "aligned log magnitude"
"""Second method of comparison, which uses the known pitches."""

N_RESAMPLES = 2000
METRICS = (
    "endpoint_error",
    "projection_error",
    "off_axis",
    "descriptor_non_linearity",
    "descriptor_path_efficiency",
    "step_variation",
    "end_jump",
    "comb_excess",
    "beating_excess",
    "presence",
    "knee_excess",
    "fusion",
    "cents_median",
    "cents_p90",
    "oracle_distance",
    "oracle_ratio",
    "midpoint_error",
    "loudness_error",
)
PARTS = ("part_end", "part_between", "part_smooth", "part_fusion", "part_pitch")


def summarise(pairs: Mapping[str, JudgedPair], *, seed: int = 0) -> dict[str, Summary]:
    """Return a summary for each method.

    Args:
        pairs: ``pairs`` of ``run_bench``, or some of them.
        seed: Seed of the bootstrap.

    Returns:
        Method → summary, in the order of the methods. ``n``: number of pairs. ``draws``: mean score of the pairs of
        each seed (the part of a pair's name before the slash). ``morph_score``: ``mean``, ``low`` and ``high`` (95 %
        bootstrap interval over the pairs), and the mean of each kind of pairs. ``gate_pass_rate``: share of the pairs
        that pass every gate that applies. ``gate_failures``: gate → number of pairs that fail it, and to which it
        applies. ``win_rate`` and ``aligned_win_rate``: share of the pairs with a higher score than ``RIVAL`` and
        ``ALIGNED``; None for these methods themselves, and if they were not evaluated. ``metrics`` and ``parts``: means
        over the pairs that have them. ``weakest``: kind of pairs → part of the score with the lowest mean.
        ``seconds``: computation time of one morph.
    """
    names = list(dict.fromkeys(name for pair in pairs.values() for name in pair["rows"]))
    return {name: _summary(pairs, name, seed) for name in names}


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean.

    Args:
        values: At least one value.
        seed: Seed of the resampling.

    Returns:
        The 2.5th and the 97.5th percentile of the means of 2,000 resamples with replacement.

    Raises:
        ValueError: If there is no value.

    Source:
        Efron (1979), "Bootstrap methods: another look at the jackknife"; the percentile interval.

    Example:
        >>> bootstrap_interval([3.0, 3.0])
        (3.0, 3.0)
    """
    if not len(values):
        raise ValueError("values must hold at least one number, got none")
    array = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(len(array), size=(N_RESAMPLES, len(array)))
    low, high = np.percentile(array[drawn].mean(1), [2.5, 97.5])
    return float(low), float(high)


def self_test(summary: Mapping[str, Summary], pairs: Iterable[str]) -> list[str] | None:
    """Return the failures of the bench's self-test.

    The scores must have the order of ``RANKING``, and every decoy must score below 50. Decoys that were not evaluated
    are ignored.

    Args:
        summary: Summary of synthetic pairs, from ``summarise``.
        pairs: Names of these pairs.

    Returns:
        A sentence for each failure, an empty list if there is none; None: not all synthetic pairs and methods were
        evaluated, so that the test is not possible.
    """
    score = {name: line["morph_score"]["mean"] for name, line in summary.items()}
    if {name.rpartition("/")[2] for name in pairs} != set(PAIRS) or not set(RANKING[:-1]) <= set(score):
        return None
    broken = [
        f"{better} must score higher than {worse}, got {score[better]:.1f} and {score[worse]:.1f}"
        for better, worse in pairwise(name for name in RANKING if name in score)
        if score[better] <= score[worse]
    ]
    broken += [
        f"the decoy {name} must score below 50, got {score[name]:.1f}"
        for name in DECOY_METHODS
        if name in score and score[name] >= 50
    ]
    return broken


def _summary(pairs: Mapping[str, JudgedPair], name: str, seed: int) -> Summary:
    chosen = [(pair["kind"], _figures(pair, name)) for pair in pairs.values() if name in pair["rows"]]
    gates = [_gates(pair["rows"][name]) for pair in pairs.values() if name in pair["rows"]]
    scores = [row["morph_score"] for _, row in chosen]
    low, high = bootstrap_interval(scores, seed=seed)
    kinds = [kind for kind in KINDS if any(kind == own for own, _ in chosen)]
    failures: dict[str, GateFailures] = {}
    for gate in GATES:
        passed = [found[gate] for found in gates if gate in found]
        if passed:
            failures[gate] = {"failed": len(passed) - sum(passed), "of": len(passed)}
    weakest: dict[str, str] = {}
    for kind in kinds:
        means = {part: np.mean([row[part] for own, row in chosen if own == kind]) for part in PARTS}
        weakest[kind] = min(means, key=lambda part: means[part]).removeprefix("part_")
    draws: dict[str, list[float]] = {}
    for number, pair in pairs.items():
        if name in pair["rows"] and "/" in number:
            draws.setdefault(number.partition("/")[0], []).append(_figures(pair, name)["morph_score"])
    return {
        "n": len(chosen),
        "draws": {draw: _mean(found) for draw, found in draws.items()},
        "morph_score": {
            "mean": _mean(scores),
            "low": round(low, 4),
            "high": round(high, 4),
            **{kind: _mean([row["morph_score"] for own, row in chosen if own == kind]) for kind in kinds},
        },
        "gate_pass_rate": _mean([all(found.values()) for found in gates]),
        "gate_failures": failures,
        "win_rate": _win_rate(pairs, name, RIVAL),
        "aligned_win_rate": _win_rate(pairs, name, ALIGNED),
        "metrics": {name: _mean_if_any(chosen, name) for name in METRICS},
        "parts": {name: _mean_if_any(chosen, name) for name in PARTS},
        "weakest": weakest,
        "seconds": _mean_if_any(chosen, "seconds"),
    }


def _win_rate(pairs: Mapping[str, JudgedPair], name: str, rival: str) -> float | None:
    both = [pair for pair in pairs.values() if {name, rival} <= set(pair["rows"])]
    if name == rival or not both:
        return None
    return _mean([_figures(pair, name)["morph_score"] > _figures(pair, rival)["morph_score"] for pair in both])


def _figures(pair: JudgedPair, name: str) -> dict[str, float]:
    """Return the numeric figures of a method on a pair; gates and missing figures are left out."""
    return {figure: value for figure, value in pair["rows"][name].items() if isinstance(value, int | float)}


def _gates(row: JudgedRow) -> dict[str, bool]:
    gates = row["gates"]
    assert isinstance(gates, dict)
    return gates


def _mean_if_any(chosen: Sequence[tuple[str, Mapping[str, float]]], name: str) -> float | None:
    values = [row[name] for _, row in chosen if name in row]
    return _mean(values) if values else None


def _mean(values: Sequence[float | bool]) -> float:
    return round(float(np.mean(values)), 4)
