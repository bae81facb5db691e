"""Remarks: what was done to a sound, and what is odd about it, as data that every request collects for itself."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Remark:
    """One thing that was done, or that is odd.

    Attributes:
        level: ``info``: it was done; ``warning``: the result may not be what was wanted.
        text: One line for people.
    """

    level: Literal["info", "warning"]
    text: str


Said = str | float | Path | Exception
"""Type of the things that a remark can name."""

_collectors: ContextVar[tuple[Callable[[Remark], None], ...]] = ContextVar("collectors", default=())
"""Who collects what is done in this thread or task, outermost first."""


@contextmanager
def collect_remarks(at_once: Callable[[Remark], None] | None = None) -> Iterator[list[Remark]]:
    """Collect the remarks of what is done inside the block, and of nothing that is done elsewhere at the same time.

    A thread or an asyncio task has its own; ``side_by_side`` and ``asyncio.to_thread`` take the caller's along. Blocks
    within blocks collect the same remarks. An iterator makes remarks while it is read: ``morph_steps`` must be read
    inside the block.

    Args:
        at_once: Called with each remark when it is made, in the thread that makes it.

    Returns:
        A context that gives the list which is filled.

    Example:
        >>> import torch
        >>> from intertone.morphing import match_shapes
        >>> with collect_remarks() as remarks:
        ...     sounds = match_shapes(torch.ones(3), torch.ones(5))
        >>> remarks
        [Remark(level='info', text='A was completed with silence, from 3 to 5 samples')]
    """
    remarks: list[Remark] = []

    def take(remark: Remark) -> None:
        remarks.append(remark)
        if at_once is not None:
            at_once(remark)

    token = _collectors.set((*_collectors.get(), take))
    try:
        yield remarks
    finally:
        _collectors.reset(token)


class RemarkLogger:
    """Source of a module's remarks: they reach whoever collects them, and Python's log.

    Levels and handlers of the log do not change what is collected.

    Args:
        name: Of the module, ``__name__``; the name of its log.
    """

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def info(self, text: str, *values: Said) -> None:
        """Make a remark on what was done: ``text % values``."""
        self._make(Remark("info", text % values), logging.INFO, text, values)

    def warning(self, text: str, *values: Said) -> None:
        """Make a remark on what is odd: ``text % values``."""
        self._make(Remark("warning", text % values), logging.WARNING, text, values)

    def _make(self, remark: Remark, level: int, text: str, values: tuple[Said, ...]) -> None:
        for take in _collectors.get():
            take(remark)
        self._log.log(level, text, *values, stacklevel=3)
