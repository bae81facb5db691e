"""The codec that comes with the package, on the two held-out notes that lie in the repository."""

from pathlib import Path

import pytest
import torch
from conftest import tone
from safetensors import safe_open
from torch import Tensor

from intertone import Codec, load_audio, morph, shipped_codecs
from intertone.evaluate.studies.network import random_codec
from intertone.instrument import play_loop
from intertone.loudness import integrated_loudness
from intertone.metrics import log_mel_error, loud_cell_error
from intertone.phase import PhaseConfig
from intertone.pitch.chroma import chroma_filterbank, class_of_pitch, strongest_class
from intertone.recogniser import Recogniser, shipped_recognisers
from intertone.shipped import CODECS, RECOGNISERS
from intertone.stft import SpectrogramConfig, mel_filterbank

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("thesis")


@pytest.fixture(scope="module")
def horn(codec: Codec) -> Tensor:
    return load_audio(EXAMPLES / "english-horn.wav", sample_rate=codec.sample_rate)[0][0]


@pytest.fixture(scope="module")
def sitar(codec: Codec) -> Tensor:
    return load_audio(EXAMPLES / "sitar.wav", sample_rate=codec.sample_rate)[0][0]


SHIPPED_FOLDERS = [CODECS / name for name in shipped_codecs()] + [RECOGNISERS / name for name in shipped_recognisers()]


@pytest.mark.parametrize("folder", SHIPPED_FOLDERS, ids=lambda folder: folder.name)
def test_every_shipped_network_has_small_weights_a_card_and_a_log(folder: Path) -> None:
    weights = folder / "model.safetensors"
    assert weights.stat().st_size <= 12e6
    with safe_open(weights, "pt") as file:
        types = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    assert types <= {"F16", "I64"}
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert all(word in card for word in ("Licence", "Split", "Training", "Held-out", "make train-"))
    assert len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) >= 4


def test_the_code_of_four_seconds_is_small(codec: Codec, horn: Tensor) -> None:
    latents, _ = codec.encode(horn)
    assert latents.numel() <= 2048


@pytest.mark.parametrize("phase", [None, PhaseConfig()])
def test_held_out_notes_come_back(codec: Codec, horn: Tensor, sitar: Tensor, phase: PhaseConfig | None) -> None:
    both = torch.stack([horn, sitar]).unsqueeze(1)
    again = codec.reconstruct(both, phase=phase, generator=torch.Generator().manual_seed(0))
    assert (log_mel_error(again, both) < 8).all()
    # the blur that an MSE in dB brings: a first prototype lost 22 dB here
    assert (loud_cell_error(again, both) > -10).all()


def test_the_half_way_morph_is_the_decoded_mean(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    latents, contexts = zip(*(codec.encode(sound) for sound in (horn, sitar)), strict=True)
    context = codec.representation.mix(contexts, torch.tensor([0.5, 0.5]))
    seeded = torch.Generator().manual_seed(0)
    expected = codec.decode((latents[0] + latents[1]) / 2, context, generator=seeded)
    assert torch.allclose(morph(codec, horn, sitar, mix=0.5), expected, atol=1e-5)


def test_loudness_lies_between_the_ends(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    quiet, between, loud = (
        integrated_loudness(sound.squeeze(), codec.sample_rate) for sound in (sitar, morph(codec, horn, sitar), horn)
    )
    assert quiet < between < loud


def test_other_weights_or_another_code_make_another_morph(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    half_way = morph(codec, horn, sitar)
    random = random_codec(codec, torch.stack([horn, sitar]).unsqueeze(1), seed=7)
    assert log_mel_error(morph(random, horn, sitar), half_way) > 6
    foreign, _ = codec.encode(tone(88, seconds=4, decay=0.1))
    own, own_context = codec.encode(horn)
    context = codec.representation.mix([own_context, codec.encode(sitar)[1]], torch.tensor([0.5, 0.5]))
    exchanged = codec.decode((own + foreign) / 2, context, generator=torch.Generator().manual_seed(0))
    assert log_mel_error(exchanged, half_way) > 6


def test_canne_with_all_gains_0_is_silent() -> None:
    codec = Codec.load("canne")
    sound = load_audio(EXAMPLES / "sitar.wav", sample_rate=codec.sample_rate)[0][0]
    assert float(codec.reconstruct(sound, gains=torch.zeros(8)).abs().max()) < 1e-6


CODES = {
    "canne": [0.65, 0.38, 0.61, 0.73, 0.22, 0.89, 0.64, 0.69],
    "manne": [0.4, 0.5, 0.6],
}


@pytest.mark.parametrize("name", CODES)
def test_a_loop_of_a_code_has_no_seam(name: str) -> None:
    codec, pitch = Codec.load(name), 48.0 if name == "manne" else None
    loop = play_loop(
        codec, torch.tensor(CODES[name]), seconds=1.0, pitch=pitch, generator=torch.Generator().manual_seed(0)
    )
    jumps = loop.diff().abs()
    assert float((loop[0] - loop[-1]).abs()) <= float(jumps.max())
    twice = torch.cat([loop, loop])
    config = SpectrogramConfig(sample_rate=44100, n_fft=4096, hop_length=1024)
    bank = mel_filterbank(config, n_mels=64, f_min=30, f_max=22050)
    frames = [twice[len(loop) + shift - 2048 : len(loop) + shift + 2048] for shift in (-8192, 0, 8192)]
    bands = torch.stack([(bank @ torch.fft.rfft(frame * torch.hann_window(4096)).abs().square()) for frame in frames])
    level = 10 * torch.log10(bands + 1e-20)
    loud = level[1] > level[1].max() - 60
    assert float((level[1] - (level[0] + level[2]) / 2)[loud].abs().max()) <= 1.0


def test_manne_plays_a_code_as_the_note_that_is_asked_for() -> None:
    codec = Codec.load("manne")
    filterbank = chroma_filterbank(SpectrogramConfig(sample_rate=44100, n_fft=4096, hop_length=1024))
    for pitch in range(48, 60):
        features = codec.decode_features(
            torch.tensor(CODES["manne"])[None, :, None], {"chroma": class_of_pitch(pitch)}, n_frames=1
        )
        assert torch.equal(strongest_class(features, filterbank), class_of_pitch(pitch)), pitch


@pytest.mark.parametrize("name", ["english-horn", "sitar"])
def test_the_recogniser_names_the_key_of_instruments_that_it_has_not_met(name: str) -> None:
    recogniser = Recogniser.load("families")
    note, _ = load_audio(EXAMPLES / f"{name}.wav", sample_rate=recogniser.sample_rate)
    found = recogniser.probabilities(note)["key"].argmax(1).tolist()
    assert [recogniser.config.model.keys[key] for key in found] == [60, 60]


def test_the_families_are_those_of_general_midi_and_hear_no_level() -> None:
    recogniser = Recogniser.load("families")
    horn, _ = load_audio(EXAMPLES / "english-horn.wav", sample_rate=recogniser.sample_rate)
    loud, quiet = recogniser.probabilities(torch.stack([horn[0], 0.1 * horn[0]]))["class"]
    assert len(recogniser.classes) == 16
    assert torch.allclose(loud, quiet, atol=1e-3)
