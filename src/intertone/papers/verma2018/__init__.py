"""Verma and Smith (2018): style transfer by the layers of a classifier, bandwidth of the results and their page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="verma2018",
    words="Transfer a tuning fork and a violin as Verma and Smith (2018) do, and measure the bandwidth.",
    budgets={
        "smoke": "a trial, 20 seconds",
        "cpu": "half an hour on two cores",
        "published": "500 iterations, about an hour on two cores",
    },
    files=("results", "sounds", "results.json", "tables.md", "pictures", "listen.html"),
    network="families",
)
