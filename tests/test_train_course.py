"""The course of a run: budgets, learning rates, the average of the weights, stages, models fitted in closed form."""

import io
import json
import os
import signal
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import (
    Batch,
    Conditions,
    ConvBottleneckConfig,
    ConvConfig,
    Model,
    Scale,
    Stage,
    Trainable,
)
from intertone.models.contract import NO_CONDITIONS
from intertone.train import (
    ChoiceConfig,
    Processes,
    Progress,
    Record,
    Run,
    TrainConfig,
    TrainingStoppedError,
    train_codec,
    train_model,
)
from intertone.train.run import MeanLoss

pytestmark = pytest.mark.usefixtures("no_training_pictures")

CONV = ConvConfig(
    channels=(2, 3), strides=((8, 4), (8, 4)), kernel_size=(8, 4), bottleneck=ConvBottleneckConfig(channels=1)
)
QUICK = TrainConfig(
    model=CONV,
    choice=ChoiceConfig(valid_notes=4),
    epochs=3,
    batch_size=4,
    learning_rate=1e-2,
    precision="float32",
    sample_every=100,
)
STEPS = 6
"""Of an epoch of 24 notes, and of a toy source."""


class Points:
    """The same two points in every step; to validate, targets that leave ``a`` and then ``b`` no way to get better."""

    steps_per_epoch, n_validation = STEPS, 1

    def __init__(self, drift: float = 0.0) -> None:
        self.drift, self.validations = drift, 0

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for _ in range(start, STEPS):
            yield self._batch()

    def validation(self) -> Iterator[tuple[str, Batch]]:
        yield "", self._batch(self.drift * self.validations)
        self.validations += 1

    def fitting(self) -> Iterator[Batch]:
        yield self._batch()

    def examples(self) -> Tensor:
        return torch.empty(0, 0)

    def _batch(self, more: float = 0.0) -> Batch:
        points = torch.tensor([[[1.0]], [[3.0]]])
        return Batch(points, points + more)


class Two(Trainable):
    """Two numbers, each with a loss of its own."""

    def __init__(self, stages: Sequence[Stage] = (Stage("whole"),)) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.zeros(())) for _ in range(2))
        self._stages = stages
        self.history: list[tuple[float, float]] = []

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        if self.training:
            self.history.append((float(self.first.detach()), float(self.second.detach())))
        return {"a": (batch.target - self.first).square().mean(), "b": (batch.target + self.second).square().mean()}

    def stages(self) -> Sequence[Stage]:
        return self._stages

    def moved(self) -> list[str]:
        """Which of the numbers each step has changed: ``1``, ``2``, ``12`` or nothing."""
        steps = [*self.history, (float(self.first.detach()), float(self.second.detach()))]
        return ["".join(str(place + 1) for place in (0, 1) if a[place] != b[place]) for a, b in pairwise(steps)]


SGD = QUICK.model_copy(update={"optimiser": "sgd", "learning_rate": 0.01, "momentum": 0.0, "weight_decay": 0.0})


def trained(model: Trainable, source: Points | None = None, **changes: object) -> Progress:
    run = Run(SGD.model_copy(update=changes), model, source or Points(), Processes())
    return train_model(run, Record())


# budgets and learning rates


def test_a_budget_in_steps_ends_within_an_epoch(notes: Notes, tmp_path: Path) -> None:
    progress = train_codec(QUICK.model_copy(update={"steps": 8}), notes, tmp_path / "run")
    assert (progress.step, progress.epoch, progress.finished) == (8, 2, "all 8 steps done")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [6, 6, 8, 8]
    whole = train_codec(QUICK.model_copy(update={"steps": 12}), notes, tmp_path / "whole")
    assert (whole.step, whole.epoch) == (12, 2)


def test_the_mean_of_a_short_epoch_is_over_its_steps() -> None:
    model = Two()
    progress = trained(model, steps=STEPS + 1, learning_rate=1e-12)
    assert progress.step == STEPS + 1 and progress.best_loss == pytest.approx(10.0)  # (1 + 9) / 2, twice


