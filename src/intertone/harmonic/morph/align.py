"""Alignment of harmonic sounds in time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import weights_over_time
from intertone.harmonic.morph.duration import Plan, plan_time
from intertone.harmonic.morph.landmark import Alignment, mix_ramps
from intertone.harmonic.morph.match import match_partials
from intertone.harmonic.morph.mix import residual_shares, retime_sound
from intertone.harmonic.morph.sustain import sustain_sound
from intertone.harmonic.morph.transient import transient_levels, transient_shares
from intertone.harmonic.onset import attack_share
from intertone.harmonic.sound import SeparatedSound
from intertone.harmonic.synthesis import Synthesiser
from intertone.level import db_to_amplitude


def align_sounds(
    mixtures: Sequence[Sequence[SeparatedSound]],
    weights: Tensor,
    synthesiser: Synthesiser,
    *,
    ratios: Mapping[str, Tensor],
    alignment: Alignment,
    hold_seconds: float | None,
) -> list[list[SeparatedSound]]:
    """Bring the sounds of each mixture of a batch to one time; all are of equal length then.

    Args:
        mixtures: The sounds of each mixture, from ``separate_modulation``, with equal channels.
        weights: ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``.
        synthesiser: That of the representation.
        ratios: Weights of single attributes.
        alignment: Parts that coincide.
        hold_seconds: Time from onset to release.
    """
    timing = ratios.get("envelope", weights).double().reshape(len(mixtures[0]), -1)
    mean, first = timing.mean(1).tolist(), timing[:, 0].tolist()
    hold_frames = hold_seconds and hold_seconds * synthesiser.sample_rate / synthesiser.config.hop_length
    matched = [match_partials(sounds, synthesiser.rows) for sounds in mixtures]
    plans = [
        plan_time(sounds, mean, alignment, synthesiser.rows, at_start=first, hold_frames=hold_frames)
        for sounds in matched
    ]
    longest = max(plan.samples for plan in plans)
    both = weights, ratios.get("noise", weights)
    full, noisy = (weights_over_time(each, synthesiser.n_frames(longest)) for each in both)
    return [
        _align(sounds, plan, synthesiser, longest, full, noisy, timing, sustained=hold_seconds is not None)
        for sounds, plan in zip(matched, plans, strict=True)
    ]


def _align(
    sounds: Sequence[SeparatedSound],
    plan: Plan,
    synthesiser: Synthesiser,
    longest: int,
    full: Tensor,
    noisy: Tensor,
    timing: Tensor,
    *,
    sustained: bool,
) -> list[SeparatedSound]:
    """Return the sounds of one mixture on the time of its plan, ``longest`` samples long."""
    hop, n_frames = synthesiser.config.hop_length, full.shape[1]
    itself, share = residual_shares(sounds, full, noisy)
    times = [places(n_frames) for places in plan.maps]
    late = [float(places[0]) < 0 for places in times]
    if not any(late) and all(len(sound.residuals) == 1 for sound in sounds):
        frame_seconds = synthesiser.config.frame_seconds
        share = share + attack_share(n_frames, frame_seconds) * (transient_shares(sounds, noisy, frame_seconds) - share)
    ends = [[sound.ramps[end] for sound in sounds] for end in (0, 1)]
    ramps = torch.stack([mix_ramps(ramps, timing[:, -end].tolist()) for end, ramps in enumerate(ends)])
    aligned = []
    for index, sound in enumerate(sounds):
        places, end = times[index], (sound.samples - sound.onset) / hop
        heard, release, last = (places >= 0).double(), round(plan.releases[index]), math.floor(end)
        if release < last and not torch.equal(places, torch.arange(n_frames)):  # a release falls on beyond its end
            fall = (sound.level[release] - sound.level[last]).clamp(min=0) / (last - release)
            heard *= db_to_amplitude(-fall * (places - end).clamp(min=0))
            places = places.clamp(max=end)
        one = retime_sound(
            sound, places, itself[index], share[index], synthesiser.config, samples=longest, onset=plan.onset
        )
        if sustained:
            one = sustain_sound(one, sound, places, plan.releases[index])
        heard *= places <= sound.amplitude.shape[-1] - 1
        if plan.samples < longest:  # another mixture of the batch goes on
            heard *= torch.arange(n_frames) * hop < plan.samples - plan.onset
        one = replace(one, ramps=ramps, amplitude=one.amplitude * heard.float(), noise=one.noise * heard.float())
        aligned.append(replace(one, transient=transient_levels(one, synthesiser)) if late[index] else one)
    return aligned
