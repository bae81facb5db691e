"""A spectrum is what physics says, agrees with two other libraries, and gives the sound back."""

import math

import librosa
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.fft import next_fast_len

from intertone.stft import (
    SpectrogramConfig,
    db_to_magnitude,
    fast_length,
    frames_to_spectrum,
    hann_window,
    istft,
    magnitude_to_db,
    magnitude_to_mel,
    mel_filterbank,
    mel_to_magnitude,
    spectrum_to_audio,
    stft,
)

GRID = [(1024, 256), (1024, 512), (1024, 128), (512, 100), (1000, 333), (250, 125), (600, 7), (16, 1)]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def snr_db(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    error = (estimate.double() - reference.double()).square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / error.clamp_min(1e-300)))


# physics


def test_a_tone_peaks_in_its_bin_with_its_amplitude() -> None:
    config = SpectrogramConfig(sample_rate=16000, n_fft=1024, hop_length=256)
    time = torch.arange(16000, dtype=torch.float64) / 16000
    magnitude = stft(0.5 * torch.cos(2 * torch.pi * 1000 * time), config).abs()
    # 1000 Hz / (16000 Hz / 1024) = bin 64; amplitude 0.5 · half of it in positive frequency · sum of the window
    # (periodic Hann: n_fft / 2 = 512) = 128, and half of that in each neighbour
    inner = magnitude[:, 2:-3]
    assert (inner.argmax(0) == 64).all()
    assert torch.allclose(inner[63:66].T, torch.tensor([64.0, 128.0, 64.0], dtype=torch.float64), atol=1e-6)


def test_an_impulse_has_the_height_of_the_window_in_every_bin() -> None:
    config = SpectrogramConfig(n_fft=64, hop_length=16)
    audio = torch.zeros(160)
    audio[48] = 1.0
    magnitude = stft(audio, config).abs()
    # frame n is centred at sample 16·n: the impulse stands in the middle of frame 3, a quarter off in 2 and 4
    for frame, height in enumerate([0, 0, 0.5, 1, 0.5, 0]):
        assert torch.allclose(magnitude[:, frame], torch.full((33,), float(height)), atol=1e-6)


def test_the_window_is_periodic() -> None:
    window = hann_window(SpectrogramConfig(n_fft=16, hop_length=4), torch.zeros(1, dtype=torch.float64))
    assert window[0] == 0 and window[8] == 1
    assert torch.allclose(window[:8] + window[8:], torch.ones(8, dtype=torch.float64))


@pytest.mark.parametrize(
    ("samples", "hop_length", "n_frames"),
    [(64000, 512, 126), (64000, 256, 251), (1, 256, 2), (256, 256, 2), (257, 256, 3)],
)
def test_one_frame_at_zero_and_one_after_every_started_hop(samples: int, hop_length: int, n_frames: int) -> None:
    config = SpectrogramConfig(hop_length=hop_length)
    assert stft(torch.zeros(samples), config).shape == (513, n_frames)
    assert config.n_frames(samples) == n_frames


# round trips


@pytest.mark.parametrize(("n_fft", "hop_length"), GRID)
@pytest.mark.parametrize("samples", [1, 2, 777, 4096, 12345])
def test_istft_gives_the_sound_back(n_fft: int, hop_length: int, samples: int) -> None:
    config = SpectrogramConfig(n_fft=n_fft, hop_length=hop_length)
    audio = noise(samples)
    again = istft(stft(audio, config), config, length=samples)
    assert again.shape == audio.shape and again.dtype == torch.float32
    assert snr_db(again, audio) > 100


def test_a_long_sound_and_leading_axes() -> None:
    config = SpectrogramConfig()
    audio = noise(2, 3, 100_001)
    spectrum = stft(audio, config)
    assert spectrum.shape == (2, 3, 513, config.n_frames(100_001)) and spectrum.dtype == torch.complex64
    assert snr_db(istft(spectrum, config, length=100_001), audio) > 100
    assert torch.equal(spectrum[1, 2], stft(audio[1, 2], config))


def test_without_a_length_the_longest_sound_comes_back() -> None:
    config = SpectrogramConfig(n_fft=64, hop_length=16)
    audio = noise(100)
    again = istft(stft(audio, config), config)
    assert again.shape == (112,)
    assert torch.allclose(again, torch.nn.functional.pad(audio, (0, 12)), atol=1e-5)


