"""Training: one explicit loop, prepare → loop → validate → save."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from intertone.data.features import Images
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import Model, build_model
from intertone.remark import RemarkLogger
from intertone.train.batch import Judgement, TrainingStoppedError
from intertone.train.from_features import PairMaterial
from intertone.train.from_notes import SoundMaterial
from intertone.train.processes import Processes, interruptible, join_processes
from intertone.train.run_folder import Progress, RunFolder
from intertone.train.settings import TrainConfig

logger = RemarkLogger(__name__)


SILENT_OUTPUT = 0.05
"""A model whose loudest feature stays below this says nothing (at 80 dB range: 76 dB under the peak)."""

SILENCE_PATIENCE = 500
"""Steps that a model has to leave silence; the statistics of a young normalisation are far off."""


def train_codec(
    config: TrainConfig,
    data: Notes | Images,
    out: Path,
    *,
    device: str = "cpu",
    on_step: Callable[[Progress, int, float], None] | None = None,
) -> Progress:
    """Train a codec, or continue a run that was interrupted.

    The order of the notes depends on the seed and the epoch only, and everything else that a continuation needs is in
    ``out/last/state.pt``, which is replaced in one go. So a run that is killed at any moment and started again gives
    the weights that it would have given. Several processes (``torchrun``) share each step's notes and average
    gradients, and the statistics of the normalisation after every epoch.

    Args:
        config: The settings.
        data: A note set, or prepared images of one for a conditioned model; its splits are used as they are.
        out: Folder of the run; if it holds one with the same settings, that is continued.
        device: Where to train.
        on_step: Called after every step with the progress, the steps of an epoch and the loss.

    Returns:
        The final state; ``finished`` says why it ended, and is empty after an interruption.

    Raises:
        InputError: If data and settings do not fit, or ``out`` holds another run.
        TrainingStoppedError: If the loss is no longer finite, or notes or the output are silent.
    """
    with join_processes(device) as workers, interruptible() as interrupted:
        run = Run(config, data, workers)
        folder = RunFolder(out, config, data, workers)
        progress = folder.restore(run.model, run.optimiser, run.scheduler)
        if not workers.agree(progress.step):
            raise InputError(f"all processes must see the same run, got different states of {out}")
        if progress.finished:  # and perhaps killed before its last files were written
            folder.save_codec("last", progress, run.model)
            folder.save_samples(progress, run.model, run.material.examples())
            return progress
        if not progress.step:
            run.material.begin(run.model)
            workers.mean([parameter.data for parameter in run.model.parameters()])  # whatever each process has found
        if not progress.precision:
            progress.precision = run.choose_precision()
        while progress.epoch < config.epochs and not progress.finished:
            run.model.train()
            for batch in run.material.batches(progress.epoch, progress.step_in_epoch):
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
            seen = Judgement(progress.loss_sum / run.steps_per_epoch, math.inf)
            folder.log(progress, "train", seen, run.material.describe(seen.loss), run.optimiser)
            started = time.monotonic()
            found = run.validate(progress)
            progress.seconds += time.monotonic() - started
            folder.log(progress, "valid", found, run.material.describe(found.loss), run.optimiser)
            if config.schedule == "plateau":
                run.scheduler.step(found.loss)
            progress.epoch, progress.step_in_epoch, progress.loss_sum = progress.epoch + 1, 0, 0.0
            if found.loss < progress.best_loss:
                progress.best_loss, progress.best_epoch = found.loss, progress.epoch
                folder.save_codec("best", progress, run.model)
            if progress.epoch - progress.best_epoch >= config.stop_patience:
                progress.finished = f"no better validation loss for {config.stop_patience} epochs"
            elif progress.epoch == config.epochs:
                progress.finished = f"all {config.epochs} epochs done"
            folder.save(progress, run.model, run.optimiser, run.scheduler)
            if progress.epoch % config.sample_every == 0 or progress.finished:
                folder.save_samples(progress, run.model, run.material.examples())
            if workers.any(interrupted()):
                return progress
        return progress


class Run:
    """What one process holds during a run."""

    def __init__(self, config: TrainConfig, data: Notes | Images, workers: Processes) -> None:
        self.config, self.workers = config, workers
        self.material: SoundMaterial | PairMaterial = (
            SoundMaterial(config, data, workers) if isinstance(data, Notes) else PairMaterial(config, data, workers)
        )
        self.steps_per_epoch = self.material.order.steps_per_epoch
        rows = self.material.representation.rows
        model = build_model(config.model, n_features=self.material.n_features, rows=rows, seed=config.seed)
        self.model: Model = model.to(workers.device)
        self.model = self.model.to(memory_format=self.model.memory_format)  # type: ignore[call-overload]
        self.optimiser = _build_optimiser(config, self.model)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            threshold=config.plateau_threshold,
            min_lr=config.min_learning_rate,
        )

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step where the schedule is ``cosine``: a function of the step alone."""
        config, total = self.config, self.config.epochs * self.steps_per_epoch
        if step < config.warm_up_steps:
            return config.learning_rate * (step + 1) / config.warm_up_steps
        place = (step - config.warm_up_steps) / max(1, total - config.warm_up_steps)
        lowest = min(config.min_learning_rate, config.learning_rate)
        return lowest + (config.learning_rate - lowest) * 0.5 * (1 + math.cos(math.pi * min(1.0, place)))

    def optimise(self, batch: Any, step: int, precision: str) -> float:
        """Take one step on a batch of the material and return its loss on this process's share.

        Raises:
            TrainingStoppedError: If the notes are silent or the loss is not finite.
        """
        if self.config.schedule == "cosine":
            for group in self.optimiser.param_groups:
                group["lr"] = self.learning_rate(step)
        loss: Tensor = self.material.loss(self.model, batch, step, precision)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.workers.mean([p.grad for p in self.model.parameters() if p.grad is not None])
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingStoppedError(f"the loss must stay finite, got {value}; a lower learning_rate may help")
        if self.config.gradient_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_norm)
        self.optimiser.step()
        return value

    @torch.inference_mode()
    def validate(self, progress: Progress) -> Judgement:
        """Return how well the model does on the validation notes, the same in every process.

        Raises:
            TrainingStoppedError: If its loss is not finite, or it has long been giving silence.
        """
        self.model.eval()
        found = self.material.judge(self.model, progress.precision)
        if not math.isfinite(found.loss):
            raise TrainingStoppedError("the validation loss must stay finite, got NaN; a lower learning_rate may help")
        if found.loudest < SILENT_OUTPUT and progress.step >= SILENCE_PATIENCE:
            raise TrainingStoppedError("the model's output is silent for every validation note")
        return found

    def choose_precision(self) -> str:
        """Time a few steps on a copy of the model, say how long the run may take, and return the faster precision."""
        choices = ["float32", "bfloat16"] if self.config.precision == "auto" else [self.config.precision]
        seconds = {}
        batch: Any = next(self.material.batches(0))
        copy = deepcopy(self.model)
        for precision in choices:
            self.material.loss(copy, batch, 0, precision).backward()
            self._wait()
            started = time.monotonic()
            for _ in range(2):
                self.material.loss(copy, batch, 0, precision).backward()
            self._wait()
            seconds[precision] = (time.monotonic() - started) / 2
        chosen = torch.tensor(min(range(len(choices)), key=lambda index: seconds[choices[index]]))
        if self.workers.size > 1:
            chosen = chosen.to(self.workers.device)
            distributed.broadcast(chosen, 0)
        precision = choices[int(chosen)]
        judged = len(self.material.order.valid_rows) * self.material.judgements
        valid_steps = judged / self.config.batch_size / 3  # forward only: about a third of a step
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
    if config.optimiser == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay, fused=True)
    return torch.optim.Adam(model.parameters(), lr=rate, weight_decay=decay)
