"""Computation of the features of a note set before training, so that slow analyses run only once."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from intertone.config import Settings
from intertone.data.features import (
    FeatureRow,
    FeatureSet,
    begin_features,
    finish_features,
    write_feature_shard,
)
from intertone.data.notes import Notes
from intertone.data.store import shard_done
from intertone.errors import InputError
from intertone.parallel import in_processes
from intertone.remark import RemarkLogger
from intertone.representation import AnyRepresentation, RepresentationConfig, build_representation

logger = RemarkLogger(__name__)

SHARD_NOTES = 128
"""Notes in one file of features. An interruption loses at most the unfinished file of each process."""

N_EXAMPLES = 4
"""Number of validation notes whose audio is stored with the features, for the sample sounds of a run."""


class FeatureChoiceConfig(Settings):
    """Selection of the notes whose features are computed; notes without a pitch are never selected."""

    train_notes: int = Field(12_000, ge=1, description="largest number of training notes, drawn at random")
    valid_notes: int = Field(512, ge=1, description="largest number of validation notes, drawn at random")
    test_notes: int = Field(0, ge=0, description="largest number of test notes, drawn at random")
    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the random selection")


def prepare_features(
    notes: Notes,
    config: RepresentationConfig,
    out: Path | str,
    *,
    choice: FeatureChoiceConfig | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureSet:
    """Compute and store the features of some notes of a set; repeating an interrupted call resumes it.

    If the representation measures f0, it measures it in the audio and ignores the pitch of the note set. A note whose
    features are not finite is left out.

    Args:
        notes: The note set.
        config: The settings of the representation.
        out: Folder for the features: a new or empty one, or one that a call with the same arguments began.
        choice: Selection of the notes; None: 12,000 training notes and 512 validation notes.
        workers: Number of processes; with 1 no process is started. With more, call the function in a script under
            ``if __name__ == "__main__"``.
        progress: Called with (notes done, notes in all).

    Returns:
        The stored features.

    Raises:
        InputError: If ``workers`` < 1, the sample rates of notes and representation differ, the training or validation
            split has no note of the chosen pitches, or the folder holds other files.
    """
    choice = choice or FeatureChoiceConfig()
    if workers < 1:
        raise InputError(f"workers must be >= 1, got {workers}")
    representation = build_representation(config)
    rate = representation.sample_rate
    if notes.sample_rate != rate:
        raise InputError(f"the notes must have the representation's sample_rate={rate}, got {notes.sample_rate}")
    rows = choose_rows(notes, choice)
    header = begin_features(
        out,
        {
            "representation": config.model_dump(mode="json"),
            "n_features": representation.n_features,
            "n_frames": representation.n_frames(notes.samples),
            "kind": notes.kind,
            "notes": notes.digest(),
            "choice": choice.model_dump(mode="json"),
        },
    )
    if header["finished"]:
        return FeatureSet.open(out)
    parts = [rows[start : start + SHARD_NOTES] for start in range(0, len(rows), SHARD_NOTES)]
    todo = [(shard, part) for shard, part in enumerate(parts) if not shard_done(out, shard)]
    done = len(rows) - sum(len(part) for _, part in todo)
    work, start = partial(_prepare_shard, Path(out)), partial(_opened, notes.folder, config)
    for _, count in in_processes(work, todo, workers=workers, start=start, name="preparing", threads=1):
        done += count
        if progress:
            progress(done, len(rows))
    valid = rows[notes.split[rows] == "valid"]
    examples = notes.audio(valid[np.linspace(0, len(valid) - 1, min(N_EXAMPLES, len(valid))).astype(int)])
    finish_features(out, len(parts), examples.numpy())
    return FeatureSet.open(out)


def choose_rows(notes: Notes, choice: FeatureChoiceConfig) -> npt.NDArray[np.int64]:
    """Return the row numbers of the selected notes, sorted; they depend on the note set and ``choice`` only.

    Raises:
        InputError: If the training or the validation split has no note of these pitches.
    """
    chosen = []
    for number, (split, limit) in enumerate(
        (("train", choice.train_notes), ("valid", choice.valid_notes), ("test", choice.test_notes))
    ):
        rows = notes.select(split=split, pitch=range(choice.pitch_min, choice.pitch_max + 1))
        if limit and split != "test" and not len(rows):
            raise InputError(f"the {split} split must hold notes of the chosen pitches, got none")
        chosen.append(np.random.default_rng([choice.seed, number]).permutation(rows)[:limit])
    return np.sort(np.concatenate(chosen))


@contextmanager
def _opened(folder: Path, config: RepresentationConfig) -> Iterator[tuple[Notes, AnyRepresentation]]:
    yield Notes.open(folder), build_representation(config)


def _prepare_shard(out: Path, opened: tuple[Notes, AnyRepresentation], job: tuple[int, npt.NDArray[np.int64]]) -> int:
    """Write one file of features and return its number of notes; ``job`` is the file's number and the notes' rows."""
    (notes, representation), (shard, rows) = opened, job
    found, lines = [], []
    for row in rows:
        features, f0 = _features(notes, representation, int(row))
        if not bool(features.isfinite().all()) or ("f0" in representation.measures and not math.isfinite(f0)):
            logger.warning("left out %s: its features are not finite", notes.name[row])
            continue
        found.append(features.numpy().astype(np.float16))
        lines.append(
            FeatureRow(
                note=int(row),
                pitch=int(notes.pitch[row]),
                velocity=int(notes.velocity[row]),
                f0=f0,
                instrument=str(notes.instrument[row]),
                group=str(notes.group[row]),
                split=str(notes.split[row]),
            )
        )
    shape = (0, representation.n_features, representation.n_frames(notes.samples))
    write_feature_shard(out, shard, np.stack(found) if found else np.empty(shape), lines)
    return len(rows)


@torch.inference_mode()
def _features(notes: Notes, representation: AnyRepresentation, row: int) -> tuple[torch.Tensor, float]:
    """Return a note's features ``(n_features, n_frames)`` and its median f0 in Hz; NaN if f0 is not measured."""
    features, context = representation.analyse(notes.audio([row]).unsqueeze(0))
    measured = "f0" in representation.measures
    return features[0], float(context.conditions["f0"][0].median()) if measured else math.nan
