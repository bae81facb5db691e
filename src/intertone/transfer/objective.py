"""The objective of a transfer: weighted distances of statistics from those of the content and of the style."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.errors import InputError
from intertone.transfer.extractor import Activations, Extractor, ExtractorConfig, IdentityConfig
from intertone.transfer.frontend import FrontEnd, StftFrontEnd
from intertone.transfer.signal import Signal
from intertone.transfer.statistic import RawConfig, StatisticConfig
from intertone.transfer.target import Difference, Target

Reference = Literal["content", "style"]
Divergence = Literal["sum", "mean", "relative", "norm", "relative-norm", "root-mean"]

EPSILON = 1e-12
"""Added to the power of a reference, so that silence has a distance."""


class TermConfig(Settings):
    """One term: a statistic of the activations of a front end, and its distance from that of a reference."""

    name: str = Field(description="in the log of the loss")
    reference: Reference = Field(description="the sound whose statistic is wanted")
    front_end: FrontEnd = Field(default_factory=StftFrontEnd)
    extractor: ExtractorConfig = Field(default_factory=IdentityConfig)
    layers: tuple[str, ...] = Field((), description="names of activations; none: all")
    statistic: StatisticConfig = Field(default_factory=RawConfig)
    divergence: Divergence = Field(
        "relative",
        description="sum or mean of squared differences, that over the reference's power, or the roots of these three",
    )
    over_layers: Literal["mean", "sum"] = Field("mean", description="how the distances of layers become one")
    weight: float = Field(1.0, ge=0, description="factor of the distance")


def diverge(kind: Divergence, difference: Difference) -> Tensor:
    """Return a distance from a difference of statistics.

    Example:
        >>> half = Difference(torch.tensor(2.0), torch.tensor(4.0), 8)
        >>> [round(float(diverge(kind, half)), 3) for kind in ("sum", "mean", "relative", "norm")]
        [2.0, 0.25, 0.5, 1.414]
    """
    squared, reference, size = difference
    match kind:
        case "sum":
            return squared
        case "mean":
            return squared / size
        case "relative":
            return squared / (reference + EPSILON)
        case "norm":
            return _root(squared)
        case "relative-norm":
            return _root(squared / (reference + EPSILON))
        case "root-mean":
            return _root(squared / size)


def _root(squared: Tensor) -> Tensor:
    """Return the root, whose gradient is 0 where the argument is."""
    return torch.where(squared > 0, squared.clamp_min(EPSILON).sqrt(), squared)


class Objective:
    """Terms against the statistics of a content and a style.

    Each front end and extractor is computed once for all terms that share it. Targets are computed here, once.

    Args:
        terms: What is compared.
        content: The sound that keeps its notes and rhythm.
        style: The sound whose timbre or texture is wanted.
        sample_rate: Hz, of both.

    Attributes:
        weights: Factors of the terms by name, those of the terms at first.
    """

    def __init__(self, terms: Sequence[TermConfig], content: Signal, style: Signal, *, sample_rate: int) -> None:
        self.terms = terms
        self.sample_rate = sample_rate
        self.weights = {term.name: term.weight for term in terms}
        self._extractors: dict[tuple[FrontEnd, ExtractorConfig], Extractor] = {}
        self._targets: dict[str, dict[str, Target]] = {}
        signals: Mapping[Reference, Signal] = {"content": content, "style": style}
        with torch.no_grad():
            for reference in ("content", "style"):
                chosen = [term for term in terms if term.reference == reference]
                seen = self._see(signals[reference], chosen)
                for term in chosen:
                    seconds = term.front_end.frame_seconds(sample_rate)
                    self._targets[term.name] = {
                        layer: term.statistic.build(activations, seconds)
                        for layer, activations in _layers(term, seen[term.front_end, term.extractor]).items()
                    }
        self._extractors = {key: extractor.redrawn() for key, extractor in self._extractors.items()}

    def __call__(self, signal: Signal) -> dict[str, Tensor]:
        """Return the weighted terms by name, each ``()`` in double precision; their sum is minimised."""
        return {name: self.weights[name] * value for name, value in self.distances(signal).items()}

    def distances(self, signal: Signal) -> dict[str, Tensor]:
        """Return the terms by name without their weights."""
        seen = self._see(signal, self.terms)
        found = {}
        for term in self.terms:
            values: list[Tensor] = []
            for layer, activations in _layers(term, seen[term.front_end, term.extractor]).items():
                differences = self._targets[term.name][layer].differences(activations)
                values.extend(diverge(term.divergence, each).double() for each in differences)
            total = torch.stack(values).sum()
            found[term.name] = total / len(values) if term.over_layers == "mean" else total
        return found

    def _see(self, signal: Signal, terms: Sequence[TermConfig]) -> dict[tuple[FrontEnd, ExtractorConfig], Activations]:
        """Return the activations of each front end and extractor that terms use."""
        features: dict[FrontEnd, Tensor] = {}
        needed: dict[tuple[FrontEnd, ExtractorConfig], set[str]] = {}
        for term in terms:
            needed.setdefault((term.front_end, term.extractor), set()).update(term.layers)
        needed |= {(term.front_end, term.extractor): set() for term in terms if not term.layers}
        seen: dict[tuple[FrontEnd, ExtractorConfig], Activations] = {}
        for term in terms:
            key = (term.front_end, term.extractor)
            if key in seen:
                continue
            if term.front_end not in features:
                features[term.front_end] = term.front_end.features(signal, self.sample_rate)
            given = features[term.front_end]
            if key not in self._extractors:
                self._extractors[key] = term.extractor.build(given, self.sample_rate, term.front_end)
            seen[key] = self._extractors[key](given, needed[key])
        return seen


def _layers(term: TermConfig, activations: Activations) -> Activations:
    """Return the activations that a term names."""
    missing = [layer for layer in term.layers if layer not in activations]
    if missing:
        raise InputError(
            f"layers of the term {term.name} must be among {', '.join(activations)}, got {', '.join(missing)}"
        )
    return {layer: activations[layer] for layer in term.layers} if term.layers else activations
