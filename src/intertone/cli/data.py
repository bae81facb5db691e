"""``intertone data``: note sets for training, rendered from a SoundFont or a synthesizer, or imported from files."""

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

Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder for the note set; repeat an interrupted command to resume it.")
]
SampleRate = Annotated[int | None, typer.Option(help="Sample rate, Hz; 16000 if not given.")]
_SHARES = ",".join(map(str, FRACTIONS))


class SplitBy(StrEnum):
    """Unit whose sounds all go into the same split: an instrument (``group``) or a single note."""

    group = "group"
    note = "note"


@app.command()
def render(
    context: typer.Context,
    out: Out,
    soundfont: Annotated[
        Path | None,
        typer.Argument(help="A SoundFont, .sf2 or .sf3; if not given, the path in $SOUNDFONT, or FluidR3Mono_GM."),
    ] = None,
    sample_rate: SampleRate = None,
    programs: Annotated[
        str | None, typer.Option(help="General MIDI programs, for example 0-7,24; all if not given.")
    ] = None,
    pitch_min: Annotated[int | None, typer.Option(help="Lowest key, a MIDI number; 21 if not given.")] = None,
    pitch_max: Annotated[int | None, typer.Option(help="Highest key, a MIDI number; 108 if not given.")] = None,
    pitch_step: Annotated[int | None, typer.Option(help="Step between keys, semitones; 1 if not given.")] = None,
    velocities: Annotated[
        str | None, typer.Option(help="MIDI velocities, for example 25,127; 25,50,75,100,127 if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Render the notes of a SoundFont; each lasts four seconds, as in the NSynth data set."""
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
    sample_rate: Annotated[int | None, typer.Option(help="Sample rate, Hz; 44100 if not given.")] = None,
    patches: Annotated[int | None, typer.Option(help="Number of instruments to draw; 64 if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the first patch; 0 if not given.")] = None,
    category: Annotated[
        str | None, typer.Option(help="bass, lead, pad, pluck, organ or percussion; drawn at random if not given.")
    ] = None,
    pitch_min: Annotated[int | None, typer.Option(help="Lowest key, a MIDI number; 36 if not given.")] = None,
    pitch_max: Annotated[int | None, typer.Option(help="Highest key, a MIDI number; 84 if not given.")] = None,
    pitch_step: Annotated[int | None, typer.Option(help="Step between keys, semitones; 4 if not given.")] = None,
    velocities: Annotated[
        str | None, typer.Option(help="MIDI velocities, for example 25,127; 75,127 if not given.")
    ] = None,
    polyphony: Annotated[
        int | None, typer.Option(help="Maximum number of keys played at the same time, 1 to 4; 1 if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Draw random instruments of a virtual-analogue synthesizer and render notes of four seconds with them."""
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
    kind: Annotated[
        str | None, typer.Option(help="nsynth or folder; if not given, nsynth where the folder holds an examples.json.")
    ] = None,
    sample_rate: SampleRate = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a note, s; 4 if not given.")] = None,
    fractions: Annotated[
        str | None, typer.Option(help=f"Shares of train, valid, test for a folder; {_SHARES} if not given.")
    ] = None,
    split_by: Annotated[
        SplitBy | None,
        typer.Option(help="Unit whose sounds all go into one split, for a folder; group (an instrument) if not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import sound files into a note set: all become mono, with one sample rate and one length."""
    if not os.path.isdir(source):  # noqa: PTH112, Path.is_dir raises for a name that is too long
        raise InputError(f"the sounds must be in a folder, got {source}")

    from intertone.data.importer import ImportConfig, import_folder, import_nsynth, is_nsynth

    config = ImportConfig.parse(given(sample_rate=sample_rate, seconds=seconds), source="the options")
    kind = kind or ("nsynth" if is_nsynth(source) else "folder")
    if kind not in ("nsynth", "folder"):
        raise InputError(f"--kind must be nsynth or folder, got {kind}")
    for name, choice in {"--fractions": fractions, "--split-by": split_by}.items():
        if kind == "nsynth" and choice is not None:
            raise InputError(f"{name} must be left out for NSynth, which has fixed splits, got {choice}")
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
    folder: Annotated[Path, typer.Argument(help="Folder of a note set.", callback=check_notes)],
    as_json: JsonOption = False,
) -> None:
    """Describe a note set: the counts of each split, and the sounds that were left out with the reason."""
    from intertone.data.header import read_header

    _show(folder, read_header(folder, finished=True), as_json)


def parse_numbers(text: str) -> list[int]:
    """Return the integers of a list of numbers and ranges with commas between them.

    Raises:
        InputError: If a part is neither a number nor a range whose first number is the smaller one.

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
            raise InputError(f"the first number of a range must be the smaller one, got {part}")
        numbers += found
    return numbers


def parse_shares(text: str) -> tuple[float, ...]:
    """Return the numbers of a text that has commas between them.

    Raises:
        InputError: If a part is not a number.
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
