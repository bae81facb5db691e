"""The level of a morph: at most 6 dB above its sounds, whatever the codec decodes, and never silence."""

import pytest
import torch
from conftest import SAMPLE_RATE, SMALL_MODEL, tone

from intertone.codec import Codec, CodecConfig
from intertone.level import db_to_amplitude
from intertone.morphing import morph
from intertone.morphing.guard import BEYOND_DB, limit_level
from intertone.remark import collect_remarks
from intertone.representation import DecibelConfig, Representation
from intertone.representation.frames import FramesConfig, FramesRepresentation
from intertone.representation.spectrogram import SpectrogramRepresentation


def loudest(sound: torch.Tensor) -> float:
    """Root mean square of the loudest 0.4 s."""
    power = sound.double().square().mean(0)
    return float(power.unfold(-1, min(len(power), round(0.4 * SAMPLE_RATE)), 1).mean(-1).amax().sqrt())


def test_a_sound_that_is_not_too_loud_is_unchanged() -> None:
    sound = tone(60)[None, None]
    assert limit_level(1.9 * sound, [sound, 0.1 * sound], SAMPLE_RATE).equal(1.9 * sound)


def test_a_peak_and_a_loud_passage_are_both_limited() -> None:
    sound = 0.1 * torch.ones(2, 1, 16000)
    click, passage = sound.clone(), sound.clone()
    click[..., 5] = 5.0
    passage[..., 4000:12000] = 0.9
    with collect_remarks() as remarks:
        found = limit_level(torch.cat([click[:1], passage[:1]]), [sound], SAMPLE_RATE)
    assert float(found[0].abs().max()) == pytest.approx(0.1 * db_to_amplitude(BEYOND_DB), rel=1e-6)
    assert loudest(found[1]) == pytest.approx(0.1 * db_to_amplitude(BEYOND_DB), rel=1e-6)
    assert [remark.text for remark in remarks] == [
        "the result was lowered by 28.0 dB, to at most 6 dB above the sounds"
    ]


def test_the_louder_of_the_sounds_counts() -> None:
    sound = torch.ones(1, 2, 8000)
    assert float(limit_level(9 * sound, [0.01 * sound, 2 * sound], SAMPLE_RATE).max()) == pytest.approx(3.99, abs=0.01)


def test_silence_stays_silence() -> None:
    silence = torch.zeros(1, 1, 800)
    assert limit_level(silence, [silence], SAMPLE_RATE).equal(silence)
    assert limit_level(torch.zeros(1, 1, 0), [silence], SAMPLE_RATE).shape == (1, 1, 0)


@pytest.mark.parametrize("mix", [-0.5, -0.25, 0.5, 1.25, 1.5])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_a_morph_by_code_is_neither_silent_nor_loud(small_codec: Codec, mix: float, gain: float) -> None:
    a, b = tone(48)[None], gain * tone(60, tilt=0.5)[None]
    found = morph(small_codec, a, b, mix=mix)
    most = db_to_amplitude(BEYOND_DB) * 1.001
    assert float(found.abs().max()) <= most * max(float(a.abs().max()), float(b.abs().max()))
    assert 0.4 * min(loudest(a), loudest(b)) < loudest(found) <= most * max(loudest(a), loudest(b))


def test_a_codec_that_decodes_loud_noise_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec(CodecConfig(representation=DecibelConfig(), model=SMALL_MODEL))
    method = "intertone.morphing.contract.CodecMethod.synthesise"
    monkeypatch.setattr(method, lambda _, analysis, **__: 50 * torch.randn(1, 1, analysis.context.audio.shape[-1]))
    a, b = tone(48)[None], tone(60)[None]
    assert loudest(morph(codec, a, b)) <= db_to_amplitude(BEYOND_DB) * 1.001 * max(loudest(a), loudest(b))


@pytest.mark.parametrize(
    "representation", [SpectrogramRepresentation(DecibelConfig()), FramesRepresentation(FramesConfig())]
)
def test_an_extrapolated_context_is_no_silence(representation: Representation) -> None:
    contexts = [representation.analyse(level * tone(60)[None]).context for level in (1.0, 0.05)]
    analysis = representation.analyse(tone(60)[None])
    mixed = representation.mix(contexts, torch.tensor([-0.5, 1.5]))
    sound = representation.synthesise(type(analysis)(analysis.features, mixed), generator=torch.Generator())
    assert float(sound.abs().max()) > 0.4 * 0.05 * float(tone(60).abs().max())
