"""One pitch or none: tones, vibrato and slides have one; noise, chords, drums and clicks do not."""

import math

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone

from intertone.harmonic.pitched import LEAST_MEASURE, Recognition, recognise
from intertone.representation import HarmonicConfig, HarmonicRepresentation

CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
TIME = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE


def judge(sound: torch.Tensor) -> Recognition:
    (one,) = recognise(*REPRESENTATION.analyse(sound.float()), CONFIG)
    return one


def gliding(f0: torch.Tensor, decay: float = 1.0, n_partials: int = 8) -> torch.Tensor:
    periods = torch.cumsum(f0, 0) / SAMPLE_RATE
    orders = torch.arange(1, n_partials + 1, dtype=torch.float64)[:, None]
    return 0.1 * (torch.sin(2 * math.pi * orders * periods) / orders).sum(0) * torch.exp(-decay * TIME)


def noise(seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(SAMPLE_RATE, generator=torch.Generator().manual_seed(seed))


def pink(seed: int = 0) -> torch.Tensor:
    spectrum = np.fft.rfft(noise(seed).numpy())
    return torch.from_numpy(np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1))))


# sounds with a pitch


@pytest.mark.parametrize("pitch", [28, 40, 52, 64, 76, 88, 100])
def test_a_note_has_one_pitch(pitch: int) -> None:
    found = judge(tone(pitch))
    assert found.pitched and found.reason == "one pitch" and found.measure > 0.97


def test_vibrato_and_a_slide_of_an_octave_are_one_pitch() -> None:
    vibrato = gliding(220 * 2 ** (torch.sin(2 * math.pi * 6 * TIME) / 12))
    slide = gliding(220 * 2 ** ((TIME - 0.3) / 0.5).clamp(0, 1))
    assert judge(vibrato).pitched and judge(slide).pitched


def test_a_note_without_its_first_partial_or_without_even_ones_has_a_pitch() -> None:
    orders = torch.arange(1, 17, dtype=torch.float64)[:, None]
    partials = torch.sin(2 * math.pi * 196 * orders * TIME + orders**2) / orders
    assert judge(0.2 * partials[1:].sum(0)).pitched
    assert judge(0.2 * partials[::2].sum(0)).pitched


def test_a_little_noise_takes_little_of_the_measure() -> None:
    measures = [judge(tone(57) + level * noise()).measure for level in (0, 0.1, 0.3, 1, 3)]
    assert measures == sorted(measures, reverse=True)
    assert measures[1] > LEAST_MEASURE > measures[-1]


def test_the_level_does_not_matter() -> None:
    loud, soft = (judge(gain * tone(57)) for gain in (1.0, 0.01))
    assert abs(loud.measure - soft.measure) < 0.01


# sounds without


@pytest.mark.parametrize(
    "sound", [noise(), pink(), noise(1).diff(append=torch.zeros(1))], ids=["white", "pink", "blue"]
)
def test_noise(sound: torch.Tensor) -> None:
    found = judge(sound)
    assert not found.pitched and found.reason == "noise" and found.measure < 0.6


@pytest.mark.parametrize("chord", [(57, 61, 64), (57, 60, 64), (60, 65, 67), (48, 55, 64), (60, 61, 66)])
def test_a_chord_has_several_pitches(chord: tuple[int, ...]) -> None:
    found = judge(torch.stack([tone(pitch) for pitch in chord]).mean(0))
    assert not found.pitched and found.reason == "several pitches"


@pytest.mark.parametrize("chord", [(60, 67), (60, 65), (60, 64, 67), (48, 55, 64), (67, 72, 76)])
def test_a_chord_of_pure_intervals_has_several_pitches(chord: tuple[int, ...]) -> None:
    # just intonation: the sound repeats exactly after the common multiple of the periods
    ratios = {0: 1, 4: 5 / 4, 5: 4 / 3, 7: 3 / 2, 9: 5 / 3, 16: 5 / 2}
    low = 440 * 2 ** ((chord[0] - 69) / 12)
    found = judge(torch.stack([gliding(low * ratios[key - chord[0]] * torch.ones_like(TIME)) for key in chord]).mean(0))
    assert not found.pitched and found.reason == "several pitches"


def test_a_knock_at_the_beginning_does_not_hide_a_chord() -> None:
    chord = torch.stack([tone(pitch) for pitch in (60, 64, 67)]).mean(0)
    knock = gliding(65.4 * torch.ones_like(TIME), decay=60, n_partials=3)
    assert not judge(chord + knock).pitched


def test_a_note_through_a_telephone_has_a_pitch() -> None:
    orders = torch.arange(1, 33, dtype=torch.float64)[:, None]
    passed = 1 / (1 + (300 / (110 * orders)) ** 4)
    assert judge(0.1 * (passed * torch.sin(2 * math.pi * 110 * orders * TIME + orders**2) / orders).sum(0)).pitched


def test_a_drum_whose_pitch_falls_is_a_stroke() -> None:
    falling = gliding(80 * 2 ** (0.5 - TIME / 0.3).clamp(min=-0.5), decay=8, n_partials=2)
    found = judge(falling)
    assert not found.pitched and found.reason == "a stroke whose pitch moves"


def test_a_snare_and_a_click_are_noise() -> None:
    click = torch.zeros(SAMPLE_RATE)
    click[4000] = 1
    for sound in (noise() * torch.exp(-20 * TIME), click):
        found = judge(sound)
        assert not found.pitched and found.reason == "noise"


def test_silence_has_no_pitch() -> None:
    assert judge(torch.zeros(4000)) == Recognition(False, 0.0, "silence")


# form


@pytest.mark.parametrize("samples", [1, 2, 100, 1601])
def test_short_sounds_have_a_measure(samples: int) -> None:
    assert 0 <= judge(tone(69)[1000 : 1000 + samples]).measure <= 1


def test_one_for_each_sound_of_a_batch_whatever_its_channels() -> None:
    sounds = torch.stack([tone(60).expand(2, -1), torch.stack([noise(), noise(1)])])
    batch = recognise(*REPRESENTATION.analyse(sounds), CONFIG)
    assert [one.pitched for one in batch] == [True, False]
    assert batch == tuple(judge(sound) for sound in sounds)


def test_a_pitch_that_is_given_counts_as_periodic() -> None:
    features, context = REPRESENTATION.analyse(tone(60), f0=torch.full((101,), 261.63))
    assert context.periodicity == (1,)
    assert recognise(features, context, CONFIG)[0].pitched
