"""Morph by code, ``D(Σ wz)``: latent codes are interpolated, and the decoder gives all features of the result."""

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
"""MIDI velocity that source sounds are assumed to have, and smallest velocity of the training notes."""


class ByCode(CodecMethod[C]):
    """Morph method of codecs that need no pitch: the codes of spectrograms of equal length are interpolated.

    Args:
        codec: The codec.
    """

    takes = Takes(phase=True)

    def span(self, analyses: Sequence[Analysis[C]], weights: Tensor, config: MorphConfig) -> tuple[float, float]:
        """Return the times of the first and the last frame of a mixture from its start, s; ``weights`` is not used."""
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
            analyses: Analyses of sounds of equal length.
            weights: Weights of the sounds.
            config: ``network``: with ``full``, the default, all features are decoded; ``residual`` adds the network's
                correction to the interpolated features; ``none`` interpolates features without the network.
            kept: Whether the context of a sound with weight 1, with its phase, is used for the mixture.
            generator: Source of randomness, for models that draw samples.
        """
        features, contexts = [one.features for one in analyses], [one.context for one in analyses]
        overall, network = weights.overall, config.network or "full"
        context: C = self.codec.representation.mix(contexts, overall, pitch=weights.pitch)
        if network == "full":
            mixed = decode_mixture(self.codec, analyses, context.conditions, overall, generator=generator)
        else:
            mixed = weighted_sum(features, weights_over_time(overall, features[0].shape[-1]))
        if network == "residual":
            codes = encode_sounds(self.codec, analyses, overall)
            _, correction = decode_sounds(self.codec, codes, context.conditions, generator=generator)
            mixed = mixed + config.strength * correction
        return Analysis(mixed, contexts[int(overall.argmax())] if kept and at_end(overall) else context)


def decode_mixture(
    codec: Codec,
    analyses: Sequence[Analysis[C]],
    wanted: Conditions,
    weights: Tensor,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return ``D(Σ wᵢzᵢ)``: the decoded weighted sum of the codes of sounds.

    Args:
        codec: The codec.
        analyses: Analysis of each sound, with features ``(batch · channels, n_features, n_frames)``.
        wanted: Conditions of the mixture.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
        generator: Source of randomness, for models that draw samples.

    Returns:
        Features of the same shape.
    """
    codes = [codec.encode_features(features, context.conditions) for features, context in analyses]
    n_frames = analyses[0].features.shape[-1]
    return codec.decode_features(_mixed_codes(codes, weights, codec), wanted, n_frames=n_frames, generator=generator)


@dataclass(frozen=True)
class Codes:
    """Latent codes of sounds and of their mixture, which do not depend on the conditions of the mixture.

    Attributes:
        sounds: Code ``zᵢ`` of each sound, ``(batch · channels, latent_dim, n_latents)``.
        own: Conditions of each sound.
        mixture: ``Σ wᵢzᵢ``, of the shape of one code.
        weights: Weight of each sound in each frame, ``(n_sounds, n_frames)``.
        sounding: Where a sound is not silent, bool, ``(batch · channels, n_features, n_frames)``.
    """

    sounds: Sequence[Tensor]
    own: Sequence[Conditions]
    mixture: Tensor
    weights: Tensor
    sounding: Tensor


def encode_sounds(codec: Codec, analyses: Sequence[Analysis[C]], weights: Tensor) -> Codes:
    """Return the codes of sounds and of their mixture.

    Args:
        codec: The codec.
        analyses: Analysis of each sound, with features ``(batch · channels, n_features, n_frames)``.
        weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
    """
    features, own = [one.features for one in analyses], [one.context.conditions for one in analyses]
    n_frames = features[0].shape[-1]
    stacked = _stacked_conditions(own, codec.model.needs, n_frames)
    codes = codec.encode_features(torch.cat(features), stacked).chunk(len(own))
    over_time = weights_over_time(weights, n_frames)
    return Codes(codes, own, _mixed_codes(codes, weights, codec), over_time, torch.stack(features).amax(0) > 0)


def decode_own(codec: Codec, codes: Codes) -> Sequence[Tensor]:
    """Return ``D'(zᵢ)``: each sound decoded with its own conditions, averaged over ``CALM_SECONDS``.

    Of a model that draws samples these are the medians.
    """
    return _decode(codec, codes.sounds, codes.own, codes.weights.shape[1], None)


