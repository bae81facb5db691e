"""Output of a paper's replay (tables, pictures, listening page), and the replay of papers with networks of frames."""

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
"""Number of held-out notes on a listening page."""


TABLES = ("corpus", "errors", "findings")
"""Names of the tables that a page may ask for with a mark."""


@dataclass(frozen=True)
class Results:
    """Tables, findings and pictures of one run of a paper's experiments.

    Attributes:
        title: Title of the pages.
        corpus: Markdown table of the training data.
        errors: Markdown table of all networks.
        findings: Findings of the paper with verdicts.
        pictures: Name → PNG.
        codecs: Title → codec on the listening page.
        heard: Notes whose test split is on the listening page; None: the note set of all networks.
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
        title: Title of the pages.
        tables: Name → Markdown.
        pictures: Name → PNG.
        found: Content of ``results.json``, without the command.
        sections: Sections of the listening page.
    """

    title: str
    tables: Mapping[str, str]
    pictures: Mapping[str, bytes]
    found: Mapping[str, JsonValue]
    sections: Sequence[Section]


def check_page(request: Request, tables: Sequence[str] = TABLES) -> None:
    """Refuse a page whose marks do not fit the tables, before any computation.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or a trial would replace its results.
    """
    if request.page is not None:
        check_trial(read_page(request.page, {}, others=tables), tables if request.trial else ())


def write_output(request: Request, output: Output) -> Outcome:
    """Write ``results.json``, ``tables.md``, ``pictures/`` and ``listen.html``, and replace the tables of the page.

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
    """Train all networks that have no stored result, and write tables, pictures and a listening page.

    Args:
        notes: The note set.
        request: The request of the command line.
        budget: Amount of training.
        experiments: The experiments.
        configure: Returns the settings of a run.
        evaluate: Returns tables, findings and pictures from the errors of all runs.

    Returns:
        The tables, and the path of the written tables.

    Raises:
        InputError: If notes, folder or page do not fit.
        KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the experiments.
    """
    laboratory = Laboratory(notes, request.out, budget, request.device, request.on_step)
    errors = train_networks(laboratory, experiments, lambda experiment: configure(experiment, budget))
    return _publish(request, evaluate(laboratory, errors), errors, laboratory)


def _publish(request: Request, results: Results, errors: Errors, laboratory: Laboratory[F]) -> Outcome:
    """Write tables, pictures, ``results.json`` and the listening page."""
    made = (results.corpus, results.errors, findings_table(results.findings))
    tables = dict(zip(TABLES, made, strict=True))
    found = {
        "budget": laboratory.budget.model_dump(mode="json"),
        "errors": as_json(dict(errors), dict[str, FrameErrors]),
        "findings": as_json(results.findings, tuple[Finding, ...]),
    }
    notes = laboratory.notes if results.heard is None else results.heard
    section = _listening_section(request, results, notes)
    return write_output(request, Output(results.title, tables, results.pictures, found, [section]))


def _listening_section(request: Request, results: Results, notes: Notes) -> Section:
    """Return players of held-out notes, of each network's reconstructions, and of half-way morphs to the next note."""
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
        groups.append(
            Listening(str(notes.name[rows[place]]), "Reconstructions with the phase of the note, and morphs.", clips)
        )
    return Section("Held-out notes", [Command(request.command), *groups])


def _clip(title: str, sound: torch.Tensor, sample_rate: int) -> Clip:
    peak = float(sound.abs().max())
    sound = sound / peak if peak > 1 else sound
    return Clip(title, sound, sample_rate, spectrogram_png(sound, sample_rate))
