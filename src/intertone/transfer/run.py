"""A style transfer from two sounds to one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.transfer.memory import check_memory
from intertone.transfer.objective import Objective, TermConfig
from intertone.transfer.settings import DraftConfig, TransferConfig
from intertone.transfer.signal import Signal
from intertone.transfer.solver import Descent, Limits, SolverConfig, Step, descend
from intertone.transfer.statistic import RawConfig
from intertone.transfer.variable import MuLawConfig, Variable

Preview = Callable[[Step, Callable[[], Tensor]], None]
"""Called after each evaluation, with the way to the sound so far."""

HOLD = "content (strength)"
"""Name of the content term that a system without one gets below strength 1."""

FIRST_STRENGTH = 1e-4
"""Factor of the style terms while the content is sought first: their gradient is then small beside the content's."""

SILENCE = 1e-6
"""RMS below which a sound is silent, −120 dB."""


@dataclass(frozen=True)
class TransferResult:
    """A sound, and how it was found.

    Attributes:
        audio: ``(channels, samples)`` at ``sample_rate``; a waveform is at the content's RMS level, other variables
            have the level that their objective finds.
        sample_rate: Hz.
        first: Terms of the objective at the sound that it began with.
        descent: Every evaluation, those of a draft first, and why it ended.
        realised: Terms of the objective computed from ``audio``; those of the optimisation where the variable is a
            waveform, larger where a phase had to be found.
        seconds: Of the whole transfer.
        evaluate: The weighted terms of another sound at ``sample_rate``, of one that was read back for instance.
    """

    audio: Tensor
    sample_rate: int
    first: dict[str, float]
    descent: Descent
    realised: dict[str, float]
    seconds: float
    evaluate: Callable[[Tensor], dict[str, float]]


def transfer(
    content: Tensor,
    style: Tensor,
    config: TransferConfig,
    *,
    strength: float = 1.0,
    seed: int = 0,
    limits: Limits | None = None,
    report: Preview | None = None,
) -> TransferResult:
    """Give a sound the timbre or texture of another, while its notes and rhythm stay.

    Args:
        content: Sound that keeps its notes and rhythm, ``(channels, samples)`` at ``config.sample_rate``.
        style: Sound whose timbre or texture is wanted, ``(channels, samples)``, of any length, at the same rate.
        config: The system.
        strength: 0 returns the content, 1 is the published balance, more is more style. The weights of style terms are
            multiplied by it. A system without a content term gets one below 1, and cannot go beyond 1.
        seed: Of the first sound and of random phase.
        limits: When to end before the last iteration; not set: the system's.
        report: Called after each evaluation, those of a draft too.

    Returns:
        The sound and what was done.

    Raises:
        InputError: If a sound is silent or not finite, the strength is negative, or the system needs more memory
            than there is.
    """
    if not strength >= 0:
        raise InputError(f"the strength must be at least 0, got {strength:g}")
    start = time.monotonic()
    gain = _working_gain(content, "content", config)
    working, style = content * gain, style * _working_gain(style, "style", config)
    limits = config.limits if limits is None else limits
    complete = config.has_content_term or strength >= 1
    terms = config.terms if complete else (*config.terms, _hold_to_content(config.terms))

    check_memory(working, style, config, terms)

    def build(began: Tensor) -> tuple[Variable, Objective]:
        variable = config.variable.build(began, config.sample_rate, config.init, torch.Generator().manual_seed(seed))
        reference = variable.reference(working)
        objective = Objective(terms, reference, variable.reference(style), sample_rate=config.sample_rate)
        objective.weights = _weights(objective, reference, strength, complete=complete)
        return variable, objective

    variable, objective = build(working)
    with torch.no_grad():
        first = {name: float(value) for name, value in objective(variable.signal()).items()}

    def sound_of(variable: Variable) -> Callable[[], Tensor]:
        def heard() -> Tensor:
            with torch.no_grad():
                return variable.audio(torch.Generator().manual_seed(seed)) / gain

        return heard

    def evaluate(audio: Tensor) -> dict[str, float]:
        with torch.no_grad():
            audio = gain * audio
            if variable.levelled:  # a file is scaled down where its peak is above 1
                audio = audio * working.square().mean().sqrt() / audio.square().mean().sqrt().clamp_min(SILENCE)
            return {name: float(value) for name, value in objective(variable.reference(audio)).items()}

    descent, audio = Descent(stop="converged"), content
    if strength > 0:
        if config.draft is not None:
            draft = _Draft(config.draft, working, style, terms, config, seed)
            draft.objective.weights = _weights(draft.objective, draft.reference, strength, complete=complete)
            follow = None if report is None else _reporter(report, sound_of(draft.variable), [])
            descent = draft.descend(limits, follow)
            drafted, _ = build(draft.sound())
            with torch.no_grad():
                found = float(torch.stack(list(objective(drafted.signal()).values())).sum())
            variable = drafted if found < sum(first.values()) else variable
        for stage in _stages(config):
            if descent.stop == "interrupted":
                break
            done = descent.steps
            follow = None if report is None else _reporter(report, sound_of(variable), done)
            descent = stage.descend(variable, objective, _remaining(limits, done), follow)
            descent.steps = [*done, *(_later(step, done) for step in descent.steps)]
        if descent.steps:
            audio = sound_of(variable)()
    seconds = time.monotonic() - start
    return TransferResult(audio, config.sample_rate, first, descent, evaluate(audio), seconds, evaluate)


