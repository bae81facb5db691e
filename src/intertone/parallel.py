"""Parallel work: in threads that each use one PyTorch thread, or in processes that end with their parent."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from multiprocessing import active_children, connection, get_context, parent_process
from typing import Any, TypeVar

import torch

from intertone.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")
State = TypeVar("State")

_ONE_AT_A_TIME = threading.Lock()
"""Lock of ``side_by_side``: the number of PyTorch threads is a setting of the whole process."""


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` for each item in order, computed in parallel threads.

    Each of several items is processed with one PyTorch thread, so the results do not depend on the number of
    processors. A single item is processed with all PyTorch threads, whose number changes sums by rounding errors. At
    most as many finished results as there are threads are stored. A nested call processes its items one by one.

    Args:
        work: Called once for each item, in any order and from several threads. An item must contain the source of its
            randomness.
        items: Arguments of ``work``.

    Returns:
        An iterator over the results. PyTorch uses one thread until the iterator is exhausted or closed.

    Example:
        >>> list(side_by_side(abs, [-3, 1, -2]))
        [3, 1, 2]
    """
    if len(items) < 2 or not _ONE_AT_A_TIME.acquire(blocking=False):
        yield from map(work, items)
        return
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        workers = min(n_threads, len(items))
        yield from map(work, items) if workers < 2 else _pooled(work, items, workers)
    finally:
        torch.set_num_threads(n_threads)
        _ONE_AT_A_TIME.release()


def _pooled(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def called(item: Item) -> Result:
        # both settings belong to a thread
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(item)

    # the number of threads of OpenMP belongs to a thread, too: the first layers of a network could use several
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # each call has a copy of the caller's context, so that the caller collects its remarks
        waiting = deque(pool.submit(copy_context().run, called, item) for item in items[:workers])
        for item in items[workers:]:
            finished = waiting.popleft().result()
            waiting.append(pool.submit(copy_context().run, called, item))
            yield finished
        while waiting:
            yield waiting.popleft().result()


def in_processes(
    work: Callable[[State, Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    start: Callable[[], AbstractContextManager[State]],
    name: str,
    threads: int | None = None,
) -> Iterator[tuple[Item, Result]]:
    """Yield ``(item, work(state, item))`` for each item, computed by several processes, in the order of completion.

    The processes end when the iterator ends, for any reason, or when the parent process ends. They ignore Ctrl-C, which
    the parent handles.

    Args:
        work: Called with the state of the process and one item. ``work`` and ``start`` are sent to each process once.
        items: Items, which are processed in any order.
        workers: Number of processes; with one worker or one item, this process does the work, in order.
        start: Returns a context manager that gives the state; it is entered once in each process.
        name: Work of the processes for the error sentence, such as ``rendering``.
        threads: Number of PyTorch threads in each of several processes; None: PyTorch's default.

    Returns:
        An iterator over pairs of an item and its result.

    Raises:
        InputError: If a process was killed.

    Example:
        >>> from contextlib import nullcontext
        >>> list(in_processes(pow, [2, 3], workers=1, start=lambda: nullcontext(10), name="computing"))
        [(2, 100), (3, 1000)]
    """
    if workers < 2 or len(items) < 2:
        with start() as state:
            for item in items:
                yield item, work(state, item)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(min(workers, len(items)), get_context("spawn"), _begin, (work, start, threads))
    try:
        waiting = {pool.submit(_call_work, item): item for item in items}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
        pool.shutdown()
    except BrokenProcessPool:
        raise InputError(
            f"every {name} process must run to its end, but one was killed or ran out of memory; "
            "fewer --workers need less memory, and the same command resumes with the results so far"
        ) from None
    finally:
        for child in set(active_children()) - others:
            # kill, not terminate: a process that has just started may have inherited that SIGTERM is ignored
            child.kill()
        pool.shutdown(wait=False, cancel_futures=True)


_process: list[tuple[Callable[..., Any], AbstractContextManager[object]]] = []
"""Function that a worker process calls with each item, and the context manager that stays open for it."""


def _begin(
    work: Callable[[State, Item], Result], start: Callable[[], AbstractContextManager[State]], threads: int | None
) -> None:
    for name in ("SIGINT", "SIGHUP"):  # the parent receives these signals too, and ends this process
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if threads:
        torch.set_num_threads(threads)
    opened = start()
    _process.append((partial(work, opened.__enter__()), opened))


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _call_work(item: Item) -> Any:
    call, _ = _process[0]
    return call(item)
