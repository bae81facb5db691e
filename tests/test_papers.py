import json
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import typer
from conftest import SMALL_MODEL, untrained_codec
from sklearn.linear_model import Ridge
from typer.testing import CliRunner

from intertone.cli.paper import app as paper_app
from intertone.cli.paper import build
from intertone.codec import Codec
from intertone.config import override
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.experiments import experiment as experiments
from intertone.experiments.experiment import (
    EvaluationBudget,
    Experiment,
    Laboratory,
    Point,
    RunResult,
    run_all,
    run_one,
)
from intertone.experiments.figures import (
    PairFigures,
    TunedShare,
    by_codec,
    evaluate_notes,
    evaluate_pairs,
    rows_in_tune,
)
from intertone.experiments.probes import accuracy, best_constant, fit_probe
from intertone.experiments.store import read_lines, read_result, remembered, write_result
from intertone.experiments.write_up import TRIAL, fill, whole_page, write_page
from intertone.metrics import in_tune
from intertone.models import DenseBottleneckConfig, build_model
from intertone.page import markdown_rows
from intertone.papers import PAPERS
from intertone.papers.boemer2018 import study as boemer2018
from intertone.papers.colonel2017 import study as colonel2017
from intertone.papers.colonel2018 import study as colonel2018
from intertone.papers.colonel2020 import study as colonel2020
from intertone.papers.contract import Outcome, Paper, Request
from intertone.papers.thesis.codes import Coded, Shares, encode_notes, map_codes, probe_codes
from intertone.papers.thesis.moves import _narrowest, move_numbers, rows_of_code
from intertone.papers.thesis.replay import TABLES, check_page, replay_thesis
from intertone.papers.thesis.study import (
    BUDGETS,
    CODE_SIZE,
    EXPERIMENTS,
    best_rate,
    one_instrument,
    run_thesis,
    sgd_probes,
    train_config,
)
from intertone.papers.thesis.tables import against_default, is_unfinished
from intertone.papers.verma2018 import study as verma2018
from intertone.representation import build_representation
from intertone.train import Progress, TrainConfig

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.usefixtures("no_training_pictures")


# settings


def test_the_default_is_the_network_of_the_shipped_codec() -> None:
    default, shipped = train_config(EXPERIMENTS[0], BUDGETS["cpu"]), TrainConfig.read(ROOT / "configs" / "thesis.toml")
    assert (default.representation, default.model) == (shipped.representation, shipped.model)
    assert (default.learning_rate, default.weight_decay) == (shipped.learning_rate, shipped.weight_decay)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_experiment_changes_the_network_in_its_factor_alone(experiment: Experiment) -> None:
    config, default = (train_config(one, BUDGETS["cpu"]) for one in (experiment, EXPERIMENTS[0]))
    representation = build_representation(config.representation)
    model = build_model(config.model, n_features=representation.n_features)
    code = model.latent_dim * model.n_latents(representation.n_frames(64000))
    assert code == (int(experiment.name.removeprefix("code-")) if experiment.factor == "code size" else CODE_SIZE)
    assert (config == default) == (experiment.name in ("default", "one-instrument"))
    same = ("epochs", "notes_per_epoch", "batch_size", "choice", "precision", "plateau_patience", "weight_decay")
    assert all(getattr(config, name) == getattr(default, name) for name in same)
    features = torch.rand(1, representation.n_features, 40)
    assert model(features).shape == features.shape


def test_a_full_budget_has_all_experiments_and_ends_before_a_plateau() -> None:
    assert len({experiment.name for experiment in EXPERIMENTS}) == len(EXPERIMENTS) == 21
    for name in ("cpu", "gpu"):
        config = train_config(EXPERIMENTS[0], BUDGETS[name])
        assert not BUDGETS[name].names
        assert min(config.plateau_patience, config.stop_patience) >= config.epochs
    assert [probe.changes[1] for probe in sgd_probes(BUDGETS["cpu"])] == [
        "learning_rate=0.03",
        "learning_rate=0.3",
        "learning_rate=3",
    ]


