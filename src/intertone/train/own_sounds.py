"""Own sounds on the way to training: imported as notes, and their features prepared, inside the folder of the run."""

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
"""Shares of training, validation and test of own sounds; few notes leave none for a test."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many notes are done, and of how many."""


def open_sounds(
    data: Path,
    out: Path,
    representation: RepresentationConfig,
    *,
    prepare: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> Notes | FeatureSet:
    """Open what a run is trained on; a folder of sound files is imported first.

    The notes of own sounds are split one by one: the validation holds other notes of the instruments.

    Args:
        data: Prepared features, a note set, or a folder of sound files.
        out: Folder of the run; what is made goes into ``notes`` and ``features`` in it, and is used again.
        representation: Gives the sample rate of the notes, and makes the features.
        prepare: Whether features are prepared; a representation of partials, which is slow, always prepares those of
            own sounds.
        workers: Processes that prepare features.
        progress: Called with what is done, and how far it is.

    Returns:
        The notes or their features.

    Raises:
        InputError: If there is no such folder, or it holds too few sounds that can be used.
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
    """Return whether a folder is neither a note set nor prepared features, so that its sounds must be imported."""
    return not is_feature_set(data) and not (data / NOTE_SET.header).is_file()


def check_enough(count: int, data: Path, *, pitched: bool) -> None:
    """Refuse own sounds that are too few for training and validation.

    Args:
        count: Number of notes that can be used.
        data: Their folder.
        pitched: Whether only notes with a pitch can be.

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
