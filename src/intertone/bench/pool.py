"""Pairs judged in several processes that end when they should."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, connection, get_context, parent_process

from intertone.bench.judge import Rows, morph_and_judge
from intertone.bench.pair import Pair
from intertone.codec import Codec
from intertone.errors import InputError

Job = tuple[Pair, list[str]]

_codec: Codec | None = None


def judge_jobs(jobs: Sequence[Job], codec: Codec | None, workers: int) -> Iterator[tuple[Pair, Rows]]:
    """Yield each pair with its rows, as they are done.

    Args:
        jobs: Pairs, and the methods of each.
        codec: For its own methods.
        workers: Processes; with one, or one job, this process does the work.

    Returns:
        An iterator over pairs and rows, in any order. Whatever ends it ends the processes too.

    Raises:
        InputError: If a process was killed.
    """
    if workers < 2 or len(jobs) < 2:
        for pair, names in jobs:
            yield pair, morph_and_judge(pair, names, codec)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_begin, initargs=(codec,)
    )
    try:
        waiting = {pool.submit(_work, pair, names): pair for pair, names in jobs}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
        pool.shutdown()
    except BrokenProcessPool:
        raise InputError(
            "the bench's processes must be left alive, got one killed, perhaps for memory; fewer --workers need less"
        ) from None
    finally:
        for child in set(active_children()) - others:
            child.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(codec: Codec | None) -> None:
    global _codec
    _codec = codec
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(pair: Pair, names: Sequence[str]) -> Rows:
    return morph_and_judge(pair, names, _codec)
