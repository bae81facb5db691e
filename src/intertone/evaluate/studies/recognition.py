"""Recognition of notes, reconstructions and morphs by a classifier, and by an f0 estimate."""

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
"""Methods and phases in the bar chart."""


@dataclass(frozen=True)
class Recognition:
    """Shares of notes that are recognised.

    Attributes:
        lines: Figures of the original notes and of the reconstructions, see ``recognise_reconstructions``.
        morphs: Figures of the half-way morphs and their source notes, see ``recognise_morphs``; empty if there are
            fewer than two pairs.
        n_classes: Number of classes of each head of the classifier.
        n_training_notes: Number of notes that the classifier was trained on.
        on_training_notes: Whether the evaluated notes are those of the training split.
    """

    lines: tuple[Line, ...]
    morphs: tuple[Line, ...]
    n_classes: Mapping[str, int]
    n_training_notes: int
    on_training_notes: bool


class RecognitionStudy(Study[Recognition]):
    """Study of pitch, family and velocity as a classifier and an f0 estimate find them."""

    name = "recognition"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the study applies, as to all codecs that are not harmonic; otherwise why it does not."""
        if has_partials(codec):
            text = "The classifier of families and velocities: it is used for spectrogram codecs only; for this codec "
            return text + "the f0 is compared with the key."
        return None

    def measure_batch(self, codec: Codec, notes: Notes, draw: Draw, batch: Resynthesis) -> Figures:
        """Return, for every note and reconstruction of a batch, which labels are recognised."""
        return recognise_reconstructions(draw.classifier(), notes, batch)

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Recognition:
        """Return the shares of reconstructions and of half-way morphs that are recognised."""
        classifier = draw.classifier()
        lines = draw.reconstructions().figures[self.name]
        collected, sounds = Collected(), draw.half_way()
        for start in range(0, len(draw.pairs) if len(draw.pairs) > 1 else 0, BATCH):
            part = slice(start, start + BATCH)
            between = {method: sound[part] for method, sound in sounds.items()}
            collected.add(recognise_morphs(classifier, notes, draw.pairs[part], between))
        counts = (classifier.n_pitches, len(classifier.families), len(classifier.velocities))
        classes = dict(zip(HEADS, counts, strict=True))
        return Recognition(lines, collected.table(), classes, classifier.n_notes, draw.config.split == "train")

    def show(self, result: Recognition) -> Shown:
        """Return the shares as tables, a bar chart and sentences."""
        tables = (_table(result), *([_morph_table(result.morphs)] if result.morphs else []))
        return Shown("Recognition", tables, tuple(_sentences(result)), (_bars(result.lines),))


def recognise_reconstructions(classifier: Classifier, notes: Notes, batch: Resynthesis) -> Figures:
    """Return, for every original note and reconstruction of a batch, which labels are recognised.

    Args:
        classifier: The classifier.
        notes: The note set.
        batch: The reconstructions.

    Returns:
        Figures for each method and phase, with the originals under ``("original", "own")``. ``pitch``, ``family`` and
        ``velocity`` are 1 if the classifier is right, else 0; ``in_tune`` is 1 if the f0 is within 50 cents of the
        key, else 0; NaN: the true label is unknown.
    """
    labels = classifier.labels(notes, batch.rows)
    sounds = {("original", "own"): batch.audio, **batch.sounds}
    return {key: _right(classifier, sound, batch.sample_rate, labels) for key, sound in sounds.items()}


def recognise_morphs(classifier: Classifier, notes: Notes, pairs: Rows, sounds: dict[str, Tensor]) -> Figures:
    """Return, for every half-way morph and its source notes, which labels are recognised.

    Args:
        classifier: The classifier.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``; the notes of a pair have equal pitch and velocity.
        sounds: Method → half-way morphs, ``(n, samples)``.

    Returns:
        The figures of ``recognise_reconstructions`` for the source notes, ``("end A", "own")`` and
        ``("end B", "own")``, and for each (method, ``"estimated"``). For a morph, ``family`` is 1 if the classifier
        names the true family of A or of B, and ``perceived`` is 1 if it names one of the families that it assigns to
        A and B themselves.
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
        if known.any():  # otherwise the head may have no class at all
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
    seen = " These notes are also the evaluated ones." if result.on_training_notes else ""
    return Table(
        "What a classifier recognises",
        "Share of the notes that a small classifier names right. It is trained on "
        f"{result.n_training_notes:,} notes of the training split.{seen} Velocity is mostly a matter of level, which "
        "the codec stores outside the code. The row of the original notes is the upper limit; notes that sound an "
        "octave off their key, or have no pitch, count as wrong there too. A kept phase alone contains information on "
        "the note: see the mean image, whose magnitudes are the same for all notes. f0 in tune: the estimated f0 is "
        "within 50 cents of the key.",
        ("sound", "notes", *HEADS, "f0 in tune"),
        rows,
    )


def _morph_table(lines: Sequence[Line]) -> Table:
    names = ("pitch", "in_tune", "velocity", "family", "perceived")
    return Table(
        "What the classifier recognises of half-way morphs",
        "Ends A and B are the original notes. Family: the classifier names the true family of A or of B. As an end: "
        "it names one of the two families that it assigns to A and B themselves, right or wrong.",
        ("sound", "pairs", "pitch", "f0 in tune", "velocity", "family", "as an end"),
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
    caption = "Share of the notes that the classifier names right; higher is better."
    return Picture(png, f"Bars of the share that is named right: {alt}", caption)


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
            text += f". Guessing gives {percent(guess)}, so this figure is not reliable"
        yield text + "."


def _count(line: Line) -> str:
    return str(max(figure.n if (figure := line.get(head)) else 0 for head in HEADS))


def _shares(line: Line, names: Sequence[str]) -> list[str]:
    return [percent(figure.mean if (figure := line.get(name)) else None, decimals=1) for name in names]
