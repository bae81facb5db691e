"""Prepared images: what a representation makes of notes, in 16 bits on disk, so that training need not make it again.

A set of images is a folder::

    images.json        the representation's settings, the choice of notes, counts, whether it is finished
    index.npz          the columns of all images, gathered when the set is finished
    examples.npy       (notes, samples) float32: a few notes of the validation split as they sound
    shard-00000.npy    (images, n_features, n_frames) float16
    shard-00000.json   the rows of this shard; its presence says that the shard is complete
"""

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.data.header import first_difference
from intertone.data.shards import shard_path
from intertone.data.split import SPLITS
from intertone.errors import InputError
from intertone.files import check_own_folder, disk_errors, replacing, write_json

FORMAT = 1


@dataclass(frozen=True)
class ImageRow:
    """One image's line in the index.

    ``note`` is its row in the note set; ``pitch`` (MIDI number) and ``velocity`` are what that says, −1 where unknown;
    ``f0`` is the median in Hz that the image was made with.
    """

    note: int
    pitch: int
    velocity: int
    f0: float
    instrument: str
    group: str
    split: str


_TEXT = tuple(field.name for field in fields(ImageRow) if field.type is str)
_TYPES: dict[str, Any] = {"note": np.int64, "pitch": np.int16, "velocity": np.int16, "f0": np.float64}


class Images:
    """A finished set of images on disk.

    Columns are numpy arrays with one entry an image; see ``ImageRow``.

    Attributes:
        folder: Where it lies.
        header: The content of ``images.json``.
        representation: The settings of the representation that made the images.
        n_features: Rows of every image.
        n_frames: Columns of every image.
        kind: Of the note set that the images were made of.
    """

    note: npt.NDArray[np.int64]
    pitch: npt.NDArray[np.int16]
    velocity: npt.NDArray[np.int16]
    f0: npt.NDArray[np.float64]
    instrument: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]

    def __init__(self, folder: Path, header: dict[str, Any], columns: dict[str, npt.NDArray[Any]]) -> None:
        self.folder, self.header = folder, header
        self.representation: dict[str, Any] = header["representation"]
        self.n_features: int = header["n_features"]
        self.n_frames: int = header["n_frames"]
        self.kind: str = header["kind"]
        for name in (*_TEXT, *_TYPES):
            setattr(self, name, columns[name])
        self._shard, self._row = columns["shard"], columns["row"]
        self._open: dict[int, npt.NDArray[np.float16]] = {}

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open the set in ``folder``; the images are only mapped, not read.

        Raises:
            InputError: If it is no set of images, is unfinished, or its index is damaged.
        """
        folder = Path(folder)
        header = _read_header(folder)
        if not header["finished"]:
            raise InputError(f"the images must be finished, got {folder}; run the command that began them again")
        try:
            with np.load(folder / "index.npz", allow_pickle=False) as archive:
                columns = {name: archive[name] for name in archive.files}
            for name in _TEXT:
                columns[name] = np.strings.decode(columns[name], "utf-8")
            if {len(column) for column in columns.values()} != {sum(header["shards"])}:
                raise ValueError(f"columns that are not of {sum(header['shards'])} images")
            return cls(folder, header, columns)
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{folder / 'index.npz'} must be the index of a set of images, got {error}") from None

    def __len__(self) -> int:
        return len(self.note)

    def digest(self) -> str:
        """Return a short hash of the index and the representation: equal for the same images in the same order."""
        text = json.dumps(self.representation, sort_keys=True).encode()
        return hashlib.sha256(text + (self.folder / "index.npz").read_bytes()).hexdigest()[:16]

    def features(self, rows: npt.ArrayLike) -> Tensor:
        """Read the images in ``rows``, in the order asked; repetitions are allowed.

        Args:
            rows: ``(n,)`` row numbers, 0…len − 1.

        Returns:
            ``(n, n_features, n_frames)`` float32.

        Raises:
            IndexError: If a row does not exist.
            InputError: If a shard is missing or damaged.
        """
        rows = np.asarray(rows, np.int64).reshape(-1)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"rows must be in 0..{len(self) - 1}, got {rows.min()}..{rows.max()}")
        features = np.empty((len(rows), self.n_features, self.n_frames), np.float32)
        for place in np.argsort(rows, kind="stable"):
            row = rows[place]
            features[place] = self._images(int(self._shard[row]))[self._row[row]]
        return torch.from_numpy(features)

    def examples(self) -> Tensor:
        """Return the notes that are kept as sound, ``(notes, samples)``."""
        path = self.folder / "examples.npy"
        try:
            return torch.from_numpy(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path} must hold the examples of a set of images, got {error}") from None

    def _images(self, shard: int) -> npt.NDArray[np.float16]:
        if shard not in self._open:
            path = shard_path(self.folder, shard)
            expected = (self.header["shards"][shard], self.n_features, self.n_frames)
            try:
                images = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise InputError(f"{path} must be a shard of the images, got {error}") from None
            if images.shape != expected or images.dtype != np.float16:
                raise InputError(
                    f"{path} must hold float16 of shape {expected}, got {images.dtype} of shape {images.shape}"
                )
            self._open[shard] = images
        return self._open[shard]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}


def is_images(folder: Path | str) -> bool:
    """Say whether ``folder`` holds images, finished or not."""
    return (Path(folder) / "images.json").is_file()


def begin_images(folder: Path | str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Open ``folder`` for writing: make it, or go on with what an interrupted run left there.

    Args:
        folder: A new or empty folder, or a set of images that was begun with the same settings.
        settings: All that decides the content, for JSON: at least ``representation`` (its settings), ``n_features``,
            ``n_frames`` and ``kind``.

    Returns:
        The content of ``images.json``; ``finished`` says whether anything is left to do.

    Raises:
        InputError: If the folder holds something else, or images made with other settings.
    """
    folder = Path(folder)
    wanted = json.loads(json.dumps({"format": FORMAT, **settings}))
    if is_images(folder):
        found = _read_header(folder)
        if change := first_difference(found, wanted):
            raise InputError(
                f"{folder} must have been begun with the same settings to go on, but {change}; "
                "remove it or name another folder"
            )
        for path in folder.glob(".intertone-*"):
            path.unlink(missing_ok=True)
        return found
    check_own_folder(folder, (), "a set of images")
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "images.json", wanted | {"finished": False})
    return wanted | {"finished": False}