def test_learning_rates_come_from_a_table(notes: Notes) -> None:
    config = TrainConfig.parse({"schedule": "table", "learning_rates": [[0, 0.5], [2, 0.25], [8, 0.125]]})
    course = Run(config, Two(), Points(), Processes()).course
    assert [course.learning_rate(step) for step in (0, 1, 2, 7, 8, 1000)] == [0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    model = Two()
    rates = {"schedule": "table", "learning_rates": ((0, 0.1), (2, 0.0625))}
    trained(model, steps=3, **rates)
    # the gradient of a is 2 · (first − 2): 0 → 0.4 → 0.72 → 0.72 + 0.0625 · 2 · 1.28
    firsts = [first for first, _ in model.history] + [float(model.first.detach())]
    assert firsts == pytest.approx([0.0, 0.4, 0.72, 0.88])
    for wrong, words in (
        ({"schedule": "table"}, "learning_rates must be given with schedule=table"),
        ({"learning_rates": [[0, 1e-3]]}, "learning_rates must be given with schedule=table"),
        ({"schedule": "table", "learning_rates": [[0, 1e-3], [0, 1e-4]]}, r"must rise from 0, got \[0, 0\]"),
        ({"schedule": "table", "learning_rates": [[5, 1e-3]]}, r"must rise from 0, got \[5\]"),
        ({"slice_frames": 4, "frames_per_batch": 5}, "slices, crops or single frames, got slice_frames and frames_per"),
        ({"notes_per_epoch": 4, "frames_per_batch": 5}, "notes_per_epoch must be 0 with frames_per_batch"),
    ):
        with pytest.raises(InputError, match=words):
            TrainConfig.parse(wrong)


def test_a_later_setting_changes_the_digest_only_where_it_is_used() -> None:
    # of the run that the fixture tests go on with
    first = TrainConfig.read(Path(__file__).parent / "fixtures" / "b8db080" / "conv.toml")
    assert first.digest() == "213cd252a7d1848c"
    digests = {first.model_copy(update=each).digest() for each in ({}, {"steps": 9}, {"steps": 8}, {"epochs": 4})}
    assert len(digests) == 4


# the average of the weights


def test_the_average_of_the_weights_follows_its_formula_and_is_validated() -> None:
    model = Two()
    run = Run(SGD.model_copy(update={"average_decay": 0.75, "epochs": 1}), model, Points(), Processes())
    train_model(run, Record())
    average = 0.0
    for first, _ in [*model.history[1:], (float(model.first.detach()), 0.0)]:
        average = 0.75 * average + 0.25 * first
    assert run.average is not None and float(run.average.first.detach()) == pytest.approx(average)
    assert 0 < average < float(model.first.detach())
    found = run.validate(Progress(precision="float32"))
    assert found is not None and found.terms["a"] == pytest.approx(((1 - average) ** 2 + (3 - average) ** 2) / 2)


def test_the_average_of_the_weights_is_saved_and_resumed_bit_for_bit(notes: Notes, tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"average_decay": 0.9})

    def interrupt(progress: Progress, *_: object) -> None:
        if progress.step == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    train_codec(config, notes, tmp_path / "whole")
    assert train_codec(config, notes, tmp_path / "parts", on_step=interrupt).finished == ""
    train_codec(config, notes, tmp_path / "parts")
    states = [torch.load(tmp_path / name / "last" / "state.pt", weights_only=True) for name in ("whole", "parts")]
    saved = Codec.load(tmp_path / "whole" / "last").model.state_dict()
    for name, value in states[0]["average"].items():
        assert torch.equal(value, states[1]["average"][name]) and torch.equal(value, saved[name])
    assert any(not torch.equal(value, states[0]["model"][name]) for name, value in saved.items())
    assert list(states[0]) == ["origin", "model", "optimiser", "scheduler", "average", "progress"]


# stages


def test_stages_train_their_parameters_by_their_terms_one_after_another() -> None:
    stages = (Stage("first", ("first",), ("a",), share=2.0), Stage("second", ("second",), ("b",)))
    model = Two(stages)
    progress = trained(model, epochs=3)
    assert model.moved() == ["1"] * 12 + ["2"] * 6
    assert (progress.epoch, progress.finished) == (3, "all 3 epochs done")
    # the best loss is that of the last stage's own term
    assert progress.best_loss == pytest.approx(
        float((torch.tensor([1.0, 3.0]) + model.second.detach()).square().mean())
    )
    with pytest.raises(InputError, match="there must be an epoch for each of 2 stages, got 1 epochs"):
        trained(Two(stages), epochs=1)


def test_a_stage_ends_with_its_own_patience() -> None:
    stages = (Stage("first", ("first",), ("a",), patience=2), Stage("second", ("second",), ("b",), patience=3))
    model = Two(stages)
    # what is wanted drifts away from both, so that no validation is better than the first of a stage
    progress = trained(model, Points(drift=10.0), epochs=100)
    assert model.moved() == ["1"] * 3 * STEPS + ["2"] * 4 * STEPS
    assert progress.finished == "no better validation loss for 3 epochs"


