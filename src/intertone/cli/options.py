"""Options, checks and output functions that the subcommands share."""

import json
import logging
import os
import shlex
import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from intertone.container import choose_container
from intertone.errors import InputError
from intertone.files import (
    check_output,
    check_output_folder,
    check_own_folder,
    disk_errors,
    readable_name,
    replacing,
    temporary_folder,
)
from intertone.remark import Remark, RemarkLogger, collect_remarks
from intertone.shipped import CODECS, find_network

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from torch import Tensor

    from intertone.codec import Codec
    from intertone.instrument import Sampler
    from intertone.phase import PhaseConfig

T = TypeVar("T")

logger = RemarkLogger(__name__)
_NO_LOG = logging.NullHandler()

DEFAULT_CODEC = "harmonic"
"""Name of the codec that a subcommand uses where ``--codec`` is not given."""


class Phase(StrEnum):
    """Method that estimates the phase."""

    pghi_fast = "pghi-fast"
    pghi = "pghi"
    rtpghi = "rtpghi"
    rtpghi_causal = "rtpghi-causal"
    fast_griffin_lim = "fast-griffin-lim"
    griffin_lim = "griffin-lim"
    white_noise = "white-noise"
    kept = "kept"


class SampleFormat(StrEnum):
    """Sample format of written sound files."""

    pcm16 = "pcm16"
    pcm24 = "pcm24"
    pcm32 = "pcm32"
    float32 = "float32"


def check_codec(codec: str) -> str:
    """Return the name of a codec; refuse one that does not exist before torch is imported.

    Raises:
        InputError: If ``codec`` is neither the name of a shipped codec nor a folder with ``config.json``.
    """
    find_network(codec, shipped=CODECS, kind="codec")
    return codec


def check_settings(path: Path | None) -> Path | None:
    """Return the path of a settings file; refuse one that does not exist before torch is imported.

    Raises:
        InputError: If ``path`` is not a file.
    """
    from intertone.config import check_settings_file

    return path and check_settings_file(path)


def check_notes(folder: Path | None) -> Path | None:
    """Return the path of a note set; refuse one that does not exist before torch is imported.

    Raises:
        InputError: If ``folder`` is not a folder.
    """
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises for a name that is too long
        raise InputError(f"a note set must be a folder, got {folder}")
    return folder


