"""Interface between a paper's folder and the command line: a description, which imports nothing heavy, and a replay."""

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
"""Name of the budget that every paper has: a trial of the command, whose figures are not results."""


@dataclass(frozen=True)
class Request:
    """Request to replay a paper.

    Attributes:
        out: Folder of the experiments.
        budget: Name of one of the paper's budgets.
        only: Name of one of the paper's parts; None: everything is replayed.
        page: Markdown page whose marked tables are replaced, and to whose folder the pictures are copied; None: none.
        device: Torch device for training.
        command: The command line, for the pages.
        on_step: Called after every training step; None: not called.
        network: Name or folder of the network, for papers on style transfer, which train none.
        soundfont: Soundfont from which such papers render their sounds; None: the installed one.
        on_count: Called after every evaluation of a transfer's loss; None: not called.
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
        """Whether the budget is a trial, so that the page marks its tables as no results."""
        return self.budget == TRIAL


@dataclass(frozen=True)
class Outcome:
    """Result of a replay: the tables, name → Markdown, and the path of the file that shows them."""

    tables: Mapping[str, str]
    file: Path


@dataclass(frozen=True)
class Paper:
    """Description of a paper for the command line, which imports nothing heavy.

    The folder of the paper has a module ``replay`` with the functions ``check_page(request)`` and
    ``replay(notes, request)``; a paper on style transfer, which renders its sounds, has ``replay(request)``.

    Attributes:
        name: Name of the folder and of the command.
        words: Help text of the command.
        budgets: Name of a budget → duration; ``smoke`` is one of them.
        files: Names of the files and folders that the output folder may contain.
        parts: Name of a part that can be replayed separately → description.
        network: Shipped network that a paper on style transfer uses; empty: the paper trains networks on a note set.
    """

    name: str
    words: str
    budgets: Mapping[str, str]
    files: tuple[str, ...]
    parts: Mapping[str, str] = field(default_factory=dict)
    network: str = ""

    def check(self, request: Request) -> None:
        """Refuse an unsuitable page of a request before any computation.

        Raises:
            InputError: If the page cannot be read, its marks do not fit, or a trial would replace its results.
        """
        self._module().check_page(request)

    def replay(self, notes: "Notes | None", request: Request) -> Outcome:
        """Run all experiments that have no stored result, and write tables, pictures and pages.

        Args:
            notes: The note set; None for a paper that renders its sounds.
            request: The request of the command line.

        Raises:
            InputError: If notes, network, folder or page do not fit.
            KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the experiments.
        """
        arguments = (request,) if notes is None else (notes, request)
        outcome: Outcome = self._module().replay(*arguments)
        return outcome

    def _module(self) -> ModuleType:
        return import_module(f"intertone.papers.{self.name}.replay")
