"""Training on notes as they sound: features are made on the training device, and a model gives them back."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.losses import mean_squared_error
from intertone.models import ConvConfig, DenseBottleneckConfig
from intertone.representation import build_representation
from intertone.train.batch import Judgement, Order, TrainingStoppedError, autocast, chosen_rows, read_ahead
from intertone.train.processes import Processes
from intertone.train.settings import TrainConfig


class SoundMaterial:
    """Notes, and the loss of a model on them: the mean squared error of their features.

    Args:
        config: The settings.
        notes: The note set.
        workers: The processes that share each step.

    Raises:
        InputError: If notes and settings do not fit.
    """

    judgements = 1
    """Times that a validation note is judged."""

    def __init__(self, config: TrainConfig, notes: Notes, workers: Processes) -> None:
        self.config, self.notes, self.workers = config, notes, workers
        if not isinstance(config.model, ConvConfig):
            raise InputError(
                f"a {config.model.kind} model must be trained on prepared images, got a note set; see "
                "`intertone data prepare`"
            )
        self.representation = build_representation(config.representation)
        self.n_features = self.representation.n_features
        if notes.sample_rate != self.representation.sample_rate:
            raise InputError(
                f"the notes must have the representation's sample_rate={self.representation.sample_rate}, "
                f"got {notes.sample_rate}"
            )
        _check_length(config, config.model, self.representation.n_frames(notes.samples))
        keep = chosen_rows(config, notes.pitch, notes.instrument)
        train, valid = (np.flatnonzero(keep & (notes.split == split)) for split in ("train", "valid"))
        self.order = Order(config, train, valid, workers)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Tensor]:
        """Yield this process's share of each step, ``(notes, samples)``."""
        steps = self.order.steps(epoch)
        return read_ahead(lambda step: self.notes.audio(steps[step, self.workers.rank]), start, len(steps))

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of notes ``(notes, samples)``, each with its own reference."""
        with torch.no_grad():
            return self.representation.analyse(audio.to(self.workers.device).unsqueeze(1))[0]

    def training_features(self, audio: Tensor, step: int) -> Tensor:
        """Return what a step sees of notes ``(notes, samples)``: their features, or a slice of each.

        A slice has the reference of its whole note.
        """
        features, length = self.features(audio), self.config.slice_frames
        if not length:
            return features
        starts = self.order.slice_starts(step, features.shape[-1])
        return torch.stack([image[:, start : start + length] for image, start in zip(features, starts, strict=True)])

    def loss(self, model: nn.Module, audio: Tensor, step: int, precision: str) -> Tensor:
        """Return a step's loss on notes ``(notes, samples)``.

        Raises:
            TrainingStoppedError: If the notes are silent.
        """
        if not bool(audio.any()):
            raise TrainingStoppedError("a batch of notes was silent; look at the note set with `intertone data info`")
        features = self.training_features(audio, step)
        with autocast(features.device, precision):
            estimate = model(features)
        return mean_squared_error(estimate.float(), features)

    def judge(self, model: nn.Module, precision: str) -> Judgement:
        """Return how well a model does on the whole validation notes."""
        total, loudest = 0.0, 0.0
        for rows in self.order.judged():
            features = self.features(self.notes.audio(rows))
            with autocast(features.device, precision):
                estimate = model(features).float()
            total += float(mean_squared_error(estimate, features)) * len(rows)
            loudest = max(loudest, float(estimate.max()))
        return Judgement(total / len(self.order.valid_rows), loudest)

    def describe(self, loss: float) -> tuple[str, float, str]:
        """Return what a loss is in dB: its name in the log, the number, and what to call it."""
        return "rmse_db", math.sqrt(loss) * self.representation.scales[0].range_db, "RMSE"

    def begin(self, model: nn.Module) -> None:
        """Leave a new model as it is."""

    def examples(self) -> Tensor:
        """Return up to four validation notes ``(notes, samples)``, for the ear."""
        rows = self.order.valid_rows
        return self.notes.audio(rows[np.linspace(0, len(rows) - 1, min(4, len(rows))).astype(int)])


def _check_length(config: TrainConfig, model: ConvConfig, n_frames: int) -> None:
    dense = isinstance(model.bottleneck, DenseBottleneckConfig)
    if isinstance(model.bottleneck, DenseBottleneckConfig) and model.bottleneck.n_frames != n_frames:
        raise InputError(
            f"a dense bottleneck must have the notes' n_frames={n_frames}, got {model.bottleneck.n_frames}; "
            f"--set model.bottleneck.n_frames={n_frames}"
        )
    if config.slice_frames > n_frames or (config.slice_frames and dense):
        longest = 0 if dense else n_frames
        raise InputError(f"slice_frames must be in 0..{longest} with these notes, got {config.slice_frames}")
