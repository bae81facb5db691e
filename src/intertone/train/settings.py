"""The settings of a training run."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from intertone.config import Settings
from intertone.models import ConvConfig, NetworkConfig
from intertone.representation import DecibelConfig, RepresentationConfig


class ChoiceConfig(Settings):
    """Which notes of a set are used."""

    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    instruments: tuple[str, ...] = Field((), description="names of instruments; none: all")
    valid_notes: int = Field(1024, ge=1, description="notes of the validation split that are judged, drawn once")


class PairConfig(Settings):
    """Targets of a conditioned model: the note of the input, or another one of the same instrument."""

    other_share: float = Field(0.5, ge=0, le=1, description="of the notes, for which another note is asked for")
    reach: int = Field(24, ge=1, description="semitones that the other note may be away")
    hidden_velocity: float = Field(0.3, ge=0, le=1, description="share of the velocities that are not told")
    mixed_share: float = Field(0.0, ge=0, le=1, description="of the notes, mixed with notes of another instrument")
    mixed_reach: float = Field(2.0, ge=0, description="semitones that such a note may be away")


Rate = tuple[Annotated[int, Field(ge=0)], Annotated[float, Field(gt=0)]]
"""First step, learning rate."""


class TrainConfig(Settings):
    """One training run.

    A step sees whole notes, or of each note a slice of its features or a crop of its sound, or single frames of many.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {
            "steps",
            "crop_samples",
            "crop_latest",
            "frames_per_batch",
            "learning_rates",
            "average_decay",
            "fitted_notes",
            "passes",
            "pull",
        }
    )

    representation: RepresentationConfig = DecibelConfig()
    model: NetworkConfig = ConvConfig()
    choice: ChoiceConfig = ChoiceConfig()
    pairs: PairConfig = PairConfig()
    seed: int = Field(0, ge=0, lt=2**32, description="of the first weights and the order of the notes")
    epochs: int = Field(100, ge=1, description="at most so many")
    steps: int = Field(0, ge=0, description="at most so many, in place of epochs; 0: epochs count")
    notes_per_epoch: int = Field(0, ge=0, description="notes before each validation; 0: the whole training split")
    passes: int = Field(1, ge=1, le=1_000_000, description="passes over these notes before each validation")
    batch_size: int = Field(32, ge=2, description="notes of a step, over all processes")
    slice_frames: int = Field(0, ge=0, description="frames of a note that a step sees, drawn anew; 0: the whole note")
    crop_samples: int = Field(0, ge=0, description="samples that are cut out of a note, drawn anew; 0: the whole note")
    crop_latest: int = Field(0, ge=0, description="last sample where a crop may begin; 0: where the note allows it")
    frames_per_batch: int = Field(0, ge=0, description="single frames of a step, from all notes, not silent; 0: notes")
    fitted_notes: int = Field(2048, ge=1, description="notes that a model's closed form is fitted to, at most")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adam", description="what turns gradients into steps")
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    learning_rate: float = Field(1e-4, gt=0, description="of the optimiser, at the start or after the warm-up")
    weight_decay: float = Field(1e-6, ge=0, description="L2 penalty of the optimiser; of adamw the decay a step")
    pull: float = Field(
        0.0, ge=0, lt=1, description="share of the way back to the first weights that each step takes, for fine-tuning"
    )
    gradient_norm: float = Field(0.0, ge=0, description="a step's gradient is made no longer than this; 0: as it is")
    schedule: Literal["plateau", "cosine", "table"] = Field(
        "plateau",
        description="the learning rate falls where the loss does not, along a half cosine, or as learning_rates say",
    )
    learning_rates: tuple[Rate, ...] = Field((), description="of table: from which step which rate, [[0, 1e-3], …]")
    warm_up_steps: int = Field(0, ge=0, description="of cosine: steps in which the learning rate rises from 0")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied by on a plateau")
    plateau_patience: int = Field(5, ge=0, description="epochs without a better validation loss before that")
    plateau_threshold: float = Field(1e-4, ge=0, lt=1, description="relative gain that counts as better, for the above")
    min_learning_rate: float = Field(1e-7, ge=0, description="the learning rate falls no further")
    stop_patience: int = Field(15, ge=1, description="epochs without a better validation loss before the early stop")
    average_decay: float = Field(
        0.0, ge=0, lt=1, description="of the moving average of the weights, that is validated and saved; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: the faster one, by a probe")
    sample_every: int = Field(5, ge=1, description="epochs between sounds and pictures for the ear")

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = [name for name in ("slice_frames", "crop_samples", "frames_per_batch") if getattr(self, name)]
        if len(parts) > 1:
            raise ValueError(f"a step must see slices, crops or single frames, got {' and '.join(parts)}")
        if self.frames_per_batch and self.notes_per_epoch:
            raise ValueError("notes_per_epoch must be 0 with frames_per_batch, where an epoch is all frames")
        if self.frames_per_batch and self.passes > 1:
            raise ValueError(f"passes must be 1 with frames_per_batch, got {self.passes}")
        steps = [step for step, _ in self.learning_rates]
        if (self.schedule == "table") != bool(steps):
            raise ValueError(f"learning_rates must be given with schedule=table, and only then, got {len(steps)}")
        if steps and (steps[0] or steps != sorted(set(steps))):
            raise ValueError(f"the steps of learning_rates must rise from 0, got {steps}")
        return self
