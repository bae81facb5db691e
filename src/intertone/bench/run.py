"""Every method on every pair, in several processes, with what is already known taken from a cache."""

import hashlib
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from functools import cache as once
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from intertone.bench.decoys import DECOYS, third_instrument
from intertone.bench.material import ALL_RATIOS, PAIRS, SyntheticPair, oracle, synthetic_pair, third_sound
from intertone.bench.methods import METHODS, codec_method
from intertone.bench.pair import Method, Pair
from intertone.bench.score import BENCH_VERSION, gates, judge_ends, judge_row
from intertone.codec import Codec
from intertone.errors import InputError
from intertone.files import write_json

logger = logging.getLogger(__name__)

ORACLE, CODEC = "oracle", "codec"

BASELINES: dict[str, Method] = dict(METHODS)
DECOY_METHODS: dict[str, Method] = {**DECOYS, "third instrument": third_instrument(third_sound)}

AROUND = ("__init__", "exchange", "recorded", "report", "run", "summary")
"""Files of this folder that change no row."""

Rows = dict[str, dict[str, Any]]
"""Method → what was measured of one pair; ``seconds`` is the time of one morph."""

_codec: Codec | None = None


def synthetic_pairs(*, seed: int, n_seeds: int, sample_rate: int, names: Sequence[str] = ()) -> list[SyntheticPair]:
    """Draw the synthetic part of the bench.

    Args:
        seed: The first seed.
        n_seeds: So many seeds, one after the other.
        sample_rate: Hz.
        names: Only these of ``PAIRS``; none: all.

    Returns:
        ``n_seeds`` times the pairs; the seed is part of each name: ``0/S1``.

    Raises:
        InputError: As ``synthetic_pair``.
    """
    drawn = []
    for number in range(seed, seed + n_seeds):
        for name in names or PAIRS:
            pair = synthetic_pair(name, seed=number, sample_rate=sample_rate)
            drawn.append(replace(pair, name=f"{number}/{name}"))
    return drawn


