"""The keys of an instrument: which there are, and the sound of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.audio import resample
from intertone.errors import InputError
from intertone.harmonic.onset import find_onset
from intertone.instrument.check import find_problems
from intertone.instrument.looping import Loop, close_loop, find_loop
from intertone.morphing import Mix, MorphConfig, Sources, morph_sources, parse_note
from intertone.pitch.note import note_name

FADE_SECONDS = 0.005
"""At the end of a file, so that it does not end with a jump."""

LEAD_SECONDS = 0.003
"""Time before the onset that a file keeps, faded in: more would be heard as latency."""

CHECKED_SECONDS = 0.3
"""Before and after the turn of a loop."""


@dataclass(frozen=True)
class Key:
    """A key that has a file, and the keys around it that are played with it.

    Attributes:
        pitch: MIDI number.
        lowest: First key that is played with it.
        highest: Last one.
    """

    pitch: int
    lowest: int
    highest: int

    @property
    def file_name(self) -> str:
        """File name, such as ``note-060-C4.wav``."""
        return f"note-{self.pitch:03d}-{note_name(self.pitch)}.wav"


@dataclass(frozen=True)
class Region:
    """The file of a key.

    Attributes:
        key: The key.
        samples: Its length.
        loop: Samples that are repeated while the key is held, if any are.
        problems: Problems of the file; see ``find_problems``.
    """

    key: Key
    samples: int
    loop: Loop | None
    problems: tuple[str, ...]


def parse_range(text: str) -> tuple[int, int]:
    """Read a range of keys.

    Args:
        text: Two notes or MIDI numbers, lowest and highest: ``C2:C7``, ``36:96``.

    Returns:
        MIDI numbers.

    Raises:
        InputError: If it is none, or the first is above the second.

    Example:
        >>> parse_range("C2:C7"), parse_range("36:f#3")
        ((36, 96), (36, 54))
    """
    notes = [parse_note(part) for part in text.split(":")]
    whole = [int(note) for note in notes if note is not None and note == int(note)]
    if len(notes) != 2 or len(whole) != 2:
        raise InputError(f"a range must be two notes or MIDI numbers, C2:C7 or 36:96, within 0..127, got {text}")
    if whole[0] > whole[1]:
        raise InputError(f"a range must go from the lower to the higher note, got {text}")
    return whole[0], whole[1]


def choose_keys(lowest: int, highest: int, *, every: int = 1) -> list[Key]:
    """Return the keys that get a file; the others go to the nearest of them.

    Args:
        lowest: MIDI number.
        highest: MIDI number.
        every: Distance of two keys, semitones.

    Returns:
        The keys, rising.

    Raises:
        InputError: If a number is out of range.

    Example:
        >>> [(key.lowest, key.pitch, key.highest) for key in choose_keys(60, 67, every=3)]
        [(60, 60, 61), (62, 63, 64), (65, 66, 67)]
    """
    if not 0 <= lowest <= highest <= 127:
        raise InputError(f"keys must be in 0..127, the lowest first, got {lowest} and {highest}")
    if every < 1:
        raise InputError(f"every must be 1 or more, got {every}")
    pitches = list(range(lowest, highest + 1, every))
    # a key half-way between two goes to the upper one: what is played lower sounds less strained
    edges = [lowest, *(pitch - every // 2 for pitch in pitches[1:]), highest + 1]
    return [Key(pitch, edges[index], edges[index + 1] - 1) for index, pitch in enumerate(pitches)]


def render_key(
    sources: Sources,
    key: Key,
    *,
    mix: Mix,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    sample_rate: int | None = None,
    seed: int = 0,
) -> tuple[Tensor, Region]:
    """Return the sound of a key: the morph at its pitch, from its onset on, looped if it is held, and checked.

    Args:
        sources: Of one sound or more, from ``analyse_sounds``; no batches.
        key: The key.
        mix: As for ``morph_sources``.
        config: As for ``morph_sources``; its pitch is the key's.
        ratios: As for ``morph_sources``.
        sample_rate: Sample rate of the result, Hz; the codec's if not given.
        seed: Seed of the noise, and of all that is random.

    Returns:
        ``(audio, region)``; audio ``(channels, samples)``, whose note begins within 3 ms however late those of the
        sounds do. There is no loop where ``config.hold_seconds`` is None, the sound fades, or its timbre only moves on.

    Raises:
        InputError: If the sources are batches, or as ``morph_sources``.
    """
    if len(sources.leading) > 1:
        raise InputError(f"a key must be made of single sounds, got batches of {sources.leading[0]}")
    config = (config or MorphConfig()).model_copy(update={"pitch": str(key.pitch)})
    generator = torch.Generator().manual_seed(seed)
    sound = morph_sources(sources, mix, config=config, ratios=ratios, generator=generator)
    own_rate = sources.codec.sample_rate
    rate = own_rate if sample_rate is None else sample_rate
    audio = resample(from_onset(torch.atleast_2d(sound), own_rate), own_rate, rate)
    left = torch.arange(audio.shape[-1] - 1, -1, -1) / round(FADE_SECONDS * rate)
    audio = audio * left.clamp(max=1)
    loop = None if config.hold_seconds is None else find_loop(audio, rate, config.hold_seconds)
    if loop is None:
        return audio, Region(key, audio.shape[-1], loop, tuple(find_problems(audio, rate)))
    audio = close_loop(audio, loop, rate)
    reach = min(round(CHECKED_SECONDS * rate), loop.end - loop.start)
    turn = torch.cat([audio[:, loop.end - reach : loop.end], audio[:, loop.start : loop.start + reach]], -1)
    at_turn = [f"{problem.partition(' at ')[0]} where it is looped" for problem in find_problems(turn, rate)]
    return audio, Region(key, audio.shape[-1], loop, (*find_problems(audio, rate), *at_turn))


def from_onset(sound: Tensor, sample_rate: int) -> Tensor:
    """Return a sound, ``(channels, samples)``, without all that is more than 3 ms before its onset."""
    lead = round(LEAD_SECONDS * sample_rate)
    start = find_onset(sound, sample_rate) - lead
    return sound if start <= 0 else sound[:, start:] * (torch.arange(sound.shape[-1] - start) / lead).clamp(max=1)
