"""Which partial of one bell belongs to which of another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from intertone.representation.tracks import HarmonicContext, PartialTrack

ALONE = 0.25
"""Logarithm of how far apart, in f0, two partials are rather left alone than made one."""


Images = Sequence[tuple[Tensor, HarmonicContext]]


def pair_partials(images: Images, n_rows: int) -> Images:
    """Move free partials to other rows, such that those of all sounds that share a row lie near each other.

    Those of the first sound that has free ones stay. Of every other, the partials take rows such that the squared
    logarithms of the distances, weighted by level, are least. Harmonics stay where they are, and so does what each
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


def _move(image: Tensor, track: PartialTrack, anchor: PartialTrack, n_rows: int) -> tuple[Tensor, PartialTrack]:
    assert track.ratios is not None and anchor.ratios is not None
    ratios = torch.cat([track.ratios, track.ratios.new_full((max(0, n_rows - len(track.ratios)),), torch.nan)])
    here = ratios[:n_rows].isfinite().nonzero()[:, 0]
    away = (ratios[here, None] / anchor.multiples(n_rows)).log().square()
    alone = torch.ones(n_rows, dtype=torch.bool)
    alone[: len(anchor.ratios)] = anchor.ratios[:n_rows].isnan()
    away = torch.where(alone, ALONE**2 + 1e-3 * away, away)
    level = image[:, here].double().mean((0, 2)) + 1e-3
    found, rows = linear_sum_assignment((away * level[:, None]).numpy())
    source = torch.full((n_rows,), -1)
    source[torch.from_numpy(rows)] = here[torch.from_numpy(found)]
    rest = torch.tensor(sorted(set(range(n_rows)) - set(here.tolist())), dtype=torch.long)
    source[source < 0] = rest
    count = max(len(track.ratios), n_rows)
    order = torch.cat([source, torch.arange(n_rows, count)])
    image = image.clone()
    image[:, :n_rows] = image[:, source]
    return image, _reorder(track, order, ratios)


def _reorder(track: PartialTrack, order: Tensor, ratios: Tensor) -> PartialTrack:
    """Return a track whose row ``r`` is what row ``order[r]`` was; rows that it did not have are empty."""
    changed: dict[str, Any] = {
        name: _longer(value, len(order), filler)[:, order]
        for name, filler in (("phase", 0.0), ("detail", 0.0), ("flicker", 1.0), ("wander", 0.0), ("steadiness", 1.0))
        if (value := getattr(track, name)) is not None
    }
    return replace(track, ratios=ratios[order], **changed)


def _longer(values: Tensor, count: int, filler: float) -> Tensor:
    missing = count - values.shape[1]
    if missing <= 0:
        return values
    return torch.cat([values, values.new_full((values.shape[0], missing, *values.shape[2:]), filler)], 1)
