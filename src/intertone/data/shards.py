"""Writing of note sets in int16 shards, each with its index rows, so that an interrupted run can be resumed.

A note set is a folder::

    notes.json         sample rate, samples per note, kind, settings of the writer, counts, whether the set is finished
    index.npz          columns of the index of all notes, written when the set is finished
    report.jsonl       one entry for each file or program: facts, conversions, and reasons for skipping
    shard-00000.npy    (notes, samples) int16; audio = int16 / 32767 · scale, where scale is the peak of the note
    shard-00000.json   index rows and report entries of this shard; if this file exists, the shard is complete
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intertone.data.findings import reason
from intertone.data.header import NOTE_SET, NoteHeader, SplitCounts, read_header
from intertone.data.row import NoteRow, ReportLine, StoredNote
from intertone.data.split import SPLITS
from intertone.data.store import discard, gather_parts, write_shard_files
from intertone.errors import InputError
from intertone.files import Json, replacing, write_json

FULL_SCALE = 32767


def quantise(audio: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int16], float]:
    """Return a note as 16-bit integers with full-scale peak, and the scale that restores its level.

    Args:
        audio: ``(samples,)``, of any level.

    Returns:
        Integers, ``(samples,)``, and the scale, which is the peak of the note (1 for silence).

    Example:
        >>> quantise(np.array([0.0, 0.01, -0.005]))
        (array([     0,  32767, -16384], dtype=int16), 0.01)
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0.0:
        return np.zeros(audio.shape, np.int16), 1.0
    return np.round(audio * (FULL_SCALE / peak)).astype(np.int16), peak


