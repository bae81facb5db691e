"""Bells and bars: partials that are no multiples of one pitch are found, measured and mixed."""

import math

import pytest
import torch
from conftest import SAMPLE_RATE, tone
from methods import by_partials, mixture

from intertone.codec import Codec, CodecConfig
from intertone.harmonic.inharmonic import find_inharmonic_partials
from intertone.harmonic.morph.match import match_partials
from intertone.harmonic.pitched import recognise
from intertone.harmonic.sound import SeparatedSound
from intertone.models import ConditionedConfig
from intertone.morphing import MorphConfig, morph
from intertone.pitch.note import hz_to_pitch
from intertone.representation import Analysis, HarmonicConfig, HarmonicRepresentation

CONFIG = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
REPRESENTATION = HarmonicRepresentation(CONFIG)
METHOD = by_partials(CONFIG)
MODEL = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
CODEC = Codec(CodecConfig(representation=CONFIG, model=MODEL))
STRIKE = 400.0
RATIOS = (0.5, 1.0, 1.19, 1.5, 2.0, 2.52, 2.67, 3.3, 4.1, 5.43, 6.8)
TIME = torch.arange(12000, dtype=torch.float64) / SAMPLE_RATE


def bell(ratios: tuple[float, ...] = RATIOS, strike: float = STRIKE) -> torch.Tensor:
    parts = [
        torch.sin(2 * math.pi * strike * ratio * TIME + ratio) * torch.exp(-(2 + ratio) * TIME) / (1 + 0.3 * ratio)
        for ratio in ratios
    ]
    return 0.1 * torch.stack(parts).sum(0).float()


def frequencies(track_f0: torch.Tensor, multiples: torch.Tensor) -> torch.Tensor:
    return (multiples * track_f0.median()).sort().values


def strongest(sound: torch.Tensor, count: int) -> list[float]:
    """Frequencies of the highest peaks, Hz."""
    size = 8 * len(sound)
    power = torch.fft.rfft(sound.double() * torch.hann_window(len(sound), dtype=torch.float64), size).abs()
    peak = (power[1:-1] > power[:-2]) & (power[1:-1] > power[2:])
    places = peak.nonzero()[:, 0] + 1
    best = places[power[places].argsort(descending=True)[:count]]
    return sorted(float(place) * SAMPLE_RATE / size for place in best)


def test_every_partial_of_a_bell_is_found_in_a_row_of_its_own() -> None:
    f0, ratios = find_inharmonic_partials(bell()[None], STRIKE, 0.0, CONFIG)
    assert f0 == STRIKE
    # the strongest are nearest to their rows, and none crosses another
    assert torch.equal(ratios[ratios.isfinite()], ratios[ratios.isfinite()].sort().values)
    assert abs(float(ratios[1]) - 1) < 2e-3 or abs(float(ratios[0]) - 1) < 2e-3
    found = ratios[ratios.isfinite()].sort().values
    assert torch.allclose(found, torch.tensor(RATIOS, dtype=torch.float64), atol=2e-3)


def test_noise_has_no_partials() -> None:
    noise = torch.randn(1, 12000, generator=torch.Generator().manual_seed(0))
    assert find_inharmonic_partials(noise, STRIKE, 0.0, CONFIG) is None


@pytest.mark.parametrize("strike", [250.0, 400.0, 900.0])
def test_a_bell_is_told_by_its_partials_and_not_by_noise(strike: float) -> None:
    sound = bell(strike=strike)
    features, context = REPRESENTATION.analyse(sound)
    (analysed,) = context.sounds
    assert analysed.is_bell and int(analysed.multiples.isfinite().sum()) >= 10
    assert float(analysed.residuals[0].sound.square().sum() / sound.square().sum()) < 0.05
    assert float((REPRESENTATION.synthesise(Analysis(features, context)) - sound).abs().max()) < 1e-5
    # without the sound's own noise every partial is still where it was
    alone = REPRESENTATION.synthesise(Analysis(features, context.as_edited()))
    for ours, true in zip(strongest(alone, 5), strongest(sound, 5), strict=True):
        assert abs(ours - true) < 1.5


@pytest.mark.parametrize("pitch", [40, 57, 76])
def test_the_partials_of_a_note_stay_harmonic(pitch: int) -> None:
    (analysed,) = REPRESENTATION.analyse(tone(pitch))[1].sounds
    assert not analysed.is_bell
    assert torch.allclose(analysed.multiples[:3], torch.tensor([1.0, 2, 3], dtype=torch.float64), rtol=1e-3)


