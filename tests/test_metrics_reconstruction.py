"""Metrics that compare two spectrograms or waveforms."""

from collections.abc import Callable

import auraloss
import librosa
import numpy as np
import pytest
import skimage.metrics
import torch
from conftest import SAMPLE_RATE, tone
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from torch import Tensor

from intertone.metrics import (
    LOG_MEL_16K,
    LOG_MEL_44K,
    db_rmse,
    decibel_images,
    image_similarity,
    log_mel,
    log_mel_error,
    log_spectral_distance,
    mel_mask_agreement,
    mel_peak_agreement,
    multi_resolution_stft_distance,
    peak_agreement,
    scale_invariant_sdr,
    spectral_convergence,
    structural_similarity,
)
from intertone.metrics.spectral import LOG_MEL_STFT

Metric = Callable[[Tensor, Tensor], Tensor]


def loud_rmse(estimate: Tensor, reference: Tensor) -> Tensor:
    return db_rmse(estimate, reference, loud_only=True)


def peak_f1(estimate: Tensor, reference: Tensor) -> Tensor:
    return peak_agreement(estimate, reference).f1


def kept_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    return scale_invariant_sdr(estimate, reference, phase="kept")


# metric, its number for equal sounds, whether larger is better, the worst number for 5 ms of delay of a note
METRICS = [
    (db_rmse, 0, False, 1.0),
    (loud_rmse, 0, False, 2.0),
    (log_spectral_distance, 0, False, 1.0),
    (multi_resolution_stft_distance, 0, False, 1.0),
    (log_mel_error, 0, False, 0.25),
    (structural_similarity, 1, True, 0.995),
    (peak_f1, 1, True, 0.99),
    (kept_sdr, 120, True, None),
]
every_metric = pytest.mark.parametrize(("metric", "perfect", "larger_is_better", "delayed"), METRICS)


@pytest.fixture(scope="module")
def noise() -> Tensor:
    return torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))


def sine(frequency: float) -> Tensor:
    time = torch.arange(SAMPLE_RATE, dtype=torch.float64) / SAMPLE_RATE
    return torch.sin(2 * torch.pi * frequency * time).float()


# what holds for all


@every_metric
def test_equal_sounds_are_perfect_and_gain_and_polarity_do_not_matter(
    metric: Metric, perfect: float, larger_is_better: bool, delayed: float | None, noise: Tensor
) -> None:
    for sound in (tone(60), noise):
        assert float(metric(sound, sound)) == pytest.approx(perfect, abs=1e-6)
        assert float(metric(-0.03 * sound, sound)) == pytest.approx(perfect, abs=1e-3)


@every_metric
def test_more_noise_is_worse(
    metric: Metric, perfect: float, larger_is_better: bool, delayed: float | None, noise: Tensor
) -> None:
    reference = tone(57, seconds=2, decay=0.5)
    scores = [float(metric(reference + level * noise, reference)) for level in (0, 0.001, 0.01, 0.1, 0.5)]
    assert scores == sorted(scores, reverse=larger_is_better)
    assert abs(scores[1] - scores[-1]) > 0.2 * abs(scores[0] - scores[-1])


@every_metric
def test_a_delay_of_5_ms_costs_little_where_the_phase_does_not_count(
    metric: Metric, perfect: float, larger_is_better: bool, delayed: float | None
) -> None:
    for pitch in (40, 60):
        sound = tone(pitch, seconds=2)
        score = float(metric(torch.cat([torch.zeros(80), sound[:-80]]), sound))
        if delayed is None:
            assert score < 0  # dB of signal to distortion
        elif larger_is_better:
            assert score > delayed
        else:
            assert score < delayed


@every_metric
def test_a_batch_is_judged_item_by_item_and_shapes_must_agree(
    metric: Metric, perfect: float, larger_is_better: bool, delayed: float | None, noise: Tensor
) -> None:
    references = torch.stack([tone(pitch, seconds=0.5) for pitch in (40, 52, 64, 76)]).view(2, 2, -1)
    estimates = references + 0.02 * noise.view(2, 2, -1)
    together = metric(estimates, references)
    assert together.shape == (2, 2)
    assert together.dtype == torch.float32
    assert float(together[1, 0]) == pytest.approx(float(metric(estimates[1, 0], references[1, 0])), abs=1e-4)
    with pytest.raises(ValueError, match=r"shapes must be equal, got \(32000,\) and \(31999,\)"):
        metric(noise, noise[1:])


