"""Networks of single frames: trained with several first weights, compared by the frames of held-out notes."""

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
"""Held-out notes that are analysed together."""


@dataclass(frozen=True)
class FrameErrors:
    """Errors of a network over the held-out frames that are not silent, in the scale of the features.

    Attributes:
        squared: Mean of ``(estimate − reference)²`` over all bins.
        absolute: Mean of ``|estimate − reference|``.
        convergence: Spectral convergence: root of the summed squared errors over the summed squares of the reference.
        power_db: Mean over the frames of how far the power of the estimate is from the reference's, dB; an estimate
            counts as at most 100 dB too quiet.
    """

    squared: float
    absolute: float
    convergence: float
    power_db: float

    @classmethod
    def infinite(cls) -> "FrameErrors":
        """Return the errors of a network whose training was stopped."""
        return cls(*[math.inf] * len(fields(cls)))


Errors = Mapping[str, FrameErrors]
"""Name of a run → errors of the held-out frames; infinite where training was stopped."""


@dataclass(frozen=True)
class Network:
    """A network that a paper trains: a line of its tables.

    Attributes:
        table: Where it stands.
        title: In the table.
        changes: Overrides of the common settings.
        corpus: Name of the part of the notes that it is trained on; empty: all.
        all_seeds: Whether it stands in an order that the paper reports, so that it is trained with every seed.
    """

    table: str
    title: str
    changes: tuple[str, ...]
    corpus: str = ""
    all_seeds: bool = True

    def name(self, seed: int) -> str:
        """Return the name of a run's folder."""
        words = " ".join(filter(None, (self.corpus, self.title))).replace(",", "").replace(" ", "-")
        return f"{words}-seed-{seed}"

    def runs(self, errors: Errors) -> list[FrameErrors]:
        """Return the errors of its runs, seed by seed."""
        found = (errors.get(self.name(seed)) for seed in range(len(errors)))
        return [each for each in found if each is not None]

    def finished(self, errors: Errors) -> bool:
        """Tell whether it was trained, and none of its runs was stopped."""
        runs = self.runs(errors)
        return bool(runs) and all(math.isfinite(each.squared) for each in runs)


class FrameBudget(EvaluationBudget):
    """Amount of training of a study of frames."""

    epochs: int = 300
    seeds: int = 3
    training_notes: int = Field(0, ge=0, description="notes that are trained with, and two of each other split; 0: all")


F = TypeVar("F", bound=FrameBudget)


def experiments_of(
    networks: Iterable[Network], budget: FrameBudget, parts: Mapping[str, Callable[[Notes], Notes]] | None = None
) -> tuple[Experiment, ...]:
    """Return the runs of a budget.

    Args:
        networks: All of the paper's.
        budget: How many seeds, which networks, by title, and how many notes of a corpus.
        parts: Corpus → what takes its notes from the note set.
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
    """Return a note set of which as many notes are used as a budget says, evenly spaced in each split."""
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

    No run ends early, and each is in full precision.

    Args:
        paper: What all runs of the paper have in common.
        experiment: The run.
        budget: How long it trains.

    Raises:
        InputError: If a change names no setting, or a value is not allowed.
    """
    course = dict.fromkeys(("epochs", "stop_patience", "plateau_patience", "sample_every"), budget.epochs)
    common = paper.model_copy(update={**course, "batch_size": 8, "precision": "float32"})
    content = override(common.model_dump(mode="json"), experiment.changes)
    return TrainConfig.parse(content, source=f"the experiment {experiment.name}")


def train_networks(
    laboratory: Laboratory[F], experiments: Sequence[Experiment], configure: Configure
) -> dict[str, FrameErrors]:
    """Train every network that is not trained yet, and return the errors of each run on its held-out frames."""
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
    """Return the errors of the frames of a split that are not silent."""
    rows = notes.select(split=split)
    squared = absolute = power = decibels = 0.0
    count = 0
    for part in np.array_split(rows, max(1, len(rows) // NOTES_AT_ONCE)):
        features, context = codec.analyse(notes.audio(part)[:, None])
        latents = codec.encode_features(features, context.conditions)
        estimate = codec.decode_features(latents, context.conditions)
        heard = (features != 0).any(1)
        difference = estimate - features
        squared += float(difference.square().mean(1)[heard].double().sum())
        absolute += float(difference.abs().mean(1)[heard].double().sum())
        own, made = (values.square().mean(1)[heard].double() for values in (features, estimate))
        power += float(own.sum())
        decibels += float(power_to_db((made / own).clamp_min(1e-10)).abs().sum())
        count += int(heard.sum())
    if not count:
        return FrameErrors(math.nan, math.nan, math.nan, math.nan)
    return FrameErrors(squared / count, absolute / count, (squared / power) ** 0.5, decibels / count)


def check_rate(notes: Notes, sample_rate: int, command: str) -> None:
    """Refuse notes of another sample rate than a paper's.

    Args:
        notes: The note set.
        sample_rate: Hz.
        command: Makes notes that fit.

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
    """Return lines of a table: the frames of each split, published and here.

    Args:
        notes: The note set.
        spectrogram: Of the paper.
        published: Of training, validation and test.
    """
    rows = []
    words = {"train": "training", "valid": "validation", "test": "test"}
    for (split, word), paper in zip(words.items(), published, strict=True):
        count = len(notes.select(split=split)) * spectrogram.n_frames(notes.samples)
        rows.append((f"{word} frames", paper, f"{count:,}" + (", silent ones left out" if split == "train" else "")))
    return rows


def order(title: str, networks: Sequence[Network], errors: Errors, what: str = "squared") -> Order:
    """Return networks in the order that a paper reports, the one with the lowest error first.

    Args:
        title: For tables.
        networks: The order.
        errors: Of all runs.
        what: Which error, a field of ``FrameErrors``.
    """
    return Order(title, tuple([asdict(each)[what] for each in network.runs(errors)] for network in networks))


def error_table(networks: Iterable[Network], errors: Errors, *, corpus: bool = False) -> str:
    """Return the mean errors of every network that was trained, and the range of the spectral convergence."""
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
