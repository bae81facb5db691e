"""An autoencoder that is told pitch and velocity, so that its code need not hold them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from intertone.config import Settings
from intertone.losses import image_error
from intertone.models.contract import (
    NO_CONDITIONS,
    Batch,
    Conditions,
    Facts,
    Model,
    Reading,
    Rows,
    Scale,
    condition,
    mean_error_reading,
)
from intertone.models.linear import PrincipalComponents
from intertone.models.row_shift import RowShift

PITCH_RANGE = 128.0
"""MIDI numbers: what a pitch is divided by."""

VELOCITY_RANGE = 127.0
"""Divisor of a velocity."""

MIDDLE = 60.0
"""MIDI number that stands at 0 in a code."""

PITCH_WAVES = 6
"""Waves that show the pitch to the network: periods of 256 MIDI numbers, 128, … 8."""

VELOCITY_WAVES = 3
"""The same for the velocity: periods of 254, 127 and 63.5."""


class ConditionedConfig(Settings):
    """Stages of the encoder, from the outside in; the decoder mirrors them.

    ``channels`` and ``strides`` have one entry for each stage; the first stride takes so many whole frames at once.
    """

    kind: Literal["conditioned"] = "conditioned"
    channels: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] = (256, 320, 384)
    strides: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (4, 4, 2)
    encoder_blocks: int = Field(1, ge=0, le=64, description="residual blocks of each stage of the encoder")
    decoder_blocks: int = Field(2, ge=0, le=64, description="residual blocks of each stage of the decoder")
    kernel_size: int = Field(3, ge=1, le=31, description="of the blocks, in steps of their stage; odd")
    condition_channels: int = Field(
        64, ge=1, le=65536, description="numbers that tell a block the pitch and the velocity"
    )
    note_dim: int = Field(64, ge=1, le=65536, description="numbers of the code for the whole note")
    local_dim: int = Field(16, ge=0, le=65536, description="numbers of the code for each of its vectors in time")
    linear: bool = Field(True, description="principal components beside the convolutions, which then add to them")

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        if not self.channels or len(self.channels) != len(self.strides):
            raise ValueError(
                "channels and strides must have one entry for each stage, "
                f"got {len(self.channels)} and {len(self.strides)}"
            )
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")
        return self


class ConditionedAutoencoder(Model):
    """Residual convolutions over time, each told the pitch and the velocity of the note.

    The rows of the features are channels: row by row they mean the same in every note. A code is the same few
    numbers in all its vectors, for the whole note (``note_dim``), and a few that change (``local_dim``). The numbers
    for the whole note are means over its time, weighted by what the encoder finds worth looking at. The decoder may be
    told another pitch and velocity than the encoder: it then gives another note of the same instrument.

    With ``linear`` the convolutions add to what ``PrincipalComponents`` give, in the code and in the features, and a
    young model adds nothing. Where it is known where the ``rows`` lie, the code has one more number, its
    pitch in octaves above middle C, and the decoder begins with features whose rows are moved by a part of the interval
    from there to the wanted pitch: which part, row by row, is learnt from the two pitches.

    Args:
        config: The stages.
        n_features: Rows of the features.
        rows: Where rows of partials and rows of noise lie; see ``RowShift``.

    Source:
        Perez et al. (2018), "FiLM: visual reasoning with a general conditioning layer", for the way in of pitch and
        velocity.

    Example:
        >>> from intertone.models.contract import note_conditions
        >>> config = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
        >>> model = ConditionedAutoencoder(config, n_features=12)
        >>> features, played = torch.rand(1, 12, 50), note_conditions(torch.tensor([[60.0, 100.0]]))
        >>> latents = model.encode(features, played)
        >>> latents.shape, model.decode(latents, note_conditions(torch.tensor([[67.0, float("nan")]]))).shape
        (torch.Size([1, 5, 7]), torch.Size([1, 12, 56]))
    """

    needs = ("pitch", "velocity")
    transposes = True

    def __init__(self, config: ConditionedConfig, n_features: int, rows: Rows | None = None) -> None:
        super().__init__()
        self.config = config
        self.n_features = n_features
        self.frames_per_latent = math.prod(config.strides)
        sizes = list(zip((n_features, *config.channels), config.channels, config.strides, strict=False))
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for outer, inner, stride in sizes:
            self.encoder.append(_Inward(config, outer, inner, stride))
        for outer, inner, stride in reversed(sizes):
            self.decoder.append(_Outward(config, inner, outer, stride))
        deepest = config.channels[-1]
        self.conditions = _Conditions(config.condition_channels)
        self.to_note = nn.Conv1d(deepest, config.note_dim + 1, 1)
        self.to_local = nn.Conv1d(deepest, config.local_dim, 1) if config.local_dim else None
        self.linear = None
        if config.linear:
            sizes_of_code = {"note_dim": config.note_dim, "local_dim": config.local_dim}
            self.linear = PrincipalComponents(n_features, **sizes_of_code, block=self.frames_per_latent)
        self.mover = None if rows is None or self.linear is None else RowShift(rows)
        # first the numbers of the whole note, last its pitch if rows are moved
        self.latent_dim = config.note_dim + config.local_dim + (self.mover is not None)
        self.constant_dim = config.note_dim + (self.mover is not None)
        if self.mover is not None:
            self.part = nn.Linear(2 * config.condition_channels, n_features)
            nn.init.zeros_(self.part.weight)
            with torch.no_grad():
                self.part.bias.copy_(self.mover.part.logit())
        self.from_latents = nn.Conv1d(self.latent_dim + (n_features if self.mover else 0), deepest, 1)
        if self.linear is not None:
            outermost = self.decoder[-1]
            assert isinstance(outermost, _Outward)
            _silence(self.to_note, outermost.change, *([self.to_local] if self.to_local else []))

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of ``features``.

        Args:
            features: ``(batch, n_features, n_frames)`` in [0, 1].
            conditions: ``pitch`` of each note, a MIDI number, fractions allowed, and its ``velocity``, 1…127, or NaN
                where it is unknown; ``(batch, 1, 1)`` each.

        Returns:
            Latents ``(batch, latent_dim, n_latents)``; the first ``note_dim`` rows and a pitch do not change in time.

        Raises:
            ValueError: If the rows are not ``n_features``, or a condition is missing.
        """
        self.check_features(features)
        played = _note(conditions, len(features))
        told = self.conditions(played)
        hidden = nn.functional.pad(features, (0, -features.shape[-1] % self.frames_per_latent))
        for stage in self.encoder:
            hidden = stage(hidden, told)
        note, score = self.to_note(hidden).split((self.config.note_dim, 1), 1)
        note = (note * score.float().softmax(-1)).sum(-1, keepdim=True).expand(-1, -1, hidden.shape[-1])
        local = None if self.to_local is None else self.to_local(hidden)
        if self.linear is not None:
            mean, rest = self.linear.encode(features)
            note = note + mean
            local = None if local is None or rest is None else local + rest
        parts = [note] if local is None else [note, local]
        if self.mover is not None:
            parts.append(_octave(played.float())[:, None, None].expand(-1, -1, hidden.shape[-1]))
        return torch.cat(parts, 1)

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return features at the pitch and velocity of ``conditions``; a code's note may change in time as well."""
        wanted = _note(conditions, len(latents))
        told = self.conditions(wanted)
        start: Tensor | float = 0.0
        if self.linear is not None:
            note_dim, local_dim = self.config.note_dim, self.config.local_dim
            local = latents[:, note_dim : note_dim + local_dim] if local_dim else None
            start = self.linear.decode(latents[:, :note_dim], local)
            if self.mover is not None:
                start, latents = self._move(start, latents, wanted, told)
        hidden = self.from_latents(latents)
        for stage in self.decoder:
            hidden = stage(hidden, told)
        features: Tensor = hidden + start
        return features

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the error of the note that is wanted, audible cells above all; ``weight`` says which rows exist."""
        estimate = self(batch.features, batch.conditions, batch.wanted).float()
        exists = torch.ones(estimate.shape[:2], dtype=torch.bool) if batch.weight is None else batch.weight[..., 0]
        return {"error": image_error(estimate, batch.target, exists.to(estimate.device))}

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch]) -> None:
        """Set the linear part, if there is one, to the principal components of some notes."""
        if self.linear is not None:
            self.linear.fit(torch.cat([batch.features for batch in batches]))

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the mean error in the unit of the features."""
        return mean_error_reading(loss, scales)

    def facts(self) -> Facts:
        """Return what a person would want to know of the layers, by name."""
        config = self.config
        return {
            "layers": len(config.channels),
            "channels": list(config.channels),
            "strides": list(config.strides),
        }

    def _move(self, features: Tensor, latents: Tensor, wanted: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at the wanted pitch, and the latents with what would change if everything moved."""
        assert self.mover is not None
        own = latents[:, -1].float().mean(-1)
        known = torch.stack([12 * own + MIDDLE, torch.full_like(own, math.nan)], 1)
        part = self.part(torch.cat([told, self.conditions(known)], 1)).sigmoid()
        difference = self.mover(features, _octave(wanted) - own) - features
        change = difference.unflatten(-1, (-1, self.frames_per_latent)).mean(-1)
        return features + part[:, :, None] * difference, torch.cat([latents, change.to(latents.dtype)], 1)


def _silence(*layers: nn.Conv1d | nn.ConvTranspose1d) -> None:
    for layer in layers:
        nn.init.zeros_(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def _note(conditions: Conditions, n_rows: int) -> Tensor:
    """Return pitch and velocity, ``(batch, 2)``: those of the middle of a note where they change in time."""
    rows = [condition(conditions, name) for name in ConditionedAutoencoder.needs]
    if any(len(row) != n_rows for row in rows):
        raise ValueError(f"every row must have its pitch and velocity, got {len(rows[0])} for {n_rows} rows")
    return torch.cat([row[:, 0, row.shape[-1] // 2, None] for row in rows], 1)


def _octave(conditions: Tensor) -> Tensor:
    """Return pitches as octaves above middle C: numbers of the size of the others in a code."""
    return (conditions[:, 0] - MIDDLE) / 12


class _Conditions(nn.Module):
    """Pitch and velocity as numbers that a linear layer can use: waves of several lengths, then two layers."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first = nn.Linear(2 + 1 + 2 * (PITCH_WAVES + VELOCITY_WAVES), channels)
        self.layers = nn.Sequential(first, nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())

    def forward(self, conditions: Tensor) -> Tensor:
        pitch, velocity = conditions[:, :1].float() / PITCH_RANGE, conditions[:, 1:].float() / VELOCITY_RANGE
        known = velocity.isfinite().float()
        velocity = velocity.nan_to_num(0.0)
        waves = [*_waves(pitch, PITCH_WAVES), *(known * wave for wave in _waves(velocity, VELOCITY_WAVES))]
        numbers: Tensor = self.layers(torch.cat([pitch, velocity, known, *waves], 1))
        return numbers


def _waves(value: Tensor, count: int) -> Iterator[Tensor]:
    for octave in range(count):
        yield (math.pi * 2**octave * value).sin()
        yield (math.pi * 2**octave * value).cos()


class _Inward(nn.Module):
    """``stride`` columns become one; then the blocks."""

    def __init__(self, config: ConditionedConfig, outer: int, inner: int, stride: int) -> None:
        super().__init__()
        self.change = nn.Conv1d(outer, inner, stride, stride)
        self.blocks = nn.ModuleList(_Block(config, inner) for _ in range(config.encoder_blocks))

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        hidden = self.change(hidden)
        for block in self.blocks:
            hidden = block(hidden, told)
        return hidden


class _Outward(nn.Module):
    """The blocks; then one column becomes ``stride``."""

    def __init__(self, config: ConditionedConfig, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(config, inner) for _ in range(config.decoder_blocks))
        self.change = nn.ConvTranspose1d(inner, outer, stride, stride)

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        for block in self.blocks:
            hidden = block(hidden, told)
        columns: Tensor = self.change(hidden)
        return columns


class _Block(nn.Module):
    """Normalise each column, scale and shift it by the conditions, convolve over time, mix the channels, add."""

    def __init__(self, config: ConditionedConfig, channels: int) -> None:
        super().__init__()
        self.film = nn.Linear(config.condition_channels, 2 * channels)
        self.convolve = nn.Conv1d(channels, channels, config.kernel_size, padding=config.kernel_size // 2)
        self.mix = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)  # a young block changes nothing
        self.mix.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        scale, shift = self.film(told).unsqueeze(-1).chunk(2, 1)
        level = torch.linalg.vector_norm(hidden, dim=1, keepdim=True, dtype=torch.float32) / math.sqrt(hidden.shape[1])
        inner = hidden * ((1 + scale) / (level + 1e-4)).to(hidden.dtype) + shift
        mixed: Tensor = self.mix(nn.functional.silu(self.convolve(inner)))
        return hidden + mixed
