"""Output of a paper: tables, pictures and a page to listen to; and the replay of one that trains networks of frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import JsonValue

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.experiments.experiment import Experiment, Laboratory
from intertone.experiments.finding import Finding, findings_table
from intertone.experiments.frame_study import Errors, F, FrameErrors, train_networks
from intertone.experiments.store import as_json
from intertone.experiments.write_up import check_trial, make_folders, mark_trial, read_page, whole_page, write_page
from intertone.files import replacing, write_json
from intertone.morphing import morph
from intertone.page import Clip, Command, Listening, Section, render_page
from intertone.papers.contract import Outcome, Request
from intertone.plot import spectrogram_png
from intertone.train import TrainConfig

HEARD_NOTES = 3
"""Held-out notes on a listening page."""


TABLES = ("corpus", "errors", "findings")
"""Names of the tables, and names that a page's marks may have."""


@dataclass(frozen=True)
class Results:
    """Tables, findings and pictures of one run of a paper's experiments.

    Attributes:
        title: Of the pages.
        corpus: A Markdown table: how much was trained on.
        errors: A Markdown table: every network.
        findings: What the paper reports, with our verdicts.
        pictures: Name → PNG.
        codecs: Title → networks to listen to.
        heard: Held-out notes to listen to; None: of the notes that all networks share.
    """

    title: str
    corpus: str
    errors: str
    findings: tuple[Finding, ...]
    pictures: Mapping[str, bytes]
    codecs: Mapping[str, Codec]
    heard: Notes | None = None


@dataclass(frozen=True)
class Output:
    """Tables, pictures and figures of a paper's experiments.

    Attributes:
        title: Of the pages.
        tables: Name → Markdown.
        pictures: Name → PNG.
        found: Content of ``results.json`` beside the command.
        sections: Of the page to listen to.
    """

    title: str
    tables: Mapping[str, str]
    pictures: Mapping[str, bytes]
    found: Mapping[str, JsonValue]
    sections: Sequence[Section]


def check_page(request: Request, tables: Sequence[str] = TABLES) -> None:
    """Refuse a page without the marks that the tables replace, before any work is done.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
    """
    if request.page is not None:
        check_trial(read_page(request.page, {}, others=tables), tables if request.trial else ())


def write_output(request: Request, output: Output) -> Outcome:
    """Write ``results.json``, ``tables.md``, ``pictures/``, ``listen.html``, and the tables of the request's page.

    Raises:
        InputError: If the folder or the page cannot be written.
    """
    out = request.out
    make_folders(out / "pictures")
    for name, picture in output.pictures.items():
        with replacing(out / "pictures" / f"{name}.png") as temporary:
            temporary.write_bytes(picture)
    write_json(out / "results.json", {"command": request.command, **output.found})
    with replacing(out / "tables.md") as temporary:
        temporary.write_text(whole_page(output.title, output.tables, command=request.command), encoding="utf-8")
    with replacing(out / "listen.html") as temporary:
        temporary.write_text(render_page(output.title, output.sections), encoding="utf-8")
    if request.page is not None:
        shown = mark_trial(output.tables) if request.trial else output.tables
        write_page(request.page, shown, out / "pictures", others=tuple(output.tables))
    return Outcome(output.tables, out / "tables.md")


def replay_frames(
    notes: Notes,
    request: Request,
    budget: F,
    experiments: Sequence[Experiment],
    configure: Callable[[Experiment, F], TrainConfig],
    evaluate: Callable[[Laboratory[F], Errors], Results],
) -> Outcome:
    """Train every network that is not trained yet, and write tables, pictures and a listening page.

    Args:
        notes: The note set.
        request: What is asked.
        budget: How much is trained.
        experiments: The runs.
        configure: Returns the settings of a run.
        evaluate: Returns what the paper makes of the errors of all runs.

    Returns:
        The tables, and the file to look at.

    Raises:
        InputError: If notes, folder or page do not fit.
        KeyboardInterrupt: If the process was told to end; the same call goes on.
    """
    laboratory = Laboratory(notes, request.out, budget, request.device, request.on_step)
    errors = train_networks(laboratory, experiments, lambda experiment: configure(experiment, budget))
    return _publish(request, evaluate(laboratory, errors), errors, laboratory)


def _publish(request: Request, results: Results, errors: Errors, laboratory: Laboratory[F]) -> Outcome:
    """Write what came out."""
    made = (results.corpus, results.errors, findings_table(results.findings))
    tables = dict(zip(TABLES, made, strict=True))
    found = {
        "budget": laboratory.budget.model_dump(mode="json"),
        "errors": as_json(dict(errors), dict[str, FrameErrors]),
        "findings": as_json(results.findings, tuple[Finding, ...]),
    }
    heard = laboratory.notes if results.heard is None else results.heard
    section = _listening_section(request, results, heard)
    return write_output(request, Output(results.title, tables, results.pictures, found, [section]))


def _listening_section(request: Request, results: Results, notes: Notes) -> Section:
    """Return held-out notes, what each network makes of them, and half-way morphs to the next note."""
    rows = notes.select(split="test")
    rows = rows[np.linspace(0, len(rows) - 1, min(HEARD_NOTES, len(rows))).astype(int)]
    groups = []
    sounds = notes.audio(rows)
    for place, sound in enumerate(sounds):
        clips = [_clip("the note", sound, notes.sample_rate)]
        other = sounds[(place + 1) % len(sounds)]
        for title, codec in results.codecs.items():
            clips.append(_clip(title, codec.reconstruct(sound), notes.sample_rate))
            half = morph(codec, sound, other, mix=0.5)
            clips.append(_clip(f"{title}, half-way to the next note", half, notes.sample_rate))
        groups.append(Listening(str(notes.name[rows[place]]), "Through the network, with the note's own phase.", clips))
    return Section("Held-out notes", [Command(request.command), *groups])


def _clip(title: str, sound: torch.Tensor, sample_rate: int) -> Clip:
    peak = float(sound.abs().max())
    sound = sound / peak if peak > 1 else sound
    return Clip(title, sound, sample_rate, spectrogram_png(sound, sample_rate))
