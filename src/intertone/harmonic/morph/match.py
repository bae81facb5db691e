"""Matching of the inharmonic partials of several sounds."""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import torch
from torch import Tensor

from intertone.curve import completed
from intertone.harmonic.rows import FeatureRows
from intertone.harmonic.sound import SeparatedSound

ALONE = 0.25
"""Largest distance of two matched partials, the logarithm of their ratio: farther apart, each keeps its frequency."""

SCALES = (1.0, 0.5, 2.0, 1 / 3, 3.0, 0.25, 4.0)
"""Factors by which the f0 of a bell may differ from that of another, by convention or error."""


def match_partials(sounds: Sequence[SeparatedSound], rows: FeatureRows) -> list[SeparatedSound]:
    """Move inharmonic partials to other rows, so that partials of all sounds in one row are close in frequency.

    The first harmonic sound stays, or the first one where all are inharmonic. The partials of every other inharmonic
    sound take the rows for which the squared logarithms of the distances, weighted by level, are least. A partial that
    is farther than ``ALONE`` from all partials that are free takes an empty row, or that of one of the faintest
    partials of the first sound, which is left out. The f0 of a bell is a convention, so two bells are also compared an
    octave or two apart. But for those partials, each sound stays as it is.
    """
    found = list(sounds)
    bells = [index for index, sound in enumerate(found) if sound.is_bell]
    first = next((index for index in range(len(found)) if index not in bells), 0)
    for index in bells:
        if index != first:
            found[index], found[first] = _match(found[index], found[first], rows)
    return found


def _match(sound: SeparatedSound, anchor: SeparatedSound, rows: FeatureRows) -> tuple[SeparatedSound, SeparatedSound]:
    """Return a sound, its partials in the rows that fit another one best, and that one without partials given up."""
    n_rows = rows.config.n_harmonics
    ratios, there = (completed(each.sounding, n_rows, torch.nan)[:n_rows] for each in (sound, anchor))
    level, loud = (rows.view(each)[:, :n_rows].double().mean((0, 2)) for each in (sound, anchor))
    here = ratios.isfinite()
    scales = SCALES if anchor.is_bell else SCALES[:1]
    best = min((_assign(scale * ratios[here], level[here] + 1e-3, there) for scale in scales), key=itemgetter(0))
    taken = best[1]
    alone = taken < 0
    # free rows first, then those of the faintest partials that have found no other
    faintest = torch.where(there.isfinite(), 1 + loud, loud)
    faintest[taken[~alone]] = torch.inf
    taken[alone] = faintest.argsort()[: int(alone.sum())]
    vacated = taken[alone][there[taken[alone]].isfinite()]
    order = torch.full((n_rows,), -1)
    order[taken] = here.nonzero()[:, 0]
    order[order < 0] = (~here).nonzero()[:, 0]
    if len(vacated):
        anchor = replace(anchor, amplitude=anchor.amplitude.index_fill(1, vacated, 0))
    return _reordered(sound, order), anchor


def _assign(ratios: Tensor, level: Tensor, there: Tensor) -> tuple[float, Tensor]:
    """Return the distance of partials from those of another sound, and the row of each for which it is least.

    The row is −1 for a partial without a near one.
    """
    from scipy.optimize import linear_sum_assignment  # here, since only bells need it

    away = (ratios[:, None] / there).log().square()
    away = torch.where(away <= ALONE**2, away, torch.inf)  # NaN too
    cost = torch.cat([away, torch.full((len(ratios), len(ratios)), ALONE**2)], 1) * level[:, None]
    found, rows = (torch.from_numpy(places) for places in linear_sum_assignment(cost.numpy()))
    return float(cost[found, rows].sum()), torch.where(rows < len(there), rows, -1)


def _reordered(sound: SeparatedSound, order: Tensor) -> SeparatedSound:
    """Return a sound, partials in another order."""

    def reordered(values: Tensor, missing: float = 0.0) -> Tensor:
        complete = completed(values, len(order), missing)
        axis = min(1, values.ndim - 1)
        return complete.index_select(axis, torch.cat([order, torch.arange(len(order), complete.shape[axis])]))

    return replace(
        sound,
        multiples=reordered(sound.multiples, torch.nan),
        amplitude=reordered(sound.amplitude),
        phase=reordered(sound.phase),
        modulation=reordered(sound.modulation),
        regular=reordered(sound.regular),
    )
