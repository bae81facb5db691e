"""The representations that the fifth question of the thesis compares, and the settings of their runs."""

import json
from dataclasses import dataclass

from intertone.codec import Codec, CodecConfig
from intertone.models import build_model
from intertone.papers.thesis.study import Comparison, run_settings
from intertone.representation import (
    DecibelConfig,
    HarmonicConfig,
    PitchNormalisedConfig,
    RepresentationConfig,
    build_representation,
)
from intertone.train import TrainConfig


@dataclass(frozen=True)
class View:
    """One of the representations that are compared.

    Attributes:
        name: Name in file names.
        title: Title in tables and pictures.
        representation: Settings of the representation.
        strides: Strides of the network's layers, chosen so that the code size is the same for all representations.
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
    """Return the settings of a representation's run: the network of the shipped codec ``thesis`` with other strides.

    The learning rate decreases to 0 along half a cosine, and the last weights are evaluated. The seed is the same for
    all representations.

    Args:
        view: The representation and the strides.
        comparison: Amount of training.
    """
    changes = (f"seed={comparison.seed}", "schedule=cosine", "min_learning_rate=0.0")
    strides = f"model.strides={json.dumps(view.strides)}"
    content = run_settings(comparison, (*changes, strides), epochs=comparison.passes)
    content["representation"] = view.representation.model_dump(mode="json")
    return TrainConfig.parse(content, source=f"the view {view.name}")


def view_codec(view: View, comparison: Comparison) -> Codec:
    """Return the untrained codec of a representation, with the initial weights of its run.

    Args:
        view: The representation and the strides.
        comparison: The budget, with the seed and the divisor of the channels.

    Example:
        >>> codecs = [view_codec(view, Comparison()) for view in VIEWS]
        >>> [codec.model.latent_dim * codec.model.n_latents(251) for codec in codecs]
        [2048, 2048, 2048]
    """
    run = view_config(view, comparison)
    config = CodecConfig(representation=run.representation, model=run.model)
    n_features = build_representation(run.representation).n_features
    return Codec(config, build_model(config.model, n_features=n_features, seed=comparison.seed))
