"""Morph by code, ``D(Σ wz)``: codes are interpolated and decoded, and all that is heard is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import averaged, held, odd_frames, weighted_sum, weights_over_time
from intertone.harmonic.morph.transpose import CALM_SECONDS
from intertone.models import Conditions
from intertone.morphing.contract import CodecMethod, Takes
from intertone.morphing.settings import MorphConfig
from intertone.morphing.weights import Weights, at_end
from intertone.representation import Analysis, Context

C = TypeVar("C", bound=Context)

LOUDEST, SOFTEST = 127.0, 25.0
"""Velocity that a sound counts as played at, and the softest that notes for training are rendered at."""


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
            config: ``network``: ``full``, the default, decodes everything; ``residual`` adds what the network says
                between the sounds to the interpolated features; ``none`` leaves these alone.
            kept: Whether the phase of the one sound that there is shall be kept.
            generator: Source of what a model draws that samples.
        """
        features, contexts = [one.features for one in analyses], [one.context for one in analyses]
        overall, network = weights.overall, config.network or "full"
        context: C = self.codec.representation.mix(contexts, overall, pitch=weights.pitch)
        if network == "full":
            mixed = decode_mixture(self.codec, analyses, context.conditions, overall, generator=generator)
        else:
            mixed = weighted_sum(features, weights_over_time(overall, features[0].shape[-1]))
        if network == "residual":
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

    at_mixture: Sequence[Tensor]
    at_own: Sequence[Tensor]
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
    own = [one.context.conditions for one in analyses]
    features = torch.cat([one.features for one in analyses])
    codes = codec.encode_features(features, _together(own, codec.model.needs, n_frames)).chunk(len(own))
    asked = [*own, *([wanted] * (len(own) + 1))]
    decoded = codec.decode_features(
        torch.cat([*codes, *codes, _blend(codes, weights, codec)]),
        _together(asked, codec.model.needs, n_frames),
        n_frames=n_frames,
        generator=generator,
    )
    # the network knows how timbres change, not how single frames do
    calm = averaged(decoded, odd_frames(CALM_SECONDS, codec.representation.frame_seconds)).chunk(len(asked))
    at_own, at_mixture, mixture = calm[: len(own)], calm[len(own) : -1], calm[-1]
    over_time = weights_over_time(weights, n_frames)
    sounding = torch.stack([one.features for one in analyses]).amax(0) > 0  # nothing is made of silence
    between = (mixture - weighted_sum(at_mixture, over_time)) * sounding
    return Decoded(at_mixture, at_own, between * _inside(over_time).to(between))


def _together(conditions: Sequence[Conditions], needed: Sequence[str], n_frames: int) -> Conditions:
    """Return the needed conditions of several batches as those of one, frame by frame where one changes in time."""
    found = {}
    for name in needed:
        rows = [each[name] for each in conditions if name in each]
        constant = all(row.shape[-1] == 1 for row in rows)
        if len(rows) == len(conditions):
            found[name] = torch.cat(rows if constant else [held(row, n_frames) for row in rows])
    return found


def decode_velocity(
    codec: Codec,
    analyses: Sequence[Analysis[C]],
    wanted: Conditions,
    weights: Tensor,
    velocity: float,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return how the features of a mixture change from the loudest velocity to another one.

    They change in proportion to the velocity down to ``SOFTEST``, and no more below: a network that was trained on few
    velocities may decode anything between them.

    Args:
        codec: The codec, whose decoder is conditioned on the velocity.
        analyses: Of each sound, ``(batch · channels, n_features, n_frames)``.
        wanted: What the mixture is conditioned on beside it.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
        velocity: The other one, 1 to 127.
        generator: Source of what a model draws that samples.

    Returns:
        A difference of features of the same shape, averaged over ``CALM_SECONDS``; 0 at ``LOUDEST``.
    """
    n_frames = analyses[0].features.shape[-1]
    codes = [codec.encode_features(features, context.conditions) for features, context in analyses]
    mixture = _blend(codes, weights, codec)
    soft, loud = (
        codec.decode_features(
            mixture,
            {**wanted, "velocity": torch.full_like(wanted["velocity"], played)},
            n_frames=n_frames,
            generator=generator,
        )
        for played in (SOFTEST, LOUDEST)
    )
    share = min(1.0, (LOUDEST - velocity) / (LOUDEST - SOFTEST))
    return share * averaged(soft - loud, odd_frames(CALM_SECONDS, codec.representation.frame_seconds))


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
