"""Wrong pitches in a morph: partials that belong to neither sound, and the keys of both sounds at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.level import amplitude_to_db
from intertone.pitch.comb import PEAK_RANGE_DB, Peaks, spectral_peaks

NEAR_CENTS, NEAR_HZ = 60.0, 8.0
"""Tolerance within which two partials count as equal: 60 cents or 8 Hz, whichever is more. Vibrato and chorus spread
the partials of choirs by as much; with a larger tolerance, wrong partials between high harmonics are not detected."""

MATCH_SEMITONES = 2.0
"""Largest distance, in semitones, between the frequency ratios to f0 of two partials that are matched. Partials that
are further apart would be audible as a separate pitch half-way."""

KEY_HARMONICS = 3
"""Number of harmonics by which a note is recognised; higher harmonics of different notes often coincide."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """Spectral peaks of a sound, and the f0 of its notes.

    Attributes:
        peaks: Peaks of the spectrum.
        f0: Fundamental frequencies of the notes, Hz.
    """

    peaks: Peaks
    f0: tuple[float, ...]


def voice_of(sound: Tensor, f0: Sequence[float], sample_rate: int) -> Voice:
    """Return the spectral peaks of a sound, ``(samples,)``, between 0.08 and 1.10 s, with the f0 of its notes in Hz."""
    return Voice(spectral_peaks(sound, sample_rate), tuple(f0))


def third_pitch_db(sound: Tensor, a: Voice, b: Voice, mix: float, sample_rate: int) -> float:
    """Return the level of the strongest partial that belongs to neither sound nor to their interpolation.

    The partials of a sound are its spectral peaks and the harmonics of its f0. Their interpolation consists of the
    harmonics of the logarithmically interpolated f0. For two single notes, it also includes interpolated partials:
    those that are mutually nearest in their ratio to f0, at most 2 semitones apart.

    Args:
        sound: The morph, ``(samples,)``, longer than 0.08 s.
        a: First sound, from ``voice_of``.
        b: Second sound, from ``voice_of``.
        mix: Weight of ``b``, 0…1.
        sample_rate: Hz.

    Returns:
        dB relative to the loudest partial; −55, the lowest level of a partial, if there is no wrong partial.

    Raises:
        ValueError: If the sound is not longer than 0.08 s.

    Example:
        >>> import torch
        >>> time = torch.arange(32000) / 16000
        >>> sine = lambda f: torch.sin(2 * torch.pi * f * time)
        >>> a, b = (voice_of(sine(400) + 0.5 * sine(other), [400.0], 16000) for other in (800, 1200))
        >>> round(third_pitch_db(sine(400) + 0.1 * sine(552), a, b, 0.5, 16000))
        -20
    """
    found = spectral_peaks(sound, sample_rate)
    if not len(found.frequency):
        return -PEAK_RANGE_DB
    known = [a.peaks.frequency, b.peaks.frequency, _matched(a, b, mix)]
    known += [_harmonics(f0, sample_rate) for f0 in (*a.f0, *b.f0, *_interpolated_f0(a, b, mix))]
    return _loudest(found, ~_near(found.frequency, np.concatenate(known)))


def two_keys_db(sound: Tensor, a: Voice, b: Voice, sample_rate: int) -> float:
    """Return the level at which the notes of both sounds are present in a morph at once.

    For each sound, the strongest partial of the morph is found at those of the first three harmonics of its notes where
    the other sound has no harmonic. The result is the lower one of the two levels.

    Args:
        sound: The morph, ``(samples,)``, longer than 0.08 s.
        a: First sound, from ``voice_of``; its notes differ from those of ``b``.
        b: Second sound, from ``voice_of``.
        sample_rate: Hz.

    Returns:
        dB relative to the loudest partial; −55 if the morph has no such partial of one of the sounds.

    Raises:
        ValueError: If the sound is not longer than 0.08 s.

    Example:
        >>> import torch
        >>> time = torch.arange(32000) / 16000
        >>> a, b = (torch.sin(2 * torch.pi * f * time) for f in (400, 530))
        >>> voices = voice_of(a, [400.0], 16000), voice_of(b, [530.0], 16000)
        >>> round(two_keys_db(a + 0.5 * b, *voices, 16000)), two_keys_db(a, *voices, 16000)
        (-6, -55.0)
    """
    found = spectral_peaks(sound, sample_rate)
    if not len(found.frequency):
        return -PEAK_RANGE_DB
    levels = []
    for own, other in ((a, b), (b, a)):
        low = np.concatenate([_harmonics(f0, sample_rate)[:KEY_HARMONICS] for f0 in own.f0])
        alone = low[~_near(low, np.concatenate([_harmonics(f0, sample_rate) for f0 in other.f0]))]
        levels.append(_loudest(found, _near(found.frequency, alone)))
    return min(levels)


def _loudest(found: Peaks, chosen: npt.NDArray[np.bool_]) -> float:
    """Return the level of the strongest chosen peak, dB; a peak's weight is the square root of its amplitude."""
    return 2 * float(amplitude_to_db(found.weight[chosen].max())) if chosen.any() else -PEAK_RANGE_DB


def _interpolated_f0(a: Voice, b: Voice, mix: float) -> list[float]:
    """Return the interpolated f0 of each pair of a note of ``a`` and a note of ``b``, Hz."""
    return [float(first ** (1 - mix) * second**mix) for first in a.f0 for second in b.f0]


def _harmonics(f0: float, sample_rate: int) -> Array:
    order = np.arange(1, max(2, int(sample_rate / 2 / f0) + 1), dtype=np.float64)
    return f0 * order


def _matched(a: Voice, b: Voice, mix: float) -> Array:
    """Return the interpolated frequencies of the matched partials of two single notes, Hz."""
    if len(a.f0) != 1 or len(b.f0) != 1 or not len(a.peaks.frequency) or not len(b.peaks.frequency):
        return np.zeros(0)
    apart = np.log2(a.peaks.frequency / a.f0[0])[:, None] - np.log2(b.peaks.frequency / b.f0[0])
    distance = 12 * np.abs(apart)
    partner = distance.argmin(1)
    rows = np.arange(len(partner))
    mutual = (distance.argmin(0)[partner] == rows) & (distance[rows, partner] <= MATCH_SEMITONES)
    first, second = a.peaks.frequency[mutual], b.peaks.frequency[partner[mutual]]
    way: Array = first ** (1 - mix) * second**mix
    return way


def _near(frequency: Array, others: Array) -> npt.NDArray[np.bool_]:
    """Return whether each frequency equals one of ``others`` within the tolerance."""
    if not len(others):
        return np.zeros(len(frequency), bool)
    reach = np.maximum(NEAR_HZ, frequency * (2 ** (NEAR_CENTS / 1200) - 1))
    near: npt.NDArray[np.bool_] = np.abs(frequency[:, None] - others).min(1) <= reach
    return near
