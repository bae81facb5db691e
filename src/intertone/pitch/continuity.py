"""Pitch of one note: the jumps of a track to other sounds and to octaves are removed."""

import numpy as np
import torch
from torch import Tensor

from intertone.level import TINY, power_to_db

JUMP = 3 / 12
"""Change of f0 between neighbouring voiced frames, octaves, from which one of them does not belong to the note.
Decision 0026 has the figures with and without the constants of this module."""

AHEAD = 1.25
"""Factor by which f0 may change faster between two voiced frames than before or after them. Frames of a fast slide may
be unvoiced, and over these it changes by more than a jump."""

HEARD_DB = -40.0
"""Level, dB relative to the loudest frame. A frame weighs its level above this when the main part is chosen."""

NOTE_DB, NOTE_SECONDS = -6.0, 0.1
"""Level of the loudest frame of a part, dB relative to that of the sound, and its duration, from which it is another
note of a melody."""

CLEAR_DB = 25.0
"""Range below the highest level in which frames are heard clearly, dB. Decision 0026 has figures with other ranges."""


def clear_median(f0: Tensor, level: Tensor) -> float:
    """Return the median f0 of the frames that are heard clearly, Hz: hum around a note has another pitch.

    Args:
        f0: Hz, ``(n_frames,)``, float64.
        level: Level of the note in each frame, dB, ``(n_frames,)``.

    Example:
        >>> clear_median(torch.tensor([100.0, 100, 50, 50, 50]), torch.tensor([0.0, -20, -30, -30, -30]))
        100.0
    """
    return float(f0[level >= level.max() - CLEAR_DB].median())


def without_jumps(f0: Tensor, voiced: Tensor, power: Tensor, frame_seconds: float) -> Tensor:
    """Return f0 without jumps to hum, to single partials and to octaves.

    The voiced frames are split at jumps. The part with the largest weight is the note, together with the parts that it
    reaches without a jump, and with those that are as loud and long as other notes. Elsewhere f0 is interpolated.

    Args:
        f0: Hz, ``(n_frames,)``, float64.
        voiced: Whether a frame is voiced, ``(n_frames,)``.
        power: Mean square of each frame, ``(n_frames,)``.
        frame_seconds: Seconds from one frame to the next.

    Returns:
        Hz, ``(n_frames,)``.

    Example:
        >>> f0 = torch.tensor([100.0] * 8 + [50.0] * 3).double()
        >>> power = torch.tensor([1.0] * 8 + [1e-3] * 3)
        >>> without_jumps(f0, torch.ones(11).bool(), power, 0.01)[-1]
        tensor(100.0000, dtype=torch.float64)
    """
    octaves, frames = np.log2(f0.numpy()), voiced.nonzero()[:, 0].numpy()
    parts = np.split(frames, _jumps(octaves[frames], frames) + 1)
    if len(parts) == 1:
        return f0
    level = power_to_db((power / power.max()).clamp_min(TINY)).numpy()
    weights = [float((level[part] - HEARD_DB).clip(0).sum()) for part in parts]
    main = int(np.argmax(weights))
    known = parts[main]
    for part in [*parts[main + 1 :], *reversed(parts[:main])]:
        earlier, later = (known, part) if part[0] > known[0] else (part, known)
        near = abs(octaves[later[0]] - octaves[earlier[-1]]) < JUMP
        if near or (level[part].max() >= NOTE_DB and len(part) * frame_seconds >= NOTE_SECONDS):
            known = np.union1d(known, part)
    return torch.from_numpy(np.exp2(np.interp(np.arange(len(f0)), known, octaves[known])))


def _jumps(octaves: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return the indices of the voiced frames behind which f0 jumps."""
    if len(frames) < 2:
        return np.zeros(0, dtype=np.intp)
    moves, gaps = np.diff(octaves), np.diff(frames)
    speeds, direction = moves / gaps, np.sign(moves)
    before, after = np.pad(speeds, (1, 0))[:-1], np.pad(speeds, (0, 1))[1:]
    along = np.maximum(before * direction, after * direction)
    return np.flatnonzero(np.abs(moves) >= np.maximum(JUMP, AHEAD * gaps * along))
