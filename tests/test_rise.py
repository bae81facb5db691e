"""How partials come in, where one window of the analysis is longer than the attack."""

import math

import pytest
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.harmonic.morph.landmark import mix_ramps
from intertone.harmonic.onset import play_rise, shortest_rise
from intertone.morphing import MorphConfig, analyse_sounds, morph_sources

RATE = 44100


def saw(f0: float, attack: float, seconds: float = 1.0) -> Tensor:
    time = torch.arange(int(seconds * RATE)) / RATE
    orders = torch.arange(1, int(18000 / f0) + 1)[:, None]
    tone = (torch.sin(2 * math.pi * f0 * orders * time + 0.3 * orders) / orders).sum(0)
    return 0.2 * tone * (time / attack).clamp(max=1) * ((seconds - time) / 0.2).clamp(max=1)


def share_by(sound: Tensor, seconds: float) -> float:
    return float(sound[: round(seconds * RATE)].abs().max() / sound.abs().max())


@pytest.mark.parametrize("key", [30, 54, 66, 90])
@pytest.mark.parametrize("f0", [55.0, 261.63])
def test_a_sound_that_rises_in_ten_milliseconds_does_so_on_every_key(f0, key):
    sources = analyse_sounds(Codec.load("harmonic"), saw(f0, 0.01))
    played = morph_sources(sources, (1.0,), config=MorphConfig(pitch=str(key), network="none"))
    assert share_by(played, 0.001) < 0.15
    assert share_by(played, 0.03) > 0.6


def test_noise_beside_the_partials_does_not_hide_their_rise():
    sound = saw(65.41, 0.02)
    sound = sound + 0.02 * torch.randn(len(sound), generator=torch.Generator().manual_seed(0))
    (sound,) = Codec.load("harmonic").analyse(sound)[1].sounds
    assert 0.008 < float(sound.ramps[0, 7]) < 0.013 and 0.015 < float(sound.ramps[0, 15]) < 0.025


def test_a_sound_that_begins_at_once_does_so_on_every_key():
    sources = analyse_sounds(Codec.load("harmonic"), saw(110.0, 1e-4))
    played = morph_sources(sources, (1.0,), config=MorphConfig(pitch="54", network="none"))
    assert share_by(played, 0.004) > 0.5


def test_between_two_attacks_lies_their_geometric_mean():
    sources = analyse_sounds(Codec.load("harmonic"), saw(110.0, 0.002), saw(110.0, 0.016))
    first, second = (context.sounds[0].ramps[0, 7] for _, context in sources.analyses)
    aligned = sources.method.align(sources.analyses, torch.tensor([0.5, 0.5]))
    between = aligned[0][1].sounds[0].ramps[0]
    assert torch.equal(between, aligned[1][1].sounds[0].ramps[0])
    assert float(between[7]) == pytest.approx(float((first * second).sqrt()), rel=1e-6)
    assert float(second) == pytest.approx(0.008, rel=0.25)


def test_an_end_keeps_its_own_rise_and_extrapolation_stays_a_rise():
    short, long = shortest_rise(), 20 * shortest_rise()
    assert mix_ramps([short, long], [0.0, 1.0]) is long
    for weights in ([1.5, -0.5], [-0.5, 1.5]):
        rise = mix_ramps([short, long], weights)
        assert bool((rise.diff() >= 0).all()) and bool((rise >= short).all()) and bool((rise <= 2 * long).all())


def test_a_morph_of_sounds_that_fade_out_ends_in_silence():
    sources = analyse_sounds(Codec.load("harmonic"), saw(65.41, 0.01), saw(55.0, 0.01))
    for mix in ((0.5, 0.5), (0.9, 0.1)):
        between = morph_sources(sources, mix, config=MorphConfig(network="none"))
        assert float(between[-44:].abs().max() / between.abs().max()) < 0.01


def test_gains_run_from_silence_to_the_whole():
    gains = play_rise(shortest_rise(), 100, RATE)
    assert float(gains[0]) == 0 and float(gains[-1]) == 1 and bool((gains.diff() >= 0).all())
