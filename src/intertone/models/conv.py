"""Convolutional autoencoder of Langer (2023): strided convolutions, and a decoder that mirrors them."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from intertone.config import Settings
from intertone.models.contract import NO_CONDITIONS, Conditions, Facts, Model

Pair = tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]]
"""Sizes along frequency and time."""


class ConvBottleneckConfig(Settings):
    """Settings of a bottleneck that keeps both axes: one vector for each position of the deepest layer."""

    kind: Literal["conv"] = "conv"
    channels: int = Field(16, ge=1, le=1000000, description="channels at each position of the deepest layer")
    n_frames: ClassVar[None] = None
    """The number of frames is not fixed."""

    def latent_dim(self, rows: int) -> int:
        """Return the number of latent dimensions for ``rows`` rows of the deepest layer."""
        return self.channels * rows


class DenseBottleneckConfig(Settings):
    """Settings of a bottleneck with one vector for the whole note, whose length is fixed."""

    kind: Literal["dense"] = "dense"
    size: int = Field(512, ge=1, le=1000000, description="latent dimensions")
    n_frames: int = Field(251, ge=1, description="frames of every note; other lengths are refused")

    def latent_dim(self, rows: int) -> int:
        """Return the number of latent dimensions for ``rows`` rows of the deepest layer."""
        return self.size


class ConvConfig(Settings):
    """Settings of the layers of the encoder, from the input to the code; the decoder mirrors them.

    ``channels`` and ``strides`` have one entry for each layer.
    """

    kind: Literal["conv"] = "conv"
    channels: tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...] = (32, 64, 128, 256, 256)
    strides: tuple[Pair, ...] = ((2, 2), (2, 2), (2, 2), (2, 2), (2, 2))
    kernel_size: Pair = (3, 3)
    activation: Literal["leaky-relu", "relu"] = "leaky-relu"
    negative_slope: float = Field(0.1, gt=0, lt=1, description="slope of leaky-relu for negative inputs")
    order: Literal["conv-norm-activation", "conv-activation-norm"] = "conv-norm-activation"
    bottleneck: Annotated[ConvBottleneckConfig | DenseBottleneckConfig, Field(discriminator="kind")] = (
        ConvBottleneckConfig()
    )

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if not self.channels:
            raise ValueError("channels must name at least one layer, got none")
        if len(self.channels) != len(self.strides):
            raise ValueError(
                f"strides must have an entry for each layer, got {len(self.strides)} for {len(self.channels)}"
            )
        for stride in self.strides:
            for kernel, step in zip(self.kernel_size, stride, strict=True):
                if kernel < step or (kernel % 2 == 0 and step == 1):
                    raise ValueError(
                        "kernel_size must be at least the stride, and odd where the stride is 1, "
                        f"got kernel {kernel} with stride {step}"
                    )
        return self

    @property
    def reduction(self) -> tuple[int, int]:
        """Numbers of rows and frames of the features for one position of the deepest layer: the products of strides."""
        rows = columns = 1
        for row_stride, column_stride in self.strides:
            rows, columns = rows * row_stride, columns * column_stride
        return rows, columns


class ConvAutoencoder(Model):
    """Encoder of strided convolutions and decoder of transposed convolutions.

    Every layer except the last one of the decoder has a normalisation and an activation; code and output have neither.
    Features are padded with zeros, the floor of the spectrogram, to multiples of the strides.

    Args:
        config: Settings of the layers.
        n_features: Number of rows of the features.

    Source:
        Langer (2023), section 3.4, and section 3.4.4 for the mean squared error as loss. The default order of
        convolution, normalisation and activation is that of NSynth's published baseline.

    Example:
        >>> model = ConvAutoencoder(ConvConfig(channels=(4, 8), strides=((2, 2), (2, 2))), n_features=64)
        >>> latents = model.encode(torch.rand(3, 64, 50))
        >>> latents.shape, model.decode(latents).shape
        (torch.Size([3, 256, 13]), torch.Size([3, 64, 52]))
    """

    memory_format = torch.channels_last

    def __init__(self, config: ConvConfig, n_features: int) -> None:
        super().__init__()
        self.config = config
        self.n_features = n_features
        row_reduction, self.frames_per_latent = config.reduction
        self.rows = -(-n_features // row_reduction)
        self.encoder = nn.Sequential()
        self.decoder = nn.Sequential()
        sizes = list(zip((1, *config.channels), config.channels, config.strides, strict=False))
        for outer, inner, stride in sizes:
            self.encoder.append(_layer(config, _down(config, outer, inner, stride), inner))
        for outer, inner, stride in reversed(sizes[1:]):
            self.decoder.append(_layer(config, _up(config, inner, outer, stride), outer))
        self.decoder.append(_up(config, config.channels[0], 1, config.strides[0], bias=True))
        # the names of these layers are keys of saved weights and must not change
        self.to_latents, self.from_latents, self.columns = build_bottleneck(config, self.rows)
        self.latent_dim = config.bottleneck.latent_dim(self.rows)
        self.n_frames = config.bottleneck.n_frames
        if self.n_frames is None:  # the decoder mirrors the encoder
            self.encode_reach = self.decode_reach = _reach(config)

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of ``features``.

        Args:
            features: ``(batch, n_features, n_frames)`` in [0, 1].
            conditions: Not needed.

        Returns:
            Latents ``(batch, latent_dim, n_latents)``.

        Raises:
            ValueError: If the features do not have ``n_features`` rows, or the bottleneck is dense and they do not have
                its ``n_frames``.
        """
        hidden = self.encoder(self._image(features))
        latents: Tensor = self.to_latents(hidden if self.columns is None else hidden.flatten(1))
        return latents.flatten(1, 2) if self.columns is None else latents.unsqueeze(-1)

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return the decoded features, without the padded rows."""
        if self.columns is not None:
            deepest = self.config.channels[-1]
            hidden = self.from_latents(latents.squeeze(-1)).unflatten(1, (deepest, self.rows, self.columns))
        else:
            hidden = self.from_latents(latents.unflatten(1, (-1, self.rows)))
        image = self.decoder(hidden.contiguous(memory_format=torch.channels_last))
        features: Tensor = image.squeeze(1)[:, : self.n_features]
        return features

    def activations(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, *, layers: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Return the activations of each layer of the encoder, ``(batch, channels, rows, columns)``, and the code."""
        hidden, found = self._image(features), {}
        for number, layer in enumerate(self.encoder):
            hidden = found[f"encoder.{number}"] = layer(hidden)
        return {**found, "latents": self.encode(features)}

    def facts(self) -> Facts:
        """Return the main settings of the layers, by name."""
        config = self.config
        return {
            "layers": len(config.channels),
            "channels": list(config.channels),
            "strides": [list(stride) for stride in config.strides],
        }

    def _image(self, features: Tensor) -> Tensor:
        """Return features as one channel, padded to multiples of the strides, ``(batch, 1, rows, columns)``."""
        self.check_features(features)
        rows, columns = self.config.reduction
        image = nn.functional.pad(features, (0, -features.shape[-1] % columns, 0, -self.n_features % rows)).unsqueeze(1)
        return image.contiguous(memory_format=torch.channels_last)


