"""Pairs of sounds for style transfer with a ground truth: the content's melody played by the style's instrument."""

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
"""Sample rate of all pairs in Hz, which is that of the metrics."""

SPLIT = "test"
"""Split that the instruments come from; it is used neither for training nor for model selection."""

EVERY_OTHER_VOICE = 3
"""Every pair whose number is a multiple of this has two voices."""

LEVEL, PEAK = 0.1, 0.9
"""RMS and largest peak of each sound."""

TUNED_CENTS = 50.0
"""Largest distance of notes from their keys in cents; it excludes guitar harmonics, which sound two octaves higher."""

TAIL_SECONDS = 1.0
"""Time for which a note is rendered after the release of its key."""

FADE_SECONDS = 0.01


@dataclass(frozen=True, eq=False)
class TransferPair:
    """A content, a style, and the result of a perfect transfer.

    Attributes:
        name: Number of the pair as text, such as ``"01"``.
        title: Names of the instruments and number of voices.
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
    """Draw pairs of melodies and play them with instruments that are not used for training.

    Each ordered pair of different instrument groups is used once before any is used again; the instrument is drawn from
    its group. Every third pair has two voices. The melodies of content and style have no key in common: a SoundFont
    plays a key from one recording, so the ground truth would otherwise contain pieces of the style. With the same seed,
    a smaller number of pairs gives the first ones of a larger number.

    Args:
        n_pairs: Number of pairs.
        seed: Seed for the choice of instruments and melodies.
        soundfont: Path of the SoundFont; default the system's FluidR3Mono_GM.

    Returns:
        The pairs, 4 s at 16 kHz mono.

    Raises:
        InputError: If the SoundFont or FluidSynth is missing, or fewer than two groups have suitable instruments.
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
    """Return the instruments with which melodies may be played.

    These are the programs of the held-out groups that sound at the right pitch on every key a melody can use.

    Args:
        bank: The SoundFont.
        synth: FluidSynth with the SoundFont loaded.

    Returns:
        Name of the group → its programs.
    """
    groups: dict[str, list[int]] = {}
    for program, group in bank.groups().items():
        if split_of(group) == SPLIT and all(_is_tuned(synth, program, key) for key in (LOWER[0], *UPPER)):
            groups.setdefault(group, []).append(program)
    return groups


def play_melody(synth: Synth, program: int, notes: tuple[MelodyNote, ...], *, seconds: float = SECONDS) -> Tensor:
    """Play notes as ``play_notes`` does, at 16 kHz and with the level of the bench.

    Args:
        synth: FluidSynth with the SoundFont loaded, at ``synthesis_rate(16000)``.
        program: Program number in bank 0.
        notes: The notes; each must begin before the end of the sound.
        seconds: Length of the sound in seconds.

    Returns:
        ``(samples,)`` at 16 kHz without DC offset, the last 10 ms faded out; at RMS 0.1, or lower where the peak would
        exceed 0.9.
    """
    audio = play_notes(synth, program, notes, seconds=seconds, sample_rate=SAMPLE_RATE)
    fade = round(FADE_SECONDS * SAMPLE_RATE)
    audio[-fade:] *= torch.linspace(1, 0, fade)
    return audio * min(LEVEL / float(audio.square().mean().sqrt()), PEAK / float(audio.abs().max()))


def play_notes(
    synth: Synth, program: int, notes: Sequence[MelodyNote], *, seconds: float, sample_rate: int, bank: int = 0
) -> Tensor:
    """Render each note on its own and add them up.

    Args:
        synth: FluidSynth with the SoundFont loaded, at ``synthesis_rate(sample_rate)``.
        program: Program number.
        notes: The notes; each must begin before the end of the sound and is rendered until 1 s after its release.
        seconds: Length of the sound in seconds.
        sample_rate: Hz.
        bank: 0 for melodic programs, 128 for drum kits.

    Returns:
        ``(samples,)`` at the level of the SoundFont, without DC offset.
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
