"""Replay of Colonel, Curro and Keene (2017): runs, errors of held-out frames, and verdicts on the findings."""

import math
from collections.abc import Mapping
from statistics import mean

import torch
from scipy.stats import spearmanr
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.experiments.experiment import Laboratory
from intertone.experiments.finding import Finding, Order, Verdict, judge
from intertone.experiments.frame_study import Errors, fewer_notes, frame_rows
from intertone.level import amplitude_to_db
from intertone.page import markdown_rows
from intertone.papers.colonel2017.study import BUDGETS, ROWS, STFT, Budget, Row, check_notes, experiments, train_config
from intertone.papers.contract import Outcome, Request
from intertone.papers.publish import Results, check_page, replay_frames
from intertone.plot import changes_png
from intertone.stft import SpectrogramConfig, magnitude_to_mel, mel_filterbank, stft

__all__ = ["check_page", "replay"]

SquaredErrors = Mapping[str, float]
"""Name of a run → mean squared error of the held-out frames; infinite: training stopped with an error."""

HYBRID = "hybrid-adam-seed-0"
"""Run whose code values are varied one by one for the picture, and whose sounds are on the listening page."""

MEL_BANDS = 64
"""Number of mel bands in the picture."""


def replay(notes: Notes, request: Request) -> Outcome:
    """Train all networks that have no stored result, and write tables, pictures and pages; see ``replay_frames``.

    Args:
        notes: The note set, at 22.05 kHz.
        request: The request of the command line.
    """
    check_notes(notes)
    budget = BUDGETS[request.budget]
    notes = fewer_notes(notes, budget)
    return replay_frames(notes, request, budget, experiments(budget), train_config, evaluate)


def evaluate(laboratory: Laboratory[Budget], errors: Errors) -> Results:
    """Return tables, findings and pictures from the errors of all runs."""
    squared = {name: each.squared for name, each in errors.items()}
    hybrid = laboratory.codec(HYBRID)
    return Results(
        title="Colonel, Curro and Keene 2017",
        corpus=corpus_table(laboratory.notes, laboratory.budget),
        errors=error_table(squared),
        findings=findings(squared),
        pictures={"units": units_png(hybrid, laboratory.notes)},
        codecs={"hybrid": hybrid},
    )


def corpus_table(notes: Notes, budget: Budget) -> str:
    """Return a table of the amount of training data and epochs, of the paper and of the replay."""
    rows = [
        *frame_rows(notes, STFT, ("70,000", "10,000", "10,000")),
        ("epochs", "not stated", str(budget.epochs)),
        ("seeds", "1", str(budget.seeds)),
    ]
    return markdown_rows(("", "paper", "here"), rows)


def error_table(errors: SquaredErrors) -> str:
    """Return a table of every network's error, published and in the replay."""
    lines = []
    for row in ROWS:
        for method, published in row.published.items():
            own = runs_of(row, method, errors)
            if own:
                table = f"Table {row.table}" if row.table else "text"
                spread = f"{min(own):.2e} to {max(own):.2e}" if len(own) > 1 else "–"
                paper = "–" if math.isnan(published) else f"{published:.2e}"
                here = "silent" if math.isinf(mean(own)) else f"{mean(own):.2e}"
                lines.append((table, row.title, method, paper, here, spread))
    columns = ("table", "network", "optimiser", "paper", "here, mean", "range of the seeds")
    return markdown_rows(columns, lines)


def runs_of(row: Row, method: str, errors: SquaredErrors) -> list[float]:
    """Return the errors of a network for all seeds that were trained."""
    prefix = row.name(method, 0).removesuffix("0")  # type: ignore[arg-type]
    return [error for name, error in errors.items() if name.startswith(prefix)]


def findings(errors: SquaredErrors) -> tuple[Finding, ...]:
    """Return the findings of the paper, each with a verdict and the figures of the replay."""
    pairs = [
        (row, runs_of(row, "Adam", errors), runs_of(row, "momentum", errors)) for row in ROWS if row.table in (1, 2)
    ]
    orders = [Order(row.title, (adam, momentum)) for row, adam, momentum in pairs]
    found = [judge("Adam is below momentum in every row of Tables 1 and 2", orders)]
    widths = [(int(row.title), mean(adam)) for row, adam, _ in pairs if row.table == 1 and adam]
    if len(widths) > 2:
        correlation = float(spearmanr(*zip(*widths, strict=True)).statistic)
        verdict: Verdict = "holds" if correlation <= -0.8 else "fails" if correlation > 0 else "undecided"
        found.append(Finding("with Adam, wider is better (Spearman correlation ≤ −0.8)", verdict, f"{correlation:.2f}"))
    by_title = {row.title: runs_of(row, "Adam", errors) for row in ROWS}
    deep = Order("depth 4", (by_title["hybrid"], by_title["all sigmoid"], by_title["all ReLU"]))
    dropout = Order("dropout", (by_title["hybrid"], by_title["hybrid, dropout"]))
    bias = Order("bias", (by_title["hybrid, bias"], by_title["hybrid"]))
    return (
        *found,
        judge("at depth 4, hybrid is below all sigmoid, and that below all ReLU", [deep]),
        judge("dropout makes the hybrid network worse", [dropout]),
        judge("bias helps the hybrid network to converge", [bias]),
    )


@torch.inference_mode()
def units_png(codec: Codec, notes: Notes) -> bytes:
    """Return a heat map of the change of a note's log-mel spectrogram when a code value is set to 0 or doubled.

    Args:
        codec: The codec.
        notes: The note set; the first note of its test split is used.

    Returns:
        A PNG with a row for each value of the code, a column for each mel band, and the mean change over time in dB.
    """
    sound = notes.audio(notes.select(split="test")[:1])[0]
    own = codec.reconstruct(sound)
    size = codec.model.latent_dim
    bands = {}
    for gain in (0.0, 2.0):
        changes = []
        for unit in range(size):
            gains = torch.ones(size)
            gains[unit] = gain
            changes.append(mel_change(codec.reconstruct(sound, gains=gains), own, notes.sample_rate))
        bands[f"gain {gain:g}"] = torch.stack(changes)
    return changes_png(bands, rows="number of the code", columns="mel band", label="change, dB")


def mel_change(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the mean difference over time of each log-mel band, dB, with a floor 60 dB below the loudest cell.

    Args:
        estimate: ``(samples,)``.
        reference: ``(samples,)``.
        sample_rate: Hz.

    Returns:
        ``(bands,)``.
    """
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=2048, hop_length=512)
    bank = mel_filterbank(config, n_mels=MEL_BANDS, f_min=30, f_max=sample_rate / 2)
    images = [magnitude_to_mel(stft(sound, config).abs(), bank) for sound in (estimate, reference)]
    floor = max(float(images[1].max()) * 1e-3, 1e-9)
    first, second = (amplitude_to_db(image.clamp_min(floor)) for image in images)
    return (first - second).mean(-1)
