"""Extractors: networks whose activations the statistics describe; their weights never change."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.codec import Codec
from intertone.config import Settings
from intertone.errors import InputError
from intertone.models.alexnet import Pooling
from intertone.recogniser import Recogniser
from intertone.representation.frames import FramesConfig
from intertone.transfer.convolution import TimeConvolution
from intertone.transfer.frontend import FrontEnd, SamplesFrontEnd, Scale, StftFrontEnd

Activations = dict[str, Tensor]
"""Name of a layer → ``(channels, n_filters, …positions)``."""

Weights = Literal["trained", "random", "random-after-target"]
"""Weights of a trained network: its own, the same numbers shuffled within each layer, or shuffled after the targets
were computed (the published fault of Mital's NSynth system)."""


class Extractor(ABC):
    """A frozen network; ``redrawn`` is the one that sees the sound that is optimised, itself for nearly all."""

    @abstractmethod
    def __call__(self, features: Tensor, layers: Collection[str] = ()) -> Activations:
        """Return the activations of a front end's features by name.

        Args:
            features: From the front end.
            layers: Names that are needed, none: all; others may be left out.
        """

    def redrawn(self) -> "Extractor":
        """Return the network that sees the sound that is optimised."""
        return self


class IdentityConfig(Settings):
    """The features themselves, as the layer ``features``."""

    kind: Literal["identity"] = "identity"

    def build(self, features: Tensor, sample_rate: int, front_end: FrontEnd) -> "Identity":
        """Return the extractor."""
        return Identity()


class Identity(Extractor):
    """The features themselves."""

    def __call__(self, features: Tensor, layers: Collection[str] = ()) -> Activations:
        """Return the features."""
        return {"features": features}


class RandomConv1dConfig(Settings):
    """One layer of convolutions over time for each width, with random weights; rows of the features are its channels.

    Weights are normal with Glorot's deviation for ReLU, ``√2·√(2 / ((rows + filters)·width))``; there is no bias and
    no padding. Layers are named ``width.11``.

    Source:
        Ulyanov and Lebedev (2016), "Audio texture synthesis and style transfer"; Antognini, Hoffman and Weiss (2018)
        for several widths.
    """

    kind: Literal["random-conv-1d"] = "random-conv-1d"
    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((11,), min_length=1, description="columns of the kernels")
    filters: int = Field(4096, ge=1, le=65536, description="of each width")
    activation: Literal["relu", "selu"] = "relu"
    seed: int = Field(0, ge=0, description="of the weights, apart from the seed of the first sound")

    def build(self, features: Tensor, sample_rate: int, front_end: FrontEnd) -> "RandomConv1d":
        """Return the extractor for features of this shape."""
        return RandomConv1d(self, n_maps=math.prod(features.shape[1:-2]), n_rows=features.shape[-2])

    def kernels(self, *, n_maps: int, n_rows: int) -> Iterator[tuple[str, Tensor]]:
        """Yield name and weights ``(filters, n_maps · n_rows, width)`` of each layer."""
        generator = torch.Generator().manual_seed(self.seed)
        for width in self.widths:
            deviation = math.sqrt(2) * math.sqrt(2 / ((n_rows + self.filters) * width))
            drawn = torch.randn((self.filters, n_maps * n_rows, width), generator=generator)
            yield f"width.{width}", drawn.mul_(deviation)


class RandomConv1d(Extractor):
    """Random convolutions over time of several widths."""

    def __init__(self, config: RandomConv1dConfig, *, n_maps: int, n_rows: int) -> None:
        drawn = config.kernels(n_maps=n_maps, n_rows=n_rows)
        self.convolutions = {name: TimeConvolution(kernels) for name, kernels in drawn}
        self.activation = {"relu": torch.relu, "selu": torch.selu}[config.activation]

    def __call__(self, features: Tensor, layers: Collection[str] = ()) -> Activations:
        """Return ``(channels, filters, n_frames − width + 1)`` by width; what is shorter is completed by zeros."""
        rows = features.flatten(1, -2)
        return {name: self.activation(convolution(rows)) for name, convolution in self.convolutions.items()}


class RandomConv2dConfig(Settings):
    """One layer of convolutions over frequency and time for each kernel, with random weights, without padding.

    Weights are uniform within ±``spread``; ReLU follows. Layers are named ``kernel.101x2`` (rows × columns).

    Source:
        Caracalla and Roebel (2020), "Sound texture synthesis using RI spectrograms"; sizes and spread are those of a
        public reimplementation and may differ from the authors'.
    """

    kind: Literal["random-conv-2d"] = "random-conv-2d"
    kernels: tuple[tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]], ...] = Field(
        ((101, 2), (53, 3), (11, 5), (3, 3), (7, 7), (11, 11), (19, 19), (27, 27)),
        min_length=1,
        description="rows and columns of the kernels",
    )
    filters: int = Field(128, ge=1, description="of each kernel")
    spread: float = Field(0.05, gt=0, description="largest weight")
    seed: int = Field(0, ge=0, description="of the weights, apart from the seed of the first sound")

    def build(self, features: Tensor, sample_rate: int, front_end: FrontEnd) -> "RandomConv2d":
        """Return the extractor for features of this shape."""
        return RandomConv2d(self, n_maps=features.shape[1] if features.ndim == 4 else 1)


