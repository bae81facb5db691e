"""Hashes of what a checkout makes: codes, sounds, prepared features and trained weights, to compare two checkouts.

    PYTHONPATH=before/src python benchmarks/hashes.py --cache DIR -o before.json
    PYTHONPATH=after/src python benchmarks/hashes.py --cache DIR -o after.json
    python benchmarks/hashes.py --compare before.json after.json

Both runs must be on one machine: sums are rounded differently on another processor. PyTorch has one thread. The cache
holds what both read: sounds played by FluidSynth, and note sets and prepared features that the checkout of the first
run made, so the second run also shows that it reads what the first one wrote. The hashes are of no use elsewhere and
are not committed.

Everything is made with the command line and with the names that ``intertone`` itself exports, so the script survives
changes inside the package. The results are kept as arrays in a folder beside the file of hashes, and ``--compare`` says
how large each difference is, in dB relative to the first result.

Needs pyfluidsynth, libfluidsynth3 and fluidr3mono-gm-soundfont where the cache is empty.
"""

import argparse
import contextlib
import fnmatch
import hashlib
import io
import json
import logging
import os
import platform
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from safetensors.torch import load_file

import intertone

CHECKOUT = Path(intertone.__file__).parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Variables that libraries read when they are loaded."""

CODECS = ("thesis", "harmonic", "harmonic-16k")
MIXES = (0.02, 0.3, 0.5, 0.98)
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

PREPARED = {"harmonic": "44k", "harmonic-16k": "16k"}
"""Settings whose features are prepared, and the note set that they are prepared from."""

TRAINED = (
    *("precision=float32", "batch_size=6", "epochs=2", "notes_per_epoch=0", "choice.valid_notes=8"),
    *("stop_patience=1000", "sample_every=1000"),
)
"""Settings of the runs: 64 training notes in batches of 6 are 10 steps an epoch."""

Results = Mapping[str, np.ndarray]
Entry = tuple[str, Callable[[Path], Results]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, help="folder of sounds and note sets, the same for all that is compared")
    parser.add_argument("-o", "--out", type=Path, help="the JSON file of hashes; arrays go to a folder of its name")
    parser.add_argument("--only", help="make or compare only what matches, such as 'harmonic/*' or 'train'")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="two files of hashes")
    options = parser.parse_args()
    if options.compare:
        sys.exit(compare(*options.compare, options.only))
    if options.cache is None or options.out is None:
        parser.error("--cache and --out are needed, or --compare")
    if not ONE_THREAD.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    torch.set_num_threads(1)
    measure(options.cache.resolve(), options.out.resolve(), options.only)


def measure(cache: Path, out: Path, only: str | None) -> None:
    """Make every entry that ``only`` matches and write its hashes and arrays."""
    started = time.monotonic()
    arrays = out.with_suffix("")
    arrays.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    chosen = [entry for entry in entries(cache) if only is None or matches(entry[0], only)]
    for number, (name, make) in enumerate(chosen, 1):
        before = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="intertone-hashes-") as folder:
                results = make(Path(folder))
            found |= {f"{name}{suffix}": keep(arrays, f"{name}{suffix}", result) for suffix, result in results.items()}
            said = f"{len(results)} results"
        except (Exception, SystemExit) as error:  # the others shall still be made
            found[name] = {"error": f"{type(error).__name__}: {error}"}
            said = found[name]["error"]
        seconds, total = time.monotonic() - before, time.monotonic() - started
        print(f"{number}/{len(chosen)} {name}: {said} ({seconds:.1f} s, {total:.0f} s in all)", flush=True)
        out.write_text(json.dumps({"environment": environment(), "results": found}, indent=1) + "\n", encoding="utf-8")


def matches(name: str, pattern: str) -> bool:
    """Say whether an entry is asked for: by a shell pattern, or by a part of its name."""
    return fnmatch.fnmatch(name, pattern) or pattern in name


def keep(folder: Path, name: str, result: np.ndarray) -> dict[str, Any]:
    """Write a result as an array and return its hash; text is an array of bytes."""
    result = np.ascontiguousarray(result)
    path = folder / f"{name.replace('/', '--')}.npy"
    np.save(path, result.astype(np.float32) if result.dtype.kind == "f" else result)
    digest = hashlib.sha256(f"{result.dtype.str} {result.shape} ".encode() + result.tobytes()).hexdigest()
    return {"sha256": digest, "shape": list(result.shape), "array": path.name}


def environment() -> dict[str, str]:
    """Return what decides how sums are rounded, and the commit."""
    git = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {"commit": commit or "unknown", "capability": torch.backends.cpu.get_cpu_capability(), **versions}


def compare(first: Path, second: Path, only: str | None) -> int:
    """Print a line for each result that differs; return 1 if there is one."""
    one, other = (json.loads(path.read_text(encoding="utf-8")) for path in (first, second))
    for name in ("capability", "python", "torch", "numpy"):
        if one["environment"][name] != other["environment"][name]:
            print(f"note: {name} was {one['environment'][name]}, then {other['environment'][name]}")
    names = [name for name in {**one["results"], **other["results"]} if only is None or matches(name, only)]
    different = 0
    for name in names:
        a, b = one["results"].get(name), other["results"].get(name)
        if a is not None and b is not None and "error" not in a and a.get("sha256") == b.get("sha256"):
            continue
        different += 1
        print(f"{name}: {difference(first, a, second, b)}")
    print(f"{different} of {len(names)} results differ")
    return int(different > 0)


def difference(first: Path, a: dict[str, Any] | None, second: Path, b: dict[str, Any] | None) -> str:
    """Say how two results differ."""
    for path, result in ((first, a), (second, b)):
        if result is None:
            return f"missing in {path}"
        if "error" in result:
            return f"error in {path}: {result['error']}"
    assert a is not None and b is not None
    if a["shape"] != b["shape"]:
        return f"shape {a['shape']}, then {b['shape']}"
    try:
        x, y = (np.load(path.with_suffix("") / found["array"]) for path, found in ((first, a), (second, b)))
    except OSError as error:
        return f"differs, and an array is missing: {error}"
    if x.dtype.kind != "f" or y.dtype.kind != "f":
        return "the text differs" if x.dtype == y.dtype == np.uint8 else f"differs, {x.dtype} and {y.dtype}"
    x, y = x.astype(np.float64), y.astype(np.float64)
    level, scale = np.sqrt(np.mean((x - y) ** 2)), np.sqrt(np.mean(x**2))
    if not np.isfinite(level):
        return "differs, not all values are finite"
    if not level:
        return "differs in type only"
    relative = f"{20 * np.log10(level / scale):.1f} dB relative" if scale else "the first is zero"
    return f"{relative}, largest difference {np.abs(x - y).max():.3g}"


# ---------------------------------------------------------------------------------------------------------------------
# The entries
# ---------------------------------------------------------------------------------------------------------------------


def entries(cache: Path) -> Iterator[Entry]:
    """Yield the name of each entry and the function that makes its results in an empty folder."""
    yield from codec_entries(cache)
    yield from sound_entries(cache)
    yield from keys_entries(cache)
    yield from data_entries(cache)
    yield from training_entries(cache)


def codec_entries(cache: Path) -> Iterator[Entry]:
    """The shipped codecs on the two example notes."""
    first, second = (CHECKOUT / "examples" / name for name in ("english-horn.wav", "sitar.wav"))
    for codec in CODECS:
        yield f"{codec}/encode", lambda _folder, codec=codec: encoded(codec, first)
        for source in (first, second):
            words = ("reconstruct", str(source), "--codec", codec)
            yield f"{codec}/reconstruct/{source.stem}", sound_of(cache, *words)
        for mix in MIXES:
            yield (
                f"{codec}/morph/{mix}",
                sound_of(cache, "morph", str(first), str(second), "--mix", str(mix), "--codec", codec),
            )
    words = ("morph", str(first), str(second), "--codec", "thesis")
    for phase in ("pghi", "fast-griffin-lim", "griffin-lim"):
        yield f"thesis/phase/{phase}", sound_of(cache, *words, "--phase", phase, "--iterations", "4")
    yield "thesis/even-steps", folder_of(cache, *words, "--even", "--steps", "3", "--iterations", "4", form="float32")
    for codec in ("thesis", "harmonic"):
        yield f"{codec}/python-morph", lambda _folder, codec=codec: morphed_in_python(codec, first, second)
    yield "harmonic/file/24-bit", file_of(cache, "morph", str(first), str(second), "--mix", "0.5")
    yield "harmonic/file/48-kHz", sound_of(cache, "morph", str(first), str(second), "--sample-rate", "48000")


def sound_entries(cache: Path) -> Iterator[Entry]:
    """The codec ``harmonic`` on stereo sounds of a bank."""
    pairs = {
        "two-pitches": ("violin", "flute", "--mix", "0.4"),
        "bell": ("bell", "flute", "--mix", "0.5"),
        "stretched-string": ("low-piano", "cello", "--mix", "0.5"),
        "snare-and-pad": ("snare", "pad", "--mix", "0.5"),
        "pad-and-snare-near-end": ("pad", "snare", "--mix", "0.02"),
        "decaying-and-held": ("guitar", "organ", "--mix", "0.5"),
        "three": ("violin", "flute", "guitar", "--mix", ".2,.3,.5"),
        "curve": ("long-violin", "long-flute", "--mix", "0:0,1.5:0.7,3:1"),
        "beyond": ("violin", "flute", "--mix", "1.3"),
        "end": ("violin", "flute", "--mix", "1"),
        "mix-harmonics": ("violin", "flute", "--mix-harmonics", "0.9"),
        "mix-noise": ("violin", "flute", "--mix-noise", "0.9"),
        "mix-envelope": ("guitar", "organ", "--mix-envelope", "0.9"),
        "mix-pitch": ("violin", "flute", "--mix-pitch", "0.9"),
        "mix-harmonics-curve": ("long-violin", "long-flute", "--mix-harmonics", "0:0,1:0.9"),
        "pitch-a3": ("violin", "flute", "--pitch", "A3"),
        "pitch-of-a": ("violin", "flute", "--pitch", "a"),
        "align-none": ("trumpet", "guitar", "--align", "none"),
        "align-onset": ("trumpet", "guitar", "--align", "onset"),
        "network-carried": ("violin", "trumpet", "--network", "carried"),
        "network-alone": ("violin", "trumpet", "--network", "alone"),
        "network-none": ("violin", "trumpet", "--network", "none"),
        "strength-register": ("violin", "trumpet", "--strength", "1", "--register", "0.5"),
    }
    for name, words in pairs.items():
        yield f"harmonic/{name}", sound_of(cache, "morph", *words)
    yield (
        "harmonic/even-steps",
        folder_of(cache, "morph", "violin", "trumpet", "--even", "--steps", "5", form="float32"),
    )
    yield "harmonic-16k/stereo", sound_of(cache, "morph", "violin", "flute", "--codec", "harmonic-16k")
    yield "thesis/stereo", sound_of(cache, "morph", "violin", "flute", "--codec", "thesis")
    yield "harmonic/minute/reconstruct", sound_of(cache, "reconstruct", "minute")
    yield "harmonic/minute/morph", sound_of(cache, "morph", "minute", "flute", "--mix", "0.3")
    yield "thesis/minute/reconstruct", sound_of(cache, "reconstruct", "minute", "--codec", "thesis")


def keys_entries(cache: Path) -> Iterator[Entry]:
    """Keys of an instrument, as they are and looped: the sounds, and the text that maps them."""
    pair = ("violin", "organ")
    yield (
        "keys/as-they-are",
        folder_of(cache, "keys", *pair, "--mix", "0.3", "--range", "C4:D4", "--every", "2", form="float32"),
    )
    # with --seconds, the sustain is held six seconds and looped
    looped = ("keys", *pair, "--mix", "0.5", "--range", "G3:G3", "--seconds", "6")
    yield "keys/looped", folder_of(cache, *looped, form="float32")
    yield "keys/looped-one-sound", folder_of(cache, "keys", pair[1], "--range", "C4:C4", "--seconds", "3", form="pcm16")


def data_entries(cache: Path) -> Iterator[Entry]:
    """What a note set and prepared features are when they are made anew."""

    def rendered(folder: Path) -> Results:
        words = ("--programs", "24,68", "--pitch-min", "57", "--pitch-max", "64", "--pitch-step", "7")
        run("data", "render", "-o", folder / "notes", *words, "--velocities", "100", "--workers", "1")
        return arrays_in(folder / "notes")

    def imported(folder: Path) -> Results:
        (folder / "sounds").mkdir()
        for name in ("violin", "flute", "trumpet", "guitar"):
            shutil.copy(played(cache, name), folder / "sounds" / f"{name}-057-100.wav")
        run("data", "import", folder / "sounds", "-o", folder / "notes", "--seconds", "2", "--split-by", "note")
        return arrays_in(folder / "notes")

    yield "data/render", rendered
    yield "data/import", imported
    for settings, rate in PREPARED.items():

        def prepared(folder: Path, settings: str = settings, rate: str = rate) -> Results:
            prepare(cache, settings, rate, folder / "prepared", train=8, valid=4)
            return arrays_in(folder / "prepared")

        yield f"data/prepare/{settings}", prepared


def training_entries(cache: Path) -> Iterator[Entry]:
    """The weights after 20 steps of each run that is shipped, on note sets that the first run made."""
    for settings in CODECS:

        def trained(folder: Path, settings: str = settings) -> Results:
            rate = PREPARED.get(settings)
            data = note_set(cache, "16k") if rate is None else prepared_set(cache, settings, rate)
            sets = [word for setting in TRAINED for word in ("--set", setting)]
            file = CHECKOUT / "configs" / f"{settings}.toml"
            run("train", file, "--data", data, "--out", folder / "run", *sets)
            weights = load_file(folder / "run" / "last" / "model.safetensors")
            shapes = "".join(f"{name} {tuple(value.shape)} {value.dtype}\n" for name, value in sorted(weights.items()))
            values = [weights[name].float().flatten() for name in sorted(weights)]
            return {"/weights": torch.cat(values).numpy(), "/names": as_bytes(shapes)}

        yield f"train/{settings}", trained


def encoded(codec: str, source: Path) -> Results:
    """Return the code of a sound, and what is decoded of it, also after a change."""
    loaded = intertone.Codec.load(codec)
    audio, _ = intertone.load_audio(source, sample_rate=loaded.sample_rate)
    latents, context = loaded.encode(audio)
    seeded = torch.Generator().manual_seed(0)
    changed = loaded.decode(0.9 * latents, context.as_edited(), generator=seeded)
    return {
        "/latents": latents.numpy(),
        "/decoded": loaded.decode(latents, context).numpy(),
        "/changed": changed.numpy(),
    }


def morphed_in_python(codec: str, first: Path, second: Path) -> Results:
    """Return a morph that the function makes, of a sound and a stereo sound of another length."""
    loaded = intertone.Codec.load(codec)
    a, b = (intertone.load_audio(path, sample_rate=loaded.sample_rate)[0] for path in (first, second))
    short = b[..., : round(2.5 * loaded.sample_rate)]
    stereo = torch.cat([short, 0.7 * short.roll(9, -1)])
    return {"": intertone.morph(loaded, a, stereo, mix=0.35).numpy()}


# ---------------------------------------------------------------------------------------------------------------------
# The command line
# ---------------------------------------------------------------------------------------------------------------------


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


def sound_of(cache: Path, *words: str) -> Callable[[Path], Results]:
    """Return the function that runs a verb and returns the samples of its sound."""

    def make(folder: Path) -> Results:
        run(*with_sounds(cache, words), "-o", folder / "out.wav", "--format", "float32")
        return {"": samples_of(folder / "out.wav")}

    return make


def file_of(cache: Path, *words: str) -> Callable[[Path], Results]:
    """Return the function that runs a verb and returns the bytes of its file."""

    def make(folder: Path) -> Results:
        run(*with_sounds(cache, words), "-o", folder / "out.wav")
        return {"": np.frombuffer((folder / "out.wav").read_bytes(), np.uint8)}

    return make


def folder_of(cache: Path, *words: str, form: str) -> Callable[[Path], Results]:
    """Return the function that runs a verb and returns the samples and texts of its folder."""

    def make(folder: Path) -> Results:
        run(*with_sounds(cache, words), "-o", folder / "out", "--format", form)
        return {
            f"/{path.name}": samples_of(path) if path.suffix == ".wav" else np.frombuffer(path.read_bytes(), np.uint8)
            for path in sorted((folder / "out").iterdir())
        }

    return make


def with_sounds(cache: Path, words: Sequence[str]) -> list[str]:
    """Return the words of a command with files in place of the names of sounds."""
    return [str(sound(cache, word)) if word in PLAYED or word == "minute" else word for word in words]


def samples_of(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.concatenate([np.full((1, samples.shape[1]), rate, np.float32), samples])  # the rate counts too


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def arrays_in(folder: Path) -> Results:
    """Return the arrays of a note set or of prepared features, and the columns of its index."""
    found: dict[str, np.ndarray] = {f"/{path.name}": np.load(path) for path in sorted(folder.glob("*.npy"))}
    with np.load(folder / "index.npz") as index:
        for name in sorted(index.files):
            column = index[name]
            found[f"/index/{name}"] = np.char.add(column, b"\n").view(np.uint8) if column.dtype.kind == "S" else column
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The cache
# ---------------------------------------------------------------------------------------------------------------------


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


if __name__ == "__main__":
    main()
