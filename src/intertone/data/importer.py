"""Import of sound files into a note set: from the NSynth data set, or from any folder."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeGuard

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from intertone.audio import MIN_SECONDS, SILENCE_PEAK, load_audio, resample
from intertone.config import Settings
from intertone.container import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, SUFFIXES
from intertone.data.header import NoteHeader
from intertone.data.naming import read_names
from intertone.data.row import NoteRow, ReportLine
from intertone.data.shards import Divide, begin_notes, discard_notes, finish_notes, quantise, write_shard
from intertone.data.split import FRACTIONS, SPLIT_BY, SPLITS, check_fractions, divide_notes, split_of
from intertone.data.store import shard_done
from intertone.downmix import mix_to_mono
from intertone.errors import InputError
from intertone.files import Json, readable_name
from intertone.pitch.note import hz_to_pitch
from intertone.pitch.path import MEDIAN_SECONDS, follow_pitch

SHARD_NOTES = 512
"""Largest number of notes in a shard."""
SHARD_BYTES = 256 * 2**20
"""Largest size of a shard, bytes, since a shard is in memory while it is made; shards of long notes have fewer
notes."""
LEAST_PERIODICITY = 0.8
"""Smallest median periodicity of the voiced frames of a sound with a pitch; a larger value gives more unknown pitches.

In 60 notes of a SoundFont, all notes with a pitch have at least 0.94; fret noise has 0.69.
"""

_NSYNTH_WORDS = ("instrument_str", "instrument_family_str", "instrument_source_str")


class ImportConfig(Settings):
    """Format of imported notes."""

    sample_rate: int = Field(16000, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="sample rate, Hz")
    seconds: float = Field(
        4.0,
        ge=MIN_SECONDS,
        le=60,
        description="length of a note, s; longer sounds are cropped, shorter ones padded with silence",
    )

    @property
    def samples(self) -> int:
        """Length of a note, samples."""
        return round(self.seconds * self.sample_rate)


@dataclass(frozen=True)
class _Item:
    """File to import; ``row`` is its index row, or the reason why it is skipped."""

    path: Path
    label: str
    row: NoteRow | str
    pitch_from: Literal["name", "list"] = "name"


Progress = Callable[[int, int], None]


def import_nsynth(
    source: Path | str,
    folder: Path | str,
    *,
    config: ImportConfig | None = None,
    progress: Progress | None = None,
) -> NoteHeader:
    """Import the NSynth data set, unpacked from its ``jsonwav`` archives.

    The splits are those of NSynth: ``nsynth-train`` shares no instrument with the other two. A folder with
    ``examples.json`` whose name does not end in the name of a split is divided by instrument.

    Args:
        source: A folder with ``examples.json`` and ``audio/``, or a folder of such folders.
        folder: Folder of the note set: new, empty, or begun with the same arguments.
        config: Format of the notes.
        progress: Called with (number of finished sounds, number of all sounds).

    Returns:
        Content of ``notes.json``, with the counts of each split.

    Raises:
        InputError: If ``examples.json`` does not exist or is damaged, or no sound can be used. A single unusable sound
            is skipped, with the reason in ``report.jsonl``.

    Source:
        Engel et al. (2017), "Neural audio synthesis of musical notes with WaveNet autoencoders"; the data set's page.
    """
    source = Path(source)
    folders = _nsynth_folders(source)
    if not folders:
        raise InputError(f"an NSynth folder must hold examples.json, got {source}")
    items = [item for part in folders for item in _nsynth_items(part)]
    return _import(items, source, folder, kind="nsynth", config=config or ImportConfig(), extra={}, progress=progress)


def import_folder(
    source: Path | str,
    folder: Path | str,
    *,
    config: ImportConfig | None = None,
    fractions: Sequence[float] = FRACTIONS,
    split_by: str = "group",
    progress: Progress | None = None,
) -> NoteHeader:
    """Import every sound file in a folder and its sub-folders; pitch and velocity are read from the names (``naming``).

    If a name has no pitch, the pitch is measured in the sound; if the sound has none, it is unknown. A velocity that is
    not in the name is unknown.

    The instrument, which is also the group whose notes stay in one split, is the sub-folder of a file. For files
    directly in ``source`` it is the file name without pitch, velocity and take number, or the folder's name if nothing
    remains. If there are too few groups for all splits, ``split_groups`` divides them, and the notes of a single group
    are divided one by one, so that training and validation both have notes; ``remarks`` in ``notes.json`` mentions it.

    Args:
        source: The folder; hidden files and folders are ignored.
        folder: Folder of the note set: new, empty, or begun with the same arguments; not inside ``source``.
        config: Format of the notes.
        fractions: Shares of train, valid and test; ``(1, 0, 0)`` uses all notes for training.
        split_by: ``"group"``, or ``"note"``: every note is divided separately, so that validation and test contain
            other notes of the training instruments.
        progress: Called with (number of finished sounds, number of all sounds).

    Returns:
        Content of ``notes.json``, with the counts of each split.

    Raises:
        InputError: If ``source`` is not a folder, or no sound in it can be used. A single unusable sound is skipped,
            with the reason in ``report.jsonl``.
    """
    source = Path(source)
    check_fractions(fractions)
    if split_by not in SPLIT_BY:
        raise InputError(f"split_by must be one of {', '.join(SPLIT_BY)}, got {split_by}")
    if not source.is_dir():
        raise InputError(f"the sounds must be in a folder, got {source}")
    if Path(folder).resolve().is_relative_to(source.resolve()):
        raise InputError(f"the output must not be inside the folder of the sounds, got {folder}")
    items = list(_folder_items(source))
    extra: dict[str, Json] = {"fractions": list(fractions), "split_by": split_by}
    divide = partial(divide_notes, fractions=fractions, split_by=split_by)
    return _import(
        items, source, folder, kind="folder", config=config or ImportConfig(), extra=extra, divide=divide,
        progress=progress,
    )  # fmt: skip


def is_nsynth(source: Path | str) -> bool:
    """Return whether a folder is NSynth's: it or one of its sub-folders has an ``examples.json``."""
    return bool(_nsynth_folders(Path(source)))


