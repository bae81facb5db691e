"""Distances of one sound's spectrum from another's."""

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.level import amplitude_to_db, db_to_amplitude, power_to_db
from intertone.metrics.pair import same_shape, unit_rms
from intertone.stft import SpectrogramConfig, magnitude_to_db, magnitude_to_mel, mel_filterbank, stft


class LogMelConfig(Settings):
    """Settings of a log-mel image: HTK-mel triangles without area normalisation on the power spectrum."""

    stft: SpectrogramConfig = Field(description="the analysis; its sample rate is the sound's")
    n_mels: int = Field(ge=1, description="bands")
    f_min: float = Field(ge=0, description="Hz, lower edge of the lowest band")
    f_max: float = Field(gt=0, description="Hz, upper edge of the highest band")
    floor_db: float = Field(gt=0, description="depth of the floor below the image's own maximum")


LOG_MEL_STFT = SpectrogramConfig(sample_rate=16000, n_fft=1024, hop_length=256)
LOG_MEL_16K = LogMelConfig(stft=LOG_MEL_STFT, n_mels=64, f_min=40, f_max=7600, floor_db=60)
LOG_MEL_44K = LogMelConfig(
    stft=SpectrogramConfig(sample_rate=44100, n_fft=2048, hop_length=512), n_mels=96, f_min=40, f_max=20000, floor_db=60
)
"""For sounds at 44.1 kHz: the same lowest edge and floor, bands up to 20 kHz; its numbers are not those at 16 kHz."""

SECOND_STFT = SpectrogramConfig(sample_rate=16000, n_fft=2048, hop_length=256)
"""An analysis that no codec here is fitted to, for judging phase."""

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""``n_fft``, hop and window of ``multi_resolution_stft_distance``, samples."""


def log_mel(audio: Tensor, config: LogMelConfig = LOG_MEL_16K) -> Tensor:
    """Return HTK-mel bands in dB of the sound at RMS 1, floored 60 dB below its own maximum.

    Triangles without area normalisation on the power spectrum of a Hann window: at 16 kHz 64 from 40 to 7600 Hz,
    1024/256; at 44.1 kHz 96 from 40 to 20000 Hz, 2048/512. The images of two sounds are on one scale, so that their
    difference is what sets the sounds apart beside their levels.

    Args:
        audio: Mono at ``config.stft.sample_rate``, ``(..., samples)``; its level does not matter.
        config: ``LOG_MEL_16K`` or ``LOG_MEL_44K``.

    Returns:
        dB, ``(..., n_mels, n_frames)``; none lies more than 60 below the largest of its image.

    Example:
        >>> log_mel(torch.randn(2, 16000)).shape
        torch.Size([2, 64, 64])
    """
    bank = mel_filterbank(config.stft, n_mels=config.n_mels, f_min=config.f_min, f_max=config.f_max).to(audio)
    mel = magnitude_to_mel(stft(unit_rms(audio), config.stft).abs(), bank)
    peak = mel.amax((-2, -1), keepdim=True).clamp_min(1e-10)
    return magnitude_to_db(mel, peak, top_db=config.floor_db) + amplitude_to_db(peak)


def log_mel_error(estimate: Tensor, reference: Tensor, config: LogMelConfig = LOG_MEL_16K) -> Tensor:
    """Return the mean absolute difference of two log-mel images after matching their RMS levels.

    Both sounds are scaled to the same RMS; each is floored 60 dB below its own maximum.

    Args:
        estimate: Mono at ``config.stft.sample_rate``, ``(..., samples)``.
        reference: The same shape.
        config: ``LOG_MEL_16K`` or ``LOG_MEL_44K``; their numbers are not to be compared with each other.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only. A silent sound is some 200 dB from any other.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> sound = torch.randn(1, 16000)
        >>> round(float(log_mel_error(-0.5 * sound, sound)), 3)
        0.0
    """
    first, second = (log_mel(sound, config) for sound in same_shape(estimate, reference))
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
    first, second = (stft(unit_rms(sound), LOG_MEL_STFT).abs() for sound in same_shape(estimate, reference))
    peak = second.amax((-2, -1), keepdim=True)
    loud = second >= peak * db_to_amplitude(-range_db)
    own_peak = first.amax((-2, -1), keepdim=True).clamp_min(1e-10)
    too_loud = magnitude_to_db(first, own_peak, top_db=80) + amplitude_to_db(own_peak / peak)
    too_loud = too_loud - magnitude_to_db(second, peak, top_db=80)
    return (too_loud * loud).sum((-2, -1)) / loud.sum((-2, -1))


def spectral_convergence(estimate: Tensor, reference: Tensor, config: SpectrogramConfig = SECOND_STFT) -> Tensor:
    """Return the distance of two magnitude spectrograms relative to the reference, in dB.

    ``20·log10(‖|STFT(estimate)| − |STFT(reference)|‖ / ‖|STFT(reference)|‖)``. The level counts; the polarity does not.

    Args:
        estimate: ``(..., samples)``.
        reference: The same shape.
        config: The analysis. The default judges a phase, being another than the estimate was fitted to; give the
            representation's own to judge a magnitude.

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
    first, second = (stft(sound, config).abs() for sound in same_shape(estimate, reference))
    error = (first - second).square().sum((-2, -1))
    return power_to_db(error.clamp_min(1e-30) / second.square().sum((-2, -1)).clamp_min(1e-30))


