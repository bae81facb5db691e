"""``intertone morph``: makes one sound between two or more sounds, a series of sounds, or one for each pair."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import morph_options, options
from intertone.cli.progress import elapsed, late_bar
from intertone.errors import InputError
from intertone.files import check_output_folder

if TYPE_CHECKING:
    from intertone.ratio import Mix


def morph(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the new sound; with --steps or --pairs, a folder.")],
    sources: Annotated[list[Path] | None, typer.Argument(metavar="A B [C …]", help="Files of the sounds.")] = None,
    mix: morph_options.MixOption = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=2,
            max=101,
            help="Number of sounds at equally spaced mixes from A to B (then to C, …), A and B included.",
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs",
            help="Instead of A and B: morph the pairs of a folder, NAME-a.wav with NAME-b.wav, or every sound with "
            "every other. Repeat an interrupted command to resume it.",
        ),
    ] = None,
    pitch: morph_options.PitchOption = None,
    align: morph_options.AlignOption = None,
    length: morph_options.LengthOption = None,
    mix_harmonics: morph_options.HarmonicsOption = None,
    mix_noise: morph_options.NoiseOption = None,
    mix_envelope: morph_options.EnvelopeOption = None,
    mix_pitch: morph_options.MixPitchOption = None,
    even: morph_options.EvenOption = False,
    network: morph_options.NetworkOption = None,
    strength: morph_options.StrengthOption = None,
    register: morph_options.RegisterOption = None,
    phase: options.PhaseOption = None,
    iterations: options.IterationsOption = None,
    seed: options.SeedOption = 0,
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: options.FormatOption = None,
    plot: options.PlotOption = None,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Make a new sound between two, or several."""
    report = options.Report(context, as_json=json)
    sources = sources or []
    n_sounds = _check_options(sources, mix, steps, pairs, plot)
    older: list[str] = []
    if pairs is not None:
        check_output_folder(out)
        if pairs.resolve() == out.resolve():
            raise InputError(f"the output must be another folder than --pairs, got {out} for both")
    elif steps is None:
        options.check_sound_files(sources, out, plot, force=force)
    else:
        older = _check_series(sources, out, plot, force=force)
    example = out if steps is None and pairs is None else out / "morph.wav"
    options.check_kind(example, sample_rate, format)
    ratios = morph_options.read_ratios(
        n_sounds, harmonics=mix_harmonics, noise=mix_noise, envelope=mix_envelope, pitch=mix_pitch
    )
    mixes = [morph_options.read_mix(mix, n_sounds)] if steps is None else _spaced_mixes(steps, n_sounds)

    from intertone.cli.morph_files import Order, morph_one, morph_row
    from intertone.cli.morph_pairs import morph_pairs
    from intertone.codec import Codec
    from intertone.morphing import check_morph

    found = options.phase_config(phase or options.Phase.pghi_fast, iterations)
    loaded = Codec.load(codec, device=device)
    config = morph_options.read_config(
        loaded,
        pitch=pitch,
        align=align,
        length=length,
        network=network,
        strength=strength,
        register=register,
        even=even,
        ratios=ratios,
    )
    check_morph(n_sounds, mixes, config=config, ratios=ratios, phase=found)
    options.warn_of_phase(loaded, phase, iterations)
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    order = Order(codec, loaded, mixes, config, ratios, found, seed, rate, format)
    complete = True
    if pairs is not None:
        result, text, complete = morph_pairs(order, pairs, out, force=force)
    else:
        with late_bar("morph" if steps is None else "sounds") as count:
            if steps is None:
                result, text = morph_one(order, sources, out, plot)
            else:
                result, text = morph_row(order, sources, out, plot, older, progress=count)
    seconds = elapsed()
    result |= {"mixes": [morph_options.mix_content(one) for one in mixes], "codec": codec, "seed": seed}
    report.finish({**result, "seconds": round(seconds, 3)}, f"{text} ({seconds:.1f} s)")
    if not complete:
        raise typer.Exit(2)


def _check_options(
    sources: list[Path], mix: str | None, steps: int | None, pairs: Path | None, plot: Path | None
) -> int:
    """Refuse options that contradict one another; return the number of sounds of one morph."""
    if pairs is not None:
        if sources:
            raise InputError(f"--pairs must be used without other sounds than those of its folder, got {sources[0]}")
        for name, value in {"--steps": steps, "--plot": plot}.items():
            if value:
                raise InputError(f"--pairs must be used without {name}, got both")
        return 2
    morph_options.check_sounds(len(sources), least=2)
    if steps is not None and mix is not None:
        raise InputError(f"--steps must be used without --mix, since it sets all mixes itself, got --mix {mix}")
    return len(sources)


def _spaced_mixes(steps: int, n_sounds: int) -> "list[Mix]":
    """Return equally spaced mixes from the first sound through all others to the last."""
    if n_sounds == 2:
        return [step / (steps - 1) for step in range(steps)]
    mixes: list[Mix] = []
    for step in range(steps):
        place = step / (steps - 1) * (n_sounds - 1)
        mixes.append(tuple(max(0.0, 1 - abs(place - index)) for index in range(n_sounds)))
    return mixes


def _check_series(sources: list[Path], out: Path, plot: Path | None, *, force: bool) -> list[str]:
    """Refuse inputs that do not exist and a folder that cannot be used; return names of an earlier run's sounds."""
    from intertone.cli.morph_files import STEP
    from intertone.container import SUFFIXES

    options.check_inputs(sources)
    check_output_folder(out)
    for source in sources:
        if source.resolve().parent == out.resolve() and source.name.startswith("morph-"):
            raise InputError(f"the output must not replace an input, got {source} inside {out}")
    options.check_picture(plot, sources, out, force=force)
    if out.suffix.lower() in SUFFIXES:
        raise InputError(f"the output must be a folder with --steps, got the file {out}")
    older = sorted(path.name for path in out.glob("morph-*.wav") if STEP.fullmatch(path.name))
    options.check_older(out, older, replace=force)
    return older
