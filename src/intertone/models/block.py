"""Encoding and decoding of long sounds in blocks that overlap by the receptive field of the model."""

from collections.abc import Iterator

import torch
from torch import Tensor

from intertone.models.contract import NO_CONDITIONS, Conditions, Model

BLOCK_FRAMES = 2048
"""Number of frames that a network processes at once; longer sounds are divided into blocks."""
BLOCK_REACHES = 4
"""Smallest length of a block as a multiple of the model's reach; then a third of the computation is for the overlap."""
BLOCK_ROWS = 8
"""Number of items of the batch (sounds and channels) that a network processes at once."""


def encode_in_blocks(model: Model, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
    """Return ``model.encode`` of features, computed in blocks if the sound is long and the model's reach is finite.

    Args:
        model: The model.
        features: ``(batch, n_features, n_frames)``.
        conditions: Conditions that the model needs, ``(batch, size, 1 or n_frames)`` each.

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
    """Return ``model.decode`` of latents, computed in blocks if the sound is long and the model's reach is finite.

    Args:
        model: The model.
        latents: ``(batch, latent_dim, n_latents)``.
        conditions: Conditions of the output that the model needs, ``(batch, size, 1 or n_frames)`` each.
        n_frames: Number of frames of the result; None: that of all latents.
        generator: Source of randomness, for models that draw samples.

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
    """Return the conditions of each group of ``BLOCK_ROWS`` items."""
    return [
        {name: value[start : start + BLOCK_ROWS] for name, value in conditions.items()}
        for start in range(0, n_rows, BLOCK_ROWS)
    ]


def _over_time(conditions: Conditions, first: int, last: int) -> dict[str, Tensor]:
    """Return the conditions of frames ``first`` to ``last`` (excluded); constant conditions are unchanged."""
    return {name: value if value.shape[-1] == 1 else value[..., first:last] for name, value in conditions.items()}


def _blocks(total: int, size: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(start, stop, first, last)``: the limits of a block, and those of the block with its margins."""
    for start in range(0, total, size):
        stop = min(start + size, total)
        yield start, stop, max(0, start - margin), min(total, stop + margin)
