"""Training: one explicit loop, prepare → loop → validate → save."""

import json
import logging
import math
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, distributed, nn

from intertone.audio import save_audio
from intertone.codec import Codec, CodecConfig
from intertone.config import Settings
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.files import replacing
from intertone.losses import mean_squared_error
from intertone.models import ConvAutoencoder, ConvConfig, build_model
from intertone.plot import plot_spectrograms
from intertone.representation import DecibelConfig, PhaseConfig, RepresentationConfig, build_representation

logger = logging.getLogger(__name__)


SILENT_OUTPUT = 0.05
"""A model whose loudest feature stays below this says nothing (at 80 dB range: 76 dB under the peak)."""

SILENCE_PATIENCE = 500
"""Steps that a model has to leave silence; the statistics of a young normalisation are far off."""


class ChoiceConfig(Settings):
    """Which notes of a set are used."""

    pitch_min: int = Field(0, ge=0, le=127, description="lowest MIDI number")
    pitch_max: int = Field(127, ge=0, le=127, description="highest MIDI number")
    instruments: tuple[str, ...] = Field((), description="names of instruments; none: all")
    valid_notes: int = Field(1024, ge=1, description="notes of the validation split that are judged, drawn once")


class TrainConfig(Settings):
    """One training run."""

    representation: RepresentationConfig = DecibelConfig()
    model: ConvConfig = ConvConfig()
    choice: ChoiceConfig = ChoiceConfig()
    seed: int = Field(0, ge=0, description="of the first weights and the order of the notes")
    epochs: int = Field(100, ge=1, description="at most so many")
    notes_per_epoch: int = Field(0, ge=0, description="notes before each validation; 0: the whole training split")
    batch_size: int = Field(32, ge=2, description="notes of a step, over all processes")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam, at the start")
    weight_decay: float = Field(1e-6, ge=0, description="L2 penalty of Adam")
    plateau_factor: float = Field(0.5, gt=0, lt=1, description="what the learning rate is multiplied by on a plateau")
    plateau_patience: int = Field(5, ge=0, description="epochs without a better validation loss before that")
    plateau_threshold: float = Field(1e-4, ge=0, lt=1, description="relative gain that counts as better, for the above")
    min_learning_rate: float = Field(1e-7, ge=0, description="the learning rate falls no further")
    stop_patience: int = Field(15, ge=1, description="epochs without a better validation loss before the early stop")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: the faster one, by a probe")
    sample_every: int = Field(5, ge=1, description="epochs between sounds and pictures for the ear")


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message says why."""


@dataclass
class Progress:
    """Where a run stands: everything beside weights and optimiser that an exact continuation needs."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best_loss: float = math.inf
    best_epoch: int = 0
    seconds: float = 0.0
    precision: str = ""
    finished: str = ""


@dataclass(frozen=True)
class Workers:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def mean(self, values: list[Tensor]) -> None:
        """Replace each tensor by its mean over all processes, in one exchange whose order never changes."""
        if self.size == 1 or not values:
            return
        flat = torch.cat([value.detach().float().flatten() for value in values])
        distributed.all_reduce(flat)
        flat /= self.size
        for value, part in zip(values, flat.split([value.numel() for value in values]), strict=True):
            value.detach().copy_(part.view_as(value))


