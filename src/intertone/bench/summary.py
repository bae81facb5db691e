"""What the pairs say together: means with intervals, classes, gates, wins, and where a method fails."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from intertone.bench.judge import DECOY_METHODS
from intertone.bench.pair import KINDS
from intertone.bench.score import GATES
from intertone.bench.synthetic_pairs import PAIRS

RANKING = ("oracle", "harmonic", "log magnitude", "crossfade", "warped crossfade")
"""The order that is known."""

RIVAL = RANKING[2]
"""Whom a method has to beat pair by pair."""

ALIGNED = "aligned log magnitude"
"""A rival that is told the pitches."""

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


def summarise(pairs: Mapping[str, Mapping[str, Any]], *, seed: int = 0) -> dict[str, Any]:
    """Return one summary a method.

    Args:
        pairs: ``pairs`` of ``run_bench``, or some of them.
        seed: Of the bootstrap.

    Returns:
        Method → ``n``; ``draws``: mean score of the pairs of each seed, by what stands before the slash of their names;
        ``morph_score``: ``mean``, ``low`` and ``high`` (95 % of bootstrap means over the pairs) and the
        mean of each kind that there is; ``gate_pass_rate``, the share of pairs that pass every gate that counts;
        ``gate_failures``: gate → how many pairs fail it, of how many; ``win_rate`` over log-magnitude interpolation
        and ``aligned_win_rate`` over that of aligned pitches, None for themselves and where there is no such row;
        ``metrics`` and ``parts``: means over the pairs that have them; ``weakest``: kind → the part
        of the score that is lowest on average; ``seconds`` of one morph. In the order of the rows.
    """
    names = list(dict.fromkeys(name for pair in pairs.values() for name in pair["rows"]))
    return {name: _summary(pairs, name, seed) for name in names}


def bootstrap_interval(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """Return the interval that holds 95 % of the means of resamples.

    Args:
        values: At least one.
        seed: Of the resampling.

    Returns:
        The 2.5th and the 97.5th percentile of the means of 2,000 draws with replacement.

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


def self_test(summary: Mapping[str, Any], pairs: Iterable[str]) -> list[str] | None:
    """Return what the bench's own rows break: the order of methods that are known, and decoys that pass.

    Oracle over harmonic over log-magnitude over crossfade over warped crossfade, and every decoy below 50; decoys that
    were left out are not asked for.

    Args:
        summary: Of synthetic pairs, from ``summarise``.
        pairs: Their names; of only some of the bench's pairs the order is not known.

    Returns:
        Sentences, none if the bench holds; or None where this cannot be told.
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


def _summary(pairs: Mapping[str, Mapping[str, Any]], name: str, seed: int) -> dict[str, Any]:
    chosen = [(pair["kind"], pair["rows"][name]) for pair in pairs.values() if name in pair["rows"]]
    scores = [row["morph_score"] for _, row in chosen]
    low, high = bootstrap_interval(scores, seed=seed)
    kinds = [kind for kind in KINDS if any(kind == own for own, _ in chosen)]
    failures = {}
    for gate in GATES:
        passed = [row["gates"][gate] for _, row in chosen if gate in row["gates"]]
        if passed:
            failures[gate] = {"failed": len(passed) - sum(passed), "of": len(passed)}
    weakest = {}
    for kind in kinds:
        means = {part: np.mean([row[part] for own, row in chosen if own == kind]) for part in PARTS}
        weakest[kind] = min(means, key=lambda part: means[part]).removeprefix("part_")
    draws: dict[str, list[float]] = {}
    for number, pair in pairs.items():
        if name in pair["rows"] and "/" in number:
            draws.setdefault(number.partition("/")[0], []).append(pair["rows"][name]["morph_score"])
    return {
        "n": len(chosen),
        "draws": {draw: _mean(found) for draw, found in draws.items()},
        "morph_score": {
            "mean": _mean(scores),
            "low": round(low, 4),
            "high": round(high, 4),
            **{kind: _mean([row["morph_score"] for own, row in chosen if own == kind]) for kind in kinds},
        },
        "gate_pass_rate": _mean([all(row["gates"].values()) for _, row in chosen]),
        "gate_failures": failures,
        "win_rate": _win_rate(pairs, name, RIVAL),
        "aligned_win_rate": _win_rate(pairs, name, ALIGNED),
        "metrics": _means(chosen, METRICS),
        "parts": _means(chosen, PARTS),
        "weakest": weakest,
        "seconds": _mean([row["seconds"] for _, row in chosen if "seconds" in row]),
    }


def _win_rate(pairs: Mapping[str, Mapping[str, Any]], name: str, rival: str) -> float | None:
    both = [pair["rows"] for pair in pairs.values() if {name, rival} <= set(pair["rows"])]
    if name == rival:
        return None
    return _mean([rows[name]["morph_score"] > rows[rival]["morph_score"] for rows in both])


def _means(chosen: Sequence[tuple[str, Mapping[str, Any]]], names: Sequence[str]) -> dict[str, float | None]:
    return {name: _mean([row[name] for _, row in chosen if row.get(name) is not None]) for name in names}


def _mean(values: Sequence[float | bool]) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None
