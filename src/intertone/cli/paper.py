"""``intertone paper``: the experiments of a paper, as tables and pictures."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.options import DeviceOption, JsonOption, Report
from intertone.files import check_output_folder, check_own_folder, disk_errors

if TYPE_CHECKING:
    from intertone.train import Progress

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


class Budget(StrEnum):
    """How much is done."""

    smoke = "smoke"
    cpu = "cpu"
    gpu = "gpu"


KNOWN = ("runs", "results")
"""What the folder of a paper holds."""


@app.command()
def thesis(
    data: Annotated[Path, typer.Option("--data", help="A note set, from `intertone data`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the experiments; what is done is not repeated.")],
    budget: Annotated[Budget, typer.Option("--budget", help="smoke: seconds; cpu: an hour or two; gpu: a day.")],
    device: DeviceOption = "cpu",
    json: JsonOption = False,
) -> None:
    """Do the experiments of the 2023 thesis's chapter 4; stop at any time and run the same command to go on."""
    report = Report(as_json=json)
    with disk_errors(out):
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
    check_output_folder(out)
    check_own_folder(out, KNOWN, "the experiments'")

    from rich.console import Console
    from rich.progress import Progress as Bar

    from intertone.data.notes import Notes
    from intertone.papers.experiment import Laboratory, run_all
    from intertone.papers.thesis import BUDGETS

    notes = Notes.open(data)
    out.mkdir(exist_ok=True)
    console = Console(stderr=True)
    with Bar(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("")

        def show(title: str, progress: "Progress", steps: int) -> None:
            bar.update(
                task, description=f"{title}, epoch {progress.epoch + 1}", completed=progress.step_in_epoch, total=steps
            )

        laboratory = Laboratory(notes, out, BUDGETS[budget.value], budget == Budget.smoke, device, show)
        results = run_all(laboratory)
    report.finish({"experiments": list(results), "folder": str(out)}, f"{len(results)} runs in {out}")
