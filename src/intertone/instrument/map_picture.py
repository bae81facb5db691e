"""Pictures of the maps: measured planes of codes, codes of notes in these planes, and labelled notes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from intertone.instrument.mesh import Plane, Range
from intertone.plot import INK, draw_legend, draw_on_any_ground, draw_points, figure_png, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

Area = tuple[float, float, float, float]
"""Left, top, width and height, as fractions of the picture's width and height."""
POINT_INCHES = 0.17
"""Diameter of the clickable area around the point of a note, inches."""

_TICKS_HZ = [digit * 10**power for power in (1, 2, 3, 4) for digit in (1, 2, 5)]
_PLANE_INCHES = (9.3, 5.25)
_NOTES_INCHES = (9.3, 6.0)


def shared_limits(planes: Sequence[Plane]) -> list[Range]:
    """Return the limits of the colour scale of each measure: its 1st and 99th percentile in all planes."""
    limits = []
    for name in ("centroid", "spread", "flatness"):
        values = np.concatenate([getattr(plane, name).numpy().ravel() for plane in planes])
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, (1, 99)) if len(values) else (0.0, 1.0)
        limits.append((float(low), max(float(high), float(low) + 1e-3)))
    return limits


def plane_png(
    plane: Plane, ranges: Sequence[Range], limits: Sequence[Range], codes: Tensor, *, n_cells: int
) -> tuple[bytes, Area]:
    """Return a picture of a plane: a large map of the centroid with cells, and small maps of spread and flatness.

    Args:
        plane: The plane.
        ranges: Ranges of the latent dimensions, of which the first two are used.
        limits: Limits from ``shared_limits``.
        codes: Codes of notes that are drawn as dots, ``(n, >= 2)``.
        n_cells: Number of cells along each side.

    Returns:
        A PNG with transparent background, and the area of the map of the centroid in it.
    """
    figure = new_figure(*_PLANE_INCHES, layout=None)
    main = (0.65, 0.6, 4.3, 4.3)
    axes = _measure(figure, main, plane.centroid, ranges, limits[0], "spectral centroid, Hz", hz=True)
    for edge in range(1, n_cells):
        for line, (low, high) in ((axes.axvline, ranges[0]), (axes.axhline, ranges[1])):
            line(low + (high - low) * edge / n_cells, color="white", alpha=0.35, linewidth=0.6)
    if len(codes):
        axes.scatter(codes[:, 0], codes[:, 1], s=9, color="white", edgecolors="black", linewidths=0.5)
        axes.set(xlim=ranges[0], ylim=ranges[1])
    axes.set_xlabel("first number", fontsize=9)
    axes.set_ylabel("second number", fontsize=9)
    draw_on_any_ground(axes)
    for bottom, values, ends, label in (
        (3.05, plane.spread, limits[1], "spread, octaves"),
        (0.6, plane.flatness, limits[2], "flatness, dB"),
    ):
        small = _measure(figure, (6.45, bottom, 1.85, 1.85), values, ranges, ends, label)
        small.tick_params(labelsize=7)
    return figure_png(figure), _area(main, _PLANE_INCHES)


def plane_notes_png(
    planes: Sequence[Plane], ranges: Sequence[Range], codes: Sequence[Tensor], families: Sequence[Sequence[str]]
) -> bytes:
    """Return a picture of notes in the planes of codes, marked by family, with contours of the centroid per octave.

    Args:
        planes: The planes.
        ranges: Range of each latent dimension.
        codes: For each plane, the codes of the notes nearest to it, ``(n, latent_dim)``.
        families: Families of these notes.

    Returns:
        A PNG with transparent background.
    """
    one = len(planes) == 1
    figure = new_figure(6.4 if one else 9.3, 4.9 if one else 5.6)
    rows = figure.subplots(1 if one else 2, 1 if one else 3, squeeze=False)
    everyone = [family for group in families for family in group]
    for axes, plane, points, group in zip(rows.flat, planes, codes, families, strict=False):
        _contours(axes, plane, ranges)
        # markers are assigned by all families, so invisible points of all notes are added in every plane
        hidden = [math.nan] * len(everyone)
        x, y = ([*points[:, side].tolist(), *hidden] for side in (0, 1))
        draw_points(axes, x, y, [*group, *everyone])
        axes.set(xlim=ranges[0], ylim=ranges[1], aspect="auto")
        axes.tick_params(labelsize=8)
        if plane.third is not None:
            axes.set_title(f"third number {plane.third:.2g}", fontsize=9, color=INK)
        draw_on_any_ground(axes)
    if one:
        draw_legend(rows.flat[0])
    else:  # the sixth of the six axes has no plane
        free = rows.flat[-1]
        draw_points(free, [math.nan] * len(everyone), [math.nan] * len(everyone), everyone)
        draw_legend(free, left=0.0)
        free.set_axis_off()
    figure.supxlabel("first number", fontsize=9, color=INK)
    figure.supylabel("second number", fontsize=9, color=INK)
    return figure_png(figure)


