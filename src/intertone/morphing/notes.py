"""Division of a phrase into notes, and pairing of the notes of several phrases."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.curve import slow_part
from intertone.downmix import mix_to_mono
from intertone.level import TINY, db_to_power, power_to_db
from intertone.metrics.rhythm import ONSET_MEL, onset_times
from intertone.metrics.spectral import log_mel
from intertone.pitch import follow_pitch
from intertone.pitch.note import hz_to_pitch
from intertone.stft import SpectrogramConfig

FRAME_SECONDS = 0.01
"""Hop between the frames of pitch and level, s."""
NEAR_SECONDS, FAR_SECONDS = 0.04, 0.4
"""Guard time before and after an onset in which the pitch is ignored, s, and longest stretch of pitch that is evaluated
on each side of an onset, s."""
LEAST_FRAMES = 8
"""Smallest number of pitched frames on each side of the start of a note. With 4 frames, releases and slow attacks of
flutes count as notes."""
STEP_FRAMES, LEAST_STEP = 4, 0.8
"""Number of frames over which a step of the pitch is measured, and by how many semitones it must exceed the pitch's
movement over the same time before and after it. ``benchmarks/phrases.py`` with 4 frames and 0.8, 4 and 0.7, 3 and 0.5:
of 100 slides with vibrato 5, 12 and 3 are taken for phrases; of 310 legato notes 261, 264 and 184 are found."""
REACH_SECONDS = 0.1
"""Largest distance of a step of the pitch from its onset, s. Slow attacks are detected after their step; after an onset
the note before may still ring."""
RANGE_DB = 40.0
"""Range of the levels of frames whose pitch counts, below the loudest one, dB: hum before the first note does not."""
LEAST_SEMITONES = 0.7
"""Smallest change of the median pitch at an onset that begins a note, semitones. In 60 melodies by 30 instruments,
``onset_times`` finds 399 onsets of notes, of which 387 have this change, and 44 others, of which 5 have it; with 1
semitone 364 and 3, since neighbouring keys of a SoundFont may be closer."""
MOST_SPREAD = 0.8
"""Largest distance between the 20th and the 80th percentile of a steady pitch, semitones; bird song exceeds it."""
STEADY_SHARE = 0.6
"""Smallest share of pitched frames in a stretch of steady pitch."""
MOST_SEMITONES = 11.0
"""Smallest change of the pitch that begins no note where there is no onset, semitones: the tracker takes the attacks of
organs, shakuhachis and glockenspiels for other octaves."""
LEAST_RISE_DB = 12.0
"""Smallest rise in level at an onset that begins a note of the same pitch within a phrase, dB. With 10 dB, 2 of the 44
onsets above that begin no note would pass, with 6 dB 7."""

FINE_MEL = ONSET_MEL.model_copy(
    update={"stft": SpectrogramConfig(sample_rate=16000, n_fft=512, hop_length=32), "floor_db": 70.0}
)
"""Settings of the log-mel spectrogram that refines an onset to its steepest rise. For 98 of 100 plucked and struck
notes the result is 7 ms before to 2 ms after the first sound; that of ``onset_times`` is 27 ms before to 37 ms after
it."""
FINE_LAG, FINE_REACH_SECONDS = 8, 0.05
"""Frames over which the rise is measured (16 ms), and largest distance of a refined onset from the coarse one, s."""
RISE_SECONDS, VALLEY_SECONDS, VALLEY_DB = 0.05, 0.01, 3.0
"""A note starts where the level is lowest in the 50 ms before its steepest rise: at the last place that is within 3 dB
of the lowest level, measured in windows of 10 ms."""
FADE_SECONDS = 0.005
"""Length of the crossfade between two notes, s, which ends at the onset of the second."""

Array = npt.NDArray[np.float64]


def find_notes(sound: Tensor, sample_rate: int) -> list[int]:
    """Return the starts of the notes of a sound, from the second note on.

    A sound is a phrase if a steady pitch is followed by another steady pitch, and the change is a step: it exceeds the
    pitch's movement in the 40 ms before and after it. A slide has no step, even with vibrato. Every onset of a phrase
    at which the pitch changes or the level rises by ``LEAST_RISE_DB`` begins a note, and so does every step between
    steady pitches without an onset. Otherwise the sound is one note, even with a tremolo or an echo.

    Args:
        sound: ``(channels, samples)``.
        sample_rate: Hz.

    Returns:
        Starts, samples, rising; empty for a single note.

    Example:
        >>> time = torch.arange(8000) / 16000
        >>> notes = [torch.exp(-3 * time) * torch.sin(2 * torch.pi * hertz * time) for hertz in (220, 220, 330)]
        >>> [round(start / 16000, 1) for start in find_notes(torch.cat(notes)[None], 16000)]
        [0.5, 1.0]
        >>> find_notes(torch.cat(notes[:2])[None], 16000)
        []
    """
    rate = ONSET_MEL.stft.sample_rate
    mono = resample(mix_to_mono(sound.detach().cpu().float()), sample_rate, rate)
    onsets = onset_times(mono)
    if len(onsets) < 2:
        return []
    hop = round(FRAME_SECONDS * rate)
    heard = mono - slow_part(mono[None], rate)[0]  # a DC offset has any pitch
    track = follow_pitch(heard, rate, hop_length=hop)
    pitch = hz_to_pitch(track.f0.numpy())
    level = _levels(heard.double().numpy(), hop)[: len(pitch)]
    pitch[~track.voiced.numpy() | (level < level.max() - RANGE_DB)] = np.nan
    starts, steps = _starts(pitch, level, onsets)
    rises = _before_the_rise(mono.double().numpy(), rate, _refined_times(mono, starts))
    times = sorted([*rises, *steps])
    return [round(time * sample_rate) for time in times]


def _starts(pitch: Array, level: Array, onsets: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the times at which notes start, at onsets and at steps of the pitch without one, s.

    Args:
        pitch: Pitch of each frame, MIDI number, NaN where there is none; ``(n_frames,)``.
        level: Level of each frame, dB; ``(n_frames,)``.
        onsets: Times of the onsets, s, rising.

    Returns:
        Both rising, from the second note on; empty for a single note.
    """
    step, reach = _steps(pitch), round(REACH_SECONDS / FRAME_SECONDS)
    times = {round(onset / FRAME_SECONDS): onset for onset in onsets}
    lone = {place for place in _peaks(step) if not any(abs(place - other) <= reach for other in times)}
    # the end of a note may be detected as an onset; few pitched frames follow it
    places = [
        place
        for place, after in pairwise([*sorted(lone | times.keys()), len(pitch)])
        if _n_known(_frames(pitch, place, after, late=False)) >= LEAST_FRAMES
    ]
    phrase, found = False, []
    for before, place, after in zip([0, *places], places, [*places[1:], len(pitch)], strict=False):
        last, first = _frames(pitch, before, place, late=True), _frames(pitch, place, after, late=False)
        if min(_n_known(last), _n_known(first)) < LEAST_FRAMES:
            continue
        change = abs(float(np.nanmedian(first) - np.nanmedian(last)))
        changed = LEAST_SEMITONES <= change < (MOST_SEMITONES if place in lone else math.inf)
        sharp = step[max(0, place - reach) : place + reach + 1].max() >= LEAST_STEP
        stepped = changed and sharp and _steady(last) and _steady(first)
        phrase |= stepped
        if stepped or (place not in lone and (changed or _rise_db(level, place) >= LEAST_RISE_DB)):
            found.append(place)
    if not phrase:
        return [], []
    steps = [place * FRAME_SECONDS for place in found if place in lone]
    return [times[place] for place in found if place in times], steps