@every_metric
def test_silence_is_finite_equal_to_itself_and_worse_than_a_noisy_copy(
    metric: Metric, perfect: float, larger_is_better: bool, delayed: float | None, noise: Tensor
) -> None:
    sound = tone(60)
    silence = torch.zeros_like(sound)
    assert float(metric(silence, silence)) == pytest.approx(perfect, abs=1e-6)
    noisy = float(metric(sound + 0.001 * noise[: len(sound)], sound))
    for pair in ((silence, sound), (sound, silence)):
        score = float(metric(*pair))
        assert np.isfinite(score)
        assert (score < noisy) if larger_is_better else (score > noisy)


# decibels


def test_the_floor_lies_below_the_reference_and_the_images_are_on_its_scale(noise: Tensor) -> None:
    first, second = decibel_images(sine(1000) + 0.1 * sine(3000), sine(1000), floor_db=50)
    assert first.shape == second.shape == (513, 64)
    assert float(second.max()) == 0
    assert float(first.min()) == float(second.min()) == pytest.approx(-50, abs=1e-4)
    # at equal RMS the loud tone has 1 / 1.01 of the energy; bins are 15.625 Hz
    assert float(first[64, 30]) == pytest.approx(-0.043, abs=0.01)
    assert float(first[192, 30]) == pytest.approx(-20.043, abs=0.01)


def test_rmse_and_distance_of_a_sound_whose_second_half_is_20_db_lower(noise: Tensor) -> None:
    quieter = torch.cat([noise[:SAMPLE_RATE], 0.1 * noise[SAMPLE_RATE:]])
    # at equal RMS the first half is 10·log10(2 / 1.01) = 2.97 dB too loud and the second 17.03 dB too quiet
    assert float(db_rmse(quieter, noise)) == pytest.approx(((2.97**2 + 17.03**2) / 2) ** 0.5, abs=0.15)
    assert float(log_spectral_distance(quieter, noise)) == pytest.approx((2.97 + 17.03) / 2, abs=0.15)


def test_what_the_reference_does_not_fill_counts_unless_only_loud_cells_do(noise: Tensor) -> None:
    half = torch.cat([noise[:SAMPLE_RATE], torch.zeros(SAMPLE_RATE)])
    dirty = half + 0.01 * torch.cat([torch.zeros(SAMPLE_RATE), noise[SAMPLE_RATE:]])
    assert float(db_rmse(dirty, half)) > 5
    assert float(db_rmse(dirty, half, loud_only=True)) < 0.6  # of the frames that hold the end
    # 40 dB down on average is below a floor of 30 dB
    assert float(db_rmse(dirty, half, floor_db=30)) < 0.1
    assert float(log_spectral_distance(dirty, half, floor_db=30)) < 0.1


# spectra


def test_multi_resolution_distance_is_that_of_auraloss(noise: Tensor) -> None:
    oracle = auraloss.freq.MultiResolutionSTFTLoss()
    pairs = [(tone(60, seconds=2), noise), (tone(45), tone(57)), (tone(60) + 0.01 * noise[:SAMPLE_RATE], tone(60))]
    for estimate, reference in pairs:
        first, second = (sound / sound.square().mean().sqrt() for sound in (estimate, reference))
        wanted = float(oracle(first.view(1, 1, -1), second.view(1, 1, -1)))
        assert float(multi_resolution_stft_distance(estimate, reference)) == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(ValueError, match="sounds must have more than 1024 samples, got 1024"):
        multi_resolution_stft_distance(noise[:1024], noise[:1024])


def test_spectral_convergence_on_the_own_analysis_and_on_a_second_one(noise: Tensor) -> None:
    estimate, reference = noise[:SAMPLE_RATE], noise[SAMPLE_RATE:]
    for config in (LOG_MEL_STFT, LOG_MEL_STFT.model_copy(update={"n_fft": 2048})):
        window = torch.hann_window(config.n_fft)
        options = {"n_fft": config.n_fft, "hop_length": 256, "window": window, "pad_mode": "constant"}
        s, t = (torch.stft(x, **options, return_complex=True).abs() for x in (estimate, reference))
        wanted = 20 * torch.log10((s - t).norm() / t.norm())
        # one frame more completes the last hop here
        assert float(spectral_convergence(estimate, reference, config)) == pytest.approx(float(wanted), abs=0.05)


