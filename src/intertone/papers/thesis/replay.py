"""The thesis's chapter 4 from start to end: runs, judgements, tables, pictures, sounds."""

from collections.abc import Collection
from pathlib import Path

from intertone.experiments.write_up import check_trial, mark_trial, read_page, whole_page, write_page
from intertone.files import replacing, write_json
from intertone.papers.thesis.anchors import judge_anchors, judge_representations
from intertone.papers.thesis.codes import study_codes
from intertone.papers.thesis.experiment import Laboratory, run_all
from intertone.papers.thesis.pictures import draw_all, make_folders, save_sounds
from intertone.papers.thesis.representation_page import representation_tables, write_representation_page
from intertone.papers.thesis.representations import compare_representations
from intertone.papers.thesis.tables import make_tables

COMPARED = ("three-representations", "three-settings")
"""Names of the tables of the fifth question."""

TABLES = (
    *("settings", "reconstruction", "morphs", "learning", "one-instrument"),
    *("representations", "probes", "map", "moves", *COMPARED),
)
"""Names that a page's marks may have."""


def check_page(page: Path, *, trial: Collection[str] = ()) -> None:
    """Refuse a page that the tables could not be put into, before any work is done.

    Args:
        page: The page.
        trial: Names of the tables that will be no results, and must not replace any.

    Raises:
        InputError: If it cannot be read, its marks do not fit, or it holds results that must stay.
    """
    check_trial(read_page(page, {}, others=TABLES), trial)


def replay_thesis(
    laboratory: Laboratory, *, command: str, page: Path | None = None, trial: bool = False
) -> dict[str, str]:
    """Do every experiment that is not done yet, and write what came out.

    Into the folder of the experiments: ``results.json``, ``tables.md``, ``representations.html``, ``pictures/`` and
    ``sounds/``.

    Args:
        laboratory: Notes, folder and budget.
        command: What made the tables, for the pages.
        page: A Markdown page whose marked tables are replaced, and that gets copies of the pictures.
        trial: Whether the page says of each table that it is no result.

    Returns:
        The tables, name → Markdown.

    Raises:
        InputError: If notes, folder or page do not fit.
        KeyboardInterrupt: If the process was told to end; the same call goes on.
    """
    results = run_all(laboratory)
    anchors, representations = judge_anchors(laboratory), judge_representations(laboratory)
    codes = study_codes(laboratory)
    compared = compare_representations(laboratory)
    tables = make_tables(results, anchors, representations, codes) | representation_tables(compared)
    folder = laboratory.folder
    pictures, sounds = folder / "pictures", folder / "sounds"
    make_folders(pictures, sounds)
    draw_all(pictures, results, anchors, codes)
    save_sounds(laboratory, results, sounds, pictures)
    write_representation_page(laboratory, compared, command=command)
    found = {"experiments": results, "anchors": anchors, "representations": representations, "codes": codes}
    found["compared"] = compared
    write_json(folder / "results.json", {"command": command, "budget": laboratory.budget.model_dump(), **found})
    with replacing(folder / "tables.md") as temporary:
        temporary.write_text(whole_page(tables, command=command), encoding="utf-8")
    if page is not None:
        write_page(page, mark_trial(tables) if trial else tables, pictures)
    return tables


def replay_representations(
    laboratory: Laboratory, *, command: str, page: Path | None = None, trial: bool = False
) -> dict[str, str]:
    """Compare representations, the fifth question alone, and write what came out.

    Into the folder of the experiments: ``representations.html``, ``pictures/`` and ``sounds/``.

    Args:
        laboratory: Notes, folder and budget.
        command: What made the tables, for the page.
        page: A Markdown page; of its marked tables those of the comparison are replaced.
        trial: As for ``replay_thesis``.

    Returns:
        The tables, name → Markdown.

    Raises:
        InputError: If notes, folder or page do not fit.
    """
    compared = compare_representations(laboratory)
    tables = representation_tables(compared)
    pictures = laboratory.folder / "pictures"
    make_folders(pictures, laboratory.folder / "sounds")
    write_representation_page(laboratory, compared, command=command)
    if page is not None:
        write_page(page, mark_trial(tables) if trial else tables, pictures, others=TABLES)
    return tables
