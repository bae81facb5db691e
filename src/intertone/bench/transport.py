"""Spectral optimal transport: the energy of one spectrum is moved along the frequency axis to form the other one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.bench.baselines import SILENCE, magnitudes, to_sounds
from intertone.bench.pair import Pair


def optimal_transport(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return morphs by moving the spectral peaks of A to those of B, frame by frame, with an estimated phase.

    A peak that moves from 440 Hz to 660 Hz is at 550 Hz half-way. The optimal transport keeps the order of
    frequencies, so peaks are matched by the cumulated magnitude below them and not by their harmonic order. Even
    between two notes of equal pitch most partials therefore leave the harmonic series.

    Args:
        pair: The notes.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``.

    Source:
        Henderson and Solomon (2019), "Audio transport: a generalized portamento via optimal transport"; here spectra
        are split at the minima of the magnitude, and phases are estimated by fast Griffin-Lim.
    """
    a, b = (magnitude.T.contiguous() for magnitude in magnitudes(pair))
    path = find_path(a, b)
    return to_sounds((path.at(ratio).T for ratio in ratios), pair, ratios)


@dataclass(frozen=True)
class Lobes:
    """Spectra that are split into lobes, one for each peak; the lobes of all frames are numbered in one sequence.

    Attributes:
        magnitude: Magnitudes, normalised to the sum 1 in every frame, ``(n_frames, n_bins)``.
        start: Index of each lobe's first bin in the flattened ``magnitude``, ``(n_lobes,)``.
        size: Number of bins of each lobe, ``(n_lobes,)``.
        mass: Sum of each lobe's magnitude, ``(n_lobes,)``.
        mark: Cumulated mass of the frame up to each lobe's end, plus the index of the frame, ``(n_lobes,)``.
        centre: Centroid of each lobe, weighted by power, in bins, ``(n_lobes,)``.
        frame: Index of each lobe's frame, ``(n_lobes,)``.
    """

    magnitude: Tensor
    start: Tensor
    size: Tensor
    mass: Tensor
    mark: Tensor
    centre: Tensor
    frame: Tensor


@dataclass(frozen=True)
class TransportPath:
    """Optimal transport between two sequences of spectra, as parcels of mass that move from a lobe to a lobe.

    Attributes:
        ends: The lobes at ratio 0 and at ratio 1.
        lobes: Indices of each parcel's lobe at ratio 0 and at ratio 1, ``(2, n_parcels)``.
        mass: Mass of each parcel, ``(n_parcels,)``; the sum over a frame is 1.
        totals: Sums of the magnitude of each frame at ratio 0 and at ratio 1, ``(2, n_frames)``.
    """

    ends: tuple[Lobes, Lobes]
    lobes: Tensor
    mass: Tensor
    totals: Tensor

    def at(self, ratio: float) -> Tensor:
        """Return the interpolated magnitude spectra, ``(n_frames, n_bins)``.

        Every parcel moves linearly in frequency, while the shape of one lobe is crossfaded to that of the other.
        """
        first, second = (end.centre[lobe] for end, lobe in zip(self.ends, self.lobes, strict=True))
        place = (1 - ratio) * first + ratio * second
        spectra = torch.zeros_like(self.ends[0].magnitude)
        for end, lobe, share in zip(self.ends, self.lobes, (1 - ratio, ratio), strict=True):
            if share:
                _add_lobes(spectra, end, lobe, share * self.mass, place - end.centre[lobe])
        return spectra * ((1 - ratio) * self.totals[0] + ratio * self.totals[1])[:, None]


def find_path(a: Tensor, b: Tensor) -> TransportPath:
    """Return the optimal transport between two sequences of spectra.

    Args:
        a: Linear magnitudes at ratio 0, ``(n_frames, n_bins)``.
        b: Linear magnitudes at ratio 1, the same shape. A silent frame takes the spectrum of the other sequence.

    Example:
        >>> bins = torch.arange(40.0)
        >>> low, high = (torch.exp(-0.5 * (bins - centre) ** 2)[None] for centre in (10, 20))
        >>> find_path(low, high).at(0.5).argmax().item()
        15
    """
    totals = torch.stack([a.sum(1), b.sum(1)])
    silent = totals <= 1e-6 * totals.amax(1, keepdim=True).clamp_min(SILENCE)
    ends = _cut(torch.where(silent[0, :, None], b, a)), _cut(torch.where(silent[1, :, None], a, b))
    # the cumulated masses of all lobes, sorted, delimit the parcels
    marks = [lobes.mark for lobes in ends]
    edges = torch.cat([marks[0].new_zeros(1), *marks]).sort().values
    mass, middle = edges.diff(), 0.5 * (edges[1:] + edges[:-1])
    kept = mass > 1e-7
    which = [torch.searchsorted(mark, middle[kept]).clamp_max(len(mark) - 1) for mark in marks]
    mass = mass[kept]
    same_frame = ends[0].frame[which[0]] == ends[1].frame[which[1]]
    return TransportPath(ends, torch.stack(which)[:, same_frame], mass[same_frame].to(a.dtype), totals)


def _cut(spectra: Tensor) -> Lobes:
    """Return the lobes of spectra ``(n_frames, n_bins)``, which are split at the minima of each frame."""
    n_frames, n_bins = spectra.shape
    magnitude = spectra / spectra.sum(1, keepdim=True).clamp_min(SILENCE)
    starts = torch.zeros_like(spectra, dtype=torch.bool)
    starts[:, 1:-1] = (spectra[:, 1:-1] < spectra[:, :-2]) & (spectra[:, 1:-1] <= spectra[:, 2:])
    starts[:, 0] = True
    start = starts.flatten().nonzero()[:, 0]
    size = torch.cat([start[1:], start.new_tensor([n_frames * n_bins])]) - start
    lobe = starts.flatten().cumsum(0) - 1
    flat, bins = magnitude.flatten().double(), torch.arange(n_bins, dtype=torch.float64).repeat(n_frames)

    def total(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
        return torch.zeros(n_groups, dtype=torch.float64).index_add_(0, group, values)

    power, frame = flat.square() + 1e-30, start // n_bins
    centre = total(power * bins, lobe, len(start)) / total(power, lobe, len(start))
    mass = total(flat, lobe, len(start))
    sums = total(mass, frame, n_frames)
    below = mass.cumsum(0) - (sums.cumsum(0) - sums)[frame]
    mark = frame + below / sums.clamp_min(SILENCE)[frame]
    return Lobes(magnitude, start, size, mass, mark, centre.to(spectra.dtype), frame)


def _add_lobes(spectra: Tensor, lobes: Lobes, which: Tensor, mass: Tensor, shift: Tensor) -> None:
    """Add lobes of a given mass, moved by ``shift`` bins, to ``spectra``, with linear interpolation between bins."""
    n_bins, flat = spectra.shape[1], spectra.view(-1)
    size = lobes.size[which]
    parcel = torch.arange(len(which)).repeat_interleave(size)
    cell = lobes.start[which][parcel] + torch.arange(len(parcel)) - (size.cumsum(0) - size)[parcel]
    value = lobes.magnitude.flatten()[cell] * (mass / lobes.mass[which].clamp_min(1e-12).to(mass.dtype))[parcel]
    place = (cell % n_bins + shift[parcel]).clamp(0, n_bins - 1)
    below = place.floor().clamp_max(n_bins - 2)
    index = cell // n_bins * n_bins + below.long()
    flat.index_add_(0, index, value * (1 - place + below))
    flat.index_add_(0, index + 1, value * (place - below))
