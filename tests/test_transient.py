"""The transient of an attack between two sounds, and the view of a sound that the network sees."""

import math

import pytest
import torch
from conftest import SAMPLE_RATE
from methods import by_partials, mixture
from torch import Tensor

from intertone.bench.hard.attack import attack_course, attack_error_db, attack_error_ms
from intertone.curve import averaged_from_onset
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.onset import attack_share
from intertone.representation import HarmonicConfig, HarmonicRepresentation

CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
METHOD = by_partials(CONFIG)
ROWS, PLAYER = METHOD.rows, REPRESENTATION.synthesiser
LEAD = 0.05


def sound(*, tick: float = 0.0, hiss: float = 0.0, attack: float = 0.005, seed: int = 0, f0: float = 220.0) -> Tensor:
    """A note of 1.2 s after 50 ms of silence, with noise, and 10 ms of more noise at its beginning."""
    time = torch.arange(round(1.2 * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    tone = sum(torch.sin(2 * math.pi * f0 * k * time + k**2) / k**2 for k in range(1, 20))
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(seed)) * (hiss + tick * (time < 0.01))
    body = 0.1 * torch.as_tensor(tone) * (time / attack).clamp(max=1) + noise
    return torch.cat([torch.zeros(round(LEAD * SAMPLE_RATE)), body.float()])


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_the_tick_of_a_hammer_stays_where_it_is_and_is_as_loud_as_lies_between(mix: float) -> None:
    a, b = sound(tick=0.03), sound(hiss=0.002, attack=0.12, seed=1)
    analyses = [REPRESENTATION.analyse(each[None, None]) for each in (a, b)]
    between = REPRESENTATION.synthesise(mixture(METHOD, analyses, [1 - mix, mix], alignment="envelope"))[0, 0]
    own = [attack_course(each, LEAD, SAMPLE_RATE) for each in (a, b)]
    course = attack_course(between, LEAD, SAMPLE_RATE)
    assert abs(attack_error_db(course, *own, mix)) < 4
    assert abs(attack_error_ms(course, *own)) <= 5


def comb(parity: int) -> Tensor:
    """A note of which every second partial is 30 dB louder than the others, with little noise."""
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    parts = [
        10 ** (-1.5 * (k % 2 == parity)) * torch.sin(2 * math.pi * 220 * k * time + k**2) / k**0.5 for k in range(1, 32)
    ]
    noise = 3e-3 * torch.randn(len(time), generator=torch.Generator().manual_seed(parity))
    body = 0.05 * torch.stack(parts).sum(0) * (time / 0.005).clamp(max=1) + noise
    return torch.cat([torch.zeros(round(LEAD * SAMPLE_RATE)), body.float()])


def test_an_attack_whose_partials_are_others_is_as_loud_as_both_and_its_noise_is_not_raised() -> None:
    sounds = [comb(parity) for parity in (0, 1)]
    between = mixture(METHOD, [REPRESENTATION.analyse(each[None, None]) for each in sounds], [0.5, 0.5])
    own = [attack_course(each, LEAD, SAMPLE_RATE) for each in sounds]
    course = attack_course(REPRESENTATION.synthesise(between)[0, 0], LEAD, SAMPLE_RATE)
    # partial by partial, the mean of the two in dB is 15 dB below the loud ones
    later = ROWS.view(between.context.sounds[0])[0, 14:30, 20:40].mean()
    attack = ROWS.view(between.context.sounds[0])[0, 14:30, :3].mean()
    assert float(attack - later) * CONFIG.top_db > 6
    assert abs(attack_error_db(course, *own, 0.5)) < 4
    noises = [REPRESENTATION.analyse(each).context.sounds[0].noise[0, -8:, 1:4].square().mean() for each in sounds]
    raised = between.context.sounds[0].noise[0, -8:, 1:4].square().mean() / torch.stack(noises).max()
    assert 10 * math.log10(float(raised)) < 1


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_two_ticks_at_different_times_keep_their_energy(mix: float) -> None:
    # frame by frame, the mean of the two in dB is fainter than both by 17 dB
    late = torch.cat([torch.zeros(480), sound(tick=0.1, seed=1) - sound(seed=1)])[: len(sound())]
    sounds = [sound(tick=0.1), sound(seed=1) + late]
    analyses = [REPRESENTATION.analyse(each[None, None]) for each in sounds]
    between = REPRESENTATION.synthesise(mixture(METHOD, analyses, [1 - mix, mix]))[0, 0]
    own = [attack_course(each, LEAD, SAMPLE_RATE) for each in sounds]
    assert abs(attack_error_db(attack_course(between, LEAD, SAMPLE_RATE), *own, mix)) < 3


def test_an_attack_lasts_for_80_ms() -> None:
    share = attack_share(20, 0.01)
    assert share[:4].tolist() == [1.0] * 4 and not bool(share[8:].any()) and bool((share.diff() <= 0).all())


def test_an_attack_is_not_averaged_with_what_follows() -> None:
    values = torch.cat([torch.tensor([10.0]), torch.zeros(40)])
    found = averaged_from_onset(values, 21)
    assert float(found[0]) == 10 and float(found[5]) < 0.5 and torch.equal(found[21:], values[21:])
    assert torch.allclose(averaged_from_onset(torch.ones(3), 21), torch.ones(3))


@pytest.mark.parametrize("channels", [1, 2])
def test_features_that_are_unchanged_change_nothing_and_others_are_applied(channels: int) -> None:
    audio = torch.stack([sound(tick=0.05), 0.5 * sound(tick=0.05, seed=3)])[:channels]
    (analysed,) = REPRESENTATION.analyse(audio[None]).context.sounds
    own = ROWS.view(analysed)
    same = ROWS.applied(own, analysed)
    assert torch.equal(same.amplitude, analysed.amplitude) and torch.equal(same.noise, analysed.noise)
    wanted = (own - 0.1 * torch.rand(own.shape, generator=torch.Generator().manual_seed(0))).clamp(0.01, 0.99)
    n_rows = int(ROWS.row_of[len(analysed.multiples) - 1]) + 1
    found = ROWS.view(ROWS.applied(wanted, analysed))
    heard = [*range(n_rows), *range(ROWS.n_partial_rows, own.shape[1])]
    assert torch.allclose(found[:, heard], wanted[:, heard], atol=1e-4)


def test_a_separated_sound_joined_is_the_sound() -> None:
    (analysed,) = REPRESENTATION.analyse(sound(tick=0.1)).context.sounds
    joined = separate_modulation(analysed, PLAYER).joined()
    assert torch.allclose(joined.amplitude, analysed.amplitude, rtol=1e-4, atol=1e-9)
    assert joined.multiples is analysed.multiples and joined.samples == analysed.samples


def test_a_sound_that_begins_later_leaves_the_attack_of_the_first_alone() -> None:
    early, late = sound(), torch.cat([torch.zeros(6000), comb(0)])
    analyses = [REPRESENTATION.analyse(each[None, None]) for each in (early, late)]
    between = REPRESENTATION.synthesise(mixture(METHOD, analyses, [0.5, 0.5], alignment="none"))[0, 0]
    high = [torch.fft.rfft(each[800:1440]).abs()[100:].square().sum() for each in (between, early)]  # above 2.5 kHz
    assert float(high[0]) < float(high[1])


def test_bells_between_which_no_partial_counts_are_played_without_it() -> None:
    time = torch.arange(12000, dtype=torch.float64) / SAMPLE_RATE
    bells = [
        0.1 * sum(torch.sin(2 * math.pi * 400 * ratio * time) * torch.exp(-3 * time) for ratio in ratios)
        for ratios in ((1, 2.76, 5.404, 8.933), (1, 2.09, 3.61, 6.77), (1, 1.56, 4.27, 7.1))
    ]
    analyses = [REPRESENTATION.analyse(torch.as_tensor(bell).float()[None, None]) for bell in bells]
    found = REPRESENTATION.synthesise(mixture(METHOD, analyses, [1.0, 0.5, -0.5]))
    assert bool(found.isfinite().all()) and 0.01 < float(found.abs().max()) < 1