def multi_resolution_stft_distance(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the distance of two sounds' magnitude spectra at three resolutions, in the mean of the three.

    Per resolution ``‖S − Ŝ‖ / ‖S‖ + mean |ln S − ln Ŝ|``; ``n_fft`` 1024, 2048, 512, hop 120, 240, 50, Hann windows
    of 600, 1200, 240, reflected ends. The magnitude floor ``sqrt(1e-8)`` is absolute, so both sounds are first brought
    to RMS 1.

    Args:
        estimate: Mono, ``(..., samples)``, at least 1025 samples; its level does not matter.
        reference: The same shape.

    Returns:
        Without unit, ``(...,)``; 0 for sounds that differ in gain or polarity only; about 0.5 for a note delayed by
        5 ms, whose faint cells between the partials change. A silent estimate is about
        10 from any other sound; against a silent reference the distance is finite, but of the order of 10⁵.

    Raises:
        ValueError: If the shapes differ, or the sounds are too short for their ends to be reflected.

    Source:
        Yamamoto, Song and Kim (2020), "Parallel WaveGAN", with the defaults of auraloss 0.4.0's
        ``MultiResolutionSTFTLoss``, whose values for single sounds at RMS 1 are matched.

    Example:
        >>> sound = torch.randn(1, 16000)
        >>> round(float(multi_resolution_stft_distance(-0.5 * sound, sound)), 3)
        0.0
    """
    first, second = (unit_rms(sound) for sound in same_shape(estimate, reference))
    longest = max(n_fft for n_fft, _, _ in RESOLUTIONS)
    if first.shape[-1] <= longest // 2:
        raise ValueError(f"sounds must have more than {longest // 2} samples, got {first.shape[-1]}")
    distances = []
    for n_fft, hop_length, win_length in RESOLUTIONS:
        s_1, s_2 = (_floored_magnitude(sound, n_fft, hop_length, win_length) for sound in (first, second))
        convergence = (s_1 - s_2).square().sum((-2, -1)).sqrt() / s_2.square().sum((-2, -1)).sqrt()
        distances.append(convergence + (s_1.log() - s_2.log()).abs().mean((-2, -1)))
    return torch.stack(distances).mean(0)


def _floored_magnitude(audio: Tensor, n_fft: int, hop_length: int, win_length: int) -> Tensor:
    window = torch.hann_window(win_length, dtype=audio.dtype, device=audio.device)
    rows = audio.reshape(-1, audio.shape[-1])
    spectrum = torch.stft(rows, n_fft, hop_length, win_length, window, return_complex=True)
    magnitude = torch.view_as_real(spectrum).square().sum(-1).clamp_min(1e-8).sqrt()
    return magnitude.reshape(*audio.shape[:-1], *magnitude.shape[1:])