def test_a_moved_bell_keeps_its_intervals() -> None:
    analysis = REPRESENTATION.analyse(bell())
    low = mixture(METHOD, [analysis], [1.0], pitch=str(hz_to_pitch(analysis.context.sounds[0].median_hz) - 12))
    sound = REPRESENTATION.synthesise(low)
    for ours, true in zip(strongest(sound, 4), strongest(bell(), 4), strict=True):
        assert abs(2 * ours / true - 1) < 0.01


def test_half_way_a_partial_lies_at_the_geometric_mean() -> None:
    sounds = [REPRESENTATION.analyse(sound) for sound in (bell((1.0, 2.76, 5.4)), bell((1.0, 2.4, 4.6)))]
    assert all(context.sounds[0].multiples.isfinite().sum() == 3 for _, context in sounds)
    (analysed,) = mixture(METHOD, sounds, [0.5, 0.5]).context.sounds
    heard = analysed.multiples[analysed.multiples.isfinite()] * float(analysed.f0.median()) / STRIKE
    expected = {1.0, math.sqrt(2.76 * 2.4), math.sqrt(5.4 * 4.6)}
    assert all(any(abs(value - one) < 0.02 for one in heard.tolist()) for value in expected)


def test_between_a_bell_and_a_note_what_only_one_has_stays_where_it_is() -> None:
    sounds = [REPRESENTATION.analyse(sound) for sound in (bell((1.0, 2.76, 5.4)), tone(67, seconds=0.75))]
    for weight in (0.25, 0.5, 1.0):
        (analysed,) = mixture(METHOD, sounds, [1 - weight, weight]).context.sounds
        multiples = analysed.multiples
        assert abs(float(multiples[3]) - 4) < 0.01  # the bell has no fourth
        # its second or third glides to the note's
        assert abs(math.log(float(multiples[2]) / (2.76 ** (1 - weight) * 3**weight))) < 0.02


def test_partials_that_share_a_row_lie_near_each_other_and_the_bell_sounds_the_same() -> None:
    sounds = [REPRESENTATION.analyse(sound) for sound in (bell((1.0, 2.76, 5.4)), bell((1.0, 2.43, 4.3, 7.1), 433.0))]
    separated = [METHOD.prepare(sound).context.sounds[0] for sound in sounds]
    first, second = match_partials(separated, METHOD.rows)
    rows = first.multiples.isfinite().nonzero()[:, 0]
    assert first is separated[0] and len(rows) == 3
    # 2.43 beside 2.76 and 4.3 beside 5.4, and 7.1 beside none
    shared = second.multiples[rows] / second.multiples[rows[0]]
    assert torch.allclose(shared, torch.tensor([1.0, 2.43, 4.3], dtype=torch.float64), rtol=0.01)
    assert int(second.multiples.isfinite().sum()) == 4
    assert not torch.equal(second.amplitude, separated[1].amplitude)
    before, after = (heard(sound) for sound in (separated[1], second))
    assert float((after - before).abs().max()) < 1e-6


def heard(sound: SeparatedSound) -> torch.Tensor:
    return REPRESENTATION.synthesiser._sound(sound.joined(), torch.Generator().manual_seed(0))[0]


def test_both_ends_of_a_morph_of_bells_are_the_bells() -> None:
    bells = [bell((1.0, 2.76, 5.4)), bell((1.0, 2.43, 4.3), 433.0)]
    for index, sound in enumerate(bells):
        end = mixture(METHOD, [REPRESENTATION.analyse(each) for each in bells], [1.0 - index, float(index)])
        assert float((REPRESENTATION.synthesise(end)[: len(sound)] - sound).abs().max()) < 1e-4


def test_a_bell_has_one_pitch_and_a_chord_has_no_free_partials() -> None:
    analysis = REPRESENTATION.analyse(bell())
    (found,) = recognise(*analysis, CONFIG)
    assert found.pitched and found.measure > 0.9
    angles = [2 * math.pi * f0 * order * TIME for f0 in (330.0, 401.0) for order in (1, 2, 3)]
    chord = 0.1 * torch.stack([angle.sin() for angle in angles]).sum(0).float()
    (analysed,) = REPRESENTATION.analyse(chord)[1].sounds
    assert not analysed.is_bell


