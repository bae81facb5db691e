"""Writing note sets: int16 shards, each with its part of the index, so that a killed run goes on where it was.

A note set is a folder::

    notes.json         sample rate, samples a note, kind, the writer's settings, counts, whether it is finished
    index.npz          the columns of all notes, gathered when the set is finished
    report.jsonl       one line for each file or program: what was found, what was done, what was skipped and why
    shard-00000.npy    (notes, samples) int16; audio = int16 / 32767 · scale, the scale is the note's own peak
    shard-00000.json   the rows and report lines of this shard; its presence says that the shard is complete
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
    """Turn one note into 16 bits that are used in full, and the scale that gives its true level back.

    Args:
        audio: ``(samples,)``; any level.

    Returns:
        The ``(samples,)`` int16 and the scale, the note's peak (1 for silence).

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
    """Turn 16 bits back into the audio of one note, at its true level.

    The inverse of ``quantise`` to half a step of 16 bits of the note's own peak.

    Args:
        pcm: ``(samples,)``.
        scale: The note's peak, as ``quantise`` gave it.
        out: ``(samples,)`` to write to, such as a row of a batch; new memory if not given.

    Returns:
        ``(samples,)`` float32; ``out`` itself if given.

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
        sample_rate: In Hz.
        samples: Length of every note.
        kind: Who writes: ``"soundfont"``, ``"nsynth"``, ``"folder"`` or ``"virtual-analogue"``.
        settings: All that decides the content, for JSON.

    Returns:
        The content of ``notes.json``; ``finished`` says whether anything is left to do.

    Raises:
        InputError: If the folder holds something else, or a note set made with other settings.
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
    """Write one shard: the sound first, then the index part that makes it count.

    Args:
        folder: A folder that ``begin_notes`` opened.
        shard: Its number.
        pcm: ``(notes, samples)``; no notes at all is allowed.
        scales: One for each note, as ``quantise`` gives them.
        rows: One for each note.
        report: Lines for ``report.jsonl``.

    Raises:
        InputError: If the disk does not take it.
        ValueError: If ``pcm``, ``scales`` and ``rows`` are not equally many.
    """
    if not len(pcm) == len(scales) == len(rows):
        raise ValueError(f"a shard needs one scale and row a note, got {len(pcm)}, {len(scales)}, {len(rows)}")
    lines = [asdict(row) | {"scale": scale} for row, scale in zip(rows, scales, strict=True)]
    write_shard_files(folder, shard, pcm if len(pcm) else None, json.dumps({"rows": lines, "report": list(report)}))


def finish_notes(folder: Path | str, shards: int, *, divide: Divide | None = None) -> NoteHeader:
    """Gather the index and the report of shards 0…``shards`` − 1 and mark the set as finished.

    Args:
        folder: A folder that ``begin_notes`` opened.
        shards: Number of shards of the set.
        divide: Returns the rows with their group and split, where these depend on what else is in the set, and remarks;
            gives the report lines their split, in place.

    Returns:
        The content of ``notes.json``, with ``counts``, ``skipped`` and ``remarks`` (sentences on how the set was
        divided); without a note it is not called finished.

    Raises:
        InputError: If a shard is missing, a group is in training and elsewhere, or the disk does not take the index.
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
    """Count notes, instruments and groups of each split."""
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
    """Count what was left out, by reason without the particulars, the most frequent first.

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
    """Remove the files of a note set, finished or not; the folder and what else is in it stay."""
    names = ("notes.json", "index.npz", "report.jsonl")
    discard(Path(folder), (*names, "shard-?????.*", ".shard-*"))


def _check_leak(folder: Path, rows: Sequence[NoteRow]) -> None:
    """NSynth's valid and test share instruments; none may also be in train."""
    train = {row.group for row in rows if row.split == "train"}
    if shared := sorted(train & {row.group for row in rows if row.split != "train"}):
        raise InputError(f"no group may be in train and in another split, but {shared[0]} is, in {folder}")
