"""Progress of work that takes long, and the time since the command began."""

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, ProgressColumn, TaskID

WAIT_SECONDS = 2.0
"""Seconds that work may take before a bar is shown."""

PROGRESS_SECONDS = 15.0
"""Seconds from one line of progress to the next, in a log for instance; a larger value makes shorter logs."""

_began = time.monotonic()


def begin(seconds: float | None = None) -> None:
    """Set when the command began, on the clock of ``time.monotonic``; now where nothing is given."""
    global _began
    _began = time.monotonic() if seconds is None else seconds


def elapsed() -> float:
    """Return the seconds since the command began, imports included."""
    return time.monotonic() - _began


@contextmanager
def progress_bar(unit: str, *, total: int | None = None) -> "Iterator[Callable[[int, int], None]]":
    """Show a bar on stderr if that is a terminal.

    Args:
        unit: Name of the counted things, in plural.
        total: How many there are, if that is known before the first is done.

    Returns:
        A context that gives what is to be called with (done, of how many).
    """
    with terminal_bar() as bar:
        task = bar.add_task(unit, total=total)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def late_bar(unit: str) -> "Iterator[Callable[[int, int], None]]":
    """Show a bar on stderr once the work has lasted ``WAIT_SECONDS``, if that is a terminal.

    It moves to and fro until the amount of work that is done is reported. Within it no other bar may be shown.

    Args:
        unit: Name of what is being done, or of the counted things.

    Returns:
        A context that gives what may be called with (done, of how many).
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    shown: list[tuple[Progress, TaskID]] = []
    counts: list[tuple[int, int]] = []

    def show() -> None:
        bar = terminal_bar()
        bar.start()
        shown.append((bar, bar.add_task(unit, total=None)))
        for done, total in counts[-1:]:
            bar.update(shown[0][1], completed=done, total=total)

    def count(done: int, total: int) -> None:
        counts.append((done, total))
        for bar, task in shown:
            bar.update(task, completed=done, total=total)

    timer = threading.Timer(WAIT_SECONDS, show)
    timer.start()
    try:
        yield count
    finally:
        timer.cancel()
        timer.join()
        for bar, _ in shown:
            bar.stop()


def terminal_bar(*columns: "ProgressColumn") -> "Progress":
    """Return rich's bar with some columns, or its own, on stderr; it shows nothing if that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # the result goes to stdout when the bar has gone, and must not be sent to stderr
    return Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=False)


class ProgressLines:
    """Lines of progress on stderr for work of minutes, where that is no terminal and no bar is seen.

    Args:
        bar: The bar that is shown on a terminal.
        as_json: Whether the result is printed as JSON: then there are no lines, as there are no remarks.
    """

    def __init__(self, bar: "Progress", *, as_json: bool) -> None:
        self.wanted = bar.disable and not as_json
        self.last = 0.0

    def show(self, seconds: float, text: str) -> None:
        """Print a line, if the last one is ``PROGRESS_SECONDS`` old or more.

        Args:
            seconds: Since the work began.
            text: The line.
        """
        if self.wanted and seconds - self.last >= PROGRESS_SECONDS:
            self.last = seconds
            typer.echo(f"  {text}", err=True)
