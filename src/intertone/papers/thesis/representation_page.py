"""The comparison of representations for people: tables, a picture, and a page to listen to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from intertone.audio import save_audio
from intertone.codec import Codec
from intertone.evaluate.draw import Rows
from intertone.experiments.figures import mean
from intertone.experiments.store import Result
from intertone.files import replacing
from intertone.page import Clip, Command, Listening, Section, Table, render_page
from intertone.papers.thesis.experiment import Laboratory
from intertone.papers.thesis.pictures import MIDDLE, figure_of, save_figure
from intertone.papers.thesis.representations import ALONE, NETWORK, VIEWS, given_back, judged_rows, trained_codec
from intertone.papers.thesis.tables import markdown, number, percent
from intertone.plot import spectrogram_png

N_HEARD = 6
"""Notes of the page, spread over the pitches."""

WAYS = {NETWORK: "network", ALONE: "no network"}

COLUMNS = ("representation", "through", "log-mel, median", "mean", "loud cells", "in tune")
SETTINGS = ("representation", "rows × frames", "strides", "weights", "code", "notes", "steps", "CPU s a note, analysis")
SETTINGS_TOO = ("CPU s, training", "training RMSE, dB", "validation RMSE, dB")


def representation_tables(results: Mapping[str, Result]) -> dict[str, str]:
    """Return the tables of the comparison by name, as Markdown.

    Args:
        results: From ``compare_representations``.

    Returns:
        ``three-representations`` and ``three-settings``.
    """
    return {
        "three-representations": markdown(COLUMNS, _figure_rows(results)),
        "three-settings": markdown((*SETTINGS, *SETTINGS_TOO), _setting_rows(results)),
    }


def write_representation_page(laboratory: Laboratory, results: Mapping[str, Result], *, command: str) -> Path:
    """Write ``representations.html``, the sounds on it, and ``pictures/representations.png``.

    Args:
        laboratory: Notes, folder and budget; the folders ``sounds`` and ``pictures`` exist.
        results: From ``compare_representations``.
        command: What made the results.

    Returns:
        The page.
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
        for title, sound in sounds.items():
            name = "".join(letter if letter.isalnum() else "-" for letter in title)
            audio = sound / sound.abs().max().clamp_min(1)
            save_audio(folder / "sounds" / f"representation-{row}-{name}.wav", audio, sample_rate=notes.sample_rate)
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


def heard_rows(laboratory: Laboratory) -> Rows:
    """Return some of the judged notes, spread over the pitches."""
    rows = judged_rows(laboratory)
    rising = rows[laboratory.notes.pitch[rows].argsort(kind="stable")]
    count = min(N_HEARD, len(rising))
    return rising[[(2 * place + 1) * len(rising) // (2 * count) for place in range(count)]]


def _sounds(codecs: Mapping[str, Codec], audio: Tensor, seed: int) -> dict[str, Tensor]:
    found = {"the note": audio[0]}
    return found | {title: given_back(codec, audio, seed=seed)[NETWORK][0] for title, codec in codecs.items()}


def _figure_rows(results: Mapping[str, Result]) -> Iterator[tuple[str, ...]]:
    for result in results.values():
        for way, words in WAYS.items():
            figures = result[way]
            errors = [number(measure(figures["log_mel"]), 2) for measure in (median, mean)]
            cells = number(mean(figures["loud_cells"]), 2)
            yield (result["title"], words, *errors, cells, percent(mean(figures["in_tune"])))


def _setting_rows(results: Mapping[str, Result]) -> Iterator[tuple[str, ...]]:
    for result in results.values():
        yield (
            result["title"],
            f"{result['rows']} × {result['frames']}",
            ", ".join(f"{rows}×{columns}" for rows, columns in result["strides"]),
            f"{result['weights'] / 1e6:.2f} M",
            f"{result['code']:,}",
            f"{result['notes']:,}",
            f"{result['steps']:,}",
            number(result["analysis_seconds"], 3),
            number(result["training_seconds"], 0),
            number(result["training"][-1], 2),
            number(result["valid"][-1], 2),
        )


@torch.inference_mode()
def _picture(codecs: Mapping[str, Codec], audio: Tensor) -> Any:
    """Draw what each network sees of a note, above what it gives back."""
    figure = figure_of(3.2 * len(codecs), 4.6)
    grid = figure.subplots(2, len(codecs), squeeze=False, sharex=True)
    for (above, below), (title, codec) in zip(grid.T, codecs.items(), strict=True):
        features, _ = codec.analyse(audio.unsqueeze(1))
        decoded = codec.decode_features(codec.encode_features(features))[..., : features.shape[-1]]
        range_db = codec.representation.scales[0].range_db
        for axes, image in ((above, features), (below, decoded)):
            shown = axes.imshow(
                range_db * (image[0].float().cpu().numpy() - 1),
                origin="lower",
                aspect="auto",
                extent=(0, audio.shape[-1] / codec.sample_rate, 0, image.shape[1]),
                vmin=-range_db,
                vmax=0,
                cmap="magma",
            )
        above.set_title(title, fontsize=9)
        below.set_xlabel("seconds", fontsize=8)
    grid[0, 0].set_ylabel("rows: what the network sees", fontsize=8)
    grid[1, 0].set_ylabel("what it gives back", fontsize=8)
    figure.colorbar(shown, ax=grid[:, -1], label="dB")
    return figure
