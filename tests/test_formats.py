"""What users of commit b8db080 have on disk is read as it was then: codecs, note sets, prepared features, runs.

The files were made by ``tests/fixtures/make.py`` with that commit's code. They are read through what users call, the
command line and ``Codec``, and never made again.
"""

import gzip
import json
import logging
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from safetensors.torch import load_file
from torch import Tensor

from intertone import Codec

FIXTURES = Path(__file__).parent / "fixtures" / "b8db080"
KEPT = FIXTURES.parent / "harmonic-0038.npz"
"""Codes, sounds and prepared features of harmonic codecs as they are since decision 0038, by make_0038.py."""

CODECS = sorted(path.parent.name for path in FIXTURES.glob("codecs/*/config.json"))
EVERY = 37
"""Of the samples of a reconstruction, one in so many was kept."""

RUNS = {"conv": "note-set", "conditioned": "images"}
"""Runs that were stopped after step 3 of 6, in their second epoch, and what they were trained on."""

ENDS = {"conv": 0, "conditioned": 3}
"""Exit codes: the second run is best after its first epoch, which counts as faulty now."""

ACROSS_MACHINES = 1e-5
"""What another processor may change in a sound, or in weights of about 0.1 after a few steps."""


def stereo() -> Tensor:
    """The sound that the codecs were given: a note of a quarter of a second, later and quieter in one channel."""
    sound = torch.from_numpy(np.load(FIXTURES / "sound.npy").astype(np.float32) / 32768)
    return torch.stack([sound, 0.5 * sound.roll(9)])


def copy_run(name: str, here: Path) -> tuple[str | Path, ...]:
    """Copy a run that was interrupted and what it was trained on; return the command that goes on with it."""
    shutil.copytree(FIXTURES / RUNS[name], here / RUNS[name])
    shutil.copytree(FIXTURES / f"run-{name}", here / "run")
    state = here / "run" / "last" / "state.pt"
    state.write_bytes(gzip.decompress(state.with_suffix(".pt.gz").read_bytes()))
    state.with_suffix(".pt.gz").unlink()
    return training(name, here, "run")


def training(name: str, here: Path, out: str) -> tuple[str | Path, ...]:
    return "train", FIXTURES / f"{name}.toml", "--data", here / RUNS[name], "--out", here / out


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "last" / "model.safetensors")


def assert_close(estimate: dict[str, Tensor], reference: dict[str, Tensor]) -> None:
    assert list(estimate) == list(reference)
    for name, value in reference.items():
        torch.testing.assert_close(estimate[name], value, rtol=ACROSS_MACHINES, atol=ACROSS_MACHINES, msg=name)


# codecs


def test_the_fixtures_hold_every_kind() -> None:
    configs = [json.loads((FIXTURES / "codecs" / name / "config.json").read_text()) for name in CODECS]
    assert {config["representation"]["kind"] for config in configs} == {"decibel", "mel", "snapped", "harmonic"}
    assert {config["model"].get("kind", "conv") for config in configs} == {"conv", "conditioned"}


@pytest.mark.parametrize("name", CODECS)
def test_a_saved_codec_gives_the_code_and_the_sound_that_it_gave(name: str) -> None:
    codec = Codec.load(FIXTURES / "codecs" / name)
    latents, context = codec.encode(stereo())
    expected = torch.from_numpy(np.load(FIXTURES / "codecs" / name / "latents.npy"))
    reconstruction = torch.from_numpy(np.load(FIXTURES / "codecs" / name / "reconstruction.npy"))
    sounds = codec.decode(expected, context)
    assert sounds.shape == (2, 4000) and float(reconstruction.std()) > 0.05
    if name.startswith("harmonic"):  # the residual and the noise are smaller since decisions 0025, 0035 and 0038
        torch.testing.assert_close(latents, expected, rtol=0.01, atol=0.02)
        change = sounds[:, ::EVERY] - reconstruction
        assert float(change.square().sum() / reconstruction.square().sum()) < 0.01
        with np.load(KEPT) as kept:
            expected, reconstruction = (torch.from_numpy(kept[f"{name}-{what}"]) for what in ("latents", "sound"))
        sounds = codec.decode(expected, context)
    torch.testing.assert_close(latents, expected, rtol=ACROSS_MACHINES, atol=ACROSS_MACHINES)
    torch.testing.assert_close(sounds[:, ::EVERY], reconstruction, rtol=ACROSS_MACHINES, atol=ACROSS_MACHINES)


@pytest.mark.parametrize("name", CODECS)
def test_a_saved_codec_is_saved_again_as_it_was(name: str, tmp_path: Path) -> None:
    before = FIXTURES / "codecs" / name
    codec = Codec.load(before)
    half = any(value.dtype == torch.float16 for value in load_file(before / "model.safetensors").values())
    codec.save(tmp_path / "codec", card=(before / "README.md").read_text(), half=half)
    for file in ("config.json", "model.safetensors", "README.md"):
        assert (tmp_path / "codec" / file).read_bytes() == (before / file).read_bytes(), file


# note sets and prepared features


def test_a_note_set_is_described_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("data", "info", FIXTURES / "note-set", "--json", capsys=capsys)
    found = json.loads(out)
    assert (code, found["kind"], found["sample_rate"], found["samples"]) == (0, "folder", 8000, 2000)
    assert {split: counts["notes"] for split, counts in found["counts"].items()} == {"train": 4, "valid": 1, "test": 0}
    assert found["settings"] == json.loads((FIXTURES / "note-set" / "notes.json").read_text())["settings"]


