"""Replay of Colonel and Keene (2020): runs, errors of held-out frames, and verdicts on the findings."""

from statistics import mean

from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory
from intertone.experiments.finding import Finding, judge
from intertone.experiments.frame_study import Errors, Network, error_table, experiments_of, fewer_notes, order
from intertone.page import markdown_rows
from intertone.papers.colonel2018.study import STFT, Budget, training_rows
from intertone.papers.colonel2020.study import (
    BUDGETS,
    EIGHT,
    INTERPOLATION,
    NETWORKS,
    PARTS,
    SMALL,
    check_notes,
    train_config,
)
from intertone.papers.contract import Outcome, Request
from intertone.papers.publish import Results, check_page, replay_frames
from intertone.plot import bars_png

__all__ = ["check_page", "replay"]

BEST = {
    ("one octave", 2): "2, sigmoid",
    ("violin", 2): "2, sigmoid, skip",
    ("one octave", 3): "3, sigmoid, skip",
    ("violin", 3): "3, sigmoid, skip",
}
"""Corpus and code size → title of the network that is best in the paper."""


def replay(notes: Notes, request: Request) -> Outcome:
    """Train all networks that have no stored result, and write tables, pictures and pages; see ``replay_frames``.

    Args:
        notes: The note set, at 44.1 kHz, with the instruments of all corpora.
        request: The request of the command line.
    """
    check_notes(notes)
    budget = BUDGETS[request.budget]
    experiments = experiments_of(NETWORKS, budget, PARTS)
    return replay_frames(notes, request, budget, experiments, train_config, evaluate)


def evaluate(laboratory: Laboratory[Budget], errors: Errors) -> Results:
    """Return tables, findings and pictures from the errors of all runs."""
    trained = [network for network in NETWORKS if network.finished(errors)]
    heights: dict[str, dict[str, float]] = {}
    for network in trained:
        if network.corpus in ("one octave", "violin") and network.table in ("2 numbers", "3 numbers"):
            _, title = network.title.split(", ", 1)
            convergence = mean(each.convergence for each in network.runs(errors))
            heights.setdefault(f"{network.table},\n{network.corpus}", {})[title] = convergence
    played = [network for network in trained if network in (EIGHT[0], *INTERPOLATION)]
    return Results(
        title="Colonel and Keene 2020 (manne)",
        corpus=corpus_table(laboratory.notes, laboratory.budget),
        errors=error_table(NETWORKS, errors, corpus=True),
        findings=findings(errors),
        pictures={"errors": bars_png(heights, y_label="spectral convergence", decimals=2)},
        codecs={network.title: laboratory.codec(network.name(0)) for network in played},
        heard=fewer_notes(PARTS["five octaves"](laboratory.notes), laboratory.budget),
    )


def findings(errors: Errors) -> tuple[Finding, ...]:
    """Return the findings of the paper, each with a verdict and the figures of the replay."""
    chroma, *others = EIGHT
    eight = [order(other.title, (chroma, other), errors) for other in others]
    found = [judge("of codes of eight numbers, those with chroma in the input are best", eight)]
    for (corpus, size), four in SMALL.items():
        best = next(network for network in four if network.title == BEST[corpus, size])
        rest = [network for network in four if network is not best]
        orders = [order(other.title, (best, other), errors) for other in rest]
        found.append(judge(f"of codes of {size} numbers, {_words(best)} is best on {corpus}", orders))
    return tuple(found)


def _words(network: Network) -> str:
    _, title = network.title.split(", ", 1)
    return title.replace(", skip", " with skip") if "skip" in title else f"{title} without skip"


def corpus_table(notes: Notes, budget: Budget) -> str:
    """Return a table of the amount of training data, widths and epochs, of the authors' code and of the replay."""
    published = {"one octave": "16,685", "five octaves": "78,991", "violin": "90,571", "guitar": "62,018"}
    rows = []
    for name, take in PARTS.items():
        count = len(fewer_notes(take(notes), budget).select(split="train")) * STFT.n_frames(notes.samples)
        rows.append((f"training frames, {name}", published[name], f"{count:,}, silent ones left out"))
    rows += training_rows(budget, widths="1024 to 16", epochs="5 if not given")
    return markdown_rows(("", "authors' code", "here"), rows)
