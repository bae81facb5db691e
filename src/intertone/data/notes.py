"""Reading note sets: columns to choose by, audio in batches of any order."""

from collections.abc import Collection
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.data.header import NOTE_SET, NoteHeader, read_header
from intertone.data.shards import dequantise
from intertone.data.store import StoredNotes, as_rows

Choice = int | str | Collection[int] | Collection[str] | None


class Notes(StoredNotes[NoteHeader, np.int16]):
    """A finished note set on disk.

    Columns are numpy arrays with one entry a note: ``name``, ``pitch`` (MIDI number), ``velocity`` (both −1 where
    unknown), ``instrument``, ``family``, ``source``, ``group`` (what stays in one split), ``split``, ``scale``.

    Attributes:
        folder: Where it lies.
        sample_rate: In Hz.
        samples: Length of every note.
        kind: Who wrote it: ``"soundfont"``, ``"nsynth"``, ``"folder"`` or ``"virtual-analogue"``.
        header: The content of ``notes.json``.
    """

    name: npt.NDArray[np.str_]
    family: npt.NDArray[np.str_]
    source: npt.NDArray[np.str_]
    scale: npt.NDArray[np.float64]

    def __init__(self, folder: Path, header: NoteHeader, columns: dict[str, npt.NDArray[np.generic]]) -> None:
        super().__init__(NOTE_SET, folder, header, columns, (header["samples"],), np.int16)
        self.sample_rate = header["sample_rate"]
        self.samples = header["samples"]
        self.kind = header["kind"]

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Open the note set in ``folder``; sound is only mapped, not read.

        Raises:
            InputError: If it is no note set, is unfinished, or its index is damaged.
        """
        folder = Path(folder)
        header = read_header(folder, finished=True)
        return cls(folder, header, NOTE_SET.read_index(folder, header["shards"]))

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
                values = [choice] if isinstance(choice, int | str | np.integer) else [*choice]
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
        rows = as_rows(rows)
        audio = np.empty((len(rows), self.samples), np.float32)
        for place, pcm in self._shards.read(rows):
            dequantise(pcm, float(self.scale[rows[place]]), out=audio[place])
        return torch.from_numpy(audio)
