"""Half-way morphs of pairs of notes, with and without the network, and their pitch and loudness."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import BATCH, Step, seeded
from intertone.evaluate.resynthesis import CODEC, ESTIMATED, interpolate_features, interpolation_name
from intertone.loudness import integrated_loudness
from intertone.metrics.note import IN_TUNE_CENTS, search_range
from intertone.morphing import morph
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch

BETWEEN = 0.5
"""Tolerance, in dB or LU, within which a morph's level counts as lying between those of its two source notes."""


@dataclass(frozen=True)
class PairFigures:
    """Measurements of one pair of source notes and its half-way morphs; dictionaries are by method.

    Attributes:
        pitch: Pitch of both notes in the note set, a MIDI number.
        measured: Whether the f0 measured in each source note is within 50 cents of that pitch.
        cents: Deviation of the morph's f0 from the geometric mean of the source notes' f0, in cents; NaN: no f0 found.
        between_loudness: Whether the morph's integrated loudness lies between those of the source notes.
        between_level: Whether the morph's RMS level lies between those of the source notes.
        loudness: Integrated loudness of the morph minus the mean of the source notes' loudness, LU.
    """

    pitch: int
    measured: bool
    cents: dict[str, float]
    between_loudness: dict[str, bool]
    between_level: dict[str, bool]
    loudness: dict[str, float]


@torch.inference_mode()
def half_way_morphs(codec: Codec, notes: Notes, pairs: Rows, *, seed: int, step: Step) -> dict[str, Tensor]:
    """Return two half-way morphs of every pair: the codec's, and the interpolation of features without a network.

    Args:
        codec: The codec.
        notes: The note set, at the codec's sample rate.
        pairs: Rows of A and B, ``(n, 2)``.
        seed: Seed of random phase.
        step: Called after every batch with its number of pairs.

    Returns:
        Method → ``(n, samples)``.
    """
    found = [torch.empty(2, 0, notes.samples)]
    for start in range(0, len(pairs), BATCH):
        a, b = (notes.audio(rows).unsqueeze(1) for rows in pairs[start : start + BATCH].T)
        whole = morph(codec, a, b, phase=ESTIMATED, generator=seeded(seed))[:, 0, : notes.samples]
        without = interpolate_features(codec, a, b, mix=0.5, seed=seed)[:, 0]
        found.append(torch.stack([whole, without]))
        step(len(a))
    return dict(zip((CODEC, interpolation_name(codec)), torch.cat(found, 1), strict=True))


def measure_pairs(notes: Notes, pairs: Rows, half_way: Mapping[str, Tensor]) -> list[PairFigures]:
    """Measure pitch and loudness of half-way morphs.

    Args:
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``; the notes of a pair have the same known pitch.
        half_way: Method → morphs, ``(n, samples)``.

    Returns:
        One entry for each pair, in the order of ``pairs``.
    """
    figures = []
    for item, (row_a, row_b) in enumerate(pairs):
        sounds = {method: found[item] for method, found in half_way.items()}
        a, b = notes.audio([row_a, row_b])
        figures.append(_measure(int(notes.pitch[row_a]), a, b, sounds, notes.sample_rate))
    return figures


def _measure(pitch: int, a: Tensor, b: Tensor, sounds: dict[str, Tensor], sample_rate: int) -> PairFigures:
    key = pitch_to_hz(pitch)
    f_min, f_max = search_range(pitch, sample_rate)
    ends = [note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max) for sound in (a, b)]
    reference = math.sqrt(ends[0] * ends[1])
    loudness = [integrated_loudness(sound, sample_rate) for sound in (a, b)]
    levels = [_rms_level(sound) for sound in (a, b)]
    cents, between_loudness, between_level, louder = {}, {}, {}, {}
    for method, sound in sounds.items():
        f0 = note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max)
        cents[method] = float(hz_to_cents(f0, reference))
        own = integrated_loudness(sound, sample_rate)
        between_loudness[method] = _between(own, loudness)
        between_level[method] = _between(_rms_level(sound), levels)
        louder[method] = own - sum(loudness) / 2
    measured = all(abs(float(hz_to_cents(end, key))) <= IN_TUNE_CENTS for end in ends)
    return PairFigures(pitch, measured, cents, between_loudness, between_level, louder)


def _rms_level(sound: Tensor) -> float:
    """Return the RMS level in dB; −200 for silence."""
    return 10 * math.log10(max(float(sound.double().square().mean()), 1e-20))


def _between(value: float, ends: list[float]) -> bool:
    return min(ends) - BETWEEN <= value <= max(ends) + BETWEEN


def tuned_share(cents: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the share of morphs in tune and the median of |cents|, where NaN counts as infinitely far out of tune.

    Both are None without morphs; the median is None if at least half of the values are NaN.

    Example:
        >>> tuned_share([10.0, -30.0, 60.0, math.nan])
        (0.5, 45.0)
        >>> tuned_share([10.0, math.nan]), tuned_share([])
        ((0.5, None), (None, None))
    """
    if not len(cents):
        return None, None
    off = np.abs(cents)
    off = np.where(np.isnan(off), np.inf, off)
    median = float(np.median(off))
    return float((off <= IN_TUNE_CENTS).mean()), median if math.isfinite(median) else None
