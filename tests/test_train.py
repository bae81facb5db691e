import errno
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL_MODEL

from intertone.cli import main
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.models import Batch, DenseBottleneckConfig, build_model
from intertone.representation import DecibelConfig, build_representation
from intertone.train import ChoiceConfig, Progress, TrainConfig, TrainingStoppedError, train_codec
from intertone.train.loop import build_run
from intertone.train.processes import Processes

pytestmark = pytest.mark.usefixtures("no_training_pictures")

QUICK = TrainConfig(
    model=SMALL_MODEL,
    choice=ChoiceConfig(valid_notes=4),
    epochs=3,
    notes_per_epoch=24,
    batch_size=4,
    learning_rate=1e-3,
    precision="float32",
    sample_every=100,
)


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return Codec.load(run / name).model.state_dict()


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_small_model_memorises_one_batch(notes: Notes) -> None:
    torch.manual_seed(0)
    representation = build_representation(DecibelConfig())
    features, _ = representation.analyse(notes.audio([0, 9, 18]).unsqueeze(1))
    model = build_model(SMALL_MODEL, n_features=representation.n_features)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    history = []
    for _ in range(150):
        loss = (model(features) - features).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.1 * history[0]
    assert history[-1] < features.var()


def test_a_run_leaves_its_folder(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # with its pictures
    config = QUICK.model_copy(update={"sample_every": 2})
    progress = train_codec(config, notes, tmp_path / "run")
    assert progress.finished == "all 3 epochs done"
    assert progress.step == 18
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["split"]) for line in lines] == [
        (step, split) for step in (6, 12, 18) for split in ("train", "valid")
    ]
    assert lines[-1]["rmse_db"] == pytest.approx(80 * math.sqrt(lines[-1]["loss"]))
    assert TrainConfig.read(tmp_path / "run" / "config.json") == config
    assert sorted(path.name for path in (tmp_path / "run" / "samples" / "000012").iterdir()) == [
        "estimate.wav",
        "reference.wav",
        "spectrograms.png",
    ]
    best = min(line["loss"] for line in lines if line["split"] == "valid")
    assert progress.best_loss == best
    assert "commit" in (tmp_path / "run" / "environment.txt").read_text()
    assert "validation loss" in (tmp_path / "run" / "best" / "README.md").read_text()


def test_the_loss_falls_and_the_best_epoch_is_kept(notes: Notes, tmp_path: Path) -> None:
    train_codec(QUICK.model_copy(update={"epochs": 8}), notes, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    train = [line["loss"] for line in lines if line["split"] == "train"]
    assert train[-1] < 0.7 * train[0]


def test_an_early_stop_says_so(notes: Notes, tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"learning_rate": 1e-12, "epochs": 50, "stop_patience": 1, "weight_decay": 0.0})
    progress = train_codec(config, notes, tmp_path / "run")
    assert progress.finished == "no better validation loss for 1 epochs"
    assert progress.epoch < 50


def test_the_order_is_a_function_of_seed_epoch_and_rank(notes: Notes) -> None:
    def steps(epoch: int, start: int = 0, workers: Processes = Processes()) -> list[torch.Tensor]:  # noqa: B008
        return [batch.features for batch in build_run(QUICK, notes, workers).source.batches(epoch, start)]

    whole, again = steps(1), steps(1, start=4)
    assert all(torch.equal(a, b) for a, b in zip(whole[4:], again, strict=True))
    assert not torch.equal(whole[0], steps(2)[0])
    halves = [steps(1, workers=Processes(rank, 2)) for rank in (0, 1)]
    for step, batch in enumerate(whole):
        shared = torch.cat([half[step] for half in halves])
        assert sorted(batch.sum((1, 2)).tolist()) == pytest.approx(sorted(shared.sum((1, 2)).tolist()), rel=1e-6)


