"""Analysis of latent codes: linear probes, a map, and the effect of single values on the spectrum."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows, draw_notes
from intertone.evaluate.figure import BATCH
from intertone.evaluate.studies.network import random_codec
from intertone.experiments.probes import LinearProbe, accuracy, best_constant, fit_probe
from intertone.experiments.store import Key, remembered
from intertone.metrics import log_mel
from intertone.papers.thesis.anchors import codec_digest
from intertone.papers.thesis.moves import Array, Move, move_numbers
from intertone.papers.thesis.study import Thesis
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

SHIPPED, DEFAULT = "the shipped codec", "the default run"
SPECTRUM = "mean spectrum, no network"
N_MOVED_NOTES = 32
"""Number of notes over which the effect of a value is averaged."""

HELD_OUT = 5
"""Every fifth pitch is held out from the training of the probes for family and velocity."""


@dataclass(frozen=True)
class Coded:
    """Codes and spectra of notes, averaged over time.

    Attributes:
        rows: Row numbers of the notes, ``(n,)``.
        views: Name of a codec or spectrum → values, ``(n, n_values)``.
    """

    rows: Rows
    views: dict[str, Array]


@dataclass(frozen=True)
class Shares:
    """Accuracy on ``n`` notes: of the best constant prediction, and of the probe of each view."""

    n: int
    constant: float
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Probing:
    """Accuracy of linear probes of one property.

    Attributes:
        task: The property: ``pitch``, ``velocity`` or ``family``.
        classes: Number of classes.
        fitted: Number of notes that the probes are fitted to.
        known: Accuracy on other notes of the same instruments; None: there are no such notes.
        foreign: Accuracy on other instruments; None: there are no such notes.
    """

    task: str
    classes: int
    fitted: int
    known: Shares | None
    foreign: Shares | None


@dataclass(frozen=True)
class CodeMap:
    """Codes in the plane of their two largest principal components.

    Attributes:
        share: Share of the variance on each axis.
        pitch: Correlation of each axis with the pitch over ``points``; None: one of them is constant.
        velocity: Correlation of each axis with the velocity; None: one of them is constant.
        points: Horizontal and vertical coordinate, family and pitch of each note.
    """

    share: tuple[float, ...]
    pitch: tuple[float | None, ...]
    velocity: tuple[float | None, ...]
    points: tuple[tuple[float, float, str, int], ...]


@dataclass(frozen=True)
class Codes:
    """Accuracies of the probes, and for each codec a map of the held-out notes and the effect of single values."""

    probes: tuple[Probing, ...]
    map: Mapping[str, CodeMap]
    moves: Mapping[str, tuple[Move, ...]]


def study_codes(laboratory: Thesis) -> Codes:
    """Analyse the codes of the shipped codec and of the default run by probes, maps and changes of single values.

    Args:
        laboratory: Notes, folder and budget; the default experiment must be finished.
    """
    codecs = {
        SHIPPED: Codec.load("thesis"),
        DEFAULT: Codec.load(laboratory.folder / "runs" / "default" / "best"),
    }
    budget, notes = laboratory.budget, laboratory.notes
    key: Key = {
        "notes": notes.digest(),
        "codecs": {name: codec_digest(codec) for name, codec in codecs.items()},
        "n_probe_notes": budget.n_probe_notes,
        "n_foreign_notes": budget.n_foreign_notes,
        "seed": budget.seed,
    }

    def make() -> Codes:
        logger.info("probing the codes")
        few = notes.audio(draw_notes(notes, min(BATCH, budget.n_notes), split="train", seed=budget.seed)).unsqueeze(1)
        every = {**codecs, "the same network, untrained": random_codec(codecs[SHIPPED], few, seed=budget.seed)}
        known, foreign = (
            encode_notes(every, notes, draw_notes(notes, count, split=split, seed=budget.seed))
            for count, split in ((budget.n_probe_notes, "train"), (budget.n_foreign_notes, "test"))
        )
        moved = draw_notes(notes, N_MOVED_NOTES, split="test", seed=budget.seed)
        return Codes(
            probe_codes(notes, known, foreign),
            {name: map_codes(notes, known, foreign, name) for name in codecs},
            {name: move_numbers(codec, notes, known.views[name], moved) for name, codec in codecs.items()},
        )

    return remembered(laboratory.folder / "results" / "codes.json", key, Codes, make)


@torch.inference_mode()
def encode_notes(codecs: dict[str, Codec], notes: Notes, rows: Rows) -> Coded:
    """Return the codes of notes, averaged over the latent vectors, and the mean spectra of the notes.

    Args:
        codecs: Name → codec, all with the same representation.
        notes: The note set.
        rows: Row numbers of the notes.

    Returns:
        Views of every codec, ``(n, latent_dim)``, of the mean features, ``(n, n_features)``, and of the mean of 64 mel
        bands in dB.
    """
    representation = next(iter(codecs.values())).representation
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(rows), BATCH):
        audio = notes.audio(rows[start : start + BATCH])
        features, _ = representation.analyse(audio.unsqueeze(1))
        views = {name: codec.encode_features(features).mean(-1) for name, codec in codecs.items()}
        views |= {SPECTRUM: features.mean(-1), "mean log-mel, no network": log_mel(audio).mean(-1)}
        for name, view in views.items():
            parts.setdefault(name, []).append(view.cpu())
    return Coded(rows, {name: torch.cat(part).double().numpy() for name, part in parts.items()})


def probe_codes(notes: Notes, known: Coded, foreign: Coded) -> tuple[Probing, ...]:
    """Return the accuracy of linear probes that predict pitch, velocity and family from every view.

    A probe is fitted to notes of known instruments and evaluated twice: on held-out notes of the same instruments (for
    pitch, all notes of one velocity; for velocity and family, every fifth pitch), and on notes of other instruments
    whose class occurs in the training of the probe.

    Args:
        notes: The note set.
        known: Notes of the training split.
        foreign: Notes of instruments of another split.

    Returns:
        One entry for each property with at least two classes.
    """
    velocities, pitches = (np.unique(column[known.rows]) for column in (notes.velocity, notes.pitch))
    middle = notes.velocity == velocities[len(velocities) // 2]
    some = np.isin(notes.pitch, pitches[HELD_OUT // 2 :: HELD_OUT])
    tasks = {"pitch": (notes.pitch, middle), "velocity": (notes.velocity, some), "family": (notes.family, some)}
    table = []
    for task, (labels, held_out) in tasks.items():
        here = held_out[known.rows] & ~held_out[known.rows].all()  # if all notes were held out, none is
        given = ~here & _has(notes, known, task)
        classes = np.unique(labels[known.rows[given]])
        if len(classes) < 2:
            continue
        probes = {name: fit_probe(view[given], labels[known.rows[given]]) for name, view in known.views.items()}
        shared = np.isin(labels[foreign.rows], classes)
        found = [
            _shares(probes, coded, chosen, labels[coded.rows[chosen]])
            for coded, chosen in ((known, here & _has(notes, known, task)), (foreign, shared))
        ]
        table.append(Probing(task, len(classes), int(given.sum()), *found))
    return tuple(table)


def _shares(
    probes: Mapping[str, LinearProbe], coded: Coded, chosen: npt.NDArray[np.bool_], truth: npt.NDArray[np.generic]
) -> Shares | None:
    if not len(truth):
        return None
    shares = {view: accuracy(probe, coded.views[view][chosen], truth) for view, probe in probes.items()}
    return Shares(len(truth), best_constant(truth), shares)


def _has(notes: Notes, coded: Coded, task: str) -> npt.NDArray[np.bool_]:
    """Return whether each note has the property of a task; a drum has no pitch."""
    return notes.pitch[coded.rows] >= 0 if task == "pitch" else np.ones(len(coded.rows), bool)


def map_codes(notes: Notes, known: Coded, foreign: Coded, name: str) -> CodeMap:
    """Return the projection of codes on two principal components.

    Args:
        notes: The note set.
        known: Notes whose codes define the principal components.
        foreign: Notes whose codes are projected.
        name: Name of the view.
    """
    centre = known.views[name].mean(0)
    _, values, right = np.linalg.svd(known.views[name] - centre, full_matrices=False)
    axes = right[:2] * np.where(right[:2].sum(1, keepdims=True) < 0, -1, 1)
    points = (foreign.views[name] - centre) @ axes.T
    rows = foreign.rows
    pitched = notes.pitch[rows] >= 0
    return CodeMap(
        tuple(float(value) for value in values[:2] ** 2 / (values**2).sum()),
        tuple(_correlation(axis[pitched], notes.pitch[rows[pitched]]) for axis in points.T),
        tuple(_correlation(axis, notes.velocity[rows]) for axis in points.T),
        tuple(
            (round(float(across), 4), round(float(up), 4), str(notes.family[row]), int(notes.pitch[row]))
            for (across, up), row in zip(points, rows, strict=True)
        ),
    )


def _correlation(first: Array, second: npt.NDArray[np.int16]) -> float | None:
    """Return Pearson's correlation; None: there are fewer than two values, or one of the variables is constant."""
    if len(first) < 2 or not first.std() or not second.std():
        return None
    return float(np.corrcoef(first, second)[0, 1])