def image_shard_done(folder: Path | str, shard: int) -> bool:
    """Say whether shard number ``shard`` is complete."""
    return shard_path(folder, shard).with_suffix(".json").is_file()


def write_image_shard(folder: Path | str, shard: int, images: npt.ArrayLike, rows: Sequence[ImageRow]) -> None:
    """Write one shard: the images first, then the index part that makes it count.

    Args:
        folder: A folder that ``begin_images`` opened.
        shard: Its number.
        images: ``(images, n_features, n_frames)``; kept in 16 bits.
        rows: One for each image.

    Raises:
        InputError: If the disk does not take it.
        ValueError: If images and rows are not equally many.
    """
    content = np.asarray(images, np.float16)
    if len(content) != len(rows):
        raise ValueError(f"a shard needs one row an image, got {len(content)} and {len(rows)}")
    with replacing(shard_path(folder, shard)) as temporary:
        np.save(temporary, content)
    with replacing(shard_path(folder, shard).with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")


def finish_images(folder: Path | str, shards: int, examples: npt.ArrayLike) -> dict[str, Any]:
    """Gather the index of shards 0…``shards`` − 1 and mark the set as finished.

    Args:
        folder: A folder that ``begin_images`` opened.
        shards: How many shards the set has.
        examples: A few notes as they sound, ``(notes, samples)``.

    Returns:
        The content of ``images.json``, with ``counts``: images of each split.

    Raises:
        InputError: If a shard is missing, or the disk does not take the index.
    """
    folder = Path(folder)
    rows: list[dict[str, Any]] = []
    sizes = []
    for shard in range(shards):
        if not image_shard_done(folder, shard):
            raise InputError(f"{folder} must hold {shards} shards, but shard {shard} is missing")
        part = json.loads(shard_path(folder, shard).with_suffix(".json").read_text(encoding="utf-8"))
        rows += part
        sizes.append(len(part))
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.array([row[name].encode() for row in rows], dtype=np.bytes_) for name in _TEXT
    }
    columns |= {name: np.array([row[name] for row in rows], kind) for name, kind in _TYPES.items()}
    columns["shard"] = np.repeat(np.arange(shards), sizes)
    columns["row"] = np.concatenate([np.arange(0), *(np.arange(size) for size in sizes)])
    with replacing(folder / "index.npz") as temporary, temporary.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **columns)
    with replacing(folder / "examples.npy") as temporary:
        np.save(temporary, np.asarray(examples, np.float32))
    found = Counter(row["split"] for row in rows)
    header = _read_header(folder) | {
        "finished": True,
        "shards": sizes,
        "counts": {split: found[split] for split in SPLITS},
    }
    write_json(folder / "images.json", header)
    return header


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / "images.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"a set of images must have an images.json, got {folder}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be readable JSON, got {error}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(f"{path} must describe images of format {FORMAT}")
    kinds = {"representation": dict, "n_features": int, "n_frames": int, "kind": str, "finished": bool}
    kinds |= {"shards": list, "counts": dict} if header.get("finished") else {}
    for name, kind in kinds.items():
        if not isinstance(header.get(name), kind):
            raise InputError(f"{path} must give {name} as {kind.__name__}, got {header.get(name)!r}")
    return header
