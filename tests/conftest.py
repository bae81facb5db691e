"""Sounds and small models that the tests share."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browser import SOUNDS, chromium, playwright, served

from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.evaluate.studies.network import random_codec
from intertone.models import ConditionedConfig, ConvAutoencoder, ConvBottleneckConfig, ConvConfig
from intertone.representation import DecibelConfig, HarmonicConfig

SAMPLE_RATE = 16000

if "PYTEST_XDIST_WORKER" in os.environ:
    # as many test processes as processors: with more threads they would wait for each other
    torch.set_num_threads(1)
    # the threads of programs that a test starts sleep while they wait, and leave the processor to the others
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def tone(pitch: float, *, seconds: float = 1.0, tilt: float = 1.0, decay: float = 1.5) -> torch.Tensor:
    """A harmonic note ``(samples,)`` with amplitudes ``1 / k**tilt`` that decay by ``exp(-decay · t)``."""
    time = torch.arange(round(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    orders = torch.arange(1, max(2, int(7600 / f0)), dtype=torch.float64)[:, None]
    partials = torch.sin(2 * torch.pi * f0 * orders * time + orders**2) / orders**tilt
    sound = partials.sum(0) * torch.exp(-decay * time) * (1 - torch.exp(-time / 0.005))
    return (0.5 * sound / sound.abs().max()).float()


@pytest.fixture(autouse=True)
def _package_log() -> Iterator[None]:
    """A command that ran in this process leaves no handler and no level behind."""
    log = logging.getLogger("intertone")
    before = log.handlers[:], log.level
    yield
    log.handlers[:] = before[0]
    log.setLevel(before[1])


def write_notes(folder: Path, *, seconds: float) -> Notes:
    """Write forty notes: five instruments, eight pitches, three splits."""
    samples = round(seconds * SAMPLE_RATE)
    begin_notes(folder, sample_rate=SAMPLE_RATE, samples=samples, kind="synthetic", settings={})
    rows, pcm, scales = [], [], []
    for instrument in range(5):
        split = ("train", "train", "train", "valid", "test")[instrument]
        for pitch in range(48, 72, 3):
            audio = tone(pitch, seconds=seconds, tilt=0.5 + 0.5 * instrument, decay=1 + instrument)
            values, scale = quantise(audio.numpy())
            pcm.append(values)
            scales.append(scale)
            name = f"instrument-{instrument}"
            rows.append(NoteRow(f"{name}-{pitch}", pitch, 100, name, "synthetic", "test", name, split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """What a test asked of PyTorch's threads does not hold for the next."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Forty notes of one second."""
    return write_notes(tmp_path_factory.mktemp("notes"), seconds=1)


@pytest.fixture
def no_training_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training draws no spectrograms and curves, which takes most of the time of a training of a few steps."""
    monkeypatch.setattr("intertone.train.run_folder.plot_spectrograms", lambda *_, **__: None)
    monkeypatch.setattr("intertone.train.run_folder.curves_png", lambda *_, **__: b"")


SMALL_MODEL = ConvConfig(
    channels=(8, 16, 16),
    strides=((4, 4), (4, 4), (2, 2)),
    kernel_size=(5, 5),
    bottleneck=ConvBottleneckConfig(channels=4),
)


def untrained_codec(seed: int = 0) -> Codec:
    """A codec with few weights, its statistics and range fitted to sounds: its output is loud and follows its input."""
    config = CodecConfig(representation=DecibelConfig(), model=SMALL_MODEL)
    codec = Codec(config)
    tones = torch.stack([tone(pitch, seconds=0.25) for pitch in range(40, 76, 7)])
    random = random_codec(codec, tones.unsqueeze(1), seed=seed)
    assert isinstance(random.model, ConvAutoencoder)
    weight, bias = random.model.decoder[-1].parameters()
    with torch.no_grad():  # what the last layer does itself can be saved
        weight *= random.gain
        bias.copy_(random.gain * bias + random.offset)
    return Codec(config, random.model)


@pytest.fixture
def small_codec() -> Codec:
    """An untrained codec with few weights."""
    return untrained_codec()


@pytest.fixture
def codec_folder(small_codec: Codec, tmp_path: Path) -> Path:
    """The small codec on disk."""
    small_codec.save(tmp_path / "codec", card="# small\n")
    return tmp_path / "codec"


@pytest.fixture(scope="session")
def harmonic_codec() -> Codec:
    """A codec of harmonic features with few, random weights, at 16 kHz."""
    representation = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    codec = Codec(CodecConfig(representation=representation, model=model))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # untrained it is silent, and its blocks change nothing
        codec.model.decoder[-1].change.bias += 0.7
        for name, weight in codec.model.named_parameters():
            if name.endswith("mix.weight"):
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
    return codec


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    """What drives browsers."""
    with playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(driver: Any) -> Iterator[Any]:
    """Chromium."""
    with chromium(driver) as started:
        yield started


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of the page with two sounds."""
    with served(*SOUNDS) as found:
        yield found
