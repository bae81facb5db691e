"""What a morph keeps to: seconds of the result, alignments, identical sounds, and what is ignored or refused."""

import logging
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from methods import by_partials
from pydantic import ValidationError

from intertone.codec import Codec, CodecConfig, as_audio
from intertone.errors import InputError
from intertone.harmonic.sound import residual_correlation
from intertone.loudness import maximum_momentary_loudness
from intertone.models import ConditionedConfig
from intertone.morphing import (
    Mix,
    MixCurve,
    MorphConfig,
    analyse_sounds,
    even_mixes,
    mix_weights,
    morph,
    morph_sources,
    morph_steps,
)
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.weights import Weights
from intertone.phase import PhaseConfig
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis, HarmonicConfig
from intertone.representation.harmonic import HarmonicRepresentation

PARTIALS_ONLY = MorphConfig(network="none")
CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
METHOD = by_partials(CONFIG)
AFTER_ATTACK = 9
"""First frame, of 10 ms, after the attack."""


def hiss(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.02 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def breathy(
    pitch: float, *, seconds: float = 0.5, lead: float = 0.0, seed: int = 0, decay: float = 1.5
) -> torch.Tensor:
    """A tone with a hiss, after some silence."""
    sound = tone(pitch, seconds=seconds, decay=decay)
    left = torch.arange(len(sound) - 1, -1, -1) / 800
    return torch.cat([torch.zeros(round(lead * SAMPLE_RATE)), (sound + hiss(len(sound), seed)) * left.clamp(max=1)])


def struck() -> torch.Tensor:
    """A drum: noise that dies away."""
    return 4 * hiss(6000, 7) * torch.exp(-15 * torch.arange(6000) / SAMPLE_RATE)


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.manual_seed(0)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    return Codec(CodecConfig(representation=CONFIG, model=model))


def difference_db(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    power = (estimate - reference).square().sum() / reference.square().sum()
    return 10 * math.log10(float(power) + 1e-20)


# curves


def test_the_length_follows_the_mean_of_a_curve_over_the_whole_result(codec: Codec) -> None:
    short, long = tone(57, seconds=0.5), tone(57, seconds=1.0)
    result = morph(codec, short, long, mix=MixCurve((0, 0.1), (0, 1)), config=PARTIALS_ONLY)
    # L = 0.5 + 0.5 m seconds, and m = 1 - 0.05 / L, since the curve has reached B after 0.1 s
    assert abs(len(result) / SAMPLE_RATE - (1 + math.sqrt(0.9)) / 2) < 0.011
    back = morph(codec, short, long, mix=MixCurve((0, 0.1), (1, 0)), config=PARTIALS_ONLY)  # m = 0.05 / L
    assert abs(len(back) / SAMPLE_RATE - (0.5 + math.sqrt(0.25 + 0.1)) / 2) < 0.011


def level_db(sound: torch.Tensor, first: float, last: float) -> float:
    part = sound[..., round(first * SAMPLE_RATE) : round(last * SAMPLE_RATE)]
    return 10 * math.log10(float(part.square().mean()))


@pytest.mark.parametrize("ratios", [(0, 1), (1, 0)])
@pytest.mark.parametrize("second", [57, 64])
def test_a_curve_is_as_loud_as_the_sound_that_it_is_at(
    codec: Codec, second: float, ratios: tuple[float, float]
) -> None:
    sounds = (tone(57, seconds=1.5, decay=0), 0.1 * tone(second, seconds=1.5, decay=0))
    result = morph(codec, *sounds, mix=MixCurve((0.6, 0.9), ratios), config=PARTIALS_ONLY)
    first, last = (sounds[ratio] for ratio in ratios)
    assert abs(level_db(result, 0.1, 0.5) - level_db(first, 0.1, 0.5)) < 1
    assert abs(level_db(result, 1, 1.4) - level_db(last, 1, 1.4)) < 1
    assert level_db(result, 0.7, 0.8) == pytest.approx(level_db(torch.cat(sounds), 0, 3) - 7, abs=3)


@pytest.mark.parametrize("ratio", [-0.4, 0.0, 0.3, 1.0, 1.4])
@pytest.mark.parametrize("pitch", ["glide", "b", "A5"])
def test_a_curve_that_stays_is_the_number(codec: Codec, ratio: float, pitch: str) -> None:
    config = MorphConfig(network="none", pitch=pitch)
    a, b = tone(57, seconds=0.5), 0.1 * breathy(60)
    stays = morph(codec, a, b, mix=MixCurve((0, 1), (ratio, ratio)), config=config)
    nearly = morph(codec, a, b, mix=MixCurve((0, 1), (ratio, ratio + 1e-6)), config=config)
    number = morph(codec, a, b, mix=ratio, config=config)
    assert difference_db(stays, number[: len(stays)]) < -60
    assert abs(level_db(nearly, 0, 0.5) - level_db(number, 0, 0.5)) < 0.02


@pytest.mark.parametrize("mix", [0, 0.5, 1])
@pytest.mark.parametrize("lead", [0.0, 0.8])
def test_a_curve_of_the_envelope_alone_too(codec: Codec, mix: float, lead: float) -> None:
    silence = torch.zeros(round(lead * SAMPLE_RATE))
    loud = torch.cat([silence, tone(57, seconds=1.5, decay=0)])
    curve = MixCurve((lead + 0.6, lead + 0.9), (0, 1))
    result = morph(codec, loud, 0.1 * loud, mix=mix, ratios={"envelope": curve}, config=PARTIALS_ONLY)
    assert abs(level_db(result, lead + 0.1, lead + 0.5) - level_db(loud, lead + 0.1, lead + 0.5)) < 0.5
    assert abs(level_db(result, lead + 1, lead + 1.4) - level_db(loud, lead + 1, lead + 1.4) + 20) < 0.5


def test_a_curve_has_the_attack_of_the_sound_that_it_begins_with(codec: Codec) -> None:
    time = torch.arange(16000) / SAMPLE_RATE
    sharp = tone(57, seconds=1.0, decay=2.0)
    soft = tone(57, seconds=1.0, decay=0) * (time / 0.3).clamp(max=1)
    for first, second in ((sharp, soft), (soft, sharp)):
        result = morph(codec, first, second, mix=MixCurve((0.5, 0.8), (0, 1)), config=PARTIALS_ONLY)
        for end in (0.05, 0.1, 0.2, 0.4):
            assert abs(level_db(result, end - 0.05, end) - level_db(first, end - 0.05, end)) < 1.5


def test_a_curve_rises_as_the_sound_that_it_begins_with(codec: Codec) -> None:
    time = torch.arange(8000) / SAMPLE_RATE
    sharp = tone(45, seconds=0.5, decay=0)
    soft = sharp * (time / 0.02).clamp(max=1)
    for first, second, share in ((sharp, soft, (0.3, 1)), (soft, sharp, (0, 0.25))):
        result = morph(codec, first, second, mix=MixCurve((0.2, 0.3), (0, 1)), config=MorphConfig(network="none"))
        begins = float(result[:48].abs().max() / result[:1600].abs().max())
        assert share[0] <= begins <= share[1]


@pytest.mark.parametrize("alignment", ["envelope", "onset", "none"])
def test_the_seconds_of_a_curve_are_those_of_the_result(codec: Codec, alignment: str) -> None:
    a, b = breathy(57, lead=0.3), breathy(64, lead=0.3)
    config = MorphConfig.parse({"network": "none", "alignment": alignment})
    for seconds, pitch in (((0.2, 0.25), 64), ((0.75, 0.76), 57)):  # all before the tones begin; all after they end
        result = morph(codec, a, b, mix=MixCurve(seconds, (0, 1)), config=config)
        assert abs(float(hz_to_cents(note_pitch(result, SAMPLE_RATE), pitch_to_hz(pitch)))) < 10


def test_a_curve_of_a_spectrogram_counts_from_its_start(small_codec: Codec) -> None:
    a, b = tone(57, seconds=0.5), tone(64, seconds=0.5)
    late = morph(small_codec, a, b, mix=MixCurve((0.6, 0.7), (0, 1)), phase=PhaseConfig(method="pghi"))
    assert difference_db(late, morph(small_codec, a, b, mix=0.0, phase=PhaseConfig(method="pghi"))) < -80


# time


@pytest.mark.parametrize("alignment", ["none", "onset", "envelope"])
def test_an_end_that_breaks_off_is_itself_beside_a_longer_sound(codec: Codec, alignment: str) -> None:
    short, long = breathy(57, decay=0)[:6000], breathy(60, seconds=1.0)
    config = MorphConfig.parse({"alignment": alignment})
    assert difference_db(morph(codec, short, long, mix=0, config=config), short) < -90
    assert difference_db(morph(codec, long, short, mix=1, config=config), short) < -90


def test_an_end_is_the_sound_itself_bit_for_bit(codec: Codec) -> None:
    first, last = breathy(57, seconds=0.2), breathy(61, seconds=0.3, seed=1)
    assert torch.equal(morph(codec, first, last, mix=0), first)
    assert torch.equal(morph(codec, first, last, mix=1), last)


def test_where_nothing_is_aligned_every_sound_stays_where_it_is(codec: Codec) -> None:
    early, late = breathy(57, lead=0.05), breathy(61, lead=0.2, seed=1)
    config = MorphConfig(network="none", alignment="none")
    first, last = morph_steps(codec, early, late, mixes=[0, 1], config=config)
    assert difference_db(first, early) < -60 and difference_db(last, late) < -60


def test_the_alignment_says_where_a_mixture_begins_and_how_long_it_is() -> None:
    early, late = breathy(57, seconds=0.3, lead=0.05), breathy(57, seconds=0.5, lead=0.2)
    prepared = [METHOD.prepare(REPRESENTATION.analyse(sound)) for sound in (early, late)]
    for alignment, onset, end in (("none", 0.05, 0.7), ("onset", 0.125, 0.625), ("envelope", 0.125, 0.525)):
        config = MorphConfig.parse({"alignment": alignment})
        for _, context in METHOD.align(prepared, torch.tensor([0.5, 0.5]), config):
            assert context.sounds[0].onset / SAMPLE_RATE == pytest.approx(onset, abs=0.01)
            assert context.sounds[0].samples / SAMPLE_RATE == pytest.approx(end, abs=0.01)


def test_noise_and_partials_stay_together(codec: Codec) -> None:
    early, late = breathy(57, lead=0.05), breathy(57, lead=0.2, seed=1)
    near = morph(codec, early, late, mix=0.97, config=MorphConfig(network="none", alignment="none"))
    body = slice(round(0.25 * SAMPLE_RATE), round(0.6 * SAMPLE_RATE))
    high = torch.fft.rfft(torch.stack([near[body], late[body]]))[:, 2000:].abs()  # above 5.7 kHz: hiss alone
    whole = torch.fft.irfft(torch.fft.rfft(torch.stack([near[body], late[body]])) * (torch.arange(2801) > 2000))
    assert float(high[0].norm() / high[1].norm()) > 0.8
    assert float(torch.nn.functional.cosine_similarity(whole[0], whole[1], 0)) > 0.9


def test_a_shorter_mixture_of_a_batch_ends_while_the_others_go_on() -> None:
    early, late = tone(57, seconds=0.8, decay=0), tone(57, seconds=0.8, decay=0)
    for sound, released in ((early, 4800), (late, 11200)):
        sound[released:] *= torch.exp(-torch.arange(len(sound) - released) / 1200)
    prepared = METHOD.prepare(REPRESENTATION.analyse(torch.stack([early, late])[:, None]))
    ((features, context),) = METHOD.align([prepared], torch.tensor([1.0]), MorphConfig(hold_seconds=0.7))
    # held for 0.7 s, one has 0.5 s of release after that, the other 0.1 s
    long, short = REPRESENTATION.synthesise(Analysis(features, context))[:, 0]
    assert abs(len(long) - 19200) < 400
    assert float(short[13400:].square().mean()) < 1e-9 and float(short[12000:12400].square().mean()) > 1e-4
    assert float(long[13400:13800].square().mean()) > 1e-4


def test_how_much_noise_is_a_sounds_own_follows_the_noises_ratio() -> None:
    prepared = [METHOD.prepare(REPRESENTATION.analyse(breathy(57, seed=seed))) for seed in (0, 1)]
    end, half = torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])
    for ratios in ({}, {"envelope": half}, {"noise": end, "envelope": half}):
        (_, first), (_, second) = METHOD.align(prepared, end, ratios=ratios)
        assert not first.sounds[0].residuals and bool((second.sounds[0].residuals[0].share[:40] == 1).all())
    for _, context in METHOD.align(prepared, end, ratios={"noise": half}):
        assert not bool(context.sounds[0].residuals[0].share[AFTER_ATTACK:].any())