def cut_notes(sound: Tensor, starts: Sequence[int], sample_rate: int) -> list[tuple[int, Tensor]]:
    """Return the position and the sound of each note; the sum of all notes is the input sound.

    Args:
        sound: ``(channels, samples)``.
        starts: Starts from ``find_notes``, samples.
        sample_rate: Hz.

    Returns:
        First sample and sound, ``(channels, any)``, of each note; neighbours overlap in a crossfade of 5 ms.

    Example:
        >>> [(first, note.shape[-1]) for first, note in cut_notes(torch.ones(1, 3000), [1000], 8000)]
        [(0, 1000), (960, 2040)]
    """
    samples, fade = sound.shape[-1], round(FADE_SECONDS * sample_rate)
    ramp = torch.sin(0.5 * torch.pi * (torch.arange(fade) + 0.5) / fade).square().to(sound)
    edges = [0, *starts, samples]
    notes = []
    for index, (start, end) in enumerate(pairwise(edges)):
        first = max(0, start - fade) if index else 0
        note = sound[:, first:end].clone()
        if index:
            note[:, : start - first] *= ramp[fade - (start - first) :]
        if end < samples:
            note[:, -fade:] *= 1 - ramp[-note.shape[-1] :]
        notes.append((first, note))
    return notes


def pair_notes(onsets: Sequence[Sequence[float]]) -> list[tuple[int | None, ...]]:
    """Return the pairing of the notes of several phrases.

    Each note of a phrase is paired with a note of the phrase that has the most notes. The pairing keeps the order and
    minimises the sum of the distances between onsets.

    Args:
        onsets: Onsets of the notes of each phrase, rising, as fractions of its length.

    Returns:
        For each note of the phrase with the most notes, the index of its partner in each phrase, or None.

    Example:
        >>> pair_notes([(0.0, 0.3, 0.6), (0.1, 0.5)])
        [(0, 0), (1, None), (2, 1)]
    """
    most = max(onsets, key=len)
    rows = []
    for own in onsets:
        partner: list[int | None] = [None] * len(most)
        for index, place in enumerate(_nearest(own, most)):
            partner[place] = index
        rows.append(partner)
    return list(zip(*rows, strict=True))


