"""The classifier of Verma and Smith: an AlexNet with small receptive fields over spectrograms."""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from intertone.config import Settings
from intertone.models.contract import Batch, Facts, Reading, Scale, Trainable

CLASS, KEY = "class", "key"
"""Names of the labels in a batch, of the scores and of the loss terms. Labels are indices of ``classes`` and ``keys``,
−1 where a note has none of them."""


Pooling = Literal["max", "average"]
"""What is kept of 2 × 2 places of a map: the largest value, or the mean."""


class AlexNetConfig(Settings):
    """Layers of the classifier, and what it tells apart."""

    later: ClassVar[frozenset[str]] = frozenset({"keys"})

    kind: Literal["alexnet"] = "alexnet"
    classes: tuple[str, ...] = Field(description="families of instruments, as the note set names them; at least two")
    channels: tuple[Annotated[int, Field(ge=1, le=2_048)], ...] = Field(
        (64, 192, 384, 256, 256),
        min_length=1,
        max_length=12,
        description="maps after each convolution, AlexNet's numbers",
    )
    pooled: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 2, 3, 5), description="convolutions, counted from 1, after which rows and columns are halved"
    )
    normalised: bool = Field(
        False, description="batch normalisation before each ReLU; becomes a part of the convolutions when it is packed"
    )

    keys: tuple[Annotated[int, Field(ge=0, le=127)], ...] = Field(
        (), description="MIDI numbers that a second linear layer tells apart; none: there is no such layer"
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
    """Convolutions of 3 × 3 over a spectrogram as a picture, mean over all positions, a linear layer for each fact.

    Small receptive fields keep what is found at its place in time and frequency. Spectrograms may have any number of
    frames. Pooling halves rows and columns, rounded up: a row that no deep layer saw could be moved at no cost.

    Args:
        config: The layers.
        n_features: Rows of the spectrograms.

    Source:
        Verma and Smith (2018), "Neural style transfer for audio spectrograms": a "standard AlexNet" with fields of
        3 × 3, pooling of 2 × 2 and six layers. The numbers of maps are those of Krizhevsky, Sutskever and Hinton
        (2012); the mean in place of AlexNet's large linear layers, and where it pools, are our choices.

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
        """Return the maps after each convolution and its ReLU, before pooling, by name, with gradient.

        Args:
            features: ``(batch, n_features, n_frames)``: log(1 + magnitude) at equal level; see ``FramesConfig``.
            layers: Names that are needed, none: all; deeper ones are left out.
            pooling: What is kept of 2 × 2 places: the largest, as in training, or their mean, whose gradient reaches
                all four.

        Returns:
            ``conv1``, ``conv2``, …: ``(batch, channels, rows, columns)``, rows and columns halved by each pooling,
            rounded up.

        Raises:
            ValueError: If the rows are not ``n_features``.
        """
        return self._forward(features, layers, pooling)[0]

    def scores(self, features: Tensor) -> dict[str, Tensor]:
        """Return the logits.

        Args:
            features: As for ``activations``.

        Returns:
            ``class``: ``(batch, n_classes)``; with ``keys`` also ``key``: ``(batch, n_keys)``.
        """
        mean = self._forward(features)[1].mean((-2, -1))
        found: dict[str, Tensor] = {CLASS: self.head(mean)}
        if self.key_head is not None:
            found[KEY] = self.key_head(mean)
        return found

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of each fact, over the notes whose label is known."""
        return {
            name: nn.functional.cross_entropy(scores.float(), labels, ignore_index=-1, reduction="sum")
            / (labels >= 0).sum().clamp_min(1)
            for name, scores in self.scores(batch.features).items()
            for labels in (batch.labels[name],)
        }

    def reading(self, loss: float, scales: Sequence[Scale]) -> Reading:
        """Return the cross-entropy in nats, of all facts together."""
        return Reading("cross_entropy", loss, "nats", "cross-entropy")

    @torch.no_grad()
    def compact(self) -> tuple[AlexNetConfig, "AlexNet"] | None:
        """Return settings and a network without normalisation that gives the same; None where there is none."""
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
        """Return what a person would want to know of the layers, by name."""
        return {"layers": len(self.config.channels) + 1, "channels": list(self.config.channels)}

    def _forward(
        self, features: Tensor, layers: Collection[str] = (), pooling: Pooling = "max"
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the maps after each convolution, until all ``layers`` are known, and those after the last pooling."""
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
    """Return the place of each value among names, −1 where it is none of them, ``(n,)``.

    Example:
        >>> indices(("flute", "organ"), ["organ", "voice", "flute"])
        tensor([ 1, -1,  0])
    """
    places = {name: index for index, name in enumerate(names)}
    return torch.tensor([places.get(value, -1) for value in values])
