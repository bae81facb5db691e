"""The command line: files in, files out, the same bytes for the same seed, and one sentence for every bad input."""

import errno
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import names_in, refused, run
from conftest import tone, untrained_codec

import intertone
from intertone.audio import load_audio, save_audio
from intertone.codec import Codec
from intertone.errors import stopped_text
from intertone.morphing import morph

Folder = tuple[Path, list[str]]


@pytest.fixture(scope="module")
def codec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs") / "small"
    untrained_codec().save(folder, card="# small\n")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a mono sound at 16 kHz and a shorter stereo one at 44.1 kHz."""
    monkeypatch.chdir(tmp_path)
    save_audio("a.wav", tone(48, seconds=0.3), sample_rate=16000)
    save_audio("b.wav", torch.stack([tone(60, seconds=0.5), 0.3 * tone(67, seconds=0.5)]), sample_rate=44100)
    return tmp_path


def run_process(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "intertone", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **settings,
    )  # type: ignore[call-overload, no-any-return]


# what it does


def test_a_morph_is_written_and_said(here: Path, codec_path: Path) -> None:
    result = run_process("morph", "a.wav", "b.wav", "-o", "out.wav", "--codec", codec_path, "--mix", "0.25")
    assert result.returncode == 0
    assert result.stdout.startswith("wrote out.wav: 0.30 s, 16000 Hz, 2 channels, mix 0.25 (")
    assert "b.wav: resampled from 44100 to 16000 Hz" in result.stderr
    assert "A was extended from 1 to 2 channels" in result.stderr
    assert "B was padded with silence from 2903 to 4800 samples" in result.stderr
    # the file is what the function gives, in 24 bits
    sounds = [load_audio(name, sample_rate=16000)[0] for name in ("a.wav", "b.wav")]
    expected = morph(Codec.load(codec_path), *sounds, mix=0.25)
    written, rate = load_audio("out.wav")
    assert rate == 16000 and written.shape == (2, 4800)
    expected = expected / expected.abs().max().clamp_min(1)
    expected = expected - expected.mean(-1, keepdim=True)
    assert (written - written.mean(-1, keepdim=True) - expected).abs().max() < 1e-4
    assert soundfile.info("out.wav").subtype == "PCM_24"
    assert names_in(here) == ["a.wav", "b.wav", "out.wav"]


def test_the_same_seed_gives_the_same_bytes(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--codec", codec_path, "--phase", "fast-griffin-lim", "--iterations", "2", "--seed")
    for name, seed in (("one.wav", "7"), ("other.wav", "8")):
        assert run("morph", "a.wav", "b.wav", "-o", name, *words, seed, capsys=capsys)[0] == 0
    # as many threads as here: another number changes sums of the network by rounding
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    again = run_process("morph", "a.wav", "b.wav", "-o", "again.wav", *words, "7", env=threads)
    assert again.returncode == 0
    one, other, again_bytes = ((here / f"{name}.wav").read_bytes() for name in ("one", "other", "again"))
    assert one == again_bytes
    assert one != other


def test_json_is_alone_on_stdout(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("-o", "out.wav", "--codec", codec_path, "--json", "--plot", "p.png")
    code, out, err = run("morph", "a.wav", "b.wav", *words, capsys=capsys)
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["outputs"] == ["out.wav"] and content["mixes"] == [0.5] and content["seed"] == 0
    assert content["codec"] == str(codec_path)
    assert "A was extended from 1 to 2 channels" in content["done"]
    assert (here / "p.png").read_bytes().startswith(b"\x89PNG")


def test_five_steps_into_a_folder(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "steps").mkdir()
    (here / "steps" / "notes.txt").write_text("stays")
    words = ("morph", "a.wav", "b.wav", "--codec", codec_path, "--iterations", "2")
    code, out, _ = run(*words, "-o", "steps", "--steps", "5", "--plot", "row.svg", capsys=capsys)
    assert code == 0
    assert out.startswith("wrote 5 sounds to steps: morph-000.wav … morph-100.wav\nwrote row.svg (")
    assert names_in(here / "steps") == [f"morph-{n:03d}.wav" for n in (0, 25, 50, 75, 100)] + ["notes.txt"]
    assert names_in(here)[2:4] == ["row.svg", "steps"]
    assert "<svg" in (here / "row.svg").read_text()
    # each equals its own morph, but for the gain that all share so that the loudest fits
    gains = []
    for mix in ("0.75", "1"):
        assert run(*words, "-o", f"{mix}.wav", "--mix", mix, "--format", "float32", capsys=capsys)[0] == 0
        alone, step = (
            load_audio(path)[0]
            for path in (here / f"{mix}.wav", here / "steps" / f"morph-{100 * float(mix):03.0f}.wav")
        )
        gains.append(float(step.abs().max() / alone.abs().max()))
        assert torch.allclose(step, gains[-1] * alone, atol=1e-6)
    assert max(gains) <= 1 + 1e-6  # the guard on the level multiplies in another order
    # an earlier row is replaced with --force only, and wholly; --steps goes with a folder and without --mix
    before = (here / "steps" / "morph-050.wav").read_bytes()
    code, _, err = run(*words, "-o", "steps", "--steps", "3", capsys=capsys)
    assert code == 2 and "got steps, which holds 5 files of an earlier run, morph-000.wav …" in err
    assert (here / "steps" / "morph-050.wav").read_bytes() == before
    assert run(*words, "-o", "steps", "--steps", "3", "--force", capsys=capsys)[0] == 0
    assert names_in(here / "steps") == [f"morph-{n:03d}.wav" for n in (0, 50, 100)] + ["notes.txt"]
    assert run(*words, "-o", "steps", "--steps", "3", "--mix", "0.5", capsys=capsys)[0] == 2
    assert run(*words, "-o", "steps.wav", "--steps", "3", capsys=capsys)[0] == 2


@pytest.mark.parametrize(
    ("name", "words", "subtype", "rate"),
    [
        ("out.wav", ["--format", "float32"], "FLOAT", 16000),
        ("out.flac", [], "PCM_24", 16000),
        ("out.flac", ["--format", "pcm16", "--sample-rate", "44100"], "PCM_16", 44100),
        ("out.ogg", [], "VORBIS", 16000),
        ("out.mp3", ["--sample-rate", "22050"], "MPEG_LAYER_III", 22050),
        ("OUT.AIFF", ["--sample-rate", "8000"], "PCM_24", 8000),
    ],
)
def test_formats_and_rates(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    words: list[str],
    subtype: str,
    rate: int,
) -> None:
    code, out, _ = run("reconstruct", "a.wav", "-o", name, "--codec", codec_path, *words, capsys=capsys)
    assert code == 0 and out.startswith(f"wrote {name}: 0.30 s, {rate} Hz, 1 channel, phase kept (")
    info = soundfile.info(name)
    assert (info.subtype, info.samplerate) == (subtype, rate)
    assert info.frames == pytest.approx(0.3 * rate, abs=0 if "MPEG" not in subtype else 3000)


def test_reconstruct_with_the_kept_and_an_estimated_phase(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("reconstruct", "b.wav", "--codec", codec_path, "--format", "float32")
    assert run(*words, "-o", "kept.wav", capsys=capsys)[0] == 0
    assert run(*words, "-o", "estimated.wav", "--phase", "pghi", "--plot", "p.pdf", capsys=capsys)[0] == 0
    assert (here / "p.pdf").read_bytes().startswith(b"%PDF")
    kept, estimated = (load_audio(name)[0] for name in ("kept.wav", "estimated.wav"))
    assert kept.shape == estimated.shape == (2, 2903)
    expected = Codec.load(codec_path).reconstruct(load_audio("b.wav", sample_rate=16000)[0])
    expected = expected / expected.abs().max().clamp_min(1)
    assert torch.corrcoef(torch.stack([kept[0], expected[0]]))[0, 1] > 0.9999
    assert not torch.equal(kept, estimated)


def test_a_name_may_look_like_a_formula(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "a.wav").rename(here / "$x_{$.wav")
    words = ("-o", "out.wav", "--codec", codec_path, "--plot", "p.png")
    assert run("reconstruct", "$x_{$.wav", *words, capsys=capsys)[0] == 0
    assert names_in(here) == ["$x_{$.wav", "b.wav", "out.wav", "p.png"]


def test_a_file_is_replaced_with_force_only(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "out.wav").write_text("old")
    (here / "p.png").write_text("old")
    words = ("reconstruct", "a.wav", "--codec", codec_path)
    sentence = "the output must be a new file, or --force must be given, got out.wav, which exists"
    assert refused(here, *words, "-o", "out.wav", capsys=capsys) == sentence
    assert "got p.png, which exists" in refused(here, *words, "-o", "new.wav", "--plot", "p.png", capsys=capsys)
    assert run(*words, "-o", "out.wav", "--plot", "p.png", "--force", capsys=capsys)[0] == 0
    assert (here / "p.png").stat().st_size > 1000
    assert load_audio("out.wav")[0].shape == (1, 4800)


def test_info(codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("info", codec_path, capsys=capsys)
    assert code == 0 and err == ""
    assert re.search(r"^latent_dim +64$", out, re.MULTILINE)
    code, out, _ = run("info", codec_path, "--json", capsys=capsys)
    content = json.loads(out)
    # 512 rows / 32 · 4 channels; 251 frames / 32, rounded up
    assert (content["latent_dim"], content["n_latents"], content["code_size"]) == (64, 8, 512)
    assert (content["sample_rate"], content["n_fft"], content["hop_length"]) == (16000, 1024, 256)


def test_doctor(codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("doctor", "--codec", codec_path, "--json", capsys=capsys)
    assert (code, err) == (0, "")
    content = json.loads(out)
    assert content["intertone"] == intertone.__version__
    assert content["versions"]["torch"] == torch.__version__
    assert set(content["checks"]) == {f"audio .{s}" for s in ("wav", "flac", "ogg", "mp3", "aiff")} | {"self-test"}
    assert all(outcome.startswith("ok") for outcome in content["checks"].values())


def test_doctor_says_what_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("doctor", "--codec", tmp_path / "none", capsys=capsys)
    assert code == 1
    assert re.search(r"^self-test +failed: the codec must be one of", out, re.MULTILINE)


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version", capsys=capsys)[:2] == (0, f"intertone {intertone.__version__}\n")
    code, out, _ = run("--help", capsys=capsys)
    assert code == 0 and all(verb in out for verb in ("morph", "reconstruct", "info", "doctor", "train", "data"))
    code, out, err = run(capsys=capsys)
    assert code == 2 and "reconstruct" in out and err == ""


# bad input: exit code 2, one sentence, and nothing left behind


def wav(*, samples: bytes, claim: int | None = None, rate: int = 16000, channels: int = 1) -> bytes:
    """A 16-bit WAV file whose header may lie."""
    claim = len(samples) if claim is None else claim
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * rate * channels % 2**32, 2 * channels % 2**16, 16)
    sizes = struct.pack("<I", min(36 + claim, 2**32 - 1)), struct.pack("<I", claim)
    return b"RIFF" + sizes[0] + b"WAVEfmt \x10\0\0\0" + form + b"data" + sizes[1] + samples


def sparse_wav(path: Path, seconds: int) -> None:
    """Write a file that really has these seconds, without using the disk."""
    claim = 2 * 16000 * seconds
    path.write_bytes(wav(samples=b"", claim=claim))
    os.truncate(path, 44 + claim)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a sound file must have 1 byte to 576 MiB, got 0 bytes in bad.wav"),
        (b"This is a text and no sound.\n" * 50, "a sound must be a valid .* file, got bad.wav"),
        (wav(samples=b""), "a sound must last 0.02 to 300 s, got 0 s"),
        (wav(samples=bytes(32000)), "a sound must not be all silence, got a peak of 0"),
        (wav(samples=bytes(range(256)) * 50, channels=40000), "bad.wav"),
        (wav(samples=bytes(range(256)) * 50, rate=7), "sample_rate must be in 4000..384000 Hz, got 7 in bad.wav"),
        (wav(samples=bytes(range(256)) * 50)[:30], "bad.wav"),
        (b"RIFF" + bytes(range(256)) * 40, "a sound must be a valid .* file, got bad.wav"),
    ],
    ids=["empty", "text", "no samples", "silence", "forged channels", "forged rate", "cut", "random"],
)
def test_a_bad_sound(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (here / "bad.wav").write_bytes(content)
    (here / "out.wav").write_text("there before")
    (here / "steps").mkdir()
    words = ("--codec", codec_path, "--plot", "p.png")
    sentences = {
        refused(here, "morph", "a.wav", "bad.wav", "-o", "out.wav", "--force", *words, capsys=capsys),
        refused(here, "morph", "bad.wav", "b.wav", "-o", "new.wav", *words, capsys=capsys),
        refused(here, "morph", "a.wav", "bad.wav", "-o", "steps", "--steps", "3", *words, capsys=capsys),
        refused(here, "morph", "a.wav", "bad.wav", "-o", "new", "--steps", "3", *words, capsys=capsys),
        refused(here, "reconstruct", "bad.wav", "-o", "out.wav", "--json", "--force", *words, capsys=capsys),
    }
    assert len(sentences) == 1
    assert re.search(message, sentences.pop())


def test_a_header_that_claims_too_much_is_said(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "odd.wav").write_bytes(wav(samples=bytes(range(256)) * 50, claim=2**31))
    code, _, err = run("reconstruct", "odd.wav", "-o", "out.wav", "--codec", codec_path, capsys=capsys)
    assert code == 0
    assert "odd.wav: its header claims 2147483648 bytes of sound, it holds 12800" in err
    assert load_audio("out.wav")[0].shape == (1, 6400)


def test_two_hours(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sparse_wav(here / "long.wav", 7200)
    code, out, err = run("morph", "a.wav", "long.wav", "-o", "out.wav", "--codec", codec_path, capsys=capsys)
    assert (code, out) == (2, "")
    assert re.search(r"a sound must last 0.02 to 300 s, got 7200 s in long.wav", err)
    assert names_in(here) == ["a.wav", "b.wav", "long.wav"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    samples = np.full(8000, 0.1, dtype=np.float32)
    samples[4000] = value
    soundfile.write("bad.wav", samples, 16000, subtype="FLOAT")
    words = ("-o", "out.wav", "--codec", codec_path)
    sentence = refused(here, "morph", "a.wav", "bad.wav", *words, capsys=capsys)
    assert sentence == "every sample must be a finite number, got infinity or NaN in bad.wav"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.wav", "the input must exist, got missing.wav"),
        ("x" * 300 + ".wav", "the input must exist, got xxx"),
        (".", "a sound must be an existing regular file, got ."),
    ],
)
def test_an_input_that_is_no_file(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    words = ("-o", "out.wav", "--codec", codec_path)
    assert refused(here, "morph", "a.wav", name, *words, capsys=capsys).startswith(message)
    assert refused(here, "reconstruct", name, *words, capsys=capsys).startswith(message)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("a.wav/out.wav", "the output's folder must be a folder, got .*a.wav, which is not one"),
        ("folder.wav", "the output must be a regular file, got folder.wav, which is a folder"),
        ("a.wav", "the output must not be one of the inputs, got a.wav for both"),
        ("link.wav", "the output must not be one of the inputs, got link.wav for both"),
        ("/dev/full", "the output must be a regular file, got /dev/full, which is not one"),
        ("/dev/null", "the output must be a regular file, got /dev/null, which is not one"),
        ("x" * 300 + ".wav", "xxx.* must be writable, but File name too long"),
        ("out.txt", "a sound file must end in one of .*, got out.txt"),
        ("out", "a sound file must end in one of .*, got out"),
    ],
)
def test_an_output_that_cannot_be(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    out: str,
    message: str,
) -> None:
    monkeypatch.setattr("intertone.audio.load_audio", lambda *_, **__: pytest.fail("a sound was read first"))
    (here / "folder.wav").mkdir()
    (here / "link.wav").hardlink_to(here / "a.wav")
    words = ("-o", out, "--codec", codec_path)
    assert re.search(message, refused(here, "morph", "a.wav", "b.wav", *words, capsys=capsys))
    assert re.search(message, refused(here, "reconstruct", "a.wav", *words, capsys=capsys))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--mix", "nan"], r"^--mix: mix must be in -0\.5\.\.1\.5, got nan$"),
        (["--mix", "1.6"], r"mix must be in -0\.5\.\.1\.5, got 1\.6"),
        (["--mix", "-inf"], r"mix must be in -0\.5\.\.1\.5, got -inf"),
        (["--phase", "kept", "--mix", "0.5"], "the phase method kept must be used at mix 0 or 1, got mix 0.5"),
        (
            ["--phase", "kept", "--steps", "3", "-o", "sweep"],
            "the phase method kept must be used at mix 0 or 1, got mix 0.",
        ),
        (["--codec", "thesys"], "the codec must be one of .* or a folder with config.json, got thesys"),
        (["--codec", "x" * 300], "the codec must be one of .* or a folder with config.json, got xxx"),
        (["--device", "quantum"], "the device must be one that torch can use, got quantum"),
        (["--plot", "p.gif"], "a picture must end in .png, .pdf or .svg, got p.gif"),
        (["--plot", "out.wav"], "a picture must end in .png, .pdf or .svg, got out.wav"),
        (["--plot", "b.wav/p.png"], "the output's folder must be a folder, got .*b.wav, which is not one"),
        (["--sample-rate", "0"], "sample_rate must be in 4000..384000 Hz, got 0"),
        (["--sample-rate", "400000"], "sample_rate must be in 4000..384000 Hz, got 400000"),
        (
            ["--steps", "3", "--format", "float32", "-o", "a.wav"],
            "the output must be a folder, got a.wav, which is not one",
        ),
        (["-o", "new.flac", "--format", "float32"], "the format of FLAC must be one of pcm16, pcm24, got float32"),
        (["-o", "new.mp3", "--format", "pcm16"], "the format of MP3 must be left out"),
    ],
)
def test_an_option_that_cannot_be(
    here: Path,
    codec_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.setattr("intertone.audio.load_audio", lambda *_, **__: pytest.fail("a sound was read first"))
    (here / "out.wav").write_text("there before")
    start = ("morph", "a.wav", "b.wav", "-o", "out.wav", "--force", "--codec", codec_path)
    assert re.search(message, refused(here, *start, *words, capsys=capsys))


@pytest.mark.parametrize(
    "words",
    [["--mix", "half"], ["--seed", "-1"], ["--seed", "9" * 30], ["--steps", "1"], ["--phase", "spsi"], ["--mx", "1"]],
)
def test_an_option_of_another_kind(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, out, err = run("morph", "a.wav", "b.wav", "-o", "out.wav", "--codec", codec_path, *words, capsys=capsys)
    assert (code, out) == (2, "")
    assert err.startswith("intertone: ")
    assert words[0] in err and err.count("\n") == 1
    assert names_in(here) == ["a.wav", "b.wav"]


def test_steps_do_not_replace_their_own_input(here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "a.wav").rename(here / "morph-000.wav")
    words = ("-o", here, "--steps", "3", "--codec", codec_path)
    sentence = refused(here, "morph", "morph-000.wav", "b.wav", *words, capsys=capsys)
    assert sentence.startswith("the output must not replace an input, got morph-000.wav inside ")


def test_a_broken_codec(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    untrained_codec().save(here / "codec", card="")
    weights = here / "codec" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    (here / "out.wav").write_text("there before")
    for words in (["morph", "a.wav", "b.wav", "-o", "out.wav", "--force", "--codec"], ["info"]):
        sentence = refused(here, *words, "codec", capsys=capsys)
        assert sentence.startswith(
            "the weights must fit config.json, got damaged or other ones in codec/model.safetensors: "
        )


@pytest.mark.parametrize(
    ("settings", "words", "message"),
    [
        ("learning_rat = 1", [], r"run.toml: learning_rat is not a setting; did you mean learning_rate\?"),
        ("[model]\nchanels = [4]", [], r"run.toml: model.chanels is not a setting; did you mean channels\?"),
        ("", ["--set", "epochs"], "an override must be name=value, got 'epochs'"),
        ("", ["--set", "epoch=3"], r"epoch is not a setting; did you mean epochs\?"),
        ("seed = ", [], "the settings file must be valid TOML, got run.toml"),
    ],
)
def test_training_settings(
    here: Path, capsys: pytest.CaptureFixture[str], settings: str, words: list[str], message: str
) -> None:
    (here / "run.toml").write_text(settings)
    arguments = ("train", "run.toml", "--data", ".", "-o", "run", *words)
    assert re.search(message, refused(here, *arguments, capsys=capsys))


# a disk that is full, an interruption


@pytest.mark.parametrize(
    "words", [["-o", "out.wav"], pytest.param(["-o", "steps", "--steps", "3"], marks=pytest.mark.slow)]
)
def test_a_full_disk_leaves_everything_as_it_was(here: Path, codec_path: Path, words: list[str]) -> None:
    (here / "out.wav").write_text("there before")
    (here / "steps").mkdir()
    (here / "steps" / "morph-000.wav").write_text("there before")
    names = names_in(here)

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    command = ("morph", "a.wav", "b.wav", *words, "--force", "--codec", codec_path)
    result = run_process(*command, preexec_fn=no_large_files)
    assert result.returncode == 2 and result.stdout == ""
    assert re.search(r"^intertone: .* must be writable, but it would be larger", result.stderr, re.MULTILINE)
    assert "Traceback" not in result.stderr
    assert names_in(here) == names
    assert (here / "out.wav").read_text() == (here / "steps" / "morph-000.wav").read_text() == "there before"


@pytest.mark.parametrize("words", [["-o", "out.wav"], ["-o", "steps", "--steps", "2"]])
def test_a_picture_that_fails_takes_the_sound_with_it(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    (here / "out.wav").write_text("there before")
    (here / "p.png").write_text("there before")
    arguments = ("morph", "a.wav", "b.wav", *words, "--force", "--codec", codec_path, "--plot", "p.png")
    assert refused(here, *arguments, capsys=capsys).endswith("must be writable, but there is no space left on the disk")


def test_a_sound_that_fails_takes_the_picture_with_it(
    here: Path, codec_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    arguments = ("reconstruct", "a.wav", "-o", "out.wav", "--codec", codec_path, "--plot", "p.png")
    sentence = refused(here, *arguments, capsys=capsys)
    assert sentence == "out.wav must be writable, but there is no space left on the disk"


@pytest.mark.parametrize(
    "words", [["-o", "out.wav"], pytest.param(["-o", "steps", "--steps", "2"], marks=pytest.mark.slow)]
)
def test_ctrl_c_leaves_nothing_behind(here: Path, codec_path: Path, words: list[str]) -> None:
    names = names_in(here)
    command = [sys.executable, "-m", "intertone", "morph", "a.wav", "b.wav", "--codec", str(codec_path), *words]
    process = subprocess.Popen(
        [*command, "--iterations", "100000"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background is deaf to it
    )
    assert process.stderr is not None
    # the last thing it says before the iterations begin
    assert any("padded with silence" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "intertone: stopped; no result was written\n")
    assert names_in(here) == names


def test_stopped_pairs_are_resumed() -> None:
    again = "intertone: stopped; run the same command to resume"
    assert stopped_text("morph", ["intertone", "morph", "--pairs", "sounds"]) == again
    assert stopped_text("morph", ["intertone", "morph", "--pairs=sounds"]) == again
    assert stopped_text("bench", ["intertone", "bench", "morph", "--pairs", "sounds"]) != again


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["info"], "no result was written"),
        (["data", "info", "notes"], "run the same command to resume"),
        (["train", "x.toml", "--data", "notes", "-o", "run"], "run the same command to resume"),
    ],
)
@pytest.mark.parametrize(("what", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143), (SystemExit(129), 129)])
def test_an_interruption_says_what_is_left(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    left: str,
    what: BaseException,
    code: int,
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise what

    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "x.toml").touch()
    monkeypatch.setattr("intertone.codec.Codec.load", stop)
    monkeypatch.setattr("intertone.data.header.read_header", stop)
    monkeypatch.setattr("intertone.data.notes.Notes.open", stop)
    monkeypatch.setattr("intertone.config.Settings.read", stop)
    assert run(*words, capsys=capsys) == (code, "", f"intertone: stopped; {left}\n")