# sounds that are the same


@pytest.mark.parametrize("sound", [breathy(57), tone(64), torch.stack([breathy(50), 0.5 * breathy(50, seed=2)])])
def test_between_identical_sounds_lies_the_sound(codec: Codec, sound: torch.Tensor) -> None:
    for result in morph_steps(codec, sound, sound.clone(), mixes=[0.2, 0.5, 0.9, 1.3], config=PARTIALS_ONLY):
        assert difference_db(result, sound) < -90
    three = morph(codec, sound, sound, sound, mix=(0.2, 0.3, 0.5), config=PARTIALS_ONLY)
    assert difference_db(three, sound) < -90


@pytest.mark.parametrize("offset", [0.01, -0.05])
def test_a_dc_offset_is_no_part_of_a_mixture(codec: Codec, offset: float) -> None:
    """Taken for noise of the lowest band, it crackled where the notes had ended, 40 dB below them."""
    faded = torch.cat([tone(57, seconds=0.6, decay=2) * torch.linspace(1, 0, 9600), torch.zeros(8000)])
    other = torch.cat([tone(60, seconds=0.7, tilt=2, decay=0.5), torch.zeros(6400)]) + offset
    for sound in (faded, other):
        same = morph(codec, sound, sound.clone(), mix=0.5, config=PARTIALS_ONLY)
        assert difference_db(same, sound) < -90  # it is a part of the sound itself
    bare = morph(codec, faded, other - offset, mix=0.5, config=PARTIALS_ONLY)
    between = morph(codec, faded, other, mix=0.5, config=PARTIALS_ONLY)
    assert float(between[-4000:].abs().max()) < 1e-3 * float(between.abs().max())
    assert difference_db(between, bare) < -30


