"""Short-time Fourier transform, decibels and mel bands, each with its inverse."""

import math
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from intertone.config import Settings
from intertone.level import amplitude_to_db, db_to_amplitude

FACTORS = (2, 3, 5, 7, 11)
"""Prime factors that a length may have for its FFT to be fast."""


class SpectrogramConfig(Settings):
    """Settings of the transform: centred frames, a periodic Hann window of ``n_fft`` samples, padding with zeros.

    ``hop_length`` is at most half of ``n_fft``, so that every sample can be reconstructed.
    """

    sample_rate: int = Field(16000, ge=4000, le=384000, description="sample rate, Hz")
    n_fft: int = Field(1024, ge=16, le=65536, multiple_of=2, description="length of a frame and of its window, samples")
    hop_length: int = Field(256, ge=1, description="hop between frames, samples")

    @model_validator(mode="after")
    def _check_hop(self) -> Self:
        if self.hop_length > self.n_fft // 2:
            raise ValueError(f"hop_length must be in 1..n_fft/2={self.n_fft // 2}, got {self.hop_length}")
        return self

    @property
    def n_bins(self) -> int:
        """Number of frequency bins of a spectrum, from 0 Hz to half of ``sample_rate``."""
        return self.n_fft // 2 + 1

    def frequencies(self) -> Tensor:
        """Return the frequency of each bin, Hz, ``(n_bins,)``."""
        return torch.arange(self.n_bins) * self.sample_rate / self.n_fft

    def n_frames(self, samples: int) -> int:
        """Return the number of frames that cover ``samples``: ``1 + ceil(samples / hop_length)``."""
        return 1 + -(-samples // self.hop_length)


def fast_length(least: int) -> int:
    """Return the smallest even length of at least ``least`` whose prime factors are at most 11: its FFT is fast.

    Example:
        >>> fast_length(1000), fast_length(1010)
        (1000, 1024)
    """
    length = max(2, least + least % 2)
    while _rough_part(length) > 1:
        length += 2
    return length


def _rough_part(number: int) -> int:
    """Return a positive integer without its prime factors in ``FACTORS``."""
    for factor in FACTORS:
        while number % factor == 0:
            number //= factor
    return number


def stft(audio: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the short-time Fourier transform of ``audio``.

    Frame ``n`` is centred at sample ``n · hop_length``; the audio is padded with zeros at both ends.

    Args:
        audio: ``(..., samples)``, at least one sample.
        config: The analysis settings.

    Returns:
        Complex spectrum ``(..., n_bins, n_frames)`` with ``n_frames = config.n_frames(samples)``.

    Raises:
        ValueError: If ``audio`` holds no sample.

    Source:
        Conventions of librosa 0.9.1 (centred, constant padding), except that zeros complete the last hop.

    Example:
        >>> stft(torch.zeros(2, 64000), SpectrogramConfig()).shape
        torch.Size([2, 513, 251])
    """
    return frames_to_spectrum(audio, config).transpose(-1, -2)


def istft(spectrum: Tensor, config: SpectrogramConfig, *, length: int | None = None) -> Tensor:
    """Return the audio whose short-time Fourier transform is closest to ``spectrum`` in the least-squares sense.

    It is the exact inverse of ``stft`` if ``spectrum`` is the transform of a sound.

    Args:
        spectrum: Complex, ``(..., n_bins, n_frames)``.
        config: The analysis settings that made it.
        length: Number of samples of the result; None: that of the longest sound with this number of frames.

    Returns:
        Audio ``(..., length)``.

    Raises:
        ValueError: If ``spectrum`` does not have ``config.n_bins`` rows, or ``length`` does not fit its frames.

    Source:
        Griffin and Lim (1984), equation 6.

    Example:
        >>> config = SpectrogramConfig(n_fft=256, hop_length=64)
        >>> audio = torch.rand(1, 1000)
        >>> torch.allclose(istft(stft(audio, config), config, length=1000), audio, atol=1e-5)
        True
    """
    if spectrum.shape[-2] != config.n_bins:
        raise ValueError(f"spectrum must have n_bins={config.n_bins} rows, got {spectrum.shape[-2]}")
    return spectrum_to_audio(spectrum.transpose(-1, -2), config, length=length)


def frames_to_spectrum(audio: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return ``stft`` with the time axis before the frequency axis, the layout of the FFT, which is faster in loops.

    Args:
        audio: ``(..., samples)``, at least one sample.
        config: The analysis settings.

    Returns:
        Complex spectrum ``(..., n_frames, n_bins)``.

    Raises:
        ValueError: If ``audio`` holds no sample.
    """
    samples = audio.shape[-1]
    if samples < 1:
        raise ValueError("audio must hold at least one sample, got none")
    half = config.n_fft // 2
    completed = (config.n_frames(samples) - 1) * config.hop_length
    padded = torch.nn.functional.pad(audio, (half, half + completed - samples))
    frames = padded.unfold(-1, config.n_fft, config.hop_length)
    return torch.fft.rfft(frames * hann_window(config, audio))


def spectrum_to_audio(spectrum: Tensor, config: SpectrogramConfig, *, length: int | None = None) -> Tensor:
    """Return ``istft`` of a spectrum whose time axis comes before the frequency axis.

    Args:
        spectrum: Complex, ``(..., n_frames, n_bins)``.
        config: The analysis settings that made it.
        length: Number of samples of the result; None: that of the longest sound with this number of frames.

    Returns:
        Audio ``(..., length)``.

    Raises:
        ValueError: If ``length`` does not fit the frames.
    """
    n_frames = spectrum.shape[-2]
    longest = (n_frames - 1) * config.hop_length
    length = longest if length is None else length
    if config.n_frames(length) != n_frames:
        raise ValueError(f"length must have n_frames={n_frames}, got {length}, which has {config.n_frames(length)}")
    window = hann_window(config, spectrum.real)
    frames = torch.fft.irfft(spectrum, n=config.n_fft) * window
    envelope = _overlap_add((window**2).expand(n_frames, -1), config)
    half = config.n_fft // 2
    return _overlap_add(frames, config)[..., half : half + length] / envelope[half : half + length]


def hann_window(config: SpectrogramConfig, like: Tensor) -> Tensor:
    """Return the periodic Hann window ``(n_fft,)`` with the type and device of ``like``."""
    return torch.hann_window(config.n_fft, periodic=True, dtype=like.dtype, device=like.device)


def _overlap_add(frames: Tensor, config: SpectrogramConfig) -> Tensor:
    hop_length, n_frames = config.hop_length, frames.shape[-2]
    overlap = -(-config.n_fft // hop_length)
    frames = torch.nn.functional.pad(frames, (0, overlap * hop_length - config.n_fft))
    slices = frames.unflatten(-1, (overlap, hop_length))
    total = frames.new_zeros(*frames.shape[:-2], n_frames + overlap - 1, hop_length)
    for index in range(overlap):
        total[..., index : index + n_frames, :] += slices[..., index, :]
    return total.flatten(-2)


def magnitude_to_db(magnitude: Tensor, reference: Tensor | float, *, top_db: float) -> Tensor:
    """Return ``20·log10(magnitude / reference)``, floored at ``-top_db``.

    Args:
        magnitude: Linear, >= 0, any shape.
        reference: Magnitude of 0 dB, > 0; broadcasts against ``magnitude``.
        top_db: Distance from the reference to the floor, dB; smaller magnitudes become ``-top_db``.

    Returns:
        Decibels, the shape of ``magnitude``; above 0 only where ``magnitude > reference``.

    Example:
        >>> magnitude_to_db(torch.tensor([1.0, 0.1, 0.0]), 1.0, top_db=80)
        tensor([  0., -20., -80.])
    """
    return amplitude_to_db((magnitude / reference).clamp_min(db_to_amplitude(-top_db)))


def db_to_magnitude(db: Tensor, reference: Tensor | float) -> Tensor:
    """Return ``reference · 10^(db / 20)``, the inverse of ``magnitude_to_db`` above its floor.

    Args:
        db: Decibels, any shape.
        reference: The magnitude of 0 dB; broadcasts against ``db``.

    Returns:
        Linear magnitude, the shape of ``db``.

    Example:
        >>> db_to_magnitude(torch.tensor([0.0, -20.0]), 2.0)
        tensor([2.0000, 0.2000])
    """
    return reference * torch.exp(db * (math.log(10) / 20))


def mel_filterbank(config: SpectrogramConfig, *, n_mels: int, f_min: float, f_max: float) -> Tensor:
    """Return a bank of triangular filters of height 1 that are equally wide on the HTK mel scale.

    The scale is ``mel = 2595·log10(1 + f/700)``. The filters are not normalised to equal area.

    Args:
        config: Settings of the transform, which give the frequencies of the bins.
        n_mels: Number of bands.
        f_min: Lower edge of the lowest band, Hz.
        f_max: Upper edge of the highest band, Hz, at most half of ``config.sample_rate``.

    Returns:
        Weights ``(n_mels, n_bins)``, each in [0, 1].

    Raises:
        ValueError: If the edges are not in order or above half of the sample rate.

    Source:
        librosa ``filters.mel(htk=True, norm=None)``, whose values are matched.

    Example:
        >>> mel_filterbank(SpectrogramConfig(), n_mels=64, f_min=40, f_max=7600).shape
        torch.Size([64, 513])
    """
    if not 0 <= f_min < f_max <= config.sample_rate / 2:
        raise ValueError(f"0 <= f_min < f_max <= {config.sample_rate / 2} Hz must hold, got {f_min} and {f_max}")
    bins = torch.arange(config.n_bins, dtype=torch.float64) * config.sample_rate / config.n_fft
    return mel_triangles(bins, n_mels=n_mels, f_min=f_min, f_max=f_max)


def mel_triangles(frequencies: Tensor, *, n_mels: int, f_min: float, f_max: float) -> Tensor:
    """Return the filters of ``mel_filterbank`` for bins at any frequencies.

    Args:
        frequencies: Hz of each bin, ``(n_bins,)``.
        n_mels: Number of bands.
        f_min: Lower edge of the lowest band, Hz.
        f_max: Upper edge of the highest band, Hz.

    Returns:
        Weights ``(n_mels, n_bins)``, each in [0, 1].
    """
    bins = frequencies.double()
    lowest, highest = (2595 * math.log10(1 + hz / 700) for hz in (f_min, f_max))
    mels = torch.linspace(lowest, highest, n_mels + 2, dtype=torch.float64)
    edges = 700 * (10 ** (mels / 2595) - 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp_min(0).float()


def magnitude_to_mel(magnitude: Tensor, filterbank: Tensor) -> Tensor:
    """Return the magnitude in each mel band: the square root of the band's energy.

    Args:
        magnitude: Linear, ``(..., n_bins, n_frames)``.
        filterbank: ``(n_mels, n_bins)``, from ``mel_filterbank``.

    Returns:
        Mel magnitude ``(..., n_mels, n_frames)``, the square root of the weighted sum of squares.

    Example:
        >>> magnitude_to_mel(torch.full((2, 1), 3.0), torch.ones(1, 2))
        tensor([[4.2426]])
    """
    return (filterbank @ magnitude.square()).sqrt()


def mel_to_magnitude(mel: Tensor, filterbank: Tensor, *, n_iter: int = 30) -> Tensor:
    """Return a magnitude whose mel bands are close to ``mel``: the approximate inverse of ``magnitude_to_mel``.

    It solves a non-negative least-squares problem for the energies by multiplicative updates, beginning with the mean
    energy of each band. Bins outside all bands are 0. Detail finer than a band is lost.

    Args:
        mel: Mel magnitude ``(..., n_mels, n_frames)``, >= 0.
        filterbank: ``(n_mels, n_bins)``, from ``mel_filterbank``.
        n_iter: Number of updates; the first few have the largest effect.

    Returns:
        Linear magnitude ``(..., n_bins, n_frames)``.

    Source:
        Lee and Seung (2001), "Algorithms for non-negative matrix factorization", equation 4, with the bases fixed.

    Example:
        >>> bank = mel_filterbank(SpectrogramConfig(), n_mels=64, f_min=40, f_max=7600)
        >>> mel_to_magnitude(torch.ones(64, 5), bank).shape
        torch.Size([513, 5])
    """
    target = mel.square()
    transposed = filterbank.T
    share = filterbank / filterbank.sum(1, keepdim=True).clamp_min(1e-12)
    energy = (share.T @ target) / share.sum(0)[:, None].clamp_min(1e-12)
    wanted = transposed @ target
    gram = transposed @ filterbank
    for _ in range(n_iter):
        energy = energy * wanted / (gram @ energy).clamp_min(1e-30)
    return energy.sqrt()
