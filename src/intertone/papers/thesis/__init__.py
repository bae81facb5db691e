"""The 2023 thesis: its experiments, its published table and its page."""

from typing import TYPE_CHECKING

from intertone.papers.contract import Outcome, Paper, Request

if TYPE_CHECKING:
    from intertone.data.notes import Notes


def _check(request: Request) -> None:
    from intertone.papers.thesis.replay import check_page

    check_page(request)


def _replay(notes: "Notes", request: Request) -> Outcome:
    from intertone.papers.thesis.replay import replay

    return replay(notes, request)


PAPER = Paper(
    name="thesis",
    words="Do the experiments of the 2023 thesis's chapter 4; stop at any time and run the same command to go on.",
    budgets={"smoke": "a trial, minutes", "cpu": "an hour or two", "gpu": "64 times the steps"},
    parts={"representations": "the comparison of three, without the rest"},
    files=("runs", "results", "results.json", "tables.md", "representations.html", "pictures", "sounds"),
    check=_check,
    replay=_replay,
)