def test_the_rate_of_sgd_is_that_of_the_best_probe(notes: Notes) -> None:
    def result(rate: str, loss: float, stopped: str = "") -> RunResult:
        config = train_config(EXPERIMENTS[0], TINY)
        return RunResult(
            config,
            "",
            stopped,
            1.0,
            factor="learning rate of SGD",
            changes=(rate,),
            curve=(Point(1, 9), Point(2, loss)),
        )

    results = {
        "default": replace(result("seed=0", 0.0), factor="default"),
        "low": result("learning_rate=0.1", 3.0),
        "high": result("learning_rate=1", 2.0),
        "wild": result("learning_rate=9", 1.0, "the loss must stay finite"),
    }
    assert best_rate(notes, results) == ("learning_rate=1",)


# one instrument


def test_one_instrument_is_split_by_pitch(notes: Notes) -> None:
    own, instrument = one_instrument(notes)
    assert instrument == "instrument-0"
    parts = {split: own.select(split=split) for split in ("train", "valid", "test")}
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 6, "valid": 1, "test": 1}
    assert not set(own.pitch[parts["train"]]) & set(own.pitch[[*parts["valid"], *parts["test"]]])
    assert all((own.instrument[rows] == instrument).all() for rows in parts.values())
    assert set(notes.split) == {"train", "valid", "test"}  # the given ones are as they were


def test_an_instrument_of_two_pitches_is_refused(notes: Notes) -> None:
    few = Notes.open(notes.folder)
    few.pitch = np.where(few.pitch < 60, 50, 60)
    with pytest.raises(InputError, match="at least three pitches, got 2 of instrument-0"):
        one_instrument(few)


# figures


def test_a_perfect_copy_has_no_error_and_is_in_tune(notes: Notes) -> None:
    rows = notes.select(split="test")[:3]
    found = evaluate_notes(lambda audio: {"kept": audio, "estimated": audio}, notes, rows, rows_in_tune(notes, rows))
    assert found.log_mel_kept == found.log_mel_estimated == found.above_floor == (0.0, 0.0, 0.0)
    assert found.in_tune == (1.0, 1.0, 1.0)


def test_a_wrong_note_is_out_of_tune(notes: Notes) -> None:
    low, high = (notes.audio(notes.select(split="test", pitch=pitch))[0] for pitch in (48, 60))
    assert in_tune(low, 48) and in_tune(high, 60)
    assert not in_tune(low, 60) and not in_tune(low, 49)
    rows = notes.select(split="test", pitch=48)
    found, unknown = (
        evaluate_notes(lambda audio: {"kept": high[None], "estimated": high[None]}, notes, rows, [tuned])
        for tuned in (True, False)
    )
    assert found.in_tune == (0.0,) and unknown.in_tune == (None,)


def test_true_features_come_back_and_a_network_is_worse(notes: Notes) -> None:
    rows = notes.select(split="test")[:2]
    codec = untrained_codec()
    true = evaluate_notes(by_codec(codec, seed=0, image=lambda features: features), notes, rows, [False, False])
    ours = evaluate_notes(by_codec(codec, seed=0), notes, rows, [False, False])
    assert max(true.log_mel_kept) < 0.1 and max(true.log_mel_estimated) < 0.5
    assert min(ours.log_mel_kept) > 5


def test_pairs_need_two_instruments(notes: Notes) -> None:
    nothing = evaluate_pairs(untrained_codec(), notes, np.empty((0, 2), np.int64), seed=0)
    assert nothing == PairFigures(0, 0, TunedShare(None, None), TunedShare(None, None))
    rows = [notes.select(instrument=f"instrument-{number}", pitch=60)[0] for number in (0, 1)]
    found = evaluate_pairs(untrained_codec(), notes, np.array([rows]), seed=0)
    assert found.n_measured == 1 and found.interpolated.in_tune == 1.0


# probes


def test_a_probe_agrees_with_another_ridge_regression() -> None:
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(60, 7)) * np.arange(1, 8), generator.integers(3, size=60)
    probe = fit_probe(features, labels)
    standard = (features - features.mean(0)) / features.std(0)
    other = Ridge(alpha=probe.penalty * 60).fit(standard, np.eye(3)[labels])
    scores = standard @ probe.weights + probe.offset
    assert np.allclose(scores, other.predict(standard), atol=1e-8)


