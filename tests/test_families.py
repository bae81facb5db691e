"""Families of the literature, in small: what codec, morph and training do for models that sample, weigh and stride."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import tone, untrained_codec
from torch import Tensor, nn

from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.losses import mean_squared_error
from intertone.models import Batch, ConditionedConfig, Conditions, DenseBottleneckConfig, Model
from intertone.models.block import encode_in_blocks
from intertone.models.contract import NO_CONDITIONS
from intertone.models.dense import DenseConfig
from intertone.morphing import MixCurve, MorphConfig, morph
from intertone.remark import collect_remarks
from intertone.representation import DecibelConfig
from intertone.representation.contract import mix_conditions
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig
from intertone.train import Processes, Progress, Record, Run, TrainConfig, train_codec, train_model
from intertone.train.loop import build_run

pytestmark = pytest.mark.usefixtures("no_training_pictures")

FRAMES = FramesConfig(spectrogram=SpectrogramConfig(sample_rate=16000, n_fft=256, hop_length=64))
QUICK = TrainConfig(batch_size=8, epochs=2, learning_rate=1e-3, precision="float32", sample_every=100)


class Noisy(Model):
    """Draws what it decodes."""

    n_features, latent_dim = 512, 1

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        return features.mean(1, keepdim=True)

    def _decode(self, latents: Tensor, conditions: Conditions, generator: torch.Generator | None) -> Tensor:
        return torch.rand(len(latents), 512, latents.shape[-1], generator=generator)


def test_the_seed_reaches_a_model_that_samples() -> None:
    codec = untrained_codec()
    codec.model = Noisy()
    sounds = tone(57, seconds=0.3), tone(60, seconds=0.3)
    latents, context = codec.encode(sounds[0])

    def made(seed: int) -> tuple[Tensor, Tensor]:
        generators = (torch.Generator().manual_seed(seed) for _ in range(2))
        decoded = codec.decode(latents, context.as_edited(), generator=next(generators))
        return decoded, morph(codec, *sounds, mix=0.5, generator=next(generators))

    first, again, other = made(0), made(0), made(1)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(first, other, strict=True))


class Strided(Model):
    """A latent vector for eight columns, each the mean of its own columns and three on either side."""

    n_features, latent_dim, frames_per_latent, encode_reach, decode_reach = 2, 2, 8, 3, 0

    def encode(self, features: Tensor, conditions: Conditions = NO_CONDITIONS) -> Tensor:
        padded = nn.functional.pad(features, (3, 3 + -features.shape[-1] % 8))
        return nn.functional.avg_pool1d(padded, 14, 8)


def test_blocks_begin_with_whole_latent_vectors() -> None:
    features = torch.randn(1, 2, 5000, generator=torch.Generator().manual_seed(0))
    model = Strided()
    assert torch.allclose(encode_in_blocks(model, features), model.encode(features), atol=1e-6)


class Weighed(Model):
    """One number a feature, and a second term of the loss that weighs more as the run goes on, as a VAE's does."""

    n_features, latent_dim = 3, 1

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(3, 1))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        error = mean_squared_error(self.level.expand_as(batch.target), batch.target)
        return {"error": error, "penalty": batch.progress * (10 + 0.01 * self.level.square().mean())}


class Ones:
    """Features of 1, to train and to validate with."""

    steps_per_epoch, n_validation = 2, 1

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for _ in range(start, 2):
            yield Batch(torch.ones(4, 3, 5), torch.ones(4, 3, 5))

    def validation(self) -> Iterator[tuple[str, Batch]]:
        yield "", Batch(torch.ones(4, 3, 5), torch.ones(4, 3, 5))

    def fitting(self) -> Iterator[Batch]:
        yield from ()

    def examples(self) -> Tensor:
        return torch.empty(0, 0)


