"""Measures of the hard pairs: their names, limits, and the kinds of pairs that they apply to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from intertone.bench.cache import source_digest
from intertone.bench.hard.attack import attack_course, attack_error_db, attack_error_ms
from intertone.bench.hard.fall import cliff_db, ghost_db, pulse_range_db
from intertone.bench.hard.momentary import key_bend_lu, loudness_bend_lu
from intertone.bench.hard.pairs import HARD_KINDS, HELD_SECONDS, LEAD_SECONDS, HardKind, HardPair
from intertone.bench.hard.phase_jump import phase_jumps
from intertone.bench.hard.third_pitch import third_pitch_db, two_keys_db, voice_of
from intertone.bench.score import SAMPLE_RATE, at_bench_rate
from intertone.errors import InputError
from intertone.pitch.note import hz_to_pitch

HARD_VERSION = 2
"""Version of the hard pairs; it must be increased when a measure, a limit or the pairs change."""

NEEDED = ("bench/hard/*.py", "bench/transfer/pairs.py", "pitch/comb.py", "level.py", "loudness.py")
AROUND = ("bench/hard/report.py", "bench/hard/run.py", "bench/hard/summary.py")
"""Files that affect the figures, and exceptions that do not; cached figures are valid while the files are unchanged."""

MIXES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Mixes of each pair. The loudness is measured at all five, everything else at the three in the middle."""

KEY_STEPS, KEY_MIXES = (-7, -3, -1, 0, 1, 3, 7), (0.0, 0.5)
"""Semitones from the recorded key, and mixes, at which the loudness of keys is measured."""

KEY_SECONDS, SETTLED_SECONDS = 8.0, 0.5
"""Duration of a sustained key, and the time after its onset from which on the level is measured."""

Figures = dict[str, list[float]]
"""Name of a measure → its values: one for each mix in the middle, or one for the pair."""

MakeKey = Callable[[float, float, float | None], Tensor]
"""``(pitch, mix, held_seconds)`` → sound of a key, ``(samples,)``, at the pair's sample rate. The arguments are the
MIDI number, the weight of the second sound, and the time from note-on to note-off, s
(None: the length of the morph)."""


@dataclass(frozen=True)
class Measure:
    """Definition of a measure of one fault.

    Attributes:
        title: Short name, with its unit.
        limit: Largest acceptable value; for a signed measure, the largest acceptable absolute value.
        kinds: Kinds of pairs that the measure applies to.
        meaning: Description of the measure for tables.
        signed: Whether values may be negative, with errors in both directions.
        of_keys: Whether it is measured on single keys, which only some methods can render, instead of morphs.
    """

    title: str
    limit: float
    kinds: tuple[HardKind, ...]
    meaning: str
    signed: bool = False
    of_keys: bool = False

    def excess(self, value: float) -> float:
        """Return by how much a value exceeds the limit, at least 0.

        Example:
            >>> measure = Measure("bend LU", 1.5, ("bell",), "", signed=True)
            >>> measure.excess(-4.0), measure.excess(1.0)
            (2.5, 0.0)
        """
        return max(0.0, (abs(value) if self.signed else value) - self.limit)


MEASURES: dict[str, Measure] = {
    "third_pitch_db": Measure(
        "third pitch dB",
        -30.0,
        ("bell", "pluck", "ensemble", "chord"),
        "level of the strongest partial that belongs to neither sound nor to their interpolation, relative to the "
        "loudest partial",
    ),
    "two_keys_db": Measure(
        "two keys dB",
        -30.0,
        ("chord",),
        "level, relative to the loudest partial, at which both keys are present: of the strongest low harmonics that "
        "only one sound has, the weaker one",
    ),
    "loudness_bend_lu": Measure(
        "bend LU",
        1.5,
        HARD_KINDS,
        "largest deviation of the loudest 400 ms from a linear change over five mixes",
        signed=True,
    ),
    "key_bend_lu": Measure(
        "keys LU",
        1.5,
        ("pluck",),
        "largest deviation of the loudest 400 ms from a line over seven keys within a fifth of the recorded one",
        signed=True,
        of_keys=True,
    ),
    "attack_db": Measure(
        "attack dB",
        3.0,
        ("bell", "pluck"),
        "level of the attack above 3 kHz, minus the interpolated level",
        signed=True,
    ),
    "attack_ms": Measure(
        "attack ms",
        5.0,
        ("bell", "pluck"),
        "time of the attack above 3 kHz before the earlier or after the later one of the two sounds",
        signed=True,
    ),
    "cliff_db": Measure(
        "cliff dB",
        12.0,
        ("bell", "pluck", "drums", "chord"),
        "largest drop of the level in 50 ms, minus that of the sounds at the same time",
    ),
    "ghost_db": Measure(
        "ghost dB",
        -50.0,
        ("melody",),
        "loudest 10 ms in the 300 ms before a note relative to the note, minus the same in the sounds",
    ),
    "phase_jumps": Measure(
        "jumps 1/s",
        0.0,
        ("ensemble",),
        "phase jumps of partials by 60° in 8 ms without a dip of their level, minus those of the sound that has more",
    ),
    "pulse_db": Measure(
        "pulse dB",
        0.0,
        ("ensemble",),
        "range of the level of a key that is held for 8 s, minus that of the sound with the larger range",
        of_keys=True,
    ),
}
"""The measures by name, and the kinds of pairs that each applies to."""


