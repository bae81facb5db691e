"""Recognition of notes, reconstructions and morphs by a classifier, beside a plain search for the pitch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.classifier import HEADS, Classifier
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import BATCH, Collected, Figures, Line, listed
from intertone.evaluate.resynthesis import CODEC, Resynthesis, has_partials
from intertone.evaluate.study import Draw, Shown, Study
from intertone.metrics import in_tune
from intertone.page import Picture, Table, percent
from intertone.plot import bars_png

DRAWN = (("original", "own"), (CODEC, "kept"), (CODEC, "estimated"), ("PCA", "kept"), ("PCA", "estimated"))
"""Ways that are drawn as bars."""


@dataclass(frozen=True)
class Recognition:
    """Shares of notes that are recognised.

    Attributes:
        lines: Of notes, ``("original", "own")``, and of reconstructions: ``pitch``, ``family`` and ``velocity``, 1
            where the classifier names the right one, and ``in_tune``, 1 where the f0 is within 50 cents of the key.
        morphs: Of half-way morphs and their ends the same, and ``perceived``; none where there are no two pairs.
        n_classes: Classes of each head of the classifier.
        n_training_notes: That it was trained on.
        on_training_notes: Whether these are also the notes that are evaluated.
    """

    lines: tuple[Line, ...]
    morphs: tuple[Line, ...]
    n_classes: Mapping[str, int]
    n_training_notes: int
    on_training_notes: bool


class RecognitionStudy(Study[Recognition]):
    """Pitch, family and velocity, as a classifier and a search for the pitch find them."""

    name = "recognition"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None where features are not partials."""
        if has_partials(codec):
            text = "The classifier of families and velocities: it knows notes at 16 kHz; the pitch is looked for "
            return text + "instead."
        return None

    def hear(self, codec: Codec, notes: Notes, draw: Draw, batch: Resynthesis) -> Figures:
        """Return what is right of every note and reconstruction of a batch."""
        return recognise_reconstructions(draw.classifier(), notes, batch)

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Recognition:
        """Return what is recognised of reconstructions and of half-way morphs."""
        classifier = draw.classifier()
        lines = draw.heard().figures[self.name]
        collected, sounds = Collected(), draw.half_way()
        for start in range(0, len(draw.pairs) if len(draw.pairs) > 1 else 0, BATCH):
            part = slice(start, start + BATCH)
            between = {method: sound[part] for method, sound in sounds.items()}
            collected.add(recognise_morphs(classifier, notes, draw.pairs[part], between))
        counts = (classifier.n_pitches, len(classifier.families), len(classifier.velocities))
        classes = dict(zip(HEADS, counts, strict=True))
        return Recognition(lines, collected.table(), classes, classifier.n_notes, draw.config.split == "train")

    def show(self, result: Recognition) -> Shown:
        """Return what is recognised as tables, pictures and sentences."""
        tables = (_table(result), *([_morph_table(result.morphs)] if result.morphs else []))
        return Shown("Recognition", tables, tuple(_sentences(result)), (_bars(result.lines),))


def recognise_reconstructions(classifier: Classifier, notes: Notes, batch: Resynthesis) -> Figures:
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
    known = labels["pitch"] >= 0
    columns["in_tune"] = torch.full((len(sounds),), torch.nan, dtype=torch.float64)
    columns["in_tune"][known] = in_tune(sounds[known], labels["pitch"][known], sample_rate=sample_rate).double()
    return columns


def _table(result: Recognition) -> Table:
    rows = []
    for line in result.lines:
        phase = "" if line.phase == "own" else f", {line.phase} phase"
        rows.append((line.method + phase, _count(line), *_shares(line, (*HEADS, "in_tune"))))
    counts = [result.n_classes[head] for head in HEADS]
    rows.append(("guessing", "", *(f"{100 / count:.1f} %" if count else "–" for count in counts), ""))
    seen = " They are also the notes that are evaluated here." if result.on_training_notes else ""
    return Table(
        "What a classifier recognises",
        f"Share named right by a small network trained on {result.n_training_notes:,} notes of the training split."
        f"{seen} Note sets tell no qualities of a note, so velocity stands for NSynth's third question; it is mostly a "
        "matter of level, which a codec's context carries. The row of the originals is the classifier's own limit: "
        "notes that sound an octave off their key, or have no pitch, count as wrong in it too. A kept phase brings "
        "something of the note by itself: compare the mean image, whose magnitudes know nothing of it. f0 in tune: a "
        "plain search finds the f0 within 50 cents of the key.",
        ("sound", "notes", *HEADS, "f0 in tune"),
        rows,
    )


def _morph_table(lines: Sequence[Line]) -> Table:
    names = ("pitch", "in_tune", "velocity", "family", "perceived")
    return Table(
        "What the classifier recognises of half-way morphs",
        "The two ends are the original notes. Family: that of A or of B. Heard at an end: the morph is given one of "
        "the two families that the classifier gives its ends, right or wrong.",
        ("sound", "pairs", "pitch", "f0 in tune", "velocity", "family", "heard at an end"),
        [
            (line.method + ("" if line.phase == "own" else ", half-way"), _count(line), *_shares(line, names))
            for line in lines
        ],
    )


def _bars(lines: Sequence[Line]) -> Picture:
    known = {line.way: line for line in lines}
    groups: dict[str, dict[str, float]] = {}
    for head in HEADS:
        for way in DRAWN:
            if way in known and (figure := known[way].get(head)) is not None:
                name = way[0] if way[1] == "own" else f"{way[0]}, {way[1]} phase"
                groups.setdefault(head, {})[name] = 100 * figure.mean
    alt = "; ".join(f"{name} {listed(values)} %" for name, values in groups.items())
    png = bars_png(groups, y_label="named right, %", decimals=0)
    return Picture(png, f"Bars of what is named right: {alt}", "What the classifier names right; higher is better.")


def _sentences(result: Recognition) -> Iterator[str]:
    lines = {line.way: line for line in result.lines}
    halves = {line.method: figure for line in result.morphs if line.phase != "own" and (figure := line.get("pitch"))}
    for head in HEADS:
        if (original := lines["original", "own"].get(head)) is None:
            continue
        guess = 1 / max(1, result.n_classes[head])
        kept, estimated = (lines[CODEC, phase][head].mean for phase in ("kept", "estimated"))
        text = f"The classifier names the right {head} of {percent(original.mean)} of the notes, and of "
        text += f"{percent(kept)} and {percent(estimated)} of their reconstructions with kept and estimated phase"
        if head == "pitch" and halves:
            codec, without = (percent(figure.mean) for figure in halves.values())
            text += f"; of half-way morphs {codec}, without a network {without}"
        if original.mean < 2 * guess:
            text += f". Guessing gives {percent(guess)}, so this says little"
        yield text + "."


def _count(line: Line) -> str:
    return str(max(figure.n if (figure := line.get(head)) else 0 for head in HEADS))


def _shares(line: Line, names: Sequence[str]) -> list[str]:
    return [percent(figure.mean if (figure := line.get(name)) else None, decimals=1) for name in names]
