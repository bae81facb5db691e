"""Fine-tuning: a trained codec learns a few sounds more."""

from intertone.codec import Codec
from intertone.train.settings import PairConfig, TrainConfig

BATCH_SIZE = 8
"""Notes of a step."""

STEPS_PER_EPOCH = 20
"""Steps before each validation, about; an epoch is whole passes over few notes, or one over many."""

EPOCHS = 8
"""Epochs."""


def fine_tuning_settings(codec: Codec, n_training: int) -> TrainConfig:
    """Return the settings of a run that fine-tunes a codec, found by ``benchmarks/fine_tuning.py``.

    The learning rate is low, and each step takes the weights a part of the way back to those that the run began with,
    so that the codec keeps what it knows of other instruments.

    Args:
        codec: The codec; its representation and its model are kept.
        n_training: Notes of the training split.
    """
    batch_size = max(2, min(BATCH_SIZE, n_training))
    steps_per_pass = max(1, n_training // batch_size)
    return TrainConfig(
        representation=codec.config.representation,
        model=codec.config.model,
        pairs=PairConfig(other_share=0.25, hidden_velocity=0.5),
        epochs=EPOCHS,
        passes=-(-STEPS_PER_EPOCH // steps_per_pass),
        batch_size=batch_size,
        optimiser="adamw",
        learning_rate=1e-4,
        weight_decay=0.0,
        pull=0.03,
        gradient_norm=1.0,
        schedule="cosine",
        warm_up_steps=STEPS_PER_EPOCH,
        min_learning_rate=1e-6,
        stop_patience=EPOCHS,
        sample_every=1,
    )