def test_a_string_stiffer_than_the_formula_is_no_bell() -> None:
    ratios = torch.arange(1, 60, dtype=torch.float64) ** 1.03
    string = (torch.sin(2 * math.pi * 110 * ratios[:, None] * TIME) / ratios[:, None] ** 0.5).sum(0)[None].float()
    assert find_inharmonic_partials(string, 110.0, 0.0, CONFIG) is None
    # the first few of the same partials are one
    few = (torch.sin(2 * math.pi * 110 * ratios[:9, None] * TIME) / ratios[:9, None] ** 0.5).sum(0)[None].float()
    assert find_inharmonic_partials(few, 110.0, 0.0, CONFIG) is not None


def choir(f0: float) -> torch.Tensor:
    """A held tone of partials up to 7 kHz, of which the second is the loudest."""
    orders = range(1, int(7000 / f0) + 1)
    parts = [torch.sin(2 * math.pi * f0 * order * TIME + order**2) / max(2, order) for order in orders]
    return 0.1 * torch.stack(parts).sum(0).float()


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_a_weak_partial_beside_a_strong_one_makes_no_third_pitch(mix: float) -> None:
    struck = bell() + 0.05 * bell((0.952,))  # 26 dB below the strike
    hum, high = 0.5 * STRIKE, 300.0
    sound = morph(CODEC, struck, choir(high), mix=mix, config=MorphConfig(network="none"))
    peaks = torch.tensor(strongest(sound[800:], 9)) / (hum ** (1 - mix) * high**mix)
    # every strong partial is one of the bell's, a harmonic, or on the way between two of these that are near each other
    own = [2 * ratio for ratio in (*RATIOS, 0.952)]
    near = [(ratio, order) for ratio in own for order in range(1, 24) if abs(math.log(ratio / order)) <= 0.25]
    allowed = torch.tensor([*own, *range(1, 24), *(ratio ** (1 - mix) * order**mix for ratio, order in near)])
    assert float((peaks[:, None] / allowed).log().abs().amin(1).max()) < 0.015


def test_a_partial_without_a_near_one_takes_the_row_of_the_faintest() -> None:
    struck, held = (METHOD.prepare(REPRESENTATION.analyse(sound)) for sound in (bell(), choir(100.0)))
    moved, kept = match_partials([struck.context.sounds[0], held.context.sounds[0]], METHOD.rows)
    assert moved.is_bell and not kept.is_bell
    gone = kept.sounding[: CONFIG.n_harmonics].isnan()
    assert 0 < int(gone.sum()) <= len(RATIOS)
    loud = held.features[0, : CONFIG.n_harmonics].mean(-1)
    assert float(loud[gone].max()) <= float(loud[:20].min())
    # the bell is heard as it was
    assert float((heard(moved) - bell()).abs().max()) < 1e-4


@pytest.mark.parametrize(
    ("ratios", "levels", "comb", "expected"),
    [
        (
            (0.56, 0.92, 1.19, 1.71, 2, 2.74, 3, 3.76),
            (0, -2, -3, -5, -6, -7, -8, -9),
            0.287,
            0.56,
        ),  # the lowest partial
        ((1, 2.756, 5.404, 8.933), (0, -3, -6, -9), 0.965, 1),
        ((1, 1.594, 2.136, 2.653, 3.156), (0, -2, -4, -6, -8), 0.517, 1),
        ((0.618, 1.22, 1.98, 2.92, 4.02, 5.24, 6.38), (-20, -17, -11, -1, 0, -7, -17), 0.985, 0.985),  # the strike note
        ((0.5, 1, 1.19, 1.5, 2), (0, -1, -2, -3, -4), 1.01, 1.01),  # a partial is there
    ],
    ids=["church bell", "bar", "plate", "tubular bell", "prime"],
)
def test_the_pitch_of_a_bell_is_its_strike_note_or_that_of_a_partial(
    ratios: tuple[float, ...], levels: tuple[float, ...], comb: float, expected: float
) -> None:
    parts = [
        10 ** (level / 20) * torch.sin(2 * math.pi * STRIKE * ratio * TIME + ratio) * torch.exp(-2 * TIME)
        for ratio, level in zip(ratios, levels, strict=True)
    ]
    found = find_inharmonic_partials(0.1 * torch.stack(parts).sum(0).float()[None], comb * STRIKE, 0.0, CONFIG)
    assert found is not None
    assert found[0] == pytest.approx(expected * STRIKE, rel=1e-3)
    rows = found[1][found[1].isfinite()] * found[0] / STRIKE
    assert rows.tolist() == pytest.approx([each for each in ratios if each * STRIKE < CONFIG.f_max], rel=2e-3)
