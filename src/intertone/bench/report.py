"""The bench's result as tables, a plain verdict, and a page to look at and listen to."""

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
    "end": "the ends (endpoint error)",
    "between": "lying between (descriptors and projection)",
    "smooth": "even steps (step variation and path efficiency)",
    "fusion": "being one sound (fusion)",
    "pitch": "the pitch (cents)",
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
"""Pairs of each part and class that can be listened to on the page; of synthetic ones, those of the first seed."""

SCORE_NOTE = (
    "100 times the harmonic mean of five parts, so that one failed part sinks it; then of pairs of the same pitch, of "
    "different pitches, and of a percussive and a sustained note. 95 %: bootstrap over the pairs. Gates: share of the "
    "pairs that pass every gate that counts. Wins: share of the pairs with a higher score than "
    f"{RIVAL}. ODr: distance from the oracle relative to the crossfade's. s: seconds a morph, of cached rows "
    "when they were made."
)
METRIC_NOTE = (
    "Means over the pairs. END: log-mel error of the ends. PI: error of the projection on the line between the ends. "
    "DNL, DPE: descriptors' non-linearity and path efficiency. CV: variation of the steps. CR, BD, TP, KN: comb "
    "residual, beating, two-pitch presence, envelope knee, above the ends'. c50, c90: cents. OD: from the oracle."
)


def tables(result: BenchResult) -> list[Table]:
    """Return the tables of a bench.

    Args:
        result: ``{"parts": {title: {"summary": …, "self_test": …}}}``, as the command line makes it.

    Returns:
        For each part: scores, metrics, failed gates.
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
    """Return in plain words how one method stands, and by what it fails.

    Args:
        result: As for ``tables``.
        name: The method.

    Returns:
        A sentence or two a part; none for parts without the method.
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
            f"{title}: {name} scores {words}. Its weakest part by class – {weak}. "
            + (f"It fails most often {gates}." if gates else "It passes every gate that counts.")
            + (_beside(part["summary"]) if name == CODEC else "")
        )
    return lines


def _beside(summary: Mapping[str, Summary]) -> str:
    """Return a sentence that compares a codec with itself without the network, fully decoded, and with the baseline."""
    mean = {name: line["morph_score"]["mean"] for name, line in summary.items()}
    if NO_NETWORK not in mean:
        return ""
    wins = summary[CODEC]["aligned_win_rate"]
    words = f" Without its network it scores {mean[NO_NETWORK]:.1f}, with everything decoded {mean[FULL]:.1f}"
    words += f", the harmonic baseline {mean['harmonic']:.1f}" if "harmonic" in mean else ""
    return words + (f". It beats {ALIGNED} on {percent(wins)} of the pairs." if wins is not None else ".")


def to_markdown(result: BenchResult, *, command: str) -> str:
    """Return the tables as Markdown, with the command that made them."""
    found = [markdown_table(table, heading="###") for table in tables(result)]
    return "\n\n".join([f"`{command}`, bench version {result['bench_version']}", *found]) + "\n"


def write_bench(folder: Path, result: BenchResult, pairs: Sequence[Pair], codec: Codec | None, *, command: str) -> None:
    """Write ``bench.json``, ``bench.md`` and ``bench.html``, one page with tables, pictures and half-way morphs.

    Args:
        folder: Made if it does not exist; its parent must.
        result: As for ``tables``.
        pairs: The pairs that were evaluated.
        codec: The codec that was evaluated on them.
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
        "Rows of morphs between two notes, evaluated: are the ends right, does every morph lie between them, are the "
        "steps even, is it one sound, is it in tune? Beside every obvious way to do the same without a network.",
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
            "By class, without the decoys.",
        )
        sections.append(Section(title, [picture, *found[index * per_part : (index + 1) * per_part]]))
    listening = [_listen(pair, result, codec) for pair in _audible(pairs)]
    note = "A, the morphs half-way by each method, B. Decoys are left out."
    return render_page("Morph bench", [*sections, Section("Listen", [note, *listening])], lead=lead)


def _audible(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs to listen to."""
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
        word = "Self-test: " + ("the known order holds." if not broken else "; ".join(broken) + ".")
    ranges = [
        f"{name} {min(d):.1f} to {max(d):.1f}" for name in summary if len(d := summary[name]["draws"].values()) > 1
    ]
    if ranges:
        word += f" Means of single seeds: {', '.join(ranges)}."
    columns = ("method", "score", "95 %", *(KIND_NAMES[kind] for kind in kinds), "fused", "gates", "wins", "ODr", "s")
    n = max(line["n"] for line in summary.values())
    return Table(f"{title}: MorphScore, {n} pair{'s' * (n != 1)}", SCORE_NOTE, columns, rows, word)


def _others(title: str, summary: Mapping[str, Summary]) -> Table:
    note = (
        "Reported, not scored. Off axis: distance from the line between the ends. End jump: the steps from 0 to 0.02 "
        "and from 0.98 to 1 over the median step, each for its size: more than 2 says that the ends are copies. "
        "Midpoint: SoundMorpher's measure, on log-mel. Loudness: from moving evenly. Wins aligned: as wins, over "
        f"{ALIGNED}."
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
    note = f"Pairs that fail each gate, of those for which it counts: a gate that the oracle fails does not. {limits}."
    return Table(f"{title}: failed gates", note, ("method", *(SYMBOLS[name] for name in names)), rows)


def _limit(gate: str) -> str:
    side, limit = GATES[gate]
    return f"{SYMBOLS[gate]} {'≤' if side == 'max' else '≥'} {limit:g}{UNITS.get(gate, '')}"


def _called(name: str) -> str:
    return f"decoy: {name}" if name in DECOY_METHODS else name
