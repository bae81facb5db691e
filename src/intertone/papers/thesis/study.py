"""The experiments of chapter 4 of the 2023 thesis, and the budgets."""

import copy
import json
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field

from intertone.codec import CodecConfig
from intertone.config import Settings, override
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.experiments.experiment import (
    EvaluationBudget,
    Experiment,
    Laboratory,
    Results,
    RunResult,
    run_all,
)
from intertone.files import Json
from intertone.shipped import CODECS
from intertone.train import TrainConfig

CODE_SIZE = 2048
"""Code size for four seconds of sound, in all experiments that do not vary it."""


def _network(channels: str, strides: str, *others: str) -> tuple[str, ...]:
    return (f"model.channels={channels}", f"model.strides={strides}", *others)


def _stft(n_fft: int, hop_length: int, strides: str) -> tuple[str, ...]:
    lines = (f"representation.spectrogram.n_fft={n_fft}", f"representation.spectrogram.hop_length={hop_length}")
    return (*lines, f"model.strides={strides}")


_MEL = ("representation.kind=mel", "representation.n_mels=128", "model.strides=[[1,4],[2,4],[1,2],[1,2]]")
_SQUARE = ("[32,64,128,256,256]", "[[2,2],[2,2],[2,2],[2,2],[2,2]]")

PROBED = "learning rate of SGD"
"""Factor of the short runs that select the learning rate of the experiment ``sgd``."""


def best_rate(_notes: Notes, results: Results) -> tuple[str, ...]:
    """Return the learning rate of the short run with the lowest final validation loss, as an override."""
    best = min((run for run in results.values() if run.factor == PROBED), key=lambda run: run.final_loss)
    return tuple(line for line in best.changes if line.startswith("learning_rate"))


