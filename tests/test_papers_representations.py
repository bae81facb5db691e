import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from intertone.cli.paper import app as paper_app
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.experiments.experiment import Laboratory, LogLine
from intertone.experiments.figures import rows_in_tune
from intertone.experiments.store import read_lines, read_result
from intertone.experiments.write_up import fill
from intertone.papers.thesis import representations
from intertone.papers.thesis.replay import replay_representations
from intertone.papers.thesis.representation_page import heard_rows, representation_tables
from intertone.papers.thesis.representations import (
    Compared,
    compare_representations,
    evaluate_view,
    reconstruct,
    train_view,
)
from intertone.papers.thesis.study import BUDGETS, CODE_SIZE, Comparison
from intertone.papers.thesis.views import VIEWS, View, view_codec, view_config
from intertone.train import Progress

pytestmark = pytest.mark.usefixtures("no_training_pictures")

SMOKE = BUDGETS["smoke"]


def views(*names: str) -> tuple[View, ...]:
    return tuple(view for view in VIEWS if view.name in names)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_has_the_same_network_and_code(view: View) -> None:
    codec, first = (view_codec(each, Comparison()) for each in (view, VIEWS[0]))
    n_frames = codec.representation.n_frames(64000)
    assert n_frames == 251
    assert codec.model.latent_dim * codec.model.n_latents(n_frames) == CODE_SIZE
    own, others = (dict(each.model.named_parameters()) for each in (codec, first))
    assert own.keys() == others.keys()
    assert all(torch.equal(own[name], others[name]) for name in own)
    assert codec.representation.scales[0].range_db == 80
    assert codec.sample_rate == 16000
    assert codec.config.model.channels == (32, 64, 128, 256)


def test_every_view_is_trained_alike() -> None:
    first, *others = (view_config(view, SMOKE.comparison) for view in VIEWS)
    assert (first.schedule, first.min_learning_rate, first.epochs, first.batch_size) == ("cosine", 0.0, 2, 2)
    for other in others:
        same = {
            "representation": first.representation,
            "model": other.model.model_copy(update={"strides": first.model.strides}),
        }
        assert other.model_copy(update=same) == first
    codec = view_codec(VIEWS[2], SMOKE.comparison)
    assert (codec.config.representation, codec.config.model) == (others[1].representation, others[1].model)


def test_a_view_learns_and_goes_on_where_it_was_stopped(notes: Notes, tmp_path: Path) -> None:
    comparison = Comparison(train_notes=8, passes=6, batch_size=4, valid_notes=2, channel_divisor=8)
    budget = SMOKE.model_copy(update={"comparison": comparison})
    seen: list[tuple[str, int, int]] = []

    def stop(title: str, progress: Progress, steps: int) -> None:
        seen.append((title, progress.step, steps))
        if progress.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    (view,) = views("spectrogram")
    with pytest.raises(KeyboardInterrupt):
        train_view(Laboratory(notes, tmp_path, budget, on_step=stop), view)
    assert seen == [("dB spectrogram", step, 2) for step in range(1, 6)]
    progress, n_notes = train_view(Laboratory(notes, tmp_path, budget, on_step=stop), view)
    assert (progress.step, n_notes, len(seen)) == (12, 8, 12)
    lines = read_lines(tmp_path / "runs" / "training-spectrogram" / "metrics.jsonl", LogLine)
    losses = [line.loss for line in lines if line.split == "train"]
    assert len(losses) == 6
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_alone_is_the_way_back_of_the_representation(view: View, notes: Notes) -> None:
    codec = view_codec(view, SMOKE.comparison)
    rows = notes.select(split="test")[[1, 4]]
    found = evaluate_view(codec, notes, rows, rows_in_tune(notes, rows), seed=0)
    # the representation alone keeps a note; a network that has learnt nothing does not
    assert max(found["alone"].log_mel) < 3 < 10 < min(found["network"].log_mel)
    assert max(abs(error) for error in found["alone"].loud_cells) < 1
    assert found["alone"].in_tune == (1.0, 1.0)
    assert evaluate_view(codec, notes, rows[:1], [False], seed=0)["alone"].in_tune == (None,)
    assert reconstruct(codec, notes.audio(rows), seed=0).shape == (2, notes.samples)


