"""Autoencoders over features: one file per family, all speaking ``(batch, latent_dim, n_latents)``."""

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
"""Which model, by ``kind``; without one, ``conv``."""


MOST_WEIGHTS = 500_000_000
"""Largest number of weights of a model; in 32 bits that are 2 GB."""


def _role(value: Any) -> str:
    return "classifier" if _kind(value) == "alexnet" else "autoencoder"


NetworkConfig = Annotated[
    Annotated[ModelConfig, Tag("autoencoder")] | Annotated[AlexNetConfig, Tag("classifier")], Discriminator(_role)
]
"""Which network that can be trained: an autoencoder, or a classifier."""


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
        n_features: Rows of the features.
        rows: Where rows of partials and rows of noise lie, if the features have such; see ``RowShift``.
        frequencies: Hz of each row, ``(n_features,)``, if the rows lie at fixed ones.
        seed: Of the first weights; torch's global generator is left as it was.

    Returns:
        The model, on the CPU, in training mode.

    Raises:
        InputError: If the model needs the frequencies of the rows, and there are none, or would have more than
            ``MOST_WEIGHTS`` weights.

    Example:
        >>> config = ConvConfig(channels=(4,), strides=((2, 2),))
        >>> first, again = (next(build_model(config, n_features=8).parameters()) for _ in range(2))
        >>> torch.equal(first, again)
        True
    """
    with torch.random.fork_rng(devices=[]):
        if isinstance(config, DenseConfig):  # it measures the frequencies while it is built
            sizes = (n_features, *config.widths, *(config.decoder_widths or config.widths[::-1]), n_features)
            weights = sum(before * after for before, after in pairwise(sizes))
        else:
            with torch.device("meta"):  # only shapes
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
