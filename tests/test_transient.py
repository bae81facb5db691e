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
from intertone.harmonic.transient import BANDS, transient_levels
from intertone.representation import HarmonicConfig, HarmonicRepresentation

CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
METHOD = by_partials(CONFIG)
ROWS, PLAYER = METHOD.rows, REPRESENTATION.synthesiser
LEAD = 0.05


def sound(*, tick: float = 0.0, attack: float = 0.005, seed: int = 0, f0: float = 220.0) -> Tensor:
    """A note of 1.2 s after 50 ms of silence, with 10 ms of noise at its beginning."""
    time = torch.arange(round(1.2 * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    tone = sum(torch.sin(2 * math.pi * f0 * k * time + k**2) / k**2 for k in range(1, 20))
    noise = tick * torch.randn(len(time), generator=torch.Generator().manual_seed(seed)) * (time < 0.01)
    body = 0.1 * torch.as_tensor(tone) * (time / attack).clamp(max=1) + noise
    return torch.cat([torch.zeros(round(LEAD * SAMPLE_RATE)), body.float()])


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_the_tick_of_a_hammer_stays_where_it_is_and_is_as_loud_as_lies_between(mix: float) -> None:
    a, b = sound(tick=0.03), sound(attack=0.12, seed=1)
    analyses = [REPRESENTATION.analyse(each[None, None]) for each in (a, b)]
    between = REPRESENTATION.synthesise(mixture(METHOD, analyses, [1 - mix, mix], alignment="envelope"))[0, 0]
    own = [attack_course(each, LEAD, SAMPLE_RATE) for each in (a, b)]
    course = attack_course(between, LEAD, SAMPLE_RATE)
    assert abs(attack_error_db(course, *own, mix)) < 5
    assert abs(attack_error_ms(course, *own)) <= 5


def test_noise_of_an_attack_is_not_raised_to_make_up_for_partials() -> None:
    low, high = sound(f0=220.0), sound(f0=220.0)
    orders = torch.arange(19)[:, None]
    first, second = (
        separate_modulation(REPRESENTATION.analyse(each).context.tracks[0], PLAYER) for each in (low, high)
    )
    # no strong partial of the one is strong in the other: the mean in dB is fainter than both
    odd, even = (torch.where(orders % 2 == parity, 0.0, -0.3) for parity in (0, 1))
    images = [ROWS.view(each) for each in (first, second)]
    change = [
        torch.nn.functional.pad(each, (0, 0, 0, images[0].shape[1] - 19)).expand_as(images[0]) for each in (odd, even)
    ]
    first, second = (ROWS.scaled(each, by) for each, by in zip((first, second), change, strict=True))
    levels = [transient_levels(each, PLAYER) for each in (first, second)]
    assert float((levels[0] - levels[1])[:, BANDS:].abs().max()) < 0.01


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
    (track,) = REPRESENTATION.analyse(audio[None]).context.tracks
    own = ROWS.view(track)
    same = ROWS.applied(own, track)
    assert torch.equal(same.amplitude, track.amplitude) and torch.equal(same.noise, track.noise)
    wanted = (own - 0.1 * torch.rand(own.shape, generator=torch.Generator().manual_seed(0))).clamp(0.01, 0.99)
    n_rows = int(ROWS.row_of[len(track.multiples) - 1]) + 1
    found = ROWS.view(ROWS.applied(wanted, track))
    heard = [*range(n_rows), *range(ROWS.n_partial_rows, own.shape[1])]
    assert torch.allclose(found[:, heard], wanted[:, heard], atol=1e-4)


def test_a_separated_sound_joined_is_the_sound() -> None:
    (track,) = REPRESENTATION.analyse(sound(tick=0.1)).context.tracks
    joined = separate_modulation(track, PLAYER).joined()
    assert torch.allclose(joined.amplitude, track.amplitude, rtol=1e-4, atol=1e-9)
    turned = joined.phase - track.phase
    assert float(((turned - turned.round()).abs() * track.amplitude).max()) < 1e-6
