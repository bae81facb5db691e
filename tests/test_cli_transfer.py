"""Style transfer at the command line."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import refused, run

from intertone.cli.progress import ProgressLines, terminal_bar
from intertone.errors import InputError
from intertone.recogniser import Recogniser
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
    distances = "weighted distances from the targets, start → end: style "
    assert out.startswith(f"wrote x.wav: 1.00 s, 8000 Hz, 2 channels: {distances}")
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
    words = ("transfer", "content.wav", "style.wav", "--preset", "small.toml", "--json", "-o", "x.wav", "--force")
    terms = {}
    for source in ("content", "style"):
        code, out, err = run(*words, "--envelope-from", source, capsys=capsys)
        assert code == 0, err
        terms[source] = json.loads(out)["first"]["rhythm"]
    assert terms["content"] < 1e-3 < terms["style"]
    words = ("transfer", "content.wav", "style.wav", "--preset", "ulyanov", "-o", "y.wav", "--envelope-from", "style")
    sentence = refused(here, *words, capsys=capsys)
    assert (
        sentence == "--envelope-from must be used with a system that has an envelope term, such as verma, got ulyanov"
    )


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


def test_a_name_that_is_nearly_one_is_refused_with_that_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("transfer", "content.wav", "style.wav", "-o", "x.wav", "--preset")
    assert refused(here, *words, "hous", capsys=capsys).endswith("a settings file, got hous; did you mean house?")
    assert refused(here, *words, "monet", capsys=capsys).endswith("a settings file, got monet")
    near = "recogniser must be one of families or a folder with config.json, got familes; did you mean families?"
    with pytest.raises(InputError, match=re.escape(near)):
        Recogniser.load("familes")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--strength", "-1"), "--strength must be at least 0, got -1"),
        (("--strength", "much"), "--strength must be a number, got much"),
        (("--iterations", "0"), "--iterations must be at least 1, got 0"),
        (("--iterations", "2.5"), "--iterations must be an integer, got 2.5"),
    ],
)
def test_an_option_is_refused_with_its_value(
    here: Path, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(here, "transfer", "content.wav", "style.wav", "-o", "x.wav", *words, capsys=capsys)
    assert said == f"{sentence}; intertone transfer --help lists the options"


@pytest.mark.parametrize(
    ("written", "changed", "sentence"),
    [
        ("sample_rate", "sample_rat", "sample_rat is not a setting; did you mean sample_rate?"),
        ('reference = "content"', 'refrence = "content"', "terms.2.refrence is not a setting; did you mean reference?"),
        ('reference = "content"', "", "terms.2.reference must be given, got none"),
        ('"content"\nfront', '"contnt"\nfront', "terms.2.reference must be 'content' or 'style', got 'contnt'"),
        ("iterations = 6", "iterations = 0", "solver.iterations must be at least 1, got 0"),
        ("iterations = 6", "iterations = 2.5", "solver.iterations must be an integer, got 2.5"),
        ("iterations = 6", 'iterations = "many"', "solver.iterations must be an integer, got 'many'"),
        ('"l-bfgs"', '"bfgs"', "solver.kind must be one of 'scipy-l-bfgs', 'l-bfgs', 'adam', got 'bfgs'"),
        ('kind = "l-bfgs"', "", "solver.kind must be given, got none"),
        ("widths = [5]", "widths = []", "terms.0.extractor.widths must have 1 or more entries, got []"),
        ("widths = [5]", "widths = 5", "terms.0.extractor.widths must be a list, got 5"),
        ("rms = 1.0", "rms = 0.0", "rms must be greater than 0, got 0.0"),
        ("rms = 1.0", "rms = nan", "rms must be a finite number, got nan"),
    ],
)
def test_a_settings_file_is_refused_with_its_key_and_value(
    here: Path, written: str, changed: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert written in SMALL
    Path("mine.toml").write_text(SMALL.replace(written, changed), encoding="utf-8")
    words = ("transfer", "content.wav", "style.wav", "-o", "x.wav", "--preset", "mine.toml")
    assert refused(here, *words, capsys=capsys) == f"mine.toml: {sentence}"


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
    resampled = [line for line in err.splitlines() if "resampled" in line]
    assert len(resampled) == len(set(resampled)) == 3  # both sounds for the page, the content for the systems


def test_where_stderr_is_no_terminal_there_are_lines_of_progress(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("transfer", "content.wav", "style.wav", "--preset", "small.toml", "-o", "x.wav", "--iterations", "3")
    _, _, err = run(*words, capsys=capsys)
    assert "evaluations" not in err  # it is over before the first line is due
    monkeypatch.setattr("intertone.cli.progress.PROGRESS_SECONDS", 0.0)
    words += ("--force",)
    code, out, err = run(*words, capsys=capsys)
    assert code == 0 and len(out.splitlines()) == 1
    number = r"\d[\d.e+-]*"
    line = rf"  small.toml: (\d+) evaluations, style {number}, rhythm {number}, content {number}, \d+ s left"
    found = [match for each in err.splitlines() if (match := re.fullmatch(line, each))]
    assert [int(match[1]) for match in found] == list(range(1, len(found) + 1))
    assert len(found) >= 3
    _, out, err = run(*words, "--json", capsys=capsys)
    assert err == "" and json.loads(out)["evaluations"] == len(found)


def test_a_line_of_progress_comes_when_the_last_one_is_old(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines(terminal_bar(), as_json=False)
    for seconds in (1, 14, 15, 29, 31, 45, 46, 200):
        lines.show(seconds, f"after {seconds}")
    assert capsys.readouterr().err.split("\n")[:-1] == ["  after 15", "  after 31", "  after 46", "  after 200"]
