"""Half-way morphs of two notes of equal pitch: do they keep the pitch, and is their loudness between the two?"""

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
"""MIDI number of C5, from which on the partials are so far apart that a blurred spectrogram changes the pitch."""

GATE_CENTS = 20.0
"""Largest median error of the codec's morphs from C5 up, cents."""


@dataclass(frozen=True)
class MorphLine:
    """Measurements of the morphs of one method in one range of pitches.

    Attributes:
        pitches: ``all``, ``from C5 up``, or an octave.
        method: ``codec``, or the quantity that is interpolated without a network (``log magnitude``).
        n: Number of pairs.
        n_measured: Number of pairs whose two source notes are both in tune.
        median_cents: Median over these pairs of the morph's |deviation| in cents; None: there are no such pairs, or no
            f0 is found in half of the morphs.
        in_tune: Share of these pairs whose morph is within 50 cents; a morph without f0 counts as out of tune.
        between_loudness: Share of all pairs whose morph lies between the source notes in integrated loudness.
        between_level: The same share for the RMS level.
        loudness: Loudness of the morph above the mean of the source notes, LU, over morphs that are not silent.
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
    """Median pitch error of the codec's morphs from C5 up, and whether it is within a limit.

    Attributes:
        n_measured: Number of pairs whose two source notes are both in tune.
        median_cents: Median of |cents|; None: no f0 is found in half of the morphs, or nothing was measured.
        reached: Whether the median is at most ``limit_cents``; None: nothing was measured.
        limit_cents: Largest median that passes, cents.
    """

    n_measured: int
    median_cents: float | None
    reached: bool | None
    limit_cents: float = GATE_CENTS


@dataclass(frozen=True)
class Morphs:
    """Result of the study of half-way morphs.

    Attributes:
        lines: For each range of pitches, one line of the codec and one without a network; empty if there are fewer
            than two pairs.
        gate: Check of the pitch from C5 up.
        measured: Whether the morphs are measured; those of harmonic codecs are only played.
        examples: Sounds of some pairs.
    """

    lines: tuple[MorphLine, ...]
    gate: PitchGate
    measured: bool
    examples: tuple[Example, ...] = ()


class MorphStudy(Study[Morphs]):
    """Study of the pitch and loudness of half-way morphs, with and without the network."""

    name = "morphs"

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Morphs:
        """Return the figures of all pairs, and the sounds of the first ones."""
        played = draw.pairs[: draw.config.n_morph_sounds]
        if not choose_method(codec).takes.phase:
            examples = [_partials_example(codec, notes, int(a), int(b)) for a, b in played]
            return Morphs((), pitch_gate(()), False, tuple(examples))
        half_way = draw.half_way()
        figures = measure_pairs(notes, draw.pairs, half_way)
        lines = morph_lines(figures) if len(draw.pairs) > 1 else ()
        examples = [
            _example(notes, int(a), int(b), {method: sounds[item].clone() for method, sounds in half_way.items()})
            for item, (a, b) in enumerate(played)
        ]
        return Morphs(lines, pitch_gate(lines), True, tuple(examples))

    def show(self, result: Morphs) -> Shown:
        """Return the figures as a table, bars and sentences."""
        sounds = Sounds("Listen: half-way morphs", NOTE if result.measured else PARTIALS_NOTE, result.examples)
        if not result.measured:
            text = (
                "Half-way morphs: `intertone bench morph` evaluates those of this codec, with and without the network."
            )
            return Shown("Half-way morphs", sounds=sounds, left_out=(text,))
        if not result.lines:
            text = "Half-way morphs: there are fewer than two pairs of equal pitch and velocity from different groups."
            return Shown("Half-way morphs", sounds=sounds, left_out=(text,))
        pictures = _bars(result.lines)
        return Shown("Half-way morphs", (_table(result),), _sentences(result), pictures, sounds)


NOTE = (
    "Two notes of equal pitch and velocity; between them the codec's half-way morph, and a morph that interpolates "
    "the features of both without a network."
)
PARTIALS_NOTE = "Two notes of equal pitch and velocity, and their half-way morphs with and without the network."


def morph_lines(figures: Sequence[PairFigures]) -> tuple[MorphLine, ...]:
    """Return one line for each range of pitches and method.

    Args:
        figures: Output of ``measure_pairs``.

    Returns:
        Lines for all pitches, for those from C5 up, and for each octave; ranges without a pair are left out.
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
    """Return whether the median |cents| of the codec's morphs from C5 up is at most 20."""
    found = [line for line in lines if (line.pitches, line.method) == ("from C5 up", CODEC)]
    if not found or not found[0].n_measured:
        return PitchGate(0, None, None)
    median = found[0].median_cents
    return PitchGate(found[0].n_measured, median, median is not None and median <= GATE_CENTS)


def verdict(gate: PitchGate) -> str:
    """Return a sentence on whether the codec's morphs keep the pitch from C5 up."""
    limit, median = gate.limit_cents, gate.median_cents
    title = f"Gate: median |cents| of the codec <= {limit:g} from C5 up"
    if gate.reached is None:
        return f"{title}: not evaluated, because no such pair has two source notes that are in tune."
    pairs = f"({gate.n_measured} pair{'s' * (gate.n_measured != 1)})"
    if median is None:
        return f"{title}: not reached, because no f0 is found in at least half of the morphs {pairs}."
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
        "Median cents: deviation of the morph's f0 from the geometric mean of the source notes' f0, over the pairs "
        "whose two source notes are within 50 cents of their key. In tune: the morph is within 50 cents; a morph "
        "without f0 counts as out of tune. LUFS between, RMS between: integrated loudness (BS.1770) and RMS level of "
        "the morph lie between those of the source notes, ±0.5 dB. LU above: loudness above the mean of the source "
        f"notes. {_without(result).capitalize()}: the features of both notes are interpolated without a network and "
        "synthesised as in the codec.",
        (
            *("pitches", "method", "pairs", "sources in tune", "median cents", "in tune"),
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
    caption = "Half-way morphs within 50 cents of the pitch of their source notes, by octave; octaves without a pair "
    caption += "of source notes in tune are left out."
    png = bars_png(groups, y_label="in tune, %", decimals=0)
    return (Picture(png, f"Bars of the share of half-way morphs in tune: {alt}", caption),)


def _sentences(result: Morphs) -> tuple[str, ...]:
    codec, without = (line for line in result.lines if line.pitches == "all")
    return (
        verdict(result.gate),
        f"Of {codec.n} half-way morphs {percent(codec.between_loudness)} lie between their source notes in loudness "
        f"(without a network {percent(without.between_loudness)}); {percent(codec.in_tune)} of those whose source "
        f"notes are in tune are in tune themselves ({percent(without.in_tune)}).",
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
