"""``intertone map``: an HTML page with a map of a codec's latent space that plays the sound of each point."""

from pathlib import Path
from typing import Annotated

import typer

from intertone.cli import options
from intertone.cli.evaluation import Split
from intertone.cli.progress import elapsed, terminal_bar
from intertone.errors import InputError
from intertone.files import check_output, replacing


def map_codes(
    context: typer.Context,
    codec: options.CodecArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="Output file, an HTML page (.html).")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            callback=options.check_notes,
            help="Note set, from `intertone data`, whose codes are drawn; the map then covers the range of these "
            "codes. It must be given unless the latent vectors are bounded and have two or three dimensions.",
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="Split of the notes whose codes are drawn.")] = Split.train,
    pitch: Annotated[
        str | None,
        typer.Option(
            help="Pitch of the sounds, a note or MIDI number, if the codec is conditioned on pitch. (default: C4)"
        ),
    ] = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "cpu",
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Draw a map of a codec's latent space as an HTML page; a click plays the sound of the code at that point."""
    report = options.Report(context, as_json=json)
    if out.suffix.lower() != ".html":
        raise InputError(f"the page must end in .html, got {out}")
    check_output(out, replace=force)

    from intertone.codec import Codec
    from intertone.data.notes import Notes
    from intertone.instrument.map import MapConfig, map_page
    from intertone.pitch.note import parse_note

    key = None if pitch is None else parse_note(pitch)
    if pitch is not None and key is None:
        raise InputError(f"a pitch must be a note or a MIDI number within 0..127, got {pitch}")
    loaded = Codec.load(codec, device=device)
    notes = None if data is None else Notes.open(data)
    command = options.command_line()
    with terminal_bar() as bar:
        tasks = {name: bar.add_task(name, total=None, visible=False) for name in ("notes", "codes", "sounds")}
        text = map_page(
            loaded, notes, title=codec, command=command, config=MapConfig(key, split.value, seed),
            progress=lambda name, done, total: bar.update(tasks[name], completed=done, total=total, visible=True),
        )  # fmt: skip
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    seconds = elapsed()
    size = len(text.encode()) / 2**20
    result = {"outputs": [str(out)], "codec": codec, "command": command, "seed": seed, "seconds": round(seconds, 3)}
    report.finish(result, f"wrote {out}, {size:.1f} MB ({seconds:.1f} s)")