class RandomConv2d(Extractor):
    """Random convolutions over frequency and time."""

    def __init__(self, config: RandomConv2dConfig, *, n_maps: int) -> None:
        generator = torch.Generator().manual_seed(config.seed)
        self.kernels = {}
        for height, width in config.kernels:
            drawn = torch.rand(config.filters, n_maps, height, width, generator=generator)
            self.kernels[f"kernel.{height}x{width}"] = (2 * drawn - 1) * config.spread

    def __call__(self, features: Tensor, layers: Collection[str] = ()) -> Activations:
        """Return ``(channels, filters, rows, columns)`` by kernel; what is shorter is completed by zeros."""
        maps = features if features.ndim == 4 else features[:, None]
        found = {}
        for name, kernel in self.kernels.items():
            missing = (max(0, kernel.shape[-1] - maps.shape[-1]), max(0, kernel.shape[-2] - maps.shape[-2]))
            padded = torch.nn.functional.pad(maps, (0, missing[0], 0, missing[1])) if any(missing) else maps
            found[name] = torch.nn.functional.conv2d(padded, kernel.to(maps)).relu()
        return found


class CodecExtractorConfig(Settings):
    """The encoder of a codec, by the names of its ``activations``; its front end is the linear samples.

    The codec's own representation stands between the samples and its network.
    """

    kind: Literal["codec"] = "codec"
    codec: str = Field(description="name of a shipped codec, or a folder")
    weights: Weights = "trained"
    seed: int = Field(0, ge=0, description="of shuffled weights")

    def build(self, features: Tensor, sample_rate: int, front_end: FrontEnd) -> "CodecExtractor":
        """Return the extractor.

        Raises:
            InputError: If the front end is another than the linear samples, or the codec has another sample rate or
                needs conditions such as a pitch.
        """
        if not isinstance(front_end, SamplesFrontEnd) or front_end.scale != "linear":
            given = _written(front_end.model_dump())
            raise InputError(f"the codec {self.codec} must have the front end kind samples, scale linear, got {given}")
        codec = Codec.load(self.codec)
        if codec.sample_rate != sample_rate:
            raise InputError(f"the sample rate of the codec must be {sample_rate} Hz, got {codec.sample_rate}")
        if codec.model.needs:
            raise InputError(f"the codec must need no conditions, got {', '.join(codec.model.needs)}")
        codec.model.requires_grad_(False)
        if self.weights == "random":
            shuffle_weights(codec.model, self.seed)
        return CodecExtractor(codec, redraw=self.seed if self.weights == "random-after-target" else None)


