"""Reading note sets: columns to choose by, audio in batches of any order."""

import hashlib
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.data.header import read_header
from intertone.data.shards import TEXT_COLUMNS, dequantise, shard_path
from intertone.errors import InputError

Choice = int | str | Collection[int] | Collection[str] | None


class Notes:
    """A finished note set on disk.

    Columns are numpy arrays with one entry a note: ``name``, ``pitch`` (MIDI number), ``velocity`` (both −1 where
    unknown), ``instrument``, ``family``, ``source``, ``group`` (what stays in one split), ``split``, ``scale``.

    Attributes:
        folder: Where it lies.
        sample_rate: In Hz.
        samples: Length of every note.
        kind: Who wrote it: ``"soundfont"``, ``"nsynth"`` or ``"folder"``.
        header: The content of ``notes.json``.
    """

    name: npt.NDArray[np.str_]
    instrument: npt.NDArray[np.str_]
    family: npt.NDArray[np.str_]
    source: npt.NDArray[np.str_]
    group: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    pitch: npt.NDArray[np.int16]
    velocity: npt.NDArray[np.int16]
    scale: npt.NDArray[np.float64]

    def __init__(self, folder: Path, header: dict[str, Any], columns: dict[str, npt.NDArray[Any]]) -> None:
        self.folder = folder
        self.header = header
        self.sample_rate: int = header["sample_rate"]
        self.samples: int = header["samples"]
        self.kind: str = header["kind"]
        for name in (*TEXT_COLUMNS, "pitch", "velocity", "scale"):
            setattr(self, name, columns[name])
        self._shard = columns["shard"]
        self._row = columns["row"]
        self._open: dict[int, npt.NDArray[np.int16]] = {}

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open the note set in ``folder``; sound is only mapped, not read.

        Raises:
            InputError: If it is no note set, is unfinished, or its index is damaged.
        """
        folder = Path(folder)
        header = read_header(folder, finished=True)
        try:
            with np.load(folder / "index.npz", allow_pickle=False) as archive:
                columns = {name: archive[name] for name in archive.files}
            for name in TEXT_COLUMNS:
                columns[name] = np.strings.decode(columns[name], "utf-8")
            if {len(column) for column in columns.values()} != {sum(header["shards"])}:
                raise ValueError(f"columns that are not of {sum(header['shards'])} notes")
            return cls(folder, header, columns)
        except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{folder / 'index.npz'} must be the index of a note set, got {error}") from None

    def digest(self) -> str:
        """Return a short hash of the index: equal for note sets of the same notes in the same order."""
        return hashlib.sha256((self.folder / "index.npz").read_bytes()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.pitch)

    def select(
        self,
        *,
        split: Choice = None,
        instrument: Choice = None,
        family: Choice = None,
        group: Choice = None,
        pitch: Choice = None,
        velocity: Choice = None,
    ) -> npt.NDArray[np.int64]:
        """Find the rows that fulfil every given condition, in rising order.

        Args:
            split: ``"train"``, ``"valid"``, ``"test"``; here and below also a collection (list, range, …) of values.
            instrument: Instrument name.
            family: Family name.
            group: Group name.
            pitch: MIDI number.
            velocity: Velocity.

        Returns:
            Row numbers, ``(n,)``; none where nothing fits.
        """
        choices = {"split": split, "instrument": instrument, "family": family, "group": group}
        choices |= {"pitch": pitch, "velocity": velocity}
        keep = np.ones(len(self), bool)
        for name, choice in choices.items():
            if choice is not None:
                values: list[Any] = [choice] if isinstance(choice, int | str | np.integer) else list(choice)
                keep &= np.isin(getattr(self, name), values)
        return np.flatnonzero(keep).astype(np.int64)

    def audio(self, rows: npt.ArrayLike | Tensor) -> Tensor:
        """Read the notes in ``rows``, in the order asked; repetitions are allowed.

        The disk is read in rising order whatever the order of ``rows``, so sorting them first gains nothing.

        Args:
            rows: ``(n,)`` row numbers, 0…len − 1.

        Returns:
            ``(n, samples)`` float32 at ``sample_rate`` Hz.

        Raises:
            IndexError: If a row does not exist.
            InputError: If a shard is missing or damaged.
        """
        rows = np.asarray(rows, np.int64).reshape(-1)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"rows must be in 0..{len(self) - 1}, got {rows.min()}..{rows.max()}")
        audio = np.empty((len(rows), self.samples), np.float32)
        for place in np.argsort(rows, kind="stable"):
            row = rows[place]
            pcm = self._shard_audio(int(self._shard[row]))[self._row[row]]
            dequantise(pcm, float(self.scale[row]), out=audio[place])
        return torch.from_numpy(audio)

    def _shard_audio(self, shard: int) -> npt.NDArray[np.int16]:
        if shard not in self._open:
            path = shard_path(self.folder, shard)
            try:
                pcm = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise InputError(f"{path} must be a shard of the note set, got {error}") from None
            expected = (self.header["shards"][shard], self.samples)
            if pcm.shape != expected or pcm.dtype != np.int16:
                raise InputError(f"{path} must hold int16 of shape {expected}, got {pcm.dtype} of shape {pcm.shape}")
            self._open[shard] = pcm
        return self._open[shard]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}
