"""Batches of every kind, and that every model trains on every representation, from sounds and from features."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tone
from torch import Tensor, nn

from intertone.codec import Codec
from intertone.data.features import FeatureSet
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.models import (
    Batch,
    ConditionedConfig,
    ConvBottleneckConfig,
    ConvConfig,
    DenseBottleneckConfig,
    ModelConfig,
    Trainable,
)
from intertone.representation import (
    DecibelConfig,
    HarmonicConfig,
    MelConfig,
    PitchNormalisedConfig,
    RepresentationConfig,
    build_representation,
)
from intertone.stft import SpectrogramConfig
from intertone.train import Processes, Progress, Record, Run, TrainConfig, prepare_features, train_codec, train_model
from intertone.train.loop import build_run

pytestmark = pytest.mark.usefixtures("no_training_pictures")

STFT = SpectrogramConfig(sample_rate=16000, n_fft=256, hop_length=64)
REPRESENTATIONS: dict[str, RepresentationConfig] = {
    "decibel": DecibelConfig(spectrogram=STFT),
    "mel": MelConfig(spectrogram=STFT, n_mels=32),
    "snapped": PitchNormalisedConfig(spectrogram=STFT),
    "harmonic": HarmonicConfig(sample_rate=16000, hop_length=160, n_harmonics=8, n_groups=4, n_noise=8, f_max=7600),
}
MODELS: dict[str, ModelConfig] = {
    "conv": ConvConfig(
        channels=(2,), strides=((4, 4),), kernel_size=(4, 4), bottleneck=ConvBottleneckConfig(channels=1)
    ),
    "conditioned": ConditionedConfig(channels=(2,), strides=(4,), condition_channels=2, note_dim=2, local_dim=1),
}
QUICK = TrainConfig(batch_size=2, epochs=1, learning_rate=1e-3, precision="float32", sample_every=100)
SAMPLES = 3200
N_FRAMES = 51
"""Of a note of 3,200 samples, one every 64."""

Data = Notes | FeatureSet


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    """Four notes to train with and two to validate, each 0.2 s long; the second half of the first is silent."""
    folder = tmp_path_factory.mktemp("few")
    begin_notes(folder, sample_rate=16000, samples=SAMPLES, kind="synthetic", settings={})
    rows, pcm, scales = [], [], []
    for number, (name, pitch) in enumerate([("a", 57), ("a", 60), ("b", 57), ("b", 60), ("c", 57), ("c", 60)]):
        audio = tone(pitch, seconds=SAMPLES / 16000, tilt=1 + 0.2 * number).numpy()
        if not number:
            audio[SAMPLES // 2 :] = 0
        values, scale = quantise(audio)
        pcm.append(values)
        scales.append(scale)
        rows.append(
            NoteRow(f"{name}-{pitch}", pitch, 100, name, "synthetic", "test", name, "valid" if name == "c" else "train")
        )
    write_shard(folder, 0, np.stack(pcm), scales, rows)
    finish_notes(folder, 1)
    return Notes.open(folder)


@pytest.fixture(scope="module")
def prepared(few: Notes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FeatureSet]:
    """The features of these notes in every representation."""
    folder = tmp_path_factory.mktemp("prepared")
    return {name: prepare_features(few, config, folder / name) for name, config in REPRESENTATIONS.items()}


def config_of(representation: str, model: str = "conv", **changes: object) -> TrainConfig:
    made = {"representation": REPRESENTATIONS[representation], "model": MODELS[model], **changes}
    return QUICK.model_copy(update=made)


def batches(
    config: TrainConfig, data: Data, epoch: int = 0, *, start: int = 0, rank: int = 0, size: int = 1
) -> list[Batch]:
    return list(build_run(config, data, Processes(rank, size)).source.batches(epoch, start))


# every kind


@pytest.mark.parametrize("from_features", [False, True], ids=["notes", "features"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_every_model_trains_on_every_representation(
    representation: str, model: str, from_features: bool, few: Notes, prepared: dict[str, FeatureSet], tmp_path: Path
) -> None:
    config, data = config_of(representation, model), prepared[representation] if from_features else few
    before = {name: value.clone() for name, value in build_run(config, data, Processes()).model.state_dict().items()}
    progress = train_codec(config, data, tmp_path / "run")
    assert (progress.step, progress.finished) == (2, "all 1 epochs done")
    codec = Codec.load(tmp_path / "run" / "last")
    after = codec.model.state_dict()
    assert any(not torch.equal(before[name], value) for name, value in after.items())
    train, valid = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    name = {"conv": "rmse_db", "conditioned": "error_db"}[model]
    depth = {"conv": valid["loss"] ** 0.5, "conditioned": valid["loss"]}[model] * REPRESENTATIONS[representation].top_db
    assert np.isfinite(train["loss"]) and valid[name] == pytest.approx(depth)
    groups = {"conv": [], "conditioned": ["self_db", "other_db"]}[model]
    assert list(valid) == ["step", "epoch", "split", "loss", name, *groups, "learning_rate", "seconds"]
    assert codec.reconstruct(few.audio([0])).shape == (1, SAMPLES)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_features_are_prepared_of_every_representation(name: str, few: Notes, prepared: dict[str, FeatureSet]) -> None:
    made = prepared[name]
    representation = build_representation(REPRESENTATIONS[name])
    assert made.representation == REPRESENTATIONS[name].model_dump(mode="json")
    assert (made.n_features, made.n_frames) == (representation.n_features, representation.n_frames(SAMPLES))
    features, context = representation.analyse(few.audio([3]).unsqueeze(0))
    assert torch.equal(made.features([3])[0], features[0].half().float())
    if name == "harmonic":
        assert made.f0[3] == float(context.sounds[0].f0.median())
    else:
        assert np.isnan(made.f0).all()


def test_what_is_not_measured_comes_from_the_note_set(few: Notes, prepared: dict[str, FeatureSet]) -> None:
    config = config_of("decibel", "conditioned", pairs=QUICK.pairs.model_copy(update={"hidden_velocity": 0.0}))
    for data in (few, prepared["decibel"]):
        batch = batches(config, data)[0]
        assert set(batch.conditions["pitch"].flatten().tolist()) <= {57.0, 60.0} and batch.weight is None
        assert batch.conditions["velocity"].flatten().tolist() == [100.0, 100.0]
    (batch, *_) = batches(config.model_copy(update={"representation": REPRESENTATIONS["harmonic"]}), few)
    measured = batch.conditions["pitch"].flatten()
    assert 0 < float((measured - measured.round()).abs().max()) < 0.1
    assert batch.weight is not None and batch.weight.shape == (2, 20, 1)


def test_what_nobody_tells_is_refused(
    few: Notes, prepared: dict[str, FeatureSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertone.models.conditioned.ConditionedAutoencoder.needs", ("chroma",))
    config = config_of("decibel", "conditioned")
    with pytest.raises(InputError, match="must provide the chroma that this model needs, got a decibel representation"):
        build_run(config, few, Processes())
    with pytest.raises(InputError, match="a model that needs chroma must be trained on a note set"):
        build_run(config, prepared["decibel"], Processes())


# crops


def test_crops_are_cut_out_of_the_sound(few: Notes) -> None:
    config = config_of("decibel", crop_samples=640)
    seen = batches(config, few)
    assert [batch.features.shape for batch in seen] == [(2, 128, 11)] * 2
    assert all(float(image.max()) in (0.0, 1.0) for batch in seen for image in batch.features)  # its own reference
    assert torch.equal(batches(config, few, start=1)[0].features, seen[1].features)
    assert not torch.equal(batches(config, few, 1)[0].features, seen[0].features)
    run = build_run(config, few, Processes())
    first, again = ([batch.features for _, batch in run.source.validation()] for _ in range(2))
    assert first[0].shape == (2, 128, 11) and torch.equal(first[0], again[0])
    assert run.source.examples().shape == (2, 640)
    with pytest.raises(InputError, match=r"crop_samples must be in 0\.\.3200 with these notes, got 3201"):
        build_run(config_of("decibel", crop_samples=3201), few, Processes())


def test_a_model_of_one_length_trains_on_crops(few: Notes, tmp_path: Path) -> None:
    dense = MODELS["conv"].model_copy(update={"bottleneck": DenseBottleneckConfig(size=3, n_frames=11)})
    config = config_of("decibel", crop_samples=640).model_copy(update={"model": dense})
    progress = train_codec(config, few, tmp_path / "run")
    assert progress.step == 2
    assert Codec.load(tmp_path / "run" / "best").fixed_length == 640


# single frames


def heard_frames(few: Notes) -> Tensor:
    features = build_representation(REPRESENTATIONS["decibel"]).analyse(few.audio(range(4)).unsqueeze(1)).features
    frames = features.transpose(1, 2).flatten(0, 1)
    return frames[frames.any(1)]


def as_sorted(frames: Tensor) -> Tensor:
    return torch.from_numpy(np.sort(frames.numpy().sum(1)))


def test_single_frames_are_drawn_from_all_notes_and_silent_ones_left_out(few: Notes) -> None:
    config, heard = config_of("decibel", frames_per_batch=5), heard_frames(few)
    assert 4 * N_FRAMES - 26 <= len(heard) < 4 * N_FRAMES - 20  # half of the first note is silent
    seen = batches(config, few)
    assert len(seen) == len(heard) // 5 and {batch.features.shape for batch in seen} == {(5, 128, 1)}
    frames = torch.cat([batch.features[..., 0] for batch in seen])
    distances = torch.cdist(frames.double(), heard.double())
    assert float(distances.min(1).values.max()) < 1e-4  # each is one of them,
    assert len(set(distances.argmin(1).tolist())) == len(frames)  # and none comes twice
    again, other = batches(config, few, start=1)[0], batches(config, few, 1)[0]
    assert torch.equal(again.features, seen[1].features) and not torch.equal(other.features, seen[0].features)


def test_processes_share_single_frames(few: Notes, prepared: dict[str, FeatureSet]) -> None:
    config = config_of("harmonic", "conditioned", frames_per_batch=6)
    whole = batches(config, prepared["harmonic"])
    halves = [batches(config, prepared["harmonic"], rank=rank, size=2) for rank in (0, 1)]
    for batch, *shares in zip(whole, *halves, strict=True):
        assert batch.weight is not None and batch.weight.shape == (6, 20, 1)
        assert batch.conditions["pitch"].shape == (6, 1, 1)
        together = torch.cat([share.features for share in shares])
        assert torch.equal(as_sorted(batch.features[..., 0]), as_sorted(together[..., 0]))
    with pytest.raises(InputError, match="frames_per_batch must divide among 2 processes, got 5"):
        batches(config.model_copy(update={"frames_per_batch": 5}), few, size=2)
    with pytest.raises(InputError, match="at least frames_per_batch=1000 frames that are not silent, got"):
        batches(config.model_copy(update={"frames_per_batch": 1000}), few)


# what has labels


class Classifier(Trainable):
    """Tells two classes apart by two numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        scores = self.layer(nn.functional.dropout(batch.features[..., 0], 0.5))
        return {"class": nn.functional.cross_entropy(scores, batch.labels["class"])}


