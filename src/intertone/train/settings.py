"""The settings of a training run."""

from typing import Literal

from pydantic import Field

from intertone.config import Settings
from intertone.models import ConvConfig, ModelConfig
from intertone.representation import DecibelConfig, RepresentationConfig


class ChoiceConfig(Settings):
    """Which notes of a set are used."""

    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    instruments: tuple[str, ...] = Field((), description="names of instruments; none: all")
    valid_notes: int = Field(1024, ge=1, description="notes of the validation split that are judged, drawn once")


class PairConfig(Settings):
    """What a conditioned model is asked for: the note it was shown, or another one of the same instrument."""

    other_share: float = Field(0.5, ge=0, le=1, description="of the notes, for which another note is asked for")
    reach: int = Field(24, ge=1, description="semitones that the other note may be away")
    hidden_velocity: float = Field(0.3, ge=0, le=1, description="share of the velocities that are not told")
    mixed_share: float = Field(0.0, ge=0, le=1, description="of the notes, mixed with notes of another instrument")
    mixed_reach: float = Field(2.0, ge=0, description="semitones that such a note may be away")


class TrainConfig(Settings):
    """One training run."""

    representation: RepresentationConfig = DecibelConfig()
    model: ModelConfig = ConvConfig()
    choice: ChoiceConfig = ChoiceConfig()
    pairs: PairConfig = PairConfig()
    seed: int = Field(0, ge=0, lt=2**32, description="of the first weights and the order of the notes")
    epochs: int = Field(100, ge=1, description="at most so many")
    notes_per_epoch: int = Field(0, ge=0, description="notes before each validation; 0: the whole training split")
    batch_size: int = Field(32, ge=2, description="notes of a step, over all processes")
    slice_frames: int = Field(0, ge=0, description="frames of a note that a step sees, drawn anew; 0: the whole note")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adam", description="what turns gradients into steps")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    learning_rate: float = Field(1e-4, gt=0, description="of the optimiser, at the start or after the warm-up")
    weight_decay: float = Field(1e-6, ge=0, description="L2 penalty of the optimiser; of adamw the decay a step")
    gradient_norm: float = Field(0.0, ge=0, description="a step's gradient is made no longer than this; 0: as it is")
    schedule: Literal["plateau", "cosine"] = Field(
        "plateau",
        description="the learning rate falls where the loss does not, or along a half cosine to the last step",
    )
    warm_up_steps: int = Field(0, ge=0, description="of cosine: steps in which the learning rate rises from 0")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied by on a plateau")
    plateau_patience: int = Field(5, ge=0, description="epochs without a better validation loss before that")
    plateau_threshold: float = Field(1e-4, ge=0, lt=1, description="relative gain that counts as better, for the above")
    min_learning_rate: float = Field(1e-7, ge=0, description="the learning rate falls no further")
    stop_patience: int = Field(15, ge=1, description="epochs without a better validation loss before the early stop")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: the faster one, by a probe")
    sample_every: int = Field(5, ge=1, description="epochs between sounds and pictures for the ear")
