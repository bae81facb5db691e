"""Pitch and loudness of a note."""

from collections.abc import Callable

import torch
from torch import Tensor

from intertone.loudness import ABSOLUTE_GATE, integrated_loudness
from intertone.metrics.pair import same_shape
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch

IN_TUNE_CENTS = 50.0
"""Largest deviation of a note that is in tune: half a semitone."""

SEARCH_OCTAVES = 1.3
"""Range of the f0 search on either side of a note's key, in octaves; it includes octave errors, so that they count."""


def loudness_error(estimate: Tensor, reference: Tensor, *, sample_rate: int = 16000) -> Tensor:
    """Return the loudness of the estimate minus that of the reference.

    It is the difference of the integrated loudness, ``LUFS(estimate) − LUFS(reference)``. Most other metrics of this
    package do not depend on the level.

    Args:
        estimate: Mono, ``(..., samples)``; polarity does not matter.
        reference: The same shape.
        sample_rate: Hz.

    Returns:
        LU, ``(...,)``; negative: the estimate is too quiet. A loudness below -70 LUFS is set to -70.

    Raises:
        ValueError: If the shapes differ.

    Source:
        ITU-R BS.1770-4 (2015).

    Example:
        >>> sound = torch.sin(torch.arange(16000.0))
        >>> round(float(loudness_error(0.5 * sound, sound)), 2)  # 20·log10(0.5)
        -6.02
    """

    def loudness(sound: Tensor) -> float:
        return max(integrated_loudness(sound, sample_rate), ABSOLUTE_GATE)

    first, second = (_for_each(loudness, sounds) for sounds in same_shape(estimate, reference))
    return (first - second).to(estimate.dtype)


def pitch_error_cents(
    estimate: Tensor,
    pitch: Tensor | float,
    *,
    sample_rate: int = 16000,
    f_min: float = 25.0,
    f_max: float = 5000.0,
) -> Tensor:
    """Return the deviation of a note's f0 from its label, in cents; positive is too high.

    ``hz_to_cents(note_pitch(estimate), pitch_to_hz(pitch))``.

    Args:
        estimate: Mono, ``(..., samples)``; level, polarity and delay do not matter.
        pitch: The label, a MIDI number with fractions, ``(...,)`` or one for all.
        sample_rate: Hz.
        f_min: Lowest frequency searched, Hz.
        f_max: Highest frequency searched, Hz, below half of ``sample_rate``.

    Returns:
        Cents, ``(...,)``; NaN: no f0 is found, as in silence.

    Raises:
        ValueError: If the shapes do not fit, or ``f_min`` and ``f_max`` are out of range.

    Example:
        >>> time = torch.arange(8000) / 16000
        >>> sounds = torch.stack([torch.sin(2 * torch.pi * f0 * time) for f0 in (440.0, 452.9)])
        >>> pitch_error_cents(sounds, 69).round().tolist()
        [0.0, 50.0]
    """
    f0 = _for_each(lambda sound: note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max), estimate)
    labels = torch.as_tensor(pitch, dtype=torch.float64)
    if labels.ndim and labels.shape != f0.shape:
        raise ValueError(f"pitch must be one number or of shape {tuple(f0.shape)}, got {tuple(labels.shape)}")
    wanted = torch.tensor([pitch_to_hz(float(label)) for label in labels.flatten()]).double().reshape(labels.shape)
    return hz_to_cents(f0, wanted).to(estimate)


def search_range(pitch: float, sample_rate: int) -> tuple[float, float]:
    """Return the lowest and highest frequency at which the f0 of a note is searched, Hz.

    Args:
        pitch: MIDI number of the note's key.
        sample_rate: Hz.

    Returns:
        1.3 octaves below and above the key, the upper one below half of ``sample_rate``.

    Example:
        >>> [round(hz) for hz in search_range(69, 16000)]
        [179, 1083]
    """
    key = pitch_to_hz(pitch)
    f_max = min(key * 2**SEARCH_OCTAVES, 0.49 * sample_rate)
    return min(key / 2**SEARCH_OCTAVES, f_max / 2), f_max


def in_tune(estimate: Tensor, pitch: Tensor | float, *, sample_rate: int = 16000) -> Tensor:
    """Return whether the f0 of each note, searched in ``search_range``, is within 50 cents of its key.

    Args:
        estimate: Mono, ``(..., samples)``.
        pitch: The key, a MIDI number, ``(...,)`` or one for all.
        sample_rate: Hz.

    Returns:
        Booleans, ``(...,)``; False also for a note without f0.

    Example:
        >>> sound = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> bool(in_tune(sound, 69)), bool(in_tune(sound, 70)), bool(in_tune(sound, 57))
        (True, False, False)
    """
    sounds = estimate.reshape(-1, estimate.shape[-1])
    labels = torch.as_tensor(pitch, dtype=torch.float64).expand(estimate.shape[:-1]).reshape(-1)
    found = []
    for sound, label in zip(sounds, labels.tolist(), strict=True):
        f_min, f_max = search_range(label, sample_rate)
        cents = pitch_error_cents(sound, label, sample_rate=sample_rate, f_min=f_min, f_max=f_max)
        found.append(bool(cents.abs() <= IN_TUNE_CENTS))
    return torch.tensor(found).reshape(estimate.shape[:-1])


def pitch_accuracy(errors_cents: Tensor, *, tolerance_cents: float = IN_TUNE_CENTS) -> Tensor:
    """Return the share of the notes whose f0 is within a tolerance of the label.

    Args:
        errors_cents: Errors of ``pitch_error_cents``, any shape; NaN (no f0) counts as wrong.
        tolerance_cents: An absolute error below this value is right; 50 is half a semitone.

    Returns:
        0…1, ``()``.

    Raises:
        ValueError: If ``errors_cents`` is empty.

    Example:
        >>> pitch_accuracy(torch.tensor([3.0, -49.0, 1200.0, float("nan")]))
        tensor(0.5000)
    """
    if not errors_cents.numel():
        raise ValueError("errors_cents must hold at least one note, got none")
    return (errors_cents.abs() < tolerance_cents).float().mean()


def _for_each(measure: Callable[[Tensor], float], sounds: Tensor) -> Tensor:
    """Return ``measure`` of every sound in ``(..., samples)``, float64, ``(...,)``."""
    rows = sounds.reshape(-1, sounds.shape[-1])
    return torch.tensor([measure(row) for row in rows], dtype=torch.float64).reshape(sounds.shape[:-1])
