"""Pairs of real notes: drawn from a note set, or anybody's files. Nobody knows what they should become."""

import logging
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from intertone.audio import load_audio
from intertone.bench.material import key_name
from intertone.bench.pair import KINDS, Kind, Pair
from intertone.bench.score import SAMPLE_RATE, at_bench_rate
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.metrics.fusion import decay_db, fit_comb, spectral_peaks
from intertone.pitch import hz_to_cents, note_pitch, pitch_to_hz

logger = logging.getLogger(__name__)

SUSTAINED, PERCUSSIVE = -4.0, -10.0
"""dB/s: a note that falls less is sustained, one that falls more is percussive; what lies between is neither."""

ONE_PITCH = 0.75
"""Share of a note's peaks that one comb has to explain for its pitch to be known."""

SECOND_OPINION_CENTS = 50.0
"""How far the period of a note may lie from its key."""

OFTEN = 3
"""How often one instrument may stand in pairs of one kind; two instruments meet once in a kind."""

ANY_PITCH = 0.3
"""The same for sounds that somebody chose to be judged; vibrato alone can take it down to 0.45."""

PITCHES = (40, 84)
"""MIDI numbers that pairs are drawn from: E2 to C6."""

LONGEST_SECONDS = 10.0
SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3")
_NAME = re.compile(r"^(.+)-([ab])$", re.IGNORECASE)


@dataclass(frozen=True)
class _Facts:
    f0: float
    percussive: bool | None


def drawn_pairs(notes: Notes, *, n_per_kind: int = 4, split: str = "test", seed: int = 0) -> list[Pair]:
    """Draw pairs of real notes from a note set.

    All of the velocity that most notes have (of several, the highest), of different instruments and groups, between E2
    and C6, of one clear pitch within 30 cents of their key, and not of a period octaves away from it. ``same``: two
    sustained notes of one pitch. ``different``: two sustained notes one to twelve semitones apart. ``percussive``: a
    percussive and a sustained note of one pitch.

    Args:
        notes: The note set; notes of unknown pitch are passed over.
        n_per_kind: At most so many of each kind.
        split: Of the notes.
        seed: Of the draw.

    Returns:
        The pairs, as long as the notes; fewer where there are not enough.

    Raises:
        InputError: If not one pair is found.
    """
    generator = np.random.default_rng([seed, 6])
    rows = notes.select(split=split)
    rows = generator.permutation(rows[(notes.pitch[rows] >= PITCHES[0]) & (notes.pitch[rows] <= PITCHES[1])])
    levels, counts = np.unique(notes.velocity[rows], return_counts=True)
    rows = rows[notes.velocity[rows] == levels[counts == counts.max()].max()] if len(rows) else rows
    known: dict[int, _Facts | None] = {}
    pairs: list[Pair] = []
    for kind in KINDS:
        met: set[frozenset[str]] = set()
        times: Counter[str] = Counter()
        found = 0
        for first in (int(row) for row in rows):
            if found == n_per_kind:
                break
            if times[str(notes.instrument[first])] == OFTEN:
                continue
            if not _fits(notes, first, known, percussive=kind == "percussive"):
                continue
            second = _partner(notes, rows, first, kind, known, met, times)
            if second is None:
                continue
            found += 1
            names = [str(notes.instrument[row]) for row in (first, second)]
            times.update(names)
            met.add(frozenset(names))
            pairs.append(_pair(notes, f"{kind[0].upper()}{found}", kind, first, second, known))
    if not pairs:
        raise InputError(f"the {split} split must hold two fitting notes of different groups, got none")
    return pairs


def folder_pairs(folder: Path, *, sample_rate: int) -> list[Pair]:
    """Read pairs of sounds: ``NAME-a.wav`` and ``NAME-b.wav``, or FLAC, AIFF, OGG, MP3.

    What kind a pair is follows from the sounds: of different pitch if they are more than 40 cents apart, percussive if
    one dies away and the other does not. Stereo is mixed to mono, and the shorter sound is completed with silence.

    Args:
        folder: Where they lie.
        sample_rate: What they are resampled to, Hz.

    Returns:
        The pairs by name.

    Raises:
        InputError: If there is no pair, a partner is missing, or a sound cannot be read, has no pitch or is too long.
    """
    if not folder.is_dir():
        raise InputError(f"the pairs must lie in a folder, got {folder}")
    files: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.match(path.stem)
        sound = path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        if match and sound:
            ends = files.setdefault(match[1], {})
            if match[2].lower() in ends:
                raise InputError(f"a pair must have one sound a and one b, got two of {path.stem}")
            ends[match[2].lower()] = path
    if not files:
        raise InputError(f"the folder must hold NAME-a.wav and NAME-b.wav, got none in {folder}")
    for name, ends in files.items():
        if len(ends) < 2:
            raise InputError(f"a pair must have a sound a and a sound b, got only one for {name}")
    return [_read_pair(name, ends["a"], ends["b"], sample_rate) for name, ends in files.items()]


