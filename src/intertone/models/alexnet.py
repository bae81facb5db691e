"""Classifier of Verma and Smith (2018): an AlexNet with small receptive fields for spectrograms."""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from intertone.config import Settings
from intertone.models.contract import Batch, Facts, Reading, Scale, Trainable

CLASS, KEY = "class", "key"
"""Names of the labels of a batch, of the scores and of the loss terms. Labels are indices into ``classes`` and
``keys``; −1 means that the label of a note is unknown."""


Pooling = Literal["max", "average"]
"""What is kept of 2 × 2 places of a map: the largest value, or the mean."""


class AlexNetConfig(Settings):
    """Settings of the classifier: its layers, and the classes and keys that it recognises."""

    later: ClassVar[frozenset[str]] = frozenset({"keys"})

    kind: Literal["alexnet"] = "alexnet"
    classes: tuple[str, ...] = Field(description="instrument families of the note set; at least two")
    channels: tuple[Annotated[int, Field(ge=1, le=2_048)], ...] = Field(
        (64, 192, 384, 256, 256),
        min_length=1,
        max_length=12,
        description="channels after each convolution; by default those of AlexNet",
    )
    pooled: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 2, 3, 5), description="convolutions, counted from 1, after which 2 × 2 pooling follows"
    )
    normalised: bool = Field(
        False, description="batch normalisation before each ReLU; packing merges it into the convolutions"
    )

    keys: tuple[Annotated[int, Field(ge=0, le=127)], ...] = Field(
        (), description="MIDI numbers that a second linear layer recognises; empty: no such layer"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.classes)) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes must be at least two different names, got {', '.join(self.classes) or 'none'}")
        if len(set(self.keys)) != len(self.keys) or len(self.keys) == 1:
            raise ValueError(f"keys must be none or at least two different numbers, got {self.keys}")
        if not set(self.pooled) <= set(range(1, len(self.channels) + 1)):
            raise ValueError(f"pooled must name convolutions in 1..{len(self.channels)}, got {self.pooled}")
        return self


