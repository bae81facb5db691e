"""Pairs of sounds that people have: bells, plucks, ensembles, drums, chords and melodies, drawn from a seed."""

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
"""Bell or mallet with choir or strings; pluck or hammer with a held sound; two ensembles or detuned unisons; a drum
pattern or one drum with a held sound; a chord with a note of another key; two melodies of one rhythm."""

SECONDS, HELD_SECONDS = 4.0, 3.2
"""Length of a sound, and for how long its key is held."""

LEAD_SECONDS = 0.05
"""Silence before the key is struck."""

LOUDNESS, PEAK = -20.0, 0.9
"""LUFS of the loudest 400 ms of each sound, and the peak that it does not exceed."""

FADE_SECONDS = 0.005
"""At the end of a sound: a loop ends while it sounds."""

VELOCITY = 100
KIT_BANK = 128
"""Bank of the drum kits, program 0 of which is the standard kit."""

BELLS, MALLETS = (11, 14, 114), (8, 10, 12, 13, 98)
"""Programs of General MIDI with strong inharmonic partials: vibraphone, tubular bells, steel drums; and others:
celesta, music box, marimba, xylophone, crystal. Glockenspiel and tinker bell sound at other pitches than their keys in
FluidR3Mono."""

VOICES = (44, 48, 49, 52, 53)
STRUCK = (5, 7, 104, 105)
HELD = (42, 48, 64, 66, 67, 69, 79, 80)
"""Sustained programs; the saw wave of FluidR3Mono leaves an offset behind its end."""

ENSEMBLES = (44, 48, 49, 50, 52, 53, 61)
POLYPHONIC = (5, 7, 48)
MELODIC = (64, 66, 67, 69, 79, 80)
"""Instruments whose notes are over 0.25 s after their keys are let go: of others, the tails would hide ghosts."""


LEAST_GROUPS = 2
"""A role is played by held-out programs if they belong to so many groups; else by all of its programs."""

KICK, SNARE, HAT, OPEN_HAT, DRUMS = 36, 38, 42, 46, (36, 38, 45, 50)
"""Keys of the kit; the last are those that are played alone. An open hat sounds where the pattern ends."""

TRIADS = ((0, 4, 7), (0, 3, 7))
FOREIGN = (1, 6, 8, 13)
"""Semitones of a note above the root of a chord to whose key it does not belong."""

REST_SECONDS = 0.6
"""Rest before each note of a melody: 300 ms in which the last note ends, and 300 in which ghosts are looked for."""


@dataclass(frozen=True, eq=False)
class HardPair:
    """Two sounds to morph.

    Attributes:
        name: Seed, kind and number: ``0/bell-1``.
        kind: Which measures apply.
        title: Which sounds these are; a star marks programs whose notes codecs were trained on.
        a: Sound at mix 0, mono, ``(samples,)``.
        b: Sound at mix 1, of its own length.
        f0_a: Fundamental frequencies of the notes of ``a``, Hz; none for drums and melodies.
        f0_b: Those of ``b``.
        onsets: Seconds at which keys are struck, in both sounds; of drums the first one.
        sample_rate: Hz, of both.
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
    """A sound, what it is, its f0 in Hz, and when its keys are struck, in seconds."""

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
    """Draw pairs of each kind and play them.

    Programs are those of the splits ``valid`` and ``test``, except in roles that these lack: bells, and choirs beside
    one group of strings. Drum kits train nothing. Bells and mallets take turns, and so do two ensembles and two detuned
    unisons of sawtooths, and a drum pattern and a single drum. A smaller number of pairs is the beginning of a larger
    one.

    Args:
        per_kind: Pairs of each kind.
        seed: Seed of programs, keys, rhythms and melodies.
        sample_rate: Hz.
        kinds: Only these.
        soundfont: The bank; default the system's FluidR3Mono_GM.

    Returns:
        The pairs, kind by kind: 4 s, drums 1.2 to 2.7 s; 5 ms faded out at the end, the loudest 400 ms at −20 LUFS or,
        if that is less, with a peak of 0.9.

    Raises:
        InputError: If there is no bank or no FluidSynth, or the bank lacks a program.
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
    """Plays programs of a bank by role."""

    def __init__(self, bank: Bank, synth: Synth, sample_rate: int) -> None:
        self.bank, self.synth, self.sample_rate = bank, synth, sample_rate
        self.groups = bank.groups()

    def choose(self, programs: Iterable[int], generator: np.random.Generator, *, count: int = 1) -> list[int]:
        """Return different programs of a role, held-out ones where their groups are enough."""
        present = [program for program in programs if program in self.groups]
        out = [program for program in present if split_of(self.groups[program]) != "train"]
        enough = len({self.groups[program] for program in out}) >= LEAST_GROUPS
        return [int(program) for program in generator.choice(out if enough else present, count, replace=False)]

    def title(self, program: int) -> str:
        star = "*" if split_of(self.groups[program]) == "train" else ""
        return f"{self.bank.presets[0, program].name}{star}"

    def keys(self, program: int, *pitches: int) -> _Drawn:
        """Return keys that are struck together and held."""
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
"""Draws a pair of a kind from player, generator, and the number of the pair."""
