"""Charts: curves, bars, signed heat maps and scatter plots."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from intertone.plot.figure import COLOURS, INK, draw_on_any_ground, figure_png, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "o^sD"
"""Marker shapes of scatter plots; each is used with all colours."""


def curves_png(
    curves: Mapping[str, Sequence[float]], x: Sequence[float], *, x_label: str, y_label: str, log_x: bool = False
) -> bytes:
    """Return a line chart of curves over a common x axis.

    Args:
        curves: Name → values, as many as ``x``; NaN leaves a gap.
        x: Positions of the values on the x axis.
        x_label: Label of the x axis, with its unit.
        y_label: Label of the y axis, with its unit.
        log_x: Whether the x axis is logarithmic, with a tick at each value of ``x``.

    Returns:
        A PNG with a transparent background.

    Example:
        >>> curves_png({"rising": [0, 1]}, [0, 1], x_label="mix", y_label="share")[1:4]
        b'PNG'
    """
    figure = new_figure(6.2, 3.4)
    axes = figure.subplots()
    for (name, values), colour in zip(curves.items(), _colours(len(curves)), strict=True):
        axes.plot(x, values, label=name, color=colour, linewidth=1.6, marker="o" if len(x) < 20 else None, markersize=4)
    if log_x:
        axes.set_xscale("log")
        axes.set_xticks(list(x), [f"{value:g}" for value in x])
        axes.minorticks_off()
    _dress(axes, x_label, y_label, legend=len(curves) > 1)
    return figure_png(figure)


def bars_png(groups: Mapping[str, Mapping[str, float]], *, y_label: str, decimals: int = 1) -> bytes:
    """Return a bar chart with grouped bars; bars of the same name have the same colour in all groups.

    Args:
        groups: Title of a group → name of a bar → value; a name may be missing in some groups.
        y_label: Label of the y axis, with its unit.
        decimals: Number of decimals of the value at each bar.

    Returns:
        A PNG with a transparent background.

    Example:
        >>> bars_png({"codec": {"kept": 2.9, "estimated": 3.0}, "PCA": {"kept": 3.1}}, y_label="dB")[1:4]
        b'PNG'
    """
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    n_bars = sum(map(len, groups.values()))
    figure = new_figure(min(max(4.4, 0.5 * (n_bars + len(groups)) + 0.8), 9), 3.4)
    axes = figure.subplots()
    colour = dict(zip(names, _colours(len(names)), strict=True))
    place, ticks = 0.0, []
    for values in groups.values():
        ticks.append(place + (len(values) - 1) / 2)
        for name, value in values.items():
            bar = axes.bar(place, value, 0.9, color=colour[name], label=name)
            axes.bar_label(bar, fmt=f"%.{decimals}f", fontsize=8, color=INK, padding=2)
            place += 1
        place += 0.8
    axes.margins(y=0.12)
    axes.set_xticks(ticks, list(groups), parse_math=False)
    _dress(axes, "", y_label, legend=len(names) > 1)
    axes.tick_params(axis="x", length=0)
    return figure_png(figure)


def changes_png(images: Mapping[str, Tensor], *, rows: str, columns: str, label: str) -> bytes:
    """Return heat maps of signed values, side by side, with a common colour scale that is symmetric around 0.

    Args:
        images: Title → values, ``(n_rows, n_columns)``, the same shape for all.
        rows: Label of the rows, which are numbered from 1 at the top.
        columns: Label of the columns.
        label: Label of the colour scale, with its unit.

    Returns:
        A PNG with a transparent background.

    Example:
        >>> import torch
        >>> changes_png({"up": torch.ones(4, 8)}, rows="unit", columns="band", label="dB")[1:4]
        b'PNG'
    """
    n_rows = len(next(iter(images.values())))
    figure = new_figure(4.2 * len(images) + 0.8, max(2.6, 0.11 * n_rows + 0.8))
    all_axes = figure.subplots(1, len(images), squeeze=False)[0]
    largest = max(1e-3, *(float(image.abs().max()) for image in images.values()))
    for axes, (title, image) in zip(all_axes, images.items(), strict=True):
        extent = (0.5, image.shape[1] + 0.5, n_rows + 0.5, 0.5)
        drawn = axes.imshow(
            image.numpy(),
            cmap="RdBu_r",
            vmin=-largest,
            vmax=largest,
            aspect="auto",
            interpolation="none",
            extent=extent,
        )
        axes.set_title(title, color=INK, fontsize=10)
        _dress(axes, columns, rows if axes is all_axes[0] else "", legend=False)
    bar = figure.colorbar(drawn, ax=list(all_axes))
    bar.set_label(label, color=INK)
    bar.ax.tick_params(colors=INK)
    return figure_png(figure)


def map_png(x: Sequence[float], y: Sequence[float], labels: Sequence[str], *, x_label: str, y_label: str) -> bytes:
    """Return a scatter plot in which colour and shape of a point show its label.

    Args:
        x: Horizontal coordinates.
        y: Vertical coordinates.
        labels: Label of each point; the twenty most frequent labels have different markers, all others a common one.
        x_label: Label of the x axis.
        y_label: Label of the y axis.

    Returns:
        A PNG with a transparent background.

    Example:
        >>> map_png([0, 1, 2], [0, 1, 0], ["bass", "flute", "bass"], x_label="first", y_label="second")[1:4]
        b'PNG'
    """
    figure = new_figure(6.6, 4.6)
    axes = figure.subplots()
    draw_points(axes, x, y, labels)
    _dress(axes, x_label, y_label, legend=True)
    return figure_png(figure)


def draw_points(axes: "Axes", x: Sequence[float], y: Sequence[float], labels: Sequence[str]) -> None:
    """Draw points with colour and shape by their label, and name the markers for a legend.

    Args:
        axes: The axes to draw on.
        x: Horizontal coordinates.
        y: Vertical coordinates.
        labels: Label of each point; the twenty most frequent labels have different markers, all others a common one.
    """
    found = sorted(set(labels), key=lambda name: (-list(labels).count(name), name))
    own_signs = found[: len(COLOURS) * len(MARKERS)]
    for index, name in enumerate([*own_signs, "others"]):
        members = [place for place, label in enumerate(labels) if (label if label in own_signs else "others") == name]
        if members:
            across, up = ([values[place] for place in members] for values in (x, y))
            own = index < len(own_signs)
            colour, marker = (COLOURS[index % 5], MARKERS[index // 5]) if own else (INK, "x")
            axes.scatter(across, up, s=22, alpha=0.8, linewidths=1, label=name, color=colour, marker=marker)


def draw_legend(axes: "Axes", *, left: float = 1.01) -> None:
    """Draw the legend of all named markers and curves of ``axes``, each name once.

    Args:
        axes: The axes to draw on.
        left: Left edge of the legend as a share of the axes' width; above 1, the legend is to the right of the axes.
    """
    handles, names = axes.get_legend_handles_labels()
    signs = dict(zip(names, handles, strict=True))
    legend_box = axes.legend(
        list(signs.values()),
        list(signs),
        loc="center left",
        bbox_to_anchor=(left, 0.5),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    for text in legend_box.get_texts():
        text.set_parse_math(False)


def _colours(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _dress(axes: "Axes", x_label: str, y_label: str, *, legend: bool) -> None:
    axes.set_xlabel(x_label, fontsize=9, parse_math=False)
    axes.set_ylabel(y_label, fontsize=9, parse_math=False)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=INK, alpha=0.2, linewidth=0.7)
    axes.set_axisbelow(True)
    draw_on_any_ground(axes)
    if legend:
        draw_legend(axes)
