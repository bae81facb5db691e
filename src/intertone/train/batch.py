"""The contract of a batch source, the order of the notes, and reading ahead."""

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
"""Notes, training and validation together, from which training makes sense: fewer show no instrument."""

VALIDATED, ORDER, SLICES, PAIRS, FITTED, CROPS, DRAWN = range(1, 8)
"""Purposes of random numbers, so that no two uses share a sequence."""


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message says why."""


class BatchSource(Protocol):
    """Source of the loop's batches; one that inherits has nothing to validate, to fit to and to hear.

    Attributes:
        steps_per_epoch: Batches of one pass.
        n_validation: Batches of one validation.
    """

    steps_per_epoch: int
    n_validation: int

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's share of each step from ``start`` on: a pure function of seed, epoch and rank."""

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield the batches to validate with, each with the name of its group: an empty one where there is only one."""
        yield from ()

    def fitting(self) -> Iterator[Batch]:
        """Yield what a model may be fitted to in closed form: whole notes."""
        yield from ()

    def examples(self) -> Tensor:
        """Return a few validation notes as they sound, ``(notes, samples)``, for the ear."""
        return torch.empty(0, 0)


class Order:
    """Which notes each step of an epoch takes: a pure function of seed, epoch and rank.

    Args:
        config: The settings.
        data: The notes.
        workers: The processes that share each step.

    Raises:
        InputError: If there are too few notes, or a step does not divide among the processes.
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
        """Return the rows of each step of an epoch, ``(steps, processes, rows)``, each process's in rising order."""
        generator = np.random.default_rng([self.config.seed, ORDER, epoch])
        per_epoch = self.config.notes_per_epoch or None
        passes = [generator.permutation(self.train_rows)[:per_epoch] for _ in range(self.config.passes)]
        order: Rows = np.concatenate(passes)
        return shared_steps(order, self.steps_per_epoch, self.config.batch_size, self.workers)

    def slice_starts(self, step: int, n_frames: int) -> Rows:
        """Return where the slices of this process's share of a step begin: a pure function of seed, step and rank."""
        generator = np.random.default_rng([self.config.seed, SLICES, step])
        size = self.config.batch_size // self.workers.size
        starts: Rows = generator.integers(n_frames - self.config.slice_frames + 1, size=(self.workers.size, size))
        own: Rows = starts[self.workers.rank]
        return own

    def validated(self) -> list[Rows]:
        """Return the validation notes in batches."""
        return np.array_split(self.valid_rows, -(-len(self.valid_rows) // self.config.batch_size))

    def fitted(self) -> list[Rows]:
        """Return the training notes that a model is fitted to in closed form, in batches."""
        drawn = np.random.default_rng([self.config.seed, FITTED]).permutation(self.train_rows)
        rows = np.sort(drawn[: self.config.fitted_notes])
        return np.array_split(rows, -(-len(rows) // self.config.batch_size))


def _too_few(batch_size: int, n_training: int, n_valid: int) -> str:
    """Return the sentence on notes that are too few for a step, or for a validation, and on what can be done."""
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
    """Return the beginning of an order as ``(steps, processes, size / processes)``, each share in rising order."""
    return np.sort(order[: steps * size].reshape(steps, workers.size, -1), -1)


def check_shares(size: int, workers: Processes, name: str) -> None:
    """Refuse a step that does not divide among the processes.

    Raises:
        InputError: If it does not.
    """
    if size % workers.size:
        raise InputError(f"{name} must divide among {workers.size} processes, got {size}")


def read_ahead(read: Callable[[int], T], start: int, stop: int) -> Iterator[T]:
    """Yield ``read(start) … read(stop − 1)``; the next one is read while this one is used."""
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, start) if start < stop else None
        for step in range(start, stop):
            assert ahead is not None
            batch = ahead.result()
            ahead = reader.submit(read, step + 1) if step + 1 < stop else None
            yield batch