def test_what_is_done_is_not_done_again(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representations, "VIEWS", views("spectrogram"))
    laboratory = Laboratory(notes, tmp_path, SMOKE)
    first = compare_representations(laboratory)["spectrogram"]
    assert (first.rows, first.frames, first.notes, first.steps) == (512, 64, 4, 4)
    assert [len(curve) for curve in (first.training, first.valid)] == [2, 2]
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == ["representation-spectrogram", "training-spectrogram"]  # prepared features are gone

    def never(*_: object, **__: object) -> None:
        raise AssertionError("done again")

    monkeypatch.setattr("intertone.experiments.experiment.train_codec", never)
    assert compare_representations(Laboratory(notes, tmp_path, SMOKE))["spectrogram"] == first
    other = SMOKE.model_copy(update={"comparison": SMOKE.comparison.model_copy(update={"seed": 1})})
    with pytest.raises(AssertionError, match="done again"):
        compare_representations(Laboratory(notes, tmp_path, other))


def test_notes_of_another_rate_are_refused(notes: Notes, tmp_path: Path) -> None:
    other = Notes.open(notes.folder)
    other.sample_rate = 44100
    with pytest.raises(InputError, match="must have a sample_rate of 16000 Hz, got 44100"):
        compare_representations(Laboratory(other, tmp_path, SMOKE))


def test_a_table_shows_median_and_mean(tmp_path: Path) -> None:
    figures = {"log_mel": [1.0, 2.0, 6.0], "loud_cells": [-1.0, -2.0, -3.0], "in_tune": [1.0, None, 0.0]}
    result = {"title": "a", "rows": 512, "frames": 251, "strides": [[2, 4]], "weights": 2_160_000, "code": 2048}
    result |= {"notes": 1500, "steps": 465, "training": [9.0], "valid": [10.0], "network": figures, "alone": figures}
    result |= {"analysis_seconds": 0.07, "training_seconds": 300.2}
    (tmp_path / "a.json").write_text(json.dumps(result))  # as an older version wrote it
    known = read_result(tmp_path / "a.json", Compared)
    assert known is not None and known.strides == ((2, 4),)
    tables = representation_tables({"a": known})
    rows = [table.splitlines()[2] for table in tables.values()]
    assert rows == [
        "| a | network | 2.00 | 3.00 | −2.00 | 50 % |",
        "| a | 512 × 251 | 2×4 | 2.16 M | 2,048 | 1,500 | 465 | 0.070 | 300 | 9.00 | 10.00 |",
    ]


def test_other_tables_of_the_page_stay() -> None:
    text = "<!-- table: map -->\n| old |\n<!-- end -->\n<!-- table: moves -->\n| old |\n<!-- end -->\n"
    found = fill(text, {"map": "| new |"}, others=("map", "moves"))
    assert found == "<!-- table: map -->\n| new |\n<!-- end -->\n<!-- table: moves -->\n| old |\n<!-- end -->\n"
    with pytest.raises(InputError, match="one of the tables map, got moves"):
        fill(text, {"map": ""}, others=("map",))


@pytest.mark.slow
def test_the_command_does_this_part_alone(notes: Notes, tmp_path: Path) -> None:
    page, out = tmp_path / "thesis.md", tmp_path / "out"
    kept = "<!-- table: settings -->\n| mine |\n<!-- end -->\n"
    page.write_text(kept + "<!-- table: three-representations -->\n<!-- end -->\n")
    words = ["thesis", "--budget", "smoke", "--only", "representations", "--data", str(notes.folder), "-o", str(out)]
    done = CliRunner().invoke(paper_app, [*words, "--write", str(page), "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    tables = json.loads(done.stdout)["tables"]
    assert list(tables) == ["three-representations", "three-settings"]
    assert len(tables["three-representations"].splitlines()) == 2 + 2 * len(VIEWS)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(kept)
    assert tables["three-representations"] in text
    assert (tmp_path / "images" / "thesis-representations.png").is_file()
    assert sorted(path.name for path in out.iterdir()) == [
        "pictures",
        "representations.html",
        "results",
        "runs",
        "sounds",
    ]
    assert len(list((out / "sounds").iterdir())) == 2 * 4  # two notes, three views and the note itself
    assert (out / "representations.html").read_text(encoding="utf-8").count("<audio") == 8
    laboratory = Laboratory(notes, out, SMOKE)
    assert replay_representations(laboratory, command="again").tables == tables
    pitches = notes.pitch[heard_rows(laboratory)]
    assert np.array_equal(pitches, np.sort(pitches))
