"""The networks of Colonel, Curro and Keene (2017), their published errors, and the budgets."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from intertone.data.notes import Notes
from intertone.experiments.experiment import Experiment
from intertone.experiments.frame_study import FrameBudget, check_rate, frame_config
from intertone.models.dense import DenseConfig
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig
from intertone.train import TrainConfig

STFT = SpectrogramConfig(sample_rate=22050, n_fft=2048, hop_length=512)
"""STFT of the paper. The paper gives the impossible hop 0; 512 is the hop of the authors' code."""

Method = Literal["momentum", "Adam"]


@dataclass(frozen=True)
class Row:
    """A network of one of the paper's tables.

    Attributes:
        table: Number of the table, 1 to 3; 0: the text mentions the network without an error.
        title: Title in the table.
        changes: Overrides of the common settings.
        published: Published mean squared error by optimiser; NaN: none is published.
    """

    table: int
    title: str
    changes: tuple[str, ...]
    published: dict[Method, float]

    def name(self, method: Method, seed: int) -> str:
        """Return the folder name of the run with an optimiser and a seed."""
        title = self.title.replace(", ", "-").replace(" ", "-")
        return f"{title}-{method.lower()}-seed-{seed}"


def _widths(*widths: int) -> str:
    return f"model.widths={list(widths)}"


_DEPTH_4 = _widths(512, 256, 128, 64)

_SIGMOID = ("model.activation=sigmoid", "model.code_activation=sigmoid", "model.output_activation=sigmoid")
_RELU = ("model.activation=relu", "model.code_activation=relu", "model.output_activation=relu")
_HYBRID = ("model.activation=relu", "model.code_activation=sigmoid", "model.output_activation=sigmoid")

ROWS = (
    *(
        Row(1, str(width), (_widths(width), *_SIGMOID), {"momentum": momentum, "Adam": adam})
        for width, momentum, adam in (
            (8, 4.40e-2, 5.30e-3),
            (16, 4.14e-2, 5.28e-3),
            (64, 2.76e-2, 7.10e-4),
            (256, 1.87e-2, 1.64e-4),
            (512, 1.98e-2, 9.62e-4),
            (1024, 3.52e-2, 7.13e-5),
        )
    ),
    *(
        Row(2, f"256-{width}", (_widths(256, width), *_SIGMOID), {"momentum": 1.84e-2, "Adam": adam})
        for width, adam in ((8, 1.91e-3), (16, 1.19e-3), (32, 7.30e-4))
    ),
    Row(3, "all sigmoid", (_DEPTH_4, *_SIGMOID), {"Adam": 1.72e-3}),
    Row(3, "all ReLU", (_DEPTH_4, *_RELU), {"Adam": 8.00e-2}),
    Row(3, "hybrid", (_DEPTH_4, *_HYBRID), {"Adam": 4.91e-4}),
    Row(0, "hybrid, bias", (_DEPTH_4, *_HYBRID, "model.bias=true"), {"Adam": float("nan")}),
    Row(0, "hybrid, dropout", (_DEPTH_4, *_HYBRID, "model.dropout=0.2"), {"Adam": float("nan")}),
)
"""Networks of Tables 1 to 3 of Colonel, Curro and Keene (2017), and the two that the text mentions (bias, dropout)."""


class Budget(FrameBudget):
    """Amount of training."""

    epochs: int = Field(300, ge=1, description="epochs of every run; 300 are published")
    seeds: int = Field(3, ge=1, le=10, description="number of seeds of each network of Tables 1 to 3")


BUDGETS = {
    "smoke": Budget(epochs=1, seeds=1, names=("8", "hybrid"), training_notes=16),
    "cpu": Budget(epochs=6),
    "gpu": Budget(),
}


def experiments(budget: Budget) -> tuple[Experiment, ...]:
    """Return the experiments of a budget: every network, optimiser and seed."""
    return tuple(
        Experiment(
            row.name(method, seed),
            f"table {row.table}",
            f"{row.title}, {method}, seed {seed}",
            (*row.changes, *_method(method), f"seed={seed}"),
            evaluated=False,
        )
        for row in ROWS
        if not budget.names or row.title in budget.names
        for method in row.published
        for seed in range(budget.seeds if row.table else 1)
    )


def _method(method: Method) -> tuple[str, ...]:
    """Return the optimiser settings: momentum as in the baseline that the paper names, or Adam from 1e-3 to 1e-4."""
    if method == "momentum":
        return ("optimiser=sgd", "learning_rate=5e-3", "momentum=0.5", "schedule=plateau")
    return ("optimiser=adam", "learning_rate=1e-3", "schedule=cosine", "min_learning_rate=1e-4")


def train_config(experiment: Experiment, budget: Budget) -> TrainConfig:
    """Return the settings of a run: batches of 100 frames, no bias, initial weights with standard deviation 0.15, L2.

    The paper does not give the weight of the L2 penalty; the replay uses 1e-7.

    Example:
        >>> config = train_config(experiments(BUDGETS["gpu"])[0], BUDGETS["gpu"])
        >>> config.model.widths, config.optimiser, config.epochs
        ((8,), 'sgd', 300)
    """
    paper = TrainConfig(
        representation=FramesConfig(spectrogram=STFT),
        model=DenseConfig(bias=False, initial_deviation=0.15),
        frames_per_batch=100,
        weight_decay=1e-7,
    )
    return frame_config(paper, experiment, budget)


def check_notes(notes: Notes) -> None:
    """Refuse notes that are not at the sample rate of the paper.

    Raises:
        InputError: If the sample rate is not 22,050 Hz.
    """
    check_rate(notes, STFT.sample_rate, "intertone data virtual-analogue --sample-rate 22050 --polyphony 4")
