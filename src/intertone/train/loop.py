"""The training loop: prepare, optimise, validate and save, in one function."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

from intertone.codec import Codec
from intertone.data.features import FeatureSet
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import AlexNetConfig, build_model
from intertone.recogniser import build_classifier
from intertone.remark import RemarkLogger
from intertone.representation import build_representation
from intertone.train.frames import FrameBatches
from intertone.train.labelled import LabelledBatches
from intertone.train.lock import locked
from intertone.train.note_data import NoteData, PreparedNotes, SoundNotes
from intertone.train.processes import Processes, interruptible, join_processes
from intertone.train.run import Progress, Run, duration
from intertone.train.run_folder import Record, RunFolder
from intertone.train.settings import TrainConfig
from intertone.train.source import NoteBatches

logger = RemarkLogger(__name__)

OnStep = Callable[[Progress, int, float], None]
"""Function that is called after every step with the progress, the number of steps in an epoch and the step's loss."""


def train_codec(
    config: TrainConfig,
    data: Notes | FeatureSet,
    out: Path,
    *,
    start: Codec | None = None,
    device: str = "cpu",
    on_step: OnStep | None = None,
) -> Progress:
    """Train a codec or a classifier, or continue a run that was interrupted.

    The order of the notes depends on the seed and the epoch only, and everything else that a continuation needs is in
    ``out/last/state.pt``, which is replaced atomically. A run that is killed at any moment and started again therefore
    ends with the same weights as an uninterrupted run. Several processes (``torchrun``) share the notes of each step
    and average their gradients; after every epoch they average the statistics of the normalisation layers.

    Args:
        config: The settings of the run.
        data: A note set, or prepared features of one, with their training and validation splits.
        out: Folder of the run; an unfinished run with the same settings in it is continued.
        start: Codec whose weights the run begins with; ``config`` must have its representation and its model.
        device: Name of the torch device to train on.
        on_step: Called after every step with the progress, the number of steps in an epoch and the step's loss.

    Returns:
        The final state; ``finished`` gives the reason of the end, and is empty after an interruption.

    Raises:
        InputError: If data and settings do not fit, ``out`` holds another run, or another process is training there.
        TrainingStoppedError: If the loss is not finite, a batch is silent, or the model's output is silent.
    """
    with join_processes(device) as workers, interruptible() as interrupted:
        folder = RunFolder(out, config, data, workers, start=start)
        folder.check()
        run = build_run(config, data, workers, start=start)
        with locked(out) if workers.rank == 0 else nullcontext():
            return train_model(run, folder, on_step=on_step, interrupted=interrupted)


def build_run(config: TrainConfig, data: Notes | FeatureSet, workers: Processes, *, start: Codec | None = None) -> Run:
    """Return a run with its model and its batches: an autoencoder, or a classifier, which needs a note set.

    Args:
        config: The settings of the run.
        data: The note set or the prepared features to train on.
        workers: The processes that train.
        start: Codec whose weights the run begins with; None: the weights are initialised from the seed.

    Raises:
        InputError: If data and settings do not fit, or ``start`` has another representation or model.
    """
    if start is not None and (config.representation, config.model) != (
        start.config.representation,
        start.config.model,
    ):
        raise InputError("fine-tuning must keep the codec's representation and model, got other settings of them")
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
    weights = None if start is None else start.model.state_dict()
    return Run(config, model, source, workers, representation.scales, weights)


def train_model(
    run: Run,
    record: Record,
    *,
    on_step: OnStep | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Progress:
    """Train a model in place.

    Args:
        run: The model, its settings and its batches.
        record: Writer of checkpoints, losses and samples; ``Record()`` writes nothing.
        on_step: Called after every step with the progress, the number of steps in an epoch and the step's loss.
        interrupted: Returns True when training should stop: after the step in one process, after the epoch in several.

    Returns:
        The final state; ``finished`` gives the reason of the end, and is empty after an interruption.

    Raises:
        InputError: If the processes have loaded different states of the run.
        TrainingStoppedError: If the loss is not finite, a batch is silent, or the model's output is silent.
    """
    config, workers, course, steps = run.config, run.workers, run.course, run.source.steps_per_epoch
    progress = record.restore(run)
    if not workers.agree(progress.step):
        raise InputError("all processes must see the same run, got different states of it")
    if progress.finished:  # the process may have been killed before it wrote its last files
        record.save_codec("last", progress, run)
        record.save_samples(progress, run)
        return progress
    if not progress.step and not run.fine_tuned:
        run.fit()
    if not progress.precision:
        progress.precision = run.choose_precision()
    if not progress.step and run.fine_tuned:
        _keep_start(run, record, progress)
    began, first = time.monotonic(), progress.epoch
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
        if progress.finished:
            progress.warning = record.conclude(progress, run)
        record.save(progress, run)
        record.show_course(progress, run)
        if progress.epoch % config.sample_every == 0 or progress.finished:
            record.save_samples(progress, run)
        if progress.epoch == first + 1 and not progress.finished and workers.rank == 0:
            # unlike the estimate before training, this includes validation, saving and samples
            rest = (time.monotonic() - began) * (course.epochs - progress.epoch)
            logger.info("about %s are left if all %d epochs are needed", duration(rest), course.epochs)
        if workers.any(interrupted()):
            return progress
    return progress


def _keep_start(run: Run, record: Record, progress: Progress) -> None:
    """Validate the initial weights of a fine-tuning run and save them as ``best``, with epoch 0 in the log."""
    found = run.validate(progress)
    if found is None:
        return
    record.log(replace(progress, epoch=-1), "valid", found, run)
    progress.best_loss = found.loss
    run.course.note(0, found.terms)
    record.save_codec("best", progress, run)
