"""What a sound that was given back, and a half-way morph, are worth: the same figures for every experiment."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.morphs import IN_TUNE, judge_morphs, search_range
from intertone.evaluate.reconstruction import BATCH, ESTIMATED, at_16_khz, seeded
from intertone.metrics import db_rmse, log_mel_error, loud_cell_error
from intertone.phase import PhaseConfig
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis

KEPT = PhaseConfig(method="kept")

GiveBack = Callable[[Tensor, PhaseConfig], Tensor]
"""Sounds ``(notes, samples)`` and a phase → the sounds given back."""


def by_codec(codec: Codec, *, seed: int) -> GiveBack:
    """Return how a codec gives sounds back, with random phase from ``seed``."""

    def give_back(audio: Tensor, phase: PhaseConfig) -> Tensor:
        return codec.reconstruct(audio.unsqueeze(1), phase=phase, generator=seeded(seed)).squeeze(1)

    return give_back


def by_image(codec: Codec, image: Callable[[Tensor], Tensor], *, seed: int) -> GiveBack:
    """Return how a map of features to features gives sounds back, by the representation of ``codec``."""

    def give_back(audio: Tensor, phase: PhaseConfig) -> Tensor:
        features, context = codec.representation.analyse(audio.unsqueeze(1))
        found = codec.representation.synthesise(Analysis(image(features), context), phase=phase, generator=seeded(seed))
        return found.squeeze(1)

    return give_back


def in_tune(sound: Tensor, sample_rate: int, pitch: int) -> bool:
    """Return whether ``(samples,)`` sounds within 50 cents of a MIDI number; an octave error is none."""
    f_min, f_max = search_range(pitch, sample_rate)
    f0 = note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max)
    return bool(abs(float(hz_to_cents(f0, pitch_to_hz(pitch)))) <= IN_TUNE)


def rows_in_tune(notes: Notes, rows: Rows) -> list[bool]:
    """Return for each note whether its own sound is within 50 cents of its key."""
    return [
        bool(notes.pitch[row] >= 0) and in_tune(notes.audio([row])[0], notes.sample_rate, int(notes.pitch[row]))
        for row in rows
    ]


@torch.inference_mode()
def judge_notes(give_back: GiveBack, notes: Notes, rows: Rows, tuned: list[bool]) -> dict[str, list[float | None]]:
    """Judge notes that were given back.

    Args:
        give_back: What gives them back, at the notes' rate.
        notes: The note set.
        rows: The notes.
        tuned: From ``rows_in_tune``.

    Returns:
        For each note: ``log_mel_kept`` and ``log_mel_estimated`` (dB), ``loud_cells`` (dB, kept phase), ``above_floor``
        (dB, kept phase), and ``in_tune`` (0 or 1, estimated phase; None where the note itself is not).
    """
    found: dict[str, list[float | None]] = {
        name: [] for name in ("log_mel_kept", "log_mel_estimated", "loud_cells", "above_floor", "in_tune")
    }
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        audio = notes.audio(batch)
        kept, estimated = (give_back(audio, phase)[..., : notes.samples] for phase in (KEPT, ESTIMATED))
        first, second, reference = (at_16_khz(sound, notes.sample_rate) for sound in (kept, estimated, audio))
        found["log_mel_kept"] += log_mel_error(first, reference).tolist()
        found["log_mel_estimated"] += log_mel_error(second, reference).tolist()
        found["loud_cells"] += loud_cell_error(first, reference).tolist()
        found["above_floor"] += db_rmse(first, reference, loud_only=True).tolist()
        for item, row in enumerate(batch):
            heard = in_tune(estimated[item], notes.sample_rate, int(notes.pitch[row])) if tuned[start + item] else None
            found["in_tune"].append(None if heard is None else float(heard))
    return found


def judge_pairs(codec: Codec, notes: Notes, pairs: Rows, *, seed: int) -> dict[str, Any]:
    """Judge half-way morphs of notes of one pitch, the codec's and those of spectrograms without a network.

    Args:
        codec: The codec.
        notes: The note set, at its rate.
        pairs: Rows of A and B, ``(n, 2)``.
        seed: Of random phase.

    Returns:
        ``n`` pairs, ``n_measured`` of them with both ends in tune, and for ``codec`` and ``log magnitude`` the share of
        those that are in tune and the median of their |cents|; None where there is nothing to be said.
    """
    figures = judge_morphs(codec, notes, pairs, seed=seed, step=lambda _: None)
    measured = [figure for figure in figures if figure.measured]
    result: dict[str, Any] = {"n": len(pairs), "n_measured": len(measured)}
    for method in ("codec", "log magnitude"):
        cents = np.array([abs(figure.cents[method]) for figure in measured])
        cents = np.where(np.isnan(cents), np.inf, cents)
        median = float(np.median(cents)) if len(cents) else math.inf
        result[method] = {
            "in_tune": float((cents <= IN_TUNE).mean()) if len(cents) else None,
            "median_cents": median if math.isfinite(median) else None,
        }
    return result


def mean(values: list[float | None]) -> float | None:
    """Return the mean of what there is.

    Example:
        >>> mean([1.0, None, 2.0])
        1.5
    """
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