def test_log_mel_at_44100_hz_is_librosas_and_has_no_empty_band() -> None:
    audio = torch.randn(22050, generator=torch.Generator().manual_seed(4))
    power = librosa.feature.melspectrogram(
        y=audio.numpy(), sr=44100, n_fft=2048, hop_length=512, n_mels=96, fmin=40, fmax=20000,
        htk=True, norm=None, pad_mode="constant",
    )  # fmt: skip
    wanted = librosa.power_to_db(power / audio.square().mean().item(), ref=1, amin=1e-20, top_db=60)
    image = log_mel(audio, LOG_MEL_44K)
    assert image.shape == (96, 1 + -(-22050 // 512))
    assert image[:, : wanted.shape[1]].numpy() == pytest.approx(wanted, abs=0.05)
    assert float(image.mean(1).max() - image.mean(1).min()) < 30  # white noise fills every band
    assert float(log_mel_error(audio, audio.flip(0), LOG_MEL_44K)) > 1
    assert torch.equal(log_mel(audio, LOG_MEL_16K), log_mel(audio))


# images


@pytest.mark.parametrize("shape", [(11, 11), (40, 23), (128, 64)])
def test_image_similarity_is_that_of_scikit_image(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    reference = torch.rand(shape, generator=generator)
    for level in (0.01, 0.1, 1):
        estimate = (1 - level) * reference + level * torch.rand(shape, generator=generator)
        wanted = skimage.metrics.structural_similarity(
            estimate.double().numpy(), reference.double().numpy(),
            data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip
        assert float(image_similarity(estimate, reference)) == pytest.approx(wanted, abs=1e-6)


def test_similarity_of_flat_images_and_of_the_spectrograms_of_sounds(noise: Tensor) -> None:
    flat = [torch.full((20, 20), value) for value in (0.2, 0.8)]
    assert float(image_similarity(*flat)) == pytest.approx((2 * 0.16 + 1e-4) / (0.04 + 0.64 + 1e-4), abs=1e-6)
    estimate, reference = tone(60) + 0.01 * noise[:SAMPLE_RATE], tone(60)
    first, second = (1 + image / 60 for image in decibel_images(estimate, reference))
    assert torch.equal(structural_similarity(estimate, reference), image_similarity(first, second))
    with pytest.raises(ValueError, match=r"at least 11 × 11, got \(513, 10\)"):
        structural_similarity(noise[:2304], noise[:2304])


# peaks


def test_a_partial_is_right_within_35_cents_or_one_bin() -> None:
    def score(frequency: float, cents: float) -> float:
        return float(peak_agreement(sine(frequency * 2 ** (cents / 1200)), sine(frequency)).f1)

    assert score(3000, 30) == score(3000, -30) == 1
    assert score(3000, 40) < 0.1 and score(3000, -40) < 0.1  # the first and last frames hold the cut of the tone too
    assert score(250, 90) == 1  # 13.3 Hz, less than a bin
    assert score(250, 120) < 0.1  # 17.9 Hz


def test_precision_falls_with_a_false_partial_and_recall_with_a_lost_one() -> None:
    one, two = sine(1000), sine(1000) + sine(3000)
    assert [round(float(share), 2) for share in peak_agreement(two, one)] == [0.5, 1.0, 0.67]
    assert [round(float(share), 2) for share in peak_agreement(one, two)] == [1.0, 0.5, 0.67]
    # 40 dB down is a peak, 50 dB down is none
    assert float(peak_agreement(one + 0.01 * sine(3000), one).precision) == pytest.approx(0.5, abs=0.02)
    assert float(peak_agreement(one + 0.003 * sine(3000), one).precision) > 0.95


def test_frames_40_db_below_the_loudest_do_not_count() -> None:
    reference = torch.cat([sine(1000), 0.003 * sine(1000)])
    estimate = torch.cat([sine(1000), 0.003 * sine(2000)])
    assert float(peak_agreement(estimate, reference).f1) > 0.95  # all but the edges
    reference, estimate = (torch.cat([part[:SAMPLE_RATE], 10 * part[SAMPLE_RATE:]]) for part in (reference, estimate))
    assert float(peak_agreement(estimate, reference).f1) == pytest.approx(0.5, abs=0.02)


def test_peaks_are_found_where_the_harmonics_are_and_an_octave_is_half_right() -> None:
    lower, upper = tone(57, decay=0), tone(69, decay=0)  # 220 Hz: every second harmonic is one of 440 Hz
    agreement = peak_agreement(lower, upper)
    assert float(agreement.recall) > 0.95
    assert float(agreement.precision) == pytest.approx(0.5, abs=0.05)


def test_mel_peaks_are_paired_as_well_as_can_be() -> None:
    generator = torch.Generator().manual_seed(2)
    estimates, references = (60 * torch.rand(3, 24, 5, generator=generator) - 60 for _ in range(2))
    agreement = mel_peak_agreement(estimates, references)
    for item in range(3):
        pairs = n_estimate = n_reference = 0
        for frame in range(5):
            places = []
            for image in (estimates[item], references[item]):
                column = np.pad(image[:, frame].numpy(), 1, constant_values=-np.inf)
                peaks = (column[1:-1] > column[:-2]) & (column[1:-1] >= column[2:])
                places.append(np.flatnonzero(peaks & (column[1:-1] > float(image.max()) - 40)))
            near = np.abs(places[0][:, None] - places[1]) <= 1
            pairs += (maximum_bipartite_matching(csr_array(near), perm_type="column") >= 0).sum()
            n_estimate, n_reference = n_estimate + len(places[0]), n_reference + len(places[1])
        assert float(agreement.precision[item]) == pytest.approx(pairs / n_estimate)
        assert float(agreement.recall[item]) == pytest.approx(pairs / n_reference)
        assert float(agreement.f1[item]) == pytest.approx(2 * pairs / (n_estimate + n_reference))


@pytest.mark.parametrize("metric", [mel_peak_agreement, mel_mask_agreement])
def test_equal_mel_images_agree_at_any_level_and_noise_is_worse(metric: Callable[..., tuple[Tensor, ...]]) -> None:
    image = log_mel(tone(60))
    assert [float(share) for share in metric(image - 20, image)] == [1, 1, 1]
    assert [float(share) for share in metric(torch.full((8, 4), -80.0), torch.full((8, 4), -80.0))] == [1, 1, 1]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(3))
    scores = [float(metric(image + level * noise, image)[2]) for level in (1, 10, 30)]
    assert scores == sorted(scores, reverse=True) and scores[-1] < 0.9 * scores[0]
    with pytest.raises(ValueError, match="shapes must be equal"):
        metric(image, image[1:])


# waveforms


def test_sdr_of_a_published_example_and_of_orthogonal_noise(noise: Tensor) -> None:
    # the example of torchmetrics' documentation, which gives 18.4030
    estimate, reference = torch.tensor([2.5, 0.0, 2.0, 8.0]), torch.tensor([3.0, -0.5, 2.0, 7.0])
    assert float(scale_invariant_sdr(estimate, reference, phase="kept")) == pytest.approx(18.4030, abs=1e-4)
    sound = tone(60)
    distortion = noise[:SAMPLE_RATE] - (noise[:SAMPLE_RATE] @ sound) / (sound @ sound) * sound
    distortion *= sound.norm() / distortion.norm()
    for level in (1e-3, 0.1, 1):
        wanted = -20 * np.log10(level)
        assert float(kept_sdr(sound + level * distortion, sound)) == pytest.approx(wanted, abs=0.01)
    assert float(kept_sdr(torch.zeros_like(sound), sound)) == -120


def test_sdr_is_refused_where_the_phase_was_estimated(noise: Tensor) -> None:
    with pytest.raises(ValueError, match=r"SI-SDR must compare sounds of the same phase \('kept'\), got one of phase"):
        scale_invariant_sdr(noise, noise, phase="pghi-fast")
    with pytest.raises(TypeError, match="phase"):
        scale_invariant_sdr(noise, noise)  # type: ignore[call-arg]
