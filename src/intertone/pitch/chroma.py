"""Chroma: the power of each of the twelve pitch classes in a spectrum."""

import torch
from torch import Tensor

from intertone.pitch.note import SEMITONES, hz_to_pitch
from intertone.stft import SpectrogramConfig

N_CLASSES = SEMITONES
"""Number of pitch classes: C, C sharp, …, B."""
CENTRE, OCTAVES = 72.0, 1.0
"""Mean (MIDI number; 523 Hz) and standard deviation (octaves) of the Gaussian weight of frequencies."""


def chroma_filterbank(config: SpectrogramConfig) -> Tensor:
    """Return the weight of each bin in each pitch class.

    A bin is divided linearly between the two classes next to its frequency. Bins far from ``CENTRE`` have less weight:
    at high frequencies the partials of a note lie in other classes than the note, and at low frequencies the bins are
    wider than a semitone.

    Args:
        config: Settings of the transform.

    Returns:
        Weights, ``(12, n_bins)``; C is row 0.

    Example:
        >>> weights = chroma_filterbank(SpectrogramConfig(sample_rate=16000, n_fft=1600, hop_length=400))
        >>> weights.shape, int(weights[:, 44].argmax())  # 440 Hz is an A
        (torch.Size([12, 801]), 9)
    """
    frequencies = torch.arange(config.n_bins, dtype=torch.float64) * (config.sample_rate / config.n_fft)
    pitch = hz_to_pitch(frequencies.clamp_min(1.0))
    distance = (pitch - torch.arange(N_CLASSES)[:, None] + N_CLASSES / 2) % N_CLASSES - N_CLASSES / 2
    near = (1 - distance.abs()).clamp_min(0)
    octaves = (pitch - CENTRE) / SEMITONES
    weights = near * torch.exp(-0.5 * (octaves / OCTAVES).square())
    weights[:, 0] = 0  # the bin at 0 Hz has no pitch
    return weights.float()


def strongest_class(magnitude: Tensor, filterbank: Tensor) -> Tensor:
    """Return the pitch class with the largest power in each frame.

    Args:
        magnitude: Linear, ``(..., n_bins, n_frames)``, of any scale.
        filterbank: ``(12, n_bins)``, from ``chroma_filterbank``.

    Returns:
        One-hot, ``(..., 12, n_frames)``; all 0 in silent frames.

    Example:
        >>> config = SpectrogramConfig(sample_rate=16000, n_fft=1600, hop_length=400)
        >>> frame = torch.zeros(801, 2)
        >>> frame[44, 0] = 1
        >>> strongest_class(frame, chroma_filterbank(config)).T.int().tolist()
        [[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
    """
    strength = filterbank @ magnitude.square()
    return one_hot_classes(strength)


def one_hot_classes(strength: Tensor) -> Tensor:
    """Return 1 for the strongest class of each frame and 0 for the others; all 0 in frames that are all 0 or NaN.

    Of several equally strong classes, the first in the order from C is chosen.

    Args:
        strength: ``(..., 12, n_frames)``, >= 0.

    Returns:
        One-hot, of the same shape.
    """
    best = strength.argmax(-2, keepdim=True)
    return torch.zeros_like(strength).scatter_(-2, best, (strength.amax(-2, keepdim=True) > 0).to(strength))


def class_of_pitch(pitch: float) -> Tensor:
    """Return the pitch class of a note as a condition.

    Args:
        pitch: MIDI number, which is rounded to the nearest semitone.

    Returns:
        One-hot, ``(1, 12, 1)``.

    Example:
        >>> int(class_of_pitch(61.2).argmax())
        1
    """
    found = torch.zeros(1, N_CLASSES, 1)
    found[0, round(pitch) % N_CLASSES] = 1
    return found