def run_bench(
    pairs: Sequence[Pair],
    codec: Codec | None,
    *,
    methods: Sequence[str] | None = None,
    decoys: bool = True,
    cache: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Morph and judge all pairs.

    Args:
        pairs: All at one sample rate, which is the codec's if there is one; names are unique.
        codec: What is judged beside the baselines, or None.
        methods: Names of the baselines; default all.
        decoys: Whether synthetic pairs are given to the decoys too.
        cache: Folder where rows of everything but the codec are kept, or None. They are found again by the pair's
            sounds and the source of the bench.
        workers: Processes.
        progress: Called with (pairs done, of how many).

    Returns:
        ``bench_version``, ``sample_rate``, ``ratios`` and ``pairs``: name → ``kind``, ``title`` and ``rows``: method →
        metrics, parts, ``morph_score``, ``gates`` and ``seconds``. Equal for equal arguments, but for ``seconds``.

    Raises:
        ValueError: If the sample rates differ, or two pairs have one name.
    """
    rates = {pair.sample_rate for pair in pairs} | ({codec.sample_rate} if codec else set())
    if len(rates) != 1:
        raise ValueError(f"pairs and codec must have one sample rate, got {sorted(rates)}")
    if len({pair.name for pair in pairs}) < len(pairs):
        raise ValueError("every pair must have a name of its own, got one twice")
    wanted = [name for name in METHODS if methods is None or name in methods]
    found: dict[str, Rows] = {}
    jobs = []
    for pair in pairs:
        known = _read_cache(cache, pair)
        names = _names(pair, wanted, decoys)
        found[pair.name] = {name: known[name] for name in names if name in known}
        missing = [name for name in names if name not in known] + ([CODEC] if codec else [])
        if missing:
            jobs.append((pair, missing, known))
    done = len(pairs) - len(jobs)
    for pair, known, rows in _results(jobs, codec, workers):
        found[pair.name] |= rows
        if cache is not None:
            _write_cache(cache, pair, known | {name: row for name, row in rows.items() if name != CODEC})
        done += 1
        if progress:
            progress(done, len(pairs))
    order = [CODEC, ORACLE, *METHODS, *DECOY_METHODS]
    result: dict[str, Any] = {}
    for pair in pairs:
        rows = found[pair.name]
        reference = rows.get(ORACLE)
        result[pair.name] = {
            "kind": pair.kind,
            "title": pair.title,
            "rows": {name: {**rows[name], "gates": gates(rows[name], reference)} for name in order if name in rows},
        }
    return {"bench_version": BENCH_VERSION, "sample_rate": rates.pop(), "ratios": list(ALL_RATIOS), "pairs": result}


def method_of(name: str, codec: Codec | None) -> Method:
    """Return a method by its name in the results.

    Raises:
        ValueError: If there is none, or it is the codec and there is none.
    """
    if name == CODEC:
        if codec is None:
            raise ValueError("the codec must be given, got None")
        return codec_method(codec)
    if name == ORACLE:
        return oracle
    if name in BASELINES:
        return BASELINES[name]
    if name in DECOY_METHODS:
        return DECOY_METHODS[name]
    raise ValueError(f"the method must be one of {', '.join([CODEC, ORACLE, *BASELINES, *DECOY_METHODS])}, got {name}")


def default_cache() -> Path:
    """Return the folder where this user's caches of the bench lie: below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "intertone" / "bench"


def _names(pair: Pair, wanted: Sequence[str], decoys: bool) -> list[str]:
    if not isinstance(pair, SyntheticPair):
        return list(wanted)
    return [ORACLE, *wanted, *(DECOY_METHODS if decoys else ())]


def _results(
    jobs: Sequence[tuple[Pair, list[str], Rows]], codec: Codec | None, workers: int
) -> Iterator[tuple[Pair, Rows, Rows]]:
    """Yield pair, known rows and new rows, as they are done."""
    if workers < 2 or len(jobs) < 2:
        for pair, missing, known in jobs:
            with _one_thread():
                rows = _morph_and_judge(pair, missing, codec)
            yield pair, known, rows
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(codec,)) as pool:
        try:
            waiting = {pool.submit(_work, pair, missing): (pair, known) for pair, missing, known in jobs}
            for future in as_completed(waiting):
                yield *waiting[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(codec: Codec | None) -> None:
    global _codec
    _codec = codec
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    torch.set_num_threads(1)


def _work(pair: Pair, missing: Sequence[str]) -> Rows:
    return _morph_and_judge(pair, missing, _codec)


def _morph_and_judge(pair: Pair, names: Sequence[str], codec: Codec | None) -> Rows:
    known = isinstance(pair, SyntheticPair)
    ends = judge_ends(pair, oracle(pair, ALL_RATIOS) if known else None)
    rows = {}
    for name in names:
        started = time.monotonic()
        sounds = method_of(name, codec)(pair, ALL_RATIOS)
        seconds = (time.monotonic() - started) / len(ALL_RATIOS)
        rows[name] = {**judge_row(ends, sounds), "seconds": round(seconds, 4)}
    return rows


@contextmanager
def _one_thread() -> Iterator[None]:
    """The same sums in the same order, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _read_cache(cache: Path | None, pair: Pair) -> Rows:
    if cache is None:
        return {}
    try:
        content = json.loads((cache / _cache_name(pair)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_cache(cache: Path, pair: Pair, rows: Mapping[str, Any]) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_json(cache / _cache_name(pair), rows)
    except (InputError, OSError) as error:
        logger.warning("the baselines of %s could not be cached: %s", pair.name, error)


def _cache_name(pair: Pair) -> str:
    """Return a name that is another one as soon as the sounds, the version or the source of the bench are."""
    text = f"{BENCH_VERSION} {_source()} {pair.kind} {pair.f0_a!r} {pair.f0_b!r} {pair.sample_rate} {type(pair)}"
    digest = hashlib.sha256(text.encode())
    for sound in (pair.a, pair.b):
        digest.update(sound.contiguous().numpy().tobytes())
    return f"v{BENCH_VERSION}-{digest.hexdigest()[:24]}.json"


@once
def _source() -> str:
    """Return a hash of the code that makes and judges the baselines' sounds, as it was when it was first asked for."""
    package = Path(__file__).parent.parent
    files = [path for path in package.glob("bench/*.py") if path.stem not in AROUND]
    files += package.glob("metrics/*.py")
    files += [package / name for name in ("audio.py", "loudness.py", "phase.py", "pitch.py", "stft.py")]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
