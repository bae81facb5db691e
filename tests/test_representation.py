"""A sound goes to features and back: exact in level and balance, with its own phase or an estimated one."""

from dataclasses import FrozenInstanceError, replace
from typing import get_args

import numpy as np
import pytest
import torch
from conftest import tone
from pydantic import ValidationError

from intertone.errors import InputError
from intertone.metrics import spectral_convergence
from intertone.phase import PhaseConfig, PhaseMethod
from intertone.representation import (
    Analysis,
    DecibelConfig,
    MelConfig,
    SpectrogramContext,
    SpectrogramRepresentation,
    build_representation,
)
from intertone.stft import SpectrogramConfig, stft

HALF = DecibelConfig(spectrogram=SpectrogramConfig(n_fft=1024, hop_length=512))
QUARTER = DecibelConfig(spectrogram=SpectrogramConfig(n_fft=1024, hop_length=256))
MEL = MelConfig()
ESTIMATED = PhaseConfig(method="pghi-fast", n_iter=16)
NOTES = [(36, 1.0, 1.0), (45, 0.5, 3.0), (52, 1.5, 1.5), (60, 0.7, 6.0), (69, 2.0, 0.5), (81, 1.0, 2.0)]


def snr_db(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    return float(10 * torch.log10(reference.square().sum() / (estimate - reference).square().sum()))


def rms(audio: torch.Tensor) -> torch.Tensor:
    return audio.square().mean(-1).sqrt()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# what the network sees


@pytest.mark.parametrize(("config", "n_frames"), [(HALF, 126), (QUARTER, 251)])
def test_four_seconds_have_the_size_of_the_thesis(config: DecibelConfig, n_frames: int) -> None:
    representation = build_representation(config)
    features, _ = representation.analyse(tone(60, seconds=4))
    # 513 bins without the Nyquist row
    assert features.shape == (1, 512, n_frames)
    assert representation.n_features == 512
    assert representation.n_frames(64000) == n_frames
    assert representation.sample_rate == 16000


def test_features_are_decibels_below_the_maximum_over_the_range() -> None:
    audio = tone(57)
    features, context = build_representation(QUARTER).analyse(audio)
    magnitude = stft(audio, QUARTER.spectrogram).abs().numpy()[:-1]
    decibels = 20 * np.log10(np.maximum(magnitude / magnitude.max(), 1e-4))
    assert np.abs(features[0].numpy() - (1 + decibels / 80)).max() < 1e-5
    assert context.reference.item() == pytest.approx(magnitude.max())
    assert context.energy.item() == pytest.approx(stft(audio, QUARTER.spectrogram).abs().square().mean().item())
    assert not context.edited


def test_a_tone_reads_its_level_by_hand() -> None:
    # amplitudes 0.5 and 0.05 in bins 64 and 128: 0 dB and −20 dB, so 1 and 1 − 20/80; the reference is 0.5 · 512/2
    time = torch.arange(16000) / 16000
    audio = 0.5 * torch.cos(2 * torch.pi * 1000 * time) + 0.05 * torch.cos(2 * torch.pi * 2000 * time)
    features, context = build_representation(QUARTER).analyse(audio)
    assert features[0, 64, 30].item() == pytest.approx(1, abs=1e-3)
    assert features[0, 128, 30].item() == pytest.approx(0.75, abs=1e-3)
    assert context.reference.item() == pytest.approx(128, rel=0.01)


def test_level_is_not_in_the_features() -> None:
    representation = build_representation(QUARTER)
    loud, loud_context = representation.analyse(tone(57))
    quiet, quiet_context = representation.analyse(2**-10 * tone(57))
    assert torch.equal(loud, quiet)
    assert loud_context.reference.item() == 2**10 * quiet_context.reference.item()
    assert loud_context.energy.item() == 2**20 * quiet_context.energy.item()


def test_the_range_is_a_setting() -> None:
    audio = tone(57)
    small, large = (build_representation(DecibelConfig(top_db=top_db)).analyse(audio)[0] for top_db in (60.0, 120.0))
    above = small > 0
    # 1 + dB/60 and 1 + dB/120
    assert torch.allclose(60 * (small - 1)[above], 120 * (large - 1)[above], atol=1e-3)
    assert (large[~above] <= 0.5 + 1e-6).all()


# round trips


@pytest.mark.parametrize("config", [HALF, QUARTER])
@pytest.mark.parametrize(("pitch", "tilt", "decay"), NOTES)
def test_the_decibel_chain_keeps_55_decibels(config: DecibelConfig, pitch: int, tilt: float, decay: float) -> None:
    representation = build_representation(config)
    audio = tone(pitch, tilt=tilt, decay=decay)
    again = representation.synthesise(representation.analyse(audio))
    assert again.shape == audio.shape
    assert snr_db(again, audio) >= 55


def test_a_deeper_floor_keeps_more() -> None:
    audio = tone(45, tilt=0.5, decay=3)
    errors = []
    for top_db in (60.0, 80.0, 120.0):
        representation = build_representation(DecibelConfig(top_db=top_db))
        errors.append(snr_db(representation.synthesise(representation.analyse(audio)), audio))
    assert errors[0] + 15 < errors[1] < errors[2] - 15


@pytest.mark.parametrize("config", [HALF, QUARTER, MEL])
@pytest.mark.parametrize("samples", [1, 2, 255, 256, 1023, 4321])
@pytest.mark.parametrize("phase", [None, ESTIMATED])
def test_any_length_comes_back(config: DecibelConfig | MelConfig, samples: int, phase: PhaseConfig | None) -> None:
    representation = build_representation(config)
    audio = torch.randn(2, samples, generator=seeded())
    features, context = representation.analyse(audio)
    assert features.shape == (2, representation.n_features, representation.n_frames(samples))
    again = representation.synthesise(Analysis(features, context), phase=phase, generator=seeded())
    assert again.shape == (2, samples) and again.isfinite().all()
    if phase is None and isinstance(config, DecibelConfig):
        # what is lost is the Nyquist row: one of 513
        assert snr_db(again, audio) > 15


@pytest.mark.parametrize("shape", [(4000,), (1, 4000), (3, 4000), (2, 1, 4000), (2, 3, 4000)])
def test_axes_come_back_as_they_went(shape: tuple[int, ...]) -> None:
    representation = build_representation(QUARTER)
    audio = torch.stack([tone(50 + 3 * row, seconds=0.25) for row in range(6)]).flatten()[: np.prod(shape)].view(shape)
    features, context = representation.analyse(audio)
    assert features.shape == (np.prod(shape) // 4000, 512, 17)
    assert snr_db(representation.synthesise(Analysis(features, context)), audio) > 55
    assert context.reference.shape == context.energy.shape == (shape[0] if len(shape) == 3 else 1,)


@pytest.mark.parametrize("config", [QUARTER, MEL])
@pytest.mark.parametrize("phase", [None, ESTIMATED])
def test_silence_stays_silence(config: DecibelConfig | MelConfig, phase: PhaseConfig | None) -> None:
    representation = build_representation(config)
    features, context = representation.analyse(torch.zeros(2, 3000))
    assert not features.any()
    assert not representation.synthesise(Analysis(features, context), phase=phase, generator=seeded()).any()
    # and what a network might invent there is not made audible
    invented = representation.synthesise(Analysis(torch.rand_like(features), context), phase=phase, generator=seeded())
    assert invented.abs().max() < 1e-8


def test_a_batch_equals_one_by_one() -> None:
    representation = build_representation(QUARTER)
    audio = torch.stack([torch.stack([tone(p, seconds=0.25), 0.3 * tone(p + 7, seconds=0.25)]) for p in (45, 57, 64)])
    features, context = representation.analyse(audio)
    together = representation.synthesise(Analysis(features, context), phase=ESTIMATED, generator=seeded())
    generator = seeded()
    for item, sound in enumerate(audio):
        alone, alone_context = representation.analyse(sound)
        assert torch.equal(alone, features[2 * item : 2 * item + 2])
        again = representation.synthesise(Analysis(alone, alone_context), phase=ESTIMATED, generator=generator)
        assert torch.equal(again, together[item])


# level


def test_energy_scaling_is_exact() -> None:
    representation = build_representation(QUARTER)
    features, context = representation.analyse(tone(57))
    doubled = replace(context, energy=4 * context.energy)
    plain = representation.synthesise(Analysis(features, context))
    assert torch.allclose(representation.synthesise(Analysis(features, doubled)), 2 * plain, rtol=1e-6, atol=0)
    # cells 8 dB too low everywhere come out at the right level
    lower = torch.where(features > 0.1, features - 0.1, 0)
    highest_lost = torch.where(features > 0.1, features, 0)
    expected = representation.synthesise(Analysis(highest_lost, context))
    assert torch.allclose(representation.synthesise(Analysis(lower, context)), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("phase", [None, ESTIMATED])
def test_the_level_of_the_sound_comes_back(phase: PhaseConfig | None) -> None:
    representation = build_representation(QUARTER)
    for gain in (1e-4, 0.1, 1.0):
        audio = gain * tone(57)
        again = representation.synthesise(representation.analyse(audio), phase=phase, generator=seeded())
        assert rms(again) / rms(audio) == pytest.approx(1, abs=0.03)


def test_padding_columns_are_ignored_and_values_clamped() -> None:
    representation = build_representation(QUARTER)
    features, context = representation.analyse(tone(57, seconds=0.25))
    padded = torch.nn.functional.pad(features, (0, 5), value=1.0)
    assert torch.equal(
        representation.synthesise(Analysis(padded, context)), representation.synthesise(Analysis(features, context))
    )
    beyond = torch.where(features == 0, -3.0, features)
    assert torch.equal(
        representation.synthesise(Analysis(beyond, context)), representation.synthesise(Analysis(features, context))
    )


# channels


@pytest.mark.parametrize("phase", [None, ESTIMATED])
def test_a_stereo_pair_keeps_its_balance(phase: PhaseConfig | None) -> None:
    representation = build_representation(QUARTER)
    audio = torch.stack([tone(57), 0.1 * tone(57)])
    features, context = representation.analyse(audio)
    # one reference: the second channel's maximum reads −20 dB
    assert features.amax((-2, -1)).tolist() == pytest.approx([1.0, 0.75], abs=1e-4)
    again = representation.synthesise(Analysis(features, context), phase=phase, generator=seeded())
    assert (rms(again[0]) / rms(again[1])).item() == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("method", get_args(PhaseMethod))
def test_equal_channels_stay_equal_bit_for_bit(method: PhaseMethod) -> None:
    representation = build_representation(QUARTER)
    audio = tone(57, seconds=0.5).expand(3, -1)
    features, context = representation.analyse(audio)
    phase = PhaseConfig(method=method, n_iter=4)
    again = representation.synthesise(Analysis(features, context), phase=phase, generator=seeded())
    assert torch.equal(again[0], again[1]) and torch.equal(again[0], again[2])


def test_channels_of_opposite_polarity_do_not_cancel() -> None:
    representation = build_representation(QUARTER)
    note = tone(57)
    features, context = representation.analyse(torch.stack([note, -note]))
    again = representation.synthesise(Analysis(features, context), phase=ESTIMATED, generator=seeded())
    assert torch.allclose(again[0], -again[1], atol=1e-5)
    assert rms(again[0]) / rms(note) == pytest.approx(1, abs=0.05)
    assert spectral_convergence(again[0], note) < -25


def test_the_delay_between_channels_survives_an_estimated_phase() -> None:
    representation = build_representation(QUARTER)
    note = tone(57, tilt=0.5) + 0.3 * tone(64, tilt=0.5)
    delay = 5
    audio = torch.stack([note, torch.nn.functional.pad(note, (delay, 0))[:16000]])
    features, context = representation.analyse(audio)
    left, right = representation.synthesise(Analysis(features, context), phase=ESTIMATED, generator=seeded())
    lags = range(-12, 13)
    scores = [float((left[100:-100] * right[100 + lag : 15900 + lag]).sum()) for lag in lags]
    assert lags[int(np.argmax(scores))] == delay
    assert max(scores) / float(left.norm() * right.norm()) > 0.99


def test_one_silent_channel_stays_silent() -> None:
    representation = build_representation(QUARTER)
    features, context = representation.analyse(torch.stack([tone(57), torch.zeros(16000)]))
    again = representation.synthesise(Analysis(features, context), phase=ESTIMATED, generator=seeded())
    assert not again[1].any()
    assert spectral_convergence(again[0], tone(57)) < -25


# mel


def test_mel_bands_have_one_reference_and_come_back_close() -> None:
    representation = build_representation(MEL)
    audio = tone(57)
    features, context = representation.analyse(audio)
    assert features.shape == (1, 128, 64) and features.max() == 1 and features.min() >= 0
    again = representation.synthesise(Analysis(features, context))
    assert rms(again) / rms(audio) == pytest.approx(1, abs=0.1)
    assert spectral_convergence(again, audio) < -6


def test_mel_follows_its_own_settings() -> None:
    config = MelConfig(spectrogram=SpectrogramConfig(hop_length=512), n_mels=40, f_min=100, f_max=4000, top_db=60)
    representation = build_representation(config)
    assert representation.n_features == 40
    features, context = representation.analyse(torch.randn(1, 4000, generator=seeded()))
    assert features.shape == (1, 40, 9)
    bands = stft(representation.synthesise(Analysis(features, context)), config.spectrogram).abs().mean((0, 2))
    # 4000 Hz is bin 256
    assert bands[300:].max() < 0.05 * bands[20:240].mean()


# contexts


def contexts_of(*sounds: torch.Tensor) -> tuple[SpectrogramRepresentation, list[SpectrogramContext]]:
    representation = build_representation(QUARTER)
    return representation, [representation.analyse(sound)[1] for sound in sounds]


def test_mixing_takes_decibels_of_the_reference_and_the_mean_of_the_energy() -> None:
    representation, contexts = contexts_of(tone(57), tone(64))
    first = replace(contexts[0], reference=torch.tensor([100.0]), energy=torch.tensor([8.0]))
    second = replace(contexts[1], reference=torch.tensor([1.0]), energy=torch.tensor([4.0]))
    # 100^0.75 = 31.6228 and 0.75·8 + 0.25·4 = 7; half way 10 and 6
    for mix, reference, energy in [(0.0, 100, 8), (0.25, 31.6228, 7), (0.5, 10, 6), (1.0, 1, 4)]:
        mixed = representation.mix([first, second], torch.tensor([1 - mix, mix]))
        assert mixed.reference.item() == pytest.approx(reference, rel=1e-5)
        assert mixed.energy.item() == pytest.approx(energy, rel=1e-5)
        assert mixed.edited
        # the channels' phase differences come from the larger weight, at a tie from the later sound
        assert mixed.audio is (first if mix < 0.5 else second).audio


def test_mixing_three() -> None:
    representation, contexts = contexts_of(tone(57), tone(60), tone(64))
    edited = [
        replace(context, reference=torch.tensor([value]), energy=torch.tensor([value]))
        for context, value in zip(contexts, (1.0, 10.0, 1000.0), strict=True)
    ]
    mixed = representation.mix(edited, torch.tensor([0.2, 0.5, 0.3]))
    # 10^(0.5·1 + 0.3·3) = 25.1189 and 0.2 + 5 + 300
    assert mixed.reference.item() == pytest.approx(25.1189, rel=1e-5)
    assert mixed.energy.item() == pytest.approx(305.2, rel=1e-5)
    assert mixed.audio is edited[1].audio


def test_a_context_is_frozen() -> None:
    _, (context,) = contexts_of(tone(57))
    with pytest.raises(FrozenInstanceError):
        context.edited = True  # type: ignore[misc]


def test_the_phase_is_kept_for_an_untouched_code_and_estimated_for_an_edited_one() -> None:
    representation = build_representation(QUARTER)
    features, context = representation.analyse(tone(57, seconds=0.5))
    kept = representation.synthesise(Analysis(features, context), phase=PhaseConfig(method="kept"))
    assert torch.equal(representation.synthesise(Analysis(features, context)), kept)
    edited = replace(context, edited=True)
    estimated = representation.synthesise(Analysis(features, edited), phase=PhaseConfig(), generator=seeded())
    assert torch.equal(representation.synthesise(Analysis(features, edited), generator=seeded()), estimated)
    assert not torch.equal(kept, estimated)


def test_iterations_and_momentum_are_those_of_the_setting() -> None:
    representation = build_representation(QUARTER)
    features, context = representation.analyse(tone(57, seconds=0.1))

    def played(**settings: object) -> torch.Tensor:
        edited = Analysis(features, context.as_edited())
        return representation.synthesise(edited, phase=PhaseConfig.parse(settings), generator=seeded())

    fast = {"method": "fast-griffin-lim", "n_iter": 3}
    assert torch.equal(played(**fast, momentum=0), played(method="griffin-lim", n_iter=3))
    for other in ({**fast, "n_iter": 4}, {**fast, "momentum": 0.5}):
        assert not torch.equal(played(**other), played(**fast))


# refusals


def test_refusals() -> None:
    representation, (first, second) = contexts_of(tone(57), tone(57, seconds=0.5))
    features, _ = representation.analyse(tone(57))
    with pytest.raises(
        ValueError, match="the phase method kept must be used with a context that is not edited, got an edited one"
    ):
        representation.synthesise(Analysis(features, replace(first, edited=True)), phase=PhaseConfig(method="kept"))
    with pytest.raises(ValueError, match=r"one weight for each of equally shaped sounds .* got 2 for \[\(8000,\)"):
        representation.mix([first, second], torch.tensor([0.5, 0.5]))
    with pytest.raises(ValueError, match="one weight for each of equally shaped sounds must be given, got 1 for"):
        representation.mix([first, first], torch.tensor([1.0]))
    with pytest.raises(
        ValueError,
        match=r"audio must be \(batch, channels, samples\), or the last one or two of these axes, got \(1, 1, 1, 9\)",
    ):
        representation.analyse(torch.zeros(1, 1, 1, 9))
    for shape in ((0,), (1, 0), (0, 9), (0, 1, 9)):
        with pytest.raises(ValueError, match=r"audio must be .* of these axes, got \(.*0"):
            representation.analyse(torch.zeros(shape))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"top_db": 0}, "top_db must be greater than 0, got 0"),
        ({"top_db": float("nan")}, "top_db must be a finite number"),
        ({"topdb": 80}, "topdb is not a setting; did you mean top_db"),
        ({"n_mels": 64}, "n_mels is not a setting"),
        ({"spectrogram": {"hop_lenght": 256}}, "spectrogram.hop_lenght is not a setting; did you mean hop_length"),
        ({"spectrogram": {"hop_length": 600}}, r"hop_length must be in 1\.\.n_fft/2=512, got 600"),
    ],
)
def test_decibel_settings_refuse(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DecibelConfig.parse(content)


def test_mel_settings_refuse_bands_beyond_half_of_the_rate() -> None:
    for content in ({"f_max": 8001}, {"f_min": 5000, "f_max": 5000}, {"spectrogram": {"sample_rate": 8000}}):
        with pytest.raises(InputError, match="f_min < f_max"):
            MelConfig.parse(content)


@pytest.mark.parametrize("settings", [{"method": "spsi"}, {"n_iter": -1}, {"momentum": 1.0}, {"iterations": 3}])
def test_phase_settings_refuse(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PhaseConfig(**settings)  # type: ignore[arg-type]


def test_the_sound_has_the_energy_even_where_no_sound_has_the_image() -> None:
    representation = build_representation(QUARTER)
    _, context = representation.analyse(tone(57))
    image = 0.2 + 0.6 * torch.rand(1, 512, QUARTER.spectrogram.n_frames(len(tone(57))), generator=torch.manual_seed(3))
    sound = representation.synthesise(Analysis(image, replace(context, edited=True)), phase=ESTIMATED)
    energy = stft(sound, QUARTER.spectrogram).abs().square().mean()
    assert energy.item() == pytest.approx(context.energy.item(), rel=1e-4)


def test_a_short_sound_does_not_get_the_energy_of_a_long_one() -> None:
    representation = build_representation(QUARTER)
    long, short = tone(57, decay=0.1), tone(57, decay=40)
    (image_a, a), (image_b, b) = (representation.analyse(sound) for sound in (long, short))
    context = representation.mix([a, b], torch.tensor([0.5, 0.5]))
    assert context.least_energy.item() == b.energy.item() and context.loudest.item() == a.loudest.item()
    # the short one's image with the mean energy would be louder than either end
    sound = representation.synthesise(Analysis(image_b, context), phase=ESTIMATED)
    energies = stft(sound, QUARTER.spectrogram).abs().square().mean(-2)
    at_the_limits = (
        energies.max().item() == pytest.approx(a.loudest.item(), rel=1e-3),
        energies.mean().item() == pytest.approx(b.energy.item(), rel=1e-3),
    )
    assert any(at_the_limits) and energies.mean().item() < 0.9 * context.energy.item()
    # the long one's has room
    energies = (
        stft(representation.synthesise(Analysis(image_a, context), phase=ESTIMATED), QUARTER.spectrogram).abs().square()
    )
    assert energies.mean().item() == pytest.approx(context.energy.item(), rel=1e-3)
