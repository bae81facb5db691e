"""``intertone morph`` and ``intertone reconstruct``: files in, files out."""

import os
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli.options import (
    CodecOption,
    DeviceOption,
    FormatOption,
    IterationsOption,
    JsonOption,
    Phase,
    PhaseOption,
    PlotOption,
    RateOption,
    Report,
    SeedOption,
    check_picture,
    check_result,
    load_for,
    phase_config,
    save_result,
)
from intertone.errors import InputError
from intertone.files import check_output, check_output_folder, disk_errors, replacing, staged_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from intertone.cli.options import SampleFormat
    from intertone.codec import Codec


def morph(
    a: Annotated[Path, typer.Argument(metavar="A", help="The sound at mix 0.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The sound at mix 1.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The new sound; with --steps, a folder.")],
    mix: Annotated[float | None, typer.Option("--mix", help="0 is A, 1 is B. [default: 0.5]")] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=2, max=101, help="So many sounds at equal ratios, both ends included.")
    ] = None,
    phase: PhaseOption = Phase.pghi_fast,
    iterations: IterationsOption = None,
    seed: SeedOption = 0,
    codec: CodecOption = "thesis",
    device: DeviceOption = "cpu",
    sample_rate: RateOption = None,
    format: FormatOption = None,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Make a new sound between two."""
    report = Report(as_json=json)
    if steps is not None and mix is not None:
        raise InputError(f"--steps goes from mix 0 to 1, got --mix {mix:g} as well")
    mix = 0.5 if mix is None else mix
    mixes = [mix] if steps is None else [step / (steps - 1) for step in range(steps)]
    _check_files([a, b], out, plot, folder=steps is not None)

    import torch

    from intertone.audio import SUFFIXES
    from intertone.codec import Codec
    from intertone.morphing import morph_steps

    if steps is not None and out.suffix.lower() in SUFFIXES:
        raise InputError(f"with --steps the output is a folder, got the file name {out}")

    started = time.monotonic()
    loaded = Codec.load(codec, device=device)
    first = out if steps is None else out / "morph-000.wav"
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    sound_a, sound_b = load_for(loaded, a), load_for(loaded, b)
    check_result(first, [sound_a, sound_b], loaded, rate, format)
    sounds = morph_steps(
        loaded,
        sound_a,
        sound_b,
        mixes=mixes,
        phase=phase_config(phase, iterations),
        generator=torch.Generator().manual_seed(seed),
    )
    shown: dict[str, Tensor] = {f"A: {a.name}": sound_a}
    if steps is None:
        outputs, sound = [out], next(sounds)
        shown |= {f"mix {mix:g}": sound / max(1.0, float(sound.abs().max())), f"B: {b.name}": sound_b}
        with _picture(plot, shown, loaded.sample_rate):
            text = f"wrote {save_result(out, sound, loaded, rate, format)}, mix {mix:g}"
    else:
        names = [f"morph-{round(100 * ratio):03d}.wav" for ratio in mixes]
        drawn = {} if plot is None else dict(zip(names, mixes, strict=True))
        if steps > 11:
            drawn = {name: ratio for name, ratio in drawn.items() if round(100 * ratio) in (25, 50, 75)}
        with ExitStack() as last, staged_folder(out) as folder:
            written = _write_sweep(folder, names, sounds, loaded, rate, format, keep=set(drawn))
            shown |= {f"mix {ratio:g}": written[name] for name, ratio in drawn.items()}
            # drawn here, put in its place after the sounds
            last.enter_context(_picture(plot, {**shown, f"B: {b.name}": sound_b}, loaded.sample_rate))
        outputs = [out / name for name in names]
        text = f"wrote {steps} sounds to {out}: {names[0]} … {names[-1]}"
        if older := sorted({path.name for path in out.glob("morph-*.wav")} - set(names)):
            text += f"\nof an earlier sweep there are still {', '.join(older)}"
    if plot is not None:
        text += f"\nwrote {plot}"
    seconds = time.monotonic() - started
    result = {"outputs": [str(path) for path in outputs], "mixes": mixes, "codec": codec, "seed": seed}
    report.finish({**result, "seconds": round(seconds, 3)}, f"{text} ({seconds:.1f} s)")


def reconstruct(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="What the codec makes of it.")],
    phase: PhaseOption = Phase.kept,
    iterations: IterationsOption = None,
    seed: SeedOption = 0,
    codec: CodecOption = "thesis",
    device: DeviceOption = "cpu",
    sample_rate: RateOption = None,
    format: FormatOption = None,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Send one sound through the codec, to hear what it keeps."""
    report = Report(as_json=json)
    _check_files([source], out, plot, folder=False)

    import torch

    from intertone.codec import Codec

    started = time.monotonic()
    loaded = Codec.load(codec, device=device)
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    sound = load_for(loaded, source)
    check_result(out, [sound], loaded, rate, format)
    again = loaded.reconstruct(
        sound, phase=phase_config(phase, iterations), generator=torch.Generator().manual_seed(seed)
    )
    with _picture(plot, {f"IN: {source.name}": sound, "reconstruction": again}, loaded.sample_rate):
        text = f"wrote {save_result(out, again, loaded, rate, format)}, phase {phase.value}"
    if plot is not None:
        text += f"\nwrote {plot}"
    seconds = time.monotonic() - started
    result = {"outputs": [str(out)], "codec": codec, "phase": phase.value, "seed": seed}
    report.finish({**result, "seconds": round(seconds, 3)}, f"{text} ({seconds:.1f} s)")


