"""The thesis's chapter 4 from start to end: runs, figures, tables, pictures, sounds."""

from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory, RunResult
from intertone.experiments.store import as_json
from intertone.experiments.write_up import (
    check_trial,
    make_folders,
    mark_trial,
    read_page,
    whole_page,
    write_page,
)
from intertone.files import replacing, write_json
from intertone.papers.contract import Outcome, Request
from intertone.papers.thesis.anchors import Anchor, evaluate_anchors, evaluate_representations
from intertone.papers.thesis.codes import Codes, study_codes
from intertone.papers.thesis.pictures import draw_all, save_sounds
from intertone.papers.thesis.representation_page import representation_tables, write_representation_page
from intertone.papers.thesis.representations import Compared, compare_representations
from intertone.papers.thesis.study import BUDGETS, Thesis, run_thesis
from intertone.papers.thesis.tables import make_tables

TITLE = "The experiments of the thesis's chapter 4"

COMPARED = ("three-representations", "three-settings")
"""Names of the tables of the fifth question."""

TABLES = (
    *("settings", "reconstruction", "morphs", "learning", "one-instrument"),
    *("representations", "probes", "map", "moves", *COMPARED),
)
"""Names that a page's marks may have."""


def check_page(request: Request) -> None:
    """Refuse a page that the tables could not be put into, before any work is done.

    Args:
        request: What is asked; of a trial, the page's tables must hold no results.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
    """
    if request.page is None:
        return
    replaced = TABLES if request.only is None else COMPARED
    check_trial(read_page(request.page, {}, others=TABLES), replaced if request.trial else ())


def replay(notes: Notes, request: Request) -> Outcome:
    """Do every experiment that is not done yet, or the comparison of representations alone, and write what came out.

    Into the folder of the experiments: ``results.json``, ``tables.md``, ``representations.html``, ``pictures/`` and
    ``sounds/``; of the comparison alone the last three.

    Args:
        notes: The note set.
        request: What is asked.

    Returns:
        The tables, and the file to look at.

    Raises:
        InputError: If notes, folder or page do not fit.
        KeyboardInterrupt: If the process was told to end; the same call goes on.
    """
    laboratory = Laboratory(notes, request.out, BUDGETS[request.budget], request.device, request.on_step)
    work = replay_thesis if request.only is None else replay_representations
    outcome = work(laboratory, command=request.command)
    if request.page is not None:
        tables = mark_trial(outcome.tables) if request.trial else outcome.tables
        write_page(request.page, tables, request.out / "pictures", others=TABLES)
    return outcome


def replay_thesis(laboratory: Thesis, *, command: str) -> Outcome:
    """Do everything; ``command`` is what the pages say made them."""
    results = run_thesis(laboratory)
    anchors, representations = evaluate_anchors(laboratory), evaluate_representations(laboratory)
    codes = study_codes(laboratory)
    compared = compare_representations(laboratory)
    tables = make_tables(results, anchors, representations, codes) | representation_tables(compared)
    folder = laboratory.folder
    pictures, sounds = folder / "pictures", folder / "sounds"
    make_folders(pictures, sounds)
    draw_all(pictures, results, anchors, codes)
    save_sounds(laboratory, results, sounds, pictures)
    write_representation_page(laboratory, compared, command=command)
    found = {
        "command": command,
        "budget": laboratory.budget.model_dump(mode="json"),
        "experiments": as_json(results, dict[str, RunResult]),
        "anchors": as_json(anchors, dict[str, Anchor]),
        "representations": as_json(representations, dict[str, Anchor]),
        "codes": as_json(codes, Codes),
        "compared": as_json(compared, dict[str, Compared]),
    }
    write_json(folder / "results.json", found)
    with replacing(folder / "tables.md") as temporary:
        temporary.write_text(whole_page(TITLE, tables, command=command), encoding="utf-8")
    return Outcome(tables, folder / "tables.md")


def replay_representations(laboratory: Thesis, *, command: str) -> Outcome:
    """Compare representations, the fifth question alone; ``command`` is what the page says made it."""
    compared = compare_representations(laboratory)
    make_folders(laboratory.folder / "pictures", laboratory.folder / "sounds")
    page = write_representation_page(laboratory, compared, command=command)
    return Outcome(representation_tables(compared), page)