def measures_of(kind: HardKind, *, of_keys: bool) -> list[str]:
    """Return the names of the measures that apply to a kind of pairs.

    Args:
        kind: The kind of pairs.
        of_keys: True: measures on keys; False: measures on morphs.

    Example:
        >>> measures_of("melody", of_keys=False), measures_of("ensemble", of_keys=True)
        (['loudness_bend_lu', 'ghost_db'], ['pulse_db'])
    """
    return [name for name, measure in MEASURES.items() if kind in measure.kinds and measure.of_keys == of_keys]


def measure_morphs(pair: HardPair, sounds: Sequence[Tensor]) -> Figures:
    """Return the figures of the morphs of a pair.

    Args:
        pair: The pair.
        sounds: The morphs at ``MIXES``, ``(samples,)`` each, at the pair's sample rate.

    Returns:
        Values of the measures that apply to the pair's kind and are not measured on keys.

    Raises:
        InputError: If ``sounds`` does not have one sound for each mix, or a sound is silent or not finite.
    """
    if len(sounds) != len(MIXES):
        raise InputError(f"a method must return {len(MIXES)} sounds, got {len(sounds)}")
    if not all(sound.isfinite().all() and sound.any() for sound in sounds):
        raise InputError("a method must return finite sounds that are not silent, got a silent sound, NaN or infinity")
    rate = SAMPLE_RATE
    a, b = (at_bench_rate(sound, pair.sample_rate) for sound in (pair.a, pair.b))
    every = [at_bench_rate(sound, pair.sample_rate) for sound in sounds]
    middle = [*zip(MIXES, every, strict=True)][1:-1]
    struck = pair.onsets[0]

    def attack_db() -> list[float]:
        first, second = (attack_course(source, struck, rate) for source in (a, b))
        return [attack_error_db(attack_course(sound, struck, rate), first, second, mix) for mix, sound in middle]

    def attack_ms() -> list[float]:
        first, second = (attack_course(source, struck, rate) for source in (a, b))
        return [attack_error_ms(attack_course(sound, struck, rate), first, second) for _, sound in middle]

    def beside_larger(measured: Callable[[Tensor], float]) -> list[float]:
        larger = max(measured(a), measured(b))
        return [measured(sound) - larger for _, sound in middle]

    def third_pitch() -> list[float]:
        first, second = voice_of(a, pair.f0_a, rate), voice_of(b, pair.f0_b, rate)
        return [third_pitch_db(sound, first, second, mix, rate) for mix, sound in middle]

    def two_keys() -> list[float]:
        first, second = voice_of(a, pair.f0_a, rate), voice_of(b, pair.f0_b, rate)
        return [two_keys_db(sound, first, second, rate) for _, sound in middle]

    found: Mapping[str, Callable[[], list[float]]] = {
        "third_pitch_db": third_pitch,
        "two_keys_db": two_keys,
        "loudness_bend_lu": lambda: [loudness_bend_lu(every, MIXES, rate)],
        "attack_db": attack_db,
        "attack_ms": attack_ms,
        "cliff_db": lambda: [cliff_db(sound, (a, b), rate) for _, sound in middle],
        "ghost_db": lambda: [ghost_db(sound, (a, b), pair.onsets, rate) for _, sound in middle],
        "phase_jumps": lambda: beside_larger(lambda sound: phase_jumps(sound, pair.f0_a, rate)),
    }
    return {name: found[name]() for name in measures_of(pair.kind, of_keys=False)}


def measure_keys(pair: HardPair, make_key: MakeKey) -> Figures:
    """Return the figures of keys that a method renders from a pair.

    Args:
        pair: The pair.
        make_key: Function that renders a key.

    Returns:
        Values of the measures that apply to the pair's kind and are measured on keys.

    Raises:
        InputError: If the method cannot render a key.
    """
    names = measures_of(pair.kind, of_keys=True)
    recorded = round(float(hz_to_pitch(pair.f0_a[0]))) if pair.f0_a else 0
    found: Figures = {}
    if "key_bend_lu" in names:
        pitches = [recorded + step for step in KEY_STEPS]
        found["key_bend_lu"] = [
            key_bend_lu([_key(pair, make_key, pitch, mix, None) for pitch in pitches], pitches, SAMPLE_RATE)
            for mix in KEY_MIXES
        ]
    if "pulse_db" in names:
        first, last = LEAD_SECONDS + SETTLED_SECONDS, LEAD_SECONDS + HELD_SECONDS
        sources = [at_bench_rate(sound, pair.sample_rate) for sound in (pair.a, pair.b)]
        own = max(pulse_range_db(sound, first, last, SAMPLE_RATE) for sound in sources)
        keys = [_key(pair, make_key, recorded, mix, KEY_SECONDS) for mix in MIXES[1:-1]]
        found["pulse_db"] = [pulse_range_db(key, SETTLED_SECONDS, KEY_SECONDS, SAMPLE_RATE) - own for key in keys]
    return found


def measure_mark() -> str:
    """Return a hash of the measuring code and the libraries' versions, which identifies cached figures."""
    return f"v{HARD_VERSION}-{source_digest(NEEDED, AROUND)}"


def _key(pair: HardPair, make_key: MakeKey, pitch: float, mix: float, held_seconds: float | None) -> Tensor:
    return at_bench_rate(make_key(pitch, mix, held_seconds), pair.sample_rate)
