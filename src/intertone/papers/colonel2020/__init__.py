"""Colonel and Keene (2020), manne: chroma, skips and bounded codes of 8, 3 and 2 numbers, findings and their page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="colonel2020",
    words="Train the networks of Colonel and Keene (2020), manne, and test its findings.",
    budgets={
        "smoke": "a trial, 20 seconds",
        "cpu": "about an hour on one core",
        "longer": "four times the steps of cpu, one seed, of networks whose order failed",
        "gpu": "50 epochs, full width",
    },
    files=("runs", "results", "results.json", "tables.md", "pictures", "listen.html"),
)
