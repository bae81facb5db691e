"""Run every method on every pair; each result is stored in a file, so that an interrupted run can be continued."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TypedDict

from torch import Tensor

from intertone.audio import load_audio, save_audio
from intertone.bench.transfer.measure import FIGURES, measure_mark, measure_transfer
from intertone.bench.transfer.methods import BASELINES, TransferMethod, find_method
from intertone.bench.transfer.pairs import TransferPair
from intertone.errors import InputError
from intertone.files import write_json
from intertone.parallel import in_processes

TRUTH = "truth"
"""Name of the row with the ground truth's own metrics, those of a perfect transfer."""


class TransferRow(TypedDict):
    """Metrics of one method on one pair, and its computing time in seconds."""

    figures: dict[str, float]
    seconds: float


class TransferRun(TypedDict):
    """All rows: pair → method → row, and the title of each pair."""

    titles: dict[str, str]
    rows: dict[str, dict[str, TransferRow]]


Find = Callable[[str], TransferMethod]
Job = tuple[TransferPair, str]


def run_transfers(
    pairs: Sequence[TransferPair],
    names: Sequence[str],
    *,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    find: Find = find_method,
) -> TransferRun:
    """Run and measure the named methods, the baselines and the ground truth on every pair.

    For each pair and method, the output is written to ``PAIR-METHOD.wav`` (32-bit float) and its metrics to
    ``PAIR-METHOD.json`` in the folder. A stored output is used again if inputs and method are the same; its metrics are
    used again if the code that measures them is the same too.

    Args:
        pairs: The pairs; their names must be unique.
        names: Methods to run in addition to the baselines; names of baselines are ignored.
        folder: Folder for the results; it is created if only its parent exists.
        workers: Number of processes; with more than one, each uses one thread.
        progress: Called with the number of finished results and their total number.
        find: Function that returns the method with a given name; with several workers it must be picklable.

    Returns:
        The rows in the order: named methods, baselines, ground truth.

    Raises:
        InputError: If a method is unknown or its output cannot be measured, or if the folder cannot be written.
        ValueError: If two pairs have the same name.
    """
    if len({pair.name for pair in pairs}) < len(pairs):
        raise ValueError("the names of the pairs must be unique, got one twice")
    order = [*(name for name in dict.fromkeys(names) if name not in BASELINES and name != TRUTH), *BASELINES, TRUTH]
    marks = {name: _method_mark(name, find) for name in order}
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"the results must have a folder, got {folder}: {error.strerror}") from None
    found: dict[tuple[str, str], TransferRow] = {}
    jobs: list[Job] = []
    for pair in pairs:
        for name in order:
            row = _read_row(folder, pair, name, marks[name])
            if row is None:
                jobs.append((pair, name))
            else:
                found[pair.name, name] = row
    total = len(found) + len(jobs)
    if progress:
        progress(len(found), total)
    work = partial(_work, folder, marks, find)
    for (pair, name), row in in_processes(
        work, jobs, workers=workers, start=partial(nullcontext, None), name="transferring", threads=1
    ):
        found[pair.name, name] = row
        if progress:
            progress(len(found), total)
    return {
        "titles": {pair.name: pair.title for pair in pairs},
        "rows": {pair.name: {name: found[pair.name, name] for name in order} for pair in pairs},
    }


def kept_sound(folder: Path, pair: TransferPair, name: str) -> Tensor:
    """Return the output of a method for a pair, ``(samples,)``, as stored by ``run_transfers``.

    Raises:
        InputError: If there is no stored output.
    """
    return load_audio(_path(folder, pair, name, "wav"))[0][0]


def _work(folder: Path, marks: dict[str, str], find: Find, _: None, job: Job) -> TransferRow:
    """Return the row of a method on a pair; the output is written before it is measured, the metrics afterwards."""
    pair, name = job
    made = _digest(pair, marks[name])
    path = _path(folder, pair, name, "json")
    known = _read_json(path)
    seconds = known.get("seconds")
    kept = known.get("made") == made and _path(folder, pair, name, "wav").exists()
    if not kept or not isinstance(seconds, float):
        began = time.perf_counter()
        output = pair.truth if name == TRUTH else find(name).transfer(pair.content, pair.style, pair.sample_rate)
        seconds = time.perf_counter() - began
        _check(output, pair, name)
        output = output / output.abs().max().clamp_min(1)  # no metric depends on the level
        save_audio(_path(folder, pair, name, "wav"), output, sample_rate=pair.sample_rate, format="float32")
        write_json(path, {"made": made, "seconds": seconds})
    row: TransferRow = {"figures": measure_transfer(kept_sound(folder, pair, name), pair), "seconds": seconds}
    write_json(path, {"made": made, "measured": measure_mark(), **row})
    return row


def _check(output: Tensor, pair: TransferPair, name: str) -> None:
    if output.shape != pair.content.shape:
        raise InputError(
            f"{name} must return a sound of the content's {len(pair.content)} samples, got {tuple(output.shape)}"
        )
    if not output.isfinite().all() or not output.abs().max() > 0:
        raise InputError(
            f"{name} must return a finite sound that is not silent, got silence, NaN or infinity for pair {pair.name}"
        )


def _read_row(folder: Path, pair: TransferPair, name: str, mark: str) -> TransferRow | None:
    """Return the stored row if inputs, method and metrics have not changed since, else None."""
    known = _read_json(_path(folder, pair, name, "json"))
    figures, seconds = known.get("figures"), known.get("seconds")
    if (
        known.get("made") != _digest(pair, mark)
        or known.get("measured") != measure_mark()
        or not _path(folder, pair, name, "wav").exists()
        or not isinstance(figures, dict)
        or not isinstance(seconds, float)
        or list(figures) != list(FIGURES)
    ):
        return None
    return {"figures": {figure: float(value) for figure, value in figures.items()}, "seconds": seconds}


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _method_mark(name: str, find: Find) -> str:
    return TRUTH if name == TRUTH else find(name).mark


def _digest(pair: TransferPair, mark: str) -> str:
    """Return a hash of the sounds of a pair and the mark of a method."""
    digest = hashlib.sha256(f"{mark} {pair.sample_rate}".encode())
    for sound in (pair.content, pair.style, pair.truth):
        digest.update(sound.contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def _path(folder: Path, pair: TransferPair, name: str, suffix: str) -> Path:
    return folder / f"{pair.name}-{name}.{suffix}"