def notes_png(
    points: Tensor,
    names: Sequence[str],
    families: Sequence[str],
    *,
    labels: tuple[str, str],
    n_cells: int,
) -> tuple[bytes, Area, list[Area], tuple[Range, Range]]:
    """Return a picture of notes in a plane, marked by family, with the names for which there is space.

    Args:
        points: Coordinates of the notes, ``(n, 2)``.
        names: Names of the notes.
        families: Families of the notes.
        labels: Labels of the two axes.
        n_cells: Number of cells along each side, whose centres are marked.

    Returns:
        A PNG with transparent background, the area of the plane in it, the area of each point, and the ranges of the
        plane's axes.
    """
    figure = new_figure(*_NOTES_INCHES, layout=None)
    main = (0.65, 0.6, 6.6, 5.2)
    axes = figure.add_axes(_shares(main, _NOTES_INCHES))
    draw_points(axes, points[:, 0].tolist(), points[:, 1].tolist(), families)
    axes.margins(0.12, 0.08)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    ranges = (float(left), float(right)), (float(bottom), float(top))
    marks = [[low + (high - low) * (part + 0.5) / n_cells for part in range(n_cells)] for low, high in ranges]
    axes.plot(*(side.ravel() for side in np.meshgrid(*marks)), "+", color=INK, alpha=0.6, markersize=4, zorder=0)
    axes.set(xlim=ranges[0], ylim=ranges[1])
    axes.set_xlabel(labels[0], fontsize=9)
    axes.set_ylabel(labels[1], fontsize=9)
    axes.tick_params(labelsize=8)
    draw_on_any_ground(axes)
    draw_legend(axes)
    _write_names(figure, axes, points.tolist(), names)
    width, height = POINT_INCHES / _NOTES_INCHES[0], POINT_INCHES / _NOTES_INCHES[1]
    area = _area(main, _NOTES_INCHES)
    places: list[Area] = []
    for x, y in points.tolist():
        share_x, share_y = ((value - low) / (high - low) for value, (low, high) in zip((x, y), ranges, strict=True))
        x_in_picture, y_in_picture = area[0] + area[2] * share_x, area[1] + area[3] * (1 - share_y)
        places.append((x_in_picture - width / 2, y_in_picture - height / 2, width, height))
    return figure_png(figure), area, places, ranges


def cell_areas(area: Area, n_cells: int) -> list[Area]:
    """Return the areas of the cells of an area, in rows from the bottom up, each from left to right.

    Example:
        >>> cell_areas((0.0, 0.0, 1.0, 1.0), 2)[:2]
        [(0.0, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)]
    """
    left, top, width, height = (*area[:2], area[2] / n_cells, area[3] / n_cells)
    return [
        (left + column * width, top + (n_cells - 1 - row) * height, width, height)
        for row in range(n_cells)
        for column in range(n_cells)
    ]


def _measure(
    figure: "Figure",
    inches: Area,
    values: Tensor,
    ranges: Sequence[Range],
    limits: Range,
    label: str,
    *,
    hz: bool = False,
) -> "Axes":
    """Draw a map of a measure with its colour bar; with ``hz`` the values are log2 of Hz, and the bar shows Hz."""
    size = figure.get_figwidth(), figure.get_figheight()
    axes = figure.add_axes(_shares(inches, size))
    extent = (*ranges[0], *ranges[1])
    low, high = limits
    image = axes.imshow(
        values.numpy(), origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high, cmap="viridis"
    )
    left, bottom, width, height = inches
    bar_axes = figure.add_axes(_shares((left + width + 0.08, bottom, 0.13, height), size))
    bar = figure.colorbar(image, cax=bar_axes)
    if hz:
        ticks = [tick for tick in _TICKS_HZ if low <= math.log2(tick) <= high]
        bar.set_ticks([math.log2(tick) for tick in ticks], labels=[f"{tick:,}" for tick in ticks])
    bar.ax.tick_params(labelsize=8)
    axes.set_title(label, fontsize=9, color=INK)
    axes.tick_params(labelsize=8)
    for drawn in (axes, bar.ax):
        draw_on_any_ground(drawn)
    return axes


def _contours(axes: "Axes", plane: Plane, ranges: Sequence[Range]) -> None:
    """Draw contours of the centroid, one for each octave."""
    values = plane.centroid.numpy()
    finite = values[np.isfinite(values)]
    levels = np.arange(math.ceil(finite.min()), finite.max()) if len(finite) else np.empty(0)
    if len(levels):
        extent = (*ranges[0], *ranges[1])
        lines = axes.contour(values, levels=levels, extent=extent, colors=INK, linewidths=0.7, alpha=0.6)
        axes.clabel(lines, fmt=lambda level: f"{2**level:,.0f} Hz", fontsize=7)


def _write_names(figure: "Figure", axes: "Axes", points: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    """Write each name at a side of its point where it covers no other point or name; omit it if there is no space."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]  # of the Agg canvas
    dots = [tuple(axes.transData.transform(point)) for point in points]
    radius = POINT_INCHES / 4 * figure.dpi
    taken = [(x - radius, y - radius, x + radius, y + radius) for x, y in dots]
    inside = axes.get_window_extent(renderer)
    for point, name in zip(points, names, strict=True):
        for shift, across, up in (
            ((6, 0), "left", "center"),
            ((-6, 0), "right", "center"),
            ((0, 6), "center", "bottom"),
            ((0, -6), "center", "top"),
        ):
            text: Annotation = axes.annotate(
                name,
                (point[0], point[1]),
                xytext=shift,
                textcoords="offset points",
                ha=across,
                va=up,
                fontsize=8,
                color=INK,
                parse_math=False,
            )
            box = text.get_window_extent(renderer)
            free = all(box.x1 < x0 or x1 < box.x0 or box.y1 < y0 or y1 < box.y0 for x0, y0, x1, y1 in taken)
            if free and inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1:
                taken.append((box.x0, box.y0, box.x1, box.y1))
                break
            text.remove()


def _shares(inches: Area, size: tuple[float, float]) -> Area:
    """Return left, bottom, width and height in inches as fractions of the figure's size."""
    left, bottom, width, height = inches
    return (left / size[0], bottom / size[1], width / size[0], height / size[1])


def _area(inches: Area, size: tuple[float, float]) -> Area:
    """Return left, bottom, width and height in inches as an ``Area``, which is measured from the top."""
    left, bottom, width, height = _shares(inches, size)
    return (left, 1 - bottom - height, width, height)
