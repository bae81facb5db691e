"""Replay of Colonel, Curro and Keene (2018): runs, errors of held-out frames, and verdicts on the findings."""

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
    """Train all networks that have no stored result, and write tables, pictures and pages; see ``replay_frames``.

    Args:
        notes: The note set, at 44.1 kHz.
        request: The request of the command line.
    """
    check_notes(notes)
    budget = BUDGETS[request.budget]
    notes = fewer_notes(notes, budget)
    return replay_frames(notes, request, budget, experiments_of(NETWORKS, budget), train_config, evaluate)


def evaluate(laboratory: Laboratory[Budget], errors: Errors) -> Results:
    """Return tables, findings and pictures from the errors of all runs."""
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
    """Return the findings of the paper, each with a verdict and the figures of the replay."""
    alone, first, *others = AUGMENTED
    squared, absolute = COSTED
    inputs = [order(other.title, (first, other), errors, "convergence") for other in (alone, *others)]
    powers = [order(other.title, (alone, other), errors, "power_db") for other in (squared, absolute)]
    return (
        judge("the first difference is the best addition to the input, by spectral convergence", inputs),
        judge("the cost that divides by the power gives the more accurate power, in dB", powers),
    )


def corpus_table(notes: Notes, budget: Budget) -> str:
    """Return a table of the amount of training data, widths and epochs, of the authors' code and of the replay."""
    rows = [
        *frame_rows(notes, STFT, ("78,991 (five octaves)", "5,721", "10,731")),
        *training_rows(budget, widths="1000 to 16", epochs="50"),
    ]
    return markdown_rows(("", "authors' code", "here"), rows)
