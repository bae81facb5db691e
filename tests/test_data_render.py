"""Rendered notes: their pitch, no folding, the same bytes however they were made."""

import json
import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from test_data_soundfont import fluid_r3, make_bank, needs_library
from typer.testing import CliRunner

from intertone.cli.data import app
from intertone.data.notes import Notes
from intertone.data.render import FAMILIES, RenderConfig, render_bank
from intertone.data.split import split_of
from intertone.data.synth import Synth, synthesis_rate
from intertone.errors import InputError

SHORT = RenderConfig(hold_seconds=0.3, release_seconds=0.1, pitch_step=12, velocities=(100,))


def peak_hz(audio: npt.NDArray[np.float32], sample_rate: int) -> float:
    """Frequency of the strongest partial, by a parabola through the logarithm of the three highest bins."""
    windowed = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 8 * len(audio)))
    top = int(windowed.argmax())
    below, at, above = np.log(windowed[top - 1 : top + 2])
    return float((top + 0.5 * (below - above) / (below - 2 * at + above)) * sample_rate / (8 * len(audio)))


def test_a_note_has_its_pitch_and_starts_at_once(tmp_path: Path) -> None:
    needs_library()
    config = RenderConfig(hold_seconds=0.5, release_seconds=0.1, pitch_step=3, velocities=(40, 127))
    render_bank(make_bank(tmp_path / "x.sf2"), tmp_path / "out", config=config, programs=[0], workers=1)
    notes = Notes.open(tmp_path / "out")
    assert sorted(set(notes.pitch.tolist())) == [51, 54, 57, 60, 63, 66, 69, 72, 75, 78]
    audio = notes.audio(range(len(notes))).numpy()
    for note, pitch in zip(audio, notes.pitch, strict=True):
        cents = 1200 * np.log2(peak_hz(note[:8000], 16000) / (440 * 2 ** ((int(pitch) - 69) / 12)))
        assert abs(cents) < 2
        assert np.flatnonzero(np.abs(note) > 0.1 * np.abs(note).max())[0] < 48  # 3 ms
    loud, soft = (np.abs(audio[notes.velocity == velocity]).max() for velocity in (127, 40))
    # the SoundFont default is 40 dB a tenth of velocity: 40·log10(127/40) = 20.07 dB
    assert 20 * np.log10(loud / soft) == pytest.approx(20.07, abs=0.5)


def test_nothing_folds_down(tmp_path: Path) -> None:
    needs_library()
    path = make_bank(tmp_path / "x.sf2")
    with Synth(path, sample_rate=16000, gain=1.0) as synth:
        naive = synth.note(1, 60, 127, hold=4000, release=0)
    assert peak_hz(naive[0], 16000) == pytest.approx(1000, abs=5)  # 15 kHz, folded at 8 kHz
    config = RenderConfig(hold_seconds=0.3, pitch_min=60, pitch_max=60, velocities=(127,), gain=1.0)
    render_bank(path, tmp_path / "out", config=config, programs=[1], workers=1)
    held = Notes.open(tmp_path / "out").audio([0])[0, 1000:4000]
    # what stays is FluidSynth's own interpolation noise
    assert 20 * np.log10(held.abs().max().item() / np.abs(naive[:, 1000:4000]).max()) < -55


def test_what_is_not_heard_is_left_out(tmp_path: Path) -> None:
    needs_library()
    path = make_bank(tmp_path / "x.sf2")
    with pytest.raises(InputError, match="at least one program must have audible notes, but none of 1 has"):
        render_bank(path, tmp_path / "out", config=SHORT, programs=[5], workers=1)
    line = json.loads((tmp_path / "out/report.jsonl").read_text())
    assert line["skipped"] == {"silent": [f"{pitch:03d}-100" for pitch in range(21, 109, 12)]}
    header = render_bank(path, tmp_path / "both", config=SHORT, programs=[0, 5], workers=1)
    assert (header["shards"], header["skipped"]) == ([2, 0], {"silent": 8, "no zone covers the key": 6})


def test_pitch_is_unknown_where_the_bank_does_not_follow_the_keys(tmp_path: Path) -> None:
    needs_library()
    config = SHORT.model_copy(update={"velocities": (50, 100), "pitch_min": 60, "pitch_max": 60})
    render_bank(make_bank(tmp_path / "x.sf2"), tmp_path / "out", config=config, programs=[4], workers=1)
    notes = Notes.open(tmp_path / "out")
    assert (notes.pitch.tolist(), notes.name.tolist()) == ([60, -1], ["004-p4-060-050", "004-p4-060-100"])


def test_fluid_r3_plays_in_tune_with_names_and_families(tmp_path: Path) -> None:
    header = render_bank(fluid_r3(), tmp_path, config=SHORT, programs=[73, 16, 43, 79], workers=1)
    notes = Notes.open(tmp_path)
    assert sorted(set(notes.instrument.tolist())) == ["016-drawbarorgan", "043-contrabass", "073-flute", "079-ocarina"]
    assert set(notes.family[notes.select(instrument="043-contrabass")].tolist()) == {"strings"}
    assert header["skipped"] == {"no zone covers the key": 2}  # 93 and 105 of the contrabass
    assert notes.audio(range(len(notes))).abs().max() < 1
    for index in notes.select(instrument=["073-flute", "079-ocarina"], pitch=[57, 69, 81]):
        note = notes.audio([index])[0].numpy()[800:4800]
        wanted = 440 * 2 ** ((int(notes.pitch[index]) - 69) / 12)
        assert abs(1200 * np.log2(peak_hz(note, 16000) / wanted)) < 20, notes.name[index]
    assert len(FAMILIES) == 16


