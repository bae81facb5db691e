"""Index row of a note, and report entry of a file or program from which notes were made."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from intertone.files import Json


@dataclass(frozen=True)
class NoteRow:
    """Index row of a note.

    ``pitch`` (MIDI number) and ``velocity`` are −1 for unknown. All notes of a ``group`` are in one split. ``split`` is
    empty until the set is divided. ``source`` is the origin of the sound, such as the name of a SoundFont.
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
    """Index row with the scale from ``quantise``."""

    scale: float


class ReportLine(TypedDict, total=False):
    """Entry of ``report.jsonl`` on a file or a program: its facts, the conversions (``done``) and what was skipped.

    ``peak`` is the largest peak of a program's notes. ``skipped`` is the reason why a file was skipped, or the names of
    a program's skipped notes by reason. ``pitch_from`` is the origin of a known pitch: the file's name, NSynth's list,
    or the sound. ``patch`` has the settings of a random instrument.
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
