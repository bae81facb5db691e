"""The verbs ``play`` and ``export``, and what a worker process makes of files."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import refused, run
from conftest import SAMPLE_RATE, tone

from intertone.audio import save_audio
from intertone.cli.play import _listen
from intertone.instrument import Instrument
from intertone.web.overview import COLUMNS, LOWEST_HZ, ROWS, overview_of
from intertone.web.shelf import readable
from intertone.web.uploads import Upload
from intertone.web.work import Bench
from intertone.web.workers import JobError


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, pitch in (("a", 60), ("b", 64)):
        save_audio(f"{name}.wav", tone(pitch), sample_rate=SAMPLE_RATE)
    return tmp_path


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench("harmonic", threads=1)


def test_an_instrument_is_exported_and_taken_again(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("export", "a.wav", "b.wav", "-o", "out/ab.html", "--json", capsys=capsys)
    content = json.loads(out)
    assert code == 0 and content["outputs"] == ["out/ab.html"]
    page = Path("out/ab.html").read_text(encoding="utf-8")
    assert content["bytes"] == len(page.encode()) and "<title>a · b</title>" in page
    assert run("export", "a.wav", "b.wav", "-o", "ab.intertone", capsys=capsys)[0] == 0
    assert [sound["name"] for sound in Instrument.load("ab.intertone").header["sounds"]] == ["a", "b"]
    code, out, _ = run("export", "ab.intertone", "-o", "again.html", capsys=capsys)
    assert code == 0 and out.startswith("wrote again.html")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["export", "a.wav", "-o", "x.wav"], "the output must end in .html or .intertone, got x.wav"),
        (["export", "a.wav", "-o", "b.wav/x.html"], "the output's folder must be a folder, got"),
        (["export", "no.wav", "-o", "x.html"], "the input must exist, got no.wav"),
        (["export", ".", "-o", "x.html"], "a sound must be an existing regular file, got ."),
        (["export", "words.wav", "-o", "x.html"], "a sound must be a valid"),
        (["export", "words.intertone", "-o", "x.html"], "an instrument must be a file that intertone wrote, got"),
        (["export", "a.wav", "words.intertone", "-o", "x.html"], "a saved instrument must be given alone, got"),
        (["export", *["a.wav"] * 5, "-o", "x.html"], "an instrument must have at most 4 sounds, got 5"),
        (["export", "a.wav", "-o", "x.html", "--codec", "thesis"], "an instrument must be made with a harmonic codec"),
        (["play", *["a.wav"] * 5], "an instrument must have at most 4 sounds, got 5"),
        (["play", "words.wav"], "a sound must be a valid WAV, FLAC, OGG, MP3 or AIFF file, got words.wav"),
        (
            ["play", "a.wav", "--host", "0.0.0.0"],
            "--host must be used with --token, since other computers can reach it, got",
        ),
        (["play", "a.wav", "--host", "0.0.0.0", "--token", "short"], "--token must be 12 or more letters and digits"),
        (["play", "a.wav", "--host", "192.0.2.1", "--token", "abcdefghijkl"], "the address must be free and of this"),
    ],
)
def test_bad_words_are_refused(desk: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("words.wav", "words.intertone"):
        Path(name).write_text("these are words")
    assert refused(desk, *words, capsys=capsys).startswith(sentence)


def test_a_port_that_is_taken_is_refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"got 127.0.0.1:{port}" in refused(desk, "play", "a.wav", "--port", str(port), capsys=capsys)


def test_a_port_is_claimed_alone_where_reuse_would_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows, where SO_REUSEADDR lets two programs listen on one port; another option stands for its own here."""
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with _listen("127.0.0.1", None) as listening:
        options = [listening.getsockopt(socket.SOL_SOCKET, one) for one in (socket.SO_REUSEADDR, socket.SO_KEEPALIVE)]
        assert options == [0, 1]


