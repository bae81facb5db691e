"""Presentation of the bench's result: tables, sentences, and an HTML page with sounds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from intertone.bench.judge import DECOY_METHODS, ORACLE, method_of
from intertone.bench.methods import CODEC, CODEC_METHODS, FULL, NO_NETWORK
from intertone.bench.pair import KINDS, Pair
from intertone.bench.result import BenchResult, Summary
from intertone.bench.score import GATES
from intertone.bench.summary import ALIGNED, RIVAL
from intertone.bench.synthetic_pairs import SyntheticPair
from intertone.codec import Codec
from intertone.files import staged_folder, write_json
from intertone.page import (
    Block,
    Clip,
    Command,
    Listening,
    Picture,
    Points,
    Section,
    Table,
    markdown_table,
    percent,
    render_page,
)
from intertone.plot import bars_png, spectrogram_png

PART_NAMES = {
    "end": "the sounds at ratio 0 and 1 (endpoint error)",
    "between": "position between the two notes (descriptors and projection)",
    "smooth": "equal steps (step variation and path efficiency)",
    "fusion": "fusion into one sound",
    "pitch": "pitch (cents)",
}
SYMBOLS = {
    "endpoint_error": "END",
    "descriptor_non_linearity": "DNL",
    "descriptor_path_efficiency": "DPE",
    "step_variation": "CV",
    "comb_excess": "CR",
    "beating_excess": "BD",
    "presence": "TP",
    "knee_excess": "KN",
    "cents_median": "c50",
    "cents_p90": "c90",
    "oracle_ratio": "ODr",
}
UNITS = {"endpoint_error": " dB", "beating_excess": " dB", "knee_excess": " dB"}
SHORT = {
    "END dB": "endpoint_error",
    "PI": "projection_error",
    "DNL": "descriptor_non_linearity",
    "DPE": "descriptor_path_efficiency",
    "CV": "step_variation",
    "CR": "comb_excess",
    "BD dB": "beating_excess",
    "TP": "presence",
    "KN dB": "knee_excess",
    "c50": "cents_median",
    "c90": "cents_p90",
    "OD dB": "oracle_distance",
}
KIND_NAMES = {"same": "same", "different": "diff.", "percussive": "perc."}
OTHERS = {
    "off axis": "off_axis",
    "end jump": "end_jump",
    "midpoint": "midpoint_error",
    "loudness LU": "loudness_error",
}
SOUND_PAIRS = 2
"""Number of pairs of each part and kind with sounds on the page; synthetic pairs are taken from the first seed."""

SCORE_NOTE = (
    "100 times the harmonic mean of five parts, which is low as soon as one part is low; mean over all pairs, then "
    "over pairs of the same pitch, of different pitches, and of a percussive and a sustained note. 95 %: bootstrap "
    "interval over the pairs. Fused: fusion, 0 to 1. Gates: share of the pairs that pass every gate that applies. "
    f"Wins: share of the pairs with a higher score than {RIVAL}. ODr: distance from the oracle relative to the "
    "crossfade's distance. "
    "s: seconds of computation for one morph; cached figures have the time at which they were computed."
)
METRIC_NOTE = (
    "Means over the pairs. END: log-mel error of the morphs at ratio 0 and 1 against the two notes. PI: error of the "
    "projection on the line between the notes. DNL, DPE: non-linearity and path efficiency of the descriptors. CV: "
    "variation of the step sizes. CR, BD, TP, KN: comb residual, beating, two-pitch presence and envelope knee, above "
    "those of the notes. c50, c90: median and 90th percentile of the pitch error, cents. OD: log-mel distance from the "
    "oracle."
)


def tables(result: BenchResult) -> list[Table]:
    """Return the tables of a bench.

    Args:
        result: The result of the bench, ``{"parts": {title: {"summary": …, "self_test": …}}}``.

    Returns:
        Four tables for each part: scores, metrics, other figures and failed gates.
    """
    found = []
    for title, part in result["parts"].items():
        found += [
            _scores(title, part["summary"], part["self_test"]),
            _figures(f"{title}: metrics", METRIC_NOTE, SHORT, part["summary"]),
            _others(title, part["summary"]),
            _gates(title, part["summary"]),
        ]
    return found


def verdict(result: BenchResult, name: str) -> list[str]:
    """Return sentences on the score, the rank and the most frequent failures of one method.

    Args:
        result: The result of the bench, see ``tables``.
        name: Name of the method.

    Returns:
        One text for each part that includes the method.
    """
    lines = []
    for title, part in result["parts"].items():
        line = part["summary"].get(name)
        if line is None:
            continue
        score = line["morph_score"]
        kinds = ", ".join(f"{score[kind]:.0f} {kind}" for kind in KINDS if kind in score)
        ranks = sorted(part["summary"], key=lambda other: -part["summary"][other]["morph_score"]["mean"])
        beside = (*DECOY_METHODS, ORACLE, *(other for other in CODEC_METHODS if other != name))
        ranks = [other for other in ranks if other not in beside]
        place = f"place {ranks.index(name) + 1} of {len(ranks)}" if len(ranks) > 1 else ""
        weak = "; ".join(f"{kind}: {PART_NAMES[part_name]}" for kind, part_name in line["weakest"].items())
        failed = {gate: count for gate, count in line["gate_failures"].items() if count["failed"]}
        worst = sorted(failed, key=lambda gate: -failed[gate]["failed"] / failed[gate]["of"])[:3]
        gates = ", ".join(f"{_limit(gate)} ({failed[gate]['failed']} of {failed[gate]['of']})" for gate in worst)
        words = ", ".join(word for word in (f"{score['mean']:.1f} ({kinds})", place) if word)
        lines.append(
            f"{title}: {name} scores {words}. The lowest part of its score by kind of pairs – {weak}. "
            + (f"The gates that it fails most often: {gates}." if gates else "It passes every gate that applies.")
            + (_beside(part["summary"]) if name == CODEC else "")
        )
    return lines


def _beside(summary: Mapping[str, Summary]) -> str:
    """Return a sentence that compares a codec with its variants and with the harmonic baseline."""
    mean = {name: line["morph_score"]["mean"] for name, line in summary.items()}
    if NO_NETWORK not in mean:
        return ""
    wins = summary[CODEC]["aligned_win_rate"]
    words = f" Without its network it scores {mean[NO_NETWORK]:.1f}, with all features decoded {mean[FULL]:.1f}"
    words += f", the harmonic baseline {mean['harmonic']:.1f}" if "harmonic" in mean else ""
    return words + (f". It beats {ALIGNED} on {percent(wins)} of the pairs." if wins is not None else ".")


def to_markdown(result: BenchResult, *, command: str) -> str:
    """Return all tables as Markdown, with the command that made the result."""
    found = [markdown_table(table, heading="###") for table in tables(result)]
    return "\n\n".join([f"`{command}`, bench version {result['bench_version']}", *found]) + "\n"


def write_bench(folder: Path, result: BenchResult, pairs: Sequence[Pair], codec: Codec | None, *, command: str) -> None:
    """Write ``bench.json``, ``bench.md`` and ``bench.html``, a page with tables, pictures and half-way morphs.

    Args:
        folder: The folder; it is created if it does not exist, but its parent folder must exist.
        result: The result of the bench, see ``tables``.
        pairs: The evaluated pairs.
        codec: The evaluated codec; None: baselines only.
        command: Command that made the result.

    Raises:
        InputError: If the folder cannot be written.
    """
    with staged_folder(folder) as staged:
        write_json(staged / "bench.json", {"command": command, **result})
        (staged / "bench.md").write_text(to_markdown(result, command=command), encoding="utf-8")
        page = _page(result, pairs, codec, command)
        (staged / "bench.html").write_text(page, encoding="utf-8")


def _page(result: BenchResult, pairs: Sequence[Pair], codec: Codec | None, command: str) -> str:
    lead: list[Block] = [
        "Series of morphs between two notes are evaluated by five questions. Do the morphs at ratio 0 and 1 equal the "
        "notes? Does every other morph lie between them? Are the steps equal? Is each morph one sound? Is it in tune? "
        "Methods without a network are evaluated for comparison.",
        Command(command),
    ]
    if codec is not None:
        lead.append(Points(verdict(result, CODEC)))
    found = tables(result)
    per_part = len(found) // len(result["parts"])
    sections = []
    for index, (title, part) in enumerate(result["parts"].items()):
        score = {name: line["morph_score"] for name, line in part["summary"].items() if name not in DECOY_METHODS}
        kinds = [kind for kind in KINDS if any(kind in line for line in score.values())]
        groups = {
            name.replace(" ", "\n"): {str(kind): line[kind] for kind in kinds if kind in line}
            for name, line in score.items()
        }
        words = "; ".join(f"{name} {line['mean']:.1f}" for name, line in score.items())
        picture = Picture(
            bars_png(groups, y_label="MorphScore", decimals=0),
            f"MorphScores: {words}.",
            "MorphScore by kind of pairs, without the decoys.",
        )
        sections.append(Section(title, [picture, *found[index * per_part : (index + 1) * per_part]]))
    listening = [_listen(pair, result, codec) for pair in _audible(pairs)]
    note = "For each pair: note A, the half-way morph of each method, note B. Decoys are left out."
    return render_page("Morph bench", [*sections, Section("Listen", [note, *listening])], lead=lead)


def _audible(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs whose sounds are on the page, see ``SOUND_PAIRS``."""
    chosen: dict[tuple[type, str], list[Pair]] = {}
    for pair in pairs:
        chosen.setdefault((type(pair), f"{pair.name.partition('/')[0]} {pair.kind}"), []).append(pair)
    first = next((pair.name.partition("/")[0] for pair in pairs if isinstance(pair, SyntheticPair)), "")
    return [
        pair
        for (kind, name), found in chosen.items()
        if not issubclass(kind, SyntheticPair) or name.partition(" ")[0] == first
        for pair in found[:SOUND_PAIRS]
    ]


