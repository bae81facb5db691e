"""The 2023 thesis: its experiments, its published table and its page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="thesis",
    words="Run the experiments of chapter 4 of the 2023 thesis; the same command resumes an interrupted replay.",
    budgets={"smoke": "a trial, minutes", "cpu": "an hour or two", "gpu": "64 times the steps"},
    files=("runs", "results", "results.json", "tables.md", "representations.html", "pictures", "sounds"),
    parts={"representations": "only the comparison of three representations"},
)
