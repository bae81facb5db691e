"""Networks: autoencoders of features with latents ``(batch, latent_dim, n_latents)``, and a classifier."""

from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import Discriminator, Tag
from torch import Tensor

from intertone.errors import InputError
from intertone.models.alexnet import AlexNetConfig
from intertone.models.conditioned import ConditionedAutoencoder, ConditionedConfig
from intertone.models.contract import Batch, Conditions, Model, Reading, Rows, Scale, Stage, Trainable
from intertone.models.conv import ConvAutoencoder, ConvBottleneckConfig, ConvConfig, DenseBottleneckConfig
from intertone.models.dense import DenseAutoencoder, DenseConfig
from intertone.models.wavenet import WaveNetAutoencoder, WaveNetConfig


def _kind(value: Any) -> Any:
    return value.get("kind", "conv") if isinstance(value, dict) else getattr(value, "kind", None)


ModelConfig = Annotated[
    Annotated[ConvConfig, Tag("conv")]
    | Annotated[ConditionedConfig, Tag("conditioned")]
    | Annotated[DenseConfig, Tag("dense")]
    | Annotated[WaveNetConfig, Tag("wavenet")],
    Discriminator(_kind),
]
"""Settings of an autoencoder of any kind; the field ``kind`` identifies it, and its default is ``conv``."""
MOST_WEIGHTS = 500_000_000
"""Largest number of weights of a model: 2 GB in 32 bits."""


def _role(value: Any) -> str:
    return "classifier" if _kind(value) == "alexnet" else "autoencoder"


NetworkConfig = Annotated[
    Annotated[ModelConfig, Tag("autoencoder")] | Annotated[AlexNetConfig, Tag("classifier")], Discriminator(_role)
]
"""Settings of a network that can be trained: an autoencoder or a classifier."""


def build_model(
    config: ModelConfig,
    *,
    n_features: int,
    rows: Rows | None = None,
    frequencies: Tensor | None = None,
    seed: int = 0,
) -> Model:
    """Return the untrained model that ``config`` describes, the same for the same ``seed``.

    Args:
        config: The layers.
        n_features: Number of rows of the features.
        rows: Positions of the rows of partials and noise bands, for harmonic features; see ``RowShift``.
        frequencies: Frequency of each row, Hz, ``(n_features,)``; None: the rows have no fixed frequencies.
        seed: Seed of the initial weights; torch's global generator stays unchanged.

    Returns:
        The model, on the CPU, in training mode.

    Raises:
        InputError: If the model needs ``frequencies`` and they are None, or it would have more than ``MOST_WEIGHTS``
            weights.

    Example:
        >>> config = ConvConfig(channels=(4,), strides=((2, 2),))
        >>> first, again = (next(build_model(config, n_features=8).parameters()) for _ in range(2))
        >>> torch.equal(first, again)
        True
    """
    with torch.random.fork_rng(devices=[]):
        if isinstance(
            config, DenseConfig
        ):  # building it computes with the frequencies, which is impossible on the meta device
            sizes = (n_features, *config.widths, *(config.decoder_widths or config.widths[::-1]), n_features)
            weights = sum(before * after for before, after in pairwise(sizes))
        else:
            with torch.device("meta"):  # builds shapes without values
                weights = sum(weight.numel() for weight in _build(config, n_features, rows, frequencies).parameters())
        if weights > MOST_WEIGHTS:
            raise InputError(
                f"a model must have at most {MOST_WEIGHTS:,} weights, got settings of one with {weights:,}"
            )
        torch.default_generator.manual_seed(seed)
        return _build(config, n_features, rows, frequencies)


def _build(config: ModelConfig, n_features: int, rows: Rows | None, frequencies: Tensor | None) -> Model:
    match config:
        case ConvConfig():
            return ConvAutoencoder(config, n_features)
        case DenseConfig():
            return DenseAutoencoder(config, n_features, frequencies)
        case WaveNetConfig():
            return WaveNetAutoencoder(config, n_features)
        case ConditionedConfig():
            return ConditionedAutoencoder(config, n_features, rows)


__all__ = [
    "AlexNetConfig",
    "Batch",
    "ConditionedAutoencoder",
    "ConditionedConfig",
    "Conditions",
    "ConvAutoencoder",
    "ConvBottleneckConfig",
    "ConvConfig",
    "DenseAutoencoder",
    "DenseBottleneckConfig",
    "DenseConfig",
    "Model",
    "ModelConfig",
    "NetworkConfig",
    "Reading",
    "Rows",
    "Scale",
    "Stage",
    "Trainable",
    "WaveNetAutoencoder",
    "WaveNetConfig",
    "build_model",
]
