"""The contracts of a network: with training, a loss; with codecs, the way to a code and back."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from intertone.config import Settings
from intertone.losses import existing_rows, mean_squared_error

Conditions = Mapping[str, Tensor]
"""Name → ``(batch, size, 1 or n_frames)``: pitch (MIDI number), velocity (1…127), chroma, …; NaN where unknown."""

CONDITION_SIZES: Mapping[str, int] = MappingProxyType({"chroma": 12})
"""Numbers of a condition; 1 for those that are not named."""

NO_CONDITIONS: Conditions = MappingProxyType({})

Facts = Mapping[str, str | int | float | Sequence[int] | Sequence[Sequence[int]]]
"""Facts that a person would want to know, by name."""

SILENT_SHARE = 0.05
"""A model whose output stays below this share of the loudest feature wanted is silent (76 dB down where 1 is 80 dB)."""


@dataclass(frozen=True)
class Scale:
    """Meaning of the numbers of a group of feature rows.

    Attributes:
        kind: ``decibels``: 0 and 1 lie ``range_db`` apart; ``log1p``: logarithm of 1 + magnitude; ``linear``:
            magnitude; ``amplitude``: sample of a waveform; ``mu_law``: the same companded, −1…1; ``cycles``: phase.
        n_rows: Rows of the group; groups lie one below the other.
        range_db: Decibels between features 0 and 1, of ``decibels``.
    """

    kind: Literal["decibels", "log1p", "linear", "amplitude", "mu_law", "cycles"]
    n_rows: int
    range_db: float = 0.0

    @property
    def unit(self) -> str:
        """Unit of a difference of features times ``per_feature``; empty where it has no unit."""
        return {"decibels": "dB", "cycles": "cycles"}.get(self.kind, "")

    @property
    def per_feature(self) -> float:
        """Units in a difference of 1 between two features."""
        return self.range_db if self.kind == "decibels" else 1.0


@dataclass(frozen=True)
class Rows:
    """Positions of feature rows, for models that shift them with the pitch.

    Attributes:
        partials: log2 of the order of each row of partials, rising.
        noise: log2 of Hz of each row of noise, rising; these rows lie below those of partials.
        lowest: Order of the lowest partial of each row of partials; none: rows exist for every pitch.
        f_max: Hz; no partial above is measured.
    """

    partials: Tensor
    noise: Tensor
    lowest: Tensor = field(default_factory=lambda: torch.empty(0))
    f_max: float = math.inf

    def exist(self, f0: Tensor) -> Tensor:
        """Return which rows hold something in sounds of these pitches.

        Args:
            f0: Hz, ``(batch,)``; NaN where it is unknown, where all rows exist.

        Returns:
            Bool, ``(batch, n_features)``.
        """
        n_features = len(self.partials) + len(self.noise)
        return existing_rows(self.lowest, f0.nan_to_num(0.0), n_features=n_features, f_max=self.f_max)


@dataclass(frozen=True)
class Batch:
    """The notes of one training step: whole notes, slices, crops or single frames.

    Attributes:
        features: The input, ``(batch, n_features, n_frames)``.
        target: The output that is wanted; the features themselves for most.
        conditions: What the input is conditioned on.
        wanted: What the output is conditioned on.
        weight: Which cells count, broadcastable to the target; None: all alike.
        labels: Classes by name, ``(batch,)``, for classifiers.
        progress: Where the run stands, 0…1.
        generator: Source of what is drawn in the loss, on the device of the features: dropout, sampling, augmentation.
    """

    features: Tensor
    target: Tensor
    conditions: Conditions = field(default_factory=dict)
    wanted: Conditions = field(default_factory=dict)
    weight: Tensor | None = None
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    progress: float = 0.0
    generator: torch.Generator | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the same batch on a device; the generator stays where it is."""
        return Batch(
            self.features.to(device),
            self.target.to(device),
            {name: value.to(device) for name, value in self.conditions.items()},
            {name: value.to(device) for name, value in self.wanted.items()},
            None if self.weight is None else self.weight.to(device),
            {name: value.to(device) for name, value in self.labels.items()},
            self.progress,
            self.generator,
        )


@dataclass(frozen=True)
class Stage:
    """A part of a run that trains some of a model's parameters.

    Attributes:
        name: In the log.
        parameters: Beginnings of the names of the parameters that are trained; ``("",)``: all.
        terms: Names of the loss terms that are minimised; none: all.
        share: Of the run's epochs, relative to the other stages.
        patience: Epochs without a better validation loss after which the next stage begins; None: the run's.
        alternating: Whether it takes turns, step by step, with the stages beside it that alternate too.
    """

    name: str
    parameters: tuple[str, ...] = ("",)
    terms: tuple[str, ...] = ()
    share: float = 1.0
    patience: int | None = None
    alternating: bool = False


