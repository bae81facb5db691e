"""Several things at a time: a thread for each processor, and in each thread PyTorch's own are one."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

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
        waiting = deque(pool.submit(called, item) for item in items[:workers])
        for item in items[workers:]:
            finished = waiting.popleft().result()
            waiting.append(pool.submit(called, item))
            yield finished
        while waiting:
            yield waiting.popleft().result()
