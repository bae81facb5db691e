"""``intertone synth``: a sound from a code alone, given as numbers or as names of instruments."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone.cli import options
from intertone.cli.progress import elapsed, late_bar
from intertone.cli.reconstruction import read_numbers
from intertone.errors import InputError
from intertone.files import regular

if TYPE_CHECKING:
    from torch import Tensor

SECONDS = 4.0
"""Length of a sound from one vector of latents, where none is given."""


def synth(
    context: typer.Context,
    codec: options.CodecArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the sound.")],
    latents: Annotated[
        str | None,
        typer.Option(
            help="The code: 0.2,1.4,… are the latent_dim numbers that `intertone info` counts, held for the whole "
            "sound; @FILE.npy is an array, (latent_dim,) or (latent_dim, n_latents)."
        ),
    ] = None,
    instrument: Annotated[
        str | None,
        typer.Option(
            help="An instrument that the codec was trained on (`intertone info` names them), or a mixture: "
            "trumpet:0.4,glockenspiel:0.6. Instead of --latents."
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length. (default: that of the code; 4 for a code that is held)")
    ] = None,
    pitch: Annotated[
        str | None, typer.Option(help="Note (C3) or MIDI number (48.5), for codecs that are played at a pitch.")
    ] = None,
    velocity: Annotated[
        float | None, typer.Option(help="1 to 127, for codecs that take it. (default: unknown)")
    ] = None,
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="Make a loop without a seam of one vector of latents, for codecs of single frames. Its phase is that "
            "of rtpghi, or white-noise.",
        ),
    ] = False,
    phase: options.PhaseOption = None,
    iterations: options.IterationsOption = None,
    seed: options.SeedOption = 0,
    device: options.DeviceOption = "cpu",
    sample_rate: options.RateOption = None,
    format: options.FormatOption = None,
    plot: options.PlotOption = None,
    force: options.ForceOption = False,
    json: options.JsonOption = False,
) -> None:
    """Make a sound from a code alone: chosen numbers, or instruments that the codec was trained on."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([], out, plot, force=force)
    if (latents is None) == (instrument is None):
        raise InputError(f"either --latents or --instrument must be given, got {'none' if latents is None else 'both'}")
    if phase == options.Phase.kept:
        raise InputError("the phase of a code alone must be estimated, got --phase kept")
    if loop:
        check_loop(phase, iterations)

    import torch

    from intertone.codec import Codec
    from intertone.instrument import InstrumentBank, play_code, play_loop
    from intertone.pitch.note import parse_note

    options.check_kind(out, sample_rate, format)
    found = options.phase_config(phase or options.Phase.pghi_fast, iterations)
    number = None if pitch is None else parse_note(pitch)
    if pitch is not None and number is None:
        raise InputError(f"a pitch must be a note or a MIDI number within 0..127, got {pitch}")
    loaded = Codec.load(codec, device=device)
    options.warn_of_phase(loaded, phase, iterations)
    if latents is None:
        bank = InstrumentBank.read(codec)
        code = bank.mixture(instrument or "")
        seconds = bank.seconds if seconds is None else seconds
        bank.check_length(seconds)
    else:
        code = read_latents(latents)
    if seconds is None and code.ndim == 1 and loaded.fixed_length is None:
        seconds = SECONDS
    rate = loaded.sample_rate if sample_rate is None else sample_rate
    if loop and rate != loaded.sample_rate:
        raise InputError(f"a loop must have the codec's sample rate, {loaded.sample_rate} Hz, got {rate}")
    with late_bar("synthesis"):
        generator = torch.Generator().manual_seed(seed)
        if loop:
            noise = phase == options.Phase.white_noise
            sound = play_loop(
                loaded,
                code,
                seconds=SECONDS if seconds is None else seconds,
                pitch=number,
                velocity=velocity,
                white_noise=noise,
                generator=generator,
            )
        else:
            sound = play_code(
                loaded, code, seconds=seconds, pitch=number, velocity=velocity, phase=found, generator=generator
            )
    options.check_result(out, [sound[None]], loaded, rate, format)
    with options.drawing(plot, {instrument or "a code": sound}, loaded.sample_rate):
        text = f"wrote {options.save_result(out, sound[None], loaded.sample_rate, rate, format)}"
    if plot is not None:
        text += f"\nwrote {plot}"
    took = elapsed()
    result = {
        "outputs": [str(out)],
        "codec": codec,
        "latents": latents,
        "instrument": instrument,
        "pitch": number,
        "velocity": velocity,
        "seed": seed,
        "seconds": round(took, 3),
    }
    report.finish(result, f"{text} ({took:.1f} s)")


def check_loop(phase: options.Phase | None, iterations: int | None) -> None:
    """Refuse a phase that a loop cannot have.

    Raises:
        InputError: If it is another than rtpghi or white-noise, or iterations are asked for.
    """
    if iterations is not None:
        raise InputError(f"the phase of a loop is found without iterations, got --iterations {iterations}")
    if phase not in (None, options.Phase.rtpghi, options.Phase.white_noise):
        raise InputError(f"the phase of a loop must be rtpghi or white-noise, got {phase.value}")


def read_latents(text: str) -> "Tensor":
    """Read latents as they are written on a command line.

    Args:
        text: Numbers with commas between them, or ``@`` and the name of a ``.npy`` file.

    Returns:
        float32; an array with one batch axis of length 1 loses it.

    Raises:
        InputError: If it is neither, or the file holds no array of numbers.
    """
    import numpy as np
    import torch

    if not text.startswith("@"):
        return torch.tensor(read_numbers("--latents", text))
    path = Path(text[1:])
    options.check_inputs([path])
    try:
        array = np.load(regular(path), mmap_mode="r", allow_pickle=False)
        values = torch.from_numpy(np.asarray(array).astype(np.float32, casting="same_kind"))
    except (OSError, ValueError, TypeError, EOFError, OverflowError):
        raise InputError(f"--latents @FILE must be a .npy file with an array of numbers, got {path}") from None
    return values[0] if values.ndim == 3 and len(values) == 1 else values
