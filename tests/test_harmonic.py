"""Harmonic features: where partials lie, how loud they are, and the way back."""

import math

import numpy as np
import pytest
import torch
from methods import by_partials, mixture
from torch import Tensor

from intertone.bench.synthetic_pairs import synthetic_pair
from intertone.curve import weighted_sum
from intertone.errors import InputError
from intertone.harmonic.morph.landmark import Landmarks, find_landmarks, mix_landmarks, positions
from intertone.harmonic.morph.mix import noise_reduction
from intertone.harmonic.onset import find_onset
from intertone.harmonic.tuning import refine_tuning
from intertone.harmonic.warp import Warped, interpolate_at, oversample, periods_of, play_partials
from intertone.metrics.fusion import beating
from intertone.metrics.spectral import log_mel, log_mel_error
from intertone.phase import PhaseConfig
from intertone.pitch.comb import Comb
from intertone.pitch.note import hz_to_pitch
from intertone.pitch.stiffness import stretched
from intertone.representation import Analysis, HarmonicConfig, HarmonicRepresentation

RATE = 16000
CONFIG = HarmonicConfig(sample_rate=RATE, hop_length=160, f_max=7600)


@pytest.fixture(scope="module")
def representation() -> HarmonicRepresentation:
    return HarmonicRepresentation(CONFIG)


