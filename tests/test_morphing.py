"""A morph is the decoded mean of two codes: through the network, between the ends, the same for the same seed."""

import logging
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from conftest import SMALL_MODEL, tone, untrained_codec

from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.latent import lerp
from intertone.metrics import log_mel_error
from intertone.models import DenseBottleneckConfig
from intertone.morphing import match_shapes, morph, morph_steps
from intertone.phase import PhaseConfig, PhaseMethod
from intertone.representation import DecibelConfig

A = tone(48, tilt=0.5, seconds=0.5)
B = tone(60, tilt=1.5, decay=4, seconds=0.5)
QUICK = PhaseConfig(method="pghi")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rms(audio: torch.Tensor) -> float:
    return float(audio.square().mean().sqrt())


@pytest.fixture(scope="module")
def codec() -> Codec:
    return untrained_codec()


@pytest.fixture(scope="module")
def taught_codec() -> Codec:
    """The same, after it has seen a few notes a hundred times."""
    codec = untrained_codec()
    audio = torch.stack([A, B, tone(52, seconds=0.5), tone(57, tilt=0.7, seconds=0.5)])
    features, _ = codec.representation.analyse(audio.unsqueeze(1))
    optimiser = torch.optim.Adam(codec.model.parameters(), lr=5e-3)
    codec.model.train()
    for _ in range(100):
        loss = (codec.model(features) - features).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    codec.model.eval()
    return codec


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained codec decodes clicks, whose peaks the guard on the level would lower."""
    monkeypatch.setattr("intertone.morphing.render.limit_level", lambda sound, *_: sound)


# what a morph is


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("method", get_args(PhaseMethod))
def test_half_way_is_the_decoded_mean_of_both_codes(codec: Codec, method: PhaseMethod) -> None:
    phase = PhaseConfig(method=method, n_iter=4)
    latents_a, context_a = codec.encode(A)
    latents_b, context_b = codec.encode(B)
    context = codec.representation.mix([context_a, context_b], torch.tensor([0.5, 0.5]))
    expected = codec.decode((latents_a + latents_b) / 2, context, phase=phase, generator=seeded(3))
    assert torch.equal(morph(codec, A, B, phase=phase, generator=seeded(3)), expected)


@pytest.mark.usefixtures("unlimited")
def test_a_quarter_takes_a_quarter_of_b(codec: Codec) -> None:
    latents_a, context_a = codec.encode(A)
    latents_b, context_b = codec.encode(B)
    context = codec.representation.mix([context_a, context_b], torch.tensor([0.75, 0.25]))
    expected = codec.decode(0.75 * latents_a + 0.25 * latents_b, context, phase=QUICK, generator=seeded())
    assert torch.equal(morph(codec, A, B, mix=0.25, phase=QUICK), expected)


@pytest.mark.usefixtures("unlimited")
def test_the_ends_are_the_reconstructions_with_estimated_phase(codec: Codec) -> None:
    for mix, sound in ((0.0, A), (1.0, B)):
        expected = codec.reconstruct(sound, phase=QUICK, generator=seeded())
        # equal but for the rounding of a reference that went to decibels and back
        assert torch.allclose(morph(codec, A, B, mix=mix, phase=QUICK), expected, atol=1e-4)


def test_at_the_ends_the_other_sound_does_not_matter(codec: Codec) -> None:
    other = 0.01 * tone(71, tilt=0.2, decay=0.1, seconds=0.5)
    for mix, equal in ((0.0, True), (0.01, False)):
        first, second = (morph(codec, A, sound, mix=mix, phase=QUICK) for sound in (B, other))
        assert torch.equal(first, second) == equal
        first, second = (morph(codec, sound, A, mix=1 - mix, phase=QUICK) for sound in (B, other))
        assert torch.equal(first, second) == equal


def test_the_order_of_the_sounds_is_the_direction_of_the_mix(codec: Codec) -> None:
    forth, back = morph(codec, A, B, mix=0.25, phase=QUICK), morph(codec, B, A, mix=0.75, phase=QUICK)
    assert torch.allclose(forth, back, atol=1e-5)


def test_the_network_is_in_the_path(codec: Codec, taught_codec: Codec) -> None:
    taught = morph(taught_codec, A, B)
    assert log_mel_error(morph(codec, A, B), taught) > 6
    assert log_mel_error(morph(untrained_codec(seed=1), A, B), taught) > 6
    # two that never learned anything differ too, though both make noise
    assert log_mel_error(morph(codec, A, B), morph(untrained_codec(seed=1), A, B)) > 3


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_loudness_lies_between_the_ends(codec: Codec, gain: float) -> None:
    levels = [rms(sound) for sound in morph_steps(codec, A, gain * B, mixes=[0, 0.25, 0.5, 0.75, 1], phase=QUICK)]
    assert levels == sorted(levels, reverse=gain < 1)
    # the energy is interpolated, not the decibels: half way the louder end has lost no more than 3 dB
    assert levels[2] > max(levels) / 2**0.5 * 0.97


# shapes


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "shape"),
    [
        ((8000,), (8000,), (8000,)),
        ((8000,), (6001,), (8000,)),
        ((1, 5000), (8000,), (1, 8000)),
        ((8000,), (2, 7000), (2, 8000)),
        ((2, 8000), (3, 8000), (3, 8000)),
        ((2, 1, 4000), (2, 1, 4001), (2, 1, 4001)),
        ((2, 1, 4000), (2, 2, 3000), (2, 2, 4000)),
        ((1,), (1,), (1,)),
        ((1,), (4000,), (4000,)),
    ],
)
def test_the_longer_length_and_the_larger_number_of_channels(
    codec: Codec, shape_a: tuple[int, ...], shape_b: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    sounds = [torch.randn(size, generator=seeded(seed)) for seed, size in enumerate((shape_a, shape_b))]
    result = morph(codec, *sounds, phase=QUICK)
    assert result.shape == shape and result.isfinite().all()


def test_the_shorter_is_completed_with_silence_and_the_missing_channels_with_the_mean() -> None:
    a, b = match_shapes(torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.arange(9.0).view(3, 3))
    assert a.tolist() == [[1, 2, 0], [3, 6, 0], [2, 4, 0]]
    assert torch.equal(b, torch.arange(9.0).view(3, 3))
    a, b = match_shapes(torch.tensor([1.0, 2.0]), torch.tensor([[5.0], [7.0]]))
    assert a.tolist() == [[1, 2], [1, 2]]
    assert b.tolist() == [[5, 0], [7, 0]]


def test_mono_with_stereo_is_the_mono_on_both_sides(codec: Codec) -> None:
    stereo = torch.stack([B, 0.5 * B])
    assert torch.equal(
        morph(codec, A, stereo, mix=0.25, phase=QUICK),
        morph(codec, torch.stack([A, A]), stereo, mix=0.25, phase=QUICK),
    )


def test_two_mono_sounds_in_two_equal_channels_stay_equal(codec: Codec) -> None:
    result = morph(codec, A.expand(2, -1), B.expand(2, -1))
    assert torch.equal(result[0], result[1])


def test_what_was_completed_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="intertone"):
        match_shapes(torch.zeros(2, 5), torch.zeros(8))
    assert caplog.messages == [
        "A was padded with silence from 5 to 8 samples",
        "B was extended from 1 to 2 channels",
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="intertone"):
        match_shapes(torch.zeros(2, 5), torch.zeros(2, 5))
    assert caplog.messages == []


def test_a_batch_equals_one_by_one(codec: Codec) -> None:
    sounds_a = torch.stack([A, B, tone(55, seconds=0.5)]).unsqueeze(1)
    sounds_b = torch.stack([B, tone(64, seconds=0.5), A]).unsqueeze(1)
    together = morph(codec, sounds_a, sounds_b, phase=QUICK, generator=seeded(1))
    generator = seeded(1)  # consumed sound by sound
    for item in range(3):
        alone = morph(codec, sounds_a[item], sounds_b[item], phase=QUICK, generator=generator)
        # a code that differs in its last bit (6e-8) grows in the phase iterations
        assert (together[item] - alone).norm() < 5e-4 * alone.norm()
    # each sound of a batch has its own reference: the loudness of one says nothing about another
    louder = morph(codec, sounds_a * torch.tensor([1, 8, 1]).view(3, 1, 1), sounds_b, phase=QUICK, generator=seeded(1))
    assert torch.equal(louder[0], together[0])


# seeds and steps


def test_the_same_seed_gives_the_same_bits(codec: Codec) -> None:
    phase = PhaseConfig(method="fast-griffin-lim", n_iter=3)
    first, again, other = (morph(codec, A, B, phase=phase, generator=seeded(seed)) for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_a_generator_the_seed_is_0_and_torchs_own_stays(codec: Codec) -> None:
    state = torch.get_rng_state()
    result = morph(codec, A, B, phase=PhaseConfig(n_iter=2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(result, morph(codec, A, B, phase=PhaseConfig(n_iter=2), generator=seeded(0)))


def test_steps_equal_single_calls(codec: Codec) -> None:
    mixes = [0.0, 0.3, 0.5, 1.0]
    phase = PhaseConfig(method="fast-griffin-lim", n_iter=2)
    steps = list(morph_steps(codec, A, B, mixes=mixes, phase=phase, generator=seeded(2)))
    for mix, step in zip(mixes, steps, strict=True):
        assert torch.equal(step, morph(codec, A, B, mix=mix, phase=phase, generator=seeded(2)))


def test_both_sounds_are_analysed_once(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []
    encode: Callable[..., object] = codec.analyse
    monkeypatch.setattr(codec, "analyse", lambda audio: (encoded.append(1), encode(audio))[1])
    assert len(list(morph_steps(codec, A, B, mixes=[0, 0.5, 1], phase=QUICK))) == 3
    assert len(encoded) == 2


@pytest.mark.parametrize(("mix", "sound"), [(0.0, A), (1.0, B)])
def test_the_kept_phase_at_an_end_is_the_reconstruction(codec: Codec, mix: float, sound: torch.Tensor) -> None:
    kept = morph(codec, A, B, mix=mix, phase=PhaseConfig(method="kept"))
    assert torch.equal(kept, codec.reconstruct(sound))


# operations on latents


def test_interpolation_is_exact_at_the_ends() -> None:
    a, b = torch.randn(2, 3, 4, 5, generator=seeded())
    assert torch.equal(lerp(a, b, 0), a) and torch.equal(lerp(a, b, 1), b)
    assert torch.equal(lerp(a, b, 0.5), (a + b) / 2)
    assert torch.allclose(lerp(a, b, 2), 2 * b - a, atol=1e-6)
    assert torch.equal(lerp(a, b, 0.25), 0.75 * a + 0.25 * b)
    with pytest.raises(ValueError, match=r"latents must have equal shapes, got \(3, 4, 5\) and \(3, 4\)"):
        lerp(a, b[..., 0], 0.5)


# refusals


@pytest.mark.parametrize("mix", [float("nan"), float("inf"), -0.51, 1.6])
def test_a_mix_that_is_no_ratio(codec: Codec, mix: float) -> None:
    with pytest.raises(InputError, match=r"mix must be in -0\.5\.\.1\.5, got"):
        morph(codec, A, B, mix=mix)
    with pytest.raises(InputError, match=r"mix must be in -0\.5\.\.1\.5, got"):
        morph_steps(codec, A, B, mixes=[0.5, mix])


def test_the_kept_phase_between_the_ends(codec: Codec) -> None:
    with pytest.raises(InputError, match=r"the phase method kept must be used at mix 0 or 1, got mix 0\.5"):
        morph(codec, A, B, mix=0.5, phase=PhaseConfig(method="kept"))


@pytest.mark.parametrize(
    ("shape_a", "shape_b"),
    [((2, 1, 80), (3, 1, 80)), ((2, 1, 80), (1, 80)), ((80,), (2, 1, 80)), ((1, 1, 1, 80), (1, 1, 1, 80))],
)
def test_batches_that_do_not_match(codec: Codec, shape_a: tuple[int, ...], shape_b: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"all sounds must be batches of the same size|audio must be \(batch, channels"
    ):
        morph(codec, torch.zeros(shape_a), torch.zeros(shape_b))


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 80)])
def test_a_sound_without_samples(codec: Codec, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must"):
        morph(codec, torch.zeros(shape), torch.zeros(shape))


def test_a_codec_of_one_length_completes_shorter_sounds_and_refuses_longer_ones() -> None:
    dense = SMALL_MODEL.model_copy(update={"bottleneck": DenseBottleneckConfig(size=4, n_frames=33)})
    codec = Codec(CodecConfig(representation=DecibelConfig(), model=dense))
    assert codec.fixed_length == 8192
    assert morph(codec, A[:5000], B[:6000]).shape == (8192,)
    with pytest.raises(InputError, match=r"a sound must last 0\.512 s for this codec, got"):
        morph(codec, torch.cat([A, A]), B[:6000])
