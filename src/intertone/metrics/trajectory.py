"""Measures of whether a path lies evenly on the straight line between its ends, and paths that only seem to.

A path is a tensor ``(n_points, ...)``: one embedding, image or descriptor per ratio.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class PathProjection(NamedTuple):
    """Errors of the points along and beside the line from A to B, as shares of its length, each ``()``."""

    projection_error: Tensor
    off_axis: Tensor


class StepVariation(NamedTuple):
    """Inequality of the steps of a path, each ``()``; 0 and 1 for equal steps."""

    deviation: Tensor
    largest: Tensor


def path_projection(path: Tensor, ratios: Tensor, *, ends: tuple[Tensor, Tensor] | None = None) -> PathProjection:
    """Return how far the points are from where they should be, along the line between the ends and beside it.

    ``t = ⟨x − A, B − A⟩ / ‖B − A‖²`` for each point ``x``. The projection error (PI) is the mean of ``|t − ratio|``,
    the off-axis share the mean of ``‖x − A − t·(B − A)‖ / ‖B − A‖``. A mixture can have a perfect PI: it says nothing
    about whether one sound or two are heard.

    Args:
        path: ``(n_points, ...)``.
        ratios: ``(n_points,)``, 0 at A and 1 at B.
        ends: A and B, each one point; default the first and the last point of the path.

    Returns:
        The two shares; 0 is perfect. Where A equals B, ``t`` is 0 and the share is of a length of 1.

    Raises:
        ValueError: If there are fewer than two points, or not one ratio for each.

    Source:
        SoundMorpher (2024), arXiv 2410.02144, for the proportions along the line, on other features.

    Example:
        >>> path = torch.tensor([[0.0, 0.0], [0.25, 0.5], [1.0, 0.0]])
        >>> error, off_axis = path_projection(path, torch.tensor([0.0, 0.5, 1.0]))
        >>> round(float(error), 4), round(float(off_axis), 4)  # a third of 0.25, and of 0.5
        (0.0833, 0.1667)
    """
    points, ratios, start, line = _prepare(path, ratios, ends)
    length = _length(line)
    along = (points - start) @ line / length**2
    beside = (points - start - along[:, None] * line).norm(dim=-1) / length
    return PathProjection((along - ratios).abs().mean(), beside.mean())


def sobolev_distance(path: Tensor, ratios: Tensor, *, ends: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Return how far a path is from the straight line at even speed, in its places and in its velocities.

    ``W = ‖f − g‖ + ‖f′ − g′‖`` with ``g(a) = A + a·(B − A)``, in units of ``‖B − A‖``. Both norms are over the ratio:
    ``‖f − g‖² = Σ (a₂ − a₁)·(e₁² + e₂²)/2`` over neighbouring points with ``e = |f − g|`` (trapezoids), and
    ``‖f′ − g′‖² = Σ (a₂ − a₁)·|(f₂ − f₁)/(a₂ − a₁) − (B − A)|²``.

    Args:
        path: ``(n_points, ...)``.
        ratios: ``(n_points,)``, rising, 0 at A and 1 at B.
        ends: A and B, each one point; default the first and the last point of the path.

    Returns:
        Without unit, ``()``; 0 is perfect. Random deviations of fixed size count more the closer the points are.

    Raises:
        ValueError: If there are fewer than two points, not one ratio for each, or the ratios do not rise.

    Source:
        The form ``‖f − g‖₂ + ‖f′ − g′‖₂`` was proposed against the counterfeits below; the sums and the division by
        ``‖B − A‖`` are our own.

    Example:
        >>> path = torch.tensor([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0]])
        >>> round(float(sobolev_distance(path, torch.tensor([0.0, 0.5, 1.0]))), 3)  # sqrt(1/2) + 2
        2.707
    """
    points, ratios, start, line = _prepare(path, ratios, ends)
    widths = ratios.diff()
    if not bool((widths > 0).all()):
        raise ValueError(f"ratios must rise, got {ratios.tolist()}")
    squares = (points - start - ratios[:, None] * line).square().sum(-1)
    places = (widths * (squares[1:] + squares[:-1]) / 2).sum()
    velocities = (widths * (points.diff(dim=0) / widths[:, None] - line).square().sum(-1)).sum()
    return (places.sqrt() + velocities.sqrt()) / _length(line)


def path_efficiency(path: Tensor) -> Tensor:
    """Return the length of the straight line between the ends of a path as a share of the length of the path.

    Args:
        path: ``(n_points, ...)``; for one descriptor, ``(n_points,)``.

    Returns:
        0…1, ``()``: 1 if the path is straight (one descriptor: monotone) or does not move.

    Raises:
        ValueError: If there are fewer than two points.

    Example:
        >>> path_efficiency(torch.tensor([0.0, 2.0, 1.0]))
        tensor(0.3333, dtype=torch.float64)
    """
    points = _points(path)
    travelled = points.diff(dim=0).norm(dim=-1).sum()
    direct = (points[-1] - points[0]).norm()
    return torch.where(travelled > 0, direct / travelled.clamp_min(1e-300), 1.0)


def step_variation(path: Tensor) -> StepVariation:
    """Return how unequal the steps of a path are.

    Args:
        path: ``(n_points, ...)`` at equally spaced ratios.

    Returns:
        Standard deviation (of the whole population) and maximum of the step lengths, relative to their mean; 0 and 1
        if the path does not move.

    Raises:
        ValueError: If there are fewer than two points.

    Example:
        >>> [round(float(value), 2) for value in step_variation(torch.tensor([0.0, 1.0, 4.0]))]
        [0.5, 1.5]
    """
    steps = _points(path).diff(dim=0).norm(dim=-1)
    mean = steps.mean()
    if not float(mean):
        return StepVariation(mean, mean + 1)
    return StepVariation(steps.std(correction=0) / mean, steps.max() / mean)


