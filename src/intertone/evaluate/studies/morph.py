"""Half-way morphs of notes of equal pitch: do they keep the pitch, and do they lie between in loudness?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.figure import Summary, listed, summary
from intertone.evaluate.half_way import PairFigures, measure_pairs, tuned_share
from intertone.evaluate.resynthesis import CODEC
from intertone.evaluate.study import Draw, Example, Shown, Sounds, Study, file_part, note_words
from intertone.morphing import MorphConfig, choose_method, morph
from intertone.page import Picture, Table, percent
from intertone.plot import bars_png

HIGH = 72
"""C5; from here on the partials lie so far apart that a blurred spectrogram puts the pitch out."""

GATE_CENTS = 20.0
"""Largest median error of the codec's morphs from C5 up, cents."""


@dataclass(frozen=True)
class MorphLine:
    """Measurements of the morphs of one method in one range of pitches.

    Attributes:
        pitches: ``all``, ``from C5 up``, or an octave.
        method: ``codec``, or what is interpolated without a network.
        n: Pairs.
        n_measured: Pairs both of whose ends are in tune themselves.
        median_cents: Median of |cents| of these; None where half of the morphs have no pitch at all, or there are none.
        in_tune: Share of these within 50 cents; no pitch counts as out of tune.
        between_loudness: Share of all pairs.
        between_level: Share of all pairs.
        loudness: Of those that are heard, LU above the mean of the ends.
    """

    pitches: str
    method: str
    n: int
    n_measured: int
    median_cents: float | None
    in_tune: float | None
    between_loudness: float
    between_level: float
    loudness: Summary | None


@dataclass(frozen=True)
class PitchGate:
    """Pitch errors of the codec's morphs from C5 up, and whether their median is within a limit.

    Attributes:
        n_measured: Pairs.
        median_cents: None where half of the morphs have no pitch, or nothing was measured.
        reached: Whether it is at most ``limit_cents``; None where nothing was measured.
        limit_cents: The limit.
    """

    n_measured: int
    median_cents: float | None
    reached: bool | None
    limit_cents: float = GATE_CENTS


@dataclass(frozen=True)
class Morphs:
    """Half-way morphs.

    Attributes:
        lines: For each range of pitches, the codec's and those without a network; none where there are no two pairs.
        gate: Of the pitch.
        measured: Whether morphs are measured here.
        examples: Some of the pairs.
    """

    lines: tuple[MorphLine, ...]
    gate: PitchGate
    measured: bool
    examples: tuple[Example, ...] = ()


class MorphStudy(Study[Morphs]):
    """Pitch and loudness of half-way morphs, the codec's and those without a network."""

    name = "morphs"

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Morphs:
        """Return the figures of all pairs, and the first of them for the ear."""
        heard = draw.pairs[: draw.config.n_morph_sounds]
        if not choose_method(codec).takes.phase:
            examples = [_partials_example(codec, notes, int(a), int(b)) for a, b in heard]
            return Morphs((), pitch_gate(()), False, tuple(examples))
        half_way = draw.half_way()
        figures = measure_pairs(notes, draw.pairs, half_way)
        lines = morph_lines(figures) if len(draw.pairs) > 1 else ()
        examples = [
            _example(notes, int(a), int(b), {method: sounds[item].clone() for method, sounds in half_way.items()})
            for item, (a, b) in enumerate(heard)
        ]
        return Morphs(lines, pitch_gate(lines), True, tuple(examples))

    def show(self, result: Morphs) -> Shown:
        """Return the figures as a table, bars and sentences."""
        sounds = Sounds("Listen: half-way morphs", NOTE if result.measured else PARTIALS_NOTE, result.examples)
        if not result.measured:
            text = (
                "Half-way morphs: `intertone bench morph` evaluates them, with and without the network, on real notes "
            )
            return Shown("Half-way morphs", sounds=sounds, left_out=(text + "too.",))
        if not result.lines:
            text = "Half-way morphs: no two pairs of notes have one pitch and velocity and come from different groups."
            return Shown("Half-way morphs", sounds=sounds, left_out=(text,))
        pictures = _bars(result.lines)
        return Shown("Half-way morphs", (_table(result),), _sentences(result), pictures, sounds)


NOTE = (
    "Two notes of one pitch and velocity; between them the codec's half-way morph, and the features of both "
    "interpolated without a network."
)
PARTIALS_NOTE = "Two notes of one pitch and velocity, and the morphs half-way."


