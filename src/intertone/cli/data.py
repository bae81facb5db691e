"""``intertone data``: notes for training, rendered from a sound bank or imported from sound files."""

import json
import os
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.findings import show_findings
from intertone.cli.options import JsonOption, Report, check_notes, given
from intertone.cli.progress import progress_bar
from intertone.data.split import FRACTIONS
from intertone.errors import InputError

if TYPE_CHECKING:
    from intertone.data.header import NoteHeader

app = typer.Typer(help="Make and describe note sets, which training reads.", no_args_is_help=True)

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the note set; an interrupted one goes on.")]
SampleRate = Annotated[int | None, typer.Option(help="In Hz; 16000 if not given.")]
_SHARES = ",".join(map(str, FRACTIONS))


class SplitBy(StrEnum):
    """Unit that stays in one split."""

    group = "group"
    note = "note"


@app.command()
def render(
    context: typer.Context,
    out: Out,
    soundfont: Annotated[
        Path | None, typer.Argument(help="A .sf2 or .sf3 bank; if not given, SOUNDFONT or FluidR3Mono_GM.")
    ] = None,
    sample_rate: SampleRate = None,
    programs: Annotated[str | None, typer.Option(help="Such as 0-7,24; all if not given.")] = None,
    pitch_min: Annotated[int | None, typer.Option(help="Lowest key; 21 if not given.")] = None,
    pitch_max: Annotated[int | None, typer.Option(help="Highest key; 108 if not given.")] = None,
    pitch_step: Annotated[int | None, typer.Option(help="2 takes every second key.")] = None,
    velocities: Annotated[str | None, typer.Option(help="Such as 25,127; 25,50,75,100,127 if not given.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Render the notes of a sound bank, four seconds each, as NSynth does."""
    from intertone.data.soundfont import find_soundfont

    bank = find_soundfont(soundfont)

    from intertone.data.render import RenderConfig, render_bank

    settings = given(sample_rate=sample_rate, pitch_min=pitch_min, pitch_max=pitch_max, pitch_step=pitch_step)
    played = {} if velocities is None else {"velocities": tuple(parse_numbers(velocities))}
    config = RenderConfig.parse({**settings, **played}, source="the options")
    chosen = None if programs is None else parse_numbers(programs)
    Report(context, as_json=as_json)
    with progress_bar("programs") as report:
        header = render_bank(bank, out, config=config, programs=chosen, workers=workers, progress=report)
    _show(out, header, as_json, bank=bank)


@app.command("virtual-analogue")
def virtual_analogue(
    context: typer.Context,
    out: Out,
    sample_rate: Annotated[int | None, typer.Option(help="In Hz; 44100 if not given.")] = None,
    patches: Annotated[int | None, typer.Option(help="Instruments to draw; 64 if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the first patch; 0 if not given.")] = None,
    category: Annotated[
        str | None, typer.Option(help="bass, lead, pad, pluck, organ or percussion; drawn if not given.")
    ] = None,
    pitch_min: Annotated[int | None, typer.Option(help="Lowest key; 36 if not given.")] = None,
    pitch_max: Annotated[int | None, typer.Option(help="Highest key; 84 if not given.")] = None,
    pitch_step: Annotated[int | None, typer.Option(help="2 takes every second key; 4 if not given.")] = None,
    velocities: Annotated[str | None, typer.Option(help="Such as 25,127; 75,127 if not given.")] = None,
    polyphony: Annotated[
        int | None, typer.Option(help="Maximum number of keys played at the same time, 1 to 4; 1 if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Draw instruments of a virtual-analogue synthesizer and play notes on them, four seconds each."""
    from intertone.data.patch_set import VirtualAnalogueConfig, render_patches

    given = {
        "sample_rate": sample_rate, "patches": patches, "seed": seed, "category": category, "pitch_min": pitch_min,
        "pitch_max": pitch_max, "pitch_step": pitch_step, "polyphony": polyphony,
    }  # fmt: skip
    settings = {name: value for name, value in given.items() if value is not None}
    played = {} if velocities is None else {"velocities": tuple(parse_numbers(velocities))}
    config = VirtualAnalogueConfig.parse({**settings, **played}, source="the options")
    Report(context, as_json=as_json)
    with progress_bar("patches") as report:
        header = render_patches(out, config=config, workers=workers, progress=report)
    _show(out, header, as_json)


@app.command("import")
def import_sounds(
    source: Annotated[Path, typer.Argument(help="The unpacked NSynth data set, or any folder of sounds.")],
    out: Out,
    kind: Annotated[str | None, typer.Option(help="nsynth or folder; nsynth if there is an examples.json.")] = None,
    sample_rate: SampleRate = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a note; 4 if not given.")] = None,
    fractions: Annotated[
        str | None, typer.Option(help=f"Shares of train, valid, test for a folder; {_SHARES} if not given.")
    ] = None,
    split_by: Annotated[
        SplitBy | None,
        typer.Option(help="Unit of a folder that stays in one split; group (an instrument) if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import sound files: mono, one sample rate, one length."""
    if not os.path.isdir(source):  # noqa: PTH112, Path.is_dir raises for a name that is too long
        raise InputError(f"the sounds must be in a folder, got {source}")

    from intertone.data.importer import ImportConfig, import_folder, import_nsynth, is_nsynth

    config = ImportConfig.parse(given(sample_rate=sample_rate, seconds=seconds), source="the options")
    kind = kind or ("nsynth" if is_nsynth(source) else "folder")
    if kind not in ("nsynth", "folder"):
        raise InputError(f"--kind must be nsynth or folder, got {kind}")
    for name, choice in {"--fractions": fractions, "--split-by": split_by}.items():
        if kind == "nsynth" and choice is not None:
            raise InputError(f"{name} must be left out for NSynth, which has its own splits")
    with progress_bar("sounds") as report:
        if kind == "nsynth":
            header = import_nsynth(source, out, config=config, progress=report)
        else:
            shares = FRACTIONS if fractions is None else parse_shares(fractions)
            chosen = (split_by or SplitBy.group).value
            header = import_folder(source, out, config=config, fractions=shares, split_by=chosen, progress=report)
    _show(out, header, as_json)


@app.command()
def info(
    folder: Annotated[Path, typer.Argument(help="A note set.", callback=check_notes)],
    as_json: JsonOption = False,
) -> None:
    """Describe a note set: what each split holds, and what was left out and why."""
    from intertone.data.header import read_header

    _show(folder, read_header(folder, finished=True), as_json)


def parse_numbers(text: str) -> list[int]:
    """Read a list of numbers and ranges.

    Raises:
        InputError: If it is none.

    Example:
        >>> parse_numbers("0-3,24")
        [0, 1, 2, 3, 24]
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, separator, last = part.strip().partition("-")
        if not first.isdecimal() or (separator and not last.isdecimal()):
            raise InputError(f"numbers must be like 0-7,24, got {text}")
        found = range(int(first), min(int(last or first), 1000) + 1)
        if not found:
            raise InputError(f"a range must rise, got {part}")
        numbers += found
    return numbers


def parse_shares(text: str) -> tuple[float, ...]:
    """Read numbers with commas between them.

    Raises:
        InputError: If they are none.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"shares must be like {_SHARES}, got {text}") from None


def _show(folder: Path, header: "NoteHeader", as_json: bool, *, bank: Path | None = None) -> None:
    if as_json:
        names = ("kind", "sample_rate", "samples", "counts", "skipped", "remarks", "settings")
        places = {"folder": str(folder)} | ({"soundfont": str(bank)} if bank else {})
        content = dict(header) | {"sounds": show_findings(folder, as_json=True)}
        print(json.dumps(places | {name: content[name] for name in (*names, "sounds")}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    seconds = header["samples"] / header["sample_rate"]
    title = f"{folder}: {header['kind']}, {header['sample_rate']} Hz, {seconds:g} s a note"
    table = Table("split")
    for name in ("notes", "instruments", "groups"):
        table.add_column(name, justify="right")
    for split, counts in header["counts"].items():
        table.add_row(split, str(counts["notes"]), str(counts["instruments"]), str(counts["groups"]))
    imported = header["kind"] in ("folder", "nsynth")
    skipped = {} if imported else header["skipped"]
    lines = [f"left out: {number} × {reason}" for reason, number in skipped.items()]
    lines += header["remarks"]
    lines += [f"{split} is empty" for split, counts in header["counts"].items() if not counts["notes"]]
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    say(title)
    if header["kind"] == "soundfont":
        say(f"bank: {header['settings'].get('bank')}{f', {bank}' if bank else ''}")
    Console().print(table)
    for line in lines:
        say(line)
    if imported:
        show_findings(folder, as_json=False)