class CodecExtractor(Extractor):
    """The encoder of a codec."""

    def __init__(self, codec: Codec, *, redraw: int | None) -> None:
        self.codec = codec
        self.redraw = redraw

    def __call__(self, features: Tensor, layers: Collection[str] = ()) -> Activations:
        """Return the activations of samples ``(channels, 1, samples)``."""
        own = self.codec.representation.features(features)
        return self.codec.model.activations(own, layers=layers)

    def redrawn(self) -> Extractor:
        """Return the codec with shuffled weights where the fault is asked for."""
        if self.redraw is not None:
            shuffle_weights(self.codec.model, self.redraw)
        return self


def shuffle_weights(model: torch.nn.Module, seed: int) -> None:
    """Shuffle the numbers of each of a network's parameters: random weights of the same distribution."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            order = torch.randperm(parameter.numel(), generator=generator)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))


class RecogniserExtractorConfig(Settings):
    """The layers of a classifier of spectrograms; its front end is ``stft`` with the recogniser's settings.

    A recogniser divides a sound by its RMS, so the system must bring sounds to the level 1 (``rms``).
    """

    later: ClassVar[frozenset[str]] = frozenset({"pooling"})

    kind: Literal["recogniser"] = "recogniser"
    recogniser: str = Field("families", description="name of a shipped recogniser, or a folder")
    weights: Literal["trained", "random"] = "trained"
    pooling: Pooling = Field(
        "max", description="of 2 × 2 places the largest, as in training, or their mean, whose gradient reaches all four"
    )
    seed: int = Field(0, ge=0, description="of shuffled weights")

    def build(self, features: Tensor, sample_rate: int, front_end: FrontEnd) -> "RecogniserExtractor":
        """Return the extractor.

        Raises:
            InputError: If the front end or the sample rate are not those of the recogniser.
        """
        recogniser = Recogniser.load(self.recogniser)
        self._check(recogniser, front_end, sample_rate)
        recogniser.model.requires_grad_(False)
        if self.weights == "random":
            shuffle_weights(recogniser.model, self.seed)
        return RecogniserExtractor(recogniser, self.pooling)

    def _check(self, recogniser: Recogniser, front_end: FrontEnd, sample_rate: int) -> None:
        """Refuse features that are not those that the recogniser was trained on."""
        rule = f"the recogniser {self.recogniser} must have"
        match recogniser.config.representation:
            case FramesConfig(reference="sound", spectrogram=spectrogram, scale=scale):
                known: Scale = "log1p" if scale == "log1p" else "magnitude"
                own = StftFrontEnd(n_fft=spectrogram.n_fft, hop_length=spectrogram.hop_length, scale=known)
                wanted = own.model_dump() | {"n_bins": spectrogram.n_bins, "sample_rate": spectrogram.sample_rate}
            case other:
                raise InputError(f"{rule} frames relative to the level of the sound, got {other.kind}")
        got = front_end.model_dump() | {"sample_rate": sample_rate}
        if got.get("n_bins", 0) is None:
            got["n_bins"] = spectrogram.n_bins
        differing = {name: value for name, value in got.items() if value != wanted.get(name)}
        if differing:
            raise InputError(f"{rule} the front end {_written(wanted)}, got {_written(differing)}")


def _written(settings: Mapping[str, object]) -> str:
    """Return settings as they are written in a sentence."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


class RecogniserExtractor(Extractor):
    """The layers of a classifier."""

    def __init__(self, recogniser: Recogniser, pooling: Pooling) -> None:
        self.recogniser = recogniser
        self.pooling = pooling

    def __call__(self, features: Tensor, layers: Collection[str] = ()) -> Activations:
        """Return the maps of features ``(channels, n_bins, n_frames)`` by layer."""
        return self.recogniser.model.activations(features, layers, pooling=self.pooling)


ExtractorConfig = Annotated[
    IdentityConfig | RandomConv1dConfig | RandomConv2dConfig | CodecExtractorConfig | RecogniserExtractorConfig,
    Field(discriminator="kind"),
]
