"""A codec is what was saved, works through long sounds in blocks, and refuses folders that are not one."""

import json
import struct
from pathlib import Path

import pytest
import torch
from conftest import SMALL_MODEL, tone
from safetensors.torch import load_file, save_file

from intertone.codec import Codec, CodecConfig, shipped_codecs
from intertone.errors import InputError
from intertone.models import ConvBottleneckConfig, ConvConfig, DenseBottleneckConfig, build_model
from intertone.models import block as module
from intertone.phase import PhaseConfig
from intertone.representation import DecibelConfig, MelConfig
from intertone.stft import SpectrogramConfig

TINY = DecibelConfig(spectrogram=SpectrogramConfig(n_fft=128, hop_length=32))


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def with_moved_statistics(codec: Codec) -> Codec:
    """The codec after some training: a normalisation that does nothing would hide mistakes."""
    codec.model.train()
    for seed in range(3):
        codec.model(rand(2, codec.representation.n_features, 33, seed=seed))
    codec.model.eval()
    return codec


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# saving


@pytest.mark.parametrize(
    "config",
    [
        CodecConfig(representation=DecibelConfig(), model=SMALL_MODEL),
        CodecConfig(representation=MelConfig(n_mels=40), model=SMALL_MODEL),
        CodecConfig(
            representation=DecibelConfig(top_db=120),
            model=SMALL_MODEL.model_copy(update={"bottleneck": DenseBottleneckConfig(size=9, n_frames=33)}),
        ),
    ],
    ids=["decibel", "mel", "dense"],
)
def test_a_saved_codec_gives_the_same_bits(config: CodecConfig, tmp_path: Path) -> None:
    codec = with_moved_statistics(Codec(config))
    codec.save(tmp_path / "new" / "codec", card="# a card\n")
    assert names_in(tmp_path / "new" / "codec") == ["README.md", "config.json", "model.safetensors"]
    assert (tmp_path / "new" / "codec" / "README.md").read_text() == "# a card\n"
    loaded = Codec.load(tmp_path / "new" / "codec")
    assert loaded.config == config
    assert not loaded.model.training
    audio = tone(57, seconds=0.5)
    latents, context = codec.encode(audio)
    again, again_context = loaded.encode(audio)
    assert torch.equal(again, latents)
    assert torch.equal(loaded.decode(again, again_context), codec.decode(latents, context))


def test_half_as_large_is_close(small_codec: Codec, tmp_path: Path) -> None:
    codec = with_moved_statistics(small_codec)
    codec.save(tmp_path / "whole", card="")
    codec.save(tmp_path / "half", card="", half=True)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.65 * sizes[0]
    loaded = Codec.load(tmp_path / "half")
    assert next(loaded.model.parameters()).dtype == torch.float32
    features = rand(1, 512, 64)
    # 11 bits of mantissa
    difference = loaded.model(features) - codec.model(features)
    assert 0 < difference.abs().max() < 5e-3 * codec.model(features).abs().max()


def test_saving_again_replaces_the_codec(small_codec: Codec, tmp_path: Path) -> None:
    Codec(small_codec.config, build_model(SMALL_MODEL, n_features=512, seed=5)).save(tmp_path, card="old")
    (tmp_path / "notes.txt").write_text("stays")
    small_codec.save(tmp_path, card="new")
    features = rand(1, 512, 32)
    assert torch.equal(Codec.load(tmp_path).model(features), small_codec.model(features))
    assert names_in(tmp_path) == ["README.md", "config.json", "model.safetensors", "notes.txt"]


