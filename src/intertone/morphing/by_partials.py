"""What the network does for a morph: all that is heard, or what it adds to the images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import averaged, weighted_sum, weights_over_time
from intertone.harmonic.morph.transpose import CALM_FRAMES


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
    codes = [codec.encode_features(x, own.conditions) for x, own in zip(features, contexts, strict=True)]
    return codec.decode_features(_blend(codes, weights, codec), context.conditions)[..., : features[0].shape[-1]]


@dataclass(frozen=True)
class Decoded:
    """What the network makes of aligned sounds, averaged over 0.2 s.

    Attributes:
        there: ``D(zᵢ)``: each sound at the pitch of the mixture, ``(batch · channels, n_features, n_frames)``.
        here: ``D'(zᵢ)``: each at its own.
        between: ``D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ)``: how a timbre between two is not the mean of their images; 0 at the ends.
    """

    there: list[Tensor]
    here: list[Tensor]
    between: Tensor

    @property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """As ``Representation.move`` takes them."""
        return list(zip(self.there, self.here, strict=True))


def decode_sounds(
    codec: Codec, features: Sequence[Tensor], contexts: Sequence[Any], context: Any, weights: Tensor
) -> Decoded:
    """Return what the network makes of sounds and of their mixture.

    Args:
        codec: The codec.
        features: Of each sound, ``(batch · channels, n_features, n_frames)``.
        contexts: Of each sound.
        context: Of the mixture.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.

    Returns:
        Images and a difference of images.
    """
    n_frames = features[0].shape[-1]
    codes = [codec.encode_features(x, own.conditions) for x, own in zip(features, contexts, strict=True)]

    def decoded(code: Tensor, told: Tensor | None) -> Tensor:
        # it knows how timbres change, not how single frames do
        return averaged(codec.decode_features(code, told)[..., :n_frames], CALM_FRAMES)

    there = [decoded(code, context.conditions) for code in codes]
    here = [decoded(code, own.conditions) for code, own in zip(codes, contexts, strict=True)]
    mixture = decoded(_blend(codes, weights, codec), context.conditions)
    over_time = weights_over_time(weights, n_frames)
    sounding = torch.stack(list(features)).amax(0) > 0  # nothing is made of silence
    between = (mixture - weighted_sum(there, over_time)) * sounding
    return Decoded(there, here, between * _inside(over_time).to(between))


def _inside(weights: Tensor) -> Tensor:
    """Return how far weights lie from single sounds, beside their mean, ``(n_frames,)``: a code is of a whole note."""
    if bool((weights == weights[:, :1]).all()):
        return torch.ones(weights.shape[1])
    overall = (1 - weights.mean(1).square().sum()).abs().clamp_min(1e-9)
    return ((1 - weights.square().sum(0)).abs() / overall).clamp(max=1)


def _blend(codes: Sequence[Tensor], weights: Tensor, codec: Codec) -> Tensor:
    """Return the code between some; weights over time are averaged over the frames of each vector."""
    if weights.ndim == 2:
        step, n_latents = codec.model.frames_per_latent, codes[0].shape[-1]
        weights = weights_over_time(weights, n_latents * step).unflatten(-1, (n_latents, step)).mean(-1)
    rows = weights.to(codes[0])
    return torch.stack([row * code for row, code in zip(rows, codes, strict=True)]).sum(0)
