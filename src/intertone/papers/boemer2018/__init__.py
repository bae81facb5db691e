"""Boemer, Gong and Homma (2018): style transfer by the layers of a WaveNet encoder, findings and their page."""

from intertone.papers.contract import Paper

PAPER = Paper(
    name="boemer2018",
    words="Transfer pitches, chords and a voice as Boemer, Gong and Homma (2018) do, and test their findings.",
    budgets={
        "smoke": "a trial, 20 seconds",
        "cpu": "three quarters of an hour on two cores",
        "published": "3 s of sound and all variants, about four hours",
    },
    files=("results", "sounds", "results.json", "tables.md", "pictures", "listen.html"),
    network="wavenet",
)
