"""How often the notes of phrases are found, and single notes taken for phrases, as a Markdown table.

    python benchmarks/phrases.py [--seed 0] [--each 60]

Of each kind there are as many sounds: melodies of three to six notes and single notes of the melodic programs of
FluidR3Mono; synthesised single notes with vibrato, slides of 3 to 12 semitones with vibrato and without it; and
synthesised melodies whose pitch slides from note to note within 20, 50 or 80 ms, with gaps between the notes and
without. A note is found where one starts between 80 ms before it and 200 ms after it. Keys that are repeated in a
melody count, too.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.bench.transfer.melody import MelodyNote
from intertone.bench.transfer.pairs import SAMPLE_RATE, play_notes
from intertone.data.soundfont import find_soundfont
from intertone.data.synth import Synth, synthesis_rate
from intertone.morphing.notes import find_notes

EARLY, LATE = 0.08, 0.2
PROGRAMS = [program for program in range(112) if program not in (9, 47, 55)]
STEPS = (-7, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7)
TIMBRES = ("saw", "soft", "vowel")
FORMANTS = ((600, 120, 1.0), (1100, 150, 0.5), (2800, 250, 0.2))


@dataclass(frozen=True)
class Sound:
    """A sound, ``(samples,)`` at 16 kHz, and the times of its notes from the second one on, s."""

    sound: Tensor
    starts: Sequence[float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=60, help="number of sounds of each kind")
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = np.random.default_rng(options.seed)
    print("| sounds | number | notes after the first | found | other starts | all right |")
    print("| --- | --- | --- | --- | --- | --- |")
    with Synth(find_soundfont(), sample_rate=synthesis_rate(SAMPLE_RATE), gain=0.8) as synth:
        for name, draw in {
            "melodies of instruments": lambda: melody(synth, generator),
            "single notes of instruments": lambda: melody(synth, generator, notes=1),
            "notes with vibrato": lambda: slide(generator, semitones=0, vibrato=True),
            "slides": lambda: slide(generator, semitones=int(generator.choice((-12, -7, 3, 7, 12))), vibrato=False),
            "slides with vibrato": lambda: slide(
                generator, semitones=int(generator.choice((-12, -7, 3, 7, 12))), vibrato=True
            ),
            "melodies with gaps": lambda: sung(generator, gaps=True),
            "legato melodies": lambda: sung(generator, gaps=False),
        }.items():
            print(f"| {name} | {options.each} | {row([draw() for _ in range(options.each)])} |", flush=True)


def row(sounds: Sequence[Sound]) -> str:
    """Return the number of notes, of those found, of other starts, and of sounds without a mistake."""
    wanted = hits = others = right = 0
    for one in sounds:
        left = [start / SAMPLE_RATE for start in find_notes(one.sound[None], SAMPLE_RATE)]
        hit = 0
        for start in one.starts:
            near = [found for found in left if -EARLY <= found - start <= LATE]
            if near:
                hit += 1
                left.remove(min(near, key=lambda found: abs(found - start)))
        wanted, hits, others = wanted + len(one.starts), hits + hit, others + len(left)
        right += hit == len(one.starts) and not left
    return f"{wanted} | {hits} | {others} | {right}"


def melody(synth: Synth, generator: np.random.Generator, *, notes: int = 0) -> Sound:
    """Return notes of one instrument, three to six if their number is not given; some are released early."""
    while True:
        program, step = int(generator.choice(PROGRAMS)), float(generator.choice((0.25, 0.4, 0.5, 0.7)))
        count, held = notes or int(generator.integers(3, 7)), float(generator.choice((0.6, 0.9, 1.0, 1.0)))
        keys = keys_of(generator, count, int(generator.integers(36, 90) if notes else generator.integers(50, 73)))
        spacing = 2.0 if notes else step
        played = [
            MelodyNote(key, 0.1 + spacing * index, spacing * held - 0.001, int(generator.choice((70, 90, 110))))
            for index, key in enumerate(keys)
        ]
        seconds = 0.1 + spacing * count + 0.6
        audio = play_notes(synth, program, tuple(played), seconds=seconds, sample_rate=SAMPLE_RATE)
        if float(audio.abs().max()) > 1e-3:  # some programs are silent at some keys
            return Sound(audio, [note.start for note in played[1:]])


def keys_of(generator: np.random.Generator, count: int, first: int) -> list[int]:
    """Return keys of a melody, which may repeat."""
    keys = [first]
    while len(keys) < count:
        keys.append(int(np.clip(keys[-1] + generator.choice(STEPS), 45, 84)))
    return keys


def slide(generator: np.random.Generator, *, semitones: int, vibrato: bool) -> Sound:
    """Return one note of 3 s whose pitch slides in 0.25 s or more, or stays, and half of whose levels waver."""
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    first = generator.uniform(0.2, 2.4)
    ramp = np.clip((time - first) / generator.uniform(0.25, 2.8 - first), 0, 1)
    rate, depth = generator.uniform(4, 7), float(generator.choice((0.2, 0.5, 1.0))) * vibrato
    wave = np.sin(2 * np.pi * rate * time + generator.uniform(0, 6))
    pitch = generator.integers(45, 70) + semitones * ramp + depth * wave * np.clip((time - 0.2) / 0.3, 0, 1)
    return Sound(synthesised(pitch, 1 + 0.3 * wave * generator.integers(0, 2), str(generator.choice(TIMBRES))), [])


def sung(generator: np.random.Generator, *, gaps: bool) -> Sound:
    """Return a melody of three to five notes whose pitch slides for 20, 50 or 80 ms, half of them with vibrato."""
    step, count = float(generator.choice((0.3, 0.5, 0.8))), int(generator.integers(3, 6))
    keys = [int(generator.integers(45, 70))]
    while len(keys) < count:
        keys.append(keys[-1] + int(generator.choice([one for one in STEPS if one])))
    time = np.arange(round(step * count * SAMPLE_RATE)) / SAMPLE_RATE
    width = round(float(generator.choice((0.02, 0.05, 0.08))) * SAMPLE_RATE)
    pitch = np.array(keys, float)[np.minimum(time / step, count - 1).astype(int)]
    pitch = np.convolve(
        np.pad(pitch, (width // 2, width - width // 2 - 1), mode="edge"), np.ones(width) / width, "valid"
    )
    pitch += float(generator.choice((0.0, 0.2, 0.5))) * np.sin(2 * np.pi * generator.uniform(4.5, 6.5) * time)
    within = time % step
    level = np.ones(len(time))
    if gaps:
        level = np.clip(within / 0.03, 0, 1) * np.clip((0.92 * step - within) / 0.05, 0.02, 1)
    return Sound(synthesised(pitch, level, str(generator.choice(TIMBRES))), [step * one for one in range(1, count)])


def synthesised(pitch: np.ndarray, level: np.ndarray, timbre: str) -> Tensor:
    """Return a harmonic sound of a pitch, MIDI numbers, and a level, both of each sample."""
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * np.cumsum(f0) / SAMPLE_RATE
    sound = np.zeros(len(pitch))
    for order in range(1, 41):
        hertz = order * f0
        amplitude = {"saw": 1 / order, "soft": 1 / order**2}.get(timbre, 0.02 / order)
        if timbre == "vowel":
            amplitude += sum(gain * np.exp(-(((hertz - centre) / width) ** 2)) for centre, width, gain in FORMANTS)
        sound += np.where(hertz < 0.45 * SAMPLE_RATE, amplitude, 0) * np.sin(order * phase)
    place = np.arange(len(pitch)) / SAMPLE_RATE
    sound *= level * np.clip(place / 0.05, 0, 1) * np.clip((place[-1] - place) / 0.1, 0, 1)
    return torch.from_numpy(0.5 * sound / np.abs(sound).max()).float()


if __name__ == "__main__":
    main()
