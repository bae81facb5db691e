"""The tables of Colonel, Curro and Keene (2017): runs, errors of held-out frames, and what holds of the findings."""

import math
from collections.abc import Mapping, Sequence
from statistics import mean

import numpy as np
import torch
from scipy.stats import spearmanr

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory, run_all
from intertone.experiments.finding import Order, Verdict, order_verdict, overall
from intertone.experiments.store import as_json, remembered
from intertone.experiments.write_up import check_trial, make_folders, mark_trial, read_page, whole_page, write_page
from intertone.files import replacing, write_json
from intertone.page import markdown_rows
from intertone.papers.colonel2017.study import BUDGETS, ROWS, Budget, Row, check_notes, experiments, train_config
from intertone.papers.contract import Outcome, Request

TABLES = ("corpus", "errors", "findings")
"""Names that a page's marks may have."""

Errors = Mapping[str, float]
"""Name of a run → mean squared error of the held-out frames; infinite where training was stopped."""


def check_page(request: Request) -> None:
    """Refuse a page that the tables could not be put into, before any work is done.

    Raises:
        InputError: If the page cannot be read, its marks do not fit, or it holds results that must stay.
    """
    if request.page is not None:
        check_trial(read_page(request.page, {}, others=TABLES), TABLES if request.trial else ())


