"""Presentation of the result on the hard pairs: tables, sentences, and an HTML page with sounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from intertone.bench.hard.measure import HARD_VERSION, MEASURES, MIXES, Measure
from intertone.bench.hard.methods import CROSSFADE, hard_method
from intertone.bench.hard.pairs import HARD_KINDS, HardKind, HardPair
from intertone.bench.hard.run import MORPHS, HardEntry
from intertone.bench.hard.summary import ALL, HardSummary, summarise_hard
from intertone.codec import Codec
from intertone.files import staged_folder, write_json
from intertone.page import Block, Clip, Command, Listening, Points, Section, Table, markdown_table, render_page
from intertone.plot import spectrogram_png

WRITTEN = ("hard.json", "hard.md", "hard.html")
"""Names of the written files."""

TITLES: dict[HardKind, str] = {
    "bell": "Bell or mallet with choir or strings",
    "pluck": "Pluck or hammer with a sustained sound",
    "ensemble": "Two ensembles or detuned unisons",
    "drums": "Drum pattern or drum with a sustained sound",
    "chord": "Chord with a note of another key",
    "melody": "Two melodies of equal rhythm",
}
RULE = (
    "Better and worse: number of pairs on which a method is better or worse than the crossfade. For each measure that "
    "both have, the method with the smaller mean excess over the limit gets one vote; more votes win."
)


class HardResult(TypedDict):
    """Result of a run, in the form of ``hard.json``."""

    hard_version: int
    sample_rate: int
    seeds: list[int]
    per_kind: int
    mixes: list[float]
    limits: dict[str, float]
    summary: dict[str, dict[str, HardSummary]]
    pairs: dict[str, HardEntry]


def hard_result(
    entries: Mapping[str, HardEntry], *, seeds: Sequence[int], per_kind: int, sample_rate: int
) -> HardResult:
    """Return the result of a run.

    Args:
        entries: Output of ``run_hard_pairs`` for at least one pair.
        seeds: Seeds of the pairs.
        per_kind: Number of pairs of each kind and seed.
        sample_rate: Sample rate of the pairs, Hz.

    Returns:
        The data of the tables, the page and the JSON file.
    """
    return {
        "hard_version": HARD_VERSION,
        "sample_rate": sample_rate,
        "seeds": list(seeds),
        "per_kind": per_kind,
        "mixes": list(MIXES),
        "limits": {name: measure.limit for name, measure in MEASURES.items()},
        "summary": summarise_hard(entries),
        "pairs": dict(entries),
    }


def hard_tables(result: HardResult) -> list[Table]:
    """Return one table for each kind of pairs, and one for all pairs with the comparison to the crossfade.

    Args:
        result: Result of ``hard_result``.
    """
    summary = result["summary"]
    found = [_kind_table(kind, summary[kind]) for kind in HARD_KINDS if kind in summary]
    return [*found, _overall(summary[ALL])]


def hard_verdict(result: HardResult) -> list[str]:
    """Return a sentence on each method but the crossfade: comparison with the crossfade, and exceeded limits.

    Args:
        result: Result of ``hard_result``.
    """
    lines = []
    for name, line in result["summary"][ALL].items():
        if line["better"] is None:
            continue
        failed = [f"{MEASURES[key].title} {found['failed']}/{found['of']}" for key, found in line["measures"].items()]
        refused = f", refuses {line['refused']}" if line["refused"] else ""
        lines.append(
            f"{name} is better than the crossfade on {line['better']} of {line['n']} pairs, worse on "
            f"{line['worse']}{refused}; over the limit: {', '.join(failed) or 'nothing'}."
        )
    return lines


def hard_markdown(result: HardResult, *, command: str) -> str:
    """Return sentences and tables as Markdown, with the command that made the result."""
    found = [markdown_table(table, heading="###") for table in hard_tables(result)]
    points = "\n".join(f"- {line}" for line in hard_verdict(result))
    return "\n\n".join([f"`{command}`, version {result['hard_version']} of the pairs:", points, *found]) + "\n"


def write_hard_bench(
    folder: Path, result: HardResult, pairs: Sequence[HardPair], codecs: Mapping[str, Codec], *, command: str
) -> None:
    """Write ``hard.json``, ``hard.md`` and ``hard.html``, a page with tables, and sounds of one pair of each kind.

    Args:
        folder: The folder; it is created if it does not exist, but its parent folder must exist.
        result: Result of ``hard_result``.
        pairs: The measured pairs.
        codecs: Codecs of ``load_codecs``, with which the sounds of the page are computed again.
        command: Command that made the result.

    Raises:
        InputError: If the folder cannot be written.
    """
    with staged_folder(folder) as staged:
        write_json(staged / WRITTEN[0], {"command": command, **result})
        (staged / WRITTEN[1]).write_text(hard_markdown(result, command=command), encoding="utf-8")
        (staged / WRITTEN[2]).write_text(_page(result, pairs, codecs, command), encoding="utf-8")


def _page(result: HardResult, pairs: Sequence[HardPair], codecs: Mapping[str, Codec], command: str) -> str:
    lead: list[Block] = [
        "Morphs between sounds that are difficult to morph, and measures of audible faults. A star marks programs "
        "whose notes the codecs were trained on; there are no held-out programs of this kind.",
        Command(command),
        Points(hard_verdict(result)),
    ]
    firsts = {pair.kind: pair for pair in reversed(pairs)}
    listening = [_listen(firsts[kind], result, codecs) for kind in HARD_KINDS if kind in firsts]
    sections = [Section("Figures", hard_tables(result)), Section("Listen", listening)]
    return render_page("Hard pairs of the morph bench", sections, lead=lead)


def _listen(pair: HardPair, result: HardResult, codecs: Mapping[str, Codec]) -> Listening:
    rows = result["pairs"][pair.name]["rows"]
    sounds = {"A": pair.a}
    for name, row in rows.items():
        if MORPHS not in row["refused"]:
            sounds[name] = hard_method(name, codecs).morph(pair, [0.5])[0]
    sounds["B"] = pair.b
    clips = []
    for name, sound in sounds.items():
        loud = sound / sound.abs().max().clamp_min(1e-6) * 0.7
        clips.append(Clip(name, loud, pair.sample_rate, spectrogram_png(loud, pair.sample_rate)))
    return Listening(f"{pair.name}: {pair.title}", "Sound A, the half-way morph of each method, sound B.", clips)


def _kind_table(kind: HardKind, summary: Mapping[str, HardSummary]) -> Table:
    names = [name for name, measure in MEASURES.items() if kind in measure.kinds]
    words = "; ".join(f"{MEASURES[name].title}: {MEASURES[name].meaning}" for name in names)
    n = max(line["n"] for line in summary.values())
    note = f"{n} pair{'s' * (n != 1)}: mean / worst over pairs and mixes. {words[0].upper()}{words[1:]}."
    columns = ("method", *(_heading(MEASURES[name]) for name in names), "better", "worse", "refused")
    rows = []
    for method, line in summary.items():
        cells = [_cell(line, name) for name in names]
        rows.append((method, *cells, *_votes(line), _refusals(line)))
    return Table(TITLES[kind], note, columns, rows)


def _overall(summary: Mapping[str, HardSummary]) -> Table:
    names = [name for name in MEASURES if any(name in line["measures"] for line in summary.values())]
    rows = []
    for method, line in summary.items():
        failed = [
            f"{line['measures'][name]['failed']}/{line['measures'][name]['of']}" if name in line["measures"] else "–"
            for name in names
        ]
        rows.append((method, *_votes(line), _refusals(line), *failed, f"{line['seconds']:.2f}"))
    titles = (MEASURES[name].title.rpartition(" ")[0] for name in names)
    columns = ("method", "better", "worse", "refused", *titles, "s")
    note = (
        f"{RULE} Columns of measures: pairs over the limit / pairs with this measure. s: seconds of computation for "
        "one morph."
    )
    return Table(f"All pairs, against the {CROSSFADE}", note, columns, rows)


def _heading(measure: Measure) -> str:
    return f"{measure.title} {'±' if measure.signed else '≤'} {measure.limit:g}".replace("-", "−")


def _cell(line: HardSummary, name: str) -> str:
    found = line["measures"].get(name)
    return "–" if found is None else f"{found['mean']:.1f} / {found['worst']:.1f}".replace("-", "−")


def _votes(line: HardSummary) -> tuple[str, str]:
    if line["better"] is None:
        return "–", "–"
    return f"{line['better']}/{line['n']}", f"{line['worse']}/{line['n']}"


def _refusals(line: HardSummary) -> str:
    keys = f", keys {line['no_keys']}/{line['n']}" if line["no_keys"] else ""
    return f"{line['refused']}/{line['n']}{keys}"
