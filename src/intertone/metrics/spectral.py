"""How far one sound's spectrum is from another's."""

import torch
from torch import Tensor

from intertone.stft import SpectrogramConfig, magnitude_to_db, magnitude_to_mel, mel_filterbank, stft

LOG_MEL_STFT = SpectrogramConfig(sample_rate=16000, n_fft=1024, hop_length=256)
LOG_MEL_BANDS = 64
LOG_MEL_RANGE_HZ = (40.0, 7600.0)
LOG_MEL_FLOOR_DB = 60.0
SECOND_STFT = SpectrogramConfig(sample_rate=16000, n_fft=2048, hop_length=256)
"""An analysis that no codec here is fitted to, for judging phase."""


def log_mel(audio: Tensor) -> Tensor:
    """Return 64 HTK-mel bands in dB of the sound at RMS 1, floored 60 dB below its own maximum.

    Triangles from 40 to 7600 Hz without area normalisation on the power spectrum, Hann 1024/256. The images of two
    sounds are on one scale, so that their difference is what sets the sounds apart beside their levels.

    Args:
        audio: 16 kHz mono, ``(..., samples)``; its level does not matter.

    Returns:
        dB, ``(..., 64, n_frames)``; none lies more than 60 below the largest of its image.

    Example:
        >>> log_mel(torch.randn(2, 16000)).shape
        torch.Size([2, 64, 64])
    """
    f_min, f_max = LOG_MEL_RANGE_HZ
    bank = mel_filterbank(LOG_MEL_STFT, n_mels=LOG_MEL_BANDS, f_min=f_min, f_max=f_max).to(audio)
    mel = magnitude_to_mel(stft(_unit_rms(audio), LOG_MEL_STFT).abs(), bank)
    peak = mel.amax((-2, -1), keepdim=True).clamp_min(1e-10)
    return magnitude_to_db(mel, peak, top_db=LOG_MEL_FLOOR_DB) + 20 * torch.log10(peak)


def log_mel_error(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the mean absolute difference of two log-mel images after matching their RMS levels.

    Both sounds are scaled to the same RMS; each is floored 60 dB below its own maximum.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only. A silent sound is some 200 dB from any other.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> sound = torch.randn(1, 16000)
        >>> round(float(log_mel_error(-0.5 * sound, sound)), 3)
        0.0
    """
    first, second = (log_mel(sound) for sound in _same_shape(estimate, reference))
    return (first - second).abs().mean((-2, -1))


def loud_cell_error(estimate: Tensor, reference: Tensor, *, range_db: float = 20.0) -> Tensor:
    """Return how much too loud the estimate is, in the mean over the reference's loudest cells.

    The cells of a 1024/256 spectrogram within ``range_db`` of the reference's peak; both sounds at the same RMS. A
    network that blurs partials spreads their energy, and these cells come out far too low.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.
        range_db: How far below the peak a cell still counts.

    Returns:
        dB, ``(...,)``, negative where the estimate is too low; its cells are floored 80 dB below its own peak.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> sound = torch.randn(16000)
        >>> round(abs(float(loud_cell_error(0.1 * sound, sound))), 3)
        0.0
    """
    first, second = (stft(_unit_rms(sound), LOG_MEL_STFT).abs() for sound in _same_shape(estimate, reference))
    peak = second.amax((-2, -1), keepdim=True)
    loud = second >= peak * 10 ** (-range_db / 20)
    own_peak = first.amax((-2, -1), keepdim=True).clamp_min(1e-10)
    too_loud = magnitude_to_db(first, own_peak, top_db=80) + 20 * torch.log10(own_peak / peak)
    too_loud = too_loud - magnitude_to_db(second, peak, top_db=80)
    return (too_loud * loud).sum((-2, -1)) / loud.sum((-2, -1))


def spectral_convergence(estimate: Tensor, reference: Tensor, config: SpectrogramConfig = SECOND_STFT) -> Tensor:
    """Return the distance of two magnitude spectrograms relative to the reference, in dB.

    ``20·log10(‖|STFT(estimate)| − |STFT(reference)|‖ / ‖|STFT(reference)|‖)``.

    Args:
        estimate: ``(..., samples)``.
        reference: The same shape.
        config: The analysis; take another one than the estimate was fitted to.

    Returns:
        dB, ``(...,)``; more negative is better, 0 is the error of silence.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Sturmel and Daudet (2011); the form of phaseret's ``magnitudeerrdb``.

    Example:
        >>> sound = torch.randn(16000)
        >>> round(float(spectral_convergence(1.1 * sound, sound)), 2)  # 20·log10(0.1)
        -20.0
    """
    first, second = (stft(sound, config).abs() for sound in _same_shape(estimate, reference))
    error = (first - second).square().sum((-2, -1))
    return 10 * torch.log10(error.clamp_min(1e-30) / second.square().sum((-2, -1)).clamp_min(1e-30))


def _unit_rms(audio: Tensor) -> Tensor:
    return audio / audio.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-10)


def _same_shape(estimate: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if estimate.shape != reference.shape:
        raise ValueError(f"shapes must be equal, got {tuple(estimate.shape)} and {tuple(reference.shape)}")
    return estimate, reference
