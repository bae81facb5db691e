"""Loops of a steady spectrum: sounds that go on without a seam when they are repeated."""

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
    """Return a sound that has one magnitude throughout and whose end goes on in its beginning.

    Under a steady magnitude, phase gradient heap integration in real time turns all bins around a peak alike, by the
    same angle each hop. The angles are rounded so that every phase comes back after ``n_frames`` hops, and the frames
    overlap round the loop, so that its first sample follows its last as any sample follows another.

    Args:
        magnitude: Linear, ``(n_bins,)``, >= 0.
        config: The analysis settings of the magnitude.
        n_frames: Length of the loop, in hops. The frequency of each peak moves to a multiple of
            ``sample_rate / (n_frames · hop_length)`` Hz, so by half of that at most.
        white_noise: Take the phases from white noise of the length of the loop instead, which leaves no peak steady.
        generator: Source of the peaks' phases at the start, or of the noise; without it, torch's own.

    Returns:
        Audio at ``config.sample_rate`` Hz, ``(n_frames · hop_length,)``.

    Raises:
        ValueError: If ``magnitude`` does not have ``config.n_bins`` bins alone, or ``n_frames`` is less than 1.

    Source:
        Průša and Søndergaard (2016), "Real-time spectrogram inversion using phase gradient heap integration", for the
        phase; the player of Colonel and Keene (2020), "Conditioning Autoencoder Latent Spaces", for that of noise.

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
    """Return phases ``(n_frames, n_bins)`` of the transform that the first frame follows on from the last."""
    device = magnitude.device if generator is None else generator.device
    drawn = 2 * math.pi * torch.rand(config.n_bins, generator=generator, device=device).double().cpu().numpy()
    steady = magnitude.double().cpu().numpy()
    level = np.zeros(config.n_bins)

    def after(phase: np.ndarray) -> np.ndarray:
        return integrate_frame(steady, config, before=steady, known=phase, slope=level, fallback=drawn)

    first = after(drawn)
    turns = np.round((after(first) - first) * (n_frames / (2 * math.pi)))  # of the whole loop
    hops = np.arange(n_frames)[:, None]
    return torch.from_numpy(transform_phase(first + turns * hops * (2 * math.pi / n_frames))).to(magnitude)


def _circular_stft(audio: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the transform ``(n_frames, n_bins)`` of a sound that follows itself and is a number of hops long."""
    return torch.fft.rfft(audio[_places(len(audio), config, audio)] * hann_window(config, audio))


def _circular_istft(spectrum: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the sound that follows itself and whose transform is closest to ``spectrum``, ``(n_frames, n_bins)``."""
    samples = len(spectrum) * config.hop_length
    window = hann_window(config, spectrum.real)
    places = _places(samples, config, spectrum).flatten()
    frames = torch.fft.irfft(spectrum, n=config.n_fft) * window
    envelope = window.square().expand_as(frames)
    total, weight = (window.new_zeros(samples).index_add_(0, places, each.flatten()) for each in (frames, envelope))
    return total / weight


def _places(samples: int, config: SpectrogramConfig, like: Tensor) -> Tensor:
    """Return which sample of a loop each sample of each frame is, ``(n_frames, n_fft)``."""
    centres = torch.arange(0, samples, config.hop_length, device=like.device)[:, None]
    return (centres + torch.arange(-config.n_fft // 2, config.n_fft // 2, device=like.device)) % samples
