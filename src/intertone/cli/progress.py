"""Progress bars and progress lines on stderr, and the time since the command began."""

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
"""Time after which ``late_bar`` shows its bar, s."""

PROGRESS_SECONDS = 15.0
"""Shortest time between two progress lines where stderr is not a terminal, s. A larger value makes shorter logs."""

_began = time.monotonic()


def begin(seconds: float | None = None) -> None:
    """Set the time at which the command began, as a value of ``time.monotonic``, s; None: now."""
    global _began
    _began = time.monotonic() if seconds is None else seconds


def elapsed() -> float:
    """Return the seconds since the command began, imports included."""
    return time.monotonic() - _began


@contextmanager
def progress_bar(unit: str, *, total: int | None = None, lines: bool = False) -> "Iterator[Callable[[int, int], None]]":
    """Show a bar on stderr if that is a terminal.

    Args:
        unit: Name of the counted items, in the plural.
        total: Number of items; None: not known yet.
        lines: Whether to print progress lines where stderr is not a terminal, see ``ProgressLines``.

    Returns:
        A context manager. It gives a function that is called with (number of finished items, number of all items).
    """
    with terminal_bar() as bar:
        task = bar.add_task(unit, total=total)
        printed, began = ProgressLines(bar, as_json=not lines), time.monotonic()

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            seconds = time.monotonic() - began
            printed.show(seconds, f"{done} of {total} {unit} in {seconds:.0f} s")

        yield show


@contextmanager
def late_bar(unit: str) -> "Iterator[Callable[[int, int], None]]":
    """Show a bar on stderr after ``WAIT_SECONDS``, if stderr is a terminal.

    The bar moves back and forth until its function is called. No other bar may be shown inside the context.

    Args:
        unit: Name of the work, or of the counted items.

    Returns:
        A context manager. It gives a function that may be called with (number of finished items, number of all items).
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
    """Return rich's progress bar on stderr with the given or its default columns; it is off without a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # rich would redirect stdout to its console, which is stderr, while the bar is shown
    return Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=False)


class ProgressLines:
    """Progress lines on stderr for long work, where stderr is not a terminal and the bar is off.

    Args:
        bar: The bar; lines are printed only if it is off.
        as_json: Whether the subcommand prints JSON; then no lines are printed.
    """

    def __init__(self, bar: "Progress", *, as_json: bool) -> None:
        self.wanted = bar.disable and not as_json
        self.last = 0.0

    def show(self, seconds: float, text: str) -> None:
        """Print a line if the previous one is at least ``PROGRESS_SECONDS`` old.

        Args:
            seconds: Time since the work began, s.
            text: The line.
        """
        if self.wanted and seconds - self.last >= PROGRESS_SECONDS:
            self.last = seconds
            typer.echo(f"  {text}", err=True)
