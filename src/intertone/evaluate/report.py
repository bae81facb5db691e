"""An evaluation as tables, and as a Markdown page of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from intertone.evaluate.classifier import HEADS
from intertone.evaluate.harmonic_report import (
    copies_table,
    left_out,
    register_tables,
    stereo_speed_table,
    tracking_table,
)
from intertone.evaluate.latents import ACTIVE_SHARE
from intertone.evaluate.measures import MEASURES
from intertone.page import Table

ARROWS = {"lower": " ↓", "higher": " ↑", "zero": ""}


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of an evaluation.

    Args:
        result: From ``evaluate_codec``.

    Returns:
        Reconstruction, other measures, phase, recognition, code, morphs (if there were pairs), network, speed. Of a
        codec of harmonic images: what is left of a note, notes moved, tracker of f0, code, speed, what was left out.
    """
    if "copies" in result:
        found = [copies_table(result), *register_tables(result["register"]), *tracking_table(result["tracking"])]
        return [*found, latents_table(result["latents"]), stereo_speed_table(result["speed"]), left_out(result)]
    parts = [reconstruction_table(result), *measure_tables(result), phase_table(result["phase"])]
    parts += [recognition_table(result), latents_table(result["latents"])]
    parts += morph_tables(result)
    return [*parts, network_table(result["network"]), speed_table(result["speed"])]


def facts(result: Mapping[str, Any]) -> str:
    """Return in words what was judged, on what."""
    codec, notes, settings = result["codec"], result["notes"], result["settings"]
    return (
        f"{codec['parameters']:,} parameters; {codec['code_size']:,} numbers for {notes['seconds']:g} s of sound at "
        f"{codec['sample_rate']} Hz. Judged on {notes['n_notes']} notes of {notes['n_instruments']} instruments "
        f"({notes['n_groups']} groups that share no recording) of the {settings['split']} split, and "
        f"{notes['n_pairs']} pairs of them; seed {settings['seed']}."
    )