def decode_sounds(
    codec: Codec, codes: Codes, wanted: Conditions, *, generator: torch.Generator | None = None
) -> tuple[Sequence[Tensor], Tensor]:
    """Return the decoded features of sounds at the conditions of their mixture, and the network's correction of it.

    Features are averaged over time with a window of ``CALM_SECONDS``, since the network predicts slow changes of timbre
    and not single frames.

    Args:
        codec: The codec.
        codes: Codes of the sounds and of their mixture.
        wanted: Conditions of the mixture.
        generator: Source of randomness, for models that draw samples.

    Returns:
        ``D(zᵢ)``, ``(batch · channels, n_features, n_frames)`` each, and ``D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ)``: the correction of
        interpolated features, of the same shape; 0 where one weight is 1.
    """
    some = [*codes.sounds, codes.mixture]
    *sounds, mixture = _decode(codec, some, [wanted] * len(some), codes.weights.shape[1], generator)
    between = (mixture - weighted_sum(sounds, codes.weights)) * codes.sounding  # none where all sounds are silent
    return sounds, between * _correction_share(codes.weights).to(between)


def _decode(
    codec: Codec,
    codes: Sequence[Tensor],
    conditions: Sequence[Conditions],
    n_frames: int,
    generator: torch.Generator | None,
) -> Sequence[Tensor]:
    """Return the decoded features of several codes, averaged over time."""
    decoded = codec.decode_features(
        torch.cat([*codes]),
        _stacked_conditions(conditions, codec.model.needs, n_frames),
        n_frames=n_frames,
        generator=generator,
    )
    return averaged(decoded, odd_frames(CALM_SECONDS, codec.representation.frame_seconds)).chunk(len(codes))


def _stacked_conditions(conditions: Sequence[Conditions], needed: Sequence[str], n_frames: int) -> Conditions:
    """Return the needed conditions of several batches, concatenated; one value per frame if any changes over time."""
    found = {}
    for name in needed:
        rows = [each[name] for each in conditions if name in each]
        constant = all(row.shape[-1] == 1 for row in rows)
        if len(rows) == len(conditions):
            found[name] = torch.cat(rows if constant else [held(row, n_frames) for row in rows])
    return found


def decode_velocity(
    codec: Codec, codes: Codes, wanted: Conditions, velocity: float, *, generator: torch.Generator | None = None
) -> Tensor:
    """Return the change of the decoded features of a mixture from the velocity ``LOUDEST`` to another velocity.

    Only ``SOFTEST`` and ``LOUDEST`` are decoded, since a network that was trained on few velocities is unreliable
    between them. The change is interpolated linearly between the two, and constant below ``SOFTEST``.

    Args:
        codec: The codec, whose decoder is conditioned on the velocity.
        codes: Codes of the sounds and of their mixture.
        wanted: Conditions of the mixture; their velocity is replaced.
        velocity: MIDI velocity, 1 to 127.
        generator: Source of randomness, for models that draw samples.

    Returns:
        Difference of features, ``(batch · channels, n_features, n_frames)``, averaged over ``CALM_SECONDS``; 0 at
        ``LOUDEST``.
    """
    soft, loud = (
        codec.decode_features(
            codes.mixture,
            {**wanted, "velocity": torch.full_like(wanted["velocity"], played)},
            n_frames=codes.weights.shape[1],
            generator=generator,
        )
        for played in (SOFTEST, LOUDEST)
    )
    share = min(1.0, (LOUDEST - velocity) / (LOUDEST - SOFTEST))
    return share * averaged(soft - loud, odd_frames(CALM_SECONDS, codec.representation.frame_seconds))


def _correction_share(weights: Tensor) -> Tensor:
    """Return the share of the network's correction that each frame gets, ``(n_frames,)``, 0…1.

    The code of a note may be one vector, so its correction is computed for weights averaged over time. If the weights
    change, the correction is scaled by ``(1 − Σ wᵢ²) / (1 − Σ mean(wᵢ)²)``, at most 1: frames in which one sound has
    weight 1 get none. With constant weights the share is 1.
    """
    if bool((weights == weights[:, :1]).all()):
        return torch.ones(weights.shape[1])
    overall = (1 - weights.mean(1).square().sum()).abs().clamp_min(1e-9)
    return ((1 - weights.square().sum(0)).abs() / overall).clamp(max=1)


def _mixed_codes(codes: Sequence[Tensor], weights: Tensor, codec: Codec) -> Tensor:
    """Return the weighted sum of codes; weights over time are averaged over the frames of each latent vector."""
    if weights.ndim == 2:
        step, n_latents = codec.model.frames_per_latent, codes[0].shape[-1]
        if n_latents == 1:  # one latent vector represents the whole sound
            step = weights.shape[1]
        weights = weights_over_time(weights, n_latents * step).unflatten(-1, (n_latents, step)).mean(-1)
    rows = weights.to(codes[0])
    return torch.stack([row * code for row, code in zip(rows, codes, strict=True)]).sum(0)
