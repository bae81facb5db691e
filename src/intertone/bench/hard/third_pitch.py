"""Pitches that do not belong into a morph: partials of neither sound, and those of both keys at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.level import amplitude_to_db
from intertone.pitch.comb import PEAK_RANGE_DB, Peaks, spectral_peaks

NEAR_CENTS, NEAR_HZ = 60.0, 8.0
"""A partial is where another one is within 60 cents or 8 Hz, whichever is more: vibrato and chorus spread the partials
of choirs by so much. With wider limits, a wrong partial among high harmonics is not seen."""

MATCH_SEMITONES = 2.0
"""Partials of two sounds are matched if their ratios to their f0 are no further apart: a way from one to the other that
is longer sounds a pitch of its own half-way."""

KEY_HARMONICS = 3
"""Harmonics of a note by which its key is recognised: among higher ones, those of any two notes meet."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Voice:
    """A sound by its partials.

    Attributes:
        peaks: Peaks of its spectrum.
        f0: Fundamental frequencies of its notes, Hz.
    """

    peaks: Peaks
    f0: tuple[float, ...]


def voice_of(sound: Tensor, f0: Sequence[float], sample_rate: int) -> Voice:
    """Return the partials of a sound, ``(samples,)``, between 0.08 and 1.10 s, with the f0 of its notes in Hz."""
    return Voice(spectral_peaks(sound, sample_rate), tuple(f0))


def third_pitch_db(sound: Tensor, a: Voice, b: Voice, mix: float, sample_rate: int) -> float:
    """Return the level of the strongest partial that belongs to neither sound nor to the way between them.

    To a sound belong its own partials, harmonic or not, and the harmonics of its f0. The way between the sounds has the
    harmonics of the f0 that are interpolated in their logarithm, and, of two single notes, the inharmonic partials that
    are nearest to each other in their ratio to f0, at most 2 semitones apart, interpolated likewise.

    Args:
        sound: The morph, ``(samples,)``, more than 0.08 s of it.
        a: From ``voice_of``.
        b: From ``voice_of``.
        mix: Weight of ``b``, 0…1.
        sample_rate: Hz.

    Returns:
        dB relative to the loudest partial; −55, the depth to which partials are looked for, where there is none.

    Raises:
        ValueError: If the sound is too short.

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
    known += [_harmonics(f0, sample_rate) for f0 in (*a.f0, *b.f0, *_ways(a, b, mix))]
    return _loudest(found, ~_near(found.frequency, np.concatenate(known)))


def two_keys_db(sound: Tensor, a: Voice, b: Voice, sample_rate: int) -> float:
    """Return the level at which a morph keeps the keys of both sounds.

    Args:
        sound: The morph, ``(samples,)``, more than 0.08 s of it.
        a: From ``voice_of``; its notes are others than those of ``b``.
        b: From ``voice_of``.
        sample_rate: Hz.

    Returns:
        Level in dB, relative to the loudest partial, of the strongest partial at one of the first three harmonics of a
        note where the other sound has no harmonic: of the two sounds, that of the weaker one. −55 where one of them has
        none.

    Raises:
        ValueError: If the sound is too short.

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
    """Return the level of the strongest of some peaks; their weight is the root of their amplitude."""
    return 2 * float(amplitude_to_db(found.weight[chosen].max())) if chosen.any() else -PEAK_RANGE_DB


def _ways(a: Voice, b: Voice, mix: float) -> list[float]:
    """Return the f0 between each note of one sound and each of the other, Hz."""
    return [float(first ** (1 - mix) * second**mix) for first in a.f0 for second in b.f0]


def _harmonics(f0: float, sample_rate: int) -> Array:
    order = np.arange(1, max(2, int(sample_rate / 2 / f0) + 1), dtype=np.float64)
    return f0 * order


def _matched(a: Voice, b: Voice, mix: float) -> Array:
    """Return where the matched partials of two notes are at a mix, Hz."""
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
    """Return which frequencies lie at one of others."""
    if not len(others):
        return np.zeros(len(frequency), bool)
    reach = np.maximum(NEAR_HZ, frequency * (2 ** (NEAR_CENTS / 1200) - 1))
    near: npt.NDArray[np.bool_] = np.abs(frequency[:, None] - others).min(1) <= reach
    return near
