"""How the time and the memory of a morph grow with length, partials and number of sounds, as Markdown tables.

    python benchmarks/growth.py [--seconds 4,15,60] [--rounds 3]

Sounds are held stereo notes at 44.1 kHz with a slow vibrato and a little noise. Every figure is that of a process of
its own: seconds of one morph once everything is imported, the least of some rounds, and the peak of its memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch

from intertone import Codec, morph

RATE = 44100
RSS_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in a mebibyte


def main() -> None:
    """Print the tables, or measure one case for them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", default="4,15,60", help="lengths")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", help="seconds,Hz,sounds: one measurement, as JSON")
    options = parser.parse_args()
    if options.case:
        seconds, hertz, count = (float(part) for part in options.case.split(","))
        print(json.dumps(measured(seconds, hertz, round(count), options.rounds)))
        return
    lengths = [float(part) for part in options.seconds.split(",")]
    table("length, s", [(f"{length:g}", length, 220.0, 2) for length in lengths], options.rounds)
    table("f0, Hz", [(f"{hertz:g}", 4.0, hertz, 2) for hertz in (55.0, 110.0, 220.0, 440.0, 880.0)], options.rounds)
    table("sounds", [(str(count), 4.0, 220.0, count) for count in (2, 3, 4)], options.rounds)


def table(head: str, cases: list[tuple[str, float, float, int]], rounds: int) -> None:
    """Print one table, a line as soon as it is measured."""
    print(f"| {head} | s | peak MiB |\n| --- | --- | --- |")
    for name, seconds, hertz, count in cases:
        words = [sys.executable, __file__, "--rounds", str(rounds), "--case", f"{seconds},{hertz},{count}"]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        print(f"| {name} | {found['s']:.2f} | {found['mib']:.0f} |", flush=True)
    print()


def measured(seconds: float, hertz: float, count: int, rounds: int) -> dict[str, float]:
    """Return the least seconds of some morphs, and the peak of the memory in mebibytes."""
    codec = Codec.load("harmonic")
    sounds = [note(seconds, hertz * 2 ** (index / 3), seed=index) for index in range(count)]
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        morph(codec, *sounds, mix=[1 / count] * count if count > 2 else 0.5)
        times.append(time.perf_counter() - begun)
    return {"s": min(times), "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / RSS_UNIT}


def note(seconds: float, hertz: float, *, seed: int) -> torch.Tensor:
    """Return a held note, ``(2, samples)``: partials up to 16 kHz that fall by 6 dB an octave, and noise at −70 dB."""
    generator = torch.Generator().manual_seed(seed)
    moment = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    periods = hertz * (moment - 0.001 * torch.cos(5 * moment))
    sound = torch.zeros_like(moment)
    for order in range(1, int(16000 / hertz) + 1):
        sound += (
            torch.sin(2 * torch.pi * (order * periods + torch.rand(1, generator=generator, dtype=torch.float64)))
            / order
        )
    rise = (moment / 0.02).clamp(max=1)
    left = 0.1 * rise * sound + 3e-4 * torch.randn(len(moment), generator=generator, dtype=torch.float64)
    return torch.stack([left, 0.8 * left]).float()


if __name__ == "__main__":
    main()
