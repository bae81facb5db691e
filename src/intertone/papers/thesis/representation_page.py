"""Presentation of the comparison of representations: tables, a picture, and a page with sounds."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.evaluate.draw import Rows
from intertone.experiments.figures import mean
from intertone.experiments.write_up import number
from intertone.files import replacing
from intertone.page import Clip, Command, Listening, Section, Table, markdown_rows, percent, render_page
from intertone.papers.thesis.pictures import MIDDLE, write_sounds
from intertone.papers.thesis.representations import Compared, held_out_rows, reconstruct, trained_codec
from intertone.papers.thesis.study import Thesis
from intertone.papers.thesis.views import VIEWS
from intertone.plot import draw_decibels, new_figure, save_figure, spectrogram_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_HEARD = 6
"""Number of notes on the page, spread over the pitches."""

COLUMNS = ("representation", "through", "log-mel, median", "mean", "loud cells", "in tune")
SETTINGS = ("representation", "rows × frames", "strides", "weights", "code", "notes", "steps", "CPU s a note, analysis")
SETTINGS_TOO = ("s, training", "training RMSE, dB", "validation RMSE, dB")


def representation_tables(results: Mapping[str, Compared]) -> dict[str, str]:
    """Return the tables of the comparison by name, as Markdown.

    Args:
        results: Output of ``compare_representations``.

    Returns:
        The tables ``three-representations`` and ``three-settings``.
    """
    return {
        "three-representations": markdown_rows(COLUMNS, _figure_rows(results)),
        "three-settings": markdown_rows((*SETTINGS, *SETTINGS_TOO), _setting_rows(results)),
    }


def write_representation_page(laboratory: Thesis, results: Mapping[str, Compared], *, command: str) -> Path:
    """Write ``representations.html``, the sounds on it, and ``pictures/representations.png``.

    Args:
        laboratory: Notes, folder and budget; the folders ``sounds`` and ``pictures`` must exist.
        results: Output of ``compare_representations``.
        command: Command that made the results.

    Returns:
        The path of the page.
    """
    folder, notes = laboratory.folder, laboratory.notes
    codecs = {view.title: trained_codec(laboratory, view) for view in VIEWS}
    rows = heard_rows(laboratory)
    blocks = []
    for row in rows:
        sounds = _sounds(codecs, notes.audio([row]), laboratory.budget.comparison.seed)
        clips = [
            Clip(title, sound, notes.sample_rate, spectrogram_png(sound, notes.sample_rate))
            for title, sound in sounds.items()
        ]
        blocks.append(Listening(str(notes.name[row]), "After the note: through network and representation.", clips))
        write_sounds(sounds, folder / "sounds", f"representation-{row}", notes.sample_rate)
    middle = min(rows, key=lambda row: abs(int(notes.pitch[row]) - MIDDLE))
    save_figure(_picture(codecs, notes.audio([middle])), folder / "pictures" / "representations.png")
    figures = Table("Held-out notes", "Errors in dB.", COLUMNS, list(_figure_rows(results)))
    settings = Table("What was trained", "", (*SETTINGS, *SETTINGS_TOO), list(_setting_rows(results)))
    sections = [Section("Figures", [figures, settings]), Section("Sounds", blocks)]
    page = folder / "representations.html"
    with replacing(page) as temporary:
        text = render_page("One network behind three representations", sections, lead=[Command(command)])
        temporary.write_text(text, encoding="utf-8")
    return page


def heard_rows(laboratory: Thesis) -> Rows:
    """Return the row numbers of some held-out notes, spread over the pitches."""
    rows = held_out_rows(laboratory)
    rising = rows[laboratory.notes.pitch[rows].argsort(kind="stable")]
    count = min(N_HEARD, len(rising))
    return rising[[(2 * place + 1) * len(rising) // (2 * count) for place in range(count)]]


def _sounds(codecs: Mapping[str, Codec], audio: Tensor, seed: int) -> dict[str, Tensor]:
    found = {"the note": audio[0]}
    return found | {title: reconstruct(codec, audio, seed=seed)[0] for title, codec in codecs.items()}


def _figure_rows(results: Mapping[str, Compared]) -> Iterator[tuple[str, ...]]:
    for result in results.values():
        for words, figures in (("network", result.network), ("no network", result.alone)):
            known = [error for error in figures.log_mel if error is not None]
            errors = [number(measure(known), 2) for measure in (median, mean)]
            yield (result.title, words, *errors, number(mean(figures.loud_cells), 2), percent(mean(figures.in_tune)))


def _setting_rows(results: Mapping[str, Compared]) -> Iterator[tuple[str, ...]]:
    for result in results.values():
        yield (
            result.title,
            f"{result.rows} × {result.frames}",
            ", ".join(f"{rows}×{columns}" for rows, columns in result.strides),
            f"{result.weights / 1e6:.2f} M",
            f"{result.code:,}",
            f"{result.notes:,}",
            f"{result.steps:,}",
            number(result.analysis_seconds, 3),
            number(result.training_seconds, 0),
            number(result.training[-1], 2),
            number(result.valid[-1], 2),
        )


@torch.inference_mode()
def _picture(codecs: Mapping[str, Codec], audio: Tensor) -> "Figure":
    """Return a figure with the features of a note in each representation, above those that the network decodes."""
    figure = new_figure(3.2 * len(codecs), 4.6)
    grid = figure.subplots(2, len(codecs), squeeze=False, sharex=True)
    for (above, below), (title, codec) in zip(grid.T, codecs.items(), strict=True):
        features, _ = codec.analyse(audio.unsqueeze(1))
        decoded = codec.decode_features(codec.encode_features(features))[..., : features.shape[-1]]
        range_db = codec.representation.scales[0].range_db
        for axes, image in ((above, features), (below, decoded)):
            db, seconds = range_db * (image[0].float().cpu().numpy() - 1), audio.shape[-1] / codec.sample_rate
            shown = draw_decibels(axes, db, seconds=seconds, top=image.shape[1], top_db=range_db)
        above.set_title(title, fontsize=9)
        below.set_xlabel("seconds", fontsize=8)
    grid[0, 0].set_ylabel("rows: what the network sees", fontsize=8)
    grid[1, 0].set_ylabel("the reconstruction", fontsize=8)
    figure.colorbar(shown, ax=grid[:, -1], label="dB")
    return figure
