"""Training on own sounds: fine-tuning a codec, the folder of a run, and runs that end with a warning."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run
from conftest import SAMPLE_RATE, SMALL_MODEL, tone
from test_train_features import IMAGE, PITCHES, QUICK, VELOCITIES, images, shape_of

from intertone.audio import save_audio
from intertone.codec import Codec, CodecConfig
from intertone.data.features import FeatureRow, FeatureSet, begin_features, finish_features, write_feature_shard
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import Batch
from intertone.remark import collect_remarks
from intertone.train import TrainConfig, fine_tuning_settings, lock, train_codec
from intertone.train.fault import find_fault
from intertone.train.lock import locked
from intertone.train.loop import build_run
from intertone.train.own_sounds import check_enough
from intertone.train.processes import Processes
from intertone.train.run import Progress, duration

pytestmark = pytest.mark.usefixtures("no_training_pictures")

__all__ = ["images"]  # a fixture


@pytest.fixture(scope="module")
def trained(images: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """A codec of two instruments."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train_codec(QUICK.model_copy(update={"epochs": 6, "sample_every": 1000}), images, folder)
    return Codec.load(folder / "best")


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """Thirty images of an instrument that the codec never met; those of every fifth key validate."""
    folder = tmp_path_factory.mktemp("unknown")
    settings = {"representation": IMAGE.model_dump(mode="json"), "n_features": 20, "n_frames": 40, "kind": "synthetic"}
    begin_features(folder, settings)
    content, rows = [], []
    for pitch in PITCHES:
        for velocity in VELOCITIES:
            split = "valid" if len(rows) // 3 % 5 == 2 else "train"
            comb = 0.25 * (np.arange(20)[:, None] % 2)
            content.append(np.clip(shape_of(2, pitch, velocity) - comb, 0, 1))
            f0 = 440 * 2 ** ((pitch - 69) / 12)
            rows.append(FeatureRow(len(rows), pitch, velocity, f0, "comb", "comb", split))
    write_feature_shard(folder, 0, np.stack(content), rows)
    finish_features(folder, 1, np.zeros((1, 6400)))
    return FeatureSet.open(folder)


def settings_of(codec: Codec, data: FeatureSet, **changes: object) -> TrainConfig:
    config = fine_tuning_settings(codec, int((data.split == "train").sum()))
    return config.model_copy(update={"precision": "float32", "sample_every": 1000, "learning_rate": 1e-3, **changes})


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_fine_tuning_begins_with_the_codec_and_ends_better(trained: Codec, unknown: FeatureSet, tmp_path: Path) -> None:
    progress = train_codec(settings_of(trained, unknown), unknown, tmp_path / "run", start=trained)
    lines = [line for line in metrics(tmp_path / "run") if line["split"] == "valid"]
    assert [line["epoch"] for line in lines] == list(range(len(lines)))
    own = build_run(settings_of(trained, unknown), unknown, Processes(), start=trained)
    assert lines[0]["loss"] == pytest.approx(own.validate(Progress(precision="float32")).loss)
    assert progress.best_loss < 0.8 * lines[0]["loss"]
    assert progress.warning == "" and progress.best_epoch > 0
    assert Codec.load(tmp_path / "run" / "best").config == trained.config


def test_the_linear_part_is_not_fitted_anew(
    trained: Codec, unknown: FeatureSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("intertone.models.linear.PrincipalComponents.fit", refuse)
    config = settings_of(trained, unknown, epochs=1, learning_rate=1e-9)
    train_codec(config, unknown, tmp_path / "run", start=trained)
    found = Codec.load(tmp_path / "run" / "last").model.state_dict()
    assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in trained.model.state_dict().items())


def test_the_pull_keeps_the_weights_near_their_start(trained: Codec, unknown: FeatureSet, tmp_path: Path) -> None:
    def distance(pull: float) -> float:
        folder = tmp_path / str(pull)
        train_codec(settings_of(trained, unknown, pull=pull, epochs=1), unknown, folder, start=trained)
        found = Codec.load(folder / "last").model.state_dict()
        return math.sqrt(
            sum(float((found[name] - at).square().sum()) for name, at in trained.model.state_dict().items())
        )

    assert distance(0.5) < 0.5 * distance(0.0)