def morph_lines(figures: Sequence[PairFigures]) -> tuple[MorphLine, ...]:
    """Return one line for each range of pitches and method.

    Args:
        figures: From ``measure_pairs``.

    Returns:
        Lines of all pitches, of those from C5 up, and of each octave; ranges without a pair are left out.
    """
    octaves = sorted({figure.pitch // 12 for figure in figures})
    ranges = {"all": range(128), "from C5 up": range(HIGH, 128)}
    ranges |= {f"C{octave - 1}–B{octave - 1}": range(12 * octave, 12 * octave + 12) for octave in octaves}
    return tuple(
        _line(name, method, chosen)
        for name, pitches in ranges.items()
        if (chosen := [figure for figure in figures if figure.pitch in pitches])
        for method in chosen[0].cents
    )


def _line(pitches: str, method: str, figures: Sequence[PairFigures]) -> MorphLine:
    share, median = tuned_share([figure.cents[method] for figure in figures if figure.measured])
    loudness = [figure.loudness[method] for figure in figures if math.isfinite(figure.loudness[method])]
    return MorphLine(
        pitches,
        method,
        len(figures),
        sum(figure.measured for figure in figures),
        None if median is None else round(median, 3),
        share,
        float(np.mean([figure.between_loudness[method] for figure in figures])),
        float(np.mean([figure.between_level[method] for figure in figures])),
        summary(loudness) if loudness else None,
    )


def pitch_gate(lines: Sequence[MorphLine]) -> PitchGate:
    """Say whether the codec's morphs from C5 up keep the pitch: median |cents| of at most 20."""
    found = [line for line in lines if (line.pitches, line.method) == ("from C5 up", CODEC)]
    if not found or not found[0].n_measured:
        return PitchGate(0, None, None)
    median = found[0].median_cents
    return PitchGate(found[0].n_measured, median, median is not None and median <= GATE_CENTS)


def verdict(gate: PitchGate) -> str:
    """Return in words whether the codec's morphs keep the pitch in the high octaves."""
    limit, median = gate.limit_cents, gate.median_cents
    title = f"Gate: median |cents| of the codec <= {limit:g} from C5 up"
    if gate.reached is None:
        return f"{title}: not evaluated, no pair there has both ends in tune."
    pairs = f"({gate.n_measured} pair{'s' * (gate.n_measured != 1)})"
    if median is None:
        return f"{title}: not reached, half of the morphs or more have no pitch {pairs}."
    word, side = ("reached", "below") if gate.reached else ("not reached", "above")
    return f"{title}: {word}, {median:.1f} is {abs(limit - median):.1f} {side} {pairs}."


def _table(result: Morphs) -> Table:
    rows = []
    for line in result.lines:
        median = "–" if line.median_cents is None else f"{line.median_cents:.1f}"
        shares = [percent(share) for share in (line.in_tune, line.between_loudness, line.between_level)]
        loudness = "–" if line.loudness is None else f"{line.loudness.mean:+z.1f}"
        rows.append((line.pitches, line.method, str(line.n), str(line.n_measured), median, *shares, loudness))
    return Table(
        "Half-way morphs of two notes of equal pitch and velocity",
        "Cents against the geometric mean of the pitches measured of the two ends, for the pairs both of whose ends "
        "are in tune themselves, within 50 cents of their key. In tune: within 50 cents; no pitch counts as out of "
        "tune. Between: integrated loudness (BS.1770), and RMS level (energy), lie between those of the ends, ±0.5 dB. "
        f"LU above: the loudness above the mean of the ends. {_without(result).capitalize()}: the features of both "
        "interpolated without a network, and the same way back.",
        (
            *("pitches", "method", "pairs", "ends in tune", "median cents", "in tune"),
            *("LUFS between", "RMS between", "LU above"),
        ),
        rows,
        verdict(result.gate),
    )


def _without(result: Morphs) -> str:
    return next(line.method for line in result.lines if line.method != CODEC)


def _bars(lines: Sequence[MorphLine]) -> tuple[Picture, ...]:
    groups: dict[str, dict[str, float]] = {}
    for line in lines:
        if "–" in line.pitches and line.in_tune is not None:
            groups.setdefault(line.pitches, {})[line.method] = 100 * line.in_tune
    if not groups:
        return ()
    alt = "; ".join(f"{name} {listed(values)} %" for name, values in groups.items())
    caption = "Half-way morphs within 50 cents of the pitch of their ends, by octave; octaves where no pair has both "
    caption += "ends in tune are left out."
    png = bars_png(groups, y_label="in tune, %", decimals=0)
    return (Picture(png, f"Bars of the share of half-way morphs in tune: {alt}", caption),)


def _sentences(result: Morphs) -> tuple[str, ...]:
    codec, without = (line for line in result.lines if line.pitches == "all")
    return (
        verdict(result.gate),
        f"Of {codec.n} half-way morphs {percent(codec.between_loudness)} lie between their ends in loudness "
        f"(without a network {percent(without.between_loudness)}); {percent(codec.in_tune)} of those whose ends are in "
        f"tune are in tune themselves ({percent(without.in_tune)}).",
    )


def _example(notes: Notes, row_a: int, row_b: int, half_way: Mapping[str, Tensor]) -> Example:
    a, b = notes.audio([row_a, row_b])
    between = {method.replace(" ", "-"): sound for method, sound in half_way.items()}
    words = {method.replace(" ", "-"): f"half-way, {method}" for method in half_way}
    return _beside(notes, row_a, row_b, {"a": a, **between, "b": b}, words)


def _partials_example(codec: Codec, notes: Notes, row_a: int, row_b: int) -> Example:
    a, b = notes.audio([row_a, row_b])
    without = morph(codec, a, b, config=MorphConfig(network="none"))
    sounds = {"a": a, "codec": morph(codec, a, b), "without-network": without, "b": b}
    words = {"codec": "half-way, codec", "without-network": "half-way, without network"}
    return _beside(notes, row_a, row_b, sounds, words)


def _beside(notes: Notes, row_a: int, row_b: int, sounds: Mapping[str, Tensor], words: Mapping[str, str]) -> Example:
    ends = {"a": f"A: {notes.instrument[row_a]}", "b": f"B: {notes.instrument[row_b]}"}
    return Example(
        f"morph-{file_part(notes, row_a)}-{file_part(notes, row_b)}",
        f"{notes.name[row_a]} and {notes.name[row_b]}",
        f"A: {note_words(notes, row_a)}. B: {note_words(notes, row_b)}.",
        sounds,
        {**ends, **words},
    )
