"""Pairs of real notes, drawn from a note set. Nobody knows what they should become."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from intertone.bench.pair import KINDS, Kind, Pair
from intertone.bench.score import SAMPLE_RATE, at_bench_rate
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.metrics.fusion import decay_db
from intertone.pitch.comb import fit_comb, spectral_peaks
from intertone.pitch.note import hz_to_cents, key_name, pitch_to_hz
from intertone.pitch.yin import note_pitch

SUSTAINED, PERCUSSIVE = -4.0, -10.0
"""dB/s: a note that falls less is sustained, one that falls more is percussive; a note between the two is neither."""

ONE_PITCH = 0.75
"""Share of a note's peaks that one comb has to explain for its pitch to be known."""

SECOND_OPINION_CENTS = 50.0
"""Largest distance of the pitch of a note, by its period, from its key."""

OFTEN = 3
"""Most pairs of one kind that one instrument may stand in; two instruments meet once in a kind."""

PITCHES = (40, 84)
"""MIDI numbers that pairs are drawn from: E2 to C6."""


@dataclass(frozen=True)
class Facts:
    """Facts of a note.

    Attributes:
        f0: Hz.
        percussive: Whether it dies away; None where that is not clear.
    """

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
        split: Split of the notes.
        seed: Seed of the draw.

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
    known: dict[int, Facts | None] = {}
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


def find_facts(sound: Tensor, sample_rate: int, f0: float, explained: float = ONE_PITCH) -> Facts | None:
    """Return pitch and course of a note near ``f0``, or None where one comb does not explain it."""
    judged = at_bench_rate(sound, sample_rate)
    if float(judged.abs().max()) < 1e-3:
        return None
    comb = fit_comb(spectral_peaks(judged, SAMPLE_RATE), f0, f0)
    decay = decay_db(judged, SAMPLE_RATE)
    if not comb.explained >= explained:
        return None
    slope = float(np.polyfit(np.arange(len(decay)) * 0.01, decay, 1)[0]) if len(decay) > 1 else -math.inf
    return Facts(comb.f0, True if slope < PERCUSSIVE else False if slope > SUSTAINED else None)


def _fits(notes: Notes, row: int, known: dict[int, Facts | None], *, percussive: bool) -> bool:
    if row not in known:
        nominal = pitch_to_hz(int(notes.pitch[row]))
        sound = notes.audio(np.array([row]))[0]
        found = find_facts(sound, notes.sample_rate, nominal)
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
    known: dict[int, Facts | None],
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


def _pair(notes: Notes, name: str, kind: Kind, first: int, second: int, known: dict[int, Facts | None]) -> Pair:
    sounds = notes.audio(np.array([first])), notes.audio(np.array([second]))
    titles = [f"{notes.instrument[row]} {key_name(int(notes.pitch[row]))}" for row in (first, second)]
    facts_a, facts_b = known[first], known[second]
    assert facts_a is not None and facts_b is not None
    return Pair(name, kind, ", ".join(titles), sounds[0][0], sounds[1][0], facts_a.f0, facts_b.f0, notes.sample_rate)
