"""How nearly the real-time engine plays what Python morphs, and how fast, as Markdown tables.

    python benchmarks/engine.py [--notes 40] [--rates 44100,48000,96000] [--speed] [--folder FOLDER]

Notes are those of five pairs of synthetic instruments, over four octaves, at the mixes 0.3 and 0.5. The excess is the
mean distance of log-mel images of the engine from Python's morph, less that of Python's morph with another noise seed.
It needs node (Debian: apt install nodejs).
"""

import argparse
import json
import math
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intertone import Codec
from intertone.audio import resample
from intertone.bench.instruments import INSTRUMENTS, draw_note, render_note
from intertone.harmonic.morph.landmark import Landmarks, mix_landmarks
from intertone.instrument import Instrument
from intertone.loudness import maximum_momentary_loudness
from intertone.metrics.envelope import attack_time
from intertone.metrics.spectral import LOG_MEL_44K, log_mel
from intertone.morphing import MorphConfig, Sources, analyse_sounds, morph_sources
from intertone.morphing.weights import Weights
from intertone.representation import Analysis

RATE, TAIL_SECONDS = 44100, 0.2
PAIRS = (("flute", "trumpet"), ("clarinet", "string"), ("piano", "guitar"), ("organ", "voice"), ("string", "piano"))
OWN_KEYS = (57, 62)
KEYS = (42, 54, 66, 78)
MIXES = (0.3, 0.5)


@dataclass(frozen=True)
class Case:
    """One note: the instrument's file, the sources in Python, key, mix, and when the key is let go, seconds."""

    name: str
    path: Path
    sources: Sources
    key: int
    mix: float
    hold: float
    onset: int


def note(name: str, key: int, seed: int) -> Tensor:
    """Return a synthetic note, ``(1, samples)``, that no test of the package uses."""
    return render_note(draw_note(INSTRUMENTS[name], key, np.random.default_rng([1600, seed])), RATE)[None]


