"""The default codec, on the two held-out notes that lie in the repository."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from intertone import Codec, load_audio, morph
from intertone.codec import CodecConfig
from intertone.loudness import maximum_momentary_loudness
from intertone.metrics import log_mel_error
from intertone.models import build_model
from intertone.morphing import MixCurve, MorphConfig
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("harmonic")


@pytest.fixture(scope="module")
def horn(codec: Codec) -> Tensor:
    return load_audio(EXAMPLES / "english-horn.wav", sample_rate=codec.sample_rate)[0][0]


@pytest.fixture(scope="module")
def sitar(codec: Codec) -> Tensor:
    return load_audio(EXAMPLES / "sitar.wav", sample_rate=codec.sample_rate)[0][0]


def difference_db(estimate: Tensor, reference: Tensor) -> float:
    return float(10 * torch.log10((estimate - reference).square().sum() / reference.square().sum() + 1e-30))


@pytest.mark.parametrize("mix", [0.0, 1.0])
def test_the_ends_are_the_sounds_themselves(codec: Codec, horn: Tensor, sitar: Tensor, mix: float) -> None:
    assert difference_db(morph(codec, horn, sitar, mix=mix), sitar if mix else horn) < -90


def test_the_code_is_small(codec: Codec, horn: Tensor) -> None:
    latents, context = codec.encode(horn)
    assert latents.shape == (1, 193, 13)
    assert difference_db(codec.representation.synthesise(Analysis(codec.analyse(horn)[0], context)), horn) < -90


def test_the_network_alone_keeps_the_sound(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    for sound in (horn, sitar):
        latents, context = codec.encode(sound)
        assert float(log_mel_error(codec.decode(latents, context.as_edited()), sound)) < 3


def test_between_the_sounds_pitch_and_loudness_lie_between(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    between = morph(codec, horn, sitar, mix=0.5)
    low, high = sorted(note_pitch(sound, codec.sample_rate) for sound in (horn, sitar))
    assert low * 0.99 < note_pitch(between, codec.sample_rate) < high * 1.01
    levels = [maximum_momentary_loudness(sound, codec.sample_rate) for sound in (horn, sitar, between)]
    assert levels[2] == pytest.approx((levels[0] + levels[1]) / 2, abs=0.1)


def test_any_pitch_can_be_asked_for(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    found = note_pitch(morph(codec, horn, sitar, mix=0.3, config=MorphConfig(pitch="D4")), codec.sample_rate)
    assert abs(float(hz_to_cents(found, pitch_to_hz(62)))) < 15


def test_stereo_stays_stereo_and_a_curve_ends_at_its_sounds(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    wide = torch.stack([horn, 0.5 * horn])
    moving = morph(codec, wide, sitar, mix=MixCurve((1.0, 3.0), (0.0, 1.0)))
    assert moving.shape[0] == 2
    start = slice(9000, 30000)
    ratio = float(moving[0, start].square().sum() / moving[1, start].square().sum())
    assert ratio == pytest.approx(4, rel=0.2)


def test_the_network_is_in_the_path(codec: Codec, horn: Tensor, sitar: Tensor) -> None:
    config: CodecConfig = codec.config
    other = Codec(config, build_model(config.model, n_features=codec.representation.n_features, seed=5))
    low = MorphConfig(pitch="C3")
    first, second = (morph(one, horn, sitar, mix=0.5, config=low) for one in (codec, other))
    assert float(log_mel_error(first, second)) > 3
