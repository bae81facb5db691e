"""The transfers of Boemer, Gong and Homma (2018): sounds, systems and budgets."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.experiments.transfer_study import Score, TransferExperiment, render_scores, sines, with_network
from intertone.transfer import TransferConfig, load_preset

ITERATIONS = 100
"""Number of Adam steps in the paper. Iterations below refer to these; with fewer steps they are scaled."""

HEARD, SUNG = (0, 30, 50, 99), (0, 25, 50, 75, 100)
"""Iterations whose sounds are stored: for notes those of the paper's figures and table, for the voice equal steps."""


@dataclass(frozen=True)
class Direction:
    """A row of the paper's table of losses.

    Attributes:
        name: Name of the transfers' files.
        title: Title in tables.
        content: Name of the content sound.
        style: Name of the style sound.
        losses: Published losses at iteration 0, 50 and 99.
    """

    name: str
    title: str
    content: str
    style: str
    losses: tuple[float, float, float]

    def published(self, place: int) -> float:
        """Return the published loss with the index ``place`` in ``losses``, divided by the first one."""
        return self.losses[place] / self.losses[0]


DIRECTIONS = (
    Direction("low-to-high", "low pitch to high pitch", "low", "high", (8286706, 4409072, 4399098)),
    Direction("high-to-low", "high pitch to low pitch", "high", "low", (10242564, 4323082, 4302873)),
    Direction("pitch-to-chord", "pitch to chord", "pitch", "chord", (34289436, 2726922.75, 2539626)),
    Direction("chord-to-pitch", "chord to pitch", "chord", "pitch", (11554859, 7192789, 7180529)),
)
"""The paper's Table 1."""

TOLERANCE = abs(DIRECTIONS[0].published(2) - DIRECTIONS[1].published(2))
"""Largest accepted difference of a ratio from the published one, 0.111. In the paper, the ratios of the same task with
exchanged sounds differ by as much, and the sounds of the replay are not those of the paper."""

LOW, HIGH = ((52, 52), (53, 55), (52, 56)), ((52, 64), (53, 65), (52, 61))
"""MIDI program and key of the low and of the high sound of each pair: choirs singing Ahh and Ohh, on keys that are not
in the training data of the shipped network."""

CHORD = (60, 64, 67)
"""MIDI numbers of the chord: C4, E4 and G4."""

CHORD_PROGRAMS = (73, 74, 75)
"""MIDI programs of the chord, one for each pair: flute, recorder and pan flute."""

SINE_HZ = ((1000.0, 2000.0), (500.0, 1000.0), (440.0, 660.0))
"""Frequencies of the two sines of each pair's pitch sound, which follow each other with silence between."""

PHRASE = Score(52, ((64, 0.03, 0.22), (67, 0.27, 0.18), (65, 0.47, 0.13), (62, 0.62, 0.3)))
"""The voice: a sung phrase of four notes."""

FLUTE = Score(73, ((67, 0.0, 0.95),))
"""The style of the voice: one note of a flute."""


