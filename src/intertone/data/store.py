"""Stores on disk: shards, each with its part of the index, so that a killed run goes on where it was.

Storage that note sets (``shards``) and prepared features (``features``) share. A store is a folder::

    <header>.json      the settings that decide the content, counts, whether it is finished
    index.npz          the columns of all items, gathered when the store is finished
    shard-00000.npy    the content of some items, one a row
    shard-00000.json   their lines of the index; its presence says that the shard is complete
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.errors import InputError
from intertone.files import Json, regular, replacing, write_json

FORMAT = 1
MOST_ITEMS = 2**31 - 1
"""Most items of a shard."""

_DIGESTS = {
    "files_sha256": "a sound was added, removed or changed since",
    "sha256": "the bank is another one",
}
_TEMPORARY = (".intertone-*", ".shard-*")
"""Files that a killed run leaves; the second were those of earlier versions."""

UNMEASURED = ("f0",)
"""Numbers of an index that are NaN where nothing was measured."""


class Header(TypedDict):
    """Content of the header of any store; ``shards``, the items of each, only when it is finished."""

    format: int
    finished: bool
    shards: NotRequired[list[int]]


Head = TypeVar("Head", bound=Header)
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class StoreKind(Generic[Head]):
    """A kind of store.

    Attributes:
        header: Name of the file that says what the store is.
        layout: Makes its content of names and values.
        name: Name of such a folder in errors: ``note set``.
        items: Name of its items: ``notes``.
        fields: What the header must give beside ``format``, ``finished`` and, when finished, ``shards`` and ``counts``.
        text: Columns of the index that are text.
        numbers: Its other columns, with their types.
        later: What headers of finished stores by earlier versions may lack, with what is meant then.
    """

    header: str
    layout: Callable[..., Head]
    name: str
    items: str
    fields: Mapping[str, type]
    text: Sequence[str]
    numbers: Mapping[str, npt.DTypeLike]
    later: Mapping[str, Json] = field(default_factory=dict)

    def read_header(self, folder: Path | str, *, finished: bool = False) -> Head:
        """Read the header.

        Args:
            folder: The store.
            finished: Refuse a store that is only begun.

        Returns:
            Its content.

        Raises:
            InputError: If there is none, it is damaged or of another format, or the store must be finished and is not.
        """
        header = self._read_header(folder)
        if finished and not header["finished"]:
            raise InputError(f"the {self.name} must be finished, got {folder}; run the command that began it again")
        return self.layout(**header)

    def _read_header(self, folder: Path | str) -> dict[str, Json]:
        path = Path(folder) / self.header
        try:
            header = json.loads(regular(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            article = "an" if self.header[0] in "aeiou" else "a"
            raise InputError(f"a {self.name} must have {article} {self.header}, got {folder}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path} must be readable JSON, got {error}") from None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise InputError(f"{path} must describe a {self.name} of format {FORMAT}")
        kinds = {**self.fields, "finished": bool}
        if header.get("finished"):
            header = {**self.later, **header}
            kinds |= {"shards": list, "counts": dict, **{name: type(value) for name, value in self.later.items()}}
        for name, kind in kinds.items():
            if not isinstance(header.get(name), kind):
                raise InputError(f"{path} must give {name} as {kind.__name__}, got {header.get(name)!r}")
        sizes = header.get("shards", [])
        if not all(isinstance(size, int) and 0 <= size <= MOST_ITEMS for size in sizes):
            raise InputError(f"{path} must give shards as numbers of {self.items} from 0 to {MOST_ITEMS:,}")
        return header

    def begin(self, folder: Path | str, settings: Mapping[str, Json]) -> Head:
        """Open ``folder`` for writing: make it, or go on with what an interrupted run left there.

        Args:
            folder: A new or empty folder, or a store that was begun with the same settings.
            settings: All that decides the content, for JSON.

        Returns:
            The header; ``finished`` says whether anything is left to do.

        Raises:
            InputError: If the folder holds something else, or a store made with other settings.
        """
        folder = Path(folder)
        wanted = json.loads(json.dumps({"format": FORMAT, **settings}))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            present = sorted(path.name for path in folder.iterdir())
        except OSError as error:
            raise InputError(
                f"the output must be a folder that can be written to, got {folder}: {error.strerror}"
            ) from None
        if self.header in present:
            found = self._read_header(folder)
            if change := _first_difference(found, wanted):
                raise InputError(
                    f"{folder} must have been begun with the same settings to go on, but {change}; "
                    "remove it or name another folder"
                )
            discard(folder, _TEMPORARY)
            return self.layout(**found)
        if any(not name.startswith(".") for name in present):
            raise InputError(
                f"the output must be a new or empty folder or a {self.name}, got {folder}, which holds {present[-1]}"
            )
        header = self.layout(**wanted, finished=False)
        write_json(folder / self.header, header)
        return header

    def write_index(self, folder: Path, rows: Sequence[Mapping[str, str | float]], sizes: Sequence[int]) -> None:
        """Write the columns of all items, and where each lies.

        Args:
            folder: The store.
            rows: One line for each item.
            sizes: Items of each shard.
        """
        columns: dict[str, npt.NDArray[np.generic]] = {
            name: np.array([str(row[name]).encode() for row in rows], dtype=np.bytes_) for name in self.text
        }
        columns |= {name: np.array([row[name] for row in rows], kind) for name, kind in self.numbers.items()}
        columns["shard"] = np.repeat(np.arange(len(sizes)), sizes)
        columns["row"] = np.concatenate([np.arange(0), *(np.arange(size) for size in sizes)])
        with replacing(folder / "index.npz") as temporary, temporary.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **columns)

    def read_index(self, folder: Path, sizes: Sequence[int]) -> dict[str, npt.NDArray[np.generic]]:
        """Read what ``write_index`` wrote, the text as text.

        Raises:
            InputError: If it is damaged, or of other sizes.
        """
        try:
            names = (*self.text, *self.numbers, "shard", "row")
            with zipfile.ZipFile(regular(folder / "index.npz")) as archive:
                columns = {name: self._read_column(archive, name, sum(sizes)) for name in names}
            for name in self.text:
                columns[name] = np.strings.decode(np.asarray(columns[name], np.bytes_), "utf-8")
            for name in (*self.numbers, "shard", "row"):
                wrong = np.isinf(columns[name]) if name in UNMEASURED else ~np.isfinite(columns[name])
                if wrong.any():
                    raise ValueError(f"values of {name} that are no numbers")
            shard, row = (np.asarray(columns[name], np.int64) for name in ("shard", "row"))
            inside = (shard >= 0) & (shard < len(sizes))
            if not inside.all() or (row < 0).any() or (row >= np.array(sizes)[shard]).any():
                raise ValueError("places in shards that do not exist")
            return columns
        except (OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
            raise InputError(f"{folder / 'index.npz'} must be the index of a {self.name}, got {error}") from None

    def _read_column(self, archive: zipfile.ZipFile, name: str, length: int) -> npt.NDArray[np.generic]:
        """Read a column of the index after its header has been compared with the size of the file.

        Raises:
            ValueError: If it is another array than ``write_index`` writes.
            KeyError: If there is none of this name.
        """
        member = archive.getinfo(f"{name}.npy")
        with archive.open(member) as handle:
            version = np.lib.format.read_magic(handle)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(handle)
            if shape != (length,) or dtype.kind not in "Sif":
                raise ValueError(
                    f"columns that are not of {length} {self.items}: {name} of shape {shape} and type {dtype}"
                )
            n_bytes = length * dtype.itemsize
            if member.compress_type != zipfile.ZIP_STORED or n_bytes != member.file_size - handle.tell():
                raise ValueError(f"{name} of {member.file_size} bytes, where {n_bytes} bytes of values must be")
            return np.frombuffer(handle.read(n_bytes), dtype)


class Shards(Generic[Value]):
    """The content of a finished store; shards are mapped when they are first read.

    Args:
        kind: Kind of the store.
        folder: Where it lies.
        sizes: Items of each shard.
        columns: From ``StoreKind.read_index``.
        shape: Shape of one item.
        dtype: Type of its values.
    """

    def __init__(
        self,
        kind: StoreKind[Head],
        folder: Path,
        sizes: Sequence[int],
        columns: Mapping[str, npt.NDArray[np.generic]],
        shape: tuple[int, ...],
        dtype: type[Value],
    ) -> None:
        self.name, self.folder, self.sizes = kind.name, folder, sizes
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._shard, self._row = (np.asarray(columns[name], np.int64) for name in ("shard", "row"))
        self._open: dict[int, npt.NDArray[Value]] = {}

    def read(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[Value]]]:
        """Yield each place of ``rows`` with the data of that row; the disk is read in rising order.

        Raises:
            IndexError: If a row does not exist.
            InputError: If a shard is missing or damaged.
        """
        if rows.size and (rows.min() < 0 or rows.max() >= len(self._row)):
            raise IndexError(f"rows must be in 0..{len(self._row) - 1}, got {rows.min()}..{rows.max()}")
        for place in np.argsort(rows, kind="stable"):
            row = rows[place]
            yield int(place), self._mapped(int(self._shard[row]))[self._row[row]]

    def _mapped(self, shard: int) -> npt.NDArray[Value]:
        if shard not in self._open:
            path, expected = shard_path(self.folder, shard), (self.sizes[shard], *self.shape)
            try:
                content = np.load(regular(path), mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError, OverflowError) as error:
                raise InputError(f"{path} must be a shard of the {self.name}, got {error}") from None
            if content.shape != expected or content.dtype != self.dtype:
                raise InputError(
                    f"{path} must hold {self.dtype} of shape {expected}, got {content.dtype} of shape {content.shape}"
                )
            self._open[shard] = content
        return self._open[shard]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}


class StoredNotes(Generic[Head, Value]):
    """Stored notes, as sound or as features: columns, with one entry a note, and the content of shards.

    Args:
        store: Which of the two it is; each of its columns becomes an attribute.
        folder: Where it lies.
        header: The content of its header.
        columns: From ``StoreKind.read_index``.
        shape: Shape of what is stored of one note.
        dtype: Type of its values.
    """

    pitch: npt.NDArray[np.int16]
    velocity: npt.NDArray[np.int16]
    instrument: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    kind: str

    def __init__(
        self,
        store: StoreKind[Head],
        folder: Path,
        header: Head,
        columns: Mapping[str, npt.NDArray[np.generic]],
        shape: tuple[int, ...],
        dtype: type[Value],
    ) -> None:
        self.folder, self.header = folder, header
        for name in (*store.text, *store.numbers):
            setattr(self, name, columns[name])
        self._shards = Shards(store, folder, header["shards"], columns, shape, dtype)

    def __len__(self) -> int:
        return len(self.pitch)

    def digest(self) -> str:
        """Return a short hash of the index: equal for the same notes in the same order."""
        return hashlib.sha256((self.folder / "index.npz").read_bytes()).hexdigest()[:16]


def write_shard_files(folder: Path | str, shard: int, content: npt.NDArray[np.generic] | None, part: str) -> None:
    """Write one shard: the content first, then the index part that makes it count.

    Args:
        folder: A store that was begun.
        shard: Its number.
        content: One item a row; None writes no such file.
        part: JSON of its lines of the index and what else ``gather_parts`` shall return.

    Raises:
        InputError: If the disk does not take it.
    """
    if content is not None:
        with replacing(shard_path(folder, shard)) as temporary, temporary.open("wb") as handle:
            content = np.ascontiguousarray(content)
            np.lib.format.write_array_header_1_0(handle, np.lib.format.header_data_from_array_1_0(content))
            handle.write(content.data)  # unlike numpy.save, it says why a disk does not take it
    with replacing(_part_path(folder, shard)) as temporary:
        temporary.write_text(part, encoding="utf-8")


def gather_parts(folder: Path, shards: int) -> list[str]:
    """Read the index parts of shards 0…``shards`` − 1, as JSON.

    Raises:
        InputError: If a shard is missing.
    """
    for shard in range(shards):
        if not shard_done(folder, shard):
            raise InputError(f"{folder} must hold {shards} shards, but shard {shard} is missing")
    return [_part_path(folder, shard).read_text(encoding="utf-8") for shard in range(shards)]


def shard_done(folder: Path | str, shard: int) -> bool:
    """Say whether shard number ``shard`` is complete."""
    return _part_path(folder, shard).is_file()


def shard_path(folder: Path | str, shard: int) -> Path:
    """Name the file with the content of shard number ``shard``."""
    return Path(folder) / f"shard-{shard:05d}.npy"


def discard(folder: Path, patterns: Sequence[str]) -> None:
    """Remove the files of a folder whose names fit one of some patterns."""
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        path.unlink(missing_ok=True)


def as_rows(rows: npt.ArrayLike | Tensor) -> npt.NDArray[np.int64]:
    """Return row numbers as ``(n,)``, int64."""
    return np.asarray(rows, np.int64).reshape(-1)


def _part_path(folder: Path | str, shard: int) -> Path:
    return shard_path(folder, shard).with_suffix(".json")


def _first_difference(found: Mapping[str, Json], wanted: Mapping[str, Json]) -> str:
    """Say in words where the settings of a store differ from those that are wanted; empty if nowhere."""
    for name, value in wanted.items():
        was = found.get(name)
        if was != value and isinstance(was, dict) and isinstance(value, dict):
            for inner in {**was, **value}:
                if was.get(inner) != value.get(inner):
                    if inner in _DIGESTS:
                        return _DIGESTS[inner]
                    return f"{inner} was {was.get(inner)} there and is {value.get(inner)} now"
        if was != value:
            return f"{name} was {was} there and is {value} now"
    return ""