def test_a_run_goes_on_only_with_the_weights_that_it_began_with(
    trained: Codec, unknown: FeatureSet, tmp_path: Path
) -> None:
    config = settings_of(trained, unknown, epochs=1)
    train_codec(config, unknown, tmp_path / "run", start=trained)
    other = Codec(trained.config)
    with pytest.raises(InputError, match="the first weights that it began with"):
        train_codec(config, unknown, tmp_path / "run", start=other)
    with pytest.raises(InputError, match="the first weights that it began with"):
        train_codec(config, unknown, tmp_path / "run")
    with pytest.raises(InputError, match="must keep the codec's representation and model"):
        train_codec(QUICK.model_copy(update={"model": SMALL_MODEL}), unknown, tmp_path / "new", start=trained)


def test_fine_tuning_that_gains_nothing_ends_with_a_warning_that_the_codec_repeats(
    trained: Codec, unknown: FeatureSet, tmp_path: Path
) -> None:
    config = settings_of(trained, unknown, epochs=2, learning_rate=0.3, pull=0.0)
    progress = train_codec(config, unknown, tmp_path / "run", start=trained)
    assert progress.best_epoch == 0
    assert progress.warning.startswith("fine-tuning made no validation loss lower")
    assert "Warning: fine-tuning made" in (tmp_path / "run" / "best" / "README.md").read_text()
    with collect_remarks() as remarks:
        codec = Codec.load(tmp_path / "run" / "best")
    assert [remark.level for remark in remarks] == ["warning"] and "is faulty: fine-tuning made" in remarks[0].text
    codec.save(tmp_path / "copy", card="")
    with collect_remarks() as remarks:
        Codec.load(tmp_path / "copy")
    assert len(remarks) == 1
    again = train_codec(config, unknown, tmp_path / "run", start=trained)
    assert again.warning == progress.warning


def test_a_run_whose_best_state_is_the_first_is_faulty_and_one_epoch_is_not(images: FeatureSet) -> None:
    run_, progress = build_run(QUICK, images, Processes()), Progress(epoch=3, best_epoch=1, precision="float32")
    run_.fit()
    assert "its best state is the first one" in find_fault(run_, run_.model, progress)
    progress.epoch = 1
    assert find_fault(run_, run_.model, progress) == ""


def test_an_output_that_is_a_constant_is_faulty(images: FeatureSet) -> None:
    run_, progress = build_run(QUICK, images, Processes()), Progress(epoch=3, best_epoch=3, precision="float32")
    run_.fit()
    assert find_fault(run_, run_.model, progress) == ""
    with torch.no_grad():
        for name, parameter in run_.model.named_parameters():
            if name.startswith(("from_latents", "linear.note_out.weight", "linear.local_out")) or name == "part.bias":
                parameter.zero_()
    assert "nearly the same for every input" in find_fault(run_, run_.model, progress)


def test_a_small_set_is_passed_over_several_times_in_an_epoch(images: FeatureSet) -> None:
    config = QUICK.model_copy(update={"passes": 3, "batch_size": 20})
    order = build_run(config, images, Processes()).source.order
    rows = order.steps(0)
    assert rows.shape == (9, 1, 20)
    assert np.bincount(rows.flatten(), minlength=60).max() == 3
    single = build_run(QUICK, images, Processes()).source.order
    assert len(np.unique(single.steps(0))) == single.steps(0).size


def test_a_locked_folder_is_refused_until_its_process_ends(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom intertone.train.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "run")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None and process.stdout.readline() == b"locked\n"
        with pytest.raises(InputError, match="one run at a time"), locked(tmp_path / "run"):
            pass
        process.kill()
        process.wait()
    with locked(tmp_path / "run"):
        pass
    assert not list((tmp_path / "run").iterdir())


def test_a_lock_on_a_file_that_another_run_has_just_removed_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_lock", lambda _: monkeypatch.undo() or (tmp_path / ".lock").unlink())
    with locked(tmp_path):
        assert (tmp_path / ".lock").exists()
        with pytest.raises(InputError, match="one run at a time"), locked(tmp_path):
            pass