def equidistant_counterfeit(start: Tensor, end: Tensor, ratios: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return a path whose distance from A grows evenly while its points lie in random directions (EQC).

    The point at ratio ``a`` is at ``a·‖B − A‖`` from A, wherever that is; the point at ratio 1 is B. The correlation
    of ratio and distance is perfect.

    Args:
        start: A, any shape of two or more numbers.
        end: B, the same shape.
        ratios: ``(n_points,)`` in 0…1.
        generator: Source of the directions.

    Returns:
        ``(n_points, ...)``.

    Raises:
        ValueError: If the shapes differ or hold fewer than two numbers.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> path = equidistant_counterfeit(torch.zeros(9), torch.ones(9), torch.linspace(0, 1, 3), generator=generator)
        >>> path.norm(dim=1)
        tensor([0.0000, 1.5000, 3.0000])
    """
    line = _line(start, end)
    columns = ratios.to(line).reshape(-1, *[1] * line.ndim)
    directions = torch.randn(len(ratios), *line.shape, generator=generator, dtype=torch.float64).to(line)
    sizes = directions.flatten(1).norm(dim=1).reshape(columns.shape)
    astray = start + columns * line.norm() * directions / sizes
    return torch.where(columns < 1, astray, end)


def bunched_counterfeit(start: Tensor, end: Tensor, ratios: Tensor, *, power: float = 4.0) -> Tensor:
    """Return a straight path whose points are bunched near A (NUC): ``A + ratio^power · (B − A)``.

    The sum of its steps is that of the perfect path.

    Args:
        start: A, any shape of two or more numbers.
        end: B, the same shape.
        ratios: ``(n_points,)`` in 0…1.
        power: How strongly bunched; 1 is the perfect path.

    Returns:
        ``(n_points, ...)``.

    Raises:
        ValueError: If the shapes differ or hold fewer than two numbers.

    Example:
        >>> bunched_counterfeit(torch.zeros(2), torch.ones(2), torch.tensor([0.0, 0.5, 1.0]))[:, 0]
        tensor([0.0000, 0.0625, 1.0000])
    """
    line = _line(start, end)
    return start + (ratios.to(line) ** power).reshape(-1, *[1] * line.ndim) * line


def detour_counterfeit(
    start: Tensor, end: Tensor, ratios: Tensor, *, generator: torch.Generator, distance: float = 2.0
) -> Tensor:
    """Return a path that goes to a far point C, which is as near to A as to B, and from there to B (TC).

    Its steps are equal and its midpoint is equally like both ends, and like neither.

    Args:
        start: A, any shape of two or more numbers.
        end: B, the same shape.
        ratios: ``(n_points,)`` in 0…1; C is at 0.5.
        generator: Source of the direction of C.
        distance: How far C is from the middle of A and B, in units of ``‖B − A‖``.

    Returns:
        ``(n_points, ...)``.

    Raises:
        ValueError: If the shapes differ or hold fewer than two numbers.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> a, b = torch.zeros(2), torch.tensor([1.0, 0.0])
        >>> detour_counterfeit(a, b, torch.tensor([0.0, 0.5, 1.0]), generator=generator).abs()
        tensor([[0.0000, 0.0000],
                [0.5000, 2.0000],
                [1.0000, 0.0000]])
    """
    line = _line(start, end)
    direction = torch.randn(line.shape, generator=generator, dtype=torch.float64).to(line)
    direction = direction - (direction * line).sum() / line.square().sum().clamp_min(1e-30) * line
    away = distance * line.norm() * direction / direction.norm()
    columns = ratios.to(line).reshape(-1, *[1] * line.ndim)
    return start + columns * line + (1 - (2 * columns - 1).abs()) * away


def _points(path: Tensor) -> Tensor:
    """Return the path as ``(n_points, numbers)`` in float64."""
    if path.ndim < 1 or len(path) < 2:
        raise ValueError(f"path must be (n_points, ...) with at least two points, got {tuple(path.shape)}")
    return path.double().reshape(len(path), -1)


def _prepare(path: Tensor, ratios: Tensor, ends: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return points, ratios, A and B − A, in float64 and flat."""
    points = _points(path)
    if ratios.shape != (len(points),):
        raise ValueError(f"ratios must be ({len(points)},), one for each point, got {tuple(ratios.shape)}")
    start, end = (path[0], path[-1]) if ends is None else ends
    if start.shape != path.shape[1:] or end.shape != path.shape[1:]:
        shapes = f"{tuple(start.shape)} and {tuple(end.shape)}"
        raise ValueError(f"ends must be two points of shape {tuple(path.shape[1:])}, got {shapes}")
    flat = start.to(points).flatten()
    return points, ratios.to(points), flat, end.to(points).flatten() - flat


def _length(line: Tensor) -> Tensor:
    length = line.norm()
    return torch.where(length > 0, length, 1.0)


def _line(start: Tensor, end: Tensor) -> Tensor:
    if start.shape != end.shape or math.prod(start.shape) < 2:
        shapes = f"{tuple(start.shape)} and {tuple(end.shape)}"
        raise ValueError(f"start and end must have one shape of at least two numbers, got {shapes}")
    return end - start
