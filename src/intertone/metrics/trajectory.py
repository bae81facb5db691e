"""Measures of the linearity of a path from A to B, and counterfeit paths that weaker measures rate as perfect.

A path is a tensor ``(n_points, ...)`` with one embedding, spectrogram or descriptor for each ratio.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class PathProjection(NamedTuple):
    """Mean errors of the points along the line from A to B and perpendicular to it, relative to its length, ``()``."""

    projection_error: Tensor
    off_axis: Tensor


class StepVariation(NamedTuple):
    """Standard deviation and maximum of a path's steps relative to their mean, ``()``; 0 and 1 for equal steps."""

    deviation: Tensor
    largest: Tensor


def path_projection(path: Tensor, ratios: Tensor, *, ends: tuple[Tensor, Tensor] | None = None) -> PathProjection:
    """Return the mean deviation of the points from ``A + ratio·(B − A)``, along the line and perpendicular to it.

    The projection of a point ``x`` on the line is ``t = ⟨x − A, B − A⟩ / ‖B − A‖²``. The projection error (PI) is the
    mean of ``|t − ratio|``, the off-axis error the mean of ``‖x − A − t·(B − A)‖ / ‖B − A‖``. The PI cannot distinguish
    one sound from two: a mixture can have a perfect PI.

    Args:
        path: ``(n_points, ...)``.
        ratios: ``(n_points,)``, 0 at A and 1 at B.
        ends: A and B, one point each; None: the first and the last point of the path.

    Returns:
        The two errors; 0 is perfect. If A equals B, ``t`` is 0 and the length of the line is replaced by 1.

    Raises:
        ValueError: If there are fewer than two points, or another number of ratios.

    Source:
        SoundMorpher (2024), arXiv 2410.02144, for the projection on the line, with other features.

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
    """Return the Sobolev distance of a path from the straight line at constant speed, in position and in velocity.

    ``W = ‖f − g‖ + ‖f′ − g′‖`` with ``g(a) = A + a·(B − A)``, in units of ``‖B − A‖``. Both norms integrate over the
    ratio:
    ``‖f − g‖² = Σ (a₂ − a₁)·(e₁² + e₂²)/2`` over neighbouring points with ``e = |f − g|`` (trapezoids), and
    ``‖f′ − g′‖² = Σ (a₂ − a₁)·|(f₂ − f₁)/(a₂ − a₁) − (B − A)|²``.

    Args:
        path: ``(n_points, ...)``.
        ratios: ``(n_points,)``, increasing, 0 at A and 1 at B.
        ends: A and B, one point each; None: the first and the last point of the path.

    Returns:
        Distance without unit, ``()``; 0 is perfect. Random deviations of a given size have the more weight the denser
        the points are.

    Raises:
        ValueError: If there are fewer than two points, another number of ratios, or the ratios do not increase.

    Source:
        The form ``‖f − g‖₂ + ‖f′ − g′‖₂`` was proposed to detect the counterfeits below; the discretisation and the
        division by ``‖B − A‖`` are this project's.

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
    """Return the distance between the first and last point of a path, divided by the length of the path.

    Args:
        path: ``(n_points, ...)``; for one descriptor, ``(n_points,)``.

    Returns:
        0…1, ``()``; 1 for a straight path (of one descriptor: a monotone one) and for a constant one.

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
    """Return the standard deviation and the maximum of the steps of a path, relative to their mean.

    Args:
        path: ``(n_points, ...)`` at equally spaced ratios.

    Returns:
        Population standard deviation and maximum of the step lengths over their mean; 0 and 1 for a constant path.

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
    """Return a counterfeit path whose distance from A grows linearly while its points are in random directions (EQC).

    The point at ratio ``a`` is at the distance ``a·‖B − A‖`` from A in a random direction; the point at ratio 1 is B.
    The correlation of ratio and distance is perfect.

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
    """Return a straight counterfeit path whose points are concentrated near A (NUC): ``A + ratio^power · (B − A)``.

    It has the same length as the perfect path.

    Args:
        start: A, any shape of two or more numbers.
        end: B, the same shape.
        ratios: ``(n_points,)`` in 0…1.
        power: Degree of the concentration; 1 gives the perfect path.

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
    """Return a counterfeit path from A to a distant point C at equal distances from A and B, and from C to B (TC).

    Its steps are equal, and its midpoint is equally similar to A and B, but far from both.

    Args:
        start: A, any shape of two or more numbers.
        end: B, the same shape.
        ratios: ``(n_points,)`` in 0…1; C is at 0.5.
        generator: Source of the direction of C.
        distance: Distance of C from the midpoint of A and B, in units of ``‖B − A‖``.

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
    """Return the path with flattened points, ``(n_points, n)``, in float64."""
    if path.ndim < 1 or len(path) < 2:
        raise ValueError(f"path must be (n_points, ...) with at least two points, got {tuple(path.shape)}")
    return path.double().reshape(len(path), -1)


def _prepare(path: Tensor, ratios: Tensor, ends: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return points, ratios, A and B − A in float64, with flattened points."""
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
