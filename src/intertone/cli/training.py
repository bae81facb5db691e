"""``intertone train``: settings and notes in, a codec or a recogniser out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.options import DeviceOption, ForceOption, JsonOption, Report, check_own_output
from intertone.cli.progress import terminal_bar

if TYPE_CHECKING:
    from intertone.train import Progress


def train(
    context: typer.Context,
    settings: Annotated[Path, typer.Argument(metavar="RUN.TOML", help="The settings of the run.")],
    data: Annotated[Path, typer.Option("--data", help="A note set, or prepared features, from `intertone data`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run; one that was interrupted goes on.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a setting: model.kernel_size=[5,5]")] = None,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
) -> None:
    """Train a codec or a classifier; stop it at any time and run the same command to go on."""
    import os

    rank = int(os.environ.get("RANK", "0"))
    report = Report(context, as_json=json or rank > 0)
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from intertone.data.features import FeatureSet, is_feature_set
    from intertone.data.notes import Notes
    from intertone.train import TrainConfig, TrainingStoppedError, load_trained, train_codec

    config = TrainConfig.read(settings, overrides=set_ or [])
    opened = FeatureSet.open(data) if is_feature_set(data) else Notes.open(data)
    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with terminal_bar(*columns, TextColumn("loss {task.fields[loss]:.5f}")) as bar:
        task = bar.add_task("training", total=None, epoch=1, loss=0.0)

        def show(progress: "Progress", steps: int, loss: float) -> None:
            bar.update(task, completed=progress.step_in_epoch, total=steps, epoch=progress.epoch + 1, loss=loss)

        try:
            progress = train_codec(config, opened, out, device=device, on_step=show)
        except TrainingStoppedError as error:
            typer.echo(f"intertone: training stopped: {error}", err=True)
            raise typer.Exit(1) from None
    if rank:
        _leave_at_once()
    text = progress.finished or "interrupted; run the same command to go on"
    if (out / "best" / "config.json").is_file():
        best = load_trained(out / "best")
        reading = best.model.reading(progress.best_loss, best.representation.scales)
        value = f"{reading.words} {reading.value:.4g} {reading.unit}".rstrip()
        text += f": best validation at epoch {progress.best_epoch}, {value}, saved in {out / 'best'}"
    result = {**vars(progress), "best": str(out / "best")}
    report.finish({name: value if value != float("inf") else None for name, value in result.items()}, text)
    if not progress.finished:
        raise typer.Exit(130)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _leave_at_once()


def _leave_at_once() -> None:
    """End one of several processes without tearing down the interpreter.

    torch's communication threads now and then abort the process while it is torn down, and torchrun takes that for a
    failed run. Everything is on disk by now.
    """
    import os
    import sys

    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def pack(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The codec's folder, ready to be shared.")],
    card: Annotated[
        Path | None, typer.Option("--card", help="A model card to put in. (default: the run's own few lines)")
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Make a folder to share from a run's best codec: weights in 16 bits, settings, model card, training log."""
    report = Report(context, as_json=json)
    from intertone.errors import InputError
    from intertone.files import check_output_folder, replacing
    from intertone.train import load_trained

    if not (run / "best" / "config.json").is_file():
        raise InputError(f"RUN must be the folder of a run, with best/ in it, got {run}")
    is_codec = (check_output_folder(out) / "model.safetensors").exists()
    known = ("config.json", "model.safetensors", "README.md", "metrics.jsonl") if is_codec else ()
    check_own_output(out, known, "a codec's folder", force=force)
    texts = {}
    for name, path in (("card", card or run / "best" / "README.md"), ("log", run / "metrics.jsonl")):
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError(f"the {name} must be a readable text file, got {path}") from None
    load_trained(run / "best").compact().save(out, card=texts["card"], half=True)
    with replacing(out / "metrics.jsonl") as temporary:
        temporary.write_text(texts["log"], encoding="utf-8")
    size = (out / "model.safetensors").stat().st_size
    report.finish({"codec": str(out), "bytes": size}, f"wrote {out}: {size / 1e6:.1f} MB of weights")