def test_the_penalty_is_the_one_of_leaving_one_out() -> None:
    generator = np.random.default_rng(1)
    features = generator.normal(size=(24, 30))
    labels = (features[:, 0] + generator.normal(size=24) > 0).astype(int)
    standard = (features - features.mean(0)) / features.std(0)
    targets = np.eye(2)[labels]

    def left_out(penalty: float) -> float:
        errors = []
        for row in range(24):
            rest = np.arange(24) != row
            model = Ridge(alpha=penalty * 24).fit(standard[rest], targets[rest])
            errors.append((model.predict(standard[[row]]) - targets[row]) ** 2)
        return float(np.mean(errors))

    penalties = [10.0**power for power in range(-4, 5)]
    assert fit_probe(features, labels).penalty == min(penalties, key=left_out)


def test_a_probe_reads_what_is_there_and_nothing_else() -> None:
    generator = np.random.default_rng(2)
    labels = generator.integers(4, size=400)
    seen = np.eye(4)[labels] + 0.1 * generator.normal(size=(400, 4))
    noise = generator.normal(size=(400, 4))
    known, unknown = (accuracy(fit_probe(view[:200], labels[:200]), view[200:], labels[200:]) for view in (seen, noise))
    assert known == 1.0
    assert unknown < 0.4
    assert best_constant(np.array([1, 1, 1, 2])) == 0.75
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        fit_probe(seen, np.zeros(400))


def test_probes_hold_out_pitches_and_instruments(notes: Notes) -> None:
    known, foreign = notes.select(split="train"), notes.select(split="test")
    notes = Notes.open(notes.folder)
    notes.family = notes.instrument.copy()
    notes.family[foreign] = "instrument-1"
    numbers = {name: float(place) for place, name in enumerate(np.unique(notes.family))}

    def view(rows: np.ndarray) -> Coded:
        pitch, family = notes.pitch[rows] / 1.0, np.array([numbers[name] for name in notes.family[rows]])
        return Coded(rows, {"both": np.eye(24)[(pitch - 48).astype(int)] + family[:, None] ** [[0.0] * 23 + [2.0]]})

    found = {line.task: line for line in probe_codes(notes, view(known), view(foreign))}
    assert set(found) == {"pitch", "family"}  # there is one velocity only
    assert found["pitch"].known is None
    assert found["pitch"].foreign == Shares(8, 0.125, {"both": 1.0})
    # of eight pitches two are held out: the third and the eighth
    assert (found["family"].fitted, found["family"].known.n) == (18, 6)
    assert found["family"].classes == 3
    assert found["family"].foreign.n == 8


# codes


def test_a_map_finds_the_axis_that_was_put_in(notes: Notes) -> None:
    generator = np.random.default_rng(0)
    known, foreign = notes.select(split="train"), notes.select(split="test")

    def view(rows: np.ndarray) -> Coded:
        directions = np.outer(notes.pitch[rows] - 58.0, [3.0, 4.0, 0.0])
        return Coded(rows, {"code": directions + 0.1 * generator.normal(size=(len(rows), 3))})

    found = map_codes(notes, view(known), view(foreign), "code")
    assert found.share[0] > 0.99
    assert found.pitch[0] == pytest.approx(1, abs=1e-3)
    assert found.velocity == (None, None)
    assert len(found.points) == 8 and found.points[0][2:] == ("synthetic", 48)


def test_a_moved_number_changes_its_own_band_most(notes: Notes) -> None:
    codec = untrained_codec()
    rows = notes.select(split="train")
    coded = encode_notes({"code": codec}, notes, rows)
    assert coded.views["code"].shape == (24, codec.model.latent_dim)
    assert coded.views["mean spectrum, no network"].shape == (24, 512)
    moves = move_numbers(codec, notes, coded.views["code"], rows[:4])
    assert len({move.channel for move in moves}) == len(moves) == 3
    for move in moves:
        n_rows = codec.model.rows
        first = move.number % n_rows * 32  # the small network has 32 bins to a number, of 15.625 Hz
        assert move.hz == (first * 15.625, (first + 32) * 15.625)
        squares = np.square(move.up) + np.square(move.down)
        reach = slice(max(0, first - 96), first + 128)  # five cells of 5 by 5 kernels
        assert squares[reach].sum() > 0.99 * squares.sum() > 0
    assert codec.config.model == SMALL_MODEL


