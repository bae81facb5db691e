"""A sound from a code alone at the command line, and the codes of instruments."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import refused, run
from test_data import claimed_array

from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.instrument import InstrumentBank, play_code
from intertone.instrument.bank import high_passed
from intertone.models.dense import DenseConfig
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig

STFT = SpectrogramConfig(sample_rate=16000, n_fft=512, hop_length=128)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a codec of frames, four latents, and one of harmonic features with a bank of three names."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    config = CodecConfig(representation=FramesConfig(spectrogram=STFT), model=DenseConfig(widths=(4,)))
    Codec(config).save(tmp_path / "dense", card="# dense\n")
    return tmp_path


@pytest.fixture
def harmonic(here: Path, harmonic_codec: Codec) -> Path:
    harmonic_codec.save(here / "small", card="# small\n")
    codes = {
        f"{n:03d}-{name}": torch.full((6, 7), float(n))
        for n, name in enumerate(("piano", "steel-guitar", "jazz-guitar"))
    }
    InstrumentBank(codes, {"003-sitar": "test", "004-gun-shot": "unpitched"}, 0.5).write(here / "small")
    return here / "small"


def test_numbers_become_a_sound(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("synth", "dense", "--latents", "-0.5,1,0.25,2", "--seed", "3", "--plot", "x.png")
    code, out, err = run(*words, "-o", "x.wav", "--seconds", "0.5", capsys=capsys)
    assert code == 0, err
    assert out.startswith("wrote x.wav: 0.50 s, 16000 Hz, 1 channel\nwrote x.png (")
    assert (here / "x.png").read_bytes().startswith(b"\x89PNG")
    sound = play_code(
        Codec.load("dense"), torch.tensor([-0.5, 1, 0.25, 2]), seconds=0.5, generator=torch.Generator().manual_seed(3)
    )
    assert np.allclose(soundfile.read("x.wav")[0], sound, atol=1e-6)
    run(*words, "-o", "y.wav", "--seconds", "0.5", "--force", capsys=capsys)
    assert (here / "x.wav").read_bytes() == (here / "y.wav").read_bytes()


def test_an_array_lasts_as_long_as_it_stands_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("code.npy", np.random.default_rng(0).uniform(size=(1, 4, 51)))  # as encode gives it for one channel
    assert run("synth", "dense", "--latents", "@code.npy", "-o", "x.wav", capsys=capsys)[0] == 0
    assert soundfile.info("x.wav").frames == 50 * 128
    np.save("vector.npy", np.ones(4, np.float32))
    words = ("synth", "dense", "-o", "y.wav", "--sample-rate", "8000", "--format", "pcm16", "--json")
    code, out, _ = run(*words, "--latents", "@vector.npy", capsys=capsys)
    assert code == 0
    info = soundfile.info("y.wav")
    assert (info.frames, info.samplerate, info.subtype) == (4 * 8000, 8000, "PCM_16")
    result = json.loads(out)
    assert result["outputs"] == ["y.wav"] and result["latents"] == "@vector.npy" and result["done"] == []


def test_an_instrument_is_played_at_a_pitch(harmonic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("synth", harmonic, "--instrument", "piano:1,jazz-guitar:3", "--pitch", "C3", "--velocity", "90")
    code, _, err = run(*words, "-o", "x.wav", capsys=capsys)
    assert code == 0, err
    code_of_both = torch.full((6, 7), 1.5)
    generator = torch.Generator().manual_seed(0)
    sound = play_code(Codec.load(harmonic), code_of_both, seconds=0.5, pitch=48, velocity=90, generator=generator)
    assert np.allclose(soundfile.read("x.wav")[0], sound, atol=1e-6)
    _, out, _ = run("info", harmonic, capsys=capsys)
    assert "instruments     piano, steel-guitar, jazz-guitar" in out.splitlines()
    code, out, _ = run("info", harmonic.parent / "dense", "--json", capsys=capsys)
    assert code == 0 and "instruments" not in json.loads(out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "either --latents or --instrument must be given, got neither"),
        (["--latents", "1", "--instrument", "piano"], "either --latents or --instrument must be given, got both"),
        (["--latents", "1,2,3"], "the latents of this codec must be 4 numbers or 4×n_latents, got 3"),
        (["--latents", "1,2,x,4"], "--latents must be numbers with commas between them, got 1,2,x,4"),
        (["--latents", "1,2,inf,4"], "--latents must be numbers with commas between them, got 1,2,inf,4"),
        (["--latents", "@no.npy"], "the input must exist, got no.npy"),
        (["--latents", "@words.npy"], "--latents @FILE must be a .npy file with an array of numbers, got words.npy"),
        (["--latents", "@dense"], "--latents @FILE must be a .npy file with an array of numbers, got dense"),
        (["--latents", "@huge.npy"], "--latents @FILE must be a .npy file with an array of numbers, got huge.npy"),
        (["--latents", "@no.txt"], "--latents @FILE must be a .npy file with an array of numbers, got no.txt"),
        (["--latents", "1,2,3,4", "--pitch", "H3"], "a pitch must be a note or a MIDI number within 0..127, got H3"),
        (
            ["--latents", "1,2,3,4", "--pitch", "C3"],
            "a pitch must be left out with this codec, whose latents contain it, got 48",
        ),
        (["--latents", "1,2,3,4", "--seconds", "301"], "a sound must last 0.02 to 300 s, got 301"),
        (
            ["--latents", "1,2,3,4", "--phase", "kept"],
            "--phase must name a method of estimation, since a code has no phase to keep, got kept",
        ),
        (["--instrument", "piano"], "a codec must have codes of instruments in instruments.npz, got none for dense"),
    ],
)
def test_what_cannot_be(here: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("words.npy", np.array(["a", "b"]))
    Path("huge.npy").write_bytes(claimed_array("(1000000000000,)", "<f4"))
    (here / "no.txt").write_text("1 2 3")
    assert refused(here, "synth", "dense", "-o", "out.wav", *words, capsys=capsys) == sentence


RULE = "an instrument must be one that the codec was trained on, got "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sitar", f"{RULE}sitar, which is held out from training to test the codec"),
        ("piano:0.5,003-sitar:0.5", f"{RULE}003-sitar, which is held out from training to test the codec"),
        ("Gun Shot", f"{RULE}Gun Shot, whose notes have no pitch"),
        ("guitar", f"{RULE}guitar; did you mean steel-guitar or jazz-guitar?"),
        ("pianno", f"{RULE}pianno; did you mean piano?"),
        ("zither", f"{RULE}zither; intertone info names them all"),
        ("", f"{RULE}; intertone info names them all"),
        ("piano:x", "instruments must be like trumpet:0.4,glockenspiel:0.6, got piano:x"),
        ("piano:", "instruments must be like trumpet:0.4,glockenspiel:0.6, got piano:"),
        ("piano:0", "the shares of instruments must be 0 or more and not all 0, got piano:0"),
        (
            "piano:2,jazz-guitar:-1",
            "the shares of instruments must be 0 or more and not all 0, got piano:2,jazz-guitar:-1",
        ),
        ("piano:nan", "the shares of instruments must be 0 or more and not all 0, got piano:nan"),
        ("piano:inf", "the shares of instruments must be 0 or more and not all 0, got piano:inf"),
    ],
)
def test_instruments_without_a_code(
    harmonic: Path, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("synth", "small", "-o", "out.wav", "--pitch", "60", "--instrument", text)
    assert refused(harmonic.parent, *words, capsys=capsys) == sentence


def test_a_pitch_is_wanted(harmonic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("synth", "small", "-o", "out.wav", "--instrument", "piano")
    sentence = "a pitch must be given with this codec, got none"
    assert refused(harmonic.parent, *words, capsys=capsys) == sentence


def test_a_code_is_not_played_beyond_its_notes(harmonic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # its seven latents stand for 0.55 s, the last of them partly for padding
    words = ("synth", "small", "-o", "out.wav", "--instrument", "piano", "--pitch", "60", "--seconds", "0.52")
    sentence = "a sound of these instruments must last 0.5 s at most, got 0.52 s"
    assert refused(harmonic.parent, *words, capsys=capsys) == sentence


def test_a_bank_is_made_of_training_notes_and_kept(notes: Notes, harmonic_codec: Codec, tmp_path: Path) -> None:
    bank = InstrumentBank.make(harmonic_codec, notes, pitches=[48, 60])
    assert list(bank.codes) == ["instrument-0", "instrument-1", "instrument-2"]
    assert bank.refused == {"instrument-3": "valid", "instrument-4": "test"}
    rows = notes.select(instrument="instrument-1", pitch=[48, 60])
    expected = [harmonic_codec.encode(high_passed(notes.audio([row])[0], notes.sample_rate))[0][0] for row in rows]
    assert torch.allclose(bank.codes["instrument-1"], (expected[0] + expected[1]) / 2, atol=1e-5)
    harmonic_codec.save(tmp_path, card="# small\n")
    bank.write(tmp_path)
    first = (tmp_path / "instruments.npz").read_bytes()
    bank.write(tmp_path)
    assert (tmp_path / "instruments.npz").read_bytes() == first
    again = InstrumentBank.read(tmp_path)
    assert (
        again.seconds == bank.seconds == 1 and again.refused == bank.refused and list(again.codes) == list(bank.codes)
    )
    for name, code in bank.codes.items():
        assert torch.equal(again.codes[name], code.half().float())
    with pytest.raises(InputError, match="must have notes at 49, got none"):
        InstrumentBank.make(harmonic_codec, notes, pitches=[49])


def test_a_bank_hears_nothing_below_20_hz() -> None:
    time = torch.arange(16000, dtype=torch.float64) / 16000
    offset, low, kept = (torch.sin(2 * torch.pi * hz * time + torch.pi / 4) for hz in (0, 7, 80))
    for sound in (offset, low):
        assert high_passed(sound, 16000)[4000:12000].abs().max() < 0.02 * sound.abs().max()
    assert torch.allclose(high_passed(kept, 16000)[2000:14000], kept[2000:14000], atol=0.01)


def test_a_bank_of_other_weights_or_a_broken_one_is_refused(harmonic: Path) -> None:
    weights = harmonic / "model.safetensors"
    own = weights.read_bytes()
    weights.write_bytes(own[:-1] + bytes([own[-1] ^ 1]))
    with pytest.raises(InputError, match="must belong to the codec's weights, got those of other weights: "):
        InstrumentBank.read(harmonic)
    weights.write_bytes(own)
    table = (harmonic / "instruments.npz").read_bytes()
    for broken in (b"", table[:200], b"no archive"):
        (harmonic / "instruments.npz").write_bytes(broken)
        with pytest.raises(InputError, match=r"instruments\.npz must be a table of codes, got "):
            InstrumentBank.read(harmonic)


def test_a_loop_of_a_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("synth", "dense", "--latents", "-0.5,1,0.25,2", "--loop", "--seed", "3", "--seconds", "0.5")
    code, _, err = run(*words, "-o", "x.wav", "--json", capsys=capsys)
    assert code == 0, err
    loop, rate = soundfile.read("x.wav")
    assert rate == 16000 and len(loop) == 62 * 128  # a whole number of hops
    assert abs(loop[0] - loop[-1]) <= np.abs(np.diff(loop)).max()
    assert run(*words, "-o", "noise.wav", "--phase", "white-noise", capsys=capsys)[0] == 0
    assert not np.allclose(soundfile.read("noise.wav")[0], loop)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--phase", "pghi"], "the phase of a loop must be rtpghi or white-noise, got pghi"),
        (["--iterations", "9"], "--loop must be used without --iterations, got --iterations 9"),
        (["--sample-rate", "48000"], "a loop must have the codec's sample rate, 16000 Hz, got 48000"),
    ],
)
def test_what_a_loop_cannot_have_is_refused(
    here: Path, words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in refused(
        here, "synth", "dense", "--latents", "1,1,1,1", "--loop", "-o", "x.wav", *words, capsys=capsys
    )
    assert not Path("x.wav").exists()


def test_latents_beyond_all_numbers_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = DenseConfig(widths=(4,), output_activation="relu")
    Codec(CodecConfig(representation=FramesConfig(spectrogram=STFT), model=config)).save(here / "relu", card="# relu\n")
    for more in ([], ["--loop"]):
        text = refused(here, "synth", "relu", "--latents", "1e37,1e37,1e37,1e37", "-o", "x.wav", *more, capsys=capsys)
        assert "the latents must decode to finite numbers, got latents up to 1e+37" in text


def test_a_loop_of_a_codec_of_whole_notes_is_refused(harmonic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("synth", str(harmonic), "--instrument", "piano", "--pitch", "C4", "--loop", "-o", "x.wav")
    assert "a loop must be made" in refused(harmonic, *words, capsys=capsys)