def _write_sweep(
    folder: Path,
    names: list[str],
    sounds: "Iterator[Tensor]",
    codec: "Codec",
    rate: int,
    form: "SampleFormat | None",
    *,
    keep: set[str],
) -> "dict[str, Tensor]":
    """Write all sounds with one common gain, so that their levels can be compared, and return those to ``keep``.

    They wait on the disk until the loudest is known: a hundred long sounds would not fit in memory.
    """
    import logging
    import tempfile

    import numpy as np
    import torch

    kept = {}
    with disk_errors(folder), tempfile.TemporaryDirectory(prefix=".intertone-", dir=folder.parent) as aside:
        peak = 1.0
        for name, sound in zip(names, sounds, strict=True):
            (Path(aside) / name).write_bytes(sound.numpy().tobytes())
            shape = sound.shape
            peak = max(peak, float(sound.abs().max()))
        if peak > 1:
            text = "all sounds were scaled down by one gain, from a peak of %.4g to 1"
            logging.getLogger(__name__).warning(text, peak)
        for name in names:
            stored = np.frombuffer((Path(aside) / name).read_bytes(), np.float32)
            scaled = torch.from_numpy(stored.reshape(shape) / np.float32(peak))
            save_result(folder / name, scaled, codec, rate, form)
            if name in keep:
                kept[name] = scaled
    return kept


@contextmanager
def _picture(path: Path | None, sounds: "Mapping[str, Tensor]", sample_rate: int) -> "Iterator[None]":
    """Draw the sounds aside before the block, and put the picture in its place when the block has ended well."""
    if path is None:
        yield
        return
    from intertone.plot import plot_spectrograms

    with replacing(path) as temporary:
        plot_spectrograms(temporary, sounds, sample_rate=sample_rate)
        yield


def _check_files(sources: list[Path], out: Path, plot: Path | None, *, folder: bool) -> None:
    """Refuse what cannot work before anything heavy is loaded."""
    for source in sources:
        if not os.path.exists(source):  # noqa: PTH110, Path.exists raises for a name that is too long
            raise InputError(f"the input must exist, got {source}")
    if folder:
        check_output_folder(out)
        for source in sources:
            if source.resolve().parent == out.resolve() and source.name.startswith("morph-"):
                raise InputError(f"the output must not replace an input, got {source} inside {out}")
    else:
        check_output(out, sources)
    check_picture(plot, [*sources, out])
    if plot is not None and plot.absolute() == out.absolute():
        raise InputError(f"the picture and the sound must be two files, got {plot} for both")