def test_between_a_sound_and_a_softer_copy_lies_one_as_loud_as_both_in_decibels(codec: Codec) -> None:
    sound = breathy(57)
    assert difference_db(morph(codec, sound, 0.25 * sound), 0.5 * sound) < -30


def test_different_noises_are_not_kept_between_them() -> None:
    prepared = [METHOD.prepare(REPRESENTATION.analyse(breathy(57, seed=seed))) for seed in (0, 1)]
    aligned = METHOD.align(prepared, torch.tensor([0.5, 0.5]))
    residuals = [context.sounds[0].residuals[0] for _, context in aligned]
    shares = torch.stack([residual.share for residual in residuals])
    assert not bool(shares[:, AFTER_ATTACK:].any())
    # in the attack, two different noises add up to unit power, each by the power that it has there
    added = (shares * (residual_correlation(residuals) @ shares)).sum(0)
    assert torch.allclose(added[:3], torch.ones(3).double())
    powers = [one.context.sounds[0].residuals[0].powers[..., : AFTER_ATTACK - 1].sum() for one in prepared]
    assert torch.allclose(shares[0, :3] / shares[1, :3], (powers[0] / powers[1]).sqrt().double())


# what is not the sound itself


@pytest.mark.parametrize("given", [{"config": MorphConfig(network="none", pitch="b")}, {"ratios": {"harmonics": 1.0}}])
def test_a_sound_with_something_of_another_is_as_loud_as_it_was(codec: Codec, given: dict[str, object]) -> None:
    dull, bright = 0.2 * tone(40, tilt=2.5), tone(64, tilt=0.2)
    sources = analyse_sounds(codec, dull, bright)
    result = morph_sources(sources, 0.0, **{"config": PARTIALS_ONLY, **given})  # type: ignore[arg-type]
    assert abs(maximum_momentary_loudness(result, SAMPLE_RATE) - maximum_momentary_loudness(dull, SAMPLE_RATE)) < 0.1


