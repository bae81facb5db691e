"""Training: one explicit loop, prepare → loop → validate → save."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed, nn

from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.losses import mean_squared_error
from intertone.models import ConvAutoencoder, DenseBottleneckConfig, build_model
from intertone.representation import build_representation
from intertone.train.folder import Progress, RunFolder
from intertone.train.settings import TrainConfig
from intertone.train.workers import Workers, interruptible, join_workers

logger = logging.getLogger(__name__)


SILENT_OUTPUT = 0.05
"""A model whose loudest feature stays below this says nothing (at 80 dB range: 76 dB under the peak)."""

SILENCE_PATIENCE = 500
"""Steps that a model has to leave silence; the statistics of a young normalisation are far off."""


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message says why."""


def train_codec(
    config: TrainConfig,
    notes: Notes,
    out: Path,
    *,
    device: str = "cpu",
    on_step: Callable[[Progress, int, float], None] | None = None,
) -> Progress:
    """Train a codec on notes, or continue a run that was interrupted.

    The order of the notes depends on the seed and the epoch only, and everything else that a continuation needs is in
    ``out/last/state.pt``, which is replaced in one go. So a run that is killed at any moment and started again gives
    the weights that it would have given. Several processes (``torchrun``) share each step's notes and average
    gradients, and the statistics of the normalisation after every epoch.

    Args:
        config: The settings.
        notes: The note set; its splits are used as they are.
        out: Folder of the run; if it holds one with the same settings, that is continued.
        device: Where to train.
        on_step: Called after every step with the progress, the steps of an epoch and the loss.

    Returns:
        The final state; ``finished`` says why it ended, and is empty after an interruption.

    Raises:
        InputError: If notes and settings do not fit, or ``out`` holds another run.
        TrainingStoppedError: If the loss is no longer finite, or notes or the output are silent.
    """
    with join_workers(device) as workers, interruptible() as interrupted:
        run = Run(config, notes, workers)
        folder = RunFolder(out, config, notes, workers)
        progress = folder.restore(run.model, run.optimiser, run.scheduler)
        if not workers.agree(progress.step):
            raise InputError(f"all processes must see the same run, got different states of {out}")
        if progress.finished:  # and perhaps killed before its last files were written
            folder.save_codec("last", progress, run.model)
            folder.save_samples(progress, run.model, run.examples())
            return progress
        if not progress.precision:
            progress.precision = run.choose_precision()
        while progress.epoch < config.epochs and not progress.finished:
            run.model.train()
            for batch in run.batches(progress.epoch, progress.step_in_epoch):
                started = time.monotonic()
                loss = run.optimise(batch, progress.step, progress.precision)
                progress.step += 1
                progress.step_in_epoch += 1
                progress.loss_sum += loss
                progress.seconds += time.monotonic() - started
                if on_step is not None and workers.rank == 0:
                    on_step(progress, run.steps_per_epoch, loss)
                if workers.size == 1 and interrupted():
                    folder.save(progress, run.model, run.optimiser, run.scheduler)
                    return progress
            workers.mean([buffer for buffer in run.model.buffers() if buffer.is_floating_point()])
            folder.log(progress, "train", progress.loss_sum / run.steps_per_epoch, run.optimiser)
            started = time.monotonic()
            valid_loss = run.validate(progress)
            progress.seconds += time.monotonic() - started
            folder.log(progress, "valid", valid_loss, run.optimiser)
            run.scheduler.step(valid_loss)
            progress.epoch, progress.step_in_epoch, progress.loss_sum = progress.epoch + 1, 0, 0.0
            if valid_loss < progress.best_loss:
                progress.best_loss, progress.best_epoch = valid_loss, progress.epoch
                folder.save_codec("best", progress, run.model)
            if progress.epoch - progress.best_epoch >= config.stop_patience:
                progress.finished = f"no better validation loss for {config.stop_patience} epochs"
            elif progress.epoch == config.epochs:
                progress.finished = f"all {config.epochs} epochs done"
            folder.save(progress, run.model, run.optimiser, run.scheduler)
            if progress.epoch % config.sample_every == 0 or progress.finished:
                folder.save_samples(progress, run.model, run.examples())
            if workers.any(interrupted()):
                return progress
        return progress


