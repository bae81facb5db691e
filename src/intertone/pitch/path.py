"""Pitch tracking: the path through the candidates of all frames that has the smallest cost."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.errors import InputError
from intertone.level import TINY, db_to_power
from intertone.pitch.candidates import (
    BANDS,
    N_CANDIDATES,
    OCTAVE_BIAS,
    Array,
    Band,
    Candidates,
    Frames,
    find_candidates,
    refine,
)
from intertone.pitch.note import A4_HZ
from intertone.pitch.yin import F_MAX, F_MIN, SILENCE_DB, VOICED

COMB_COST = 0.15
"""Cost of a candidate whose spectrum has the same level between the partials as at the partials."""
JUMP_COST = 8.0
"""Cost of a jump by an octave between two frames of a stationary sound."""
FREE_STEP = 0.02
"""Change of f0 in 10 ms that costs nothing, octaves, so that vibrato and slides are followed."""
SWITCH_COST = 2.0
"""Cost of a change from voiced to unvoiced or back in a stationary sound."""
CHANGE_SECONDS = 0.03
"""Distance in time of two spectra whose difference is the change of the sound, s."""
CHANGE_WEIGHT = 2.5
"""Factor by which the change of the sound, 0…1, lowers the cost of jumps and switches."""
LEAST_PERIODICITY = 0.4
"""Frames with a smaller periodicity are unvoiced, even if the path has a candidate there."""
RANGE_DB = 60.0
"""Frames that are further below the loudest frame are unvoiced, dB."""
LEVEL_WINDOW = 0.02
"""Length of the window in which the level of a frame is measured, s."""
MEDIAN_SECONDS = 0.02
"""Hop between frames in ``median_f0``, s."""
FRAME_SECONDS = 0.01
"""Hop for which the costs are given, s; for another hop the costs of candidates are scaled in proportion."""
F_LIMITS = (10.0, 7000.0)
"""Largest range of f0 that may be searched, Hz."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PitchTrack:
    """f0 of a sound over time.

    Attributes:
        f0: Hz, ``(n_frames,)``, float64. In unvoiced frames it is interpolated linearly in log frequency between voiced
            frames, and constant before the first and after the last one. If no frame is voiced, all are NaN.
        voiced: Whether each frame has a pitch, ``(n_frames,)``, bool.
        periodicity: ``(n_frames,)``, float64, 0…1: the share of the energy that repeats after a period; 0 for silence.
    """

    f0: Tensor
    voiced: Tensor
    periodicity: Tensor