def test_notes_are_prepared_as_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--settings", FIXTURES / "conditioned.toml", "--workers", "1")
    code, _, err = run("data", "prepare", FIXTURES / "note-set", "-o", tmp_path / "images", *words, capsys=capsys)
    assert code == 0, err
    found, expected = (np.load(folder / "shard-00000.npy") for folder in (tmp_path / "images", FIXTURES / "images"))
    assert found.dtype == expected.dtype == np.float16
    difference = found.astype(np.float32) - expected.astype(np.float32)
    # two steps of float16; the ten rows of partials are as they were, noise is less (decisions 0025, 0035, 0038)
    assert np.abs(difference[:, :10]).max() < 1e-3, difference
    assert difference[:, 10:].max() < 0.03 and -0.006 < difference[:, 10:].mean() < 0, difference
    with np.load(KEPT) as kept:
        difference = np.abs(found.astype(np.float32) - kept["features"].astype(np.float32)).max((1, 2))
    # another processor may change the choice between two nearly equal fits, by 3 dB in the noise
    assert (difference < 1e-3).sum() >= 4 and difference.max() < 0.05, difference
    with np.load(tmp_path / "images" / "index.npz") as found, np.load(FIXTURES / "images" / "index.npz") as expected:
        assert found.files == expected.files
        for name in set(expected.files) - {"f0"}:
            np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_allclose(found["f0"], expected["f0"], rtol=1e-5)


def test_prepared_features_are_known_as_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(FIXTURES / "images", tmp_path / "images")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "images").iterdir()}
    words = ("--settings", FIXTURES / "conditioned.toml", "--workers", "1")
    code, _, err = run("data", "prepare", FIXTURES / "note-set", "-o", tmp_path / "images", *words, capsys=capsys)
    assert code == 0, err
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "images").iterdir()}
    assert after == before


# runs


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_run_goes_on_to_the_weights_that_it_would_have_had(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = copy_run(name, tmp_path)
    begun = (tmp_path / "run" / "metrics.jsonl").read_text()
    code, _, err = run(*command, capsys=capsys)
    assert code == ENDS[name], err
    assert_close(weights(tmp_path / "run"), load_file(FIXTURES / "weights" / f"{name}.safetensors"))
    log = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert log.startswith(begun)
    assert [json.loads(line)["step"] for line in log.splitlines()] == [2, 2, 4, 4, 6, 6]
    code, out, _ = run(*command, "--json", capsys=capsys)  # the run that is done now is known as done
    assert (code, json.loads(out)["step"]) == (ENDS[name], 6)


@pytest.mark.parametrize("name", RUNS)
def test_the_interrupted_codec_is_usable(name: str) -> None:
    for folder in ("last", "best"):
        codec = Codec.load(FIXTURES / f"run-{name}" / folder)
        latents, context = codec.encode(stereo()[:, ::2])
        assert codec.decode(latents, context).shape == (2, 2000)


class StopAfterAnEpoch(logging.Handler):
    """Interrupts the training, as Ctrl-C does, when it says something of an epoch that is done."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log, self.stopped = log, False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.stopped and self.log.is_file() and self.log.stat().st_size:
            self.stopped = True
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_the_same_settings_gives_the_same_weights_in_one_go_and_in_two(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FIXTURES / RUNS[name], tmp_path / RUNS[name])
    code, _, err = run(*training(name, tmp_path, "whole"), capsys=capsys)
    assert code == ENDS[name], err
    assert_close(weights(tmp_path / "whole"), load_file(FIXTURES / "weights" / f"{name}.safetensors"))
    stop = StopAfterAnEpoch(tmp_path / "parts" / "metrics.jsonl")
    logging.getLogger("intertone").addHandler(stop)
    logging.getLogger("intertone").setLevel(logging.INFO)
    assert run(*training(name, tmp_path, "parts"), capsys=capsys)[0] == 130
    assert run(*training(name, tmp_path, "parts"), capsys=capsys)[0] == ENDS[name]
    for key, value in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "parts")[key], value), key


def test_a_run_is_not_continued_with_other_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = copy_run("conv", tmp_path)
    code, _, err = run(*command, "--set", "learning_rate=2e-3", capsys=capsys)
    assert code == 2 and "resumed with the settings that it began with" in err


# the bench's cache


@pytest.mark.slow
def test_rows_of_the_bench_are_what_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An entry is found again by a hash of the code, so this one may or may not be read; the rows must be the same."""
    (entry,) = (FIXTURES / "bench").iterdir()
    shutil.copytree(FIXTURES / "bench", tmp_path / "bench")
    words = ("--only", "S1", "--no-decoys", "--workers", "1", "--cache", tmp_path / "bench")
    code, _, err = run("bench", "morph", *words, "--json", capsys=capsys)
    assert code == 0, err
    assert (tmp_path / "bench" / entry.name).read_bytes() == entry.read_bytes()
    before = json.loads(entry.read_text())
    for path in (tmp_path / "bench").iterdir():
        rows = json.loads(path.read_text())
        assert list(rows) == list(before)
        for method, row in rows.items():
            assert list(row) == list(before[method])
            for name in set(row) - {"seconds"}:
                expected = before[method][name]
                if expected is None:
                    assert row[name] is None, f"{method} {name}"
                else:
                    assert row[name] == pytest.approx(expected, rel=1e-3, abs=1e-3), f"{method} {name}"
