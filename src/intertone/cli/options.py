"""Options and habits that the verbs share."""

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
    temporary_prefix,
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
"""Codec of a verb where none is named."""


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
    """Format of written samples."""

    pcm16 = "pcm16"
    pcm24 = "pcm24"
    pcm32 = "pcm32"
    float32 = "float32"


def check_codec(codec: str) -> str:
    """Refuse a codec that does not exist, before anything heavy is loaded; return its name.

    Raises:
        InputError: If it is neither a shipped name nor a folder with ``config.json``.
    """
    find_network(codec, shipped=CODECS, kind="codec")
    return codec


def check_settings(path: Path | None) -> Path | None:
    """Refuse a settings file that does not exist, before anything heavy is loaded; return its name.

    Raises:
        InputError: If it is no file.
    """
    from intertone.config import check_settings_file

    return path and check_settings_file(path)


def check_notes(folder: Path | None) -> Path | None:
    """Refuse a folder of notes that does not exist, before anything heavy is loaded; return its name.

    Raises:
        InputError: If it is no folder.
    """
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112, Path.is_dir raises for a name that is too long
        raise InputError(f"a note set must be a folder, got {folder}")
    return folder


CodecArgument = Annotated[
    str, typer.Argument(help="A shipped codec's name, or a folder with config.json.", callback=check_codec)
]
NotesOption = Annotated[Path, typer.Option("--data", help="A note set, from `intertone data`.", callback=check_notes)]
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
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of random phase and noise; same seed, same bytes.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, …")]
RateOption = Annotated[
    int | None, typer.Option("--sample-rate", help="Sample rate of the output, Hz. (default: the codec's)")
]
FormatOption = Annotated[
    SampleFormat | None,
    typer.Option("--format", help="Sample format of the output. (default: 24 bit where the file type has it)"),
]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Also draw the spectrograms, to .png, .pdf or .svg.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace what an earlier run has written there.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


class Report:
    """Prints the package's remarks on stderr as they come, unless JSON was asked for.

    Args:
        context: Of the verb; when it ends, nothing is collected any more.
        as_json: Whether the result is printed as JSON, with what was done.
    """

    def __init__(self, context: typer.Context, *, as_json: bool) -> None:
        self.as_json = as_json
        self.remarks = context.with_resource(collect_remarks(None if as_json else _show_remark))
        # without a handler, Python would print the log's warnings a second time
        logging.getLogger("intertone").addHandler(_NO_LOG)

    def finish(self, result: "Mapping[str, Any]", text: str) -> None:
        """Print the result: ``text`` for people, or ``result`` with the collected lines for machines."""
        done = [remark.text for remark in self.remarks]
        typer.echo(json.dumps({**result, "done": done}, indent=2) if self.as_json else text)


def command_line() -> str:
    """Return the words that the program was called with."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def given(**settings: T | None) -> "dict[str, T]":
    """Return the settings whose options were given."""
    return {name: value for name, value in settings.items() if value is not None}


def check_own_output(
    out: Path, known: "Iterable[str]", owner: str, *, mark: str = "", force: bool | None = None
) -> list[str]:
    """Refuse a folder that cannot be written to or holds other things.

    Args:
        out: The folder.
        known: Names of the files that may be there.
        owner: Whose they are, such as ``"an evaluation's"``.
        mark: Name of a file that only an owner's folder holds; where it is, all other names are allowed.
        force: Whether these files may be replaced; None: the verb goes on with what is there.

    Returns:
        The known files that are there.

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
    """Refuse a folder with files of an earlier run that must not be replaced.

    Raises:
        InputError: If there are such files.
    """
    if older and not replace:
        count = f"{len(older)} files of an earlier run, {older[0]} …" if len(older) > 1 else f"{older[0]}"
        raise InputError(f"the output must be a new folder, or --force must be given, got {out}, which holds {count}")


def _show_remark(remark: Remark) -> None:
    typer.echo(f"  {remark.text}", err=True)


def phase_config(method: Phase, iterations: int | None) -> "PhaseConfig":
    """Return the phase settings of the command line; ``None`` iterations are the settings' own default."""
    from intertone.phase import PhaseConfig

    return PhaseConfig.parse(given(method=method.value, n_iter=iterations), source="the options")


