"""The 2023 thesis: its experiments, its published table and its page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="thesis",
    words="Do the experiments of the 2023 thesis's chapter 4; stop at any time and run the same command to go on.",
    budgets={"smoke": "a trial, minutes", "cpu": "an hour or two", "gpu": "64 times the steps"},
    files=("runs", "results", "results.json", "tables.md", "representations.html", "pictures", "sounds"),
    parts={"representations": "the comparison of three, without the rest"},
)
