"""Training and evaluation of experiments; results are stored, and an interrupted experiment is resumed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import Field

from intertone.codec import Codec
from intertone.config import Settings
from intertone.data.features import FeatureSet
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows, draw_notes, draw_pairs
from intertone.experiments.figures import (
    NoteFigures,
    PairFigures,
    by_codec,
    evaluate_notes,
    evaluate_pairs,
    rows_in_tune,
)
from intertone.experiments.store import read_lines, read_result, write_result
from intertone.experiments.write_up import make_folders
from intertone.remark import RemarkLogger
from intertone.train import Progress, TrainConfig, TrainingStoppedError, train_codec

logger = RemarkLogger(__name__)

OnStep = Callable[[str, Progress, int], None]
"""Function that is called after every training step with the title, the progress, and the steps of an epoch."""


class EvaluationBudget(Settings):
    """Amount of evaluation of every experiment; the budget of a paper extends it by the amount of training."""

    names: tuple[str, ...] = Field((), description="names of the experiments to run; empty: all")
    n_notes: int = Field(64, ge=1, description="held-out notes that are reconstructed and evaluated")
    n_pairs: int = Field(24, ge=0, description="held-out pairs whose half-way morphs are evaluated")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the selection of notes and pairs, and of random phase")

    def evaluation(self) -> dict[str, int]:
        """Return the settings that an evaluation depends on, besides codec and notes."""
        return {"n_notes": self.n_notes, "n_pairs": self.n_pairs, "seed": self.seed}


B = TypeVar("B", bound=EvaluationBudget)


@dataclass(frozen=True)
class Point:
    """Loss after a number of steps."""

    step: int
    loss: float


@dataclass(frozen=True)
class LogLine(Point):
    """Line of a run's log: step, loss, and the split, ``train`` or ``valid``."""

    split: str


@dataclass(frozen=True)
class RunResult:
    """Result of an experiment.

    Attributes:
        settings: Settings of the run.
        notes: Digest of the note set.
        stopped: Reason why training stopped with an error; empty: it did not.
        seconds: Time of training; None: training stopped with an error.
        name: Name of the experiment.
        factor: The factor that the experiment varies.
        title: Title of the experiment in tables and pictures.
        changes: Overrides of the settings.
        training: Mean training loss of every epoch.
        curve: Validation loss after every epoch.
        weights: Number of weights of the model; None: training stopped with an error.
        code: Number of values of a note's latent code; None: training stopped with an error.
        judging: Settings of the evaluation; None: not evaluated yet.
        figures: Figures of each held-out note; None, as in the next three: not evaluated.
        morphs: Figures of half-way morphs.
        own: Figures of the held-out notes of the experiment's ``part`` of the note set.
        own_default: Figures of the same notes, reconstructed by the experiment ``beside``.
    """

    settings: TrainConfig
    notes: str
    stopped: str
    seconds: float | None
    name: str = ""
    factor: str = ""
    title: str = ""
    changes: tuple[str, ...] = ()
    training: tuple[Point, ...] = ()
    curve: tuple[Point, ...] = ()
    weights: int | None = None
    code: int | None = None
    judging: dict[str, int] | None = None
    figures: NoteFigures | None = None
    morphs: PairFigures | None = None
    own: NoteFigures | None = None
    own_default: NoteFigures | None = None

    @property
    def final_loss(self) -> float:
        """The last validation loss; infinite if training stopped with an error."""
        return float("inf") if self.stopped or not self.curve else self.curve[-1].loss


Results = Mapping[str, RunResult]
"""Name of the experiment → its result."""


@dataclass(frozen=True)
class Experiment:
    """One run, defined by its differences from the default settings of a paper.

    Attributes:
        name: Name of the run's folder.
        factor: The factor that the experiment varies.
        title: Title in tables and pictures.
        changes: Overrides of the settings, in the form of ``--set`` lines.
        complete: Returns further overrides from the note set and the results of the preceding experiments; None: none.
        part: Returns the part of the note set to train on, with its own splits, whose held-out notes are evaluated in
            addition; None: the whole note set.
        beside: Name of an earlier experiment that is also evaluated on the part's held-out notes; empty: none.
        evaluated: Whether notes and morphs are evaluated.
    """

    name: str
    factor: str
    title: str
    changes: tuple[str, ...] = ()
    complete: Callable[[Notes, Results], tuple[str, ...]] | None = None
    part: Callable[[Notes], Notes] | None = None
    beside: str = ""
    evaluated: bool = True


Configure = Callable[[Experiment], TrainConfig]
"""Function that returns the settings of a run for an experiment with all of its overrides."""


