"""Sounds, note sets and prepared features that both runs of ``hashes.py`` read, and the verbs that make them."""

import contextlib
import io
import logging
import runpy
import sys
from pathlib import Path

import numpy as np
import soundfile

import intertone

CHECKOUT = Path(intertone.__file__).parents[2]
BANK = "/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"
RATE = 44100
"""Of the sounds that are played for the codec ``harmonic``, Hz."""

DRUMS = 128
"""Bank of the drum kits in a General MIDI SoundFont."""

PLAYED = {
    "violin": (0, 40, 57, 1.6, 2.2),
    "flute": (0, 73, 69, 1.6, 2.2),
    "trumpet": (0, 56, 58, 1.6, 2.2),
    "bell": (0, 14, 60, 1.0, 2.5),
    "low-piano": (0, 0, 26, 1.6, 2.2),
    "cello": (0, 42, 36, 1.6, 2.2),
    "snare": (DRUMS, 0, 38, 0.5, 0.8),
    "pad": (0, 89, 57, 1.6, 2.2),
    "guitar": (0, 24, 55, 1.6, 2.2),
    "organ": (0, 19, 55, 1.6, 2.2),
    "long-violin": (0, 40, 62, 2.8, 3.4),
    "long-flute": (0, 73, 65, 2.8, 3.4),
}
"""Sounds by name: bank, program, key, seconds until the key is let go, seconds in all."""

MINUTE = 60.0
"""Length of the longest sound, seconds: violin notes one after the other."""

NOTE_SETS = {
    "16k": ("--sample-rate", "16000"),
    "44k": ("--sample-rate", "44100"),
}
RENDERED = (
    *("--programs", "0,11,19,24,40,42,56,66,68,73", "--pitch-min", "50", "--pitch-max", "71", "--pitch-step", "7"),
    *("--velocities", "50,100", "--workers", "1"),
)
"""64 notes to train with and 16 to validate; each program is in the split that the bank's name gives it."""


def run(*words: str | Path) -> None:
    """Run ``intertone`` with some words in this process.

    Raises:
        RuntimeError: If it does not end well.
    """
    before, said = sys.argv, io.StringIO()
    sys.argv = ["intertone", *map(str, words)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            runpy.run_module("intertone", run_name="__main__", alter_sys=False)
    except SystemExit as leave:
        if leave.code:
            raise RuntimeError(f"intertone {words[0]} ended with {leave.code}: {said.getvalue().strip()}") from None
    finally:
        sys.argv = before
        logging.getLogger("intertone").handlers.clear()


def sound(cache: Path, name: str) -> Path:
    """Return the file of a sound."""
    return played_minute(cache) if name == "minute" else played(cache, name)


def played(cache: Path, name: str) -> Path:
    """Return the file of a stereo sound, played with reverberation and chorus if it is not there yet."""
    path = cache / "sounds" / f"{name}.wav"
    if not path.exists():
        import fluidsynth

        bank, program, key, held, total = PLAYED[name]
        synth = fluidsynth.Synth(gain=0.6, samplerate=RATE, **{"synth.dynamic-sample-loading": 1})
        synth.program_select(0, synth.sfload(BANK), bank, program)
        for control, value in ((10, 50), (91, 40), (93, 30)):  # pan, reverberation, chorus
            synth.cc(0, control, value)
        synth.noteon(0, key, 100)
        parts = [synth.get_samples(round(held * RATE))]
        synth.noteoff(0, key)
        parts.append(synth.get_samples(round(total * RATE) - round(held * RATE)))
        synth.delete()
        stereo = np.concatenate(parts).reshape(-1, 2).astype(np.float32) / 32768
        stereo[:, 1] = np.roll(stereo[:, 1], 13)  # 0.3 ms later: no channel is a multiple of the other
        write_sound(path, stereo)
    return path


def played_minute(cache: Path) -> Path:
    """Return the file of violin notes one after the other."""
    path = cache / "sounds" / "minute.wav"
    if not path.exists():
        note = soundfile.read(played(cache, "violin"), dtype="float32")[0]
        count = round(MINUTE * RATE)
        write_sound(path, np.concatenate([note] * -(-count // len(note)))[:count])
    return path


def write_sound(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path.with_suffix(".part.wav"), samples, RATE, subtype="PCM_16")
    path.with_suffix(".part.wav").replace(path)


def note_set(cache: Path, rate: str) -> Path:
    """Return the note set of a sample rate, rendered if it is not there yet."""
    return once(cache / f"notes-{rate}", "data", "render", *NOTE_SETS[rate], *RENDERED)


def prepared_set(cache: Path, settings: str, rate: str) -> Path:
    """Return prepared features, made if they are not there yet."""
    folder = cache / f"prepared-{settings}"
    if not folder.exists():
        prepare(cache, settings, rate, folder.with_suffix(".part"), train=64, valid=16)
        folder.with_suffix(".part").rename(folder)
    return folder


def prepare(cache: Path, settings: str, rate: str, out: Path, *, train: int, valid: int) -> None:
    words = ("--settings", CHECKOUT / "configs" / f"{settings}.toml", "--train", str(train), "--valid", str(valid))
    run("data", "prepare", note_set(cache, rate), "-o", out, *words, "--workers", "1")


def once(folder: Path, *words: str) -> Path:
    """Return a folder that a verb makes if it is not there yet."""
    if not folder.exists():
        run(*words, "-o", folder.with_suffix(".part"))
        folder.with_suffix(".part").rename(folder)
    return folder
