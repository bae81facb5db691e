"""Replay of chapter 4 of the thesis: runs, figures, tables, pictures and sounds."""

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
"""Names of the tables of the fifth question, the comparison of representations."""

TABLES = (
    *("settings", "reconstruction", "morphs", "learning", "one-instrument"),
    *("representations", "probes", "map", "moves", *COMPARED),
)
"""Names of all tables, which the marks of a page may name."""


def check_page(request: Request) -> None:
    """Refuse a page whose marks do not fit the tables, before any computation.

    Args:
        request: The request of the command line.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or a trial would replace its results.
    """
    if request.page is None:
        return
    replaced = TABLES if request.only is None else COMPARED
    check_trial(read_page(request.page, {}, others=TABLES), replaced if request.trial else ())


def replay(notes: Notes, request: Request) -> Outcome:
    """Run all experiments that have no stored result, or only the comparison of representations, and write the results.

    The output folder gets ``results.json``, ``tables.md``, ``representations.html``, ``pictures/`` and ``sounds/``; the
    comparison of representations writes the last three only.

    Args:
        notes: The note set.
        request: The request of the command line.

    Returns:
        The tables, and the path of the file that shows them.

    Raises:
        InputError: If notes, folder or page do not fit.
        KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the experiments.
    """
    laboratory = Laboratory(notes, request.out, BUDGETS[request.budget], request.device, request.on_step)
    work = replay_thesis if request.only is None else replay_representations
    outcome = work(laboratory, command=request.command)
    if request.page is not None:
        tables = mark_trial(outcome.tables) if request.trial else outcome.tables
        write_page(request.page, tables, request.out / "pictures", others=TABLES)
    return outcome


def replay_thesis(laboratory: Thesis, *, command: str) -> Outcome:
    """Run all experiments and write all results; ``command`` is the command line that the pages show."""
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
    """Run only the comparison of representations; ``command`` is the command line that the page shows."""
    compared = compare_representations(laboratory)
    make_folders(laboratory.folder / "pictures", laboratory.folder / "sounds")
    page = write_representation_page(laboratory, compared, command=command)
    return Outcome(representation_tables(compared), page)
