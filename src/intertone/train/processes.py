"""The processes that train together, and the signals that stop them."""

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
"""Signal of a terminal that is closed; Windows has none."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def mean(self, values: list[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one exchange whose order never changes."""
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
        """Return whether ``flag`` is set in any process, the same answer in all."""
        if self.size == 1:
            return flag
        flags = torch.tensor(float(flag), device=self.device)
        distributed.all_reduce(flags, op=distributed.ReduceOp.MAX)
        return bool(flags)


@contextmanager
def join_processes(device: str) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, if it did.

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
        distributed.barrier()  # the first process may still be writing what the others would tear down
    finally:
        distributed.destroy_process_group()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGTERM, SIGHUP or Ctrl-C into a flag; a second one ends the process as usual."""
    received: list[int] = []

    def receive(number: int, _frame: Any) -> None:
        # a terminal that is closed may send SIGHUP twice
        if received and number != HANG_UP:
            raise KeyboardInterrupt
        received.append(number)

    numbers = [signal.SIGTERM, signal.SIGINT]
    if HANG_UP is not None and signal.getsignal(HANG_UP) is not signal.SIG_IGN:  # nohup ignores it
        numbers.append(HANG_UP)
    try:
        before = {number: signal.signal(number, receive) for number in numbers}
    except ValueError:  # not in the main thread, where signals are somebody else's
        yield lambda: False
        return
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
