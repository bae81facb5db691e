"""Long sounds through a network: block by block, each with as much around it as the model reaches."""

from collections.abc import Iterator

import torch
from torch import Tensor

from intertone.models.contract import NO_CONDITIONS, Conditions, Model

BLOCK_FRAMES = 2048
"""Frames that go through the network at a time; a longer sound goes in blocks that overlap by the model's reach."""

BLOCK_REACHES = 4
"""Least length of such a block in reaches of the model: then a third of the work is on what lies around blocks."""

BLOCK_ROWS = 8
"""Channels and sounds that go through the network at a time."""


def encode_in_blocks(model: Model, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
    """Return ``model.encode`` of features of any length.

    Args:
        model: The model.
        features: ``(batch, n_features, n_frames)``.
        conditions: What the model needs, ``(batch, size, 1 or n_frames)`` each.

    Returns:
        Latents ``(batch, latent_dim, n_latents)``.
    """
    reach, step, n_frames = model.encode_reach, model.frames_per_latent, features.shape[-1]
    if reach is None or n_frames <= (size := _block_frames(reach)) + 2 * reach:
        return _encode(model, features, conditions)
    parts = []
    margin = -(-reach // step) * step  # so that each block begins with a whole latent vector
    for start, stop, first, last in _blocks(n_frames, max(1, size // step) * step, margin):
        part = _encode(model, features[..., first:last], _over_time(conditions, first, last))
        parts.append(part[..., (start - first) // step :][..., : -(-(stop - start) // step)])
    return torch.cat(parts, -1)


def decode_in_blocks(
    model: Model,
    latents: Tensor,
    conditions: Conditions = NO_CONDITIONS,
    *,
    n_frames: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return ``model.decode`` of a code of any length.

    Args:
        model: The model.
        latents: ``(batch, latent_dim, n_latents)``.
        conditions: Of what is wanted, as the model needs, ``(batch, size, 1 or n_frames)`` each.
        n_frames: Columns of the result; default: all that the latents stand for.
        generator: Source of what is drawn, for models that sample.

    Returns:
        Features ``(batch, n_features, n_frames)``.
    """
    reach, step, n_latents = model.decode_reach, model.frames_per_latent, latents.shape[-1]
    if reach is None or n_latents * step <= (size := _block_frames(reach)) + 2 * reach:
        return _decode(model, latents, conditions, n_frames, generator)
    features = latents.new_empty(len(latents), model.n_features, n_latents * step)
    for start, stop, first, last in _blocks(n_latents, max(1, size // step), -(-reach // step)):
        own = _over_time(conditions, first * step, last * step)
        part = _decode(model, latents[..., first:last], own, None, generator)
        features[..., start * step : stop * step] = part[..., (start - first) * step : (stop - first) * step]
    return features[..., :n_frames]


def _block_frames(reach: int) -> int:
    return max(BLOCK_FRAMES, BLOCK_REACHES * reach)


def _encode(model: Model, features: Tensor, conditions: Conditions) -> Tensor:
    pairs = zip(features.split(BLOCK_ROWS), _in_rows(conditions, len(features)), strict=True)
    return torch.cat([model.encode(rows, own) for rows, own in pairs])


def _decode(
    model: Model, latents: Tensor, conditions: Conditions, n_frames: int | None, generator: torch.Generator | None
) -> Tensor:
    pairs = zip(latents.split(BLOCK_ROWS), _in_rows(conditions, len(latents)), strict=True)
    return torch.cat([model.decode(rows, own, n_frames=n_frames, generator=generator) for rows, own in pairs])


def _in_rows(conditions: Conditions, n_rows: int) -> list[dict[str, Tensor]]:
    """Return the conditions of each ``BLOCK_ROWS`` rows."""
    return [
        {name: value[start : start + BLOCK_ROWS] for name, value in conditions.items()}
        for start in range(0, n_rows, BLOCK_ROWS)
    ]


def _over_time(conditions: Conditions, first: int, last: int) -> dict[str, Tensor]:
    """Return the conditions of some columns; those that do not change in time stay."""
    return {name: value if value.shape[-1] == 1 else value[..., first:last] for name, value in conditions.items()}


def _blocks(total: int, size: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(start, stop, first, last)``: a block and what must be seen for it."""
    for start in range(0, total, size):
        stop = min(start + size, total)
        yield start, stop, max(0, start - margin), min(total, stop + margin)
