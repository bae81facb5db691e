"""Note sets of random patches of the virtual-analogue synthesizer."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from intertone.data.header import NoteHeader
from intertone.data.keyboard import KeyboardConfig
from intertone.data.patch import PatchConfig, draw_patch
from intertone.data.row import NoteRow, ReportLine
from intertone.data.shards import begin_notes, finish_notes, quantise, write_shard
from intertone.data.store import shard_done
from intertone.data.virtual_analogue import play_patch
from intertone.errors import InputError
from intertone.parallel import in_processes

Played = tuple[tuple[int, ...], int]
"""Keys, MIDI numbers, and velocity of one note or chord."""
SPLIT_OF_TEN = {2: "valid", 5: "test"}
"""Split by the last digit of a patch's seed, ``train`` for all others; a patch is in the same split of every set."""
SAMPLES_AT_A_TIME = 12_000_000
"""Largest number of samples of all voices that are rendered together; they take about 0.5 GB."""


class VirtualAnalogueConfig(KeyboardConfig):
    """Settings of a note set of random patches: the patches, and the notes of each."""

    patches: int = Field(64, ge=1, le=100_000, description="number of patches")
    seed: int = Field(0, ge=0, description="seed of the first patch; the others have the following seeds")
    category: str = Field("", description="bass, lead, pad, pluck, organ or percussion; drawn at random if empty")
    pitch_step: int = Field(4, ge=1, le=127, description="step between keys, semitones")
    polyphony: int = Field(1, ge=1, le=4, description="largest number of simultaneous keys of a note")


def render_patches(
    folder: Path | str,
    *,
    config: VirtualAnalogueConfig | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> NoteHeader:
    """Render random patches into a note set, one shard each; calling it again resumes an interrupted run.

    Each patch is an instrument and a group, and one entry of ``report.jsonl``, which contains its settings. The pitch
    of a chord is −1; its keys are in its name.

    Args:
        folder: Folder of the note set: new, empty, or begun with the same settings.
        config: Settings of patches and notes.
        workers: Number of processes; with 1, this process does the work. A script must call this function under
            ``if __name__ == "__main__"``.
        progress: Called with (number of finished patches, number of all patches).

    Returns:
        Content of ``notes.json``, with the counts of each split.

    Raises:
        InputError: If the category is unknown, or the folder holds other files.
    """
    config = config or VirtualAnalogueConfig()
    if workers < 1:
        raise InputError(f"workers must be >= 1, got {workers}")
    try:
        draw_patch(config.seed, category=config.category or None)
    except ValueError as error:
        raise InputError(str(error)) from None
    header = begin_notes(
        folder,
        sample_rate=config.sample_rate,
        samples=config.samples,
        kind="virtual-analogue",
        settings=config.model_dump(mode="json"),
    )
    if header["finished"]:
        return header
    todo = [shard for shard in range(config.patches) if not shard_done(folder, shard)]
    render = partial(_render_patch, Path(folder), config)
    for done, _ in enumerate(
        in_processes(render, todo, workers=workers, start=nullcontext, name="rendering", threads=1), 1
    ):
        if progress:
            progress(config.patches - len(todo) + done, config.patches)
    return finish_notes(folder, config.patches)


def read_patches(folder: Path | str) -> dict[str, PatchConfig]:
    """Return the settings of each instrument of a note set by ``render_patches``.

    Raises:
        InputError: If the note set is of another kind.
    """
    path = Path(folder) / "report.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
    patches = {
        line["instrument"]: PatchConfig.parse(line["patch"], source=str(path)) for line in lines if "patch" in line
    }
    if not patches:
        raise InputError(f"the note set must be one of the virtual-analogue synthesizer, got {folder}")
    return patches


def _render_patch(folder: Path, config: VirtualAnalogueConfig, _state: None, number: int) -> None:
    patch = draw_patch(config.seed + number, category=config.category or None)
    instrument = f"patch-{config.seed + number:05d}"
    split = SPLIT_OF_TEN.get(patch.seed % 10, "train")
    rows: list[NoteRow] = []
    pcm: list[npt.NDArray[np.int16]] = []
    scales: list[float] = []
    for played in _batches(_chords(config, patch), config):
        sounds = play_patch(
            patch,
            [chord for chord, _ in played],
            [velocity for _, velocity in played],
            sample_rate=config.sample_rate,
            hold_seconds=config.hold_seconds,
            release_seconds=config.release_seconds,
        )
        for (chord, velocity), sound in zip(played, sounds, strict=True):
            values, scale = quantise(sound)
            pcm.append(values)
            scales.append(scale)
            name = f"{instrument}-{'+'.join(f'{key:03d}' for key in chord)}-{velocity:03d}"
            pitch = chord[0] if len(chord) == 1 else -1
            rows.append(
                NoteRow(name, pitch, velocity, instrument, patch.category, "virtual-analogue", instrument, split)
            )
    line: ReportLine = {"instrument": instrument, "group": instrument, "split": split, "notes": len(rows)}
    line |= {"peak": max(scales), "patch": patch.model_dump(mode="json")}
    write_shard(folder, number, np.stack(pcm), scales, rows, [line])


def _chords(config: VirtualAnalogueConfig, patch: PatchConfig) -> list[Played]:
    """Return keys and velocity of each note; the upper keys of a chord are within an octave above the lowest key."""
    generator = np.random.default_rng([patch.seed, 0xC0D])
    played = []
    for pitch in config.pitches:
        for velocity in config.velocities:
            above = generator.permutation(np.arange(1, 13))[: generator.integers(config.polyphony)]
            others = sorted(pitch + int(interval) for interval in above if pitch + interval <= 127)
            played.append(((pitch, *others), velocity))
    return played


def _batches(played: list[Played], config: VirtualAnalogueConfig) -> Iterator[list[Played]]:
    at_a_time = max(1, SAMPLES_AT_A_TIME // (config.samples * config.polyphony))
    for first in range(0, len(played), at_a_time):
        yield played[first : first + at_a_time]
