"""The commands of the how-tos, run as they are written, but with a small codec and on shorter sounds."""

import base64
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import names_in, run
from conftest import SAMPLE_RATE, tone
from test_data_soundfont import make_bank, needs_library

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
    for name in sorted(path.name for path in (ROOT / "examples").glob("*.wav")):
        audio, rate = load_audio(ROOT / "examples" / name)
        fade = (torch.arange(rate, 0, -1) / 800).clamp(max=1)
        save_audio(f"examples/{name}", audio[:, :rate] * fade, sample_rate=rate)
    return tmp_path


def commands(name: str) -> list[str]:
    text = (ROOT / "docs" / name if name == "tutorial.md" else ROOT / "docs" / "howto" / name).read_text(
        encoding="utf-8"
    )
    return [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def run_all(name: str, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(name):
        program, *words = shlex.split(command)
        assert program == "intertone"
        code, out, err = run(*words, "--codec", codec_path, capsys=capsys)
        assert code == 0 and re.search("^wrote ", out, re.MULTILINE), f"{command}\n{err}"


def test_tutorial(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all("tutorial.md", codec_path, capsys)
    made = {path.name for path in (desk / "out").iterdir()}
    assert made >= {"first.png", "way.png", "struck.png", "moving.wav", "three.wav", "keys", "pairs", "horn-sitar.html"}
    assert len(list((desk / "out" / "way").glob("*.wav"))) == 5 and len(list((desk / "out" / "pairs").iterdir())) == 7


def test_morph(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all("morph.md", codec_path, capsys)
    made = {name for name in names_in(desk / "out") if "/" not in name}
    written = re.findall(r" -o out/(\S+)| --plot out/(\S+)", "\n".join(commands("morph.md")))
    assert made == {name for pair in written for name in pair if name}
    assert len(names_in(desk / "out" / "steps")) == 5


def test_keys(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all("keys.md", codec_path, capsys)
    assert [len(names_in(desk / "out" / name)) for name in ("horn", "between", "layers", "tuned")] == [11, 6, 14, 5]
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


def test_unpitched(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = torch.randn(SAMPLE_RATE // 2, generator=torch.Generator().manual_seed(0))
    snare = noise * torch.exp(-torch.arange(len(noise)) / 800)
    save_audio("snare.wav", 0.2 * snare, sample_rate=SAMPLE_RATE)
    save_audio("cello.wav", tone(45), sample_rate=SAMPLE_RATE)
    lines = commands("unpitched.md")
    words = [line for line in lines if line.startswith("intertone ")]
    assert len(words) == 2 and lines[1].startswith("  A has no one pitch (harmonicity ")
    for command in words:
        code, out, err = run(*shlex.split(command)[1:], "--codec", codec_path, "--force", capsys=capsys)
        assert code == 0 and out.startswith("wrote out.wav: "), f"{command}\n{err}"
        scale = (
            r"[0-9.]+; noise has 0, a periodic tone 1, a sound with one pitch at least 0\.84\), so all sounds are mixed"
        )
        assert re.search(lines[1][:35].replace("(", r"\(") + scale, err)


@pytest.mark.slow
def test_train_on_your_own_sounds(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but torchrun's line, which test_train starts; with fewer and shorter notes, a small model, one epoch."""
    text = (ROOT / "docs" / "howto" / "train-on-your-own-sounds.md").read_text(encoding="utf-8")
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("intertone ")]
    less = {
        "intertone data import": "",
        "intertone data render": "--programs 0 --pitch-step 40 --velocities 100 --workers 1",
        "intertone data virtual-analogue": "--patches 2 --pitch-step 24 --velocities 100 --workers 1",
        "intertone train --from": "--set epochs=1",
        "intertone train": "--set epochs=1 --set notes_per_epoch=8 --set batch_size=4 --set precision=float32 "
        "--set model.channels=[4,4,4,4]",
        "intertone evaluate": "--budget smoke",
    }
    for instrument in range(12):
        (desk / "my-samples" / str(instrument)).mkdir(parents=True)
        for pitch in (50, 60):
            sound = tone(pitch, tilt=1 + instrument / 8)
            save_audio(f"my-samples/{instrument}/note_{pitch}.wav", sound, sample_rate=SAMPLE_RATE)
    shutil.copytree(ROOT / "configs", "configs")
    for name, pitch in (("a", 50), ("b", 60)):
        for place in (desk, desk / "my-samples"):
            save_audio(place / f"{name}.wav", tone(pitch), sample_rate=SAMPLE_RATE)
    make_bank(desk / "bank.sf2")
    needs_library()
    seen = set()
    for line in lines:
        verb = next((start for start in less if line.startswith(start)), "")
        seen.add(verb)
        if line.startswith("intertone morph") and Path("out.wav").exists():
            Path("out.wav").unlink()  # of the recipe before
        code, _, err = run(*shlex.split(f"{line} {less.get(verb, '')}")[1:], capsys=capsys)
        # so small a model gives the same for every input, which is said
        assert code == (3 if verb == "intertone train" else 0), f"{line}\n{err}"
    assert set(less) <= seen and {"notes", "runs", "my-codec", "out.wav"} <= {path.name for path in desk.iterdir()}


def test_every_howto_has_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    names = {path.name for path in (ROOT / "docs" / "howto").glob("*.md")}
    assert {name for name in names if f'"{name}"' not in source} == set()


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


def test_own_model(desk: Path) -> None:
    text = (ROOT / "docs" / "howto" / "own-model.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(lines, "own-model.md", "exec"), {"__name__": "own_model"})
    audio, _ = load_audio("out/own-model.wav")
    assert 0.9 * 16000 < audio.shape[-1] < 1.3 * 16000 and float(audio.abs().max()) > 0.01


def test_play(desk: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve, *exports = commands("play.md")
    assert serve == "intertone play examples/english-horn.wav examples/sitar.wav"
    assert f"$(BIN)/{serve}" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in exports:
        code, out, err = run(*shlex.split(command)[1:], "--codec", codec_path, capsys=capsys)
        assert code == 0 and out.startswith("wrote out/horn-sitar."), err
    page, instrument = (Path(f"out/horn-sitar.{suffix}") for suffix in ("html", "intertone"))
    assert names_in(desk / "out") == ["horn-sitar.html", "horn-sitar.intertone"]
    assert base64.b64encode(instrument.read_bytes()).decode() in page.read_text(encoding="utf-8")


def test_the_table_of_play_names_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "howto" / "play.md").read_text(encoding="utf-8")
    shown = run("play", "--help", capsys=capsys)[1]
    named = set(re.findall(r"`(--[a-z-]+)", text))
    assert named == {"--port", "--no-browser", "--workers", "--host", "--token", "--codec"}
    assert all(name in shown for name in named)
