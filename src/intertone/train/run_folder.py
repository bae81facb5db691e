"""A run on disk: state, codecs, losses, sounds for the ear."""

import io
import json
import math
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field

from intertone import __version__
from intertone.audio import save_audio
from intertone.codec import MAX_WARNING, Codec, CodecConfig
from intertone.config import Settings
from intertone.data.features import FeatureSet
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.files import check_own_folder, disk_errors, replacing
from intertone.models import AlexNetConfig, NetworkConfig
from intertone.models.weights import load_weights, weights_digest
from intertone.plot import curves_png, plot_spectrograms
from intertone.recogniser import Recogniser, RecogniserConfig
from intertone.remark import RemarkLogger
from intertone.representation import RepresentationConfig
from intertone.train.fault import find_fault
from intertone.train.lock import LOCK
from intertone.train.own_sounds import OWN_SOUNDS
from intertone.train.processes import Processes
from intertone.train.run import MeanLoss, Progress, Run
from intertone.train.settings import TrainConfig

logger = RemarkLogger(__name__)


class Record:
    """The record of a run that leaves nothing behind: it begins anew, and its model is its only result."""

    def restore(self, run: Run) -> Progress:
        """Return where the run stands, and load what belongs to that."""
        return Progress()

    def save(self, progress: Progress, run: Run) -> None:
        """Keep all that a continuation needs."""

    def save_codec(self, name: str, progress: Progress, run: Run) -> None:
        """Keep the weights as they are, as ``last`` or ``best``."""

    def save_samples(self, progress: Progress, run: Run) -> None:
        """Keep a few notes as they are and reconstructed."""

    def conclude(self, progress: Progress, run: Run) -> str:
        """Return what is wrong with the best codec of a run that is finished; empty if nothing is."""
        return ""

    def show_course(self, progress: Progress, run: Run) -> None:
        """Keep a picture of the losses so far."""

    def log(self, progress: Progress, split: str, found: MeanLoss, run: Run) -> None:
        """Keep the loss of an epoch, and log it."""
        reading = run.reading(found.loss)
        value = f"{reading.value:.2f} {reading.unit}" if reading.unit else f"{reading.value:.4g}"
        where = (progress.epoch + 1, split, value, reading.words, progress.seconds)
        logger.info("epoch %d %s: %s %s, %.0f s", *where)


