"""A style transfer from two sounds to one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.transfer.objective import Objective, TermConfig
from intertone.transfer.settings import TransferConfig
from intertone.transfer.signal import Signal
from intertone.transfer.solver import Descent, Limits, Step, descend
from intertone.transfer.statistic import RawConfig
from intertone.transfer.variable import MuLawConfig

Preview = Callable[[Step, Callable[[], Tensor]], None]
"""Called after each evaluation, with the way to the sound so far."""

HOLD = "content (strength)"
"""Name of the content term that a system without one gets below strength 1."""

SILENCE = 1e-6
"""RMS below which a sound is silent, −120 dB."""


@dataclass(frozen=True)
class TransferResult:
    """A sound, and how it was found.

    Attributes:
        audio: ``(channels, samples)`` at ``sample_rate``, on the content's level.
        sample_rate: Hz.
        descent: Every evaluation of the objective, and why it ended.
        realised: Terms of the objective computed from ``audio``; those of the optimisation where the variable is a
            waveform, larger where a phase had to be found.
        seconds: Of the whole transfer.
        evaluate: The weighted terms of another sound at ``sample_rate``, of one that was read back for instance.
    """

    audio: Tensor
    sample_rate: int
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
        report: Called after each evaluation.

    Returns:
        The sound and what was done.

    Raises:
        InputError: If a sound is silent or not finite, or the strength is negative.
    """
    if not strength >= 0:
        raise InputError(f"the strength must be at least 0, got {strength:g}")
    start = time.monotonic()
    gain = _working_gain(content, "content", config)
    working, style = content * gain, style * _working_gain(style, "style", config)
    generator = torch.Generator().manual_seed(seed)
    terms = config.terms if config.has_content_term else (*config.terms, _hold_to_content(config.terms))
    began = working if config.draft is None or strength == 0 else _draft(working, style, terms, config, strength, seed)
    variable = config.variable.build(began, config.sample_rate, config.init, generator)
    shown = variable.reference(working)
    objective = Objective(terms, shown, variable.reference(style), sample_rate=config.sample_rate)
    objective.weights = _weights(objective, shown, strength, held=config.has_content_term)

    def evaluate(audio: Tensor) -> dict[str, float]:
        with torch.no_grad():
            return {name: float(value) for name, value in objective(variable.reference(gain * audio)).items()}

    def heard() -> Tensor:
        with torch.no_grad():
            return variable.audio(torch.Generator().manual_seed(seed)) / gain

    descent, audio = Descent(stop="converged"), content
    if strength > 0:
        descent = descend(
            variable.parameter,
            lambda: objective(variable.signal()),
            config.solver,
            config.limits if limits is None else limits,
            report=None if report is None else lambda step: report(step, heard),
        )
        audio = heard()
    seconds = time.monotonic() - start
    return TransferResult(audio, config.sample_rate, descent, evaluate(audio), seconds, evaluate)


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


def _draft(
    content: Tensor, style: Tensor, terms: Sequence[TermConfig], config: TransferConfig, strength: float, seed: int
) -> Tensor:
    """Return the sound of log-magnitudes that minimise the terms that they can show, at the content's level."""
    draft = config.draft
    assert draft is not None
    generator = torch.Generator().manual_seed(seed)
    variable = draft.variable.build(content, config.sample_rate, config.init, generator)
    shown = variable.reference(content)
    chosen = [term for term in terms if draft.shows(term)]
    objective = Objective(chosen, shown, variable.reference(style), sample_rate=config.sample_rate)
    objective.weights = _weights(objective, shown, strength, held=config.has_content_term)
    descend(variable.parameter, lambda: objective(variable.signal()), draft.solver, Limits())
    audio = variable.audio(generator)
    return audio * content.square().mean().sqrt() / audio.square().mean().sqrt().clamp_min(SILENCE)


def _hold_to_content(terms: Sequence[TermConfig]) -> TermConfig:
    """Return a term that holds a sound to the content in the features of the first term."""
    first = terms[0].front_end
    return TermConfig(name=HOLD, reference="content", front_end=first, statistic=RawConfig(), divergence="relative")


def _weights(objective: Objective, content: Signal, strength: float, *, held: bool) -> dict[str, float]:
    """Return the weights of terms at a strength; the added content term counts as much as style does at the start."""
    style = {term.name: term.reference == "style" for term in objective.terms}
    weights = {name: weight * strength if style[name] else weight for name, weight in objective.weights.items()}
    if held:
        return weights
    with torch.no_grad():
        distances = objective.distances(content)
    at_content = sum(objective.weights[name] * float(value) for name, value in distances.items() if style[name])
    return {**weights, HOLD: max(0.0, 1 - strength) * at_content}
