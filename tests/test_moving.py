"""A sound at another pitch: what the network says of it, and the partials that come into reach."""

import math

import pytest
import torch
from conftest import SAMPLE_RATE
from torch import Tensor

from intertone.codec import Codec, CodecConfig
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.morph.transpose import transpose_sound
from intertone.harmonic.sound import HarmonicSound, SeparatedSound
from intertone.models import ConditionedConfig
from intertone.morphing import MorphConfig, analyse_sounds, morph_sources
from intertone.representation import HarmonicConfig, HarmonicRepresentation

CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
ROWS = REPRESENTATION.synthesiser.rows
TIME = torch.arange(8000, dtype=torch.float64) / SAMPLE_RATE
F0 = 500.0
MIDDLE = slice(15, 35)


def note(fall: float = 1.0) -> Tensor:
    """Return 15 partials of which each is as loud as its order says: ``1 / order ** fall``."""
    orders = torch.arange(1, 16, dtype=torch.float64)[:, None]
    return (0.1 * (torch.sin(2 * math.pi * F0 * orders * TIME + orders**2) / orders**fall).sum(0)).float()


def separated(sound: Tensor) -> SeparatedSound:
    (analysed,) = REPRESENTATION.analyse(sound).context.sounds
    return separate_modulation(analysed, REPRESENTATION.synthesiser)


def at(sound: HarmonicSound, semitones: float) -> Tensor:
    return sound.f0 * 2 ** (semitones / 12)


def levels_db(sound: SeparatedSound) -> Tensor:
    """Return what each partial is heard at, dB below feature 1, in the middle of the sound."""
    return 20 * torch.log10(sound.joined().amplitude / sound.reference + 1e-9)[0, :, MIDDLE].mean(-1)


def test_at_its_own_pitch_a_sound_is_returned_as_it_is() -> None:
    sound = separated(note())
    there = torch.rand(ROWS.view(sound).shape, generator=torch.Generator().manual_seed(0))
    for rounding in (0, 1e-12, -1e-12):
        assert transpose_sound(sound, at(sound, rounding), ROWS, decoded=(there, there + 0.1)) is sound


def test_partials_that_come_into_reach_fall_as_those_below() -> None:
    sound = separated(note())
    longer = transpose_sound(sound, at(sound, -24), ROWS)
    assert len(sound.multiples) == 15 and len(longer.multiples) == 60
    levels = levels_db(longer)
    # 1 / order: 6.02 dB an octave below the first partial
    expected = levels[0] - 20 * torch.log10(torch.arange(1, 61))
    assert float((levels - expected).abs().max()) < 1.5


def test_partials_that_come_into_reach_never_rise() -> None:
    sound = separated(note(fall=-0.5))
    levels = levels_db(transpose_sound(sound, at(sound, -24), ROWS))
    assert float(levels[15:].max()) <= float(levels[11:15].mean()) + 0.1


def test_a_sound_that_is_moved_up_has_no_further_partials() -> None:
    sound = separated(note())
    assert transpose_sound(sound, at(sound, 12), ROWS) is sound


def test_where_there_is_a_network_it_says_how_loud_they_are() -> None:
    sound = separated(note())
    own = ROWS.view(sound)
    there = own.clone()
    there[:, 15:96] = 0.7
    levels = levels_db(transpose_sound(sound, at(sound, -24), ROWS, decoded=(there, own)))
    assert torch.allclose(levels[15:], torch.tensor(-30.0), atol=0.3)
    assert torch.allclose(levels[:15], levels_db(sound), atol=0.3)
    # half believed, half-way to what they would be without
    half = transpose_sound(sound, at(sound, -24), ROWS, decoded=(there, own), share=0.5)
    between = 0.5 * (levels + levels_db(transpose_sound(sound, at(sound, -24), ROWS)))
    assert torch.allclose(levels_db(half)[15:], between[15:], atol=0.3)


@pytest.mark.parametrize(("semitones", "share"), [(-12, 1 / 2), (12, 1 / 2), (-24, 1 / 3)])
def test_what_the_network_misses_is_carried_the_less_the_farther(semitones: float, share: float) -> None:
    sound = separated(note())
    here = ROWS.view(sound).clone()
    here[:, 10] -= 0.1  # 10 dB too faint; the eleventh partial is 21 dB below the first
    change = levels_db(transpose_sound(sound, at(sound, semitones), ROWS, decoded=(here, here)))[10]
    change = change - levels_db(sound)[10]
    assert float(change) == pytest.approx(-10 * (1 - share), abs=0.5)


