"""The results that ``hashes.py`` hashes: codes, sounds, prepared features and trained weights, by name."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from hash_sources import CHECKOUT, PLAYED, note_set, played, prepare, prepared_set, run, sound
from safetensors.torch import load_file

import intertone

CODECS = ("thesis", "harmonic", "harmonic-16k")
MIXES = (0.02, 0.3, 0.5, 0.98)
PREPARED = {"harmonic": "44k", "harmonic-16k": "16k"}
"""Settings whose features are prepared, and the note set that they are prepared from."""

TRAINED = (
    *("precision=float32", "batch_size=6", "epochs=2", "notes_per_epoch=0", "choice.valid_notes=8"),
    *("stop_patience=1000", "sample_every=1000"),
)
"""Settings of the runs: 64 training notes in batches of 6 are 10 steps an epoch."""

Results = Mapping[str, np.ndarray]
Entry = tuple[str, Callable[[Path], Results]]


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
        "network-residual": ("violin", "trumpet", "--network", "residual"),
        "network-full": ("violin", "trumpet", "--network", "full"),
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