def to_markdown(result: Mapping[str, Any], *, command: str) -> str:
    """Return the tables as a Markdown page that says which command made it."""
    lines = ["# Evaluation", "", f"`{command}`", "", facts(result)]
    for table in tables(result):
        lines += ["", f"## {table.title}", "", table.note, ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines += ["", f"**{table.verdict}**"] if table.verdict else []
    return "\n".join(lines) + "\n"


def reconstruction_table(result: Mapping[str, Any]) -> Table:
    """Return the log-mel errors of reconstructions."""
    pca = result["pca"]
    fitted = f"PCA: {pca['n_components']:,} components of {pca['n_training_notes']:,} training notes"
    if pca["n_components"] < pca["wanted"]:
        fitted += f" ({pca['wanted']:,} were wanted, but there are too few notes)"
    rows = []
    for line in result["reconstruction"]:
        mel, loud = line["log_mel_error"], line["loud_cell_error"]
        cells = [mel[name] for name in ("mean", "median", "p90")] + [loud[name] for name in ("mean", "median", "p10")]
        rows.append((line["method"], line["phase"], str(mel["n"]), *(f"{value:z.2f}" for value in cells)))
    return Table(
        "Reconstruction",
        "Log-mel error: mean absolute dB over 64 bands, floor −60 dB, at equal RMS. Loud cells: how much too loud the "
        f"cells within 20 dB of the peak are, dB. {fitted}. Rank one: mean spectrum × envelope. All through the same "
        "way back, with the note's own energy.",
        ("method", "phase", "notes", "log-mel mean", "median", "90 %", "loud cells mean", "median", "10 %"),
        rows,
    )


def measure_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the other measures of reconstructions: a table for each way to the phase, a column for each method."""
    found = []
    for phase, title in (("kept", "the note's own phase"), ("estimated", "an estimated phase")):
        lines = {line["method"]: line for line in result["measures"] if line["phase"] == phase}
        rows = []
        for name, measure in MEASURES.items():
            figures = [line.get(name) for line in lines.values()]
            if any(figures):
                cells = [
                    "–" if figure is None else f"{measure.factor * figure['mean']:z.{measure.decimals}f}"
                    for figure in figures
                ]
                rows.append((measure.words + ARROWS[measure.better], *cells))
        n_notes = max((line["db_rmse"]["n"] for line in lines.values()), default=0)
        note = (
            f"Means over the first {n_notes} notes; ↓ lower is better, ↑ higher is. At equal RMS and 16 kHz, but for "
            "spectral convergence, where the level counts, and loudness. dB RMSE, log-spectral distance and "
            "similarity: 1024/256, floor −60 dB. Peaks: within 35 cents or a bin in the same frame. Attack: 20 to 90 % "
            "of the envelope; 0.3 decades are a factor of 2."
        )
        if phase == "estimated":
            note += " SI-SDR is left out: it follows the waveform, which an estimated phase does not keep."
        found.append(Table(f"Reconstruction with {title}: other measures", note, ("measure", *lines), rows))
    return found


def phase_table(result: Mapping[str, Any]) -> Table:
    """Return the spectral convergence of estimated phases."""
    found = {"pghi-fast": result["pghi_fast"]}
    note = "Spectral convergence of true magnitudes with an estimated phase, on an analysis that neither was fitted to."
    if result["librosa"] is None:
        note += " librosa is not installed, so its Griffin-Lim is left out."
    else:
        found |= {"librosa griffinlim": result["librosa"], "difference": result["difference"]}
        note += f" Ours is better for {100 * result['share_better']:.0f} % of the notes."
    rows = [
        (name, str(figures["n"]), *(f"{figures[part]:.1f}" for part in ("mean", "median", "p90")))
        for name, figures in found.items()
    ]
    title = f"Phase: {result['iterations']} iterations"
    return Table(title, note, ("method", "notes", "mean dB", "median dB", "90 % dB"), rows)


def recognition_table(result: Mapping[str, Any]) -> Table:
    """Return what the classifier and the search for the pitch find right of notes and reconstructions."""
    classes, rows = result["classifier"], []
    for line in result["recognition"]:
        phase = "" if line["phase"] == "own" else f", {line['phase']} phase"
        shares = [_share(line[name]) for name in (*HEADS, "in_tune")]
        rows.append((line["method"] + phase, _count(line), *shares))
    counts = [classes["n_classes"][head] for head in HEADS]
    rows.append(("guessing", "", *(f"{100 / count:.1f} %" if count else "–" for count in counts), ""))
    seen = " They are also the notes that are judged here." if result["settings"]["split"] == "train" else ""
    return Table(
        "What a classifier recognises",
        f"Share named right by a small network trained on {classes['n_training_notes']:,} notes of the training split."
        f"{seen} Note sets tell no qualities of a note, so velocity stands for NSynth's third question; it is mostly a "
        "matter of level, which a codec's context carries. The row of the originals is the classifier's own limit: "
        "notes that sound an octave off their key, or have no pitch, count as wrong in it too. A kept phase brings "
        "something of the note by itself: compare the mean image, whose magnitudes know nothing of it. f0 in tune: a "
        "plain search finds the f0 within 50 cents of the key.",
        ("sound", "notes", *HEADS, "f0 in tune"),
        rows,
    )


def morph_tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of half-way morphs; none where there were no pairs."""
    if not result["morphs"]:
        return []
    found = [_morphs(result["morphs"], result["pitch_gate"]), _morph_recognition(result["morph_recognition"])]
    return found + ([_path(result["path"])] if result["path"]["methods"] else [])


def _morph_recognition(result: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for line in result:
        shares = [_share(line.get(name)) for name in ("pitch", "in_tune", "velocity", "family", "perceived")]
        rows.append((line["method"] + ("" if line["phase"] == "own" else ", half-way"), _count(line), *shares))
    return Table(
        "What the classifier recognises of half-way morphs",
        "The two ends are the original notes. Family: that of A or of B. Heard at an end: the morph is given one of "
        "the two families that the classifier gives its ends, right or wrong.",
        ("sound", "pairs", "pitch", "f0 in tune", "velocity", "family", "heard at an end"),
        rows,
    )


def _path(result: Mapping[str, Any]) -> Table:
    rows = []
    for method, figures in result["methods"].items():
        for end, words in (("a", "as A"), ("b", "as B")):
            monotone = _percent(figures["monotone"]) if end == "a" else ""
            rows.append((f"{method}: {words}", *(f"{value:.2f}" for value in figures[end]), monotone))
    return Table(
        "From A to B",
        f"Mean probability, over {result['n_pairs']} pairs whose ends the classifier gives two different families, of "
        "the family that it gives A and of that it gives B, at five ratios. Falls and rises: the share of pairs whose "
        "A falls and whose B rises at every step, within 0.01.",
        ("family", *(f"{mix:g}" for mix in result["mixes"]), "falls and rises"),
        rows,
    )


def latents_table(result: Mapping[str, Any]) -> Table:
    """Return the statistics of the code."""
    over_time, correlation = result["over_time"], result["mean_correlation"]
    dimensions = result["n_dimensions"]
    rows = [
        ("dimensions of a latent vector", f"{dimensions:,}"),
        ("of them active", f"{result['active']:,}"),
        ("participation ratio of the covariance", f"{result['participation']:.1f}"),
        ("principal components for 95 % of the variance", f"{result['n_for_95']:,}"),
        ("mean absolute correlation of two dimensions", "–" if correlation is None else f"{correlation:.3f}"),
        ("mean of all numbers", f"{result['mean']:.3f}"),
        ("standard deviation of all numbers", f"{result['std']:.3f}"),
        ("variance within notes, over time", "–" if over_time is None else _percent(over_time)),
    ]
    return Table(
        "The code",
        f"Of {result['n_vectors']:,} latent vectors of the judged notes. Active: a variance of at least "
        f"{100 * ACTIVE_SHARE:g} % of the largest one. Participation ratio: how many dimensions an even code of the "
        "same spread would have.",
        ("statistic", "value"),
        rows,
    )


def _morphs(result: Sequence[Mapping[str, Any]], gate: Mapping[str, Any]) -> Table:
    rows = []
    for line in result:
        median = "–" if line["median_cents"] is None else f"{line['median_cents']:.1f}"
        loudness = "–" if line["loudness"] is None else f"{line['loudness']['mean']:+z.1f}"
        shares = [_percent(line[name]) for name in ("in_tune", "between_loudness", "between_level")]
        counts = (str(line["n"]), str(line["n_measured"]))
        rows.append((line["pitches"], line["method"], *counts, median, *shares, loudness))
    return Table(
        "Half-way morphs of two notes of equal pitch and velocity",
        "Cents against the geometric mean of the pitches measured of the two ends, for the pairs both of whose ends "
        "are in tune themselves, within 50 cents of their key. In tune: within 50 cents; no pitch counts as out of "
        "tune. Between: integrated loudness (BS.1770), and RMS level (energy), lie between those of the ends, ±0.5 dB. "
        "LU above: the loudness above the mean of the ends. Log magnitude: the spectrograms interpolated in dB without "
        "a network, and the same way back.",
        (
            *("pitches", "method", "pairs", "ends in tune", "median cents", "in tune"),
            *("LUFS between", "RMS between", "LU above"),
        ),
        rows,
        verdict(gate),
    )


def verdict(gate: Mapping[str, Any]) -> str:
    """Return in words whether the codec's morphs keep the pitch in the high octaves."""
    limit, median = gate["limit_cents"], gate["median_cents"]
    title = f"Gate: median |cents| of the codec <= {limit:g} from C5 up"
    if gate["reached"] is None:
        return f"{title}: not judged, no pair there has both ends in tune."
    pairs = f"({gate['n_measured']} pair{'s' * (gate['n_measured'] != 1)})"
    if median is None:
        return f"{title}: not reached, half of the morphs or more have no pitch {pairs}."
    word, side = ("reached", "below") if gate["reached"] else ("not reached", "above")
    return f"{title}: {word}, {median:.1f} is {abs(limit - median):.1f} {side} {pairs}."


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _count(line: Mapping[str, Any]) -> str:
    return str(max(line[head]["n"] if line[head] else 0 for head in HEADS))


def _share(figure: Mapping[str, Any] | None) -> str:
    return "–" if figure is None else f"{100 * figure['mean']:.1f} %"


def network_table(result: Mapping[str, Any]) -> Table:
    """Return the what changes with another network or code."""
    rows = []
    for name, words in (("random_weights", "random weights"), ("exchanged_code", "another note's code for B's")):
        figures = result[name]
        cells = (f"{figures['mean']:.2f}", f"{figures['median']:.2f}", _percent(figures["above_6_db"]))
        rows.append((words, str(figures["n"]), *cells))
    return Table(
        "The network is in the path",
        "Log-mel error of the half-way morph that has the change against the one that has not; the other note is any "
        "of the split. Largest sample difference of mix 0.5 and the decoded mean code: "
        f"{result['mean_code_difference']:g}.",
        ("change", "pairs", "mean dB", "median dB", "above 6 dB"),
        rows,
    )


def speed_table(result: Mapping[str, Any]) -> Table:
    """Return the speed."""
    device = f"{result['device']}, {result['threads']} threads, {result['cpus']} CPUs"
    rows = [("one pair", f"{result['one_pair']:g}"), (f"batch of {result['batch_size']}", f"{result['batch']:g}")]
    return Table("Speed", f"Seconds of sound per second of work, warm; {device}.", ("morph", "s/s"), rows)