def warn_of_phase(codec: "Codec", phase: Phase | None, iterations: int | None) -> None:
    """Warn of options about a phase that is estimated, where they were given and the codec estimates none.

    Args:
        codec: The codec.
        phase: As given; ``kept`` is what such a codec does.
        iterations: As given.
    """
    named = [] if phase in (None, Phase.kept) else [f"--phase {phase.value}"]
    named += [] if iterations is None else [f"--iterations {iterations}"]
    from intertone.morphing import choose_method

    if named and not choose_method(codec).takes.phase:
        verb = "are" if len(named) > 1 else "is"
        text = "%s %s ignored: the codec has phases of its own"
        logger.warning(text, " and ".join(named), verb)


def check_inputs(sources: list[Path]) -> None:
    """Refuse inputs that do not exist, before anything heavy is loaded.

    Raises:
        InputError: If one does not.
    """
    for source in sources:
        if not os.path.exists(source):  # noqa: PTH110, Path.exists raises for a name that is too long
            raise InputError(f"the input must exist, got {source}")


def check_sound_files(sources: list[Path], out: Path, plot: Path | None, *, force: bool) -> None:
    """Refuse files that cannot be, before anything heavy is loaded.

    Raises:
        InputError: If an input does not exist, or the result or its picture could not be written.
    """
    check_inputs(sources)
    check_output(out, sources, replace=force)
    check_picture(plot, sources, out, force=force)


def check_picture(path: Path | None, sources: list[Path], out: Path, *, force: bool) -> None:
    """Refuse a picture that could not be written, before any work is done.

    Raises:
        InputError: If its suffix is no picture's, it cannot be written, or it would replace an input or the result.
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
    """Draw the sounds aside before the block, and put the picture in its place when the block has ended well."""
    if path is None:
        yield
        return
    from intertone.plot import plot_spectrograms

    with replacing(path) as temporary:
        titled = {readable_name(title): sound for title, sound in sounds.items()}
        plot_spectrograms(temporary, titled, sample_rate=sample_rate)
        yield


def load_for(codec: "Codec", path: Path) -> "Tensor":
    """Read a sound at the codec's rate; mono comes as ``(1, samples)``."""
    from intertone.audio import load_audio

    return load_audio(path, sample_rate=codec.sample_rate)[0]


def check_kind(path: Path, rate: int | None, form: SampleFormat | None) -> None:
    """Refuse a kind of file that could hold no sound as it is asked for, before any is read.

    Args:
        path: The file.
        rate: Sample rate of the file, Hz; None: the codec's, which is not known yet.
        form: Format of the samples.

    Raises:
        InputError: As ``save_result``.
    """
    choose_container(path, form and form.value, sample_rate=rate)


def check_result(path: Path, sounds: "list[Tensor]", codec: "Codec", rate: int, form: SampleFormat | None) -> None:
    """Refuse, before any work is done, what ``save_result`` would refuse of a sound made from ``sounds``.

    Raises:
        InputError: If the kind of file cannot hold it, or it would be larger than a sound may be.
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
    """Write a result that has ``own_rate`` at another rate and return a line that says what it is.

    ``sampler`` is what a WAV file tells a sampler.

    Raises:
        InputError: As ``save_audio``.
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

    They wait on the disk until the loudest is known: a hundred long sounds would not fit in memory.

    Args:
        folder: Where to.
        sounds: Names of files, and sounds.
        own_rate: Sample rate of the sounds, Hz.
        rate: Sample rate of the files, Hz.
        form: Format of the samples.
        keep: Names of those to return.
        sampler: Returns what a WAV file of a name tells a sampler; called when all sounds are made.

    Returns:
        The sounds to keep, as they were written.

    Raises:
        InputError: As ``save_audio``.
    """
    import tempfile

    import numpy as np
    import torch

    kept, shapes, peak = {}, {}, 1.0
    with disk_errors(folder), tempfile.TemporaryDirectory(prefix=temporary_prefix(), dir=folder.parent) as aside:
        for name, sound in sounds:
            (Path(aside) / name).write_bytes(sound.numpy().tobytes())
            shapes[name] = sound.shape
            peak = max(peak, float(sound.abs().max()))
        if peak > 1:
            text = "all sounds were scaled down by one gain, from a peak of %.4g to 1"
            logger.warning(text, peak)
        for name, shape in shapes.items():
            stored = np.frombuffer((Path(aside) / name).read_bytes(), np.float32)
            scaled = torch.from_numpy(stored.reshape(shape) / np.float32(peak))
            save_result(folder / name, scaled, own_rate, rate, form, sampler=sampler and sampler(name))
            if name in keep:
                kept[name] = scaled
    return kept
