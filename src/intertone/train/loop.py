"""Training: one explicit loop, prepare → loop → validate → save."""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from intertone.data.features import FeatureSet
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import AlexNetConfig, build_model
from intertone.recogniser import build_classifier
from intertone.representation import build_representation
from intertone.train.frames import FrameBatches
from intertone.train.labelled import LabelledBatches
from intertone.train.note_data import NoteData, PreparedNotes, SoundNotes
from intertone.train.processes import Processes, interruptible, join_processes
from intertone.train.run import Progress, Run
from intertone.train.run_folder import Record, RunFolder
from intertone.train.settings import TrainConfig
from intertone.train.source import NoteBatches

OnStep = Callable[[Progress, int, float], None]
"""Called after every step with the progress, the steps of an epoch and the loss."""


def train_codec(
    config: TrainConfig,
    data: Notes | FeatureSet,
    out: Path,
    *,
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> Progress:
    """Train a codec or a classifier, or continue a run that was interrupted.

    The order of the notes depends on the seed and the epoch only, and everything else that a continuation needs is in
    ``out/last/state.pt``, which is replaced in one go. So a run that is killed at any moment and started again gives
    the weights that it would have given. Several processes (``torchrun``) share each step's notes and average
    gradients, and the statistics of the normalisation after every epoch.

    Args:
        config: The settings.
        data: A note set, or prepared features of one; its splits are used as they are.
        out: Folder of the run; if it holds one with the same settings, that is continued.
        device: Where to train.
        on_step: Called after every step with the progress, the steps of an epoch and the loss.

    Returns:
        The final state; ``finished`` says why it ended, and is empty after an interruption.

    Raises:
        InputError: If data and settings do not fit, or ``out`` holds another run.
        TrainingStoppedError: If the loss is no longer finite, or notes or the output are silent.
    """
    with join_processes(device) as workers, interruptible() as interrupted:
        folder = RunFolder(out, config, data, workers)
        folder.check()
        run = build_run(config, data, workers)
        return train_model(run, folder, on_step=on_step, interrupted=interrupted)


def build_run(config: TrainConfig, data: Notes | FeatureSet, workers: Processes) -> Run:
    """Return the run of an untrained network: an autoencoder on notes or prepared features, a classifier on notes.

    Raises:
        InputError: If data and settings do not fit.
    """
    representation = build_representation(config.representation)
    n_features, rows = representation.n_features, representation.rows
    if isinstance(config.model, AlexNetConfig):
        if not isinstance(data, Notes):
            raise InputError("a classifier must be trained on a note set, got prepared features")
        classifier = build_classifier(config.model, n_features=n_features, seed=config.seed)
        labelled = LabelledBatches(config, data, representation, classifier, workers)
        return Run(config, classifier, labelled, workers, representation.scales)
    model = build_model(
        config.model, n_features=n_features, rows=rows, frequencies=representation.frequencies, seed=config.seed
    )
    match data:
        case Notes():
            notes: NoteData = SoundNotes(config, data, representation, model, workers.device)
        case FeatureSet():
            notes = PreparedNotes(config, data, model)
    batches = FrameBatches if config.frames_per_batch else NoteBatches
    source = batches(config, notes, representation, model, workers)
    return Run(config, model, source, workers, representation.scales)


def train_model(
    run: Run,
    record: Record,
    *,
    on_step: OnStep | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Progress:
    """Train a model, or whatever else has a loss, in place.

    Args:
        run: The model, its settings and its batches.
        record: What the run leaves behind; ``Record()``: nothing but the model.
        on_step: Called after every step with the progress, the steps of an epoch and the loss.
        interrupted: Whether to stop at the next occasion.

    Returns:
        The final state; ``finished`` says why it ended, and is empty after an interruption.

    Raises:
        InputError: If the processes do not see the same state.
        TrainingStoppedError: If the loss is no longer finite, or notes or the output are silent.
    """
    config, workers, course, steps = run.config, run.workers, run.course, run.source.steps_per_epoch
    progress = record.restore(run)
    if not workers.agree(progress.step):
        raise InputError("all processes must see the same run, got different states of it")
    if progress.finished:  # and perhaps killed before its last files were written
        record.save_codec("last", progress, run)
        record.save_samples(progress, run)
        return progress
    if not progress.step:
        run.fit()
    if not progress.precision:
        progress.precision = run.choose_precision()
    while not progress.finished:
        run.model.train()
        clock = time.monotonic()
        left = min(steps, course.total_steps - progress.epoch * steps) - progress.step_in_epoch if run.trained else 0
        for batch in islice(run.source.batches(progress.epoch, progress.step_in_epoch), left):
            taken = run.optimise(batch, progress)
            progress.add(taken)
            clock = progress.count_seconds(clock)
            if on_step is not None and workers.rank == 0:
                on_step(progress, steps, taken.loss)
            if workers.size == 1 and interrupted():
                record.save(progress, run)
                return progress
        run.share_statistics()
        seen = progress.mean_loss()
        if progress.step_in_epoch:
            record.log(progress, "train", seen, run)
        validated = run.validate(progress)
        progress.count_seconds(clock)
        if validated is not None:
            record.log(progress, "valid", validated, run)
        found = validated or seen
        if config.schedule == "plateau":
            run.scheduler.step(found.loss)
        progress.end_epoch()
        course.note(progress.epoch, found.terms)
        if found.loss < progress.best_loss:
            progress.best_loss, progress.best_epoch = found.loss, progress.epoch
            record.save_codec("best", progress, run)
        why = course.ended(progress.epoch, progress.step) if run.trained else "fitted in closed form"
        if why and run.trained and course.advance(progress.epoch, progress.step):
            run.begin_phase()
            progress.best_loss, progress.best_epoch = float("inf"), progress.epoch
        else:
            progress.finished = why
        record.save(progress, run)
        if progress.epoch % config.sample_every == 0 or progress.finished:
            record.save_samples(progress, run)
        if workers.any(interrupted()):
            return progress
    return progress
