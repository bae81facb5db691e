"""``intertone paper``: the experiments of a paper, as tables and pictures."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from intertone.cli import options
from intertone.cli.progress import terminal_bar
from intertone.files import disk_errors
from intertone.papers import PAPERS
from intertone.papers.contract import Paper, Request

if TYPE_CHECKING:
    from intertone.experiments.experiment import OnStep
    from intertone.experiments.transfer_study import OnCount
    from intertone.train import Progress


def _help(words: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in words.items()) + "."


def replay(paper: Paper, request: Request, data: Path | None, report: options.Report) -> None:
    """Run a paper's experiments, or resume them, and print where the results are."""
    out = request.out
    options.check_own_output(out, paper.files, "the experiments'")
    paper.check(request)

    from intertone.data.notes import Notes

    notes = None if data is None else Notes.open(data)
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    with _progress() as (on_step, on_count):
        outcome = paper.replay(notes, replace(request, on_step=on_step, on_count=on_count))
    text = f"wrote {outcome.file}" + (f" and the tables of {request.page}" if request.page else "")
    report.finish({"folder": str(out), "tables": outcome.tables}, text)


@contextmanager
def _progress() -> Iterator[tuple["OnStep", "OnCount"]]:
    with terminal_bar() as bar:
        task = bar.add_task("", total=None)

        def show(title: str, progress: "Progress", steps: int) -> None:
            words = f"{title}, epoch {progress.epoch + 1}"
            bar.update(task, description=words, completed=progress.step_in_epoch, total=steps)

        def count(title: str, done: int, wanted: int) -> None:
            bar.update(task, description=title, completed=done, total=wanted)

        yield show, count


OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for the experiments; finished ones are not repeated.")
]
WriteOption = Annotated[
    Path | None, typer.Option("--write", help="Markdown page whose marked tables are replaced by the results.")
]


def verb(paper: Paper) -> Callable[..., None]:
    """Return the subcommand of a paper whose experiments train networks on a note set."""
    if TYPE_CHECKING:
        budget_name: TypeAlias = str
        part_name: TypeAlias = str
    else:  # typer accepts only the names of this paper
        budget_name, part_name = (
            StrEnum("Name", {name: name for name in words}) for words in (paper.budgets, paper.parts)
        )

    def command(
        context: typer.Context,
        data: options.NotesOption,
        out: OutOption,
        budget: Annotated[budget_name, typer.Option("--budget", help=_help(paper.budgets))],
        write: WriteOption = None,
        only: Annotated[
            part_name | None, typer.Option("--only", hidden=not paper.parts, help=_help(paper.parts))
        ] = None,
        device: options.DeviceOption = "cpu",
        json: options.JsonOption = False,
    ) -> None:
        request = Request(out, budget, only, write, device, options.command_line())
        replay(paper, request, data, options.Report(context, as_json=json))

    return command


def network_verb(paper: Paper) -> Callable[..., None]:
    """Return the subcommand of a paper whose experiments use a trained network and rendered notes."""
    if TYPE_CHECKING:
        budget_name: TypeAlias = str
    else:
        budget_name = StrEnum("Name", {name: name for name in paper.budgets})

    def command(
        context: typer.Context,
        out: OutOption,
        budget: Annotated[budget_name, typer.Option("--budget", help=_help(paper.budgets))],
        write: WriteOption = None,
        network: Annotated[
            str, typer.Option("--network", help="A shipped network's name, or a folder with config.json.")
        ] = paper.network,
        soundfont: Annotated[
            Path | None,
            typer.Option(
                "--soundfont", help="SoundFont from which notes are rendered. (default: the installed FluidR3Mono_GM)"
            ),
        ] = None,
        json: options.JsonOption = False,
    ) -> None:
        words = options.command_line()
        request = Request(out, budget, page=write, command=words, network=network, soundfont=soundfont)
        replay(paper, request, None, options.Report(context, as_json=json))

    return command


def build(papers: Iterable[Paper]) -> typer.Typer:
    """Return the subcommand ``paper``, which has a subcommand for each paper."""
    app = typer.Typer(no_args_is_help=True)
    app.callback()(_papers)
    for paper in papers:
        app.command(paper.name, help=paper.words)(network_verb(paper) if paper.network else verb(paper))
    return app


def _papers() -> None:
    """Do nothing; the callback makes typer expect a paper's name even where there is only one paper."""


app = build(PAPERS)
