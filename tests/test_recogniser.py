"""The classifier of Verma and Smith: its layers, its training on families, and its folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from conftest import SAMPLE_RATE, tone

from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.models import MOST_WEIGHTS
from intertone.models.alexnet import CLASS, KEY, AlexNet, AlexNetConfig
from intertone.models.contract import Batch
from intertone.recogniser import Recogniser, RecogniserConfig, build_classifier
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig
from intertone.train import TrainConfig, load_trained, train_codec

LEVELLED = FramesConfig(
    spectrogram=SpectrogramConfig(sample_rate=SAMPLE_RATE, n_fft=512, hop_length=160),
    reference="sound",
    scale="log1p",
    floor=1e-4,
)
SMALL = AlexNetConfig(classes=("bright", "dark"), channels=(4, 6), pooled=(1, 2))


@pytest.fixture
def families(tmp_path: Path) -> Notes:
    """Notes of two families in three splits, and one note of a family that is no class."""
    begin_notes(tmp_path / "notes", sample_rate=SAMPLE_RATE, samples=8000, kind="synthetic", settings={})
    rows, pcm, scales = [], [], []
    for number, family in enumerate(["bright", "dark"] * 8 + ["other"]):
        split = "train" if number < 12 else "valid"
        audio = tone(50 + number, seconds=0.5, tilt={"bright": 0.2, "dark": 2.5}.get(family, 1.0))
        values, scale = quantise(audio.numpy())
        pcm.append(values)
        scales.append(scale)
        rows.append(NoteRow(f"note-{number}", 50 + number, 100, f"i-{number}", family, "test", f"g-{number}", split))
    write_shard(tmp_path / "notes", 0, np.stack(pcm), scales, rows)
    finish_notes(tmp_path / "notes", 1)
    return Notes.open(tmp_path / "notes")


def test_it_has_verma_and_smiths_layers() -> None:
    model = AlexNet(AlexNetConfig(classes=tuple("abcdefghijklmnop")), 257)
    with torch.inference_mode():
        found = model.activations(torch.rand(1, 257, 257))
    sizes = [tuple(value.shape[1:]) for value in found.values()]
    assert sizes == [(64, 257, 257), (192, 129, 129), (384, 65, 65), (256, 33, 33), (256, 33, 33)]
    # 9·64 + 64, 9·64·192 + 192, 9·192·384 + 384, 9·384·256 + 256, 9·256·256 + 256, 256·16 + 16
    assert sum(value.numel() for value in model.parameters()) == 2_254_544
    assert all(float(value.min()) == 0 for value in found.values())


@pytest.mark.parametrize("n_frames", [1, 3, 4, 41])
def test_it_takes_any_number_of_frames(n_frames: int) -> None:
    model = AlexNet(SMALL, 33)
    features = torch.rand(2, 33, n_frames).requires_grad_()
    model.scores(features)[CLASS].sum().backward()
    assert features.grad is not None and bool(features.grad.any())


def test_layers_that_are_not_asked_for_are_not_computed() -> None:
    model, features = AlexNet(SMALL, 33), torch.rand(1, 33, 20)
    everything, first = model.activations(features), model.activations(features, ("conv1",))
    assert list(everything) == ["conv1", "conv2"] and list(first) == ["conv1"]
    assert torch.equal(first["conv1"], everything["conv1"])
    assert list(model.activations(features, ("conv9",))) == list(everything)


def test_packed_without_normalisation_it_gives_the_same() -> None:
    model = SMALL.model_copy(update={"normalised": True, "keys": (50, 60)})
    config = RecogniserConfig(representation=LEVELLED, model=model)
    recogniser = Recogniser(config)
    features = torch.rand(4, 257, 30, generator=torch.Generator().manual_seed(0))
    recogniser.model.train()
    for norm in recogniser.model.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 2)  # type: ignore[arg-type]
        torch.nn.init.uniform_(norm.bias, -1, 1)  # type: ignore[arg-type]
    for _ in range(5):
        recogniser.model.scores(features)
    recogniser.model.eval()
    packed = recogniser.compact()
    assert not packed.config.model.normalised and len(packed.model.norms) == 0
    for name, found in packed.model.activations(features).items():
        assert torch.allclose(found, recogniser.model.activations(features)[name], atol=1e-4), name
    for name, scores in packed.model.scores(features).items():
        assert torch.allclose(scores, recogniser.model.scores(features)[name], atol=1e-4), name
    assert packed.compact() is packed


def test_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="features must have n_features=33 rows, got 32"):
        AlexNet(SMALL, 33).activations(torch.rand(1, 32, 9))


@pytest.mark.parametrize("content", [{"classes": ["a"]}, {"classes": ["a", "a"]}, {"classes": []}])
def test_there_must_be_two_classes(content: dict[str, object]) -> None:
    with pytest.raises(InputError, match="classes must be at least two different names, got "):
        AlexNetConfig.parse(content)


@pytest.mark.parametrize("keys", [[60], [60, 60]])
def test_keys_are_none_or_two(keys: list[int]) -> None:
    with pytest.raises(InputError, match="keys must be none or at least two different numbers, got "):
        AlexNetConfig.parse({"classes": ["a", "b"], "keys": keys})


def test_keys_add_a_term_and_change_nothing_else() -> None:
    plain, keyed = (build_classifier(SMALL.model_copy(update={"keys": keys}), n_features=33) for keys in ((), (50, 60)))
    features = torch.rand(3, 33, 20)
    labels = {CLASS: torch.tensor([0, 1, 1]), KEY: torch.tensor([0, -1, 1])}
    both = keyed.loss(Batch(features, features, labels=labels))
    assert torch.equal(both[CLASS], plain.loss(Batch(features, features, labels=labels))[CLASS])
    expected = torch.nn.functional.cross_entropy(keyed.scores(features)[KEY][[0, 2]], torch.tensor([0, 1]))
    assert torch.allclose(both[KEY], expected)


def test_poolings_lie_behind_convolutions() -> None:
    with pytest.raises(InputError, match=r"pooled must name convolutions in 1\.\.2, got \(3,\)"):
        AlexNetConfig.parse({"classes": ["a", "b"], "channels": [3, 3], "pooled": [3]})


def test_a_note_of_no_class_does_not_count() -> None:
    model, features = AlexNet(SMALL, 33), torch.rand(3, 33, 20)
    some = Batch(features, features, labels={CLASS: torch.tensor([0, 1, -1])})
    both = Batch(features[:2], features[:2], labels={CLASS: torch.tensor([0, 1])})
    none = Batch(features, features, labels={CLASS: torch.tensor([-1, -1, -1])})
    assert torch.allclose(model.loss(some)[CLASS], model.loss(both)[CLASS])
    assert model.loss(none)[CLASS].item() == 0


def test_it_learns_families_and_comes_back(families: Notes, tmp_path: Path) -> None:
    config = TrainConfig(
        representation=LEVELLED,
        model=SMALL,
        steps=90,
        batch_size=2,
        crop_samples=1600,
        crop_latest=1000,
        optimiser="adamw",
        learning_rate=1e-2,
        precision="float32",
        stop_patience=100,
    )
    progress = train_codec(config, families, tmp_path / "run")
    assert progress.step == 90 and progress.best_loss < 0.3  # guessing is 0.69
    recogniser = load_trained(tmp_path / "run" / "best")
    assert isinstance(recogniser, Recogniser) and recogniser.classes == ("bright", "dark")
    found = recogniser.probabilities(families.audio(families.select(split="valid", family=("bright", "dark"))))
    assert found[CLASS].argmax(1).tolist() == [0, 1, 0, 1]
    recogniser.save(tmp_path / "half", card="# a card\n", half=True)
    again = Recogniser.load(tmp_path / "half")
    assert again.config == recogniser.config
    audio = families.audio([0, 1])
    assert torch.allclose(again.probabilities(audio)[CLASS], recogniser.probabilities(audio)[CLASS], atol=1e-2)
    assert not (tmp_path / "run" / "samples").exists()


def test_an_interrupted_training_goes_on(families: Notes, tmp_path: Path) -> None:
    config = TrainConfig(
        representation=LEVELLED, model=SMALL, steps=4, batch_size=6, crop_samples=2000, precision="float32"
    )
    first, second = (train_codec(config, families, tmp_path / name).best_loss for name in ("a", "b"))
    assert first == second
    with pytest.raises(InputError, match="the settings that it began with"):
        train_codec(config.model_copy(update={"seed": 1}), families, tmp_path / "a")


def test_the_command_line_trains_and_packs_one(
    families: Notes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TrainConfig(
        representation=LEVELLED,
        model=SMALL.model_copy(update={"normalised": True}),
        steps=2,
        batch_size=4,
        crop_samples=1600,
        precision="float32",
    )
    settings.write(tmp_path / "run.json")
    folder, packed = tmp_path / "run", tmp_path / "packed"
    code, out, _ = run("train", tmp_path / "run.json", "--data", families.folder, "-o", folder, capsys=capsys)
    assert code == 0 and "all 2 steps done: best validation at epoch " in out and " nats, saved in " in out
    code, out, _ = run("pack", folder, "-o", packed, capsys=capsys)
    assert code == 0 and out.startswith("wrote ")
    trained, shared = load_trained(folder / "best"), Recogniser.load(packed)
    assert isinstance(trained, Recogniser) and not shared.config.model.normalised
    audio = families.audio([0, 1, 2])
    assert torch.allclose(shared.probabilities(audio)[CLASS], trained.probabilities(audio)[CLASS], atol=2e-2)


def test_a_missing_recogniser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the recogniser must be one of .* or a folder with config.json, got nowhere"):
        Recogniser.load("nowhere")
    RecogniserConfig(representation=LEVELLED, model=SMALL).write(tmp_path / "config.json")
    with pytest.raises(InputError, match=r"folder must hold model\.safetensors"):
        Recogniser.load(tmp_path)


def test_the_level_of_a_sound_makes_no_difference() -> None:
    recogniser = Recogniser(RecogniserConfig(representation=LEVELLED, model=SMALL))
    sound = tone(60, seconds=0.5)
    found = recogniser.probabilities(torch.stack([sound, 0.05 * sound]))[CLASS]
    assert torch.allclose(found[0], found[1], atol=1e-3)
    assert bool(recogniser.probabilities(torch.zeros(8000))[CLASS].isfinite().all())


def test_every_row_and_column_reaches_the_deepest_layer() -> None:
    model = AlexNet(AlexNetConfig(classes=("flute", "organ"), channels=(4, 5, 6), pooled=(1, 2)), 33)
    features = torch.rand(1, 33, 23, requires_grad=True)
    model.scores(features)[CLASS].sum().backward()
    assert features.grad is not None
    assert bool((features.grad.abs().sum(1) > 0).all()) and bool((features.grad.abs().sum(2) > 0).all())


def test_a_classifier_has_at_most_as_many_weights_as_any_model() -> None:
    largest = AlexNetConfig(classes=("a", "b"), channels=(2048,) * 12)
    assert 9 * 2048**2 * (len(largest.channels) - 1) < MOST_WEIGHTS
    for channels in ((2048,) * 13, (2049,)):
        with pytest.raises(InputError, match="channels"):
            AlexNetConfig.parse({"classes": ["a", "b"], "channels": channels})
