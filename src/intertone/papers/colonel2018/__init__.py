"""Colonel, Curro and Keene (2018), CANNe: input augmentation and costs, findings and their page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="colonel2018",
    words="Train the networks of Colonel, Curro and Keene (2018), CANNe, and test its findings.",
    budgets={"smoke": "a trial, 20 seconds", "cpu": "about an hour on one core", "gpu": "50 epochs, as published"},
    files=("runs", "results", "results.json", "tables.md", "pictures", "listen.html"),
)
