"""Distributed training with several processes, and the signals that interrupt a run."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, distributed

from intertone.errors import InputError

HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""Signal that a process receives when its terminal is closed; None on Windows, which has no such signal."""


@dataclass(frozen=True)
class Processes:
    """Rank of this process among those that train together, their number, and its device."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def mean(self, values: list[Tensor]) -> None:
        """Replace each tensor, in place, by its mean over all processes, with a single all-reduce."""
        if self.size == 1 or not values:
            return
        flat = torch.cat([value.detach().float().flatten() for value in values])
        distributed.all_reduce(flat)
        flat /= self.size
        for value, part in zip(values, torch.split(flat, [value.numel() for value in values]), strict=True):
            value.detach().copy_(part.view_as(value))

    def agree(self, value: int) -> bool:
        """Return whether ``value`` is the same in all processes."""
        if self.size == 1:
            return True
        extremes = torch.tensor([value, -value], device=self.device)
        distributed.all_reduce(extremes, op=distributed.ReduceOp.MAX)
        return bool(extremes[0] == -extremes[1])

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is True in at least one process; all processes get the same result."""
        if self.size == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(flags, op=distributed.ReduceOp.MAX)
        return bool(flags)


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the process group if ``torchrun`` started several processes; otherwise use this process alone.

    Raises:
        InputError: If torch cannot use ``device``.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    try:
        here = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" and size > 1 else device)
        torch.zeros(1, device=here).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the device must be one that torch can use, got {device}: {reason}") from None
    if size == 1:
        yield Processes(device=here)
        return
    distributed.init_process_group("nccl" if here.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), size, here)
        distributed.barrier()  # the first process may still be writing files
    finally:
        distributed.destroy_process_group()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Catch the first SIGTERM, SIGHUP or Ctrl-C in a ``with`` block; a second one raises ``KeyboardInterrupt``.

    Yields:
        A function that returns True once a signal has been received.
    """
    received: list[int] = []

    def receive(number: int, _frame: Any) -> None:
        # a closed terminal may send SIGHUP twice
        if received and number != HANG_UP:
            raise KeyboardInterrupt
        received.append(number)

    numbers = [signal.SIGTERM, signal.SIGINT]
    if HANG_UP is not None and signal.getsignal(HANG_UP) is not signal.SIG_IGN:  # under nohup it stays ignored
        numbers.append(HANG_UP)
    try:
        before = {number: signal.signal(number, receive) for number in numbers}
    except ValueError:  # handlers can only be set in the main thread
        yield lambda: False
        return
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
