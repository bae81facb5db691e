"""Prepared features: features of a representation, stored in 16 bits, so that training need not compute them again.

A set of features is a folder. The name ``images.json`` of its header is historical::

    images.json        settings of the representation, choice of notes, counts, whether the set is finished
    index.npz          columns of the index of all notes, written when the set is finished
    examples.npy       (notes, samples) float32: sounds of a few notes of the validation split
    shard-00000.npy    (notes, n_features, n_frames) float16
    shard-00000.json   index rows of this shard; if this file exists, the shard is complete
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NotRequired, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.data.split import SPLITS
from intertone.data.store import Header, StoredNotes, StoreKind, as_rows, gather_parts, write_shard_files
from intertone.errors import InputError
from intertone.files import Json, regular, replacing, write_json


@dataclass(frozen=True)
class FeatureRow:
    """Index row of a note.

    ``note`` is its row in the note set. ``pitch`` (MIDI number) and ``velocity`` are those of the note set, −1 for
    unknown. ``f0`` is the median f0, Hz, that the analysis has used.
    """

    note: int
    pitch: int
    velocity: int
    f0: float
    instrument: str
    group: str
    split: str


class FeatureHeader(Header):
    """Content of ``images.json``; ``counts``, the number of notes of each split, exists only in a finished set."""

    representation: dict[str, Json]
    n_features: int
    n_frames: int
    kind: str
    counts: NotRequired[dict[str, int]]


FEATURE_SET = StoreKind(
    header="images.json",
    layout=FeatureHeader,
    name="set of features",
    items="notes",
    fields={"representation": dict, "n_features": int, "n_frames": int, "kind": str},
    text=("instrument", "group", "split"),
    numbers={"note": np.int64, "pitch": np.int16, "velocity": np.int16, "f0": np.float64},
)


class FeatureSet(StoredNotes[FeatureHeader, np.float16]):
    """Finished set of features on disk.

    The columns of the index are numpy arrays with one entry per note; see ``FeatureRow``.

    Attributes:
        folder: Folder of the set.
        header: Content of ``images.json``.
        representation: Settings of the representation that computed the features.
        n_features: Number of rows of the features.
        n_frames: Number of frames of the features.
        kind: Kind of the note set from which they were computed.
    """

    note: npt.NDArray[np.int64]
    f0: npt.NDArray[np.float64]

    def __init__(self, folder: Path, header: FeatureHeader, columns: dict[str, npt.NDArray[np.generic]]) -> None:
        shape = (header["n_features"], header["n_frames"])
        super().__init__(FEATURE_SET, folder, header, columns, shape, np.float16)
        self.representation = header["representation"]
        self.n_features, self.n_frames = shape
        self.kind = header["kind"]

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Return the set in ``folder``; its features are memory-mapped, not read.

        Raises:
            InputError: If ``folder`` is not a set of features, or the set is unfinished or its index damaged.
        """
        folder = Path(folder)
        header = FEATURE_SET.read_header(folder, finished=True)
        return cls(folder, header, FEATURE_SET.read_index(folder, header["shards"]))

    def digest(self) -> str:
        """Return a hash of index and representation, 16 hexadecimal digits; it depends on the order of the notes."""
        text = json.dumps(self.representation, sort_keys=True).encode()
        return hashlib.sha256(text + (self.folder / "index.npz").read_bytes()).hexdigest()[:16]

    def features(self, rows: npt.ArrayLike) -> Tensor:
        """Return the features of notes in the order of ``rows``, which may contain repetitions.

        Args:
            rows: Row numbers, 0…len − 1, ``(n,)``.

        Returns:
            ``(n, n_features, n_frames)`` float32.

        Raises:
            IndexError: If a row does not exist.
            InputError: If a shard is missing or damaged.
        """
        rows = as_rows(rows)
        features = np.empty((len(rows), self.n_features, self.n_frames), np.float32)
        for place, stored in self._shards.read(rows):
            features[place] = stored
        return torch.from_numpy(features)

    def examples(self) -> Tensor:
        """Return the sounds of the stored example notes, ``(notes, samples)``."""
        path = self.folder / "examples.npy"
        try:
            return torch.from_numpy(np.array(np.load(regular(path), mmap_mode="r", allow_pickle=False)))
        except (OSError, ValueError, EOFError, OverflowError) as error:
            raise InputError(f"{path} must hold the examples of a set of features, got {error}") from None


def is_feature_set(folder: Path | str) -> bool:
    """Return whether ``folder`` is a set of prepared features, finished or not."""
    return (Path(folder) / FEATURE_SET.header).is_file()


def begin_features(folder: Path | str, settings: Mapping[str, Json]) -> FeatureHeader:
    """Make ``folder`` for writing, or open that of an interrupted run to resume it.

    Args:
        folder: A new or empty folder, or a set of features that was begun with the same settings.
        settings: All settings on which the content depends, as JSON content: at least ``representation``,
            ``n_features``, ``n_frames`` and ``kind``.

    Returns:
        Content of ``images.json``; ``finished`` is True if the set is complete.

    Raises:
        InputError: If the folder holds other files, or features with other settings.
    """
    return FEATURE_SET.begin(folder, settings)


def write_feature_shard(folder: Path | str, shard: int, features: npt.ArrayLike, rows: Sequence[FeatureRow]) -> None:
    """Write one shard: the features first, then its index rows, which mark it as complete.

    Args:
        folder: A folder that ``begin_features`` opened.
        shard: Number of the shard.
        features: ``(notes, n_features, n_frames)``; they are stored in 16 bits.
        rows: Index row of each note.

    Raises:
        InputError: If the files cannot be written.
        ValueError: If the numbers of features and rows differ.
    """
    content = np.asarray(features, np.float16)
    if len(content) != len(rows):
        raise ValueError(f"a shard must have one row for each note, got {len(rows)} rows for {len(content)} notes")
    write_shard_files(folder, shard, content, json.dumps([asdict(row) for row in rows]))


def finish_features(folder: Path | str, shards: int, examples: npt.ArrayLike) -> FeatureHeader:
    """Write the index of all shards, and mark the set as finished.

    Args:
        folder: A folder that ``begin_features`` opened.
        shards: Number of shards of the set.
        examples: Sounds of a few notes, ``(notes, samples)``.

    Returns:
        Content of ``images.json``, with ``counts``, the number of notes of each split.

    Raises:
        InputError: If a shard is missing, or the files cannot be written.
    """
    folder = Path(folder)
    parts = [json.loads(text) for text in gather_parts(folder, shards)]
    rows, sizes = [row for part in parts for row in part], [len(part) for part in parts]
    FEATURE_SET.write_index(folder, rows, sizes)
    with replacing(folder / "examples.npy") as temporary:
        np.save(temporary, np.asarray(examples, np.float32))
    found = Counter(row["split"] for row in rows)
    header = FEATURE_SET.read_header(folder) | {
        "finished": True,
        "shards": sizes,
        "counts": {split: found[split] for split in SPLITS},
    }
    write_json(folder / FEATURE_SET.header, header)
    return header
