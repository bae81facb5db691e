"""Faults of a codec that training gave: it is no better than at the start, or its output is a constant."""

from dataclasses import replace

import torch

from intertone.models.contract import Batch, Conditions, Trainable
from intertone.train.run import Progress, Run

LEAST_EFFECT = 0.01
"""Least relative rise of the loss where every note is encoded from another one; below it the input has no effect."""


def find_fault(run: Run, best: Trainable, progress: Progress) -> str:
    """Return what is wrong with the best state of a run that is finished.

    Args:
        run: The run.
        best: The network with the weights of the best state.
        progress: The state of the run.

    Returns:
        A clause with what can be done about it; empty if nothing is wrong.
    """
    if run.fine_tuned and not progress.best_epoch:
        return "fine-tuning made no validation loss lower, so these are the weights that it began with"
    if not run.fine_tuned and progress.best_epoch == 1 < progress.epoch:
        return (
            "its best state is the first one, since training made no later validation loss lower; more notes, or "
            "fine-tuning with --from, may help"
        )
    if is_constant(run, best, progress):
        return (
            "its output is nearly the same for every input; more notes, more epochs, or fine-tuning with --from, "
            "may help"
        )
    return ""


@torch.inference_mode()
def is_constant(run: Run, model: Trainable, progress: Progress) -> bool:
    """Return whether the validation loss hardly rises where every note is encoded from another note of its batch.

    Args:
        run: Gives the validation notes; where no batch holds two of them, nothing is known.
        model: The network.
        progress: The state of the run.
    """
    model = model.to(run.workers.device).eval()
    own = other = 0.0

    def loss(batch: Batch) -> float:
        terms = run.terms(model, batch, progress.step, progress.precision)
        return len(batch.features) * float(torch.stack(list(terms.values())).sum())

    for _, batch in run.source.validation():
        if len(batch.features) > 1:
            own += loss(batch)
            other += loss(_exchanged(batch))
    return own > 0 and other < (1 + LEAST_EFFECT) * own


def _exchanged(batch: Batch) -> Batch:
    """Return a batch in which every note is wanted as before, and encoded from the one before it."""

    def rolled(conditions: Conditions) -> Conditions:
        return {name: value.roll(1, 0) for name, value in conditions.items()}

    return replace(batch, features=batch.features.roll(1, 0), conditions=rolled(batch.conditions))