def read_mono(path: Path, *, sample_rate: int) -> Tensor:
    """Return a sound file as ``(samples,)``, the mean of its channels.

    Raises:
        InputError: If it cannot be read.
    """
    return load_audio(path, sample_rate=sample_rate)[0].mean(0)


def _read_pair(name: str, path_a: Path, path_b: Path, sample_rate: int) -> Pair:
    sounds = []
    for path in (path_a, path_b):
        sound = read_mono(path, sample_rate=sample_rate)
        seconds = len(sound) / sample_rate
        if not 1.3 <= seconds <= LONGEST_SECONDS:
            raise InputError(
                f"a sound of a pair must be 1.3 to {LONGEST_SECONDS:g} s long, got {seconds:.2f} s: {path}"
            )
        sounds.append(sound)
    facts = []
    for path, sound in zip((path_a, path_b), sounds, strict=True):
        f0 = note_pitch(at_bench_rate(sound, sample_rate), SAMPLE_RATE)
        found = _facts(sound, sample_rate, f0, ANY_PITCH) if f0 == f0 else None
        if found is None:
            raise InputError(f"a sound of a pair must have one clear pitch, got none in {path}")
        facts.append(found)
    cents = abs(float(hz_to_cents(facts[0].f0, facts[1].f0)))
    plucked = sum(bool(found.percussive) for found in facts)
    kind: Kind = "different" if cents > 40 else "percussive" if plucked == 1 else "same"
    length = max(len(sound) for sound in sounds)
    a, b = (torch.nn.functional.pad(sound, (0, length - len(sound))) for sound in sounds)
    logger.info("%s: %s, %.1f and %.1f Hz", name, kind, facts[0].f0, facts[1].f0)
    return Pair(name, kind, f"{path_a.name}, {path_b.name}", a, b, facts[0].f0, facts[1].f0, sample_rate)


def _facts(sound: Tensor, sample_rate: int, f0: float, explained: float = ONE_PITCH) -> _Facts | None:
    """Return pitch and course of a note near ``f0``, or None where one comb does not explain it."""
    judged = at_bench_rate(sound, sample_rate)
    if float(judged.abs().max()) < 1e-3:
        return None
    comb = fit_comb(spectral_peaks(judged, SAMPLE_RATE), f0, f0)
    decay = decay_db(judged, SAMPLE_RATE)
    if not comb.explained >= explained:
        return None
    slope = float(np.polyfit(np.arange(len(decay)) * 0.01, decay, 1)[0]) if len(decay) > 1 else -math.inf
    return _Facts(comb.f0, True if slope < PERCUSSIVE else False if slope > SUSTAINED else None)


def _fits(notes: Notes, row: int, known: dict[int, _Facts | None], *, percussive: bool) -> bool:
    if row not in known:
        nominal = pitch_to_hz(int(notes.pitch[row]))
        sound = notes.audio(np.array([row]))[0]
        found = _facts(sound, notes.sample_rate, nominal)
        close = found is not None and abs(float(hz_to_cents(found.f0, nominal))) <= 30
        if close:
            # a second opinion, by periods: where it lies octaves away, nobody knows what f0 is
            second = note_pitch(at_bench_rate(sound, notes.sample_rate), SAMPLE_RATE)
            close = abs(float(hz_to_cents(second, nominal))) <= SECOND_OPINION_CENTS
        known[row] = found if close else None
    facts = known[row]
    return facts is not None and facts.percussive is percussive


def _partner(
    notes: Notes,
    rows: np.ndarray,
    first: int,
    kind: Kind,
    known: dict[int, _Facts | None],
    met: set[frozenset[str]],
    times: Mapping[str, int],
) -> int | None:
    own = str(notes.instrument[first])
    for second in (int(row) for row in rows):
        other = str(notes.instrument[second])
        apart = abs(int(notes.pitch[first]) - int(notes.pitch[second]))
        if (
            notes.group[first] != notes.group[second]
            and own != other
            and frozenset((own, other)) not in met
            and times[other] < OFTEN
            and (1 <= apart <= 12 if kind == "different" else apart == 0)
            and _fits(notes, second, known, percussive=False)
        ):
            return second
    return None


def _pair(notes: Notes, name: str, kind: Kind, first: int, second: int, known: dict[int, _Facts | None]) -> Pair:
    sounds = notes.audio(np.array([first])), notes.audio(np.array([second]))
    titles = [f"{notes.instrument[row]} {key_name(int(notes.pitch[row]))}" for row in (first, second)]
    facts_a, facts_b = known[first], known[second]
    assert facts_a is not None and facts_b is not None
    return Pair(name, kind, ", ".join(titles), sounds[0][0], sounds[1][0], facts_a.f0, facts_b.f0, notes.sample_rate)
