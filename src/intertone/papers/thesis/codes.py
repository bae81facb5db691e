"""What a code knows: linear probes on it, a map of it, and what one of its numbers does to the spectrum."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import Rows, draw_notes
from intertone.evaluate.figure import BATCH
from intertone.evaluate.resynthesis import spectrogram_of
from intertone.evaluate.studies.network import random_codec
from intertone.experiments.probes import accuracy, best_constant, fit_probe
from intertone.experiments.store import Result, remembered
from intertone.metrics import log_mel
from intertone.models import ConvAutoencoder
from intertone.papers.thesis.anchors import codec_digest
from intertone.papers.thesis.experiment import Laboratory
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

Array = npt.NDArray[np.float64]

SHIPPED, DEFAULT = "the shipped codec", "the default run"
SPECTRUM = "mean spectrum, no network"
N_MOVED = 3
"""Numbers of the code that are moved."""

SPREADS = 2.0
"""How far they are moved to either side, in standard deviations."""

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


def study_codes(laboratory: Laboratory) -> Result:
    """Probe, map and move the codes of the shipped codec and of the default run.

    Args:
        laboratory: Notes, folder and budget; the default experiment is done.

    Returns:
        ``probes`` (see ``probe_codes``), ``map`` of the held-out notes and ``moves``, both by codec.
    """
    codecs = {
        SHIPPED: Codec.load("thesis"),
        DEFAULT: Codec.load(laboratory.folder / "runs" / "default" / "best"),
    }
    budget, notes = laboratory.budget, laboratory.notes
    key = {"notes": notes.digest(), "codecs": {name: codec_digest(codec) for name, codec in codecs.items()}}
    key |= {name: getattr(budget, name) for name in ("n_probe_notes", "n_foreign_notes", "seed")}

    def make() -> Result:
        logger.info("probing the codes")
        few = notes.audio(draw_notes(notes, min(BATCH, budget.n_notes), split="train", seed=budget.seed)).unsqueeze(1)
        every = {**codecs, "the same network, untrained": random_codec(codecs[SHIPPED], few, seed=budget.seed)}
        known, foreign = (
            encode_notes(every, notes, draw_notes(notes, count, split=split, seed=budget.seed))
            for count, split in ((budget.n_probe_notes, "train"), (budget.n_foreign_notes, "test"))
        )
        moved = draw_notes(notes, N_MOVED_NOTES, split="test", seed=budget.seed)
        return {
            "probes": probe_codes(notes, known, foreign),
            "map": {name: map_codes(notes, known, foreign, name) for name in codecs},
            "moves": {name: move_numbers(codec, notes, known.views[name], moved) for name, codec in codecs.items()},
        }

    return remembered(laboratory.folder / "results" / "codes.json", key, make)


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


def probe_codes(notes: Notes, known: Coded, foreign: Coded) -> list[Result]:
    """Read pitch, velocity and family from every view by a linear probe.

    A probe is fitted to notes of known instruments and judged twice: on other notes of those instruments (for pitch one
    of the velocities, for velocity and family one in five pitches, which it has not seen), and on instruments that it
    has not seen, of families that it has.

    Args:
        notes: The note set.
        known: Notes of the training split.
        foreign: Notes of instruments of another split.

    Returns:
        One entry for each task that has two classes: ``task``, ``classes``, ``fitted`` (notes), ``known`` and
        ``foreign``, each with ``n`` notes, ``constant`` (the best constant guess) and the share found by view; a
        judgement without notes is None.
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
        line: Result = {"task": task, "classes": len(classes), "fitted": int(given.sum())}
        shared = np.isin(labels[foreign.rows], classes)
        for name, coded, chosen in (("known", known, here & _has(notes, known, task)), ("foreign", foreign, shared)):
            truth = labels[coded.rows[chosen]]
            line[name] = None
            if len(truth):
                shares = {view: accuracy(probe, coded.views[view][chosen], truth) for view, probe in probes.items()}
                line[name] = {"n": len(truth), "constant": best_constant(truth), "shares": shares}
        table.append(line)
    return table


def _has(notes: Notes, coded: Coded, task: str) -> npt.NDArray[np.bool_]:
    """Return which notes have what a task asks for: a drum has no pitch."""
    return notes.pitch[coded.rows] >= 0 if task == "pitch" else np.ones(len(coded.rows), bool)


