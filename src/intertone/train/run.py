"""The part of a run that one process holds: model, optimiser, optimisation step and validation."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from intertone.models.contract import Batch, Reading, Scale, Stage, Trainable
from intertone.remark import RemarkLogger
from intertone.train.batch import DRAWN, BatchSource, TrainingStoppedError
from intertone.train.processes import Processes
from intertone.train.schedule import Course
from intertone.train.settings import TrainConfig

logger = RemarkLogger(__name__)

SILENCE_PATIENCE = 500
"""Steps after which a silent output stops the run; early statistics of batch normalisation can cause silence."""


@dataclass
class Progress:
    """State of a run that an exact continuation needs in addition to the weights and the state of the optimiser.

    Attributes:
        epoch: Number of complete epochs.
        step_in_epoch: Steps taken in the current epoch.
        step: Steps taken in all.
        loss_sum: Sum of the losses of the current epoch's steps.
        term_sums: The same sum for each loss term.
        best_loss: Best validation loss of the current phase.
        best_epoch: Epoch in which it was reached; 0: before the first one.
        seconds: Time of optimisation and validation, over all continuations.
        precision: ``float32`` or ``bfloat16``; empty before it is chosen.
        finished: Reason why the run has ended; empty while it has not.
        warning: Fault of the best codec of a finished run; empty if there is none.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    term_sums: dict[str, float] = field(default_factory=dict)
    best_loss: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    precision: str = ""
    finished: str = ""
    warning: str = ""

    def add(self, taken: "MeanLoss") -> None:
        """Add one step and its loss to the counters and sums."""
        self.step += 1
        self.step_in_epoch += 1
        self.loss_sum += taken.loss
        for name, value in taken.terms.items():
            self.term_sums[name] = self.term_sums.get(name, 0.0) + value

    def mean_loss(self) -> "MeanLoss":
        """Return the mean loss over the steps of the current epoch."""
        steps = max(1, self.step_in_epoch)
        terms = {name: total / steps for name, total in self.term_sums.items()}
        return MeanLoss(self.loss_sum / steps, terms, terms if len(terms) > 1 else {})

    def end_epoch(self) -> None:
        """Count a complete epoch and set the counters of its steps to 0."""
        self.epoch, self.step_in_epoch, self.loss_sum, self.term_sums = self.epoch + 1, 0, 0.0, {}

    def count_seconds(self, since: float) -> float:
        """Add the time since ``since`` (a value of ``time.monotonic``) to ``seconds``, and return the present time."""
        now = time.monotonic()
        self.seconds += now - since
        return now


@dataclass
class MeanLoss:
    """Mean loss of a step, an epoch or a validation.

    Attributes:
        loss: Mean over the notes of the terms that the current stage minimises.
        terms: All loss terms by name; their sum is ``loss`` unless the stage minimises only some of them.
        details: Further values by name for ``metrics.jsonl``.
    """

    loss: float
    terms: dict[str, float] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)


