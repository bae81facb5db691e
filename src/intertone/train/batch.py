"""Interface of a batch source, order of the notes in an epoch, and reading of batches in a second thread."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.models.contract import Batch
from intertone.train.note_data import NoteData, Rows
from intertone.train.processes import Processes
from intertone.train.settings import TrainConfig

T = TypeVar("T")

LEAST_NOTES = 10
"""Smallest number of notes, training and validation together, for which training is useful."""

VALIDATED, ORDER, SLICES, PAIRS, FITTED, CROPS, DRAWN = range(1, 8)
"""Numbers in random seeds, one for each use of random numbers, so that no two uses draw the same sequence."""


class TrainingStoppedError(RuntimeError):
    """Error of a training run that cannot continue; the message gives the reason."""


class BatchSource(Protocol):
    """Source of the batches of a training run.

    A subclass must define ``batches``; ``validation``, ``fitting`` and ``examples`` are empty by default.

    Attributes:
        steps_per_epoch: Number of training batches in one epoch.
        n_validation: Number of batches in one validation.
    """

    steps_per_epoch: int
    n_validation: int

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's part of each step's batch from ``start`` on; it depends on seed, epoch and rank only."""

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield ``(group, batch)`` for each validation batch; the group is an empty string if there is only one."""
        yield from ()

    def fitting(self) -> Iterator[Batch]:
        """Yield batches of whole training notes for a fit in closed form."""
        yield from ()

    def examples(self) -> Tensor:
        """Return the audio of a few validation notes, ``(notes, samples)``, for the sample sounds of the run."""
        return torch.empty(0, 0)


class Order:
    """Assignment of notes to the steps of an epoch; it depends on seed, epoch and rank only.

    Args:
        config: The settings of the run.
        data: The notes.
        workers: The processes that share each step.

    Raises:
        InputError: If the training split has fewer than ``batch_size`` usable notes, the validation split has none, or
            ``batch_size`` is not a multiple of the number of processes.
    """

    def __init__(self, config: TrainConfig, data: NoteData, workers: Processes) -> None:
        self.train_rows, valid_rows = (
            np.flatnonzero(data.usable & (data.split == split)) for split in ("train", "valid")
        )
        check_shares(config.batch_size, workers, "batch_size")
        per_epoch = min(config.notes_per_epoch or len(self.train_rows), len(self.train_rows))
        self.steps_per_epoch = config.passes * per_epoch // config.batch_size
        if len(self.train_rows) < config.batch_size or not len(valid_rows):
            raise InputError(_too_few(config.batch_size, len(self.train_rows), len(valid_rows)))
        generator = np.random.default_rng([config.seed, VALIDATED])
        chosen = generator.permutation(len(valid_rows))[: config.choice.valid_notes]
        self.config, self.workers, self.valid_rows = config, workers, valid_rows[np.sort(chosen)]

    def steps(self, epoch: int) -> Rows:
        """Return the row numbers of an epoch, ``(steps, processes, rows)``, sorted along the last axis."""
        generator = np.random.default_rng([self.config.seed, ORDER, epoch])
        per_epoch = self.config.notes_per_epoch or None
        passes = [generator.permutation(self.train_rows)[:per_epoch] for _ in range(self.config.passes)]
        order: Rows = np.concatenate(passes)
        return shared_steps(order, self.steps_per_epoch, self.config.batch_size, self.workers)

    def slice_starts(self, step: int, n_frames: int) -> Rows:
        """Return the first frame of each slice of a step for this process, ``(batch_size / processes,)``."""
        generator = np.random.default_rng([self.config.seed, SLICES, step])
        size = self.config.batch_size // self.workers.size
        starts: Rows = generator.integers(n_frames - self.config.slice_frames + 1, size=(self.workers.size, size))
        own: Rows = starts[self.workers.rank]
        return own

    def validated(self) -> list[Rows]:
        """Return the row numbers of the validation notes, split into batches."""
        return np.array_split(self.valid_rows, -(-len(self.valid_rows) // self.config.batch_size))

    def fitted(self) -> list[Rows]:
        """Return the row numbers of the training notes for a fit in closed form, split into batches."""
        drawn = np.random.default_rng([self.config.seed, FITTED]).permutation(self.train_rows)
        rows = np.sort(drawn[: self.config.fitted_notes])
        return np.array_split(rows, -(-len(rows) // self.config.batch_size))


def _too_few(batch_size: int, n_training: int, n_valid: int) -> str:
    """Return the error sentence for too few training or validation notes, with a way to solve it."""
    found = (
        f"the training split must hold at least batch_size={batch_size} of the chosen notes and the validation split "
        f"one, got {n_training} and {n_valid}"
    )
    if n_training + n_valid < LEAST_NOTES:
        return f"{found}; record more sounds: {LEAST_NOTES} are the least"
    if not n_valid:
        return f"{found}; import the sounds again with --split-by note"
    return f"{found}; set batch_size to {n_training} or less, or fine-tune a codec: `intertone train --from harmonic`"


def shared_steps(order: Rows, steps: int, size: int, workers: Processes) -> Rows:
    """Return the first ``steps · size`` entries of ``order`` as ``(steps, processes, size / processes)``, sorted."""
    return np.sort(order[: steps * size].reshape(steps, workers.size, -1), -1)


def check_shares(size: int, workers: Processes, name: str) -> None:
    """Refuse a batch size that the processes cannot share equally.

    Args:
        size: Notes or frames in one step.
        workers: The processes that share each step.
        name: Name of the setting, for the message.

    Raises:
        InputError: If ``size`` is not a multiple of the number of processes.
    """
    if size % workers.size:
        raise InputError(f"{name} must divide among {workers.size} processes, got {size}")


def read_ahead(read: Callable[[int], T], start: int, stop: int) -> Iterator[T]:
    """Yield ``read(start) … read(stop − 1)``; a second thread reads the next value while the caller uses this one."""
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, start) if start < stop else None
        for step in range(start, stop):
            assert ahead is not None
            batch = ahead.result()
            ahead = reader.submit(read, step + 1) if step + 1 < stop else None
            yield batch
