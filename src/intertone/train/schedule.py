"""The course of a run: its stages one after another or in turn, each with its own patience, and its learning rates."""

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
    """The best validation loss of a stage, and the epoch it came from."""

    loss: float = math.inf
    epoch: int = 0


@dataclass
class Place:
    """Place of a run among its phases; a phase is one stage, or several that take turns.

    Attributes:
        phase: Its number.
        began: The epoch that it began with.
        best: Of each of its stages.
    """

    phase: int = 0
    began: int = 0
    best: list[Best] = field(default_factory=list)


class Course:
    """Which stage a step belongs to, and when the next phase begins.

    Args:
        stages: Of the model.
        config: The settings.
        steps_per_epoch: Batches of one pass.

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
        """The stage that the run is in, or those that take turns."""
        return self.phases[self.place.phase]

    def go_to(self, place: Mapping[str, Any] | None, best_loss: float, best_epoch: int) -> None:
        """Go on where a run stood.

        Args:
            place: A ``Place`` as a dictionary; None for runs of one stage, which need no more than the others.
            best_loss: The best validation loss.
            best_epoch: Where it came from.
        """
        if place is None:
            self.place = Place(best=[Best(best_loss, best_epoch)])
        else:
            self.place = Place(place["phase"], place["began"], [Best(**each) for each in place["best"]])

    def active(self, epoch: int) -> list[Stage]:
        """Return the stages of the phase whose patience is not over."""
        pairs = zip(self.phase, self.place.best, strict=True)
        return [stage for stage, best in pairs if epoch - best.epoch < self._patience(stage)]

    def stage(self, epoch: int, step: int) -> Stage:
        """Return the stage of a step: those of a phase take turns."""
        active = self.active(epoch)
        return active[step % len(active)]

    def note(self, epoch: int, terms: Mapping[str, float]) -> None:
        """Take down the validation losses after an epoch, by term."""
        for stage, best in zip(self.phase, self.place.best, strict=True):
            loss = sum(terms[name] for name in stage.terms or terms)
            if loss < best.loss:
                best.loss, best.epoch = loss, epoch

    def loss(self, terms: Mapping[str, float]) -> float:
        """Return the loss by which the phase's best weights are chosen: its stages' terms, or all."""
        wanted = [name for stage in self.phase for name in stage.terms or terms]
        return sum(terms[name] for name in dict.fromkeys(wanted))

    def ended(self, epoch: int, step: int) -> str:
        """Return why the phase is over after an epoch; empty if it is not."""
        if not self.active(epoch):
            patience = max(self._patience(stage) for stage in self.phase)
            return f"no better validation loss for {patience} epochs"
        if step >= self.total_steps:
            return f"all {self.config.steps} steps done" if self.config.steps else f"all {epoch} epochs done"
        if epoch - self.place.began >= self.lengths[self.place.phase]:
            return f"all {self.lengths[self.place.phase]} epochs done"
        return ""

    def advance(self, epoch: int, step: int) -> bool:
        """Begin the next phase, if there is one and steps are left."""
        number = self.place.phase + 1
        if number == len(self.phases) or step >= self.total_steps:
            return False
        logger.info("stage %s begins after epoch %d", " and ".join(stage.name for stage in self.phases[number]), epoch)
        self.place = Place(number, epoch, [Best(epoch=epoch) for _ in self.phases[number]])
        return True

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step where the schedule is ``cosine`` or ``table``: of the step alone."""
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
    """Return neighbours that alternate together, and every other stage alone."""
    phases: list[tuple[Stage, ...]] = []
    for alternating, neighbours in groupby(stages, key=lambda stage: stage.alternating):
        group = tuple(neighbours)
        phases += [group] if alternating else [(stage,) for stage in group]
    return phases
