"""A sustain of any length: a ping-pong loop, a cut where two places match, or stretching where it fades."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.curve import at_positions
from intertone.harmonic.morph.landmark import Landmarks, positions
from intertone.harmonic.sound import SeparatedSound
from intertone.level import TINY

FADES_DB = 12.0
"""A sustain that falls by more is stretched: going back would be heard as a crescendo."""

LEVEL_DB = 3.0
"""Largest change of level within the ping-pong loop."""

SHARES = (1.0, 0.25)
"""Lengths of the ping-pong loop, as shares of the inner sustain: all of it where that is level, else a quarter."""

MARGIN = 0.1
"""Share of the sustain at either end that is not looped."""

TURN_SECONDS = 0.1
"""Time in which a ping-pong loop reverses."""

SHORTEST_SECONDS = 0.12
"""A shorter sustain is stretched, since a loop there would flutter."""

ROTATES = 0.5
"""Turn of a channel's phase against the mean of all channels, periods, from which the channel has another frequency."""

CENTS_PER_DB = 5.0
"""Difference of pitch that counts as much as 1 dB when a cut is chosen."""

Array = npt.NDArray[np.float64]


def sustain_landmarks(common: Landmarks, frames: float) -> Landmarks:
    """Return landmarks with the release so many frames after the onset; attack and release keep their lengths.

    There is at least one frame of sustain.

    Example:
        >>> sustain_landmarks(Landmarks(2, 100, 110), 400).end
        410
    """
    release = max(frames, common.attack + 1)
    later = release - common.release
    return replace(common, release=release, end=common.end + later, silence=common.silence + later)


def sustained_positions(
    own: Landmarks, common: Landmarks, level: Tensor, f0: Tensor, n_frames: int, *, frame_seconds: float
) -> Tensor:
    """Return the frame of a sound for each frame of a common time whose sustain has any length, ``(n_frames,)``.

    Attack and release are laid over attack and release. A longer sustain is a ping-pong loop at the original speed
    within a part that is level, so that a vibrato keeps its rate; from a shorter one a piece is cut, between two places
    of like level and pitch. A sustain that fades, or is very short, is stretched.

    Args:
        own: Landmarks of the sound.
        common: Landmarks of the common time, from ``sustain_landmarks``.
        level: dB of the sound, frame by frame, ``(n,)``.
        f0: Hz, ``(n,)``.
        n_frames: Frames of the common time.
        frame_seconds: From one frame to the next.
    """
    stretched = positions(own, common, n_frames)
    heard: Array = level.double().numpy()
    natural, wanted = own.release - own.attack, common.release - common.attack
    if natural * frame_seconds < SHORTEST_SECONDS or wanted == natural or _falls(heard, own) > FADES_DB:
        return stretched
    time: Array = np.arange(n_frames, dtype=np.float64) - common.attack
    if wanted > natural:
        walked = _to_and_fro(time, heard, own, wanted - natural, TURN_SECONDS / frame_seconds)
    else:
        walked = _cut(time, heard, 1200 * np.log2(f0.double().numpy()), own, wanted)
    inside = torch.from_numpy((time > 0) & (time < wanted))
    return torch.where(inside, torch.from_numpy(walked), stretched)


def loop_part(level: Tensor, own: Landmarks, *, frame_seconds: float) -> tuple[float, float] | None:
    """Return first and last frame of the ping-pong loop of a sound, or None where it fades or is too short to loop.

    Args:
        level: dB of the sound, frame by frame, ``(n,)``.
        own: Landmarks of the sound.
        frame_seconds: From one frame to the next.

    Example:
        >>> loop_part(torch.zeros(111), Landmarks(5, 105, 110), frame_seconds=0.01)
        (15.0, 95.0)
    """
    heard: Array = level.double().numpy()
    if (own.release - own.attack) * frame_seconds < SHORTEST_SECONDS or _falls(heard, own) > FADES_DB:
        return None
    return _level_part(heard, own)