def train_codec(
    config: TrainConfig,
    notes: Notes,
    out: Path,
    *,
    device: str = "cpu",
    on_step: Callable[[Progress, int, float], None] | None = None,
) -> Progress:
    """Train a codec on notes, or continue a run that was interrupted.

    The order of the notes depends on the seed and the epoch only, and everything else that a continuation needs is in
    ``out/last/state.pt``, which is replaced in one go. So a run that is killed at any moment and started again gives
    the weights that it would have given. Several processes (``torchrun``) share each step's notes and average
    gradients, and the statistics of the normalisation after every epoch.

    Args:
        config: The settings.
        notes: The note set; its splits are used as they are.
        out: Folder of the run; if it holds one with the same settings, that is continued.
        device: Where to train.
        on_step: Called after every step with the progress, the steps of an epoch and the loss.

    Returns:
        The final state; ``finished`` says why it ended, and is empty after an interruption.

    Raises:
        InputError: If notes and settings do not fit, or ``out`` holds another run.
        TrainingStoppedError: If the loss is no longer finite, or notes or the output are silent.
    """
    with _workers(device) as workers, _interruptible() as interrupted:
        run = _Run(config, notes, out, workers)
        progress = run.restore()
        if progress.finished:
            return progress
        if not progress.precision:
            progress.precision = run.choose_precision()
        while progress.epoch < config.epochs and not progress.finished:
            run.model.train()
            for batch in run.batches(progress.epoch, progress.step_in_epoch):
                started = time.monotonic()
                loss = run.optimise(batch, progress.precision)
                progress.step += 1
                progress.step_in_epoch += 1
                progress.loss_sum += loss
                progress.seconds += time.monotonic() - started
                if on_step is not None and workers.rank == 0:
                    on_step(progress, run.steps_per_epoch, loss)
                if interrupted() and workers.size == 1:
                    run.save_state(progress)
                    return progress
            workers.mean([buffer for buffer in run.model.buffers() if buffer.is_floating_point()])
            run.log(progress, "train", progress.loss_sum / run.steps_per_epoch)
            started = time.monotonic()
            valid_loss = run.validate(progress)
            progress.seconds += time.monotonic() - started
            run.log(progress, "valid", valid_loss)
            run.scheduler.step(valid_loss)
            progress.epoch, progress.step_in_epoch, progress.loss_sum = progress.epoch + 1, 0, 0.0
            if valid_loss < progress.best_loss:
                progress.best_loss, progress.best_epoch = valid_loss, progress.epoch
                run.save_codec("best", progress)
            if progress.epoch - progress.best_epoch >= config.stop_patience:
                progress.finished = f"no better validation loss for {config.stop_patience} epochs"
            elif progress.epoch == config.epochs:
                progress.finished = f"all {config.epochs} epochs done"
            run.save_state(progress)
            if progress.epoch % config.sample_every == 0 or progress.finished:
                run.save_samples(progress)
            if interrupted():
                return progress
        return progress