class Run:
    """Model, optimiser and batches of a run in one process.

    Args:
        config: The settings of the run.
        model: The model; it is trained in place.
        source: Source of the batches.
        workers: The processes that share each step.
        scales: Scales of the features, by which the log converts a loss to a unit such as dB.
        start: Initial weights by name, for fine-tuning; the fit in closed form is then skipped. None: the model's own.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Trainable,
        source: BatchSource,
        workers: Processes,
        scales: Sequence[Scale] = (),
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.config, self.source, self.workers, self.scales = config, source, workers, scales
        self.model = model.to(workers.device)
        self.model = self.model.to(memory_format=self.model.memory_format)  # type: ignore[call-overload]
        self.fine_tuned = start is not None
        if start is not None:
            self.model.load_state_dict(start)
        self.course = Course(model.stages(), config, source.steps_per_epoch)
        self.trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.average = deepcopy(self.model).eval() if config.average_decay else None
        self.first = [parameter.detach().clone() for parameter in self.trained] if config.pull else []
        self.begin_phase()

    @property
    def evaluated(self) -> Trainable:
        """Model that is validated and saved: with averaged weights if ``average_decay`` > 0, else the trained one."""
        return self.model if self.average is None else self.average

    @property
    def learning_rate(self) -> float:
        """Learning rate of the last step; 0 for a model that is only fitted in closed form."""
        return float(self.optimiser.param_groups[0]["lr"]) if self.trained else 0.0

    def begin_phase(self) -> None:
        """Create a new optimiser and plateau scheduler at the initial learning rate."""
        config = self.config
        # an optimiser needs a parameter, and a model that is fitted in closed form has none
        self.optimiser = _build_optimiser(config, self.trained or [nn.Parameter(torch.zeros(()))])
        self.scheduler = ReduceLROnPlateau(
            self.optimiser,
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            threshold=config.plateau_threshold,
            min_lr=config.min_learning_rate,
        )

    def state(self) -> dict[str, object]:
        """Return the states of model, optimiser, scheduler, average and stages, for ``torch.save``."""
        state: dict[str, object] = {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }
        if self.average is not None:
            state["average"] = self.average.state_dict()
        if len(self.course.stages) > 1:
            state["stages"] = asdict(self.course.place)
        return state

    def load(self, state: Mapping[str, Any], progress: Progress) -> None:
        """Restore a state that ``state`` returned."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.course.go_to(state.get("stages"), progress.best_loss, progress.best_epoch)

    def fit(self) -> None:
        """Fit the closed-form parts of the model (PCA); several processes then average their parameters."""
        self.model.fit(batch.to(self.workers.device) for batch in self.source.fitting())
        self.workers.mean([parameter.data for parameter in self.model.parameters()])
        if self.average is not None:
            self.average.load_state_dict(self.model.state_dict())

    def optimise(self, batch: Batch, progress: Progress) -> MeanLoss:
        """Take one optimisation step and return the loss and its terms on this process's part of the batch.

        Raises:
            TrainingStoppedError: If the loss is not finite.
        """
        step, stage = progress.step, self.course.stage(progress.epoch, progress.step)
        if self.config.schedule != "plateau":
            for group in self.optimiser.param_groups:
                group["lr"] = self.course.learning_rate(step)
        terms = self.terms(self.model, batch, step, progress.precision, rank=self.workers.rank)
        loss = torch.stack([terms[name] for name in stage.terms or terms]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, inputs=self.parameters_of(stage))
        self.workers.mean([p.grad for p in self.model.parameters() if p.grad is not None])
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingStoppedError(f"the loss must stay finite, got {value}; a lower learning_rate may help")
        if self.config.gradient_norm:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_norm)
        self.optimiser.step()
        pull = self.config.pull * self.learning_rate / self.config.learning_rate
        for first, parameter in zip(self.first, self.trained, strict=bool(self.first)):
            parameter.data.lerp_(first, pull)
        if self.average is not None:
            for average, parameter in zip(self.average.parameters(), self.model.parameters(), strict=True):
                average.data.lerp_(parameter.data, 1 - self.config.average_decay)
        return MeanLoss(value, {name: float(term.detach()) for name, term in terms.items()})

    def parameters_of(self, stage: Stage) -> list[nn.Parameter]:
        """Return the parameters that a stage trains."""
        named = self.model.named_parameters()
        return [value for name, value in named if value.requires_grad and name.startswith(stage.parameters)]

    def terms(self, model: Trainable, batch: Batch, step: int, precision: str, *, rank: int = 0) -> dict[str, Tensor]:
        """Return the loss terms of a batch by name; random numbers in them depend on seed, step and ``rank`` only."""
        device = self.workers.device
        drawn = np.random.SeedSequence([self.config.seed, DRAWN, step, rank]).generate_state(1)[0]
        generator = torch.Generator(device).manual_seed(int(drawn))
        # validation always uses the term weights of the end of the run, so that its losses are comparable
        progress = min(1.0, step / self.course.total_steps) if model.training else 1.0
        with _seeded(int(drawn), device), autocast(device, precision):
            return model.loss(replace(batch.to(device), progress=progress, generator=generator))

    def share_statistics(self) -> None:
        """Average the statistics of normalisation layers over the processes, and copy them to the averaged model."""
        self.workers.mean([buffer for buffer in self.model.buffers() if buffer.is_floating_point()])
        if self.average is not None:
            for average, buffer in zip(self.average.buffers(), self.model.buffers(), strict=True):
                average.copy_(buffer)

    @torch.inference_mode()
    def validate(self, progress: Progress) -> MeanLoss | None:
        """Return the loss on the validation notes, which is the same in every process; None if there are no such notes.

        The loss is the mean over the validation groups; the loss of a group is the mean over its notes.

        Raises:
            TrainingStoppedError: If the loss is not finite, or the output for every validation note is silent after
                ``SILENCE_PATIENCE`` steps.
        """
        device, model = self.workers.device, self.evaluated.eval()
        totals: dict[str, dict[str, float]] = {}
        counts: dict[str, int] = {}
        silent = progress.step >= SILENCE_PATIENCE
        for group, batch in self.source.validation():
            terms = self.terms(model, batch, progress.step, progress.precision)
            size = len(batch.features)
            counts[group] = counts.get(group, 0) + size
            total = totals.setdefault(group, dict.fromkeys(terms, 0.0))
            for name, value in terms.items():
                total[name] += float(value) * size
            with autocast(device, progress.precision):
                silent = silent and model.is_silent(batch.to(device))
        if not counts:
            return None
        means = {group: {name: total / counts[group] for name, total in of.items()} for group, of in totals.items()}
        found = self._over_groups(means)
        if not math.isfinite(found.loss):
            raise TrainingStoppedError("the validation loss must stay finite, got NaN; a lower learning_rate may help")
        if silent:
            raise TrainingStoppedError("the model's output is silent for every validation note")
        return found

    def _over_groups(self, means: dict[str, dict[str, float]]) -> MeanLoss:
        losses = {group: self.course.loss(terms) for group, terms in means.items()}
        names = list(next(iter(means.values())))
        terms = {name: sum(of[name] for of in means.values()) / len(means) for name in names}
        details = {}
        for group, loss in losses.items():
            reading = self.reading(loss)
            if group:
                details[f"{group}_{reading.unit.lower() or reading.name}"] = reading.value
        if len(terms) > 1:
            details |= terms
        return MeanLoss(sum(losses.values()) / len(losses), terms, details)

    def reading(self, loss: float) -> Reading:
        """Return a loss converted to a readable quantity with its unit, such as an error in dB."""
        return self.model.reading(loss, self.scales)

    def choose_precision(self) -> str:
        """Time a few steps on a copy of the model, log the expected duration, and return the faster precision."""
        config = self.config
        choices = ["float32", "bfloat16"] if config.precision == "auto" else [config.precision]
        if not self.trained:
            return choices[0]
        logger.info("a few steps are timed in %s", " and ".join(choices))
        started = time.monotonic()
        batch, copy = next(self.source.batches(0)), deepcopy(self.model)
        reading_seconds, seconds = time.monotonic() - started, {}
        for precision in choices:
            self._try(copy, batch, precision)
            started = time.monotonic()
            for _ in range(2):
                self._try(copy, batch, precision)
            seconds[precision] = (time.monotonic() - started) / 2
        chosen = torch.tensor(min(range(len(choices)), key=lambda index: seconds[choices[index]]))
        if self.workers.size > 1:
            chosen = chosen.to(self.workers.device)
            distributed.broadcast(chosen, 0)
        precision = choices[int(chosen)]
        # the next batch is read during a step; validation has no backward pass and takes about a third of a step
        step_seconds = max(seconds[precision], reading_seconds)
        epoch_seconds = step_seconds * (self.source.steps_per_epoch + self.source.n_validation / 3)
        logger.info(
            "%s: %.1f %s a second, about %s an epoch, about %s if all %d epochs are needed",
            precision,
            (config.frames_per_batch or config.batch_size) / step_seconds,
            "frames" if config.frames_per_batch else "notes",
            duration(epoch_seconds),
            duration(epoch_seconds * self.course.epochs),
            self.course.epochs,
        )
        return precision

    def _try(self, model: Trainable, batch: Batch, precision: str) -> None:
        """Compute the gradient of a batch, and wait until a GPU has finished, so that the time can be measured."""
        torch.autograd.backward(torch.stack(list(self.terms(model, batch, 0, precision).values())).sum())
        if self.workers.device.type == "cuda":
            torch.cuda.synchronize(self.workers.device)


def duration(seconds: float) -> str:
    """Return a time as text in seconds, minutes or hours, by its length.

    Example:
        >>> duration(4.2), duration(100), duration(5400)
        ('4 seconds', '1.7 minutes', '1.5 hours')
    """
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context manager in which a model computes in ``precision``, ``float32`` or ``bfloat16``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, which layers such as dropout use, and restore their state afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            torch.cuda.manual_seed(seed)
        yield


def _build_optimiser(config: TrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, weight_decay=decay)
    if config.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