def sustain_sound(moved: SeparatedSound, sound: SeparatedSound, places: Tensor, release: float) -> SeparatedSound:
    """Return a harmonic sound on the time of a ping-pong loop.

    Whatever the direction and speed of time, a partial keeps its distance from its harmonic. The phase of a channel
    relative to the mean of all, weighted by power, belongs to the place, so that channels do not drift apart. The
    residual is used up to the end of the original sustain; random noise replaces it after that.

    Args:
        moved: From ``retime_sound``.
        sound: The harmonic sound before that.
        places: Its frame for each new frame, ``(n_frames,)``.
        release: Frame at which the sound's own release begins.
    """
    phase = moved.phase[..., :1].expand_as(moved.phase)
    if sound.phase.shape[-1] > 1 and len(places) > 1:
        power = sound.amplitude.double().square().mean(-1, keepdim=True).clamp_min(TINY)
        shares = (power / power.sum(0)).to(sound.phase.dtype)
        mean = (shares * sound.phase).sum(0)
        speed = at_positions(mean.diff(), 0.5 * (places[1:] + places[:-1]) - 0.5)
        start = (shares * moved.phase[..., :1]).sum(0)
        phase = torch.cat([start, start + speed.cumsum(-1)], -1) + _phases_apart(sound.phase - mean, places)
    heard = torch.arange(len(places)) < release
    residuals = tuple(replace(residual, share=residual.share * heard) for residual in moved.residuals)
    return replace(moved, phase=phase, residuals=residuals)


def _phases_apart(apart: Tensor, places: Tensor) -> Tensor:
    """Return the phases of each channel relative to the mean of the channels on the time of a sustain of any length.

    Where they turn by ``ROTATES`` or more from end to end of the ping-pong loop, or of what is stretched or cut, this
    rotation goes on at its own speed.
    """
    back = places[:-1][places.diff() < 0]
    ends = torch.stack((back if len(back) else places).aminmax())
    turn = at_positions(apart, ends).diff()
    rotation = torch.where(turn.abs() >= ROTATES, turn / (ends[1] - ends[0]).clamp_min(1.0), 0)
    return at_positions(apart, places) + rotation * (torch.arange(len(places)) - places).to(apart.dtype)


def _falls(level: Array, own: Landmarks) -> float:
    """Return by how much the level falls from the first to the last fifth of the sustain, dB."""
    part = level[math.ceil(own.attack) : math.floor(own.release) + 1]
    fifth = max(1, len(part) // 5)
    return float(np.median(part[:fifth]) - np.median(part[-fifth:])) * 1.25


def _to_and_fro(time: Array, level: Array, own: Landmarks, extra: float, turn: float) -> Array:
    """Return the places of a ping-pong loop that adds ``extra`` frames to the sustain; it turns in ``turn`` frames."""
    low, high = _level_part(level, own)
    n_turns = math.ceil(extra / (2 * (high - low)))
    span = extra / (2 * n_turns)
    high = 0.5 * (low + high + span)
    first = high - own.attack
    times = first + span * np.arange(2 * n_turns + 1)
    places = np.where(np.arange(len(times)) % 2, high - span, high)
    reach = min(turn, span) / 2
    # straight on beyond both ends, so that averaging over time changes only the reversals
    ends = np.array([-reach, times[-1] + own.release - high + reach])
    times = np.concatenate([ends[:1], times, ends[1:]])
    places = np.concatenate([[own.attack - reach], places, [own.release + reach]])
    weights = np.hanning(19)[1:-1]
    offsets = np.linspace(-reach, reach, len(weights) + 2)[1:-1]
    return np.interp(time[:, None] + offsets, times, places) @ (weights / weights.sum())


def _level_part(level: Array, own: Landmarks) -> tuple[float, float]:
    """Return first and last frame of the largest part of the inner sustain that is level."""
    length = own.release - own.attack
    first, last = own.attack + MARGIN * length, own.release - MARGIN * length
    for share in SHARES:
        size = share * (last - first)
        starts = np.linspace(first, last - size, 1 if share == 1 else 9)
        changes = [float(np.ptp(level[math.floor(start) : math.ceil(start + size) + 1])) for start in starts]
        best = float(starts[int(np.argmin(changes))])
        if min(changes) <= LEVEL_DB or share == SHARES[-1]:
            break
    return best, best + size


def _cut(time: Array, level: Array, cents: Array, own: Landmarks, wanted: float) -> Array:
    """Return places: natural up to a cut, and natural after it."""
    missing = own.release - own.attack - wanted
    before = own.attack + np.linspace(MARGIN, 1 - MARGIN, max(3, round(2 * wanted))) * wanted
    frames = np.arange(len(level))
    cost = np.zeros(len(before))
    for values in (level, cents / CENTS_PER_DB, 5 * np.gradient(cents) / CENTS_PER_DB):
        cost += (np.interp(before, frames, values) - np.interp(before + missing, frames, values)) ** 2
    place = own.attack + time
    return np.where(place < before[int(cost.argmin())], place, place + missing)
