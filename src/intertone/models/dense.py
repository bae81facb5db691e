"""Dense autoencoder of single frames: fully connected layers that process each frame separately."""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from intertone.config import Settings
from intertone.losses import gaussian_divergence, mean_absolute_error, mean_squared_error, squared_convergence
from intertone.models.augmentation import AugmentationKind, Differences, build_augmentation
from intertone.models.contract import (
    CONDITION_SIZES,
    NO_CONDITIONS,
    Batch,
    Conditions,
    Facts,
    Model,
    Reading,
    Scale,
    condition,
    mean_error_reading,
    root_mean_square_reading,
)

Activation = Literal["sigmoid", "relu", "leaky-relu", "tanh", "none"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


COSTS = {"squared": mean_squared_error, "absolute": mean_absolute_error, "convergence": squared_convergence}

BOUNDED: dict[Activation, tuple[float, float]] = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Output ranges of the bounded activations."""


class DenseConfig(Settings):
    """Settings of the layers of the encoder, from the frame to the code; the decoder mirrors them."""

    later: ClassVar[frozenset[str]] = frozenset(
        {"decoder_widths", "n_mels", "cepstrum", "chroma", "cost", "variational", "kl_weights", "smoothness"}
    )
    removed: ClassVar[frozenset[str]] = frozenset({"sample_rate"})

    kind: Literal["dense"] = "dense"
    widths: tuple[Annotated[int, Field(ge=1, le=16_384)], ...] = Field(
        (512, 256, 128, 64), description="width of each layer of the encoder; the last is latent_dim"
    )
    decoder_widths: tuple[Annotated[int, Field(ge=1, le=16_384)], ...] = Field(
        (), description="width of each layer of the decoder but the last; empty: those of the encoder, reversed"
    )
    activation: Activation = Field(
        "relu", description="activation of every layer but the last ones of encoder and decoder"
    )
    code_activation: Activation = Field("sigmoid", description="activation of the last layer of the encoder")
    output_activation: Activation = Field("sigmoid", description="activation of the last layer of the decoder")
    negative_slope: float = Field(0.1, ge=0, lt=1, description="slope of leaky-relu for negative inputs")
    bias: bool = Field(False, description="whether layers have a bias; with normalised frames it adds a noise floor")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of each hidden layer that is set to 0 in training")
    augmentation: AugmentationKind = Field(
        "none", description="quantities of the frame that are appended to the input, but not to the target"
    )
    n_mels: int = Field(512, ge=1, description="number of mel bands of the augmentations mel and mfcc")
    cepstrum: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]] = Field(
        (26, 256), description="first coefficient of mfcc and the one after the last"
    )
    chroma: Literal["none", "input", "skip"] = Field(
        "none", description="one-hot strongest pitch class: appended to the input, and with skip also to the code"
    )
    cost: Literal["squared", "absolute", "convergence"] = Field(
        "squared", description="mean squared or absolute error, or squared error relative to the power of the target"
    )
    variational: bool = Field(False, description="whether the code is drawn from a normal distribution in training")
    kl_weights: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = Field(
        (3e-7, 1e-4), description="weight of the divergence of a variational code at the start and at the end of a run"
    )
    smoothness: float = Field(
        0.0,
        ge=0,
        description="weight of the mean squared change, dB², of spectra for a step of 1 % in a latent dimension",
    )
    initial_deviation: float = Field(
        0.0,
        ge=0,
        description="standard deviation of initial weights, truncated normal; 0: He initialisation",
    )

    @model_validator(mode="after")
    def _check_widths(self) -> Self:
        if not self.widths:
            raise ValueError("widths must name at least one layer, got none")
        first, end = self.cepstrum
        if not first < end <= self.n_mels:
            raise ValueError(f"cepstrum must be two rising numbers up to n_mels={self.n_mels}, got {first}, {end}")
        return self


class DenseAutoencoder(Model):
    """Fully connected layers that encode each frame to a latent vector and decode it.

    Frames are independent of one another, so sounds may have any length. A model with chroma is conditioned on the
    strongest pitch class of each frame; with ``skip`` the decoder is conditioned on it too, so that a code can be
    decoded at any pitch class.

    Args:
        config: Settings of the layers.
        n_features: Number of rows of the features.
        frequencies: Frequency of each row, Hz, ``(n_features,)``, for the augmentations mel and mfcc; None: not fixed.

    Raises:
        InputError: If ``config.augmentation`` is mel or mfcc and ``frequencies`` is None.

    Source:
        Colonel, Curro and Keene (2017), "Improving Neural Net Auto Encoders for Music Synthesis", and (2018)
        "Autoencoding Neural Networks as Musical Audio Synthesizers" for input augmentation; Colonel and Keene (2020),
        "Conditioning Autoencoder Latent Spaces for Real-Time Timbre Interpolation and Synthesis" for chroma.

    Example:
        >>> model = DenseAutoencoder(DenseConfig(widths=(32, 8)), n_features=65)
        >>> latents = model.encode(torch.rand(2, 65, 40))
        >>> latents.shape, model.decode(latents).shape
        (torch.Size([2, 8, 40]), torch.Size([2, 65, 40]))
    """

    encode_reach = decode_reach = 0
    """Each latent vector depends only on its own frame, and each decoded frame only on its own latent vector."""

    def __init__(self, config: DenseConfig, n_features: int, frequencies: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        self.n_features = n_features
        hidden, code = config.widths[:-1], config.widths[-1]
        self.latent_dim = code
        self.needs = ("chroma",) if config.chroma != "none" else ()
        self.augmentation = build_augmentation(
            config.augmentation,
            n_features,
            frequencies=frequencies,
            n_mels=config.n_mels,
            cepstrum=config.cepstrum,
        )
        n_inputs = n_features + (self.augmentation.size if self.augmentation else 0)
        n_inputs += CONDITION_SIZES["chroma"] if config.chroma != "none" else 0
        n_code = code + (CONDITION_SIZES["chroma"] if config.chroma == "skip" else 0)
        outward = config.decoder_widths or tuple(reversed(hidden))
        self.latent_range = None if config.variational else BOUNDED.get(config.code_activation)
        self.encoder = _layers(config, (n_inputs, *hidden, code), config.code_activation)
        self.distribution = nn.Linear(code, 2 * code) if config.variational else None
        self.decoder = _layers(config, (n_code, *outward, n_features), config.output_activation)

    @property
    def decoder_needs(self) -> tuple[str, ...]:
        """``chroma`` if the decoder is conditioned on it, otherwise nothing."""
        return self.needs if self.config.chroma == "skip" else ()

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        """Return the latent vector of each frame; for a variational model its mean.

        Args:
            features: ``(batch, n_features, n_frames)``.
            conditions: ``chroma`` if the model needs it: one-hot, ``(batch, 12, 1 or n_frames)``.

        Returns:
            Latents ``(batch, latent_dim, n_frames)``.

        Raises:
            ValueError: If the features do not have ``n_features`` rows, or a condition is missing.
        """
        latents: Tensor = self.encoder(self._input(features, conditions))
        if self.distribution is not None:
            latents, _ = self.distribution(latents).chunk(2, -1)
        return latents.mT

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return the decoded frame of each latent vector."""
        features: Tensor = self.decoder(self._code(latents.mT, conditions)).mT
        return features

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cost of the frames, with dropout in training, and further terms that the settings ask for.

        A variational code is sampled in training; its divergence from the standard normal distribution is a second
        term, whose weight changes linearly over the run. With ``smoothness``, ``roughness`` is a further term in
        training.
        """
        code = self._through(self.encoder, self._input(batch.features, batch.conditions), batch.generator)
        terms = {}
        if self.distribution is not None:
            mean, log_variance = self.distribution(code).chunk(2, -1)
            first, last = self.config.kl_weights
            weight = first + (last - first) * batch.progress
            terms["divergence"] = weight * gaussian_divergence(mean.float(), log_variance.float())
            code = mean
            if self.training:
                drawn = torch.randn(mean.shape, generator=batch.generator, device=mean.device)
                code = mean + drawn * (0.5 * log_variance).exp()
        if self.config.smoothness and self.training:
            terms["roughness"] = self.config.smoothness * self._roughness(code, batch.wanted, batch.generator)
        estimate = self._through(self.decoder, self._code(code, batch.wanted), batch.generator).mT
        cost = COSTS[self.config.cost](estimate.float(), batch.target)
        return {f"{self.config.cost}_error": cost, **terms}

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the loss in the unit of the features; for ``convergence`` the spectral convergence, not its square."""
        if self.distribution is not None:
            return Reading("loss", loss, "", "loss")
        match self.config.cost:
            case "squared":
                return root_mean_square_reading(loss, scales)
            case "absolute":
                return mean_error_reading(loss, scales)
            case "convergence":
                return Reading("spectral_convergence", loss**0.5, "", "spectral convergence")

    def activations(
        self, features: Tensor, conditions: Conditions = NO_CONDITIONS, *, layers: Collection[str] = ()
    ) -> dict[str, Tensor]:
        """Return the activations of each layer of the encoder, ``(batch, width, n_frames)``, and the code."""
        hidden, found = self._input(features, conditions), {}
        for number, layer in enumerate(self.encoder):
            hidden = layer(hidden)
            found[f"encoder.{number}"] = hidden.mT
        return {**found, "latents": self.encode(features, conditions) if self.distribution is not None else hidden.mT}

    def compact(self) -> tuple[DenseConfig, "DenseAutoencoder"] | None:
        """Return an equivalent model without appended differences, which its first layer includes; else None."""
        if not isinstance(self.augmentation, Differences):
            return None
        config = self.config.model_copy(update={"augmentation": "none"})
        model = DenseAutoencoder(config, self.n_features)
        state, first = self.state_dict(), "encoder.0.0.weight"
        frame, appended, rest = state[first].split(
            [self.n_features, self.augmentation.size, state[first].shape[1] - self.n_features - self.augmentation.size],
            1,
        )
        differences = torch.eye(self.n_features, device=frame.device).diff(n=self.augmentation.order)
        model.load_state_dict({**state, first: torch.cat([frame + appended @ differences.T, rest], 1)})
        return config, model

    def facts(self) -> Facts:
        """Return the main settings of the layers, by name."""
        return {"layers": len(self.config.widths), "widths": list(self.config.widths)}

    def _through(self, layers: nn.Sequential, hidden: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the output of layers, with dropout after each hidden layer in training."""
        *inner, last = layers
        for layer in inner:
            hidden = layer(hidden)
            if self.config.dropout and self.training:
                drawn = torch.rand(hidden.shape, generator=generator, device=hidden.device)
                hidden = hidden * (drawn >= self.config.dropout) / (1 - self.config.dropout)
        result: Tensor = last(hidden)
        return result

    def _roughness(self, code: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        """Return the mean squared change of the decoded spectra, dB², for a step of 1 % in one latent dimension.

        The codes are those of the batch with each dimension shuffled separately, since a player moves single
        dimensions. The step is 1 % of four standard deviations of the dimension. Spectra are normalised to equal power
        and floored 60 dB below their maximum.
        """
        rows = code.detach().reshape(-1, code.shape[-1])
        shuffled = torch.rand(rows.shape, generator=generator, device=rows.device).argsort(0)
        rows = rows.gather(0, shuffled)
        moved = torch.randint(rows.shape[1], (len(rows), 1), generator=generator, device=rows.device)
        stepped = rows.scatter_add(1, moved, 0.04 * rows.std(0)[moved])
        both = torch.stack([self._code(each.reshape(code.shape), conditions) for each in (rows, stepped)])
        power = self.decoder(both).float().square()
        share = power / power.sum(-1, keepdim=True).clamp_min(1e-12)
        decibels = 10 * torch.log10(share + 1e-6 * share.amax(-1, keepdim=True).clamp_min(1e-12))
        return (decibels[1] - decibels[0]).square().mean()

    def _input(self, features: Tensor, conditions: Conditions) -> Tensor:
        """Return the input of the encoder, ``(batch, n_frames, n_inputs)``: frames, augmentation and chroma."""
        self.check_features(features)
        parts = [features.mT]
        if self.augmentation is not None:
            parts.append(self.augmentation(parts[0]))
        if self.config.chroma != "none":
            parts.append(_chroma(conditions, features.shape[-1]))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    def _code(self, rows: Tensor, conditions: Conditions) -> Tensor:
        """Return the input of the decoder: codes, ``(batch, n_frames, latent_dim)``, with ``skip`` also chroma."""
        return torch.cat([rows, _chroma(conditions, rows.shape[-2])], -1) if self.config.chroma == "skip" else rows


def _chroma(conditions: Conditions, n_frames: int) -> Tensor:
    """Return the chroma, ``(batch, n_frames, 12)``; an unknown chroma becomes all 0."""
    return condition(conditions, "chroma", n_frames).nan_to_num(0.0).mT


def _layers(config: DenseConfig, widths: Sequence[int], last: Activation) -> nn.Sequential:
    """Return fully connected layers from each width to the next; ``last`` is the activation of the last layer."""
    layers = nn.Sequential()
    for place, (before, after) in enumerate(pairwise(widths)):
        is_last = place == len(widths) - 2
        linear = nn.Linear(before, after, bias=config.bias)
        if config.initial_deviation:
            deviation = config.initial_deviation
            nn.init.trunc_normal_(linear.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        else:  # torch's default attenuates the signal in each layer; the output of deep networks would be constant
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        if config.bias:
            nn.init.zeros_(linear.bias)
        kind = ACTIVATIONS[last if is_last else config.activation]
        activation = nn.LeakyReLU(config.negative_slope) if kind is nn.LeakyReLU else kind()
        layers.append(nn.Sequential(linear, activation))
    return layers