class Kept(Record):
    """Keeps the losses of every epoch."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, float]]] = []

    def log(self, progress: Progress, split: str, found: object, run: Run) -> None:
        self.lines.append((split, dict(found.details)))  # type: ignore[attr-defined]


def test_a_term_that_weighs_more_and_more_is_validated_as_at_the_end() -> None:
    config = QUICK.model_copy(update={"epochs": 30, "stop_patience": 5, "learning_rate": 0.02})
    kept = Kept()
    progress = train_model(Run(config, Weighed(), Ones(), Processes()), kept)
    # where it is weighed as the step is, the validation loss rises from the start and the run stops after 5 epochs
    assert progress.finished == "all 30 epochs done" and progress.best_epoch > 10
    penalties = [terms["penalty"] for split, terms in kept.lines if split == "train"]
    assert penalties[0] == pytest.approx(0.5 / 60 * 10, rel=0.05) and penalties[-1] > 9


def test_a_curve_is_averaged_over_the_whole_where_one_vector_stands_for_it() -> None:
    codec = untrained_codec()
    conv = codec.config.model.model_copy(update={"bottleneck": DenseBottleneckConfig(size=4, n_frames=64)})
    dense = Codec(codec.config.model_copy(update={"model": conv}))
    with torch.no_grad():
        for weight in dense.model.parameters():
            weight += 0.01
    sounds = tone(57, seconds=1.0), tone(60, seconds=1.0)
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    curve = MixCurve(seconds=(0.0, 1.0), ratios=(0.0, 1.0))
    latents = [dense.encode(sound)[0] for sound in sounds]
    wanted: list[Tensor] = []
    decode = dense.decode_features

    def seen(code: Tensor, *args: object, **settings: object) -> Tensor:
        wanted.append(code)
        return decode(code, *args, **settings)  # type: ignore[arg-type]

    dense.decode_features = seen  # type: ignore[method-assign, assignment]
    morph(dense, *sounds, mix=curve, generator=next(generators))
    assert torch.allclose(
        wanted[-1], (latents[0] + latents[1]) / 2, atol=0.05 * float((latents[1] - latents[0]).abs().max())
    )


def test_conditions_over_time_follow_a_curve() -> None:
    rising = torch.stack([torch.linspace(1, 0, 5), torch.linspace(0, 1, 5)])
    chroma = [nn.functional.one_hot(torch.full((1, 5), c), 12).float().mT for c in (0, 7)]
    pitch = [torch.full((1, 1, 1), value) for value in (60.0, 72.0)]
    mixed = mix_conditions([{"chroma": c, "pitch": p} for c, p in zip(chroma, pitch, strict=True)], rising)
    assert mixed["chroma"].argmax(1)[0].tolist() in ([0, 0, 0, 7, 7], [0, 0, 7, 7, 7])
    assert mixed["pitch"].tolist() == [[[66.0]]]


@pytest.mark.parametrize(
    ("settings", "ratios"),
    [({}, {"noise": 1.0}), ({}, {"envelope": 0.0}), ({"pitch": "A3"}, {}), ({"pitch": "a"}, {})],
)
def test_what_a_codec_of_spectrograms_cannot_do_is_refused(settings: dict[str, str], ratios: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be used with a codec that analyses pitch, got a spectrogram codec"):
        morph(untrained_codec(), tone(57), tone(60), mix=0.5, config=MorphConfig(**settings), ratios=ratios)


def conditioned_codec() -> Codec:
    model = ConditionedConfig(channels=(2,), strides=(4,), condition_channels=2, note_dim=2, local_dim=1)
    return Codec(CodecConfig(representation=DecibelConfig(), model=model))


def test_a_code_with_gradient_knows_the_pitch() -> None:
    codec = conditioned_codec()
    audio = tone(60, seconds=0.4).requires_grad_()
    code = codec.code_of(audio)
    assert torch.allclose(code, codec.encode(audio.detach())[0], atol=1e-4)
    code.square().sum().backward()
    assert audio.grad is not None and float(audio.grad.abs().sum()) > 0


def test_a_sound_without_pitch_is_told_when_the_network_needs_one() -> None:
    noise = torch.randn(8000, generator=torch.Generator().manual_seed(0))
    with collect_remarks() as remarks:
        conditioned_codec().encode(noise)
    assert [one.text for one in remarks] == ["a sound has no pitch, so the network is conditioned on the pitch A4"]


# training


def test_without_other_notes_in_training_there_are_none_in_validation(notes: Notes) -> None:
    model = ConditionedConfig(channels=(2,), strides=(4,), condition_channels=2, note_dim=2, local_dim=1)
    for share, groups in ((0.5, {"self", "other"}), (0.0, {"self"})):
        pairs = QUICK.pairs.model_copy(update={"other_share": share})
        run = build_run(QUICK.model_copy(update={"model": model, "pairs": pairs}), notes, Processes())
        found = [name for name, _ in run.source.validation()]
        assert set(found) == groups and len(found) == run.source.n_validation


def test_single_frames_are_refused_for_a_model_of_whole_notes(notes: Notes) -> None:
    conv = untrained_codec().config.model.model_copy(update={"bottleneck": DenseBottleneckConfig(size=4, n_frames=64)})
    with pytest.raises(InputError, match="frames_per_batch must be 0 for a model of whole notes, got 10"):
        build_run(QUICK.model_copy(update={"model": conv, "frames_per_batch": 10}), notes, Processes())


def test_the_folder_is_looked_at_before_the_notes(
    notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.setattr("intertone.train.loop.build_run", lambda *_: pytest.fail("the notes were read first"))
    with pytest.raises(InputError, match=r"mine\.txt"):
        train_codec(QUICK, notes, tmp_path)


def test_a_full_disk_of_frames_is_one_sentence(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("intertone.train.frames.tempfile.TemporaryFile", lambda **_: Full())
    config = QUICK.model_copy(
        update={"representation": FRAMES, "model": DenseConfig(widths=(4,)), "frames_per_batch": 10}
    )
    with pytest.raises(InputError, match="no space left on the disk"):
        build_run(config, notes, Processes())


def test_terms_of_the_training_stand_in_the_log(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Two(Noisy):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def loss(self, batch: Batch) -> dict[str, Tensor]:
            error = (self.scale - batch.target).square().mean()
            return {"error": error, "size": 0.1 * self.scale.square()}

    for place in ("intertone.train.loop.build_model", "intertone.codec.build_model"):
        monkeypatch.setattr(place, lambda *_args, **_settings: Two())
    train_codec(QUICK, notes, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {"train", "valid"} == {line["split"] for line in lines}
    for line in lines:
        assert line["size"] == pytest.approx(0.1, rel=0.1) and line["loss"] == pytest.approx(
            line["error"] + line["size"]
        )
