"""Refusals that need nothing heavy come before PyTorch is imported; a bar is shown when work takes long."""

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import tone

from intertone.audio import save_audio
from intertone.cli import progress

REFUSED = {
    "morph missing.wav a.wav -o x.wav": "the input must exist, got missing.wav",
    "morph a.wav -o x.wav": "there must be 2 to 26 sounds, got 1",
    "morph a.wav a.wav -o a.wav": "the output must not be one of the inputs",
    "morph a.wav a.wav -o x.txt": "a sound file must end in one of",
    "morph a.wav a.wav -o x.wav --sample-rate 3": "sample_rate must be in 4000..384000 Hz, got 3",
    "morph a.wav a.wav -o x.wav --codec harmonik": "did you mean harmonic?",
    "morph a.wav a.wav -o x.wav --plot x.gif": "a picture must end in .png, .pdf or .svg, got x.gif",
    "morph a.wav a.wav -o x.wav --mix 0.5,x": "--mix: a mix must be a number (0.5)",
    "morph a.wav a.wav -o x.wav --mix 7": "--mix: mix must be in -0.5..1.5, got 7",
    "morph a.wav a.wav -o x.wav --mix-noise 1,1,1": "--mix-noise: there must be one weight for each of 2 sounds, got 3",
    "morph a.wav a.wav -o x.wav --mix 1:0,0:1": "--mix: the times of a curve must rise, got 1, 0",
    "keys missing.wav -o x": "the input must exist, got missing.wav",
    "keys a.wav a.wav -o x --mix 1,2,3": "--mix: there must be one weight for each of 2 sounds, got 3",
    "keys a.wav -o x --sample-rate 3": "sample_rate must be in 4000..384000 Hz, got 3",
    "reconstruct missing.wav -o x.wav": "the input must exist, got missing.wav",
    "gains missing.wav -o x.wav": "the input must exist, got missing.wav",
    "gains a.wav -o x.wav --gain 3:2": "--gain must be like 3=1.8, got 3:2",
    "synth harmonik -o x.wav": "the codec must be one of",
    "map nope -o x.html": "the codec must be one of",
    "transfer missing.wav a.wav -o x.wav": "the input must exist, got missing.wav",
    "info nope": "the codec must be one of",
    "train missing.toml --data . -o r": "the settings file must exist, got missing.toml",
    "pack missing -o x": "RUN must be the folder of a run, with best/ in it, got missing",
    "evaluate harmonic --data missing": "a note set must be a folder, got missing",
    "data info missing": "a note set must be a folder, got missing",
    "data prepare missing -o x": "a note set must be a folder, got missing",
    "data import missing -o x": "the sounds must be in a folder, got missing",
    "data render missing.sf2 -o x": "the soundfont must be a file, got missing.sf2",
    "bench morph --data missing": "a note set must be a folder, got missing",
}


def test_what_needs_no_import_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", tone(60), sample_rate=16000)
    code = f"""
import shlex, sys
from intertone import cli
for command in {list(REFUSED)!r}:
    try:
        cli.main(shlex.split(command))
    except SystemExit as leave:
        print(command, leave.code, "torch" in sys.modules, sep="|", file=sys.stderr)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    lines = result.stderr.splitlines()
    assert lines[1::2] == [f"{command}|2|False" for command in REFUSED]
    for said, sentence in zip(lines[::2], REFUSED.values(), strict=True):
        assert said.startswith("intertone: ") and sentence in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("wait", "shown"), [(0.0, True), (60.0, False)])
def test_a_bar_is_shown_where_work_takes_long(monkeypatch: pytest.MonkeyPatch, wait: float, shown: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "WAIT_SECONDS", wait)
    monkeypatch.setenv("TERM", "xterm")
    with progress.late_bar("sounds") as count:
        limit = time.monotonic() + 10
        while shown and "sounds" not in terminal.getvalue() and time.monotonic() < limit:
            time.sleep(0.01)
        count(1, 4)
    assert ("sounds" in terminal.getvalue() and "25%" in terminal.getvalue()) == shown
    assert sys.stderr is terminal


def test_no_bar_is_shown_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(progress, "WAIT_SECONDS", 0.0)
    with progress.late_bar("sounds") as count:
        count(1, 4)
    assert log.getvalue() == ""


def test_a_piped_bar_prints_lines_where_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.0)
    for lines in (False, True):
        with progress.progress_bar("pairs", total=3, lines=lines) as show:
            show(1, 3)
        assert capsys.readouterr().err == ("  1 of 3 pairs in 0 s\n" if lines else "")
