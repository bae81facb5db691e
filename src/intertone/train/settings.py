"""The settings of a training run."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from intertone.config import Settings
from intertone.models import ConvConfig, NetworkConfig
from intertone.representation import DecibelConfig, RepresentationConfig


class ChoiceConfig(Settings):
    """Selection of the notes of a set that a run trains and validates on."""

    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    instruments: tuple[str, ...] = Field((), description="names of instruments; empty: all")
    valid_notes: int = Field(1024, ge=1, description="largest number of validation notes, drawn once")


class PairConfig(Settings):
    """Targets of a model that transposes: the input note itself, or another note of the same instrument."""

    other_share: float = Field(0.5, ge=0, le=1, description="share of the notes whose target is another note")
    reach: int = Field(24, ge=1, description="largest distance of the target from the input note, in semitones")
    hidden_velocity: float = Field(0.3, ge=0, le=1, description="share of the velocities that are replaced by unknown")
    mixed_share: float = Field(0.0, ge=0, le=1, description="share of the notes mixed with one of another instrument")
    mixed_reach: float = Field(2.0, ge=0, description="largest pitch difference of two mixed notes, in semitones")


Rate = tuple[Annotated[int, Field(ge=0)], Annotated[float, Field(gt=0)]]
"""Entry of the learning rate table: the first step that it applies to, and the learning rate."""


class TrainConfig(Settings):
    """Settings of one training run.

    A step takes one of four kinds of input: whole notes (the default), a slice of each note's features
    (``slice_frames``), a crop of each note's audio (``crop_samples``), or single frames (``frames_per_batch``).
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
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the initial weights and of the order of the notes")
    epochs: int = Field(100, ge=1, description="largest number of epochs")
    steps: int = Field(0, ge=0, description="largest number of steps, in place of epochs; 0: epochs limits the run")
    notes_per_epoch: int = Field(0, ge=0, description="training notes in one epoch; 0: the whole training split")
    passes: int = Field(1, ge=1, le=1_000_000, description="passes over the training notes in one epoch")
    batch_size: int = Field(32, ge=2, description="notes in one step, over all processes together")
    slice_frames: int = Field(0, ge=0, description="frames of a random slice of each note; 0: the whole note")
    crop_samples: int = Field(0, ge=0, description="samples of a random crop of each note; 0: the whole note")
    crop_latest: int = Field(0, ge=0, description="last sample where a crop may begin; 0: as late as possible")
    frames_per_batch: int = Field(0, ge=0, description="single non-silent frames in one step; 0: steps take notes")
    fitted_notes: int = Field(2048, ge=1, description="largest number of notes used by a fit in closed form (PCA)")
    optimiser: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimiser of the gradient steps")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd; the other optimisers ignore it")
    learning_rate: float = Field(1e-4, gt=0, description="learning rate at the start, or after the warm-up")
    weight_decay: float = Field(1e-6, ge=0, description="L2 penalty of adam and sgd; decoupled weight decay of adamw")
    pull: float = Field(
        0.0, ge=0, lt=1, description="share by which each step moves the weights back to the initial ones (fine-tuning)"
    )
    gradient_norm: float = Field(0.0, ge=0, description="largest norm of a step's gradient (clipping); 0: no clipping")
    schedule: Literal["plateau", "cosine", "table"] = Field(
        "plateau",
        description="plateau: lower rate when the validation loss stalls; cosine: half a cosine; table: learning_rates",
    )
    learning_rates: tuple[Rate, ...] = Field((), description="for table: [first step, rate] pairs, [[0, 1e-3], …]")
    warm_up_steps: int = Field(0, ge=0, description="for cosine: steps in which the learning rate rises from 0")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="factor on the learning rate when the loss stalls")
    plateau_patience: int = Field(5, ge=0, description="epochs without a better validation loss before plateau_factor")
    plateau_threshold: float = Field(1e-4, ge=0, lt=1, description="relative decrease that plateau counts as better")
    min_learning_rate: float = Field(1e-7, ge=0, description="smallest learning rate of plateau and cosine")
    stop_patience: int = Field(15, ge=1, description="epochs without a better validation loss before the early stop")
    average_decay: float = Field(
        0.0, ge=0, lt=1, description="decay of the moving average of the weights, which is validated and saved; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: the faster one, timed")
    sample_every: int = Field(5, ge=1, description="epochs between sample sounds and spectrograms")

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
