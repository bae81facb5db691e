"""The keys of an instrument: which there are, and the sound of each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.audio import resample
from intertone.errors import InputError
from intertone.harmonic.onset import find_onset
from intertone.instrument.check import find_problems
from intertone.instrument.detuning import find_detuning
from intertone.instrument.layer import WHOLE, Layer
from intertone.instrument.looping import Loop, close_loop, find_loop
from intertone.instrument.sampler import Sampler
from intertone.morphing import Mix, MorphConfig, Sources, morph_sources, parse_note
from intertone.pitch.note import CENTS, HIGHEST_NUMBER, SEMITONES, note_name

FADE_SECONDS = 0.005
"""At the end of a file, so that it does not end with a jump."""

LEAD_SECONDS = 0.003
"""Time before the onset that a file keeps, faded in: more would be heard as latency."""

CHECKED_SECONDS = 0.3
"""Before and after the turn of a loop."""

COMMON_MIX = 0.5
"""Mix of the length, the pitch curve and the phases that layers between two sounds share."""

FILE_NAME = re.compile(r"note-\d{3}-[A-G]s?-?\d+(-v\d)?(-m\d+)?\.(wav|flac)")
"""Names of the files of keys."""


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
    def name(self) -> str:
        """Beginning of the names of its files, such as ``note-060-C4``."""
        return f"note-{self.pitch:03d}-{note_name(self.pitch)}"


@dataclass(frozen=True)
class Region:
    """A file of a key.

    Attributes:
        key: The key.
        samples: Its length.
        loop: Samples that are repeated while the key is held, if any are.
        problems: Problems of the file; see ``find_problems``.
        layer: Which of the key's files it is.
        detuning: Cents above the key that were found and removed; None where none were looked for or found.
        container: Suffix of the file.
    """

    key: Key
    samples: int
    loop: Loop | None
    problems: tuple[str, ...]
    layer: Layer = WHOLE
    detuning: float | None = None
    container: str = ".wav"

    @property
    def file_name(self) -> str:
        """File name, such as ``note-060-C4.wav`` or ``note-060-C4-v1-m3.wav``."""
        return f"{self.key.name}{self.layer.suffix}{self.container}"

    @property
    def sampler(self) -> Sampler:
        """Content of the file's ``smpl`` chunk."""
        return Sampler(self.key.pitch, loop=self.loop)


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
    """Return the sound of a key that has one layer; see ``render_layers``."""
    ((audio, region),) = render_layers(
        sources, key, [WHOLE], mix=mix, config=config, ratios=ratios, sample_rate=sample_rate, seed=seed
    )
    return audio, region


def render_layers(
    sources: Sources,
    key: Key,
    layers: Sequence[Layer],
    *,
    mix: Mix,
    config: MorphConfig | None = None,
    ratios: Mapping[str, Mix] | None = None,
    sample_rate: int | None = None,
    seed: int = 0,
    tune: bool = False,
    container: str = ".wav",
) -> list[tuple[Tensor, Region]]:
    """Return the sounds of a key: morphs at its pitch, from their onset on, looped if they are held, and checked.

    All layers have one length, onset and loop, and their partials one phase, so that they can be faded into each other.
    They are equally loud, but for what lies between the loudness of two sounds: the player softens what is played
    softly. The sounds count as played at the loudest velocity.

    Args:
        sources: Of one sound or more, from ``analyse_sounds``; no batches.
        key: The key.
        layers: From ``layers_of``.
        mix: As for ``morph_sources``; where layers lie between two sounds, their own ratios count.
        config: As for ``morph_sources``; its pitch is the key's.
        ratios: As for ``morph_sources``.
        sample_rate: Sample rate of the result, Hz; the codec's if not given.
        seed: Seed of the noise, and of all that is random.
        tune: Whether the mean pitch of what is held, and not its median, is brought to the key.
        container: Suffix of the files.

    Returns:
        ``(audio, region)`` of each layer; audio ``(channels, samples)``, whose note begins within 3 ms however late
        those of the sounds do. There is no loop where ``config.hold_seconds`` is None, a sound fades, or its timbre
        only moves on.

    Raises:
        InputError: If the sources are batches, or as ``morph_sources``.
    """
    if len(sources.leading) > 1:
        raise InputError(f"a key must be made of single sounds, got batches of {sources.leading[0]}")
    config = config or MorphConfig()
    own_rate = sources.codec.sample_rate
    rate = own_rate if sample_rate is None else sample_rate

    def sounds(chosen: Sequence[Layer], pitch: float) -> Tensor:
        made = []
        for layer in chosen:
            velocity = layer.velocities[1] if layer.velocity < layer.n_velocities - 1 else None
            wanted = config.model_copy(update={"pitch": f"{pitch:.6g}", "velocity": velocity})
            several = layer.n_steps > 1
            made.append(
                morph_sources(
                    sources,
                    layer.ratio if several else mix,
                    config=wanted,
                    ratios=ratios,
                    common=COMMON_MIX if several else None,
                    generator=torch.Generator().manual_seed(seed),
                )
            )
        found = [torch.atleast_2d(sound) for sound in made]
        onset = min(find_onset(sound, own_rate) for sound in found)
        whole = torch.stack([resample(from_onset(sound, own_rate, onset), own_rate, rate) for sound in found])
        left = torch.arange(whole.shape[-1] - 1, -1, -1) / round(FADE_SECONDS * rate)
        return whole * left.clamp(max=1)

    def loop_of(whole: Tensor, chosen: Sequence[Layer]) -> Loop | None:
        if config.hold_seconds is None:
            return None
        # sounds between them are like them
        ends = [index for index, layer in enumerate(chosen) if layer.ratio in (0, 1)]
        return find_loop(whole[ends], rate, config.hold_seconds)

    cents: float | None = None
    if tune:
        first = [layers[0]]
        found = sounds(first, key.pitch)
        loop = loop_of(found, first)
        cents = find_detuning(found[0] if loop is None else found[0, :, loop.start : loop.end], rate, key.pitch)
    whole = sounds(layers, min(max(key.pitch - (cents or 0.0) * SEMITONES / CENTS, 0), HIGHEST_NUMBER))
    loop = loop_of(whole, layers)
    finished = []
    for layer, audio in zip(layers, whole, strict=True):
        closed, problems = _finish(audio, loop, rate)
        finished.append((closed, Region(key, audio.shape[-1], loop, problems, layer, cents, container)))
    return finished


def _finish(audio: Tensor, loop: Loop | None, sample_rate: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return a file with its loop closed, and its problems."""
    if loop is None:
        return audio, tuple(find_problems(audio, sample_rate))
    audio = close_loop(audio, loop, sample_rate)
    reach = min(round(CHECKED_SECONDS * sample_rate), loop.end - loop.start)
    turn = torch.cat([audio[:, loop.end - reach : loop.end], audio[:, loop.start : loop.start + reach]], -1)
    at_turn = [f"{problem.partition(' at ')[0]} where it is looped" for problem in find_problems(turn, sample_rate)]
    return audio, (*find_problems(audio, sample_rate), *at_turn)


def from_onset(sound: Tensor, sample_rate: int, onset: int | None = None) -> Tensor:
    """Return a sound, ``(channels, samples)``, without all that is more than 3 ms before its onset, found or given."""
    lead = round(LEAD_SECONDS * sample_rate)
    start = (find_onset(sound, sample_rate) if onset is None else onset) - lead
    return sound if start <= 0 else sound[:, start:] * (torch.arange(sound.shape[-1] - start) / lead).clamp(max=1)
