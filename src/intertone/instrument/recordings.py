"""Several recordings of one instrument at different keys: choice of the recordings from which a key is morphed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from intertone.errors import InputError
from intertone.morphing import Sources, parse_note


def parse_recording(text: str) -> tuple[int, Path]:
    """Return key and file of a recording.

    Args:
        text: A note or MIDI number, and a file: ``C3=a.wav``, ``48=a.wav``.

    Returns:
        MIDI number and path.

    Raises:
        InputError: If ``text`` has another form, or the key is not an integer.

    Example:
        >>> parse_recording("C3=low.wav")[0]
        48
    """
    note, equals, path = text.partition("=")
    number = parse_note(note)
    if not equals or not path or number is None or number != int(number):
        raise InputError(f"a recording must be a key and a file, C3=a.wav or 48=a.wav, got {text}")
    return int(number), Path(path)


def nearest_recordings(recorded: Sequence[int], pitch: int) -> dict[int, float]:
    """Return the recordings from which a key is morphed, with their weights.

    Args:
        recorded: Keys of the recordings, different MIDI numbers.
        pitch: The key, a MIDI number.

    Returns:
        Weights by the index of the recording. A recorded key uses its recording alone; a key between two recordings
        uses both, weighted linearly by distance; a key outside the recorded range uses the nearest recording.

    Example:
        >>> nearest_recordings([72, 48, 60], 51), nearest_recordings([72, 48, 60], 60), nearest_recordings([72, 48], 90)
        ({1: 0.75, 2: 0.25}, {2: 1.0}, {0: 1.0})
    """
    below = max((key for key in recorded if key <= pitch), default=min(recorded))
    above = min((key for key in recorded if key >= pitch), default=max(recorded))
    if not below < pitch < above:
        return {recorded.index(below if below >= pitch else above): 1.0}
    share = (pitch - below) / (above - below)
    return {recorded.index(below): 1 - share, recorded.index(above): share}


def some_of(sources: Sources, indices: Sequence[int]) -> Sources:
    """Return the analysed sounds with the given indices, in this order."""
    chosen = [(sources.sounds[index], sources.analyses[index], sources.loudness[index]) for index in indices]
    sounds, analyses, loudness = zip(*chosen, strict=True)
    return replace(sources, sounds=sounds, analyses=analyses, loudness=loudness)
