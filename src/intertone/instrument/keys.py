"""Keys of an instrument: their choice within a range, and the sound of each."""

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
from intertone.morphing import Mix, MorphConfig, NoteMorphs, Sources, parse_note
from intertone.pitch.note import CENTS, HIGHEST_NUMBER, SEMITONES, note_name

FADE_SECONDS = 0.005
"""Length of the fade-out at the end of a file, which avoids a click, s."""
LEAD_SECONDS = 0.003
"""Time before the onset that a file keeps, with a fade-in, s; a longer time would be heard as latency."""
CHECKED_SECONDS = 0.3
"""Length of sound before and after the jump of a loop that is checked for faults, s."""
COMMON_MIX = 0.5
"""Mix for the length, the pitch curve and the phases that all morph layers share."""

FILE_NAME = re.compile(r"note-\d{3}-[A-G]s?-?\d+(-v\d)?(-m\d+)?\.(wav|flac)")
"""Pattern of the file names of keys."""


@dataclass(frozen=True)
class Key:
    """Key that has a file, and the range of keys that play this file.

    Attributes:
        pitch: MIDI number of the key.
        lowest: Lowest key that plays the file, a MIDI number.
        highest: Highest key that plays the file, a MIDI number.
    """

    pitch: int
    lowest: int
    highest: int

    @property
    def name(self) -> str:
        """Beginning of the names of the key's files, such as ``note-060-C4``."""
        return f"note-{self.pitch:03d}-{note_name(self.pitch)}"


@dataclass(frozen=True)
class Region:
    """File of a key.

    Attributes:
        key: The key.
        samples: Length of the file, samples.
        loop: Samples that are repeated while the key is held; None: there is no loop.
        problems: Faults of the file; see ``find_problems``.
        layer: Layer of the key that the file is.
        detuning: Deviation from the key that was measured and corrected, cents; None: not measured, or without result.
        container: Suffix of the file, with the dot.
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
    """Return the lowest and the highest key of a range.

    Args:
        text: Two notes or MIDI numbers, the lower one first: ``C2:C7``, ``36:96``.

    Returns:
        MIDI numbers.

    Raises:
        InputError: If ``text`` has another form, a number is not an integer, or the first note is above the second.

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
    """Return the keys that get a file; each other key plays the file of the nearest of them.

    Args:
        lowest: Lowest key, a MIDI number.
        highest: Highest key, a MIDI number.
        every: Distance between two keys with a file, semitones.

    Returns:
        The keys, rising.

    Raises:
        InputError: If a key is outside 0…127, ``lowest`` is above ``highest``, or ``every`` is below 1.

    Example:
        >>> [(key.lowest, key.pitch, key.highest) for key in choose_keys(60, 67, every=3)]
        [(60, 60, 61), (62, 63, 64), (65, 66, 67)]
    """
    if not 0 <= lowest <= highest <= 127:
        raise InputError(f"keys must be in 0..127, the lowest first, got {lowest} and {highest}")
    if every < 1:
        raise InputError(f"every must be 1 or more, got {every}")
    pitches = list(range(lowest, highest + 1, every))
    # a key half-way between two files plays the upper one: transposing down sounds more natural than transposing up
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
    """Return the sound, ``(channels, samples)``, and the region of a key with one layer; see ``render_layers``."""
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
    """Return the sounds of all layers of a key: morphs at the key's pitch, cut at their onset, looped and checked.

    All layers have the same length, onset, loop and phases of partials, so that they can be crossfaded. Velocity layers
    have the same loudness, since the sampler applies a gain for the velocity; the source sounds are the layer of the
    loudest velocity. The loudness of morph layers is interpolated between the sounds.

    Args:
        sources: One or more sounds from ``analyse_sounds``, without batches.
        key: The key.
        layers: Layers from ``layers_of``.
        mix: The same as for ``morph_sources``; morph layers use their own ratios instead.
        config: The same as for ``morph_sources``, but its pitch is replaced by the key's.
        ratios: The same as for ``morph_sources``.
        sample_rate: Sample rate of the result, Hz; None: the codec's.
        seed: Seed of the noise and of all other random numbers.
        tune: Whether the mean pitch of the sustain is tuned to the key; otherwise the median pitch of the note is.
        container: Suffix of the files, with the dot.

    Returns:
        ``(audio, region)`` of each layer; audio is ``(channels, samples)`` and begins at most 3 ms before the onset.
        There is no loop if ``config.hold_seconds`` is None or ``find_loop`` finds none.

    Raises:
        InputError: If the sources are batches, or for the same reasons as ``morph_sources``.
    """
    keyboard = Keyboard(
        sources, layers, mix=mix, config=config, ratios=ratios, sample_rate=sample_rate, seed=seed, tune=tune,
        container=container,
    )  # fmt: skip
    return keyboard.render(key)


