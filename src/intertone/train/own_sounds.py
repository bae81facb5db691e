"""Training data from any folder; sound files are imported, and their features prepared, in the folder of the run."""

from collections.abc import Callable
from pathlib import Path

from intertone.data.features import FeatureSet, is_feature_set
from intertone.data.header import NOTE_SET
from intertone.data.importer import ImportConfig, import_folder
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.representation import RepresentationConfig, build_representation
from intertone.train.batch import LEAST_NOTES
from intertone.train.prepare import prepare_features

OWN_SOUNDS = ("notes", "features")
"""Names of the note set and of the prepared features in the folder of a run."""

SHARES = (0.8, 0.2, 0.0)
"""Shares of the training, validation and test split of imported sounds; they are few, so there is no test split."""

Progress = Callable[[str, int, int], None]
"""Function that is called with the name of the task (``import``, ``features``), notes done, and notes in all."""


def open_sounds(
    data: Path,
    out: Path,
    representation: RepresentationConfig,
    *,
    prepare: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Notes | FeatureSet:
    """Open the training data of a run; a folder of sound files is imported first.

    Imported sounds are split note by note, so the validation split holds other notes of the same instruments.

    Args:
        data: Prepared features, a note set, or a folder of sound files.
        out: Folder of the run; imported notes go to ``notes`` in it, prepared features to ``features``. Both are
            used again by the next call.
        representation: Settings of the representation; imported sounds are resampled to its sample rate.
        prepare: Whether to prepare the features of a note set. Features of imported sounds are always prepared. Only
            the harmonic representation, whose analysis is slow, prepares features at all.
        workers: Number of processes that prepare features.
        progress: Called with the name of the task, notes done, and notes in all.

    Returns:
        The notes or their features.

    Raises:
        InputError: If the folder does not exist, or holds fewer than ``LEAST_NOTES`` usable sounds.
    """
    if is_feature_set(data):
        return FeatureSet.open(data)
    shown = build_representation(representation)
    own = is_sounds(data)
    if own:
        config = ImportConfig(sample_rate=shown.sample_rate)
        header = import_folder(
            data,
            out / OWN_SOUNDS[0],
            config=config,
            fractions=SHARES,
            split_by="note",
            progress=_named("import", progress),
        )
        pitched = sum(Notes.open(out / OWN_SOUNDS[0]).pitch >= 0) if shown.rows is not None else sum(header["shards"])
        check_enough(int(pitched), data, pitched=shown.rows is not None)
    notes = Notes.open(out / OWN_SOUNDS[0] if own else data)
    if not (prepare or own) or shown.rows is None:
        return notes
    return prepare_features(
        notes,
        representation,
        out / OWN_SOUNDS[1],
        workers=workers,
        progress=_named("features", progress),
    )


def is_sounds(data: Path) -> bool:
    """Return whether a folder is neither a note set nor prepared features; its sound files must then be imported."""
    return not is_feature_set(data) and not (data / NOTE_SET.header).is_file()


def check_enough(count: int, data: Path, *, pitched: bool) -> None:
    """Refuse imported sounds that are too few for training and validation.

    Args:
        count: Number of usable notes.
        data: Folder of the sound files, for the message.
        pitched: Whether only notes with a pitch are usable.

    Raises:
        InputError: If there are fewer than ``LEAST_NOTES``.
    """
    if count < LEAST_NOTES:
        kind = "notes with a pitch" if pitched else "notes"
        raise InputError(
            f"training must have at least {LEAST_NOTES} {kind}, 8 to train and 2 to validate with, got {count} in "
            f"{data}; record more, best of several keys, or see what was left out in report.jsonl of the note set"
        )


def _named(what: str, progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(what, done, total)