def one_instrument(notes: Notes) -> tuple[Notes, str]:
    """Return the notes of one instrument, split by pitch, and the name of the instrument.

    It is the instrument with the most notes in the training split, the first one if several have. In the order of the
    pitches, every eighth pitch is in the validation split and another eighth in the test split, so that no pitch is in
    two splits. Notes of other instruments are in no split.

    Args:
        notes: The note set; it is not changed.

    Returns:
        The notes with the new splits, and the name of the instrument.

    Raises:
        InputError: If the instrument has fewer than three pitches.

    Example:
        >>> Notes.open("nowhere")
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: ...
    """
    names, counts = np.unique(notes.instrument[notes.select(split="train")], return_counts=True)
    instrument = str(names[counts.argmax()])
    own = notes.instrument == instrument
    pitches = np.unique(notes.pitch[own])
    if len(pitches) < 3:
        raise InputError(f"one instrument must have at least three pitches, got {len(pitches)} of {instrument}")
    period = min(8, len(pitches))
    place = np.searchsorted(pitches, notes.pitch) % period
    split = np.select([place == period // 4, place == 3 * period // 4], ["valid", "test"], "train")
    chosen_notes = copy.copy(notes)
    chosen_notes.split = np.where(own, split, "none")
    return chosen_notes, instrument


EXPERIMENTS = (
    Experiment("default", "default", "default"),
    Experiment("seed-1", "default", "default, seed 1", ("seed=1",)),
    Experiment("seed-2", "default", "default, seed 2", ("seed=2",)),
    Experiment("log-mel", "scale", "log-mel, 128 bands", _MEL),
    Experiment("n-fft-512", "n_fft", "n_fft 512, hop 128", _stft(512, 128, "[[2,4],[2,4],[1,4],[1,2]]")),
    Experiment("n-fft-2048", "n_fft", "n_fft 2048, hop 512", _stft(2048, 512, "[[2,2],[2,4],[2,2],[2,2]]")),
    Experiment("hop-512", "hop", "hop 512 = n_fft/2", _stft(1024, 512, "[[2,2],[2,4],[2,2],[1,2]]")),
    Experiment("slices", "input", "slices of 64 frames", ("slice_frames=64",)),
    Experiment("depth-3", "depth", "3 layers", _network("[48,128,256]", "[[2,4],[2,4],[2,4]]")),
    Experiment("depth-5", "depth", "5 layers", _network("[32,64,128,128,256]", "[[2,4],[2,4],[2,2],[1,2],[1,1]]")),
    Experiment(
        "depth-8",
        "depth",
        "8 layers",
        _network("[32,32,64,64,128,128,128,256]", "[[2,4],[2,2],[1,2],[2,2],[1,2],[1,1],[1,1],[1,1]]"),
    ),
    Experiment(
        "square-strides",
        "shape",
        "5 layers of 3×3, strides 2×2",
        _network(*_SQUARE, "model.kernel_size=[3,3]", "model.bottleneck.channels=16"),
    ),
    Experiment("code-256", "code size", "code of 256", ("model.bottleneck.channels=1",)),
    Experiment("code-8192", "code size", "code of 8,192", ("model.bottleneck.channels=32",)),
    Experiment("relu", "activation", "ReLU", ("model.activation=relu",)),
    Experiment("sgd", "optimiser", "SGD, momentum 0.9", ("optimiser=sgd",), complete=best_rate),
    Experiment("rate-1e-5", "learning rate", "learning rate 1e-5", ("learning_rate=1e-5",)),
    Experiment("rate-1e-6", "learning rate", "learning rate 1e-6", ("learning_rate=1e-6",)),
    Experiment("rate-1e-7", "learning rate", "learning rate 1e-7", ("learning_rate=1e-7",)),
    Experiment(
        "one-instrument",
        "data",
        "one instrument",
        complete=lambda notes, _: (f"choice.instruments={json.dumps([one_instrument(notes)[1]])}",),
        part=lambda notes: one_instrument(notes)[0],
        beside="default",
    ),
    Experiment(
        "activation-first",
        "order",
        "ReLU, then normalisation",
        ("model.activation=relu", "model.order=conv-activation-norm"),
    ),
)
"""The default, and experiments that differ from it in one factor; ``sgd`` uses the best of the budget's rates."""


class Comparison(Settings):
    """Budget of the comparison of representations, the same for all of them."""

    train_notes: int = Field(1280, ge=2, description="different training notes")
    passes: int = Field(4, ge=1, description="passes over the training notes, each followed by a validation")
    batch_size: int = Field(16, ge=2, description="notes in one step")
    valid_notes: int = Field(64, ge=1, description="validation notes")
    n_notes: int = Field(64, ge=1, description="held-out notes that are reconstructed and evaluated")
    channel_divisor: int = Field(1, ge=1, description="divisor of the channels of every layer")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the notes, their order, random phase and noise")


class Budget(EvaluationBudget):
    """Budget of the experiments, the same for all of them."""

    epochs: int = Field(12, ge=1, description="epochs, each followed by a validation")
    notes_per_epoch: int = Field(320, ge=2, description="notes in one epoch")
    batch_size: int = Field(16, ge=2, description="notes in one step")
    valid_notes: int = Field(64, ge=1, description="validation notes")
    sgd_rates: tuple[float, ...] = Field((0.03, 0.3, 3.0), description="learning rates of SGD to select from")
    probe_epochs: int = Field(3, ge=1, description="epochs of the runs that select the learning rate of SGD")
    channel_divisor: int = Field(1, ge=1, description="divisor of the channels of every layer")
    longest_slice: int = Field(64, ge=1, description="largest length of slices in frames, if an experiment uses slices")
    n_components: int = Field(CODE_SIZE, ge=1, description="components of the linear code (PCA)")
    n_probe_notes: int = Field(3000, ge=10, description="training notes for linear probes of the code")
    n_foreign_notes: int = Field(640, ge=2, description="held-out notes for linear probes of the code")
    comparison: Comparison = Comparison()

    @property
    def examples(self) -> int:
        """Number of notes of all steps of a run, with repetitions."""
        return self.epochs * self.notes_per_epoch


Thesis = Laboratory[Budget]
"""Laboratory with the budget of the thesis."""

BUDGETS = {
    "smoke": Budget(
        names=("default", "seed-1", "log-mel", "slices", "sgd", "one-instrument"),
        epochs=2,
        notes_per_epoch=4,
        batch_size=4,
        valid_notes=2,
        sgd_rates=(0.03, 0.3),
        probe_epochs=1,
        channel_divisor=8,
        longest_slice=16,
        n_notes=2,
        n_pairs=2,
        n_components=4,
        n_probe_notes=24,
        n_foreign_notes=8,
        comparison=Comparison(train_notes=4, passes=2, batch_size=2, valid_notes=1, n_notes=2, channel_divisor=8),
    ),
    "cpu": Budget(),
    "gpu": Budget(
        epochs=60,
        notes_per_epoch=4096,
        valid_notes=512,
        probe_epochs=3,
        n_notes=512,
        n_pairs=256,
        comparison=Comparison(train_notes=12_000, passes=40, valid_notes=512, n_notes=512),
    ),
}
"""Budgets: ``smoke`` (seconds) only checks that everything runs, ``cpu`` takes about 80 minutes on one core, ``gpu``
has 64 times as many steps."""


def chosen(budget: Budget) -> list[Experiment]:
    """Return the experiments of a budget, in their order."""
    return [experiment for experiment in EXPERIMENTS if not budget.names or experiment.name in budget.names]


def sgd_probes(budget: Budget) -> list[Experiment]:
    """Return the short runs that select the learning rate of SGD."""
    return [
        Experiment(
            f"sgd-probe-{rate:g}",
            PROBED,
            f"SGD, learning rate {rate:g}",
            ("optimiser=sgd", f"learning_rate={rate:g}", f"epochs={budget.probe_epochs}"),
            evaluated=False,
        )
        for rate in budget.sgd_rates
    ]


def run_thesis(laboratory: Thesis) -> dict[str, RunResult]:
    """Run every experiment of the laboratory's budget, with the runs that select SGD's learning rate before ``sgd``."""
    budget = laboratory.budget
    plan: list[Experiment] = []
    for experiment in chosen(budget):
        plan += [*sgd_probes(budget), experiment] if experiment.complete is best_rate else [experiment]
    return run_all(laboratory, plan, lambda experiment: train_config(experiment, budget))


def run_settings(budget: Budget | Comparison, changes: Iterable[str], *, epochs: int) -> dict[str, Json]:
    """Return the settings that the runs of all experiments share, with some overrides.

    Network and representation are those of the shipped codec ``thesis``, with the channels divided as the budget says.

    Args:
        budget: Amount of training.
        changes: Overrides of the settings.
        epochs: Number of epochs.
    """
    shipped = CodecConfig.read(CODECS / "thesis" / "config.json").model_dump(mode="json")
    content = {
        "representation": shipped["representation"],
        "model": shipped["model"],
        "choice": {"valid_notes": budget.valid_notes},
        "epochs": epochs,
        "batch_size": budget.batch_size,
        "learning_rate": 1e-3,
        "weight_decay": 1e-6,
        "stop_patience": epochs,
        "sample_every": epochs,
        "precision": "bfloat16",
    }
    content = override(content, changes)
    content["model"]["channels"] = divided(content["model"]["channels"], budget.channel_divisor)
    return content


def train_config(experiment: Experiment, budget: Budget) -> TrainConfig:
    """Return the settings of an experiment's run.

    The learning rate is constant, because a run is too short to detect a plateau.

    Args:
        experiment: The experiment.
        budget: The budget, which all experiments share.

    Example:
        >>> train_config(EXPERIMENTS[2], BUDGETS["cpu"]).seed
        2
    """
    budgeted = (f"notes_per_epoch={budget.notes_per_epoch}", f"plateau_patience={budget.epochs}")
    content = run_settings(budget, (*budgeted, *experiment.changes), epochs=budget.epochs)
    config = TrainConfig.parse(content, source=f"the experiment {experiment.name}")
    return config.model_copy(update={"slice_frames": min(config.slice_frames, budget.longest_slice)})


def divided(channels: Sequence[int], divisor: int) -> list[int]:
    """Return the channels of a network divided by ``divisor``, at least 2.

    Example:
        >>> divided([4, 256], 8)
        [2, 32]
    """
    return [number if divisor == 1 else max(2, number // divisor) for number in channels]
