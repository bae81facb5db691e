"""Settings for fine-tuning: further training of a trained codec on a few new sounds."""

from intertone.codec import Codec
from intertone.train.settings import PairConfig, TrainConfig

BATCH_SIZE = 8
"""Notes in one step."""

STEPS_PER_EPOCH = 20
"""Approximate number of steps between validations; an epoch has one pass over many notes, or several over few notes."""

EPOCHS = 8
"""Number of epochs."""


def fine_tuning_settings(codec: Codec, n_training: int) -> TrainConfig:
    """Return the settings of a run that fine-tunes a codec; ``benchmarks/fine_tuning.py`` measures them.

    The learning rate is low, and each step also moves the weights by a share (``pull``) back towards the initial ones,
    so that the codec still reconstructs other instruments well.

    Args:
        codec: The codec; the settings have its representation and its model.
        n_training: Number of notes in the training split.
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
