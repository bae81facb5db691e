"""Colonel, Curro and Keene (2017): the published tables, the networks, and the command from notes to tables."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run

from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.data.patch import draw_patch
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.data.virtual_analogue import play_patch
from intertone.errors import InputError
from intertone.experiments.finding import order_verdict, overall
from intertone.experiments.frame_study import held_out_errors
from intertone.models import build_model
from intertone.papers.colonel2017.replay import error_table, findings, runs_of
from intertone.papers.colonel2017.study import BUDGETS, ROWS, check_notes, experiments, train_config

pytestmark = pytest.mark.usefixtures("no_training_pictures")


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Notes of the synthesizer at the paper's rate: eight to train with, two in each other split."""
    folder = tmp_path_factory.mktemp("patches")
    begin_notes(folder, sample_rate=22050, samples=11025, kind="virtual-analogue", settings={})
    rows, pcm, scales = [], [], []
    for seed, split in enumerate([*["train"] * 8, "valid", "valid", "test", "test"]):
        settings = {"sample_rate": 22050, "hold_seconds": 0.3, "release_seconds": 0.2}
        (sound,) = play_patch(draw_patch(seed, category="organ"), [[48 + seed, 60]], [100], **settings)
        values, scale = quantise(sound)
        pcm.append(values)
        scales.append(scale)
        rows.append(NoteRow(f"p{seed}", -1, 100, f"p{seed}", "organ", "test", f"p{seed}", split))
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


def test_the_published_tables() -> None:
    by_table = {number: [row for row in ROWS if row.table == number] for number in (1, 2, 3)}
    assert [len(rows) for rows in by_table.values()] == [6, 3, 3]
    best = min((row for row in ROWS if row.table), key=lambda row: row.published["Adam"])
    assert (best.title, best.published) == ("1024", {"momentum": 3.52e-2, "Adam": 7.13e-5})
    assert {row.title: row.published["Adam"] for row in by_table[3]} == {
        "all sigmoid": 1.72e-3,
        "all ReLU": 8.00e-2,
        "hybrid": 4.91e-4,
    }


def test_the_networks_are_those_of_the_paper() -> None:
    runs = {run.name: train_config(run, BUDGETS["gpu"]) for run in experiments(BUDGETS["gpu"])}
    assert len(runs) == 3 * (2 * 9 + 3) + 2
    assert all(config.epochs == 300 and config.frames_per_batch == 100 for config in runs.values())
    hybrid = runs["hybrid-adam-seed-2"]
    assert hybrid.seed == 2 and hybrid.optimiser == "adam" and hybrid.schedule == "cosine"
    model = build_model(hybrid.model, n_features=1025)
    widths = [1025, 512, 256, 128, 64, 128, 256, 512, 1025]
    assert [tuple(value.shape) for value in model.parameters()] == [(b, a) for a, b in pairwise(widths)]
    kinds = [type(layer[1]).__name__ for layer in (*model.encoder, *model.decoder)]
    assert kinds == [*["ReLU"] * 3, "Sigmoid", *["ReLU"] * 3, "Sigmoid"]
    momentum = runs["256-8-momentum-seed-0"]
    assert (momentum.optimiser, momentum.learning_rate, momentum.momentum) == ("sgd", 5e-3, 0.5)
    assert runs["hybrid-bias-adam-seed-0"].model.bias and runs["hybrid-dropout-adam-seed-0"].model.dropout == 0.2


def test_the_error_is_that_of_the_frames_that_sound(patches: Notes) -> None:
    config = train_config(experiments(BUDGETS["smoke"])[0], BUDGETS["smoke"])
    codec = Codec(CodecConfig(representation=config.representation, model=config.model))
    rows = patches.select(split="test")
    features, _ = codec.representation.analyse(patches.audio(rows)[:, None])
    with torch.no_grad():
        difference = codec.model(features) - features
    heard = (features != 0).any(1)
    found = held_out_errors(codec, patches)
    assert found.squared == pytest.approx(float(difference.square().mean(1)[heard].mean()), rel=1e-5)
    assert found.absolute == pytest.approx(float(difference.abs().mean(1)[heard].mean()), rel=1e-5)
    power = features.square().mean(1)[heard]
    assert found.convergence == pytest.approx(float(difference.square().mean(1)[heard].sum() / power.sum()) ** 0.5)
    made = codec.model(features).detach().square().mean(1)[heard]
    assert found.power_db == pytest.approx(float((10 * torch.log10(made / power)).abs().mean()), rel=1e-4)