def dequantise(
    pcm: npt.NDArray[np.int16], scale: float, *, out: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Return the audio of a note from its 16-bit integers.

    It inverts ``quantise`` with an error of at most half a quantisation step.

    Args:
        pcm: ``(samples,)``.
        scale: Scale from ``quantise``.
        out: Array, ``(samples,)``, for the result, such as a row of a batch; None: a new array.

    Returns:
        Audio, ``(samples,)`` float32.

    Example:
        >>> dequantise(np.array([0, 32767, -16384], np.int16), 0.01).round(4).tolist() == [
        ...     np.float32(value) for value in (0, 0.01, -0.005)
        ... ]
        True
    """
    return np.multiply(pcm, np.float32(scale / FULL_SCALE), out=out, dtype=np.float32)


Divide = Callable[[Sequence[StoredNote], Sequence[ReportLine]], tuple[list[StoredNote], list[str]]]


def begin_notes(
    folder: Path | str, *, sample_rate: int, samples: int, kind: str, settings: Mapping[str, Json]
) -> NoteHeader:
    """Open ``folder`` for writing: make it, or go on with what an interrupted run left there.

    Args:
        folder: A new or empty folder, or a note set that was begun with the same arguments.
        sample_rate: Hz.
        samples: Length of every note, samples.
        kind: Kind of the source: ``"soundfont"``, ``"nsynth"``, ``"folder"`` or ``"virtual-analogue"``.
        settings: All settings on which the content depends, as JSON content.

    Returns:
        Content of ``notes.json``; ``finished`` is True if the set is complete.

    Raises:
        InputError: If the folder holds other files, or a note set with other settings.
    """
    NOTE_SET.begin(folder, {"sample_rate": sample_rate, "samples": samples, "kind": kind, "settings": settings})
    return read_header(folder)


def write_shard(
    folder: Path | str,
    shard: int,
    pcm: npt.NDArray[np.int16],
    scales: Sequence[float],
    rows: Sequence[NoteRow],
    report: Sequence[ReportLine] = (),
) -> None:
    """Write one shard: the audio first, then its index rows, which mark it as complete.

    Args:
        folder: A folder that ``begin_notes`` opened.
        shard: Number of the shard.
        pcm: Quantised audio, ``(notes, samples)``; there may be no notes.
        scales: Scale of each note from ``quantise``.
        rows: Index row of each note.
        report: Entries for ``report.jsonl``.

    Raises:
        InputError: If the files cannot be written.
        ValueError: If the numbers of ``pcm``, ``scales`` and ``rows`` differ.
    """
    if not len(pcm) == len(scales) == len(rows):
        raise ValueError(f"notes, scales and rows must be equally many, got {len(pcm)}, {len(scales)} and {len(rows)}")
    lines = [asdict(row) | {"scale": scale} for row, scale in zip(rows, scales, strict=True)]
    write_shard_files(folder, shard, pcm if len(pcm) else None, json.dumps({"rows": lines, "report": list(report)}))


def finish_notes(folder: Path | str, shards: int, *, divide: Divide | None = None) -> NoteHeader:
    """Write index and report of all shards, and mark the set as finished if it has notes.

    Args:
        folder: A folder that ``begin_notes`` opened.
        shards: Number of shards of the set.
        divide: Function for splits that depend on the whole set: it returns the rows with groups and splits, and
            remarks, and adds the splits to the report entries in place. None: the rows have splits already.

    Returns:
        Content of ``notes.json``, with ``counts``, ``skipped`` and ``remarks`` (sentences on the division).

    Raises:
        InputError: If a shard is missing, a group is in train and in another split, or the files cannot be written.
    """
    folder = Path(folder)
    parts = [json.loads(text) for text in gather_parts(folder, shards)]
    rows = [StoredNote(**row) for part in parts for row in part["rows"]]
    report: list[ReportLine] = [line for part in parts for line in part["report"]]
    sizes = [len(part["rows"]) for part in parts]
    rows, remarks = divide(rows, report) if divide else (rows, [])
    _check_leak(folder, rows)
    NOTE_SET.write_index(folder, [vars(row) for row in rows], sizes)
    with replacing(folder / "report.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in report), encoding="utf-8")
    header = read_header(folder) | {
        "finished": bool(rows),
        "shards": sizes,
        "counts": count(rows),
        "skipped": skipped(report),
        "remarks": remarks,
    }
    write_json(folder / "notes.json", header)
    return header


def count(rows: Sequence[NoteRow]) -> dict[str, SplitCounts]:
    """Return the numbers of notes, instruments and groups of each split."""
    notes = Counter(row.split for row in rows)
    return {
        split: {
            "notes": notes[split],
            "instruments": len({row.instrument for row in rows if row.split == split}),
            "groups": len({row.group for row in rows if row.split == split}),
        }
        for split in SPLITS
    }


def skipped(report: Sequence[ReportLine]) -> dict[str, int]:
    """Return the numbers of skipped files or notes by reason, without details, the most frequent first.

    Example:
        >>> skipped([{"skipped": "a sound must be mono, got 2"}, {"done": []}, {"skipped": {"silent": ["060-025"]}}])
        {'a sound must be mono': 1, 'silent': 1}
    """
    reasons: Counter[str] = Counter()
    for line in report:
        found = line.get("skipped", {})
        if isinstance(found, str):
            reasons[reason(found)] += 1
        else:
            reasons.update({reason: len(notes) for reason, notes in found.items()})
    return dict(reasons.most_common())


def discard_notes(folder: Path | str) -> None:
    """Remove the files of a note set, finished or not; the folder and other files stay."""
    names = ("notes.json", "index.npz", "report.jsonl")
    discard(Path(folder), (*names, "shard-?????.*", ".shard-*"))


def _check_leak(folder: Path, rows: Sequence[NoteRow]) -> None:
    """Refuse groups that are in train and in another split; valid and test may share groups, as in NSynth."""
    train = {row.group for row in rows if row.split == "train"}
    if shared := sorted(train & {row.group for row in rows if row.split != "train"}):
        raise InputError(f"no group may be in train and in another split, but {shared[0]} is, in {folder}")
