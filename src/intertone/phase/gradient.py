"""Phase gradient of a spectrogram, computed from its magnitude."""

import math

import numpy as np

from intertone.stft import SpectrogramConfig

HANN_GAMMA = 0.25645
"""Parameter of the Gaussian window that is closest to a Hann window: gamma = HANN_GAMMA · n_fft² (phaseret)."""


def phase_gradient(magnitude: np.ndarray, config: SpectrogramConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the phase advance over time and over frequency, computed from the magnitude.

    For a Gaussian window the phase gradient is a derivative of the log magnitude; a Hann window is close to a Gaussian.
    Phases are relative to the centre of a frame; the phase of the transform is this plus pi per bin.

    Args:
        magnitude: ``(n_frames, n_bins)``, >= 0.
        config: The analysis settings that made it.

    Returns:
        ``(over_time, over_frequency)``, radians per hop and radians per bin, both of the shape of ``magnitude``.

    Source:
        Průša, Balazs and Søndergaard (2017), equations 19 and 20 in the discrete form of phaseret; one-sided
        differences at the borders.

    Example:
        >>> over_time, _ = phase_gradient(np.ones((3, 9)), SpectrogramConfig(n_fft=16, hop_length=4))
        >>> float(over_time[0, 1] / np.pi)  # bin 1 advances by 2 pi · 4 / 16 in a hop of 4
        0.5
    """
    log = log_magnitude(magnitude)
    over_frequency = _difference(log, 0)
    over_frequency *= -1 / gradient_scale(config)
    return gradient_over_time(log, config), over_frequency


def log_magnitude(magnitude: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of magnitudes of any shape, floored 200 dB below the largest of them."""
    return np.log(np.maximum(magnitude, 1e-10 * max(float(magnitude.max()), 1e-30)))


def gradient_over_time(log: np.ndarray, config: SpectrogramConfig) -> np.ndarray:
    """Return the phase advance over time, which depends on each frame alone.

    Args:
        log: Log magnitude, ``(..., n_bins)``.
        config: The analysis settings that made it.

    Returns:
        Radians per hop, of the shape of ``log``; at 0 Hz and at half the sample rate, that of the bin's frequency.
    """
    gradient = _difference(log, -1)
    gradient[..., [0, -1]] = 0
    gradient *= gradient_scale(config)
    gradient += np.arange(config.n_bins) * (2 * math.pi * config.hop_length / config.n_fft)
    return gradient


def gradient_scale(config: SpectrogramConfig) -> float:
    """Return ``hop_length · n_fft / gamma``: radians per hop for a log magnitude that rises by 1 per bin."""
    return config.hop_length * config.n_fft / (HANN_GAMMA * config.n_fft**2)


def _difference(values: np.ndarray, axis: int) -> np.ndarray:
    """Return central differences along an axis, one-sided at the ends; 0 for a length of 1."""
    return np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)
