"""One source or two, and what a row of sounds does to descriptors: on sounds whose answer is known."""

import math

import numpy as np
import pytest
import torch

from intertone.metrics.descriptor import (
    JND,
    describe,
    descriptor_non_linearity,
    descriptor_path_efficiency,
)
from intertone.metrics.fusion import beating, comb_residual, decay_db, envelope_knee, fusion, two_pitch_presence
from intertone.pitch.comb import Comb, Peaks, fit_comb, spectral_peaks

RATE = 16000
TIME = torch.arange(2 * RATE, dtype=torch.float64) / RATE


def partials(f0: float, *, stretch: float = 0.0, n: int = 15, decay: float = 0.0) -> torch.Tensor:
    """A note of ``n`` partials ``k·f0·√(1 + B·k²)`` of amplitude ``1/k``."""
    order = torch.arange(1, n + 1, dtype=torch.float64)[:, None]
    frequency = order * f0 * torch.sqrt(1 + stretch * order**2)
    frequency = frequency[frequency[:, 0] < 7600]
    order = order[: len(frequency)]
    sound = (torch.sin(2 * math.pi * frequency * TIME + order**2) / order).sum(0)
    return (0.1 * sound * 10 ** (-decay * TIME / 20)).float()


# peaks and combs


def test_peaks_are_where_the_partials_are() -> None:
    peaks = spectral_peaks(partials(220.5, n=8), RATE)
    assert peaks.frequency == pytest.approx(220.5 * np.arange(1, 9), abs=0.02)
    assert peaks.weight == pytest.approx(1 / np.sqrt(np.arange(1, 9)), rel=0.01)


def test_silence_has_no_peaks_and_no_comb() -> None:
    peaks = spectral_peaks(torch.zeros(RATE), RATE)
    assert len(peaks.frequency) == 0
    comb = fit_comb(peaks, 200, 300)
    assert math.isnan(comb.f0) and comb.explained == 0
    assert comb_residual(peaks, 200, 300) == 1
    assert two_pitch_presence(peaks, Comb(200, 0, 1), Comb(300, 0, 1)) == 0


@pytest.mark.parametrize("f0", [55.0, 131.3, 220.0, 523.7, 1046.5])
@pytest.mark.parametrize("stretch", [0.0, 6e-5, 3e-4])
def test_a_comb_is_found_between_two_notes(f0: float, stretch: float) -> None:
    peaks = spectral_peaks(partials(f0, stretch=stretch), RATE)
    comb = fit_comb(peaks, f0 / 1.3, f0 * 1.25)
    assert 1200 * math.log2(comb.f0 / f0) == pytest.approx(0, abs=1.0)
    assert comb.explained == pytest.approx(1, abs=1e-6)
    if f0 < 600:  # there are enough partials to see the stretch
        assert comb.inharmonicity == pytest.approx(stretch, abs=1e-5)


@pytest.mark.parametrize("f0", [110.0, 220.0, 440.0])
def test_no_octave_error_where_both_octaves_may_be_searched(f0: float) -> None:
    """Half the f0 explains every peak as well; the empty partials count against it."""
    comb = fit_comb(spectral_peaks(partials(f0), RATE), f0 / 2, 2 * f0)
    assert 1200 * math.log2(comb.f0 / f0) == pytest.approx(0, abs=1.0)


def test_a_shift_of_fifty_cents_reads_as_fifty() -> None:
    f0 = 300.0
    shifted = f0 * 2 ** (50 / 1200)
    found = [fit_comb(spectral_peaks(partials(x), RATE), f0, f0 * 1.02).f0 for x in (f0, shifted)]
    assert 1200 * math.log2(found[1] / found[0]) == pytest.approx(50, abs=0.5)


