"""Replay of Boemer, Gong and Homma (2018): transfers, tables of losses and figures, verdicts on the findings."""

from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np

from intertone.codec import Codec
from intertone.errors import InputError
from intertone.experiments.finding import Finding, findings_table
from intertone.experiments.store import as_json
from intertone.experiments.transfer_study import (
    RESULT,
    TransferFigures,
    Transferred,
    figures_of,
    listening,
    run_transfers,
)
from intertone.models.weights import weights_digest
from intertone.page import Command, Section, markdown_rows
from intertone.papers import publish
from intertone.papers.boemer2018.findings import findings
from intertone.papers.boemer2018.study import BUDGETS, DIRECTIONS, HEARD, SUNG, Budget, experiments_of, sounds_of
from intertone.papers.contract import Outcome, Request
from intertone.plot import curves_png

__all__ = ["TABLES", "check_page", "replay"]

TABLES = ("losses", "course", "voice", "weights", "findings")
"""Names of the tables, which the marks of a page may name."""

Done = Mapping[str, Transferred]
Figures = Mapping[str, Mapping[str, TransferFigures]]
"""Experiment → name of the sound → its figures."""


def check_page(request: Request) -> None:
    """Refuse a page whose marks do not fit the tables, see ``publish.check_page``."""
    publish.check_page(request, TABLES)


def replay(request: Request) -> Outcome:
    """Run all transfers that have no stored result, and write tables, pictures and pages.

    Args:
        request: The request of the command line.

    Returns:
        The tables, and the path of the written tables.

    Raises:
        InputError: If the network does not exist or is no WaveNet codec, the soundfont is not installed, or folder or
            page do not fit.
        KeyboardInterrupt: If the process received an interrupt; repeating the call runs the remaining transfers.
    """
    budget, codec = BUDGETS[request.budget], Codec.load(request.network)
    if codec.config.model.kind != "wavenet":
        raise InputError(f"the network must be a codec with the model wavenet, got {codec.config.model.kind}")
    done = run_transfers(
        experiments_of(budget, request.network),
        sounds_of(budget, request.soundfont),
        request.out,
        weights=weights_digest(codec.model),
        on_count=request.on_count,
    )
    figures = {name: {sound: figures_of(each, sound) for sound in each.sounds} for name, each in done.items()}
    found = findings(done, figures, budget)
    tables = {
        "losses": loss_table(done, budget),
        "course": course_table(figures, budget),
        "voice": voice_table(done, figures),
        "weights": weights_table(done, figures, budget),
        "findings": findings_table(found),
    }
    groups = [listening(each) for each in done.values()]
    output = publish.Output(
        title="Boemer, Gong and Homma 2018",
        tables=tables,
        pictures=_pictures(done, figures, budget),
        found={
            "budget": budget.model_dump(mode="json"),
            "losses": {name: list(each.record.losses) for name, each in done.items()},
            "seconds": {name: each.record.seconds for name, each in done.items()},
            "figures": as_json(figures, dict[str, dict[str, TransferFigures]]),
            "findings": as_json(found, tuple[Finding, ...]),
        },
        sections=[Section("Transfers", [Command(request.command), *groups])],
    )
    return publish.write_output(request, output)


def loss_table(done: Done, budget: Budget) -> str:
    """Return a table of the losses of notes relative to the first loss, published and in the replay."""
    rows = []
    for direction in DIRECTIONS:
        records = [done[f"{direction.name}-{pair}"].record for pair in range(1, budget.pairs + 1)]
        half, last = ([record.ratio(budget.after(at)) for record in records] for at in (50, 99))
        shares = [(1 - a) / (1 - b) for a, b in zip(half, last, strict=True)]
        published = [direction.published(place) for place in (1, 2)]
        row = (direction.title, f"{published[0]:.3f}", _span(half), f"{published[1]:.3f}", _span(last))
        rows.append((*row, f"{(1 - published[0]) / (1 - published[1]):.1%}", _span(shares, percent=True)))
    columns = (
        "",
        "50, published",
        "50, here",
        "99, published",
        "99, here",
        "done by 50, published",
        "done by 50, here",
    )
    return markdown_rows(columns, rows)


