"""One experiment: train it, or go on, judge it, and remember what came out."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows, draw_notes, draw_pairs
from intertone.experiments.figures import by_codec, judge_notes, judge_pairs, rows_in_tune
from intertone.experiments.store import Result, read_lines, read_result, write_result
from intertone.files import disk_errors
from intertone.papers.thesis.study import Budget, Experiment, chosen, sgd_probes, train_config
from intertone.remark import RemarkLogger
from intertone.train import Progress, TrainConfig, TrainingStoppedError, train_codec

logger = RemarkLogger(__name__)

OnStep = Callable[[str, Progress, int], None]


def one_instrument(notes: Notes) -> tuple[Notes, str]:
    """Return the notes of one instrument, split by pitch, and its name.

    The first of the training split that has most notes. Of its pitches, in rising order, every eighth is for validation
    and every eighth for the test, so that none is heard in two splits; no other instrument is in any.

    Args:
        notes: The note set.

    Returns:
        ``(notes, instrument)``; the given notes are left as they are.

    Raises:
        InputError: If that instrument has fewer than three pitches.

    Example:
        >>> Notes.open("nowhere")
        Traceback (most recent call last):
        ...
        intertone.errors.InputError: ...
    """
    names, counts = np.unique(notes.instrument[notes.select(split="train")], return_counts=True)
    instrument = str(names[counts.argmax()])
    own = notes.instrument == instrument
    pitches = np.unique(notes.pitch[own])
    if len(pitches) < 3:
        raise InputError(f"one instrument must have at least three pitches, got {len(pitches)} of {instrument}")
    period = min(8, len(pitches))
    place = np.searchsorted(pitches, notes.pitch) % period
    split = np.select([place == period // 4, place == 3 * period // 4], ["valid", "test"], "train")
    chosen_notes = copy.copy(notes)
    chosen_notes.split = np.where(own, split, "none")
    return chosen_notes, instrument


@dataclass
class Laboratory:
    """What all experiments of one folder share.

    Attributes:
        notes: The note set.
        folder: Where runs and results lie.
        budget: How much is done.
        device: Where to train.
        on_step: Called after every training step with the experiment's title, the progress and the steps of an epoch.
    """

    notes: Notes
    folder: Path
    budget: Budget
    device: str = "cpu"
    on_step: OnStep | None = None
    _tuned: dict[str, list[bool]] = field(default_factory=dict)

    def rows(self, notes: Notes) -> Rows:
        """Return the held-out notes that are judged."""
        return draw_notes(notes, self.budget.n_notes, split="test", seed=self.budget.seed)

    def pairs(self) -> Rows:
        """Return the held-out pairs whose morphs are judged."""
        return draw_pairs(self.notes, self.budget.n_pairs, split="test", seed=self.budget.seed)

    def judging(self) -> dict[str, Any]:
        """Return what a judgement depends on beside codec and notes."""
        return {name: getattr(self.budget, name) for name in ("n_notes", "n_pairs", "seed")}

    def tuned(self, notes: Notes) -> list[bool]:
        """Return which of the judged notes are in tune themselves, measured once."""
        rows = self.rows(notes)
        key = ",".join(map(str, rows))
        if key not in self._tuned:
            self._tuned[key] = rows_in_tune(notes, rows)
        return self._tuned[key]


def run_all(laboratory: Laboratory) -> dict[str, Result]:
    """Train and judge every experiment that is not done yet.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name → result, in the order of the experiments; the probes for SGD's learning rate stand before it.

    Raises:
        InputError: If the notes do not fit, or the folder holds runs of other settings or notes.
        KeyboardInterrupt: If the process was told to end; the run that it was in can go on.
    """
    results: dict[str, Result] = {}
    for experiment in chosen(laboratory.budget):
        if experiment.name == "sgd":
            probes = sgd_probes(laboratory.budget)
            for probe in probes:
                results[probe.name] = run_one(laboratory, probe, judged=False)
            best = min(probes, key=lambda probe: final_loss(results[probe.name]))
            rate = next(line for line in best.changes if line.startswith("learning_rate"))
            experiment = replace(experiment, changes=(*experiment.changes, rate))
        if experiment.one_instrument:
            instrument = json.dumps([one_instrument(laboratory.notes)[1]])
            experiment = replace(experiment, changes=(*experiment.changes, f"choice.instruments={instrument}"))
        results[experiment.name] = run_one(laboratory, experiment)
    return results


def final_loss(result: Result) -> float:
    """Return the validation loss at the end of a run; infinite if it was stopped.

    Example:
        >>> final_loss({"stopped": "the loss must stay finite, got nan", "curve": []})
        inf
    """
    return float("inf") if result["stopped"] or not result["curve"] else float(result["curve"][-1]["loss"])


def run_one(laboratory: Laboratory, experiment: Experiment, *, judged: bool = True) -> Result:
    """Train and judge one experiment, or read what came out when that was done.

    Args:
        laboratory: Notes, folder and budget.
        experiment: The experiment, complete.
        judged: Whether notes and morphs are judged too.

    Returns:
        ``name``, ``factor``, ``title``, ``changes``; ``settings`` and ``notes`` (digest) of the run; ``stopped`` (why,
        or empty); ``curve`` of the validation and ``training``, the mean of every epoch; ``seconds``; ``weights`` and
        ``code`` (counts); ``figures`` of each note, ``morphs``, and for one instrument ``own`` figures on its held-out
        pitches, with the default's.
    """
    settings = train_config(experiment, laboratory.budget)
    path = laboratory.folder / "results" / f"{experiment.name}.json"
    known = read_result(path)
    digest = laboratory.notes.digest()
    trained = bool(known) and known["notes"] == digest and TrainConfig.parse(known["settings"]) == settings
    if not trained:
        known = _train(laboratory, experiment, settings)
        known |= {"notes": digest, "judging": None, "training": [], "curve": []}
    known |= _curves(laboratory.folder / "runs" / experiment.name / "metrics.jsonl")
    known |= {name: getattr(experiment, name) for name in ("name", "factor", "title")}
    known["changes"] = list(experiment.changes)
    if judged and known["judging"] != laboratory.judging():
        if not known["stopped"]:
            known |= _judge(laboratory, experiment)
        known["judging"] = laboratory.judging()
    write_result(path, known)
    return known


def _train(laboratory: Laboratory, experiment: Experiment, settings: TrainConfig) -> Result:
    out = laboratory.folder / "runs" / experiment.name
    notes = one_instrument(laboratory.notes)[0] if experiment.one_instrument else laboratory.notes

    def show(progress: Progress, steps: int, _loss: float) -> None:
        if laboratory.on_step is not None:
            laboratory.on_step(experiment.title, progress, steps)

    stopped, seconds = "", None
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    logger.info("%s: %s", experiment.title, " ".join(experiment.changes) or "the default")
    try:
        progress = train_codec(settings, notes, out, device=laboratory.device, on_step=show)
        if not progress.finished:
            raise KeyboardInterrupt
        seconds = progress.seconds
    except TrainingStoppedError as error:
        stopped = str(error)
    result: Result = {"settings": settings.model_dump(mode="json"), "stopped": stopped, "seconds": seconds}
    if not stopped:
        model = Codec.load(out / "best").model
        samples = laboratory.notes.samples
        n_frames = Codec.load(out / "best").representation.n_frames(samples)
        result["weights"] = sum(value.numel() for value in model.parameters())
        result["code"] = model.latent_dim * model.n_latents(n_frames)
    return result


def _curves(log: Path) -> Result:
    """Return the mean training loss of every epoch and the validation loss after it, if there is a log."""
    if not log.is_file():
        return {}
    lines = read_lines(log)
    points: Result = {"train": [], "valid": []}
    for line in lines:
        points[line["split"]].append({name: line[name] for name in ("step", "loss")})
    return {"training": points["train"], "curve": points["valid"]}


def _judge(laboratory: Laboratory, experiment: Experiment) -> Result:
    """Judge the weights of the best validation, as the thesis uses them."""
    notes, seed = laboratory.notes, laboratory.budget.seed
    codec = Codec.load(laboratory.folder / "runs" / experiment.name / "best", device=laboratory.device)
    rows = laboratory.rows(notes)
    found = {
        "figures": judge_notes(by_codec(codec, seed=seed), notes, rows, laboratory.tuned(notes)),
        "morphs": judge_pairs(codec, notes, laboratory.pairs(), seed=seed),
    }
    if experiment.one_instrument:
        own = one_instrument(notes)[0]
        default = Codec.load(laboratory.folder / "runs" / "default" / "best", device=laboratory.device)
        for name, by in (("own", codec), ("own_default", default)):
            found[name] = judge_notes(by_codec(by, seed=seed), own, laboratory.rows(own), laboratory.tuned(own))
    return found
