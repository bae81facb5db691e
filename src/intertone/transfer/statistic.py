"""Statistics of activations, and how far those of one sound lie from those of a reference."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.config import Settings
from intertone.transfer.filter_kernel import FilterKernelConfig
from intertone.transfer.target import Difference, Target, difference_of, positions, products


class RawConfig(Settings):
    """The activations themselves, place by place; of lengths that differ, what both have."""

    kind: Literal["raw"] = "raw"

    def build(self, reference: Tensor, frame_seconds: float) -> "RawTarget":
        """Return the target."""
        return RawTarget(reference)


class RawTarget(Target):
    """Activations of a reference."""

    def __init__(self, reference: Tensor) -> None:
        self.reference = reference

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference place by place."""
        n_frames = min(activations.shape[-1], self.reference.shape[-1])
        reference = self.reference[..., :n_frames]
        if activations.shape[0] != reference.shape[0]:  # another number of channels: the reference's mean
            reference = reference.mean(0, keepdim=True)
        return [difference_of(activations[..., :n_frames], reference.expand_as(activations[..., :n_frames]))]


class GramConfig(Settings):
    """Gram matrix of the filters over all positions.

    Where there are fewer positions than filters, the distance comes from the smaller matrices of positions,
    ``‖G_a − G_b‖² = ‖K_aa‖² + ‖K_bb‖² − 2·‖K_ab‖²`` with ``K_ab = F_aᵀ·F_b``, in double precision.
    """

    kind: Literal["gram"] = "gram"
    norm: Literal["positions", "elements"] = Field(
        "positions", description="divided by the positions, or by positions and filters"
    )
    added: int = Field(
        0, ge=0, description="counted positions beside those of the layer: frames that a kernel without padding takes"
    )

    def build(self, reference: Tensor, frame_seconds: float) -> "GramTarget":
        """Return the target."""
        return GramTarget(self, reference)


class GramTarget(Target):
    """Gram matrix of a reference, or its activations where these are smaller."""

    def __init__(self, config: GramConfig, reference: Tensor) -> None:
        self.config = config
        rows = positions(reference)
        self.by_positions = rows.shape[1] < rows.shape[0]
        # the activations of many positions are large, and their matrix is all that is needed
        self.rows = self._scaled(rows) if self.by_positions else rows.new_empty(0)
        self.matrix = products(self.rows.T) if self.by_positions else self._matrix(rows)
        self.power = self.matrix.square().sum()

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference of the Gram matrices."""
        rows = positions(activations)
        size = rows.shape[0] ** 2
        if not self.by_positions:
            return [Difference((self._matrix(rows) - self.matrix).square().sum(), self.power, size)]
        rows = self._scaled(rows)
        own = products(rows.T if rows.shape[1] < rows.shape[0] else rows)
        cross = rows.T @ self.rows
        squared = own.square().sum() + self.power - 2 * cross.square().sum()
        return [Difference(squared.clamp_min(0), self.power, size)]

    def _matrix(self, rows: Tensor) -> Tensor:
        """Return the Gram matrix; only its differences need double precision, the products take half of the time."""
        return products(rows).double() / self._count(rows)

    def _scaled(self, rows: Tensor) -> Tensor:
        """Return rows in double precision, so that their products are the Gram matrix."""
        return rows.double() / self._count(rows) ** 0.5

    def _count(self, rows: Tensor) -> int:
        """Return what the products of rows are divided by."""
        count = rows.shape[1] + self.config.added
        return count * rows.shape[0] if self.config.norm == "elements" else count


class MeanCovarianceConfig(Settings):
    """Mean of each filter, and covariance of the filters: what a Gram matrix mixes, apart."""

    kind: Literal["mean-covariance"] = "mean-covariance"

    def build(self, reference: Tensor, frame_seconds: float) -> "MeanCovarianceTarget":
        """Return the target."""
        return MeanCovarianceTarget(reference)


class MeanCovarianceTarget(Target):
    """Mean and covariance of a reference."""

    def __init__(self, reference: Tensor) -> None:
        self.mean, rows = _centred(positions(reference))
        self.covariance = GramTarget(GramConfig(), rows[None])

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the differences of the means and of the covariances."""
        mean, rows = _centred(positions(activations))
        return [difference_of(mean, self.mean), *self.covariance.differences(rows[None])]


def _centred(rows: Tensor) -> tuple[Tensor, Tensor]:
    mean = rows.mean(1, keepdim=True)
    return mean, rows - mean


class SortedProjectionsConfig(Settings):
    """Sorted projections on random directions: the sliced Wasserstein distance of the distributions of activations."""

    kind: Literal["sorted-projections"] = "sorted-projections"
    directions: int = Field(128, ge=1, description="random unit vectors")
    quantiles: int = Field(256, ge=2, description="points at which sorted projections are compared")
    seed: int = Field(0, ge=0, description="of the directions")

    def build(self, reference: Tensor, frame_seconds: float) -> "SortedProjectionsTarget":
        """Return the target."""
        return SortedProjectionsTarget(self, reference)