class RunFolder(Record):
    """The folder of a run; only the first of several processes writes to it.

    Args:
        out: The folder.
        config: The settings.
        data: What is trained on.
        workers: The processes that train.
        start: Codec whose weights the run begins with.
    """

    def __init__(
        self,
        out: Path,
        config: TrainConfig,
        data: Notes | FeatureSet,
        workers: Processes,
        *,
        start: Codec | None = None,
    ) -> None:
        self.out, self.config, self.workers = out, config, workers
        self.kind, self.n_notes = data.kind, int((data.split == "train").sum())
        # what a continuation must find as it was
        self.origin: dict[str, str | int] = {
            "settings": config.digest(), "notes": data.digest(), "processes": workers.size
        }  # fmt: skip
        if start is not None:
            self.origin["first weights"] = weights_digest(start.model)

    def restore(self, run: Run) -> Progress:
        """Prepare the folder of a new run, or load the state of one that is to be continued.

        Raises:
            InputError: If the folder holds a run with other settings, notes or number of processes, or a damaged
                state, or cannot be written.
        """
        progress = Progress()
        state = self.check()
        if state is not None:
            progress = Progress(**state["progress"])
            run.load(state, progress)
            logger.info("continuing %s at step %d", self.out, progress.step)
        if self.workers.rank == 0:
            with disk_errors(self.out):
                self.out.mkdir(parents=True, exist_ok=True)
                self._prepare(progress)
        return progress

    def check(self) -> dict[str, Any] | None:
        """Return the state of the run that is to be continued, None if it is a new one.

        Raises:
            InputError: As ``restore``.
        """
        path = self.out / "last" / "state.pt"
        if not path.is_file():
            if not path.exists():
                check_run_folder(self.out)
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.workers.device, weights_only=True)
        except Exception as error:
            raise InputError(f"a run's state must be readable, got a damaged {path}") from error
        for name in self.origin.keys() | state["origin"].keys():
            if state["origin"].get(name) != self.origin.get(name):
                raise InputError(
                    f"a run is continued with the {name} that it began with, got others for {self.out}; "
                    "choose another --out"
                )
        return state

    def _prepare(self, progress: Progress) -> None:
        for folder in (self.out, self.out / "last", self.out / "best"):
            for left in folder.glob(".intertone-*"):  # what a killed process was writing
                left.unlink()
        if not progress.step:
            with replacing(self.out / "environment.txt") as temporary:
                temporary.write_text(_environment(self.workers), encoding="utf-8")
        self.config.write(self.out / "config.json")
        log = self.out / "metrics.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
        with replacing(log) as temporary:
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= progress.step]
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def save(self, progress: Progress, run: Run) -> None:
        """Replace ``last/``: first the one file that a continuation reads, then the codec."""
        if self.workers.rank != 0:
            return
        folder = self.out / "last"
        content = io.BytesIO()
        torch.save({"origin": self.origin, **run.state(), "progress": vars(progress)}, content)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "state.pt") as temporary:
            temporary.write_bytes(content.getbuffer())
        self.save_codec("last", progress, run)

    def save_codec(self, name: str, progress: Progress, run: Run) -> None:
        """Write the weights as they are as a codec folder."""
        if self.workers.rank == 0:
            self._trained(run).save(self.out / name, card=self._card(name, progress, run))

    def conclude(self, progress: Progress, run: Run) -> str:
        """Return what is wrong with the best codec, and write it into its settings and its card."""
        if self.workers.rank != 0 or not (self.out / "best" / "config.json").is_file():
            return ""
        best = load_trained(self.out / "best")
        warning = find_fault(run, best.model, progress)
        if not warning:
            return ""
        config = TrainedConfig.read(self.out / "best" / "config.json")
        config.model_copy(update={"warning": warning}).write(self.out / "best" / "config.json")
        with replacing(self.out / "best" / "README.md") as temporary:
            card = self._card("best", progress, run)
            temporary.write_text(f"{card}\nWarning: {warning}.\n", encoding="utf-8")
        return warning

    def _card(self, name: str, progress: Progress, run: Run) -> str:
        reading = run.reading(progress.best_loss)
        return (
            f"# {self.out.name}/{name}\n\nEpoch {progress.epoch}, step {progress.step}; best validation loss "
            f"{progress.best_loss:.6f} ({reading.words} {reading.value:.4g} {reading.unit}".rstrip()
            + f") at epoch {progress.best_epoch}.\n"
            f"Trained on {self.n_notes} training notes of a note set of kind {self.kind} "
            f"(`config.json` and `metrics.jsonl` beside this folder).\n"
        )

    def show_course(self, progress: Progress, run: Run) -> None:
        """Draw the losses of ``metrics.jsonl`` over the epochs into ``curves.png``."""
        if self.workers.rank != 0:
            return
        reading, path = run.reading(progress.best_loss), self.out / "metrics.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        epochs = sorted({line["epoch"] for line in lines})
        values = {(line["split"], line["epoch"]): line[reading.name] for line in lines}
        curves = {
            name: [values.get((split, epoch), math.nan) for epoch in epochs]
            for split, name in (("train", "training"), ("valid", "validation"))
        }
        picture = curves_png(curves, epochs, x_label="epoch", y_label=f"{reading.words} {reading.unit}".rstrip())
        with replacing(self.out / "curves.png") as temporary:
            temporary.write_bytes(picture)

    def save_samples(self, progress: Progress, run: Run) -> None:
        """Write notes as they are and as the codec gives them back without their own phase; classifiers make none."""
        codec = self._trained(run)
        if self.workers.rank != 0 or not isinstance(codec, Codec):
            return
        folder = self.out / "samples" / f"{progress.step:06d}"
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        reference = run.source.examples()
        seeded = torch.Generator().manual_seed(self.config.seed)
        latents, context = codec.encode(reference.unsqueeze(1))
        estimate = codec.decode(latents, context.as_edited(), generator=seeded).squeeze(1)
        sounds = {"reference": reference.flatten(), "estimate": estimate.flatten()}
        for name, audio in sounds.items():
            save_audio(folder / f"{name}.wav", audio, sample_rate=codec.sample_rate)
        plot_spectrograms(folder / "spectrograms.png", sounds, sample_rate=codec.sample_rate)

    def log(self, progress: Progress, split: str, found: MeanLoss, run: Run) -> None:
        """Append one line to ``metrics.jsonl``, with the loss as a person reads it, and log it."""
        if self.workers.rank != 0:
            return
        reading = run.reading(found.loss)
        line = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "split": split,
            "loss": found.loss,
            reading.name: reading.value,
            **found.details,
            "learning_rate": run.learning_rate,
            "seconds": round(progress.seconds, 1),
        }
        path = self.out / "metrics.jsonl"
        with disk_errors(path), path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        super().log(progress, split, found, run)

    def _trained(self, run: Run) -> Codec | Recogniser:
        trained = _build(self.config.representation, self.config.model)
        trained.model.load_state_dict(run.evaluated.state_dict())
        return trained


def check_run_folder(out: Path) -> None:
    """Refuse a folder that no run began: a run writes its environment first, after own sounds and a lock.

    Raises:
        InputError: If it holds something else.
    """
    known = {LOCK, *OWN_SOUNDS}
    if (out / "environment.txt").exists():
        known |= {"config.json", "environment.txt", "metrics.jsonl", "curves.png", "samples", "last", "best"}
    check_own_folder(out, known, "a run's")


class TrainedConfig(Settings):
    """Content of the ``config.json`` that a run leaves beside its weights."""

    later: ClassVar[frozenset[str]] = frozenset({"warning"})

    format: Literal[1] = 1
    representation: RepresentationConfig
    model: NetworkConfig
    warning: str = Field("", max_length=MAX_WARNING)


def load_trained(folder: Path) -> Codec | Recogniser:
    """Read what a run has trained: a codec, or a classifier with its representation.

    Args:
        folder: ``best`` or ``last`` of the run.

    Raises:
        InputError: If its files are missing or broken, or do not fit each other.
    """
    config = TrainedConfig.read(folder / "config.json")
    trained = _build(config.representation, config.model, config.warning)
    load_weights(folder, trained.model)
    return trained


def _build(representation: RepresentationConfig, model: NetworkConfig, warning: str = "") -> Codec | Recogniser:
    if isinstance(model, AlexNetConfig):
        return Recogniser(RecogniserConfig(representation=representation, model=model))
    return Codec(CodecConfig(representation=representation, model=model, warning=warning))


def _environment(workers: Processes) -> str:
    return (
        f"intertone {__version__}\ncommit {_commit()}\npython {platform.python_version()}\ntorch {torch.__version__}\n"
        f"device {workers.device}, {workers.size} process(es), {torch.get_num_threads()} threads\n"
        f"command {' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}\n"
    )


def _commit() -> str:
    """Return the commit of the checkout that the package lies in; an installed package has none."""
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():
        return "none"
    try:
        git = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return git.stdout.strip() or "unknown"