def test_a_run_in_a_locked_folder_changes_nothing(images: FeatureSet, tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(InputError, match="one run at a time"):
            train_codec(QUICK, images, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert not list(tmp_path.iterdir())


def test_too_few_sounds_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"at least 10 notes with a pitch, .* got 9 in .*; record more"):
        check_enough(9, tmp_path, pitched=True)
    check_enough(10, tmp_path, pitched=True)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 seconds"), (59, "59 seconds"), (60, "1.0 minutes"), (7200, "2.0 hours")]
)
def test_times_have_a_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def sounds(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        save_audio(folder / f"take {index}.wav", tone(48 + 2 * index, seconds=0.6)[None], sample_rate=SAMPLE_RATE)
    (folder / "notes.txt").write_text("of the session")
    return folder


def test_own_sounds_become_a_codec_by_one_command(
    harmonic_codec: Codec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    harmonic_codec.save(tmp_path / "codec", card="# small\n")
    words = ("train", "--from", "codec", "--data", str(sounds(tmp_path / "mine", 10)), "--set", "epochs=1")
    code, out, err = run(*words, "--set", "passes=1", "--json", capsys=capsys)
    result = json.loads(out)
    assert (code, result["warning"] != "") in ((0, False), (3, True)), err
    assert {(line["kind"], line["what"]): line["count"] for line in result["sounds"]} == {
        ("found", "pitch from the sound"): 10,
        ("changed", "padded to 4 s"): 10,
        ("skipped", "a sound's name must end in one of .wav, .aiff, .aif, .flac, .ogg, .mp3"): 1,
    }
    folder = tmp_path / "runs" / "mine"
    notes = Notes.open(folder / "notes")
    assert sorted(notes.pitch.tolist()) == list(range(48, 68, 2))
    assert {"best", "last", "features", "curves.png", "samples"} <= {path.name for path in folder.iterdir()}
    assert Codec.load(folder / "best").config.model == harmonic_codec.config.model
    again, out, _ = run(*words, "--set", "passes=1", capsys=capsys)
    assert again == code and "pitch from the sound" in out and "all 1 epochs done" in out


def test_a_spectrogram_codec_is_fine_tuned_on_the_notes_themselves(
    codec_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("train", "--from", codec_folder, "--data", sounds(tmp_path / "mine", 10), "-o", tmp_path / "run")
    code, _, err = run(*words, "--set", "epochs=1", "--set", "passes=1", capsys=capsys)
    assert code in (0, 3), err
    assert not (tmp_path / "run" / "features").exists()
    assert Codec.load(tmp_path / "run" / "best").config.model == SMALL_MODEL


def test_several_processes_import_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = ("train", "--from", "harmonic", "--data", sounds(tmp_path / "mine", 1), "-o", tmp_path / "run")
    code, _, err = run(*words, capsys=capsys)
    assert code == 2 and "several processes must have a note set" in err
    assert not (tmp_path / "run").exists()


def test_a_folder_of_other_things_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "letter.txt").write_text("dear")
    words = ("train", "--from", "harmonic", "--data", sounds(tmp_path / "mine", 1), "-o", tmp_path / "run")
    code, _, err = run(*words, capsys=capsys)
    assert code == 2 and "which holds letter.txt" in err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["letter.txt"]


def test_what_a_run_begins_with_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.toml").touch()
    for words, got in (((), "neither"), ((tmp_path / "run.toml", "--from", "harmonic"), "both")):
        code, _, err = run("train", *words, "--data", tmp_path, capsys=capsys)
        assert code == 2 and err.count("\n") == 1 and f"or with a codec, --from harmonic, got {got}" in err


def test_nine_sounds_are_too_few(harmonic_codec: Codec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    harmonic_codec.save(tmp_path / "codec", card="# small\n")
    words = ("train", "--from", tmp_path / "codec", "--data", sounds(tmp_path / "mine", 9), "-o", tmp_path / "run")
    code, _, err = run(*words, capsys=capsys)
    assert code == 2 and "at least 10 notes with a pitch" in err and "got 9" in err
    assert not (tmp_path / "run" / "best").exists()


def test_a_codec_without_a_warning_is_saved_and_read_as_before(harmonic_codec: Codec) -> None:
    plain = CodecConfig(representation=harmonic_codec.config.representation, model=harmonic_codec.config.model)
    assert plain.digest() == harmonic_codec.config.digest()
    assert CodecConfig.parse(plain.model_dump(mode="json")) == plain


def test_every_batch_has_its_pulled_weights(trained: Codec, unknown: FeatureSet) -> None:
    run_ = build_run(settings_of(trained, unknown, pull=0.9), unknown, Processes(), start=trained)
    batch: Batch = next(iter(run_.source.batches(0)))
    before = [parameter.detach().clone() for parameter in run_.trained]
    run_.optimise(batch, Progress(precision="float32", step=19))
    moved = [float((now.detach() - at).abs().max()) for now, at in zip(run_.trained, before, strict=True)]
    assert 0 < max(moved) < 2e-4  # a step of Adam is the learning rate, 1e-3, of which a tenth is left
