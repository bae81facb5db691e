"""Seeded cases of damaged sounds and settings and of extreme numbers; each must work or be refused in a sentence.

As a program, ``python fuzz.py KIND FIRST COUNT``, it works through cases of one kind with little memory, prints the
number of each before it begins and what went wrong after it.
"""

import io
import json
import math
import random
import resource
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path

import soundfile
import torch
from conftest import SAMPLE_RATE, tone, untrained_codec

from intertone import MixCurve, MorphConfig, PhaseConfig, models, morph
from intertone.audio import encode_audio, load_audio, resample, save_audio
from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.models import ConditionedConfig
from intertone.representation import HarmonicConfig
from intertone.train.settings import TrainConfig

ROOT = Path(__file__).parent.parent
MEMORY = 6 * 2**30
"""Bytes of address space of a process, of which PyTorch alone takes half."""

BUILT_WEIGHTS = 2_000_000
"""Largest model that is built: larger ones are legal up to 2 GB, and take their time."""

NUMBERS = (0, -1, 1, 2, 3, 0.5, -0.5, 1e-9, 1e9, 1e30, 1e308, -1e308, math.inf, -math.inf, math.nan, 2**31, 2**63)
EXTREMES = (*NUMBERS, -(2**63), 10**400)
WORDS = ("", "a", "conv", "ü", "\ud800", "x" * 10_000, "1", "nan", "0:0", "A4", "C-9")

