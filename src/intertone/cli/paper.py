"""``intertone paper``: the experiments of a paper, as tables and pictures."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.options import DeviceOption, JsonOption, Report
from intertone.files import check_output_folder, check_own_folder, disk_errors

if TYPE_CHECKING:
    from intertone.train import Progress

app = typer.Typer(no_args_is_help=True)

KNOWN = ("runs", "results", "results.json", "tables.md", "representations.html", "pictures", "sounds")
"""What the folder of a paper holds."""


class Budget(StrEnum):
    """How much is done."""

    smoke = "smoke"
    cpu = "cpu"
    gpu = "gpu"


class Part(StrEnum):
    """What can be done without the rest."""

    representations = "representations"


@app.callback()
def _papers() -> None:
    """Keep the paper's name a word of the command line while there is one paper only."""


@app.command()
def thesis(
    context: typer.Context,
    data: Annotated[Path, typer.Option("--data", help="A note set, from `intertone data`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the experiments; what is done is not repeated.")],
    budget: Annotated[
        Budget, typer.Option("--budget", help="smoke: seconds; cpu: an hour or two; gpu: 64 times the steps.")
    ],
    write: Annotated[
        Path | None, typer.Option("--write", help="A Markdown page whose marked tables are replaced by these.")
    ] = None,
    only: Annotated[
        Part | None, typer.Option("--only", help="representations: the comparison of three, without the rest.")
    ] = None,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
) -> None:
    """Do the experiments of the 2023 thesis's chapter 4; stop at any time and run the same command to go on."""
    report = Report(context, as_json=json)
    with disk_errors(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
    check_output_folder(out)
    check_own_folder(out, KNOWN, "the experiments'")

    from rich.console import Console
    from rich.progress import Progress as Bar

    from intertone.data.notes import Notes
    from intertone.papers.thesis.experiment import Laboratory
    from intertone.papers.thesis.replay import COMPARED, TABLES, check_page, replay_representations, replay_thesis
    from intertone.papers.thesis.study import BUDGETS

    if write is not None:
        replaced = TABLES if only is None else COMPARED
        check_page(write, trial=replaced if budget == Budget.smoke else ())
    notes = Notes.open(data)
    with disk_errors(out):
        out.mkdir(exist_ok=True)
    console = Console(stderr=True)
    with Bar(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(title: str, progress: "Progress", steps: int) -> None:
            words = f"{title}, epoch {progress.epoch + 1}"
            bar.update(task, description=words, completed=progress.step_in_epoch, total=steps)

        laboratory = Laboratory(notes, out, BUDGETS[budget.value], device, show)
        command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
        replay, made = (
            (replay_thesis, "tables.md") if only is None else (replay_representations, "representations.html")
        )
        tables = replay(laboratory, command=command, page=write, trial=budget == Budget.smoke)
    text = f"wrote {out / made}" + (f" and the tables of {write}" if write else "")
    report.finish({"folder": str(out), "tables": tables}, text)