def replay(notes: Notes, request: Request) -> Outcome:
    """Train every network that is not trained yet, and write tables.

    Args:
        notes: At 22.05 kHz.
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
    errors = run_paper(laboratory)
    tables = {"corpus": corpus_table(notes, budget), **error_tables(errors, budget)}
    make_folders(request.out)
    found = {
        "command": request.command,
        "budget": budget.model_dump(mode="json"),
        "errors": as_json(dict(errors), dict),
    }
    write_json(request.out / "results.json", found)
    with replacing(request.out / "tables.md") as temporary:
        temporary.write_text(whole_page("Colonel, Curro and Keene 2017", tables, command=request.command), "utf-8")
    if request.page is not None:
        shown = mark_trial(tables) if request.trial else tables
        write_page(request.page, shown, request.out / "pictures", others=TABLES)
    return Outcome(tables, request.out / "tables.md")


def run_paper(laboratory: Laboratory[Budget]) -> dict[str, float]:
    """Train every network of the budget, and return the error of each run on the held-out frames."""
    budget, notes = laboratory.budget, laboratory.notes
    results = run_all(laboratory, experiments(budget), lambda experiment: train_config(experiment, budget))
    errors = {}
    for name, result in results.items():
        key = {"settings": result.settings.digest(), "notes": result.notes}
        path = laboratory.folder / "results" / f"{name}.error.json"

        def measure(name: str = name, stopped: str = result.stopped) -> float | None:
            return None if stopped else frame_error(laboratory.codec(name), notes)

        found = remembered(path, key, float | None, measure)  # type: ignore[arg-type]
        errors[name] = math.inf if found is None else found
    return errors


@torch.inference_mode()
def frame_error(codec: Codec, notes: Notes, *, split: str = "test") -> float:
    """Return the mean squared error of the frames of a split that are not silent, in the scale of the features."""
    total, count = 0.0, 0
    for rows in np.array_split(notes.select(split=split), max(1, len(notes.select(split=split)) // 16)):
        features, _ = codec.analyse(notes.audio(rows)[:, None])
        heard = (features != 0).any(1)
        difference = codec.decode_features(codec.encode_features(features)) - features
        total += float(difference.square().mean(1)[heard].double().sum())
        count += int(heard.sum())
    return total / count if count else math.nan


def corpus_table(notes: Notes, budget: Budget) -> str:
    """Return how much was trained on, and for how long, beside the paper's."""
    frames = {}
    for split in ("train", "valid", "test"):
        frames[split] = len(notes.select(split=split)) * (notes.samples // 512 + 1)
    rows = [
        ("training frames", "70,000", f"{frames['train']:,}, silent ones left out"),
        ("validation frames", "10,000", f"{frames['valid']:,}"),
        ("test frames", "10,000", f"{frames['test']:,}"),
        ("epochs", "not stated", str(budget.epochs)),
        ("seeds", "1", str(budget.seeds)),
    ]
    return markdown_rows(("", "paper", "here"), rows)


def error_tables(errors: Errors, budget: Budget) -> dict[str, str]:
    """Return every network's error beside the published one, and the findings."""
    lines = []
    for row in ROWS:
        for method, published in row.published.items():
            own = runs_of(row, method, errors)
            if own:
                table = f"Table {row.table}" if row.table else "text"
                spread = f"{min(own):.2e} to {max(own):.2e}" if len(own) > 1 else "–"
                paper = "–" if math.isnan(published) else f"{published:.2e}"
                lines.append((table, row.title, method, paper, f"{mean(own):.2e}", spread))
    columns = ("table", "network", "optimiser", "paper", "here, mean", "range of the seeds")
    sentences = [(sentence, verdict, words) for sentence, verdict, words in findings(errors)]
    return {
        "errors": markdown_rows(columns, lines),
        "findings": markdown_rows(("the paper finds", "here", "figures"), sentences),
    }


def runs_of(row: Row, method: str, errors: Errors) -> list[float]:
    """Return the errors of all seeds of a network that were trained."""
    prefix = row.name(method, 0).removesuffix("0")  # type: ignore[arg-type]
    return [error for name, error in errors.items() if name.startswith(prefix)]


def findings(errors: Errors) -> list[tuple[str, str, str]]:
    """Return the paper's findings as sentences, each with a verdict and our figures."""
    pairs = [
        (row, runs_of(row, "Adam", errors), runs_of(row, "momentum", errors)) for row in ROWS if row.table in (1, 2)
    ]
    orders = [Order(f"{row.title}: Adam below momentum", (adam, momentum)) for row, adam, momentum in pairs]
    found = [("Adam is below momentum in every row of Tables 1 and 2", *_summary(orders))]
    widths = [(int(row.title), mean(adam)) for row, adam, _ in pairs if row.table == 1 and adam]
    if len(widths) > 2:
        correlation = float(spearmanr(*zip(*widths, strict=True)).statistic)
        verdict: Verdict = "holds" if correlation <= -0.8 else "fails" if correlation > 0 else "undecided"
        found.append(("with Adam, wider is better (Spearman correlation ≤ −0.8)", verdict, f"{correlation:.2f}"))
    by_title = {row.title: runs_of(row, "Adam", errors) for row in ROWS}
    deep = Order("depth 4", (by_title["hybrid"], by_title["all sigmoid"], by_title["all ReLU"]))
    found.append(("at depth 4, hybrid is below all sigmoid, and that below all ReLU", *_summary([deep])))
    dropout = Order("dropout", (by_title["hybrid"], by_title["hybrid, dropout"]))
    found.append(("dropout makes the hybrid network worse", *_summary([dropout])))
    bias = Order("bias", (by_title["hybrid, bias"], by_title["hybrid"]))
    return [*found, ("bias helps the hybrid network to converge", *_summary([bias]))]


def _summary(orders: Sequence[Order]) -> tuple[str, str]:
    judged = [order for order in orders if all(order.runs)]
    if not judged:
        return "undecided", "not trained"
    words = [f"{order.title}: {order_verdict(order.runs)}" for order in judged]
    means = [" < ".join(f"{mean(runs):.2e}" for runs in order.runs) for order in judged]
    figures = [f"{word} ({values})" for word, values in zip(words, means, strict=True)] if len(judged) > 1 else means
    missing = len(orders) - len(judged)
    verdict = overall([order_verdict(order.runs) for order in judged]) if not missing else "undecided"
    return verdict, "; ".join(figures) + (f"; {missing} not trained" if missing else "")