def _listen(pair: Pair, result: BenchResult, codec: Codec | None) -> Listening:
    rows = next(part["pairs"][pair.name]["rows"] for part in result["parts"].values() if pair.name in part["pairs"])
    sounds = {"A": pair.a}
    for name in rows:
        if name not in DECOY_METHODS and (name not in CODEC_METHODS or codec is not None):
            sounds[name] = method_of(name, codec)(pair, [0.5])[0]
    sounds["B"] = pair.b
    clips = []
    for name, sound in sounds.items():
        loud = sound / sound.abs().max().clamp_min(1e-6) * 0.7
        title = name if name in "AB" else f"{name}: {rows[name]['morph_score']:.0f}"
        clips.append(Clip(title, loud, pair.sample_rate, spectrogram_png(loud, pair.sample_rate)))
    return Listening(f"{pair.name}: {pair.title}", f"{pair.kind}; the number is the pair's MorphScore.", clips)


def _scores(title: str, summary: Mapping[str, Summary], broken: Sequence[str] | None) -> Table:
    kinds = [kind for kind in KINDS if any(kind in line["morph_score"] for line in summary.values())]
    rows = []
    for name, line in summary.items():
        score = line["morph_score"]
        ratio = line["metrics"]["oracle_ratio"]
        rows.append(
            (
                _called(name),
                f"{score['mean']:.1f}",
                f"{score['low']:.0f}–{score['high']:.0f}",
                *(f"{score[kind]:.0f}" if kind in score else "–" for kind in kinds),
                f"{line['metrics']['fusion']:.2f}",
                percent(line["gate_pass_rate"]),
                percent(line["win_rate"]),
                "–" if ratio is None else f"{ratio:.2f}",
                "–" if line["seconds"] is None else f"{line['seconds']:.2f}",
            )
        )
    word = ""
    if broken is not None:
        word = "Self-test: " + ("passed." if not broken else "; ".join(broken) + ".")
    ranges = [
        f"{name} {min(d):.1f} to {max(d):.1f}" for name in summary if len(d := summary[name]["draws"].values()) > 1
    ]
    if ranges:
        word += f" Range of the mean scores of single seeds: {', '.join(ranges)}."
    columns = ("method", "score", "95 %", *(KIND_NAMES[kind] for kind in kinds), "fused", "gates", "wins", "ODr", "s")
    n = max(line["n"] for line in summary.values())
    return Table(f"{title}: MorphScore, {n} pair{'s' * (n != 1)}", SCORE_NOTE, columns, rows, word)


