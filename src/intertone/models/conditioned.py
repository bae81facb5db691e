"""Autoencoder that is conditioned on pitch and velocity, so that its code need not contain them."""

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
"""Divisor of a pitch, MIDI numbers."""
VELOCITY_RANGE = 127.0
"""Divisor of a velocity."""
MIDDLE = 60.0
"""Pitch that is 0 in the code, a MIDI number: middle C."""
PITCH_WAVES = 6
"""Number of sine and cosine pairs that encode the pitch, with periods of 256, 128, …, 8 semitones."""
VELOCITY_WAVES = 3
"""Number of sine and cosine pairs that encode the velocity, with periods of 254, 127 and 63.5."""


class ConditionedConfig(Settings):
    """Settings of the stages of the encoder, from the input to the code; the decoder mirrors them.

    ``channels`` and ``strides`` have one entry for each stage.
    """

    kind: Literal["conditioned"] = "conditioned"
    channels: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] = (256, 320, 384)
    strides: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (4, 4, 2)
    encoder_blocks: int = Field(1, ge=0, le=64, description="residual blocks of each stage of the encoder")
    decoder_blocks: int = Field(2, ge=0, le=64, description="residual blocks of each stage of the decoder")
    kernel_size: int = Field(3, ge=1, le=31, description="kernel size of the blocks in frames of their stage, odd")
    condition_channels: int = Field(64, ge=1, le=65536, description="size of the embedding of pitch and velocity")
    note_dim: int = Field(64, ge=1, le=65536, description="latent dimensions that are constant over a note")
    local_dim: int = Field(16, ge=0, le=65536, description="latent dimensions that change over time")
    linear: bool = Field(
        True, description="whether the output of the convolutions is added to that of principal components"
    )

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
    """Residual convolutions over time, each conditioned on the pitch and the velocity of the note.

    The rows of the features are the channels of the convolutions. A latent vector has ``note_dim`` numbers that are
    constant over the note and ``local_dim`` numbers that change over time. The constant ones are weighted means over
    time; the encoder computes the weights. If the decoder is conditioned on another pitch or velocity than the encoder,
    it gives another note of the same instrument.

    With ``linear``, code and features are sums of the outputs of ``PrincipalComponents`` and of the convolutions; the
    latter are 0 in an untrained model. If ``rows`` is given too, the code has one more dimension, the pitch in octaves
    above middle C, and the decoder shifts the rows of the linear features by a part of the interval to the wanted
    pitch. A layer computes this part for each row from the two pitches.

    Args:
        config: Settings of the stages.
        n_features: Number of rows of the features.
        rows: Positions of the rows of partials and noise bands, see ``RowShift``; None: rows are not shifted.

    Source:
        Perez et al. (2018), "FiLM: visual reasoning with a general conditioning layer", for the conditioning on pitch
        and velocity.

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
            self.encoder.append(_EncoderStage(config, outer, inner, stride))
        for outer, inner, stride in reversed(sizes):
            self.decoder.append(_DecoderStage(config, inner, outer, stride))
        deepest = config.channels[-1]
        self.conditions = _Embedding(config.condition_channels)
        self.to_note = nn.Conv1d(deepest, config.note_dim + 1, 1)
        self.to_local = nn.Conv1d(deepest, config.local_dim, 1) if config.local_dim else None
        self.linear = None
        if config.linear:
            sizes_of_code = {"note_dim": config.note_dim, "local_dim": config.local_dim}
            self.linear = PrincipalComponents(n_features, **sizes_of_code, block=self.frames_per_latent)
        self.mover = None if rows is None or self.linear is None else RowShift(rows)
        # order of the dimensions: constant ones, those over time, and the pitch if rows are shifted
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
            assert isinstance(outermost, _DecoderStage)
            _set_to_zero(self.to_note, outermost.change, *([self.to_local] if self.to_local else []))

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of ``features``.

        Args:
            features: ``(batch, n_features, n_frames)`` in [0, 1].
            conditions: ``pitch`` of each note, a MIDI number that may have a fraction, and its ``velocity``, 1…127, or
                NaN for unknown; ``(batch, 1, 1)`` each.

        Returns:
            Latents ``(batch, latent_dim, n_latents)``; the first ``note_dim`` rows and the pitch are constant over
            time.

        Raises:
            ValueError: If the features do not have ``n_features`` rows, or a condition is missing.
        """
        self.check_features(features)
        played = _note(conditions, len(features))
        embedding = self.conditions(played)
        hidden = nn.functional.pad(features, (0, -features.shape[-1] % self.frames_per_latent))
        for stage in self.encoder:
            hidden = stage(hidden, embedding)
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
        """Return features at the pitch and velocity of ``conditions``; all latent dimensions may change over time."""
        wanted = _note(conditions, len(latents))
        embedding = self.conditions(wanted)
        start: Tensor | float = 0.0
        if self.linear is not None:
            note_dim, local_dim = self.config.note_dim, self.config.local_dim
            local = latents[:, note_dim : note_dim + local_dim] if local_dim else None
            start = self.linear.decode(latents[:, :note_dim], local)
            if self.mover is not None:
                start, latents = self._shift_rows(start, latents, wanted, embedding)
        hidden = self.from_latents(latents)
        for stage in self.decoder:
            hidden = stage(hidden, embedding)
        features: Tensor = hidden + start
        return features

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``image_error`` of the wanted note; ``batch.weight`` marks the rows that exist at its pitch."""
        estimate = self(batch.features, batch.conditions, batch.wanted).float()
        exists = torch.ones(estimate.shape[:2], dtype=torch.bool) if batch.weight is None else batch.weight[..., 0]
        return {"error": image_error(estimate, batch.target, exists.to(estimate.device))}

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch]) -> None:
        """Set the linear part, if there is one, to the principal components of the notes in ``batches``."""
        if self.linear is not None:
            self.linear.fit(torch.cat([batch.features for batch in batches]))

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the loss as a mean error in the unit of the features."""
        return mean_error_reading(loss, scales)

    def facts(self) -> Facts:
        """Return the main settings of the layers, by name."""
        config = self.config
        return {
            "layers": len(config.channels),
            "channels": list(config.channels),
            "strides": list(config.strides),
        }

    def _shift_rows(
        self, features: Tensor, latents: Tensor, wanted: Tensor, embedding: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return features shifted to the wanted pitch, and latents with the change of a full shift appended."""
        assert self.mover is not None
        own = latents[:, -1].float().mean(-1)
        known = torch.stack([12 * own + MIDDLE, torch.full_like(own, math.nan)], 1)
        part = self.part(torch.cat([embedding, self.conditions(known)], 1)).sigmoid()
        difference = self.mover(features, _octave(wanted) - own) - features
        change = difference.unflatten(-1, (-1, self.frames_per_latent)).mean(-1)
        return features + part[:, :, None] * difference, torch.cat([latents, change.to(latents.dtype)], 1)


def _set_to_zero(*layers: nn.Conv1d | nn.ConvTranspose1d) -> None:
    for layer in layers:
        nn.init.zeros_(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def _note(conditions: Conditions, n_rows: int) -> Tensor:
    """Return pitch and velocity of each note, ``(batch, 2)``: the values in its middle if they change over time."""
    rows = [condition(conditions, name) for name in ConditionedAutoencoder.needs]
    if any(len(row) != n_rows for row in rows):
        raise ValueError(f"every row must have its pitch and velocity, got {len(rows[0])} for {n_rows} rows")
    return torch.cat([row[:, 0, row.shape[-1] // 2, None] for row in rows], 1)


def _octave(conditions: Tensor) -> Tensor:
    """Return pitches in octaves above middle C, ``(batch,)``, which have the magnitude of other latent values."""
    return (conditions[:, 0] - MIDDLE) / 12


class _Embedding(nn.Module):
    """Embedding of pitch and velocity: sines and cosines of several periods, then two fully connected layers."""

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


class _EncoderStage(nn.Module):
    """Stage of the encoder: a convolution that reduces ``stride`` frames to one, then residual blocks."""

    def __init__(self, config: ConditionedConfig, outer: int, inner: int, stride: int) -> None:
        super().__init__()
        self.change = nn.Conv1d(outer, inner, stride, stride)
        self.blocks = nn.ModuleList(_Block(config, inner) for _ in range(config.encoder_blocks))

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.change(hidden)
        for block in self.blocks:
            hidden = block(hidden, embedding)
        return hidden


class _DecoderStage(nn.Module):
    """Stage of the decoder: residual blocks, then a convolution that expands one frame to ``stride`` frames."""

    def __init__(self, config: ConditionedConfig, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(config, inner) for _ in range(config.decoder_blocks))
        self.change = nn.ConvTranspose1d(inner, outer, stride, stride)

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        for block in self.blocks:
            hidden = block(hidden, embedding)
        columns: Tensor = self.change(hidden)
        return columns


class _Block(nn.Module):
    """Residual block: normalisation of each frame, FiLM conditioning, convolution over time, mixing of the channels."""

    def __init__(self, config: ConditionedConfig, channels: int) -> None:
        super().__init__()
        self.film = nn.Linear(config.condition_channels, 2 * channels)
        self.convolve = nn.Conv1d(channels, channels, config.kernel_size, padding=config.kernel_size // 2)
        self.mix = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)  # an untrained block is the identity
        self.mix.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.film(embedding).unsqueeze(-1).chunk(2, 1)
        level = torch.linalg.vector_norm(hidden, dim=1, keepdim=True, dtype=torch.float32) / math.sqrt(hidden.shape[1])
        inner = hidden * ((1 + scale) / (level + 1e-4)).to(hidden.dtype) + shift
        mixed: Tensor = self.mix(nn.functional.silu(self.convolve(inner)))
        return hidden + mixed
