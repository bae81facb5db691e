"""Figures of reconstructed notes and of half-way morphs, which all experiments share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import BATCH, Way, at_16_khz
from intertone.evaluate.half_way import half_way_morphs, measure_pairs, tuned_share
from intertone.evaluate.resynthesis import CODEC, resynthesise
from intertone.metrics import db_rmse, in_tune, log_mel_error, loud_cell_error

Column = tuple[float | None, ...]
"""One value for each note; None: not measurable."""

Reconstruct = Callable[[Tensor], Mapping[str, Tensor]]
"""Function that returns reconstructions of sounds ``(notes, samples)`` by name, each of the same shape."""

ERRORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "log_mel": log_mel_error,
    "loud_cells": loud_cell_error,
    "above_floor": lambda estimate, reference: db_rmse(estimate, reference, loud_only=True),
}
"""Name of an error → function of (estimate, reference) at 16 kHz that measures it in dB."""


@dataclass(frozen=True)
class NoteFigures:
    """Errors of the reconstruction of each note.

    Attributes:
        log_mel_kept: Log-mel error with the phase of the note, dB.
        log_mel_estimated: Log-mel error with an estimated phase, dB.
        loud_cells: ``loud_cell_error`` with the phase of the note, dB.
        above_floor: ``db_rmse`` over the cells above the floor, with the phase of the note, dB.
        in_tune: Whether the reconstruction with an estimated phase is in tune, 0 or 1; None: the note itself is not.
    """

    log_mel_kept: Column
    log_mel_estimated: Column
    loud_cells: Column
    above_floor: Column
    in_tune: Column


@dataclass(frozen=True)
class TunedShare:
    """Share of morphs in tune and the median of their |cents|; None: see ``tuned_share``."""

    in_tune: float | None
    median_cents: float | None


@dataclass(frozen=True)
class PairFigures:
    """Intonation of half-way morphs of notes of equal pitch.

    Attributes:
        n: Number of pairs.
        n_measured: Number of pairs whose two notes are in tune; the shares are those of these pairs.
        codec: Figures of the codec's morphs.
        interpolated: Figures of morphs that interpolate features without a network; the key in stored results is
            ``log magnitude``.
    """

    n: int
    n_measured: int
    codec: TunedShare
    interpolated: Annotated[TunedShare, Field(alias="log magnitude")]


def by_codec(codec: Codec, *, seed: int, image: Callable[[Tensor], Tensor] | None = None) -> Reconstruct:
    """Return a function that reconstructs sounds by a codec, with ``kept`` and with ``estimated`` phase.

    Args:
        codec: The codec.
        seed: Seed of random phase.
        image: Function of the features that replaces the network; None: the network is used.
    """
    method = "image" if image else CODEC
    ways = {phase: (method, phase) for phase in ("kept", "estimated")}
    return by_ways(codec, ways, seed=seed, images={method: image} if image else {})


def by_ways(
    codec: Codec, ways: Mapping[str, Way], *, seed: int, images: Mapping[str, Callable[[Tensor], Tensor]] | None = None
) -> Reconstruct:
    """Return a function that reconstructs sounds by a codec, with several methods and phases.

    Args:
        codec: The codec.
        ways: Name of the reconstruction → method and phase, see ``resynthesise``.
        seed: Seed of random phase.
        images: Name of a further method → function of the features that replaces the network; None: no such methods.
    """

    def apply(features: Tensor) -> dict[str, Tensor]:
        return {method: image(features) for method, image in (images or {}).items()}

    def reconstruct(audio: Tensor) -> Mapping[str, Tensor]:
        sounds = resynthesise(codec, audio, list(ways.values()), seed=seed, images=apply)[1]
        return {name: sounds[way] for name, way in ways.items()}

    return reconstruct


def rows_in_tune(notes: Notes, rows: Rows) -> tuple[bool, ...]:
    """Return whether the f0 of each note is within 50 cents of its key; False for notes of unknown pitch."""
    return tuple(bool(notes.pitch[row] >= 0) and _is_in_tune(notes, int(row), notes.audio([row])[0]) for row in rows)


def _is_in_tune(notes: Notes, row: int, sound: Tensor) -> bool:
    return bool(in_tune(sound, int(notes.pitch[row]), sample_rate=notes.sample_rate))


@torch.inference_mode()
def measure_notes(
    reconstruct: Reconstruct, notes: Notes, rows: Rows, tuned: Sequence[bool], wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Column]:
    """Reconstruct notes and measure the reconstructions.

    Args:
        reconstruct: Function that reconstructs sounds at the sample rate of the notes.
        notes: The note set.
        rows: Row numbers of the notes.
        tuned: Output of ``rows_in_tune`` for these notes.
        wanted: Pairs of the name of a reconstruction and a figure: ``in_tune``, or one of ``ERRORS``.

    Returns:
        Pair of ``wanted`` → the figure of each note; ``in_tune`` is 0 or 1, or None if the note itself is not in tune.
    """
    found: dict[tuple[str, str], list[float | None]] = {want: [] for want in wanted}
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        audio = notes.audio(batch)
        sounds = reconstruct(audio)
        reference = at_16_khz(audio, notes.sample_rate)
        estimates = {name: at_16_khz(sound, notes.sample_rate) for name, sound in sounds.items()}
        for (name, figure), column in found.items():
            if figure in ERRORS:
                column += ERRORS[figure](estimates[name], reference).tolist()
                continue
            for item, row in enumerate(batch):
                known = tuned[start + item]
                column.append(float(_is_in_tune(notes, int(row), sounds[name][item])) if known else None)
    return {want: tuple(column) for want, column in found.items()}


def evaluate_notes(reconstruct: Reconstruct, notes: Notes, rows: Rows, tuned: Sequence[bool]) -> NoteFigures:
    """Return the figures of notes that are reconstructed with ``kept`` and with ``estimated`` phase.

    Args:
        reconstruct: Function that reconstructs sounds, from ``by_codec``.
        notes: The note set.
        rows: Row numbers of the notes.
        tuned: Output of ``rows_in_tune`` for these notes.
    """
    both = [("kept", "log_mel"), ("estimated", "log_mel")]
    wanted = [*both, ("kept", "loud_cells"), ("kept", "above_floor"), ("estimated", "in_tune")]
    found = measure_notes(reconstruct, notes, rows, tuned, wanted)
    return NoteFigures(*(found[want] for want in wanted))


def evaluate_pairs(codec: Codec, notes: Notes, pairs: Rows, *, seed: int) -> PairFigures:
    """Return the intonation of half-way morphs by the codec, and by interpolation without a network.

    Args:
        codec: The codec.
        notes: The note set, at the codec's sample rate.
        pairs: Rows of A and B, ``(n, 2)``; the notes of a pair have equal pitch.
        seed: Seed of random phase.
    """
    half_way = half_way_morphs(codec, notes, pairs, seed=seed, step=lambda _: None)
    measured = [figure for figure in measure_pairs(notes, pairs, half_way) if figure.measured]
    ours, interpolated = (
        TunedShare(*tuned_share([figure.cents[method] for figure in measured])) for method in half_way
    )
    return PairFigures(len(pairs), len(measured), ours, interpolated)


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if there is no such value.

    Example:
        >>> mean([1.0, None, 2.0])
        1.5
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
