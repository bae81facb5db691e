"""Colonel, Curro and Keene (2017): autoencoders of single frames, their published tables and their page."""

from typing import TYPE_CHECKING

from intertone.papers.contract import Outcome, Paper, Request

if TYPE_CHECKING:
    from intertone.data.notes import Notes


def _check(request: Request) -> None:
    from intertone.papers.colonel2017.replay import check_page

    check_page(request)


def _replay(notes: "Notes", request: Request) -> Outcome:
    from intertone.papers.colonel2017.replay import replay

    return replay(notes, request)


PAPER = Paper(
    name="colonel2017",
    words="Train every network of Tables 1 to 3 of Colonel, Curro and Keene (2017), and compare the errors.",
    budgets={"smoke": "a trial, half a minute", "cpu": "an hour or more", "gpu": "300 epochs, as published"},
    parts={},
    files=("runs", "results", "results.json", "tables.md"),
    check=_check,
    replay=_replay,
)