def make_cases(codec: Codec, folder: Path, count: int) -> list[Case]:
    """Write the instruments, and return notes of them."""
    cases = []
    for index, pair in enumerate(PAIRS):
        sounds = [note(name, key, 2 * index + at) for at, (name, key) in enumerate(zip(pair, OWN_KEYS, strict=True))]
        instrument = Instrument.from_sounds(codec, sounds, pair)
        path = folder / f"{'-'.join(pair)}.intertone"
        instrument.save(path)
        sources = analyse_sounds(codec, *sounds)
        facts = instrument.header["sounds"]
        marks = [Landmarks(one["attack"], one["release"], one["end"], silence=one["silence"]) for one in facts]
        onsets = [one.context.sounds[0].onset for one in sources.analyses]
        for key in KEYS:
            for mix in MIXES:
                common = mix_landmarks(marks, [1 - mix, mix])
                hold = common.release * codec.config.representation.hop_length / RATE
                onset = round((1 - mix) * onsets[0] + mix * onsets[1])
                cases.append(Case("-".join(pair), path, sources, key, mix, hold, onset))
    return cases[:: max(1, len(cases) // count)][:count]


def render_engine(cases: list[Case], folder: Path, *, rate: int = RATE, noise: bool = True) -> list[Tensor]:
    """Return what the engine plays, ``(2, samples)`` each, at ``rate``."""
    jobs = []
    for number, case in enumerate(cases):
        events = held(case.key, case.hold)
        options = {"sampleRate": rate, "seconds": case.hold + 1, "pad": [case.mix, 0], "residual": False}
        options |= {"limit": False, "noise": noise}
        out = str(folder / f"{number}.f32")
        jobs.append({"instrument": str(case.path), "events": events, "options": options, "out": out})
    run_jobs(jobs, folder)
    return [torch.from_numpy(np.fromfile(job["out"], np.float32).reshape(2, -1)) for job in jobs]


def run_jobs(jobs: list[dict], folder: Path) -> list[float]:
    """Render jobs in node, and return the seconds that each took."""
    list_path = folder / "jobs.json"
    list_path.write_text(json.dumps(jobs))
    words = ["node", "--single-threaded", str(Path(__file__).with_name("render.mjs")), str(list_path)]
    found = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return [float(line) for line in found.split()]


def render_python(case: Case, seed: int, *, noise: bool = True) -> Tensor:
    """Return Python's morph from its onset on, ``(1, samples)``."""
    generator = torch.Generator().manual_seed(seed)
    config = MorphConfig(pitch=str(case.key))
    if noise:
        sound = morph_sources(case.sources, case.mix, config=config, residual=False, generator=generator)
        return sound.reshape(1, -1)[:, case.onset :]
    weights = torch.tensor([1 - case.mix, case.mix], dtype=torch.float64)
    method = case.sources.method
    with torch.inference_mode():
        mixed = method.between(case.sources.analyses, Weights(weights, {}, weights), config)
        track = mixed.context.sounds[0]
        silent = replace(track, noise=torch.zeros_like(track.noise), residuals=())
        made = Analysis(method.representation.view([silent]), replace(mixed.context, sounds=(silent,)))
        sound = method.synthesise(made, phase=None, residual=False, generator=generator)
    return sound.reshape(1, -1)[:, case.onset :]


def distance(estimate: Tensor, reference: Tensor) -> float:
    """Return the mean distance of the log-mel images of two sounds over the time of the second, dB."""
    length = min(estimate.shape[-1], reference.shape[-1])
    images = [log_mel(sound[:1, :length], LOG_MEL_44K) for sound in (estimate, reference)]
    return float((images[0] - images[1]).abs().mean())


def agreement(cases: list[Case], folder: Path, rate: int) -> dict[str, list[float]]:
    """Return, note by note, the excess with noise and of the partials alone, errors of level and of attack."""
    with_noise = [resample(sound, rate, RATE) for sound in render_engine(cases, folder, rate=rate)]
    alone = [resample(sound, rate, RATE) for sound in render_engine(cases, folder, rate=rate, noise=False)]
    found: dict[str, list[float]] = {"excess": [], "partials": [], "level": [], "attack": []}
    for case, engine, partials in zip(cases, with_noise, alone, strict=True):
        python, other = (render_python(case, seed) for seed in (0, 1))
        found["excess"].append(distance(engine, python) - distance(other, python))
        found["partials"].append(distance(partials, render_python(case, 0, noise=False)))
        loudness = [maximum_momentary_loudness(sound[:1], RATE) for sound in (engine, python)]
        found["level"].append(abs(loudness[0] - loudness[1]))
        length = min(engine.shape[-1], python.shape[-1])
        times = [float(attack_time(sound[0, :length], RATE)) for sound in (engine, python)]
        found["attack"].append(1000 * abs(times[0] - times[1]))
    return found


def corners(cases: list[Case], folder: Path) -> list[float]:
    """Return the distance of the engine from each recording, at the recording's corner and pitch, dB."""
    jobs, recordings = [], []
    for name in dict.fromkeys(case.name for case in cases):
        case = next(case for case in cases if case.name == name)
        for corner, facts in enumerate(Instrument.load(case.path).header["sounds"]):
            frame_seconds = case.sources.method.representation.config.frame_seconds
            hold = facts["release"] * frame_seconds
            out = str(folder / f"corner-{len(jobs)}.f32")
            options = {"seconds": hold + 1, "pad": [corner, 0], "limit": False}
            jobs.append(
                {"instrument": str(case.path), "events": held(facts["pitch"], hold), "options": options, "out": out}
            )
            onset = case.sources.analyses[corner].context.sounds[0].onset
            recordings.append(case.sources.sounds[corner][0][:, onset:])
    run_jobs(jobs, folder)
    played = [torch.from_numpy(np.fromfile(job["out"], np.float32).reshape(2, -1)) for job in jobs]
    return [distance(*pair) for pair in zip(played, recordings, strict=True)]


def held(key: float, seconds: float) -> list[dict]:
    """Return the events of one note."""
    begin = {"time": 0, "type": "noteOn", "key": key, "velocity": 1, "id": 1}
    return [begin, {"time": seconds, "type": "noteOff", "id": 1}]


def speed(codec: Codec, folder: Path) -> float:
    """Return the seconds that 60 s of 16 stereo voices take, keys MIDI 36–84, about 100 partials each."""
    stereo = [note(name, key, 90 + at).expand(2, -1) for at, (name, key) in enumerate((("string", 43), ("voice", 45)))]
    path = folder / "stereo.intertone"
    Instrument.from_sounds(codec, stereo, ["string", "voice"]).save(path)
    keys = np.linspace(36, 84, 16).round().astype(int).tolist()
    events = [{"time": 0, "type": "noteOn", "key": key, "velocity": 0.5, "id": key} for key in keys]
    options = {"seconds": 60, "pad": [0.5, 0]}
    job = {"instrument": str(path), "events": events, "options": options, "out": str(folder / "speed.f32")}
    return run_jobs([job], folder)[0]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notes", type=int, default=40)
    parser.add_argument("--rates", default="44100,48000,96000")
    parser.add_argument("--speed", action="store_true", help="also the time that 16 voices take")
    parser.add_argument("--json", action="store_true", help="all values, note by note, instead of the tables")
    options = parser.parse_args()
    codec = Codec.load("harmonic")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = make_cases(codec, folder, options.notes)
        found = {str(rate): agreement(cases, folder, int(rate)) for rate in options.rates.split(",")}
        at_corners = corners(cases, folder)
        seconds = speed(codec, folder) if options.speed else None
    if options.json:
        print(json.dumps({"rates": found, "corners": at_corners, "speed": seconds}))
        return
    print("| rate, Hz | what | median | 90 % | largest |\n| --- | --- | --- | --- | --- |")
    for rate, values in [*found.items(), ("44100", {"corner": at_corners})]:
        for what, row in values.items():
            print(f"| {rate} | {what} | {np.median(row):.2f} | {np.quantile(row, 0.9):.2f} | {max(row):.2f} |")
    if seconds is not None:
        print(f"\n60 s of 16 stereo voices take {seconds:.1f} s ({math.ceil(100 * seconds / 60)} % of a core)")


if __name__ == "__main__":
    main()
