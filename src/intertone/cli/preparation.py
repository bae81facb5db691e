"""``intertone data prepare``: computes the features of notes once, for several training runs."""

from pathlib import Path
from typing import Annotated

import typer

from intertone.cli.options import JsonOption, Report, check_notes, given
from intertone.cli.progress import progress_bar


def prepare(
    context: typer.Context,
    notes: Annotated[Path, typer.Argument(metavar="NOTES", help="Folder of a note set.", callback=check_notes)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the features; repeat an interrupted command to resume it.")
    ],
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help="Settings of a training run, whose representation computes the features. (default: harmonic)",
        ),
    ] = None,
    train: Annotated[int | None, typer.Option(help="Number of training notes; 12000 if not given.")] = None,
    valid: Annotated[int | None, typer.Option(help="Number of validation notes; 512 if not given.")] = None,
    test: Annotated[int | None, typer.Option(help="Number of test notes; 0 if not given.")] = None,
    pitch_min: Annotated[int | None, typer.Option(help="Lowest pitch, MIDI number; 0 if not given.")] = None,
    pitch_max: Annotated[int | None, typer.Option(help="Highest pitch, MIDI number; 127 if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random choice of notes; 0 if not given.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 2,
    json: JsonOption = False,
) -> None:
    """Compute the features of notes once, so that several training runs can read them."""
    report = Report(context, as_json=json)
    from intertone.data.notes import Notes
    from intertone.representation import HarmonicConfig
    from intertone.train import FeatureChoiceConfig, TrainConfig, prepare_features

    representation = HarmonicConfig() if settings is None else TrainConfig.read(settings).representation
    drawn = given(train_notes=train, valid_notes=valid, test_notes=test, seed=seed)
    choice = FeatureChoiceConfig.parse(drawn | given(pitch_min=pitch_min, pitch_max=pitch_max), source="the options")
    opened = Notes.open(notes)
    with progress_bar("notes") as progress:
        features = prepare_features(opened, representation, out, choice=choice, workers=workers, progress=progress)
    counts = features.header["counts"]
    text = f"wrote {out}: " + ", ".join(f"{count} to {split}" for split, count in counts.items() if count)
    report.finish({"folder": str(out), "counts": counts, "representation": features.representation}, text)
