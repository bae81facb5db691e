"""The transfers of Verma and Smith (2018): sounds, systems, and how much a budget does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.experiments.transfer_study import Score, TransferExperiment, render_scores, sines, with_network
from intertone.transfer import TransferConfig, load_preset


@dataclass(frozen=True)
class Task:
    """One of the paper's two experiments.

    Attributes:
        name: Of its files.
        title: For tables.
        content: Name of a sound.
        style: Name of a sound.
        change: What the paper reports of the content's bandwidth.
    """

    name: str
    title: str
    content: str
    style: str
    change: Literal["compression", "expansion"]


TASKS = (
    Task("fork-harp", "tuning fork on harp", "harp", "tuning fork", "compression"),
    Task("violin-voice", "violin on singing", "voice", "violin", "expansion"),
)
"""The paper's two experiments: style on content."""

SCORES = {
    "harp": Score(46, ((43, 0.02, 0.3), (47, 0.2, 0.3), (50, 0.38, 0.3), (55, 0.56, 0.35))),
    "voice": Score(53, ((61, 0.02, 0.28), (64, 0.32, 0.2), (62, 0.54, 0.36))),
    "violin": Score(40, ((67, 0.0, 0.95),)),
}
"""Harp, a choir singing Ohh, and a note of the violin, on keys that the shipped network has not heard."""

FORK_HZ, FORK_SECONDS = 440.0, 1.5
"""The tuning fork: a sine whose amplitude falls to 1/e in that time."""

SECONDS = 2.57
"""Length of the paper's sounds."""

ENVELOPES = ("energy over time", "energy over frequency")
"""Terms of the preset that compare envelopes."""


class Budget(Settings):
    """Amount of work."""

    iterations: int = Field(500, ge=1, description="of L-BFGS")
    seconds: float = Field(SECONDS, gt=0, description="length of the sounds")


BUDGETS: dict[str, Budget] = {
    "smoke": Budget(iterations=2, seconds=0.5),
    "cpu": Budget(iterations=200),
    "published": Budget(),
}


@dataclass(frozen=True)
class Variant:
    """A difference from the paper's system.

    Attributes:
        name: Of its files.
        title: For tables.
        envelopes: Whether the terms of the envelopes count.
        random: Whether the classifier's weights are shuffled.
    """

    name: str
    title: str
    envelopes: bool
    random: bool


VARIANTS = (
    Variant("all", "with the envelope terms", envelopes=True, random=False),
    Variant("bare", "without them", envelopes=False, random=False),
    Variant("all-random", "with the envelope terms", envelopes=True, random=True),
    Variant("bare-random", "without them", envelopes=False, random=True),
)
"""The paper's system first."""


def sounds_of(budget: Budget, soundfont: Path | None) -> dict[str, Tensor]:
    """Return all sounds by name.

    Raises:
        InputError: If there is no bank or no FluidSynth.
    """
    fork = sines([(FORK_HZ, 0.0, 1.0)], seconds=budget.seconds, decay_seconds=FORK_SECONDS)
    return {"tuning fork": fork, **render_scores(SCORES, seconds=budget.seconds, soundfont=soundfont)}


def experiments_of(budget: Budget, network: str) -> list[TransferExperiment]:
    """Return every variant of both tasks.

    Args:
        budget: How much is done.
        network: Name or folder of the classifier.
    """
    return [
        TransferExperiment(
            name=f"{task.name}-{variant.name}",
            title=f"{task.title}, {variant.title}" + (", random weights" if variant.random else ""),
            content=task.content,
            style=task.style,
            config=system(variant, budget, network),
            heard={},
        )
        for task in TASKS
        for variant in VARIANTS
    ]


def system(variant: Variant, budget: Budget, network: str) -> TransferConfig:
    """Return the settings of a variant.

    Example:
        >>> [term.name for term in system(VARIANTS[1], BUDGETS["cpu"], "families").terms]
        ['content', 'style']
    """
    config = with_network(load_preset("verma"), network, random=variant.random)
    terms = [term for term in config.terms if variant.envelopes or term.name not in ENVELOPES]
    return config.with_iterations(budget.iterations).model_copy(update={"terms": tuple(terms)})
