"""Training of networks of single frames with several seeds, and their errors on the frames of held-out notes."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import mean
from typing import TypeVar

import numpy as np
import torch
from pydantic import Field

from intertone.codec import Codec
from intertone.config import override
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.experiments.experiment import Configure, EvaluationBudget, Experiment, Laboratory, run_all
from intertone.experiments.finding import Order
from intertone.experiments.store import remembered
from intertone.level import power_to_db
from intertone.page import markdown_rows
from intertone.stft import SpectrogramConfig
from intertone.train import TrainConfig

NOTES_AT_ONCE = 16
"""Number of held-out notes that are analysed at a time."""


@dataclass(frozen=True)
class FrameErrors:
    """Errors of a network over the held-out frames that are not silent, in the scale of the features.

    Attributes:
        squared: Mean of ``(estimate − reference)²`` over frames and bins.
        absolute: Mean of ``|estimate − reference|`` over frames and bins.
        convergence: Spectral convergence: square root of the sum of squared errors over the sum of squares of the
            reference.
        power_db: Mean over the frames of the absolute difference of the power in dB; an estimate more than 100 dB too
            quiet is set to 100 dB.
    """

    squared: float
    absolute: float
    convergence: float
    power_db: float

    @classmethod
    def infinite(cls) -> "FrameErrors":
        """Return infinite errors, for a network whose training stopped with an error."""
        return cls(*[math.inf] * len(fields(cls)))


Errors = Mapping[str, FrameErrors]
"""Name of a run → errors of the held-out frames; infinite: training stopped with an error."""


@dataclass(frozen=True)
class Network:
    """A network that a paper trains, which is a line of one of its tables.

    Attributes:
        table: Name of the table.
        title: Title in the table.
        changes: Overrides of the common settings.
        corpus: Name of the part of the notes that it is trained on; empty: all notes.
        all_seeds: Whether it is trained with every seed, because it is part of an order that the paper reports; if
            not, with the first seed only.
    """

    table: str
    title: str
    changes: tuple[str, ...]
    corpus: str = ""
    all_seeds: bool = True

    def name(self, seed: int) -> str:
        """Return the folder name of the run with a seed."""
        words = " ".join(filter(None, (self.corpus, self.title))).replace(",", "").replace(" ", "-")
        return f"{words}-seed-{seed}"

    def runs(self, errors: Errors) -> list[FrameErrors]:
        """Return the errors of the network's runs, in the order of the seeds."""
        found = (errors.get(self.name(seed)) for seed in range(len(errors)))
        return [each for each in found if each is not None]

    def finished(self, errors: Errors) -> bool:
        """Return whether the network was trained, and no run stopped with an error."""
        runs = self.runs(errors)
        return bool(runs) and all(math.isfinite(each.squared) for each in runs)


class FrameBudget(EvaluationBudget):
    """Amount of training of a study of frames."""

    epochs: int = 300
    seeds: int = 3
    training_notes: int = Field(0, ge=0, description="training notes, with two notes of each other split; 0: all notes")


F = TypeVar("F", bound=FrameBudget)


def experiments_of(
    networks: Iterable[Network], budget: FrameBudget, parts: Mapping[str, Callable[[Notes], Notes]] | None = None
) -> tuple[Experiment, ...]:
    """Return the experiments of a budget: the chosen networks with every seed.

    Args:
        networks: All networks of the paper.
        budget: The seeds, the titles of the networks, and the number of notes.
        parts: Name of a corpus → function that selects its notes from the note set; None: there are no corpora.
    """
    fewer = {name: _fewer_of(take, budget) for name, take in (parts or {}).items()}
    return tuple(
        Experiment(
            network.name(seed),
            network.table,
            f"{network.title}, {network.corpus or 'all notes'}, seed {seed}",
            (*network.changes, f"seed={seed}"),
            part=fewer[network.corpus] if network.corpus else None,
            evaluated=False,
        )
        for network in networks
        if not budget.names or network.title in budget.names
        for seed in range(budget.seeds if network.all_seeds else 1)
    )


def _fewer_of(take: Callable[[Notes], Notes], budget: FrameBudget) -> Callable[[Notes], Notes]:
    return lambda notes: fewer_notes(take(notes), budget)


def fewer_notes(notes: Notes, budget: FrameBudget) -> Notes:
    """Return a note set restricted to the number of notes of a budget, equally spaced in each split."""
    if not budget.training_notes:
        return notes
    part = copy.copy(notes)
    part.split = np.full(len(notes), "none", dtype="<U5")
    for split in ("train", "valid", "test"):
        rows = notes.select(split=split)
        count = budget.training_notes if split == "train" else 2
        chosen = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
        part.split[chosen] = split
    return part


def frame_config(paper: TrainConfig, experiment: Experiment, budget: FrameBudget) -> TrainConfig:
    """Return the settings of a run: those of the paper, the epochs of the budget, and the experiment's changes.

    There is no early stopping, and the precision is ``float32``.

    Args:
        paper: Settings that all runs of the paper share.
        experiment: The experiment.
        budget: The budget, with the number of epochs.

    Raises:
        InputError: If a change names an unknown setting, or a value is not allowed.
    """
    course = dict.fromkeys(("epochs", "stop_patience", "plateau_patience", "sample_every"), budget.epochs)
    common = paper.model_copy(update={**course, "batch_size": 8, "precision": "float32"})
    content = override(common.model_dump(mode="json"), experiment.changes)
    return TrainConfig.parse(content, source=f"the experiment {experiment.name}")


