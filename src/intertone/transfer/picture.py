"""Pictures of a transfer: the three sounds on a logarithmic frequency axis, and the loss terms over evaluations."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from intertone.level import amplitude_to_db
from intertone.plot import draw_on_any_ground, figure_png, new_figure, save_figure
from intertone.stft import SpectrogramConfig, stft
from intertone.transfer.solver import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

TOP_DB = 70.0
"""Depth of the colours below the loudest cell, dB."""

F_MIN = 50.0
"""Hz, lower edge of the pictures."""

ROWS = 320
"""Rows of a picture, at equal steps of pitch."""


def draw_transfer(path: Path | str, sounds: Mapping[str, Tensor], *, sample_rate: int, steps: Sequence[Step]) -> None:
    """Write a picture of sounds and of the terms of the loss, to PNG, PDF or SVG.

    Args:
        path: The picture; its suffix chooses the format.
        sounds: Title → audio ``(channels, samples)`` at ``sample_rate``, side by side.
        sample_rate: Hz.
        steps: Evaluations of the objective; none: no curves.

    Raises:
        InputError: If the file cannot be written.
    """
    figure = new_figure(3.8 * len(sounds), 5.6 if steps else 3.6)
    grid = figure.add_gridspec(2 if steps else 1, len(sounds), height_ratios=(3, 2) if steps else None)
    image = None
    for column, (title, audio) in enumerate(sounds.items()):
        axes = figure.add_subplot(grid[0, column])
        image = _draw_sound(axes, audio, sample_rate)
        axes.set_title(title, parse_math=False)
        axes.set_xlabel("seconds")
        if column == 0:
            axes.set_ylabel("Hz")
    if image is not None:
        figure.colorbar(image, ax=figure.axes, label="dB")
    if steps:
        _draw_terms(figure.add_subplot(grid[1, :]), steps)
    save_figure(figure, path)


def sound_png(audio: Tensor, sample_rate: int) -> bytes:
    """Return the spectrogram of a sound on a logarithmic frequency axis, as a PNG for a page."""
    figure = new_figure(3.6, 2.4)
    axes = figure.subplots()
    _draw_sound(axes, audio, sample_rate)
    axes.set_xlabel("seconds")
    axes.set_ylabel("Hz")
    return _plain_png(figure)


def _plain_png(figure: "Figure") -> bytes:
    for axes in figure.axes:
        draw_on_any_ground(axes)
    return figure_png(figure)


def _draw_sound(axes: "Axes", audio: Tensor, sample_rate: int) -> "QuadMesh":
    """Draw the spectrogram of the mean of all channels, and return the image."""
    n_fft = 2 ** max(6, round(math.log2(sample_rate * 0.128)))
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 8)
    magnitude = stft(audio.mean(0), config).abs()
    top = sample_rate / 2
    wanted = torch.logspace(math.log10(min(F_MIN, top / 2)), math.log10(top), ROWS) * n_fft / sample_rate
    lower = wanted.floor().long().clamp_max(config.n_bins - 2)
    share = (wanted - lower)[:, None]
    rows = (1 - share) * magnitude[lower] + share * magnitude[lower + 1]
    db = amplitude_to_db(rows.clamp_min(1e-9)) - float(amplitude_to_db(magnitude.max().clamp_min(1e-9)))
    edges = torch.linspace(0, audio.shape[-1] / sample_rate, db.shape[1] + 1)
    bounds = torch.logspace(math.log10(min(F_MIN, top / 2)), math.log10(top), ROWS + 1)
    mesh = axes.pcolormesh(
        edges.numpy(), bounds.numpy(), db.numpy(), vmin=-TOP_DB, vmax=0, cmap="magma", rasterized=True
    )
    axes.set_yscale("log")
    ticks = [hz for hz in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if hz < top]
    axes.set_yticks(ticks, labels=[str(hz) for hz in ticks])
    axes.minorticks_off()
    return mesh


def _draw_terms(axes: "Axes", steps: Sequence[Step]) -> None:
    """Draw each term and their sum over the evaluations, on a logarithmic axis."""
    numbers = [step.number for step in steps]
    axes.plot(numbers, [step.loss for step in steps], color="black", linewidth=1.4, label="sum")
    for name in steps[-1].terms:
        values = [max(step.terms.get(name, float("nan")), 1e-12) for step in steps]  # a draft has not all
        if max(values) > 1e-12:
            axes.plot(numbers, values, linewidth=1, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("evaluations")
    axes.set_ylabel("weighted terms")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
