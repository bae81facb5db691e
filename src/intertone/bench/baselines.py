"""Baselines of a learned morph: mixtures of waveforms, and interpolated spectrograms."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from intertone.bench.pair import Pair
from intertone.latent import lerp
from intertone.phase import griffin_lim
from intertone.stft import SpectrogramConfig, db_to_magnitude, hann_window, magnitude_to_db, stft

TOP_DB = 80.0
"""Range of the spectrograms in dB: magnitudes further below the sound's largest one are set to this floor."""

N_ITER = 48
"""Number of iterations of fast Griffin-Lim."""

SILENCE = 1e-10


def crossfade(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return the mixtures ``(1 − ratio) · A + ratio · B`` of the waveforms.

    A listener hears both sounds at once, not one sound between them.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.

    Example:
        >>> pair = Pair("S1", "same", "two constants", torch.zeros(3), torch.ones(3), 220.0, 220.0, 16000)
        >>> crossfade(pair, [0.25])
        tensor([[0.2500, 0.2500, 0.2500]])
    """
    return torch.stack([lerp(pair.a, pair.b, ratio) for ratio in ratios])


def linear_magnitude(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return morphs by linear interpolation of the two magnitude spectrograms, with an estimated phase.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    a, b = magnitudes(pair)
    return to_sounds((lerp(a, b, ratio) for ratio in ratios), pair, ratios)


def log_magnitude(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return morphs by interpolation of the two spectrograms in decibels, with an estimated phase.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """
    a, b = magnitudes(pair)
    return to_sounds((mix_log(a, b, ratio) for ratio in ratios), pair, ratios)


def aligned_log_magnitude(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return morphs of both notes transposed to the interpolated pitch, by interpolation of spectrograms in decibels.

    Transposition by resampling changes the length of a note. The analysis frames are placed so that every frame keeps
    its time in the original. Formants move with the pitch.

    Args:
        pair: The notes; the f0 of a morph is ``f0_a^(1 − ratio) · f0_b^ratio``.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.
    """

    def between(ratio: float) -> Tensor:
        target = pair.f0_a ** (1 - ratio) * pair.f0_b**ratio
        a = transposed_magnitude(pair.a, target / pair.f0_a, spectrogram_config(pair.sample_rate))
        b = transposed_magnitude(pair.b, target / pair.f0_b, spectrogram_config(pair.sample_rate))
        return mix_log(a, b, ratio)

    return to_sounds((between(ratio) for ratio in ratios), pair, ratios)


def spectrogram_config(sample_rate: int) -> SpectrogramConfig:
    """Return the STFT settings of the baselines: frames of about 64 ms, with a hop of a quarter frame.

    Example:
        >>> spectrogram_config(16000).n_fft, spectrogram_config(44100).n_fft
        (1024, 2048)
    """
    n_fft = 2 ** max(6, round(math.log2(0.064 * sample_rate)))
    return SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)


def magnitudes(pair: Pair) -> tuple[Tensor, Tensor]:
    """Return the magnitude spectrograms of both notes, each ``(n_bins, n_frames)``."""
    config = spectrogram_config(pair.sample_rate)
    return stft(pair.a, config).abs(), stft(pair.b, config).abs()


def mix_log(a: Tensor, b: Tensor, ratio: float) -> Tensor:
    """Return the interpolation of two magnitudes in decibels relative to their maxima, and of the maxima in decibels.

    Args:
        a: Linear magnitude at ratio 0, any shape.
        b: Linear magnitude at ratio 1, the same shape.
        ratio: 0…1.

    Returns:
        Linear magnitude of the same shape; values on the floor of −80 dB are 0.

    Example:
        >>> mix_log(torch.tensor([1.0, 0.1, 0.0]), torch.tensor([4.0, 0.4, 0.0]), 0.5)
        tensor([2.0000, 0.2000, 0.0000])
    """
    peak_a, peak_b = a.amax().clamp_min(SILENCE), b.amax().clamp_min(SILENCE)
    peak = lerp(peak_a.log(), peak_b.log(), ratio).exp()
    db = lerp(magnitude_to_db(a, peak_a, top_db=TOP_DB), magnitude_to_db(b, peak_b, top_db=TOP_DB), ratio)
    return torch.where(db > -TOP_DB, db_to_magnitude(db, peak), 0)


def transposed_magnitude(audio: Tensor, factor: float, config: SpectrogramConfig) -> Tensor:
    """Return the spectrogram of a note whose frequencies are multiplied by ``factor``, with the timing unchanged.

    The sound is resampled through its Fourier transform, which causes no aliasing; the factor is exact to one sample
    over the whole length. Frame ``n`` is centred at the resampled position of sample ``n · hop_length``.

    Args:
        audio: ``(samples,)``.
        factor: Above 0; 2 is an octave up.
        config: The analysis settings.

    Returns:
        Linear magnitude ``(n_bins, n_frames)``, with as many frames as the spectrogram of ``audio``.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 16000)
        >>> magnitude = transposed_magnitude(tone, 1.5, SpectrogramConfig())  # 1500 Hz is bin 96 of 15.625 Hz
        >>> magnitude.shape, magnitude[:, 16].argmax().item()
        (torch.Size([513, 33]), 96)
    """
    half, length = config.n_fft // 2, len(audio) + config.n_fft  # zero padding keeps the end from wrapping around
    target = max(2, round(length / factor))
    spectrum = torch.fft.rfft(torch.nn.functional.pad(audio, (0, config.n_fft)))
    spectrum = spectrum[: target // 2 + 1] * (target / length)
    faster = torch.fft.irfft(spectrum, n=target)
    centres = torch.arange(config.n_frames(len(audio)), device=audio.device) * config.hop_length * (target / length)
    padded = torch.nn.functional.pad(faster, (half, half + max(0, math.ceil(float(centres[-1])) + 1 - target)))
    frames = padded.unfold(0, config.n_fft, 1)[centres.round().long()]
    return torch.fft.rfft(frames * hann_window(config, audio)).abs().T


def to_sounds(images: Iterable[Tensor], pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return audio from magnitudes by fast Griffin-Lim, at the level interpolated between the two notes.

    Args:
        images: Linear magnitudes, ``(n_bins, n_frames)``, one for each ratio, with the settings ``spectrogram_config``.
        pair: The notes.
        ratios: Ratio of each magnitude; the RMS level is interpolated in decibels.

    Returns:
        ``(n_ratios, samples)``. Every sound starts from the same random phase.
    """
    config, samples = spectrogram_config(pair.sample_rate), len(pair.a)
    sounds = []
    for image, ratio in zip(images, ratios, strict=True):
        generator = torch.Generator().manual_seed(0)
        sound = griffin_lim(image, config, n_iter=N_ITER, length=samples, generator=generator)
        sounds.append(sound * (level_between(pair, ratio) / rms(sound)))
    return torch.stack(sounds)


def level_between(pair: Pair, ratio: float) -> Tensor:
    """Return the RMS amplitude at a ratio, interpolated in decibels between the two notes."""
    return lerp(rms(pair.a).log(), rms(pair.b).log(), ratio).exp()


def rms(audio: Tensor) -> Tensor:
    """Return the RMS amplitude over the last axis, at least ``SILENCE``."""
    return audio.square().mean(-1).sqrt().clamp_min(SILENCE)