def test_the_transposed_pair_is_the_same() -> None:
    config = SpectrogramConfig(n_fft=64, hop_length=16)
    audio = noise(2, 500)
    frames = frames_to_spectrum(audio, config)
    assert torch.equal(frames.transpose(-1, -2), stft(audio, config))
    assert torch.equal(
        spectrum_to_audio(frames, config, length=500), istft(frames.transpose(-1, -2), config, length=500)
    )


def test_istft_is_the_least_squares_inverse() -> None:
    config = SpectrogramConfig(n_fft=16, hop_length=4)
    spectrum = torch.complex(noise(9, 6, dtype=torch.float64), noise(9, 6, seed=1, dtype=torch.float64))
    spectrum[[0, -1]] = spectrum[[0, -1]].real.to(spectrum)
    best = istft(spectrum, config)
    # bins between 0 and Nyquist stand for two
    weight = torch.full((9, 1), 2.0, dtype=torch.float64)
    weight[[0, -1]] = 1

    def distance(audio: torch.Tensor) -> torch.Tensor:
        return (weight * (stft(audio, config) - spectrum).abs().square()).sum()

    best.requires_grad_()
    distance(best).backward()
    assert best.grad is not None and best.grad.abs().max() < 1e-10


# agreement with other implementations


@pytest.mark.parametrize(("n_fft", "hop_length"), [(1024, 256), (1024, 512), (1000, 250), (512, 64)])
def test_stft_agrees_with_librosa_and_torch(n_fft: int, hop_length: int) -> None:
    config = SpectrogramConfig(n_fft=n_fft, hop_length=hop_length)
    audio = noise(hop_length * 20)
    ours = stft(audio, config)
    theirs = librosa.stft(audio.numpy(), n_fft=n_fft, hop_length=hop_length, window="hann", pad_mode="constant")
    assert np.abs(ours.numpy() - theirs).max() < 1e-4
    window = torch.hann_window(n_fft)
    torchs = torch.stft(audio, n_fft, hop_length, window=window, pad_mode="constant", return_complex=True)
    assert (ours - torchs).abs().max() < 1e-4


@pytest.mark.parametrize(("n_fft", "hop_length"), [(1024, 256), (1024, 512), (600, 150)])
def test_istft_agrees_with_librosa_on_a_spectrum_of_no_sound(n_fft: int, hop_length: int) -> None:
    config = SpectrogramConfig(n_fft=n_fft, hop_length=hop_length)
    spectrum = torch.polar(noise(config.n_bins, 13).abs(), 6 * noise(config.n_bins, 13, seed=1))
    ours = istft(spectrum, config)
    theirs = librosa.istft(spectrum.numpy(), n_fft=n_fft, hop_length=hop_length, length=12 * hop_length)
    assert np.abs(ours.numpy() - theirs).max() < 1e-5 * np.abs(theirs).max()


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(("n_mels", "f_min", "f_max"), [(64, 40.0, 7600.0), (128, 0.0, 8000.0), (5, 100.0, 200.0)])
def test_mel_filterbank_agrees_with_librosa(n_mels: int, f_min: float, f_max: float) -> None:
    ours = mel_filterbank(SpectrogramConfig(), n_mels=n_mels, f_min=f_min, f_max=f_max)
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=True, norm=None)
    assert np.abs(ours.numpy() - theirs).max() < 1e-5
    assert ours.min() >= 0 and ours.max() <= 1


# decibels and mel bands


def test_decibels_by_hand_and_back() -> None:
    magnitude = torch.tensor([2.0, 1.0, 0.2, 2e-4, 2e-5, 0.0])
    db = magnitude_to_db(magnitude, 2.0, top_db=80)
    # 20·log10 of 1, 1/2, 1/10, 1e-4, and below the floor
    assert torch.allclose(db, torch.tensor([0.0, -6.0206, -20.0, -80.0, -80.0, -80.0]), atol=1e-4)
    assert torch.allclose(db_to_magnitude(db, 2.0)[:4], magnitude[:4], rtol=1e-5)
    assert magnitude_to_db(torch.tensor(20.0), 2.0, top_db=80) == pytest.approx(20.0)