class AlexNet(Trainable):
    """Convolutions of 3 × 3 over a spectrogram, the mean over all positions, and a linear layer for classes and keys.

    Small receptive fields localise activations in time and frequency. Spectrograms may have any number of frames.
    Pooling halves rows and columns and rounds up, so that every row affects the deep layers.

    Args:
        config: Settings of the layers.
        n_features: Number of rows of the spectrograms.

    Source:
        Verma and Smith (2018), "Neural style transfer for audio spectrograms": a "standard AlexNet" with fields of 3 ×
        3, pooling of 2 × 2 and six layers. The numbers of channels are those of Krizhevsky, Sutskever and Hinton
        (2012). The positions of the pooling, and the mean instead of AlexNet's large linear layers, are choices of this
        package.

    Example:
        >>> model = AlexNet(AlexNetConfig(classes=("flute", "organ"), channels=(4, 6), pooled=(1,)), n_features=33)
        >>> model.scores(torch.rand(3, 33, 20))["class"].shape
        torch.Size([3, 2])
        >>> {name: tuple(found.shape) for name, found in model.activations(torch.rand(3, 33, 20)).items()}
        {'conv1': (3, 4, 33, 20), 'conv2': (3, 6, 17, 10)}
    """

    memory_format = torch.channels_last

    def __init__(self, config: AlexNetConfig, n_features: int) -> None:
        super().__init__()
        self.config = config
        self.n_features = n_features
        sizes = zip((1, *config.channels), config.channels, strict=False)
        self.convolutions = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in config.channels if config.normalised)
        self.head = nn.Linear(config.channels[-1], len(config.classes))
        for layer in self.convolutions:
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.key_head = nn.Linear(config.channels[-1], len(config.keys)) if config.keys else None

    def activations(
        self, features: Tensor, layers: Collection[str] = (), *, pooling: Pooling = "max"
    ) -> dict[str, Tensor]:
        """Return the activations after each convolution and its ReLU, before pooling, by name, with gradient.

        Args:
            features: ``(batch, n_features, n_frames)``: log(1 + magnitude) at equal level; see ``FramesConfig``.
            layers: Names of the needed layers, empty: all; layers deeper than these are not computed.
            pooling: What is kept of 2 × 2 places: the largest, as in training, or their mean, whose gradient reaches
                all four.

        Returns:
            ``conv1``, ``conv2``, …: ``(batch, channels, rows, columns)``, rows and columns halved by each pooling,
            rounded up.

        Raises:
            ValueError: If the features do not have ``n_features`` rows.
        """
        return self._forward(features, layers, pooling)[0]

    def scores(self, features: Tensor) -> dict[str, Tensor]:
        """Return the logits of classes and keys.

        Args:
            features: The same as for ``activations``.

        Returns:
            ``class``: ``(batch, n_classes)``; with ``keys`` also ``key``: ``(batch, n_keys)``.
        """
        mean = self._forward(features)[1].mean((-2, -1))
        found: dict[str, Tensor] = {CLASS: self.head(mean)}
        if self.key_head is not None:
            found[KEY] = self.key_head(mean)
        return found

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of the classes, and of the keys if any, over the notes with a known label."""
        return {
            name: nn.functional.cross_entropy(scores.float(), labels, ignore_index=-1, reduction="sum")
            / (labels >= 0).sum().clamp_min(1)
            for name, scores in self.scores(batch.features).items()
            for labels in (batch.labels[name],)
        }

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the cross-entropy, nats: the sum over classes and keys."""
        return Reading("cross_entropy", loss, "nats", "cross-entropy")

    @torch.no_grad()
    def compact(self) -> tuple[AlexNetConfig, "AlexNet"] | None:
        """Return settings and weights of an equivalent network without normalisation; None if this one has none."""
        if not self.config.normalised:
            return None
        config = self.config.model_copy(update={"normalised": False})
        plain = AlexNet(config, self.n_features)
        plain.head.load_state_dict(self.head.state_dict())
        if plain.key_head is not None and self.key_head is not None:
            plain.key_head.load_state_dict(self.key_head.state_dict())
        for layer, norm, source in zip(plain.convolutions, self.norms, self.convolutions, strict=True):
            assert isinstance(layer, nn.Conv2d) and isinstance(source, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            assert layer.bias is not None and source.bias is not None
            assert norm.running_mean is not None and norm.running_var is not None
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            layer.weight.copy_(source.weight * factor[:, None, None, None])
            layer.bias.copy_((source.bias - norm.running_mean) * factor + norm.bias)
        return config, plain

    def facts(self) -> Facts:
        """Return the main settings of the layers, by name."""
        return {"layers": len(self.config.channels) + 1, "channels": list(self.config.channels)}

    def _forward(
        self, features: Tensor, layers: Collection[str] = (), pooling: Pooling = "max"
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the activations by name, up to the deepest of ``layers``, and the output of the last layer."""
        if features.shape[-2] != self.n_features:
            raise ValueError(f"features must have n_features={self.n_features} rows, got {features.shape[-2]}")
        hidden = features.unsqueeze(1).contiguous(memory_format=self.memory_format)
        found: dict[str, Tensor] = {}
        for number, layer in enumerate(self.convolutions, 1):
            if layers and found.keys() >= set(layers):
                break
            hidden = layer(hidden)
            if self.config.normalised:
                hidden = self.norms[number - 1](hidden)
            hidden = found[f"conv{number}"] = hidden.relu()
            if number in self.config.pooled:
                hidden = _halved(hidden, pooling)
        return found, hidden


def _halved(maps: Tensor, pooling: Pooling) -> Tensor:
    """Return maps with half of the rows and columns; the last ones count too."""
    if pooling == "average":
        return nn.functional.avg_pool2d(maps, 2, ceil_mode=True)
    return nn.functional.max_pool2d(maps, 2, ceil_mode=True)


def indices(names: Sequence[str] | Sequence[int], values: Iterable[str | int]) -> Tensor:
    """Return the index of each value in ``names``, ``(n,)``; −1 for values that are not in it.

    Example:
        >>> indices(("flute", "organ"), ["organ", "voice", "flute"])
        tensor([ 1, -1,  0])
    """
    places = {name: index for index, name in enumerate(names)}
    return torch.tensor([places.get(value, -1) for value in values])
