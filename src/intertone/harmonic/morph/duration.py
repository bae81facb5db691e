"""Common time of harmonic sounds in a morph: its length, its onset, and a time map for each sound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from intertone.harmonic.morph.landmark import Alignment, complete_releases, find_landmarks, mix_landmarks, positions
from intertone.harmonic.morph.sustain import sustain_landmarks, sustained_positions
from intertone.harmonic.sound import HarmonicSound


@dataclass(frozen=True)
class Plan:
    """Common time of several sounds.

    Attributes:
        samples: Common length.
        onset: Common onset, samples.
        maps: For each sound, count of common frames → its frame for each of them.
        releases: For each sound, the frame at which its own release begins.
    """

    samples: int
    onset: int
    maps: Sequence[Callable[[int], Tensor]]
    releases: Sequence[float]


def plan_time(
    tracks: Sequence[HarmonicSound],
    levels: Sequence[Tensor],
    weights: Sequence[float],
    alignment: Alignment,
    *,
    at_start: Sequence[float],
    hop_length: int,
    frame_seconds: float,
    hold_frames: float | None = None,
) -> Plan:
    """Plan the time that sounds share.

    Args:
        tracks: Harmonic sound of each sound.
        levels: Level of each sound, dB, frame by frame from its onset on, ``(n_frames,)``.
        weights: Weight of each, summing to 1.
        alignment: ``none``, ``onset``, or ``envelope``: attack, sustain and release.
        at_start: Weight of each at the onset, where weights change over time: the attack is theirs.
        hop_length: Samples from one frame to the next.
        frame_seconds: The same in seconds.
        hold_frames: From onset to release, with ``envelope``; as interpolated if not given.

    Returns:
        The plan.

    Raises:
        ValueError: If a sound that is held is not laid by its envelope.
    """
    if hold_frames is not None and alignment != "envelope":
        raise ValueError(f"a sound that is held must be aligned by its envelope, got {alignment}")
    bodies = [track.samples - track.onset for track in tracks]
    ends = [body / hop_length for body in bodies]
    onset = _common_onset(tracks, weights, alignment)
    if alignment != "envelope":
        late = [(track.onset - onset) / hop_length * (alignment == "none") for track in tracks]
        samples = _longest(tracks, weights, alignment, onset)
        return Plan(samples, onset, [partial(_shifted, shift=frames) for frames in late], ends)
    marks = complete_releases([find_landmarks(level, end) for level, end in zip(levels, ends, strict=True)])
    common = mix_landmarks(marks, weights)
    common = replace(common, attack=min(mix_landmarks(marks, at_start).attack, common.release))
    maps: list[Callable[[int], Tensor]] = [partial(positions, own, common) for own in marks]
    if hold_frames is not None:
        common = sustain_landmarks(common, hold_frames)
        maps = [
            partial(sustained_positions, own, common, level, track.f0, frame_seconds=frame_seconds)
            for own, level, track in zip(marks, levels, tracks, strict=True)
        ]
    return Plan(onset + max(1, round(common.end * hop_length)), onset, maps, [own.release for own in marks])


def common_span(
    tracks: Sequence[HarmonicSound],
    weights: Sequence[float],
    alignment: Alignment,
    *,
    held_samples: float | None = None,
) -> tuple[int, float]:
    """Return where sounds begin and end together, samples, without looking for their landmarks.

    Args:
        tracks: Harmonic sound of each sound.
        weights: Weight of each, summing to 1.
        alignment: As for ``plan_time``.
        held_samples: From onset to release; then the end is that of the sustain.

    Returns:
        ``(onset, end)``.
    """
    onset, bodies = _common_onset(tracks, weights, alignment), [track.samples - track.onset for track in tracks]
    if alignment != "envelope":
        return onset, _longest(tracks, weights, alignment, onset)
    between = max(sum(weight * body for weight, body in zip(weights, bodies, strict=True)), 0.1 * min(bodies))
    return onset, onset + (between if held_samples is None else held_samples)


def _common_onset(tracks: Sequence[HarmonicSound], weights: Sequence[float], alignment: Alignment) -> int:
    if alignment == "none":  # the earliest that is heard
        return min(track.onset for weight, track in zip(weights, tracks, strict=True) if weight)
    return max(0, round(sum(weight * track.onset for weight, track in zip(weights, tracks, strict=True))))


def _longest(tracks: Sequence[HarmonicSound], weights: Sequence[float], alignment: Alignment, onset: int) -> int:
    """Return the length of what is not bent, samples: of the longest sound that counts."""
    heard = [track for weight, track in zip(weights, tracks, strict=True) if weight]
    return max(track.samples if alignment == "none" else onset + track.samples - track.onset for track in heard)


def _shifted(n_frames: int, shift: float = 0.0) -> Tensor:
    return torch.arange(n_frames, dtype=torch.float64) - shift
