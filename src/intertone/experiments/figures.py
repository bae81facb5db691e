"""What a sound that was given back, and a half-way morph, are worth: the same figures for every experiment."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import BATCH, at_16_khz
from intertone.evaluate.half_way import half_way_morphs, measure_pairs, tuned_share
from intertone.evaluate.resynthesis import CODEC, resynthesise
from intertone.metrics import db_rmse, in_tune, log_mel_error, loud_cell_error

GiveBack = Callable[[Tensor], Mapping[str, Tensor]]
"""Sounds ``(notes, samples)`` → those given back with ``kept`` and with ``estimated`` phase."""


def by_codec(codec: Codec, *, seed: int, image: Callable[[Tensor], Tensor] | None = None) -> GiveBack:
    """Return how a codec gives sounds back.

    Args:
        codec: The codec.
        seed: Of random phase.
        image: A map of features to features that takes the place of the network.
    """
    method = "image" if image else CODEC

    def give_back(audio: Tensor) -> Mapping[str, Tensor]:
        ways = [(method, "kept"), (method, "estimated")]
        images = (lambda features: {method: image(features)}) if image else None
        sounds = resynthesise(codec, audio, ways, seed=seed, images=images)[1]
        return {phase: sound for (_, phase), sound in sounds.items()}

    return give_back


def rows_in_tune(notes: Notes, rows: Rows) -> list[bool]:
    """Return for each note whether its own sound is within 50 cents of its key."""
    return [bool(notes.pitch[row] >= 0) and is_in_tune(notes, int(row), notes.audio([row])[0]) for row in rows]


def is_in_tune(notes: Notes, row: int, sound: Tensor) -> bool:
    """Return whether a sound, ``(samples,)``, is in tune with the key of a note."""
    return bool(in_tune(sound, int(notes.pitch[row]), sample_rate=notes.sample_rate))


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
        kept, estimated = (give_back(audio)[phase] for phase in ("kept", "estimated"))
        first, second, reference = (at_16_khz(sound, notes.sample_rate) for sound in (kept, estimated, audio))
        found["log_mel_kept"] += log_mel_error(first, reference).tolist()
        found["log_mel_estimated"] += log_mel_error(second, reference).tolist()
        found["loud_cells"] += loud_cell_error(first, reference).tolist()
        found["above_floor"] += db_rmse(first, reference, loud_only=True).tolist()
        for item, row in enumerate(batch):
            found["in_tune"].append(float(is_in_tune(notes, row, estimated[item])) if tuned[start + item] else None)
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
    half_way = half_way_morphs(codec, notes, pairs, seed=seed, step=lambda _: None)
    measured = [figure for figure in measure_pairs(notes, pairs, half_way) if figure.measured]
    result: dict[str, Any] = {"n": len(pairs), "n_measured": len(measured)}
    for method in half_way:
        share, median = tuned_share([figure.cents[method] for figure in measured])
        result[method] = {"in_tune": share, "median_cents": median}
    return result


def mean(values: list[float | None]) -> float | None:
    """Return the mean of what there is.

    Example:
        >>> mean([1.0, None, 2.0])
        1.5
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
