"""Morph by code, ``D(Σ wz)``: codes are interpolated and decoded, and all that is heard is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import averaged, odd_frames, weighted_sum, weights_over_time
from intertone.harmonic.morph.transpose import CALM_SECONDS
from intertone.models import Conditions
from intertone.morphing.contract import CodecMethod, Takes
from intertone.morphing.settings import MorphConfig
from intertone.morphing.weights import Weights, at_end
from intertone.representation import Analysis, Context

C = TypeVar("C", bound=Context)


class ByCode(CodecMethod[C]):
    """The morph method of every codec that needs no pitch: spectrograms of one length, interpolated as codes.

    Args:
        codec: The codec.
    """

    takes = Takes(phase=True)

    def span(self, analyses: Sequence[Analysis[C]], weights: Tensor, config: MorphConfig) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its last one, seconds; ``weights`` say nothing."""
        representation = self.codec.representation
        return 0.0, representation.samples(analyses[0].features.shape[-1]) / representation.sample_rate

    def between(
        self,
        analyses: Sequence[Analysis[C]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[C]:
        """Return the mixture of analysed sounds.

        Args:
            analyses: Of sounds of one length.
            weights: How much of each.
            config: ``network``: ``alone``, the default, decodes everything; ``carried`` adds what the network says
                between the sounds to the interpolated features; ``none`` leaves these alone.
            kept: Whether the phase of the one sound that there is shall be kept.
            generator: Source of what a model draws that samples.
        """
        features, contexts = [one.features for one in analyses], [one.context for one in analyses]
        overall, network = weights.overall, config.network or "alone"
        context: C = self.codec.representation.mix(contexts, overall, pitch=weights.pitch)
        if network == "alone":
            mixed = decode_mixture(self.codec, analyses, context.conditions, overall, generator=generator)
        else:
            mixed = weighted_sum(features, weights_over_time(overall, features[0].shape[-1]))
        if network == "carried":
            decoded = decode_sounds(self.codec, analyses, context.conditions, overall, generator=generator)
            mixed = mixed + config.strength * decoded.between
        return Analysis(mixed, contexts[int(overall.argmax())] if kept and at_end(overall) else context)


def decode_mixture(
    codec: Codec,
    analyses: Sequence[Analysis[C]],
    wanted: Conditions,
    weights: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return ``D(Σ wᵢzᵢ)``: the decoded mixture of the codes of sounds.

    Args:
        codec: The codec.
        analyses: Of each sound, ``(batch · channels, n_features, n_frames)``.
        wanted: What the mixture is conditioned on.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
        generator: Source of what a model draws that samples.

    Returns:
        Features of the same shape.
    """
    codes = [codec.encode_features(features, context.conditions) for features, context in analyses]
    n_frames = analyses[0].features.shape[-1]
    return codec.decode_features(_blend(codes, weights, codec), wanted, n_frames=n_frames, generator=generator)


@dataclass(frozen=True)
class Decoded:
    """Decoded sounds that share one time, averaged over ``CALM_SECONDS``.

    Attributes:
        at_mixture: ``D(zᵢ)``: each sound at the pitch of the mixture, ``(batch · channels, n_features, n_frames)``.
        at_own: ``D'(zᵢ)``: each at its own.
        between: ``D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ)``: how a timbre between two is not the mean of their features; 0 where one
            weight is 1.
    """

    at_mixture: list[Tensor]
    at_own: list[Tensor]
    between: Tensor


def decode_sounds(
    codec: Codec,
    analyses: Sequence[Analysis[C]],
    wanted: Conditions,
    weights: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Decoded:
    """Return what the network makes of sounds and of their mixture.

    Args:
        codec: The codec.
        analyses: Of each sound.
        wanted: What the mixture is conditioned on.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
        generator: Source of what a model draws that samples.

    Returns:
        Features and a difference of features.
    """
    n_frames = analyses[0].features.shape[-1]
    codes = [codec.encode_features(features, context.conditions) for features, context in analyses]

    def decoded(code: Tensor, conditions: Conditions) -> Tensor:
        # the network knows how timbres change, not how single frames do
        features = codec.decode_features(code, conditions, n_frames=n_frames, generator=generator)
        return averaged(features, odd_frames(CALM_SECONDS, codec.representation.frame_seconds))

    at_mixture = [decoded(code, wanted) for code in codes]
    at_own = [decoded(code, one.context.conditions) for code, one in zip(codes, analyses, strict=True)]
    mixture = decoded(_blend(codes, weights, codec), wanted)
    over_time = weights_over_time(weights, n_frames)
    sounding = torch.stack([one.features for one in analyses]).amax(0) > 0  # nothing is made of silence
    between = (mixture - weighted_sum(at_mixture, over_time)) * sounding
    return Decoded(at_mixture, at_own, between * _inside(over_time).to(between))


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
        if n_latents == 1:  # one vector stands for the whole sound
            step = weights.shape[1]
        weights = weights_over_time(weights, n_latents * step).unflatten(-1, (n_latents, step)).mean(-1)
    rows = weights.to(codes[0])
    return torch.stack([row * code for row, code in zip(rows, codes, strict=True)]).sum(0)
