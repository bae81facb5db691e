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


@dataclass(frozen=True)
class Table:
    """A table for people: a title, a sentence on how to read it, and cells as text."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of an evaluation.

    Args:
        result: From ``evaluate_codec``.

    Returns:
        Reconstruction, phase, morphs (if there were pairs), network, speed.
    """
    parts = [_reconstruction(result), _phase(result["phase"])]
    if result["morphs"]:
        parts.append(_morphs(result["morphs"]))
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
            _save(staged, f"note-{notes.name[row]}", _note_sounds(codec, notes.audio([row])[0]), codec.sample_rate)
        for row_a, row_b in draw_pairs(notes, settings["n_morph_sounds"], **choice):
            a, b = notes.audio([row_a, row_b]).unsqueeze(1)
            title = f"morph-{notes.name[row_a]}-{notes.name[row_b]}"
            _save(staged, title, _morph_sounds(codec, a, b), codec.sample_rate)


def _note_sounds(codec: Codec, audio: Tensor) -> dict[str, Tensor]:
    estimated = codec.reconstruct(audio, phase=ESTIMATED, generator=seeded(0))
    return {"reference": audio, "codec-kept-phase": codec.reconstruct(audio), "codec-estimated-phase": estimated}


def _morph_sounds(codec: Codec, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    without = log_magnitude_morph(codec, a[None].to(codec.device), b[None].to(codec.device), mix=0.5)
    return {"a": a[0], "codec": morph(codec, a, b)[0], "log-magnitude": without[0, 0], "b": b[0]}


def _save(folder: Path, title: str, sounds: Mapping[str, Tensor], sample_rate: int) -> None:
    title = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in title)
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


def _morphs(result: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for line in result:
        octave = "all" if line["octave"] is None else f"C{line['octave']}–B{line['octave']}"
        median = "–" if line["median_cents"] is None else f"{line['median_cents']:.1f}"
        in_tune = "–" if line["in_tune"] is None else f"{100 * line['in_tune']:.0f} %"
        level = "–" if line["level"] is None else f"{line['level']['mean']:+.1f}"
        between = f"{100 * line['between']:.0f} %"
        counts = (str(line["n"]), str(line["n_measured"]))
        rows.append((octave, line["method"], *counts, median, in_tune, between, level))
    return Table(
        "Half-way morphs of two notes of equal pitch and velocity",
        "Cents against the geometric mean of the pitches measured of the two ends, for the pairs whose ends are "
        "themselves within 50 cents of their key (measured). In tune: within 50 cents; no pitch counts as out of tune. "
        "Between: loudness (BS.1770) between those of the ends, ±0.5 dB. Level: above the mean of the ends. Log "
        "magnitude: the spectrograms interpolated in dB, without a network, and the same way back.",
        ("octave", "method", "pairs", "measured", "median cents", "in tune", "between", "level dB"),
        rows,
    )


def _network(result: Mapping[str, Any]) -> Table:
    rows = [("mix 0.5 against the decoded mean code, largest sample difference", f"{result['mean_code_difference']:g}")]
    for name, words in (("random_weights", "random weights"), ("exchanged_code", "another note's code for B's")):
        figures = result[name]
        rows.append((f"{words}: change of the half-way morph, log-mel dB", f"{figures['mean']:.2f}"))
    note = f"Mean of {result['exchanged_code']['n']} pairs."
    return Table("The network is in the path", note, ("what", "figure"), rows)


def _speed(result: Mapping[str, Any]) -> Table:
    device = f"{result['device']}, {result['threads']} threads, {result['cpus']} CPUs"
    rows = [("one pair", f"{result['one_pair']:g}"), (f"batch of {result['batch_size']}", f"{result['batch']:g}")]
    return Table("Speed", f"Seconds of sound per second of work, warm; {device}.", ("morph", "s/s"), rows)
