"""An evaluation as tables, files, sounds and pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from intertone.audio import save_audio
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import draw_notes, draw_pairs
from intertone.evaluate.morphs import log_magnitude_morph
from intertone.evaluate.reconstruction import ESTIMATED, seeded
from intertone.files import staged_folder, write_json
from intertone.morphing import morph
from intertone.plot import plot_spectrograms

NAME_BYTES = 80
"""Of a note's name in a file's name: two of them must fit into the 255 bytes that systems allow."""


@dataclass(frozen=True)
class Table:
    """A table for people: a title, a sentence on how to read it, cells as text, and what follows from them, if that."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    verdict: str = ""


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of an evaluation.

    Args:
        result: From ``evaluate_codec``.

    Returns:
        Reconstruction, phase, morphs (if there were pairs), network, speed.
    """
    parts = [_reconstruction(result), _phase(result["phase"])]
    if result["morphs"]:
        parts.append(_morphs(result["morphs"], result["pitch_gate"]))
    return [*parts, _network(result["network"]), _speed(result["speed"])]


def to_markdown(result: Mapping[str, Any], *, command: str) -> str:
    """Return the tables as a Markdown page that says which command made it."""
    codec, notes, settings = result["codec"], result["notes"], result["settings"]
    lines = [
        "# Evaluation",
        "",
        f"`{command}`",
        "",
        f"{codec['parameters']:,} parameters; {codec['code_size']:,} numbers for {notes['seconds']:g} s of sound at "
        f"{codec['sample_rate']} Hz. Judged on {notes['n_notes']} notes of {notes['n_instruments']} instruments "
        f"({notes['n_groups']} groups that share no recording) of the {settings['split']} split, and "
        f"{notes['n_pairs']} pairs of them; seed {settings['seed']}.",
    ]
    for table in tables(result):
        lines += ["", f"## {table.title}", "", table.note, ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|" + " --- |" * len(table.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines += ["", f"**{table.verdict}**"] if table.verdict else []
    return "\n".join(lines) + "\n"


def write_evaluation(
    folder: Path | str, result: Mapping[str, Any], codec: Codec, notes: Notes, *, command: str
) -> None:
    """Write ``evaluation.json``, ``evaluation.md``, and sounds with pictures of notes and half-way morphs.

    Args:
        folder: Made if it does not exist; its parent must.
        result: From ``evaluate_codec`` with the same codec and notes.
        codec: The codec.
        notes: The note set.
        command: What made the result, for the page.

    Raises:
        InputError: If the folder cannot be written.
    """
    settings = result["settings"]
    choice = {"split": settings["split"], "seed": settings["seed"]}
    with staged_folder(folder) as staged:
        write_json(staged / "evaluation.json", {"command": command, **result})
        (staged / "evaluation.md").write_text(to_markdown(result, command=command), encoding="utf-8")
        for row in draw_notes(notes, settings["n_note_sounds"], **choice):
            _save(staged, f"note-{_part(notes, row)}", _note_sounds(codec, notes.audio([row])[0]), codec.sample_rate)
        for row_a, row_b in draw_pairs(notes, settings["n_morph_sounds"], **choice):
            a, b = notes.audio([row_a, row_b]).unsqueeze(1)
            title = f"morph-{_part(notes, row_a)}-{_part(notes, row_b)}"
            _save(staged, title, _morph_sounds(codec, a, b), codec.sample_rate)


def _note_sounds(codec: Codec, audio: Tensor) -> dict[str, Tensor]:
    estimated = codec.reconstruct(audio, phase=ESTIMATED, generator=seeded(0))
    return {"reference": audio, "codec-kept-phase": codec.reconstruct(audio), "codec-estimated-phase": estimated}


def _morph_sounds(codec: Codec, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    without = log_magnitude_morph(codec, a[None].to(codec.device), b[None].to(codec.device), mix=0.5)
    return {"a": a[0], "codec": morph(codec, a, b)[0], "log-magnitude": without[0, 0], "b": b[0]}


def _part(notes: Notes, row: int) -> str:
    """Return row and name of a note as a part of a file's name; a long name is cut."""
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in str(notes.name[row]))
    return f"{row}-{name.encode()[:NAME_BYTES].decode(errors='ignore')}"


def _save(folder: Path, title: str, sounds: Mapping[str, Tensor], sample_rate: int) -> None:
    for name, audio in sounds.items():
        save_audio(folder / f"{title}-{name}.wav", audio.detach(), sample_rate=sample_rate)
    plot_spectrograms(folder / f"{title}.png", sounds, sample_rate=sample_rate)


def _reconstruction(result: Mapping[str, Any]) -> Table:
    pca = result["pca"]
    fitted = f"PCA: {pca['n_components']:,} components of {pca['n_training_notes']:,} training notes"
    if pca["n_components"] < pca["wanted"]:
        fitted += f" ({pca['wanted']:,} were wanted, but there are too few notes)"
    rows = []
    for line in result["reconstruction"]:
        mel, loud = line["log_mel_error"], line["loud_cell_error"]
        cells = [mel[name] for name in ("mean", "median", "p90")] + [loud[name] for name in ("mean", "median", "p10")]
        rows.append((line["method"], line["phase"], str(mel["n"]), *(f"{value:.2f}" for value in cells)))
    return Table(
        "Reconstruction",
        "Log-mel error: mean absolute dB over 64 bands, floor −60 dB, at equal RMS. Loud cells: how much too loud the "
        f"cells within 20 dB of the peak are, dB. {fitted}. Rank one: mean spectrum × envelope. All through the same "
        "way back, with the note's own energy.",
        ("method", "phase", "notes", "log-mel mean", "median", "90 %", "loud cells mean", "median", "10 %"),
        rows,
    )


def _phase(result: Mapping[str, Any]) -> Table:
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


def _morphs(result: Sequence[Mapping[str, Any]], gate: Mapping[str, Any]) -> Table:
    rows = []
    for line in result:
        median = "–" if line["median_cents"] is None else f"{line['median_cents']:.1f}"
        loudness = "–" if line["loudness"] is None else f"{line['loudness']['mean']:+.1f}"
        shares = [_percent(line[name]) for name in ("in_tune", "between_loudness", "between_level")]
        counts = (str(line["n"]), str(line["n_measured"]))
        rows.append((line["pitches"], line["method"], *counts, median, *shares, loudness))
    return Table(
        "Half-way morphs of two notes of equal pitch and velocity",
        "Cents against the geometric mean of the pitches measured of the two ends, for the pairs whose ends are "
        "themselves within 50 cents of their key (measured). In tune: within 50 cents; no pitch counts as out of tune. "
        "Between, ±0.5 dB, those of the ends: in integrated loudness (BS.1770), and in RMS level (energy). Loudness: "
        "above the mean of the ends. Log magnitude: the spectrograms interpolated in dB, without a network, and the "
        "same way back.",
        (
            *("pitches", "method", "pairs", "measured", "median cents", "in tune"),
            *("between in loudness", "between in RMS level", "loudness LU"),
        ),
        rows,
        _verdict(gate),
    )


def _verdict(gate: Mapping[str, Any]) -> str:
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


def _network(result: Mapping[str, Any]) -> Table:
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


def _speed(result: Mapping[str, Any]) -> Table:
    device = f"{result['device']}, {result['threads']} threads, {result['cpus']} CPUs"
    rows = [("one pair", f"{result['one_pair']:g}"), (f"batch of {result['batch_size']}", f"{result['batch']:g}")]
    return Table("Speed", f"Seconds of sound per second of work, warm; {device}.", ("morph", "s/s"), rows)
