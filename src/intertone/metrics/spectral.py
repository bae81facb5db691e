"""Spectral distances between two sounds."""

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.level import amplitude_to_db, db_to_amplitude, power_to_db
from intertone.metrics.pair import same_shape, unit_rms
from intertone.stft import SpectrogramConfig, magnitude_to_db, magnitude_to_mel, mel_filterbank, stft


class LogMelConfig(Settings):
    """Settings of a log-mel spectrogram: triangular HTK-mel filters, without area normalisation, of the power."""

    stft: SpectrogramConfig = Field(description="settings of the STFT, with the sample rate of the sound")
    n_mels: int = Field(ge=1, description="number of mel bands")
    f_min: float = Field(ge=0, description="lower edge of the lowest band, Hz")
    f_max: float = Field(gt=0, description="upper edge of the highest band, Hz")
    floor_db: float = Field(gt=0, description="floor in dB below the maximum of the spectrogram")


LOG_MEL_STFT = SpectrogramConfig(sample_rate=16000, n_fft=1024, hop_length=256)
LOG_MEL_16K = LogMelConfig(stft=LOG_MEL_STFT, n_mels=64, f_min=40, f_max=7600, floor_db=60)
LOG_MEL_44K = LogMelConfig(
    stft=SpectrogramConfig(sample_rate=44100, n_fft=2048, hop_length=512), n_mels=96, f_min=40, f_max=20000, floor_db=60
)
"""Settings for 44.1 kHz, with bands up to 20 kHz; results cannot be compared with those of ``LOG_MEL_16K``."""

SECOND_STFT = SpectrogramConfig(sample_rate=16000, n_fft=2048, hop_length=256)
"""STFT for the evaluation of estimated phase; no codec of this package uses the same settings."""

RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""``n_fft``, hop and window of ``multi_resolution_stft_distance``, samples."""


def log_mel(audio: Tensor, config: LogMelConfig = LOG_MEL_16K) -> Tensor:
    """Return the log-mel spectrogram of a sound at RMS 1, in dB, with a floor of 60 dB below its maximum.

    The filters are triangular in HTK-mel, without area normalisation, on the power spectrum. At 16 kHz there are 64
    from 40 to 7600 Hz (window 1024, hop 256), at 44.1 kHz 96 from 40 to 20000 Hz (window 2048, hop 512). Since the
    sounds are scaled to RMS 1, the spectrograms of two sounds are comparable.

    Args:
        audio: Mono at ``config.stft.sample_rate``, ``(..., samples)``; its level does not matter.
        config: ``LOG_MEL_16K`` or ``LOG_MEL_44K``.

    Returns:
        dB, ``(..., n_mels, n_frames)``; no value is more than 60 dB below the maximum of its spectrogram.

    Example:
        >>> log_mel(torch.randn(2, 16000)).shape
        torch.Size([2, 64, 64])
    """
    bank = mel_filterbank(config.stft, n_mels=config.n_mels, f_min=config.f_min, f_max=config.f_max).to(audio)
    mel = magnitude_to_mel(stft(unit_rms(audio), config.stft).abs(), bank)
    peak = mel.amax((-2, -1), keepdim=True).clamp_min(1e-10)
    return magnitude_to_db(mel, peak, top_db=config.floor_db) + amplitude_to_db(peak)


def log_mel_error(estimate: Tensor, reference: Tensor, config: LogMelConfig = LOG_MEL_16K) -> Tensor:
    """Return the mean absolute difference of two log-mel spectrograms at equal RMS level.

    Each spectrogram has a floor of 60 dB below its own maximum.

    Args:
        estimate: Mono at ``config.stft.sample_rate``, ``(..., samples)``.
        reference: The same shape.
        config: ``LOG_MEL_16K`` or ``LOG_MEL_44K``; results of the two cannot be compared with each other.

    Returns:
        dB, ``(...,)``; 0 for sounds that differ in gain or polarity only, about 200 between silence and any other
        sound.

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
    """Return the mean level error of the estimate over the reference's loudest time-frequency cells.

    These are the STFT cells (window 1024, hop 256) within ``range_db`` of the reference's peak, with both sounds at
    equal RMS. A network that blurs partials spreads their energy, so that its error is far below 0.

    Args:
        estimate: 16 kHz mono, ``(..., samples)``.
        reference: The same shape.
        range_db: Range below the peak within which cells are loud, dB.

    Returns:
        dB, ``(...,)``; negative: the estimate is too quiet. The estimate has a floor of 80 dB below its own peak.

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

    ``20·log10(‖|STFT(estimate)| − |STFT(reference)|‖ / ‖|STFT(reference)|‖)``. It depends on the level, but not on the
    polarity.

    Args:
        estimate: ``(..., samples)``.
        reference: The same shape.
        config: Settings of the STFT. To evaluate an estimated phase, use the default, which differs from the STFT whose
            error the estimation minimises; to evaluate magnitudes, use the settings of the representation.

    Returns:
        dB, ``(...,)``; lower is better, 0 is the value of a silent estimate.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Sturmel and Daudet (2011); the formula of phaseret's ``magnitudeerrdb``.

    Example:
        >>> sound = torch.randn(16000)
        >>> round(float(spectral_convergence(1.1 * sound, sound)), 2)  # 20·log10(0.1)
        -20.0
    """
    first, second = (stft(sound, config).abs() for sound in same_shape(estimate, reference))
    error = (first - second).square().sum((-2, -1))
    return power_to_db(error.clamp_min(1e-30) / second.square().sum((-2, -1)).clamp_min(1e-30))


def multi_resolution_stft_distance(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the mean distance of two sounds' magnitude spectrograms over three time-frequency resolutions.

    The distance at each resolution is ``‖S − Ŝ‖ / ‖S‖ + mean |ln S − ln Ŝ|``. The resolutions have ``n_fft`` 1024, 2048
    and 512, hops of 120, 240 and 50 samples, and Hann windows of 600, 1200 and 240 samples. Both sounds are scaled to
    RMS 1, because the floor of the magnitudes, ``sqrt(1e-8)``, is absolute.

    Args:
        estimate: Mono, ``(..., samples)``, at least 1025 samples; its level does not matter.
        reference: The same shape.

    Returns:
        Distance without unit, ``(...,)``; 0 for sounds that differ in gain or polarity only; about 0.5 for a note
        delayed by 5 ms, whose weak cells between the partials change; about 10 for a silent estimate, and of the order
        of 10⁵ for a silent reference.

    Raises:
        ValueError: If the shapes differ, or the sounds have fewer than 1025 samples (they are padded by reflection).

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
