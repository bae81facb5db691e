"""Creation of matplotlib figures without a window, and their output as files or PNG bytes."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from intertone.files import disk_errors, replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

INK = "#757a80"
"""Colour of text and axes, legible on white and on dark backgrounds, since pictures are transparent."""


COLOURS = ("#2f7fc1", "#d9822b", "#3f9b6d", "#b45fb0", "#8a8f98")
"""Colours of curves and bars, distinguishable by colour-blind readers and visible on light and dark backgrounds."""


def new_figure(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> "Figure":
    """Return an empty figure of ``width`` × ``height`` inches that opens no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path | str) -> None:
    """Write a figure to a file; the suffix of the path determines the format.

    Raises:
        InputError: If the file cannot be written.
        ValueError: If matplotlib does not know the suffix.
    """
    with disk_errors(path), replacing(path) as temporary:
        figure.savefig(temporary, dpi=130, metadata={"Software": None} if temporary.suffix == ".png" else None)


def draw_decibels(
    axes: "Axes", db: npt.NDArray[np.floating], *, seconds: float, top: float, top_db: float
) -> "AxesImage":
    """Draw a spectrogram in dB.

    Args:
        axes: The axes to draw on.
        db: Levels, ``(n_rows, n_frames)``, the lowest row first.
        seconds: Right end of the time axis.
        top: Upper end of the vertical axis, in kHz or rows.
        top_db: Range of the colour scale below 0 dB.

    Returns:
        The image, for a colour bar.
    """
    extent = (0, seconds, 0, top)
    return axes.imshow(db, origin="lower", aspect="auto", extent=extent, vmin=-top_db, vmax=0, cmap="magma")


def draw_on_any_ground(axes: "Axes") -> None:
    """Make the axes' background transparent, and colour text and lines so that they are visible on white and black."""
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for spine in axes.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.6)


def figure_png(figure: "Figure", *, dpi: float = 144) -> bytes:
    """Return a figure as PNG bytes with a transparent background."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, transparent=True, metadata={"Software": None})
    return stream.getvalue()
