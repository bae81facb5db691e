"""Contract of a paper's folder with the command line: words that cost nothing to read, and a replay."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intertone.data.notes import Notes
    from intertone.experiments.experiment import OnStep
    from intertone.experiments.transfer_study import OnCount

TRIAL = "smoke"
"""The budget that every paper has: a trial of the command, whose figures are no results."""


@dataclass(frozen=True)
class Request:
    """Request to replay a paper.

    Attributes:
        out: Folder of the experiments.
        budget: Name of one of the paper's budgets.
        only: Name of one of the paper's parts, or None: everything.
        page: A Markdown page whose marked tables are replaced, and that gets copies of the pictures.
        device: Where to train.
        command: What is typed, for the pages.
        on_step: Called after every training step.
        network: Name or folder of the trained network that a paper without notes works with; empty: the paper's own.
        soundfont: Bank that such a paper renders its sounds from; None: the installed one.
        on_count: Called after every evaluation of a transfer.
    """

    out: Path
    budget: str
    only: str | None = None
    page: Path | None = None
    device: str = "cpu"
    command: str = ""
    on_step: "OnStep | None" = None
    network: str = ""
    soundfont: Path | None = None
    on_count: "OnCount | None" = None

    @property
    def trial(self) -> bool:
        """Whether the page says of each table that it is no result."""
        return self.budget == TRIAL


@dataclass(frozen=True)
class Outcome:
    """The tables, name → Markdown, and the file to look at."""

    tables: Mapping[str, str]
    file: Path


@dataclass(frozen=True)
class Paper:
    """A paper, as the command line knows it before anything heavy is imported.

    Its folder has a module ``replay`` with two functions: ``check_page(request)`` and ``replay(notes, request)``, or
    ``replay(request)`` if it works with a trained network and renders its own sounds.

    Attributes:
        name: Of its folder and its verb.
        words: What the verb does.
        budgets: Name → how long it takes; ``smoke`` is one of them.
        files: What the folder of its experiments may hold.
        parts: What can be done without the rest: name → what that is.
        network: Shipped network that it works with; empty: it trains its own, and takes notes.
    """

    name: str
    words: str
    budgets: Mapping[str, str]
    files: tuple[str, ...]
    parts: Mapping[str, str] = field(default_factory=dict)
    network: str = ""

    def check(self, request: Request) -> None:
        """Refuse a request's page before any work is done.

        Raises:
            InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
        """
        self._module().check_page(request)

    def replay(self, notes: "Notes | None", request: Request) -> Outcome:
        """Do every experiment that is not done yet, and write what came out.

        Args:
            notes: The note set; None for a paper that renders its own sounds.
            request: What is asked.

        Raises:
            InputError: If notes, network, folder or page do not fit.
            KeyboardInterrupt: If the process was told to end; the same call goes on.
        """
        arguments = (request,) if notes is None else (notes, request)
        outcome: Outcome = self._module().replay(*arguments)
        return outcome

    def _module(self) -> ModuleType:
        return import_module(f"intertone.papers.{self.name}.replay")