@dataclass(frozen=True)
class _Stage:
    """A part of the optimisation.

    Attributes:
        solver: The method.
        factor: Of the weights of style terms.
        share: Of the remaining time, at most.
    """

    solver: SolverConfig
    factor: float = 1.0
    share: float = 1.0

    def descend(
        self, variable: Variable, objective: Objective, limits: Limits, report: Callable[[Step], None] | None
    ) -> Descent:
        """Move the variable down the objective; all steps show the objective's own weights."""
        factors = {term.name: self.factor if term.reference == "style" else 1.0 for term in objective.terms}
        steps: list[Step] = []

        def record(step: Step) -> None:
            terms = {name: value / factors[name] for name, value in step.terms.items()}
            loss = sum(terms.values())
            best = min(steps[-1].best, loss) if steps else loss
            steps.append(replace(step, terms=terms, loss=loss, best=best))
            if report is not None:
                report(steps[-1])

        found = descend(
            variable.parameter,
            lambda: {name: factors[name] * value for name, value in objective(variable.signal()).items()},
            self.solver,
            limits.model_copy(update={"seconds": limits.seconds and self.share * limits.seconds}),
            report=record,
        )
        return Descent(steps, found.stop)


def _stages(config: TransferConfig) -> list[_Stage]:
    """Return the parts of the optimisation, one after the other: the content first where the system wants it."""
    first = config.content_first if config.has_content_term else 0
    rest = _Stage(config.solver.model_copy(update={"iterations": config.solver.iterations - first}))
    if not first:
        return [rest]
    return [_Stage(config.solver.model_copy(update={"iterations": first}), factor=FIRST_STRENGTH, share=0.5), rest]


def _later(step: Step, done: Sequence[Step]) -> Step:
    """Return an evaluation as one that follows others."""
    if not done:
        return step
    return replace(step, number=step.number + done[-1].number, seconds=step.seconds + done[-1].seconds)


def _reporter(report: Preview, heard: Callable[[], Tensor], done: Sequence[Step]) -> Callable[[Step], None]:
    """Return a callback that reports evaluations that follow others, with the way to their sound."""
    return lambda step: report(_later(step, done), heard)


def _remaining(limits: Limits, done: Sequence[Step]) -> Limits:
    """Return the limits of what follows evaluations."""
    if limits.seconds is None or not done:
        return limits
    return limits.model_copy(update={"seconds": max(1e-9, limits.seconds - done[-1].seconds)})


def _working_gain(sound: Tensor, name: str, config: TransferConfig) -> float:
    """Return the factor that brings a sound to the level on which the objective works."""
    if not bool(sound.isfinite().all()):
        raise InputError(f"the {name} must be finite, got infinite or undefined samples")
    rms, peak = float(sound.square().mean().sqrt()), float(sound.abs().max())
    if rms < SILENCE:
        raise InputError(f"the {name} must not be silent, got an RMS of {rms:.1g}")
    if config.rms is not None:
        return config.rms / rms
    return 1 / max(1.0, peak) if isinstance(config.variable, MuLawConfig) else 1.0


class _Draft:
    """Log-magnitudes that minimise the terms that they can show.

    Args:
        draft: The settings of the draft.
        content: At the level on which the objective works.
        style: The same.
        terms: Of the whole objective.
        config: The system.
        seed: Of the first magnitudes and of random phase.
    """

    def __init__(
        self,
        draft: DraftConfig,
        content: Tensor,
        style: Tensor,
        terms: Sequence[TermConfig],
        config: TransferConfig,
        seed: int,
    ) -> None:
        self.config = draft
        self.content = content
        self.generator = torch.Generator().manual_seed(seed)
        self.variable = draft.variable.build(content, config.sample_rate, config.init, self.generator)
        self.reference = self.variable.reference(content)
        chosen = [term for term in terms if draft.shows(term)]
        self.objective = Objective(
            chosen, self.reference, self.variable.reference(style), sample_rate=config.sample_rate
        )

    def descend(self, limits: Limits, report: Callable[[Step], None] | None) -> Descent:
        """Minimise the terms, in half of the time at most."""
        half = Limits(seconds=limits.seconds and 0.5 * limits.seconds)
        return descend(
            self.variable.parameter,
            lambda: self.objective(self.variable.signal()),
            self.config.solver,
            half,
            report=report,
        )

    def sound(self) -> Tensor:
        """Return the sound of the magnitudes, at the content's level."""
        with torch.no_grad():
            audio = self.variable.audio(self.generator)
        return audio * self.content.square().mean().sqrt() / audio.square().mean().sqrt().clamp_min(SILENCE)


def _hold_to_content(terms: Sequence[TermConfig]) -> TermConfig:
    """Return a term that holds a sound to the content in the features of the first term."""
    first = terms[0].front_end
    return TermConfig(name=HOLD, reference="content", front_end=first, statistic=RawConfig(), divergence="relative")


def _weights(objective: Objective, content: Signal, strength: float, *, complete: bool) -> dict[str, float]:
    """Return the weights of terms at a strength; the added content term counts as much as style does at the start."""
    style = {term.name: term.reference == "style" for term in objective.terms}
    weights = {name: weight * strength if style[name] else weight for name, weight in objective.weights.items()}
    if complete:
        return weights
    with torch.no_grad():
        distances = objective.distances(content)
    at_content = sum(objective.weights[name] * float(value) for name, value in distances.items() if style[name])
    return {**weights, HOLD: max(0.0, 1 - strength) * at_content}