def _nearest(few: Sequence[float], many: Sequence[float]) -> list[int]:
    """Return an index into ``many`` for each of ``few``, rising, with the smallest sum of distances."""
    distance = np.abs(np.subtract.outer(np.array(few), np.array(many)))
    # cost[i, j]: smallest sum for the first i of few, paired within the first j of many
    cost = np.full((len(few) + 1, len(many) + 1), np.inf)
    cost[0] = 0
    for i in range(len(few)):
        for j in range(len(many)):
            cost[i + 1, j + 1] = min(cost[i + 1, j], cost[i, j] + distance[i, j])
    places, j = [], len(many)
    for i in range(len(few), 0, -1):
        while cost[i, j - 1] <= cost[i, j]:
            j -= 1
        j -= 1
        places.append(j)
    return places[::-1]


def _frames(pitch: Array, start: int, end: int, *, late: bool) -> Array:
    """Return the last or the first ``FAR_SECONDS`` of pitch between two frames, beginning with a pitched frame."""
    near, count = round(NEAR_SECONDS / FRAME_SECONDS), round(FAR_SECONDS / FRAME_SECONDS)
    frames = pitch[start + near : max(start + near, 1 + end - near)]
    known = np.flatnonzero(np.isfinite(frames))
    if not len(known):
        return frames[:0]
    return frames[: known[-1] + 1][-count:] if late else frames[known[0] :][:count]


def _n_known(pitch: Array) -> int:
    return int(np.isfinite(pitch).sum())


def _steady(pitch: Array) -> bool:
    known = pitch[np.isfinite(pitch)]
    if len(known) < max(LEAST_FRAMES, STEADY_SHARE * len(pitch)):
        return False
    low, high = np.percentile(known, [20, 80])
    return bool(high - low <= MOST_SPREAD)


def _steps(pitch: Array) -> Array:
    """Return by how much the pitch moves around each frame in ``STEP_FRAMES`` more than before and after, semitones.

    Where there is no pitch, the last one is held.
    """
    known = np.maximum.accumulate(np.where(np.isfinite(pitch), np.arange(len(pitch)), 0))
    held, n = pitch[known], STEP_FRAMES
    padded = np.pad(held, (n + n // 2, 2 * n - n // 2), mode="edge")
    moves = np.abs(padded[n:] - padded[:-n])
    return np.asarray(np.nan_to_num(moves[n:-n] - np.maximum(moves[: -2 * n], moves[2 * n :])))


def _peaks(step: Array) -> list[int]:
    """Return the frames of the largest steps of at least ``LEAST_STEP``, none within 80 ms of a larger one."""
    left, found = step.copy(), []
    near = round(2 * NEAR_SECONDS / FRAME_SECONDS)
    while left.max(initial=0) >= LEAST_STEP:
        found.append(int(left.argmax()))
        left[max(0, found[-1] - near) : found[-1] + near + 1] = 0
    return found


def _levels(sound: Array, hop: int) -> Array:
    """Return the level of each frame, dB."""
    padded = np.pad(sound**2, (hop, hop + -len(sound) % hop))
    sums = padded.reshape(-1, hop).sum(1)
    return np.asarray(power_to_db(torch.from_numpy(sums[:-1] + sums[1:] + 1e-12)).numpy())


def _rise_db(level: Array, frame: int) -> float:
    """Return the rise from the lowest level in 60 ms before a frame to the highest in 20 to 80 ms after it, dB."""
    return float(level[frame + 2 : frame + 9].max(initial=-200) - level[max(0, frame - 6) : frame].min(initial=200))


def _refined_times(sound: Tensor, times: Sequence[float]) -> list[float]:
    """Return the time of the steepest rise in level near each of the given times, s."""
    step = FINE_MEL.stft.hop_length / FINE_MEL.stft.sample_rate
    bands = log_mel(sound, FINE_MEL)
    rise = (bands[:, FINE_LAG:] - bands[:, :-FINE_LAG]).clamp_min(0).mean(0)
    places = []
    for time in times:
        first = max(0, round((time - FINE_REACH_SECONDS) / step))
        near = rise[first : round((time + FINE_REACH_SECONDS) / step) + 1]
        places.append((first + int(near.argmax()) + 0.5 * FINE_LAG) * step if len(near) else time)
    return places


def _before_the_rise(sound: Array, rate: int, times: Sequence[float]) -> list[float]:
    """Return for each time the last place before it where the level is still lowest, s."""
    width, reach = round(VALLEY_SECONDS * rate), round(RISE_SECONDS * rate)
    sums = np.cumsum(np.pad(sound**2, (1 + width // 2, width - width // 2)))
    power = sums[width:] - sums[:-width]
    places = []
    for time in times:
        end = round(time * rate)
        first = max(0, end - reach)
        before = power[first : end + 1]
        low = np.flatnonzero(before <= before.min(initial=np.inf) * db_to_power(VALLEY_DB) + TINY)
        places.append((first + int(low[-1])) / rate if len(low) else time)
    return places
