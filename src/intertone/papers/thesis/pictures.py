"""Pictures and sounds of the thesis's page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from intertone.audio import save_audio
from intertone.codec import Codec
from intertone.evaluate.figure import seeded
from intertone.evaluate.resynthesis import ESTIMATED
from intertone.experiments.experiment import Results
from intertone.experiments.figures import mean
from intertone.morphing import morph_steps
from intertone.papers.thesis.anchors import Anchor
from intertone.papers.thesis.codes import CodeMap, Codes
from intertone.papers.thesis.moves import Move
from intertone.papers.thesis.study import Thesis
from intertone.papers.thesis.tables import errors, is_default
from intertone.plot import draw_decibels, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT = ("default", "seed-1", "seed-2", "sgd", "rate-1e-5", "rate-1e-6", "rate-1e-7")
RIGHT = ("default", "depth-3", "depth-5", "depth-8", "square-strides", "code-256", "code-8192", "relu", "slices")
HEARD = {"default": "default, {steps} steps", "log-mel": "log-mel", "slices": "slices"}
"""Experiment → title; a note reconstructed by each of them is shown as a spectrogram and written as a sound."""

MIDDLE = 60
"""MIDI number of the examples: the note and the pair nearest in pitch are shown and written as sounds."""

MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)


def draw_all(folder: Path, results: Results, anchors: Mapping[str, Anchor], codes: Codes) -> None:
    """Write the pictures of learning curves, reconstruction errors, code maps and code changes.

    Args:
        folder: Folder of the pictures; it must exist.
        results: Output of ``run_thesis``.
        anchors: Output of ``evaluate_anchors``.
        codes: Output of ``study_codes``.
    """
    save_figure(_learning(results), folder / "learning.png")
    save_figure(_comparison(results, anchors), folder / "reconstruction.png")
    save_figure(_map(codes.map), folder / "map.png")
    save_figure(_moves(codes.moves), folder / "moves.png")


def save_sounds(laboratory: Thesis, results: Results, sounds: Path, pictures: Path) -> None:
    """Write reconstructions of a held-out note by some experiments, and a series of morphs, with spectrograms.

    Args:
        laboratory: Notes, folder and budget.
        results: Output of ``run_thesis``.
        sounds: Folder of the sounds; it must exist.
        pictures: Folder of the pictures; it must exist.
    """
    notes, seed = laboratory.notes, laboratory.budget.seed
    row = min(laboratory.rows(notes), key=lambda row: abs(int(notes.pitch[row]) - MIDDLE))
    audio = notes.audio([row])
    versions = {"the note": audio[0]}
    for name, title in HEARD.items():
        if name in results and not results[name].stopped:
            codec = Codec.load(laboratory.folder / "runs" / name / "best")
            versions[title.format(steps=results[name].curve[-1].step)] = _reconstruct(codec, audio, seed)
    shipped = Codec.load("thesis")
    versions["shipped codec"] = _reconstruct(shipped, audio, seed)
    write_sounds(versions, sounds, "note", notes.sample_rate)
    save_figure(_spectrograms(versions, shipped), pictures / "note.png")
    pairs = laboratory.pairs()
    if len(pairs):
        a, b = notes.audio(min(pairs, key=lambda pair: abs(int(notes.pitch[pair[0]]) - MIDDLE)))
        steps = morph_steps(shipped, a, b, mixes=MIXES, phase=ESTIMATED, generator=seeded(seed))
        row_of_morphs = {f"mix {mix:g}": sound for mix, sound in zip(MIXES, steps, strict=True)}
        write_sounds(row_of_morphs, sounds, "morph", notes.sample_rate)
        save_figure(_spectrograms(row_of_morphs, shipped), pictures / "morph.png")


def _reconstruct(codec: Codec, audio: Tensor, seed: int) -> Tensor:
    return codec.reconstruct(audio, phase=ESTIMATED, generator=seeded(seed))[0, : audio.shape[-1]]


def write_sounds(given: Mapping[str, Tensor], folder: Path, kind: str, sample_rate: int) -> None:
    """Write sounds as ``<kind>-<title>.wav``; sounds above full scale are scaled down to it."""
    for title, audio in given.items():
        name = "".join(letter if letter.isalnum() else "-" for letter in title)
        loudest = float(audio.abs().max().clamp_min(1))
        save_audio(folder / f"{kind}-{name}.wav", audio / loudest, sample_rate=sample_rate)


def _spectrograms(sounds: Mapping[str, Tensor], codec: Codec) -> "Figure":
    """Return a figure of the codec's features of each sound, side by side."""
    representation, range_db = codec.representation, codec.representation.scales[0].range_db
    figure = new_figure(2.1 * len(sounds) + 0.6, 2.6)
    panels = figure.subplots(1, len(sounds), squeeze=False, sharey=True)[0]
    for axes, (title, audio) in zip(panels, sounds.items(), strict=True):
        features = representation.analyse(audio)[0][0]
        db, seconds = range_db * (features.numpy() - 1), len(audio) / codec.sample_rate
        image = draw_decibels(axes, db, seconds=seconds, top=codec.sample_rate / 2000, top_db=range_db)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("seconds", fontsize=8)
    panels[0].set_ylabel("kHz")
    figure.colorbar(image, ax=panels[-1], label="dB")
    return figure