class Budget(Settings):
    """Amount of computation of the replay."""

    iterations: int = Field(ITERATIONS, ge=1, description="Adam steps of each transfer")
    seconds: float = Field(3.0, gt=0, description="length of the pitches and chords, seconds")
    sung_seconds: float = Field(3.0, gt=0, description="length of the voice, seconds; it is slow (30 blocks)")
    pairs: int = Field(3, ge=1, le=3, description="pairs of sounds for each row of the table")
    random: tuple[str, ...] = Field(
        tuple(direction.name for direction in DIRECTIONS), description="rows that also run with shuffled weights"
    )
    alphas: tuple[float, ...] = Field((0.1, 1.0, 10.0), min_length=1, description="weights of the voice's content term")
    variants: bool = Field(True, description="whether to run a content term on the code, and a chord by Gram matrices")

    def after(self, iteration: int) -> int:
        """Return the step of the replay that corresponds to an iteration of the paper."""
        return round(iteration * self.iterations / ITERATIONS)

    @property
    def main_alpha(self) -> float:
        """The median of ``alphas``, used for the variants and for shuffled weights."""
        return sorted(self.alphas)[len(self.alphas) // 2]


BUDGETS: dict[str, Budget] = {
    "smoke": Budget(
        iterations=3,
        seconds=0.3,
        sung_seconds=0.3,
        pairs=1,
        random=("low-to-high",),
        alphas=(1.0,),
        variants=False,
    ),
    "cpu": Budget(seconds=2.0, sung_seconds=1.5, pairs=2, variants=False),
    "published": Budget(),
}


def sounds_of(budget: Budget, soundfont: Path | None) -> dict[str, Tensor]:
    """Return all sounds by name; names of the pairs' sounds end with the number of the pair, counted from 1.

    Raises:
        InputError: If the soundfont or FluidSynth is not installed.
    """
    whole = (0.0, 0.95)
    scores = {}
    for pair in range(budget.pairs):
        for name, (program, key) in (("low", LOW[pair]), ("high", HIGH[pair])):
            scores[f"{name}-{pair + 1}"] = Score(program, ((key, *whole),))
        scores[f"chord-{pair + 1}"] = Score(CHORD_PROGRAMS[pair], tuple((key, *whole) for key in CHORD))
    found = render_scores(scores, seconds=budget.seconds, soundfont=soundfont)
    for pair in range(budget.pairs):
        low, high = SINE_HZ[pair]
        found[f"pitch-{pair + 1}"] = sines([(low, 0.0, 0.62), (high, 0.7, 0.3)], seconds=budget.seconds)
    sung = {"voice": PHRASE, "flute": FLUTE}
    return found | render_scores(sung, seconds=budget.sung_seconds, soundfont=soundfont)


def experiments_of(budget: Budget, network: str) -> list[TransferExperiment]:
    """Return the transfers: every row of the table for each pair of sounds, then the voice for each alpha.

    Args:
        budget: The budget.
        network: Name or folder of the autoencoder.
    """
    notes = with_network(load_preset("boemer_l2"), network).with_iterations(budget.iterations)
    gram = with_network(load_preset("boemer_gram"), network).with_iterations(budget.iterations)
    found = [_notes(direction, pair, notes, budget) for pair in range(1, budget.pairs + 1) for direction in DIRECTIONS]
    found += [
        _notes(direction, 1, with_network(notes, network, random=True), budget, suffix="-random")
        for direction in DIRECTIONS
        if direction.name in budget.random
    ]
    found += [
        _sung(f"voice-{alpha:g}", f"voice to flute, alpha {alpha:g}", gram, alpha, budget) for alpha in budget.alphas
    ]
    shuffled, alpha = with_network(gram, network, random=True), budget.main_alpha
    found.append(_sung("voice-random", f"voice to flute, alpha {alpha:g}, random weights", shuffled, alpha, budget))
    if budget.variants:
        found.append(
            _sung("voice-code", f"voice to flute, alpha {alpha:g}, content by the code", _by_code(gram), alpha, budget)
        )
        chord = next(direction for direction in DIRECTIONS if direction.name == "pitch-to-chord")
        found.append(_notes(chord, 1, _weighted(gram, alpha), budget, suffix="-gram"))
    return found


def _notes(
    direction: Direction, pair: int, config: TransferConfig, budget: Budget, *, suffix: str = ""
) -> TransferExperiment:
    """Return the transfer between two sounds of a pair."""
    words = {"": "", "-random": ", random weights", "-gram": ", Gram matrices"}[suffix]
    return TransferExperiment(
        name=f"{direction.name}-{pair}{suffix}",
        title=f"{direction.title}, pair {pair}{words}",
        content=f"{direction.content}-{pair}",
        style=f"{direction.style}-{pair}",
        config=config,
        heard={str(iteration): budget.after(iteration) for iteration in HEARD},
    )


def _sung(name: str, title: str, config: TransferConfig, alpha: float, budget: Budget) -> TransferExperiment:
    """Return the transfer from the voice to the flute."""
    heard = {str(iteration): budget.after(iteration) for iteration in SUNG}
    return TransferExperiment(name, title, "voice", "flute", _weighted(config, alpha), heard)


def _weighted(config: TransferConfig, alpha: float) -> TransferConfig:
    """Return the settings with alpha as the weight of the content terms."""
    terms = [
        term.model_copy(update={"weight": alpha}) if term.reference == "content" else term for term in config.terms
    ]
    return config.model_copy(update={"terms": tuple(terms)})


def _by_code(config: TransferConfig) -> TransferConfig:
    """Return the settings with the latent code as the layer of the content terms."""
    terms = [
        term.model_copy(update={"layers": ("latents",)}) if term.reference == "content" else term
        for term in config.terms
    ]
    return config.model_copy(update={"terms": tuple(terms)})
