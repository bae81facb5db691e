"""The numbers of a code turned like knobs."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from commands import refused, run
from conftest import tone, untrained_codec

from intertone.audio import load_audio, save_audio
from intertone.codec import Codec, CodecConfig
from intertone.models.dense import Activation, DenseConfig
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig, stft

STFT = SpectrogramConfig(sample_rate=16000, n_fft=512, hop_length=128)


def dense_codec(output: Activation) -> Codec:
    """A codec of frames with eight units."""
    code: Activation = "relu" if output == "relu" else "sigmoid"
    model = DenseConfig(widths=(8,), activation="relu", code_activation=code, output_activation=output)
    torch.manual_seed(0)
    return Codec(CodecConfig(representation=FramesConfig(spectrogram=STFT), model=model))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_audio("a.wav", 0.2 * tone(57, seconds=0.5), sample_rate=16000)
    for name in ("relu", "sigmoid"):
        dense_codec(name).save(tmp_path / name, card="# dense\n")  # type: ignore[arg-type]
    untrained_codec().save(tmp_path / "conv", card="# conv\n")
    return tmp_path


@pytest.mark.parametrize("codec", ["relu", "sigmoid", "conv"])
def test_without_a_gain_the_bytes_are_those_of_reconstruct(
    here: Path, codec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb, out in (("reconstruct", "again.wav"), ("gains", "turned.wav")):
        code, _, err = run(verb, "a.wav", "-o", out, "--codec", codec, capsys=capsys)
        assert code == 0, err
    assert (here / "again.wav").read_bytes() == (here / "turned.wav").read_bytes()
    louder = [word for unit in range(1, 9) for word in ("--gain", f"{unit}=1.5")]
    run("gains", "a.wav", "-o", "other.wav", "--codec", codec, *louder, capsys=capsys)
    assert (here / "other.wav").read_bytes() != (here / "turned.wav").read_bytes()


def test_all_gains_0_are_silence_or_a_flat_spectrum(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for codec in ("relu", "sigmoid"):
        words = ("gains", "a.wav", "-o", f"{codec}.wav", "--codec", codec, "--groups", "0,0,0,0,0")
        assert run(*words, "--bounds", "1,2,3,4", capsys=capsys)[0] == 0
    assert not soundfile.read(here / "relu.wav")[0].any()
    sound = load_audio(here / "a.wav")[0]
    frames = dense_codec("sigmoid").representation.analyse(sound)
    # σ(0) = 0.5 of each frame's maximum in all bins, with the sound's own phase
    wanted = dense_codec("sigmoid").representation.synthesise(
        type(frames)(torch.full_like(frames.features, 0.5), frames.context)
    )
    assert torch.allclose(load_audio(here / "sigmoid.wav")[0], wanted, atol=1e-3)


def test_units_are_counted_from_one_and_win_over_their_group(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("gains", "a.wav", "-o", "out.wav", "--codec", "relu", "--gain", "1=0.5", "--gain", "8=2", "--json")
    code, out, _ = run(*words, "--groups", "1,-1,1,4", "--bounds", "2,4,6", capsys=capsys)
    assert code == 0
    gains = json.loads(out)["gains"]
    assert gains == [0.5, 1, -1, -1, 1, 1, 4, 2]
    codec = Codec.load(here / "relu")
    sound = load_audio(here / "a.wav")[0]
    latents, context = codec.encode(sound)
    expected = codec.decode(latents * torch.tensor(gains)[:, None], context)
    assert torch.allclose(load_audio(here / "out.wav")[0], expected.clamp(-1, 1), atol=1e-3)


def test_a_unit_changes_what_it_stands_for(here: Path) -> None:
    codec = Codec.load(here / "relu")
    sound = load_audio(here / "a.wav")[0]
    plain = stft(codec.reconstruct(sound), STFT).abs()
    with pytest.raises(ValueError, match=r"gains must be \(8,\), got \(3,\)"):
        codec.reconstruct(sound, gains=torch.ones(3))
    louder = stft(codec.reconstruct(sound, gains=torch.full((8,), 2.0)), STFT).abs()
    # without bias and with relu, all gains 2 are the sound twice as loud
    assert np.allclose(louder, 2 * plain, atol=1e-3 * float(plain.max()))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gain", "9=1"], "a latent dimension must be in 1..8 with this codec, got 9"),
        (["--gain", "0=1"], "a latent dimension must be in 1..8 with this codec, got 0"),
        (["--gain", "3"], "--gain must be like 3=1.8, got 3"),
        (["--gain", "3=x"], "--gain must be like 3=1.8, got 3=x"),
        (["--gain", "3=nan"], "--gain must be finite, got nan"),
        (["--gain", "3=1", "--gain", "3=2"], "each latent dimension must be given once, got 3 twice"),
        (["--groups", "1,2"], "there must be 5 gains for 4 bounds, got 2"),
        (["--groups", "1,,2"], "--groups must be numbers with commas between them, got 1,,2"),
        (["--groups", "1,2", "--bounds", "8"], "bounds must be rising integers within 1..7, got 8"),
        (["--groups", "1,2", "--bounds", "2.5"], "bounds must be rising integers within 1..7, got 2.5"),
        (["--bounds", "2"], "--bounds must be used with --groups, got --bounds alone"),
    ],
)
def test_what_cannot_be(here: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(here, "gains", "a.wav", "-o", "out.wav", "--codec", "relu", *words, capsys=capsys) == sentence
