"""Prepared features: those of a representation, in 16 bits on disk, so that training need not compute them again.

A set of features is a folder; ``images.json`` is an older name::

    images.json        the representation's settings, the choice of notes, counts, whether it is finished
    index.npz          the columns of all notes, gathered when the set is finished
    examples.npy       (notes, samples) float32: a few notes of the validation split as they sound
    shard-00000.npy    (notes, n_features, n_frames) float16
    shard-00000.json   the rows of this shard; its presence says that the shard is complete
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
    """One note's line in the index.

    ``note`` is its row in the note set; ``pitch`` (MIDI number) and ``velocity`` are the set's, −1 where unknown;
    ``f0`` is the median in Hz that the features were made with.
    """

    note: int
    pitch: int
    velocity: int
    f0: float
    instrument: str
    group: str
    split: str


class FeatureHeader(Header):
    """The content of ``images.json``; counts, notes of each split, only of a finished set."""

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
    """A finished set of features on disk.

    Columns are numpy arrays with one entry a note; see ``FeatureRow``.

    Attributes:
        folder: Where it lies.
        header: The content of ``images.json``.
        representation: The settings of the representation that made the features.
        n_features: Rows of the features.
        n_frames: Columns of the features.
        kind: Kind of the note set that they were made of.
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
        """Open the set in ``folder``; the features are only mapped, not read.

        Raises:
            InputError: If it is no set of features, is unfinished, or its index is damaged.
        """
        folder = Path(folder)
        header = FEATURE_SET.read_header(folder, finished=True)
        return cls(folder, header, FEATURE_SET.read_index(folder, header["shards"]))

    def digest(self) -> str:
        """Return a short hash of the index and the representation: equal for the same notes in the same order."""
        text = json.dumps(self.representation, sort_keys=True).encode()
        return hashlib.sha256(text + (self.folder / "index.npz").read_bytes()).hexdigest()[:16]

    def features(self, rows: npt.ArrayLike) -> Tensor:
        """Read the features of the notes in ``rows``, in the order asked; repetitions are allowed.

        Args:
            rows: ``(n,)`` row numbers, 0…len − 1.

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
        """Return the notes that are kept as sound, ``(notes, samples)``."""
        path = self.folder / "examples.npy"
        try:
            return torch.from_numpy(np.array(np.load(regular(path), mmap_mode="r", allow_pickle=False)))
        except (OSError, ValueError, EOFError, OverflowError) as error:
            raise InputError(f"{path} must hold the examples of a set of features, got {error}") from None


def is_feature_set(folder: Path | str) -> bool:
    """Say whether ``folder`` holds prepared features, finished or not."""
    return (Path(folder) / FEATURE_SET.header).is_file()


def begin_features(folder: Path | str, settings: Mapping[str, Json]) -> FeatureHeader:
    """Open ``folder`` for writing: make it, or go on with what an interrupted run left there.

    Args:
        folder: A new or empty folder, or a set of features that was begun with the same settings.
        settings: All that decides the content, for JSON: at least ``representation`` (its settings), ``n_features``,
            ``n_frames`` and ``kind``.

    Returns:
        The content of ``images.json``; ``finished`` says whether anything is left to do.

    Raises:
        InputError: If the folder holds something else, or features made with other settings.
    """
    return FEATURE_SET.begin(folder, settings)


def write_feature_shard(folder: Path | str, shard: int, features: npt.ArrayLike, rows: Sequence[FeatureRow]) -> None:
    """Write one shard: the features first, then the index part that makes it count.

    Args:
        folder: A folder that ``begin_features`` opened.
        shard: Its number.
        features: ``(notes, n_features, n_frames)``; kept in 16 bits.
        rows: One for each note.

    Raises:
        InputError: If the disk does not take it.
        ValueError: If features and rows are not equally many.
    """
    content = np.asarray(features, np.float16)
    if len(content) != len(rows):
        raise ValueError(f"a shard needs one row a note, got {len(content)} and {len(rows)}")
    write_shard_files(folder, shard, content, json.dumps([asdict(row) for row in rows]))


def finish_features(folder: Path | str, shards: int, examples: npt.ArrayLike) -> FeatureHeader:
    """Gather the index of shards 0…``shards`` − 1 and mark the set as finished.

    Args:
        folder: A folder that ``begin_features`` opened.
        shards: Number of shards of the set.
        examples: A few notes as they sound, ``(notes, samples)``.

    Returns:
        The content of ``images.json``, with ``counts``: notes of each split.

    Raises:
        InputError: If a shard is missing, or the disk does not take the index.
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