def test_the_narrowest_band() -> None:
    assert _narrowest(np.array([0.0, 1.0, 8.0, 1.0, 0.0]), 0.8) == 1
    assert _narrowest(np.array([0.0, 1.0, 8.0, 1.0, 0.0]), 0.9) == 2
    assert _narrowest(np.array([1.0, 0.0, 0.0, 1.0]), 0.9) == 4
    assert _narrowest(np.zeros(4), 0.9) == 0


def test_numbers_are_moved_only_in_a_code_with_rows() -> None:
    codec = untrained_codec()
    assert rows_of_code(codec.model, torch.rand(1, 512, 16)) == (codec.model.rows, 32)
    bottleneck = DenseBottleneckConfig(size=8, n_frames=16)
    model = build_model(SMALL_MODEL.model_copy(update={"bottleneck": bottleneck}), n_features=512)
    with pytest.raises(
        InputError, match=r"a code must have a frequency and a time axis, .* got a model with layers 3, channels"
    ):
        rows_of_code(model, torch.rand(1, 512, 16))


# tables and page


def test_a_difference_within_the_spread_is_none() -> None:
    found = {"default": 5.0, "seed-1": 6.0, "seed-2": 5.5, "a": 6.5, "b": 6.51, "c": 4.4}
    assert [against_default(found, name) for name in ("default", "a", "b", "c")] == ["", "none", "+1.01", "−1.10"]


def test_a_curve_is_unfinished_where_it_still_falls() -> None:
    assert is_unfinished([Point(1, loss) for loss in (8, 4, 2, 1)])
    assert not is_unfinished([Point(1, loss) for loss in (8, 4, 2, 1.99)])
    assert is_unfinished([Point(1, loss) for loss in (9, 9, 9, 9, 5, 3, 4, 3)])  # a mean of 3.5 after one of 4
    assert not is_unfinished([Point(1, 1)])


def test_a_page_keeps_its_words_and_refuses_unknown_marks(tmp_path: Path) -> None:
    page = tmp_path / "thesis.md"
    page.write_text("before\n<!-- table: map -->\n| old |\n<!-- end -->\nafter\n")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "map.png").write_bytes(b"picture")
    for _ in range(2):
        write_page(page, {"map": "| new \\1 |"}, tmp_path / "pictures")
    assert page.read_text() == "before\n<!-- table: map -->\n| new \\1 |\n<!-- end -->\nafter\n"
    assert (tmp_path / "images" / "thesis-map.png").read_bytes() == b"picture"
    with pytest.raises(InputError, match="one of the tables map, got maps"):
        fill("<!-- table: maps -->\n<!-- end -->", {"map": ""})
    with pytest.raises(InputError, match="must have a mark"):
        fill("text", {"map": ""})


def test_the_committed_page_has_every_table() -> None:
    text = (ROOT / "docs" / "papers" / "thesis.md").read_text(encoding="utf-8")
    assert fill(text, dict.fromkeys(TABLES, "")) != text
    for name in TABLES:
        assert text.count(f"<!-- table: {name} -->") == 1
    for picture in ("learning", "reconstruction", "note", "morph", "map", "moves", "representations"):
        assert f"(images/thesis-{picture}.png)" in text
        assert (ROOT / "docs" / "papers" / "images" / f"thesis-{picture}.png").is_file()


# the command

TINY = BUDGETS["smoke"].model_copy(update={"names": ("default", "one-instrument"), "n_notes": 1})


