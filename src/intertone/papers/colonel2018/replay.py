"""The experiments of Colonel, Curro and Keene (2018): runs, errors of held-out frames, verdicts on its findings."""

from statistics import mean

from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory
from intertone.experiments.finding import Finding, judge
from intertone.experiments.frame_study import (
    Errors,
    error_table,
    experiments_of,
    fewer_notes,
    frame_rows,
    order,
)
from intertone.page import markdown_rows
from intertone.papers.colonel2018.study import (
    AUGMENTED,
    BUDGETS,
    COSTED,
    NETWORKS,
    STFT,
    Budget,
    check_notes,
    train_config,
    training_rows,
)
from intertone.papers.contract import Outcome, Request
from intertone.papers.publish import Results, check_page, replay_frames
from intertone.plot import bars_png

__all__ = ["check_page", "replay"]


def replay(notes: Notes, request: Request) -> Outcome:
    """Train every network that is not trained yet, and write what came out; as ``replay_frames``.

    Args:
        notes: At 44.1 kHz.
        request: What is asked.

    Returns:
        The tables, and the file to look at.
    """
    check_notes(notes)
    budget = BUDGETS[request.budget]
    notes = fewer_notes(notes, budget)
    return replay_frames(notes, request, budget, experiments_of(NETWORKS, budget), train_config, evaluate)


def evaluate(laboratory: Laboratory[Budget], errors: Errors) -> Results:
    """Return what the paper makes of the errors of all runs."""
    trained = [network for network in NETWORKS if network.finished(errors)]
    heights = {
        network.title: {"spectral convergence": mean(each.convergence for each in network.runs(errors))}
        for network in trained
    }
    return Results(
        title="Colonel, Curro and Keene 2018 (CANNe)",
        corpus=corpus_table(laboratory.notes, laboratory.budget),
        errors=error_table(NETWORKS, errors),
        findings=findings(errors),
        pictures={"errors": bars_png(heights, y_label="spectral convergence", decimals=3)},
        codecs={network.title: laboratory.codec(network.name(0)) for network in trained[:2]},
    )


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
    rows = [
        *frame_rows(notes, STFT, ("78,991 (five octaves)", "5,721", "10,731")),
        *training_rows(budget, widths="1000 to 16", epochs="50"),
    ]
    return markdown_rows(("", "authors' code", "here"), rows)