def _learning(results: Results) -> "Figure":
    figure = new_figure(10, 4.8)
    panels = figure.subplots(1, 2)
    titles = ("training error: learning rate and optimiser", "validation error: network and input")
    for axes, names, title in zip(panels, (LEFT, RIGHT), titles, strict=True):
        for place, name in enumerate(name for name in names if name in results and results[name].curve):
            points = results[name].training if names is LEFT else results[name].curve
            shade = {"color": "black", "alpha": 1.0 if name == "default" else 0.4} if is_default(name) else {}
            style = {"linestyle": ("-", "--")[place // 7 % 2], **shade}
            steps = [point.step for point in points]
            axes.plot(steps, errors(results[name], points), label=results[name].title, linewidth=1.6, **style)
        axes.set_yscale("log")
        axes.set_yticks([8, 10, 15, 20, 30, 50], ["8", "10", "15", "20", "30", "50"])
        axes.minorticks_off()
        axes.set_xlabel("optimiser steps")
        axes.set_ylabel("dB RMSE over all cells")
        axes.set_title(title, fontsize=10)
        axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)
        axes.grid(alpha=0.3)
    return figure


def _comparison(results: Results, anchors: Mapping[str, Anchor]) -> "Figure":
    shown = {name: result.figures for name, result in results.items() if result.figures}
    figure = new_figure(8, 1.8 + 0.26 * len(shown))
    axes = figure.subplots()
    titles = [results[name].title for name in shown]
    kept = [mean(figures.log_mel_kept) or 0.0 for figures in shown.values()]
    estimated = [mean(figures.log_mel_estimated) or 0.0 for figures in shown.values()]
    for offset, label, colour, bars in (
        (-0.17, "kept", "tab:blue", kept),
        (0.17, "estimated", "tab:orange", estimated),
    ):
        places = [place + offset for place in range(len(bars))]
        axes.barh(places, bars, 0.34, color=colour, label=f"{label} phase")
    seeds = [error for name, error in zip(shown, estimated, strict=True) if is_default(name)]
    if seeds:
        axes.axvspan(min(seeds), max(seeds), color="0.85", zorder=0, label="spread of the seeds, estimated phase")
    for style, anchor in zip(("-", "--", ":"), anchors.values(), strict=True):
        error = mean(anchor.figures.log_mel_estimated) or 0.0
        axes.axvline(error, color="tab:green", linestyle=style, label=anchor.title)
    axes.set_yticks(range(len(titles)), titles, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("log-mel error of held-out notes, dB")
    figure.legend(fontsize=8, loc="outside lower center", ncols=2, frameon=False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure


def _map(maps: Mapping[str, CodeMap]) -> "Figure":
    from matplotlib import colormaps

    figure = new_figure(10, 4.2 * len(maps))
    grid = figure.subplots(len(maps), 2, squeeze=False)
    for (by_family, by_pitch), (name, found) in zip(grid, maps.items(), strict=True):
        across, up, families, pitches = map(np.array, zip(*found.points, strict=True))
        for place, family in enumerate(np.unique(families)):
            chosen = families == family
            by_family.scatter(
                across[chosen],
                up[chosen],
                s=14,
                color=colormaps["tab10"](place % 10),
                marker="os^v"[place // 10 % 4],
                label=family,
            )
        by_family.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        known = pitches >= 0
        dots = by_pitch.scatter(across[known], up[known], s=14, c=pitches[known], cmap="viridis")
        figure.colorbar(dots, ax=by_pitch, label="MIDI number")
        for axes in (by_family, by_pitch):
            axes.set_title(name, fontsize=10)
            axes.set_xlabel(f"first axis, {100 * found.share[0]:.0f} % of the variance")
            axes.set_ylabel(f"second axis, {100 * found.share[1]:.0f} %")
    return figure


def _moves(moves: Mapping[str, Sequence[Move]]) -> "Figure":
    figure = new_figure(10, 2.6 * max(len(found) for found in moves.values()))
    top = max(4 * move.hz[1] / 1000 for found in moves.values() for move in found)
    grid = figure.subplots(max(len(found) for found in moves.values()), len(moves), squeeze=False, sharex=True)
    for column, (name, found) in zip(grid.T, moves.items(), strict=True):
        for axes, move in zip(column, found, strict=False):
            _draw_move(axes, move, top)
            axes.set_title(f"{name}: number {move.number} (channel {move.channel})", fontsize=10)
        column[-1].set_xlabel("kHz")
    return figure


def _draw_move(axes: "Axes", move: Move, top: float) -> None:
    khz = np.arange(len(move.up)) * move.bin_hz / 1000
    shown = khz <= top
    axes.axvspan(move.hz[0] / 1000, move.hz[1] / 1000, color="black", alpha=0.1, label="its own band")
    for change, sign in ((move.up, "+"), (move.down, "−")):
        axes.plot(khz[shown], np.array(change)[shown], label=f"{sign}2 standard deviations", linewidth=1.4)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("dB")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
