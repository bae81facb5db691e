"""Which partial of one bell belongs to which of another."""

from dataclasses import replace
from operator import itemgetter
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from intertone.harmonic.sound import Analysed, HarmonicSound

ALONE = 0.25
"""Logarithm of how far apart, in f0, two partials are rather left alone than made one."""

SCALES = (1.0, 0.5, 2.0, 1 / 3, 3.0, 0.25, 4.0)
"""By which f0 of a bell may have been found wrong, beside another's."""


def match_partials(images: Analysed, n_rows: int) -> Analysed:
    """Move free partials to other rows, such that those of all sounds that share a row lie near each other.

    Those of the first sound that has free ones stay. Of every other, the partials take rows such that the squared
    logarithms of the distances, weighted by level, are least; f0 of a bell is a convention, and where the partials fit
    far better an octave or two away, they are paired there. Harmonics stay where they are, and so does what each
    sound sounds like.

    Args:
        images: Features and context of each sound; equal batches.
        n_rows: Rows of one partial.

    Returns:
        Features and contexts; the same where fewer than two sounds have free partials.
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
    """Return image and track of one sound, its rows in the order that fits another's best."""
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
