"""The notes in ``examples/``: rendered from FluidR3Mono, whose samples are mono, in a small stereo room.

python benchmarks/example_notes.py FOLDER
"""

import argparse
from pathlib import Path

import torch
from scipy.signal import fftconvolve

from intertone.audio import save_audio
from intertone.data.soundfont import find_soundfont
from intertone.data.synth import Synth

RATE, HOLD_SECONDS, RELEASE_SECONDS = 44_100, 3, 1

NOTES = {"english-horn": (69, 60), "sitar": (104, 60), "slow-strings": (49, 55), "celesta": (8, 72)}
"""Name → program and key; all of groups that no shipped codec was trained on."""

ROOM_SECONDS, ROOM_DB = 0.35, -20.0
"""Time in which the room's response falls by 60 dB, and its energy relative to the direct sound."""

PEAK = 0.5


def room(generator: torch.Generator) -> torch.Tensor:
    """Return the response of a small room at two places: noise that decays, ``(2, samples)``."""
    samples = round(ROOM_SECONDS * RATE)
    decay = 10 ** (-3 * torch.arange(samples) / samples)
    response = torch.randn(2, samples, generator=generator) * decay
    response *= 10 ** (ROOM_DB / 20) / response.norm(dim=1, keepdim=True)
    response[:, 0] = 1
    return response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    synth = Synth(find_soundfont(), sample_rate=RATE, gain=0.8)
    response = room(torch.Generator().manual_seed(0)).numpy()
    for name, (program, pitch) in NOTES.items():
        dry = synth.note(program, pitch, 100, hold=HOLD_SECONDS * RATE, release=RELEASE_SECONDS * RATE)
        wet = torch.from_numpy(fftconvolve(dry, response, axes=-1)[:, : dry.shape[1]]).float()
        fade = (torch.arange(wet.shape[1], 0, -1) / (0.01 * RATE)).clamp(max=1)
        wet = (wet - wet.mean(1, keepdim=True)) * fade  # some samples of the bank have a DC offset
        wet = wet * (PEAK / wet.abs().max())
        save_audio(folder / f"{name}.wav", wet, sample_rate=RATE, format="pcm16")
    synth.close()


if __name__ == "__main__":
    main()
