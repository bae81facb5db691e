"""Harmonic images brought to one time, each with what goes along."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from intertone.curve import at_positions, weights_over_time
from intertone.harmonic.morph.landmark import Alignment, find_landmarks, mix_landmarks, positions, settle_releases
from intertone.harmonic.morph.match import match_partials
from intertone.harmonic.morph.mix import mix_ramps, residual_shares, retime_sound
from intertone.harmonic.morph.sustain import sustain_landmarks, sustain_sound, sustained_positions
from intertone.harmonic.sound import HarmonicContext, HarmonicSound
from intertone.harmonic.synthesis import Synthesiser


@dataclass(frozen=True)
class Plan:
    """How several sounds share one time.

    Attributes:
        samples: Of all together.
        onset: Of all together, samples.
        maps: For each sound, which of its frames belongs to each of so many frames.
        releases: For each sound, the frame at which its own release begins.
    """

    samples: int
    onset: int
    maps: Sequence[Callable[[int], Tensor]]
    releases: Sequence[float]


Images = Sequence[tuple[Tensor, HarmonicContext]]


def align_images(
    images: Images,
    weights: Tensor,
    player: Synthesiser,
    *,
    ratios: Mapping[str, Tensor],
    alignment: Alignment,
    hold_seconds: float | None,
) -> list[tuple[Tensor, HarmonicContext]]:
    """Bring sounds to one time; see ``HarmonicRepresentation.align``.

    Args:
        images: Features and context of each, from ``settle``; equal batches and channels.
        weights: ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``.
        player: Of the representation.
        ratios: Weights of single attributes.
        alignment: What is laid over what.
        hold_seconds: From onset to release.

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
        swell = _swell(tracks, full)
        for index, track in enumerate(tracks):
            places = plan.maps[index](n_frames)
            one = retime_sound(
                track, places, itself[index], share[index],
                samples=longest, onset=plan.onset, hop_length=hop, sample_rate=rate,
            )  # fmt: skip
            if hold_seconds is not None:
                one = sustain_sound(one, track, places, plan.releases[index])
            one = replace(one, rise=rise, fall=fall, swell=swell)
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


def _swell(tracks: Sequence[HarmonicSound], weights: Tensor) -> Tensor | None:
    """Return how the reference of a mixture, that of the mean weights, goes from one sound's to another's."""
    if bool((weights == weights[:, :1]).all()):
        return None
    levels = torch.tensor([math.log(track.reference) for track in tracks], dtype=torch.float64)
    return (levels @ (weights - weights.mean(1, keepdim=True))).exp().float()


def _heard(places: Tensor, n_frames: int, plan: Plan, longest: int, hop_length: int) -> Tensor:
    """Return in which frames there is something of a sound: within itself, and within its mixture."""
    heard = (places >= 0) & (places <= n_frames - 1)
    if plan.samples < longest:  # another mixture of the batch goes on
        heard &= torch.arange(len(places)) * hop_length < plan.samples - plan.onset
    return heard


def plan_time(
    tracks: Sequence[HarmonicSound],
    levels: Sequence[Tensor],
    weights: Sequence[float],
    alignment: Alignment,
    *,
    at_start: Sequence[float],
    hop_length: int,
    hold_frames: float | None = None,
) -> Plan:
    """Plan the time that sounds share.

    Args:
        tracks: Of each sound.
        levels: Of each sound, dB, frame by frame from its onset on, ``(n_frames,)``.
        weights: How much each counts, summing to 1.
        alignment: ``none``, ``onset``, or ``envelope``: attack, sustain and release.
        at_start: How much each counts at the onset, where weights change over time: the attack is theirs.
        hop_length: Samples from one frame to the next.
        hold_frames: From onset to release, with ``envelope``; as interpolated if not given.

    Returns:
        The plan.

    Raises:
        ValueError: If a sound that is held is not laid by its envelope.
    """
    if hold_frames is not None and alignment != "envelope":
        raise ValueError(f"a sound that is held must be aligned by its envelope, got {alignment}")
    bodies = [track.samples - track.onset for track in tracks]
    ends = [body / hop_length for body in bodies]
    onset = _common_onset(tracks, weights, alignment)
    if alignment != "envelope":
        late = [(track.onset - onset) / hop_length * (alignment == "none") for track in tracks]
        samples = _longest(tracks, weights, alignment, onset)
        return Plan(samples, onset, [partial(_shifted, shift=frames) for frames in late], ends)
    marks = settle_releases([find_landmarks(level, end) for level, end in zip(levels, ends, strict=True)])
    common = mix_landmarks(marks, weights)
    common = replace(common, attack=min(mix_landmarks(marks, at_start).attack, common.release))
    maps: list[Callable[[int], Tensor]] = [partial(positions, own, common) for own in marks]
    if hold_frames is not None:
        common = sustain_landmarks(common, hold_frames)
        maps = [
            partial(sustained_positions, own, common, level, track.f0)
            for own, level, track in zip(marks, levels, tracks, strict=True)
        ]
    return Plan(onset + max(1, round(common.end * hop_length)), onset, maps, [own.release for own in marks])


def common_span(
    tracks: Sequence[HarmonicSound],
    weights: Sequence[float],
    alignment: Alignment,
    *,
    held_samples: float | None = None,
) -> tuple[int, float]:
    """Return where sounds begin and end together, samples, without looking for their landmarks.

    Args:
        tracks: Of each sound.
        weights: How much each counts, summing to 1.
        alignment: As for ``plan_time``.
        held_samples: From onset to release; then the end is that of the sustain.

    Returns:
        ``(onset, end)``.
    """
    onset, bodies = _common_onset(tracks, weights, alignment), [track.samples - track.onset for track in tracks]
    if alignment != "envelope":
        return onset, _longest(tracks, weights, alignment, onset)
    between = max(sum(weight * body for weight, body in zip(weights, bodies, strict=True)), 0.1 * min(bodies))
    return onset, onset + (between if held_samples is None else held_samples)


def _common_onset(tracks: Sequence[HarmonicSound], weights: Sequence[float], alignment: Alignment) -> int:
    if alignment == "none":  # the earliest that is heard
        return min(track.onset for weight, track in zip(weights, tracks, strict=True) if weight)
    return max(0, round(sum(weight * track.onset for weight, track in zip(weights, tracks, strict=True))))


def _longest(tracks: Sequence[HarmonicSound], weights: Sequence[float], alignment: Alignment, onset: int) -> int:
    """Return the length of what is not bent, samples: of the longest sound that counts."""
    heard = [track for weight, track in zip(weights, tracks, strict=True) if weight]
    return max(track.samples if alignment == "none" else onset + track.samples - track.onset for track in heard)


def _shifted(n_frames: int, shift: float = 0.0) -> Tensor:
    return torch.arange(n_frames, dtype=torch.float64) - shift
