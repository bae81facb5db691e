"""Solvers: what moves a parameter down an objective, with a log, a budget and the best value so far."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.optimize import minimize as scipy_minimize
from torch import Tensor

from intertone.config import Settings

Stop = Literal["iterations", "converged", "plateau", "time", "interrupted"]


class ScipyConfig(Settings):
    """L-BFGS-B of SciPy, in double precision."""

    kind: Literal["scipy-l-bfgs"] = "scipy-l-bfgs"
    iterations: int = Field(300, ge=1, description="at most")


class TorchConfig(Settings):
    """L-BFGS of PyTorch with a line search for the strong Wolfe conditions.

    Where the line search finds nothing lower, the estimate of the curvature is dropped, and the search goes on along
    the gradient from the best value; it has converged where nothing lower is found from there either.
    """

    kind: Literal["l-bfgs"] = "l-bfgs"
    iterations: int = Field(300, ge=1, description="at most")
    history: int = Field(25, ge=1, description="steps that the curvature is estimated from")


class AdamConfig(Settings):
    """Adam."""

    kind: Literal["adam"] = "adam"
    iterations: int = Field(100, ge=1, description="steps")
    learning_rate: float = Field(1e-3, gt=0, description="in units of the variable")


SolverConfig = Annotated[ScipyConfig | TorchConfig | AdamConfig, Field(discriminator="kind")]


LEAST_FALL = 1e-5
"""Relative fall of the loss between two failed line searches from which on a third one is worth its evaluations; a
smaller one is the rounding of a loss in single precision."""

QUICK_SECONDS = 60.0
"""Seconds of optimisation where a result is wanted soon: of ``--budget quick``, and of the bench."""


class Limits(Settings):
    """When an optimisation ends before its last iteration."""

    seconds: float | None = Field(None, gt=0, description="of optimisation; not set: no limit")
    plateau: float = Field(0.0, ge=0, description="smallest relative fall of the loss over the window; 0: no such end")
    window: int = Field(20, ge=1, description="evaluations over which the fall is measured")


@dataclass(frozen=True)
class Step:
    """One evaluation of the objective.

    Attributes:
        number: Evaluations so far, this one included.
        seconds: Since the beginning.
        terms: Loss terms by name.
        loss: Their sum.
        best: Smallest loss so far.
    """

    number: int
    seconds: float
    terms: dict[str, float]
    loss: float
    best: float


@dataclass
class Descent:
    """What an optimisation did.

    Attributes:
        steps: Every evaluation.
        stop: Why it ended.
    """

    steps: list[Step] = field(default_factory=list)
    stop: Stop = "iterations"


class _EndedError(Exception):
    """The end of an optimisation from inside its objective."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop)
        self.stop: Stop = stop


def descend(
    parameter: Tensor,
    terms: Callable[[], dict[str, Tensor]],
    config: SolverConfig,
    limits: Limits,
    *,
    report: Callable[[Step], None] | None = None,
) -> Descent:
    """Move a parameter to where the sum of terms is smallest, and leave it at the best value that was seen.

    Args:
        parameter: Changed in place; it gets a gradient.
        terms: Evaluates the objective at the parameter, with gradient.
        config: The method.
        limits: When to end early; an interruption from the keyboard ends it too.
        report: Called after each evaluation.

    Returns:
        The evaluations, and why it ended.

    Raises:
        FloatingPointError: If the first loss is not finite.
    """
    tracker = _Tracker(parameter, terms, limits, report)
    parameter.requires_grad_(True)
    stop: Stop
    try:
        match config:
            case ScipyConfig():
                stop = _scipy(parameter, tracker, config)
            case TorchConfig():
                stop = _torch(parameter, tracker, config)
            case AdamConfig():
                stop = _adam(parameter, tracker, config)
    except _EndedError as end:
        stop = end.stop
    except KeyboardInterrupt:
        stop = "interrupted"
    parameter.requires_grad_(False)
    parameter.grad = None
    parameter.copy_(tracker.best)
    return Descent(tracker.steps, stop)


class _Tracker:
    """Evaluations of an objective, counted, with the best parameter."""

    def __init__(
        self,
        parameter: Tensor,
        terms: Callable[[], dict[str, Tensor]],
        limits: Limits,
        report: Callable[[Step], None] | None,
    ) -> None:
        self.parameter = parameter
        self.best = parameter.detach().clone()
        self.steps: list[Step] = []
        self._terms, self._limits, self._report = terms, limits, report
        self._start = time.monotonic()

    def evaluate(self) -> Tensor:
        """Return the loss with the gradient in the parameter; end where a limit is reached."""
        self._check_limits()
        self.parameter.grad = None
        terms = self._terms()
        loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        value = float(loss.detach())
        if not self.steps and not np.isfinite(value):
            raise FloatingPointError(f"the loss of the first sound must be finite, got {value}")
        best = min(self.steps[-1].best, value) if self.steps else value
        if not self.steps or value < self.steps[-1].best:
            self.best.copy_(self.parameter.detach())
        named = {name: float(each.detach()) for name, each in terms.items()}
        step = Step(len(self.steps) + 1, time.monotonic() - self._start, named, value, best)
        self.steps.append(step)
        if self._report is not None:
            self._report(step)
        return loss.detach()

    def _check_limits(self) -> None:
        if not self.steps:
            return
        limits, last = self._limits, self.steps[-1]
        each = last.seconds / last.number
        if limits.seconds is not None and last.seconds + 0.5 * each > limits.seconds:
            raise _EndedError("time")
        if limits.plateau and last.number > limits.window:
            before = self.steps[-1 - limits.window].best
            if before - last.best < limits.plateau * abs(before):
                raise _EndedError("plateau")


def _scipy(parameter: Tensor, tracker: _Tracker, config: ScipyConfig) -> Stop:
    def function(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, object]:
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
        loss = tracker.evaluate()
        assert parameter.grad is not None
        return float(loss), parameter.grad.double().flatten().numpy()

    first = parameter.detach().double().flatten().numpy()
    limits = {"maxiter": config.iterations, "maxfun": 10 * config.iterations}
    found = scipy_minimize(function, first, jac=True, method="L-BFGS-B", options=limits)
    return "iterations" if found.nit >= config.iterations else "converged"


def _torch(parameter: Tensor, tracker: _Tracker, config: TorchConfig) -> Stop:
    done = 0
    while True:
        begun = len(tracker.steps)
        left = config.iterations - done
        optimizer = torch.optim.LBFGS(
            [parameter],
            max_iter=left,
            max_eval=10 * left,
            history_size=config.history,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        optimizer.step(tracker.evaluate)
        done += optimizer.state[parameter]["n_iter"]
        if done >= config.iterations:
            return "iterations"
        first, best = tracker.steps[begun].loss, tracker.steps[-1].best
        if first - best <= LEAST_FALL * abs(first):
            return "converged"
        with torch.no_grad():
            parameter.copy_(tracker.best)


def _adam(parameter: Tensor, tracker: _Tracker, config: AdamConfig) -> Stop:
    optimizer = torch.optim.Adam([parameter], lr=config.learning_rate)
    for _ in range(config.iterations):
        tracker.evaluate()
        optimizer.step()
    tracker.evaluate()
    return "iterations"
