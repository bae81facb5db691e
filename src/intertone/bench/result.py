"""Results of the bench, as ``bench.json`` holds them."""

from typing import NotRequired, TypedDict

from intertone.bench.judge import ORACLE, Rows
from intertone.bench.pair import Pair
from intertone.bench.score import gates

JudgedRow = dict[str, float | dict[str, bool] | None]
"""Measures of one method on one pair, and ``gates``: gate → whether it is passed."""


class JudgedPair(TypedDict):
    """A pair with its rows by method."""

    kind: str
    title: str
    rows: dict[str, JudgedRow]


class GateFailures(TypedDict):
    """Number of pairs that fail a gate, and of those for which it counts."""

    failed: int
    of: int


class Summary(TypedDict):
    """Summary of one method over all pairs; see ``summarise``."""

    n: int
    draws: dict[str, float]
    morph_score: dict[str, float]
    gate_pass_rate: float
    gate_failures: dict[str, GateFailures]
    win_rate: float | None
    aligned_win_rate: float | None
    metrics: dict[str, float | None]
    parts: dict[str, float | None]
    weakest: dict[str, str]
    seconds: float | None


class Part(TypedDict):
    """Pairs of one source: summaries by method, what the self-test found (None where it says nothing), the pairs."""

    summary: dict[str, Summary]
    self_test: list[str] | None
    pairs: dict[str, JudgedPair]


class BenchFacts(TypedDict):
    """Settings of a bench; ``skipped``, where folders are evaluated, has the reasons why pairs were left out."""

    bench_version: int
    sample_rate: int
    ratios: list[float]
    skipped: NotRequired[dict[str, str]]


class BenchRun(BenchFacts):
    """All pairs by name."""

    pairs: dict[str, JudgedPair]


class BenchResult(BenchFacts):
    """A run with its pairs sorted into parts by title, as the command line prints and writes it."""

    codec: NotRequired[str | None]
    parts: dict[str, Part]


def judged_pair(pair: Pair, rows: Rows) -> JudgedPair:
    """Return a pair with its rows in their order, each with the gates that it passes."""
    judged: dict[str, JudgedRow] = {name: {**row, "gates": gates(row, rows.get(ORACLE))} for name, row in rows.items()}
    return {"kind": pair.kind, "title": pair.title, "rows": judged}