def test_notes_of_another_rate_are_refused(notes: Notes) -> None:
    with pytest.raises(InputError, match="the notes must have the paper's sample_rate=22050, got 16000"):
        check_notes(notes)


def test_an_order_holds_beyond_the_spread_of_the_seeds() -> None:
    assert order_verdict([[1, 1.1, 0.9], [1.3, 1.4, 1.35], [2, 2, 2]]) == "holds"
    assert order_verdict([[1, 1.5], [1.3, 1.4]]) == "undecided"
    assert order_verdict([[1.0], [3.0], [2.0]]) == "fails"
    assert overall(["holds", "holds"]) == "holds"
    stopped = [math.inf, math.inf]
    verdicts = [order_verdict(runs) for runs in ([stopped, [1, 2]], [[1, 2], stopped], [stopped, stopped])]
    assert verdicts == ["fails", "holds", "undecided"]
    assert order_verdict([[1, math.inf], [2, 2]]) == "undecided"


def test_findings_follow_the_figures() -> None:
    errors = {}
    for row in ROWS:
        for method, published in row.published.items():
            for seed in range(3):
                value = 6e-4 if row.title == "hybrid, dropout" else 4e-4 if row.title == "hybrid, bias" else published
                errors[row.name(method, seed)] = value * (1 + 0.01 * seed)
    assert runs_of(ROWS[0], "Adam", errors) == pytest.approx([5.30e-3, 5.353e-3, 5.406e-3])
    assert [finding.verdict for finding in findings(errors)] == ["holds"] * 5
    # the published figures of Table 1 fall with the width but for one step
    assert findings(errors)[1].figures == "-0.83"
    worse = {name: 1.0 if name.startswith("hybrid-adam") else value for name, value in errors.items()}
    assert findings(worse)[2].sentence == "at depth 4, hybrid is below all sigmoid, and that below all ReLU"
    assert findings(worse)[2].verdict == "fails"
    without = {name: value for name, value in errors.items() if not name.startswith("8-")}
    assert findings(without)[0].verdict == "undecided" and "1 not trained" in findings(without)[0].figures
    stopped = errors | {"all-ReLU-adam-seed-0": math.inf}
    assert findings(stopped)[2].verdict in ("holds", "undecided")
    assert "| silent |" in error_table(stopped)


@pytest.mark.slow
def test_the_command_trains_and_fills_the_page(
    patches: Notes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "colonel2017.md"
    page.write_text(
        "".join(f"{name}\n<!-- table: {name} -->\n<!-- end -->\n" for name in ("corpus", "errors", "findings"))
    )
    words = ["paper", "colonel2017", "--budget", "smoke", "--data", patches.folder, "-o", tmp_path / "out"]
    code, out, err = run(*words, "--write", page, "--json", capsys=capsys)
    assert code == 0, err
    tables = json.loads(out)["tables"]
    rows = [line.split(" | ") for line in tables["errors"].splitlines()[2:]]
    assert [row[1:4] for row in rows] == [
        ["8", "momentum", "4.40e-02"],
        ["8", "Adam", "5.30e-03"],
        ["hybrid", "Adam", "4.91e-04"],
    ]
    assert all(0 < float(row[4]) < 1 for row in rows)
    assert "these figures say nothing" in page.read_text() and "| undecided |" in page.read_text()
    before = (tmp_path / "out" / "runs" / "8-adam-seed-0" / "last" / "state.pt").stat().st_mtime_ns
    assert run(*words, capsys=capsys)[0] == 0  # what is done is not repeated
    assert (tmp_path / "out" / "runs" / "8-adam-seed-0" / "last" / "state.pt").stat().st_mtime_ns == before
