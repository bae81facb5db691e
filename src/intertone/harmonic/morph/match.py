"""Matching of the inharmonic partials of several sounds."""

from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from intertone.harmonic.sound import Analysed, HarmonicSound

ALONE = 0.25
"""Largest distance of two matched partials, as the logarithm of their ratio."""

SCALES = (1.0, 0.5, 2.0, 1 / 3, 3.0, 0.25, 4.0)
"""Factors by which the f0 of a bell may differ from that of another, by convention or error."""


def match_partials(images: Analysed, n_rows: int) -> Analysed:
    """Move inharmonic partials to other rows, so that partials of all sounds in one row are close in frequency.

    Those of the first such sound stay. Of every other, the partials take rows such that the squared
    logarithms of the distances, weighted by level, are least; f0 of a bell is a convention, and where the partials fit
    far better an octave or two away, they are paired there. Harmonics stay where they are, and each
    sound stays as it is heard.

    Args:
        images: Features and context of each sound; equal batches.
        n_rows: Rows of one partial.

    Returns:
        Features and contexts; the same where fewer than two sounds have inharmonic partials.
    """
    items = list(zip(*(context.tracks for _, context in images), strict=True))
    free = [[index for index, track in enumerate(tracks) if track.ratios is not None] for tracks in items]
    if all(len(some) < 2 for some in free):
        return images
    shown = [list(features.unflatten(0, (len(items), -1))) for features, _ in images]
    kept = [list(context.tracks) for _, context in images]
    for item, some in enumerate(free):
        for index in some[1:]:
            anchor = kept[some[0]][item]
            shown[index][item], kept[index][item] = _move(shown[index][item], kept[index][item], anchor, n_rows)
    return [
        (torch.cat(features), replace(context, tracks=tuple(tracks)))
        for features, tracks, (_, context) in zip(shown, kept, images, strict=True)
    ]


def _move(image: Tensor, track: HarmonicSound, anchor: HarmonicSound, n_rows: int) -> tuple[Tensor, HarmonicSound]:
    """Return features and harmonic sound, rows in the order that fits the other sound best."""
    assert track.ratios is not None and anchor.ratios is not None
    here = track.ratios[:n_rows].isfinite()
    level = image[:, :n_rows][:, here].double().mean((0, 2)) + 1e-3
    best = min(
        (_match(scale * track.ratios[:n_rows][here], level, anchor, n_rows) for scale in SCALES), key=itemgetter(0)
    )
    order = torch.full((n_rows,), -1)
    order[best[1]] = here.nonzero()[:, 0]
    order[order < 0] = (~here).nonzero()[:, 0]

    def reordered(values: Tensor, axis: int) -> Tensor:
        return values.index_select(axis, torch.cat([order, torch.arange(n_rows, values.shape[axis])]))

    changed: dict[str, Any] = {
        name: reordered(value, 1)
        for name in ("phase", "detail", "power", "amplitude_modulation", "phase_deviation", "tonality")
        if (value := getattr(track, name)) is not None
    }
    return reordered(image, 1), replace(track, ratios=reordered(track.ratios, 0), **changed)


def _match(ratios: Tensor, level: Tensor, anchor: HarmonicSound, n_rows: int) -> tuple[float, Tensor]:
    """Return how far partials lie from those of another sound, and the row of each at which that is least."""
    assert anchor.ratios is not None
    away = (ratios[:, None] / anchor.multiples(n_rows)).log().square()
    away = torch.where(anchor.ratios[:n_rows].isnan(), ALONE**2 + 1e-3 * away, away)
    cost = away * level[:, None]
    found, rows = (torch.from_numpy(places) for places in linear_sum_assignment(cost.numpy()))
    return float(cost[found, rows].sum()), rows
