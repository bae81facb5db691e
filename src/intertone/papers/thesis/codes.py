"""Contents of a code: linear probes on it, a map of it, and what its numbers do to the spectrum."""

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
"""Notes over which the effect is averaged."""

HELD_OUT = 5
"""One in so many pitches is kept from the probes for family and velocity."""


@dataclass(frozen=True)
class Coded:
    """Notes as numbers, each pooled over time.

    Attributes:
        rows: Which notes, ``(n,)``.
        views: What the numbers are of → ``(n, numbers)``.
    """

    rows: Rows
    views: dict[str, Array]


@dataclass(frozen=True)
class Shares:
    """Accuracy of probes on ``n`` notes: the best constant guess, and the share found by view."""

    n: int
    constant: float
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Probing:
    """Accuracy of linear probes of one property.

    Attributes:
        task: The property.
        classes: Its values.
        fitted: Notes that the probes were fitted to.
        known: On other notes of these instruments; None without such notes, as in the next one.
        foreign: On other instruments.
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
        share: Of the variance, of each axis.
        pitch: Correlation of each axis with the pitch over ``points``; None where one never changes.
        velocity: The same with the velocity.
        points: Across, up, family and pitch of each note.
    """

    share: tuple[float, ...]
    pitch: tuple[float | None, ...]
    velocity: tuple[float | None, ...]
    points: tuple[tuple[float, float, str, int], ...]


@dataclass(frozen=True)
class Codes:
    """Probes, and by codec maps of the held-out notes and moves."""

    probes: tuple[Probing, ...]
    map: Mapping[str, CodeMap]
    moves: Mapping[str, tuple[Move, ...]]


def study_codes(laboratory: Thesis) -> Codes:
    """Probe, map and move the codes of the shipped codec and of the default run.

    Args:
        laboratory: Notes, folder and budget; the default experiment is done.

    Returns:
        What was found.
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
    """Return the codes of notes, averaged over the latent vectors, beside their mean spectra.

    Args:
        codecs: Name → codec, all of one representation.
        notes: The note set.
        rows: The notes.

    Returns:
        ``views`` of every codec, ``(n, latent_dim)``; of the features, ``(n, n_features)``; and of 64 mel bands in dB.
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
    """Read pitch, velocity and family from every view by a linear probe.

    A probe is fitted to notes of known instruments and evaluated twice: on other notes of those instruments (for pitch
    one of the velocities, for velocity and family one in five pitches, which it has not seen), and on instruments that
    it has not seen, of families that it has.

    Args:
        notes: The note set.
        known: Notes of the training split.
        foreign: Notes of instruments of another split.

    Returns:
        One entry for each property that has two values.
    """
    velocities, pitches = (np.unique(column[known.rows]) for column in (notes.velocity, notes.pitch))
    middle = notes.velocity == velocities[len(velocities) // 2]
    some = np.isin(notes.pitch, pitches[HELD_OUT // 2 :: HELD_OUT])
    tasks = {"pitch": (notes.pitch, middle), "velocity": (notes.velocity, some), "family": (notes.family, some)}
    table = []
    for task, (labels, held_out) in tasks.items():
        here = held_out[known.rows] & ~held_out[known.rows].all()  # of one velocity alone none is held out
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
    """Return which notes have what a task asks for: a drum has no pitch."""
    return notes.pitch[coded.rows] >= 0 if task == "pitch" else np.ones(len(coded.rows), bool)


def map_codes(notes: Notes, known: Coded, foreign: Coded, name: str) -> CodeMap:
    """Put codes into the plane of their two largest principal components.

    Args:
        notes: The note set.
        known: Notes that the components are of.
        foreign: Notes that are put onto the plane.
        name: Of the view.

    Returns:
        Where the notes of ``foreign`` lie.
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
    """Return Pearson's coefficient; None where one of them never changes."""
    if len(first) < 2 or not first.std() or not second.std():
        return None
    return float(np.corrcoef(first, second)[0, 1])