def test_the_kept_phase_of_a_harmonic_codec(codec: Codec) -> None:
    sources, kept = analyse_sounds(codec, breathy(57), breathy(60)), PhaseConfig(method="kept")
    assert torch.equal(morph_sources(sources, 1.0, phase=kept), morph_sources(sources, 1.0))
    for mix in (0.5, MixCurve((0, 1), (0, 1))):
        with pytest.raises(InputError, match="the phase method kept must be used at mix 0 or 1, got mix"):
            morph_sources(sources, mix, phase=kept)


def test_the_kept_phase_of_a_spectrogram_between_the_ends(small_codec: Codec) -> None:
    sources = analyse_sounds(small_codec, tone(57, seconds=0.3), tone(60, seconds=0.3))
    with pytest.raises(InputError, match="the phase method kept must be used at mix 0 or 1, got mix 0"):
        morph_sources(sources, 0.3, phase=PhaseConfig(method="kept"))


def test_even_steps_are_measured_with_the_ratios(codec: Codec) -> None:
    sources = analyse_sounds(codec, breathy(45, decay=9), 0.05 * breathy(69, decay=0))
    ratios: dict[str, Mix] = dict.fromkeys(("harmonics", "noise", "envelope", "pitch"), 0.0)
    config = MorphConfig(network="none", pitch="free")
    (plain,) = even_mixes(sources, [0.3], config)
    (still,) = even_mixes(sources, [0.3], config, ratios=ratios)  # almost nothing changes but phases
    assert abs(float(plain) - float(still)) > 0.02  # type: ignore[arg-type]


