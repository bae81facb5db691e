"""Mesh of codes of two or three numbers, each of which is decoded to a spectrum and measured."""

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
"""Smallest and largest value."""
MESH_POINTS = 350**2
"""Number of codes of a mesh in all planes together, as in Colonel and Keene (2020)."""
N_PLANES = 5
"""Number of planes for three latent dimensions, equally spaced in the third dimension."""
CODES_AT_ONCE = 2048
"""Number of codes that are decoded together; their spectra take about 20 MB."""


@dataclass(frozen=True)
class Plane:
    """Plane through the latent space, measured on a square mesh.

    Attributes:
        third: Value of the third latent dimension in this plane; None: there are only two dimensions.
        centroid: Log2 of the spectral centroid in Hz, ``(n, n)``: rows are values of the second latent dimension,
            columns of the first; NaN where the spectrum is empty.
        spread: Standard deviation of log2 frequency, octaves, ``(n, n)``.
        flatness: Spectral flatness, dB, ``(n, n)``.
    """

    third: float | None
    centroid: Tensor
    spread: Tensor
    flatness: Tensor


def can_mesh(codec: Codec) -> bool:
    """Return whether each frame of a codec is a spectrum with a latent vector of two or three numbers."""
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
    """Return the measures of a mesh of codes: one plane for two latent dimensions, five planes for three.

    Args:
        codec: A codec for which ``can_mesh`` is True.
        ranges: Range of each latent dimension.
        conditions: Conditions that the model needs, ``(1, size, 1)`` each.
        n_points: Approximate number of codes in all planes together.
        progress: Called with (number of finished codes, number of all codes).

    Returns:
        The planes, in rising order of the third dimension.

    Source:
        Colonel and Keene (2020), "Conditioning Autoencoder Latent Spaces for Real-Time Timbre Interpolation and
        Synthesis", for the mesh; the measures are different ones.
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
    """Return the value of the third dimension in each plane: the centres of equal parts of its range, or ``[None]``.

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
    """Return log2 centroid, spread and flatness, ``(3, n)``, of the spectra of codes, ``(latent_dim, n)``."""
    frequencies, scale = codec.representation.frequencies, codec.representation.scales[0]
    if frequencies is None:
        raise ValueError("the rows of the features must have fixed frequencies")
    frames = codec.decode_features(codes[None], conditions)[0].T.cpu()
    if scale.kind == "decibels":
        magnitude = torch.where(frames > 0, db_to_amplitude((frames.clamp(0, 1) - 1) * scale.range_db), 0)
    else:
        magnitude = frames.clamp_min(0)
    return torch.stack([*centroid_and_spread(magnitude, frequencies.to(magnitude)), flatness_db(magnitude)])
