"""Result of the transfer bench as tables, sentences, and an HTML page with spectrograms and sounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from intertone.bench.transfer.measure import FIGURES, MEASURE_VERSION, Aspect
from intertone.bench.transfer.methods import BASELINES
from intertone.bench.transfer.pairs import TransferPair
from intertone.bench.transfer.run import TRUTH, TransferRow, TransferRun, kept_sound
from intertone.bench.transfer.summary import Interval, TransferSummary, figures_won, summarise_transfers
from intertone.files import staged_folder, write_json
from intertone.page import Block, Clip, Command, Listening, Points, Section, Table, markdown_table, render_page
from intertone.plot import spectrogram_png

WRITTEN = ("transfer.json", "transfer.md", "transfer.html")
"""Names of the result files, which lie beside the folder of the sounds."""

RESULTS = "results"
"""Name of the subfolder with the sounds and metrics of single pairs."""

FILTER, COPY = "eq-match", "copy-content"
SOUND_PAIRS = 3
"""Number of pairs with sounds on the page; the third is the first one with two voices."""

ASPECTS: dict[Aspect, str] = {
    "style": "Style, against the style",
    "content": "Content, against the content",
    "noise": "Noise, against the noisier of both",
    "copy": "Copying, against the style",
    "truth": "Distance from the ground truth",
}
FILTER_NOTE = (
    "Such figures are averages over time, and the filter copies the average spectrum of the style, which depends on "
    "its timbre and on its notes. The ground truth has the same timbre but other notes, and so another average "
    "spectrum."
)


class TransferResult(TypedDict):
    """Result of a bench, as saved in ``transfer.json``."""

    measure_version: int
    seed: int
    n_pairs: int
    summary: dict[str, TransferSummary]
    pairs: dict[str, dict[str, TransferRow]]
    titles: dict[str, str]


def transfer_result(run: TransferRun, *, seed: int) -> TransferResult:
    """Summarise a run as a result that can be saved.

    Args:
        run: From ``run_transfers``.
        seed: Seed with which the pairs were drawn; also used for the bootstrap.

    Returns:
        The result, from which tables, page and JSON are made.
    """
    return {
        "measure_version": MEASURE_VERSION,
        "seed": seed,
        "n_pairs": len(run["rows"]),
        "summary": summarise_transfers(run["rows"], seed=seed),
        "pairs": run["rows"],
        "titles": run["titles"],
    }


def transfer_tables(result: TransferResult) -> list[Table]:
    """Return the tables: the metrics of each aspect, then the gains of each method over the baselines.

    Args:
        result: From ``transfer_result``.

    Returns:
        Five tables of metrics, then one for each method that is neither a copy nor the ground truth.
    """
    summary = result["summary"]
    found = [_aspect_table(aspect, title, summary, result["n_pairs"]) for aspect, title in ASPECTS.items()]
    return found + [_gain_table(name, line) for name, line in summary.items() if name not in (*_copies(), TRUTH)]


def transfer_verdict(result: TransferResult) -> list[str]:
    """Return sentences that compare the methods with the baselines.

    Args:
        result: From ``transfer_result``.

    Returns:
        One or two sentences on the filter ``eq-match``, then five on each other method.
    """
    summary = result["summary"]
    won = figures_won(summary, FILTER)
    ahead = [name for name, facts in FIGURES.items() if facts.aspect == "style" and _ahead_of_truth(summary, name)]
    lines = [f"Of all methods, {FILTER} has the best mean in {_titles(won) or 'no figure of style or ground truth'}."]
    if ahead:
        lines.append(f"{FILTER} is nearer to the style than the ground truth is in {_titles(ahead)}. {FILTER_NOTE}")
    for name, line in summary.items():
        if name in (*_copies(), TRUTH, FILTER):
            continue
        for aspect, baselines in (("style", (COPY, FILTER)), ("content", ("copy-style",)), ("truth", (COPY, FILTER))):
            for baseline in baselines:
                lines.append(_against(name, line, baseline, [f for f in FIGURES if FIGURES[f].aspect == aspect]))
    return lines


def transfer_markdown(result: TransferResult, *, command: str) -> str:
    """Return verdict and tables as Markdown, with the command that made them."""
    found = [markdown_table(table, heading="###") for table in transfer_tables(result)]
    points = "\n".join(f"- {line}" for line in transfer_verdict(result))
    return "\n\n".join([f"`{command}`, version {result['measure_version']} of the figures:", points, *found]) + "\n"


def write_transfer_bench(folder: Path, result: TransferResult, pairs: Sequence[TransferPair], *, command: str) -> None:
    """Write ``transfer.json``, ``transfer.md`` and ``transfer.html``, a page with tables, spectrograms and sounds.

    Args:
        folder: Folder of the result; its subfolder ``results`` holds the sounds that ``run_transfers`` stored.
        result: From ``transfer_result``.
        pairs: The pairs that were measured.
        command: Command that made the result.

    Raises:
        InputError: If the folder cannot be written or a sound is missing.
    """
    with staged_folder(folder) as staged:
        write_json(staged / WRITTEN[0], {"command": command, **result})
        (staged / WRITTEN[1]).write_text(transfer_markdown(result, command=command), encoding="utf-8")
        (staged / WRITTEN[2]).write_text(_page(folder / RESULTS, result, pairs, command), encoding="utf-8")


def _page(kept: Path, result: TransferResult, pairs: Sequence[TransferPair], command: str) -> str:
    lead: list[Block] = [
        "Style transfer between melodies with a ground truth. Content: a melody by one instrument; style: another "
        "melody by another instrument; ground truth: the first melody by the second instrument. No training uses the "
        "instruments. Baselines: copies of both sounds, a filter, an exchange of spectral envelopes.",
        Command(command),
        Points(transfer_verdict(result)),
    ]
    found = transfer_tables(result)
    sections = [
        Section("Figures", found[: len(ASPECTS)]),
        Section("Gains over the baselines", found[len(ASPECTS) :]),
        Section("Listen", [_listen(kept, pair, result) for pair in pairs[:SOUND_PAIRS]]),
    ]
    return render_page("Transfer bench", sections, lead=lead)


def _listen(kept: Path, pair: TransferPair, result: TransferResult) -> Listening:
    rows = result["pairs"][pair.name]
    sounds = {"content": pair.content, "style": pair.style}
    titles = {name: name for name in sounds}
    for name, row in rows.items():
        if name not in _copies():
            sounds[name] = kept_sound(kept, pair, name)
            titles[name] = f"{name}: {row['figures']['log_spectral_distance']:.1f} dB"
    clips = []
    for name, sound in sounds.items():
        loud = sound / sound.abs().max().clamp_min(1e-6) * 0.7
        clips.append(Clip(titles[name], loud, pair.sample_rate, spectrogram_png(loud, pair.sample_rate)))
    note = "The number is the log-spectral distance from the ground truth, the last sound."
    return Listening(f"{pair.name}: {pair.title}", note, clips)


def _aspect_table(aspect: Aspect, title: str, summary: Mapping[str, TransferSummary], n_pairs: int) -> Table:
    figures = [name for name, facts in FIGURES.items() if facts.aspect == aspect]
    better = {True: "more is better", False: "less is better"}
    words = [f"{FIGURES[name].title}: {FIGURES[name].meaning}, {better[FIGURES[name].higher]}" for name in figures]
    note = f"Mean over {n_pairs} pairs and 95 % of the bootstrap over them. {'; '.join(words)}."
    rows = []
    for name, line in summary.items():
        seconds = (f"{line['seconds']:.2f}",) if aspect == "style" else ()
        rows.append((name, *(_span(line["figures"][figure]) for figure in figures), *seconds))
    extra = ("s",) if aspect == "style" else ()
    return Table(title, note, ("method", *(FIGURES[name].title for name in figures), *extra), rows)


def _gain_table(name: str, line: TransferSummary) -> Table:
    note = (
        "Mean difference on the same pairs and 95 % of the bootstrap over them; positive where "
        f"{name} is better, * where the interval leaves out 0."
    )
    baselines = list(line["gains"])
    rows = [
        (facts.title, *(_signed(line["gains"][baseline][figure]) for baseline in baselines))
        for figure, facts in FIGURES.items()
    ]
    return Table(f"{name} over the baselines", note, ("figure", *(f"over {other}" for other in baselines)), rows)


def _against(name: str, line: TransferSummary, baseline: str, figures: Sequence[str]) -> str:
    """Return a sentence that lists where a method is better or worse than a baseline, or not clearly different."""
    gains = line["gains"][baseline]
    better = [figure for figure in figures if gains[figure]["low"] > 0]
    worse = [figure for figure in figures if gains[figure]["high"] < 0]
    open_ = [figure for figure in figures if figure not in (*better, *worse)]
    parts = [
        f"{word} in {_titles(names)}"
        for word, names in (("better", better), ("worse", worse), ("no clear difference", open_))
        if names
    ]
    return f"{name} against {baseline}: {', '.join(parts)}."


def _ahead_of_truth(summary: Mapping[str, TransferSummary], figure: str) -> bool:
    sign = 1 if FIGURES[figure].higher else -1
    filtered, truth = (sign * summary[name]["figures"][figure]["mean"] for name in (FILTER, TRUTH))
    return filtered > truth


def _copies() -> tuple[str, ...]:
    return tuple(name for name in BASELINES if name.startswith("copy"))


def _titles(names: Sequence[str]) -> str:
    return ", ".join(FIGURES[name].title for name in names)


def _span(value: Interval) -> str:
    return f"{value['mean']:.2f} ({value['low']:.2f}…{value['high']:.2f})"


def _signed(value: Interval) -> str:
    mark = "*" if value["low"] > 0 or value["high"] < 0 else ""
    return f"{value['mean']:+.2f} ({value['low']:+.2f}…{value['high']:+.2f}){mark}"
