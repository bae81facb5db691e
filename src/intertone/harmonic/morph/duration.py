"""Common time of harmonic sounds in a morph: its length, its onset, and a time map for each sound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from intertone.harmonic.morph.landmark import (
    Alignment,
    complete_releases,
    find_landmarks,
    mix_ends,
    mix_landmarks,
    positions,
)
from intertone.harmonic.morph.sustain import sustain_landmarks, sustained_positions
from intertone.harmonic.rows import FeatureRows
from intertone.harmonic.sound import HarmonicSound


@dataclass(frozen=True)
class Plan:
    """Common time of several sounds.

    Attributes:
        samples: Length.
        onset: Onset, samples.
        maps: For each sound, count of common frames → its frame for each of them.
        releases: For each sound, the frame at which its own release begins.
    """

    samples: int
    onset: int
    maps: Sequence[Callable[[int], Tensor]]
    releases: Sequence[float]


def plan_time(
    sounds: Sequence[HarmonicSound],
    weights: Sequence[float],
    alignment: Alignment,
    rows: FeatureRows,
    *,
    at_start: Sequence[float],
    hold_frames: float | None = None,
) -> Plan:
    """Plan the time that sounds share.

    Args:
        sounds: The sounds.
        weights: Weight of each, summing to 1.
        alignment: ``none``, ``onset``, or ``envelope``: attack, sustain and release.
        rows: Of the representation, for the levels of the sounds.
        at_start: Weight of each at the onset, where weights change over time: the attack is theirs.
        hold_frames: From onset to release, with ``envelope``; as interpolated if not given.
    """
    hop_length, onset = rows.config.hop_length, _common_onset(sounds, weights, alignment)
    ends = [(sound.samples - sound.onset) / hop_length for sound in sounds]
    if alignment != "envelope":
        late = [(sound.onset - onset) / hop_length * (alignment == "none") for sound in sounds]
        samples = _longest(sounds, weights, alignment, onset)
        shifted = [lambda n_frames, by=by: torch.arange(n_frames, dtype=torch.float64) - by for by in late]
        return Plan(samples, onset, shifted, ends)
    levels = [rows.level(rows.view(sound)).amax((0, 1)) * rows.config.top_db for sound in sounds]
    marks = complete_releases([find_landmarks(level, end) for level, end in zip(levels, ends, strict=True)])
    common = mix_landmarks(marks, weights)
    common = replace(common, attack=min(mix_landmarks(marks, at_start).attack, common.release))
    maps: list[Callable[[int], Tensor]] = [partial(positions, own, common) for own in marks]
    if hold_frames is not None:
        common = sustain_landmarks(common, hold_frames)
        maps = [
            partial(sustained_positions, own, common, level, sound.f0, frame_seconds=rows.config.frame_seconds)
            for own, level, sound in zip(marks, levels, sounds, strict=True)
        ]
    return Plan(onset + max(1, round(common.end * hop_length)), onset, maps, [own.release for own in marks])


def common_span(
    sounds: Sequence[HarmonicSound],
    weights: Sequence[float],
    alignment: Alignment,
    *,
    held_samples: float | None = None,
) -> tuple[int, float]:
    """Return the onset and the end of a mixture of sounds, in samples, from their onsets and lengths alone.

    ``weights`` and ``alignment`` are those of ``plan_time``; the end is that of the sustain if that has a length.
    """
    onset, bodies = _common_onset(sounds, weights, alignment), [sound.samples - sound.onset for sound in sounds]
    if alignment != "envelope":
        return onset, _longest(sounds, weights, alignment, onset)
    return onset, onset + (mix_ends(bodies, weights) if held_samples is None else held_samples)


def _common_onset(sounds: Sequence[HarmonicSound], weights: Sequence[float], alignment: Alignment) -> int:
    if alignment == "none":  # the earliest that is heard
        return min(sound.onset for weight, sound in zip(weights, sounds, strict=True) if weight)
    return max(0, round(sum(weight * sound.onset for weight, sound in zip(weights, sounds, strict=True))))


def _longest(sounds: Sequence[HarmonicSound], weights: Sequence[float], alignment: Alignment, onset: int) -> int:
    """Return the length of what is not bent, samples: of the longest sound that counts."""
    heard = [sound for weight, sound in zip(weights, sounds, strict=True) if weight]
    return max(sound.samples if alignment == "none" else onset + sound.samples - sound.onset for sound in heard)
