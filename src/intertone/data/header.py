"""``notes.json``: the header of a note set."""

from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from intertone.audio import MAX_SECONDS
from intertone.container import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from intertone.data.split import SPLITS
from intertone.data.store import Header, StoreKind
from intertone.errors import InputError


class SplitCounts(TypedDict):
    """Numbers of notes, instruments and groups in a split."""

    notes: int
    instruments: int
    groups: int


class WriterSettings(TypedDict, total=False):
    """Settings of the writer that readers use; each kind of note set has further ones."""

    bank: str
    hold_seconds: float


class NoteHeader(Header):
    """Content of ``notes.json``; ``counts``, ``skipped`` and ``remarks`` exist only in a finished set."""

    sample_rate: int
    samples: int
    kind: str
    settings: WriterSettings
    counts: NotRequired[dict[str, SplitCounts]]
    skipped: NotRequired[dict[str, int]]
    remarks: NotRequired[list[str]]


NOTE_SET = StoreKind(
    header="notes.json",
    layout=NoteHeader,
    name="note set",
    items="notes",
    fields={"sample_rate": int, "samples": int, "kind": str, "settings": dict},
    text=("name", "instrument", "family", "source", "group", "split"),
    numbers={"pitch": np.int16, "velocity": np.int16, "scale": np.float64},
    later={"skipped": {}, "remarks": []},
)
_COUNTED = ("notes", "instruments", "groups")


def read_header(folder: Path | str, *, finished: bool = False) -> NoteHeader:
    """Read ``notes.json``.

    Args:
        folder: Folder of the note set.
        finished: Whether an unfinished set is refused.

    Returns:
        Content of the file. For a finished set of an earlier version, missing ``skipped`` and ``remarks`` are empty.

    Raises:
        InputError: If the file does not exist, is damaged or has another format version, or the set is not finished and
            ``finished`` is True.
    """
    header = NOTE_SET.read_header(folder, finished=finished)
    rate, samples = header["sample_rate"], header["samples"]
    if not (MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE and 0 < samples <= MAX_SECONDS * rate):
        raise InputError(
            f"{Path(folder) / NOTE_SET.header} must give a sample rate of {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz "
            f"and notes of up to {MAX_SECONDS:g} s, got {rate} Hz and {samples} samples"
        )
    for split in SPLITS if header["finished"] else ():
        found = header["counts"].get(split)
        if not isinstance(found, dict) or not all(isinstance(found.get(name), int) for name in _COUNTED):
            raise InputError(
                f"{Path(folder) / NOTE_SET.header} must give counts of {', '.join(_COUNTED)} in {split}, got {found!r}"
            )
    return header
