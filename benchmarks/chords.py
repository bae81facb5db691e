"""How often a chord is taken for a note with one pitch, and a note for something else, as a Markdown table.

    python benchmarks/chords.py [--seed 0] [--each 3]

Notes and chords of the melodic programs 0 to 103 of FluidR3Mono, 2 s at 44.1 kHz, with keys drawn by the seed. A chord
without an octave holds pitches that are no partials of its lowest one.
"""

import argparse
from collections import Counter

import numpy as np
import torch

from intertone.codec import Codec
from intertone.data.soundfont import find_soundfont
from intertone.data.synth import Synth
from intertone.harmonic.pitched import recognise
from intertone.representation import HarmonicRepresentation

RATE, HOLD_SECONDS, RELEASE_SECONDS = 44_100, 1.5, 0.5
PROGRAMS = range(104)
KEYS, ROOTS = (28, 96), (40, 68)
SILENT = 1e-4

CHORDS = {
    "thirds and sixths": ((0, 3), (0, 4), (0, 9)),
    "fourths and fifths": ((0, 5), (0, 7), (0, 7, 12)),
    "triads": ((0, 4, 7), (0, 3, 7), (4, 7, 12), (7, 12, 16), (0, 5, 7), (0, 7, 16)),
    "sevenths": ((0, 4, 7, 11), (0, 4, 7, 10)),
}


def main() -> None:
    """Print the table, and the notes that were taken for something else."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each", type=int, default=3, help="notes of each program; and as many chords")
    options = parser.parse_args()
    generator, codec = np.random.default_rng(options.seed), Codec.load("harmonic")
    representation = codec.representation
    assert isinstance(representation, HarmonicRepresentation)
    total, pitched, refused = Counter[str](), Counter[str](), list[str]()
    with Synth(find_soundfont(), sample_rate=RATE, gain=0.8) as synth:
        for program in PROGRAMS:
            for index in range(2 * options.each):
                name = "notes" if index % 2 else str(generator.choice(list(CHORDS)))
                key = int(generator.integers(*(KEYS if index % 2 else ROOTS)))
                steps = (0,) if index % 2 else CHORDS[name][generator.integers(len(CHORDS[name]))]
                sound = chord(synth, program, [key + step for step in steps])
                if sound is None:
                    continue
                analysis = codec.analyse(sound)
                (found,) = recognise(analysis.features, analysis.context, representation.config)
                total[name] += 1
                pitched[name] += found.pitched
                if name == "notes" and not found.pitched:
                    refused.append(f"program {program} key {key}: {found.reason}, {found.measure:.2f}")
    print("| sounds | number | one pitch |\n| --- | --- | --- |")
    for name in ("notes", *CHORDS):
        print(f"| {name} | {total[name]} | {pitched[name]} |")
    print("\n" + "\n".join(refused))


def chord(synth: Synth, program: int, keys: list[int]) -> torch.Tensor | None:
    """Return notes that are played together, ``(2, samples)``, or None where they are silent."""
    hold, release = round(HOLD_SECONDS * RATE), round(RELEASE_SECONDS * RATE)
    notes = [synth.note(program, key, 90, hold=hold, release=release) for key in keys]
    sound = torch.from_numpy(np.sum(notes, 0))
    peak = float(sound.abs().max())
    return 0.6 / peak * sound if peak > SILENT else None


if __name__ == "__main__":
    main()
