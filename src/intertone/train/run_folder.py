"""A run on disk: state, codecs, losses, sounds for the ear."""

import io
import json
import math
import platform
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from intertone import __version__
from intertone.audio import save_audio
from intertone.codec import Codec, CodecConfig
from intertone.data.features import Images
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.files import check_own_folder, disk_errors, replacing
from intertone.models import Model
from intertone.plot import plot_spectrograms
from intertone.remark import RemarkLogger
from intertone.train.batch import Judgement
from intertone.train.processes import Processes
from intertone.train.settings import TrainConfig

logger = RemarkLogger(__name__)


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


class RunFolder:
    """The folder of a run; only the first of several processes writes to it."""

    def __init__(self, out: Path, config: TrainConfig, data: Notes | Images, workers: Processes) -> None:
        self.out, self.config, self.workers = out, config, workers
        self.kind, self.n_notes = data.kind, int((data.split == "train").sum())
        self.unit = "squared units of the features" if isinstance(data, Notes) else "units of the features"
        # what a continuation must find as it was
        self.origin = {"settings": config.digest(), "notes": data.digest(), "processes": workers.size}

    def restore(self, model: Model, optimiser: Optimizer, scheduler: ReduceLROnPlateau) -> Progress:
        """Prepare the folder of a new run, or load the state of one that is to be continued.

        Raises:
            InputError: If the folder holds a run with other settings, notes or number of processes, or a damaged
                state, or cannot be written.
        """
        path = self.out / "last" / "state.pt"
        progress = Progress()
        if not path.exists():
            self._check_foreign()
        if path.is_file():
            try:
                state = torch.load(path, map_location=self.workers.device, weights_only=True)
            except Exception as error:
                raise InputError(f"a run's state must be readable, got a damaged {path}") from error
            for name, value in self.origin.items():
                if state["origin"].get(name) != value:
                    raise InputError(
                        f"a run is continued with the {name} that it began with, got others for {self.out}; "
                        "choose another --out"
                    )
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            scheduler.load_state_dict(state["scheduler"])
            progress = Progress(**state["progress"])
            logger.info("continuing %s at step %d", self.out, progress.step)
        if self.workers.rank == 0:
            with disk_errors(self.out):
                self.out.mkdir(parents=True, exist_ok=True)
                self._prepare(progress)
        return progress

    def _check_foreign(self) -> None:
        """Refuse a folder that no run began: a run writes its environment first."""
        known = {"config.json", "environment.txt", "metrics.jsonl", "samples", "last", "best"}
        check_own_folder(self.out, known if (self.out / "environment.txt").exists() else (), "a run's")

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

    def save(self, progress: Progress, model: Model, optimiser: Optimizer, scheduler: ReduceLROnPlateau) -> None:
        """Replace ``last/``: first the one file that a continuation reads, then the codec."""
        if self.workers.rank != 0:
            return
        folder = self.out / "last"
        state = {
            "origin": self.origin,
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
            "scheduler": scheduler.state_dict(),
            "progress": vars(progress),
        }
        content = io.BytesIO()
        torch.save(state, content)
        with disk_errors(folder):
            folder.mkdir(exist_ok=True)
        with replacing(folder / "state.pt") as temporary:
            temporary.write_bytes(content.getbuffer())
        self.save_codec("last", progress, model)

    def save_codec(self, name: str, progress: Progress, model: Model) -> None:
        """Write the model as it is as a codec folder."""
        if self.workers.rank != 0:
            return
        card = (
            f"# {self.out.name}/{name}\n\nEpoch {progress.epoch}, step {progress.step}; best validation loss "
            f"{progress.best_loss:.6f} ({self.unit}) at epoch {progress.best_epoch}.\n"
            f"Trained on {self.n_notes} training notes of a note set of kind {self.kind} "
            f"(`config.json` and `metrics.jsonl` beside this folder).\n"
        )
        self._codec(model).save(self.out / name, card=card)

    def save_samples(self, progress: Progress, model: Model, reference: Tensor) -> None:
        """Write notes ``(notes, samples)`` as they are and as the codec gives them back without their own phase."""
        if self.workers.rank != 0:
            return
        folder = self.out / "samples" / f"{progress.step:06d}"
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        codec = self._codec(model)
        seeded = torch.Generator().manual_seed(self.config.seed)
        latents, context = codec.encode(reference.unsqueeze(1))
        estimate = codec.decode(latents, context.as_edited(), generator=seeded).squeeze(1)
        sounds = {"reference": reference.flatten(), "estimate": estimate.flatten()}
        for name, audio in sounds.items():
            save_audio(folder / f"{name}.wav", audio, sample_rate=codec.sample_rate)
        plot_spectrograms(folder / "spectrograms.png", sounds, sample_rate=codec.sample_rate)

    def log(
        self,
        progress: Progress,
        split: str,
        found: Judgement,
        described: tuple[str, float, str],
        optimiser: Optimizer,
    ) -> None:
        """Append one line to ``metrics.jsonl``; ``described`` is the loss in dB: name, number, and words for it."""
        if self.workers.rank != 0:
            return
        name, value, words = described
        line = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "split": split,
            "loss": found.loss,
            name: value,
            **found.details,
            "learning_rate": optimiser.param_groups[0]["lr"],
            "seconds": round(progress.seconds, 1),
        }
        path = self.out / "metrics.jsonl"
        with disk_errors(path), path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        logger.info("epoch %d %s: %.2f dB %s, %.0f s", line["epoch"], split, value, words, progress.seconds)

    def _codec(self, model: Model) -> Codec:
        config = CodecConfig(representation=self.config.representation, model=self.config.model)
        return Codec(config, deepcopy(model).cpu())


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