def test_two_notes_leave_a_residual_and_both_are_present() -> None:
    low, high = partials(262), partials(330)
    one = spectral_peaks(partials(294), RATE)
    both = spectral_peaks(low + high, RATE)
    assert comb_residual(one, 262, 330) == pytest.approx(0, abs=1e-6)
    assert comb_residual(both, 262, 330) > 0.3
    combs = Comb(262, 0, 1), Comb(330, 0, 1)
    assert two_pitch_presence(both, *combs) > 0.5  # every fifth partial of the one is a fourth of the other
    assert two_pitch_presence(one, *combs) < 0.15
    assert two_pitch_presence(spectral_peaks(low, RATE), *combs) == 0


@pytest.mark.parametrize("change", ["gain", "polarity", "delay"])
def test_fusion_is_blind_to_gain_polarity_and_five_milliseconds(change: str) -> None:
    sound = partials(262) + partials(330)
    changed = {"gain": 0.25 * sound, "polarity": -sound, "delay": torch.cat([torch.zeros(80), sound[:-80]])}[change]
    combs = Comb(262, 0, 1), Comb(330, 0, 1)
    figures = []
    for x in (sound, changed):
        peaks = spectral_peaks(x, RATE)
        figures.append((comb_residual(peaks, 262, 330), two_pitch_presence(peaks, *combs), beating(x, RATE, combs[0])))
    assert figures[1] == pytest.approx(figures[0], abs=0.01)


# beating


def test_beating_reads_the_deviation_of_a_known_envelope() -> None:
    """A level of ±3 dB at 5 Hz has a standard deviation of 3/√2 dB; the 64-ms window takes a little."""
    envelope = 10 ** (3 * torch.sin(2 * math.pi * 5 * TIME) / 20)
    sound = (envelope * partials(440, n=5)).float()
    assert beating(sound, RATE, Comb(440, 0, 1)) == pytest.approx(3 / math.sqrt(2), rel=0.15)
    assert beating(partials(440, n=5), RATE, Comb(440, 0, 1)) < 0.02


def test_beating_takes_no_offence_at_a_decay() -> None:
    assert beating(partials(440, decay=20), RATE, Comb(440, 0, 1)) < 0.05


def test_two_detuned_copies_beat() -> None:
    assert beating(partials(440) + partials(442.5), RATE, Comb(441, 0, 1)) > 1


def test_a_sound_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a sound must be longer than half a second, got 0\.3"):
        beating(torch.ones(4800), RATE, Comb(440, 0, 1))
    with pytest.raises(ValueError, match=r"a sound must be longer than 0\.08 s, got 0\.05"):
        spectral_peaks(torch.ones(800), RATE)


# the knee


def test_a_straight_decay_has_no_knee_and_a_mixture_has() -> None:
    fast, held = partials(220, decay=60), 0.1 * partials(220)
    assert envelope_knee(partials(220, decay=30), RATE) < 0.3
    assert envelope_knee(fast + held, RATE) > 2
    assert envelope_knee(torch.zeros(RATE), RATE) == 0


def test_the_decay_is_read_down_to_45_db() -> None:
    db = decay_db(partials(220, decay=100), RATE)
    assert len(db) == pytest.approx(45, abs=2)  # 45 dB at 100 dB/s, in steps of 10 ms
    assert db.min() >= -45 and db[0] == 0


def test_fusion_counts_the_worst_fault() -> None:
    assert fusion(comb_excess=-1, beating_excess=-1, presence=0.0, knee_excess=-1) == 1
    assert fusion(comb_excess=0.125, beating_excess=0.2) == pytest.approx(0.5)
    assert fusion(comb_excess=0, beating_excess=0.5) == pytest.approx(0.5)
    assert fusion(comb_excess=0, beating_excess=0, presence=0.3) == pytest.approx(0.5)
    assert fusion(comb_excess=0, beating_excess=0, knee_excess=0.75) == pytest.approx(0.5)
    assert fusion(comb_excess=3, beating_excess=0) == 0


# descriptors


