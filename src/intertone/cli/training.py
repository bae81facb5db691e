"""``intertone train`` trains a codec or a recogniser; ``intertone pack`` makes its folder ready to be shared."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.options import (
    DeviceOption,
    ForceOption,
    JsonOption,
    Report,
    check_notes,
    check_own_output,
    check_settings,
)
from intertone.cli.progress import terminal_bar
from intertone.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from intertone.train import Progress

FAULTY = 3
"""Exit code of a complete run whose codec is faulty: no better than at the start, or the same sound for all inputs."""


def train(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="A folder of sounds, a note set, or prepared features from `intertone data`.",
            callback=check_notes,
        ),
    ],
    settings: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN.TOML]", help="Settings of the run, to train from random weights.", callback=check_settings
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Codec to fine-tune: a shipped codec's name, or a folder with config.json."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the run; repeat an interrupted command to resume it. (default: runs/ and the name of the "
            "data)",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting: model.kernel_size=[5,5]; may be repeated.")
    ] = None,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
) -> None:
    """Fine-tune a codec on sounds, or train one from random weights; repeat an interrupted command to resume it.

    Exit code 3: the run is complete, but its best codec is no better than at the start, or decodes all to one sound.
    """
    import os

    rank, alone = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")) == 1
    report = Report(context, as_json=json or rank > 0)
    if (settings is None) == (from_ is None):
        got = "both" if from_ else "neither"
        raise InputError(f"a run must begin with settings, RUN.TOML, or with a codec, --from harmonic, got {got}")
    out = Path("runs") / data.resolve().name if out is None else out
    from intertone.cli.findings import show_findings
    from intertone.codec import Codec
    from intertone.config import override
    from intertone.train import (
        TrainConfig,
        TrainingStoppedError,
        check_run_folder,
        fine_tuning_settings,
        load_trained,
        open_sounds,
        train_codec,
    )
    from intertone.train.own_sounds import OWN_SOUNDS, is_sounds

    start = None if from_ is None else Codec.load(from_)
    config = TrainConfig() if settings is None else TrainConfig.read(settings, overrides=set_ or [])
    representation = config.representation if start is None else start.config.representation
    check_run_folder(out)
    if not alone and is_sounds(data):
        raise InputError(
            f"training with several processes must have a note set as --data, got a folder of sounds, {data}"
        )
    with terminal_bar() as bar:
        task = bar.add_task("")
        opened = open_sounds(
            data,
            out,
            representation,
            prepare=start is not None and alone,
            workers=2,
            progress=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    findings = show_findings(out / OWN_SOUNDS[0], as_json=report.as_json)
    if start is not None:
        n_training = int((opened.split == "train").sum())
        chosen = override(fine_tuning_settings(start, n_training).model_dump(mode="json"), set_ or [])
        config = TrainConfig.parse(chosen, source="--set")
    with _step_bar() as on_step:
        try:
            progress = train_codec(config, opened, out, start=start, device=device, on_step=on_step)
        except TrainingStoppedError as error:
            typer.echo(f"intertone: training stopped: {error}", err=True)
            raise typer.Exit(1) from None
    if rank:
        _leave_at_once()
    text = progress.finished or "interrupted; run the same command to resume"
    if (out / "best" / "config.json").is_file():
        best = load_trained(out / "best")
        reading = best.model.reading(progress.best_loss, best.representation.scales)
        value = f"{reading.words} {reading.value:.4g} {reading.unit}".rstrip()
        text += f": best validation at epoch {progress.best_epoch}, {value}, saved in {out / 'best'}"
    result = {**vars(progress), "best": str(out / "best"), "sounds": findings}
    report.finish({name: value if value != float("inf") else None for name, value in result.items()}, text)
    if not progress.finished:
        raise typer.Exit(130)
    if progress.warning:
        typer.echo(f"intertone: warning: the codec {out / 'best'} is faulty: {progress.warning}", err=True)
        raise typer.Exit(FAULTY)
    if not alone:
        _leave_at_once()


@contextmanager
def _step_bar() -> "Iterator[Callable[[Progress, int, float], None]]":
    """Show a bar of the steps of an epoch on a terminal; give a function to call with (progress, steps, loss)."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with terminal_bar(*columns, TextColumn("loss {task.fields[loss]:.5f}")) as bar:
        task = bar.add_task("training", total=None, epoch=1, loss=0.0)

        def show(progress: "Progress", steps: int, loss: float) -> None:
            bar.update(task, completed=progress.step_in_epoch, total=steps, epoch=progress.epoch + 1, loss=loss)

        yield show


def _leave_at_once() -> None:
    """End one of several processes without the interpreter's clean-up.

    torch's communication threads sometimes abort a process during the clean-up, and torchrun then reports a failed run.
    All results are on disk at this point.
    """
    import os
    import sys

    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def pack(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run, made by `intertone train`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the codec.")],
    card: Annotated[
        Path | None, typer.Option("--card", help="Model card to include. (default: the short one of the run)")
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Copy a run's best codec into a folder to share: 16-bit weights, settings, model card and training log."""
    report = Report(context, as_json=json)
    from intertone.files import check_output_folder, regular, replacing

    if not (run / "best" / "config.json").is_file():
        raise InputError(f"RUN must be the folder of a run, with best/ in it, got {run}")
    is_codec = (check_output_folder(out) / "model.safetensors").exists()
    known = ("config.json", "model.safetensors", "README.md", "metrics.jsonl") if is_codec else ()
    check_own_output(out, known, "a codec's folder", force=force)
    texts = {}
    for name, path in (("card", card or run / "best" / "README.md"), ("log", run / "metrics.jsonl")):
        try:
            texts[name] = regular(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError(f"the {name} must be a readable text file, got {path}") from None

    from intertone.train import load_trained

    load_trained(run / "best").compact().save(out, card=texts["card"], half=True)
    with replacing(out / "metrics.jsonl") as temporary:
        temporary.write_text(texts["log"], encoding="utf-8")
    size = (out / "model.safetensors").stat().st_size
    report.finish({"codec": str(out), "bytes": size}, f"wrote {out}: {size / 1e6:.1f} MB of weights")
