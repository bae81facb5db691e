"""The experiments of Colonel and Keene (2020): runs, errors of held-out frames, verdicts on its findings."""

from statistics import mean

from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory
from intertone.experiments.finding import Finding, findings_table, judge
from intertone.experiments.frame_study import Errors, Network, error_table, experiments_of, order, train_networks
from intertone.page import markdown_rows
from intertone.papers.colonel2018.study import n_frames
from intertone.papers.colonel2020.study import (
    BUDGETS,
    EIGHT,
    INTERPOLATION,
    NETWORKS,
    PARTS,
    SMALL,
    Budget,
    check_notes,
    train_config,
)
from intertone.papers.contract import Outcome, Request
from intertone.papers.publish import Results, check_marks, publish
from intertone.plot import bars_png

TABLES = ("corpus", "errors", "findings")
"""Names that a page's marks may have."""

BEST = {
    ("one octave", 2): "2, sigmoid",
    ("violin", 2): "2, sigmoid, skip",
    ("one octave", 3): "3, sigmoid, skip",
    ("violin", 3): "3, sigmoid, skip",
}
"""Corpus, numbers → the network that the paper finds best."""


def check_page(request: Request) -> None:
    """Refuse a page that the tables could not be put into, before any work is done.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
    """
    check_marks(request, TABLES)


def replay(notes: Notes, request: Request) -> Outcome:
    """Train every network that is not trained yet, and write tables, pictures and a listening page.

    Args:
        notes: At 44.1 kHz, with the instruments of all corpora.
        request: What is asked.

    Returns:
        The tables, and the file to look at.

    Raises:
        InputError: If notes, folder or page do not fit.
        KeyboardInterrupt: If the process was told to end; the same call goes on.
    """
    check_notes(notes)
    budget = BUDGETS[request.budget]
    laboratory = Laboratory(notes, request.out, budget, request.device, request.on_step)
    experiments = experiments_of(NETWORKS, budget, PARTS)
    errors = train_networks(laboratory, experiments, lambda experiment: train_config(experiment, budget))
    found = findings(errors)
    tables = {
        "corpus": corpus_table(notes, budget),
        "errors": error_table(NETWORKS, errors, corpus=True),
        "findings": findings_table(found),
    }
    trained = [network for network in NETWORKS if network.finished(errors)]
    heights: dict[str, dict[str, float]] = {}
    for network in trained:
        if network.corpus in ("one octave", "violin") and network.table in ("2 numbers", "3 numbers"):
            _, title = network.title.split(", ", 1)
            convergence = mean(each.convergence for each in network.runs(errors))
            heights.setdefault(f"{network.table},\n{network.corpus}", {})[title] = convergence
    results = Results(
        title="Colonel and Keene 2020 (manne)",
        budget=budget,
        errors=errors,
        findings=found,
        tables=tables,
        pictures={"errors": bars_png(heights, y_label="spectral convergence", decimals=2)},
    )
    heard = [network for network in trained if network in (EIGHT[0], *INTERPOLATION)]
    codecs = {network.title: laboratory.codec(network.name(0)) for network in heard}
    return publish(request, results, PARTS["five octaves"](notes), codecs)


def findings(errors: Errors) -> tuple[Finding, ...]:
    """Return what the paper finds, with a verdict and our figures."""
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
    """Return how much was trained on, and for how long, beside the authors' code."""
    published = {"one octave": "16,685", "five octaves": "78,991", "violin": "90,571", "guitar": "62,018"}
    rows = []
    for name, take in PARTS.items():
        count = len(take(notes).select(split="train")) * n_frames(notes)
        rows.append((f"training frames, {name}", published[name], f"{count:,}, silent ones left out"))
    widths = "the same" if budget.narrower == 1 else f"divided by {budget.narrower}, 16 at least"
    rows += [
        ("widths", "1024 to 16", widths),
        ("epochs", "5 if not given", str(budget.epochs)),
        ("seeds", "1", str(budget.seeds)),
    ]
    return markdown_rows(("", "authors' code", "here"), rows)