def follow_pitch(
    audio: Tensor, sample_rate: int, *, hop_length: int, f_min: float = F_MIN, f_max: float = F_MAX
) -> PitchTrack:
    """Return the f0 of a monophonic sound over time.

    Every frame has several candidates, which are peaks of the autocorrelation in three frequency bands, with shorter
    windows for higher bands. The path through the candidates with the smallest total cost is taken. The cost of a
    candidate is small if the frame is periodic, has partials with low levels between them, and its frequency is high
    among the divisors of one frequency. Jumps and changes between voiced and unvoiced cost less where the sound
    changes.

    Args:
        audio: ``(samples,)``, or ``(channels, samples)``. All channels have one common track, which is computed from
            the sum of their power spectra, so that their polarity has no effect.
        sample_rate: Hz.
        hop_length: Hop between frames, samples; frame ``n`` is centred at ``n · hop_length``. The windows of the first
            and last frames are moved inwards until they fit into the sound.
        f_min: Lowest frequency searched, Hz, 10 or more.
        f_max: Highest frequency searched, Hz, at most 7000; it is limited to 0.45 times ``sample_rate``.

    Returns:
        The track, with ``1 + ceil(samples / hop_length)`` frames. The periodicity is measured below 3 kHz for an f0
        below 100 Hz, below 4 kHz for an f0 below 400 Hz, and below 8 kHz for a higher f0.

    Raises:
        InputError: If ``audio`` has another shape, no sample or is not finite, or a setting is out of range.

    Source:
        McLeod and Wyvill (2005), "A smarter way to find pitch", equation 9, for the normalised autocorrelation, here
        with a smooth window; Boersma (1993), "Accurate short-term analysis of the fundamental frequency", section 2.4,
        for the search of the path.

    Example:
        >>> audio = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> track = follow_pitch(audio, 16000, hop_length=160)
        >>> track.f0.shape, round(float(track.f0.median())), bool(track.voiced.all())
        (torch.Size([51]), 440, True)
    """
    f_max = min(f_max, 0.45 * sample_rate)
    _check(audio, hop_length, f_min, f_max)
    sound = torch.atleast_2d(audio.detach().cpu().float())
    n_frames = 1 + -(-sound.shape[-1] // hop_length)
    level = _levels(sound.numpy(), n_frames, hop_length, sample_rate)
    quiet = level <= max(db_to_power(SILENCE_DB), level.max() * db_to_power(-RANGE_DB))
    if quiet.all():
        nothing = torch.full((n_frames,), torch.nan, dtype=torch.float64)
        return PitchTrack(nothing, torch.zeros(n_frames, dtype=torch.bool), torch.zeros_like(nothing))
    bands = [replace(band, low=max(band.low, f_min), high=min(band.high, f_max)) for band in BANDS]
    bands = [band for band in bands if band.low < band.high]
    centres, seconds = np.arange(n_frames) * hop_length / sample_rate, hop_length / sample_rate
    found = [find_candidates(resample(sound, sample_rate, band.sample_rate).numpy(), centres, band) for band in bands]
    path = _cheapest_path(found, quiet, _stationarity(found[-1].spectrum, seconds), seconds)
    return _track(found, bands, quiet, path)


def median_f0(audio: Tensor, sample_rate: int) -> float:
    """Return the median f0 of the voiced frames of a sound, with a hop of 20 ms; NaN where no frame is voiced.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)``.
        sample_rate: Hz.

    Returns:
        Hz.
    """
    track = follow_pitch(audio, sample_rate, hop_length=round(MEDIAN_SECONDS * sample_rate))
    return float(track.f0[track.voiced].median()) if bool(track.voiced.any()) else math.nan


def _check(audio: Tensor, hop_length: int, f_min: float, f_max: float) -> None:
    if audio.ndim not in (1, 2) or not audio.numel():
        raise InputError(f"audio must be (samples,) or (channels, samples) and not empty, got {tuple(audio.shape)}")
    if not audio.isfinite().all():
        raise InputError("every sample must be a finite number, got infinity or NaN in the audio")
    if hop_length < 1:
        raise InputError(f"hop_length must be 1 or more, got {hop_length}")
    if not F_LIMITS[0] <= f_min < f_max <= F_LIMITS[1]:
        limits = f"{F_LIMITS[0]:g} <= f_min < f_max <= {F_LIMITS[1]:g} Hz"
        raise InputError(f"{limits} must hold, got {f_min:g} and {f_max:g}")


def _levels(sound: Frames, n_frames: int, hop_length: int, sample_rate: int) -> Array:
    """Return the power of every frame, summed over the channels."""
    half = max(1, round(LEVEL_WINDOW * sample_rate / 2))
    power = np.cumsum(np.pad((sound.astype(np.float64) ** 2).sum(0), (1, 0)))
    centres = np.arange(n_frames) * hop_length
    first, last = (centres - half).clip(0, len(power) - 1), (centres + half).clip(0, len(power) - 1)
    return np.asarray((power[last] - power[first]) / (2 * half))


def _stationarity(spectrum: Frames, seconds: float) -> Array:
    """Return the factor of the costs of jumps and switches between each frame and the next, 0…1; 1: no change."""
    half = max(1, round(CHANGE_SECONDS / 2 / seconds))
    place = np.arange(len(spectrum) - 1)
    before, after = spectrum[(place + 1 - half).clip(0)], spectrum[(place + half).clip(max=len(spectrum) - 1)]
    product = np.sqrt((before**2).sum(1) * (after**2).sum(1))
    change = 1 - (before * after).sum(1) / np.maximum(product, TINY)
    return np.asarray((1 - CHANGE_WEIGHT * change).clip(0, 1), np.float64)


def _cheapest_path(found: list[Candidates], quiet: Mask, stationarity: Array, seconds: float) -> npt.NDArray[np.intp]:
    """Return the index of the candidate of every frame on the path of least cost; the largest index is "unvoiced"."""
    octave = np.log2(np.concatenate([each.frequency for each in found], axis=1))
    n_frames, unvoiced = octave.shape
    cost = np.full((n_frames, unvoiced + 1), 1 - VOICED)
    cost[:, :-1] = np.concatenate([1 - each.similarity + COMB_COST * (1 - each.comb) for each in found], axis=1)
    cost[:, :-1] -= OCTAVE_BIAS * (octave - np.log2(A4_HZ))
    cost[:, :-1][quiet[:, None] | np.isnan(octave)] = math.inf
    octave = np.nan_to_num(octave)
    jumps = np.abs(octave[:-1, :, None] - octave[1:, None, :]) - FREE_STEP * seconds / FRAME_SECONDS
    moves = np.full((n_frames - 1, unvoiced + 1, unvoiced + 1), SWITCH_COST)
    moves[:, :-1, :-1] = JUMP_COST * jumps.clip(0)
    moves[:, -1, -1] = 0
    moves *= stationarity[:, None, None]
    cost *= seconds / FRAME_SECONDS
    total, origins = cost[0], []
    for move, own in zip(moves, cost[1:], strict=True):
        ways = total[:, None] + move
        origins.append(ways.argmin(0))
        total = ways.min(0) + own
    path = [int(total.argmin())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1])


def _track(found: list[Candidates], bands: list[Band], quiet: Mask, path: npt.NDArray[np.intp]) -> PitchTrack:
    """Return the pitch track of a path of candidates, with each frequency refined in the band of its candidate."""
    rows = np.arange(len(path))
    periodicity = np.where(quiet, 0, np.max([each.similarity.max(1) for each in found], axis=0))
    f0 = np.full(len(path), np.nan)
    for number, (candidates, band) in enumerate(zip(found, bands, strict=True)):
        own = rows[path // N_CANDIDATES == number]
        place = path[own] % N_CANDIDATES
        periodicity[own] = candidates.similarity[own, place]
        f0[own] = refine(candidates.power[own], band, candidates.frequency[own, place])
    voiced = np.isfinite(f0) & (periodicity >= LEAST_PERIODICITY)
    f0 = np.exp(np.interp(rows, rows[voiced], np.log(f0[voiced]))) if voiced.any() else np.full(len(path), np.nan)
    return PitchTrack(torch.from_numpy(f0), torch.from_numpy(voiced), torch.from_numpy(periodicity))
