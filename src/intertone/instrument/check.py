"""Detection of faults in a sound file: silence, clipping, dropouts, clicks."""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.level import TINY, db_to_power

SILENT = 1e-4
"""Peak below which a sound is silent: −80 dB."""
FLAT_SAMPLES, FLAT_STEP = 3, 1e-6
"""Number of consecutive equal samples that is clipping, and largest difference between them relative to the peak. Only
samples above half of the peak are compared."""
CELL_SECONDS = 0.001
"""Length of the stretches in which clicks and dropouts are searched, s."""
DROPOUT_DB, SIDE_SECONDS = -60.0, 0.01
"""Level of a dropout relative to the quieter one of its two sides, dB, and length of each side, s."""
ORDER, BLOCK_SECONDS = 32, 0.04
"""Order of the linear prediction, whose errors show clicks, and length of the block of its coefficients, s."""
NEAR_SECONDS, FAR_SECONDS = 0.004, 0.08
"""Smallest and largest distance of the prediction errors with which a jump is compared, s: the largest distance is two
periods of the lowest note."""
CLICK_RATIO = 6.0
"""Smallest ratio of a click's prediction error to all other errors around it."""
ONSET_RATIO = 1.6
"""Ratio of the levels after and before a jump from which on the jump is an onset and not a click."""

Array = npt.NDArray[np.float64]


def find_problems(audio: Tensor, sample_rate: int) -> list[str]:
    """Return descriptions of the audible faults of a sound; empty for a sound without faults.

    A click is an error of linear prediction that is several times larger than all others around it and not an onset. In
    a bright low tone, which has large prediction errors in every period, only larger clicks are found.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``.
        sample_rate: Hz.

    Returns:
        ``silence``, or ``clipping at 0.31 s``, ``a dropout at 0.31 s``, ``a click at 0.31 s``: for each channel, at
        most the first fault of each kind.

    Source:
        Godsill and Rayner (1998), "Digital audio restoration", chapter 5, for clicks as errors of a linear prediction.

    Example:
        >>> import torch
        >>> tone = 0.5 * torch.sin(0.1 * torch.arange(8000))
        >>> find_problems(tone, 16000), find_problems(tone.clamp(-0.4, 0.4), 16000)
        ([], ['clipping at 0.00 s'])
    """
    channels = audio.detach().cpu().double().numpy().reshape(-1, audio.shape[-1])
    peak = float(np.abs(channels).max())
    if peak < SILENT:
        return ["silence"]
    problems = []
    for sound in channels:
        for name, place in (
            ("clipping", _clipping(sound)),
            ("a dropout", _dropout(sound, sample_rate)),
            ("a click", _click(sound, sample_rate)),
        ):
            if place is not None:
                problems.append(f"{name} at {place / sample_rate:.2f} s")
    return sorted(set(problems), key=problems.index)


def _clipping(sound: Array) -> int | None:
    """Return the first sample of the first clipped peak, or None."""
    peak = float(np.abs(sound).max())
    if peak < SILENT:
        return None
    flat = (np.abs(np.diff(sound)) < FLAT_STEP * peak) & (np.abs(sound[1:]) > 0.5 * peak)
    return _first_run(flat, FLAT_SAMPLES - 1)


def _dropout(sound: Array, sample_rate: int) -> int | None:
    """Return the first sample of the first dropout, or None."""
    length = max(2, round(CELL_SECONDS * sample_rate))
    sums = np.cumsum(np.pad(sound**2, (1, 0)))
    power = _means(sums, length)
    side = round(SIDE_SECONDS * sample_rate)
    if len(power) <= 2 * side + length:
        return None
    middle = power[side:-side]
    sides = _means(sums, side)
    around = np.minimum(sides[: len(middle)], sides[side + length :][: len(middle)])
    holes = np.flatnonzero((middle < around * db_to_power(DROPOUT_DB)) & (around > SILENT**2))
    return int(holes[0]) + side if len(holes) else None


def _click(sound: Array, sample_rate: int) -> int | None:
    """Return the sample of the first click, or None."""
    jumps = np.abs(_prediction_error(sound, round(BLOCK_SECONDS * sample_rate)))
    cell = max(1, round(CELL_SECONDS * sample_rate))
    count = len(sound) // cell
    if not count:
        return None
    tops = jumps[: count * cell].reshape(count, cell).max(1)
    power = (sound[: count * cell] ** 2).reshape(count, cell).mean(1)
    near, far = (round(seconds * sample_rate / cell) for seconds in (NEAR_SECONDS, FAR_SECONDS))
    before, after = _largest(tops, near, far), _largest(tops[::-1], near, far)[::-1]
    earlier, later = _before(power, near, far).mean(1), _before(power[::-1], near, far).mean(1)[::-1]
    found = tops > CLICK_RATIO * np.maximum(before, after)
    found &= later < ONSET_RATIO**2 * earlier
    found &= tops > SILENT
    places = np.flatnonzero(found)
    return int(places[0] * cell + jumps[places[0] * cell :][:cell].argmax()) if len(places) else None


def _prediction_error(sound: Array, block: int) -> Array:
    """Return the error of a linear prediction with coefficients of the surrounding block, ``(samples,)``."""
    count = -(-len(sound) // block)
    padded = np.pad(sound, (block, (count + 1) * block - len(sound)))
    wide = np.lib.stride_tricks.sliding_window_view(padded, 2 * block)[block // 2 :: block][:count]
    size = 2 ** int(np.ceil(np.log2(2 * block + ORDER)))
    spectrum = np.abs(np.fft.rfft(wide * np.hanning(2 * block), size)) ** 2
    similarity = np.fft.irfft(spectrum, size)[:, : ORDER + 1]
    similarity[:, 0] = similarity[:, 0] * (1 + 1e-7) + TINY
    lags = np.abs(np.arange(ORDER)[:, None] - np.arange(ORDER))
    weights = np.linalg.solve(similarity[:, lags], similarity[:, 1:, None])[..., 0]
    own = np.lib.stride_tricks.sliding_window_view(padded, block + ORDER)[block - ORDER :: block][:count]
    past = np.lib.stride_tricks.sliding_window_view(own, ORDER, axis=1)[:, :block]
    error = own[:, ORDER:] - (past @ weights[:, ::-1, None])[..., 0]
    return error.reshape(-1)[: len(sound)]


def _largest(tops: Array, near: int, far: int) -> Array:
    """Return for each cell the largest value ``near`` to ``far`` cells before it; infinity at the beginning."""
    largest = _before(tops, near, far).max(1)
    largest[: near + 1] = np.inf
    return largest


def _before(values: Array, near: int, far: int) -> Array:
    """Return the values ``near`` to ``far`` cells before each cell, ``(n, far - near + 1)``, padded with 0."""
    padded = np.pad(values, (far, 0))
    windows: Array = np.lib.stride_tricks.sliding_window_view(padded, far - near + 1)[: len(values)]
    return windows


def _means(sums: Array, length: int) -> Array:
    """Return the moving mean of ``length`` values, from value ``i`` on, from the sums of all values before each."""
    return np.maximum(sums[length:] - sums[:-length], 0) / length


def _first_run(true: npt.NDArray[np.bool_], length: int) -> int | None:
    sums = np.cumsum(np.pad(true.astype(np.int64), (1, 0)))
    runs = np.flatnonzero(sums[length:] - sums[:-length] == length)
    return int(runs[0]) if len(runs) else None