def test_decibels_take_a_reference_for_each_sound() -> None:
    magnitude = noise(3, 4, 5).abs() + 0.1
    reference = magnitude.amax((-2, -1), keepdim=True)
    db = magnitude_to_db(magnitude, reference, top_db=120)
    assert torch.equal(db.amax((-2, -1)), torch.zeros(3))
    assert torch.allclose(db_to_magnitude(db, reference), magnitude, rtol=1e-5)


def test_mel_by_hand() -> None:
    bank = torch.tensor([[1.0, 0.25, 0.0], [0.0, 0.75, 1.0]])
    mel = magnitude_to_mel(torch.tensor([[3.0], [4.0], [2.0]]), bank)
    # √(9 + 16/4) and √(16·3/4 + 4)
    assert torch.allclose(mel, torch.tensor([[13.0], [16.0]]).sqrt())


@pytest.mark.parametrize("n_mels", [40, 64, 128])
def test_mel_to_magnitude_has_nearly_these_bands(n_mels: int) -> None:
    config = SpectrogramConfig()
    bank = mel_filterbank(config, n_mels=n_mels, f_min=40, f_max=7600)
    mel = magnitude_to_mel(stft(noise(8000), config).abs(), bank)
    magnitude = mel_to_magnitude(mel, bank)
    assert magnitude.shape == (513, 33) and magnitude.min() >= 0
    outside = bank.sum(0) == 0
    assert outside.any() and not magnitude[outside].any()
    again = magnitude_to_mel(magnitude, bank)
    filled = bank.sum(1) > 0
    assert (20 * torch.log10(again / mel))[filled].abs().mean() < 0.5


def test_mel_to_magnitude_of_silence_is_silence() -> None:
    bank = mel_filterbank(SpectrogramConfig(), n_mels=64, f_min=40, f_max=7600)
    assert torch.equal(mel_to_magnitude(torch.zeros(2, 64, 3), bank), torch.zeros(2, 513, 3))


# gradients


def test_gradients_flow_through_both_transforms() -> None:
    config = SpectrogramConfig(n_fft=16, hop_length=5)
    audio = noise(2, 23, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(stft(x, config)), audio)
    real, imaginary = (noise(9, 4, seed=seed, dtype=torch.float64).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(lambda x, y: istft(torch.complex(x, y), config, length=14), (real, imaginary))


def test_double_precision_stays_double() -> None:
    config = SpectrogramConfig()
    audio = noise(5000, dtype=torch.float64)
    spectrum = stft(audio, config)
    assert spectrum.dtype == torch.complex128
    assert snr_db(istft(spectrum, config, length=5000), audio) > 250


# refusals


def test_stft_and_istft_refuse() -> None:
    config = SpectrogramConfig(n_fft=64, hop_length=16)
    with pytest.raises(ValueError, match="audio must hold at least one sample, got none"):
        stft(torch.zeros(2, 0), config)
    with pytest.raises(ValueError, match="spectrum must have n_bins=33 rows, got 32"):
        istft(torch.zeros(32, 5, dtype=torch.complex64), config)
    with pytest.raises(ValueError, match="length must have n_frames=5, got 65, which has 6"):
        istft(torch.zeros(33, 5, dtype=torch.complex64), config, length=65)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_length": 513}, r"hop_length must be in 1\.\.n_fft/2=512, got 513"),
        ({"hop_length": 0}, "greater than or equal to 1"),
        ({"n_fft": 1023}, "multiple of 2"),
        ({"n_fft": 8}, "greater than or equal to 16"),
        ({"sample_rate": 100}, "greater than or equal to 4000"),
        ({"hop": 256}, "Extra inputs are not permitted"),
    ],
)
def test_settings_refuse(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SpectrogramConfig(**settings)


@pytest.mark.parametrize(("f_min", "f_max"), [(100.0, 100.0), (0.0, 8001.0), (-1.0, 4000.0), (math.nan, 4000.0)])
def test_mel_filterbank_refuses(f_min: float, f_max: float) -> None:
    with pytest.raises(ValueError, match=r"0 <= f_min < f_max <= 8000\.0 Hz must hold"):
        mel_filterbank(SpectrogramConfig(), n_mels=64, f_min=f_min, f_max=f_max)


def test_fast_lengths_are_even_and_have_small_factors() -> None:
    for least in (0, 1, 2, 13, 997, 44101, 185221):
        assert fast_length(least) == max(2, 2 * next_fast_len(-(-least // 2)) if least else 2)
