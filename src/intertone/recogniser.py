"""Recogniser: a representation and a classifier, which are trained, saved and loaded together like a codec."""

from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor

from intertone.config import Settings
from intertone.models.alexnet import AlexNet, AlexNetConfig
from intertone.models.weights import load_weights, save_network
from intertone.representation import AnyRepresentation, RepresentationConfig, build_representation
from intertone.shipped import RECOGNISERS, find_network, shipped_names


class RecogniserConfig(Settings):
    """Content of a recogniser's ``config.json``."""

    format: Literal[1] = 1
    representation: RepresentationConfig
    model: AlexNetConfig


class Recogniser:
    """Classifier of sounds: gives the probability of each class, and of each key if it was trained on keys.

    Example:
        >>> from intertone.representation.frames import FramesConfig
        >>> representation = FramesConfig(reference="sound", scale="log1p")
        >>> config = RecogniserConfig(representation=representation, model=AlexNetConfig(classes=("flute", "organ")))
        >>> recogniser = Recogniser(config)
        >>> recogniser.probabilities(torch.randn(3, 8000))["class"].shape
        torch.Size([3, 2])
    """

    def __init__(self, config: RecogniserConfig, model: AlexNet | None = None, *, seed: int = 0) -> None:
        self.config = config
        self.representation: AnyRepresentation = build_representation(config.representation)
        if model is None:
            model = build_classifier(config.model, n_features=self.representation.n_features, seed=seed)
        self.model = model.eval().to(memory_format=model.memory_format)  # type: ignore[call-overload]

    @property
    def sample_rate(self) -> int:
        """Sample rate of input audio, Hz."""
        return self.representation.sample_rate

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns of the probabilities ``class``."""
        return self.config.model.classes

    @property
    def device(self) -> torch.device:
        """Device of the network's parameters."""
        return self.model.head.weight.device

    @classmethod
    def load(cls, recogniser: str | Path, *, device: str = "cpu") -> Self:
        """Read a recogniser.

        Args:
            recogniser: A shipped name (``families``) or the path of a folder with ``config.json`` and
                ``model.safetensors``.
            device: Device of the network: ``cpu``, ``cuda``, …

        Returns:
            The recogniser, in evaluation mode.

        Raises:
            InputError: If there is no such recogniser, or its files are broken or do not fit each other.
        """
        folder = find_network(recogniser, shipped=RECOGNISERS, kind="recogniser")
        loaded = cls(RecogniserConfig.read(folder / "config.json"))
        load_weights(folder, loaded.model, device=device)
        return loaded

    def save(self, folder: Path | str, *, card: str, half: bool = False) -> None:
        """Write the folder: ``config.json``, ``model.safetensors`` and the model card ``README.md``.

        Args:
            folder: It is made if it does not exist; an existing recogniser is replaced file by file.
            card: Text of the model card.
            half: Whether the weights are stored in 16 bits.

        Raises:
            InputError: If the folder cannot be written.
        """
        save_network(folder, self.config, self.model, card=card, half=half)

    def compact(self) -> "Recogniser":
        """Return an equivalent recogniser with fewer weights, or this one if the network has no smaller form."""
        if (found := self.model.compact()) is None:
            return self
        return Recogniser(self.config.model_copy(update={"model": found[0]}), found[1])

    @torch.inference_mode()
    def probabilities(self, audio: Tensor) -> dict[str, Tensor]:
        """Return the probability of each class, and of each key if the network was trained on keys.

        Args:
            audio: ``(batch, samples)`` or ``(samples,)`` at ``sample_rate`` Hz.

        Returns:
            ``class``: ``(batch, n_classes)``, ``key``: ``(batch, n_keys)``; each row adds up to 1.
        """
        features = self.representation.analyse(audio.to(self.device)).features
        return {name: scores.softmax(-1) for name, scores in self.model.scores(features).items()}


def build_classifier(config: AlexNetConfig, *, n_features: int, seed: int = 0) -> AlexNet:
    """Return the untrained classifier that ``config`` describes, the same for the same ``seed``.

    Args:
        config: The layers.
        n_features: Number of rows of the features.
        seed: Seed of the initial weights; torch's global generator stays unchanged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return AlexNet(config, n_features)


def shipped_recognisers() -> list[str]:
    """Return the names of the recognisers that come with the package."""
    return shipped_names(RECOGNISERS)
