"""Reading of note sets: selection of notes by the columns of the index, and audio in batches."""

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
    """Finished note set on disk.

    The columns of the index are numpy arrays with one entry per note: ``name``, ``pitch`` (MIDI number), ``velocity``
    (both −1 for unknown), ``instrument``, ``family``, ``source``, ``group`` (its notes are all in one split),
    ``split``, ``scale``.

    Attributes:
        folder: Folder of the set.
        sample_rate: Hz.
        samples: Length of every note, samples.
        kind: Kind of the source: ``"soundfont"``, ``"nsynth"``, ``"folder"`` or ``"virtual-analogue"``.
        header: Content of ``notes.json``.
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
        """Return the note set in ``folder``; its audio is memory-mapped, not read.

        Raises:
            InputError: If ``folder`` is not a note set, or the set is unfinished or its index damaged.
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
        """Return the rows that have the given values, in rising order.

        Each argument is a value, a collection (list, range, …) of alternative values, or None for any value.

        Args:
            split: ``"train"``, ``"valid"`` or ``"test"``.
            instrument: Instrument name.
            family: Family name.
            group: Group name.
            pitch: MIDI number.
            velocity: MIDI velocity.

        Returns:
            Row numbers, ``(n,)``; empty if no row fits.
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
        """Return the audio of notes in the order of ``rows``, which may contain repetitions.

        The disk is read in the order of the rows on disk for any order of ``rows``.

        Args:
            rows: Row numbers, 0…len − 1, ``(n,)``.

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