class _Run:
    """What one process holds during a run."""

    def __init__(self, config: TrainConfig, notes: Notes, out: Path, workers: Workers) -> None:
        self.config, self.notes, self.out, self.workers = config, notes, out, workers
        self.representation = build_representation(config.representation)
        if notes.sample_rate != self.representation.sample_rate:
            raise InputError(
                f"the notes must have the representation's sample_rate={self.representation.sample_rate}, "
                f"got {notes.sample_rate}"
            )
        if config.batch_size % workers.size:
            raise InputError(f"batch_size must divide among {workers.size} processes, got {config.batch_size}")
        choice = config.choice
        wanted = {
            "pitch": None if (choice.pitch_min, choice.pitch_max) == (0, 127) else
            range(choice.pitch_min, choice.pitch_max + 1),
            "instrument": choice.instruments or None,
        }  # fmt: skip
        self.train_rows = notes.select(split="train", **wanted)
        valid_rows = notes.select(split="valid", **wanted)
        per_epoch = min(config.notes_per_epoch or len(self.train_rows), len(self.train_rows))
        self.steps_per_epoch = per_epoch // config.batch_size
        if not self.steps_per_epoch or not len(valid_rows):
            raise InputError(
                f"the training split must hold at least batch_size={config.batch_size} of the chosen notes and the "
                f"validation split one, got {len(self.train_rows)} and {len(valid_rows)}"
            )
        chosen = np.random.default_rng([config.seed, 1]).permutation(len(valid_rows))[: choice.valid_notes]
        self.valid_rows = valid_rows[np.sort(chosen)]
        model = build_model(config.model, n_features=self.representation.n_features, seed=config.seed)
        self.model: ConvAutoencoder = model.to(workers.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser,
            factor=config.plateau_factor,
            patience=config.plateau_patience,
            threshold=config.plateau_threshold,
            min_lr=config.min_learning_rate,
        )

    def batches(self, epoch: int, start: int = 0) -> Iterator[Tensor]:
        """Yield this process's share of each step, ``(notes, samples)``: a pure function of seed, epoch and rank.

        The next step's notes are read while this one's are used.
        """
        order = np.random.default_rng([self.config.seed, 2, epoch]).permutation(self.train_rows)
        size, rank = self.config.batch_size // self.workers.size, self.workers.rank
        steps = order[: self.steps_per_epoch * self.config.batch_size].reshape(self.steps_per_epoch, -1, size)

        def read(step: int) -> Tensor:
            return self.notes.audio(np.sort(steps[step, rank]))

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, start) if start < self.steps_per_epoch else None
            for step in range(start, self.steps_per_epoch):
                assert ahead is not None
                audio = ahead.result()
                ahead = reader.submit(read, step + 1) if step + 1 < self.steps_per_epoch else None
                yield audio

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of notes ``(notes, samples)``, each with its own reference."""
        with torch.no_grad():
            return self.representation.analyse(audio.to(self.workers.device).unsqueeze(1))[0]

    def optimise(self, audio: Tensor, precision: str) -> float:
        """Take one step and return its loss on this process's share."""
        if not bool(audio.any()):
            raise TrainingStoppedError("a batch of notes was silent; look at the note set with `intertone data info`")
        loss = _loss(self.model, self.features(audio), precision)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.workers.mean([p.grad for p in self.model.parameters() if p.grad is not None])
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingStoppedError(f"the loss must stay finite, got {value}; a lower learning_rate may help")
        self.optimiser.step()
        return value

    @torch.inference_mode()
    def validate(self, progress: Progress) -> float:
        """Return the mean loss over the validation notes, the same in every process."""
        self.model.eval()
        total, loudest, count = 0.0, 0.0, len(self.valid_rows)
        for rows in np.array_split(self.valid_rows, -(-count // self.config.batch_size)):
            features = self.features(self.notes.audio(rows))
            with _autocast(self.workers.device, progress.precision):
                estimate = self.model(features).float()
            total += float(mean_squared_error(estimate, features)) * len(rows)
            loudest = max(loudest, float(estimate.max()))
        if not math.isfinite(total):
            raise TrainingStoppedError("the validation loss must stay finite, got NaN; a lower learning_rate may help")
        if loudest < SILENT_OUTPUT and progress.step >= SILENCE_PATIENCE:
            raise TrainingStoppedError("the model's output is silent for every validation note")
        return total / count

    def choose_precision(self) -> str:
        """Time a few steps on a copy of the model, say how long the run may take, and return the faster precision."""
        choices = ["float32", "bfloat16"] if self.config.precision == "auto" else [self.config.precision]
        seconds = {}
        features = self.features(next(self.batches(0)))
        copy = deepcopy(self.model)
        for precision in choices:
            _loss(copy, features, precision).backward()
            started = time.monotonic()
            for _ in range(2):
                self.features(next(self.batches(0)))
                _loss(copy, features, precision).backward()
            seconds[precision] = (time.monotonic() - started) / 2
        chosen = torch.tensor(min(range(len(choices)), key=lambda index: seconds[choices[index]]))
        if self.workers.size > 1:
            chosen = chosen.to(self.workers.device)
            distributed.broadcast(chosen, 0)
        precision = choices[int(chosen)]
        epoch_minutes = seconds[precision] * self.steps_per_epoch / 60
        logger.info(
            "%s: %.1f notes a second, about %.1f minutes an epoch, at most %.1f hours for %d epochs",
            precision,
            self.config.batch_size / seconds[precision],
            epoch_minutes,
            epoch_minutes * self.config.epochs / 60,
            self.config.epochs,
        )
        return precision

    def restore(self) -> Progress:
        """Prepare the folder of a new run, or load the state of one that is to be continued."""
        path = self.out / "last" / "state.pt"
        progress = Progress()
        if path.is_file():
            state = torch.load(path, map_location=self.workers.device, weights_only=True)
            if state["settings"] != self.config.digest():
                raise InputError(
                    f"a run is continued with the settings that it began with, got others for {self.out}; "
                    "choose another --out"
                )
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.scheduler.load_state_dict(state["scheduler"])
            progress = Progress(**state["progress"])
            logger.info("continuing %s at step %d", self.out, progress.step)
        if self.workers.rank == 0:
            try:
                self.out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"the run's folder must be writable, got {self.out}: {error.strerror}") from None
            self._prepare_folder(progress)
        return progress

    def _prepare_folder(self, progress: Progress) -> None:
        self.config.write(self.out / "config.json")
        log = self.out / "metrics.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
        with replacing(log) as temporary:
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= progress.step]
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        if not progress.step:
            with replacing(self.out / "environment.txt") as temporary:
                temporary.write_text(_environment(self.workers), encoding="utf-8")

    def save_state(self, progress: Progress) -> None:
        """Replace ``last/``: first the one file that a continuation reads, then the codec."""
        if self.workers.rank != 0:
            return
        folder = self.out / "last"
        folder.mkdir(exist_ok=True)
        state = {
            "settings": self.config.digest(),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "progress": vars(progress),
        }
        with replacing(folder / "state.pt") as temporary:
            torch.save(state, temporary)
        self.save_codec("last", progress)

    def save_codec(self, name: str, progress: Progress) -> None:
        """Write the model as it is as a codec folder."""
        if self.workers.rank != 0:
            return
        card = (
            f"# {self.out.name}/{name}\n\nEpoch {progress.epoch}, step {progress.step}; best validation loss "
            f"{progress.best_loss:.6f} (squared units of the features) at epoch {progress.best_epoch}.\n"
            f"Trained on the {self.notes.kind} note set of {len(self.train_rows)} training notes "
            f"(`config.json` and `metrics.jsonl` beside this folder).\n"
        )
        self._codec().save(self.out / name, card=card)

    def save_samples(self, progress: Progress) -> None:
        """Write four validation notes, as they are and as the codec gives them back with an estimated phase."""
        if self.workers.rank != 0:
            return
        folder = self.out / "samples" / f"{progress.step:06d}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.valid_rows[np.linspace(0, len(self.valid_rows) - 1, min(4, len(self.valid_rows))).astype(int)]
        reference = self.notes.audio(rows)
        codec = self._codec()
        seeded = torch.Generator().manual_seed(self.config.seed)
        estimate = codec.reconstruct(reference.unsqueeze(1), phase=PhaseConfig(), generator=seeded).squeeze(1)
        sounds = {"reference": reference.flatten(), "estimate": estimate.flatten()}
        for name, audio in sounds.items():
            save_audio(folder / f"{name}.wav", audio, sample_rate=codec.sample_rate)
        plot_spectrograms(folder / "spectrograms.png", sounds, sample_rate=codec.sample_rate)

    def log(self, progress: Progress, split: str, loss: float) -> None:
        """Append one line to ``metrics.jsonl``."""
        if self.workers.rank != 0:
            return
        line = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "split": split,
            "loss": loss,
            "rmse_db": math.sqrt(loss) * self.config.representation.top_db,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "seconds": round(progress.seconds, 1),
        }
        with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        logger.info("epoch %d %s: %.2f dB RMSE, %.0f s", line["epoch"], split, line["rmse_db"], progress.seconds)

    def _codec(self) -> Codec:
        config = CodecConfig(representation=self.config.representation, model=self.config.model)
        return Codec(config, deepcopy(self.model).cpu())


def _loss(model: nn.Module, features: Tensor, precision: str) -> Tensor:
    with _autocast(features.device, precision):
        estimate = model(features)
    return mean_squared_error(estimate.float(), features)


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def _workers(device: str) -> Iterator[Workers]:
    """Join the processes that ``torchrun`` started, if it did."""
    import os

    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Workers(device=torch.device(device))
        return
    here = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if device == "cuda" else device)
    distributed.init_process_group("nccl" if here.type == "cuda" else "gloo")
    try:
        yield Workers(distributed.get_rank(), size, here)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGTERM or Ctrl-C into a flag; a second one ends the process as usual."""
    received: list[int] = []

    def receive(number: int, _frame: Any) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread, where signals are somebody else's
        yield lambda: False
        return
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(workers: Workers) -> str:
    git = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return (
        f"commit {git.stdout.strip() or 'unknown'}\npython {platform.python_version()}\ntorch {torch.__version__}\n"
        f"device {workers.device}, {workers.size} process(es), {torch.get_num_threads()} threads\n"
        f"command {' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}\n"
    )
