"""A mesh of codes of two or three numbers: each is decoded to one spectrum, and measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.level import db_to_amplitude
from intertone.metrics.descriptor import centroid_and_spread, flatness_db
from intertone.models.contract import NO_CONDITIONS, Conditions

Range = tuple[float, float]
"""Least and largest value."""

MESH_POINTS = 350**2
"""Codes of a mesh, in all planes together; the mesh of Colonel and Keene (2020)."""

N_PLANES = 5
"""Planes that are shown of a space of three numbers, evenly through the range of the third."""

CODES_AT_ONCE = 2048
"""Codes that are decoded together: their spectra take some 20 MB."""


@dataclass(frozen=True)
class Plane:
    """A plane through the space of codes, as a square mesh.

    Attributes:
        third: The third number of all codes of the plane; None: codes have only two.
        centroid: Log2 of the spectral centroid in Hz, ``(n, n)``: the second number rises from row to row, the first
            from column to column; NaN where the spectrum is empty.
        spread: Standard deviation of log2 frequency, octaves.
        flatness: Spectral flatness, dB.
    """

    third: float | None
    centroid: Tensor
    spread: Tensor
    flatness: Tensor


def can_mesh(codec: Codec) -> bool:
    """Tell whether a codec's code is two or three numbers for each frame, and the frame a spectrum."""
    model, representation = codec.model, codec.representation
    single = model.frames_per_latent == 1 and model.decode_reach == 0
    spectrum = representation.frequencies is not None and representation.scales[0].kind in ("linear", "decibels")
    return model.latent_dim in (2, 3) and single and spectrum


def sample_mesh(
    codec: Codec,
    ranges: tuple[Range, ...],
    *,
    conditions: Conditions = NO_CONDITIONS,
    n_points: int = MESH_POINTS,
    progress: Callable[[int, int], None] | None = None,
) -> list[Plane]:
    """Return what a codec makes of a mesh of codes: one plane of a code of two numbers, five of one of three.

    Args:
        codec: One that ``can_mesh``.
        ranges: Range of each number of the code.
        conditions: What the model needs, ``(1, size, 1)`` each.
        n_points: Codes in all planes together, about.
        progress: Called with (codes done, of how many).

    Returns:
        The planes, the third number rising.

    Source:
        Colonel and Keene (2020), "Conditioning Autoencoder Latent Spaces for Real-Time Timbre Interpolation and
        Synthesis", for the mesh; the measures are ours.
    """
    thirds = plane_values(ranges)
    side = max(2, math.isqrt(n_points // len(thirds)))
    first, second = (torch.linspace(*ends, side) for ends in ranges[:2])
    up, across = torch.meshgrid(second, first, indexing="ij")
    planes = []
    for number, third in enumerate(thirds):
        axes = [across.flatten(), up.flatten()]
        axes += [] if third is None else [torch.full((side**2,), third)]
        found = []
        for codes in torch.stack(axes).split(CODES_AT_ONCE, dim=1):
            found.append(_measures(codec, codes, conditions))
            if progress is not None:
                done = number * side**2 + sum(part.shape[1] for part in found)
                progress(done, len(thirds) * side**2)
        planes.append(Plane(third, *torch.cat(found, 1).reshape(3, side, side)))
    return planes


def plane_values(ranges: tuple[Range, ...]) -> list[float | None]:
    """Return the third number of each plane: the centres of equal parts of its range.

    Example:
        >>> plane_values(((0, 1), (0, 1))), plane_values(((0, 1), (0, 1), (0, 1)))
        ([None], [0.1, 0.3, 0.5, 0.7, 0.9])
    """
    return [*centres(ranges[2], N_PLANES)] if len(ranges) == 3 else [None]


def centres(ends: Range, count: int) -> list[float]:
    """Return the centres of ``count`` equal parts of a range.

    Example:
        >>> centres((0, 1), 2)
        [0.25, 0.75]
    """
    low, high = ends
    return [round(low + (high - low) * (part + 0.5) / count, 6) for part in range(count)]


def _measures(codec: Codec, codes: Tensor, conditions: Conditions) -> Tensor:
    """Return log2 centroid, spread and flatness of codes ``(latent_dim, n)``, as ``(3, n)``."""
    frequencies, scale = codec.representation.frequencies, codec.representation.scales[0]
    if frequencies is None:
        raise ValueError("the rows of the features must lie at fixed frequencies")
    frames = codec.decode_features(codes[None], conditions)[0].T.cpu()
    if scale.kind == "decibels":
        magnitude = torch.where(frames > 0, db_to_amplitude((frames.clamp(0, 1) - 1) * scale.range_db), 0)
    else:
        magnitude = frames.clamp_min(0)
    return torch.stack([*centroid_and_spread(magnitude, frequencies.to(magnitude)), flatness_db(magnitude)])
