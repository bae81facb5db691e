"""The experiments of Colonel, Curro and Keene (2018): runs, errors of held-out frames, verdicts on its findings."""

from statistics import mean

from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory
from intertone.experiments.finding import Finding, findings_table, judge
from intertone.experiments.frame_study import Errors, error_table, experiments_of, order, train_networks
from intertone.page import markdown_rows
from intertone.papers.colonel2018.study import (
    AUGMENTED,
    BUDGETS,
    COSTED,
    NETWORKS,
    Budget,
    check_notes,
    n_frames,
    train_config,
)
from intertone.papers.contract import Outcome, Request
from intertone.papers.publish import Results, check_marks, publish
from intertone.plot import bars_png

TABLES = ("corpus", "errors", "findings")
"""Names that a page's marks may have."""


def check_page(request: Request) -> None:
    """Refuse a page that the tables could not be put into, before any work is done.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
    """
    check_marks(request, TABLES)


def replay(notes: Notes, request: Request) -> Outcome:
    """Train every network that is not trained yet, and write tables, pictures and a listening page.

    Args:
        notes: At 44.1 kHz.
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
    experiments = experiments_of(NETWORKS, budget)
    errors = train_networks(laboratory, experiments, lambda experiment: train_config(experiment, budget))
    found = findings(errors)
    tables = {
        "corpus": corpus_table(notes, budget),
        "errors": error_table(NETWORKS, errors),
        "findings": findings_table(found),
    }
    trained = [network for network in NETWORKS if network.finished(errors)]
    heights = {
        network.title: {"spectral convergence": mean(each.convergence for each in network.runs(errors))}
        for network in trained
    }
    results = Results(
        title="Colonel, Curro and Keene 2018 (CANNe)",
        budget=budget,
        errors=errors,
        findings=found,
        tables=tables,
        pictures={"errors": bars_png(heights, y_label="spectral convergence", decimals=3)},
    )
    codecs = {network.title: laboratory.codec(network.name(0)) for network in trained[:2]}
    return publish(request, results, notes, codecs)


def findings(errors: Errors) -> tuple[Finding, ...]:
    """Return what the paper finds, with a verdict and our figures."""
    alone, first, *others = AUGMENTED
    squared, absolute = COSTED
    inputs = [order(other.title, (first, other), errors, "convergence") for other in (alone, *others)]
    powers = [order(other.title, (alone, other), errors, "power_db") for other in (squared, absolute)]
    return (
        judge("the first difference is the best addition to the input, by spectral convergence", inputs),
        judge("the cost that divides by the power gives the more accurate power, in dB", powers),
    )


def corpus_table(notes: Notes, budget: Budget) -> str:
    """Return how much was trained on, and for how long, beside the authors' code."""
    frames = {split: len(notes.select(split=split)) * n_frames(notes) for split in ("train", "valid", "test")}
    rows = [
        ("training frames", "78,991 (five octaves)", f"{frames['train']:,}, silent ones left out"),
        ("validation frames", "5,721", f"{frames['valid']:,}"),
        ("test frames", "10,731", f"{frames['test']:,}"),
        ("widths", "1000 to 16", "the same" if budget.narrower == 1 else f"divided by {budget.narrower}, 16 at least"),
        ("epochs", "50", str(budget.epochs)),
        ("seeds", "1", str(budget.seeds)),
    ]
    return markdown_rows(("", "authors' code", "here"), rows)
