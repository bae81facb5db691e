"""Interface of a study, one measurement of ``evaluate``: whether it applies, its result, and its presentation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.classifier import Classifier
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import Line
from intertone.evaluate.resynthesis import Resynthesis
from intertone.evaluate.settings import EvaluateConfig
from intertone.page import Picture, Table

NAME_BYTES = 80
"""Largest number of bytes of a note's name in a file name; two names must fit into the 255 bytes of a file name."""

Progress = Callable[[str, int, int], None]
"""Function that is called with (name of the task, notes or pairs done, notes or pairs in all)."""

KnownSound = tuple[str, Tensor, float]
"""Instrument name, audio ``(samples,)`` and f0 in Hz of a sound whose f0 is known."""


class Steps:
    """Counter of the progress of one task after another, which reports it to a function."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.name, self.done, self.total = progress, "", 0, 0

    def begin(self, name: str, total: int) -> "Steps":
        """Begin the task ``name`` with ``total`` notes or pairs."""
        self.name, self.done, self.total = name, 0, total
        self(0)
        return self

    def __call__(self, n: int) -> None:
        self.done += n
        if self.progress:
            self.progress(self.name, min(self.done, self.total), self.total)


@dataclass(frozen=True)
class Reconstructions:
    """Results of reconstructing all notes once, shared by several studies because it is slow.

    Attributes:
        figures: Name of a study → its figures of the reconstructions.
        latents: Latent codes of all notes, ``(n, latent_dim, n_latents)``.
        first: The first batches, whose audio is kept for the examples.
        n_components: Components of the PCA baseline; None: no PCA was fitted.
        n_training_notes: Number of notes that the PCA was fitted to.
    """

    figures: Mapping[str, tuple[Line, ...]]
    latents: Tensor
    first: tuple[Resynthesis, ...]
    n_components: int | None = None
    n_training_notes: int = 0


@dataclass(frozen=True)
class Draw:
    """Notes and pairs that are evaluated, and results that several studies share.

    The shared results are functions: the first call computes the result, later calls return the same one.

    Attributes:
        config: Settings of the evaluation.
        rows: Row numbers of the notes, ``(n,)``.
        pairs: Rows of A and B, ``(n, 2)``: notes of equal pitch and velocity from different groups.
        known_sounds: Further sounds of known f0 for the f0 tracker; they are iterated over at most once.
        steps: Counter of the progress.
        code_size: Number of values in the latent code of a note.
        classifier: Returns the trained classifier.
        reconstructions: Returns the reconstructions' figures.
        half_way: Returns the half-way morphs of ``pairs``: method → ``(n, samples)``.
    """

    config: EvaluateConfig
    rows: Rows
    pairs: Rows
    known_sounds: Iterable[KnownSound]
    steps: Steps
    code_size: int
    classifier: Callable[[], Classifier]
    reconstructions: Callable[[], Reconstructions]
    half_way: Callable[[], Mapping[str, Tensor]]

    @property
    def any_pairs(self) -> Rows:
        """The pairs; if there are fewer than two, pairs of successive notes of any pitch."""
        return self.pairs if len(self.pairs) > 1 else np.stack([self.rows, np.roll(self.rows, 1)], 1)


@dataclass(frozen=True)
class Example:
    """Sounds that are shown side by side, such as a note and its reconstructions.

    Attributes:
        file: First part of the names of the sound files.
        title: Title on the page.
        note: Description of the sounds.
        sounds: Short name → audio, ``(samples,)``.
        words: Short name → label of the sound on the page.
    """

    file: str
    title: str
    note: str
    sounds: Mapping[str, Tensor]
    words: Mapping[str, str]


@dataclass(frozen=True)
class Sounds:
    """Examples under one heading, with a sentence that describes them."""

    title: str
    note: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Shown:
    """Presentation of a study's result, from which the page, the terminal output and the Markdown file are made.

    Attributes:
        title: Title of the section.
        tables: Tables in the order of the page.
        sentences: The main findings, good and bad.
        pictures: Pictures in the order of the page.
        sounds: Examples to listen to; None: there are none.
        left_out: Sentences on measurements that were left out, each with the reason.
    """

    title: str
    tables: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    sounds: Sounds | None = None
    left_out: tuple[str, ...] = ()


R = TypeVar("R")


class Study(Protocol[R]):
    """One measurement of a codec, implemented in a file of ``studies``.

    The result is a frozen dataclass of numbers and words; a field ``examples``, if there is one, holds sounds.
    """

    @property
    def name(self) -> str:
        """Key of its result in ``evaluation.json``."""

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the study can measure this codec on these notes, otherwise a sentence with the reason."""
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> R:
        """Return the result; equal arguments give equal results, except for measured times."""

    def show(self, result: R) -> Shown:
        """Return the presentation of a result: tables, sentences, pictures and sounds."""


def note_words(notes: Notes, row: int) -> str:
    """Return instrument, family, pitch and velocity of a note as text; unknown values are left out."""
    columns = (("pitch", notes.pitch), ("velocity", notes.velocity))
    known = [f"{name} {column[row]}" for name, column in columns if column[row] >= 0]
    return ", ".join([str(notes.instrument[row]), str(notes.family[row]), *known])


def file_part(notes: Notes, row: int) -> str:
    """Return row and name of a note as a part of a file name; other characters become ``-``, a long name is cut."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in str(notes.name[row]))
    return f"{row}-{name.encode()[:NAME_BYTES].decode(errors='ignore')}"
