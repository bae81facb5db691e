"""Grain: jumps of the phase of partials that no dip of their level explains."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from torch import Tensor

from intertone.level import db_to_amplitude
from intertone.pitch.comb import as_array

JUMP_DEGREES, JUMP_SECONDS = 60.0, 0.008
"""A jump is a change of phase by more than this within so much time, beside that of the frequency around it."""

AROUND_SECONDS = 0.1
"""Time over which the frequency and the level around a jump are medians."""

DIP_DB = -4.0
"""A partial dips where its level is so far below that around it: two components that beat turn the phase there, and
nothing is heard of it."""

WIDEST_HZ = 150.0
"""Largest width of the band of a partial: a wider one lets in noise, a narrower one rounds jumps off."""

HIGHEST_HZ = 1200.0
"""Highest partial. The voices of an ensemble are so many hertz apart above it that its phase jumps by itself: up to the
6th partial of 400 Hz, a clean unison of ±25 cents has 49 jumps a second, and up to 1200 Hz none."""

RANGE_DB = 40.0
"""Partials, and times, so far below the loudest do not count."""

FRAME_RATE = 1000
"""Values a second of the level and phase of a partial."""

Signal = npt.NDArray[np.complex128]


def phase_jumps(sound: Tensor, f0: Sequence[float], sample_rate: int) -> float:
    """Return how often the phase of a partial jumps without a dip of its level.

    Each harmonic of each note up to 1200 Hz is cut out by a band of Hann shape, f0 but at most 150 Hz wide at half
    its height. The
    phase jumps where it moves in 8 ms by more than 60° other than the median movement of the 100 ms around it, and the
    level of the partial in these 8 ms is nowhere more than 4 dB below the median of the 100 ms. Jumps within 8 ms are
    one.

    Args:
        sound: ``(samples,)``, longer than 0.2 s.
        f0: Fundamental frequencies of its notes, Hz.
        sample_rate: Hz.

    Returns:
        Jumps a second, summed over the harmonics; those in the first and last 50 ms do not count.

    Raises:
        ValueError: If the sound is too short.

    Example:
        >>> import torch
        >>> time = torch.arange(32000) / 16000
        >>> sine = torch.sin(2 * torch.pi * 220 * time)
        >>> phase_jumps(sine, [220.0], 16000)
        0.0
        >>> phase_jumps(torch.where(time < 1, sine, -sine), [220.0], 16000)
        0.0
        >>> phase_jumps(torch.where(time < 1, sine, sine.roll(18)), [220.0], 16000)
        0.5
    """
    wave = as_array(sound)
    if len(wave) < 0.2 * sample_rate:
        raise ValueError(f"a sound must be longer than 0.2 s, got {len(wave) / sample_rate:g} s")
    n_frames = round(len(wave) / sample_rate * FRAME_RATE)
    spectrum = fft.rfft(wave)
    partials = [
        _band(spectrum, order * note, min(note, WIDEST_HZ), sample_rate / len(wave), n_frames)
        for note in f0
        for order in range(1, max(1, int(HIGHEST_HZ / note)) + 1)
    ]
    if not partials:
        return 0.0
    loudest = max(float(np.abs(partial).max()) for partial in partials)
    if loudest == 0:
        return 0.0
    return sum(_jumps(partial, loudest) for partial in partials) * FRAME_RATE / n_frames


def _band(spectrum: Signal, centre: float, width: float, bin_hz: float, n_frames: int) -> Signal:
    """Return a band of a spectrum as a complex signal around 0 Hz, at ``FRAME_RATE``."""
    frequency = np.arange(len(spectrum)) * bin_hz
    inside = np.abs(frequency - centre) < width
    shape = np.zeros_like(spectrum)
    shape[inside] = spectrum[inside] * (0.5 + 0.5 * np.cos(np.pi * (frequency[inside] - centre) / width))
    places = np.arange(len(spectrum)) - round(centre / bin_hz)
    turned = np.zeros(n_frames, np.complex128)
    np.add.at(turned, places[inside] % n_frames, shape[inside])
    band: Signal = fft.ifft(turned)
    return band


def _jumps(partial: Signal, loudest: float) -> int:
    step, around = round(JUMP_SECONDS * FRAME_RATE), round(AROUND_SECONDS * FRAME_RATE)
    level, phase = np.abs(partial), np.unwrap(np.angle(partial))
    moved = phase[step:] - phase[:-step]
    extra = np.abs(moved - ndimage.median_filter(moved, around, mode="nearest"))
    usual = ndimage.median_filter(level, around, mode="nearest")
    lowest = np.lib.stride_tricks.sliding_window_view(level, step + 1).min(1)
    heard = usual[: len(moved)] > loudest * db_to_amplitude(-RANGE_DB)
    jump = (extra > math.radians(JUMP_DEGREES)) & heard & (lowest > usual[: len(moved)] * db_to_amplitude(DIP_DB))
    # at both ends, the band is mixed with what lies at the other one
    places = np.flatnonzero(jump[around // 2 : -(around // 2)])
    return int(len(places) > 0) + int((np.diff(places) > step).sum())
