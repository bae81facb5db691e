"""What lies between harmonic sounds of which one has ended, is silent, or has partials that the other lacks."""

import math
from collections.abc import Sequence

import pytest
import torch
from conftest import SAMPLE_RATE, tone
from methods import by_partials, mixture
from torch import Tensor

from intertone.bench.hard.fall import cliff_db
from intertone.harmonic.morph.landmark import Landmarks, complete_releases, find_landmarks, mix_landmarks, positions
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.tuning import find_pitch
from intertone.morphing import MorphConfig, morph
from intertone.morphing.weights import Weights
from intertone.pitch.note import hz_to_cents, hz_to_pitch, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis, HarmonicConfig, HarmonicRepresentation

CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
METHOD = by_partials(CONFIG)


def test_a_sound_that_breaks_off_does_not_break_off_the_mixture() -> None:
    time = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    drum = tone(69, seconds=2.0, decay=6.0) * torch.exp(-40 * (time - 0.3).clamp(min=0)) * (time < 0.42)
    strings = tone(69, seconds=2.0, decay=0.0) * torch.exp(-3 * (time - 1).clamp(min=0)) * (time / 0.1).clamp(max=1)
    sounds = [drum, strings]
    analyses = [REPRESENTATION.analyse(each) for each in sounds]
    for mix in (0.25, 0.5, 0.75):
        between = REPRESENTATION.synthesise(mixture(METHOD, analyses, [1 - mix, mix], alignment="envelope"))
        assert between.shape == drum.shape and cliff_db(between, sounds, SAMPLE_RATE) < 12


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_a_trimmed_note_does_not_ring_on_over_the_silence_of_another(mix: float) -> None:
    """Its fade was stretched over all of that silence: the mixture held on, 17 dB below the note."""
    trimmed = tone(62, seconds=1.0, decay=0.0) * ((1 - torch.arange(SAMPLE_RATE) / SAMPLE_RATE) / 0.2).clamp(max=1)
    bounced = tone(60, seconds=1.2, tilt=2, decay=0.0)
    bounced[-1600:] *= torch.linspace(1, 0, 1600) ** 3
    bounced = torch.cat([bounced, torch.zeros(2 * SAMPLE_RATE)])
    analyses = [REPRESENTATION.analyse(each) for each in (trimmed, bounced)]
    power = power_db(REPRESENTATION.synthesise(mixture(METHOD, analyses, [1 - mix, mix], alignment="envelope")))
    assert float(power[2:16].min()) > float(power.max()) - 6  # it is held for more than 0.8 s
    assert float(power[round(1.45 / 0.05) :].max()) < float(power.max()) - 60


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_a_release_that_its_file_cuts_off_falls_on_where_another_is_shorter(mix: float) -> None:
    """It stopped where the shorter one ended: a mixture of a bell and strings fell by 26 dB within 50 ms."""
    time = torch.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    held = tone(60, seconds=3.0, decay=0.0) * 10 ** (-25 * (time - 2).clamp(min=0) / 20)
    struck = torch.cat([tone(60, seconds=1.0, tilt=2, decay=6.0), torch.zeros(2 * SAMPLE_RATE)])
    struck[12800:16000] *= torch.linspace(1, 0, 3200)
    analyses = [REPRESENTATION.analyse(each) for each in (held, struck)]
    mixed = REPRESENTATION.synthesise(mixture(METHOD, analyses, [1 - mix, mix], alignment="envelope"))
    assert cliff_db(mixed.flatten(), [held, struck], SAMPLE_RATE) < 6


@pytest.mark.parametrize("hum_db", [-200.0, -55.0, -40.0])
def test_what_is_faint_before_and_after_a_note_does_not_change_its_pitch(hum_db: float) -> None:
    note = tone(48.25, seconds=1.0, decay=0.5)
    note[-800:] *= torch.linspace(1, 0, 800)
    time = torch.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    hum = torch.sin(2 * torch.pi * 50 * time) + torch.sin(2 * torch.pi * 150 * time) / 3
    sound = torch.cat([torch.zeros(SAMPLE_RATE), note, torch.zeros(2 * SAMPLE_RATE)]) + 10 ** (hum_db / 20) * hum
    analysis = REPRESENTATION.analyse(sound)
    assert hz_to_pitch(analysis.context.sounds[0].median_hz) == pytest.approx(48.25, abs=0.02)
    moved = REPRESENTATION.synthesise(mixture(METHOD, [analysis], [1.0], pitch="60"))
    onset = analysis.context.sounds[0].onset
    heard = moved[onset + 1600 : onset + 12000]
    assert hz_to_pitch(note_pitch(heard, SAMPLE_RATE)) == pytest.approx(60, abs=0.05)