class Run:
    """What one process holds during a run."""

    def __init__(self, config: TrainConfig, notes: Notes, workers: Workers) -> None:
        self.config, self.notes, self.workers = config, notes, workers
        self.representation = build_representation(config.representation)
        if notes.sample_rate != self.representation.sample_rate:
            raise InputError(
                f"the notes must have the representation's sample_rate={self.representation.sample_rate}, "
                f"got {notes.sample_rate}"
            )
        if config.batch_size % workers.size:
            raise InputError(f"batch_size must divide among {workers.size} processes, got {config.batch_size}")
        bottleneck, n_frames = config.model.bottleneck, self.representation.n_frames(notes.samples)
        if isinstance(bottleneck, DenseBottleneckConfig) and bottleneck.n_frames != n_frames:
            raise InputError(
                f"a dense bottleneck must have the notes' n_frames={n_frames}, got {bottleneck.n_frames}; "
                f"--set model.bottleneck.n_frames={n_frames}"
            )
        if config.slice_frames > n_frames or (config.slice_frames and isinstance(bottleneck, DenseBottleneckConfig)):
            longest = 0 if isinstance(bottleneck, DenseBottleneckConfig) else n_frames
            raise InputError(f"slice_frames must be in 0..{longest} with these notes, got {config.slice_frames}")
        choice = config.choice
        wanted = {
            "pitch": None if (choice.pitch_min, choice.pitch_max) == (0, 127) else
            range(choice.pitch_min, choice.pitch_max + 1),
            "instrument": choice.instruments or None,
        }  # fmt: skip
        self.train_rows = notes.select(split="train", **wanted)
        valid_rows = notes.select(split="valid", **wanted)
        per_epoch = min(config.notes_per_epoch or len(self.train_rows), len(self.train_rows))
        self.steps_per_epoch = per_epoch // config.batch_size
        if not self.steps_per_epoch or not len(valid_rows):
            raise InputError(
                f"the training split must hold at least batch_size={config.batch_size} of the chosen notes and the "
                f"validation split one, got {len(self.train_rows)} and {len(valid_rows)}"
            )
        chosen = np.random.default_rng([config.seed, 1]).permutation(len(valid_rows))[: choice.valid_notes]
        self.valid_rows = valid_rows[np.sort(chosen)]
        model = build_model(config.model, n_features=self.representation.n_features, seed=config.seed)
        self.model: ConvAutoencoder = model.to(workers.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = _build_optimiser(config, self.model)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            threshold=config.plateau_threshold,
            min_lr=config.min_learning_rate,
        )

    def batches(self, epoch: int, start: int = 0) -> Iterator[Tensor]:
        """Yield this process's share of each step, ``(notes, samples)``: a pure function of seed, epoch and rank.

        The next step's notes are read while this one's are used.
        """
        order = np.random.default_rng([self.config.seed, 2, epoch]).permutation(self.train_rows)
        size, rank = self.config.batch_size // self.workers.size, self.workers.rank
        steps = order[: self.steps_per_epoch * self.config.batch_size].reshape(self.steps_per_epoch, -1, size)

        def read(step: int) -> Tensor:
            return self.notes.audio(np.sort(steps[step, rank]))

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, start) if start < self.steps_per_epoch else None
            for step in range(start, self.steps_per_epoch):
                assert ahead is not None
                audio = ahead.result()
                ahead = reader.submit(read, step + 1) if step + 1 < self.steps_per_epoch else None
                yield audio

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of notes ``(notes, samples)``, each with its own reference."""
        with torch.no_grad():
            return self.representation.analyse(audio.to(self.workers.device).unsqueeze(1))[0]

    def training_features(self, audio: Tensor, step: int) -> Tensor:
        """Return what a step sees of notes ``(notes, samples)``: their features, or a slice of each.

        The slices are a pure function of seed, step and rank. A slice has the reference of its whole note.
        """
        features, length = self.features(audio), self.config.slice_frames
        if not length:
            return features
        generator = np.random.default_rng([self.config.seed, 3, step])
        starts = generator.integers(features.shape[-1] - length + 1, size=(self.workers.size, len(features)))
        own = starts[self.workers.rank]
        return torch.stack([image[:, start : start + length] for image, start in zip(features, own, strict=True)])

    def optimise(self, audio: Tensor, step: int, precision: str) -> float:
        """Take one step on notes ``(notes, samples)`` and return its loss on this process's share.

        Raises:
            TrainingStoppedError: If the notes are silent or the loss is not finite.
        """
        if not bool(audio.any()):
            raise TrainingStoppedError("a batch of notes was silent; look at the note set with `intertone data info`")
        loss = _loss(self.model, self.training_features(audio, step), precision)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.workers.mean([p.grad for p in self.model.parameters() if p.grad is not None])
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingStoppedError(f"the loss must stay finite, got {value}; a lower learning_rate may help")
        self.optimiser.step()
        return value

    @torch.inference_mode()
    def validate(self, progress: Progress) -> float:
        """Return the mean loss over the validation notes, the same in every process.

        Raises:
            TrainingStoppedError: If it is not finite, or the model has long been giving silence.
        """
        self.model.eval()
        total, loudest, count = 0.0, 0.0, len(self.valid_rows)
        for rows in np.array_split(self.valid_rows, -(-count // self.config.batch_size)):
            features = self.features(self.notes.audio(rows))
            with _autocast(self.workers.device, progress.precision):
                estimate = self.model(features).float()
            total += float(mean_squared_error(estimate, features)) * len(rows)
            loudest = max(loudest, float(estimate.max()))
        if not math.isfinite(total):
            raise TrainingStoppedError("the validation loss must stay finite, got NaN; a lower learning_rate may help")
        if loudest < SILENT_OUTPUT and progress.step >= SILENCE_PATIENCE:
            raise TrainingStoppedError("the model's output is silent for every validation note")
        return total / count

    def examples(self) -> Tensor:
        """Return up to four validation notes ``(notes, samples)``, for the ear."""
        count = len(self.valid_rows)
        return self.notes.audio(self.valid_rows[np.linspace(0, count - 1, min(4, count)).astype(int)])

    def choose_precision(self) -> str:
        """Time a few steps on a copy of the model, say how long the run may take, and return the faster precision."""
        choices = ["float32", "bfloat16"] if self.config.precision == "auto" else [self.config.precision]
        seconds = {}
        features = self.training_features(next(self.batches(0)), 0)
        copy = deepcopy(self.model)
        for precision in choices:
            _loss(copy, features, precision).backward()
            self._wait()
            started = time.monotonic()
            for _ in range(2):
                self.training_features(next(self.batches(0)), 0)
                _loss(copy, features, precision).backward()
            self._wait()
            seconds[precision] = (time.monotonic() - started) / 2
        chosen = torch.tensor(min(range(len(choices)), key=lambda index: seconds[choices[index]]))
        if self.workers.size > 1:
            chosen = chosen.to(self.workers.device)
            distributed.broadcast(chosen, 0)
        precision = choices[int(chosen)]
        valid_steps = len(self.valid_rows) / self.config.batch_size / 3  # forward only: about a third of a step
        epoch_minutes = seconds[precision] * (self.steps_per_epoch + valid_steps) / 60
        logger.info(
            "%s: %.1f notes a second, about %.1f minutes an epoch, about %.1f hours if all %d epochs are needed",
            precision,
            self.config.batch_size / seconds[precision],
            epoch_minutes,
            epoch_minutes * self.config.epochs / 60,
            self.config.epochs,
        )
        return precision

    def _wait(self) -> None:
        """Let an accelerator finish what it was given, so that a clock means something."""
        if self.workers.device.type == "cuda":
            torch.cuda.synchronize(self.workers.device)


def _build_optimiser(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=config.momentum, weight_decay=decay)
    return torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)


def _loss(model: nn.Module, features: Tensor, precision: str) -> Tensor:
    with _autocast(features.device, precision):
        estimate = model(features)
    return mean_squared_error(estimate.float(), features)


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
