"""What fine-tuning on a few sounds of one instrument gains there, and what it costs elsewhere.

    python benchmarks/fine_tuning.py NOTES OTHERS -o FOLDER [--codec harmonic] [--count 24]

NOTES is a note set with every key of instruments that the codec was not trained on, one velocity; OTHERS one of many
instruments. Both are rendered at the codec's sample rate:

    intertone data render -o NOTES --sample-rate 44100 --programs 69,79,104,105 --pitch-min 40 --pitch-max 99 \
        --velocities 75
    intertone data render -o OTHERS --sample-rate 44100 --pitch-min 36 --pitch-max 96 --pitch-step 7 --velocities 100

Of each instrument of NOTES every second key, `--count` of them, becomes a sound file, and the codec is fine-tuned on
these. The network alone then reconstructs the other keys, and notes of both held-out splits of OTHERS. The table has
the log-mel errors of the sounds, dB, and the seconds from the sound files to the codec.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intertone.audio import save_audio
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import draw_notes, pitched_rows
from intertone.evaluate.figure import log_mel_errors
from intertone.evaluate.resynthesis import CODEC, resynthesise
from intertone.train import fine_tuning_settings, open_sounds, train_codec

Rows = npt.NDArray[np.int64]

SPLITS = ("valid", "test")
"""Splits of OTHERS that are measured: the codec was trained on neither."""


def errors(codec: Codec, notes: Notes, rows: Sequence[int] | Rows) -> npt.NDArray[np.float64]:
    """Return the log-mel error of each note where everything is decoded, dB, ``(notes,)``."""
    found = []
    for row in rows:
        audio = notes.audio([int(row)])
        _, sounds = resynthesise(codec, audio, [(CODEC, "estimated")], seed=0)
        found.append(float(log_mel_errors(sounds[CODEC, "estimated"], audio, notes.sample_rate)["log_mel_44k"]))
    return np.array(found)


def fine_tune(name: str, notes: Notes, rows: Rows, folder: Path) -> tuple[Codec, float]:
    """Write some notes as sound files and return the codec that is fine-tuned on them, and the seconds it took."""
    sounds, run = folder / "sounds", folder / "run"
    sounds.mkdir(parents=True, exist_ok=True)
    for row in rows:
        path = sounds / f"note-{notes.pitch[row]:03d}-{notes.velocity[row]:03d}.wav"
        save_audio(path, notes.audio([int(row)]), sample_rate=notes.sample_rate)
    began = time.monotonic()
    start = Codec.load(name)
    data = open_sounds(sounds, run, start.config.representation, prepare=True, workers=2)
    train_codec(fine_tuning_settings(start, int((data.split == "train").sum())), data, run, start=start)
    return Codec.load(run / "best"), time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notes", type=Path, help="a note set with every key of held-out instruments")
    parser.add_argument("others", type=Path, help="a note set of many instruments")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for sounds and runs")
    parser.add_argument("--codec", default="harmonic", help="a shipped codec's name, or a folder")
    parser.add_argument("--count", type=int, default=24, help="sounds that are fine-tuned on")
    parser.add_argument("--measured", type=int, default=24, help="most notes of an instrument, and of each split")
    parser.add_argument("--instruments", nargs="*", help="names in NOTES; default: all")
    options = parser.parse_args()
    before, notes, others = Codec.load(options.codec), Notes.open(options.notes), Notes.open(options.others)
    drawn = {
        split: draw_notes(others, options.measured, split=split, seed=0, among=pitched_rows(others, split=split))
        for split in SPLITS
    }
    known = {split: errors(before, others, rows) for split, rows in drawn.items()}
    sys.stdout.write("| instrument | sounds | seconds | before, dB | after, dB | change | others | valid | test |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|---|---|\n")
    for instrument in options.instruments or np.unique(notes.instrument).tolist():
        rows = notes.select(instrument=instrument)
        rows = rows[np.argsort(notes.pitch[rows])]
        own = rows[::2][: options.count]
        held = np.setdiff1d(rows, own)
        held = held[np.linspace(0, len(held) - 1, min(options.measured, len(held))).astype(int)]
        codec, seconds = fine_tune(options.codec, notes, own, options.out / instrument)
        old, new = errors(before, notes, held).mean(), errors(codec, notes, held).mean()
        keep = {split: others.instrument[rows] != instrument for split, rows in drawn.items()}
        first = [known[split][keep[split]] for split in SPLITS]
        after = [errors(codec, others, drawn[split][keep[split]]) for split in SPLITS]
        changes = [
            found.mean() / at.mean() - 1
            for found, at in [(np.concatenate(after), np.concatenate(first)), *zip(after, first, strict=True)]
        ]
        line = [f"{len(own)}", f"{seconds:.0f}", f"{old:.2f}", f"{new:.2f}", f"{new / old - 1:+.1%}"]
        line += [f"{change:+.1%}" for change in changes]
        sys.stdout.write(f"| {instrument} | {' | '.join(line)} |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
