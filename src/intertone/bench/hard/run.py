"""Evaluation of every method on every hard pair, in several processes and with a cache."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypedDict

import torch

from intertone.bench.hard.measure import MIXES, Figures, measure_keys, measure_mark, measure_morphs, measures_of
from intertone.bench.hard.methods import HardMethod, hard_method
from intertone.bench.hard.pairs import HardKind, HardPair
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.files import write_json
from intertone.parallel import in_processes
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

MORPHS, KEYS = "morphs", "keys"
"""The two outputs of a method, each of which it may refuse for a pair."""


class HardRow(TypedDict):
    """Result of one method on one pair.

    ``figures``: measure → values. ``refused``: ``morphs`` or ``keys`` → error sentence of the method. ``seconds``:
    computation time of one morph.
    """

    figures: Figures
    refused: dict[str, str]
    seconds: float


class HardEntry(TypedDict):
    """Kind and title of a pair, and its results by method."""

    kind: HardKind
    title: str
    rows: dict[str, HardRow]


Job = tuple[HardPair, str]


def run_hard_pairs(
    pairs: Sequence[HardPair],
    names: Sequence[str],
    codecs: Mapping[str, Codec],
    *,
    cache: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, HardEntry]:
    """Morph every pair by every method, and measure the morphs.

    Args:
        pairs: Pairs with unique names, at the codecs' sample rate.
        names: Names of methods, from ``method_names``.
        codecs: Codecs of ``load_codecs``.
        cache: Folder of cached results; None: no cache. A cached result is used if sounds, method and measures are
            unchanged.
        workers: Number of processes; if more than one, each uses one thread.
        progress: Called with (results done, results in all).

    Returns:
        Name of the pair → its results, in the order of ``names``. Equal arguments give equal results, except for
        ``seconds``.

    Raises:
        InputError: If a worker process was killed.
        ValueError: If two pairs have the same name, or a method is unknown.
    """
    if len({pair.name for pair in pairs}) < len(pairs):
        raise ValueError("every pair must have a unique name, got one twice")
    marks = {name: hard_method(name, codecs).mark for name in names}
    found: dict[tuple[str, str], HardRow] = {}
    jobs: list[Job] = []
    for pair in pairs:
        for name in names:
            row = None if cache is None else _read_row(cache / _file(pair, marks[name]))
            if row is None:
                jobs.append((pair, name))
            else:
                found[pair.name, name] = row
    total = len(found) + len(jobs)
    if progress:
        progress(len(found), total)
    start = partial(_given, codecs)
    for (pair, name), row in in_processes(_work, jobs, workers=workers, start=start, name="morphing", threads=1):
        found[pair.name, name] = row
        if cache is not None:
            _write_row(cache / _file(pair, marks[name]), row, pair)
        if progress:
            progress(len(found), total)
    return {
        pair.name: {
            "kind": pair.kind,
            "title": pair.title,
            "rows": {name: found[pair.name, name] for name in names},
        }
        for pair in pairs
    }


def measure_method(pair: HardPair, method: HardMethod) -> HardRow:
    """Return the result of a method on a pair.

    Args:
        pair: The pair.
        method: The method; an ``InputError`` that it raises is recorded as a refusal.

    Returns:
        The figures that apply to the pair's kind; those of keys only if the method renders keys.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread sums in the same order on every machine
    row: HardRow = {"figures": {}, "refused": {}, "seconds": 0.0}
    try:
        began = time.monotonic()
        try:
            sounds = method.morph(pair, MIXES)
            row["seconds"] = round((time.monotonic() - began) / len(MIXES), 4)
            row["figures"] |= measure_morphs(pair, sounds)
        except InputError as error:
            row["refused"][MORPHS] = str(error)
        try:
            row["figures"] |= _keys(pair, method)
        except InputError as error:
            row["refused"][KEYS] = str(error)
        return row
    finally:
        torch.set_num_threads(before)


def _keys(pair: HardPair, method: HardMethod) -> Figures:
    if method.keys is None or not measures_of(pair.kind, of_keys=True):
        return {}
    return measure_keys(pair, method.keys(pair))


def _given(codecs: Mapping[str, Codec]) -> AbstractContextManager[Mapping[str, Codec]]:
    return nullcontext(codecs)


def _work(codecs: Mapping[str, Codec], job: Job) -> HardRow:
    pair, name = job
    return measure_method(pair, hard_method(name, codecs))


def _file(pair: HardPair, mark: str) -> str:
    """Return the file name of a cached result: a hash of the sounds, the method and the measuring code."""
    facts = f"{measure_mark()} {mark} {pair.kind} {pair.f0_a} {pair.f0_b} {pair.onsets} {pair.sample_rate}"
    digest = hashlib.sha256(facts.encode())
    for sound in (pair.a, pair.b):
        digest.update(sound.contiguous().numpy().tobytes())
    return f"hard-{digest.hexdigest()[:24]}.json"


def _read_row(path: Path) -> HardRow | None:
    """Return a cached result; None: the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        figures = {name: [float(value) for value in values] for name, values in content["figures"].items()}
        refused = {str(what): str(why) for what, why in content["refused"].items()}
        return {"figures": figures, "refused": refused, "seconds": float(content["seconds"])}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _write_row(path: Path, row: HardRow, pair: HardPair) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, row)
    except (InputError, OSError) as error:
        logger.warning("the result of %s could not be cached: %s", pair.name, error)
