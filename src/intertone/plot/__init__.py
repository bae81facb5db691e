"""Plots: spectrograms, curves, bar charts and scatter plots."""

from intertone.plot.chart import bars_png, changes_png, curves_png, draw_legend, draw_points, map_png
from intertone.plot.figure import INK, draw_decibels, draw_on_any_ground, figure_png, new_figure, save_figure
from intertone.plot.log_frequency import (
    draw_hertz,
    draw_spectrogram,
    log_spectrogram,
    pitch_range,
    plot_spectrograms,
    spectrogram_png,
)

__all__ = [
    "INK",
    "bars_png",
    "changes_png",
    "curves_png",
    "draw_decibels",
    "draw_hertz",
    "draw_legend",
    "draw_on_any_ground",
    "draw_points",
    "draw_spectrogram",
    "figure_png",
    "log_spectrogram",
    "map_png",
    "new_figure",
    "pitch_range",
    "plot_spectrograms",
    "save_figure",
    "spectrogram_png",
]