def tone(
    f0: float, levels: list[float], *, seconds: float = 0.8, inharmonicity: float = 0.0, vibrato: float = 0.0
) -> Tensor:
    """Partials of given levels in dB, all starting at phases of their own."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    periods = f0 * time
    if vibrato:
        periods = periods - f0 * (2 ** (vibrato / 1200) - 1) / (2 * math.pi * 6) * torch.cos(2 * math.pi * 6 * time)
    sound = torch.zeros_like(time)
    for index, level in enumerate(levels):
        multiple = (index + 1) * math.sqrt(1 + inharmonicity * (index + 1) ** 2)
        sound += 10 ** (level / 20) * torch.sin(2 * math.pi * multiple * periods + 1.7 * index**2)
    return (0.2 * sound).float()


def decibels(features: Tensor) -> Tensor:
    return (features - 1) * CONFIG.top_db


@pytest.mark.parametrize("f0", [41.2, 110.0, 443.0, 1500.0])
def test_levels_of_partials_are_those_that_were_played(representation: HarmonicRepresentation, f0: float) -> None:
    levels = [0.0, -6.0, -20.0, -12.0]
    features, context = representation.analyse(tone(f0, levels))
    found = decibels(features)[0, :4, 20:60].median(1).values
    assert torch.allclose(found - found[0], torch.tensor(levels), atol=0.15)
    assert abs(1200 * math.log2(float(context.sounds[0].f0[40]) / f0)) < 1


def test_the_reference_is_the_loudest_sinusoid(representation: HarmonicRepresentation) -> None:
    features, context = representation.analyse(tone(220, [0.0]))
    assert context.sounds[0].reference == pytest.approx(0.2, rel=0.02)
    assert float(decibels(features)[0, 0, 30]) == pytest.approx(0, abs=0.1)


def test_rows_above_the_single_partials_hold_the_energy_of_their_group(representation: HarmonicRepresentation) -> None:
    edges = CONFIG.edges
    assert edges[:3] == (1, 2, 3) and edges[63:66] == (64, 65, edges[65])
    widths = np.diff(edges)[64:]
    assert np.all(widths >= 1) and edges[-1] - 1 >= 7600 // 27.5
    assert np.all(np.diff(widths) >= -1) and widths[-1] > widths[0]
    levels = torch.zeros(1, edges[-1] - 1, 1)
    levels[:, 70:] = 0.5
    rows = representation.synthesiser.rows.partial_rows(levels)
    energy = (rows[0, 64:, 0].square() * torch.tensor(widths)).sum()
    assert float(energy) == pytest.approx(float(levels[:, 64:].square().sum()), rel=1e-5)


@pytest.mark.parametrize("inharmonicity", [0.0, 1e-4, 5e-4])
def test_inharmonicity_is_found(representation: HarmonicRepresentation, inharmonicity: float) -> None:
    sound = tone(131, [-3.0 * k for k in range(20)], inharmonicity=inharmonicity)
    _, context = representation.analyse(sound)
    assert context.sounds[0].inharmonicity == pytest.approx(inharmonicity, abs=2e-5)


def test_vibrato_is_followed_and_does_not_blur_the_partials(representation: HarmonicRepresentation) -> None:
    levels = [-2.0 * k for k in range(12)]
    features, context = representation.analyse(tone(300, levels, vibrato=40))
    f0 = context.sounds[0].f0[15:65]
    assert 1200 * math.log2(float(f0.max() / f0.min())) == pytest.approx(80, abs=12)
    found = decibels(features)[0, :12, 20:60].median(1).values
    assert torch.allclose(found - found[0], torch.tensor(levels), atol=0.7)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "make",
    [
        lambda: tone(98, [0.0, -3.0, -9.0]),
        lambda: 0.1 * torch.randn(9000, generator=torch.Generator().manual_seed(3)),
        lambda: torch.zeros(4000),
        lambda: torch.nn.functional.pad(torch.ones(7), (900, 2500)),
        lambda: torch.full((1,), 0.5),
        lambda: torch.full((3000,), 0.25),
    ],
    ids=["tone", "noise", "silence", "click", "sample", "constant"],
)
def test_the_way_back_is_exact_with_the_sounds_own_noise(
    representation: HarmonicRepresentation, make: object, channels: int
) -> None:
    sound = make()  # type: ignore[operator]
    sound = sound if channels == 1 else torch.stack([sound, -0.3 * sound.flip(0)])
    features, context = representation.analyse(sound)
    assert features.shape == (channels, 128, representation.n_frames(sound.shape[-1]))
    assert 0 <= float(features.min()) and float(features.max()) <= 1
    again = representation.synthesise(Analysis(features, context))
    assert again.shape == sound.shape
    error = float((again - sound).square().sum())
    assert error <= 1e-9 * max(float(sound.square().sum()), 1e-9)


def test_a_batch_is_its_sounds_one_by_one(representation: HarmonicRepresentation) -> None:
    sounds = torch.stack([tone(220, [0.0, -5.0]), tone(330, [0.0, -9.0])]).unsqueeze(1)
    features, context = representation.analyse(sounds)
    for item in range(2):
        alone, own = representation.analyse(sounds[item])
        assert torch.equal(features[item], alone[0]) and torch.equal(context.sounds[item].f0, own.sounds[0].f0)
    assert representation.synthesise(Analysis(features, context)).shape == sounds.shape


@pytest.mark.parametrize("name", ["S2", "S4", "S5"])
def test_without_the_sounds_own_noise_it_still_sounds_alike(representation: HarmonicRepresentation, name: str) -> None:
    sound = synthetic_pair(name, seed=1, sample_rate=RATE).a
    features, context = representation.analyse(sound)
    other = representation.synthesise(Analysis(features, context.as_edited()))
    assert float((other - sound).abs().max()) > 1e-4  # other noise
    assert float(log_mel_error(other, sound)) < 1.0


def test_edited_silence_stays_silent(representation: HarmonicRepresentation) -> None:
    features, context = representation.analyse(torch.zeros(2, 5000))
    assert float(representation.synthesise(Analysis(features, context.as_edited())).abs().max()) < 1e-5


def test_changed_features_have_the_level_of_the_sound(representation: HarmonicRepresentation) -> None:
    sound = tone(220, [0.0, -6.0, -9.0])
    features, context = representation.analyse(sound)
    own = representation.synthesise(Analysis(features, context.as_edited()))
    quieter = representation.synthesise(Analysis((features - 0.05).clamp_min(0), context.as_edited()))  # 5 dB
    assert float(quieter.square().mean() / own.square().mean()) == pytest.approx(1, rel=1e-5)
    assert float(own.square().mean() / sound.square().mean()) == pytest.approx(1, rel=0.003)


def test_hardly_changed_features_change_the_sound_hardly(representation: HarmonicRepresentation) -> None:
    """The gain that keeps the level of an edited sound is 1 where nothing is changed, and near it for small changes."""
    noise = 0.1 * torch.randn(1, 12800, generator=torch.Generator().manual_seed(1))
    features, context = representation.analyse(tone(220, [0.0, -6.0, -9.0]) + noise)
    own, near = (
        representation.synthesise(Analysis(each, context.as_edited())) for each in (features, features * 0.99999)
    )
    assert 0 < float((near - own).abs().max()) < 1e-3


def test_a_given_f0_is_used(representation: HarmonicRepresentation) -> None:
    sound = tone(220, [0.0, -5.0])
    _, context = representation.analyse(sound, f0=torch.full((81,), 110.0))
    assert float(context.sounds[0].f0.median()) == pytest.approx(110, rel=1e-3)


def test_kept_phase_of_an_edited_code_is_refused(representation: HarmonicRepresentation) -> None:
    features, context = representation.analyse(tone(220, [0.0]))
    with pytest.raises(ValueError, match="the phase method kept must be used with a context that is not edited"):
        representation.synthesise(Analysis(features, context.as_edited()), phase=PhaseConfig(method="kept"))


@pytest.mark.parametrize("shape", [(0,), (1, 1, 1, 100)])
def test_what_is_no_sound_is_refused(representation: HarmonicRepresentation, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="audio must be"):
        representation.analyse(torch.zeros(shape))


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"f_max": 30000}, "f_max"), ({"hop_length": 4000}, "hop_length"), ({"n_noise": 128}, "hold a bin")],
)
def test_settings_that_cannot_be(settings: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        HarmonicConfig.parse(settings)


def test_the_first_frame_is_the_onset(representation: HarmonicRepresentation) -> None:
    sound = tone(440, [0.0, -6.0], seconds=0.4)
    features, context = representation.analyse(torch.cat([torch.zeros(3000), sound]))
    assert abs(context.sounds[0].onset - 3000) < 40
    assert float(decibels(features)[0, 0, 0]) > -3  # no ramp: the attack is as sharp as it was
    assert float(features[0, :64, -10:].max()) == 0


def test_onset_of_a_slow_attack_is_where_it_is_within_46_db() -> None:
    ramp = torch.linspace(0, 1, 8000)[None]
    assert find_onset(ramp, 8000) == pytest.approx(8000 * 10 ** (-46 / 20), abs=30)
    assert find_onset(torch.zeros(1, 100), 8000) == 0


@pytest.mark.parametrize("noise_db", [-70, -50, -40, -30])
@pytest.mark.parametrize("kind", ["white", 50, 100])
def test_a_note_begins_behind_the_noise_of_its_recording(noise_db: float, kind: str | int) -> None:
    time = torch.arange(16000) / 16000
    note = torch.sin(2 * torch.pi * 220 * time) * (-2 * time).exp()
    sound = torch.cat([torch.zeros(4800), note])[None]
    noise = torch.randn(sound.shape, generator=torch.Generator().manual_seed(0))
    if isinstance(kind, int):
        noise = torch.sin(2 * torch.pi * kind * torch.arange(sound.shape[1]) / 16000)[None]
    assert find_onset(sound + 10 ** (noise_db / 20) * noise, 16000) == pytest.approx(4800, abs=80)


@pytest.mark.parametrize("level_db", [-22, -25, -30, -40])
def test_a_soft_tone_before_a_loud_one_is_no_noise(level_db: float) -> None:
    time = torch.arange(32000) / 16000
    sound = sum(torch.sin(2 * torch.pi * 220 * order * time) / order for order in range(1, 8))
    gain = torch.where(time < 1, 10 ** (level_db / 20), 1.0)
    assert find_onset((sound * gain)[None], 16000) == 0


def test_loud_steady_noise_before_a_blow_is_part_of_the_sound() -> None:
    noise = torch.randn(32000, generator=torch.Generator().manual_seed(0))
    gain = torch.where(torch.arange(32000) < 16000, 10 ** (-22 / 20), 1.0)
    assert find_onset((0.1 * noise * gain)[None], 16000) == 0


def test_nothing_begins_at_its_start() -> None:
    assert find_onset(torch.zeros(2, 0), 16000) == 0


@pytest.mark.parametrize("seconds", [0.05, 0.5, 0.9, 1.3, 2.0])
@pytest.mark.parametrize("law", ["linear", "exponential"])
def test_a_slow_beginning_is_no_noise(seconds: float, law: str) -> None:
    time = torch.arange(48000) / 16000
    rise = (time / seconds).clamp(0, 1)
    gain = rise if law == "linear" else 10 ** (60 * (rise - 1) / 20)
    sound = (torch.sin(2 * torch.pi * 220 * time) * gain)[None]
    assert find_onset(sound, 16000) / 16000 < (0.02 if law == "linear" else 0.25) * seconds + 0.005


def test_places_between_samples_follow_a_sinusoid() -> None:
    time = torch.arange(400, dtype=torch.float64)
    sound = torch.sin(2 * math.pi * 0.1 * time)[None]
    places = torch.linspace(10, 380, 1000, dtype=torch.float64)
    wanted = torch.sin(2 * math.pi * 0.1 * places).float()
    assert float((interpolate_at(sound, places)[0] - wanted).abs().max()) < 3e-4  # -74 dB and rounding


def test_turns_are_the_integral_of_f0() -> None:
    periods = periods_of(torch.tensor([100.0, 200.0], dtype=torch.float64), 1000, 1000, 1001)
    assert float(periods[-1]) == pytest.approx(150, rel=1e-6)  # mean of 100 and 200 Hz for a second


def test_measuring_and_playing_are_inverse() -> None:
    f0 = torch.linspace(200, 260, 51, dtype=torch.float64)
    periods = periods_of(f0, 160, RATE, 8000)
    multiples = stretched(8, 1e-4)
    centres = torch.arange(0, float(periods[-1]) + 2, 2, dtype=torch.float64)
    amplitudes = torch.polar(
        torch.full((1, 8, len(centres)), 0.05), torch.arange(8.0)[None, :, None].expand(1, 8, len(centres))
    )
    sound = play_partials(amplitudes, multiples, centres, periods, RATE, 200.0)
    warped = Warped(oversample(sound, RATE), periods, RATE, 200.0)
    found = warped.measure(multiples, torch.linspace(10, 90, 20, dtype=torch.float64), 4.0)
    assert torch.allclose(found, amplitudes[..., :1].expand_as(found), atol=5e-4)


def test_a_wrong_pitch_is_corrected() -> None:
    sound = tone(200, [-3.0 * k for k in range(15)])[None]
    wrong = torch.full((81,), 200 * 1.006, dtype=torch.float64)  # 10 cents too high
    periods = periods_of(wrong, 160, RATE, sound.shape[-1])
    warped = Warped(oversample(sound, RATE), periods, RATE, float(wrong[0]))
    centres = periods[(torch.arange(81) * 160).clamp(max=len(periods) - 1)]
    correction, _ = refine_tuning(warped, wrong, centres, length=3.0, n_partials=15, frame_rate=100)
    assert torch.allclose(correction[5:-5], torch.full((71,), 1 / 1.006 - 1, dtype=torch.float64), atol=3e-4)


def test_landmarks_of_a_held_note_and_of_a_dying_one() -> None:
    held = torch.cat([torch.linspace(-50, 0, 6), torch.zeros(60), torch.linspace(-5, -55, 12)])
    marks = find_landmarks(held, 90)
    assert 4.5 < marks.attack < 5 and marks.release == pytest.approx(66, abs=1) and marks.end == 90
    dying = find_landmarks(torch.linspace(0, -80, 81), 81)
    assert dying.attack < 1 and dying.release == pytest.approx(60, abs=1)  # no knee: where it is no longer heard


def test_landmarks_at_an_end_are_its_own_to_the_last_digit() -> None:
    a, b = Landmarks(1.37, 77.7, 99.9), Landmarks(5.2, 130.1, 200.3)
    assert mix_landmarks([a, b], [1.0, 0.0]) is a and mix_landmarks([a, b], [0.0, 1.0]) is b
    assert torch.equal(positions(a, a, 50), torch.arange(50.0, dtype=torch.float64))


def test_times_never_run_backwards() -> None:
    a, b = Landmarks(0.3, 0.3, 5), Landmarks(50, 60, 61)
    for weight in (-0.5, 0.1, 0.5, 0.9, 1.5):
        common = mix_landmarks([a, b], [1 - weight, weight])
        assert 0 < common.attack <= common.release <= common.end
        for own in (a, b):
            places = positions(own, common, math.ceil(common.end))
            assert bool((places.diff() >= 0).all()) and float(places.max()) <= own.end


def test_remains_of_partials_are_not_made_loud_as_noise(representation: HarmonicRepresentation) -> None:
    sound = tone(440, [0.0, -6.0, -9.0], seconds=0.5)
    remains = 1e-4 * torch.sin(2 * math.pi * 650 * torch.arange(len(sound)) / RATE)
    features, context = representation.analyse(sound + remains)
    noisy = features.clone()
    noisy[:, 96:] = 0.7  # 50 dB louder than what is left
    loud = representation.synthesiser._sound(
        representation.synthesiser.rows.applied(noisy, context.sounds[0]), torch.Generator().manual_seed(0)
    )[0]
    rest = (loud - sound)[2000:6000]
    power = torch.fft.rfft(rest.double() * torch.hann_window(4000, dtype=torch.float64)).abs().square()
    hz = torch.arange(len(power)) * RATE / 4000
    near, beside = (hz - 650).abs() < 9, ((hz - 650).abs() > 30) & ((hz - 650).abs() < 120)
    # as flat there as beside it: noise, no tone
    assert 10 * math.log10(float(power[near].mean() / power[beside].mean())) < 6


def test_what_is_left_of_the_partials_goes_along_with_them(representation: HarmonicRepresentation) -> None:
    # fast wavering is left in the own noise of the sound: 0.7 cents higher it would beat
    time = torch.arange(25600, dtype=torch.float64) / RATE
    wavering = torch.randn(1, 1, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wavering = 1 + 0.3 * torch.nn.functional.interpolate(wavering, size=len(time), mode="linear")[0, 0]
    sound = (0.1 * wavering * sum(torch.sin(2 * math.pi * 440 * k * time) / k for k in range(1, 6))).float()
    analysis = representation.analyse(sound)
    higher = hz_to_pitch(1.0004 * float(analysis.context.sounds[0].f0.median()))
    moved = representation.synthesise(mixture(by_partials(CONFIG), [analysis], [1.0], pitch=str(higher)))
    assert (log_mel(moved) - log_mel(sound)).abs().mean() < 0.2


def test_partials_that_turn_at_random_do_not_beat_half_way(representation: HarmonicRepresentation) -> None:
    # each partial of the first sound wanders in phase, none in level; the mean of their phasors would go through zero
    time = torch.arange(22400, dtype=torch.float64) / RATE
    walk = torch.randn(6, 1, 57, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(-1)
    walk = 0.15 * torch.nn.functional.interpolate(walk, size=len(time), mode="linear")[:, 0]
    parts = [torch.sin(2 * math.pi * (330 * k * time + walk[k - 1])) / k for k in range(1, 7)]
    sounds = [(0.2 * torch.stack(parts).sum(0)).float(), tone(330, [0.0, -6, -12, -9, -15, -20], seconds=1.4)]
    middle = mixture(by_partials(CONFIG), [representation.analyse(sound) for sound in sounds], [0.5, 0.5])
    beats = [beating(sound, RATE, Comb(330, 0, 1)) for sound in (*sounds, representation.synthesise(middle))]
    assert beats[2] < 0.1


def test_the_louder_noise_gives_way_first() -> None:
    loud, soft = torch.full((1, 1, 5), 0.8), torch.full((1, 1, 5), 0.4)
    for share, noise in ((0.0, 0.8), (1.0, 0.4), (0.5, 0.52), (0.75, 0.44)):
        weights = torch.tensor([1 - share, share])[:, None].expand(2, 5)
        mixed = weighted_sum([loud, soft], weights) - noise_reduction([loud, soft], weights)
        assert torch.allclose(mixed, torch.tensor(noise), atol=1e-6)
    assert not bool(noise_reduction([loud] * 3, torch.tensor([0.3, 0.3, 0.4])[:, None].expand(3, 5)).any())


@pytest.mark.parametrize("cents", [0.5, 10, 30])
def test_noise_that_goes_along_stays_as_loud(representation: HarmonicRepresentation, cents: float) -> None:
    time = torch.arange(2 * RATE, dtype=torch.float64) / RATE
    noise = 0.02 * torch.randn(len(time), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sound = (0.2 * torch.sin(2 * math.pi * 440 * time) + noise).float()
    analysis = representation.analyse(sound)
    pitch = hz_to_pitch(analysis.context.sounds[0].median_hz) + cents / 100
    moved = representation.synthesise(mixture(by_partials(CONFIG), [analysis], [1.0], pitch=str(pitch)))
    powers = [torch.fft.rfft(each.double()).abs().square() for each in (moved, sound)]
    for low, high in ((600, 2000), (2000, 4000), (4000, 7500)):
        ratio = powers[0][2 * low : 2 * high].sum() / powers[1][2 * low : 2 * high].sum()
        assert abs(10 * math.log10(float(ratio))) < 0.4
