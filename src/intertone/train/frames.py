"""Training batches of single frames from all notes, shuffled anew in every epoch."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.files import disk_errors
from intertone.models.contract import Batch, Trainable
from intertone.representation import AnyRepresentation
from intertone.train.batch import ORDER, check_shares, read_ahead, shared_steps
from intertone.train.note_data import NoteData, Rows
from intertone.train.processes import Processes
from intertone.train.settings import TrainConfig
from intertone.train.source import NoteBatches

BYTES_IN_MEMORY = 2_000_000_000
"""Largest size in bytes of the frames that are held in memory; more frames are read from the temporary file."""


class FrameBatches(NoteBatches):
    """Batches of single frames, ``(batch, n_features, 1)``, drawn from all training notes; silent frames are left out.

    A frame is silent if all its features are 0. All frames are written once to a temporary file, and also held in
    memory if they are smaller than ``BYTES_IN_MEMORY``. The target of each frame is the frame itself. Validation,
    fitting and examples use whole notes.

    Args:
        config: The settings of the run.
        data: The notes.
        representation: The representation that the features are in.
        model: The model that is trained.
        workers: The processes that share each step.

    Raises:
        InputError: If there are fewer than ``frames_per_batch`` frames, or ``frames_per_batch`` is not a multiple of
            the number of processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: NoteData,
        representation: AnyRepresentation,
        model: Trainable,
        workers: Processes,
    ) -> None:
        super().__init__(config, data, representation, model, workers)
        check_shares(config.frames_per_batch, workers, "frames_per_batch")
        rows = self.order.train_rows
        whole = (self.batch(part) for part in np.array_split(rows, -(-len(rows) // config.batch_size)))
        self._frames = _collect(whole)
        self.steps_per_epoch = len(self._frames.note) // config.frames_per_batch
        if not self.steps_per_epoch:
            raise InputError(
                f"the training notes must hold at least frames_per_batch={config.frames_per_batch} frames that are "
                f"not silent, got {len(self._frames.note)}"
            )

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's part of each step's batch from ``start`` on; it depends on seed, epoch and rank only."""
        order: Rows = np.random.default_rng([self.config.seed, ORDER, epoch]).permutation(len(self._frames.note))
        steps = shared_steps(order, self.steps_per_epoch, self.config.frames_per_batch, self.workers)
        return read_ahead(lambda step: self._frame_batch(steps[step, self.workers.rank]), start, len(steps))

    def _frame_batch(self, rows: Rows) -> Batch:
        features, chosen = torch.from_numpy(self._frames.features[rows])[..., None], torch.from_numpy(rows)
        conditions = {name: value[chosen][..., None] for name, value in self._frames.conditions.items()}
        weight = self._frames.weight
        weight = None if weight is None else weight[self._frames.note[chosen]]
        return Batch(features, features, conditions, conditions, weight)


@dataclass(frozen=True)
class _Frames:
    """Frames of all training notes that are not silent.

    Attributes:
        features: ``(n_frames, n_features)``, in memory or mapped from the temporary file.
        note: Index of the note that each frame comes from, ``(n_frames,)``.
        conditions: Condition name → ``(n_frames, size)``.
        weight: Weight of each feature in the loss, for each note, ``(notes, n_features, 1)``; None: all count equally.
    """

    features: npt.NDArray[np.float32]
    note: Tensor
    conditions: dict[str, Tensor]
    weight: Tensor | None


def _collect(whole: Iterable[Batch]) -> _Frames:
    file = tempfile.TemporaryFile(prefix="intertone-frames-")  # noqa: SIM115, closed with the array that maps it
    notes: list[Tensor] = []
    weights: list[Tensor] = []
    conditions: dict[str, list[Tensor]] = {}
    n_notes = n_features = 0
    for batch in whole:
        n_features, n_frames = batch.features.shape[1:]
        frames = _in_rows(batch.features, n_frames)
        heard = (frames != 0).any(1)
        with disk_errors(Path(tempfile.gettempdir())):
            file.write(frames[heard].numpy().tobytes())
        numbers = torch.arange(n_notes, n_notes + len(batch.features))
        notes.append(numbers.repeat_interleave(n_frames)[heard])
        n_notes += len(batch.features)
        weights += [] if batch.weight is None else [batch.weight]
        for name, value in batch.conditions.items():
            conditions.setdefault(name, []).append(_in_rows(value, n_frames)[heard])
    note = torch.cat(notes)
    with disk_errors(Path(tempfile.gettempdir())):
        file.flush()
    shape = (len(note), n_features)
    features = np.memmap(file, np.float32, "r", shape=shape) if len(note) else np.empty(shape, np.float32)
    if features.nbytes <= BYTES_IN_MEMORY:
        features = np.array(features)
    together = {name: torch.cat(values) for name, values in conditions.items()}
    return _Frames(features, note, together, torch.cat(weights) if weights else None)


def _in_rows(value: Tensor, n_frames: int) -> Tensor:
    """Return ``(batch, size, 1 or n_frames)`` as ``(batch · n_frames, size)``, on the CPU."""
    return value.cpu().expand(-1, -1, n_frames).transpose(1, 2).flatten(0, 1)