@dataclass
class Laboratory(Generic[B]):
    """Notes, folder and budget that all experiments of one folder share.

    Attributes:
        notes: The note set.
        folder: Folder of the runs and results.
        budget: Amount of training and evaluation.
        device: Torch device for training.
        on_step: Called after every training step; None: not called.
    """

    notes: Notes
    folder: Path
    budget: B
    device: str = "cpu"
    on_step: OnStep | None = None
    _tuned: dict[str, tuple[bool, ...]] = field(default_factory=dict)

    def rows(self, notes: Notes) -> Rows:
        """Return the row numbers of the held-out notes that are evaluated."""
        return draw_notes(notes, self.budget.n_notes, split="test", seed=self.budget.seed)

    def pairs(self) -> Rows:
        """Return the row numbers of the held-out pairs whose morphs are evaluated, ``(n, 2)``."""
        return draw_pairs(self.notes, self.budget.n_pairs, split="test", seed=self.budget.seed)

    def codec(self, name: str) -> Codec:
        """Return the codec that an experiment trained, with the weights of the best validation loss."""
        return Codec.load(self.folder / "runs" / name / "best", device=self.device)

    def train(self, title: str, settings: TrainConfig, data: Notes | FeatureSet, out: Path) -> Progress:
        """Train a codec, or resume an interrupted run.

        Args:
            title: Title that is passed to ``on_step``.
            settings: Settings of the run.
            data: A note set, or prepared features.
            out: Folder of the run.

        Returns:
            The final state.

        Raises:
            TrainingStoppedError: If the loss is not finite, or notes or output are silent.
            KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the run.
        """

        def show(progress: Progress, steps: int, _loss: float) -> None:
            if self.on_step is not None:
                self.on_step(title, progress, steps)

        progress = train_codec(settings, data, out, device=self.device, on_step=show)
        if not progress.finished:
            raise KeyboardInterrupt
        return progress

    def evaluate(self, codec: Codec, notes: Notes) -> NoteFigures:
        """Return the figures of a codec's reconstructions of the held-out notes."""
        rows = self.rows(notes)
        return evaluate_notes(by_codec(codec, seed=self.budget.seed), notes, rows, self.tuned(notes))

    def tuned(self, notes: Notes) -> tuple[bool, ...]:
        """Return whether each held-out note is in tune; repeated calls return the first result."""
        rows = self.rows(notes)
        key = ",".join(map(str, rows))
        if key not in self._tuned:
            self._tuned[key] = rows_in_tune(notes, rows)
        return self._tuned[key]


def run_all(laboratory: Laboratory[B], experiments: Iterable[Experiment], configure: Configure) -> dict[str, RunResult]:
    """Train and evaluate all experiments one after another; stored results are used if they are valid.

    Args:
        laboratory: Notes, folder and budget.
        experiments: The experiments, in the order of their execution.
        configure: Returns the settings of a run.

    Returns:
        Name → result, in the order of the experiments.

    Raises:
        InputError: If the notes do not fit the settings, or the folder has runs of other settings or notes.
        KeyboardInterrupt: If the process received an interrupt; repeating the call resumes the experiment.
    """
    results: dict[str, RunResult] = {}
    for experiment in experiments:
        if experiment.complete is not None:
            further = experiment.complete(laboratory.notes, results)
            experiment = replace(experiment, changes=(*experiment.changes, *further))
        results[experiment.name] = run_one(laboratory, experiment, configure)
    return results


def run_one(laboratory: Laboratory[B], experiment: Experiment, configure: Configure) -> RunResult:
    """Train and evaluate one experiment, or return its stored result if notes and settings are unchanged.

    Args:
        laboratory: Notes, folder and budget.
        experiment: The experiment, with all of its overrides.
        configure: Returns the settings of the run.
    """
    settings = configure(experiment)
    path = laboratory.folder / "results" / f"{experiment.name}.json"
    known = read_result(path, RunResult)
    if known is None or known.notes != laboratory.notes.digest() or known.settings != settings:
        known = _train(laboratory, experiment, settings)
    if (log := laboratory.folder / "runs" / experiment.name / "metrics.jsonl").is_file():
        lines = read_lines(log, LogLine)
        training, curve = (
            tuple(Point(line.step, line.loss) for line in lines if line.split == split) for split in ("train", "valid")
        )
        known = replace(known, training=training, curve=curve)
    name, factor, title, changes = experiment.name, experiment.factor, experiment.title, experiment.changes
    known = replace(known, name=name, factor=factor, title=title, changes=changes)
    if experiment.evaluated and known.judging != laboratory.budget.evaluation():
        if not known.stopped:
            known = _evaluate(laboratory, experiment, known)
        known = replace(known, judging=laboratory.budget.evaluation())
    write_result(path, known, RunResult)
    return known


def _train(laboratory: Laboratory[B], experiment: Experiment, settings: TrainConfig) -> RunResult:
    out, digest = laboratory.folder / "runs" / experiment.name, laboratory.notes.digest()
    notes = experiment.part(laboratory.notes) if experiment.part is not None else laboratory.notes
    make_folders(out.parent)
    logger.info("%s: %s", experiment.title, " ".join(experiment.changes) or "the default")
    try:
        progress = laboratory.train(experiment.title, settings, notes, out)
    except TrainingStoppedError as error:
        return RunResult(settings, digest, stopped=str(error), seconds=None)
    codec = Codec.load(out / "best")
    weights, code = code_counts(codec, codec.representation.n_frames(laboratory.notes.samples))
    return RunResult(settings, digest, stopped="", seconds=progress.seconds, weights=weights, code=code)


def code_counts(codec: Codec, n_frames: int) -> tuple[int, int]:
    """Return the number of a codec's weights, and of the values of its latent code for ``n_frames`` frames."""
    model = codec.model
    return sum(value.numel() for value in model.parameters()), model.code_size(n_frames)


def _evaluate(laboratory: Laboratory[B], experiment: Experiment, known: RunResult) -> RunResult:
    """Return the result of an experiment with the figures of its best weights added."""
    notes, codec = laboratory.notes, laboratory.codec(experiment.name)
    figures = laboratory.evaluate(codec, notes)
    morphs = evaluate_pairs(codec, notes, laboratory.pairs(), seed=laboratory.budget.seed)
    known = replace(known, figures=figures, morphs=morphs)
    if experiment.part is None:
        return known
    part = experiment.part(notes)
    beside = laboratory.evaluate(laboratory.codec(experiment.beside), part) if experiment.beside else None
    return replace(known, own=laboratory.evaluate(codec, part), own_default=beside)
