"""A loop of a steady spectrum: no seam, the right pitches, the magnitude that was asked for."""

import math

import pytest
import torch

from intertone.instrument import loop_of_magnitude
from intertone.level import power_to_db
from intertone.stft import SpectrogramConfig, mel_filterbank, stft

RATE = 44100
PLAYED = SpectrogramConfig(sample_rate=RATE, n_fft=4096, hop_length=1024)
SECOND = SpectrogramConfig(sample_rate=RATE, n_fft=2048, hop_length=256)
N_FRAMES = 43  # of one second


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tone(f0: float, *, noise: float = 0.0) -> torch.Tensor:
    """One second of partials up to 18 kHz of amplitude 1 / k."""
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    order = torch.arange(1, int(18000 / f0), dtype=torch.float64)[:, None]
    sound = (torch.sin(2 * torch.pi * f0 * order * time + order**2) / order).sum(0).float()
    return 0.5 * sound / sound.abs().max() + noise * torch.randn(RATE, generator=seeded(9))


def frame_of(audio: torch.Tensor) -> torch.Tensor:
    return stft(audio, PLAYED).abs()[:, 20]


def decibels(ratio: torch.Tensor) -> float:
    return float(power_to_db(ratio.square()))


def jump_at_the_seam(loop: torch.Tensor) -> float:
    """Return the step from the last sample to the first relative to the largest step inside."""
    return float((loop[0] - loop[-1]).abs() / loop.diff().abs().max())


def change_across_the_seam(loop: torch.Tensor, n_fft: int) -> float:
    """Return how far the mel bands of a window on the seam lie from the mean of both windows beside it, dB."""
    config = SpectrogramConfig(sample_rate=RATE, n_fft=n_fft, hop_length=n_fft // 2)
    around = loop.repeat(2 + 4 * n_fft // len(loop))[len(loop) - 2 * n_fft :][: 4 * n_fft]
    # windows on 2·n_fft, which is the seam, and half a window before and after
    power = stft(around, config)[:, 3:6].abs().square()
    bands = power_to_db(mel_filterbank(config, n_mels=64, f_min=40, f_max=20000) @ power + 1e-20)
    heard = bands.mean(1) > bands.max() - 60
    return float((bands[:, 1] - bands[:, ::2].mean(1))[heard].abs().max())


@pytest.mark.parametrize("f0", [131.3, 262.7, 1046.5])
def test_a_tone_goes_on(f0: float) -> None:
    audio = tone(f0)
    loop = loop_of_magnitude(frame_of(audio), PLAYED, n_frames=N_FRAMES, generator=seeded())
    assert loop.shape == (N_FRAMES * 1024,)
    second = stft(loop.repeat(3), SECOND).abs()[:, N_FRAMES * 4 : N_FRAMES * 8]
    wanted = stft(audio, SECOND).abs()[:, 20:-20].square().mean(1, keepdim=True).sqrt()
    assert decibels((second - wanted).norm() / wanted.expand_as(second).norm()) <= -30
    assert jump_at_the_seam(loop) <= 1
    assert change_across_the_seam(loop, 4096) < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_a_tone_with_noise(seed: int) -> None:
    frame = frame_of(tone(440, noise=0.003))
    loop = loop_of_magnitude(frame, PLAYED, n_frames=N_FRAMES, generator=seeded(seed))
    assert jump_at_the_seam(loop) <= 1
    assert change_across_the_seam(loop, 4096) < 1


@pytest.mark.parametrize("seed", range(3))
def test_noise(seed: int) -> None:
    frame = frame_of(0.1 * torch.randn(RATE, generator=seeded(3)))
    loop = loop_of_magnitude(frame, PLAYED, n_frames=N_FRAMES, generator=seeded(seed))
    assert jump_at_the_seam(loop) <= 1
    assert change_across_the_seam(loop, 4096) < 1


def test_the_phase_of_noise_has_no_seam_and_no_steady_peaks() -> None:
    frame = frame_of(tone(262.7))
    loop = loop_of_magnitude(frame, PLAYED, n_frames=N_FRAMES, white_noise=True, generator=seeded())
    assert jump_at_the_seam(loop) <= 1
    # no two neighbouring windows are alike, with the seam between them or not
    inside = [change_across_the_seam(loop.roll(1024 * hops), 4096) for hops in range(8, 36, 9)]
    assert min(inside) > 0.5 and change_across_the_seam(loop, 4096) < max(inside)


@pytest.mark.parametrize("n_frames", [1, 3, 10, 43])
@pytest.mark.parametrize("f0", [300.0, 5000.0])
def test_a_partial_moves_to_the_nearest_multiple(f0: float, n_frames: int) -> None:
    audio = 0.5 * torch.sin(2 * math.pi * f0 * torch.arange(RATE) / RATE)
    loop = loop_of_magnitude(frame_of(audio), PLAYED, n_frames=n_frames, generator=seeded())
    step = RATE / len(loop)
    spectrum = torch.fft.rfft(loop).abs()
    peak = int(spectrum.argmax())
    assert abs(peak * step - f0) <= 0.5001 * step
    assert decibels(spectrum[peak] / spectrum.norm()) > -0.01  # no other partial
    assert decibels(loop.norm() / audio[: len(loop)].norm()) == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize("white_noise", [False, True])
def test_silence_is_a_silent_loop(white_noise: bool) -> None:
    loop = loop_of_magnitude(torch.zeros(2049), PLAYED, n_frames=5, white_noise=white_noise)
    assert torch.equal(loop, torch.zeros(5 * 1024))


def test_the_seed_decides() -> None:
    frame = frame_of(tone(262.7))
    one, again, other = (loop_of_magnitude(frame, PLAYED, n_frames=5, generator=seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"magnitude must be \(n_bins=2049,\), got \(2049, 3\)"):
        loop_of_magnitude(torch.ones(2049, 3), PLAYED, n_frames=4)
    with pytest.raises(ValueError, match="n_frames must be >= 1, got 0"):
        loop_of_magnitude(torch.ones(2049), PLAYED, n_frames=0)
