"""Pairs of real notes, drawn at random from a note set; their ideal morph is not known."""

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
"""Slopes of the level in dB/s: a note above the first is sustained, one below the second percussive, others neither."""

ONE_PITCH = 0.75
"""Least share of a note's spectral peaks that one harmonic comb must explain, so that the note has one clear pitch."""

SECOND_OPINION_CENTS = 50.0
"""Largest deviation, in cents, of a note's f0 as found by YIN from the f0 of its key."""

OFTEN = 3
"""Largest number of pairs of one kind with the same instrument; two instruments form at most one pair of a kind."""

PITCHES = (40, 84)
"""Lowest and highest MIDI number of the notes: E2 and C6."""


@dataclass(frozen=True)
class Facts:
    """Measured f0 and envelope type of a note.

    Attributes:
        f0: Fundamental frequency, Hz.
        percussive: Whether the note decays (True) or is sustained (False); None: neither is clear.
    """

    f0: float
    percussive: bool | None


def drawn_pairs(notes: Notes, *, n_per_kind: int = 4, split: str = "test", seed: int = 0) -> list[Pair]:
    """Return random pairs of real notes from a note set.

    The notes have the most frequent velocity (the highest of equally frequent ones), keys from E2 to C6, and one clear
    pitch: the harmonic comb is within 30 cents and the f0 of YIN within 50 cents of the key. The two notes of a pair
    are from different instruments and groups. ``same``: two sustained notes of equal pitch. ``different``: two
    sustained notes one to twelve semitones apart. ``percussive``: a percussive and a sustained note of equal pitch.

    Args:
        notes: The note set; notes of unknown pitch are left out.
        n_per_kind: Largest number of pairs of each kind.
        split: Split of the notes.
        seed: Seed of the random selection.

    Returns:
        The pairs, with the length of the notes; fewer than asked for if too few notes fit.

    Raises:
        InputError: If no pair is found.
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
    """Return f0 and envelope type of a note near ``f0``; None: it is silent, or no comb explains enough peaks."""
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
            # YIN, which measures the period, must agree with the comb; octave errors make the f0 ambiguous
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