def _nsynth_folders(source: Path) -> list[Path]:
    if (source / "examples.json").is_file():
        return [source]
    return [path.parent for path in sorted(source.glob("*/examples.json"))]


def _nsynth_items(part: Path) -> Iterator[_Item]:
    try:
        examples = json.loads((part / "examples.json").read_text(encoding="utf-8"))
        names = sorted(examples)
        entries = [dict(examples[name]) for name in names]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{part / 'examples.json'} must be NSynth's list of notes, got {error}") from None
    own = next((split for split in SPLITS if part.name.endswith(split)), None)
    for name, entry in zip(names, entries, strict=True):
        path = part / "audio" / f"{Path(name).name}.wav"
        words = [entry.get(word) for word in _NSYNTH_WORDS]
        pitch, velocity = entry.get("pitch"), entry.get("velocity")
        if not all(isinstance(word, str) for word in words) or not (_is_midi(pitch) and _is_midi(velocity)):
            yield _Item(path, f"{part.name}/{name}", "an entry must have NSynth's names, pitch and velocity")
            continue
        instrument, family, origin = map(str, words)
        row = NoteRow(name, pitch, velocity, instrument, family, origin, instrument, own or split_of(instrument))
        yield _Item(path, f"{part.name}/audio/{path.name}", row, "list")


def _folder_items(source: Path) -> Iterator[_Item]:
    by_folder: dict[Path, list[Path]] = {}
    for path in sorted(source.rglob("*")):
        place = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".") for part in place.parts):
            by_folder.setdefault(place.parent, []).append(path)
    for place, paths in by_folder.items():
        for path, naming in zip(paths, read_names([path.stem for path in paths]), strict=True):
            label = readable_name(path.relative_to(source).as_posix())
            if path.suffix.lower() not in SUFFIXES:
                yield _Item(path, label, f"a sound's name must end in one of {', '.join(SUFFIXES)}")
                continue
            own = place == Path()
            instrument = readable_name(naming.instrument or source.resolve().name if own else place.as_posix())
            heard, origin = (naming.pitch, naming.velocity), readable_name(source.name)
            yield _Item(path, label, NoteRow(label, *heard, instrument, "unknown", origin, instrument, ""))


