"""The phase gradient that a magnitude implies."""

import math

import numpy as np

from intertone.stft import SpectrogramConfig

HANN_GAMMA = 0.25645
"""Time-frequency ratio of a Hann window: gamma = HANN_GAMMA · n_fft² (phaseret, pghi_findgamma)."""


def phase_gradient(magnitude: np.ndarray, config: SpectrogramConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return the phase advance over time and over frequency that a magnitude implies.

    For a Gaussian window the phase gradient is a derivative of the log magnitude; a Hann window is close to one. The
    phase is that of a frame measured from its centre: the transform's own phase is this plus pi per bin.

    Args:
        magnitude: ``(n_frames, n_bins)``, >= 0.
        config: The analysis settings that made it.

    Returns:
        ``(over_time, over_frequency)``, radians a hop and radians a bin, both the shape of ``magnitude``.

    Source:
        Průša, Balazs and Søndergaard (2017), equations 19 and 20 in the discrete form of phaseret; one-sided
        differences at the borders.

    Example:
        >>> over_time, _ = phase_gradient(np.ones((3, 9)), SpectrogramConfig(n_fft=16, hop_length=4))
        >>> float(over_time[0, 1] / np.pi)  # bin 1 turns 2 pi · 4 / 16 in a hop of 4
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
    """Return the phase advance over time, which follows from each frame alone.

    Args:
        log: Log magnitude, ``(..., n_bins)``.
        config: The analysis settings that made it.

    Returns:
        Radians a hop, the shape of ``log``; at 0 Hz and at half the sample rate that of the bin itself.
    """
    gradient = _difference(log, -1)
    gradient[..., [0, -1]] = 0
    gradient *= gradient_scale(config)
    gradient += np.arange(config.n_bins) * (2 * math.pi * config.hop_length / config.n_fft)
    return gradient


def gradient_scale(config: SpectrogramConfig) -> float:
    """Return ``hop_length · n_fft / gamma``: radians a hop for a log magnitude that rises by 1 a bin."""
    return config.hop_length * config.n_fft / (HANN_GAMMA * config.n_fft**2)


def _difference(values: np.ndarray, axis: int) -> np.ndarray:
    """Return central differences a step, one-sided at the ends, 0 for a single row."""
    return np.gradient(values, axis=axis) if values.shape[axis] > 1 else np.zeros_like(values)
