"""``intertone keys``: a sound, or a morph of several, on every key."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import morph_options, options
from intertone.cli.progress import elapsed
from intertone.errors import InputError
from intertone.files import disk_errors, staged_folder
from intertone.remark import RemarkLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from intertone.files import Json
    from intertone.instrument import Key, Region

MAP = "instrument.sfz"

RELEASE_SECONDS = 0.3
"""Release of a key that is let go before its file has ended, seconds, where --seconds is not given."""


def keys(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="A [B …]", help="One sound, or several to be morphed.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the instrument.")],
    mix: morph_options.MixOption = None,
    range: Annotated[str, typer.Option("--range", help="Lowest and highest key, notes or MIDI numbers.")] = "C2:C7",
    every: Annotated[int, typer.Option("--every", min=1, max=127, help="Make a file for every n-th key only.")] = 1,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            min=0.1,
            max=120,
            help="Time from the start to the release; the sustain is made this long and looped. (default: unchanged)",
        ),
    ] = None,
    mix_harmonics: morph_options.HarmonicsOption = None,
    mix_noise: morph_options.NoiseOption = None,
    mix_envelope: morph_options.EnvelopeOption = None,
    network: morph_options.NetworkOption = None,
    strength: morph_options.StrengthOption = None,
    register: morph_options.RegisterOption = None,
    seed: options.SeedOption = 0,
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: options.FormatOption = None,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Make an instrument: the sound, or a morph of several, on every key, with an SFZ file that maps the keys."""
    report = options.Report(context, as_json=json)
    morph_options.check_sounds(len(sources), least=1)
    options.check_inputs(sources)

    from intertone.cli.morph_files import found_pitches
    from intertone.codec import Codec
    from intertone.instrument import Region, choose_keys, from_onset, parse_range, render_key, sfz_text
    from intertone.morphing import analyse_sounds, choose_method

    options.check_kind(Path("key.wav"), sample_rate, format)
    wanted = choose_keys(*parse_range(range), every=every)
    older = _check_folder(out, sources, force=force)
    used = morph_options.read_mix(mix, len(sources))
    ratios = morph_options.read_ratios(len(sources), harmonics=mix_harmonics, noise=mix_noise, envelope=mix_envelope)
    loaded = Codec.load(codec, device=device)
    if not choose_method(loaded).takes.pitch:
        raise InputError(f"keys must have a codec that hears pitch, got {codec}, which is one of spectrograms")
    config = morph_options.read_config(
        loaded,
        pitch=None,
        align=None,
        network=network,
        strength=strength,
        register=register,
        ratios=ratios,
        hold_seconds=seconds,
    )
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    # curves count from where keys begin
    sounds = [from_onset(options.load_for(loaded, source), loaded.sample_rate) for source in sources]
    analysed = analyse_sounds(loaded, *sounds, pitched_for="a keyboard", single_for="a keyboard", by_notes=True)

    def rendered(key: "Key") -> "tuple[Tensor, Region]":
        return render_key(analysed, key, mix=used, config=config, ratios=ratios, sample_rate=rate, seed=seed)

    done: list[Region] = []
    with staged_folder(out, older=older) as folder:
        options.save_together(folder, _render(wanted, rendered, done), rate, rate, format)
        release = RELEASE_SECONDS
        if seconds is not None:
            release = max(region.samples for region in done) / rate - seconds
        with disk_errors(folder):
            (folder / MAP).write_text(sfz_text(done, release_seconds=release), encoding="utf-8")
    morph_options.warn_of_late_points(used, ratios, max(region.samples for region in done) / rate)
    names = [region.key.file_name for region in done]
    content, lines = found_pitches(analysed)
    text = f"wrote {len(done)} keys to {out}: {names[0]} … {names[-1]}, and {MAP}"
    took = elapsed()
    result = {
        "outputs": [str(out / name) for name in (*names, MAP)],
        "mix": morph_options.mix_content(used),
        "keys": [_content(region, rate) for region in done],
        "codec": codec,
        "seed": seed,
        "seconds": round(took, 3),
        **content,
    }
    report.finish(result, "\n".join([*lines, f"{text} ({took:.1f} s)"]))


def _render(
    wanted: "list[Key]", rendered: "Callable[[Key], tuple[Tensor, Region]]", done: "list[Region]"
) -> "Iterator[tuple[str, Tensor]]":
    """Yield names and sounds of all keys, and put into ``done`` what is known of them."""
    from rich.console import Console
    from rich.progress import track

    from intertone.parallel import side_by_side

    console = Console(stderr=True)
    sounds = track(
        side_by_side(rendered, wanted), "keys", total=len(wanted), console=console, transient=True,
        disable=not console.is_terminal,
    )  # fmt: skip
    for sound, region in sounds:
        for problem in region.problems:
            RemarkLogger(__name__).warning("%s: %s", region.key.file_name, problem)
        done.append(region)
        yield region.key.file_name, sound


def _content(region: "Region", rate: int) -> "dict[str, Json]":
    key, loop = region.key, region.loop
    return {
        "file": key.file_name,
        "pitch": key.pitch,
        "lowest": key.lowest,
        "highest": key.highest,
        "seconds": round(region.samples / rate, 3),
        "loop": None if loop is None else [loop.start, loop.end],
        "problems": list(region.problems),
    }


def _check_folder(out: Path, sources: list[Path], *, force: bool) -> list[str]:
    """Refuse a folder that holds other things, or an input; return names of the files of an earlier instrument."""
    from intertone.instrument import choose_keys

    known = {MAP, *(key.file_name for key in choose_keys(0, 127))}
    older = options.check_own_output(out, known, "an earlier instrument's", force=force)
    for source in sources:
        if source.resolve().parent == out.resolve():
            raise InputError(f"the output must not replace an input, got {source} inside {out}")
    return older
