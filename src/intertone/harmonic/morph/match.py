"""Matching of the inharmonic partials of several sounds."""

from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from intertone.harmonic.sound import Analysed, HarmonicSound

ALONE = 0.25
"""Largest distance of two matched partials, the logarithm of their ratio: farther apart, each keeps its frequency."""

SCALES = (1.0, 0.5, 2.0, 1 / 3, 3.0, 0.25, 4.0)
"""Factors by which the f0 of a bell may differ from that of another, by convention or error."""


def match_partials(images: Analysed, n_rows: int) -> Analysed:
    """Move inharmonic partials to other rows, so that partials of all sounds in one row are close in frequency.

    The first harmonic sound stays, or the first one where all are inharmonic. Of every other inharmonic sound, the
    partials take rows such that the squared logarithms of the distances, weighted by level, are least. A partial that
    is farther than ``ALONE`` from every partial that is free for it gets a row without another one: that of a
    weakest partial of the first sound, which is left out. f0 of a bell is a convention, and where the partials of two
    bells fit far better an octave or two away, they are paired there. Each sound stays as it is heard but for what is
    left out.

    Args:
        images: Features and context of each sound; equal batches.
        n_rows: Rows of one partial.

    Returns:
        Features and contexts; the same where no sound has inharmonic partials, or only one of one sound.
    """
    items = list(zip(*(context.tracks for _, context in images), strict=True))
    if len(images) < 2 or all(track.ratios is None for tracks in items for track in tracks):
        return images
    shown = [list(features.unflatten(0, (len(items), -1))) for features, _ in images]
    kept = [list(context.tracks) for _, context in images]
    for item, tracks in enumerate(items):
        free = [index for index, track in enumerate(tracks) if track.ratios is not None]
        first = next((index for index in range(len(tracks)) if index not in free), 0)
        for index in free:
            if index != first:
                sound, anchor = ((shown[one][item], kept[one][item]) for one in (index, first))
                moved, left = _match(sound, anchor, n_rows)
                (shown[index][item], kept[index][item]), (shown[first][item], kept[first][item]) = moved, left
    return [
        (torch.cat(features), replace(context, tracks=tuple(tracks)))
        for features, tracks, (_, context) in zip(shown, kept, images, strict=True)
    ]


Shown = tuple[Tensor, HarmonicSound]
"""Features and harmonic sound."""


def _match(sound: Shown, anchor: Shown, n_rows: int) -> tuple[Shown, Shown]:
    """Return a sound with its partials in the rows that fit another one best, and that one without its faintest."""
    image, track = sound
    ratios = _own_ratios(track, n_rows)
    here = ratios.isfinite()
    level = _levels(image, n_rows)[here] + 1e-3
    there = _own_ratios(anchor[1], n_rows)
    scales = SCALES if anchor[1].ratios is not None else SCALES[:1]
    best = min((_assign(scale * ratios[here], level, there) for scale in scales), key=itemgetter(0))
    rows = best[1]
    alone = rows < 0
    # free rows first, then those of the faintest partials that have found no other
    faintest = torch.where(there.isfinite(), 1 + _levels(anchor[0], n_rows), _levels(anchor[0], n_rows))
    faintest[rows[~alone]] = torch.inf
    rows[alone] = faintest.argsort()[: int(alone.sum())]
    vacated = rows[alone][there[rows[alone]].isfinite()]
    order = torch.full((n_rows,), -1)
    order[rows] = here.nonzero()[:, 0]
    order[order < 0] = (~here).nonzero()[:, 0]
    return _reordered(image, track, order), _without(*anchor, vacated, n_rows)


def _own_ratios(track: HarmonicSound, n_rows: int) -> Tensor:
    """Return the ratio of the partial of each row to f0, NaN in rows without one, ``(n_rows,)``."""
    ratios = track.multiples(n_rows).clone()
    if track.ratios is not None:
        ratios[track.ratios[:n_rows].isnan()] = torch.nan
    ratios[track.phase.shape[1] :] = torch.nan
    return ratios


def _levels(image: Tensor, n_rows: int) -> Tensor:
    """Return the mean level of each partial in features, ``(n_rows,)``, float64."""
    return image[:, :n_rows].double().mean((0, 2))


def _assign(ratios: Tensor, level: Tensor, there: Tensor) -> tuple[float, Tensor]:
    """Return how far partials lie from those of another sound, and the row of each at which that is least.

    −1 stands for a row without another partial.
    """
    away = (ratios[:, None] / there).log().square()
    away = torch.where(away <= ALONE**2, away, 1e6)  # NaN too
    cost = torch.cat([away, torch.full((len(ratios), len(ratios)), ALONE**2)], 1) * level[:, None]
    found, rows = (torch.from_numpy(places) for places in linear_sum_assignment(cost.numpy()))
    return float(cost[found, rows].sum()), torch.where(rows < len(there), rows, -1)


def _reordered(image: Tensor, track: HarmonicSound, order: Tensor) -> Shown:
    """Return features and harmonic sound, rows in another order."""
    assert track.ratios is not None
    n_rows = len(order)

    def reordered(values: Tensor, axis: int) -> Tensor:
        return values.index_select(axis, torch.cat([order, torch.arange(n_rows, values.shape[axis])]))

    changed: dict[str, Any] = {
        name: reordered(value, 1)
        for name in ("phase", "detail", "power", "amplitude_modulation", "phase_deviation", "tonality")
        if (value := getattr(track, name)) is not None
    }
    return reordered(image, 1), replace(track, ratios=reordered(track.ratios, 0), **changed)


def _without(image: Tensor, track: HarmonicSound, rows: Tensor, n_rows: int) -> Shown:
    """Return features and harmonic sound without the partials of some rows."""
    if not len(rows):
        return image, track
    image, ratios = image.clone(), _own_ratios(track, n_rows)
    image[:, rows] = 0
    ratios[rows] = torch.nan
    if track.ratios is not None:
        ratios = torch.cat([ratios, track.ratios[n_rows:]])
    else:
        ratios = torch.cat([ratios, track.multiples(track.phase.shape[1])[n_rows:]])
    return image, replace(track, ratios=ratios)