def test_the_phase_of_a_partial_that_has_died_away_into_noise_is_averaged() -> None:
    noise = 3e-4 * torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    analysed = REPRESENTATION.analyse(tone(60, seconds=2.0, decay=8.0) + noise).context.sounds[0]
    separated = separate_modulation(analysed, REPRESENTATION.synthesiser)

    def jitter(phase: Tensor, frames: slice) -> float:
        return float(phase[0, 4:9, frames].diff().diff().abs().mean())

    early, late = slice(5, 15), slice(120, 190)  # loud, and 30 dB below the noise
    assert jitter(separated.phase, late) < 0.4 * jitter(analysed.phase, late)
    assert jitter(separated.phase, early) < jitter(analysed.phase, early) + 1e-3
    joined = separated.joined()
    assert torch.allclose(joined.amplitude, analysed.amplitude, rtol=1e-4, atol=1e-9)
    turn = joined.phase - analysed.phase
    assert float((turn - turn.round()).abs().max()) < 1e-4


@pytest.mark.parametrize("hum_db", [-30.0, -50.0])
def test_pitch_of_a_note_that_has_died_away_into_hum_is_its_own(hum_db: float) -> None:
    note = tone(60, seconds=2.4, decay=3)
    hum = torch.sin(2 * torch.pi * 50 * torch.arange(len(note)) / SAMPLE_RATE)
    heard = note + 10 ** (hum_db / 20) * note.abs().max() * hum
    f0, _ = find_pitch(heard[None], SAMPLE_RATE, 128)
    assert float(hz_to_cents(f0, pitch_to_hz(60)).abs().max()) < 50


