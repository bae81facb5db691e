"""Morphs from A to B at five mixes: do a classifier's probabilities of the two families change monotonically?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.classifier import Classifier
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import BATCH, Step, seeded
from intertone.evaluate.resynthesis import CODEC, ESTIMATED, has_partials, interpolate_features, interpolation_name
from intertone.evaluate.study import Draw, Shown, Study
from intertone.morphing import morph_steps
from intertone.page import Picture, Table, percent
from intertone.plot import curves_png

MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
TOLERANCE = 0.01
"""Largest rise of a probability that falls, and largest fall of one that rises, that still counts as monotone."""


@dataclass(frozen=True)
class PathFigures:
    """Probabilities along the mixes from A to B, for one method.

    Attributes:
        a: Mean probability, at each mix, of the family that the classifier assigns to A.
        b: Mean probability, at each mix, of the family that it assigns to B.
        monotone: Share of pairs for which the first falls and the second rises at every step, within 0.01.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    monotone: float


@dataclass(frozen=True)
class Path:
    """Result of the study of morphs from A to B.

    Attributes:
        mixes: The mixes of the morphs; 0 is A, 1 is B.
        n_pairs: Number of pairs; the classifier assigns different families to A and B.
        methods: Figures of the codec and of the interpolation without a network; empty if there are no pairs.
    """

    mixes: tuple[float, ...]
    n_pairs: int
    methods: Mapping[str, PathFigures]


class PathStudy(Study[Path]):
    """Study of the families that a classifier assigns to morphs from A to B."""

    name = "path"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the study applies, as to all codecs that are not harmonic; otherwise why it does not."""
        if has_partials(codec):
            return "The families from A to B: the classifier is used for spectrogram codecs only."
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Path:
        """Return the probabilities at each mix for the first pairs."""
        n_pairs, seed = draw.config.n_path_pairs, draw.config.seed
        step = draw.steps.begin("from A to B", n_pairs)
        return follow_path(codec, notes, draw.pairs, draw.classifier(), n_pairs=n_pairs, seed=seed, step=step)

    def show(self, result: Path) -> Shown:
        """Return the probabilities as a table, curves and a sentence."""
        if not result.methods:
            text = "The families from A to B: the classifier assigns the same family to both notes of every pair."
            return Shown("From A to B", left_out=(text,))
        codec, without = (percent(figures.monotone) for figures in result.methods.values())
        sentence = (
            f"From A to B, the classifier's probability of A's family falls and that of B's rises at every step in "
            f"{codec} of {result.n_pairs} pairs (without a network {without})."
        )
        return Shown("From A to B", (_path_table(result),), (sentence,), (_path_picture(result),))


@torch.inference_mode()
def follow_path(
    codec: Codec, notes: Notes, pairs: Rows, classifier: Classifier, *, n_pairs: int, seed: int, step: Step
) -> Path:
    """Return the classifier's probabilities of A's family and of B's family at each mix from A to B.

    In a good morph the first falls and the second rises at every step. The families are those that the classifier
    assigns to A and B, right or wrong.

    Args:
        codec: The codec.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``.
        classifier: The classifier.
        n_pairs: Largest number of pairs; pairs of equal families are left out.
        seed: Seed of random phase.
        step: Called after every batch with its number of pairs.

    Returns:
        The figures of the codec and of the interpolation without a network.
    """
    chosen, families = _pairs_of_two_families(notes, pairs, classifier, n_pairs)
    found: dict[str, list[Tensor]] = {CODEC: [], interpolation_name(codec): []}
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        ends = families[start : start + BATCH]
        a, b = (notes.audio(rows).unsqueeze(1) for rows in batch.T)
        for method, parts in found.items():
            steps = [
                classifier.probabilities(sound[:, 0, : notes.samples], codec.sample_rate)["family"].gather(1, ends)
                for sound in _path(codec, a, b, method, seed)
            ]
            parts.append(torch.stack(steps, 1))
        step(len(batch))
    methods = {method: _path_figures(torch.cat(parts)) for method, parts in found.items() if parts}
    return Path(MIXES, len(chosen), methods)


def _path(codec: Codec, a: Tensor, b: Tensor, method: str, seed: int) -> Iterator[Tensor]:
    if method == CODEC:
        yield from morph_steps(codec, a, b, mixes=MIXES, phase=ESTIMATED, generator=seeded(seed))
        return
    for mix in MIXES:
        yield interpolate_features(codec, a, b, mix=mix, seed=seed)


def _pairs_of_two_families(notes: Notes, pairs: Rows, classifier: Classifier, n_pairs: int) -> tuple[Rows, Tensor]:
    """Return the first pairs whose notes are assigned different families, and the families' indices, ``(n, 2)``."""
    parts = []
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        both = classifier.probabilities(notes.audio(batch.ravel()), notes.sample_rate)["family"].argmax(1)
        parts.append(both.view(-1, 2))
    families = torch.cat(parts) if parts else torch.zeros(0, 2, dtype=torch.long)
    kept = np.flatnonzero((families[:, 0] != families[:, 1]).numpy())[:n_pairs]
    return pairs[kept], families[kept]


def _path_figures(probabilities: Tensor) -> PathFigures:
    """Return the figures of the probabilities ``(n, n_mixes, 2)`` of A's and of B's family."""
    steps = probabilities.diff(dim=1)
    monotone = (steps[..., 0] <= TOLERANCE).all(1) & (steps[..., 1] >= -TOLERANCE).all(1)
    a, b = (_rounded(probabilities[..., end].mean(0).tolist()) for end in (0, 1))
    return PathFigures(a, b, float(monotone.double().mean()))


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 6) for value in values)


def _path_table(path: Path) -> Table:
    rows = []
    for method, figures in path.methods.items():
        rows.append((f"{method}: as A", *(f"{value:.2f}" for value in figures.a), percent(figures.monotone)))
        rows.append((f"{method}: as B", *(f"{value:.2f}" for value in figures.b), ""))
    return Table(
        "From A to B",
        f"Mean probabilities of two families in morphs at five mixes: of the family that the classifier assigns to A, "
        f"and of that it assigns to B; over {path.n_pairs} pairs where the two differ. Falls and rises: the share of "
        "pairs for which the first falls and the second rises at every step, within 0.01.",
        ("family", *(f"{mix:g}" for mix in path.mixes), "falls and rises"),
        rows,
    )


def _path_picture(path: Path) -> Picture:
    curves: dict[str, Sequence[float]] = {}
    for method, figures in path.methods.items():
        curves |= {f"{method}: as A": figures.a, f"{method}: as B": figures.b}
    ends = "; ".join(f"{name} from {values[0]:.2f} to {values[-1]:.2f}" for name, values in curves.items())
    png = curves_png(curves, path.mixes, x_label="mix, 0 is A and 1 is B", y_label="mean probability")
    return Picture(png, f"Curves of probabilities over the mix: {ends}", "Probabilities of the classifier from A to B.")
