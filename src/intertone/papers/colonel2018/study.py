"""The networks of Colonel, Curro and Keene (2018), CANNe, and the budgets."""

from typing import Literal

from pydantic import Field

from intertone.data.notes import Notes
from intertone.experiments.experiment import Experiment
from intertone.experiments.frame_study import FrameBudget, Network, check_rate, frame_config
from intertone.models.dense import DenseConfig
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig
from intertone.train import TrainConfig

STFT = SpectrogramConfig(sample_rate=44100, n_fft=4096, hop_length=1024)
"""STFT of the authors' code: a Hann window of 4096 samples at 44.1 kHz, with a hop of a quarter window."""

ENCODER, DECODER, CODE = (1000, 512, 256, 128, 64, 32, 16), (16, 32, 64, 128, 256, 512, 1024), 8
"""Widths of the hidden layers and of the latent code in the authors' code, whose widest layers are 1000 and 1024."""

NARROWEST = 16
"""Smallest width of a hidden layer in networks with reduced widths; it is the smallest published width too."""

INPUTS = {
    "the frame alone": "none",
    "first difference": "first-difference",
    "second difference": "second-difference",
    "MFCC": "mfcc",
    "mel": "mel",
}
"""Title of an input → value of the setting ``model.augmentation``."""

COSTS = {"squared error": "squared", "absolute error": "absolute", "spectral convergence": "convergence"}
"""Title of a cost function → value of the setting ``model.cost``."""

AUGMENTED = tuple(
    Network("inputs", title, (f"model.augmentation={kind}", "model.cost=convergence")) for title, kind in INPUTS.items()
)
"""Networks with the five inputs, trained with the cost function that the paper selects."""

COSTED = tuple(
    Network("costs", title, (f"model.cost={kind}",)) for title, kind in COSTS.items() if kind != "convergence"
)
"""Networks with the two other cost functions and the frame alone as input; the third one is among ``AUGMENTED``."""

NETWORKS = (*AUGMENTED, *COSTED)


class Budget(FrameBudget):
    """Amount of training."""

    epochs: int = Field(50, ge=1, description="epochs of every run; the authors' code has 50")
    seeds: int = Field(3, ge=1, le=10, description="number of seeds of each network")
    narrower: Literal[1, 2, 4] = Field(1, description="divisor of the widths of hidden layers")


BUDGETS = {
    "smoke": Budget(epochs=1, seeds=1, narrower=4, names=("the frame alone", "first difference"), training_notes=16),
    "cpu": Budget(epochs=10, narrower=4),
    "gpu": Budget(),
}


def hidden(widths: tuple[int, ...], narrower: int) -> tuple[int, ...]:
    """Return the widths of hidden layers divided by ``narrower``, at least ``NARROWEST``.

    Example:
        >>> hidden((1000, 512, 64, 16), 4)
        (250, 128, 16, 16)
    """
    return tuple(max(NARROWEST, width // narrower) for width in widths)


def train_config(experiment: Experiment, budget: Budget) -> TrainConfig:
    """Return the settings of a run: ReLU, no bias, Adam, batches of 100 frames, initial weights with deviation 0.15.

    The L2 penalty of the authors' code has no gradient; the replay has an effective one of 1e-8, which is between the
    published 1e-10 and 1e-7.

    Example:
        >>> config = train_config(Experiment("mel", "inputs", "mel", ("model.augmentation=mel",)), BUDGETS["gpu"])
        >>> config.model.widths, config.model.augmentation, config.epochs
        ((1000, 512, 256, 128, 64, 32, 16, 8), 'mel', 50)
    """
    paper = TrainConfig(
        representation=FramesConfig(spectrogram=STFT),
        model=DenseConfig(
            widths=(*hidden(ENCODER, budget.narrower), CODE),
            decoder_widths=hidden(DECODER, budget.narrower),
            activation="relu",
            code_activation="relu",
            output_activation="relu",
            bias=False,
            initial_deviation=0.15,
        ),
        frames_per_batch=100,
        optimiser="adam",
        learning_rate=1e-3,
        weight_decay=1e-8,
    )
    return frame_config(paper, experiment, budget)


def training_rows(budget: Budget, *, widths: str, epochs: str) -> list[tuple[str, str, str]]:
    """Return table rows of widths, epochs and seeds, of the authors' code and of the replay."""
    here = "the same" if budget.narrower == 1 else f"divided by {budget.narrower}, {NARROWEST} at least"
    return [("widths", widths, here), ("epochs", epochs, str(budget.epochs)), ("seeds", "1", str(budget.seeds))]


def check_notes(notes: Notes) -> None:
    """Refuse notes that are not at the sample rate of the paper.

    Raises:
        InputError: If the sample rate is not 44,100 Hz.
    """
    check_rate(notes, STFT.sample_rate, "intertone data virtual-analogue --sample-rate 44100")
