"""``intertone synth``: decodes a latent code, given as numbers or as names of instruments, into a sound."""

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
"""Length of a sound from a single latent vector where ``--seconds`` is not given, s."""


def synth(
    context: typer.Context,
    codec: options.CodecArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="File of the sound.")],
    latents: Annotated[
        str | None,
        typer.Option(
            help="The latent code. 0.2,1.4,…: one vector of latent_dim numbers (see `intertone info`), constant for "
            "the whole sound; @FILE.npy: an array, (latent_dim,) or (latent_dim, n_latents)."
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
        float | None, typer.Option(help="Length, s. (default: that of the code; 4 for a single latent vector)")
    ] = None,
    pitch: Annotated[
        str | None, typer.Option(help="Note (C3) or MIDI number (48.5), for codecs that are conditioned on pitch.")
    ] = None,
    velocity: Annotated[
        float | None, typer.Option(help="1 to 127, for codecs that are conditioned on velocity. (default: unknown)")
    ] = None,
    loop: Annotated[
        bool,
        typer.Option(
            "--loop",
            help="Make a seamless loop of one latent vector, for codecs that encode single frames. Its --phase is "
            "rtpghi or white-noise.",
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
    """Decode a latent code into a sound: given numbers, or stored codes of instruments of the training data."""
    report = options.Report(context, as_json=json)
    options.check_sound_files([], out, plot, force=force)
    if (latents is None) == (instrument is None):
        raise InputError(
            f"either --latents or --instrument must be given, got {'neither' if latents is None else 'both'}"
        )
    if phase == options.Phase.kept:
        raise InputError("--phase must name a method of estimation, since a code has no phase to keep, got kept")
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
    """Refuse options of the phase estimation that a loop does not have.

    Raises:
        InputError: If ``phase`` is neither None, rtpghi nor white-noise, or ``iterations`` is not None.
    """
    if iterations is not None:
        raise InputError(f"--loop must be used without --iterations, got --iterations {iterations}")
    if phase not in (None, options.Phase.rtpghi, options.Phase.white_noise):
        raise InputError(f"the phase of a loop must be rtpghi or white-noise, got {phase.value}")


def read_latents(text: str) -> "Tensor":
    """Return the latents of ``--latents``.

    Args:
        text: Numbers with commas between them, or ``@`` and the path of a ``.npy`` file.

    Returns:
        ``(latent_dim,)`` or the array of the file, float32. A leading axis of length 1 of a 3-D array is removed.

    Raises:
        InputError: If ``text`` has neither form, or the file does not hold an array of numbers.
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