class Labelled:
    """Two points; nothing to validate with."""

    steps_per_epoch, n_validation = 5, 0

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        points = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])
        for _ in range(start, 5):
            yield Batch(points, points, labels={"class": torch.tensor([0, 1])})

    def validation(self) -> Iterator[tuple[str, Batch]]:
        yield from ()

    def fitting(self) -> Iterator[Batch]:
        yield from ()

    def examples(self) -> Tensor:
        return torch.empty(0, 0)


def test_the_loop_trains_a_classifier() -> None:
    torch.manual_seed(0)
    model = Classifier()
    config = QUICK.model_copy(update={"epochs": 20, "learning_rate": 0.1})
    state = torch.get_rng_state()
    progress = train_model(Run(config, model, Labelled(), Processes()), Record())
    assert (progress.step, progress.finished) == (100, "all 20 epochs done")
    assert model.layer(torch.eye(2)).argmax(1).tolist() == [0, 1]
    assert progress.best_loss < 0.5 and torch.equal(torch.get_rng_state(), state)


def test_what_is_drawn_in_a_loss_is_a_function_of_seed_and_step() -> None:
    model = Classifier()
    run = Run(QUICK, model, Labelled(), Processes())
    (batch, *_) = Labelled().batches(0)
    losses = [float(run.terms(model, batch, step, "float32")["class"].detach()) for step in (0, 1, 2, 3, 0)]
    assert losses[0] == losses[4] and len(set(losses)) > 1
    progress = Progress(precision="float32")
    assert run.validate(progress) is None
