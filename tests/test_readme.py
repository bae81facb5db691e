"""The README's commands, run as they are written, on the example notes that lie in the repository."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import run as run_here
from conftest import SAMPLE_RATE, tone, write_notes

from intertone import load_audio, save_audio

ROOT = Path(__file__).parent.parent
SECONDS = 0.75
"""Of the examples; in the repository, four."""

README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(title: str, language: str = "") -> str:
    """Return the first code block under a heading."""
    text = README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found, f"no code block under {title}"
    return found.group(1)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder as a reader has it: the examples, which are shorter here, and the recipe, nothing else."""
    for name in ("examples", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in (tmp_path / "examples").glob("*.wav"):
        audio, rate = load_audio(path)
        fade = (torch.arange(round(SECONDS * rate), 0, -1) / 800).clamp(max=1)
        save_audio(path, audio[:, : len(fade)] * fade, sample_rate=rate)
    return tmp_path


def run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_the_three_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make ([\w-]+)", section("Three commands"), re.MULTILINE)
    assert targets == ["morph", "play", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_command_line(desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(desk)
    commands = section("At the command line").splitlines()
    assert commands[0] == "mkdir -p out"
    (desk / "out").mkdir()
    for command in commands[1:]:
        program, *words = shlex.split(command)
        assert program == "intertone"
        code, _, err = run_here(*words, capsys=capsys)
        assert code == 0, f"{command}\n{err}"
    verbs = [command.split()[1] for command in commands[1:]]
    assert verbs == ["morph", "morph", "reconstruct", "synth", "info", "doctor"]
    desk = desk / "out"
    assert sorted(path.name for path in (desk / "sweep").iterdir()) == [f"morph-{n:03d}.wav" for n in range(0, 101, 10)]
    assert (desk / "sweep.png").read_bytes().startswith(b"\x89PNG")
    for name in ("new.wav", "again.wav", "sweep/morph-050.wav"):
        audio, rate = load_audio(desk / name)
        assert rate == 44100 and tuple(audio.shape) == (2, SECONDS * rate)
    assert (desk / "new.wav").read_bytes() == (desk / "sweep" / "morph-050.wav").read_bytes()


def test_the_python(desk: Path) -> None:
    (desk / "out").mkdir()
    (desk / "lines.py").write_text(section("In Python", "python"), encoding="utf-8")
    printed = run(f"{sys.executable} lines.py", desk)
    assert printed.startswith("torch.Size([2, ")
    half_way, changed = (load_audio(desk / "out" / name)[0] for name in ("between.wav", "changed.wav"))
    assert half_way.shape == changed.shape == (2, SECONDS * 44100)


@pytest.mark.slow
def test_training_on_ones_own_sounds(desk: Path) -> None:
    (desk / "my-samples").mkdir()
    names = ["a", "b", *(f"take {number}" for number in range(8))]
    for index, name in enumerate(names):
        sound = tone(48 + 3 * (7 * index % 10), tilt=0.7, decay=4)
        save_audio(desk / "my-samples" / f"{name}.wav", sound, sample_rate=SAMPLE_RATE)
    trained, morphed = section("Train your own").splitlines()
    howto = (ROOT / "docs" / "howto" / "train-on-your-own-sounds.md").read_text(encoding="utf-8")
    assert f"```\n{trained}\n{morphed}\n```" in howto
    assert "pitch from the sound" in run(f"{trained} --set epochs=2 --set precision=float32", desk)
    run(morphed, desk)
    assert torch.isfinite(load_audio(desk / "out.wav")[0]).all()


def evaluating() -> list[str]:
    return section("Evaluate it, or anything else").splitlines()


@pytest.fixture
def notes_of_ones_own(desk: Path) -> None:
    (desk / "notes" / "mine").mkdir(parents=True)
    write_notes(desk / "notes" / "mine", seconds=0.5)


def check_page(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert page.count("<audio") >= 2 and "<table" in page


@pytest.mark.slow
@pytest.mark.usefixtures("notes_of_ones_own")
def test_an_evaluation(desk: Path) -> None:
    run(f"{evaluating()[0]} --budget smoke", desk)
    check_page(desk / "out" / "evaluation" / "evaluation.html")


@pytest.mark.slow
def test_a_bench(desk: Path) -> None:
    run(f"{evaluating()[1]} --only P3 --no-decoys --no-cache --workers 1", desk)
    check_page(desk / "out" / "bench" / "bench.html")
    assert "| method |" in (desk / "out" / "bench" / "bench.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("notes_of_ones_own")
def test_a_paper(desk: Path) -> None:
    run(evaluating()[2].replace("--budget cpu", "--budget smoke"), desk)
    assert (desk / "out" / "paper" / "tables.md").read_text(encoding="utf-8").count("|") > 100


@pytest.mark.slow
def test_exported_pairs(desk: Path) -> None:
    assert [command.split()[1] for command in evaluating()] == ["evaluate", "bench", "paper", "bench"]
    run(evaluating()[3], desk)
    assert len(list((desk / "pairs").glob("*.wav"))) == 26