CodecArgument = Annotated[
    str, typer.Argument(help="A shipped codec's name, or a folder with config.json.", callback=check_codec)
]
NotesOption = Annotated[Path, typer.Option("--data", help="Note set, from `intertone data`.", callback=check_notes)]
CodecOption = Annotated[
    str, typer.Option("--codec", help="A shipped codec's name, or a folder with config.json.", callback=check_codec)
]
PhaseOption = Annotated[
    Phase | None,
    typer.Option("--phase", help="Method that estimates the phase; for spectrogram codecs only. (default: pghi-fast)"),
]
IterationsOption = Annotated[
    int | None,
    typer.Option(
        "--iterations", min=0, max=100_000, help="Iterations of Griffin-Lim; for spectrogram codecs only. (default: 32)"
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed", min=0, max=2**63 - 1, help="Seed of random phase and noise; the same seed gives the same bytes."
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="Device on which the network runs: cpu, cuda, …")]
RateOption = Annotated[
    int | None, typer.Option("--sample-rate", help="Sample rate of the output, Hz. (default: the codec's)")
]
FormatOption = Annotated[
    SampleFormat | None,
    typer.Option("--format", help="Sample format of the output. (default: 24 bit where the file type has it)"),
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Also draw the spectrograms to this .png, .pdf or .svg file.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace files that an earlier run has written.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


class Report:
    """Output of a subcommand: prints the package's remarks on stderr while it runs, and its result on stdout.

    Args:
        context: Context of the subcommand; remarks are collected until it ends.
        as_json: Whether the result is printed as JSON. The remarks are then part of it and not printed on stderr.
    """

    def __init__(self, context: typer.Context, *, as_json: bool) -> None:
        self.as_json = as_json
        self.remarks = context.with_resource(collect_remarks(None if as_json else _show_remark))
        # without a handler on this logger, Python would print warnings a second time
        logging.getLogger("intertone").addHandler(_NO_LOG)

    def finish(self, result: "Mapping[str, Any]", text: str) -> None:
        """Print the result: ``text``, or as JSON ``result`` with the texts of the remarks under ``done``."""
        done = [remark.text for remark in self.remarks]
        typer.echo(json.dumps({**result, "done": done}, indent=2) if self.as_json else text)


def command_line() -> str:
    """Return the command line of this process, quoted for a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def given(**settings: T | None) -> "dict[str, T]":
    """Return the settings that are not None, that is, whose options were given."""
    return {name: value for name, value in settings.items() if value is not None}


def check_own_output(
    out: Path, known: "Iterable[str]", owner: str, *, mark: str = "", force: bool | None = None
) -> list[str]:
    """Refuse a folder that cannot be written to or holds unknown files.

    Args:
        out: The output folder.
        known: Names of the files that the subcommand writes, which may exist.
        owner: Whose files they are, for the error sentence, such as ``"an evaluation's"``.
        mark: Name of a file that identifies a folder of this subcommand; where it exists, any file may exist.
        force: Whether the known files may be replaced; None: they may exist, and the subcommand resumes with them.

    Returns:
        The names of the known files that exist.

    Raises:
        InputError: If the folder cannot be used.
    """
    check_output_folder(out)
    if not mark or not (out / mark).exists():
        check_own_folder(out, known, owner)
    older = sorted({*known, *([mark] if mark else [])} & {path.name for path in out.glob("*")})
    check_older(out, older, replace=force is not False)
    return older


def check_older(out: Path, older: "Sequence[str]", *, replace: bool) -> None:
    """Refuse files of an earlier run, unless ``replace``.

    Raises:
        InputError: If ``older`` names at least one file and ``replace`` is False.
    """
    if older and not replace:
        count = f"{len(older)} files of an earlier run, {older[0]} …" if len(older) > 1 else f"{older[0]}"
        raise InputError(f"the output must be a new folder, or --force must be given, got {out}, which holds {count}")


def _show_remark(remark: Remark) -> None:
    typer.echo(f"  {remark.text}", err=True)


def phase_config(method: Phase, iterations: int | None) -> "PhaseConfig":
    """Return the settings of the phase estimation; ``iterations=None`` keeps the default of ``PhaseConfig``."""
    from intertone.phase import PhaseConfig

    return PhaseConfig.parse(given(method=method.value, n_iter=iterations), source="the options")


def warn_of_phase(codec: "Codec", phase: Phase | None, iterations: int | None) -> None:
    """Warn of options of the phase estimation that were given for a codec that estimates no phase.

    Args:
        codec: The codec.
        phase: Value of ``--phase``; ``kept`` causes no warning, since these codecs keep the phase.
        iterations: Value of ``--iterations``.
    """
    named = [] if phase in (None, Phase.kept) else [f"--phase {phase.value}"]
    named += [] if iterations is None else [f"--iterations {iterations}"]
    from intertone.morphing import choose_method

    if named and not choose_method(codec).takes.phase:
        verb = "are" if len(named) > 1 else "is"
        text = "%s %s ignored: this codec estimates no phase"
        logger.warning(text, " and ".join(named), verb)


def check_inputs(sources: list[Path]) -> None:
    """Refuse input files that do not exist, before torch is imported.

    Raises:
        InputError: If a file does not exist.
    """
    for source in sources:
        if not os.path.exists(source):  # noqa: PTH110, Path.exists raises for a name that is too long
            raise InputError(f"the input must exist, got {source}")


def check_sound_files(sources: list[Path], out: Path, plot: Path | None, *, force: bool) -> None:
    """Refuse inputs that do not exist and outputs that cannot be written, before torch is imported.

    Raises:
        InputError: If an input does not exist, or the result or its picture could not be written.
    """
    check_inputs(sources)
    check_output(out, sources, replace=force)
    check_picture(plot, sources, out, force=force)


def check_picture(path: Path | None, sources: list[Path], out: Path, *, force: bool) -> None:
    """Refuse a picture that could not be written, before the sounds are processed.

    Raises:
        InputError: If its suffix is not .png, .pdf or .svg, or it cannot be written or would replace another file.
    """
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError(f"a picture must end in .png, .pdf or .svg, got {path}")
    check_output(path, [*sources, out], replace=force)
    if path.absolute() == out.absolute():
        raise InputError(f"the picture and the sound must be two files, got {path} for both")


@contextmanager
def drawing(path: Path | None, sounds: "Mapping[str, Tensor]", sample_rate: int) -> "Iterator[None]":
    """Draw spectrograms to a temporary file before the block; rename it to ``path`` if the block raises nothing."""
    if path is None:
        yield
        return
    from intertone.plot import plot_spectrograms

    with replacing(path) as temporary:
        titled = {readable_name(title): sound for title, sound in sounds.items()}
        plot_spectrograms(temporary, titled, sample_rate=sample_rate)
        yield


def load_for(codec: "Codec", path: Path) -> "Tensor":
    """Return a sound file resampled to the codec's rate, ``(channels, samples)``."""
    from intertone.audio import load_audio

    return load_audio(path, sample_rate=codec.sample_rate)[0]


def check_kind(path: Path, rate: int | None, form: SampleFormat | None) -> None:
    """Refuse a file type that cannot hold the wanted sample rate or sample format, before any sound is read.

    Args:
        path: The output file.
        rate: Sample rate of the file, Hz; None: the codec's, which is not known yet.
        form: Sample format; None: the default of the file type.

    Raises:
        InputError: If the file type is unknown or cannot hold the sample rate or the sample format.
    """
    choose_container(path, form and form.value, sample_rate=rate)


def check_result(path: Path, sounds: "list[Tensor]", codec: "Codec", rate: int, form: SampleFormat | None) -> None:
    """Refuse a result as long as the longest of ``sounds`` that ``save_result`` could not write, before it is made.

    Raises:
        InputError: If the file type cannot hold its channels or format, or it exceeds ``MAX_DECODED_BYTES``.
    """
    from intertone.audio import MAX_DECODED_BYTES

    channels, samples = (max(sound.shape[axis] for sound in sounds) for axis in (0, 1))
    choose_container(path, form and form.value, channels=channels, sample_rate=rate)
    if (size := 4 * channels * samples * rate / codec.sample_rate) > MAX_DECODED_BYTES:
        limit = MAX_DECODED_BYTES // 2**20
        raise InputError(f"the output must decode to at most {limit} MiB, got {size / 2**20:.0f} at {rate} Hz")


def save_result(
    path: Path,
    audio: "Tensor",
    own_rate: int,
    rate: int,
    form: SampleFormat | None,
    *,
    sampler: "Sampler | None" = None,
) -> str:
    """Resample a sound, write it with ``sampler`` as its ``smpl`` chunk unless None, and return a description.

    Raises:
        InputError: If ``save_audio`` refuses the path, the format or the sound.
    """
    from intertone.audio import resample, save_audio

    resampled = resample(audio, own_rate, rate)
    written = form.value if form else None
    if sampler is None:
        save_audio(path, resampled, sample_rate=rate, format=written)
    else:
        from intertone.instrument import save_sample

        save_sample(path, resampled, sampler, sample_rate=rate, format=written)
    channels, samples = resampled.shape
    return f"{path}: {samples / rate:.2f} s, {rate} Hz, {channels} channel{'s' * (channels > 1)}"


def save_together(
    folder: Path,
    sounds: "Iterable[tuple[str, Tensor]]",
    own_rate: int,
    rate: int,
    form: SampleFormat | None,
    *,
    keep: "Container[str]" = (),
    sampler: "Callable[[str], Sampler | None] | None" = None,
) -> "dict[str, Tensor]":
    """Write sounds with one common gain, so that their levels can be compared.

    The sounds wait in temporary files until the gain is known, since a hundred long ones may not fit in memory.

    Args:
        folder: Folder for the files.
        sounds: File names and sounds, ``(channels, samples)``.
        own_rate: Sample rate of the sounds, Hz.
        rate: Sample rate of the files, Hz.
        form: Sample format; None: the default of the file type.
        keep: Names of the files whose sounds are returned.
        sampler: Returns the ``smpl`` chunk for a file name; it is called after all sounds have been made.

    Returns:
        The sounds of ``keep`` by file name, at ``own_rate`` and with the common gain.

    Raises:
        InputError: If ``save_audio`` refuses a path, the format or a sound.
    """
    import numpy as np
    import torch

    kept, shapes, peak = {}, {}, 1.0
    with disk_errors(folder), temporary_folder(folder.absolute().parent) as aside:
        for name, sound in sounds:
            (aside / name).write_bytes(sound.numpy().tobytes())
            shapes[name] = sound.shape
            peak = max(peak, float(sound.abs().max()))
        if peak > 1:
            text = "all sounds were scaled down by one gain, from a peak of %.4g to 1"
            logger.warning(text, peak)
        for name, shape in shapes.items():
            stored = np.frombuffer((aside / name).read_bytes(), np.float32)
            scaled = torch.from_numpy(stored.reshape(shape) / np.float32(peak))
            save_result(folder / name, scaled, own_rate, rate, form, sampler=sampler and sampler(name))
            if name in keep:
                kept[name] = scaled
    return kept
