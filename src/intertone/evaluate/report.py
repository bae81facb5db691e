"""Result of an evaluation: figures as JSON, and tables and sentences for the terminal and for Markdown."""

from dataclasses import asdict, dataclass

import numpy as np

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.settings import EvaluateConfig
from intertone.evaluate.study import Shown
from intertone.files import Json
from intertone.page import Table, markdown_table


@dataclass(frozen=True)
class CodecFacts:
    """Properties of a codec, and size of its latent code of one note."""

    representation: str
    sample_rate: int
    code_size: int
    latent_dim: int
    n_latents: int
    parameters: int

    @classmethod
    def of(cls, codec: Codec, notes: Notes) -> "CodecFacts":
        """Return the properties of a codec for notes of the note set's length."""
        n_frames = codec.representation.n_frames(notes.samples)
        return cls(
            codec.config.representation.kind,
            codec.sample_rate,
            codec.model.code_size(n_frames),
            codec.model.latent_dim,
            codec.model.n_latents(n_frames),
            sum(value.numel() for value in codec.model.parameters()),
        )


@dataclass(frozen=True)
class NoteFacts:
    """Origin, length and number of the notes and pairs that are evaluated."""

    kind: str
    digest: str
    seconds: float
    n_notes: int
    n_instruments: int
    n_groups: int
    n_pairs: int

    @classmethod
    def of(cls, notes: Notes, rows: Rows, pairs: Rows) -> "NoteFacts":
        """Return origin, length and number of the notes ``rows`` and of ``pairs``."""
        n_instruments, n_groups = (len(np.unique(column[rows])) for column in (notes.instrument, notes.group))
        seconds = notes.samples / notes.sample_rate
        return cls(notes.kind, notes.digest(), seconds, len(rows), n_instruments, n_groups, len(pairs))


@dataclass(frozen=True)
class Part:
    """Result of one study.

    Attributes:
        name: Name of the study.
        figures: Result as JSON data; None: the study does not apply.
        shown: Presentation of the result.
    """

    name: str
    figures: Json
    shown: Shown


@dataclass(frozen=True)
class Evaluation:
    """Settings, properties of codec and notes, and the result of each study."""

    settings: EvaluateConfig
    codec: CodecFacts
    notes: NoteFacts
    parts: tuple[Part, ...]

    def __getitem__(self, name: str) -> Part:
        """Return the result of the study ``name``."""
        return next(part for part in self.parts if part.name == name)

    @property
    def figures(self) -> dict[str, Json]:
        """Settings, properties of codec and notes, and all figures by the name of the study, as JSON data."""
        about: dict[str, Json] = {
            "settings": self.settings.model_dump(mode="json"),
            "codec": asdict(self.codec),
            "notes": asdict(self.notes),
        }
        return {**about, **{part.name: part.figures for part in self.parts}, "left_out": list(self.left_out)}

    @property
    def tables(self) -> list[Table]:
        """The tables of all studies, and one of the measurements that were left out."""
        found = [table for part in self.parts for table in part.shown.tables]
        rows = [(line,) for line in self.left_out]
        return [*found, *([Table("Left out", "Studies that were not run.", ("study: reason",), rows)] if rows else [])]

    @property
    def sentences(self) -> list[str]:
        """The main findings of all studies."""
        return [line for part in self.parts for line in part.shown.sentences]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences on measurements that were left out, each with the reason."""
        return tuple(line for part in self.parts for line in part.shown.left_out)


def facts(result: Evaluation) -> str:
    """Return a paragraph on the size of the codec and on the notes that were evaluated."""
    codec, notes, settings = result.codec, result.notes, result.settings
    return (
        f"{codec.parameters:,} parameters; {codec.code_size:,} numbers for {notes.seconds:g} s of sound at "
        f"{codec.sample_rate} Hz. Evaluated on {notes.n_notes} notes of {notes.n_instruments} instruments "
        f"({notes.n_groups} groups that share no recording) of the {settings.split} split, and "
        f"{notes.n_pairs} pairs of them; seed {settings.seed}."
    )


def to_markdown(result: Evaluation, *, command: str) -> str:
    """Return all tables as a Markdown page, with the command that made them."""
    tables = [markdown_table(table, heading="##") for table in result.tables]
    return "\n\n".join(["# Evaluation", f"`{command}`", facts(result), *tables]) + "\n"
