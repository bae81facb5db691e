"""The transfers of Verma and Smith (2018): sounds, systems and budgets."""

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
        name: Name of the transfers' files.
        title: Title in tables.
        content: Name of the content sound.
        style: Name of the style sound.
        change: Change of the content's bandwidth that the paper reports.
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
"""The two experiments of the paper; titles name the style first, then the content."""

SCORES = {
    "harp": Score(46, ((43, 0.02, 0.3), (47, 0.2, 0.3), (50, 0.38, 0.3), (55, 0.56, 0.35))),
    "voice": Score(53, ((61, 0.02, 0.28), (64, 0.32, 0.2), (62, 0.54, 0.36))),
    "violin": Score(40, ((67, 0.0, 0.95),)),
}
"""A harp, a choir singing Ohh, and one violin note, on keys that are not in the shipped network's training data."""

FORK_HZ, FORK_SECONDS = 440.0, 1.5
"""Frequency of the tuning fork, a sine, and the time in which its amplitude decays to 1/e."""

SECONDS = 2.57
"""Length of the paper's sounds, seconds."""

ENVELOPES = ("energy over time", "energy over frequency")
"""Names of the preset's terms that compare energy envelopes."""


class Budget(Settings):
    """Amount of computation of the replay."""

    iterations: int = Field(500, ge=1, description="L-BFGS iterations of each transfer")
    seconds: float = Field(SECONDS, gt=0, description="length of the sounds, seconds")


BUDGETS: dict[str, Budget] = {
    "smoke": Budget(iterations=2, seconds=0.5),
    "cpu": Budget(iterations=200),
    "published": Budget(),
}


@dataclass(frozen=True)
class Variant:
    """The paper's system, or a modification of it.

    Attributes:
        name: Name in file names.
        title: Title in tables.
        envelopes: Whether the objective includes the terms of ``ENVELOPES``.
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
"""All variants; the first is the paper's system."""


def sounds_of(budget: Budget, soundfont: Path | None) -> dict[str, Tensor]:
    """Return all sounds by name.

    Raises:
        InputError: If the soundfont or FluidSynth is not installed.
    """
    fork = sines([(FORK_HZ, 0.0, 1.0)], seconds=budget.seconds, decay_seconds=FORK_SECONDS)
    return {"tuning fork": fork, **render_scores(SCORES, seconds=budget.seconds, soundfont=soundfont)}


def experiments_of(budget: Budget, network: str) -> list[TransferExperiment]:
    """Return the transfers: every variant of both tasks.

    Args:
        budget: The budget.
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
    """Return the settings of a variant's transfer.

    Example:
        >>> [term.name for term in system(VARIANTS[1], BUDGETS["cpu"], "families").terms]
        ['content', 'style']
    """
    config = with_network(load_preset("verma"), network, random=variant.random)
    terms = [term for term in config.terms if variant.envelopes or term.name not in ENVELOPES]
    return config.with_iterations(budget.iterations).model_copy(update={"terms": tuple(terms)})
