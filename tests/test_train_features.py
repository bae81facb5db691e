"""Prepared images and training on them: pairs of one instrument, exact continuation, refusals."""

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from intertone.cli import main
from intertone.codec import Codec
from intertone.data.features import FeatureRow, FeatureSet, begin_features, finish_features, write_feature_shard
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import Batch, ConditionedConfig, Conditions
from intertone.representation.harmonic import HarmonicConfig
from intertone.train import FeatureChoiceConfig, PairConfig, TrainConfig, prepare_features, train_codec
from intertone.train.loop import build_run
from intertone.train.prepare import choose_rows
from intertone.train.processes import Processes
from intertone.train.run import Progress, Run

pytestmark = pytest.mark.usefixtures("no_training_pictures")

IMAGE = HarmonicConfig(sample_rate=16000, hop_length=160, n_harmonics=8, n_groups=4, n_noise=8, f_max=7600)
QUICK = TrainConfig(
    representation=IMAGE,
    model=ConditionedConfig(channels=(12, 16), strides=(4, 4), condition_channels=8, note_dim=4, local_dim=2),
    epochs=3,
    batch_size=8,
    optimiser="adamw",
    learning_rate=3e-3,
    weight_decay=1e-2,
    gradient_norm=1.0,
    schedule="cosine",
    warm_up_steps=4,
    precision="float32",
    sample_every=100,
)
PITCHES, VELOCITIES = range(36, 96, 6), (40, 80, 120)


def shape_of(instrument: int, pitch: float, velocity: float) -> np.ndarray:
    """An image that only instrument, pitch and velocity decide: a slope over the rows, and a decay."""
    slope = (0.02 + 0.02 * instrument) * (1.5 - velocity / 127)
    frames, rows = np.arange(40), np.arange(20)[:, None]
    return np.clip(1 - slope * rows - 0.0004 * (pitch - 20) * frames, 0, 1)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """Ninety images of three instruments; the last validates."""
    folder = tmp_path_factory.mktemp("images")
    settings = {"representation": IMAGE.model_dump(mode="json"), "n_features": 20, "n_frames": 40, "kind": "synthetic"}
    begin_features(folder, settings)
    content, rows = [], []
    for instrument in range(3):
        for pitch in PITCHES:
            for velocity in VELOCITIES:
                f0 = 440 * 2 ** ((pitch - 69) / 12)
                split = ("train", "train", "valid")[instrument]
                name = f"instrument-{instrument}"
                content.append(shape_of(instrument, pitch, velocity))
                rows.append(FeatureRow(len(rows), pitch, velocity, f0, name, name, split))
    write_feature_shard(folder, 0, np.stack(content), rows)
    time = np.arange(6400) / 16000
    finish_features(folder, 1, 0.5 * np.sin(2 * np.pi * 220 * time)[None])
    return FeatureSet.open(folder)


def drawn(run: Run, config: PairConfig, rows: np.ndarray, seed: int = 0) -> Batch:
    return run.source.batch(rows, run.source.drawer.draw(rows, np.random.default_rng(seed), config))


def told_by(conditions: Conditions) -> torch.Tensor:
    """Pitch and velocity, ``(batch, 2)``."""
    return torch.cat([conditions["pitch"], conditions["velocity"]], 1)[..., 0]


# pairs


