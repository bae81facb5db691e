"""Writing of an evaluation to a folder: HTML page, Markdown, JSON figures, sounds and spectrograms."""

import platform
from pathlib import Path

import torch

from intertone import __version__
from intertone.audio import save_audio
from intertone.evaluate.report import Evaluation, facts, to_markdown
from intertone.evaluate.study import Example, Sounds
from intertone.files import staged_folder, write_json
from intertone.page import Block, Clip, Command, Listening, Points, Section, Table, render_page
from intertone.plot import plot_spectrograms, spectrogram_png


def write_evaluation(folder: Path | str, result: Evaluation, *, command: str) -> list[Path]:
    """Write ``evaluation.html``, ``.json`` and ``.md``, and sounds with spectrograms of notes and half-way morphs.

    The page is self-contained: it includes the figures, the pictures and the sounds.

    Args:
        folder: The folder; it is created if it does not exist, but its parent folder must exist.
        result: Result of ``evaluate_codec``.
        command: Command that made the result, for the page.

    Returns:
        Paths of the files, the page first.

    Raises:
        InputError: If the folder cannot be written.
    """
    folder, rate = Path(folder), result.codec.sample_rate
    names = ["evaluation.html", "evaluation.json", "evaluation.md"]
    with staged_folder(folder) as staged:
        (staged / names[0]).write_text(evaluation_page(result, command=command), encoding="utf-8")
        write_json(staged / names[1], {"command": command, **result.figures})
        (staged / names[2]).write_text(to_markdown(result, command=command), encoding="utf-8")
        for sounds in _sounds(result):
            for example in sounds.examples:
                for name, audio in example.sounds.items():
                    save_audio(staged / f"{example.file}-{name}.wav", audio.detach(), sample_rate=rate)
                plot_spectrograms(staged / f"{example.file}.png", example.sounds, sample_rate=rate)
        names += sorted({file.name for file in staged.iterdir()} - set(names))
    return [folder / name for name in names]


def evaluation_page(result: Evaluation, *, command: str) -> str:
    """Return a self-contained HTML page with the findings, a section for each study, sounds and settings.

    Args:
        result: Result of ``evaluate_codec``.
        command: Command that made the result.

    Returns:
        The text of the page.
    """
    n_sounds = sum(len(example.sounds) for sounds in _sounds(result) for example in sounds.examples)
    lead: list[Block] = [facts(result), Command(command), Points(result.sentences)]
    lead.append(f"Below are the figures behind these sentences, and {n_sounds} sounds to check them by ear.")
    sections = [
        Section(shown.title, [*shown.tables, *shown.pictures])
        for shown in (part.shown for part in result.parts)
        if shown.tables or shown.pictures
    ]
    if result.left_out:
        sections.append(Section("Left out", [Points(result.left_out)]))
    for sounds in _sounds(result):
        rows = [_row(example, result.codec.sample_rate) for example in sounds.examples]
        sections.append(Section(sounds.title, [sounds.note, *rows]))
    sections.append(Section("Settings and versions", [_settings(result)]))
    return render_page("Evaluation of a codec", sections, lead=lead)


def _sounds(result: Evaluation) -> list[Sounds]:
    """Return the examples of all studies that have some."""
    return [sounds for part in result.parts if (sounds := part.shown.sounds) and sounds.examples]


def _row(example: Example, sample_rate: int) -> Listening:
    clips = [
        Clip(example.words[name], audio, sample_rate, spectrogram_png(audio, sample_rate))
        for name, audio in example.sounds.items()
    ]
    return Listening(example.title, example.note, clips)


def _settings(result: Evaluation) -> Table:
    rows = [(name, str(value)) for name, value in result.settings.model_dump(mode="json").items()]
    rows += [(f"codec: {name}", str(value)) for name, value in vars(result.codec).items()]
    rows += [("notes: kind", result.notes.kind), ("notes: digest of the index", result.notes.digest)]
    versions = {"intertone": __version__, "Python": platform.python_version(), "PyTorch": torch.__version__}
    rows += list(versions.items())
    return Table(
        "Settings and versions",
        "Equal settings and versions give equal figures, except for the speed.",
        ("name", "value"),
        rows,
    )
