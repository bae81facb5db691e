"""The settings of a training run."""

from typing import Literal

from pydantic import Field

from intertone.config import Settings
from intertone.models import ConvConfig
from intertone.representation import DecibelConfig, RepresentationConfig


class ChoiceConfig(Settings):
    """Which notes of a set are used."""

    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    instruments: tuple[str, ...] = Field((), description="names of instruments; none: all")
    valid_notes: int = Field(1024, ge=1, description="notes of the validation split that are judged, drawn once")


class TrainConfig(Settings):
    """One training run."""

    representation: RepresentationConfig = DecibelConfig()
    model: ConvConfig = ConvConfig()
    choice: ChoiceConfig = ChoiceConfig()
    seed: int = Field(0, ge=0, lt=2**32, description="of the first weights and the order of the notes")
    epochs: int = Field(100, ge=1, description="at most so many")
    notes_per_epoch: int = Field(0, ge=0, description="notes before each validation; 0: the whole training split")
    batch_size: int = Field(32, ge=2, description="notes of a step, over all processes")
    slice_frames: int = Field(0, ge=0, description="frames of a note that a step sees, drawn anew; 0: the whole note")
    optimiser: Literal["adam", "sgd"] = Field("adam", description="what turns gradients into steps")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    learning_rate: float = Field(1e-4, gt=0, description="of the optimiser, at the start")
    weight_decay: float = Field(1e-6, ge=0, description="L2 penalty of the optimiser")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied by on a plateau")
    plateau_patience: int = Field(5, ge=0, description="epochs without a better validation loss before that")
    plateau_threshold: float = Field(1e-4, ge=0, lt=1, description="relative gain that counts as better, for the above")
    min_learning_rate: float = Field(1e-7, ge=0, description="the learning rate falls no further")
    stop_patience: int = Field(15, ge=1, description="epochs without a better validation loss before the early stop")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: the faster one, by a probe")
    sample_every: int = Field(5, ge=1, description="epochs between sounds and pictures for the ear")
