"""Several things at a time: in threads with one of PyTorch's own each, or in processes that end when they should."""

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
"""The number of PyTorch's threads is one for the whole process."""


def side_by_side(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield what ``work`` returns for each of some things, in their order.

    Each of several is worked at by one thread alone, so the results are the same on any number of processors; a single
    one has all threads of PyTorch, whose number changes its sums by rounding. No more results than there are threads
    wait to be taken. Within itself, it goes through the things one after the other.

    Args:
        work: Called once for each, in any order and at the same time; what is random must come with the item.
        items: What it is called with.

    Returns:
        An iterator over the results; until it is read to its end, or closed, PyTorch has one thread.

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
        # both are each thread's own
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(item)

    with ThreadPoolExecutor(workers) as pool:
        # each in a copy of the caller's context, so that its remarks reach who collects them here
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
    """Yield each of some things with what ``work`` returns for it, as they are done by several processes.

    Whatever ends the iterator ends the processes too, and they end with the process that started them. Ctrl-C is that
    one's to answer.

    Args:
        work: Called with what ``start`` opened, and one thing; it is sent to each process once, and so is ``start``.
        items: What it is called with, in any order.
        workers: Processes; with one, or one thing, this process does the work, in order.
        start: Opens what the work needs, once in each process.
        name: What the processes do, for the error: ``rendering``.
        threads: Of PyTorch in each of several processes; None leaves them as many as there are processors.

    Returns:
        An iterator over pairs of a thing and its result, in any order.

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
        waiting = {pool.submit(_called, item): item for item in items}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
        pool.shutdown()
    except BrokenProcessPool:
        raise InputError(
            f"every {name} process must live to its end, but one was ended from outside or ran out of memory; "
            "fewer --workers need less, and the same command goes on with what it kept"
        ) from None
    finally:
        for child in set(active_children()) - others:
            # not terminated: one that has not begun yet may have inherited that SIGTERM is ignored
            child.kill()
        pool.shutdown(wait=False, cancel_futures=True)


_process: list[tuple[Callable[..., Any], AbstractContextManager[object]]] = []
"""Function that a process of a pool calls with each thing, and the context that stays open for it."""


def _begin(
    work: Callable[[State, Item], Result], start: Callable[[], AbstractContextManager[State]], threads: int | None
) -> None:
    for name in ("SIGINT", "SIGHUP"):  # the parent has them too, and ends this process
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


def _called(item: Item) -> Any:
    call, _ = _process[0]
    return call(item)
