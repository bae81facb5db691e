"""The fifth question of the thesis: the same network with three representations, trained and evaluated equally."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows, draw_notes
from intertone.evaluate.figure import Way
from intertone.evaluate.resynthesis import CODEC, TRUE
from intertone.experiments.experiment import LogLine, code_counts
from intertone.experiments.figures import Column, by_ways, measure_notes, rows_in_tune
from intertone.experiments.store import Key, read_lines, remembered
from intertone.experiments.write_up import make_folders
from intertone.models.contract import root_mean_square_reading
from intertone.papers.thesis.study import Thesis
from intertone.papers.thesis.views import VIEWS, View, view_codec, view_config
from intertone.remark import RemarkLogger
from intertone.representation import build_representation
from intertone.train import FeatureChoiceConfig, Progress, prepare_features

logger = RemarkLogger(__name__)

N_TIMED = 16
"""Number of notes over which the time of an analysis is averaged."""

WAYS: dict[str, Way] = {"network": (CODEC, "estimated"), "alone": (TRUE, "estimated")}
"""Reconstructions: by representation and network, or by the representation alone.

Phase and noise of the note are not used. Other parts of the context are: the level, the transposition of a
pitch-normalised spectrum, and the f0 track and the partials' phases of harmonic features.
"""


@dataclass(frozen=True)
class ViewFigures:
    """Figures of each note for one of ``WAYS``: log-mel error and ``loud_cell_error`` in dB; in tune, 0 or 1."""

    log_mel: Column
    loud_cells: Column
    in_tune: Column


@dataclass(frozen=True)
class Compared:
    """Result of one representation.

    Attributes:
        title: Title in tables and pictures.
        rows: Number of feature rows.
        frames: Number of frames of a note.
        strides: Strides of the network's layers.
        weights: Number of weights of the network.
        code: Number of values of a note's latent code.
        notes: Number of different training notes.
        steps: Number of training steps.
        training: Training RMSE of the features in each pass, dB.
        valid: Validation RMSE of the features after each pass, dB.
        analysis_seconds: Time of the analysis of a note on one core.
        training_seconds: Time of all training steps and validations.
        network: Figures of notes reconstructed by representation and network.
        alone: Figures of notes reconstructed by the representation alone.
    """

    title: str
    rows: int
    frames: int
    strides: tuple[tuple[int, int], ...]
    weights: int
    code: int
    notes: int
    steps: int
    training: tuple[float, ...]
    valid: tuple[float, ...]
    analysis_seconds: float
    training_seconds: float
    network: ViewFigures
    alone: ViewFigures


def compare_representations(laboratory: Thesis) -> dict[str, Compared]:
    """Train and evaluate the network with every representation that has no stored result.

    All representations are trained on the same notes in the same order and for the same number of steps. They are
    evaluated on the audio of the same held-out notes, without phase and noise of the notes.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name of the representation → result.

    Raises:
        InputError: If the sample rate of the notes is not that of the representations, or there are too few notes.
        KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the run.
    """
    notes, comparison = laboratory.notes, laboratory.budget.comparison
    for view in VIEWS:
        rate = build_representation(view.representation).sample_rate
        if notes.sample_rate != rate:
            raise InputError(f"the notes must have a sample_rate of {rate} Hz, got {notes.sample_rate}")
    results = laboratory.folder / "results"
    key: Key = {"notes": notes.digest(), **comparison.model_dump(mode="json")}
    rows = held_out_rows(laboratory)
    known = remembered(
        results / "representation-in-tune.json",
        key,
        dict[str, tuple[bool, ...]],
        lambda: {"tuned": rows_in_tune(notes, rows)},
    )
    return {
        view.name: remembered(
            results / f"representation-{view.name}.json",
            {**key, "codec": view_codec(view, comparison).config.model_dump(mode="json")},
            Compared,
            partial(_train_and_evaluate, laboratory, view, rows, known["tuned"]),
        )
        for view in VIEWS
    }


def held_out_rows(laboratory: Thesis) -> Rows:
    """Return the row numbers of the held-out notes of the comparison."""
    comparison = laboratory.budget.comparison
    return draw_notes(laboratory.notes, comparison.n_notes, split="test", seed=comparison.seed)


def trained_codec(laboratory: Thesis, view: View) -> Codec:
    """Return the codec that was trained with a representation."""
    return Codec.load(laboratory.folder / "runs" / f"representation-{view.name}", device=laboratory.device)


def _train_and_evaluate(laboratory: Thesis, view: View, rows: Rows, tuned: Sequence[bool]) -> Compared:
    comparison = laboratory.budget.comparison
    runs = laboratory.folder / "runs"
    progress, n_notes = train_view(laboratory, view)
    codec = Codec.load(runs / f"training-{view.name}" / "last", device=laboratory.device)
    card = f"# {view.title}\n\nOne of the representations that `intertone paper thesis` compares.\n"
    codec.save(runs / f"representation-{view.name}", card=card)
    lines = read_lines(runs / f"training-{view.name}" / "metrics.jsonl", LogLine)
    scales = codec.representation.scales
    training, valid = (
        tuple(root_mean_square_reading(line.loss, scales).value for line in lines if line.split == split)
        for split in ("train", "valid")
    )
    logger.info("%s: evaluating", view.title)
    n_frames = codec.representation.n_frames(laboratory.notes.samples)
    weights, code = code_counts(codec, n_frames)
    found = evaluate_view(codec, laboratory.notes, rows, tuned, seed=comparison.seed)
    shutil.rmtree(runs / f"features-{view.name}")  # hundreds of megabytes that are no longer needed
    return Compared(
        view.title,
        codec.representation.n_features,
        n_frames,
        view.strides,
        weights,
        code,
        n_notes,
        progress.step,
        training,
        valid,
        analysis_seconds(codec, laboratory.notes, rows[:N_TIMED]),
        progress.seconds,
        **found,
    )


def train_view(laboratory: Thesis, view: View) -> tuple[Progress, int]:
    """Prepare the features of a representation and train its network on them, or resume an interrupted run.

    Args:
        laboratory: Notes, folder and budget.
        view: The representation and the strides.

    Returns:
        The final state, and the number of different training notes.

    Raises:
        InputError: If there are too few notes.
        KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the run.
    """
    comparison, runs = laboratory.budget.comparison, laboratory.folder / "runs"
    config = view_config(view, comparison)
    make_folders(runs)
    logger.info("%s: analysing %d notes", view.title, comparison.train_notes)
    choice = FeatureChoiceConfig(
        train_notes=comparison.train_notes, valid_notes=comparison.valid_notes, seed=comparison.seed
    )
    features = prepare_features(laboratory.notes, view.representation, runs / f"features-{view.name}", choice=choice)
    logger.info("%s: training", view.title)
    progress = laboratory.train(view.title, config, features, runs / f"training-{view.name}")
    return progress, int((features.split == "train").sum())


@torch.inference_mode()
def analysis_seconds(codec: Codec, notes: Notes, rows: Rows) -> float:
    """Return the mean processor time of the analysis of a note, seconds."""
    started = time.process_time()
    for row in rows:
        codec.representation.analyse(notes.audio([row]).unsqueeze(0))
    return (time.process_time() - started) / len(rows)


def evaluate_view(
    codec: Codec, notes: Notes, rows: Rows, tuned: Sequence[bool], *, seed: int
) -> dict[str, ViewFigures]:
    """Return the figures of notes that are reconstructed in each of ``WAYS``.

    Args:
        codec: The codec.
        notes: The note set.
        rows: Row numbers of the notes.
        tuned: Output of ``rows_in_tune`` for these notes.
        seed: Seed of phase and noise.
    """
    columns = ("log_mel", "loud_cells", "in_tune")
    wanted = [(way, column) for way in WAYS for column in columns]
    found = measure_notes(by_ways(codec, WAYS, seed=seed), notes, rows, tuned, wanted)
    return {way: ViewFigures(*(found[way, column] for column in columns)) for way in WAYS}


def reconstruct(codec: Codec, audio: Tensor, *, seed: int) -> Tensor:
    """Return the reconstructions of notes ``(notes, samples)`` by representation and network."""
    return by_ways(codec, WAYS, seed=seed)(audio)["network"]
