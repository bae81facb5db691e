"""An evaluation as a folder of files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intertone.audio import save_audio
from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.listening import examples
from intertone.evaluate.report import to_markdown
from intertone.evaluate.sections import evaluation_page
from intertone.files import staged_folder, write_json
from intertone.plot import plot_spectrograms


def write_evaluation(
    folder: Path | str, result: Mapping[str, Any], codec: Codec, notes: Notes, *, command: str
) -> list[Path]:
    """Write ``evaluation.html``, ``.json`` and ``.md``, and sounds with pictures of notes and half-way morphs.

    The page holds everything that a person needs to check the figures, the sounds too, and needs nothing else.

    Args:
        folder: Made if it does not exist; its parent must.
        result: From ``evaluate_codec`` with the same codec and notes.
        codec: The codec.
        notes: The note set.
        command: What made the result, for the page.

    Returns:
        The files, the page first.

    Raises:
        InputError: If the folder cannot be written.
    """
    folder, rate = Path(folder), codec.sample_rate
    sounds = list(examples(result, codec, notes))
    names = ["evaluation.html", "evaluation.json", "evaluation.md"]
    with staged_folder(folder) as staged:
        page = evaluation_page(result, codec, notes, sounds, command=command)
        (staged / names[0]).write_text(page, encoding="utf-8")
        write_json(staged / names[1], {"command": command, **result})
        (staged / names[2]).write_text(to_markdown(result, command=command), encoding="utf-8")
        for example in sounds:
            for name, audio in example.sounds.items():
                save_audio(staged / f"{example.file}-{name}.wav", audio.detach(), sample_rate=rate)
            plot_spectrograms(staged / f"{example.file}.png", example.sounds, sample_rate=rate)
        names += sorted({file.name for file in staged.iterdir()} - set(names))
    return [folder / name for name in names]
