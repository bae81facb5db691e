"""Figures of the ablation: where the notes of phrases are found, and what a DC offset leaves in a morph."""

import numpy as np
import torch
from ablation_morph import at_rate, rendered
from ablation_notes import RATE, Figures, drawn
from torch import Tensor

from intertone.data.notes import Notes
from intertone.level import amplitude_to_db
from intertone.morphing.notes import find_notes

N_PHRASES, N_NOTES = 24, 4
STEP_SECONDS, GAP_SECONDS, FADE_SECONDS = 0.5, 0.1, 0.05
EARLY_SECONDS, LATE_SECONDS = 0.08, 0.2
WIDEST = 12
"""Largest distance of a note from the one that is drawn, semitones."""

N_OFFSETS = 6
OFFSET, NOTE_SECONDS = 0.003, 1.5
"""DC offset of a note, relative to its peak, and length of the note, s; behind it there is 1 s of silence."""


def phrase_figures(notes: Notes, number: int) -> Figures:
    """Return the notes that are missed, the starts where there is no note, %, and how far the starts are off, ms.

    Phrases hold four notes of one instrument, a key may repeat; half have gaps of 0.1 s, half have none. No note of 3 s
    must be cut.
    """
    rows, generator = drawn(notes, number, N_PHRASES), np.random.default_rng(number)
    missed = others = 0
    off: list[float] = []
    for index, row in enumerate(rows):
        near = [other for other in _keys_of(notes, row) if abs(notes.pitch[other] - notes.pitch[row]) <= WIDEST]
        sound, starts = _phrase(notes, [int(each) for each in generator.choice(near, N_NOTES)], index)
        left = [start / RATE for start in find_notes(sound[None], RATE)]
        for start in starts:
            close = [found for found in left if -EARLY_SECONDS <= found - start <= LATE_SECONDS]
            if close:
                best = min(close, key=lambda found: abs(found - start))
                off.append(1000 * (best - start))
                left.remove(best)
            else:
                missed += 1
        others += len(left)
    single = [at_rate(notes, row, 3.0) for row in rows]
    cut = sum(bool(find_notes(sound[None], RATE)) for sound in single)
    count = N_PHRASES * (N_NOTES - 1)
    return {
        "notes missed, %": 100 * missed / count,
        "other starts, %": 100 * others / count,
        "single notes cut, %": 100 * cut / N_PHRASES,
        "start, 5th percentile, ms": float(np.percentile(off, 5)),
        "start, 95th percentile, ms": float(np.percentile(off, 95)),
    }


def offset_figures(notes: Notes, number: int) -> Figures:
    """Return what a DC offset leaves in morphs of notes with silence behind them: faint sound, steps, another note."""
    rows = drawn(notes, number, 2 * N_OFFSETS)
    behind, ends = [], []
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        mixed = rendered(*(_with_offset(at_rate(notes, row, NOTE_SECONDS)) for row in (first, second)))
        peak = float(mixed.abs().max())
        tail = mixed[round((NOTE_SECONDS + 0.2) * RATE) : -round(0.05 * RATE)]
        behind.append(amplitude_to_db(tail.std().clamp_min(1e-9) / peak))
        ends.append(amplitude_to_db(mixed[-round(0.01 * RATE) :].mean().abs().clamp_min(1e-9) / peak))
    return {
        "crackle behind the notes, dB": float(np.mean(behind)),
        "offset at the end, dB": float(np.mean(ends)),
    }


def _keys_of(notes: Notes, row: int) -> list[int]:
    """Return the rows of the instrument of a row."""
    return [int(other) for other in np.flatnonzero(notes.instrument == notes.instrument[row])]


def _phrase(notes: Notes, rows: list[int], index: int) -> tuple[Tensor, list[float]]:
    """Return notes one after the other, half of the phrases without gaps, and the times of all but the first, s."""
    held = STEP_SECONDS if index % 2 else STEP_SECONDS - GAP_SECONDS
    fade = torch.linspace(1, 0, round(FADE_SECONDS * RATE))
    sound = torch.zeros(round((0.1 + N_NOTES * STEP_SECONDS + FADE_SECONDS) * RATE))
    starts = [0.1 + STEP_SECONDS * place for place in range(N_NOTES)]
    for start, row in zip(starts, rows, strict=True):
        note = at_rate(notes, row, held + FADE_SECONDS)
        note = note / note.abs().max().clamp_min(1e-6)
        note[-len(fade) :] *= fade
        at = round(start * RATE)
        sound[at : at + len(note)] += note
    return sound, starts[1:]


def _with_offset(note: Tensor) -> Tensor:
    """Return a note with 1 s of silence behind it, all of it with a DC offset."""
    note = note / note.abs().max()
    note[-round(FADE_SECONDS * RATE) :] *= torch.linspace(1, 0, round(FADE_SECONDS * RATE))
    return torch.cat([note, torch.zeros(RATE)]) + OFFSET
