"""Alignment of harmonic sounds in time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import at_positions, weights_over_time
from intertone.harmonic.morph.duration import Plan, plan_time
from intertone.harmonic.morph.landmark import Alignment
from intertone.harmonic.morph.match import match_partials
from intertone.harmonic.morph.mix import mix_ramps, residual_shares, retime_sound
from intertone.harmonic.morph.sustain import sustain_sound
from intertone.harmonic.sound import Analysed, HarmonicContext, HarmonicSound
from intertone.harmonic.synthesis import Synthesiser


def align_sounds(
    images: Analysed,
    weights: Tensor,
    player: Synthesiser,
    *,
    ratios: Mapping[str, Tensor],
    alignment: Alignment,
    hold_seconds: float | None,
) -> list[tuple[Tensor, HarmonicContext]]:
    """Bring sounds to one time; see ``HarmonicRepresentation.align``.

    Args:
        images: Features and context of each, from ``separate_modulation``; equal batches and channels.
        weights: ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``.
        player: Synthesiser of the representation.
        ratios: Weights of single attributes.
        alignment: Parts that coincide.
        hold_seconds: Time from onset to release.

    Returns:
        Features and context of each, of equal length.
    """
    hop, rate = player.config.hop_length, player.sample_rate
    timing = ratios.get("envelope", weights).double().reshape(len(images), -1)
    overall, at_start, at_end = (each.tolist() for each in (timing.mean(1), timing[:, 0], timing[:, -1]))
    images = match_partials(images, player.config.n_harmonics)
    shown = [features.detach().cpu().float().unflatten(0, (len(one.tracks), -1)) for features, one in images]
    mixtures = [list(tracks) for tracks in zip(*(context.tracks for _, context in images), strict=True)]
    plans = [
        plan_time(
            tracks,
            [player.rows.level(image[item]).amax((0, 1)) * player.config.top_db for image in shown],
            overall,
            alignment,
            at_start=at_start,
            hop_length=hop,
            hold_frames=hold_seconds and hold_seconds * rate / hop,
        )
        for item, tracks in enumerate(mixtures)
    ]
    longest = max(plan.samples for plan in plans)
    n_frames = player.n_frames(longest)
    full, noisy = (weights_over_time(each, n_frames) for each in (weights, ratios.get("noise", weights)))
    moved: list[list[tuple[Tensor, HarmonicSound]]] = [[] for _ in images]
    for item, (tracks, plan) in enumerate(zip(mixtures, plans, strict=True)):
        itself, share = residual_shares(tracks, full)[0], residual_shares(tracks, noisy)[1]
        rise = mix_ramps([track.rise for track in tracks], at_start)
        fall = mix_ramps([track.fall for track in tracks], at_end)
        gain_curve = _gain_curve(tracks, full)
        for index, track in enumerate(tracks):
            places = plan.maps[index](n_frames)
            one = retime_sound(
                track, places, itself[index], share[index],
                samples=longest, onset=plan.onset, hop_length=hop, sample_rate=rate,
            )  # fmt: skip
            if hold_seconds is not None:
                one = sustain_sound(one, track, places, plan.releases[index])
            one = replace(one, rise=rise, fall=fall, gain_curve=gain_curve)
            image = shown[index][item]
            heard = _heard(places, image.shape[-1], plan, longest, hop)
            moved[index].append((at_positions(image, places) * heard, one))
    return [
        (
            torch.cat([image for image, _ in some]).to(features.device),
            replace(context, tracks=tuple(track for _, track in some), edited=True),
        )
        for some, (features, context) in zip(moved, images, strict=True)
    ]


def _gain_curve(tracks: Sequence[HarmonicSound], weights: Tensor) -> Tensor | None:
    """Return the gain over time of weights that change, relative to the reference at their mean."""
    if bool((weights == weights[:, :1]).all()):
        return None
    levels = torch.tensor([math.log(track.reference) for track in tracks], dtype=torch.float64)
    return (levels @ (weights - weights.mean(1, keepdim=True))).exp().float()


def _heard(places: Tensor, n_frames: int, plan: Plan, longest: int, hop_length: int) -> Tensor:
    """Return the frames within the sound and within its mixture."""
    heard = (places >= 0) & (places <= n_frames - 1)
    if plan.samples < longest:  # another mixture of the batch goes on
        heard &= torch.arange(len(places)) * hop_length < plan.samples - plan.onset
    return heard
