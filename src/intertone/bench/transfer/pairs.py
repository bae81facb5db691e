"""Pairs for style transfer with a ground truth: the same melody, played by the other instrument."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intertone.audio import remove_dc, resample
from intertone.bench.transfer.melody import LOWER, SECONDS, UPPER, MelodyNote, draw_melody
from intertone.data.render import instrument_name
from intertone.data.soundfont import Bank, find_soundfont, read_soundfont
from intertone.data.split import split_of
from intertone.data.synth import Synth, synthesis_rate
from intertone.errors import InputError
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch

SAMPLE_RATE = 16000
"""Hz, of all pairs: that of the metrics."""

SPLIT = "test"
"""Split of the instruments; nothing is trained or chosen by its notes."""

EVERY_OTHER_VOICE = 3
"""Every third pair has two voices."""

LEVEL, PEAK = 0.1, 0.9
"""RMS of each sound, and the peak that it does not exceed."""

TUNED_CENTS = 50.0
"""Largest distance of an instrument's notes from their keys; guitar harmonics sound two octaves higher."""

TAIL_SECONDS = 1.0
"""Time for which a note is played on after its key is let go."""

FADE_SECONDS = 0.01


@dataclass(frozen=True, eq=False)
class TransferPair:
    """A content, a style, and what a perfect transfer gives.

    Attributes:
        name: Of the pair, ``"01"``.
        title: Names of the instruments, and how many voices.
        content: Melody X by instrument A, ``(samples,)``.
        style: Melody Y by instrument B, ``(samples,)``.
        truth: Melody X by instrument B, ``(samples,)``.
        sample_rate: Hz.
    """

    name: str
    title: str
    content: Tensor
    style: Tensor
    truth: Tensor
    sample_rate: int


def draw_transfer_pairs(*, n_pairs: int = 20, seed: int = 0, soundfont: Path | str | None = None) -> list[TransferPair]:
    """Draw pairs of melodies and play them by instruments that no training uses.

    Ordered pairs of instruments of different groups come up once each before one comes up again; of a group that holds
    several, one is drawn. Every third pair has two voices. The style's melody uses no key of the content's: a bank
    plays a key from one recording, and the ground truth would be made of pieces of the style. A smaller number of pairs
    is the beginning of a larger one.

    Args:
        n_pairs: How many.
        seed: Seed of instruments and melodies.
        soundfont: The bank; default the system's FluidR3Mono_GM.

    Returns:
        The pairs, 4 s at 16 kHz mono.

    Raises:
        InputError: If there is no bank or no FluidSynth, or the bank has fewer than two groups of fitting instruments.
    """
    bank = read_soundfont(find_soundfont(soundfont))
    with Synth(bank.path, sample_rate=synthesis_rate(SAMPLE_RATE), gain=1.0) as synth:
        groups = held_out_programs(bank, synth)
        if len(groups) < 2:
            raise InputError(f"the bank must have two groups of held-out instruments, got {len(groups)} in {bank.path}")
        ordered = [*permutations(sorted(groups), 2)]
        order = np.random.default_rng([seed, 13]).permutation(len(ordered))
        found = []
        for index in range(n_pairs):
            generator = np.random.default_rng([seed, 13, index])
            chosen = ordered[order[index % len(ordered)]]
            programs = [int(generator.choice(groups[group])) for group in chosen]
            voices = 2 if index % EVERY_OTHER_VOICE == EVERY_OTHER_VOICE - 1 else 1
            x = draw_melody(generator, voices=voices)
            y = draw_melody(generator, voices=voices, without={note.pitch for note in x})
            parts = (programs[0], x), (programs[1], y), (programs[1], x)
            content, style, truth = (play_melody(synth, program, notes) for program, notes in parts)
            names = [instrument_name(program, bank.presets[0, program].name) for program in programs]
            title = f"{names[0]} to {names[1]}, {voices} voice{'s' * (voices > 1)}"
            found.append(TransferPair(f"{index + 1:02d}", title, content, style, truth, SAMPLE_RATE))
    return found


def held_out_programs(bank: Bank, synth: Synth) -> Mapping[str, list[int]]:
    """Return the instruments that melodies may be played by.

    Programs of the groups that are held out, which sound at every key of a melody and there at the key's pitch.

    Args:
        bank: The bank.
        synth: With the bank loaded.

    Returns:
        Group → programs.
    """
    groups: dict[str, list[int]] = {}
    for program, group in bank.groups().items():
        if split_of(group) == SPLIT and all(_is_tuned(synth, program, key) for key in (LOWER[0], *UPPER)):
            groups.setdefault(group, []).append(program)
    return groups


def play_melody(synth: Synth, program: int, notes: tuple[MelodyNote, ...], *, seconds: float = SECONDS) -> Tensor:
    """Play notes as ``play_notes`` does, at the level of the bench.

    Args:
        synth: With the bank loaded, at ``synthesis_rate`` of 16 kHz.
        program: Program of bank 0.
        notes: The notes; each begins before the end.
        seconds: Length of the sound.

    Returns:
        ``(samples,)`` at 16 kHz, at RMS 0.1 or, if that is less, a peak of 0.9; without an offset, the last 10 ms
        faded out.
    """
    audio = play_notes(synth, program, notes, seconds=seconds, sample_rate=SAMPLE_RATE)
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    audio[-fade:] *= torch.linspace(1, 0, fade)
    return audio * min(LEVEL / float(audio.square().mean().sqrt()), PEAK / float(audio.abs().max()))


def play_notes(
    synth: Synth, program: int, notes: Sequence[MelodyNote], *, seconds: float, sample_rate: int, bank: int = 0
) -> Tensor:
    """Play notes one by one and add them up.

    Args:
        synth: With the bank loaded, at ``synthesis_rate`` of the sample rate.
        program: Program of the bank.
        notes: The notes; each begins before the end, and is played on for 1 s after its key is let go.
        seconds: Length of the sound.
        sample_rate: Hz.
        bank: 0 for melodic programs, 128 for drum kits.

    Returns:
        ``(samples,)`` at the bank's own level, without an offset.
    """
    rate = synthesis_rate(sample_rate)
    total = np.zeros(round(seconds * rate))
    for note in notes:
        start, hold = round(note.start * rate), round(note.duration * rate)
        release = round(TAIL_SECONDS * rate)
        sound = synth.note(program, note.pitch, note.velocity, hold=hold, release=release, bank=bank).mean(0)
        total[start : start + len(sound)] += sound[: len(total) - start]
    return remove_dc(resample(torch.from_numpy(total).float(), rate, sample_rate), sample_rate)


def _is_tuned(synth: Synth, program: int, key: int) -> bool:
    rate = synthesis_rate(SAMPLE_RATE)
    sound = torch.from_numpy(synth.note(program, key, 100, hold=rate // 2, release=0).mean(0))
    f0 = note_pitch(resample(sound, rate, SAMPLE_RATE), SAMPLE_RATE)
    return abs(float(hz_to_cents(f0, pitch_to_hz(key)))) <= TUNED_CENTS