FORMATS = [
    *(("WAV", coding) for coding in ("PCM_16", "PCM_24", "FLOAT", "DOUBLE", "IMA_ADPCM", "ULAW")),
    *(("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("FLAC", "PCM_16")),
    *(("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")),
]
PITCHES = ("glide", "a", "b", "c", "A3", "C#9", "C-1", "0", "127", "128", "-1", "nearest", "free", "", "G9")


# sounds


@cache
def whole_file(container: str, coding: str, channels: int) -> bytes:
    stream = io.BytesIO()
    sound = tone(60, seconds=0.4).numpy()[:, None].repeat(channels, axis=1)
    soundfile.write(stream, sound, SAMPLE_RATE, format=container, subtype=coding)
    return stream.getvalue()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes, half of the time near the beginning, where the headers are."""
    result = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        size = len(result)
        if not size:
            break
        place = chance.randrange(min(size, 128) if chance.random() < 0.5 else size)
        length = chance.choice((1, 2, 4, 8, 64, 512))
        match chance.randrange(8):
            case 0:
                result[place] ^= 1 << chance.randrange(8)
            case 1:
                result[place : place + length] = chance.randbytes(length)
            case 2:
                result[place : place + 4] = chance.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
            case 3:
                del result[place : place + length]
            case 4:
                result[place:place] = result[place : place + length]
            case 5:
                del result[place:]
            case 6:
                result[place:place] = bytes(length)
            case 7:
                other = chance.randrange(size)
                result[place : place + length] = result[other : other + length]
    return bytes(result)


def sound_case(chance: random.Random, folder: Path) -> None:
    content = whole_file(*chance.choice(FORMATS), chance.choice((1, 2)))
    if chance.random() < 0.1:
        content += whole_file(*chance.choice(FORMATS), 1)
    path = folder / chance.choice(("a.wav", "a.aiff", "a.flac", "a.ogg", "a.mp3", "a", "a.raw", "ä.wav"))
    path.write_bytes(mutated(content, chance))
    audio, rate = load_audio(path, sample_rate=chance.choice((None, None, 44_100)))
    assert audio.ndim == 2 and audio.dtype == torch.float32 and bool(audio.isfinite().all())
    assert audio.shape[-1] >= 0.02 * rate - 1 and audio.abs().max() <= 1.1e4


# settings


def settings_files() -> list[Path]:
    return sorted([*(ROOT / "configs").glob("*.toml"), *(ROOT / "src/intertone/codecs").glob("*/config.json")])


def extreme(chance: random.Random) -> object:
    match chance.randrange(6):
        case 0:
            return chance.choice(WORDS)
        case 1:
            return chance.choice((None, True, [], {}, [[]], [1] * 1000, {"kind": "conv"}, [1e999], [None]))
        case 2:
            return chance.randint(-5, 5000)
        case _:
            return chance.choice(EXTREMES)


def change_settings(content: dict[str, object], chance: random.Random) -> None:
    """Change one thing at a random depth of a mapping."""
    place: object = content
    while True:
        inside = list(place) if isinstance(place, dict) else list(range(len(place)))  # type: ignore[arg-type]
        if not inside or chance.random() < 0.05:
            if isinstance(place, dict):
                place[chance.choice(WORDS)] = extreme(chance)
            return
        name = chance.choice(inside)
        value = place[name]  # type: ignore[index]
        if isinstance(value, dict | list) and chance.random() < 0.8:
            place = value
            continue
        if chance.random() < 0.1:
            del place[name]  # type: ignore[attr-defined]
        else:
            place[name] = extreme(chance)  # type: ignore[index]
        return


def settings_case(chance: random.Random, folder: Path) -> None:
    source = chance.choice(settings_files())
    path = folder / f"config{source.suffix}"
    text = source.read_text(encoding="utf-8")
    if chance.random() < 0.25:
        path.write_bytes(mutated(text.encode(), chance))
    else:
        content = tomllib.loads(text) if source.suffix == ".toml" else json.loads(text)
        for _ in range(chance.choice((1, 1, 2, 5))):
            change_settings(content, chance)
        path = folder / "config.json"
        path.write_text(json.dumps(content), encoding="utf-8")
    if source.suffix == ".toml":
        config = TrainConfig.read(path)
        if source.stem == "families":  # a classifier is no codec
            return
        config = CodecConfig(representation=config.representation, model=config.model)
    else:
        config = CodecConfig.read(path)
    codec = Codec(config)
    assert codec.model.latent_dim >= 1


# numbers


@cache
def codecs() -> tuple[Codec, Codec]:
    representation = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    torch.manual_seed(0)
    return Codec(CodecConfig(representation=representation, model=model)), untrained_codec()


def odd_sound(chance: random.Random) -> torch.Tensor:
    seconds = chance.choice((0.1, 0.2, 0.4))
    sound = tone(chance.choice((20, 48, 60, 61.3, 100)), seconds=seconds)
    match chance.randrange(14):
        case 0:
            sound = torch.randn(len(sound), generator=torch.Generator().manual_seed(chance.randrange(2**31)))
        case 1:
            sound = torch.zeros(len(sound))
        case 2:
            sound = torch.full((len(sound),), chance.choice((1.0, -1.0, 1e4, 1e-30, math.nan, math.inf, 3e38)))
        case 3:
            sound = torch.zeros(len(sound))
            sound[chance.randrange(len(sound))] = chance.choice((1.0, 1e4, 1e-8, math.nan))
        case 4:
            sound = sound * chance.choice((1e4, 2e4, 1e-6, 1e-20, 1e-38, 1e-45, 1e30))
        case 5:
            sound = sound[: chance.choice((0, 1, 2, 3, 100, 399))]
        case 6:
            sound = sound.repeat(chance.choice((1, 2, 8, 9, 100)), 1)
        case 7:
            sound = sound[None, None].repeat(chance.choice((1, 2)), 1, 1)
        case 8:
            sound = sound[:, None].repeat(1, 2)
        case 9:
            sound = sound.double() if chance.random() < 0.5 else sound.half()
        case 10:
            sound = (sound * 32767).to(chance.choice((torch.int16, torch.int64, torch.bool, torch.complex64)))
        case 11:
            sound = sound.sign()
    return sound


def ratio(chance: random.Random) -> object:
    def number() -> float:
        if chance.random() < 0.85:
            return chance.choice((0, 1, 0.5, 0.25, 0.75, -0.5, 1.5, 1e-9, 0.999999, -1e-12, 1.5000001))
        return chance.choice(NUMBERS)

    match chance.randrange(5):
        case 0:
            return tuple(number() for _ in range(chance.choice((0, 1, 2, 3))))
        case 1:
            points = sorted(abs(number()) for _ in range(chance.choice((1, 2, 3))))
            return MixCurve(tuple(points), tuple(number() for _ in points))
        case 2:
            parts = [
                f"{number()}" if chance.random() < 0.8 else chance.choice(WORDS)
                for _ in range(chance.choice((1, 2, 3)))
            ]
            return chance.choice((",", ":", ", ")).join(parts)
        case _:
            return number()


def number_case(chance: random.Random, folder: Path) -> None:
    match chance.randrange(10):
        case 0:
            rates = [chance.choice((8000, 44100, 4000, 384000, 0, -1, 3999, 2**31, 10**30)) for _ in range(2)]
            found = resample(tone(60, seconds=0.1), *rates)
            assert bool(found.isfinite().all())
            return
        case 1:
            sound = odd_sound(chance)
            if not sound.is_floating_point() or sound.ndim > 2:
                return  # the caller's error, ValueError
            name = chance.choice(("a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.txt", "a"))
            rate = chance.choice((8000, 44100, 48000, 384000, 200_001, 65_537, 0, -1, 2**40))
            form = chance.choice((None, None, "pcm16", "float32", "pcm8"))
            encode_audio(name, sound, sample_rate=rate, format=form)
            save_audio(folder / name, sound, sample_rate=rate, format=form)
            return
    codec = codecs()[chance.random() < 0.3]
    settings: dict[str, object] = {}
    if chance.random() < 0.5:
        settings["pitch"] = chance.choice(PITCHES)
    if chance.random() < 0.3:
        settings["alignment"] = chance.choice(("none", "onset", "envelope", "x"))
    if chance.random() < 0.4:
        settings["network"] = chance.choice((None, "residual", "full", "none", "carried", "x"))
    for name in ("strength", "register_strength", "hold_seconds"):
        if chance.random() < 0.2:
            settings[name] = chance.choice((0, 4, 1e-9, 0.05, 1, 2, -1, 1e300, math.nan, math.inf, None, "a"))
    if chance.random() < 0.2:
        settings["length"] = chance.choice(("mean", "longest", "a", "c", ""))
    if chance.random() < 0.1:
        settings["even"] = True
    names = ("harmonics", "noise", "envelope", "pitch", "x")
    ratios = {name: ratio(chance) for name in names if chance.random() < 0.1}
    phase = PhaseConfig.parse({"n_iter": 2}) if chance.random() < 0.8 else None
    sounds = [odd_sound(chance) for _ in range(chance.choice((1, 2, 2, 2, 2, 2, 3)))]
    mix, config = ratio(chance), MorphConfig.parse(settings)
    result = morph(codec, *sounds, mix=mix, config=config, ratios=ratios or None, phase=phase)  # type: ignore[arg-type]
    assert bool(result.isfinite().all()), "not finite"
    loudest = max(float(sound.float().abs().max()) for sound in sounds)
    assert float(result.abs().max()) <= 32 * max(loudest, 1e-5), f"{float(result.abs().max())} from {loudest}"


CASES: dict[str, Callable[[random.Random, Path], None]] = {
    "sounds": sound_case,
    "settings": settings_case,
    "numbers": number_case,
}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(kind: str, first: int, count: int) -> None:
    torch.set_num_threads(1)
    models.MOST_WEIGHTS = BUILT_WEIGHTS
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(first, first + count):
        say(f"case {number}")
        with tempfile.TemporaryDirectory() as folder:
            try:
                CASES[kind](random.Random(f"{kind} {number}"), Path(folder))
            except InputError as error:
                sentence = str(error)
                if "\n" in sentence or not 10 <= len(sentence) <= 1000:
                    say(f"failed {number}: not one sentence: {sentence[:2000]!r}")
            except BaseException:
                say(f"failed {number}: {traceback.format_exc()}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