def _others(title: str, summary: Mapping[str, Summary]) -> Table:
    note = (
        "These figures are not part of the score. Off axis: distance from the line between the two notes. End jump: "
        "slope of the path from 0 to 0.02 or from 0.98 to 1, relative to its median slope; above 2, the morphs at 0 "
        "and 1 are probably copies of the notes. Midpoint: SoundMorpher's measure, on log-mel. Loudness: mean "
        f"deviation from a linear change, LU. Wins aligned: share of the pairs with a higher score than {ALIGNED}."
    )
    table = _figures(f"{title}: other figures", note, OTHERS, summary)
    wins = [percent(line["aligned_win_rate"]) for line in summary.values()]
    rows = [(*row, share) for row, share in zip(table.rows, wins, strict=True)]
    return replace(table, columns=(*table.columns, "wins aligned"), rows=rows)


def _figures(title: str, note: str, names: Mapping[str, str], summary: Mapping[str, Summary]) -> Table:
    rows = []
    for method, line in summary.items():
        values = [line["metrics"][name] for name in names.values()]
        rows.append((_called(method), *("–" if value is None else f"{value:.2f}" for value in values)))
    return Table(title, note, ("method", *names), rows)


def _gates(title: str, summary: Mapping[str, Summary]) -> Table:
    names = [gate for gate in GATES if any(gate in line["gate_failures"] for line in summary.values())]
    rows = []
    for method, line in summary.items():
        counts = [line["gate_failures"].get(name) for name in names]
        rows.append((_called(method), *("–" if c is None else f"{c['failed']}/{c['of']}" for c in counts)))
    limits = ", ".join(map(_limit, names))
    note = f"Pairs that fail each gate, of those to which it applies (not to pairs whose oracle fails it). {limits}."
    return Table(f"{title}: failed gates", note, ("method", *(SYMBOLS[name] for name in names)), rows)


def _limit(gate: str) -> str:
    side, limit = GATES[gate]
    return f"{SYMBOLS[gate]} {'≤' if side == 'max' else '≥'} {limit:g}{UNITS.get(gate, '')}"


def _called(name: str) -> str:
    return f"decoy: {name}" if name in DECOY_METHODS else name