def course_table(figures: Figures, budget: Budget) -> str:
    """Return a table of the notes' intermediate sounds: flatness, noise floor, and chroma similarity to both sounds."""
    rows = []
    for direction in DIRECTIONS:
        for iteration in HEARD:
            each = [figures[f"{direction.name}-{pair}"][str(iteration)] for pair in range(1, budget.pairs + 1)]
            rows.append(
                (
                    direction.title,
                    str(iteration),
                    f"{mean(one.flatness for one in each):.3f}",
                    f"{mean(one.floor_db for one in each):.1f}",
                    f"{mean(one.content_chroma for one in each):.2f}",
                    f"{mean(one.style_chroma for one in each):.2f}",
                )
            )
    return markdown_rows(("", "iteration", "flatness", "floor, dB", "chroma, content", "chroma, style"), rows)


def voice_table(done: Done, figures: Figures) -> str:
    """Return a table of sounds during the transfer of the voice: similarity to voice and style, and noise."""
    rows = []
    for name, each in done.items():
        if each.experiment.content != "voice":
            continue
        for iteration in SUNG:
            one = figures[name][str(iteration)]
            values = (one.onsets, one.content_energy, one.content_chroma, one.mfcc, one.flatness_ratio, one.floor_db)
            rows.append((each.experiment.title, str(iteration), *(f"{value:.2f}" for value in values)))
    columns = ("", "iteration", "onset F1", "energy", "chroma", "MFCC from the style", "flatness ratio", "floor, dB")
    return markdown_rows(columns, rows)


def weights_table(done: Done, figures: Figures, budget: Budget) -> str:
    """Return a table that compares transfers with trained and with shuffled weights."""
    pairs = [(f"{name}-1", f"{name}-1-random") for name in budget.random]
    pairs.append((f"voice-{budget.main_alpha:g}", "voice-random"))
    rows = []
    for pair in pairs:
        for weights, name in zip(("trained", "random"), pair, strict=True):
            one, record = figures[name][RESULT], done[name].record
            values = (min(record.losses) / record.losses[0], one.mfcc, one.style_chroma, one.content_chroma)
            title = done[pair[0]].experiment.title
            rows.append((title, weights, *(f"{value:.3f}" for value in (*values, one.flatness_ratio))))
    columns = (
        "",
        "weights",
        "last loss / first",
        "MFCC from the style",
        "chroma, style",
        "chroma, content",
        "flatness ratio",
    )
    return markdown_rows(columns, rows)


def _pictures(done: Done, figures: Figures, budget: Budget) -> dict[str, bytes]:
    """Return line charts of the losses of notes, and of the chroma similarity of the voice, over the iterations."""
    losses = {
        direction.title: np.array(done[f"{direction.name}-1"].record.losses)
        / done[f"{direction.name}-1"].record.losses[0]
        for direction in DIRECTIONS
    }
    chroma = {
        each.experiment.title: [figures[name][str(iteration)].content_chroma for iteration in SUNG]
        for name, each in done.items()
        if each.experiment.content == "voice"
    }
    steps = range(budget.iterations + 1)
    return {
        "losses": curves_png(
            {title: values.tolist() for title, values in losses.items()},
            steps,
            x_label="iteration",
            y_label="loss over the first",
        ),
        "voice": curves_png(chroma, SUNG, x_label="iteration", y_label="chroma, cosine with the content's"),
    }


def _span(values: Sequence[float], *, percent: bool = False) -> str:
    """Return a single figure, or the lowest and the highest of several, as text."""
    texts = [f"{value:.1%}" if percent else f"{value:.3f}" for value in sorted(values)]
    return texts[0] if len(texts) == 1 else f"{texts[0]} to {texts[-1]}"