def test_stages_alternate_step_by_step_and_rest_when_their_patience_is_over() -> None:
    stages = (
        Stage("first", ("first",), ("a",), patience=1, alternating=True),
        Stage("second", ("second",), ("b",), patience=2, alternating=True),
    )
    model = Two(stages)
    trained(model, epochs=2)
    assert model.moved() == ["1", "2"] * 6
    model = Two(stages)
    progress = trained(model, Points(drift=10.0), epochs=100)
    assert model.moved() == ["1", "2"] * 6 + ["2"] * STEPS
    assert progress.finished == "no better validation loss for 2 epochs"
    both = (*stages, Stage("together", patience=1))
    assert Run(SGD, Two(both), Points(), Processes()).course.phases == [stages, both[2:]]


class Kept(Record):
    """Keeps the state after every epoch, and begins with one."""

    def __init__(self, state: bytes = b"") -> None:
        self.begun, self.states = state, []

    def restore(self, run: Run) -> Progress:
        if not self.begun:
            return Progress()
        state = torch.load(io.BytesIO(self.begun), weights_only=True)
        progress = Progress(**state["progress"])
        run.load(state, progress)
        return progress

    def save(self, progress: Progress, run: Run) -> None:
        content = io.BytesIO()
        torch.save({**run.state(), "progress": vars(progress)}, content)
        self.states.append(content.getvalue())


@pytest.mark.parametrize("alternating", [False, True])
def test_a_run_of_stages_is_resumed_where_it_stood(alternating: bool) -> None:
    stages = [
        Stage(name, (name,), (term,), alternating=alternating) for name, term in (("first", "a"), ("second", "b"))
    ]
    config = SGD.model_copy(update={"epochs": 4, "momentum": 0.5})
    whole, kept = Run(config, Two(stages), Points(), Processes()), Kept()
    train_model(whole, kept)
    assert len(kept.states) == 4
    for state in kept.states[:3]:
        again = Run(config, Two(stages), Points(), Processes())
        assert train_model(again, Kept(state)).step == 24
        for name, value in whole.model.state_dict().items():
            assert torch.equal(value, again.model.state_dict()[name]), name


# without steps


class Mean(Model):
    """Shows every note as the mean of the notes that it was fitted to."""

    n_features, latent_dim = 512, 1

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(512, 1))
        self.mean: Tensor

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        return features.new_zeros(len(features), 1, features.shape[-1])

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        return self.mean.expand(len(latents), -1, latents.shape[-1])

    def fit(self, batches: Iterator[Batch]) -> None:
        self.mean.copy_(torch.cat([batch.features for batch in batches]).mean((0, 2))[:, None])


def test_a_model_without_parameters_is_fitted_validated_and_saved(
    notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("intertone.train.loop.build_model", "intertone.codec.build_model"):
        monkeypatch.setattr(place, lambda *_args, **_settings: Mean())
    progress = train_codec(QUICK, notes, tmp_path / "run")
    assert (progress.step, progress.epoch, progress.finished) == (0, 1, "fitted in closed form")
    codec = Codec.load(tmp_path / "run" / "best")
    rows = notes.select(split="train")
    features = codec.representation.analyse(notes.audio(rows).unsqueeze(1)).features
    assert torch.allclose(codec.model.mean[:, 0], features.mean((0, 2)), atol=1e-5)
    (line,) = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert line["split"] == "valid" and line["rmse_db"] == pytest.approx(80 * progress.best_loss**0.5)
    few = QUICK.model_copy(update={"fitted_notes": 1})
    train_codec(few, notes, tmp_path / "few")
    assert not torch.allclose(Codec.load(tmp_path / "few" / "best").model.mean, codec.model.mean, atol=1e-3)
    assert train_codec(QUICK, notes, tmp_path / "run").finished == "fitted in closed form"


def test_a_loss_is_read_in_the_unit_of_the_features(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="intertone")
    for scales, words in (((Scale("decibels", 512, 80.0),), "160.00 dB RMSE"), ((Scale("linear", 512),), ": 2 RMSE")):
        run = Run(QUICK, Mean(), Points(), Processes(), scales)
        Record().log(Progress(), "valid", MeanLoss(4.0), run)
        assert words in caplog.messages[-1]


def test_a_model_that_stays_silent_is_stopped_after_some_patience() -> None:
    run = Run(QUICK, Mean(), Points(), Processes())
    assert run.validate(Progress(step=499, precision="float32")) is not None
    with pytest.raises(TrainingStoppedError, match="the model's output is silent for every validation note"):
        run.validate(Progress(step=500, precision="float32"))
    run.model.mean += 1.0
    assert run.validate(Progress(step=500, precision="float32")) is not None
