"""What a classifier recognises of notes, reconstructions and morphs, beside a plain search for the pitch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.classifier import HEADS, Classifier
from intertone.evaluate.draw import Rows
from intertone.evaluate.morphs import IN_TUNE, METHODS, log_magnitude_morph, search_range
from intertone.evaluate.reconstruction import BATCH, ESTIMATED, Figures, Reconstructions, Step, seeded
from intertone.metrics import pitch_error_cents
from intertone.morphing import morph_steps

MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
TOLERANCE = 0.01
"""Of a probability: so little may it rise on its way down."""


def recognise_reconstructions(classifier: Classifier, notes: Notes, batch: Reconstructions) -> Figures:
    """Tell for every note of a batch, the original too, what is right.

    Args:
        classifier: The classifier.
        notes: The note set.
        batch: The reconstructions.

    Returns:
        Figures of (method, phase), the originals being ``("original", "own")``: ``pitch``, ``family`` and
        ``velocity``, 1 where the classifier names the right one, and ``in_tune``, 1 where the f0 is within 50 cents
        of the key; NaN where the note set does not tell.
    """
    labels = classifier.labels(notes, batch.rows)
    sounds = {("original", "own"): batch.audio, **batch.sounds}
    return {key: _right(classifier, sound, batch.sample_rate, labels) for key, sound in sounds.items()}


def recognise_morphs(classifier: Classifier, notes: Notes, pairs: Rows, sounds: dict[str, Tensor]) -> Figures:
    """Tell for every half-way morph what is right.

    Args:
        classifier: The classifier.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``, the two of one pitch and velocity.
        sounds: Method → half-way morphs, ``(n, samples)``.

    Returns:
        Figures of ``("end A", "own")``, ``("end B", "own")`` and of each (method, ``"estimated"``): those of
        ``recognise_reconstructions``, ``family`` being right at a morph if it is that of A or of B, and
        ``perceived``, 1 where the morph is given one of the two families that its ends are given.
    """
    ends = [classifier.labels(notes, rows) for rows in pairs.T]
    originals = [notes.audio(rows) for rows in pairs.T]
    given = [classifier.probabilities(sound, notes.sample_rate)["family"].argmax(1) for sound in originals]
    figures: Figures = {}
    for name, sound, labels in zip(("end A", "end B"), originals, ends, strict=True):
        figures[name, "own"] = _right(classifier, sound, notes.sample_rate, labels)
    known = torch.stack([labels["family"] >= 0 for labels in ends]).all(0)
    for method, sound in sounds.items():
        columns = _right(classifier, sound, notes.sample_rate, ends[0])
        named = classifier.probabilities(sound, notes.sample_rate)["family"].argmax(1)
        either = torch.stack([named == labels["family"] for labels in ends]).any(0)
        columns["family"] = torch.where(known, either.double(), torch.nan)
        columns["perceived"] = torch.stack([named == family for family in given]).any(0).double()
        figures[method, "estimated"] = columns
    return figures


def _right(classifier: Classifier, sounds: Tensor, sample_rate: int, labels: dict[str, Tensor]) -> dict[str, Tensor]:
    probabilities = classifier.probabilities(sounds, sample_rate)
    columns = {}
    for head in HEADS:
        known = labels[head] >= 0
        columns[head] = torch.full((len(sounds),), torch.nan, dtype=torch.float64)
        if known.any():  # else there may be no class at all
            columns[head][known] = (probabilities[head].argmax(1) == labels[head])[known].double()
    columns["in_tune"] = torch.stack(
        [_in_tune(sound, int(pitch), sample_rate) for sound, pitch in zip(sounds, labels["pitch"], strict=True)]
    )
    return columns


def _in_tune(sound: Tensor, pitch: int, sample_rate: int) -> Tensor:
    if pitch < 0:
        return torch.tensor(torch.nan, dtype=torch.float64)
    f_min, f_max = search_range(pitch, sample_rate)
    cents = pitch_error_cents(sound, pitch, sample_rate=sample_rate, f_min=f_min, f_max=f_max)
    return (cents.abs() <= IN_TUNE).double()


@torch.inference_mode()
def judge_path(
    codec: Codec, notes: Notes, pairs: Rows, classifier: Classifier, *, n_pairs: int, seed: int, step: Step
) -> dict[str, Any]:
    """Follow, from A to B, how likely the classifier finds the family that it gives A, and that it gives B.

    A morph that lies between loses the one and gains the other at every step.

    Args:
        codec: The codec.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``.
        classifier: The classifier.
        n_pairs: At most so many; those whose ends are given one and the same family are passed over.
        seed: Of random phase.
        step: Called after every batch with the number of pairs.

    Returns:
        ``mixes``, ``n_pairs``, and ``methods``: for the codec and for the interpolation without a network the mean
        probabilities ``a`` and ``b`` at each ratio, and ``monotone``, the share of pairs whose A falls and whose B
        rises at every step (within 0.01). No methods where there are no pairs.
    """
    chosen, families = _telling_pairs(notes, pairs, classifier, n_pairs)
    found: dict[str, list[Tensor]] = {method: [] for method in METHODS}
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        ends = families[start : start + BATCH]
        a, b = (notes.audio(rows).unsqueeze(1) for rows in batch.T)
        for method in METHODS:
            steps = [
                classifier.probabilities(sound[:, 0, : notes.samples], codec.sample_rate)["family"].gather(1, ends)
                for sound in _path(codec, a, b, method, seed)
            ]
            found[method].append(torch.stack(steps, 1))
        step(len(batch))
    result: dict[str, Any] = {"mixes": list(MIXES), "n_pairs": len(chosen), "methods": {}}
    for method, parts in found.items() if len(chosen) else ():
        result["methods"][method] = _path_figures(torch.cat(parts))
    return result


def _path(codec: Codec, a: Tensor, b: Tensor, method: str, seed: int) -> Iterator[Tensor]:
    if method == "codec":
        yield from morph_steps(codec, a, b, mixes=MIXES, phase=ESTIMATED, generator=seeded(seed))
        return
    for mix in MIXES:
        yield log_magnitude_morph(codec, a.to(codec.device), b.to(codec.device), mix=mix, seed=seed)


def _telling_pairs(notes: Notes, pairs: Rows, classifier: Classifier, n_pairs: int) -> tuple[Rows, Tensor]:
    """Return the first pairs whose ends are given two families, and these, ``(n, 2)``."""
    parts = []
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        both = classifier.probabilities(notes.audio(batch.ravel()), notes.sample_rate)["family"].argmax(1)
        parts.append(both.view(-1, 2))
    families = torch.cat(parts) if parts else torch.zeros(0, 2, dtype=torch.long)
    kept = np.flatnonzero((families[:, 0] != families[:, 1]).numpy())[:n_pairs]
    return pairs[kept], families[kept]


def _path_figures(probabilities: Tensor) -> dict[str, Any]:
    """From ``(n, n_mixes, 2)``."""
    steps = probabilities.diff(dim=1)
    monotone = (steps[..., 0] <= TOLERANCE).all(1) & (steps[..., 1] >= -TOLERANCE).all(1)
    a, b = (_rounded(probabilities[..., end].mean(0).tolist()) for end in (0, 1))
    return {"a": a, "b": b, "monotone": float(monotone.double().mean())}


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]
