"""Colonel, Curro and Keene (2017): networks of single frames, their published errors and their page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="colonel2017",
    words="Train every network of Tables 1 to 3 of Colonel, Curro and Keene (2017), and compare the errors.",
    budgets={"smoke": "a trial, 20 seconds", "cpu": "about an hour on one core", "gpu": "300 epochs, as published"},
    files=("runs", "results", "results.json", "tables.md", "pictures", "listen.html"),
)