def test_even_steps_are_said(codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    config = MorphConfig(network="none", even=True)
    with caplog.at_level(logging.INFO, logger="intertone"):
        morph(codec, breathy(45), 0.1 * breathy(69), mix=MixCurve((0, 0.4), (0, 0.5)), config=config)
    assert any(
        re.fullmatch(
            r"so that equal steps sound equally large, mix 0 is rendered as 0\.000, "
            r"mix 0\.25 is rendered as 0\.\d\d\d, mix 0\.5 is rendered as 0\.\d\d\d",
            line,
        )
        for line in caplog.messages
    )


# numbers of any type


@pytest.mark.parametrize("kind", [float, np.float32, np.float64, torch.tensor, np.array])
def test_a_ratio_may_be_any_real_number(codec: Codec, kind: Callable[[float], Mix]) -> None:
    weights = mix_weights(kind(0.25), 2, frames_per_second=1, n_frames=1)
    assert weights.tolist() == [0.75, 0.25] and weights.dtype == torch.float64
    assert mix_weights(1, 2, frames_per_second=1, n_frames=1).tolist() == [0, 1]
    pair = mix_weights(np.array([1, 3], np.float32), 2, frames_per_second=1, n_frames=1)  # type: ignore[arg-type]
    assert pair.tolist() == [0.25, 0.75]


@pytest.mark.parametrize("shape", [(), (1, 1, 1, 80)])
def test_what_has_too_few_or_too_many_axes_is_no_audio(codec: Codec, shape: tuple[int, ...]) -> None:
    sentence = r"audio must be \(batch, channels, samples\), or the last one or two of these axes, got"
    with pytest.raises(InputError, match=sentence):
        as_audio(torch.zeros(shape))
    with pytest.raises(InputError, match=sentence):
        morph(codec, torch.zeros(shape), torch.zeros(80))


def test_a_pitch_of_which_nothing_would_be_played(codec: Codec) -> None:
    with pytest.raises(InputError, match="a pitch must be at most 7600 Hz with this codec, got 12544 Hz"):
        morph(codec, breathy(57), breathy(60), config=MorphConfig(network="none", pitch="G9"))


@pytest.mark.parametrize("samples", [8000, 7977, 7900])
@pytest.mark.parametrize("mix", [0.1, 0.3, 0.5])
def test_identical_sounds_of_any_length_give_themselves(codec: Codec, samples: int, mix: float) -> None:
    sound = tone(57, seconds=0.5, decay=0.5)[:samples] + hiss(samples)
    assert difference_db(morph(codec, sound, sound, mix=mix, config=PARTIALS_ONLY), sound) < -90


def test_even_curves_are_bent_between_their_points_too(codec: Codec) -> None:
    sources = analyse_sounds(codec, breathy(45, decay=9), 0.05 * breathy(69, decay=0))
    (curve,) = even_mixes(sources, [MixCurve((0, 0.2, 0.4), (0, 1, 1))], PARTIALS_ONLY)
    (number,) = even_mixes(sources, [0.5], PARTIALS_ONLY)
    assert isinstance(curve, MixCurve) and len(curve.seconds) == 12
    assert float(curve.at(np.array([0.1]))[0]) == pytest.approx(float(number))  # type: ignore[arg-type]


# sounds without one pitch


@pytest.mark.parametrize(
    ("config", "ratios", "purpose"),
    [
        (MorphConfig(pitch="b"), {}, "the pitch b"),
        (MorphConfig(pitch="free"), {"pitch": 0.5}, "a separate ratio for pitch"),
        (MorphConfig(), {"harmonics": 0.5}, "a separate ratio for harmonics"),
        (MorphConfig(), {"noise": 0.5, "envelope": 0.5}, "a separate ratio for noise"),
    ],
)
def test_what_takes_a_pitch_is_refused(codec: Codec, config: MorphConfig, ratios: dict[str, Mix], purpose: str) -> None:
    sentence = f"every sound must have one pitch for {purpose}, but A has no one pitch"
    with pytest.raises(InputError, match=sentence):
        morph(codec, struck(), tone(57), config=config, ratios=ratios)


def test_a_velocity_needs_a_network_and_a_pitch(codec: Codec) -> None:
    with pytest.raises(ValidationError, match="a velocity must be used with a network, got velocity 30 and"):
        MorphConfig(velocity=30, network="none")
    noise = torch.randn(2, 1, 8000, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="a velocity must be used with a codec that is conditioned on it, and"):
        morph(codec, *noise, config=MorphConfig(velocity=30))


def test_the_network_alone_is_refused(codec: Codec) -> None:
    with pytest.raises(
        InputError, match="every sound must have one pitch for a network that decodes everything, but A"
    ):
        morph(codec, struck(), tone(57), config=MorphConfig(network="full"))


def test_what_is_ignored_is_said_once(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    given = MorphConfig(network="residual", strength=1.0, alignment="envelope")
    for config, ignored in ((MorphConfig(), None), (given, "alignment envelope, network residual, strength 1.0")):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="intertone"):
            list(morph_steps(codec, struck(), struck(), mixes=[0, 0.5, 1], config=config))
        said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert said[0].endswith("all sounds are mixed as spectrograms, without the network")
        expected = (
            []
            if ignored is None
            else [
                f"spectrograms are mixed without the network and aligned by their onsets at most: {ignored} is ignored"
            ]
        )
        assert said[1:] == expected


def test_a_linear_network_adds_nothing_between_sounds_of_one_pitch() -> None:
    # young convolutions add nothing, and of principal components half-way is half-way: of noise too
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    codec = Codec(CodecConfig(representation=CONFIG, model=model))
    sounds = (tone(57), tone(57) + hiss(len(tone(57))))
    plain, residual = (
        morph(codec, *sounds, mix=0.5, config=MorphConfig(network=network, strength=1.0))  # type: ignore[arg-type]
        for network in ("none", "residual")
    )
    assert (plain - residual).abs().max() < 1e-3


@torch.inference_mode()
def test_the_strength_is_a_factor_of_what_the_network_adds(harmonic_codec: Codec) -> None:
    method = ByPartials(harmonic_codec, REPRESENTATION)
    sounds = (tone(45, tilt=0.3, seconds=0.2), tone(69, tilt=2, decay=9, seconds=0.2))
    prepared = [method.prepare(harmonic_codec.analyse(sound)) for sound in sounds]
    half = torch.tensor([0.5, 0.5])
    plain, weak, strong = (
        method.between(prepared, Weights(half, {}, half), MorphConfig(strength=strength)).features
        for strength in (0.0, 0.5, 2.0)
    )
    assert (strong - plain).abs().max() > 3e-4
    inside = (torch.stack([plain, weak, strong]) % 1 > 0).all(0)
    assert torch.allclose((strong - plain)[inside], 4 * (weak - plain)[inside], atol=3e-6)


# pitch


def heard_hz(sound: torch.Tensor, near: float) -> float:
    power = torch.fft.rfft(sound * torch.hann_window(len(sound)), 2**18).abs()
    hz = torch.arange(len(power)) * SAMPLE_RATE / 2**18
    return float(hz[(power * ((hz / near).log2().abs() < 1 / 12)).argmax()])


@pytest.mark.parametrize("key", [45, 81])
def test_channels_that_are_apart_by_cents_are_so_on_every_key(codec: Codec, key: int) -> None:
    low, high = (tone(57 + cents / 100, seconds=1.0, decay=0) for cents in (-5, 5))
    sources = analyse_sounds(codec, torch.stack([low, high]))
    played = morph_sources(sources, (1.0,), config=MorphConfig(network="none", pitch=str(key)))
    left, right = (heard_hz(channel[1600:], float(pitch_to_hz(key))) for channel in played)
    assert 1200 * math.log2(right / left) == pytest.approx(10, abs=1.5)


# stereo


def test_a_silent_channel_says_nothing_of_the_others_phase(codec: Codec) -> None:
    a, b = tone(57, seconds=1.0, decay=0), tone(57, seconds=1.0, decay=2)
    silent = torch.zeros_like(a)
    config = MorphConfig(network="none", alignment="onset")
    mono = morph(codec, a, b, mix=0.5, config=config)
    for channel, wide in enumerate((torch.stack([a, silent]), torch.stack([silent, a]))):
        heard = morph(codec, wide, torch.stack([b, b]), mix=0.5, config=config)[channel]
        heard = heard * float((heard @ mono) / (heard @ heard))
        assert difference_db(heard, mono) < -30


def in_phase(sound: torch.Tensor) -> float:
    """Correlation of left and right, −1…1."""
    left, right = sound[:, 1600:]
    return float((left * right).sum() / (left.norm() * right.norm()))


@pytest.mark.parametrize("mix", [0.1, 0.5, 0.9, MixCurve((0.1, 0.4), (0, 1))], ids=str)
def test_between_wide_and_mono_sounds_nothing_is_out_of_phase(codec: Codec, mix: Mix) -> None:
    time = torch.arange(16000) / SAMPLE_RATE
    orders = torch.arange(1, 13)[:, None]
    # partials of the two channels a quarter of a turn apart, to either side, and drifting
    apart = 0.2 * math.pi * (1 - 2 * (orders % 2)) * (1 + torch.sin(2 * math.pi * time))
    left, right = (
        (torch.sin(2 * math.pi * 220 * orders * time + sign * apart) / orders).sum(0) * 0.2 for sign in (1, -1)
    )
    wide, mono = torch.stack([left, right]), tone(62, seconds=1.0, decay=0)
    assert in_phase(wide) > 0
    assert in_phase(morph(codec, wide, mono, mix=mix, config=PARTIALS_ONLY)) > in_phase(wide) - 0.1
    assert (
        in_phase(morph(codec, mono, wide, mix=1 - mix if isinstance(mix, float) else mix, config=PARTIALS_ONLY)) > 0.2
    )


def test_away_from_a_sound_in_another_channel_that_channel_is_silent(codec: Codec) -> None:
    first, second = tone(60, seconds=1.0, decay=0), tone(64, seconds=1.0, decay=0)
    silent = torch.zeros_like(first)
    result = morph(codec, torch.stack([first, silent]), torch.stack([silent, second]), mix=1.3, config=PARTIALS_ONLY)
    left, right = result.square().mean(-1)
    assert float(right) > 1e-4 and float(left) < 1e-5 * float(right)


@pytest.mark.parametrize("first", ["harmonic", torch.zeros(800)])
def test_a_morph_without_a_codec_is_told_what_its_first_argument_must_be(first: object) -> None:
    with pytest.raises(InputError, match=rf"a codec, such as Codec.load\(\"harmonic\"\), got {type(first).__name__}"):
        morph(first, torch.zeros(800), torch.zeros(800))  # type: ignore[arg-type]