def test_what_is_done_is_not_done_again(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory = Laboratory(notes, tmp_path, TINY)
    first = run_thesis(laboratory)
    assert list(first) == ["default", "one-instrument"]
    assert first["one-instrument"].changes == ('choice.instruments=["instrument-0"]',)
    default = first["default"]
    assert [point.step for points in (default.training, default.curve) for point in points] == [1, 2, 1, 2]

    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained or evaluated again")

    monkeypatch.setattr(experiments, "train_codec", never)
    monkeypatch.setattr(experiments, "evaluate_notes", never)
    assert run_thesis(Laboratory(notes, tmp_path, TINY)) == first
    # other notes to evaluate: evaluated again, not trained again
    with pytest.raises(AssertionError, match="evaluated again"):
        run_thesis(Laboratory(notes, tmp_path, TINY.model_copy(update={"seed": 1})))


def test_an_interrupted_run_goes_on_to_the_same_result(notes: Notes, tmp_path: Path) -> None:
    one = TINY.model_copy(update={"names": ("default",)})
    whole = run_thesis(Laboratory(notes, tmp_path / "whole", one))["default"]

    def interrupt(_title: str, progress: Progress, _steps: int) -> None:
        if progress.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run_thesis(Laboratory(notes, tmp_path / "parts", one, on_step=interrupt))
    parts = run_thesis(Laboratory(notes, tmp_path / "parts", one))["default"]
    assert replace(parts, seconds=0) == replace(whole, seconds=0)


def test_other_settings_in_the_same_folder_are_refused(notes: Notes, tmp_path: Path) -> None:
    one = TINY.model_copy(update={"names": ("default",)})
    run_thesis(Laboratory(notes, tmp_path, one))
    with pytest.raises(InputError, match="the settings that it began with"):
        run_thesis(Laboratory(notes, tmp_path, one.model_copy(update={"epochs": 1})))


def test_a_run_that_diverges_is_reported(notes: Notes, tmp_path: Path) -> None:
    wild = Experiment("wild", "optimiser", "wild", ("optimiser=sgd", "learning_rate=1e30"))
    result = run_one(Laboratory(notes, tmp_path, TINY), wild, lambda experiment: train_config(experiment, TINY))
    assert "must stay finite" in result.stopped
    assert result.final_loss == float("inf")
    assert (result.figures, result.seconds) == (None, None)


@pytest.mark.slow
def test_the_command_does_everything_and_fills_the_page(notes: Notes, tmp_path: Path) -> None:
    page, out = tmp_path / "thesis.md", tmp_path / "out"
    page.write_text("".join(f"{name}\n<!-- table: {name} -->\n<!-- end -->\n" for name in TABLES))
    cli = typer.Typer()
    cli.add_typer(paper_app, name="paper", help="Papers.")
    words = ["paper", "thesis", "--budget", "smoke", "--data", str(notes.folder), "-o", str(out), "--write", str(page)]
    done = CliRunner().invoke(cli, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    tables = json.loads(done.stdout)["tables"]
    assert tuple(tables) == TABLES
    text = page.read_text(encoding="utf-8")
    assert all(f"{TRIAL}\n\n{table}" in text for table in tables.values())
    rows = tables["reconstruction"].splitlines()[2:]
    assert [row.split(" | ")[0].strip("| ") for row in rows[:3]] == ["default", "default, seed 1", "log-mel, 128 bands"]
    assert len(rows) == len(BUDGETS["smoke"].names) + 3
    assert len(tables["learning"].splitlines()) == 2 + len(BUDGETS["smoke"].names) + 2  # and SGD's two probes
    made = {path.name for path in (out / "pictures").iterdir()}
    assert made == {"learning.png", "reconstruction.png", "map.png", "moves.png", "note.png", "representations.png"}
    assert {path.name for path in (tmp_path / "images").iterdir()} == {f"thesis-{name}" for name in made}
    assert (out / "sounds" / "note-the-note.wav").is_file()
    # the same again gives the same tables, from the results alone
    laboratory = Laboratory(notes, out, BUDGETS["smoke"])
    assert replay_thesis(laboratory, command="again").tables == tables
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="the experiments'"):
        CliRunner().invoke(cli, [*words[:7], str(other)], catch_exceptions=False)


def test_a_page_without_marks_is_refused_before_the_work(notes: Notes, tmp_path: Path) -> None:
    page, out = tmp_path / "page.md", tmp_path / "out"
    page.write_text("no marks")
    words = ["thesis", "--budget", "smoke", "--data", str(notes.folder), "-o", str(out), "--write", str(page)]
    with pytest.raises(InputError, match="must have a mark"):
        CliRunner().invoke(paper_app, words, catch_exceptions=False)
    assert not out.exists()


@pytest.mark.parametrize(("only", "name"), [([], "moves"), (["--only", "representations"], "three-settings")])
def test_a_trial_does_not_replace_results(notes: Notes, tmp_path: Path, only: list[str], name: str) -> None:
    page, out = tmp_path / "page.md", tmp_path / "out"
    page.write_text(
        f"<!-- table: map -->\n{TRIAL}\n\n| 1 |\n<!-- end -->\n<!-- table: {name} -->\n| 3 dB |\n<!-- end -->\n"
    )
    words = ["thesis", "--budget", "smoke", "--data", str(notes.folder), "-o", str(out), "--write", str(page), *only]
    with pytest.raises(InputError, match="smoke must hold no results yet, got some in the table " + name):
        CliRunner().invoke(paper_app, words, catch_exceptions=False)
    assert not out.exists()
    check_page(Request(out, "cpu", page=page))


@pytest.mark.parametrize("content", [b'{"key": ', b"[1, 2]", b"\xff\xfe{", b"[" * 100_000])
def test_a_damaged_result_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sum.json"
    path.write_bytes(content)
    for read in (
        lambda path: read_result(path, dict[str, int]),
        lambda path: remembered(path, {}, dict[str, int], dict),
        lambda path: write_result(path, {"a": 1}, dict[str, int]),
    ):
        with pytest.raises(
            InputError, match=r"a result must be complete, got a damaged one in .*sum\.json; delete the file"
        ):
            read(path)
    assert path.read_bytes() == content
    path.write_text('{"step": 1}\n{"step": 2}\n')
    assert read_lines(path, dict[str, int]) == [{"step": 1}, {"step": 2}]
    assert read_result(tmp_path / "none.json", dict[str, int]) is None


def test_the_budget_is_asked_for(tmp_path: Path) -> None:
    assert CliRunner().invoke(paper_app, ["thesis", "--data", str(tmp_path), "-o", "out"]).exit_code == 2


def test_a_codec_of_the_page_is_a_folder(notes: Notes, tmp_path: Path) -> None:
    one = TINY.model_copy(update={"names": ("default",)})
    run_thesis(Laboratory(notes, tmp_path, one))
    codec = Codec.load(tmp_path / "runs" / "default" / "best")
    assert codec.config.model.channels == (4, 8, 16, 32)  # an eighth of the default's


# any paper

PLAN = (
    Experiment("small", "default", "small"),
    Experiment(
        "seeded",
        "seed",
        "seeded by the steps of the first",
        ("batch_size=2",),
        complete=lambda _, results: (f"seed={results['small'].curve[-1].step}",),
    ),
)


def configure(experiment: Experiment) -> TrainConfig:
    content = {"model": SMALL_MODEL.model_dump(mode="json"), "epochs": 1, "notes_per_epoch": 4, "batch_size": 4}
    content |= {"choice": {"valid_notes": 1}, "precision": "float32"}
    return TrainConfig.parse(override(content, experiment.changes))


def second_paper(monkeypatch: pytest.MonkeyPatch) -> Paper:
    def replay(notes: Notes, request: Request) -> Outcome:
        laboratory = Laboratory(notes, request.out, EvaluationBudget(n_notes=1, n_pairs=0), on_step=request.on_step)
        results = run_all(laboratory, PLAN, configure)
        tables = {
            "seeds": markdown_rows(("run", "seed"), [(one.title, str(one.settings.seed)) for one in results.values()])
        }
        file = request.out / "tables.md"
        file.write_text(whole_page("The second paper", tables, command=request.command))
        return Outcome(tables, file)

    module = ModuleType("replay")
    module.check_page, module.replay = lambda request: None, replay  # type: ignore[attr-defined]
    for name in ("intertone.papers.second", "intertone.papers.second.replay"):
        monkeypatch.setitem(sys.modules, name, module)
    return Paper("second", "Do it.", {"smoke": "seconds", "full": "a day"}, ("runs", "results", "tables.md"))


def test_a_second_paper_needs_nothing_of_the_first(
    notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, out = build([*PAPERS, second_paper(monkeypatch)]), tmp_path / "out"
    words = ["second", "--data", str(notes.folder), "-o", str(out), "--budget"]
    done = CliRunner().invoke(app, [*words, "full", "--json"], catch_exceptions=False)
    tables = json.loads(done.stdout)["tables"]
    assert tables == {"seeds": "| run | seed |\n| --- | --- |\n| small | 0 |\n| seeded by the steps of the first | 1 |"}
    assert (out / "tables.md").read_text().startswith("# The second paper\n")
    results = {name: read_result(out / "results" / f"{name}.json", RunResult) for name in ("small", "seeded")}
    small, seeded = results["small"], results["seeded"]
    assert small is not None and seeded is not None
    assert seeded.changes == ("batch_size=2", "seed=1")
    assert ([point.step for point in small.curve], [point.step for point in seeded.curve]) == ([1], [2])
    assert small.figures is not None and len(small.figures.log_mel_kept) == 1
    assert small.morphs == PairFigures(0, 0, TunedShare(None, None), TunedShare(None, None))
    assert CliRunner().invoke(app, [*words, "cpu"]).exit_code == 2  # a budget of the other paper
    assert CliRunner().invoke(app, [*words, "full", "--only", "representations"]).exit_code == 2
    again = CliRunner().invoke(app, [*words, "full", "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["tables"] == tables


def test_what_is_for_any_paper_does_not_name_one() -> None:
    for path in (ROOT / "src" / "intertone" / "experiments").glob("*.py"):
        assert not re.search(r"\bthesis|papers|chapter", path.read_text(encoding="utf-8"), re.IGNORECASE), path.name


def test_the_words_of_a_paper_are_those_of_its_study() -> None:
    words = [(paper.name, tuple(paper.budgets), tuple(paper.parts)) for paper in PAPERS]
    others = {"colonel2017": colonel2017, "colonel2018": colonel2018, "colonel2020": colonel2020}
    others |= {"verma2018": verma2018, "boemer2018": boemer2018}
    own = [(name, tuple(study.BUDGETS), ()) for name, study in others.items()]
    assert words == [("thesis", tuple(BUDGETS), ("representations",)), *own]


def test_results_of_an_older_version_are_read(notes: Notes, tmp_path: Path) -> None:
    settings = train_config(EXPERIMENTS[0], TINY)
    figures = {"log_mel_kept": [1.5], "log_mel_estimated": [2], "loud_cells": [-1.0], "above_floor": [3.0]}
    share = {"in_tune": None, "median_cents": None}
    written = {
        "settings": settings.model_dump(mode="json"),
        "stopped": "",
        "seconds": 7.5,
        "weights": 10,
        "code": 128,
        "notes": notes.digest(),
        "judging": {"n_notes": 1, "n_pairs": 2, "seed": 0},
        "training": [{"step": 1, "loss": 0.5}],
        "curve": [{"step": 1, "loss": 0.25}],
        "name": "default",
        "factor": "default",
        "title": "default",
        "changes": [],
        "figures": {**figures, "in_tune": [None]},
        "morphs": {"n": 2, "n_measured": 0, "codec": share, "log magnitude": share},
    }
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "default.json").write_text(json.dumps(written))
    found = run_one(Laboratory(notes, tmp_path, TINY), EXPERIMENTS[0], lambda _: settings)
    assert not (tmp_path / "runs").exists()  # nothing is trained again
    assert (found.final_loss, found.seconds, found.code) == (0.25, 7.5, 128)
    assert found.figures is not None and found.figures.log_mel_estimated == (2.0,)
    assert found.morphs == PairFigures(2, 0, TunedShare(None, None), TunedShare(None, None))
    assert read_result(tmp_path / "results" / "default.json", RunResult) == found