@dataclass(frozen=True)
class Reading:
    """A loss as a person reads it.

    Attributes:
        name: In ``metrics.jsonl``.
        value: The number.
        unit: Behind it: ``dB``, or nothing.
        words: What it is, in the log.
    """

    name: str
    value: float
    unit: str
    words: str


def common_scale(scales: Sequence[Scale]) -> Scale | None:
    """Return the scale that all rows share, or None where groups of rows have different ones.

    Example:
        >>> common_scale([Scale("decibels", 512, 80.0)]).unit
        'dB'
        >>> common_scale([Scale("linear", 4), Scale("cycles", 4)]) is None
        True
    """
    found = {(scale.kind, scale.range_db) for scale in scales}
    return scales[0] if len(found) == 1 else None


def root_mean_square_reading(loss: float, scales: Sequence[Scale]) -> Reading:
    """Return the root of a mean squared error in the unit of the features.

    Args:
        loss: In squared units of the features.
        scales: Of the representation.

    Returns:
        ``rmse_db`` for decibels, ``rmse`` for features without a unit or of several.

    Example:
        >>> root_mean_square_reading(0.0025, [Scale("decibels", 512, 80.0)])
        Reading(name='rmse_db', value=4.0, unit='dB', words='RMSE')
        >>> root_mean_square_reading(0.25, [Scale("linear", 513)])
        Reading(name='rmse', value=0.5, unit='', words='RMSE')
    """
    return _reading("rmse", loss**0.5, scales, "RMSE")


def mean_error_reading(loss: float, scales: Sequence[Scale]) -> Reading:
    """Return a mean absolute error in the unit of the features.

    Example:
        >>> mean_error_reading(0.05, [Scale("decibels", 128, 100.0)])
        Reading(name='error_db', value=5.0, unit='dB', words='mean error')
    """
    return _reading("error", loss, scales, "mean error")


def _reading(name: str, value: float, scales: Sequence[Scale], words: str) -> Reading:
    scale = common_scale(scales)
    if scale is None or not scale.unit:
        return Reading(name, value, "", words)
    return Reading(f"{name}_{scale.unit.lower()}", value * scale.per_feature, scale.unit, words)


class Trainable(nn.Module):
    """Whatever can be trained: autoencoders, classifiers, generators.

    Attributes:
        memory_format: Layout of the weights in memory with which the model is fastest.
        needs: Names of the conditions that it must be given.
        transposes: Whether it is trained to make another note of an instrument than the one that it is given.
        n_frames: The only number of columns that it takes; None: any.
    """

    memory_format: torch.memory_format = torch.contiguous_format
    needs: tuple[str, ...] = ()
    transposes: bool = False
    n_frames: int | None = None

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss by name, ``()`` each; their sum is minimised."""
        raise NotImplementedError

    def fit(self, batches: Iterable[Batch]) -> None:
        """Set what is found in closed form, before the first step; most models have nothing of the kind."""

    def stages(self) -> Sequence[Stage]:
        """Return the parts of a run: most models are trained as a whole."""
        return (Stage("whole"),)

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return a loss as a person reads it."""
        return Reading("loss", loss, "", "loss")

    def is_silent(self, batch: Batch) -> bool:
        """Tell whether all that the model makes of a batch is silence; what makes no sound never is."""
        return False


