"""Metrics of style transfer: what is equal is perfect, and what is worse scores worse."""

import math
from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch
from conftest import tone
from scipy import signal

from intertone.metrics import (
    chroma_similarity,
    crop_distance,
    envelope_correlation,
    flatness_ratio,
    gram_distance,
    largest_crop_correlation,
    log_mel,
    mean_flatness,
    mfcc_distance,
    mfcc_statistics,
    noise_floor_lift,
    onset_f1,
    onset_times,
    spectral_roll_off,
    spectral_spread,
    texture_snr,
    texture_statistics,
)
from intertone.metrics.gram import GRAM_RMS, GRAM_STFT, random_filters
from intertone.metrics.pair import unit_rms
from intertone.stft import stft

RATE = 16000
ONSETS = (0.1, 0.6, 1.0, 1.45)
TUNE = (60, 67, 64, 72)


def melody(pitches: tuple[int, ...] = TUNE, *, tilt: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Notes of 0.4 s that begin at ``ONSETS``, ``(32000,)``."""
    sound = torch.zeros(2 * RATE)
    for pitch, onset in zip(pitches, ONSETS, strict=True):
        start = round((onset + shift) * RATE)
        note = tone(pitch, seconds=0.4, tilt=tilt) * torch.linspace(1, 0, 6400)
        sound[start : start + 6400] += note
    return sound


def hiss(level: float, seed: int = 0, seconds: float = 2.0) -> torch.Tensor:
    return level * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


DISTANCES = {
    "mfcc": mfcc_distance,
    "crops": crop_distance,
    "gram": lambda estimate, reference: gram_distance(estimate, reference, n_filters=128),
    "texture": lambda estimate, reference: 60 - texture_snr(estimate, reference),
    "onsets": lambda estimate, reference: 1 - onset_f1(estimate, reference),
    "envelope": lambda estimate, reference: 1 - float(envelope_correlation(estimate, reference)),
    "chroma": lambda estimate, reference: 1 - chroma_similarity(estimate, reference),
    "floor": lambda estimate, reference: noise_floor_lift(estimate, reference, reference),
    "flatness": lambda estimate, reference: flatness_ratio(estimate, reference, reference) - 1,
    "copy": lambda estimate, reference: 1 - largest_crop_correlation(estimate, reference, sample_rate=RATE),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_a_sound_is_at_no_distance_from_itself_with_any_gain_and_polarity(name: str) -> None:
    sound = melody() + hiss(1e-3)
    for other in (sound, -0.3 * sound):
        assert DISTANCES[name](other, sound) == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize("name", ["mfcc", "crops", "gram", "texture"])
def test_style_is_closer_in_the_same_timbre_with_other_notes_than_in_another_timbre(name: str) -> None:
    style = melody((62, 69, 65, 74), tilt=2.0)
    near, far, farther = (DISTANCES[name](melody(tilt=tilt), style) for tilt in (2.0, 0.8, 0.2))
    assert 0 < near < far < farther


@pytest.mark.parametrize("name", ["mfcc", "crops", "texture", "floor", "flatness", "gram"])
def test_more_noise_is_further(name: str) -> None:
    sound = melody()
    low, high = (DISTANCES[name](sound + hiss(level), sound) for level in (1e-3, 2e-2))
    assert 0 < low < high


@pytest.mark.parametrize("distance", [mfcc_distance, crop_distance, texture_snr, gram_distance])
def test_styles_may_have_other_lengths_and_must_be_one_sound(distance: Callable[..., float]) -> None:
    settings = {"n_filters": 16} if distance is gram_distance else {}
    assert math.isfinite(distance(melody()[: RATE + 77], melody(), **settings))
    with pytest.raises(ValueError, match=r"audio must be \(samples,\)"):
        distance(torch.zeros(2, RATE), melody(), **settings)


def test_mfcc_are_those_of_librosa() -> None:
    sound = melody()
    wanted = librosa.feature.mfcc(S=log_mel(sound).double().numpy(), n_mfcc=13, dct_type=2, norm="ortho")[1:]
    found = mfcc_statistics(sound).numpy()
    np.testing.assert_allclose(found, np.concatenate([wanted.mean(1), wanted.std(1)]), atol=1e-4)


def test_the_gram_distance_is_that_of_the_matrices() -> None:
    first, second = melody(), melody(tilt=2.0)[: RATE + 5000]
    filters = random_filters(48, 7)
    grams = []
    for sound in (first, second):
        image = stft(GRAM_RMS * unit_rms(sound), GRAM_STFT).abs().log1p()
        kernel = filters.unflatten(1, (-1, 11))
        output = torch.nn.functional.conv1d(image[None], kernel)[0].relu().double()
        grams.append(output @ output.T / output.shape[1])
    wanted = float((grams[0] - grams[1]).square().sum() / grams[1].square().sum())
    assert gram_distance(first, second, n_filters=48, seed=7) == pytest.approx(wanted, rel=1e-5)
    assert filters.std() == pytest.approx(2 / math.sqrt((1025 + 48) * 11), rel=0.01)
    assert gram_distance(0 * first, second, n_filters=48) == 1
    with pytest.raises(ValueError, match="the reference must not be silent"):
        gram_distance(first, 0 * second, n_filters=48)
    with pytest.raises(ValueError, match="at least 11 frames"):
        gram_distance(first[:2000], second, n_filters=48)


def test_texture_statistics_of_noise_and_of_a_modulated_tone() -> None:
    noise = texture_statistics(hiss(1.0, seconds=4.0))
    assert noise["correlation"].abs().mean() < 0.15  # bands of white noise are independent, but for their neighbours
    time = torch.arange(4 * RATE) / RATE
    modulated = texture_statistics(hiss(1.0, seconds=4.0) * (1.01 + torch.sin(2 * torch.pi * 6 * time)))
    octave = modulated["modulation"].unflatten(0, (8, 24))
    assert (octave.argmax(0) == 3).all()  # 4…8 Hz
    assert modulated["correlation"].mean() > 0.8
    assert all(values.isfinite().all() for values in texture_statistics(torch.zeros(RATE)).values())


def test_onsets_are_found_at_their_times() -> None:
    found = onset_times(melody())
    assert found == pytest.approx(ONSETS, abs=0.03)
    assert onset_times(torch.zeros(RATE)) == []
    assert onset_f1(torch.zeros(RATE), torch.zeros(RATE)) == 1
    assert onset_f1(melody(), torch.zeros(2 * RATE)) == 0


def test_onsets_match_within_the_tolerance_one_to_one() -> None:
    assert onset_f1(melody(shift=0.03), melody()) == 1
    assert onset_f1(melody(shift=0.08), melody()) == 0
    assert onset_f1(melody(shift=0.08), melody(), tolerance_seconds=0.1) == 1
    three = melody()
    three[round(1.42 * RATE) :] = 0
    assert onset_f1(three, melody()) == pytest.approx(2 * 3 / 7)


def test_the_energy_envelope_follows_the_rhythm_not_the_timbre() -> None:
    content = melody()
    assert float(envelope_correlation(melody(tilt=2.0), content)) > 0.95
    assert float(envelope_correlation(melody(shift=0.15), content)) < 0.7
    assert float(envelope_correlation(torch.zeros_like(content), content)) == 0


def test_chroma_follows_the_notes_not_the_timbre_nor_a_small_delay() -> None:
    content = melody()
    same, late, other = (
        chroma_similarity(sound, content)
        for sound in (melody(tilt=2.0), melody(shift=0.1), melody((66, 61, 70, 66), tilt=1.0))
    )
    assert same > 0.95 and late > 0.9 and other < 0.55
    assert chroma_similarity(torch.zeros_like(content), content) < 0.4
    with pytest.raises(ValueError, match="lengths must differ by at most"):
        chroma_similarity(content[:RATE], content)


def test_flatness_is_that_of_noise_and_of_tones() -> None:
    # the power of a bin of white noise is exponentially distributed: exp(-0.5772)
    assert float(mean_flatness(hiss(0.1, seconds=4.0))) == pytest.approx(math.exp(-0.5772), abs=0.01)
    assert float(mean_flatness(torch.sin(torch.arange(RATE) * 0.3)[1000:-1000])) < 0.02
    noisy, tonal = melody() + hiss(0.02), melody()
    assert flatness_ratio(noisy, tonal, noisy) == flatness_ratio(noisy, noisy, tonal) == 1


def test_the_noise_floor_is_lifted_by_what_was_added() -> None:
    first, second = hiss(0.02, 0, 4.0), hiss(0.02, 1, 4.0)
    loud = torch.sin(torch.arange(4 * RATE) * 0.3)  # of the same level in all, so that RMS 1 means the same
    lifts = [noise_floor_lift(loud + gain * hiss(0.02, 2, 4.0), loud + first, loud + second) for gain in (1, 2, 4)]
    assert lifts[0] < 1  # only what chance leaves
    assert lifts[2] - lifts[1] == pytest.approx(20 * math.log10(2), abs=0.4)
    assert noise_floor_lift(loud + 0.1 * first, loud + first, loud) == pytest.approx(0, abs=0.05)


def test_a_piece_of_the_style_is_found_wherever_it_is() -> None:
    style = hiss(0.1, 3)
    pasted = hiss(0.1, 4)
    pasted[9000:20000] = style[17000:28000]
    assert largest_crop_correlation(pasted, style, sample_rate=RATE) > 0.99
    filtered = torch.from_numpy(signal.lfilter([1, 0.5], [1], style.numpy())).float()
    # 1 / sqrt(1.25) of each sample is the style's
    assert largest_crop_correlation(filtered, style, sample_rate=RATE) == pytest.approx(0.894, abs=0.02)
    assert largest_crop_correlation(hiss(0.1, 4), style, sample_rate=RATE) < 0.1
    assert largest_crop_correlation(0 * style, style, sample_rate=RATE) == 0
    with pytest.raises(ValueError, match=r"audio must be \(samples,\), at least 8000 of them"):
        largest_crop_correlation(style[:7999], style, sample_rate=RATE)


# bandwidth


def test_two_tones_of_equal_power_spread_by_half_their_distance() -> None:
    time = torch.arange(2 * RATE) / RATE
    both = torch.sin(2 * torch.pi * 1000 * time) + torch.sin(2 * torch.pi * 3000 * time)
    # both lie 1000 Hz from the centroid, 2000 Hz
    assert float(spectral_spread(0.1 * both)) == pytest.approx(1000, abs=5)
    assert float(spectral_roll_off(both)) == pytest.approx(3000, abs=16)
    # 30 dB weaker, the upper tone has 0.1 % of the power
    soft = torch.sin(2 * torch.pi * 1000 * time) + 0.03 * torch.sin(2 * torch.pi * 3000 * time)
    assert float(spectral_roll_off(soft)) == pytest.approx(1000, abs=16)


def test_the_bandwidth_of_white_noise_is_that_of_a_flat_spectrum() -> None:
    noise = hiss(0.1, seconds=4)
    # a uniform distribution over 0 to 8000 Hz
    assert float(spectral_spread(noise)) == pytest.approx(8000 / math.sqrt(12), rel=0.02)
    assert float(spectral_roll_off(noise)) == pytest.approx(0.95 * 8000, rel=0.02)
    assert math.isnan(float(spectral_roll_off(torch.zeros(RATE)))) and math.isnan(
        float(spectral_spread(torch.zeros(RATE)))
    )
    with pytest.raises(ValueError, match=r"audio must be \(samples,\), got \(2, 100\)"):
        spectral_spread(torch.zeros(2, 100))
