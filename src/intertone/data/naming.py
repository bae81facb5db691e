"""Pitch and velocity from file names.

Middle C is C4 = 60. Words are separated by ``_``, ``-``, ``.``, ``,``, spaces or brackets. These forms are recognised:

==============================  =============================================================================
``guitar_001-060-100``          three digits each at the end: pitch and velocity, as in NSynth; also ``_060_100``
``piano pitch60 vel100``        a number after ``pitch``, ``midi``, ``key`` or ``note``; ``vel``, ``velocity``
``Violin.C#4``, ``violin_Db3``  a capital letter, ``#``, ``s`` or ``♯`` for sharp, ``b`` or ``♭`` for flat, octave 0-9
``flute_60``, ``flute_62``      a last word of two or three digits, 21-108, behind ``_``, in a series of at least two
==============================  =============================================================================

A number at the end is not a pitch after a word such as ``take``, ``rr``, ``bpm`` or ``vel``, or if another file with
the same name before the number has a number below 21. If a name has two different pitches, the pitch is unknown.
Lower-case letters are not note names: ``take_b2`` has no pitch.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from intertone.pitch.note import note_number

LOWEST, HIGHEST = 21, 108
_WORD = re.compile(r"[^\s_\-.,()\[\]]+")
_NSYNTH = re.compile(r"^(.*)[-_](\d{3})[-_](\d{3})$")
_LABELLED = re.compile(r"^(?:pitch|midi|key|note)(\d{1,3})$", re.IGNORECASE)
_VELOCITY = re.compile(r"^vel(?:ocity)?(\d{1,3})$", re.IGNORECASE)
_NOTE = re.compile(r"^([A-G])([#♯sb♭]?)([0-9])$")
_NUMBER = re.compile(r"^(.*)_(\d{1,3})$")
_COUNTER = re.compile(
    r"^(?:take|rr|round|robin|bpm|tempo|loop|sample|track|part|no|nr|num|number|version|v|file|rec|hz|vel|velocity|dyn)$"
)
_TAKE = re.compile(r"^(?:(?:take|rr|round|v)?\d{1,3}|take|rr|round|robin)$", re.IGNORECASE)


@dataclass(frozen=True)
class Naming:
    """Content of a file name: ``pitch`` (MIDI number) and ``velocity``, −1 for unknown, and ``instrument``.

    The instrument consists of the other words without take numbers at the end, joined by ``-``; it may be empty.
    """

    pitch: int
    velocity: int
    instrument: str


def pitch_of_name(note: str) -> int:
    """Return the MIDI number of a note name, or −1 for any other text.

    Example:
        >>> [pitch_of_name(note) for note in ("C4", "Db3", "A4", "Fs5", "H4", "b2")]
        [60, 49, 69, 78, -1, -1]
    """
    match = _NOTE.match(note)
    if match is None:
        return -1
    letter, accidental, octave = match.groups()
    pitch = note_number(letter, accidental, int(octave))
    return pitch if pitch <= 127 else -1


def read_names(stems: Sequence[str]) -> list[Naming]:
    """Return the content of the names of all files of one folder.

    Args:
        stems: File names without suffixes.

    Returns:
        Content of each name.

    Example:
        >>> read_names(["Violin_A4_vel80", "take2"])
        [Naming(pitch=69, velocity=80, instrument='Violin'), Naming(pitch=-1, velocity=-1, instrument='take2')]
        >>> [naming.pitch for naming in read_names(["flute_60", "flute_62", "Juno_60"])]
        [60, 62, -1]
    """
    series: dict[str, set[int]] = {}
    for match in filter(None, map(_NUMBER.match, stems)):
        series.setdefault(match[1], set()).add(int(match[2]))
    pitched = {front for front, numbers in series.items() if len(numbers) > 1 and min(numbers) >= LOWEST}
    return [_read(stem, pitched) for stem in stems]


def _read(stem: str, pitched: set[str]) -> Naming:
    match = _NSYNTH.match(stem)
    if match and max(int(match[2]), int(match[3])) <= 127:
        return Naming(int(match[2]), int(match[3]), match[1])
    pitches, velocities, rest = set(), set(), []
    for word in _WORD.findall(stem):
        if (labelled := _LABELLED.match(word)) and int(labelled[1]) <= 127:
            pitches.add(int(labelled[1]))
        elif (loud := _VELOCITY.match(word)) and 1 <= int(loud[1]) <= 127:
            velocities.add(int(loud[1]))
        elif (pitch := pitch_of_name(word)) >= 0:
            pitches.add(pitch)
        else:
            rest.append(word)
    numbered = _NUMBER.match(stem)
    if not pitches and numbered and numbered[1] in pitched and _is_pitch(numbered[1], numbered[2]):
        pitches.add(int(numbered[2]))
        rest.pop()
    while len(rest) > 1 and _TAKE.match(rest[-1]):
        rest.pop()
    naming = Naming(-1, -1, "-".join(rest))
    if len(pitches) == 1:
        naming = replace(naming, pitch=pitches.pop())
    return replace(naming, velocity=velocities.pop()) if len(velocities) == 1 else naming


def _is_pitch(front: str, number: str) -> bool:
    words = _WORD.findall(front.lower())
    last = words[-1].rstrip("0123456789") if words else "take"
    return len(number) > 1 and LOWEST <= int(number) <= HIGHEST and not _COUNTER.match(last or "take")
