"""The commands of the how-tos, run as they are written, but with a small codec and on shorter sounds."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import names_in, run
from conftest import SAMPLE_RATE, tone

from intertone.audio import load_audio, resample, save_audio
from intertone.codec import Codec, CodecConfig
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.models import ConditionedConfig
from intertone.representation import HarmonicConfig

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def codec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    representation = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    folder = tmp_path_factory.mktemp("codecs") / "harmonic"
    torch.manual_seed(0)
    Codec(CodecConfig(representation=representation, model=model)).save(folder, card="# small\n")
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("examples", "out"):
        (tmp_path / name).mkdir()
    for name in ("english-horn.wav", "sitar.wav"):
        audio, rate = load_audio(ROOT / "examples" / name)
        fade = (torch.arange(rate, 0, -1) / 800).clamp(max=1)
        save_audio(f"examples/{name}", audio[:, :rate] * fade, sample_rate=rate)
    return tmp_path


def commands(name: str) -> list[str]:
    text = (ROOT / "docs" / "howto" / name).read_text(encoding="utf-8")
    return [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def run_all(name: str, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(name):
        program, *words = shlex.split(command)
        assert program == "intertone"
        code, out, err = run(*words, "--codec", codec_path, capsys=capsys)
        assert code == 0 and re.search("^wrote ", out, re.MULTILINE), f"{command}\n{err}"


def test_morph(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all("morph.md", codec_path, capsys)
    made = {name for name in names_in(desk / "out") if "/" not in name}
    written = re.findall(r" -o out/(\S+)| --plot out/(\S+)", "\n".join(commands("morph.md")))
    assert made == {name for pair in written for name in pair if name}
    assert len(names_in(desk / "out" / "steps")) == 5


def test_keys(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all("keys.md", codec_path, capsys)
    assert [len(names_in(desk / "out" / name)) for name in ("horn", "between")] == [10, 5]
    assert "loop_sustain" in (desk / "out" / "between" / "instrument.sfz").read_text()


def test_gains(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all("gains.md", codec_path, capsys)
    assert names_in(desk / "out") == ["groups.wav", "turned.wav"]


def test_map(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    begin_notes(desk / "out" / "notes", sample_rate=44100, samples=22050, kind="synthetic", settings={})
    sounds = [resample(tone(60, seconds=0.5, tilt=tilt), SAMPLE_RATE, 44100) for tilt in (0.5, 1.0, 2.0)]
    pcm, scales = zip(*(quantise(sound.numpy()) for sound in sounds), strict=True)
    rows = [NoteRow(name, 60, 100, name, "synthetic", "test", name, "train") for name in "abc"]
    write_shard(desk / "out" / "notes", 0, np.stack(pcm), scales, rows)
    finish_notes(desk / "out" / "notes", 1)
    monkeypatch.setattr("intertone.instrument.map.NOTE_CELLS", 1)
    (command,) = commands("map.md")
    code, out, err = run(*shlex.split(command)[1:], capsys=capsys)
    assert code == 0 and out.startswith("wrote out/map.html, "), err
    assert (desk / "out" / "map.html").read_text(encoding="utf-8").count("data-sound=") == 4


def test_transfer(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("intertone.transfer.solver.QUICK_SECONDS", 1e-3)
    text = (ROOT / "docs" / "howto" / "transfer.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(lines.replace("seconds=5", "seconds=0.001"), "transfer.md", "exec"), {})
    for command in [line for line in text.splitlines() if line.startswith("intertone ")]:
        code, out, err = run(*shlex.split(command)[1:], capsys=capsys)
        assert code == 0 and (re.search("^wrote ", out, re.MULTILINE) or "--list" in command), f"{command}\n{err}"
    assert names_in(desk / "out") == ["transfer.png", "transfer.wav", "weak.wav"]


def test_synth(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "howto" / "synth.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(lines, "synth.md", "exec"), {})
    for command in [line for line in text.splitlines() if line.startswith("intertone ")]:
        code, out, err = run(*shlex.split(command)[1:], capsys=capsys)
        assert code == 0 and re.search("^wrote ", out, re.MULTILINE), f"{command}\n{err}"
    assert names_in(desk / "out") == [
        "between.png",
        "between.wav",
        "canne.wav",
        "changed.wav",
        "code.npy",
        "manne.wav",
        "trumpet.wav",
    ]
    assert soundfile.info("out/changed.wav").duration == 1
