"""Time of one sound against time of another: attack with attack, sustain with sustain, release with release."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from intertone.harmonic.onset import shortest_rise

Alignment = Literal["none", "onset", "envelope"]
"""Alignment in time: none, onsets coincide, or attack, sustain and release coincide (``envelope``)."""

ATTACK_DB = -3.0
"""The attack ends where the level first comes this near to its highest."""

AUDIBLE_DB = -60.0
"""Level relative to the highest at which a sound ends, and relative to the reference at which weaker partials count."""

KNEE_DB = 6.0
"""Least height of the level's knee at which a release begins."""

SHORTEST_ATTACK = 0.3
"""Shortest attack, frames; shorter ones cannot be resolved."""


@dataclass(frozen=True)
class Landmarks:
    """Times that divide a note into attack, sustain and release, in frames after its onset.

    Attributes:
        attack: End of the attack.
        release: Start of the release; the end of the audible sound if there is none.
        end: End of the sound.
        released: Whether there is a release.
        silence: Where nothing is heard any more behind a release; ``end`` or more where the sound is heard to its end.
    """

    attack: float
    release: float
    end: float
    released: bool = True
    silence: float = math.inf


def find_landmarks(level: Tensor, end: float) -> Landmarks:
    """Find attack and release of a note from its level, dB, frame by frame from the onset on; it ends at frame ``end``.

    The attack ends where the level first comes within 3 dB of its highest. The release begins at the knee: where the
    level lies highest above the straight line from there to the end of what is heard, if that is 6 dB or more. Silence
    behind a release is not part of it, since it has no length to be interpolated.
    """
    heard = level.double().numpy()
    top = heard.max()
    loud = heard >= top + ATTACK_DB
    first = int(loud.argmax())
    attack = float(first)
    if first:
        attack -= (heard[first] - top - ATTACK_DB) / (heard[first] - heard[first - 1])
    last = int(np.flatnonzero(heard >= top + AUDIBLE_DB)[-1])
    attack = min(max(SHORTEST_ATTACK, float(attack)), end)
    release, released, silence = float(last), False, math.inf
    if last > first + 2:
        places = np.arange(first, last + 1)
        above = heard[places] - np.interp(places, [first, last], heard[[first, last]])
        if above.max() >= KNEE_DB:
            release, released, silence = float(places[above.argmax()]), True, float(last + 1)
    return Landmarks(attack, min(max(release, attack), end), float(end), released, silence)


def complete_releases(marks: Sequence[Landmarks]) -> list[Landmarks]:
    """Give sounds that die away by themselves a release where the others are let go.

    So a plucked string keeps its own decay beside a held note, instead of being stretched until the other's release.
    """
    known = [(mark.release, min(mark.silence, mark.end)) for mark in marks if mark.released]
    if not known:
        return list(marks)
    release, silence = (sum(times) / len(known) for times in zip(*known, strict=True))
    found = []
    for mark in marks:
        own = min(max(release, mark.attack), mark.end)
        found.append(mark if mark.released else replace(mark, release=own, silence=max(silence, own)))
    return found


def mix_landmarks(marks: Sequence[Landmarks], weights: Sequence[float]) -> Landmarks:
    """Return the landmarks between some: the attack in its logarithm, release and end linearly.

    However far the weights extrapolate, none is earlier than a tenth of its earliest, and no attack longer than twice
    the longest. Weights, one each, sum to 1.

    Example:
        >>> mix_landmarks([Landmarks(1, 100, 110), Landmarks(4, 300, 330)], [0.5, 0.5])
        Landmarks(attack=2.0, release=200.0, end=220.0, released=True, silence=220.0)
    """
    for mark, weight in zip(marks, weights, strict=True):
        if (weight == 1 and sum(map(abs, weights)) == 1) or all(mark == each for each in marks):
            return mark  # to the last digit
    attack = math.exp(float(np.dot(weights, [math.log(mark.attack) for mark in marks])))
    attack = min(attack, 2 * max(mark.attack for mark in marks))
    release = max(mix_ends([mark.release for mark in marks], weights), attack)
    end = max(release, mix_ends([mark.end for mark in marks], weights))
    fade = float(np.dot(weights, [min(mark.silence, mark.end) - mark.release for mark in marks]))
    silent = any(mark.silence < mark.end for mark in marks)
    return Landmarks(attack, release, end, silence=release + max(fade, 0.0) if silent else end)


def mix_ends(times: Sequence[float], weights: Sequence[float]) -> float:
    """Return the weighted mean of the times of one landmark in several sounds, at least a tenth of the earliest."""
    return max(float(np.dot(weights, times)), 0.1 * min(times))


def mix_ramps(ramps: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Interpolate attack or release ramps: times are interpolated in their logarithms.

    However far the weights extrapolate, the ramp is at most twice as long as the longest.
    """
    for ramp, weight in zip(ramps, weights, strict=True):
        if weight == 1 and sum(map(abs, weights)) == 1:
            return ramp  # to the last digit
    total = sum(weight * ramp.log() for ramp, weight in zip(ramps, weights, strict=True))
    longest = 2 * torch.stack(list(ramps)).amax(0)
    times = torch.minimum(torch.as_tensor(total).exp(), longest)
    return torch.maximum(times, shortest_rise()).cummax(0).values


def positions(own: Landmarks, common: Landmarks, n_frames: int) -> Tensor:
    """Return which frame of a sound belongs to each frame of the common time, ``(n_frames,)``, float64, not falling.

    Example:
        >>> positions(Landmarks(2, 6, 8), Landmarks(4, 6, 10), 11)[::2]
        tensor([0., 1., 2., 6., 7., 8.], dtype=torch.float64)
    """
    if own == common:
        return torch.arange(n_frames, dtype=torch.float64)
    x, y = [0.0, common.attack], [0.0, own.attack]
    faded, own_faded = min(common.silence, common.end), min(own.silence, own.end)
    for here, there in ((common.release, own.release), (faded, own_faded)):
        if here > x[-1]:
            x.append(here)
            y.append(there)
        elif len(x) > 2:
            y[-1] = max(y[-1], there)
    if common.end > x[-1]:  # silence; a sound that has none is not stretched over that of the others
        x.append(common.end)
        y.append(own.end if own_faded < own.end else own.end + common.end - faded)
    return torch.from_numpy(np.interp(np.arange(n_frames), x, y))
