"""Remarks: sentences on the processing of a sound and on problems with it, collected by each caller."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Remark:
    """Sentence on a processing step or a problem.

    Attributes:
        level: ``info``: a step that was done; ``warning``: a problem that may spoil the result.
        text: The sentence, one line.
    """

    level: Literal["info", "warning"]
    text: str


Said = str | float | Path | Exception
"""Type of the values that are inserted into the text of a remark."""

_collectors: ContextVar[tuple[Callable[[Remark], None], ...]] = ContextVar("collectors", default=())
"""Functions that receive the remarks of this thread or asyncio task, outermost block first."""


@contextmanager
def collect_remarks(at_once: Callable[[Remark], None] | None = None) -> Iterator[list[Remark]]:
    """Collect the remarks that are made inside the block, but none of other threads or asyncio tasks.

    Work that ``side_by_side`` and ``asyncio.to_thread`` start inside the block is included. Nested blocks all receive
    the remarks of the innermost one. An iterator makes remarks while it is read, so ``morph_steps`` must be read inside
    the block.

    Args:
        at_once: Called with each remark at once, in the thread that makes it; None: nothing is called.

    Returns:
        A context manager that gives the list of remarks, which grows during the block.

    Example:
        >>> import torch
        >>> from intertone.morphing import match_shapes
        >>> with collect_remarks() as remarks:
        ...     sounds = match_shapes(torch.ones(3), torch.ones(5))
        >>> remarks
        [Remark(level='info', text='A was padded with silence from 3 to 5 samples')]
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
    """Logger of a module's remarks, which are passed to the blocks of ``collect_remarks`` and to Python's logging.

    Levels and handlers of Python's logging do not affect the collected remarks.

    Args:
        name: Name of the module, ``__name__``, which is also the name of its logger.
    """

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def info(self, text: str, *values: Said) -> None:
        """Make the remark ``text % values`` on a processing step."""
        self._make(Remark("info", text % values), logging.INFO, text, values)

    def warning(self, text: str, *values: Said) -> None:
        """Make the remark ``text % values`` on a problem."""
        self._make(Remark("warning", text % values), logging.WARNING, text, values)

    def _make(self, remark: Remark, level: int, text: str, values: tuple[Said, ...]) -> None:
        for take in _collectors.get():
            take(remark)
        self._log.log(level, text, *values, stacklevel=3)
