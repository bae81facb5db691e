import math
from collections.abc import Callable

import librosa
import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from torch import Tensor

from intertone.metrics import log_mel, log_mel_error, loud_cell_error, spectral_convergence


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))


def sine(frequency: float) -> Tensor:
    return torch.sin(2 * torch.pi * frequency * torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)


def test_log_mel_is_librosas_mel_spectrogram_in_db() -> None:
    audio = tone(60)
    power = librosa.feature.melspectrogram(
        y=audio.numpy(), sr=SAMPLE_RATE, n_fft=1024, hop_length=256, n_mels=64, fmin=40, fmax=7600,
        htk=True, norm=None, pad_mode="constant",
    )  # fmt: skip
    wanted = librosa.power_to_db(power, ref=np.max, amin=1e-20, top_db=60)
    loudest = 10 * math.log10(power.max() / audio.square().mean())  # at RMS 1
    ours = log_mel(audio)[:, : wanted.shape[1]]
    assert ours.numpy() == pytest.approx(wanted + loudest, abs=0.05)
    assert torch.isfinite(log_mel(torch.zeros(4000))).all()


def test_log_mel_error_is_the_mean_difference_of_two_log_mel_images(noise: Tensor) -> None:
    estimate, reference = log_mel(tone(60)), log_mel(0.3 * noise[:SAMPLE_RATE])
    assert estimate.shape == reference.shape == (64, 64)
    for image in (estimate, reference):
        assert float(image.max() - image.min()) <= 60 + 1e-3  # the floor is each sound's own
    wanted = (estimate - reference).abs().mean()
    assert float(log_mel_error(tone(60), 0.3 * noise[:SAMPLE_RATE])) == pytest.approx(float(wanted), abs=1e-5)
    assert torch.allclose(log_mel(-0.01 * noise), log_mel(noise), atol=1e-3)


@pytest.mark.parametrize("metric", [log_mel_error, loud_cell_error])
def test_gain_and_polarity_do_not_matter(metric: Callable[..., Tensor], noise: Tensor) -> None:
    assert float(metric(noise, noise)) == 0
    assert float(metric(-0.01 * noise, noise)) == pytest.approx(0, abs=1e-3)


def test_log_mel_error_of_a_sound_whose_second_half_is_20_db_lower(noise: Tensor) -> None:
    quieter = torch.cat([noise[:SAMPLE_RATE], 0.1 * noise[SAMPLE_RATE:]])
    # at equal RMS the first half is 10·log10(2 / 1.01) = 2.97 dB too loud and the second 17.03 dB too quiet
    assert float(log_mel_error(quieter, noise)) == pytest.approx((2.97 + 17.03) / 2, abs=0.15)


def test_loud_cells_of_a_sound_that_shares_its_energy_with_another_tone() -> None:
    # the tone has half of the energy left: 10·log10(1 / 2) in all of its cells
    assert float(loud_cell_error(sine(500) + sine(3000), sine(500))) == pytest.approx(-3.01, abs=0.05)
    # 40 dB down the other tone does not count among the loud cells of the reference, but it does 60 dB down
    both = sine(500) + 0.01 * sine(3000)
    assert float(loud_cell_error(sine(500), both, range_db=20)) == pytest.approx(0, abs=0.05)
    assert float(loud_cell_error(sine(500), both, range_db=60)) < -5


def test_spectral_convergence_is_relative_to_the_reference(noise: Tensor) -> None:
    assert float(spectral_convergence(noise, noise)) < -100
    assert float(spectral_convergence(torch.zeros_like(noise), noise)) == pytest.approx(0, abs=1e-4)
    assert float(spectral_convergence(2 * noise, noise)) == pytest.approx(0, abs=1e-4)
    assert float(spectral_convergence(noise, 2 * noise)) == pytest.approx(20 * math.log10(0.5), abs=1e-3)


@pytest.mark.parametrize("metric", [log_mel_error, spectral_convergence, lambda a, b: -loud_cell_error(a, b)])
def test_more_noise_scores_worse(metric: Callable[[Tensor, Tensor], Tensor], noise: Tensor) -> None:
    reference = tone(57, seconds=2, decay=0.5)
    scores = [float(metric(reference + level * noise, reference)) for level in (0.001, 0.01, 0.1, 0.5)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 3


@pytest.mark.parametrize("metric", [log_mel_error, loud_cell_error, spectral_convergence])
def test_a_batch_is_judged_item_by_item_and_shapes_must_agree(metric: Callable[..., Tensor], noise: Tensor) -> None:
    estimates, references = noise.view(2, 2, -1), noise.flip(0).view(2, 2, -1)
    together = metric(estimates, references)
    assert together.shape == (2, 2)
    assert float(together[1, 0]) == pytest.approx(float(metric(estimates[1, 0], references[1, 0])), abs=1e-4)
    with pytest.raises(ValueError, match=r"shapes must be equal, got \(32000,\) and \(31999,\)"):
        metric(noise, noise[1:])