def map_codes(notes: Notes, known: Coded, foreign: Coded, name: str) -> Result:
    """Put codes into the plane of their two largest principal components.

    Args:
        notes: The note set.
        known: Notes that the components are of.
        foreign: Notes that are put onto the plane.
        name: Of the view.

    Returns:
        ``share`` of the variance that each axis has; ``pitch`` and ``velocity``: the correlation of each axis with them
        over the notes of ``foreign``; their ``points``, each with across, up, family and pitch.
    """
    centre = known.views[name].mean(0)
    _, values, right = np.linalg.svd(known.views[name] - centre, full_matrices=False)
    axes = right[:2] * np.where(right[:2].sum(1, keepdims=True) < 0, -1, 1)
    points = (foreign.views[name] - centre) @ axes.T
    rows = foreign.rows
    pitched = notes.pitch[rows] >= 0
    return {
        "share": [float(value) for value in values[:2] ** 2 / (values**2).sum()],
        "pitch": [_correlation(axis[pitched], notes.pitch[rows[pitched]]) for axis in points.T],
        "velocity": [_correlation(axis, notes.velocity[rows]) for axis in points.T],
        "points": [
            [round(float(across), 4), round(float(up), 4), str(notes.family[row]), int(notes.pitch[row])]
            for (across, up), row in zip(points, rows, strict=True)
        ],
    }


@torch.inference_mode()
def move_numbers(codec: Codec, notes: Notes, pooled: Array, rows: Rows) -> list[Result]:
    """Move single numbers of the code and see what that does to the mean spectrum.

    The numbers that vary most over ``pooled``, one of each channel at most; moved at all times by two of their standard
    deviations to either side. The spectrum is the mean over notes and frames of the decoded features, in dB.

    Args:
        codec: The codec, with a code that keeps the axes.
        notes: The note set.
        pooled: Codes over which the deviations are taken, ``(n, latent_dim)``.
        rows: Notes whose codes are moved.

    Returns:
        For each: ``number``, ``channel``, ``deviation``; ``hz`` (``low``, ``high``) of the rows that it stands for;
        ``up`` and ``down``: the change of each row, dB; ``inside``: the share of the squared change that lies in those
        rows; ``width``: Hz of the narrowest band with nine tenths of it.

    Raises:
        InputError: If the codec is none of spectrograms and convolutions.
    """
    representation = codec.representation
    model, range_db = codec.model, representation.scales[0].range_db
    spectrogram = spectrogram_of(codec)
    if not isinstance(model, ConvAutoencoder):
        raise InputError(f"numbers are moved in a code that keeps the axes, got a {codec.config.model.kind} model")
    reduction = model.config.reduction[0]
    bin_hz = spectrogram.sample_rate / spectrogram.n_fft
    deviation = pooled.std(0)
    numbers: list[int] = []
    for number in np.argsort(-deviation):
        if number // model.rows not in [known // model.rows for known in numbers] and len(numbers) < N_MOVED:
            numbers.append(int(number))
    features, _ = representation.analyse(notes.audio(rows).unsqueeze(1))
    latents = codec.encode_features(features)
    still = _mean_spectrum(codec, latents)
    moved = []
    for number in numbers:
        change = {}
        for word, sign in (("up", 1), ("down", -1)):
            other = latents.clone()
            other[:, number] += sign * SPREADS * float(deviation[number])
            change[word] = range_db * (_mean_spectrum(codec, other) - still)
        squares = change["up"] ** 2 + change["down"] ** 2
        first = number % model.rows * reduction
        moved.append(
            {
                "number": number,
                "channel": number // model.rows,
                "deviation": float(deviation[number]),
                "bin_hz": bin_hz,
                "hz": [first * bin_hz, (first + reduction) * bin_hz],
                **{word: [round(float(value), 4) for value in curve] for word, curve in change.items()},
                "inside": float(squares[first : first + reduction].sum() / max(squares.sum(), 1e-30)),
                "width": _narrowest(squares, 0.9) * bin_hz,
            }
        )
    return moved


def _mean_spectrum(codec: Codec, latents: Tensor) -> Array:
    return codec.decode_features(latents).clamp(0, 1).mean((0, -1)).double().cpu().numpy()


def _narrowest(squares: Array, share: float) -> int:
    """Return the length of the shortest run of rows that holds ``share`` of the sum; 0 where there is nothing."""
    if not squares.any():
        return 0
    total = np.concatenate([[0.0], np.cumsum(squares)])
    stops = np.searchsorted(total, total[:-1] + share * total[-1] - 1e-12)
    lengths = stops - np.arange(len(squares))
    return int(lengths[stops <= len(squares)].min())


def _correlation(first: Array, second: npt.NDArray[np.int16]) -> float | None:
    """Return Pearson's coefficient; None where one of them never changes."""
    if len(first) < 2 or not first.std() or not second.std():
        return None
    return float(np.corrcoef(first, second)[0, 1])
