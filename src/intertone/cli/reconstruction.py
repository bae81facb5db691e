"""``intertone reconstruct``: one sound through the codec."""

import time
from pathlib import Path
from typing import Annotated

import typer

from intertone.cli.options import (
    DEFAULT_CODEC,
    CodecOption,
    DeviceOption,
    FormatOption,
    IterationsOption,
    JsonOption,
    Phase,
    PlotOption,
    RateOption,
    Report,
    SeedOption,
    check_kind,
    check_result,
    check_sound_files,
    drawing,
    load_for,
    phase_config,
    save_result,
    warn_of_phase,
)

KeptPhaseOption = Annotated[
    Phase,
    typer.Option(
        "--phase",
        help="How the phase is found; with codecs that hear pitch, all but kept leave out the sound's own noise.",
    ),
]


def reconstruct(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="The sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="What the codec makes of it.")],
    phase: KeptPhaseOption = Phase.kept,
    iterations: IterationsOption = None,
    seed: SeedOption = 0,
    codec: CodecOption = DEFAULT_CODEC,
    device: DeviceOption = "cpu",
    sample_rate: RateOption = None,
    format: FormatOption = None,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Send one sound through the codec, to hear what it keeps."""
    report = Report(context, as_json=json)
    check_sound_files([source], out, plot)

    import torch

    from intertone.codec import Codec
    from intertone.morphing.method import warn_of_noise

    check_kind(out, sample_rate, format)
    found = phase_config(phase, iterations)
    started = time.monotonic()
    loaded = Codec.load(codec, device=device)
    warn_of_phase(loaded, None, iterations)  # the method says whether the sound's own noise is used
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    sound = load_for(loaded, source)
    check_result(out, [sound], loaded, rate, format)
    warn_of_noise(loaded, sound, source.name)
    again = loaded.reconstruct(sound, phase=found, generator=torch.Generator().manual_seed(seed))
    with drawing(plot, {f"IN: {source.name}": sound, "reconstruction": again}, loaded.sample_rate):
        text = f"wrote {save_result(out, again, loaded.sample_rate, rate, format)}, phase {phase.value}"
    if plot is not None:
        text += f"\nwrote {plot}"
    seconds = time.monotonic() - started
    result = {"outputs": [str(out)], "codec": codec, "phase": phase.value, "seed": seed}
    report.finish({**result, "seconds": round(seconds, 3)}, f"{text} ({seconds:.1f} s)")
