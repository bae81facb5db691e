"""Batches for classifiers: notes with their instrument family (class) and their pitch (key) as labels."""

from dataclasses import replace

import numpy as np

from intertone.data.notes import Notes
from intertone.models.alexnet import CLASS, KEY, AlexNet, indices
from intertone.models.contract import Batch
from intertone.representation import AnyRepresentation
from intertone.train.note_data import Rows, SoundNotes
from intertone.train.pairs import Pairs
from intertone.train.processes import Processes
from intertone.train.settings import TrainConfig
from intertone.train.source import NoteBatches


class LabelledBatches(NoteBatches):
    """Batches of notes or crops with their classes and keys; notes of a family that is no class are left out.

    Args:
        config: The settings of the run.
        notes: The note set; its instrument families are the classes, its pitches the keys.
        representation: The representation that computes the features.
        model: The classifier that is trained; its settings list the classes and keys.
        workers: The processes that share each step.

    Raises:
        InputError: If the notes do not fit the settings, see ``SoundNotes`` and ``NoteBatches``.
    """

    def __init__(
        self,
        config: TrainConfig,
        notes: Notes,
        representation: AnyRepresentation,
        model: AlexNet,
        workers: Processes,
    ) -> None:
        self.labels = {
            CLASS: indices(model.config.classes, [str(name) for name in notes.family]),
            KEY: indices(model.config.keys, [int(pitch) for pitch in notes.pitch]),
        }
        data = SoundNotes(config, notes, representation, model, workers.device)
        data.usable &= np.asarray(self.labels[CLASS] >= 0)
        super().__init__(config, data, representation, model, workers)

    def batch(self, rows: Rows, pairs: Pairs | None = None, starts: Rows | None = None) -> Batch:
        """Return a batch of notes with their classes and keys as labels; the arguments are those of ``NoteBatches``."""
        labels = {name: values[rows] for name, values in self.labels.items()}
        return replace(super().batch(rows, pairs, starts), labels=labels)
