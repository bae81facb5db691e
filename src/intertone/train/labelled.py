"""Batches of notes with the class and the key of each, for classifiers."""

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
    """Batches of notes, or of a crop of each, with their classes and keys; notes of no class are left out.

    Args:
        config: The settings.
        notes: The note set; its families are the classes, its pitches the keys.
        representation: Makes the features.
        model: What is trained; it says which classes and keys there are.
        workers: The processes that share each step.

    Raises:
        InputError: If notes and settings do not fit.
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
        """Return a batch of notes, their classes and their keys; arguments as of ``NoteBatches``."""
        labels = {name: values[rows] for name, values in self.labels.items()}
        return replace(super().batch(rows, pairs, starts), labels=labels)
