"""Faults of a trained codec: it has not improved during training, or its output does not depend on the input."""

from dataclasses import replace

import torch

from intertone.models.contract import Batch, Conditions, Trainable
from intertone.train.run import Progress, Run

LEAST_EFFECT = 0.01
"""Least relative increase of the loss when every input is exchanged for another note; below it the input has no effect.
"""


def find_fault(run: Run, best: Trainable, progress: Progress) -> str:
    """Return the fault of the best weights of a finished run.

    Args:
        run: The finished run.
        best: The model with the best weights.
        progress: The state of the run.

    Returns:
        The fault, and a remedy, as a clause without a full stop; an empty string if no fault is found.
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
    """Return whether the output hardly depends on the input.

    The test exchanges the inputs of each validation batch and keeps the targets. The output counts as constant if the
    validation loss rises by less than ``LEAST_EFFECT``, relative to the loss with the right inputs.

    Args:
        run: The run, with its validation notes; if no batch has two notes, the result is False.
        model: The model to test.
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
    """Return a batch with the same targets in which each input is the preceding note of the batch."""

    def rolled(conditions: Conditions) -> Conditions:
        return {name: value.roll(1, 0) for name, value in conditions.items()}

    return replace(batch, features=batch.features.roll(1, 0), conditions=rolled(batch.conditions))
