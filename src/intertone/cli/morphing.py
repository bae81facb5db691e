"""``intertone morph``: two sounds or more, one new sound or a row of them."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import morph_options, options
from intertone.errors import InputError
from intertone.files import check_output_folder, staged_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from intertone.cli.options import SampleFormat


def morph(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="A B [C …]", help="The sounds.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The new sound; with --steps, a folder.")],
    mix: morph_options.MixOption = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=2, max=101, help="Number of sounds at equally spaced mixes from A to B, both included."
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
    json: options.JsonOption = False,
) -> None:
    """Make a new sound between two, or several."""
    report = options.Report(context, as_json=json)
    morph_options.check_sounds(len(sources), least=2)
    if steps is not None and mix is not None:
        raise InputError(f"--steps goes from mix 0 to 1, got --mix {mix} as well")
    if steps is not None and len(sources) > 2:
        raise InputError(f"--steps goes from one sound to another, got {len(sources)} sounds")
    if steps is None:
        options.check_sound_files(sources, out, plot)
    else:
        _check_sweep(sources, out, plot)

    import torch

    from intertone.codec import Codec
    from intertone.morphing import check_morph, morph_steps

    options.check_kind(out if steps is None else out / "morph-000.wav", sample_rate, format)
    found = options.phase_config(phase or options.Phase.pghi_fast, iterations)
    ratios = morph_options.read_ratios(
        len(sources), harmonics=mix_harmonics, noise=mix_noise, envelope=mix_envelope, pitch=mix_pitch
    )
    mixes = (
        [morph_options.read_mix(mix, len(sources))] if steps is None else [step / (steps - 1) for step in range(steps)]
    )
    started = time.monotonic()
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
    check_morph(len(sources), mixes, config=config, ratios=ratios, phase=found)
    options.warn_of_phase(loaded, phase, iterations)
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    sounds = [options.load_for(loaded, source) for source in sources]
    options.check_result(out if steps is None else out / "morph-000.wav", sounds, loaded, rate, format)
    lengths: list[int] = []
    morphs = _measured(
        lengths,
        morph_steps(
            loaded,
            *sounds,
            mixes=mixes,
            config=config,
            ratios=ratios,
            phase=found,
            generator=torch.Generator().manual_seed(seed),
        ),
    )
    shown = {f"{chr(ord('A') + index)}: {path.name}": sounds[index] for index, path in enumerate(sources)}
    if steps is None:
        outputs, sound, name = [out], next(morphs), f"mix {morph_options.mix_name(mixes[0])}"
        middle = {name: sound / max(1.0, float(sound.abs().max()))}
        with options.drawing(plot, _between(shown, middle), loaded.sample_rate):
            text = f"wrote {options.save_result(out, sound, loaded.sample_rate, rate, format)}, {name}"
    else:
        outputs, text = _write_sweep(out, steps, morphs, shown, loaded.sample_rate, rate, format, plot)
    morph_options.warn_of_late_points(mixes[0], ratios, max(lengths) / loaded.sample_rate)
    if plot is not None:
        text += f"\nwrote {plot}"
    seconds = time.monotonic() - started
    result = {"outputs": [str(path) for path in outputs], "mixes": [morph_options.mix_content(one) for one in mixes]}
    result |= {"codec": codec, "seed": seed, "seconds": round(seconds, 3)}
    report.finish(result, f"{text} ({seconds:.1f} s)")


def _write_sweep(
    out: Path,
    steps: int,
    morphs: "Iterator[Tensor]",
    shown: "dict[str, Tensor]",
    own_rate: int,
    rate: int,
    form: "SampleFormat | None",
    plot: Path | None,
) -> tuple[list[Path], str]:
    """Write all steps into a folder, and a picture of some; return the files and what to say of them."""
    mixes = {f"morph-{round(100 * step / (steps - 1)):03d}.wav": step / (steps - 1) for step in range(steps)}
    names = list(mixes)
    drawn = [] if plot is None else [name for name in names if steps <= 11 or name[6:9] in ("025", "050", "075")]
    with ExitStack() as last, staged_folder(out) as folder:
        written = options.save_together(folder, zip(names, morphs, strict=True), own_rate, rate, form, keep=set(drawn))
        middle = {f"mix {mixes[name]:g}": written[name] for name in drawn}
        # drawn here, put in its place after the sounds
        last.enter_context(options.drawing(plot, _between(shown, middle), own_rate))
    text = f"wrote {steps} sounds to {out}: {names[0]} … {names[-1]}"
    if older := sorted({path.name for path in out.glob("morph-*.wav")} - set(names)):
        text += f"\nof an earlier sweep there are still {', '.join(older)}"
    return [out / name for name in names], text


def _measured(lengths: list[int], sounds: "Iterator[Tensor]") -> "Iterator[Tensor]":
    """Pass sounds on, and put into ``lengths`` how many samples each has."""
    for sound in sounds:
        lengths.append(sound.shape[-1])
        yield sound


def _between(sources: "dict[str, Tensor]", middle: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Put what was made before the last of two sounds, or after several."""
    if len(sources) > 2:
        return {**sources, **middle}
    (first, sound), (second, other) = sources.items()
    return {first: sound, **middle, second: other}


def _check_sweep(sources: list[Path], out: Path, plot: Path | None) -> None:
    from intertone.audio import SUFFIXES

    options.check_inputs(sources)
    check_output_folder(out)
    for source in sources:
        if source.resolve().parent == out.resolve() and source.name.startswith("morph-"):
            raise InputError(f"the output must not replace an input, got {source} inside {out}")
    options.check_picture(plot, sources, out)
    if out.suffix.lower() in SUFFIXES:
        raise InputError(f"with --steps the output is a folder, got the file name {out}")
