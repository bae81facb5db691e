"""Pictures of a transfer: the three sounds on a logarithmic frequency axis, and the loss terms over evaluations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from intertone.plot import (
    draw_hertz,
    draw_spectrogram,
    new_figure,
    pitch_range,
    save_figure,
)
from intertone.transfer.solver import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOP_DB = 70.0
"""Depth of the colours below the loudest cell, dB."""


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
    pitches = pitch_range([*sounds.values()], sample_rate)
    for column, (title, audio) in enumerate(sounds.items()):
        axes = figure.add_subplot(grid[0, column])
        image = draw_spectrogram(axes, audio, sample_rate, pitches=pitches, top_db=TOP_DB)
        axes.set_title(title, parse_math=False)
        axes.set_xlabel("seconds")
        if column == 0:
            axes.set_ylabel("pitch")
    draw_hertz(axes)
    figure.colorbar(image, ax=figure.axes, label="dB, 0 is the loudest cell")
    if steps:
        _draw_terms(figure.add_subplot(grid[1, :]), steps)
    save_figure(figure, path)


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
