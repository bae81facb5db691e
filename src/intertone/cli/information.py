"""``intertone info`` describes a codec; ``intertone doctor`` checks the installation."""

import importlib.metadata
import platform
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intertone import __version__
from intertone.cli.options import DEFAULT_CODEC, CodecArgument, DeviceOption, JsonOption, Report
from intertone.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def info(
    context: typer.Context,
    codec: CodecArgument = DEFAULT_CODEC,
    json: JsonOption = False,
) -> None:
    """Describe a codec: sample rate, representation, layers, code size, and instruments with stored codes."""
    report = Report(context, as_json=json)
    from intertone.codec import Codec, shipped_codecs
    from intertone.instrument import InstrumentBank, bank_path

    loaded = Codec.load(codec)
    samples = 4 * loaded.sample_rate
    n_frames = loaded.representation.n_frames(samples)
    facts = {
        "codec": codec,
        "sample_rate": loaded.sample_rate,
        **loaded.representation.facts(),
        **loaded.model.facts(),
        "parameters": sum(value.numel() for value in loaded.model.parameters()),
        "latent_dim": loaded.model.latent_dim,
        "n_latents": loaded.model.n_latents(n_frames),
        "code_size": loaded.model.code_size(n_frames),
    }
    same = loaded.model.constant_dim
    changing = f"{loaded.model.latent_dim - same} for each of {facts['n_latents']} latent vectors"
    of_note = f": {same} that describe the whole note, and {changing}" if same else ""
    notes = {"code_size": f" numbers for 4 seconds{of_note}", "sample_rate": " Hz", "top_db": " dB"}
    lines = [f"{name:15} {value}{notes.get(name, '')}" for name, value in facts.items()]
    named = {"shipped": shipped_codecs()}
    if bank_path(codec).is_file():
        named["instruments"] = InstrumentBank.read(codec).names
    titles = {"shipped": "shipped codecs"}
    lines += [f"{titles.get(name, name):15} {', '.join(words)}" for name, words in named.items()]
    report.finish({**facts, **named}, "\n".join(lines))


TriedOption = Annotated[str, typer.Option("--codec", help="A shipped codec's name, or a folder with config.json.")]
"""Codec of the self-test. It has no callback that refuses a missing codec, since ``doctor`` reports that itself."""


def doctor(
    context: typer.Context,
    codec: TriedOption = DEFAULT_CODEC,
    device: DeviceOption = "cpu",
    json: JsonOption = False,
) -> None:
    """Check the installation: versions, device, audio formats, and a morph of two seconds with the codec."""
    report = Report(context, as_json=json)
    import tempfile

    import soundfile
    import torch

    names = ("torch", "numpy", "scipy", "soundfile", "soxr", "safetensors", "pydantic", "typer", "matplotlib")
    versions = {name: importlib.metadata.version(name) for name in names}
    checks: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff"):
            checks[f"audio {suffix}"] = _attempt(partial(_audio_round_trip, Path(folder) / f"tone{suffix}"))
    checks["self-test"] = _attempt(lambda: _self_test(codec, device))
    result = {
        "intertone": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions,
        "libsndfile": soundfile.__libsndfile_version__,
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "fluidsynth": _fluidsynth(),
        "checks": checks,
    }
    lines = [
        f"intertone {__version__}, Python {platform.python_version()}, {result['system']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"libsndfile {result['libsndfile']}; CUDA: {result['cuda'] or 'none'}; {result['threads']} CPU threads",
        f"for rendering notes: {result['fluidsynth']}",
        *(f"{name:12} {outcome}" for name, outcome in checks.items()),
    ]
    report.finish(result, "\n".join(lines))
    if any(not outcome.startswith("ok") for outcome in checks.values()):
        raise typer.Exit(1)


def _attempt(check: "Callable[[], str]") -> str:
    try:
        return f"ok{check()}"
    except Exception as error:  # any failure is reported as a result, so that the other checks still run
        return f"failed: {str(error) or type(error).__name__}"


def _audio_round_trip(path: Path) -> str:
    import torch

    from intertone.audio import load_audio, save_audio

    tone = 0.5 * torch.sin(torch.arange(16000) * 0.1)
    save_audio(path, tone, sample_rate=16000)
    again, rate = load_audio(path)
    middle = again[0, 4000:12000]
    if rate != 16000 or not 0.4 < float(middle.abs().max()) < 0.6:
        raise InputError(
            f"a saved tone must keep amplitude 0.5 and 16000 Hz, got {float(middle.abs().max()):.3f} and {rate} Hz"
        )
    return ""


def _self_test(name: str, device: str) -> str:
    import torch

    from intertone.codec import Codec
    from intertone.morphing import morph

    started = time.monotonic()
    codec = Codec.load(name, device=device)
    seconds = torch.arange(codec.fixed_length or 2 * codec.sample_rate) / codec.sample_rate
    harmonics = torch.arange(1, 9)[:, None]
    fade = torch.exp(-2 * seconds)
    tones = [
        (torch.sin(2 * torch.pi * 262 * harmonics * seconds) / harmonics**tilt).sum(0) * fade * 0.3 for tilt in (1, 2)
    ]
    sound = morph(codec, *tones)
    level = float(sound.square().mean().sqrt() / torch.stack(tones).square().mean().sqrt())
    if not (bool(sound.isfinite().all()) and 0.5 < level < 2):
        raise InputError(f"the morph of two tones must have 0.5 to 2 times their RMS level, got {level:.2f} times")
    return f": {len(seconds) / codec.sample_rate:g} s of sound through {name} in {time.monotonic() - started:.2f} s"


def _fluidsynth() -> str:
    from ctypes.util import find_library

    from intertone.data.soundfont import INSTALL, INSTALL_EXTRA

    library = find_library("fluidsynth")
    try:
        binding: str | None = importlib.metadata.version("pyfluidsynth")
    except importlib.metadata.PackageNotFoundError:
        binding = None
    missing = [
        *([] if library else [f"libfluidsynth3 ({INSTALL})"]),
        *([] if binding else [f"pyfluidsynth ({INSTALL_EXTRA})"]),
    ]
    return f"missing {' and '.join(missing)}" if missing else f"{library}, pyfluidsynth {binding}"
