"""Preparing images: the expensive part of training, done once and kept."""

import logging
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from intertone.config import Settings
from intertone.data.features import (
    ImageRow,
    Images,
    begin_images,
    finish_images,
    image_shard_done,
    write_image_shard,
)
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.representation import AnyRepresentation, RepresentationConfig, build_representation

logger = logging.getLogger(__name__)

SHARD_IMAGES = 128
"""Images of a shard, the work that an interruption loses at most, for each process."""

N_EXAMPLES = 4
"""Notes that are kept as sound, for the ear."""


class ImageChoiceConfig(Settings):
    """Which notes of a set are prepared; only notes with a pitch are."""

    train_notes: int = Field(12_000, ge=1, description="at most so many of the training split, drawn once")
    valid_notes: int = Field(512, ge=1, description="the same of the validation split")
    test_notes: int = Field(0, ge=0, description="the same of the test split")
    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    seed: int = Field(0, ge=0, lt=2**32, description="of the draw")


def prepare_images(
    notes: Notes,
    config: RepresentationConfig,
    out: Path | str,
    *,
    choice: ImageChoiceConfig | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Images:
    """Make the features of some notes of a set, or go on where an interrupted call stopped.

    Where the representation measures f0, it is found as in a user's sound, and the pitch that the set gives is not
    used. A note whose features are not finite is left out.

    Args:
        notes: The note set.
        config: The representation.
        out: Where the images go: a new or empty folder, or one begun with the same arguments.
        choice: Which notes; default: 12,000 to train with and 512 to validate.
        workers: Processes; 1 stays in this one. From a script, call it under ``if __name__ == "__main__"``.
        progress: Called with (notes done, notes in all).

    Returns:
        The images.

    Raises:
        InputError: If the sample rates differ, a split has no note with a pitch, or the folder holds something else.
    """
    choice = choice or ImageChoiceConfig()
    if workers < 1:
        raise InputError(f"workers must be >= 1, got {workers}")
    representation = build_representation(config)
    rate = representation.sample_rate
    if notes.sample_rate != rate:
        raise InputError(f"the notes must have the representation's sample_rate={rate}, got {notes.sample_rate}")
    rows = choose_rows(notes, choice)
    header = begin_images(
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
        return Images.open(out)
    parts = [rows[start : start + SHARD_IMAGES] for start in range(0, len(rows), SHARD_IMAGES)]
    todo = [(shard, part) for shard, part in enumerate(parts) if not image_shard_done(out, shard)]
    done = len(rows) - sum(len(part) for _, part in todo)
    for count in _run(notes.folder, config, Path(out), todo, workers):
        done += count
        if progress:
            progress(done, len(rows))
    valid = rows[notes.split[rows] == "valid"]
    examples = notes.audio(valid[np.linspace(0, len(valid) - 1, min(N_EXAMPLES, len(valid))).astype(int)])
    finish_images(out, len(parts), examples.numpy())
    return Images.open(out)


def choose_rows(notes: Notes, choice: ImageChoiceConfig) -> npt.NDArray[np.int64]:
    """Return the rows of the notes that are prepared, in rising order: a pure function of the set and the choice.

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


def _run(
    folder: Path,
    config: RepresentationConfig,
    out: Path,
    todo: Sequence[tuple[int, npt.NDArray[np.int64]]],
    workers: int,
) -> Iterator[int]:
    """Make shards and say after each how many notes it took."""
    if workers == 1 or len(todo) < 2:
        notes, representation = Notes.open(folder), build_representation(config)
        for shard, rows in todo:
            yield _prepare_shard(notes, representation, out, shard, rows)
        return
    with ProcessPoolExecutor(
        min(workers, len(todo)), multiprocessing.get_context("spawn"), _start, (folder, config, out)
    ) as pool:
        waiting: set[Future[int]] = {pool.submit(_work, *job) for job in todo}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        except BrokenProcessPool:
            raise InputError(
                "every preparing process must live to its end, but one was ended from outside or ran out of memory; "
                "the same command goes on where it stopped"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_process: dict[str, Any] = {}


def _start(folder: Path, config: RepresentationConfig, out: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _process.update(notes=Notes.open(folder), representation=build_representation(config), out=out)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _work(shard: int, rows: npt.NDArray[np.int64]) -> int:
    return _prepare_shard(_process["notes"], _process["representation"], _process["out"], shard, rows)


def _prepare_shard(
    notes: Notes, representation: AnyRepresentation, out: Path, shard: int, rows: npt.NDArray[np.int64]
) -> int:
    images, lines = [], []
    for row in rows:
        image, f0 = _image(notes, representation, int(row))
        if not bool(image.isfinite().all()) or ("f0" in representation.measures and not math.isfinite(f0)):
            logger.warning("left out %s: its features are not finite", notes.name[row])
            continue
        images.append(image.numpy().astype(np.float16))
        lines.append(
            ImageRow(
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
    write_image_shard(out, shard, np.stack(images) if images else np.empty(shape), lines)
    return len(rows)


@torch.inference_mode()
def _image(notes: Notes, representation: AnyRepresentation, row: int) -> tuple[torch.Tensor, float]:
    """Return a note's features ``(n_features, n_frames)`` and its median f0 in Hz, NaN where it is not measured."""
    features, context = representation.analyse(notes.audio([row]).unsqueeze(0))
    measured = "f0" in representation.measures
    return features[0], float(context.conditions["f0"][0].median()) if measured else math.nan