def test_a_note_is_the_same_whatever_was_played_before() -> None:
    path = fluid_r3()
    jobs = [(program, pitch, 100) for program in (0, 48, 73, 98) for pitch in (30, 60, 90)]
    length = {"hold": 20000, "release": 5003}
    with Synth(path, sample_rate=96000, gain=0.8) as synth:
        first = [synth.note(*job, **length) for job in jobs]
        again = [synth.note(*job, **length) for job in reversed(jobs)][::-1]
    assert first[0].shape == (2, 25003)
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    for workers in (1, 2):
        render_bank(fluid_r3(), tmp_path / str(workers), config=SHORT, programs=[0, 24, 73, 98], workers=workers)
    assert files(tmp_path / "1") == files(tmp_path / "2")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    path, programs = fluid_r3(), [0, 7, 24, 73]
    code = (
        "import sys; from intertone.data.render import *\n"
        "config = RenderConfig.parse(eval(sys.argv[3]))\n"
        f"render_bank(sys.argv[1], sys.argv[2], config=config, programs={programs}, workers=1,"
        " progress=lambda done, total: print(done, flush=True) or sys.stdin.read(1))"
    )
    words = [sys.executable, "-c", code, str(path), str(tmp_path / "killed"), repr(SHORT.model_dump())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGKILL)
    assert [name for name in files(tmp_path / "killed") if name.endswith(".npy")] == ["shard-00000.npy"]
    done: list[int] = []
    render_bank(
        path, tmp_path / "killed", config=SHORT, programs=programs, workers=1, progress=lambda n, _: done.append(n)
    )
    assert done == [2, 3, 4]
    render_bank(path, tmp_path / "whole", config=SHORT, programs=programs, workers=1)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    with pytest.raises(InputError, match="but pitch_step was 12 there and is 1 now"):
        render_bank(path, tmp_path / "whole", programs=programs, config=SHORT.model_copy(update={"pitch_step": 1}))


@pytest.mark.slow
def test_a_process_that_is_killed_is_said_and_made_good(tmp_path: Path) -> None:
    path, programs = fluid_r3(), [0, 7, 24, 40, 48, 73]

    def kill(done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(InputError, match="every rendering process must run to its end"):
        render_bank(path, tmp_path, config=SHORT, programs=programs, workers=2, progress=kill)
    header = render_bank(path, tmp_path, config=SHORT, programs=programs, workers=1)
    assert len(header["shards"]) == 6


def test_command_line_renders(tmp_path: Path) -> None:
    words = ["render", str(fluid_r3()), "-o", str(tmp_path / "set"), "--programs", "73", "--workers", "1", "--json"]
    words += ["--pitch-step", "40", "--velocities", "25"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    content = json.loads(result.stdout)
    assert (content["soundfont"], content["settings"]["bank"]) == (str(fluid_r3()), "FluidR3Mono_GM")
    shown = CliRunner().invoke(app, words[:-5] + words[-4:], catch_exceptions=False)
    assert f"bank: FluidR3Mono_GM, {fluid_r3()}" in shown.stdout
    assert f"the bank is FluidR3Mono_GM, {fluid_r3()}" in shown.stderr
    assert content["samples"] == 64000
    assert content["counts"][split_of("FluidR3Mono_GM-073")] == {"notes": 3, "instruments": 1, "groups": 1}


# ---- refusals


def test_rendering_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_bank(tmp_path / "x.sf2")
    with pytest.raises(InputError, match=r"every program must be one of the bank's 6, got \[9\]"):
        render_bank(path, tmp_path / "out", programs=[0, 9])
    with pytest.raises(InputError, match="workers must be >= 1, got 0"):
        render_bank(path, tmp_path / "out", workers=0)
    with pytest.raises(InputError, match=r"sample_rate must be in 4000\.\.96000 Hz, got 192000"):
        synthesis_rate(192000)
    with pytest.raises(ValueError, match=r"hold_seconds and release_seconds must add up to >= 0\.02, got 1e-05"):
        RenderConfig(hold_seconds=1e-5, release_seconds=0)
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(InputError, match=r"apt-get install libfluidsynth3 .*pip install .*'\.\[render\]'"):
        render_bank(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bank_that_the_library_cannot_load_is_refused(tmp_path: Path) -> None:
    needs_library()
    (tmp_path / "x.sf2").write_bytes(b"nothing")
    with pytest.raises(InputError, match="FluidSynth must be able to load the soundfont"):
        Synth(tmp_path / "x.sf2", sample_rate=48000, gain=1.0)
    with (
        Synth(make_bank(tmp_path / "y.sf2"), sample_rate=48000, gain=1.0) as synth,
        pytest.raises(InputError, match="the program must be in the bank, got 99"),
    ):
        synth.note(99, 60, 100, hold=64, release=0)
