"""Store on disk, which note sets (``shards``) and prepared features (``features``) share.

Content is written in shards, each with its index rows, so that an interrupted run can be resumed. A store is a folder::

    <header>.json      settings on which the content depends, counts, whether the store is finished
    index.npz          columns of the index of all items, written when the store is finished
    shard-00000.npy    content of some items, one per row
    shard-00000.json   their index rows; if this file exists, the shard is complete
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
"""Largest number of items in a shard."""

_DIGESTS = {
    "files_sha256": "a sound was added, removed or changed since",
    "sha256": "the SoundFont is another one",
}
_TEMPORARY = (".intertone-*", ".shard-*")
"""Patterns of temporary files of a killed run; the second pattern is that of earlier versions."""
UNMEASURED = ("f0",)
"""Columns of an index that may contain NaN, for values that were not measured."""


class Header(TypedDict):
    """Content of the header of any store; ``shards``, the number of items of each, exists only in a finished store."""

    format: int
    finished: bool
    shards: NotRequired[list[int]]


Head = TypeVar("Head", bound=Header)
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class StoreKind(Generic[Head]):
    """Description of a kind of store.

    Attributes:
        header: File name of the header.
        layout: Type of the header's content, called with its entries.
        name: Name of the store in error sentences, such as ``note set``.
        items: Name of the items in error sentences, such as ``notes``.
        fields: Required entries of the header with their types, other than those that all stores have.
        text: Names of the text columns of the index.
        numbers: Names and types of the numerical columns of the index.
        later: Entries that headers of earlier versions may lack, with their default values.
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
            folder: Folder of the store.
            finished: Whether an unfinished store is refused.

        Returns:
            Content of the header.

        Raises:
            InputError: If the header does not exist, is damaged or has another format version, or the store is
                unfinished and ``finished`` is True.
        """
        header = self._read_header(folder)
        if finished and not header["finished"]:
            raise InputError(f"the {self.name} must be finished, got {folder}; repeat the command that began it")
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
        """Make ``folder`` for writing, or open that of an interrupted run to resume it.

        Args:
            folder: A new or empty folder, or a store that was begun with the same settings.
            settings: All settings on which the content depends, as JSON content.

        Returns:
            Content of the header; ``finished`` is True if the store is complete.

        Raises:
            InputError: If the folder holds other files, or a store with other settings.
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
                    f"{folder} must have been begun with the same settings to be resumed, but {change}; "
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
        """Write the columns of the index, with shard and row of each item.

        Args:
            folder: Folder of the store.
            rows: Index row of each item.
            sizes: Number of items of each shard.
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
        """Return the columns of the index by name.

        Raises:
            InputError: If the index is damaged, or does not fit ``sizes``.
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
        """Return a column of the index; its array header is compared with the size of the file before it is read.

        Raises:
            ValueError: If the array has another length, type or storage than ``write_index`` writes.
            KeyError: If there is no column of this name.
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
    """Content of a finished store; a shard is memory-mapped when it is first read.

    Args:
        kind: Kind of the store.
        folder: Folder of the store.
        sizes: Number of items of each shard.
        columns: Columns from ``StoreKind.read_index``.
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
        """Yield each index into ``rows`` with the content of that row, in the order of the rows on disk.

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
    """Base class of note sets and sets of features: columns with one entry per note, and the content of shards.

    Args:
        store: Kind of the store; each of its columns becomes an attribute.
        folder: Folder of the store.
        header: Content of its header.
        columns: Columns from ``StoreKind.read_index``.
        shape: Shape of the stored content of one note.
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
        """Return a hash of the index, 16 hexadecimal digits; it depends on the order of the notes."""
        return hashlib.sha256((self.folder / "index.npz").read_bytes()).hexdigest()[:16]


def write_shard_files(folder: Path | str, shard: int, content: npt.NDArray[np.generic] | None, part: str) -> None:
    """Write one shard: the content first, then its index rows, which mark it as complete.

    Args:
        folder: A store that was begun.
        shard: Number of the shard.
        content: One item per row; None: the shard has no items and no file for them.
        part: JSON text of its index rows and of further data that ``gather_parts`` returns.

    Raises:
        InputError: If the files cannot be written.
    """
    if content is not None:
        with replacing(shard_path(folder, shard)) as temporary, temporary.open("wb") as handle:
            content = np.ascontiguousarray(content)
            np.lib.format.write_array_header_1_0(handle, np.lib.format.header_data_from_array_1_0(content))
            handle.write(content.data)  # unlike numpy.save, it raises an error with the reason of a failure
    with replacing(_part_path(folder, shard)) as temporary:
        temporary.write_text(part, encoding="utf-8")


def gather_parts(folder: Path, shards: int) -> list[str]:
    """Return the JSON texts with the index rows of shards 0…``shards`` − 1.

    Raises:
        InputError: If a shard is missing.
    """
    for shard in range(shards):
        if not shard_done(folder, shard):
            raise InputError(f"{folder} must hold {shards} shards, but shard {shard} is missing")
    return [_part_path(folder, shard).read_text(encoding="utf-8") for shard in range(shards)]


def shard_done(folder: Path | str, shard: int) -> bool:
    """Return whether shard number ``shard`` is complete."""
    return _part_path(folder, shard).is_file()


def shard_path(folder: Path | str, shard: int) -> Path:
    """Return the path of the content of shard number ``shard``."""
    return Path(folder) / f"shard-{shard:05d}.npy"


def discard(folder: Path, patterns: Sequence[str]) -> None:
    """Remove the files of a folder whose names match one of the patterns."""
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        path.unlink(missing_ok=True)


def as_rows(rows: npt.ArrayLike | Tensor) -> npt.NDArray[np.int64]:
    """Return row numbers as an int64 array, ``(n,)``."""
    return np.asarray(rows, np.int64).reshape(-1)


def _part_path(folder: Path | str, shard: int) -> Path:
    return shard_path(folder, shard).with_suffix(".json")


def _first_difference(found: Mapping[str, Json], wanted: Mapping[str, Json]) -> str:
    """Return a sentence on the first setting of a store that differs from the wanted one; empty if none differs."""
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