def test_a_pair_is_two_notes_of_one_instrument_and_the_decoder_is_told_the_second(images: FeatureSet) -> None:
    run = build_run(QUICK, images, Processes())
    rows = np.tile(np.arange(60), 5)
    pairs = drawn(run, PairConfig(other_share=0.5, reach=13, hidden_velocity=0.3), rows)
    told, wanted = told_by(pairs.conditions).numpy(), told_by(pairs.wanted).numpy()
    assert np.allclose(told[:, 0], images.pitch[rows], atol=1e-4)
    assert np.abs(wanted[:, 0] - told[:, 0]).max() < 13 < 12 + 6  # 12 semitones, not 18
    hidden = np.isnan(wanted[:, 1])
    assert 0.2 < hidden.mean() < 0.4 and 0.2 < np.isnan(told[:, 1]).mean() < 0.4
    # the target is the image of what is wanted, and of the same velocity where none is told
    velocity = np.where(hidden, images.velocity[rows], wanted[:, 1])
    for index, row in enumerate(rows):
        expected = shape_of(int(images.instrument[row][-1]), round(float(wanted[index, 0])), velocity[index])
        assert np.allclose(pairs.target[index], expected, atol=1e-3)
        assert np.allclose(pairs.features[index], images.features([row])[0])
    same = (wanted[:, 0] == told[:, 0]) & (velocity == images.velocity[rows])
    # half, and those others that happen to be the note itself: 1 of 5 pitches and 1 of 3 velocities at most
    assert 0.45 < same.mean() < 0.7


def test_mixed_notes_lie_between_two_instruments(images: FeatureSet) -> None:
    run, rows = build_run(QUICK, images, Processes()), np.arange(30)
    for share in (0.0, 1.0):
        config = PairConfig(other_share=share, hidden_velocity=0.0, mixed_share=1.0)
        plain, mixed = drawn(run, config.model_copy(update={"mixed_share": 0.0}), rows), drawn(run, config, rows)
        assert torch.equal(told_by(plain.wanted), told_by(mixed.wanted))
        assert torch.equal(told_by(plain.conditions), told_by(mixed.conditions))
        for before, after, told in (
            (plain.features, mixed.features, told_by(plain.conditions)),
            (plain.target, mixed.target, told_by(plain.wanted)),
        ):
            ends = [torch.tensor(np.stack([shape_of(i, *each) for each in told.tolist()])).float() for i in (0, 1)]
            assert torch.allclose(before, ends[0], atol=2e-3)
            share_of = ((after - ends[0]).abs().sum((1, 2)) / (ends[1] - ends[0]).abs().sum((1, 2)))[:, None, None]
            assert torch.allclose(after, torch.lerp(*ends, share_of), atol=3e-3)
            assert int((share_of > 0.02).sum()) > 10 and share_of.max() <= 1.001
        # shown and wanted are mixed alike
        assert share or torch.equal(mixed.features, mixed.target)


def test_a_validation_is_of_notes_as_they_are(images: FeatureSet) -> None:
    configs = [QUICK.model_copy(update={"pairs": PairConfig(mixed_share=share)}) for share in (0.0, 1.0)]
    images.split[images.instrument == "instrument-1"] = "valid"  # so that there is somebody to be mixed with
    try:
        found = [build_run(config, images, Processes()).validate(Progress(precision="float32")) for config in configs]
    finally:
        images.split[images.instrument == "instrument-1"] = "train"
    assert found[0].details == found[1].details


def test_a_partner_out_of_reach_is_not_mixed(images: FeatureSet) -> None:
    run = build_run(QUICK, images, Processes())
    lonely = PairConfig(other_share=0.0, mixed_share=1.0, mixed_reach=2.0)
    run.source.data.pitch[images.instrument == "instrument-1"] += 3
    rows = np.arange(30)
    plain = drawn(run, lonely.model_copy(update={"mixed_share": 0.0}), rows)
    assert torch.equal(drawn(run, lonely, rows).features, plain.features)


def test_only_the_note_itself(images: FeatureSet) -> None:
    run = build_run(QUICK, images, Processes())
    pairs = drawn(run, PairConfig(other_share=0.0, hidden_velocity=0.0), np.arange(60))
    assert torch.equal(pairs.features, pairs.target)
    assert torch.equal(told_by(pairs.conditions), told_by(pairs.wanted))


