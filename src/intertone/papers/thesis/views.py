"""The representations that the thesis's fifth question compares, and the settings of their runs."""

from dataclasses import dataclass

from intertone.codec import SHIPPED, Codec, CodecConfig
from intertone.models import build_model
from intertone.papers.thesis.study import Comparison, divided
from intertone.representation import (
    DecibelConfig,
    HarmonicConfig,
    PitchNormalisedConfig,
    RepresentationConfig,
    build_representation,
)
from intertone.train import TrainConfig

LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-6
"""Those of all experiments; here the rate falls to nothing along half a cosine, and the last weights are evaluated."""


@dataclass(frozen=True)
class View:
    """One of the representations that are compared.

    Attributes:
        name: Of files.
        title: For tables and pictures.
        representation: Its settings.
        strides: Of the network's layers, so that the code has as many numbers in every view.
    """

    name: str
    title: str
    representation: RepresentationConfig
    strides: tuple[tuple[int, int], ...]


VIEWS = (
    View("spectrogram", "dB spectrogram", DecibelConfig(), ((2, 4), (2, 4), (2, 2), (1, 2))),
    View("snapped", "dB spectrogram at a common pitch", PitchNormalisedConfig(), ((2, 4), (2, 4), (2, 2), (1, 2))),
    View(
        "harmonic",
        "harmonic image",
        HarmonicConfig(sample_rate=16000, hop_length=256, f_max=7600.0, top_db=80.0),
        ((1, 4), (2, 4), (1, 2), (1, 2)),
    ),
)


def view_config(view: View, comparison: Comparison) -> TrainConfig:
    """Return the settings of a view's run: the network of the shipped codec ``thesis`` but for its strides.

    Args:
        view: The representation and the strides.
        comparison: How much is trained.

    Returns:
        The settings; the first weights are the same in every view.
    """
    shipped = CodecConfig.read(SHIPPED / "thesis" / "config.json").model_dump(mode="json")["model"]
    channels = divided(shipped["channels"], comparison.channel_divisor)
    content = {
        "representation": view.representation,
        "model": {**shipped, "strides": view.strides, "channels": channels},
        "choice": {"valid_notes": comparison.valid_notes},
        "seed": comparison.seed,
        "epochs": comparison.passes,
        "batch_size": comparison.batch_size,
        "learning_rate": LEARNING_RATE,
        "min_learning_rate": 0.0,
        "weight_decay": WEIGHT_DECAY,
        "schedule": "cosine",
        "stop_patience": comparison.passes,
        "sample_every": comparison.passes,
        "precision": "bfloat16",
    }
    return TrainConfig.parse(content, source=f"the view {view.name}")


def view_codec(view: View, comparison: Comparison) -> Codec:
    """Return an untrained codec of a view.

    Args:
        view: The representation and the strides.
        comparison: Whose seed and channels are taken.

    Returns:
        The codec, with the first weights of its run.

    Example:
        >>> codecs = [view_codec(view, Comparison()) for view in VIEWS]
        >>> [codec.model.latent_dim * codec.model.n_latents(251) for codec in codecs]
        [2048, 2048, 2048]
    """
    run = view_config(view, comparison)
    config = CodecConfig(representation=run.representation, model=run.model)
    n_features = build_representation(run.representation).n_features
    return Codec(config, build_model(run.model, n_features=n_features, seed=comparison.seed))