def _import(
    items: Sequence[_Item],
    source: Path,
    folder: Path | str,
    *,
    kind: str,
    config: ImportConfig,
    extra: dict[str, Json],
    divide: Divide | None = None,
    progress: Progress | None,
) -> NoteHeader:
    """Import ``items`` in shards of equal numbers of sounds; shards that are already complete are kept."""
    settings = config.model_dump(mode="json") | extra | {"files_sha256": _digest(items)}
    folder = Path(folder)
    begun = (folder / "notes.json").exists()
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    header = begin_notes(folder, sample_rate=config.sample_rate, samples=config.samples, kind=kind, settings=settings)
    if header["finished"]:
        return header
    size = max(1, min(SHARD_NOTES, SHARD_BYTES // (2 * config.samples)))
    starts = range(0, len(items), size)
    for shard, start in enumerate(starts):
        chunk = items[start : start + size]
        if not shard_done(folder, shard):
            _import_shard(chunk, folder, shard, config)
        if progress:
            progress(start + len(chunk), len(items))
    header = finish_notes(folder, len(starts), divide=divide)
    if not sum(header["shards"]):
        if not begun:
            discard_notes(folder)
            with contextlib.suppress(OSError):  # it fails if the folder is no longer empty
                for place in made:
                    place.rmdir()
        reasons = "; ".join(f"{number} × {reason}" for reason, number in header["skipped"].items())
        why = f"none of {len(items)} files can: {reasons}" if items else "it has no files"
        raise InputError(f"{source} must hold sounds that can be used, but {why}")
    return header


def _digest(items: Sequence[_Item]) -> str:
    """Return a hash of the names of all files, and of size and modification time of those that are imported."""
    facts: list[list[str] | list[int]] = []
    for item in items:
        facts.append([item.label, str(item.row)])
        if isinstance(item.row, NoteRow) and item.path.exists():
            found = item.path.stat()
            facts.append([found.st_size, found.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _import_shard(items: Sequence[_Item], folder: Path, shard: int, config: ImportConfig) -> None:
    pcm = np.empty((len(items), config.samples), np.int16)
    rows: list[NoteRow] = []
    scales: list[float] = []
    report: list[ReportLine] = []
    for item in items:
        line: ReportLine = {"file": item.label}
        report.append(line)
        try:
            audio = _read_sound(item, config, line)
        except InputError as error:
            line["skipped"] = str(error).replace(str(item.path), item.label)
            continue
        assert isinstance(item.row, NoteRow)
        pcm[len(rows)], scale = quantise(audio.numpy())
        row = item.row
        if row.pitch >= 0:
            line["pitch_from"] = item.pitch_from
        elif (heard := heard_pitch(audio, config.sample_rate)) is not None:
            row = replace(row, pitch=heard)
            line["pitch_from"] = "sound"
        line |= {"pitch": row.pitch, "velocity": row.velocity, "instrument": row.instrument, "split": row.split}
        rows.append(row)
        scales.append(scale)
    write_shard(folder, shard, pcm[: len(rows)], scales, rows, report)


def _read_sound(item: _Item, config: ImportConfig, line: ReportLine) -> Tensor:
    """Return one sound, ``(samples,)``, and add its facts and conversions to the report entry ``line``."""
    if isinstance(item.row, str):
        raise InputError(item.row)
    audio, sample_rate = load_audio(item.path)
    channels, length = audio.shape
    line |= {"sample_rate": sample_rate, "channels": channels, "seconds": round(length / sample_rate, 4)}
    done = line.setdefault("done", [])
    if channels > 1:
        audio = mix_to_mono(audio)[None]
        done.append(f"mixed {channels} channels to one")
    if sample_rate != config.sample_rate:
        audio = resample(audio[:, : round((config.seconds + 1) * sample_rate)], sample_rate, config.sample_rate)
        done.append(f"resampled to {config.sample_rate} Hz")
    whole = round(length * config.sample_rate / sample_rate)
    if whole != config.samples:
        done.append(f"{'cropped' if whole > config.samples else 'padded'} to {config.seconds:g} s")
    audio = audio[0, : config.samples]
    audio = torch.nn.functional.pad(audio, (0, config.samples - len(audio)))
    if (peak := audio.abs().max().item()) < SILENCE_PEAK:
        raise InputError(f"the first {config.seconds:g} s of a sound, as mono, must not be silent, got {peak:.2g}")
    return audio


def heard_pitch(audio: Tensor, sample_rate: int) -> int | None:
    """Return the key of a sound: its median pitch, rounded to a MIDI number.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.

    Returns:
        MIDI number, or None for a sound without a single pitch.
    """
    track = follow_pitch(audio, sample_rate, hop_length=round(MEDIAN_SECONDS * sample_rate))
    if not bool(track.voiced.any()) or float(track.periodicity[track.voiced].median()) < LEAST_PERIODICITY:
        return None
    pitch = round(float(hz_to_pitch(track.f0[track.voiced].median())))
    return pitch if 0 <= pitch <= 127 else None


def _is_midi(number: Json) -> TypeGuard[int]:
    return isinstance(number, int) and 0 <= number <= 127