class SortedProjectionsTarget(Target):
    """Sorted projections of a reference."""

    def __init__(self, config: SortedProjectionsConfig, reference: Tensor) -> None:
        generator = torch.Generator().manual_seed(config.seed)
        n_filters = reference.shape[1]
        drawn = torch.randn(config.directions, n_filters, generator=generator).to(reference)
        self.directions = drawn / drawn.norm(dim=1, keepdim=True)
        self.quantiles = config.quantiles
        self.sorted = self._project(reference)

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference of the sorted projections."""
        return [difference_of(self._project(activations), self.sorted)]

    def _project(self, activations: Tensor) -> Tensor:
        projected = (self.directions @ positions(activations)).sort(dim=1).values
        return _resampled(projected, self.quantiles)


QUIET_FILTER = 0.01
"""Power of a filter, over the mean of all filters, at which its autocorrelation counts half: 20 dB below the mean. With
a larger one, fewer filters are heard; with a smaller one, those that are nearly always 0 become steps."""


class AutocorrelationConfig(Settings):
    """Autocorrelation of each filter over time, over its power: rhythm.

    The power of a reference includes lag 0, where the autocorrelation is 1: that of a click is 0 at all others, and a
    relative distance from it would be without bound. A filter far below the mean power of all filters counts less: half
    of the random filters are 0 nearly always, and the rhythm of the few places where they are not would be a step. A
    layer of one place has no lag but 0, and a distance of 0.

    Source:
        Antognini, Hoffman and Weiss (2018), whose abstract names the term; the formula is this project's choice.
    """

    kind: Literal["autocorrelation"] = "autocorrelation"
    seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)]] = Field(
        (0.2, 2.0), description="shortest and longest lag; of short sounds at most half of their length"
    )

    def build(self, reference: Tensor, frame_seconds: float) -> "AutocorrelationTarget":
        """Return the target."""
        return AutocorrelationTarget(self, reference, frame_seconds)


class AutocorrelationTarget(Target):
    """Autocorrelation of a reference."""

    def __init__(self, config: AutocorrelationConfig, reference: Tensor, frame_seconds: float) -> None:
        self.first, self.last = (round(seconds / frame_seconds) for seconds in config.seconds)
        self.floor = QUIET_FILTER * reference.square().mean() + 1e-8
        self.correlation = self._measure(reference)

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference over the lags that both sounds have."""
        measured = self._measure(activations)
        n_lags = min(measured.shape[-1], self.correlation.shape[-1])
        lags = slice(max(1, min(self.first, n_lags - 1)), n_lags)
        squared, power, size = difference_of(measured[..., lags], self.correlation[..., lags])
        return [Difference(squared, power + self.correlation[..., 0].square().sum(), max(1, size))]

    def _measure(self, series: Tensor) -> Tensor:
        """Return the mean over channels from lag 0 on, ``(filters, n_lags)``, or of each row of each filter."""
        n_frames = series.shape[-1]
        last = min(self.last, n_frames // 2)
        spectrum = torch.fft.rfft(series, n=2 * n_frames)
        correlation = torch.fft.irfft(spectrum.abs().square(), n=2 * n_frames)[..., : last + 1]
        overlap = n_frames / (n_frames - torch.arange(last + 1).to(series))
        power = correlation[..., :1] + n_frames * self.floor
        mean: Tensor = (correlation * overlap / power).mean(0)
        return mean


class DiversityConfig(Settings):
    """Likeness to the reference at the shift where both are most alike: 1 over the relative distance.

    Added to an objective, it keeps a texture from being a copy. Lengths are those of the shorter sound.

    Source:
        Antognini, Hoffman and Weiss (2018), whose abstract names the term; the formula is this project's choice.
    """

    kind: Literal["diversity"] = "diversity"

    def build(self, reference: Tensor, frame_seconds: float) -> "DiversityTarget":
        """Return the target."""
        return DiversityTarget(reference)


class DiversityTarget(Target):
    """Activations of a reference that must not be copied."""

    def __init__(self, reference: Tensor) -> None:
        self.reference = reference.mean(0)

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the likeness, for the divergence ``sum``."""
        series = activations.mean(0)
        n_frames = min(series.shape[-1], self.reference.shape[-1])
        own, reference = series[..., :n_frames], self.reference[..., :n_frames]
        spectrum = torch.fft.rfft(own) * torch.fft.rfft(reference).conj()
        correlation = torch.fft.irfft(spectrum, n=n_frames).sum(tuple(range(own.ndim - 1)))
        power = reference.square().sum()
        squared = own.square().sum() + power - 2 * correlation.max()
        return [Difference((power / squared.clamp_min(1e-3 * power + 1e-12)).sqrt(), torch.ones(()), 1)]


class TimeEnvelopeConfig(Settings):
    """Logarithm of the energy over time, smoothed, over its mean; of lengths that differ, stretched to the sound's.

    The features are power. Source: Verma and Smith (2018), whose formula is unstated; this one is the project's choice.
    """

    kind: Literal["time-envelope"] = "time-envelope"
    smoothing_seconds: float = Field(0.05, ge=0, description="length of the running mean")
    floor: float = Field(1e-4, gt=0, description="added before the logarithm, of the mean energy")

    def build(self, reference: Tensor, frame_seconds: float) -> "TimeEnvelopeTarget":
        """Return the target."""
        return TimeEnvelopeTarget(self, reference, frame_seconds)


class TimeEnvelopeTarget(Target):
    """Energy of a reference over time."""

    def __init__(self, config: TimeEnvelopeConfig, reference: Tensor, frame_seconds: float) -> None:
        self.width = max(1, round(config.smoothing_seconds / frame_seconds))
        self.floor = config.floor
        self.envelope = self._measure(reference)

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference of the logarithms."""
        own = self._measure(activations)
        return [difference_of(own, _resampled(self.envelope[None], len(own))[0])]

    def _measure(self, power: Tensor) -> Tensor:
        energy = power.sum(tuple(range(power.ndim - 1)))
        left = (self.width - 1) // 2
        padded = torch.nn.functional.pad(energy[None, None], (left, self.width - 1 - left), mode="constant")
        smooth = torch.nn.functional.avg_pool1d(padded, self.width, stride=1)[0, 0]
        return torch.log(smooth / (smooth.mean() + 1e-12) + self.floor)


class FrequencyEnvelopeConfig(Settings):
    """Logarithm of the mean energy of each row over the sum of all rows: the long-term spectrum.

    The features are power. Source: Verma and Smith (2018), whose formula is unstated; this one is the project's choice.
    """

    kind: Literal["frequency-envelope"] = "frequency-envelope"
    floor: float = Field(1e-6, gt=0, description="added before the logarithm, of the energy of all rows")

    def build(self, reference: Tensor, frame_seconds: float) -> "FrequencyEnvelopeTarget":
        """Return the target."""
        return FrequencyEnvelopeTarget(self, reference)


class FrequencyEnvelopeTarget(Target):
    """Long-term spectrum of a reference."""

    def __init__(self, config: FrequencyEnvelopeConfig, reference: Tensor) -> None:
        self.floor = config.floor
        self.envelope = self._measure(reference)

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return the difference of the logarithms."""
        return [difference_of(self._measure(activations), self.envelope)]

    def _measure(self, power: Tensor) -> Tensor:
        energy = power.mean((0, -1)).flatten()
        return torch.log(energy / (energy.sum() + 1e-12) + self.floor)


class CorrelationMapsConfig(Settings):
    """For each filter, products of its rows with each other over time: frequency is kept.

    Source:
        Caracalla and Roebel (2020), "Sound texture synthesis using RI spectrograms".
    """

    kind: Literal["correlation-maps"] = "correlation-maps"

    def build(self, reference: Tensor, frame_seconds: float) -> "CorrelationMapsTarget":
        """Return the target."""
        return CorrelationMapsTarget(reference)


class CorrelationMapsTarget(Target):
    """Products of the rows of a reference."""

    def __init__(self, reference: Tensor) -> None:
        self.maps = self._measure(reference)

    def differences(self, activations: Tensor) -> list[Difference]:
        """Return one difference: that of the products of rows of all filters from those of the reference."""
        return [difference_of(self._measure(activations), self.maps)]

    @staticmethod
    def _measure(activations: Tensor) -> Tensor:
        rows = activations.transpose(0, 1).movedim(1, -2).flatten(-2)  # (filters, rows, channels · columns)
        return products(rows) / rows.shape[-1]


def _resampled(rows: Tensor, size: int) -> Tensor:
    """Return rows ``(n, length)`` interpolated to ``size`` columns, ends at the ends."""
    if rows.shape[-1] == size:
        return rows
    interpolated: Tensor = torch.nn.functional.interpolate(rows[:, None], size=size, mode="linear", align_corners=True)
    return interpolated[:, 0]


StatisticConfig = Annotated[
    RawConfig
    | GramConfig
    | FilterKernelConfig
    | MeanCovarianceConfig
    | SortedProjectionsConfig
    | AutocorrelationConfig
    | DiversityConfig
    | TimeEnvelopeConfig
    | FrequencyEnvelopeConfig
    | CorrelationMapsConfig,
    Field(discriminator="kind"),
]
