"""The dense autoencoder of single frames: fully connected layers, frame by frame."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from intertone.config import Settings
from intertone.losses import mean_squared_error
from intertone.models.contract import NO_CONDITIONS, Batch, Conditions, Facts, Model

Activation = Literal["sigmoid", "relu", "leaky-relu", "tanh", "none"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


BOUNDED: dict[Activation, tuple[float, float]] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Range of the activations that are bounded on both sides."""


class DenseConfig(Settings):
    """Layers of the encoder, from the frame to the code; the decoder mirrors them."""

    kind: Literal["dense"] = "dense"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (512, 256, 128, 64), description="numbers after each layer of the encoder; the last is the code"
    )
    activation: Activation = Field("relu", description="after every layer but the code's and the last")
    code_activation: Activation = Field("sigmoid", description="after the code's layer")
    output_activation: Activation = Field("sigmoid", description="after the last layer of the decoder")
    negative_slope: float = Field(0.1, ge=0, lt=1, description="of leaky-relu below 0")
    bias: bool = Field(False, description="whether layers add a bias; with gains per frame it makes a noise floor")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of each hidden layer that is left out in training")
    augmentation: Literal["none", "first-difference", "second-difference"] = Field(
        "none", description="what is appended to the input: differences along frequency; the target stays the frame"
    )
    initial_deviation: float = Field(
        0.0, ge=0, description="of the first weights, normal, cut off at twice that; 0: by the width of the layer"
    )

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if not self.widths:
            raise ValueError("widths must name at least one layer, got none")
        return self


class DenseAutoencoder(Model):
    """Fully connected layers down to a code for each frame, and back.

    Every frame is encoded and decoded alone, so sounds of any length are.

    Args:
        config: The layers.
        n_features: Rows of the features.

    Source:
        Colonel, Curro and Keene (2017), "Improving Neural Net Auto Encoders for Music Synthesis", and (2018)
        "Autoencoding Neural Networks as Musical Audio Synthesizers" for the appended differences.

    Example:
        >>> model = DenseAutoencoder(DenseConfig(widths=(32, 8)), n_features=65)
        >>> latents = model.encode(torch.rand(2, 65, 40))
        >>> latents.shape, model.decode(latents).shape
        (torch.Size([2, 8, 40]), torch.Size([2, 65, 40]))
    """

    encode_reach = decode_reach = 0
    """Each frame depends on its own code alone, and its code on it."""

    def __init__(self, config: DenseConfig, n_features: int) -> None:
        super().__init__()
        self.config = config
        self.n_features = n_features
        self.order = {"none": 0, "first-difference": 1, "second-difference": 2}[config.augmentation]
        if self.order >= n_features:
            raise ValueError(f"the features must have more than {self.order} rows, got {n_features}")
        n_inputs = n_features + (n_features - self.order if self.order else 0)
        hidden, code = config.widths[:-1], config.widths[-1]
        self.latent_dim = code
        self.latent_range = BOUNDED.get(config.code_activation)
        self.encoder = _layers(config, (n_inputs, *hidden, code), config.code_activation)
        self.decoder = _layers(config, (code, *reversed(hidden), n_features), config.output_activation)

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the code of each frame.

        Args:
            features: ``(batch, n_features, n_frames)``.
            conditions: Not needed.

        Returns:
            Latents ``(batch, latent_dim, n_frames)``.

        Raises:
            ValueError: If the rows are not ``n_features``.
        """
        latents: Tensor = self.encoder(self._input(features))
        return latents.mT

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return one frame for each latent vector."""
        features: Tensor = self.decoder(latents.mT).mT
        return features

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean squared error of the frames; in training, hidden numbers are left out as ``dropout`` says."""
        code = self._through(self.encoder, self._input(batch.features), batch.generator)
        estimate = self._through(self.decoder, code, batch.generator).mT
        return {"squared_error": mean_squared_error(estimate.float(), batch.target)}

    def activations(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> dict[str, Tensor]:
        """Return the numbers after each layer of the encoder, ``(batch, width, n_frames)``, and the code."""
        hidden, found = self._input(features), {}
        for number, layer in enumerate(self.encoder):
            hidden = layer(hidden)
            found[f"encoder.{number}"] = hidden.mT
        return {**found, "latents": hidden.mT}

    def facts(self) -> Facts:
        """Return what a person would want to know of the layers, by name."""
        return {"layers": len(self.config.widths), "widths": list(self.config.widths)}

    def _through(self, layers: nn.Sequential, hidden: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return what layers make of rows; of what hidden layers give, a share is left out and the rest made louder."""
        *inner, last = layers
        for layer in inner:
            hidden = layer(hidden)
            if self.config.dropout and self.training:
                drawn = torch.rand(hidden.shape, generator=generator, device=hidden.device)
                hidden = hidden * (drawn >= self.config.dropout) / (1 - self.config.dropout)
        result: Tensor = last(hidden)
        return result

    def _input(self, features: Tensor) -> Tensor:
        """Return frames as rows, with what is appended to them, ``(batch, n_frames, n_inputs)``."""
        self.check_features(features)
        frames = features.mT
        return torch.cat([frames, frames.diff(n=self.order)], -1) if self.order else frames


def _layers(config: DenseConfig, widths: Sequence[int], last: Activation) -> nn.Sequential:
    """Return fully connected layers from each width to the next; the last one has its own activation."""
    layers = nn.Sequential()
    for place, (before, after) in enumerate(pairwise(widths)):
        is_last = place == len(widths) - 2
        linear = nn.Linear(before, after, bias=config.bias)
        if config.initial_deviation:
            deviation = config.initial_deviation
            nn.init.trunc_normal_(linear.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        kind = ACTIVATIONS[last if is_last else config.activation]
        activation = nn.LeakyReLU(config.negative_slope) if kind is nn.LeakyReLU else kind()
        layers.append(nn.Sequential(linear, activation))
    return layers
