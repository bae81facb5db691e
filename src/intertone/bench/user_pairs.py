"""Pairs of sounds of a user, read from a folder; their ideal morph is not known."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from intertone.audio import load_audio
from intertone.bench.instruments import ONSET_SECONDS
from intertone.bench.pair import Kind, Pair
from intertone.bench.real_pairs import Facts, find_facts
from intertone.bench.score import SAMPLE_RATE, at_bench_rate
from intertone.container import SUFFIXES
from intertone.downmix import mix_to_mono
from intertone.errors import InputError
from intertone.harmonic.onset import find_onset
from intertone.pitch.note import hz_to_cents
from intertone.pitch.yin import note_pitch
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

ANY_PITCH = 0.3
"""Value of ``ONE_PITCH`` for the sounds of a user; it is lower because vibrato alone can reduce the share to 0.45."""

SHORTEST_SECONDS, LONGEST_SECONDS = 1.3, 10.0
"""Shortest and longest duration of a sound, measured from its onset."""

LITTLE_SECONDS = 0.01
"""Time in seconds by which an onset may be later than ``ONSET_SECONDS`` before the silence is cut."""

_NAME = re.compile(r"^(.+)-([ab])$", re.IGNORECASE)


@dataclass(frozen=True)
class OwnPairs:
    """Pairs that were read from a folder.

    Attributes:
        pairs: Pairs that can be evaluated.
        skipped: Name of each other pair → reason why it was skipped.
    """

    pairs: list[Pair]
    skipped: dict[str, str]


def folder_pairs(folder: Path, *, sample_rate: int, from_onset: bool = True) -> OwnPairs:
    """Read pairs of sounds: ``NAME-a.wav`` and ``NAME-b.wav``, or FLAC, AIFF, OGG, MP3.

    The kind of a pair is determined by measurement: ``different`` if the f0 differ by more than 40 cents,
    ``percussive`` if exactly one sound decays, otherwise ``same``. Stereo is mixed to mono, and the shorter sound is
    padded with silence. Changes and skipped pairs are logged.

    Args:
        folder: Folder of the files.
        sample_rate: Sample rate of the pairs, Hz.
        from_onset: Whether silence before the onset is cut to 20 ms, as in the synthetic notes.

    Returns:
        The pairs, and the reasons why others were skipped: one sound is missing, or a sound cannot be read, has no
        clear pitch, or does not last 1.3 to 10 seconds.

    Raises:
        InputError: If the folder does not exist or no pair can be used.
    """
    files = find_files(folder)
    pairs, skipped, mixed = [], {}, list[str]()
    for name, ends in files.items():
        try:
            pairs.append(_read_pair(name, ends, sample_rate, from_onset, mixed))
        except InputError as error:
            skipped[name] = str(error)
    if not pairs:
        more = f" ({len(skipped)} pairs were skipped)" if len(skipped) > 1 else ""
        raise InputError(next(iter(skipped.values())) + more)
    say_mixed(mixed)
    for name, reason in skipped.items():
        logger.warning("skipped the pair %s: %s", name, reason)
    return OwnPairs(pairs, skipped)


def read_mono(path: Path, *, sample_rate: int, mixed: list[str]) -> Tensor:
    """Return a sound file as ``(samples,)``, its channels mixed to one.

    Args:
        path: The file.
        sample_rate: Sample rate of the result, Hz.
        mixed: List to which the file's name is appended if it has several channels.

    Raises:
        InputError: If the file cannot be read.
    """
    sound = load_audio(path, sample_rate=sample_rate)[0]
    if len(sound) > 1:
        mixed.append(path.name)
    return mix_to_mono(sound)


def say_mixed(names: Collection[str]) -> None:
    """Log that these files were mixed to mono."""
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        logger.info("the bench evaluates mono: the channels of %s%s were mixed to one", next(iter(names)), more)


def find_files(folder: Path) -> dict[str, list[tuple[str, Path]]]:
    """Return the files of pairs in a folder, by their names.

    Args:
        folder: Folder of the files.

    Returns:
        Name of the pair → ``a`` or ``b``, and the path, of each file.

    Raises:
        InputError: If the folder does not exist or has no file of a pair.
    """
    if not folder.is_dir():
        raise InputError(f"the pairs must lie in a folder, got {folder}")
    files: dict[str, list[tuple[str, Path]]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.stem)
        if match and path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            files.setdefault(match[1], []).append((match[2].lower(), path))
    if not files:
        raise InputError(f"the folder must hold NAME-a.wav and NAME-b.wav, got none in {folder}")
    return files


def _read_pair(name: str, files: list[tuple[str, Path]], sample_rate: int, from_onset: bool, mixed: list[str]) -> Pair:
    ends = dict(files)
    if len(ends) < len(files):
        raise InputError(f"a pair must have one sound a and one b, got {', '.join(path.name for _, path in files)}")
    if len(ends) < 2:
        raise InputError(f"a pair must have a sound a and a sound b, got only one for {name}")
    stereo: list[str] = []
    read = [_read_sound(ends[end], sample_rate, from_onset, stereo) for end in "ab"]
    sounds, facts, taken = zip(*read, strict=True)
    cents = abs(float(hz_to_cents(facts[0].f0, facts[1].f0)))
    plucked = sum(bool(found.percussive) for found in facts)
    kind: Kind = "different" if cents > 40 else "percussive" if plucked == 1 else "same"
    length = max(len(sound) for sound in sounds)
    a, b = (torch.nn.functional.pad(sound, (0, length - len(sound))) for sound in sounds)
    cut = f", silence of {taken[0]:.2f} and {taken[1]:.2f} s in front left out" if max(taken) else ""
    logger.info("%s: %s, %.1f and %.1f Hz%s", name, kind, facts[0].f0, facts[1].f0, cut)
    mixed += stereo
    title = ", ".join(ends[end].name for end in "ab")
    return Pair(name, kind, title, a, b, facts[0].f0, facts[1].f0, sample_rate)


def _read_sound(path: Path, sample_rate: int, from_onset: bool, mixed: list[str]) -> tuple[Tensor, Facts, float]:
    """Return a sound, its f0 and envelope type, and the seconds of silence that were cut before the onset."""
    sound, start = read_mono(path, sample_rate=sample_rate, mixed=mixed), 0
    if from_onset:
        late = find_onset(sound[None], sample_rate) - round(ONSET_SECONDS * sample_rate)
        start = late if late > LITTLE_SECONDS * sample_rate else 0
        sound = sound[start:]
    seconds = len(sound) / sample_rate
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        limits = f"{SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} s"
        raise InputError(f"a sound of a pair must be {limits} long, got {seconds:.2f} s: {path}")
    f0 = note_pitch(at_bench_rate(sound, sample_rate), SAMPLE_RATE)
    facts = find_facts(sound, sample_rate, f0, ANY_PITCH) if f0 == f0 else None
    if facts is None:
        raise InputError(f"a sound of a pair must have one clear pitch, got none in {path}")
    return sound, facts, start / sample_rate