def train_networks(
    laboratory: Laboratory[F], experiments: Sequence[Experiment], configure: Configure
) -> dict[str, FrameErrors]:
    """Train all networks, unless their results are stored, and return the errors of each run on held-out frames."""
    results = run_all(laboratory, experiments, configure)
    errors = {}
    for experiment in experiments:
        name, result = experiment.name, results[experiment.name]
        if result.stopped:
            errors[name] = FrameErrors.infinite()
            continue
        notes = laboratory.notes if experiment.part is None else experiment.part(laboratory.notes)
        key = {"settings": result.settings.digest(), "notes": result.notes}
        path = laboratory.folder / "results" / f"{name}.error.json"

        def measure(name: str = name, notes: Notes = notes) -> FrameErrors:
            return held_out_errors(laboratory.codec(name), notes)

        errors[name] = remembered(path, key, FrameErrors, measure)
    return errors


@torch.inference_mode()
def held_out_errors(codec: Codec, notes: Notes, *, split: str = "test") -> FrameErrors:
    """Return the errors of a codec on the frames of a split that are not silent."""
    rows = notes.select(split=split)
    squared = absolute = power = decibels = 0.0
    count = 0
    for part in np.array_split(rows, max(1, len(rows) // NOTES_AT_ONCE)):
        features, context = codec.analyse(notes.audio(part)[:, None])
        latents = codec.encode_features(features, context.conditions)
        estimate = codec.decode_features(latents, context.conditions)
        sounding = (features != 0).any(1)
        difference = estimate - features
        squared += float(difference.square().mean(1)[sounding].double().sum())
        absolute += float(difference.abs().mean(1)[sounding].double().sum())
        own, made = (values.square().mean(1)[sounding].double() for values in (features, estimate))
        power += float(own.sum())
        decibels += float(power_to_db((made / own).clamp_min(1e-10)).abs().sum())
        count += int(sounding.sum())
    if not count:
        return FrameErrors(math.nan, math.nan, math.nan, math.nan)
    return FrameErrors(squared / count, absolute / count, (squared / power) ** 0.5, decibels / count)


def check_rate(notes: Notes, sample_rate: int, command: str) -> None:
    """Refuse notes whose sample rate is not that of a paper.

    Args:
        notes: The note set.
        sample_rate: Sample rate of the paper, Hz.
        command: Command that makes notes with this rate, for the message.

    Raises:
        InputError: If the rates differ.
    """
    if notes.sample_rate != sample_rate:
        raise InputError(
            f"the notes must have the paper's sample_rate={sample_rate}, got {notes.sample_rate}; {command} makes such"
        )


def frame_rows(
    notes: Notes, spectrogram: SpectrogramConfig, published: tuple[str, str, str]
) -> list[tuple[str, str, str]]:
    """Return table rows with the number of frames of each split: published, and in the replay.

    Args:
        notes: The note set.
        spectrogram: Settings of the paper's spectrogram.
        published: Published numbers of training, validation and test frames.
    """
    rows = []
    words = {"train": "training", "valid": "validation", "test": "test"}
    for (split, word), paper in zip(words.items(), published, strict=True):
        count = len(notes.select(split=split)) * spectrogram.n_frames(notes.samples)
        rows.append((f"{word} frames", paper, f"{count:,}" + (", silent ones left out" if split == "train" else "")))
    return rows


def order(title: str, networks: Sequence[Network], errors: Errors, what: str = "squared") -> Order:
    """Return the errors of networks in the order that a paper reports.

    Args:
        title: Title in tables.
        networks: The networks, the one with the lowest reported error first.
        errors: Errors of all runs.
        what: Kind of error, a field of ``FrameErrors``.
    """
    return Order(title, tuple([asdict(each)[what] for each in network.runs(errors)] for network in networks))


def error_table(networks: Iterable[Network], errors: Errors, *, corpus: bool = False) -> str:
    """Return a Markdown table of each trained network's mean errors, and the range of its spectral convergence."""
    lines = []
    for network in networks:
        runs = network.runs(errors)
        if not runs:
            continue
        ratios = [each.convergence for each in runs]
        ranged = f"{min(ratios):.3f} to {max(ratios):.3f}" if len(ratios) > 1 else "–"
        figures = [
            f"{mean(each.squared for each in runs):.2e}",
            f"{mean(each.absolute for each in runs):.2e}",
            f"{mean(ratios):.3f}",
            ranged,
            f"{mean(each.power_db for each in runs):.2f}",
        ]
        stopped = any(math.isinf(ratio) for ratio in ratios)
        where = (network.table, network.corpus) if corpus else (network.table,)
        lines.append((*where, network.title, *(["stopped"] * len(figures) if stopped else figures)))
    columns = ("network", "squared error", "absolute error", "convergence", "range of the seeds", "power, dB")
    return markdown_rows((*("table", "corpus")[: 1 + corpus], *columns), lines)
