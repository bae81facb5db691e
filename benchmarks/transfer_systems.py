"""All systems of style transfer on the same pairs: evaluations, seconds, peak memory and figures, as a Markdown table.

    python benchmarks/transfer_systems.py FOLDER [SYSTEMS…] [--pairs 3] [--budget quick]

Each transfer is a process of its own with one thread. Results are kept in FOLDER; the same command goes on where it was
stopped. A system whose iterations are given as NAME:ITERATIONS ends after so many.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from intertone.audio import load_audio, resample, save_audio
from intertone.bench.transfer.measure import measure_transfer
from intertone.bench.transfer.pairs import TransferPair, draw_transfer_pairs
from intertone.errors import InputError
from intertone.files import write_json
from intertone.transfer import preset_names

SHOWN = {
    "gram_distance": "Gram",
    "crop_distance": "crops dB",
    "envelope_correlation": "energy",
    "onset_f1": "onset F1",
    "chroma_similarity": "chroma",
    "noise_floor_lift": "floor dB",
    "flatness_ratio": "flatness",
    "crop_correlation": "copy",
}
RSS_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in a mebibyte
Row = dict[str, float]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("systems", nargs="*", help="NAME or NAME:ITERATIONS; none: all")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--budget", choices=("quick", "published"), default="quick")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    try:
        pairs = draw_transfer_pairs(n_pairs=options.pairs)
    except InputError as error:
        sys.exit(f"transfer_systems.py: {error}")
    head = ("system", "evaluations", "s", "peak MiB", *SHOWN.values())
    sys.stdout.write(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n")
    for system in options.systems or preset_names():
        rows = [measured(options.folder, system, pair, options.budget) for pair in pairs]
        mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        facts = (f"{mean['evaluations']:.0f}", f"{mean['seconds']:.0f}", f"{max(row['mib'] for row in rows):.0f}")
        sys.stdout.write(f"| {' | '.join((system, *facts, *(f'{mean[name]:.2f}' for name in SHOWN)))} |\n")
        sys.stdout.flush()


def measured(folder: Path, system: str, pair: TransferPair, budget: str) -> Row:
    """Return facts and figures of a system on a pair, kept or new."""
    place = folder / f"{pair.name}-{system.replace(':', '-')}-{budget}"
    if not place.with_suffix(".json").exists():
        facts = transferred(place, system, pair, budget)
        sound, rate = load_audio(place.with_suffix(".wav"))
        sound = resample(sound, rate, pair.sample_rate)[0][: len(pair.content)]
        write_json(place.with_suffix(".json"), {**facts, **measure_transfer(sound, pair)})
    row: Row = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    return row


def transferred(place: Path, system: str, pair: TransferPair, budget: str) -> Row:
    """Run the command, and return its evaluations, seconds and peak memory."""
    name, _, iterations = system.partition(":")
    sounds = [place.with_name(f"{pair.name}-{each}.wav") for each in ("content", "style")]
    for path, sound in zip(sounds, (pair.content, pair.style), strict=True):
        save_audio(path, sound, sample_rate=pair.sample_rate)
    command = [sys.executable, "-m", "intertone", "transfer", *map(str, sounds), "-o", str(place.with_suffix(".wav"))]
    command += ["--preset", name, "--budget", budget, "--sample-rate", str(pair.sample_rate), "--json"]
    command += ["--iterations", iterations] if iterations else []
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"transfer_systems.py: {' '.join(command)} failed: {printed.decode(errors='replace')}")
    facts = json.loads(printed)
    return {
        "evaluations": facts["evaluations"],
        "seconds": facts["seconds"],
        "mib": usage.ru_maxrss / RSS_UNIT,
    }


if __name__ == "__main__":
    main()
