"""Transposition of a harmonic sound: change of its levels, and further partials when it is transposed down."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from intertone.curve import averaged
from intertone.harmonic.morph.modulation import INAUDIBLE
from intertone.harmonic.morph.phase import resting_phase
from intertone.harmonic.partials import count_partials
from intertone.harmonic.rows import ImageRows
from intertone.harmonic.sound import Analysed, HarmonicContext, HarmonicSound
from intertone.level import db_to_amplitude, db_to_power, power_to_db

TOP_ROWS = 4
"""Number of the highest measured rows, which set the level of the rows above."""

LEAST_OCTAVES = 1e-6
"""Smallest transposition."""

CALM_FRAMES = 21
"""Frames over which levels of partials and decoded levels are averaged."""

FAINT_DB = 10.0
"""A partial that is weaker than its row in the features by this much counts as noise."""

EXPANSION = 3.0
"""Factor of the decibels by which a decoded partial lies below audibility."""


def transpose_sounds(
    images: Analysed,
    context: HarmonicContext,
    rows: ImageRows,
    decoded: Sequence[tuple[Tensor, Tensor]] | None,
    share: float,
) -> Analysed:
    """Bring aligned sounds to the pitch of their mixture, ``context``; see ``transpose_sound``."""
    moved = []
    for index, (features, own) in enumerate(images):
        shape = (len(own.tracks), -1)
        shown = features.detach().cpu().float().unflatten(0, shape)
        given = decoded and [each.detach().cpu().float().unflatten(0, shape) for each in decoded[index]]
        found = [
            transpose_sound(
                image, track, target, rows, decoded=(given[0][item], given[1][item]) if given else None, share=share
            )
            for item, (image, track, target) in enumerate(zip(shown, own.tracks, context.tracks, strict=True))
        ]
        tracks = tuple(track for _, track in found)
        if any(new is not old for new, old in zip(tracks, own.tracks, strict=True)):
            own = replace(own, tracks=tracks)
        moved.append((torch.cat([image for image, _ in found]).to(features.device), own))
    return moved


def transpose_sound(
    image: Tensor,
    track: HarmonicSound,
    target: HarmonicSound,
    rows: ImageRows,
    *,
    decoded: tuple[Tensor, Tensor] | None = None,
    share: float = 1.0,
) -> tuple[Tensor, HarmonicSound]:
    """Transpose one sound to the pitch of its mixture.

    Its features are replaced by those decoded at the new pitch, with the sound's own level over time. The error of the
    decoded features at the sound's own pitch is added, with a weight that decreases with the interval: a half for an
    octave.

    At a lower pitch there are partials that were too high to be measured. Their levels are decoded, shifted
    to continue the highest measured rows; without a network they continue the slope of the top measured octave, and
    never rise. Their phases are constant.

    Args:
        image: Features, aligned, ``(channels, n_features, n_frames)``.
        track: Its harmonic sound.
        target: The harmonic sound of the mixture, of which only the pitch matters.
        rows: Of the representation.
        decoded: Features of the sound decoded at the pitch of the mixture and at its own, each like ``image``.
        share: Factor of the network's change.

    Returns:
        Features and harmonic sound; a bell has no further partials, and a sound at its own pitch is returned as it is.
    """
    own, n_rows = track.phase.shape[1], rows.n_partial_rows
    first, wanted = int(rows.row_of[own - 1]) + 1, count_partials(target.f0, target.inharmonicity, rows.config)
    octaves = float((target.f0.median() / track.f0.median()).log2())
    further = track.ratios is None and octaves < 0 and wanted > own
    if abs(octaves) < LEAST_OCTAVES or (decoded is None and not further):
        return image, track
    fainter = _fainter(track, rows, first)
    heard = image + fainter
    moved, beyond = image, _falling(heard, first, rows)
    if decoded is not None:
        there, here = decoded
        played = int(rows.row_of[min(own, wanted) - 1]) + 1
        measured = [*range(played), *range(n_rows, image.shape[1])]
        level = rows.level(heard[:, measured])
        carried = 1 / (1 + abs(octaves))
        missed = heard - here - (level - rows.level(here[:, measured]))
        over_time = level - rows.level(there[:, measured])
        track = _calmer(track, fainter, rows, carried)
        change = share * _apart(target, track, octaves) * (there + over_time + carried * missed - heard)
        moved = heard + change - _fainter(track, rows, first)
        moved = torch.cat([torch.where(image > 0, moved, 0)[:, :n_rows], moved[:, n_rows:]], 1)
        top = _top(heard, first)
        # partials that were audible and are no more have ended; inaudible ones far away are left to the network
        ended = (top - top.clamp_min(INAUDIBLE)) * torch.where(top.amax(-1, keepdim=True) > INAUDIBLE, 1.0, carried)
        join = over_time + carried * (top.clamp_min(INAUDIBLE) - _top(here, first).clamp_min(INAUDIBLE) - over_time)
        join = join + ended
        beyond = beyond + min(share, 1) * (_expanded(there[:, first:n_rows] + join) - beyond)
    if not further:
        return moved, track
    # inaudible rows must not pull a mixture below audibility: they count at the threshold, and a gain restores them
    shown = torch.where(image[:, first:n_rows] > 0, beyond.clamp_min(INAUDIBLE), 0)
    moved = torch.cat([moved[:, :first], shown, moved[:, n_rows:]], 1)
    faint = torch.cat([_fainter(track, rows, first)[:, first - 1 : first], (beyond - shown).clamp_max(0)], 1)
    gains = _gains(faint[:, (rows.row_of[own:wanted] - first + 1).clamp_min(0)], rows)
    return moved, _extended(track, gains.float())


def _apart(target: HarmonicSound, track: HarmonicSound, octaves: float) -> Tensor:
    """Return how far the pitches are apart over time, 0…1 of how far they are on the whole, ``(n_frames,)``."""
    n_frames = track.phase.shape[-1]
    now = averaged((target.f0[:n_frames] / track.f0[:n_frames]).log2()[None], CALM_FRAMES)[0]
    return (now / octaves).clamp(0, 1).float()


def _fainter(track: HarmonicSound, rows: ImageRows, first: int) -> Tensor:
    """Return the smoothed amplitude modulation of measured partials, in features, <= 0 where they are weaker."""
    n_frames = track.phase.shape[-1]
    fainter = torch.zeros(len(track.phase), rows.config.n_features, n_frames)
    if track.amplitude_modulation is None:
        return fainter
    row_of = rows.row_of[: track.phase.shape[1]]
    power = torch.zeros(len(fainter), first, n_frames).index_add(1, row_of, track.amplitude_modulation.square())
    power = power / row_of.bincount()[:, None]
    power = avg_pool1d(pad(power, (CALM_FRAMES // 2,) * 2, mode="replicate"), CALM_FRAMES, 1)
    fainter[:, :first] = (power_to_db(power + 1e-30) / rows.config.top_db).clamp_min(-INAUDIBLE)
    return fainter


def _calmer(track: HarmonicSound, fainter: Tensor, rows: ImageRows, carried: float) -> HarmonicSound:
    """Return a harmonic sound with less modulation of faint partials, which is noise."""
    if track.amplitude_modulation is None or track.phase_deviation is None:
        return track
    row_of = rows.row_of[: track.phase.shape[1]]
    audible = (1 + fainter[:, row_of] * rows.config.top_db / FAINT_DB).clamp(0, 1)
    kept = audible + carried * (1 - audible)
    least = 2 * (1 - carried) * db_to_amplitude(-INAUDIBLE * rows.config.top_db)
    return replace(
        track,
        amplitude_modulation=track.amplitude_modulation.clamp_min(least) ** kept,
        phase_deviation=track.phase_deviation * kept,
    )


def _gains(features: Tensor, rows: ImageRows) -> Tensor:
    return db_to_amplitude(features * rows.config.top_db)


def _expanded(features: Tensor) -> Tensor:
    """Return features with inaudible values lowered: the training loss hardly constrains them."""
    return torch.where(features < INAUDIBLE, INAUDIBLE - EXPANSION * (INAUDIBLE - features), features)


def _top(features: Tensor, first: int) -> Tensor:
    """Return the mean of the highest measured rows, ``(channels, 1, n_frames)``."""
    return features[:, max(0, first - TOP_ROWS) : first].mean(1, keepdim=True)


def _falling(heard: Tensor, first: int, rows: ImageRows) -> Tensor:
    """Return the rows above the measured ones, falling as these do."""
    octaves, top = _centres(rows).log2(), slice(max(0, first - TOP_ROWS), first)
    fall = _slope(rows.config.top_db * heard[:, :first], octaves[:first]) / rows.config.top_db
    return heard[:, top].mean(1, keepdim=True) + fall[:, None, None] * (octaves[first:] - octaves[top].mean())[:, None]


def _centres(rows: ImageRows) -> Tensor:
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


def _extended(track: HarmonicSound, gains: Tensor) -> HarmonicSound:
    """Return a harmonic sound with further partials of gains ``gains``, ``(channels, n, n_frames)``."""
    channels, own, n_frames = track.phase.shape
    rest = resting_phase(own + 1, own + gains.shape[1])[None, :, None].expand(channels, -1, n_frames)
    still = torch.zeros_like(gains)

    def longer(values: Tensor | None, usual: float, more: Tensor) -> Tensor:
        return torch.cat([torch.full_like(track.phase, usual) if values is None else values, more], 1)

    return replace(
        track,
        phase=torch.cat([track.phase, rest], 1),
        detail=torch.cat([track.detail, still[..., 0]], 1),
        power=None if track.power is None else torch.cat([track.power, still[..., 0]], 1),
        amplitude_modulation=longer(track.amplitude_modulation, 1.0, gains),
        phase_deviation=longer(track.phase_deviation, 0.0, still),
        tonality=longer(track.tonality, 1.0, still + 1),
    )