class Model(Trainable):
    """An autoencoder over features that speaks ``(batch, latent_dim, n_latents)``.

    A family sets the attributes and defines ``encode`` and ``_decode``; it minimises the mean squared error of the
    features unless it defines ``loss`` and ``reading``.

    Attributes:
        frames_per_latent: Columns that one latent vector stands for: 1 for models of single frames.
        n_features: Rows of the features.
        latent_dim: Numbers of one latent vector.
        constant_dim: How many of these are the same in all vectors of a sound.
        latent_range: Least and largest number that a latent vector can hold; None: they are not bounded on both sides.
        encode_reach: Columns on either side that can change a latent vector; None: all, so it sees a sound as a whole.
        decode_reach: Columns on either side, in whole latents, that a decoded column depends on; None: all.
    """

    n_features: int
    latent_dim: int
    constant_dim: int = 0
    latent_range: tuple[float, float] | None = None
    frames_per_latent: int = 1
    encode_reach: int | None = None
    decode_reach: int | None = None

    @property
    def decoder_needs(self) -> tuple[str, ...]:
        """Names of the conditions without which a code cannot be decoded: of most models all that they need."""
        return self.needs

    def n_latents(self, n_frames: int) -> int:
        """Return the number of latent vectors of ``n_frames`` columns."""
        return 1 if self.n_frames is not None else -(-n_frames // self.frames_per_latent)

    def code_size(self, n_frames: int) -> int:
        """Return the numbers of the code of ``n_frames`` columns; those that are the same all over count once."""
        return self.constant_dim + (self.latent_dim - self.constant_dim) * self.n_latents(n_frames)

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of features.

        Args:
            features: ``(batch, n_features, n_frames)``.
            conditions: Of these, as the model ``needs``.

        Returns:
            Latents ``(batch, latent_dim, n_latents)``.

        Raises:
            ValueError: If the features or conditions do not fit the model.
        """
        raise NotImplementedError

    def decode(
        self,
        latents: Tensor,
        conditions: Conditions = NO_CONDITIONS,
        *,
        n_frames: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the features of a code: not clamped, so that a gradient flows everywhere.

        Args:
            latents: ``(batch, latent_dim, n_latents)``.
            conditions: Of what is wanted, as the model ``needs``.
            n_frames: Columns of the result; default: all that the latents stand for, of which the last may be padding.
            generator: Source of what is drawn, for models that sample.

        Returns:
            Features ``(batch, n_features, n_frames)``.

        Raises:
            ValueError: If the latents or conditions do not fit the model.
        """
        n_latents = None if self.n_frames is None else self.n_latents(self.n_frames)
        if latents.shape[-2] != self.latent_dim or n_latents not in (None, latents.shape[-1]):
            shape = f"(batch, {self.latent_dim}, {n_latents or 'n_latents'})"
            raise ValueError(f"latents must be {shape}, got {tuple(latents.shape)}")
        return self._decode(latents, conditions, generator)[..., :n_frames]

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return all columns that latents of the right shape stand for."""
        raise NotImplementedError

    def forward(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, wanted: Conditions | None = None
    ) -> Tensor:
        """Return the reconstruction of features, cut to their columns, or what ``wanted`` describes, if it is given."""
        latents = self.encode(features, conditions)
        return self.decode(latents, wanted or conditions, n_frames=features.shape[-1])

    def activations(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, *, layers: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Return what layers of the encoder find, by name, with gradient, the last the code; all, or those needed."""
        return {"latents": self.encode(features, conditions)}

    def facts(self) -> Facts:
        """Return what a person would want to know of the layers, by name."""
        return {}

    def compact(self) -> tuple[Settings, "Model"] | None:
        """Return settings and a model that gives the same with fewer numbers, to be shared; None: this one is it."""
        return None

    def check_features(self, features: Tensor) -> None:
        """Refuse features that the model does not take.

        Raises:
            ValueError: If they have another number of rows, or of columns where the model takes only one.
        """
        n_rows, n_frames = features.shape[-2:]
        if n_rows != self.n_features:
            raise ValueError(f"features must have n_features={self.n_features} rows, got {n_rows}")
        if self.n_frames not in (None, n_frames):
            raise ValueError(f"features must have n_frames={self.n_frames} columns, got {n_frames}")

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error of the features that are wanted."""
        estimate = self(batch.features, batch.conditions, batch.wanted)
        return {"squared_error": mean_squared_error(estimate.float(), batch.target)}

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the root mean squared error in the unit of the features."""
        return root_mean_square_reading(loss, scales)

    def is_silent(self, batch: Batch) -> bool:
        """Tell whether the loudest feature that the model gives is far below the loudest that is wanted."""
        estimate = self(batch.features, batch.conditions, batch.wanted)
        return bool(estimate.max() < SILENT_SHARE * batch.target.max())


def condition(conditions: Conditions, name: str, n_frames: int = 1) -> Tensor:
    """Return a condition that a model needs, ``(batch, size, n_frames)``.

    Raises:
        ValueError: If it was not given.
    """
    if name not in conditions:
        raise ValueError(f"this model must be conditioned on {name}, got conditions: {', '.join(conditions) or 'none'}")
    value = conditions[name]
    return value.expand(-1, -1, n_frames) if n_frames > 1 and value.shape[-1] == 1 else value


def note_conditions(rows: Tensor) -> Conditions:
    """Return pitch and velocity of notes as conditions.

    Args:
        rows: ``(batch, 2)``: MIDI number, and velocity 1…127 or NaN.

    Returns:
        ``pitch`` and ``velocity``, ``(batch, 1, 1)`` each.
    """
    if rows.ndim != 2 or rows.shape[-1] != 2:
        raise ValueError(f"pitch and velocity must be (batch, 2), got {tuple(rows.shape)}")
    return {"pitch": rows[:, :1, None], "velocity": rows[:, 1:, None]}
