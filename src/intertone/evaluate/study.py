"""Contract of a measurement of ``evaluate``: whether it applies, what it finds, and how that is shown."""

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
"""Most bytes of a note's name in a file's name: two of them must fit into the 255 bytes that systems allow."""

Progress = Callable[[str, int, int], None]
"""Called with (what is done, notes or pairs done, of how many)."""

KnownSound = tuple[str, Tensor, float]
"""Name, ``(samples,)`` and f0 in Hz."""


class Steps:
    """Adds up the progress of one stage after the other."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.name, self.done, self.total = progress, "", 0, 0

    def begin(self, name: str, total: int) -> "Steps":
        """Go on to a stage of ``total`` notes or pairs."""
        self.name, self.done, self.total = name, 0, total
        self(0)
        return self

    def __call__(self, n: int) -> None:
        self.done += n
        if self.progress:
            self.progress(self.name, min(self.done, self.total), self.total)


@dataclass(frozen=True)
class Heard:
    """Results of one way through the notes that several studies share: reconstructions are slow, and need much memory.

    Attributes:
        figures: Name of a study → figures of the reconstructions.
        latents: Code of all notes, ``(n, latent_dim, n_latents)``.
        first: Reconstructions that are kept as sounds.
        n_components: Components of the PCA; None: it was not fitted.
        n_training_notes: That it was fitted to.
    """

    figures: Mapping[str, tuple[Line, ...]]
    latents: Tensor
    first: tuple[Resynthesis, ...]
    n_components: int | None = None
    n_training_notes: int = 0


@dataclass(frozen=True)
class Draw:
    """Notes and pairs that are evaluated, and what several studies share, made when the first of them asks.

    Attributes:
        config: Size of the evaluation.
        rows: Of notes, ``(n,)``.
        pairs: Rows of A and B, ``(n, 2)``: notes of equal pitch and velocity from different groups.
        known_sounds: That the tracker of f0 is evaluated on too; read at most once.
        steps: Takes the progress.
        code_size: Numbers of the code of a note.
        classifier: Gives the trained classifier.
        heard: Gives the reconstructions' figures.
        half_way: Gives the half-way morphs of ``pairs``: method → ``(n, samples)``.
    """

    config: EvaluateConfig
    rows: Rows
    pairs: Rows
    known_sounds: Iterable[KnownSound]
    steps: Steps
    code_size: int
    classifier: Callable[[], Classifier]
    heard: Callable[[], Heard]
    half_way: Callable[[], Mapping[str, Tensor]]

    @property
    def any_pairs(self) -> Rows:
        """The pairs; where there are none, or only one, of any two notes."""
        return self.pairs if len(self.pairs) > 1 else np.stack([self.rows, np.roll(self.rows, 1)], 1)


@dataclass(frozen=True)
class Example:
    """Sounds that belong together.

    Attributes:
        file: What its files' names begin with.
        title: For people.
        note: Description of the sounds.
        sounds: Short name → audio, ``(samples,)``.
        words: Short name → what the sound is called for people.
    """

    file: str
    title: str
    note: str
    sounds: Mapping[str, Tensor]
    words: Mapping[str, str]


@dataclass(frozen=True)
class Sounds:
    """Examples under a heading, with a sentence on what they are."""

    title: str
    note: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Shown:
    """Presentation of a result: page, terminal and Markdown are made of this and of nothing else.

    Attributes:
        title: Title of its section.
        tables: In their order.
        sentences: What a reader should know first, good and bad alike.
        pictures: In their order.
        sounds: For the ear.
        left_out: Sentences on what was not measured, and why.
    """

    title: str
    tables: tuple[Table, ...] = ()
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    sounds: Sounds | None = None
    left_out: tuple[str, ...] = ()


R = TypeVar("R")


class Study(Protocol[R]):
    """One measurement: a file of ``studies``, of every codec unless ``applies`` says otherwise.

    Its result is a frozen dataclass of numbers and words, and a field ``examples`` of sounds, if it leaves some.
    """

    @property
    def name(self) -> str:
        """Key of its result in ``evaluation.json``."""

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None, or a sentence on why this codec and these notes are not measured."""
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> R:
        """Return what is found: equal for equal arguments, but for times."""

    def show(self, result: R) -> Shown:
        """Return the tables, sentences, pictures and sounds of a result."""


def note_words(notes: Notes, row: int) -> str:
    """Return instrument, family, pitch and velocity of a note for people."""
    columns = (("pitch", notes.pitch), ("velocity", notes.velocity))
    known = [f"{name} {column[row]}" for name, column in columns if column[row] >= 0]
    return ", ".join([str(notes.instrument[row]), str(notes.family[row]), *known])


def file_part(notes: Notes, row: int) -> str:
    """Return row and name of a note as a part of a file's name; a long name is cut."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in str(notes.name[row]))
    return f"{row}-{name.encode()[:NAME_BYTES].decode(errors='ignore')}"