class Keyboard:
    """Keys of one instrument, which share what does not depend on the key; several may be rendered at the same time.

    The arguments are those of ``render_layers``.

    Raises:
        InputError: If the sources are batches.
    """

    def __init__(
        self,
        sources: Sources,
        layers: Sequence[Layer],
        *,
        mix: Mix,
        config: MorphConfig | None = None,
        ratios: Mapping[str, Mix] | None = None,
        sample_rate: int | None = None,
        seed: int = 0,
        tune: bool = False,
        container: str = ".wav",
    ) -> None:
        if len(sources.leading) > 1:
            raise InputError(f"a key must be made of single sounds, got batches of {sources.leading[0]}")
        self._own_rate = sources.codec.sample_rate
        self._rate = self._own_rate if sample_rate is None else sample_rate
        self._hold_seconds = (config or MorphConfig()).hold_seconds
        self._layers, self._seed, self._tune, self._container = layers, seed, tune, container
        made: dict[float | None, NoteMorphs] = {}  # velocity layers of the same mix share one
        for layer in layers:
            ratio = layer.ratio if layer.n_steps > 1 else None
            if ratio not in made:
                own, common = (mix, None) if ratio is None else (ratio, COMMON_MIX)
                made[ratio] = NoteMorphs(sources, own, config=config, ratios=ratios, common=common)
        self._morphs = [made[layer.ratio if layer.n_steps > 1 else None] for layer in layers]

    def render(self, key: Key) -> list[tuple[Tensor, Region]]:
        """Return the sounds of all layers of a key, and their regions; see ``render_layers``."""
        cents: float | None = None
        if self._tune:
            found = self._sounds(1, key.pitch)
            loop = self._loop_of(found)
            sustain = found[0] if loop is None else found[0, :, loop.start : loop.end]
            cents = find_detuning(sustain, self._rate, key.pitch)
        pitch = min(max(key.pitch - (cents or 0.0) * SEMITONES / CENTS, 0), HIGHEST_NUMBER)
        whole = self._sounds(len(self._layers), pitch)
        loop = self._loop_of(whole)
        finished = []
        for layer, audio in zip(self._layers, whole, strict=True):
            closed, problems = _finish(audio, loop, self._rate)
            region = Region(key, audio.shape[-1], loop, problems, layer, cents, self._container)
            finished.append((closed, region))
        return finished

    def _sounds(self, count: int, pitch: float) -> Tensor:
        """Return the sounds of the first layers at a pitch, ``(count, channels, samples)``, with their fade-out."""
        made = []
        for layer, morphs in zip(self._layers[:count], self._morphs, strict=False):
            velocity = layer.velocities[1] if layer.velocity < layer.n_velocities - 1 else None
            generator = torch.Generator().manual_seed(self._seed)
            made.append(torch.atleast_2d(morphs.at(pitch, velocity=velocity, generator=generator)))
        onset = min(find_onset(sound, self._own_rate) for sound in made)
        cut = [resample(from_onset(sound, self._own_rate, onset), self._own_rate, self._rate) for sound in made]
        whole = torch.stack(cut)
        left = torch.arange(whole.shape[-1] - 1, -1, -1) / round(FADE_SECONDS * self._rate)
        return whole * left.clamp(max=1)

    def _loop_of(self, whole: Tensor) -> Loop | None:
        """Return the loop of the first layers, searched in those of the source sounds, which the morphs resemble."""
        if self._hold_seconds is None:
            return None
        ends = [index for index, layer in enumerate(self._layers[: len(whole)]) if layer.ratio in (0, 1)]
        return find_loop(whole[ends], self._rate, self._hold_seconds)


def _finish(audio: Tensor, loop: Loop | None, sample_rate: int) -> tuple[Tensor, tuple[str, ...]]:
    """Return the sound of a file with a crossfade at its loop, and the faults of the file and of its loop."""
    if loop is None:
        return audio, tuple(find_problems(audio, sample_rate))
    audio = close_loop(audio, loop, sample_rate)
    reach = min(round(CHECKED_SECONDS * sample_rate), loop.end - loop.start)
    turn = torch.cat([audio[:, loop.end - reach : loop.end], audio[:, loop.start : loop.start + reach]], -1)
    at_turn = [f"{problem.partition(' at ')[0]} where it is looped" for problem in find_problems(turn, sample_rate)]
    return audio, (*find_problems(audio, sample_rate), *at_turn)


def from_onset(sound: Tensor, sample_rate: int, onset: int | None = None) -> Tensor:
    """Return a sound, ``(channels, samples)``, cut 3 ms before its onset; ``onset=None``: the onset is detected."""
    lead = round(LEAD_SECONDS * sample_rate)
    start = (find_onset(sound, sample_rate) if onset is None else onset) - lead
    return sound if start <= 0 else sound[:, start:] * (torch.arange(sound.shape[-1] - start) / lead).clamp(max=1)
