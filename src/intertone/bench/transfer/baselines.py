"""Baselines for style transfer: copies of the inputs, a matching filter, and an exchange of spectral envelopes."""

import torch
from torch import Tensor

from intertone.level import db_to_amplitude, db_to_power, limited_gain
from intertone.stft import SpectrogramConfig, istft, stft

N_FFT, HOP_LENGTH = 1024, 256
"""Frame length and hop of the STFT in samples, at any sample rate."""

SMOOTHING_OCTAVES = 1 / 3
"""Width of the smoothing of long-term spectra. A narrower one would copy the notes of the style, not its timbre."""

FLOOR_DB = 60.0
"""Floor of a long-term spectrum, in dB below its loudest bin."""

MOST_GAIN_DB = 30.0
"""Largest gain of the filter; a larger one would amplify the content's noise where it has no partials."""

LOWEST_HZ = 20.0
"""Lowest frequency that the filter passes, so that it does not amplify a DC offset."""

ENVELOPE_SECONDS = 0.002
"""Largest quefrency kept in the spectral envelope; the partials of notes up to 500 Hz lie above it."""

SILENCE_DB = 100.0
"""Floor of the log spectrum, in dB below the loudest bin of the sound."""


def copy_content(content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
    """Return the content unchanged.

    Args:
        content: ``(samples,)``.
        style: ``(samples,)``; ignored.
        sample_rate: Hz; ignored.

    Returns:
        The content.
    """
    return content


def copy_style(content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
    """Return the style, cut or repeated to the content's length.

    Args:
        content: ``(samples,)``; only its length is used.
        style: ``(samples,)``, of any length.
        sample_rate: Hz; ignored.

    Returns:
        ``(samples,)``, as long as the content.

    Example:
        >>> copy_style(torch.zeros(5), torch.tensor([1.0, 2.0]), 16000)
        tensor([1., 2., 1., 2., 1.])
    """
    return style[torch.arange(len(content)) % len(style)]


def match_spectrum(content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
    """Filter the content so that its long-term average spectrum becomes the style's.

    The filter is linear-phase with 1,024 taps. Its magnitude response is the square root of the ratio of the average
    power spectra of the two sounds at equal RMS, at most 30 dB. Each spectrum is smoothed over a third of an octave and
    limited to 60 dB below its maximum.

    Args:
        content: ``(samples,)``.
        style: ``(samples,)``, of any length.
        sample_rate: Hz.

    Returns:
        ``(samples,)``, as long as the content and without delay.

    Example:
        >>> sound = torch.sin(torch.arange(16000) * 0.3)
        >>> torch.allclose(match_spectrum(sound, 0.1 * sound, 16000)[999:-999], sound[999:-999], atol=0.01)
        True
    """
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=N_FFT, hop_length=HOP_LENGTH)
    powers = [_average_power(sound, config) for sound in (content, style)]
    gain = limited_gain((powers[1] / powers[0]).sqrt(), MOST_GAIN_DB)
    gain[config.frequencies() < LOWEST_HZ] = 0
    taps = torch.fft.irfft(gain, N_FFT).roll(N_FFT // 2) * torch.hann_window(N_FFT, dtype=torch.float64)
    size = len(content) + N_FFT
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(content.double(), size) * torch.fft.rfft(taps, size), size)
    return filtered[N_FFT // 2 : N_FFT // 2 + len(content)].to(content.dtype)


def exchange_envelopes(content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
    """Give each frame of the content the spectral envelope of the style's frame at the same time.

    The envelope of a frame is its log-magnitude spectrum with all quefrencies above 2 ms set to 0. Each frame keeps the
    phase and the energy of the content; the energy of the style would bring its rhythm with it.

    Args:
        content: ``(samples,)``.
        style: ``(samples,)``, of any length; it is cut or repeated to the content's length.
        sample_rate: Hz.

    Returns:
        ``(samples,)``, as long as the content.

    Source:
        Moorer (1979), "The use of linear prediction of speech in computer music applications", for cross-synthesis; the
        cepstral envelope is that of Oppenheim and Schafer (1968), "Homomorphic analysis of speech".

    Example:
        >>> sound = torch.randn(16000)
        >>> torch.allclose(exchange_envelopes(sound, sound, 16000), sound, atol=1e-3)
        True
    """
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=N_FFT, hop_length=HOP_LENGTH)
    own = stft(content, config)
    other = stft(copy_style(content, style, sample_rate), config)
    change = _envelope(other, sample_rate) - _envelope(own, sample_rate)
    changed = own * change.exp()
    before, after = (sound.abs().square().sum(0) for sound in (own, changed))
    gain = (before / after.clamp_min(1e-30)).sqrt()
    return istft(changed * gain, config, length=len(content))


def _average_power(audio: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the smoothed long-term average power of a sound at RMS 1, ``(n_bins,)``, float64."""
    power = stft(audio.double(), config).abs().square().mean(-1)
    sums = torch.nn.functional.pad(power.cumsum(0), (1, 0))
    bins = torch.arange(len(power))
    half = 2 ** (SMOOTHING_OCTAVES / 2)
    low, high = (bins / half).round().long(), ((bins * half).round().long() + 1).clamp_max(len(power))
    smooth = (sums[high] - sums[low]) / (high - low)
    smooth = smooth / power.mean().clamp_min(1e-30)
    return smooth.clamp_min(float(smooth.max()) * db_to_power(-FLOOR_DB)).clamp_min(1e-30)


def _envelope(spectrum: Tensor, sample_rate: int) -> Tensor:
    """Return the natural logarithm of each frame's spectral envelope, ``(n_bins, n_frames)``, with mean 0 per frame."""
    magnitude = spectrum.abs()
    logarithm = magnitude.clamp_min(float(magnitude.max()) * db_to_amplitude(-SILENCE_DB)).clamp_min(1e-20).log()
    cepstrum = torch.fft.irfft(logarithm, N_FFT, dim=0)
    length = round(ENVELOPE_SECONDS * sample_rate)
    cepstrum[0] = 0
    cepstrum[length + 1 : -length] = 0
    envelope: Tensor = torch.fft.rfft(cepstrum, dim=0).real
    return envelope