def test_the_page_is_served_until_it_is_interrupted(desk: Path) -> None:
    words = [sys.executable, "-m", "intertone", "play", "a.wav", "b.wav", "--no-browser"]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stderr is not None
        address = server.stdout.readline().removeprefix("the page is at ").split(" ")[0]
        start = json.load(urllib.request.urlopen(f"{address}start"))
        assert [sound["name"] for sound in start["sounds"]] == ["a.wav", "b.wav"]
        job = f"{address}instruments/{start['instrument']}"
        deadline = time.monotonic() + 120
        while (state := json.load(urllib.request.urlopen(job)))["state"] not in ("done", "failed"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert state["state"] == "done" and len(state["sounds"]) == 2
        data = urllib.request.urlopen(f"{job}/data").read()
        assert [sound["name"] for sound in Instrument.from_bytes(data).header["sounds"]] == ["a", "b"]
        server.send_signal(signal.SIGINT)
        assert (server.wait(timeout=30), server.stdout.read(), server.stderr.read()) == (0, "ended\n", "")
    finally:
        server.kill()
        server.communicate()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address)


def test_the_process_of_the_server_imports_nothing_heavy() -> None:
    code = (
        "import sys, intertone.web.server; print(sorted({'torch', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_sounds_are_remembered(bench: Bench, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (Upload(desk / f"{name}.wav", f"{name}.wav") for name in "ab")
    steps: list[str] = []
    one = bench.make((a,), steps.append)
    assert steps == ["a.wav: pitch, partials and noise are measured", "the network compares the sounds"]
    assert one.sounds[0]["remarks"] == ["a.wav: resampled from 16000 to 44100 Hz"]
    analysed = []
    analyse = bench._analyse.__globals__["analyse_playable"]
    monkeypatch.setattr(
        "intertone.web.work.analyse_playable",
        lambda codec, sound, name: analysed.append(name) or analyse(codec, sound, name),
    )
    both = bench.make((a, b), steps.append)
    assert analysed == ["b"] and len(both.sounds) == 2
    assert bench.make((a, b), steps.append) == both and analysed == ["b"]


def test_a_saved_instrument_with_a_long_name_is_one(bench: Bench, desk: Path) -> None:
    a = Upload(desk / "a.wav", "a.wav")
    made = bench.make((a,), lambda _step: None)
    path = desk / "0c1d"
    path.write_bytes(made.data)
    name = readable(200 * "x" + ".intertone")
    assert len(name) == 120
    assert bench.make((Upload(path, name),), lambda _step: None).data == made.data


def test_a_bomb_is_refused_in_a_sentence(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "0f3a"
    with soundfile.SoundFile(path, "w", samplerate=44100, channels=8, format="FLAC") as sound:
        for _ in range(300):
            sound.write(np.zeros((44100, 8)))
    assert path.stat().st_size < 2**20
    with pytest.raises(JobError) as refusal:
        bench.make((Upload(path, "bomb.flac"),), lambda _step: None)
    expected = r"a sound must decode to at most \d+ MiB as float32, got 403.7 MiB for 300 s in bomb.flac"
    assert re.fullmatch(expected, refusal.value.text) and refusal.value.index == 0


def test_the_second_of_two_sounds_is_named(bench: Bench, desk: Path) -> None:
    (desk / "1b2c").write_text("these are words")
    with pytest.raises(JobError, match=r"got horn\.wav, which is not one") as refusal:
        bench.make((Upload(desk / "a.wav", "a.wav"), Upload(desk / "1b2c", "horn.wav")), lambda _step: None)
    assert refusal.value.index == 1


@pytest.mark.parametrize("seconds", [0.02, 0.5, 5.0])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_an_overview_shows_the_pitch(seconds: float, rate: int) -> None:
    time = torch.arange(round(seconds * rate)) / rate
    overview = overview_of(0.1 * torch.sin(2 * torch.pi * 880 * time)[None], rate)
    assert overview.levels.shape == (ROWS, COLUMNS) and overview.lowest.shape == (COLUMNS,)
    assert overview.levels.max() == 1 and overview.highest.max() == 1
    row = int(overview.levels.amax(1).argmax())
    assert LOWEST_HZ * 2 ** (row / 12) == pytest.approx(880, rel=0.07 if seconds > 0.1 else 0.3)
