"""``intertone export``: a playable instrument of up to four sounds as one HTML page or one .intertone file."""

from pathlib import Path
from typing import Annotated

import typer

from intertone.cli import options
from intertone.cli.play import check_sounds
from intertone.cli.progress import elapsed, late_bar
from intertone.errors import InputError
from intertone.files import check_output, replacing


def export_instrument(
    context: typer.Context,
    sources: Annotated[
        list[Path], typer.Argument(metavar="A [B …]", help="Up to four sounds, or one saved instrument (.intertone).")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", help="Output file: an HTML page (.html), or the data of the instrument (.intertone)."
        ),
    ],
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Save a playable instrument as one HTML file that works offline and without an installation."""
    report = options.Report(context, as_json=json)
    if out.suffix.lower() not in (".html", ".intertone"):
        raise InputError(f"the output must end in .html or .intertone, got {out}")
    check_sounds(sources)
    check_output(out, sources, replace=force)

    from intertone.web.bundle import one_file
    from intertone.web.shelf import readable
    from intertone.web.uploads import Upload
    from intertone.web.work import Bench

    with late_bar("analysis"):
        bench = Bench(codec, device=device)
        made = bench.make(tuple(Upload(source, readable(source.name)) for source in sources), lambda _step: None)
    title = " · ".join(Path(readable(source.name)).stem for source in sources)
    content = made.data
    if out.suffix.lower() == ".html":
        content = one_file(made.data, made.sounds, title=title).encode("utf-8")
    with replacing(out) as temporary:
        temporary.write_bytes(content)
    took = elapsed()
    result = {"outputs": [str(out)], "bytes": len(content), "codec": codec, "seconds": round(took, 3)}
    report.finish(result, f"wrote {out}, {len(content) / 1e6:.2f} MB ({took:.1f} s)")
