"""The network's changes of timbre in a playable instrument: from key to key for each sound, and between sounds."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import averaged, odd_frames
from intertone.harmonic.morph.modulation import SeparatedSound
from intertone.harmonic.morph.transpose import CALM_SECONDS, transpose_sound
from intertone.harmonic.rows import FeatureRows
from intertone.harmonic.sound import HarmonicContext
from intertone.pitch.note import pitch_to_hz
from intertone.representation import Analysis

KEYS = tuple(range(24, 109, 6))
"""Keys at which the network's change of each sound is stored, MIDI numbers."""
PAD_KEYS = tuple(range(36, 85, 6))
"""Keys at which the network's correction between sounds is stored, MIDI numbers."""
PAD_STEPS = 5
"""Number of grid points along each side of the morph pad."""
STEP_SECONDS = 0.32
"""Length of the stretches over which the change of a sound is averaged, s."""
CHANGES_A_DB = 3
"""Number of quantisation steps of a stored change per dB; the largest change is 42.3 dB."""
PAD_COLUMNS = 4
"""Number of stretches of time over which the correction between sounds is averaged; it varies little over time."""


def pad_weights(x: float, y: float, count: int) -> list[float]:
    """Return the weights of 1 to 4 sounds at the position ``x``, ``y`` of the pad, 0…1 each.

    The weights are bilinear: sound 0 is at (0, 0), 1 at (1, 0), 2 at (0, 1), 3 at (1, 1). For two sounds only ``x`` is
    used. For three sounds, the weight of the missing corner is divided equally.

    Example:
        >>> pad_weights(0.25, 0.5, 2), pad_weights(1.0, 1.0, 3)
        ([0.75, 0.25], [0.3333333333333333, 0.3333333333333333, 0.3333333333333333])
    """
    if count == 1:
        return [1.0]
    if count == 2:
        return [1 - x, x]
    corners = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
    return corners if count == 4 else [corner + corners[3] / 3 for corner in corners[:3]]


def pad_grid(count: int, used: Sequence[int]) -> Tensor:
    """Return the weights of the used sounds at the grid points of the pad, normalised to a sum of 1, row by row.

    Args:
        count: Number of sounds of the instrument; for two sounds the grid has one row.
        used: Indices of the sounds whose weights are returned.

    Returns:
        Weights, ``(5 or 25, n_used)``; equal weights where those of all used sounds are 0.

    Example:
        >>> pad_grid(2, [0, 1])[1].tolist(), pad_grid(3, [0, 1])[20].tolist()
        ([0.75, 0.25], [0.5, 0.5])
    """
    last = PAD_STEPS - 1
    places = [(x / last, y / last) for y in range(1 if count == 2 else PAD_STEPS) for x in range(PAD_STEPS)]
    weights = torch.tensor([pad_weights(x, y, count) for x, y in places])[:, list(used)]
    total = weights.sum(1, keepdim=True)
    return torch.where(total > 1e-6, weights / total, 1 / len(used))


def register_changes(codec: Codec, analysis: Analysis[HarmonicContext], rows: FeatureRows) -> Tensor:
    """Return the change of the harmonic features of a sound when it is transposed to each of ``KEYS``, dB.

    Args:
        codec: A harmonic codec.
        analysis: Analysis of one sound from ``ByPartials.prepare``.
        rows: Rows of the representation.

    Returns:
        Changes, ``(n_keys, n_features, n_steps)``, averaged over the channels and over ``STEP_SECONDS``.
    """
    (sound,) = analysis.context.sounds
    assert isinstance(sound, SeparatedSound)
    targets = [sound.f0 * (pitch_to_hz(float(key)) / sound.median_hz) for key in KEYS]
    decoded = _decoded(codec, analysis, [sound.f0, *targets])
    own = rows.view(sound)
    found = []
    for target, there in zip(targets, decoded[1:], strict=True):
        moved = transpose_sound(sound, target, rows, decoded=(there, decoded[0]))
        found.append(_in_steps(rows.view(moved) - own, rows).mean(0))
    return rows.config.top_db * torch.stack(found)


def pad_corrections(codec: Codec, aligned: Sequence[Analysis[HarmonicContext]], grid: Tensor) -> Tensor:
    """Return the network's correction of interpolated features at the grid points of the pad, dB.

    It is ``D(Σ wᵢzᵢ) − Σ wᵢD(zᵢ)`` at each of ``PAD_KEYS``, averaged over the channels and over quarters of the time.

    Args:
        codec: A harmonic codec.
        aligned: Analyses of two to four aligned sounds.
        grid: Weights of these sounds at each grid point, from ``pad_grid``.

    Returns:
        Corrections, ``(n_pad_keys, n_places, n_features, 4)``.
    """
    config = codec.config.representation
    codes = torch.stack([codec.encode_features(one.features, one.context.conditions) for one in aligned])
    blended = torch.einsum("ps,s...->p...", grid, codes)
    inside = [place for place, row in enumerate(grid) if bool((row < 1).all())]
    sounding = torch.stack([one.features for one in aligned]).amax(0) > 0
    n_frames, (sound,) = sounding.shape[-1], aligned[0].context.sounds
    found = []
    for key in PAD_KEYS:
        target = torch.full_like(sound.f0, pitch_to_hz(float(key)))
        own = torch.stack([_decode(codec, code, aligned[0], target, n_frames) for code in codes])
        change = torch.zeros(len(grid), *own[0].shape)
        for place in inside:
            mixture = _decode(codec, blended[place], aligned[0], target, n_frames)
            change[place] = (mixture - torch.einsum("s,s...->...", grid[place], own)) * sounding
        parts = torch.tensor_split(change.mean(1), PAD_COLUMNS, -1)
        found.append(torch.stack([part.mean(-1) if part.shape[-1] else change[:, 0, :, -1] for part in parts], -1))
    return getattr(config, "top_db", 1.0) * torch.stack(found)


def pack_changes(decibels: Tensor) -> Tensor:
    """Return changes of levels, dB, as bytes in steps of 1/3 dB."""
    return (CHANGES_A_DB * decibels).round().clamp(-127, 127).to(torch.int8)


def _decoded(codec: Codec, analysis: Analysis[HarmonicContext], targets: Sequence[Tensor]) -> list[Tensor]:
    """Return the features of a sound decoded at each target f0 (Hz per frame), averaged over ``CALM_SECONDS``."""
    code = codec.encode_features(analysis.features, analysis.context.conditions)
    return [_decode(codec, code, analysis, target, analysis.features.shape[-1]) for target in targets]


def _decode(codec: Codec, code: Tensor, like: Analysis[HarmonicContext], target: Tensor, n_frames: int) -> Tensor:
    (sound,) = like.context.sounds
    wanted = replace(like.context, sounds=(replace(sound, f0=target),))
    decoded = codec.decode_features(code, wanted.conditions, n_frames=n_frames)
    return averaged(decoded, odd_frames(CALM_SECONDS, codec.representation.frame_seconds)).cpu().float()


def _in_steps(values: Tensor, rows: FeatureRows) -> Tensor:
    """Return values averaged over ``STEP_SECONDS``, ``(..., n_steps)``."""
    size = max(1, round(STEP_SECONDS / rows.config.frame_seconds))
    return torch.stack([part.mean(-1) for part in values.split(size, -1)], -1)
