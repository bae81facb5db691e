"""Rendering of a SoundFont into a note set, with the notes of the NSynth data set.

Each program is one shard and is rendered separately, so the result is the same, bit for bit, with any number of
processes and after any interruption.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field

from intertone.audio import resample
from intertone.container import MIN_SAMPLE_RATE
from intertone.data.header import NoteHeader
from intertone.data.keyboard import HIGHEST_RATE, KeyboardConfig
from intertone.data.row import NoteRow, ReportLine
from intertone.data.shards import begin_notes, finish_notes, quantise, write_shard
from intertone.data.soundfont import Bank, read_soundfont
from intertone.data.split import split_of
from intertone.data.store import shard_done
from intertone.data.synth import Synth, synthesis_rate
from intertone.errors import InputError
from intertone.parallel import in_processes
from intertone.remark import RemarkLogger

SILENCE = 1e-4
"""Peak below which a note is silent: −80 dB; FluidSynth's interpolation leaves a residue below this level."""
FAMILIES = (
    "piano", "chromatic-percussion", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth-lead", "synth-pad", "synth-effects", "ethnic", "percussive", "sound-effects",
)  # fmt: skip
_logger = RemarkLogger(__name__)


class RenderConfig(KeyboardConfig):
    """Settings of the rendered notes; the defaults are those of NSynth."""

    sample_rate: int = Field(16000, ge=MIN_SAMPLE_RATE, le=HIGHEST_RATE, description="sample rate, Hz")
    pitch_min: int = Field(21, ge=0, le=127, description="lowest key, a MIDI number")
    pitch_max: int = Field(108, ge=0, le=127, description="highest key, a MIDI number")
    velocities: tuple[int, ...] = Field(
        (25, 50, 75, 100, 127), min_length=1, description="MIDI velocities, 1..127 each"
    )
    gain: float = Field(0.8, gt=0, le=10, description="linear gain; at 0.8 no note of FluidR3Mono reaches full scale")


def render_bank(
    soundfont: Path | str,
    folder: Path | str,
    *,
    config: RenderConfig | None = None,
    programs: Sequence[int] | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> NoteHeader:
    """Render programs of bank 0 of a SoundFont into a note set; calling it again resumes an interrupted run.

    A note is left out, with the reason in ``report.jsonl``, if no zone of the program covers the key or the note is
    silent. Programs that share a recording are one group, and all its notes are in one split, even if only some of
    these programs are rendered. The pitch is −1 if it does not depend on the key (effects, drums); the name contains
    the key.

    Args:
        soundfont: A ``.sf2`` or ``.sf3`` file.
        folder: Folder of the note set: new, empty, or begun with the same arguments.
        config: Settings of the notes.
        programs: Program numbers; None: all.
        workers: Number of processes; with 1, this process does the work. A script must call this function under
            ``if __name__ == "__main__"``.
        progress: Called with (number of finished programs, number of all programs).

    Returns:
        Content of ``notes.json``, with the counts of each split.

    Raises:
        InputError: If the SoundFont or FluidSynth cannot be used, a program is not in the bank, all notes are silent,
            or the folder holds other files.
    """
    config = config or RenderConfig()
    if workers < 1:
        raise InputError(f"workers must be >= 1, got {workers}")
    bank = read_soundfont(soundfont)
    programs = sorted(set(bank.programs if programs is None else programs))
    if not programs or not set(programs) <= set(bank.programs):
        missing = sorted(set(programs) - set(bank.programs))
        raise InputError(f"every program must be one of the bank's {len(bank.programs)}, got {missing or 'none'}")
    _logger.info("the bank is %s, %s", bank.name, bank.path)
    settings = config.model_dump(mode="json") | {"programs": programs, "bank": bank.name, "sha256": _digest(bank.path)}
    _synth(bank, config).close()  # a missing library is reported before files are written
    header = begin_notes(
        folder, sample_rate=config.sample_rate, samples=config.samples, kind="soundfont", settings=settings
    )
    if header["finished"]:
        return header
    todo = [(shard, program) for shard, program in enumerate(programs) if not shard_done(folder, shard)]
    done = len(programs) - len(todo)
    render = partial(_render_program, bank, Path(folder), config)
    for _ in in_processes(render, todo, workers=workers, start=partial(_synth, bank, config), name="rendering"):
        done += 1
        if progress:
            progress(done, len(programs))
    header = finish_notes(folder, len(programs))
    if not sum(header["shards"]):
        raise InputError(
            f"at least one program must have audible notes, but none of {len(programs)} has; see {folder}/report.jsonl"
        )
    return header


def instrument_name(program: int, name: str) -> str:
    """Return the instrument name of a program.

    Example:
        >>> instrument_name(24, "Nylon String Guitar")
        '024-nylon-string-guitar'
    """
    return f"{program:03d}-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"


def _synth(bank: Bank, config: RenderConfig) -> Synth:
    return Synth(bank.path, sample_rate=synthesis_rate(config.sample_rate), gain=config.gain)


def _render_program(bank: Bank, folder: Path, config: RenderConfig, synth: Synth, job: tuple[int, int]) -> None:
    """Render one program into its shard; ``job`` is ``(shard, program)``."""
    shard, program = job
    preset = bank.presets[0, program]
    instrument, group = instrument_name(program, preset.name), bank.groups()[program]
    split = split_of(group)
    pcm = np.empty((len(config.pitches) * len(config.velocities), config.samples), np.int16)
    rows: list[NoteRow] = []
    scales: list[float] = []
    skipped: dict[str, list[str]] = {}
    for pitch in config.pitches:
        for velocity in config.velocities:
            name = f"{instrument}-{pitch:03d}-{velocity:03d}"
            zones = [zone for zone in preset.zones if zone.sounds(pitch, velocity)]
            if not zones:
                skipped.setdefault("no zone covers the key", []).append(name[-7:])
                continue
            audio = _render_note(synth, config, program, pitch, velocity)
            if np.abs(audio).max() < SILENCE:
                skipped.setdefault("silent", []).append(name[-7:])
                continue
            pcm[len(rows)], scale = quantise(audio)
            tuned = any(zone.scale_tuning == 100 for zone in zones)
            family = FAMILIES[program // 8]
            rows.append(NoteRow(name, pitch if tuned else -1, velocity, instrument, family, bank.name, group, split))
            scales.append(scale)
    line: ReportLine = {
        "program": program,
        "preset": preset.name,
        "instrument": instrument,
        "group": group,
        "split": split,
    }
    line |= {"notes": len(rows), "peak": max(scales, default=0.0), "skipped": skipped}
    write_shard(folder, shard, pcm[: len(rows)], scales, rows, [line])


def _render_note(
    synth: Synth, config: RenderConfig, program: int, pitch: int, velocity: int
) -> npt.NDArray[np.float32]:
    """Return one note, ``(samples,)``, rendered at a multiple of the sample rate, mixed to mono and resampled."""
    factor = synthesis_rate(config.sample_rate) // config.sample_rate
    hold, release = config.hold * factor, (config.samples - config.hold) * factor
    audio = torch.from_numpy(synth.note(program, pitch, velocity, hold=hold, release=release).mean(axis=0))
    return resample(audio, config.sample_rate * factor, config.sample_rate).numpy()


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