def test_the_level_over_time_is_the_sounds_own() -> None:
    sound = separated(note())
    here = ROWS.view(sound) - 0.15
    lower = transpose_sound(sound, at(sound, -12), ROWS, decoded=(here, here))
    assert torch.allclose(levels_db(lower)[:15], levels_db(sound), atol=0.3)


def test_a_network_that_grows_louder_meanwhile_does_not_make_the_sound_louder() -> None:
    sound = separated(note())
    own = ROWS.view(sound)
    there = own.clone()
    there[:, :96] = there[:, :96] + torch.linspace(-0.1, 0.1, own.shape[-1])
    moved = ROWS.view(transpose_sound(sound, at(sound, 3), ROWS, decoded=(there, own)))
    level = CONFIG.top_db * (ROWS.level(moved) - ROWS.level(own))[0, 0, 5:45]
    assert float(level.max() - level.min()) < 1


def test_on_a_high_key_what_is_too_high_to_be_played_does_not_count_as_level() -> None:
    sound = separated(note(fall=0.0))
    own = ROWS.view(sound)
    bright = torch.arange(own.shape[-1]) < 20
    high = (torch.arange(own.shape[1]) >= 5)[:, None]
    darker = torch.where(~bright & high & (own > 0), own - 0.3, own)  # all but the first five die away
    dark = ROWS.scaled(sound, darker - own)
    moved = ROWS.view(transpose_sound(dark, at(dark, 18), ROWS, decoded=(own, darker)))  # 7600 Hz / 1414 Hz: five
    change = CONFIG.top_db * (ROWS.level(moved[:, :5]) - ROWS.level(darker[:, :5]))[0, 0, 5:45]
    assert float(change.max() - change.min()) < 1


def test_partials_that_have_ended_have_ended_on_every_key() -> None:
    sound = separated(note())
    own = ROWS.view(sound)
    late = torch.arange(own.shape[-1]) > 25
    ended = torch.where(late & (torch.arange(own.shape[1])[:, None] >= 8), 0.05, own)  # the high ones die away
    there = own.clone()
    there[:, 15:96] = 0.5  # the network makes them sound on, 50 dB below the loudest
    faded = ROWS.scaled(sound, ended - own)
    lower = transpose_sound(faded, at(faded, -24), ROWS, decoded=(there, there))
    levels = 20 * torch.log10(lower.amplitude[0] / lower.reference + 1e-9)
    assert float(levels[20:, 5:20].mean()) == pytest.approx(-50, abs=6)
    assert float(levels[20:, 32:48].max()) < -85


def test_a_network_says_nothing_while_the_pitch_is_the_sounds_own() -> None:
    sound = separated(note())
    target = sound.f0 * 2 ** ((torch.arange(len(sound.f0)) > 20) * 7 / 12)
    own = ROWS.view(sound)
    there = own + 0.1 * torch.randn(own.shape, generator=torch.Generator().manual_seed(0))
    moved = ROWS.view(transpose_sound(sound, target, ROWS, decoded=(there, own)))
    assert float((moved - own)[..., :9].abs().max()) < 1e-6
    assert float((moved - own)[..., 40:].abs().max()) > 0.05


def test_a_bell_has_no_further_partials() -> None:
    bell = sum(torch.sin(2 * math.pi * 700 * ratio * TIME) * torch.exp(-4 * TIME) for ratio in (1, 2.76, 5.4))
    sound = separated(0.1 * torch.as_tensor(bell).float())
    assert sound.is_bell
    assert transpose_sound(sound, at(sound, -24), ROWS) is sound


def test_a_low_key_made_of_a_high_note_reaches_as_high() -> None:
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    sources = analyse_sounds(Codec(CodecConfig(representation=CONFIG, model=model)), note(), recognise=False)
    low = morph_sources(sources, [1.0], config=MorphConfig(pitch="47.2131", network="none"))  # 125 Hz
    power = torch.fft.rfft(low.double() * torch.hann_window(len(low), dtype=torch.float64)).abs().square()
    hz = torch.arange(len(power)) * SAMPLE_RATE / len(low)
    # of Σ 1/k² over 60 partials, those above the fifteenth hold 3.0 %
    share = power[hz > 15.5 * 125].sum() / power.sum()
    assert float(share) == pytest.approx(0.030, rel=0.2)
