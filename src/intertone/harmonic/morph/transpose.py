"""Transposition of a harmonic sound: change of its levels, and further partials when it is transposed down."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import averaged, odd_frames
from intertone.harmonic.morph.phase import resting_phase
from intertone.harmonic.partials import count_partials
from intertone.harmonic.rows import FeatureRows
from intertone.harmonic.sound import SeparatedSound
from intertone.level import db_to_power, power_to_db
from intertone.pitch.continuity import clear_median
from intertone.pitch.stiffness import stretched

TOP_ROWS = 4
"""Number of the highest measured rows, which set the level of the rows above."""

LEAST_OCTAVES = 1e-6
"""Smallest transposition."""

CALM_SECONDS = 0.21
"""Window over which decoded levels are averaged."""

AUDIBLE = 0.4
"""Feature below which a decoded partial is inaudible: the training loss hardly constrains it."""


def transpose_sound(
    sound: SeparatedSound,
    target: Tensor,
    rows: FeatureRows,
    *,
    decoded: tuple[Tensor, Tensor] | None = None,
    share: float = 1.0,
) -> SeparatedSound:
    """Transpose one aligned sound to the pitch of its mixture: change its levels and add further partials.

    Its levels are replaced by those decoded at the new pitch; see ``_corrected``. At a lower pitch there are partials
    that were too high to be measured. Their levels are decoded, shifted to continue the highest measured rows; without
    a network they continue the slope of the top measured octave, and never rise. A bell has no further partials.

    Args:
        sound: The harmonic sound; it is returned as it is at its own pitch.
        target: f0 of the mixture, Hz, ``(n_frames,)``.
        rows: Of the representation.
        decoded: Features decoded at the pitch of the mixture and at the sound's own, ``(channels, n_features, n)``.
        share: Factor of the network's change.
    """
    own, n_rows = len(sound.multiples), rows.n_partial_rows
    octaves = math.log2(clear_median(target, sound.level) / sound.median_hz)
    wanted = 0 if sound.is_bell else count_partials(target, sound.inharmonicity, rows.config)
    further = octaves < 0 and wanted > own
    if abs(octaves) < LEAST_OCTAVES or (decoded is None and not further):
        return sound
    first = int(rows.row_of[own - 1]) + 1
    heard = rows.view(sound)
    beyond, moved = _falling(heard, first, rows), sound
    if decoded is not None:
        played = int(rows.row_of[(min(own, wanted) or own) - 1]) + 1
        measured = torch.tensor([*range(played), *range(n_rows, heard.shape[1])])
        change, join = _corrected(heard, *decoded, measured, 1 / (1 + abs(octaves)), rows, first=first)
        moved = rows.scaled(sound, share * _apart(target, sound, octaves, rows) * change)
        beyond = beyond + min(share, 1) * (decoded[0][:, first:n_rows] + join - beyond)
    if not further:
        return moved
    levels = torch.cat([heard[:, first - 1 : first], beyond], 1)[:, rows.row_of[own:wanted] - first + 1]
    return _extended(moved, rows.to_amplitudes(levels, sound.reference))


def _corrected(
    heard: Tensor, there: Tensor, here: Tensor, measured: Tensor, carried: float, rows: FeatureRows, *, first: int
) -> tuple[Tensor, Tensor]:
    """Return the change of features to those decoded at another pitch, and the level to be added to further rows.

    The level over time of the ``measured`` rows is the sound's own; ``carried`` is the weight of the decoding error at
    the sound's own pitch, which is added: a half for an octave.
    """
    level = rows.level(heard[:, measured])
    over_time = level - rows.level(there[:, measured])
    missed = heard - here - (level - rows.level(here[:, measured]))
    # partials that were audible and are no more have ended; inaudible ones far away are left to the network
    top = _top(heard, first)
    audible, ever = top.clamp_min(AUDIBLE), top.amax(-1, keepdim=True) > AUDIBLE
    join = over_time + carried * (audible - _top(here, first).clamp_min(AUDIBLE) - over_time)
    return there + over_time + carried * missed - heard, join + (top - audible) * torch.where(ever, 1.0, carried)


def _apart(target: Tensor, sound: SeparatedSound, octaves: float, rows: FeatureRows) -> Tensor:
    """Return how far the pitches are apart over time, 0…1 of how far they are on the whole, ``(n_frames,)``."""
    now = averaged((target / sound.f0).log2()[None], odd_frames(CALM_SECONDS, rows.config.frame_seconds))[0]
    return (now / octaves).clamp(0, 1).float()


def _top(features: Tensor, first: int) -> Tensor:
    """Return the mean of the highest measured rows, ``(channels, 1, n_frames)``."""
    return features[:, max(0, first - TOP_ROWS) : first].mean(1, keepdim=True)


def _falling(heard: Tensor, first: int, rows: FeatureRows) -> Tensor:
    """Return the rows above the measured ones, falling as these do."""
    octaves, top = _centres(rows).log2(), slice(max(0, first - TOP_ROWS), first)
    fall = _slope(rows.config.top_db * heard[:, :first], octaves[:first]) / rows.config.top_db
    return heard[:, top].mean(1, keepdim=True) + fall[:, None, None] * (octaves[first:] - octaves[top].mean())[:, None]


def _centres(rows: FeatureRows) -> Tensor:
    """Return the middle partial of each row."""
    edges = torch.tensor(rows.config.edges, dtype=torch.float32)
    return (edges[:-1] * (edges[1:] - 1)).sqrt()


def _slope(decibels: Tensor, octaves: Tensor) -> Tensor:
    """Return by how much the top measured octave falls, dB an octave, ``(channels,)``, <= 0."""
    some = octaves > min(float(octaves[-1]) - 1, float(octaves[max(0, len(octaves) - TOP_ROWS)])) - 1e-6
    if int(some.sum()) < 2:
        return torch.zeros(len(decibels))
    mean = power_to_db(db_to_power(decibels[:, some].double()).mean(-1))
    x = octaves[some].double() - octaves[some].double().mean()
    return ((mean * x).sum(-1) / x.square().sum()).clamp_max(0).float()


def _extended(sound: SeparatedSound, levels: Tensor) -> SeparatedSound:
    """Return a harmonic sound with further partials of amplitudes ``levels``, ``(channels, n, n_frames)``."""
    own, count = len(sound.multiples), len(sound.multiples) + levels.shape[1]
    still = torch.ones_like(levels, dtype=torch.complex64)
    return replace(
        sound,
        multiples=stretched(count, sound.inharmonicity),
        amplitude=torch.cat([sound.amplitude, levels], 1),
        phase=torch.cat([sound.phase, resting_phase(own + 1, count)[None, :, None].expand_as(levels)], 1),
        modulation=torch.cat([sound.modulation, still], 1),
        regular=torch.cat([sound.regular, still], 1),
    )
