"""The table of a codec's instruments, and whether its codes sound like them.

    python benchmarks/instrument_codes.py NOTES [--codec harmonic] [--instruments 20]

NOTES is the sound bank with the keys C2, F♯2, C3, … C6 at one velocity; `make instrument-codes` renders it. The code of
an instrument is the mean of those of its notes F♯3 and F♯4. The measurement leaves these out: for some instruments,
spread over the bank, each C is synthesised at the pitch that was measured of the real note, from the code of its own
instrument and from that of the instrument whose code is nearest.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.harmonic.onset import find_onset
from intertone.instrument import InstrumentBank, play_code
from intertone.metrics import LOG_MEL_44K, log_mel_error
from intertone.pitch.note import key_name

ENCODED = (54, 66)
"""Keys whose codes are averaged."""

MEASURED = (36, 48, 60, 72, 84)
"""Keys that are synthesised."""


def distance(codec: Codec, code: Tensor, pitch: float, real: Tensor) -> float:
    """Return the log-mel error of a synthesised note, dB; ``real`` begins with its onset."""
    seconds = real.shape[-1] / codec.sample_rate
    sound = play_code(codec, code, seconds=seconds, pitch=pitch, generator=torch.Generator().manual_seed(0))
    return float(log_mel_error(sound, real, LOG_MEL_44K))


def measure(codec: Codec, bank: InstrumentBank, notes: Notes, count: int) -> str:
    """Return a table in Markdown: error by key from an instrument's own code and from the nearest other one."""
    names = list(bank.codes)
    codes = torch.stack([bank.codes[name].flatten() for name in names])
    distances = torch.cdist(codes, codes).fill_diagonal_(torch.inf)
    found = []
    for place in np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int).tolist():
        pair = [bank.codes[names[index]] for index in (place, int(distances[place].argmin()))]
        for row in notes.select(instrument=names[place], pitch=MEASURED).tolist():
            real = notes.audio([row])
            pitch = float(codec.analyse(real).context.conditions["pitch"])
            real = real[0, find_onset(real, codec.sample_rate) :]
            found.append([notes.pitch[row], *(distance(codec, code, pitch, real) for code in pair)])
    errors = np.array(found)
    lines = [
        "| key | notes | instrument's code, dB | most similar other code, dB | instrument's code is better |",
        "|---|---|---|---|---|",
    ]
    for keys, label in [*(([key], key_name(key)) for key in MEASURED), (MEASURED, "all")]:
        _, own, other = errors[np.isin(errors[:, 0], keys)].T
        lines.append(f"| {label} | {len(own)} | {own.mean():.2f} | {other.mean():.2f} | {np.mean(own < other):.0%} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notes", type=Path, help="a note set")
    parser.add_argument("--codec", default="harmonic", help="a shipped codec's name, or a folder; the table goes there")
    parser.add_argument("--instruments", type=int, default=20, help="how many are measured")
    options = parser.parse_args()
    codec, notes = Codec.load(options.codec), Notes.open(options.notes)
    InstrumentBank.make(codec, notes, pitches=ENCODED).write(options.codec)
    sys.stdout.write(measure(codec, InstrumentBank.read(options.codec), notes, options.instruments))


if __name__ == "__main__":
    main()