def test_pitch_stays_where_only_one_partial_of_a_note_is_left() -> None:
    time = torch.arange(3 * SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    modulator = 4 * torch.exp(-2 * time) * torch.sin(2 * torch.pi * 420 * time)
    bell = torch.sin(2 * torch.pi * 300 * time + modulator) * torch.exp(-1.2 * time)
    f0, _ = find_pitch(bell.float()[None], SAMPLE_RATE, 128)
    assert float(hz_to_cents(f0, 60.0).abs().max()) < 50  # the partials are 300 ± 420 k


def test_an_octave_in_the_attack_is_an_error() -> None:
    attack, note = tone(48, seconds=0.06, decay=0), tone(60, seconds=1.0, decay=0)
    f0, _ = find_pitch(torch.cat([attack, note])[None], SAMPLE_RATE, 128)
    assert float(hz_to_cents(f0, pitch_to_hz(60)).abs().max()) < 50


@pytest.mark.parametrize(("high", "low", "seconds"), [(800, 100, 0.2), (1600, 200, 0.15), (880, 220, 0.08)])
def test_a_fast_slide_is_followed_over_its_unvoiced_frames(high: float, low: float, seconds: float) -> None:
    time = torch.arange(SAMPLE_RATE // 2, dtype=torch.float64) / SAMPLE_RATE
    line = high * (low / high) ** (time / seconds).clamp(max=1)
    slide = tone_of(line) * torch.exp(-3 * time)
    f0, _ = find_pitch(slide.float()[None], SAMPLE_RATE, 160)
    assert float(hz_to_cents(f0[:-1], line[::160][: len(f0) - 1]).abs()[2:40].max()) < 300


def test_another_note_of_a_melody_is_no_jump_to_another_sound() -> None:
    melody = torch.cat([tone(60, seconds=0.5), tone(64, seconds=0.5), tone(57, seconds=0.5)])
    f0, _ = find_pitch(melody[None], SAMPLE_RATE, 160)
    for number, pitch in enumerate((60, 64, 57)):
        assert float(hz_to_cents(f0[50 * number + 10 : 50 * number + 45], pitch_to_hz(pitch)).abs().max()) < 30


def tone_of(line: Tensor) -> Tensor:
    phase = 2 * torch.pi * line.cumsum(0) / SAMPLE_RATE
    return sum((torch.sin(order * phase) / order for order in range(1, 5)), torch.zeros(len(line)).double())


def test_a_slide_that_dies_away_is_followed_to_its_end() -> None:
    time = torch.arange(2 * SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    line = 440 * 2 ** (-time / 2)  # an octave down
    slide = torch.sin(2 * torch.pi * line.cumsum(0) / SAMPLE_RATE) * 10 ** (-time)  # by 40 dB
    f0, _ = find_pitch(slide.float()[None], SAMPLE_RATE, 128)
    assert float(hz_to_cents(f0[-50], line[-50 * 128]).abs()) < 50


@pytest.mark.parametrize("frames", [1, 4, 30, 90, 98])
def test_a_frame_more_of_silence_behind_a_release_changes_little(frames: int) -> None:
    short = Landmarks(1, 40, 199, silence=50)

    def places(silence: float) -> Tensor:
        long = Landmarks(1, 100, 199, silence=silence)
        return positions(long, mix_landmarks([short, long], [0.75, 0.25]), 200)

    more, less = places(199 - frames), places(200 - frames if frames > 1 else math.inf)
    heard = (less <= 199) | (more <= 199 - frames)  # behind it there is silence in both
    assert float((more - less)[heard].clamp(max=199).abs().max()) < 3.5


def test_the_fade_of_a_release_is_interpolated_and_not_the_silence_behind_it() -> None:
    level = torch.cat([torch.zeros(41), torch.linspace(-6, -60, 9), torch.full((150,), -80.0)])
    short, long = find_landmarks(level, 199), Landmarks(1, 100, 199)
    assert short.release == 40 and short.silence == 50 and short.end == 199
    common = mix_landmarks([short, long], [0.75, 0.25])
    assert (common.release, common.silence, common.end) == (55, 55 + 0.75 * 10 + 0.25 * 99, 199)
    own = positions(short, common, 200)
    assert float(own[87]) < 50 < float(own[88]) and float(own[199]) == 199
    heard = positions(long, common, 200)  # one without silence has ended where the common fade ends
    assert float(heard[55]) == 100 and float(heard[87]) < 199 < float(heard[88])


def test_beside_a_sound_that_dies_away_a_fade_keeps_its_length() -> None:
    short, dying = Landmarks(1, 40, 199, silence=50), Landmarks(1, 120, 199, released=False)
    common = mix_landmarks(complete_releases([short, dying]), [0.75, 0.25])
    assert (common.release, common.silence) == (40, 50)


def power_db(sound: Tensor) -> Tensor:
    """Level of each 50 ms."""
    return 10 * sound.double().square().unfold(-1, 800, 800).mean(-1).clamp_min(1e-12).log10()


@pytest.mark.parametrize("mix", [-0.5, 1.5])
@pytest.mark.parametrize("silent", [(9000, 16000), (6000, 10000), (0, 16000)])
def test_away_from_silence_nothing_explodes_or_falls_silent(silent: tuple[int, int], mix: float) -> None:
    whole, broken = tone(57), tone(64, tilt=2)
    broken[slice(*silent)] = 0
    sounds = [whole, broken] if mix < 0 else [broken, whole]
    beyond = morph(METHOD.codec, *sounds, mix=mix, config=MorphConfig(network="none", alignment="onset"))
    result, levels = power_db(beyond), torch.stack([power_db(sound) for sound in sounds])
    assert bool(beyond.isfinite().all()) and float(result.max()) < float(levels.max()) + 6.5
    n_steps = min(len(result), levels.shape[1])
    both = levels[:, :n_steps].amin(0) > -40
    assert not bool((result[:n_steps][both] < levels.amin(0)[:n_steps][both] - 12).any())


@pytest.mark.parametrize("mix", [0.0, 0.5, 1.0])
def test_contexts_of_other_onsets_are_mixed_with_shares_of_their_residuals(mix: float) -> None:
    noise = 0.02 * torch.randn(2, 12000, generator=torch.Generator().manual_seed(0))
    sounds = [
        torch.nn.functional.pad(tone(57 + 5 * index, seconds=0.75) + noise[index], (lead, 4000 - lead))
        for index, lead in enumerate((2000, 640))
    ]
    analyses = [REPRESENTATION.analyse(sound) for sound in sounds]
    context = REPRESENTATION.mix([one.context for one in analyses], torch.tensor([1 - mix, mix]))
    (sound,) = context.sounds
    assert sound.onset == pytest.approx(2000 - 1360 * mix, abs=10) and sound.samples == 16000
    result = REPRESENTATION.synthesise(Analysis(REPRESENTATION.view([sound]), context))
    assert result.shape == sounds[0].shape and bool(result.isfinite().all())
    if mix == 0.5:
        assert not sound.residuals
    else:
        assert float((result - sounds[round(mix)]).abs().max()) < 1e-4


@pytest.mark.parametrize("pitch", [48, 61])
def test_a_residual_is_kept_only_near_the_pitch_of_its_sound(pitch: int) -> None:
    noise = 0.02 * torch.randn(12000, generator=torch.Generator().manual_seed(0))
    analysis = REPRESENTATION.analyse(tone(60, seconds=0.75) + noise)
    (sound,) = mixture(METHOD, [analysis], [1.0], pitch=str(pitch)).context.sounds
    assert len(sound.residuals) == (pitch == 61)
    assert all(0 < float(each.share.mean()) < 0.6 for each in sound.residuals)


def bell(ratios: Sequence[float]) -> Tensor:
    time = torch.arange(12000, dtype=torch.float64) / SAMPLE_RATE
    parts = [torch.sin(2 * math.pi * 400 * ratio * time + ratio) * torch.exp(-3 * time) / ratio for ratio in ratios]
    return 0.1 * torch.stack(parts).sum(0).float()


def test_a_partial_that_only_one_bell_has_sounds_where_the_partials_are_that_ones() -> None:
    few = (0.5, 1.0, 1.19, 1.5, 2.0, 2.52)
    analyses = [METHOD.prepare(REPRESENTATION.analyse(bell(each))) for each in (few, (*few, 3.3))]
    first, second = torch.eye(2, dtype=torch.float64)
    settings = MorphConfig(network="none", alignment="onset")
    between = METHOD.between(analyses, Weights(first, {"harmonics": second}, first), settings)
    spectrum = torch.fft.rfft(REPRESENTATION.synthesise(between) * torch.hann_window(12000)).abs()
    heard = [float(spectrum[round(400 * ratio * 0.75) + torch.arange(-3, 4)].max()) for ratio in (2.52, 3.3)]
    assert heard[1] / heard[0] == pytest.approx(2.52 / 3.3, rel=0.1)


@pytest.mark.parametrize("weights", [(1.4, -0.4), (-0.4, 1.4)])
def test_away_from_a_sound_in_another_channel_nothing_is_heard_there(weights: tuple[float, float]) -> None:
    left, right = tone(57), tone(64, tilt=2)
    silent = torch.zeros_like(left)
    sounds = [torch.stack([left, silent]), torch.stack([silent, right])]
    mixed = mixture(METHOD, [REPRESENTATION.analyse(sound) for sound in sounds], list(weights))
    power = REPRESENTATION.synthesise(mixed).reshape(2, -1).square().sum(1)
    stays = int(weights[1] > 0)
    assert 10 * math.log10(float(power[1 - stays] / power[stays])) < -55


def test_sounds_of_which_each_is_silent_in_another_channel_meet_half_way() -> None:
    left, right = tone(57), tone(64, tilt=2)
    silent = torch.zeros_like(left)
    sounds = [torch.stack([left, silent]), torch.stack([silent, right])]
    both = mixture(METHOD, [REPRESENTATION.analyse(sound[None]) for sound in sounds], [0.5, 0.5])
    alone = mixture(METHOD, [REPRESENTATION.analyse(sound) for sound in (left, right)], [0.5, 0.5])
    channels, mono = REPRESENTATION.synthesise(both)[0], REPRESENTATION.synthesise(alone)
    for channel in channels:
        assert abs(10 * math.log10(float(channel.square().sum() / mono.square().sum())) + 6) < 0.5
    attacks = (channels[0, :800].square().sum() / mono[:800].square().sum()).log10() * 10
    assert abs(float(attacks) + 6) < 1.5
