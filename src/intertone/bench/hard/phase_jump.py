"""Phase jumps of partials, which sound grainy if the level of the partial does not dip at the same time."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage
from torch import Tensor

from intertone.level import db_to_amplitude
from intertone.pitch.comb import as_array

JUMP_DEGREES, JUMP_SECONDS = 60.0, 0.008
"""Least change of phase, in addition to that of the partial's frequency, within this time that counts as a jump."""

AROUND_SECONDS = 0.1
"""Length of the median filters that give the usual frequency and level of a partial."""

DIP_DB = -4.0
"""Level relative to the median below which a partial dips. Beating of two components causes inaudible phase changes at
its dips, so these are not counted."""

WIDEST_HZ = 150.0
"""Largest bandwidth of the filter of a partial; a wider band passes more noise, a narrower one smooths jumps."""

HIGHEST_HZ = 1200.0
"""Highest frequency of the partials. The detuning of an ensemble in Hz grows with the frequency and causes phase jumps
in clean sounds: a unison of ±25 cents at 400 Hz has 49 jumps per second up to its 6th partial, and none up to 1200 Hz.
"""

RANGE_DB = 40.0
"""Range below the loudest partial, in dB; jumps of partials, and at times, below it are not counted."""

FRAME_RATE = 1000
"""Frames per second of the level and phase of a partial."""

Signal = npt.NDArray[np.complex128]


def phase_jumps(sound: Tensor, f0: Sequence[float], sample_rate: int) -> float:
    """Return the number of phase jumps per second of a sound's partials, without those at dips of the level.

    Each harmonic of each note up to 1200 Hz is filtered by a Hann-shaped band whose width at half height is f0, but at
    most 150 Hz. A jump is a change of phase within 8 ms that deviates by more than 60° from the median change in the
    100 ms around it, while the level stays above 4 dB below the median of these 100 ms. Jumps within 8 ms of each
    other are counted once.

    Args:
        sound: ``(samples,)``, at least 0.2 s long.
        f0: Fundamental frequencies of the notes, Hz.
        sample_rate: Hz.

    Returns:
        Jumps per second, summed over the harmonics; the first and last 50 ms are left out.

    Raises:
        ValueError: If the sound is shorter than 0.2 s.

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
    """Return a Hann-shaped band of a spectrum, demodulated to 0 Hz, as a complex signal at ``FRAME_RATE``."""
    frequency = np.arange(len(spectrum)) * bin_hz
    inside = np.abs(frequency - centre) < width
    shape = np.zeros_like(spectrum)
    shape[inside] = spectrum[inside] * (0.5 + 0.5 * np.cos(np.pi * (frequency[inside] - centre) / width))
    places = np.arange(len(spectrum)) - round(centre / bin_hz)
    shifted = np.zeros(n_frames, np.complex128)
    np.add.at(shifted, places[inside] % n_frames, shape[inside])
    band: Signal = fft.ifft(shifted)
    return band


def _jumps(partial: Signal, loudest: float) -> int:
    step, around = round(JUMP_SECONDS * FRAME_RATE), round(AROUND_SECONDS * FRAME_RATE)
    level, phase = np.abs(partial), np.unwrap(np.angle(partial))
    moved = phase[step:] - phase[:-step]
    extra = np.abs(moved - ndimage.median_filter(moved, around, mode="nearest"))
    usual = ndimage.median_filter(level, around, mode="nearest")
    lowest = np.lib.stride_tricks.sliding_window_view(level, step + 1).min(1)
    loud = usual[: len(moved)] > loudest * db_to_amplitude(-RANGE_DB)
    jump = (extra > math.radians(JUMP_DEGREES)) & loud & (lowest > usual[: len(moved)] * db_to_amplitude(DIP_DB))
    # the filter is circular, so that start and end of the sound affect each other
    places = np.flatnonzero(jump[around // 2 : -(around // 2)])
    return int(len(places) > 0) + int((np.diff(places) > step).sum())
