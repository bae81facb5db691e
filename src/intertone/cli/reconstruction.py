"""``intertone reconstruct``: one sound through the codec."""

import time
from pathlib import Path
from typing import Annotated

import typer

from intertone.cli import options

KeptPhaseOption = Annotated[
    options.Phase,
    typer.Option(
        "--phase",
        help="Method that estimates the phase; with harmonic codecs, all but kept leave out the residual.",
    ),
]


def reconstruct(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the reconstructed sound.")],
    phase: KeptPhaseOption = options.Phase.kept,
    iterations: options.IterationsOption = None,
    seed: options.SeedOption = 0,
    codec: options.CodecOption = options.DEFAULT_CODEC,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: options.FormatOption = None,
    plot: options.PlotOption = None,
    json: options.JsonOption = False,
) -> None:
    """Send one sound through the codec, to hear what it keeps."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([source], out, plot)

    import torch

    from intertone.codec import Codec
    from intertone.morphing.method import warn_of_noise

    options.check_kind(out, sample_rate, format)
    found = options.phase_config(phase, iterations)
    started = time.monotonic()
    loaded = Codec.load(codec, device=device)
    options.warn_of_phase(loaded, None, iterations)  # the method decides whether the residual is used
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    sound = options.load_for(loaded, source)
    options.check_result(out, [sound], loaded, rate, format)
    warn_of_noise(loaded, sound, source.name)
    again = loaded.reconstruct(sound, phase=found, generator=torch.Generator().manual_seed(seed))
    with options.drawing(plot, {f"IN: {source.name}": sound, "reconstruction": again}, loaded.sample_rate):
        text = f"wrote {options.save_result(out, again, loaded.sample_rate, rate, format)}, phase {phase.value}"
    if plot is not None:
        text += f"\nwrote {plot}"
    seconds = time.monotonic() - started
    result = {"outputs": [str(out)], "codec": codec, "phase": phase.value, "seed": seed}
    report.finish({**result, "seconds": round(seconds, 3)}, f"{text} ({seconds:.1f} s)")