def test_rows_above_the_limit_are_ignored(images: FeatureSet) -> None:
    pairs = drawn(
        build_run(QUICK, images, Processes()), PairConfig(other_share=0.0), np.array([27])
    )  # pitch 90: 1480 Hz
    assert pairs.weight.shape == (1, 20, 1)
    assert pairs.weight[0, :12, 0].tolist() == [f0 * 1479.98 <= 7600 for f0 in IMAGE.edges[:-1]]
    assert pairs.weight[0, 12:].all() and not pairs.weight[0, 5]


def test_the_order_is_a_function_of_seed_epoch_and_rank(images: FeatureSet) -> None:
    def steps(config: TrainConfig, epoch: int, workers: Processes, start: int = 0) -> list[Batch]:
        return list(build_run(config, images, workers).source.batches(epoch, start))

    whole, again = steps(QUICK, 1, Processes()), steps(QUICK, 1, Processes(), 4)
    assert len(whole) == 7
    for first, second in zip(whole[4:], again, strict=True):
        assert torch.equal(first.target, second.target)
        assert torch.equal(told_by(first.wanted).nan_to_num(-1), told_by(second.wanted).nan_to_num(-1))
    assert not torch.equal(whole[0].features, steps(QUICK, 2, Processes())[0].features)
    halves = [steps(QUICK, 1, Processes(rank, 2)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        shared = torch.cat([half[step].features for half in halves])
        assert sorted(batch.features.sum((1, 2)).tolist()) == sorted(shared.sum((1, 2)).tolist())


# training


def test_the_learning_rate_is_a_function_of_the_step(images: FeatureSet) -> None:
    run = build_run(QUICK.model_copy(update={"learning_rate": 1.0, "min_learning_rate": 0.0}), images, Processes())
    rates = [run.course.learning_rate(step) for step in range(22)]  # 3 epochs of 7 steps
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[10] == pytest.approx(0.5 * (1 + math.cos(math.pi * 6 / 17)))
    assert rates[21] == pytest.approx(0.0, abs=1e-12)
    batch = next(run.source.batches(0))
    run.optimise(batch, Progress(step=2, precision="float32"))
    assert run.optimiser.param_groups[0]["lr"] == 0.75


def test_a_model_learns_to_play_another_note(images: FeatureSet) -> None:
    run = build_run(QUICK.model_copy(update={"epochs": 15}), images, Processes())
    before = run.validate(Progress(precision="float32"))
    run.fit()
    step = 0
    for epoch in range(15):
        for batch in run.source.batches(epoch):
            run.optimise(batch, Progress(epoch, step=step, precision="float32"))
            step += 1
    after = run.validate(Progress(precision="float32"))
    assert after.details["self_db"] < 0.3 * before.details["self_db"]
    assert after.details["other_db"] < 0.3 * before.details["other_db"]
    assert after.loss == pytest.approx((after.details["self_db"] + after.details["other_db"]) / 200)


@pytest.mark.parametrize("changes", [{}, {"slice_frames": 16, "optimiser": "adam", "schedule": "plateau"}])
def test_interrupted_and_resumed_is_bit_for_bit_the_same(
    images: FeatureSet, tmp_path: Path, changes: dict[str, int | str]
) -> None:
    config = QUICK.model_copy(update=changes)
    train_codec(config, images, tmp_path / "whole")

    def interrupt(progress: Progress, *_: object) -> None:
        if progress.step == 9:
            os.kill(os.getpid(), signal.SIGTERM)

    assert train_codec(config, images, tmp_path / "parts", on_step=interrupt).finished == ""
    assert train_codec(config, images, tmp_path / "parts").finished == "all 3 epochs done"
    logs, states = [], []
    for name in ("whole", "parts"):
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        logs.append([{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines])
        states.append(Codec.load(tmp_path / name / "last").model.state_dict())
    assert logs[0] == logs[1] and len(logs[0]) == 6
    assert logs[0][1]["error_db"] == pytest.approx(100 * logs[0][1]["loss"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert (tmp_path / "whole" / "samples" / "000021" / "estimate.wav").is_file()


def test_refusals(images: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="crop_samples must be 0 with prepared features"):
        train_codec(QUICK.model_copy(update={"crop_samples": 1600}), images, tmp_path / "crops")
    other = IMAGE.model_copy(update={"n_noise": 9})
    with pytest.raises(InputError, match="made with the run's representation, got other settings"):
        train_codec(QUICK.model_copy(update={"representation": other}), images, tmp_path / "other")
    with pytest.raises(InputError, match=r"slice_frames must be in 0\.\.40 with these notes, got 41"):
        train_codec(QUICK.model_copy(update={"slice_frames": 41}), images, tmp_path / "long")
    with pytest.raises(InputError, match=r"at least batch_size=64 of the chosen notes .* got 60 and 30"):
        train_codec(QUICK.model_copy(update={"batch_size": 64}), images, tmp_path / "batch")


# preparing


def test_prepared_images_are_those_of_the_notes(notes: Notes, tmp_path: Path) -> None:
    choice = FeatureChoiceConfig(train_notes=3, valid_notes=2, pitch_min=57)
    seen: list[tuple[int, int]] = []
    images = prepare_features(notes, IMAGE, tmp_path / "a", choice=choice, progress=lambda *done: seen.append(done))
    assert seen[-1] == (5, 5)
    assert images.header["counts"] == {"train": 3, "valid": 2, "test": 0}
    assert images.note.tolist() == choose_rows(notes, choice).tolist()
    assert (images.pitch >= 57).all() and (images.pitch == notes.pitch[images.note]).all()
    assert (images.instrument == notes.instrument[images.note]).all()
    # the tones are exactly in tune
    assert np.allclose(69 + 12 * np.log2(images.f0 / 440), images.pitch, atol=0.05)
    assert images.features(range(5)).shape == (5, 20, 101)
    assert torch.equal(images.examples(), notes.audio(images.note[images.split == "valid"]))
    again = prepare_features(notes, IMAGE, tmp_path / "b", choice=choice)
    assert again.digest() == images.digest()
    other = prepare_features(notes, IMAGE, tmp_path / "c", choice=choice.model_copy(update={"seed": 1}))
    assert other.note.tolist() != images.note.tolist()


def test_preparing_goes_on_where_it_stopped(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertone.train.prepare.SHARD_NOTES", 2)
    choice = FeatureChoiceConfig(train_notes=3, valid_notes=2)

    def stop(done: int, _total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_features(notes, IMAGE, tmp_path / "parts", choice=choice, progress=stop)
    first = (tmp_path / "parts" / "shard-00000.npy").stat().st_mtime_ns
    parts = prepare_features(notes, IMAGE, tmp_path / "parts", choice=choice, workers=2)
    assert (tmp_path / "parts" / "shard-00000.npy").stat().st_mtime_ns == first
    whole = prepare_features(notes, IMAGE, tmp_path / "whole", choice=choice)
    assert parts.digest() == whole.digest()
    assert torch.equal(parts.features(range(5)), whole.features(range(5)))


def test_what_cannot_be_prepared(notes: Notes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sample_rate=44100, got 16000"):
        prepare_features(notes, HarmonicConfig(), tmp_path / "rate")
    with pytest.raises(InputError, match="the train split must hold notes of the chosen pitches, got none"):
        prepare_features(notes, IMAGE, tmp_path / "none", choice=FeatureChoiceConfig(pitch_min=100))
    with pytest.raises(InputError, match="workers must be >= 1, got 0"):
        prepare_features(notes, IMAGE, tmp_path / "workers", workers=0)


def test_the_command_prepares(notes: Notes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    QUICK.write(tmp_path / "run.json")
    words = ["data", "prepare", str(notes.folder), "-o", str(tmp_path / "images"), "--train", "2", "--valid", "1"]
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--settings", str(tmp_path / "run.json"), "--workers", "1", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"train": 2, "valid": 1, "test": 0}
    assert said["representation"] == IMAGE.model_dump(mode="json")
    assert len(FeatureSet.open(tmp_path / "images")) == 3
