"""Pairs of sounds that are difficult to morph: bells, plucks, ensembles, drums, chords and melodies, from a seed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from intertone.bench.hard.momentary import maximum_momentary_loudness
from intertone.bench.hard.unison import detuned_unison
from intertone.bench.transfer.melody import MelodyNote
from intertone.bench.transfer.pairs import play_notes
from intertone.data.soundfont import Bank, find_soundfont, read_soundfont
from intertone.data.split import split_of
from intertone.data.synth import Synth, synthesis_rate
from intertone.level import db_to_amplitude
from intertone.pitch.note import key_name, pitch_to_hz

HardKind = Literal["bell", "pluck", "ensemble", "drums", "chord", "melody"]
HARD_KINDS: tuple[HardKind, ...] = get_args(HardKind)
"""Bell or mallet with choir or strings; pluck or hammer with a sustained sound; two ensembles or detuned unisons; a
drum pattern or one drum with a sustained sound; a chord with a note outside its key; two melodies of equal rhythm."""

SECONDS, HELD_SECONDS = 4.0, 3.2
"""Length of a sound, and time from its note-on to its note-off, s."""

LEAD_SECONDS = 0.05
"""Silence before the onset of the key."""

LOUDNESS, PEAK = -20.0, 0.9
"""Loudness of the loudest 400 ms of each sound, LUFS, and its largest peak."""

FADE_SECONDS = 0.005
"""Fade-out at the end of a sound, which may otherwise end abruptly."""

VELOCITY = 100
KIT_BANK = 128
"""MIDI bank of the drum kits; its program 0 is the standard kit."""

BELLS, MALLETS = (11, 14, 114), (8, 10, 12, 13, 98)
"""General MIDI programs with strong inharmonic partials (vibraphone, tubular bells, steel drums), and other mallets
(celesta, music box, marimba, xylophone, crystal). Glockenspiel and tinker bell are left out because their pitches in
FluidR3Mono differ from their keys."""

VOICES = (44, 48, 49, 52, 53)
STRUCK = (5, 7, 104, 105)
HELD = (42, 48, 64, 66, 67, 69, 79, 80)
"""Sustained programs; the saw wave is left out because FluidR3Mono leaves a DC offset after its end."""

ENSEMBLES = (44, 48, 49, 50, 52, 53, 61)
POLYPHONIC = (5, 7, 48)
MELODIC = (64, 66, 67, 69, 79, 80)
"""Programs whose notes end within 0.25 s after the key is released; longer tails would mask ghost notes."""


LEAST_GROUPS = 2
"""Least number of groups of held-out programs; kinds of programs with fewer use training programs too."""

KICK, SNARE, HAT, OPEN_HAT, DRUMS = 36, 38, 42, 46, (36, 38, 45, 50)
"""Keys of the drum kit; ``DRUMS`` are those that are also played alone. The pattern ends with an open hat."""

TRIADS = ((0, 4, 7), (0, 3, 7))
FOREIGN = (1, 6, 8, 13)
"""Intervals in semitones above the root of a chord of notes that do not belong to its key."""

REST_SECONDS = 0.6
"""Rest before each note of a melody: 300 ms for the end of the last note, and 300 ms where ghost notes are measured."""


@dataclass(frozen=True, eq=False)
class HardPair:
    """Two sounds to morph.

    Attributes:
        name: Seed, kind and number: ``0/bell-1``.
        kind: Kind of the pair, which decides the measures that apply.
        title: Description of the two sounds; a star marks programs of the training split.
        a: Sound at mix 0, mono, ``(samples,)``.
        b: Sound at mix 1, mono, of any length.
        f0_a: Fundamental frequencies of the notes of ``a``, Hz; empty for drums and melodies.
        f0_b: Fundamental frequencies of the notes of ``b``, Hz.
        onsets: Onset times of the notes in both sounds, seconds; for drums the first onset only.
        sample_rate: Sample rate of both sounds, Hz.
    """

    name: str
    kind: HardKind
    title: str
    a: Tensor
    b: Tensor
    f0_a: tuple[float, ...]
    f0_b: tuple[float, ...]
    onsets: tuple[float, ...]
    sample_rate: int


@dataclass(frozen=True)
class _Drawn:
    """A sound, its description, the f0 of its notes in Hz, and their onset times in seconds."""

    sound: Tensor
    title: str
    f0: tuple[float, ...]
    onsets: tuple[float, ...] = (LEAD_SECONDS,)


def draw_hard_pairs(
    *,
    per_kind: int = 4,
    seed: int = 0,
    sample_rate: int = 16000,
    kinds: Sequence[HardKind] = HARD_KINDS,
    soundfont: Path | str | None = None,
) -> list[HardPair]:
    """Return random pairs of each kind, played from a soundfont.

    Programs are taken from the splits ``valid`` and ``test``, except for bells and choirs, of which these splits have
    too few. Drum kits are never used in training. Successive pairs of a kind alternate between bells and mallets,
    between ensembles and detuned unisons of sawtooths, and between drum patterns and single drums. The first pairs are
    the same for every ``per_kind``.

    Args:
        per_kind: Number of pairs of each kind.
        seed: Seed of programs, keys, rhythms and melodies.
        sample_rate: Hz.
        kinds: Kinds of the pairs.
        soundfont: Path of the soundfont; None: the system's FluidR3Mono_GM.

    Returns:
        The pairs, kind by kind. Sounds are 4 s long, drums 1.2 to 2.7 s, with a fade-out of 5 ms. Their loudest 400 ms
        are at −20 LUFS, or lower if the peak would exceed 0.9.

    Raises:
        InputError: If the soundfont or FluidSynth is not installed, or the soundfont lacks a program.
    """
    bank = read_soundfont(find_soundfont(soundfont))
    with Synth(bank.path, sample_rate=synthesis_rate(sample_rate), gain=1.0) as synth:
        player = _Player(bank, synth, sample_rate)
        return [_pair(player, kind, number, seed) for kind in kinds for number in range(per_kind)]


def _pair(player: "_Player", kind: HardKind, number: int, seed: int) -> HardPair:
    generator = np.random.default_rng([seed, 17, HARD_KINDS.index(kind), number])
    a, b = DRAW[kind](player, generator, number)
    title = f"{a.title} with {b.title}"
    name = f"{seed}/{kind}-{number + 1}"
    return HardPair(name, kind, title, a.sound, b.sound, a.f0, b.f0, a.onsets, player.sample_rate)


class _Player:
    """Renderer of notes of a soundfont."""

    def __init__(self, bank: Bank, synth: Synth, sample_rate: int) -> None:
        self.bank, self.synth, self.sample_rate = bank, synth, sample_rate
        self.groups = bank.groups()

    def choose(self, programs: Iterable[int], generator: np.random.Generator, *, count: int = 1) -> list[int]:
        """Return ``count`` different programs: held-out ones if they have ``LEAST_GROUPS`` groups, else any."""
        present = [program for program in programs if program in self.groups]
        out = [program for program in present if split_of(self.groups[program]) != "train"]
        enough = len({self.groups[program] for program in out}) >= LEAST_GROUPS
        return [int(program) for program in generator.choice(out if enough else present, count, replace=False)]

    def title(self, program: int) -> str:
        star = "*" if split_of(self.groups[program]) == "train" else ""
        return f"{self.bank.presets[0, program].name}{star}"

    def keys(self, program: int, *pitches: int) -> _Drawn:
        """Return a chord of keys with a common onset, held for ``HELD_SECONDS``."""
        notes = [MelodyNote(pitch, LEAD_SECONDS, HELD_SECONDS, VELOCITY) for pitch in pitches]
        title = f"{self.title(program)} {' '.join(key_name(pitch) for pitch in pitches)}"
        f0 = tuple(float(pitch_to_hz(pitch)) for pitch in pitches)
        return _Drawn(self.sound(program, notes, SECONDS), title, f0)

    def sound(self, program: int, notes: Sequence[MelodyNote], seconds: float, *, bank: int = 0) -> Tensor:
        rate = self.sample_rate
        played = play_notes(self.synth, program, notes, seconds=seconds, sample_rate=rate, bank=bank)
        return _levelled(played, rate)


def _levelled(sound: Tensor, sample_rate: int) -> Tensor:
    fade = round(FADE_SECONDS * sample_rate)
    sound = torch.cat([sound[:-fade], sound[-fade:] * torch.linspace(1, 0, fade)])
    gain = db_to_amplitude(LOUDNESS - maximum_momentary_loudness(sound, sample_rate))
    return sound * min(gain, PEAK / float(sound.abs().max()))


def _bell(player: _Player, generator: np.random.Generator, number: int) -> tuple[_Drawn, _Drawn]:
    pitch = int(generator.integers(60, 78))
    programs = player.choose(MALLETS if number % 2 else BELLS, generator)[0], player.choose(VOICES, generator)[0]
    return player.keys(programs[0], pitch), player.keys(programs[1], pitch)


def _pluck(player: _Player, generator: np.random.Generator, number: int) -> tuple[_Drawn, _Drawn]:
    pitch = int(generator.integers(50, 75))
    programs = player.choose(STRUCK, generator)[0], player.choose(HELD, generator)[0]
    return player.keys(programs[0], pitch), player.keys(programs[1], pitch)


def _ensemble(player: _Player, generator: np.random.Generator, number: int) -> tuple[_Drawn, _Drawn]:
    pitch = int(generator.integers(50, 73))
    if number % 2 == 0:
        first, second = player.choose(ENSEMBLES, generator, count=2)
        return player.keys(first, pitch), player.keys(second, pitch)
    drawn = []
    for _ in range(2):
        f0 = float(pitch_to_hz(pitch))
        sound, cents = detuned_unison(f0, player.sample_rate, generator, seconds=SECONDS, held_seconds=HELD_SECONDS)
        lead = torch.zeros(round(LEAD_SECONDS * player.sample_rate))
        levelled = _levelled(torch.cat([lead, sound])[: len(sound)], player.sample_rate)
        drawn.append(_Drawn(levelled, f"unison ±{cents:.0f} cents {key_name(pitch)}", (f0,)))
    return drawn[0], drawn[1]


def _drums(player: _Player, generator: np.random.Generator, number: int) -> tuple[_Drawn, _Drawn]:
    beat = 60 / generator.uniform(90, 140)
    if number % 2 == 0:
        steps = [(HAT, step) for step in range(15)] + [(OPEN_HAT, 15), (SNARE, 4), (SNARE, 12), (KICK, 0), (KICK, 8)]
        steps += [(KICK, int(step)) for step in generator.choice((3, 6, 7, 10, 11, 14), 2, replace=False)]
        hits = [
            MelodyNote(key, LEAD_SECONDS + step * beat / 4, beat / 4, int(generator.integers(80, 120)))
            for key, step in steps
        ]
        seconds, title = LEAD_SECONDS + 4 * beat, f"drum pattern {60 / beat:.0f} bpm"
    else:
        key = int(generator.choice(DRUMS))
        hits, seconds, title = [MelodyNote(key, LEAD_SECONDS, 0.3, VELOCITY)], 1.2, f"drum {key}"
    held = player.keys(player.choose(HELD, generator)[0], int(generator.integers(50, 70)))
    return _Drawn(player.sound(0, hits, seconds, bank=KIT_BANK), title, ()), held


def _chord(player: _Player, generator: np.random.Generator, number: int) -> tuple[_Drawn, _Drawn]:
    root = int(generator.integers(50, 63))
    triad = TRIADS[int(generator.integers(len(TRIADS)))]
    chord = player.keys(player.choose(POLYPHONIC, generator)[0], *(root + step for step in triad))
    return chord, player.keys(player.choose(HELD, generator)[0], root + int(generator.choice(FOREIGN)))


def _melody(player: _Player, generator: np.random.Generator, number: int) -> tuple[_Drawn, _Drawn]:
    onsets, now = list[float](), REST_SECONDS
    durations = []
    while now < SECONDS - 0.5:
        onsets.append(now)
        durations.append(float(generator.uniform(0.2, 0.35)))
        now += durations[-1] + REST_SECONDS
    programs = player.choose(MELODIC, generator, count=2)
    drawn = []
    for program in programs:
        pitches = [int(pitch) for pitch in generator.integers(57, 75, len(onsets))]
        notes = [
            MelodyNote(pitch, onset, duration, VELOCITY)
            for pitch, onset, duration in zip(pitches, onsets, durations, strict=True)
        ]
        title = f"{player.title(program)} {' '.join(key_name(pitch) for pitch in pitches)}"
        drawn.append(_Drawn(player.sound(program, notes, SECONDS), title, (), tuple(onsets)))
    return drawn[0], drawn[1]


DRAW: dict[HardKind, Callable[[_Player, np.random.Generator, int], tuple[_Drawn, _Drawn]]] = {
    "bell": _bell,
    "pluck": _pluck,
    "ensemble": _ensemble,
    "drums": _drums,
    "chord": _chord,
    "melody": _melody,
}
"""Kind → function that returns the two sounds of a pair from the renderer, a generator, and the number of the pair."""
