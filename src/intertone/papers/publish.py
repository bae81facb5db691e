"""The files of a paper that compares networks of single frames: tables, results, pictures and sounds to listen to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from intertone.codec import Codec
from intertone.config import Settings
from intertone.data.notes import Notes
from intertone.experiments.finding import Finding
from intertone.experiments.frame_study import Errors, FrameErrors
from intertone.experiments.store import as_json
from intertone.experiments.write_up import check_trial, make_folders, mark_trial, read_page, whole_page, write_page
from intertone.files import replacing, write_json
from intertone.morphing import morph
from intertone.page import Clip, Command, Listening, Section, render_page
from intertone.papers.contract import Outcome, Request
from intertone.plot import spectrogram_png

HEARD_NOTES = 3
"""Held-out notes on a listening page."""


@dataclass(frozen=True)
class Results:
    """Results of a paper.

    Attributes:
        title: Of the pages.
        budget: How much was trained.
        errors: Of every run.
        findings: What the paper reports, with our verdicts.
        tables: Name → Markdown.
        pictures: Name → PNG.
    """

    title: str
    budget: Settings
    errors: Errors
    findings: tuple[Finding, ...]
    tables: Mapping[str, str]
    pictures: Mapping[str, bytes]


def check_marks(request: Request, tables: Collection[str]) -> None:
    """Refuse a page that tables could not be put into, before any work is done.

    Args:
        request: What is asked; of a trial, the page's tables must hold no results.
        tables: Names that a page's marks may have.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
    """
    if request.page is not None:
        check_trial(read_page(request.page, {}, others=tables), tables if request.trial else ())


def publish(request: Request, results: Results, notes: Notes, codecs: Mapping[str, Codec]) -> Outcome:
    """Write what came out: ``results.json``, ``tables.md``, ``pictures/``, ``listen.html``, and the page's tables.

    Args:
        request: What was asked.
        results: What came out.
        notes: Held-out notes to listen to.
        codecs: Title → networks to listen to.

    Returns:
        The tables, and the file to look at.

    Raises:
        InputError: If folder or page cannot be written.
    """
    out, tables = request.out, results.tables
    make_folders(out / "pictures")
    for name, picture in results.pictures.items():
        with replacing(out / "pictures" / f"{name}.png") as temporary:
            temporary.write_bytes(picture)
    found = {
        "command": request.command,
        "budget": results.budget.model_dump(mode="json"),
        "errors": as_json(dict(results.errors), dict[str, FrameErrors]),
        "findings": as_json(results.findings, tuple[Finding, ...]),
    }
    write_json(out / "results.json", found)
    with replacing(out / "tables.md") as temporary:
        temporary.write_text(whole_page(results.title, tables, command=request.command), encoding="utf-8")
    with replacing(out / "listen.html") as temporary:
        temporary.write_text(_listening_page(request, results, notes, codecs), encoding="utf-8")
    if request.page is not None:
        shown = mark_trial(tables) if request.trial else tables
        write_page(request.page, shown, out / "pictures", others=tuple(tables))
    return Outcome(tables, out / "tables.md")


def _listening_page(request: Request, results: Results, notes: Notes, codecs: Mapping[str, Codec]) -> str:
    """Return a page with held-out notes, what each network makes of them, and half-way morphs to the next note."""
    rows = notes.select(split="test")
    rows = rows[np.linspace(0, len(rows) - 1, min(HEARD_NOTES, len(rows))).astype(int)]
    groups = []
    sounds = notes.audio(rows)
    for place, sound in enumerate(sounds):
        clips = [_clip("the note", sound, notes.sample_rate)]
        other = sounds[(place + 1) % len(sounds)]
        for title, codec in codecs.items():
            clips.append(_clip(title, codec.reconstruct(sound), notes.sample_rate))
            half = morph(codec, sound, other, mix=0.5)
            clips.append(_clip(f"{title}, half-way to the next note", half, notes.sample_rate))
        groups.append(Listening(str(notes.name[rows[place]]), "Through the network, with the note's own phase.", clips))
    return render_page(results.title, [Section("Held-out notes", [Command(request.command), *groups])])


def _clip(title: str, sound: torch.Tensor, sample_rate: int) -> Clip:
    peak = float(sound.abs().max())
    sound = sound / peak if peak > 1 else sound
    return Clip(title, sound, sample_rate, spectrogram_png(sound, sample_rate))
