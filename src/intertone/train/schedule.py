"""Schedule of a run: the order of its stages, their early stopping, and the learning rate of each step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import Any

from intertone.errors import InputError
from intertone.models.contract import Stage
from intertone.remark import RemarkLogger
from intertone.train.settings import TrainConfig

logger = RemarkLogger(__name__)


@dataclass
class Best:
    """Best validation loss of a stage, and the epoch in which it was reached."""

    loss: float = math.inf
    epoch: int = 0


@dataclass
class Place:
    """Current phase of a run; a phase is one stage, or several stages that alternate from step to step.

    Attributes:
        phase: Index of the phase.
        began: Number of epochs that were complete when the phase began.
        best: Best validation loss of each stage of the phase.
    """

    phase: int = 0
    began: int = 0
    best: list[Best] = field(default_factory=list)


class Course:
    """Schedule of a run: the stage of each step, the end of each phase, and the learning rate.

    Args:
        stages: The stages of the model.
        config: The settings of the run.
        steps_per_epoch: Number of batches in one epoch.

    Raises:
        InputError: If there are fewer epochs than phases.
    """

    def __init__(self, stages: Sequence[Stage], config: TrainConfig, steps_per_epoch: int) -> None:
        self.config = config
        self.total_steps = config.steps or config.epochs * steps_per_epoch
        self.epochs = -(-self.total_steps // steps_per_epoch)
        self.stages = tuple(stages)
        self.phases = _phases(stages)
        shares = [sum(stage.share for stage in phase) for phase in self.phases]
        ends = [round(self.epochs * sum(shares[:count]) / sum(shares)) for count in range(len(shares) + 1)]
        self.lengths = [end - start for start, end in pairwise(ends)]
        if min(self.lengths) < 1:
            raise InputError(f"there must be an epoch for each of {len(self.phases)} stages, got {self.epochs} epochs")
        self.place = Place(best=[Best() for _ in self.phases[0]])

    @property
    def phase(self) -> tuple[Stage, ...]:
        """Stages of the current phase: one, or several that alternate."""
        return self.phases[self.place.phase]

    def go_to(self, place: Mapping[str, Any] | None, best_loss: float, best_epoch: int) -> None:
        """Restore the phase of an interrupted run.

        Args:
            place: A ``Place`` as a dictionary; None for a run of one stage, which needs the two other values only.
            best_loss: The best validation loss.
            best_epoch: The epoch in which it was reached.
        """
        if place is None:
            self.place = Place(best=[Best(best_loss, best_epoch)])
        else:
            self.place = Place(place["phase"], place["began"], [Best(**each) for each in place["best"]])

    def active(self, epoch: int) -> list[Stage]:
        """Return the stages of the phase whose validation loss has improved within their patience."""
        pairs = zip(self.phase, self.place.best, strict=True)
        return [stage for stage, best in pairs if epoch - best.epoch < self._patience(stage)]

    def stage(self, epoch: int, step: int) -> Stage:
        """Return the stage that a step trains; the active stages of a phase alternate."""
        active = self.active(epoch)
        return active[step % len(active)]

    def note(self, epoch: int, terms: Mapping[str, float]) -> None:
        """Update the best loss of each stage of the phase with the validation losses of an epoch, by term."""
        for stage, best in zip(self.phase, self.place.best, strict=True):
            loss = sum(terms[name] for name in stage.terms or terms)
            if loss < best.loss:
                best.loss, best.epoch = loss, epoch

    def loss(self, terms: Mapping[str, float]) -> float:
        """Return the loss that selects the phase's best weights: the sum of its stages' terms, or of all terms."""
        wanted = [name for stage in self.phase for name in stage.terms or terms]
        return sum(terms[name] for name in dict.fromkeys(wanted))

    def ended(self, epoch: int, step: int) -> str:
        """Return the reason why the phase ends after this epoch; an empty string if it continues."""
        if not self.active(epoch):
            patience = max(self._patience(stage) for stage in self.phase)
            return f"no better validation loss for {patience} epochs"
        if step >= self.total_steps:
            return f"all {self.config.steps} steps done" if self.config.steps else f"all {epoch} epochs done"
        if epoch - self.place.began >= self.lengths[self.place.phase]:
            return f"all {self.lengths[self.place.phase]} epochs done"
        return ""

    def advance(self, epoch: int, step: int) -> bool:
        """Begin the next phase; return False if there is none or all steps are done."""
        number = self.place.phase + 1
        if number == len(self.phases) or step >= self.total_steps:
            return False
        logger.info("stage %s begins after epoch %d", " and ".join(stage.name for stage in self.phases[number]), epoch)
        self.place = Place(number, epoch, [Best(epoch=epoch) for _ in self.phases[number]])
        return True

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step for the schedules ``cosine`` and ``table``."""
        config = self.config
        if config.schedule == "table":
            return [rate for first, rate in config.learning_rates if first <= step][-1]
        if step < config.warm_up_steps:
            return config.learning_rate * (step + 1) / config.warm_up_steps
        place = (step - config.warm_up_steps) / max(1, self.total_steps - config.warm_up_steps)
        lowest = min(config.min_learning_rate, config.learning_rate)
        return lowest + (config.learning_rate - lowest) * 0.5 * (1 + math.cos(math.pi * min(1.0, place)))

    def _patience(self, stage: Stage) -> int:
        return self.config.stop_patience if stage.patience is None else stage.patience


def _phases(stages: Sequence[Stage]) -> list[tuple[Stage, ...]]:
    """Return the stages as phases: adjacent alternating stages form one phase, every other stage a phase alone."""
    phases: list[tuple[Stage, ...]] = []
    for alternating, neighbours in groupby(stages, key=lambda stage: stage.alternating):
        group = tuple(neighbours)
        phases += [group] if alternating else [(stage,) for stage in group]
    return phases
