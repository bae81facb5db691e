"""Has a sound one pitch that an analysis by partials may follow? The measure, and what else speaks against it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from intertone.harmonic.rows import SILENCE, FeatureRows, HarmonicConfig
from intertone.harmonic.sound import HarmonicContext, HarmonicSound
from intertone.level import TINY, power_to_db

Reason = Literal["one pitch", "silence", "noise", "several pitches", "a stroke whose pitch moves"]
"""Result for a sound. A bell whose partials were found has one pitch; others that are not harmonic have several."""

LEAST_MEASURE = 0.84
"""Sounds of less have no pitch."""

PERIODIC = 0.65
"""Periodicity from which they have several rather than none."""

ROOT_DB = 20.0
"""A chord's first partial, at the common divisor of its pitches, is so much weaker than the strongest one at least."""

HOLE_DB, N_HOLES = 15.0, 2
"""Depth and number of a chord's holes: partials that are weaker than their neighbours below and above."""

N_ORDERS = 13
"""Partials among which holes are looked for: the second to this one."""

KNOCK_SECONDS = 0.1
"""Beginning that is left out, where a hammer's knock fills the holes."""

STROKE_SECONDS, STROKE_SEMITONES = 0.4, 0.6
"""A stroke has nine tenths of its energy in so short a time; its pitch moves if it deviates so far from its mean."""


@dataclass(frozen=True)
class Recognition:
    """Whether a sound has one pitch, and why not.

    Attributes:
        pitched: Whether it has one pitch.
        measure: 0…1, see ``recognise``.
        reason: The result in words.
    """

    pitched: bool
    measure: float
    reason: Reason


def recognise(features: Tensor, context: HarmonicContext, config: HarmonicConfig) -> tuple[Recognition, ...]:
    """Decide for each sound of a batch, from ``HarmonicRepresentation.analyse``, whether it has one pitch.

    The measure, the harmonicity, is ``1 − √((1 − p)·max(1 − p, 1 − h))``: ``p`` is the periodicity, the share of the
    energy that repeats after the period that was found, and ``h`` the share of the energy of the features in the
    partials. Below 0.84 a sound has no pitch: it is noise where ``p`` is below 0.65, else it has several pitches, or
    partials that are not harmonic.

    Two kinds have a period and no pitch of their own. A chord repeats after a common multiple of its periods: it has
    partials at multiples of three and four, say, but the first is at least 20 dB weaker than the strongest, and two
    or more of the others are 15 dB weaker than their neighbours; the first 0.1 s do not count. And a drum's pitch
    falls: nine tenths of its energy come within 0.4 s, and meanwhile the pitch deviates from its mean by 0.6 semitones
    or more. A slide or vibrato that is held is no drum.

    A bell has no period: where inharmonic partials were found, the measure is ``h``, and nothing else is tested.

    Example:
        >>> from intertone.representation.harmonic import HarmonicRepresentation
        >>> config = HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600)
        >>> tone = torch.sin(0.2 * torch.arange(8000)) + torch.sin(0.4 * torch.arange(8000))
        >>> noise = torch.randn(8000, generator=torch.Generator().manual_seed(0))
        >>> sounds = torch.stack([tone, noise])[:, None]
        >>> [one.reason for one in recognise(*HarmonicRepresentation(config).analyse(sounds), config)]
        ['one pitch', 'noise']
    """
    rows = FeatureRows(config)
    each = features.detach().cpu().float().split(len(features) // len(context.sounds))
    found = zip(each, context.sounds, context.periodicity, strict=True)
    return tuple(_recognise_one(own, sound, periodicity, rows) for own, sound, periodicity in found)


def _recognise_one(features: Tensor, sound: HarmonicSound, periodicity: float, rows: FeatureRows) -> Recognition:
    count, n_rows = len(sound.multiples), rows.n_partial_rows
    edges = [min(edge, count + 1) for edge in rows.config.edges]
    widths = torch.tensor([after - before for before, after in pairwise(edges)])
    squares = rows.to_amplitudes(features, sound.reference).double().square().sum(0)
    partials, noise = squares[:n_rows] * widths[:, None], squares[n_rows:]
    energy = partials.sum(0) + noise.sum(0)
    if sound.reference <= SILENCE:
        return Recognition(False, 0.0, "silence")
    away, rest = 1 - periodicity, float(noise.sum() / energy.sum())
    if sound.is_bell:
        pitched = 1 - rest >= LEAST_MEASURE
        return Recognition(pitched, 1 - rest, "one pitch" if pitched else "several pitches")
    measure = 1 - (away * max(away, rest)) ** 0.5
    if measure < LEAST_MEASURE:
        return Recognition(False, measure, "noise" if periodicity < PERIODIC else "several pitches")
    rate = rows.config.sample_rate / rows.config.hop_length
    late = partials[: min(count, rows.config.n_harmonics), round(KNOCK_SECONDS * rate) :]
    if late.shape[1] and has_holes(late.sum(1)):
        return Recognition(False, measure, "several pitches")
    if _is_stroke(energy, sound.f0, rows.config):
        return Recognition(False, measure, "a stroke whose pitch moves")
    return Recognition(True, measure, "one pitch")


def has_holes(power: Tensor) -> bool:
    """Return whether partials are missing as they are in a chord.

    A hole is a partial that is 15 dB weaker than the stronger one of the next two, and than the stronger one of the
    two before. Below the first partial that comes within 20 dB of the strongest, the next two alone count.

    Args:
        power: Of each partial, ``(n_partials,)``.
    """
    known = torch.nn.functional.pad(power, (0, max(0, N_ORDERS + 2 - len(power))))[: N_ORDERS + 2]
    level = power_to_db(known / power.max().clamp_min(TINY) + TINY)
    if level[0] > -ROOT_DB:
        return False
    own, above = level[1:N_ORDERS], torch.maximum(level[2:-1], level[3:])
    before = torch.maximum(level[: N_ORDERS - 1], torch.cat([level[:1], level[: N_ORDERS - 2]]))
    lowest = level.cummax(0).values[: N_ORDERS - 1] < -ROOT_DB
    below = torch.where(lowest, above, before)
    return int((torch.minimum(above, below) - own > HOLE_DB).sum()) >= N_HOLES


def _is_stroke(energy: Tensor, f0: Tensor, config: HarmonicConfig) -> bool:
    """Return whether the sound is short and its pitch moves."""
    frames = int((energy.cumsum(0) < 0.9 * energy.sum()).sum()) + 1
    if frames * config.hop_length / config.sample_rate >= STROKE_SECONDS:
        return False
    weights, semitones = energy / energy.sum(), 12 * f0[: len(energy)].log2()
    mean = (weights * semitones).sum()
    return float((weights * (semitones - mean).square()).sum().sqrt()) >= STROKE_SEMITONES
