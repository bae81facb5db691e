"""Interfaces of networks: ``Trainable`` for training, and ``Model`` for codecs, with the types that they use."""

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
"""Conditions by name, ``(batch, size, 1 or n_frames)``: pitch (MIDI number), velocity (1…127), …; NaN: unknown."""
CONDITION_SIZES: Mapping[str, int] = MappingProxyType({"chroma": 12})
"""Number of values of a condition; 1 for conditions that are not listed."""

NO_CONDITIONS: Conditions = MappingProxyType({})

Facts = Mapping[str, str | int | float | Sequence[int] | Sequence[Sequence[int]]]
"""Main settings of a model or representation by name, for ``intertone info``."""
SILENT_SHARE = 0.05
"""Share of the largest target feature below which all output features are silence: −76 dB with ``top_db=80``."""


@dataclass(frozen=True)
class Scale:
    """Scale of the values in a group of feature rows.

    Attributes:
        kind: ``decibels``: linear in dB; ``log1p``: log(1 + magnitude); ``linear``: magnitude; ``amplitude``: sample of
            a waveform; ``mu_law``: companded sample, −1…1; ``cycles``: phase in periods.
        n_rows: Number of rows of the group; the groups are stacked.
        range_db: For ``decibels``: difference between features 0 and 1, dB.
    """

    kind: Literal["decibels", "log1p", "linear", "amplitude", "mu_law", "cycles"]
    n_rows: int
    range_db: float = 0.0

    @property
    def unit(self) -> str:
        """Unit of a difference of features multiplied by ``per_feature``; empty: no unit."""
        return {"decibels": "dB", "cycles": "cycles"}.get(self.kind, "")

    @property
    def per_feature(self) -> float:
        """Number of units in a difference of 1 between two features."""
        return self.range_db if self.kind == "decibels" else 1.0


@dataclass(frozen=True)
class Rows:
    """Positions of harmonic feature rows, for models that shift them with the pitch.

    Attributes:
        partials: log2 of the order of each row of partials, rising.
        noise: log2 of the centre frequency, Hz, of each noise band, rising; these rows follow those of partials.
        lowest: Order of the lowest partial of each row of partials; empty: rows exist for every pitch.
        f_max: Highest frequency of a partial, Hz.
    """

    partials: Tensor
    noise: Tensor
    lowest: Tensor = field(default_factory=lambda: torch.empty(0))
    f_max: float = math.inf

    def exist(self, f0: Tensor) -> Tensor:
        """Return which rows exist in sounds of these pitches.

        Args:
            f0: Hz, ``(batch,)``; NaN: unknown, so that all rows exist.

        Returns:
            Bool, ``(batch, n_features)``.
        """
        n_features = len(self.partials) + len(self.noise)
        return existing_rows(self.lowest, f0.nan_to_num(0.0), n_features=n_features, f_max=self.f_max)


@dataclass(frozen=True)
class Batch:
    """Data of one training step: whole notes, slices, crops or single frames.

    Attributes:
        features: Input, ``(batch, n_features, n_frames)``.
        target: Wanted output; for most models the features themselves.
        conditions: Conditions of the input.
        wanted: Conditions of the output.
        weight: Weights of the cells in the loss, broadcastable to the target; None: all are 1.
        labels: Class indices by name, ``(batch,)``, for classifiers.
        progress: Finished share of the run, 0…1.
        generator: Source of randomness in the loss (dropout, sampling, augmentation), on the device of the features.
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
        """Return the same batch on a device; the generator is not moved."""
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
    """Part of a training run that trains some of a model's parameters.

    Attributes:
        name: Name in the log.
        parameters: Prefixes of the names of the trained parameters; ``("",)``: all.
        terms: Names of the minimised loss terms; empty: all.
        share: Share of the run's epochs, relative to the other stages.
        patience: Number of epochs without a better validation loss after which the stage ends; None: that of the run.
        alternating: Whether it alternates, step by step, with neighbouring stages that are alternating too.
    """

    name: str
    parameters: tuple[str, ...] = ("",)
    terms: tuple[str, ...] = ()
    share: float = 1.0
    patience: int | None = None
    alternating: bool = False


@dataclass(frozen=True)
class Reading:
    """Value of a loss in a familiar unit, for logs.

    Attributes:
        name: Name in ``metrics.jsonl``.
        value: The value.
        unit: Unit of the value, such as ``dB``, or empty.
        words: Name of the quantity in the log.
    """

    name: str
    value: float
    unit: str
    words: str


def common_scale(scales: Sequence[Scale]) -> Scale | None:
    """Return the scale that all groups of rows have, or None if they have different ones.

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
        loss: Mean squared error in squared units of the features.
        scales: Scales of the representation.

    Returns:
        ``rmse_db`` for decibels, ``rmse`` for features without a unit or with several.

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
    """Base class of networks that can be trained: autoencoders, classifiers, generators.

    Attributes:
        memory_format: Memory layout of the weights with which the model is fastest.
        needs: Names of the conditions that the model must be given.
        transposes: Whether its training target is another note of the instrument than its input.
        n_frames: The only number of frames that it accepts; None: any number.
    """

    memory_format: torch.memory_format = torch.contiguous_format
    needs: tuple[str, ...] = ()
    transposes: bool = False
    n_frames: int | None = None

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss by name, ``()`` each; their sum is minimised."""
        raise NotImplementedError

    def fit(self, batches: Iterable[Batch]) -> None:
        """Set parameters that have a closed-form solution, before the first step; most models have none."""

    def stages(self) -> Sequence[Stage]:
        """Return the stages of a run; most models are trained in a single stage."""
        return (Stage("whole"),)

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return a loss in a familiar unit, for logs."""
        return Reading("loss", loss, "", "loss")

    def is_silent(self, batch: Batch) -> bool:
        """Return whether the output for a batch is silence; always False for networks without audio output."""
        return False


