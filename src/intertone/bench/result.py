"""Types of the bench's result, in the form of ``bench.json``."""

from typing import NotRequired, TypedDict

from intertone.bench.judge import ORACLE, Rows
from intertone.bench.pair import Pair
from intertone.bench.score import gates

JudgedRow = dict[str, float | dict[str, bool] | None]
"""Figures of one method on one pair by name; ``gates`` is a dictionary from gate to whether it is passed."""


class JudgedPair(TypedDict):
    """Kind and title of a pair, and its figures by method."""

    kind: str
    title: str
    rows: dict[str, JudgedRow]


class GateFailures(TypedDict):
    """Number of pairs that fail a gate (``failed``), and of those to which it applies (``of``)."""

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
    """Pairs of one source: summaries by method, result of ``self_test``, and figures by pair."""

    summary: dict[str, Summary]
    self_test: list[str] | None
    pairs: dict[str, JudgedPair]


class BenchFacts(TypedDict):
    """Settings of a bench; for pairs from a folder, ``skipped`` gives the reason for each pair that was left out."""

    bench_version: int
    sample_rate: int
    ratios: list[float]
    skipped: NotRequired[dict[str, str]]


class BenchRun(BenchFacts):
    """Settings of a bench, and the figures of all pairs by name."""

    pairs: dict[str, JudgedPair]


class BenchResult(BenchFacts):
    """Settings of a bench, and its pairs in parts by title, such as synthetic and real notes."""

    codec: NotRequired[str | None]
    parts: dict[str, Part]


def judged_pair(pair: Pair, rows: Rows) -> JudgedPair:
    """Return kind, title and figures of a pair, with the result of each gate added to every method's figures."""
    judged: dict[str, JudgedRow] = {name: {**row, "gates": gates(row, rows.get(ORACLE))} for name, row in rows.items()}
    return {"kind": pair.kind, "title": pair.title, "rows": judged}
