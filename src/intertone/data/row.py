"""Index line of one note, and report line of one file or program that notes were made of."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from intertone.files import Json


@dataclass(frozen=True)
class NoteRow:
    """One note's line in the index.

    ``pitch`` (MIDI number) and ``velocity`` are −1 where they are unknown; ``group`` names what must stay in one
    split; ``split`` is empty until the set is divided; ``source`` says where the sound comes from.
    """

    name: str
    pitch: int
    velocity: int
    instrument: str
    family: str
    source: str
    group: str
    split: str


@dataclass(frozen=True)
class StoredNote(NoteRow):
    """The line with the scale that ``quantise`` gave."""

    scale: float


class ReportLine(TypedDict, total=False):
    """One line of ``report.jsonl``: a file or a program, what was found, what was done, what was skipped and why.

    ``peak`` is the largest of a program's notes; ``skipped`` is a sentence on a file, or the names of a program's notes
    by reason; ``pitch_from`` says where a known pitch comes from: the file's name, NSynth's list, or the sound itself;
    ``patch`` is the knobs of a drawn instrument.
    """

    file: str
    program: int
    preset: str
    instrument: str
    group: str
    split: str
    notes: int
    peak: float
    sample_rate: int
    channels: int
    seconds: float
    done: list[str]
    pitch: int
    pitch_from: Literal["name", "list", "sound"]
    velocity: int
    skipped: str | dict[str, list[str]]
    patch: Json