class Model(Trainable):
    """Base class of autoencoders of features, whose latents are ``(batch, latent_dim, n_latents)``.

    A subclass sets the attributes and defines ``encode`` and ``_decode``. Its loss is the mean squared error of the
    features unless it defines ``loss`` and ``reading``.

    Attributes:
        frames_per_latent: Number of frames that one latent vector represents: 1 for models of single frames.
        n_features: Number of rows of the features.
        latent_dim: Number of dimensions of a latent vector.
        constant_dim: Number of these dimensions that are constant over a sound.
        latent_range: Smallest and largest value of a latent dimension; None: they are not bounded on both sides.
        encode_reach: Number of frames on each side on which a latent vector depends; None: all frames of the sound.
        decode_reach: Number of frames on each side, in whole latents, on which a decoded frame depends; None: all.
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
        """Names of the conditions that decoding needs; for most models the same as ``needs``."""
        return self.needs

    def n_latents(self, n_frames: int) -> int:
        """Return the number of latent vectors of a sound of ``n_frames`` frames."""
        return 1 if self.n_frames is not None else -(-n_frames // self.frames_per_latent)

    def code_size(self, n_frames: int) -> int:
        """Return the number of values in the code of ``n_frames`` frames; constant dimensions are counted once."""
        return self.constant_dim + (self.latent_dim - self.constant_dim) * self.n_latents(n_frames)

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of features.

        Args:
            features: ``(batch, n_features, n_frames)``.
            conditions: Conditions of the features, as the model ``needs`` them.

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
        """Return the features of a code; they are not clamped, so that they have a gradient everywhere.

        Args:
            latents: ``(batch, latent_dim, n_latents)``.
            conditions: Conditions of the output, as the model ``needs`` them.
            n_frames: Number of frames of the result; None: that of all latents, of which the last may be padding.
            generator: Source of randomness, for models that draw samples.

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
        """Return the features of all frames of latents, whose shape is already checked."""
        raise NotImplementedError

    def forward(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, wanted: Conditions | None = None
    ) -> Tensor:
        """Return the reconstruction of features with their number of frames, decoded with ``wanted`` if given."""
        latents = self.encode(features, conditions)
        return self.decode(latents, wanted or conditions, n_frames=features.shape[-1])

    def activations(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, *, layers: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Return activations of the encoder by name, with gradient, and the code; ``layers`` empty: all layers."""
        return {"latents": self.encode(features, conditions)}

    def facts(self) -> Facts:
        """Return the main settings of the layers, by name."""
        return {}

    def compact(self) -> tuple[Settings, "Model"] | None:
        """Return settings and weights of an equivalent model with fewer parameters; None: there is none."""
        return None

    def check_features(self, features: Tensor) -> None:
        """Refuse features whose shape does not fit the model.

        Raises:
            ValueError: If the number of rows is not ``n_features``, or that of frames not ``n_frames`` unless None.
        """
        n_rows, n_frames = features.shape[-2:]
        if n_rows != self.n_features:
            raise ValueError(f"features must have n_features={self.n_features} rows, got {n_rows}")
        if self.n_frames not in (None, n_frames):
            raise ValueError(f"features must have n_frames={self.n_frames} columns, got {n_frames}")

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error between output and target."""
        estimate = self(batch.features, batch.conditions, batch.wanted)
        return {"squared_error": mean_squared_error(estimate.float(), batch.target)}

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the root of the loss in the unit of the features."""
        return root_mean_square_reading(loss, scales)

    def is_silent(self, batch: Batch) -> bool:
        """Return whether the largest output feature is below ``SILENT_SHARE`` of the largest target feature."""
        estimate = self(batch.features, batch.conditions, batch.wanted)
        return bool(estimate.max() < SILENT_SHARE * batch.target.max())


def condition(conditions: Conditions, name: str, n_frames: int = 1) -> Tensor:
    """Return a condition, ``(batch, size, n_frames)``; a constant one is repeated.

    Raises:
        ValueError: If ``conditions`` does not have it.
    """
    if name not in conditions:
        raise ValueError(f"this model must be conditioned on {name}, got conditions: {', '.join(conditions) or 'none'}")
    value = conditions[name]
    return value.expand(-1, -1, n_frames) if n_frames > 1 and value.shape[-1] == 1 else value


def note_conditions(rows: Tensor) -> Conditions:
    """Return pitch and velocity of notes as conditions.

    Args:
        rows: MIDI number, and velocity 1…127 or NaN, ``(batch, 2)``.

    Returns:
        ``pitch`` and ``velocity``, ``(batch, 1, 1)`` each.
    """
    if rows.ndim != 2 or rows.shape[-1] != 2:
        raise ValueError(f"pitch and velocity must be (batch, 2), got {tuple(rows.shape)}")
    return {"pitch": rows[:, :1, None], "velocity": rows[:, 1:, None]}
