"""Speeds and ratios of this machine, measured in one run, as a Markdown table.

    python benchmarks/speed.py [--notes FOLDER] [--codec thesis]

The morphs of the codec that is used where none is named are measured too. Without a note set, a small one of synthetic
tones is made; the speeds hardly depend on what is in the notes. librosa
(for comparison) and FluidSynth (for rendering) are left out, with a line, where they are missing.
"""

import argparse
import contextlib
import datetime
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from intertone.audio import save_audio
from intertone.cli.options import DEFAULT_CODEC
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.data.patch_set import VirtualAnalogueConfig, render_patches
from intertone.data.render import RenderConfig, render_bank
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.data.soundfont import find_soundfont
from intertone.errors import InputError
from intertone.evaluate.resynthesis import spectrogram_of
from intertone.evaluate.studies.speed import measure_speed, measure_stereo_speed, median_seconds
from intertone.metrics import spectral_convergence
from intertone.morphing import choose_method
from intertone.phase import MOMENTUM, PhaseConfig, estimate_phase, griffin_lim, integrate_in_real_time
from intertone.stft import SpectrogramConfig, istft, stft
from intertone.train import ChoiceConfig, Progress, TrainConfig, train_codec
from intertone.transfer.statistic import GramConfig

ITERATIONS = PhaseConfig().n_iter
BATCH = 16
STEPS = 12
RSS_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in a mebibyte
Line = tuple[str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--notes", type=Path, help="a note set; without it, synthetic tones")
    parser.add_argument("--codec", default="thesis", help="a shipped codec's name, or a folder with config.json")
    options = parser.parse_args()
    write = sys.stdout.write
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            codec = Codec.load(options.codec)
            notes = Notes.open(options.notes or synthetic_notes(folder / "notes", codec.sample_rate))
        except InputError as error:
            sys.exit(f"speed.py: {error}")
        write(f"{machine()}\n\n| what | figure | |\n| --- | --- | --- |\n")
        for part in (
            phase_lines(codec, notes),
            real_time_lines(),
            gram_lines(),
            morph_lines(codec, notes),
            default_lines(codec, folder),
            render_lines(folder),
            synthesis_lines(folder),
            loading_lines(notes),
            training_lines(codec, notes, folder),
            process_lines(options.codec, codec, notes, folder),
        ):
            for line in part:
                write("| " + " | ".join(line) + " |\n")
                sys.stdout.flush()


def machine() -> str:
    """Say when and where this was measured."""
    names = ("intertone", "torch", "numpy", "scipy", "librosa")
    versions = []
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{name} {importlib.metadata.version(name)}")
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {os.cpu_count()} CPUs ({platform.machine()}), "
        f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the start, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def synthetic_notes(folder: Path, sample_rate: int, *, count: int = 320) -> Path:
    """Write decaying harmonic tones of four seconds: of ten 8 to train, 1 to validate, 1 to test."""
    samples = 4 * sample_rate
    seconds = np.arange(samples) / sample_rate
    rows, pcm, scales = [], [], []
    for index in range(count):
        pitch = 30 + index % 64
        f0 = 440 * 2 ** ((pitch - 69) / 12)
        orders = np.arange(1, max(2, min(20, int(0.45 * sample_rate / f0))))[:, None]
        partials = np.sin(2 * np.pi * f0 * orders * seconds + orders**2) / orders ** (0.5 + index % 5 / 4)
        sound = partials.sum(0) * np.exp(-(1 + index % 3) * seconds)
        values, scale = quantise((0.5 * sound / np.abs(sound).max()).astype(np.float32))
        split = "test" if index % 10 == 0 else "valid" if index % 10 == 1 else "train"
        group = f"{split}-{index % 20}"
        pcm.append(values)
        scales.append(scale)
        rows.append(NoteRow(str(index), pitch, 100, group, "tone", "synthetic", group, split))
    begin_notes(folder, sample_rate=sample_rate, samples=samples, kind="synthetic", settings={})
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return folder


def held_out_rows(notes: Notes, count: int) -> np.ndarray:
    """Return ``count`` notes that nothing was trained on, spread over the split."""
    rows = notes.select(split="test")
    return rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def phase_lines(codec: Codec, notes: Notes) -> Iterator[Line]:
    """Our fast Griffin-Lim and librosa's at equal iterations, and what PGHI as the start adds."""
    try:
        config = spectrogram_of(codec)
    except InputError:
        yield "phase", "–", "partials have their own, there is none to find"
        return
    audio = notes.audio(held_out_rows(notes, 8))
    magnitude = stft(audio, config).abs()
    length = audio.shape[-1]

    def with_pghi() -> torch.Tensor:
        phase = estimate_phase(magnitude, config, n_iter=ITERATIONS, length=length, generator=seeded())
        return istft(torch.polar(magnitude, phase), config, length=length)

    def ours() -> torch.Tensor:
        return griffin_lim(magnitude, config, n_iter=ITERATIONS, length=length, generator=seeded())

    def error(sound: torch.Tensor) -> str:
        return f"spectral convergence {float(spectral_convergence(sound, audio).mean()):.1f} dB, second analysis"

    def pace(seconds: float) -> str:
        return f"{len(audio) * length / codec.sample_rate / seconds:.1f} s/s"

    own, pghi = median_seconds(ours), median_seconds(with_pghi)
    yield f"fast Griffin-Lim, {ITERATIONS} iterations", pace(own), error(ours())
    yield f"PGHI and fast Griffin-Lim, {ITERATIONS} iterations", pace(pghi), error(with_pghi())
    try:
        import librosa
    except ImportError:
        yield "librosa griffinlim", "–", "librosa is missing: pip install librosa"
        return

    def theirs() -> torch.Tensor:
        return torch.stack([
            torch.from_numpy(
                librosa.griffinlim(
                    image.numpy(), n_iter=ITERATIONS, hop_length=config.hop_length, n_fft=config.n_fft,
                    momentum=MOMENTUM, pad_mode="constant", random_state=0,
                )[:length]
            )
            for image in magnitude
        ])  # fmt: skip

    other = median_seconds(theirs)
    yield f"librosa griffinlim, {ITERATIONS} iterations", pace(other), error(theirs())
    yield "librosa's time over ours, fast Griffin-Lim", f"{other / own:.2f} ×", "equal iterations, momentum and sounds"


def real_time_lines() -> Iterator[Line]:
    """Seconds of sound whose phase is found in a second of one core, frame by frame without look-ahead."""
    config = SpectrogramConfig(sample_rate=44100, n_fft=4096, hop_length=1024)
    sound = torch.randn(4 * config.sample_rate, generator=seeded())
    frames = stft(sound, config).abs().T.numpy()
    seconds = median_seconds(lambda: integrate_in_real_time(frames, config, look_ahead=0, generator=seeded()))
    yield "causal RTPGHI", f"{4 / seconds:.1f} s/s", "white noise, all bins loud; 4096/1024 at 44.1 kHz, one core"


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def gram_lines() -> Iterator[Line]:
    """The distance of two Gram matrices with its gradient, formed and by the products of positions."""
    reference, rows = torch.rand(2, 1, 4096, 420).unbind()
    rows.requires_grad_(True)
    target = GramConfig().build(reference, 0.01)
    known = reference[0].double() @ reference[0].double().T / 420

    def formed() -> None:
        (rows[0].double() @ rows[0].double().T / 420 - known).square().sum().backward()

    def by_positions() -> None:
        [difference] = target.differences(rows)
        difference.squared.backward()

    direct, short = median_seconds(formed), median_seconds(by_positions)
    what = "Gram distance of 4,096 filters, 420 frames, with gradient"
    yield what, f"{1000 * short:.0f} ms", f"{direct / short:.1f} times faster than with the matrices formed"


def morph_lines(codec: Codec, notes: Notes) -> Iterator[Line]:
    """Seconds of sound that a morph gives per second."""
    rows = held_out_rows(notes, 32)
    if choose_method(codec).takes.pitch:
        found = measure_stereo_speed(codec, notes, rows[[0, -1]])
        yield "morph, one stereo pair", f"{found.one_pair:.1f} s/s", "warm, both analyses included"
        yield f"morph, {found.several_words}", f"{found.several:.1f} s/s", "the same pair"
        return
    found = measure_speed(codec, notes, np.stack([rows, np.roll(rows, 1)], 1), batch_size=32)
    yield "morph, one pair", f"{found.one_pair:.1f} s/s", f"warm, PGHI and fast Griffin-Lim, {ITERATIONS} iterations"
    yield "morph, batch of 32 pairs", f"{found.several:.1f} s/s", "the phase is found sound by sound"


def default_lines(codec: Codec, folder: Path) -> Iterator[Line]:
    """The morphs of the codec that is used where none is named, if it is not the one that is measured."""
    default = Codec.load(DEFAULT_CODEC)
    if codec.config == default.config:
        return
    notes = Notes.open(synthetic_notes(folder / DEFAULT_CODEC, default.sample_rate, count=40))
    for what, figure, how in morph_lines(default, notes):
        yield f"{DEFAULT_CODEC}: {what}", figure, how
    yield from keys_lines(DEFAULT_CODEC, default, notes, folder)


def keys_lines(name: str, codec: Codec, notes: Notes, folder: Path) -> Iterator[Line]:
    """Time of an instrument of five octaves."""
    paths = [folder / f"{name}-a.wav", folder / f"{name}-b.wav"]
    for path, audio in zip(paths, notes.audio(held_out_rows(notes, 2)), strict=True):
        save_audio(path, audio, sample_rate=codec.sample_rate)
    words = ["keys", *map(str, paths), "--mix", "0.5", "--range", "C2:C7", "--codec", name, "-o", str(folder / "keys")]
    words.append("--force")  # the keys of another codec may lie there
    started = time.monotonic()
    run([sys.executable, "-m", "intertone", *words])
    yield "`intertone keys`, 61 keys", f"{time.monotonic() - started:.1f} s", f"process, from C2 to C7, codec {name}"


def synthesis_lines(folder: Path) -> Iterator[Line]:
    """Notes that the virtual-analogue synthesizer plays per second, from the draw of a patch to the finished set."""
    config, workers = VirtualAnalogueConfig(patches=16), os.cpu_count() or 1
    started = time.monotonic()
    header = render_patches(folder / "patches", config=config, workers=workers)
    count = sum(header["shards"])
    pace = count / (time.monotonic() - started)
    seconds = config.hold_seconds + config.release_seconds
    words = f"{count} notes of {seconds:g} s at {config.sample_rate} Hz, {workers} processes and their start"
    yield "virtual-analogue notes", f"{pace:.0f} notes/s", words


def render_lines(folder: Path) -> Iterator[Line]:
    """Notes that FluidSynth renders per second, from the bank to the finished set."""
    workers = os.cpu_count() or 1
    config = RenderConfig(pitch_step=4, velocities=(50, 100))
    started = time.monotonic()
    try:
        header = render_bank(find_soundfont(), folder / "rendered", config=config, programs=range(8), workers=workers)
    except InputError as error:
        yield "notes rendered", "–", str(error)
        return
    pace = sum(header["shards"]) / (time.monotonic() - started)
    yield "notes rendered", f"{pace:.0f} notes/s", f"{sum(header['shards'])} notes, {workers} processes and their start"


def loading_lines(notes: Notes) -> Iterator[Line]:
    """Notes that are read per second in random batches of sorted rows."""
    generator = np.random.default_rng(0)
    batches = [np.sort(generator.integers(0, len(notes), 32)) for _ in range(64)]

    def load() -> None:
        for rows in batches:
            notes.audio(rows)

    seconds = notes.samples / notes.sample_rate
    pace = 32 * len(batches) / median_seconds(load)
    yield "notes loaded", f"{pace:,.0f} notes/s", f"{seconds:g} s each, sorted batches of 32 from {len(notes):,} notes"


def training_lines(codec: Codec, notes: Notes, folder: Path) -> Iterator[Line]:
    """Notes that a training step takes per second, reading and analysis included."""
    if choose_method(codec).takes.pitch:
        yield "training", "–", "on prepared images: see metrics.jsonl of a run"
        return
    for precision in ("float32", "bfloat16"):
        times: list[float] = []
        config = TrainConfig(
            representation=codec.config.representation,
            model=codec.config.model,
            choice=ChoiceConfig(valid_notes=1),
            epochs=1,
            notes_per_epoch=BATCH * STEPS,
            batch_size=BATCH,
            precision=precision,
            sample_every=1000,
        )

        def record(_progress: Progress, _steps: int, _loss: float, times: list[float] = times) -> None:
            times.append(time.monotonic())

        train_codec(config, notes, folder / precision, on_step=record)
        pace = BATCH / float(np.median(np.diff(times)))
        yield f"training, {precision}", f"{pace:.1f} notes/s", f"batches of {BATCH}, median of {len(times) - 1} steps"


def process_lines(name: str, codec: Codec, notes: Notes, folder: Path) -> Iterator[Line]:
    """Time and memory of whole processes."""
    paths = [folder / "a.wav", folder / "b.wav"]
    for path, audio in zip(paths, notes.audio(held_out_rows(notes, 2)), strict=True):
        save_audio(path, audio, sample_rate=codec.sample_rate)
    command = [sys.executable, "-m", "intertone"]
    help_seconds = median_seconds(lambda: run([*command, "--help"]))
    yield "`intertone --help`", f"{help_seconds:.2f} s", "process, warm disk"
    words = ["morph", *map(str, paths), "-o", str(folder / "out.wav"), "--codec", name, "--force"]
    morph_seconds = median_seconds(lambda: run([*command, *words]))
    yield "`intertone morph`", f"{morph_seconds:.2f} s", f"process, {notes.samples / notes.sample_rate:g} s of sound"
    yield "peak memory of `intertone morph`", f"{peak_mebibytes([*command, *words]):.0f} MiB", "process"
    if choose_method(codec).takes.pitch:
        yield from keys_lines(name, codec, notes, folder)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RSS_UNIT
    yield "peak memory of this benchmark", f"{own:.0f} MiB", "training, the batch of 32 and the mapped notes included"


def peak_mebibytes(command: list[str]) -> float:
    """Return the memory of a process, started by a small one: a fork counts what its parent held."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    small = subprocess.Popen([sys.executable, "-c", code, *command], stdout=subprocess.PIPE, text=True)
    return int(small.communicate()[0]) / RSS_UNIT


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