def test_the_same_codec_gives_the_same_bytes(small_codec: Codec, tmp_path: Path) -> None:
    for name in ("one", "two"):
        small_codec.save(tmp_path / name, card="")
    for file in names_in(tmp_path / "one"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


# coding


@pytest.mark.parametrize("shape", [(8000,), (1, 8000), (2, 8000), (3, 1, 8000), (2, 2, 8000)])
def test_shapes(small_codec: Codec, shape: tuple[int, ...]) -> None:
    audio = rand(*shape) - 0.5
    latents, context = small_codec.encode(audio)
    # 512 / 32 = 16 rows of 4 channels, and 1 + 8000 / 256 rounded up = 33 frames / 32 rounded up
    assert latents.shape == (audio.numel() // 8000, 64, 2)
    again = small_codec.decode(latents, context)
    assert again.shape == shape and again.isfinite().all()
    assert not latents.requires_grad and not again.requires_grad


def test_reconstruct_is_decode_of_encode(small_codec: Codec) -> None:
    audio = tone(57, seconds=0.5)
    assert torch.equal(small_codec.reconstruct(audio), small_codec.decode(*small_codec.encode(audio)))
    phase = PhaseConfig(n_iter=3)
    first, again = (
        small_codec.reconstruct(audio, phase=phase, generator=torch.Generator().manual_seed(2)) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, small_codec.reconstruct(audio))


@pytest.mark.parametrize(
    ("kernel_size", "strides"),
    [((5, 5), ((4, 4), (4, 4), (2, 2))), ((3, 3), ((2, 1), (2, 3), (2, 2))), ((4, 4), ((2, 2), (4, 2), (2, 4)))],
)
@pytest.mark.parametrize("block_frames", [1, 50, 64])
@pytest.mark.parametrize("extra", [0, 1, 17])
def test_blocks_equal_the_whole(
    kernel_size: tuple[int, int],
    strides: tuple[tuple[int, int], ...],
    block_frames: int,
    extra: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ConvConfig(
        channels=(4, 6, 8), strides=strides, kernel_size=kernel_size, bottleneck=ConvBottleneckConfig(channels=2)
    )
    codec = with_moved_statistics(Codec(CodecConfig(representation=TINY, model=model)))
    margin = codec.model.encode_reach
    assert margin is not None
    features = rand(2, 64, 2 * margin + 3 * max(block_frames, 32) + extra)
    latents = codec.encode_features(features)
    decoded = codec.decode_features(latents)
    monkeypatch.setattr(module, "BLOCK_FRAMES", block_frames)
    monkeypatch.setattr(module, "BLOCK_ROWS", 1)
    assert torch.allclose(codec.encode_features(features), latents, atol=1e-6)
    assert torch.allclose(codec.decode_features(latents), decoded, atol=1e-6)


def test_a_long_sound_in_blocks_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec(CodecConfig(representation=TINY, model=SMALL_MODEL))
    audio = tone(57, seconds=1.3)
    whole = codec.reconstruct(audio)
    monkeypatch.setattr(module, "BLOCK_FRAMES", 64)
    assert torch.allclose(codec.reconstruct(audio), whole, atol=1e-5)


@pytest.mark.parametrize("n_latents", [1, 3])
def test_a_code_of_another_length_than_its_context_is_refused(small_codec: Codec, n_latents: int) -> None:
    latents, context = small_codec.encode(torch.randn(8000))
    other = latents[..., :1].expand(-1, -1, n_latents)
    with pytest.raises(ValueError, match=f"latents must have 2 vectors for sounds of 8000 samples, got {n_latents}"):
        small_codec.decode(other, context.as_edited())


def test_a_dense_codec_refuses_other_lengths() -> None:
    model = SMALL_MODEL.model_copy(update={"bottleneck": DenseBottleneckConfig(size=3, n_frames=33)})
    codec = Codec(CodecConfig(representation=DecibelConfig(), model=model))
    assert codec.reconstruct(tone(57, seconds=0.5)).shape == (8000,)
    with pytest.raises(InputError, match=r"a sound must last 0\.512 s for this codec, got 1 s"):
        codec.encode(tone(57))


# refusals


@pytest.mark.parametrize("name", ["thesys", "", "no/such/folder"])
def test_an_unknown_codec(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"the codec must be one of .* or a folder with config.json, got {name}"):
        Codec.load(name)
    with pytest.raises(InputError, match=r"or a folder with config\.json"):
        Codec.load(tmp_path)


def test_shipped_codecs_are_named_in_the_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("second", "first"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    monkeypatch.setattr("intertone.codec.CODECS", tmp_path)
    assert shipped_codecs() == ["first", "second"]
    with pytest.raises(InputError, match="must be one of first, second or a folder"):
        Codec.load("third")


def test_missing_weights(codec_folder: Path) -> None:
    (codec_folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"a codec's folder must hold model.safetensors, got none in "):
        Codec.load(codec_folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:5],
        lambda content: b"",
        lambda content: bytes(range(256)) * 100,
        lambda content: struct.pack("<Q", 2**62) + content[8:],
        lambda content: content[:8] + b"{" * (len(content) - 8),
        lambda content: content + b"more",
    ],
)
def test_broken_weights(codec_folder: Path, damage) -> None:
    weights = codec_folder / "model.safetensors"
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(InputError, match=r"the weights must fit config\.json, got damaged or other ones in ") as caught:
        Codec.load(codec_folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"channels": (8, 16, 12)}, "size mismatch for encoder"),
        ({"bottleneck": DenseBottleneckConfig(size=4)}, "size mismatch for to_latents"),
        ({"channels": (8, 16, 16, 16), "strides": ((4, 4), (4, 4), (2, 2), (1, 1))}, "Missing key"),
    ],
)
def test_weights_of_another_model(codec_folder: Path, change: dict[str, object], name: str) -> None:
    other = CodecConfig(representation=DecibelConfig(), model=SMALL_MODEL.model_copy(update=change))
    other.write(codec_folder / "config.json")
    with pytest.raises(
        InputError, match=f"the weights must fit config.json, got damaged or other ones in .*{name}"
    ) as caught:
        Codec.load(codec_folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(codec_folder: Path, value: float) -> None:
    weights = load_file(codec_folder / "model.safetensors")
    weights["encoder.0.0.weight"][0, 0, 0, 0] = value
    save_file(weights, codec_folder / "model.safetensors")
    with pytest.raises(InputError, match="the weights must be finite, got NaN or infinity in "):
        Codec.load(codec_folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format must be 1, got 2"),
        ({"modle": {}}, r"modle is not a setting; did you mean model\?"),
        ({"model": {"kind": "conv", "chanels": [4]}}, r"model.chanels is not a setting; did you mean channels\?"),
        ({"representation": {"kind": "wavelet"}}, "representation"),
        (
            {"representation": {"kind": "mel", "spectrogram": {"sample_rate": 8000}}},
            r"f_min < f_max <= 4000.0 Hz must hold, got 0.0 and 8000.0",
        ),
    ],
)
def test_settings_that_are_wrong(codec_folder: Path, change: dict[str, object], message: str) -> None:
    path = codec_folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        Codec.load(codec_folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\x01"])
def test_settings_that_are_no_json(codec_folder: Path, content: str) -> None:
    (codec_folder / "config.json").write_text(content)
    with pytest.raises(InputError, match="the settings file must "):
        Codec.load(codec_folder)


@pytest.mark.parametrize("device", ["quantum", "cuda:99", "meta", ""])
def test_an_unknown_device(codec_folder: Path, device: str) -> None:
    with pytest.raises(InputError, match=f"the device must be one that torch can use, got {device}"):
        Codec.load(codec_folder, device=device)


def test_a_folder_that_cannot_be_written(small_codec: Codec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"the codec's folder must be writable, got .*file"):
        small_codec.save(tmp_path / "file", card="")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        ([1, 2, 3], "audio must be floating-point numbers, -1 to 1, got torch.int64"),
        ("a.wav", "audio must be an array, got a file name; read it with load_audio\\('a.wav'\\)"),
        (Path("b.wav"), "got a file name; read it with load_audio\\('b.wav'\\)"),
        ({"a": 1}, "audio must be an array of floating-point numbers, got dict"),
        (torch.zeros(1, 0), r"audio must have at least one sample, got shape \(1, 0\)"),
        (torch.full((100,), torch.nan), "every sample must be a finite number"),
        (
            torch.full((100,), 1e20),
            r"every sample must be within ±10000, where 1 is full scale, got 1e\+20 in the audio",
        ),
        (
            torch.zeros(100, 2),
            r"audio must have 1 to 8 channels, got shape \(100, 2\); transpose it, channels come before",
        ),
        (torch.zeros(1, 9, 100), r"audio must have 1 to 8 channels, got shape \(1, 9, 100\)$"),
    ],
)
def test_what_is_no_audio_is_refused(small_codec: Codec, audio: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small_codec.encode(audio)


def test_arrays_and_doubles_are_audio(small_codec: Codec) -> None:
    sound = tone(57, seconds=0.3)
    expected = small_codec.encode(sound)[0]
    assert torch.equal(small_codec.encode(sound.double().numpy())[0], expected)


def test_silence_stays_silent_with_the_kept_phase(small_codec: Codec) -> None:
    sound = torch.cat([tone(57, seconds=0.5, decay=8), torch.zeros(8000)])
    again = small_codec.reconstruct(sound)
    assert again[9000:].abs().max() == 0 < again[:8000].abs().max()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            '{"model": {"kind": "conditioned", "channels": [100000, 100000, 100000]}}',
            "a model must have at most 500,000,000 weights",
        ),
        ('{"model": {"kind": "dense", "widths": [16384, 16384, 16384]}}', "a model must have at most 500,000,000"),
        ('{"model": {"kind": "conditioned", "encoder_blocks": 1000000000}}', "model.encoder_blocks must be at most 64"),
        ('{"format": ' + "1" * 5000 + "}", "the settings file must be valid JSON, got .*config.json"),
        ('{"a":' * 900 + "1" + "}" * 900, "the settings file must have at most 32 levels of tables, got more in"),
    ],
    ids=["weights", "wide layers", "layers", "digits", "levels"],
)
def test_settings_of_a_codec_that_nobody_can_hold_are_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "config.json").write_text(content.replace('{"model', '{"representation": {"kind": "harmonic"}, "model'))
    with pytest.raises(InputError, match=sentence):
        Codec.load(tmp_path)


class Bare:
    n_features, latent_dim, needs, n_frames = 8, 2, (), None


def test_an_object_that_is_no_model_is_refused_with_what_it_lacks() -> None:
    config = CodecConfig(representation=DecibelConfig(), model=ConvConfig())
    with pytest.raises(ValueError, match=r"a model must have .*decode, .*encode, .*got a Bare without"):
        Codec(config, model=Bare())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the model must have the 512 features of the representation, got 8"):
        Codec(config, model=build_model(ConvConfig(channels=(4,), strides=((2, 2),)), n_features=8))
