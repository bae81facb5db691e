"""What the two kinds of training material share: steps in a fixed order, read ahead, and what may go wrong."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from intertone.errors import InputError
from intertone.train.processes import Processes
from intertone.train.settings import TrainConfig

Batch = TypeVar("Batch")

ORDER, SLICES, PAIRS, JUDGED, FITTED = 2, 3, 4, 1, 5
"""What a random number is for, so that no two uses share a sequence."""


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message says why."""


@dataclass
class Judgement:
    """What a model does on the validation notes.

    Attributes:
        loss: Mean over the notes.
        loudest: Highest feature that the model gave.
        details: Further numbers for the log.
    """

    loss: float
    loudest: float
    details: dict[str, float] = field(default_factory=dict)


class Order:
    """Which notes each step of an epoch takes: a pure function of seed, epoch and rank.

    Args:
        config: The settings.
        train_rows: All notes that may be trained with.
        valid_rows: All notes that may be judged.
        workers: The processes that share each step.

    Raises:
        InputError: If there are too few notes, or a step does not divide among the processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        train_rows: npt.NDArray[np.int64],
        valid_rows: npt.NDArray[np.int64],
        workers: Processes,
    ) -> None:
        if config.batch_size % workers.size:
            raise InputError(f"batch_size must divide among {workers.size} processes, got {config.batch_size}")
        per_epoch = min(config.notes_per_epoch or len(train_rows), len(train_rows))
        self.steps_per_epoch = per_epoch // config.batch_size
        if not self.steps_per_epoch or not len(valid_rows):
            raise InputError(
                f"the training split must hold at least batch_size={config.batch_size} of the chosen notes and the "
                f"validation split one, got {len(train_rows)} and {len(valid_rows)}"
            )
        chosen = np.random.default_rng([config.seed, JUDGED]).permutation(len(valid_rows))[: config.choice.valid_notes]
        self.config, self.workers = config, workers
        self.train_rows, self.valid_rows = train_rows, valid_rows[np.sort(chosen)]

    def steps(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the rows of each step of an epoch, ``(steps, processes, rows)``, each process's in rising order."""
        order = np.random.default_rng([self.config.seed, ORDER, epoch]).permutation(self.train_rows)
        size = self.config.batch_size // self.workers.size
        steps = order[: self.steps_per_epoch * self.config.batch_size].reshape(self.steps_per_epoch, -1, size)
        return np.sort(steps, -1)

    def slice_starts(self, step: int, n_frames: int) -> npt.NDArray[np.int64]:
        """Return where the slices of this process's share of a step begin: a pure function of seed, step and rank."""
        generator = np.random.default_rng([self.config.seed, SLICES, step])
        size = self.config.batch_size // self.workers.size
        starts = generator.integers(n_frames - self.config.slice_frames + 1, size=(self.workers.size, size))
        return starts[self.workers.rank]

    def judged(self) -> list[npt.NDArray[np.int64]]:
        """Return the validation notes in batches."""
        return np.array_split(self.valid_rows, -(-len(self.valid_rows) // self.config.batch_size))


def chosen_rows(
    config: TrainConfig, pitch: npt.NDArray[np.integer], instrument: npt.NDArray[np.str_]
) -> npt.NDArray[np.bool_]:
    """Say which notes ``config.choice`` takes, by their columns."""
    choice = config.choice
    keep = np.ones(len(pitch), bool)
    if (choice.pitch_min, choice.pitch_max) != (0, 127):
        keep &= (pitch >= choice.pitch_min) & (pitch <= choice.pitch_max)
    if choice.instruments:
        keep &= np.isin(instrument, choice.instruments)
    return keep


def read_ahead(read: Callable[[int], Batch], start: int, stop: int) -> Iterator[Batch]:
    """Yield ``read(start) … read(stop − 1)``; the next one is read while this one is used."""
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, start) if start < stop else None
        for step in range(start, stop):
            assert ahead is not None
            batch = ahead.result()
            ahead = reader.submit(read, step + 1) if step + 1 < stop else None
            yield batch


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which a model is run in ``precision``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
