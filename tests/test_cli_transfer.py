"""Style transfer at the command line."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import refused, run

from intertone.transfer import preset_names

SMALL = """
purpose = "a small system"
source = "this test"
sample_rate = 8000
rms = 1.0

[solver]
kind = "l-bfgs"
iterations = 6

[[terms]]
name = "style"
reference = "style"
front_end = { kind = "stft", n_fft = 256, hop_length = 64 }
extractor = { kind = "random-conv-1d", widths = [5], filters = 32 }
statistic = { kind = "gram" }

[[terms]]
name = "rhythm"
reference = "style"
front_end = { kind = "stft", n_fft = 256, hop_length = 64, scale = "power" }
statistic = { kind = "time-envelope" }

[[terms]]
name = "content"
reference = "content"
front_end = { kind = "stft", n_fft = 256, hop_length = 64 }
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stereo sound at 11025 Hz, a mono one at 8000 Hz, and the settings of a small system."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(11025) / 11025
    low = 0.3 * np.sin(2 * math.pi * 220 * time) * np.exp(-3 * time)
    soundfile.write("content.wav", np.stack([low, 0.5 * low], 1), 11025)
    saw = 0.2 * sum(np.sin(2 * math.pi * 330 * k * np.arange(6000) / 8000) / k for k in range(1, 9))
    soundfile.write("style.wav", saw, 8000)
    Path("small.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def test_two_files_become_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("transfer", "content.wav", "style.wav", "--preset", "small.toml")
    code, out, err = run(*words, "-o", "x.wav", "--plot", "x.png", "--preview", "3", capsys=capsys)
    assert code == 0, err
    assert out.startswith("wrote x.wav: 1.00 s, 8000 Hz, 2 channels: style ")
    assert "all iterations done" in out and out.rstrip().endswith("wrote x.png")
    sound, rate = soundfile.read("x.wav")
    assert (sound.shape, rate) == ((8000, 2), 8000)
    assert (here / "x.png").read_bytes().startswith(b"\x89PNG")
    assert soundfile.info("x-0003.wav").frames == 8000
    run(*words, "-o", "y.wav", capsys=capsys)
    assert (here / "x.wav").read_bytes() == (here / "y.wav").read_bytes()


def test_strength_iterations_and_rate_are_obeyed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("transfer", "content.wav", "style.wav", "--preset", "small.toml", "--json")
    found = {}
    for strength in ("0", "1", "4"):
        code, out, err = run(*words, "-o", f"{strength}.wav", "--strength", strength, capsys=capsys)
        assert code == 0, err
        found[strength] = json.loads(out)
    assert found["0"]["evaluations"] == 0
    own, _ = soundfile.read("0.wav")
    assert np.corrcoef(own[:, 0], soundfile.read("1.wav")[0][:, 0])[0, 1] < 0.9999
    assert found["4"]["realised"]["style"] / 4 < found["1"]["realised"]["style"] < found["1"]["first"]["style"]
    code, out, err = run(*words, "-o", "short.wav", "--iterations", "1", "--sample-rate", "44100", capsys=capsys)
    assert code == 0, err
    assert json.loads(out)["evaluations"] < found["1"]["evaluations"]
    assert soundfile.info("short.wav").samplerate == 44100


def test_the_envelope_comes_from_the_sound_that_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("transfer", "content.wav", "style.wav", "--preset", "small.toml", "--json", "-o", "x.wav")
    terms = {}
    for source in ("content", "style"):
        code, out, err = run(*words, "--envelope-from", source, capsys=capsys)
        assert code == 0, err
        terms[source] = json.loads(out)["first"]["rhythm"]
    assert terms["content"] < 1e-3 < terms["style"]
    words = ("transfer", "content.wav", "style.wav", "--preset", "ulyanov", "-o", "x.wav", "--envelope-from", "style")
    sentence = refused(here, *words, capsys=capsys)
    assert sentence == "--envelope-from must be used with a system with an envelope over time, as verma, got ulyanov"


def test_the_list_names_every_system(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("transfer", "--list", capsys=capsys)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(preset_names())


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("content.wav", "-o", "x.wav"), "STYLE must be given, got none"),
        (("content.wav", "style.wav"), "-o must be given, got none"),
        (("content.wav", "none.wav", "-o", "x.wav"), "the input must exist, got none.wav"),
        (("content.wav", "style.wav", "-o", "x.wav", "--preset", "monet"), "the preset must be one of antognini"),
        (("content.wav", "style.wav", "-o", "x.txt", "--preset", "small.toml"), "x.txt"),
        (("content.wav", "silent.wav", "-o", "x.wav", "--preset", "small.toml"), "a sound must not be all silence"),
        (("content.wav", "style.wav", "-o", "x", "--preset", "all", "--plot", "x.png"), "without --plot"),
        (("content.wav", "style.wav", "-o", "old", "--preset", "all"), "old"),
        (("content.wav", "silent.wav", "-o", "new", "--preset", "all"), "a sound must not be all silence"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    here: Path, words: tuple[str, ...], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write("silent.wav", np.zeros(8000), 8000)
    (here / "old").mkdir()
    (here / "old" / "mine.txt").write_text("kept", encoding="utf-8")
    assert match in refused(here, "transfer", *words, capsys=capsys)


def test_every_system_in_one_page(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from intertone.transfer import TransferConfig

    small = TransferConfig.read("small.toml")
    broken = small.model_copy(update={"terms": (*small.terms, small.terms[0].model_copy(update={"name": "again"}))})
    monkeypatch.setattr("intertone.transfer.preset_names", lambda: ("one", "two"))
    monkeypatch.setattr("intertone.transfer.load_preset", {"one": small, "two": broken}.__getitem__)
    code, out, err = run("transfer", "content.wav", "style.wav", "--preset", "all", "-o", "page", capsys=capsys)
    assert code == 0, err
    assert out.startswith("wrote page/index.html with 2 sounds beside it")
    page = (here / "page" / "index.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 4
    assert {path.name for path in (here / "page").iterdir()} == {"index.html", "one.wav", "two.wav"}
