"""Seamless loops of a constant magnitude spectrum."""

import math

import numpy as np
import torch
from torch import Tensor

from intertone.phase.real_time import integrate_frame, transform_phase
from intertone.stft import SpectrogramConfig, hann_window


def loop_of_magnitude(
    magnitude: Tensor,
    config: SpectrogramConfig,
    *,
    n_frames: int,
    white_noise: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a seamless loop with a constant magnitude spectrum.

    With a constant magnitude, real-time phase gradient heap integration (RTPGHI) advances the phases of all bins around
    a peak by the same angle in each hop. These angles are rounded so that every phase returns to its initial value
    after ``n_frames`` hops, and the frames are overlapped circularly.

    Args:
        magnitude: Linear, ``(n_bins,)``, >= 0.
        config: The analysis settings of the magnitude.
        n_frames: Length of the loop, hops. The frequency of each peak is rounded to a multiple of
            ``sample_rate / (n_frames · hop_length)`` Hz.
        white_noise: Whether the phases are those of white noise of the same length; peaks then fluctuate.
        generator: Source of the initial phases, or of the noise; None: torch's global generator.

    Returns:
        Audio at ``config.sample_rate`` Hz, ``(n_frames · hop_length,)``.

    Raises:
        ValueError: If ``magnitude`` is not ``(config.n_bins,)``, or ``n_frames`` is less than 1.

    Source:
        Průša and Søndergaard (2016), "Real-time spectrogram inversion using phase gradient heap integration", for the
        phase; the player of Colonel and Keene (2020), "Conditioning Autoencoder Latent Spaces", for the phase of noise.

    Example:
        >>> config = SpectrogramConfig(n_fft=256, hop_length=64)
        >>> loop_of_magnitude(torch.rand(129), config, n_frames=40).shape
        torch.Size([2560])
    """
    if magnitude.shape != (config.n_bins,):
        raise ValueError(f"magnitude must be (n_bins={config.n_bins},), got {tuple(magnitude.shape)}")
    if n_frames < 1:
        raise ValueError(f"n_frames must be >= 1, got {n_frames}")
    if white_noise:
        device = magnitude.device if generator is None else generator.device
        noise = torch.randn(n_frames * config.hop_length, generator=generator, device=device)
        phase = _circular_stft(noise, config).angle().to(magnitude)
    else:
        phase = _closed_phase(magnitude, config, n_frames, generator)
    return _circular_istft(torch.polar(magnitude.expand(n_frames, -1), phase), config)


def _closed_phase(
    magnitude: Tensor, config: SpectrogramConfig, n_frames: int, generator: torch.Generator | None
) -> Tensor:
    """Return phases of the transform, ``(n_frames, n_bins)``, which continue from the last frame to the first."""
    device = magnitude.device if generator is None else generator.device
    drawn = 2 * math.pi * torch.rand(config.n_bins, generator=generator, device=device).double().cpu().numpy()
    steady = magnitude.double().cpu().numpy()
    level = np.zeros(config.n_bins)

    def after(phase: np.ndarray) -> np.ndarray:
        return integrate_frame(steady, config, before=steady, known=phase, slope=level, fallback=drawn)

    first = after(drawn)
    turns = np.round((after(first) - first) * (n_frames / (2 * math.pi)))  # number of periods in the whole loop
    hops = np.arange(n_frames)[:, None]
    return torch.from_numpy(transform_phase(first + turns * hops * (2 * math.pi / n_frames))).to(magnitude)


def _circular_stft(audio: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the circular transform, ``(n_frames, n_bins)``, of a loop whose length is a multiple of the hop."""
    return torch.fft.rfft(audio[_places(len(audio), config, audio)] * hann_window(config, audio))


def _circular_istft(spectrum: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the loop, ``(samples,)``, whose circular transform is closest to ``spectrum``, ``(n_frames, n_bins)``."""
    samples = len(spectrum) * config.hop_length
    window = hann_window(config, spectrum.real)
    places = _places(samples, config, spectrum).flatten()
    frames = torch.fft.irfft(spectrum, n=config.n_fft) * window
    envelope = window.square().expand_as(frames)
    total, weight = (window.new_zeros(samples).index_add_(0, places, each.flatten()) for each in (frames, envelope))
    return total / weight


def _places(samples: int, config: SpectrogramConfig, like: Tensor) -> Tensor:
    """Return the index in the loop of each sample of each frame, ``(n_frames, n_fft)``."""
    centres = torch.arange(0, samples, config.hop_length, device=like.device)[:, None]
    return (centres + torch.arange(-config.n_fft // 2, config.n_fft // 2, device=like.device)) % samples
