"""Pictures: spectrograms, curves, bars, maps of points."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.files import disk_errors, replacing
from intertone.stft import SpectrogramConfig, magnitude_to_db, stft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

INK = "#757a80"
"""Colour of letters and axes: legible on white and on near-black, for pictures with a transparent ground."""

COLOURS = ("#2f7fc1", "#d9822b", "#3f9b6d", "#b45fb0", "#8a8f98")
"""Colours of curves and bars, told apart by colour-blind eyes too, and at home on both grounds."""

MARKERS = "o^sD"
"""Shapes of points in a plane, each in all colours."""


def new_figure(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> "Figure":
    """Return an empty figure of so many inches, which no window shows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path | str) -> None:
    """Write a figure; the suffix of the path chooses the format.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If matplotlib has no format of this suffix.
    """
    with disk_errors(path), replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None} if temporary.suffix == ".png" else None)


def draw_decibels(
    axes: "Axes", db: npt.NDArray[np.floating], *, seconds: float, top: float, top_db: float
) -> "AxesImage":
    """Draw an image in dB.

    Args:
        axes: Where.
        db: ``(n_rows, n_frames)``, the lowest row first.
        seconds: Right end of the time axis.
        top: Upper end of the other axis: kHz, or rows.
        top_db: Depth of the colour scale below 0 dB.

    Returns:
        The image, for a colour bar.
    """
    extent = (0, seconds, 0, top)
    return axes.imshow(db, origin="lower", aspect="auto", extent=extent, vmin=-top_db, vmax=0, cmap="magma")


def plot_spectrograms(path: Path | str, sounds: Mapping[str, Tensor], *, sample_rate: int, top_db: float = 80) -> None:
    """Write a PNG (or PDF, SVG) with the spectrogram and the waveform of each sound, side by side.

    Args:
        path: The picture; its suffix chooses the format.
        sounds: Title → audio ``(samples,)`` or ``(channels, samples)`` (the mean is shown), at ``sample_rate``.
        sample_rate: Hz.
        top_db: Depth of the colour scale below each sound's own maximum, dB.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If matplotlib has no format of this suffix.
    """
    figure = new_figure(3.6 * len(sounds), 5.2)
    axes = figure.subplots(2, len(sounds), squeeze=False, height_ratios=(4, 1), sharex=True)
    image = None
    peak = max(float(audio.abs().max()) for audio in sounds.values()) or 1.0
    for column, (title, audio) in enumerate(sounds.items()):
        mono = _mono(audio)
        spectrum, wave = axes[:, column]
        image = _spectrogram(spectrum, mono, sample_rate, top_db)
        spectrum.set_title(title, parse_math=False)
        step = max(1, len(mono) // 8000)
        wave.plot([index / sample_rate for index in range(0, len(mono), step)], mono[::step].numpy(), linewidth=0.4)
        wave.set_ylim(-1.1 * peak, 1.1 * peak)
        wave.set_xlabel("seconds")
    axes[0, 0].set_ylabel("kHz")
    axes[1, 0].set_ylabel("amplitude")
    if image is not None:
        figure.colorbar(image, ax=axes[0, -1], label="dB")
    save_figure(figure, path)


def spectrogram_png(audio: Tensor, sample_rate: int, *, top_db: float = 80) -> bytes:
    """Return a small picture of one sound, to stand above its player: kHz over seconds.

    Args:
        audio: ``(samples,)`` or ``(channels, samples)`` (the mean is shown).
        sample_rate: Hz.
        top_db: Depth of the colour scale below the sound's own maximum, dB.

    Returns:
        A PNG on transparent ground.

    Example:
        >>> import torch
        >>> spectrogram_png(torch.randn(8000), 16000)[1:4]
        b'PNG'
    """
    figure = new_figure(2.9, 2.0, layout=None)  # the same place for the axes in all of them
    axes = figure.add_axes((0.1, 0.14, 0.87, 0.82))
    _spectrogram(axes, _mono(audio), sample_rate, top_db)
    axes.set_xlabel("s", fontsize=7, labelpad=0)
    axes.set_ylabel("kHz", fontsize=7, labelpad=1)
    axes.tick_params(labelsize=7, length=2, pad=2)
    draw_on_any_ground(axes)
    return figure_png(figure, dpi=100)


def curves_png(
    curves: Mapping[str, Sequence[float]], x: Sequence[float], *, x_label: str, y_label: str, log_x: bool = False
) -> bytes:
    """Return a picture of curves over one common axis.

    Args:
        curves: Name → values, as many as ``x``; NaN leaves a gap.
        x: Where they are.
        x_label: Name of the axis, with its unit.
        y_label: Name of the values, with their unit.
        log_x: Whether the axis is logarithmic, marked at each of ``x``.

    Returns:
        A PNG on transparent ground.

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
    """Return a picture of bars: a group for each kind of thing, a colour for each name in it.

    Args:
        groups: Title of a group → name → value; a name may miss in some groups.
        y_label: Name of the values, with their unit.
        decimals: Of the value that is written at each bar.

    Returns:
        A PNG on transparent ground.

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
    """Return a picture of changes up and down from 0, side by side with one scale of colours.

    Args:
        images: Title → ``(n_rows, n_columns)``, the same shape for all.
        rows: Name of the rows, which are numbered from 1 downwards.
        columns: Name of the columns.
        label: Name of the values, with their unit.

    Returns:
        A PNG on transparent ground.

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
    """Return a picture of points in a plane, each with the sign of its label.

    Args:
        x: Across.
        y: Up.
        labels: What each point is; the twenty most frequent ones get a sign of their own, the others a common one.
        x_label: Name of the axis.
        y_label: Name of the axis.

    Returns:
        A PNG on transparent ground.

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
    """Draw points, each with the sign of its label, and name the signs for a legend.

    Args:
        axes: Where.
        x: Across.
        y: Up.
        labels: What each point is; the twenty most frequent ones get a sign of their own, the others a common one.
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
    """Draw the legend of an axes' named signs, each name once.

    Args:
        axes: Where.
        left: Left edge of the legend, of the width of the axes: to their right, if not given.
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


def _mono(audio: Tensor) -> Tensor:
    return audio.reshape(-1, audio.shape[-1]).mean(0).detach().cpu()


def _spectrogram(axes: "Axes", mono: Tensor, sample_rate: int, top_db: float) -> "AxesImage":
    n_fft = 2 ** max(6, round(math.log2(sample_rate * 0.064)))
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)
    magnitude = stft(mono, config).abs()
    db = magnitude_to_db(magnitude, float(magnitude.max()) or 1.0, top_db=top_db)
    return draw_decibels(axes, db.numpy(), seconds=len(mono) / sample_rate, top=sample_rate / 2000, top_db=top_db)


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


def draw_on_any_ground(axes: "Axes") -> None:
    """Draw all letters and lines so that they are seen on white and on black."""
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for spine in axes.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.6)


def figure_png(figure: "Figure", *, dpi: float = 144) -> bytes:
    """Return a figure as a PNG on transparent ground."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, transparent=True, metadata={"Software": None})
    return stream.getvalue()
