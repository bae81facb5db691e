"""Evaluation of every method on every pair, in several processes and with a cache."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from intertone.bench.cache import codec_mark, read_rows, write_rows
from intertone.bench.judge import DECOY_METHODS, ORACLE, Rows, morph_and_judge, names_for
from intertone.bench.methods import CODEC_METHODS, METHODS, codec_methods
from intertone.bench.pair import Pair
from intertone.bench.result import BenchRun, JudgedPair, judged_pair
from intertone.bench.score import BENCH_VERSION
from intertone.bench.synthetic_pairs import ALL_RATIOS, PAIRS, SyntheticPair, synthetic_pair
from intertone.codec import Codec
from intertone.parallel import in_processes


def synthetic_pairs(*, seed: int, n_seeds: int, sample_rate: int, names: Sequence[str] = ()) -> list[SyntheticPair]:
    """Return the synthetic pairs of the bench for several seeds.

    Args:
        seed: The first seed.
        n_seeds: Number of consecutive seeds.
        sample_rate: Hz.
        names: Names of pairs in ``PAIRS``; empty: all.

    Returns:
        The pairs of each seed; their names begin with the seed: ``0/S1``.

    Raises:
        InputError: If a seed is negative or the sample rate is out of range.

    Example:
        >>> [pair.name for pair in synthetic_pairs(seed=3, n_seeds=2, sample_rate=16000, names=["S1"])]
        ['3/S1', '4/S1']
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
) -> BenchRun:
    """Morph and evaluate all pairs.

    Args:
        pairs: Pairs with unique names and equal sample rates; with a codec, at the codec's sample rate.
        codec: A codec that is evaluated in addition to the baselines, in all variants of ``codec_methods``; None: none.
        methods: Names of the baselines; None: all.
        decoys: Whether the decoys are evaluated on synthetic pairs.
        cache: Folder of cached results; None: no cache.
        workers: Number of processes; with more than one, a script must call the function under
            ``if __name__ == "__main__"``.
        progress: Called with (pairs done, pairs in all).

    Returns:
        ``bench_version``, ``sample_rate``, ``ratios`` and ``pairs``: name → ``kind``, ``title`` and ``rows``: method →
        metrics, parts, ``morph_score``, ``gates`` and ``seconds``. Equal arguments give equal results, except for
        ``seconds``.

    Raises:
        InputError: If a worker process was killed.
        ValueError: If the sample rates differ, or two pairs have the same name.
    """
    rates = {pair.sample_rate for pair in pairs} | ({codec.sample_rate} if codec else set())
    if len(rates) != 1:
        raise ValueError(f"pairs and codec must have one sample rate, got {sorted(rates)}")
    if len({pair.name for pair in pairs}) < len(pairs):
        raise ValueError("every pair must have a unique name, got one twice")
    wanted = [name for name in METHODS if methods is None or name in methods]
    found: dict[str, Rows] = {}
    jobs = []
    own, mark = [*codec_methods(codec)], codec_mark(codec) if cache else ""
    for pair in pairs:
        names = [*own, *names_for(pair, wanted, decoys=decoys)]
        known = read_rows(cache, pair) | (read_rows(cache, pair, mark) if own else {})
        found[pair.name] = {name: known[name] for name in names if name in known}
        if missing := [name for name in names if name not in known]:
            jobs.append((pair, missing))
    done = len(pairs) - len(jobs)
    start = partial(nullcontext, codec)
    for (pair, _), rows in in_processes(_judge, jobs, workers=workers, start=start, name="judging"):
        found[pair.name] |= rows
        if cache is not None:
            _keep(cache, pair, rows, own, mark)
        done += 1
        if progress:
            progress(done, len(pairs))
    result = {pair.name: _entry(pair, found[pair.name]) for pair in pairs}
    return {"bench_version": BENCH_VERSION, "sample_rate": rates.pop(), "ratios": list(ALL_RATIOS), "pairs": result}


def _judge(codec: Codec | None, job: tuple[Pair, list[str]]) -> Rows:
    pair, names = job
    return morph_and_judge(pair, names, codec)


def _keep(cache: Path, pair: Pair, rows: Rows, own: Sequence[str], mark: str) -> None:
    """Add new results to the cache; those of the codec are in a separate file."""
    for place, new in (
        ("", {name: row for name, row in rows.items() if name not in own}),
        (mark, {name: row for name, row in rows.items() if name in own}),
    ):
        if new:
            write_rows(cache, pair, read_rows(cache, pair, place) | new, place)


def _entry(pair: Pair, rows: Rows) -> JudgedPair:
    order = (*CODEC_METHODS, ORACLE, *METHODS, *DECOY_METHODS)
    return judged_pair(pair, {name: rows[name] for name in order if name in rows})