def test_interrupted_and_resumed_is_bit_for_bit_the_same(notes: Notes, tmp_path: Path) -> None:
    train_codec(QUICK, notes, tmp_path / "whole")

    def interrupt_at(step: int):
        def on_step(progress, *_):
            if progress.step == step:
                os.kill(os.getpid(), signal.SIGTERM)

        return on_step

    progress = train_codec(QUICK, notes, tmp_path / "parts", on_step=interrupt_at(10))
    assert progress.finished == "" and progress.step == 10
    train_codec(QUICK, notes, tmp_path / "parts")
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert equal(weights(tmp_path / "whole", "best"), weights(tmp_path / "parts", "best"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def run_command(
    notes: Notes, out: Path, settings: Path, *, launcher: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    """Start `intertone train`; what it says of each epoch can be read from its ``stderr``."""
    words = ["-m", "intertone", "train", str(settings), "--data", str(notes.folder), "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, *launcher, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_two(notes: Notes, out: Path, settings: Path) -> list[subprocess.Popen[str]]:
    """Start two processes as torchrun does, so that each can be killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [run_command(notes, out, settings, RANK=rank, LOCAL_RANK=rank, **shared) for rank in ("0", "1")]


def kill_after(n_lines: int, first: subprocess.Popen[str], *others: subprocess.Popen[str]) -> bool:
    """Kill -9 all processes once the first has logged ``n_lines`` losses; False if it had ended before."""
    assert first.stderr is not None
    for line in first.stderr:
        n_lines -= "RMSE" in line
        if not n_lines:
            break
    running = first.poll() is None and not n_lines
    for process in (first, *others):
        process.kill()
    for process in (first, *others):
        process.communicate()
    return running


def finish(process: subprocess.Popen[str]) -> None:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def write_settings(config: TrainConfig, path: Path) -> Path:
    config.write(path)
    return path


@pytest.mark.slow
def test_kill_9_at_random_moments_changes_nothing(notes: Notes, tmp_path: Path) -> None:
    n_kills = 10
    long = QUICK.model_copy(update={"epochs": 10 * n_kills, "stop_patience": 10 * n_kills})
    settings = write_settings(long, tmp_path / "run.json")
    finish(run_command(notes, tmp_path / "whole", settings))
    moments = random.Random(4)
    # an odd line is the training loss, logged before validation; an even one the validation loss, before saving
    for _ in range(n_kills):
        assert kill_after(moments.randint(1, 7), run_command(notes, tmp_path / "killed", settings))
    finish(run_command(notes, tmp_path / "killed", settings))
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert equal(weights(tmp_path / "whole", "best"), weights(tmp_path / "killed", "best"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
    assert not list((tmp_path / "killed").rglob(".*"))


@pytest.mark.slow
def test_two_processes_train_one_model_and_resume_from_the_last_epoch(notes: Notes, tmp_path: Path) -> None:
    settings = write_settings(QUICK.model_copy(update={"epochs": 40, "stop_patience": 40}), tmp_path / "run.json")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    finish(run_command(notes, tmp_path / "whole", settings, launcher=torchrun))
    assert kill_after(5, *run_two(notes, tmp_path / "killed", settings))
    assert 0 < len(losses(tmp_path / "killed")) < len(losses(tmp_path / "whole"))
    finish(run_command(notes, tmp_path / "killed", settings, launcher=torchrun))
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
    with pytest.raises(InputError, match="the processes that it began with"):
        train_codec(TrainConfig.read(settings), notes, tmp_path / "whole")


def test_refusals(notes: Notes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sample_rate=8000, got 16000"):
        slow = DecibelConfig.parse({"spectrogram": {"sample_rate": 8000}})
        train_codec(QUICK.model_copy(update={"representation": slow}), notes, tmp_path / "rate")
    with pytest.raises(InputError, match="at least batch_size=64"):
        train_codec(QUICK.model_copy(update={"batch_size": 64}), notes, tmp_path / "batch")
    train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")
    with pytest.raises(InputError, match="the settings that it began with"):
        train_codec(QUICK.model_copy(update={"epochs": 2}), notes, tmp_path / "run")
    other = Notes.open(notes.folder)
    other.digest = lambda: "of other notes"
    with pytest.raises(InputError, match="the notes that it began with"):
        train_codec(QUICK.model_copy(update={"epochs": 1}), other, tmp_path / "run")
    dense = QUICK.model_copy(update={"model": SMALL_MODEL.model_copy(update={"bottleneck": DenseBottleneckConfig()})})
    with pytest.raises(InputError, match=r"n_frames=64, got 251; --set model\.bottleneck\.n_frames=64"):
        train_codec(dense, notes, tmp_path / "dense")
    with pytest.raises(InputError, match="the device must be one that torch can use, got nowhere"):
        train_codec(QUICK, notes, tmp_path / "device", device="nowhere")
    (tmp_path / "run" / "last" / "state.pt").write_bytes(b"torn")
    with pytest.raises(InputError, match="got a damaged"):
        train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")
    with pytest.raises(InputError, match="learning_rat is not a setting; did you mean learning_rate"):
        TrainConfig.parse({"learning_rat": 1})


def test_a_finished_run_gets_back_what_a_kill_left_out(notes: Notes, tmp_path: Path) -> None:
    config = QUICK.model_copy(update={"epochs": 1})
    train_codec(config, notes, tmp_path / "run")
    before = weights(tmp_path / "run")
    (tmp_path / "run" / "last" / "model.safetensors").unlink()
    train_codec(config, notes, tmp_path / "run")
    assert equal(before, weights(tmp_path / "run"))


def test_training_needs_no_git(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")
    assert re.search(r"^commit (unknown|none)$", (tmp_path / "run" / "environment.txt").read_text(), re.MULTILINE)


def test_a_full_disk_is_said_in_one_sentence(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="there is no space left on the disk"):
        train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")


def test_a_run_is_no_codec_but_its_best_is(notes: Notes, tmp_path: Path) -> None:
    train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")
    with pytest.raises(InputError, match=r"got that of a run, .*did you mean .*best\?"):
        Codec.load(tmp_path / "run")


def test_nan_and_silence_stop_with_a_reason(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingStoppedError, match="the loss must stay finite"):
        train_codec(QUICK.model_copy(update={"learning_rate": 1e30}), notes, tmp_path / "nan")
    monkeypatch.setattr(Notes, "audio", lambda self, rows: torch.zeros(len(np.asarray(rows)), self.samples))
    with pytest.raises(TrainingStoppedError, match="a batch of notes was silent"):
        train_codec(QUICK, notes, tmp_path / "silent")
    cropped = QUICK.model_copy(update={"crop_samples": 4000, "epochs": 1})
    assert train_codec(cropped, notes, tmp_path / "crops").epoch == 1  # crops may lie behind the end of a sound


def test_a_packed_run_is_a_codec_with_its_log(notes: Notes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")
    with pytest.raises(SystemExit, match="0"):
        main(["pack", str(tmp_path / "run"), "-o", str(tmp_path / "packed"), "--json"])
    assert (
        json.loads(capsys.readouterr().out)["bytes"] < (tmp_path / "run" / "best" / "model.safetensors").stat().st_size
    )
    assert (tmp_path / "packed" / "metrics.jsonl").read_text() == (tmp_path / "run" / "metrics.jsonl").read_text()
    first, second = (
        Codec.load(folder).model.state_dict() for folder in (tmp_path / "run" / "best", tmp_path / "packed")
    )
    assert all(torch.allclose(first[name].float(), second[name].float(), rtol=1e-3, atol=1e-6) for name in first)
    with pytest.raises(SystemExit, match="2"):
        main(["pack", str(tmp_path / "nothing"), "-o", str(tmp_path / "other")])
    assert not (tmp_path / "other").exists()


def test_a_folder_that_holds_something_else_is_left_alone(notes: Notes, tmp_path: Path) -> None:
    train_codec(QUICK.model_copy(update={"epochs": 1}), notes, tmp_path / "run")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("mine")
    with pytest.raises(InputError, match=r"a new or empty folder or a run's, got .*project, which holds README\.md"):
        train_codec(QUICK, notes, tmp_path / "project")
    with pytest.raises(SystemExit, match="2"):
        main(["pack", str(tmp_path / "run"), "-o", str(tmp_path / "project")])
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["README.md"]
    assert (tmp_path / "project" / "README.md").read_text() == "mine"


def test_slices_are_a_function_of_seed_step_and_rank(notes: Notes) -> None:
    config = QUICK.model_copy(update={"slice_frames": 16})

    def first(config: TrainConfig, epoch: int = 0, workers: Processes = Processes()) -> Batch:  # noqa: B008
        return next(build_run(config, notes, workers).source.batches(epoch))

    whole, sliced = first(QUICK).features, first(config).features
    assert sliced.shape == (4, 512, 16)
    for image, part in zip(whole, sliced, strict=True):  # each is 16 columns of its own note, at one place
        assert any(torch.equal(image[:, start : start + 16], part) for start in range(whole.shape[-1] - 15))
    assert torch.equal(sliced, first(config).features)
    order = [build_run(config, notes, Processes(rank, 2)).source.order for rank in (0, 1)]
    places = [order[0].slice_starts(5, 64).tolist(), order[1].slice_starts(5, 64).tolist()]
    assert places[0] != places[1] and places[0] != order[0].slice_starts(6, 64).tolist()
    assert places[0] == order[0].slice_starts(5, 64).tolist()


@pytest.mark.parametrize("changes", [{"slice_frames": 16}, {"optimiser": "sgd", "learning_rate": 0.1}])
def test_slices_and_momentum_are_resumed_bit_for_bit(
    notes: Notes, tmp_path: Path, changes: dict[str, int | str | float]
) -> None:
    config = QUICK.model_copy(update={"epochs": 2, **changes})
    train_codec(config, notes, tmp_path / "whole")

    def interrupt(progress, *_):
        if progress.step == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    assert train_codec(config, notes, tmp_path / "parts", on_step=interrupt).finished == ""
    train_codec(config, notes, tmp_path / "parts")
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


def test_validation_is_on_whole_notes(notes: Notes, tmp_path: Path) -> None:
    # nothing is learnt at such a rate, so the validation losses of both are those of the same first weights
    still = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1}
    configs = [QUICK.model_copy(update={**still, "slice_frames": length}) for length in (0, 16)]
    runs = [build_run(config, notes, Processes()) for config in configs]
    whole, sliced = (run.validate(Progress(precision="float32")).loss for run in runs)
    assert whole == sliced


def test_sgd_takes_the_step_of_its_formula(notes: Notes) -> None:
    config = QUICK.model_copy(update={"optimiser": "sgd", "learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.0})
    run = build_run(config, notes, Processes())
    weight = next(run.model.parameters())
    places, gradients = [weight.detach().clone()], []
    for step, batch in zip(range(2), run.source.batches(0), strict=False):
        run.optimise(batch, Progress(step=step, precision="float32"))
        places.append(weight.detach().clone())
        assert weight.grad is not None
        gradients.append(weight.grad.clone())
    assert torch.allclose(places[0] - places[1], 0.1 * gradients[0], atol=1e-7)
    # v2 = 0.5 v1 + g2, and v1 = g1
    assert torch.allclose(places[1] - places[2], 0.1 * (0.5 * gradients[0] + gradients[1]), atol=1e-7)


def test_slices_must_fit(notes: Notes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"slice_frames must be in 0\.\.64 with these notes, got 65"):
        train_codec(QUICK.model_copy(update={"slice_frames": 65}), notes, tmp_path / "long")
    dense = SMALL_MODEL.model_copy(update={"bottleneck": DenseBottleneckConfig(n_frames=64)})
    with pytest.raises(InputError, match=r"slice_frames must be in 0\.\.0"):
        train_codec(QUICK.model_copy(update={"model": dense, "slice_frames": 8}), notes, tmp_path / "dense")
