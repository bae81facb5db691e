"""What the network does for a morph: all that is heard, or what it adds to the images."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from intertone.codec import Codec
from intertone.representation.timeline import weighted_sum, weights_over_time

CALM_FRAMES = 21
"""Over which what the network adds is averaged: it knows how timbres change, not how single frames do."""


def decode_mixture(
    codec: Codec, features: Sequence[Tensor], contexts: Sequence[Any], context: Any, weights: Tensor
) -> Tensor:
    """Return ``D(Σ wᵢzᵢ)``: the decoded mixture of the codes of aligned sounds.

    Args:
        codec: The codec.
        features: Of each sound, ``(batch · channels, n_features, n_frames)``.
        contexts: Of each sound.
        context: Of the mixture; its pitch is what the decoder is told.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.

    Returns:
        Features of the same shape.
    """
    codes = [codec.encode_features(x, c.conditions) for x, c in zip(features, contexts, strict=True)]
    return codec.decode_features(_blend(codes, weights, codec), context.conditions)[..., : features[0].shape[-1]]


def network_adds(
    codec: Codec,
    features: Sequence[Tensor],
    contexts: Sequence[Any],
    context: Any,
    weights: Tensor,
    ratios: Mapping[str, Tensor],
    *,
    between: float,
    register: float,
) -> Tensor:
    """Return what the network adds to the mixture of images: nothing at the ends.

    Two things: how a timbre between two is not the mean of their images, ``D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ)``, all at the pitch of
    the mixture; and how each sound changes on its way to that pitch, ``Σ wᵢ(D(zᵢ) − D'(zᵢ))``, where ``D'`` is told the
    sound's own pitch.

    Args:
        codec: The codec.
        features: Of each sound, ``(batch · channels, n_features, n_frames)``.
        contexts: Of each sound.
        context: Of the mixture.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
        ratios: Weights of single attributes, as for ``mix_features``.
        between: Share of the first that is used.
        register: Share of the second.

    Returns:
        Differences of features, ``(batch · channels, n_features, n_frames)``, averaged over 0.2 s.
    """
    representation, n_frames = codec.representation, features[0].shape[-1]
    codes = [codec.encode_features(x, c.conditions) for x, c in zip(features, contexts, strict=True)]

    def decoded(conditions: Sequence[Tensor | None]) -> list[Tensor]:
        return [codec.decode_features(z, told)[..., :n_frames] for z, told in zip(codes, conditions, strict=True)]

    there = decoded([context.conditions] * len(codes))
    added = torch.zeros_like(there[0])
    if between:
        mixture = codec.decode_features(_blend(codes, weights, codec), context.conditions)[..., :n_frames]
        added += between * (mixture - weighted_sum(there, weights_over_time(weights, n_frames)))
    if register:
        here = decoded([c.conditions for c in contexts])
        mixed = (representation.mix_features(images, weights, ratios) for images in (there, here))
        added += register * (next(mixed) - next(mixed))
    kernel = torch.hann_window(CALM_FRAMES + 2, periodic=False)[None, None, 1:-1].to(added)
    rows = pad(added.flatten(0, 1)[:, None], (CALM_FRAMES // 2,) * 2, mode="replicate")
    return conv1d(rows, kernel / kernel.sum())[:, 0].view_as(added)


def _blend(codes: Sequence[Tensor], weights: Tensor, codec: Codec) -> Tensor:
    """Return the code between some; weights over time are averaged over the frames of each vector."""
    if weights.ndim == 2:
        step, n_latents = codec.model.frames_per_latent, codes[0].shape[-1]
        weights = weights_over_time(weights, n_latents * step).unflatten(-1, (n_latents, step)).mean(-1)
    rows = weights.to(codes[0])
    return torch.stack([row * code for row, code in zip(rows, codes, strict=True)]).sum(0)