def test_descriptors_are_what_the_sound_was_made_of() -> None:
    attack = torch.clamp(TIME / 0.2, max=1).float()
    found = describe(attack * torch.sin(2 * math.pi * 1000 * TIME).float())
    assert found["attack"] == pytest.approx(math.log10(0.7 * 0.2), abs=0.03)  # 20 to 90 % of 0.2 s
    assert found["centroid"] == pytest.approx(math.log2(1000), abs=0.1)
    decaying = describe(partials(440, decay=30))
    assert decaying["decay"] == pytest.approx(-math.log10(31), abs=0.02)
    assert decaying["temporal centroid"] < 0.5 < describe(partials(440))["temporal centroid"]
    two_octaves = torch.sin(2 * math.pi * 500 * TIME) + torch.sin(2 * math.pi * 2000 * TIME)
    assert describe(two_octaves.float())["spread"] == pytest.approx(1, abs=0.1)  # one octave to each side
    assert describe(torch.randn(2 * RATE, generator=torch.Generator().manual_seed(0)))["flux"] > found["flux"]


def test_descriptors_do_not_see_gain_and_polarity() -> None:
    sound = partials(330, decay=10)
    assert describe(-0.1 * sound) == pytest.approx(describe(sound), abs=1e-4)
    assert describe(torch.zeros(RATE)) == dict.fromkeys(JND, 0.0)


def row(values: list[float]) -> list[dict[str, float]]:
    return [dict.fromkeys(JND, value) for value in values]


def test_a_straight_row_is_perfect_and_a_detour_is_not() -> None:
    ratios = [0, 0.25, 0.5, 0.75, 1]
    ends = row([0, 2])
    straight, detour = ends + row([0, 0.5, 1, 1.5, 2]), ends + row([0, 3, -1, 3, 2])
    assert descriptor_non_linearity(straight, ratios) == 0
    assert descriptor_path_efficiency(straight, ratios) == 1
    assert descriptor_path_efficiency(detour, ratios) == pytest.approx(2 / (3 + 4 + 4 + 1))
    assert descriptor_non_linearity(detour, ratios) > 0.5
    far = ends + row([0, 90, 90, 90, 2])
    assert descriptor_non_linearity(far, ratios) == 1.5  # no descriptor counts for more


def test_a_descriptor_that_does_not_tell_the_ends_apart_is_not_asked() -> None:
    same = row([0, 0.01]) + row([0, 5, 0.01])
    assert descriptor_non_linearity(same, [0, 0.5, 1]) == 0
    assert descriptor_path_efficiency(same, [0, 0.5, 1]) == 1
    with pytest.raises(ValueError, match="A, B and one sound a ratio must be described, got 3 for 3 ratios"):
        descriptor_non_linearity(row([0, 1, 2]), [0, 0.5, 1])


def test_good_sequences_rank_before_poor_and_random_ones() -> None:
    """A row of notes whose brightness moves evenly, unevenly, and at random."""

    def note(tilt: float) -> torch.Tensor:
        order = torch.arange(1, 16, dtype=torch.float64)[:, None]
        return (torch.sin(2 * math.pi * 220 * order * TIME + order**2) / order**tilt).sum(0).float()

    ratios = [step / 6 for step in range(7)]
    places = {"good": ratios, "poor": [0, 0.05, 0.1, 0.7, 0.75, 0.95, 1], "random": [0, 0.8, 0.1, 0.9, 0.3, 0.6, 1]}
    found = {}
    for name, row_places in places.items():
        described = [describe(note(2.5 - 2 * place)) for place in (0, 1, *row_places)]
        found[name] = descriptor_non_linearity(described, ratios), descriptor_path_efficiency(described, ratios)
    assert found["good"][0] < found["poor"][0] < found["random"][0]
    assert found["random"][1] < min(found["good"][1], found["poor"][1])


def test_peaks_can_be_made_by_hand() -> None:
    peaks = Peaks(np.array([100.0, 200.0, 250.0]), np.array([1.0, 1.0, 2.0]))
    assert comb_residual(peaks, 100, 100) == pytest.approx(0.5)
