"""Folder of a run: checkpoints, codecs, losses and sample sounds."""

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
    """Record of a run that writes no files; ``RunFolder`` overrides its methods."""

    def restore(self, run: Run) -> Progress:
        """Load the saved state into ``run`` and return its progress; here the progress of a new run."""
        return Progress()

    def save(self, progress: Progress, run: Run) -> None:
        """Save the state that a continuation needs."""

    def save_codec(self, name: str, progress: Progress, run: Run) -> None:
        """Save the current weights as the codec ``name``, ``last`` or ``best``."""

    def save_samples(self, progress: Progress, run: Run) -> None:
        """Save a few validation notes, original and reconstructed."""

    def conclude(self, progress: Progress, run: Run) -> str:
        """Return the fault of the best codec of a finished run; an empty string if there is none."""
        return ""

    def show_course(self, progress: Progress, run: Run) -> None:
        """Save a plot of the losses over the epochs."""

    def log(self, progress: Progress, split: str, found: MeanLoss, run: Run) -> None:
        """Save and log the loss of an epoch on ``split``, ``train`` or ``valid``."""
        reading = run.reading(found.loss)
        value = f"{reading.value:.2f} {reading.unit}" if reading.unit else f"{reading.value:.4g}"
        where = (progress.epoch + 1, split, value, reading.words, progress.seconds)
        logger.info("epoch %d %s: %s %s, %.0f s", *where)


class RunFolder(Record):
    """The folder of a run; only the first of several processes writes to it.

    Args:
        out: The folder.
        config: The settings of the run.
        data: The note set or the prepared features to train on.
        workers: The processes that train.
        start: Codec whose weights the run begins with; None: the weights are initialised from the seed.
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
        # a run is only continued if all of these are unchanged
        self.origin: dict[str, str | int] = {
            "settings": config.digest(), "notes": data.digest(), "processes": workers.size
        }  # fmt: skip
        if start is not None:
            self.origin["first weights"] = weights_digest(start.model)

    def restore(self, run: Run) -> Progress:
        """Prepare the folder of a new run, or load the state of an interrupted one, and return the progress.

        Raises:
            InputError: If the folder holds a run with other settings, notes, initial weights or number of processes,
                a damaged state or files of another kind, or if it cannot be written.
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
        """Return the saved state of an interrupted run, or None if the run is new.

        Raises:
            InputError: For the reasons that ``restore`` gives.
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
                    f"a run must be resumed with the {name} that it began with, got different ones for {self.out}; "
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
        """Write ``last/``: first ``state.pt``, the only file that a continuation reads, then the codec."""
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
        """Write the current weights as the codec folder ``name``."""
        if self.workers.rank == 0:
            self._trained(run).save(self.out / name, card=self._card(name, progress, run))

    def conclude(self, progress: Progress, run: Run) -> str:
        """Return the fault of the best codec, or an empty string, and write it into its ``config.json`` and card."""
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
        """Plot the losses in ``metrics.jsonl`` over the epochs and save the plot as ``curves.png``."""
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
        """Write a few validation notes and their reconstructions, with estimated phase, as WAV and spectrograms.

        A classifier reconstructs nothing, so its run has no samples.
        """
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
        """Append the loss, also in its readable unit, as one line to ``metrics.jsonl``, and log it."""
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
    """Refuse a folder that holds files of anything but a run.

    A run first writes its lock and its imported sounds, then ``environment.txt``, then its other files; without
    ``environment.txt`` the other files are therefore not those of a run.

    Raises:
        InputError: If the folder holds a file that no run has written.
    """
    known = {LOCK, *OWN_SOUNDS}
    if (out / "environment.txt").exists():
        known |= {"config.json", "environment.txt", "metrics.jsonl", "curves.png", "samples", "last", "best"}
    check_own_folder(out, known, "a run's")


class TrainedConfig(Settings):
    """Content of the ``config.json`` in the folders ``last`` and ``best`` of a run."""

    later: ClassVar[frozenset[str]] = frozenset({"warning"})

    format: Literal[1] = 1
    representation: RepresentationConfig
    model: NetworkConfig
    warning: str = Field("", max_length=MAX_WARNING)


def load_trained(folder: Path) -> Codec | Recogniser:
    """Return the trained result of a run: a codec, or a classifier with its representation.

    Args:
        folder: ``best`` or ``last`` of the run.

    Raises:
        InputError: If files of the folder are missing or damaged, or the weights do not fit the settings.
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
    """Return the git commit of the package's source tree; ``none`` for an installed package."""
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