def build_bottleneck(config: ConvConfig, rows: int) -> tuple[nn.Module, nn.Module, int | None]:
    """Return the layers to the code and from it, and the fixed number of columns of the deepest layer, or None.

    Args:
        config: Settings of the layers.
        rows: Number of rows of the deepest layer.
    """
    deepest = config.channels[-1]
    match config.bottleneck:
        case DenseBottleneckConfig() as bottleneck:
            columns = -(-bottleneck.n_frames // config.reduction[1])
            cells = deepest * rows * columns
            return nn.Linear(cells, bottleneck.size), nn.Linear(bottleneck.size, cells), columns
        case ConvBottleneckConfig() as bottleneck:
            inward, outward = nn.Conv2d(deepest, bottleneck.channels, 1), nn.Conv2d(bottleneck.channels, deepest, 1)
            return inward, outward, None


def _reach(config: ConvConfig) -> int:
    """Return the number of frames on each side on which one output depends, rounded up to whole latents."""
    # the sum is the reach of encoder and decoder together: half of each kernel, twice
    reach, step = 0, 1
    for _, stride in config.strides:
        reach += (config.kernel_size[1] - 1) * step
        step *= stride
    return (-(-reach // step) + 1) * step


def _padding(config: ConvConfig) -> tuple[int, int]:
    """Return the padding with which a strided convolution divides the size exactly by the stride."""
    return (config.kernel_size[0] - 1) // 2, (config.kernel_size[1] - 1) // 2


def _down(config: ConvConfig, outer: int, inner: int, stride: Pair) -> nn.Module:
    return nn.Conv2d(outer, inner, config.kernel_size, stride, _padding(config), bias=False)


def _up(config: ConvConfig, inner: int, outer: int, stride: Pair, *, bias: bool = False) -> nn.Module:
    padding = _padding(config)
    rows, columns = (s + 2 * p - k for s, p, k in zip(stride, padding, config.kernel_size, strict=True))
    return nn.ConvTranspose2d(inner, outer, config.kernel_size, stride, padding, (rows, columns), bias=bias)


def _layer(config: ConvConfig, convolution: nn.Module, channels: int) -> nn.Sequential:
    activation = nn.ReLU() if config.activation == "relu" else nn.LeakyReLU(config.negative_slope)
    norm = nn.BatchNorm2d(channels)
    if config.order == "conv-norm-activation":
        return nn.Sequential(convolution, norm, activation)
    return nn.Sequential(convolution, activation, norm)
