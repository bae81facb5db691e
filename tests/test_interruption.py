"""Ctrl-C on a busy machine, at any moment: the program stops in order, or has finished."""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import names_in
from conftest import tone, untrained_codec
from test_data_soundfont import fluid_r3

from intertone.audio import save_audio
from intertone.data.notes import Notes

BUSY_PROCESSES = 4
INTERRUPTIONS = 4
"""Of each verb; two at a time."""

SETTINGS = """
epochs = 2
notes_per_epoch = 24
batch_size = 4
precision = "float32"
[representation]
kind = "decibel"
[model]
kind = "conv"
channels = [8, 16, 16]
strides = [[4, 4], [4, 4], [2, 2]]
kernel_size = [5, 5]
bottleneck = { kind = "conv", channels = 4 }
[choice]
valid_notes = 4
"""

VERBS = {
    "morph": "morph {here}/a.wav {here}/b.wav --codec {here}/codec --iterations 20 -o {out}/new.wav",
    "keys": "keys {here}/a.wav {here}/b.wav --range C4:D4 -o {out}/new",
    "train": "train {here}/run.toml --data {notes} -o {out}/new",
    "data render": "data render --programs 0-3 --pitch-step 40 --velocities 100 -o {out}/new",
}


@pytest.fixture
def busy() -> Iterator[None]:
    """Other processes that want the processors too."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY_PROCESSES)]
    yield
    for other in others:
        other.kill()
        other.wait()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    save_audio(tmp_path / "a.wav", tone(48, seconds=0.5), sample_rate=16000)
    save_audio(tmp_path / "b.wav", tone(60, seconds=0.4), sample_rate=16000)
    untrained_codec().save(tmp_path / "codec", card="# small\n")
    (tmp_path / "run.toml").write_text(SETTINGS)
    return tmp_path


def interrupt(words: list[str], out: Path, seconds: float) -> None:
    """Start the program, interrupt it after so many seconds, and see how it ends."""
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "intertone", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background is deaf to it
    )
    try:
        said, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=120)
    assert process.returncode in (0, 130), told
    assert "Traceback" not in told
    assert not [name for name in names_in(out) if ".intertone-" in name]
    if process.returncode == 0:
        assert said and (out / "new.wav").exists() | (out / "new").exists()
    else:
        assert told.splitlines()[-1].startswith("intertone: stopped; ") or "run the same command to resume" in said


def run_program(main: str) -> subprocess.CompletedProcess[str]:
    """Run the program with another command line in it."""
    code = f"import signal, sys\nfrom intertone import __main__, cli\n{main}\ncli.main = main\n__main__.program()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_a_thread_in_native_code_does_not_abort_the_end() -> None:
    result = run_program("""
import threading, torch
def work():
    while True:
        torch.ones(1000).log10()
def main(began):
    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    sys.exit(130)
""")
    assert (result.returncode, result.stderr) == (130, "")


def test_an_interruption_is_not_lost_while_a_sound_is_read(tmp_path: Path) -> None:
    save_audio(tmp_path / "a.wav", tone(48), sample_rate=16000)
    result = run_program(f"""
import io, time, soundfile
class Interrupted(io.FileIO):
    def readinto(self, buffer):
        signal.raise_signal(signal.SIGINT)
        return super().readinto(buffer)
def main(began):
    signal.signal(signal.SIGINT, __main__._interrupt)  # where it was ignored, too
    print(len(soundfile.read(Interrupted({str(tmp_path / "a.wav")!r}))[0]), flush=True)
    time.sleep(30)
""")
    assert (result.returncode, result.stdout) == (130, "16000\n")
    assert result.stderr == "intertone: stopped; no result was written\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("block", "left"), [("contextlib.nullcontext()", ""), ("files.replacing('x.wav')", "True\n")])
def test_an_import_is_not_broken_off_while_a_file_is_written(
    tmp_path: Path, number: int, block: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tried.py").write_text(
        f"import signal\ntry:\n    signal.raise_signal({int(number)})\nfinally:\n    whole = True\n"
    )
    result = run_program(f"""
import contextlib, time
from intertone import files
def main(began):
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, __main__._interrupt)  # where it was ignored, too
    with {block}:
        sys.path.insert(0, {str(tmp_path)!r})
        import tried
        print(tried.whole, flush=True)
        time.sleep(30)
""")
    assert (result.returncode, result.stdout) == (128 + number, left)
    assert [name for name in names_in(tmp_path) if "pycache" not in name] == ["tried.py"]


@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_stops_what_nohup_does_not_protect(ignored: bool, tmp_path: Path) -> None:
    handler = "SIG_IGN" if ignored else "SIG_DFL"
    code = f"""
import signal, sys
signal.signal(signal.SIGHUP, signal.{handler})
from intertone import __main__, cli
from intertone.files import replacing
def main(began):
    with replacing({str(tmp_path / "a.txt")!r}):
        signal.raise_signal(signal.SIGHUP)
        print("on", flush=True)
cli.main = main
__main__.program()
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == ((1, "on\n", "") if ignored else (129, "", ""))
    assert names_in(tmp_path) == (["a.txt"] if ignored else [])


def test_a_training_is_stopped_in_order_though_a_terminal_sends_its_signal_twice() -> None:
    code = """
import signal
from intertone.train.processes import interruptible
with interruptible() as stopped:
    for number in (signal.SIGHUP, signal.SIGHUP):
        signal.raise_signal(number)
    print(stopped())
    signal.raise_signal(signal.SIGINT)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert result.stdout == "True\n" and result.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_ctrl_c_at_any_moment_ends_in_order(verb: str, here: Path, notes: Notes, busy: None) -> None:
    if verb == "data render":
        fluid_r3()
    moments = random.Random(verb)
    with ThreadPoolExecutor(2) as pool:
        ends = []
        for number in range(INTERRUPTIONS):
            out = here / f"out-{number}"
            words = [word.format(here=here, out=out, notes=notes.folder) for word in VERBS[verb].split()]
            # Python's own start, before the program's first line, takes less than the least
            seconds = moments.uniform(0.5, 2.0) if number % 2 else moments.uniform(2.0, 8.0)
            ends.append(pool.submit(interrupt, words, out, seconds))
        for end in ends:
            end.result()
