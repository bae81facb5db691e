"""Errors of the tracker of f0: notes whose key is known against the f0 that it finds."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.draw import EXCLUDED_PROGRAMS, program_of
from intertone.evaluate.resynthesis import has_partials
from intertone.evaluate.study import Draw, Shown, Study
from intertone.page import Table, percent
from intertone.pitch import follow_pitch
from intertone.pitch.note import pitch_to_hz

GROSS_CENTS = 50.0
"""A frame further off is wrong."""

FLIP_CENTS = 100.0
"""A step of more between neighbouring evaluated frames is a flip."""

FLIP_FRAMES = 5
"""Frames so near count as neighbours of one another."""

JUDGED_DB = 40.0
"""Frames so much quieter than the note's loudest are not evaluated."""

PARTIAL_DB = 40.0
"""A partial sounds if it is less below the strongest."""

PARTIAL_SEMITONES = 3
"""A partial is the strongest of its surroundings."""

LOWEST_HZ = 20.0
"""Lowest frequency of a partial, Hz."""

HOP_SECONDS = 0.01
SPECTRUM_SECONDS = 0.25
PITCHES = range(24, 101)
"""Keys that are evaluated."""

KEYS = f"{PITCHES[0]} to {PITCHES[-1]}"

WORST = 5
"""Instruments that are shown of the tracker's worst."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrackerScore:
    """Errors of the tracker on some notes.

    Attributes:
        name: Of the instrument, or of all.
        n_notes: Notes.
        n_frames: Frames evaluated: voiced, and within 40 dB of the note's loudest.
        voiced: Share of the frames within 40 dB of the loudest that the tracker calls voiced.
        gross: Share of the evaluated frames more than 50 cents from the label and from the lowest sounding partial.
        gross_label: Share more than 50 cents from the label alone.
        n_flips: Steps of more than 100 cents from one evaluated frame to the next, at most five frames on.
        jitter: Mean step from one evaluated frame to the one right after it that is no flip, cents.
    """

    name: str
    n_notes: int
    n_frames: int
    voiced: float
    gross: float
    gross_label: float
    n_flips: int
    jitter: float


@dataclass(frozen=True)
class Tracking:
    """Errors of the tracker.

    Attributes:
        notes: On all notes; None where there is none with a key.
        synthetic: On sounds whose f0 is known; None where there is none.
        instruments: On the notes of each instrument, the worst first.
    """

    notes: TrackerScore | None = None
    synthetic: TrackerScore | None = None
    instruments: tuple[TrackerScore, ...] = ()


class TrackerStudy(Study[Tracking]):
    """Errors of the tracker of f0."""

    name = "f0_tracker"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None for a codec that follows f0 and notes of a soundfont."""
        if not has_partials(codec):
            return "The tracker of f0: this codec does not follow partials."
        if notes.kind != "soundfont":
            return f"The tracker of f0: {_refusal(notes)}."
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Tracking:
        """Return the scores of some notes of each instrument."""
        config = draw.config
        step = draw.steps.begin("tracker of f0", 2)
        try:
            score, instruments = judge_tracker(notes, split=config.split, limit=config.n_tracked, seed=config.seed)
        except InputError:
            return Tracking()
        step(1)
        sounds = list(draw.known_sounds)
        known = judge_sounds(sounds, sample_rate=notes.sample_rate)[0] if sounds else None
        return Tracking(score, known, tuple(instruments))

    def show(self, result: Tracking) -> Shown:
        """Return the scores as a table and a sentence."""
        if result.notes is None:
            return Shown("Tracker of f0", left_out=(f"The tracker of f0: no note has a key of {KEYS}.",))
        text = f"The tracker of f0 is wrong in {percent(result.notes.gross, decimals=2)} of the voiced frames, against "
        text += f"the key alone in {percent(result.notes.gross_label, decimals=2)}"
        if result.synthetic:
            text += f", on synthetic notes in {percent(result.synthetic.gross, decimals=2)}"
        return Shown("Tracker of f0", (_table(result, result.notes),), (text + ".",))


def _table(result: Tracking, everything: TrackerScore) -> Table:
    lines = [("all notes", everything)]
    lines += [("synthetic notes", result.synthetic)] if result.synthetic else []
    lines += [(score.name, score) for score in result.instruments[:WORST]]
    rows = [
        (
            name,
            str(score.n_notes),
            f"{score.n_frames:,}",
            percent(score.gross, decimals=2),
            percent(score.gross_label, decimals=2),
            percent(score.voiced, decimals=1),
            str(score.n_flips),
            f"{score.jitter:.1f}",
        )
        for name, score in lines
    ]
    programs = f"{min(EXCLUDED_PROGRAMS)}–{max(EXCLUDED_PROGRAMS)}"
    return Table(
        "The tracker of f0",
        f"Notes of keys {KEYS}, frames of 10 ms, within 40 dB of the note's loudest and "
        "voiced. Gross: share more than 50 cents from the key and from the lowest sounding partial; key: from the "
        f"key alone. Programs {programs} (percussion and effects) and drum kits are left out. Flips: jumps of more "
        "than 100 cents; jitter: mean other step, cents. Below all: the worst instruments.",
        ("notes", "evaluated", "frames", "gross", "key", "voiced", "flips", "jitter"),
        rows,
    )


def _refusal(notes: Notes) -> str:
    return f"the tracker must be evaluated on notes of a soundfont, got those of kind {notes.kind!r}"


def judge_tracker(
    notes: Notes, *, split: str, limit: int | None = None, seed: int = 0
) -> tuple[TrackerScore, list[TrackerScore]]:
    """Evaluate the tracker on a soundfont's notes.

    Every instrument gives equally many notes, drawn from those with a key of 24 to 100. Some do not sound at their
    label: organs with a deeper register, harmonics of a guitar. So a frame is right at the label or at the lowest
    sounding partial: the lowest peak of the note's spectrum within 40 dB of the highest.

    Args:
        notes: A note set rendered from a soundfont: its instruments' names begin with the program's number.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        limit: At most so many notes of each instrument; ``None`` for all.
        seed: Seed of the draw.

    Returns:
        The score of all frames, and that of every instrument, the worst first.

    Raises:
        InputError: If ``limit`` is not positive, the note set is none of a soundfont or there is no such note.
    """
    if notes.kind != "soundfont":
        raise InputError(_refusal(notes))
    if limit is not None and limit < 1:
        raise InputError(f"limit must be 1 or more, got {limit}")
    rows = [int(row) for row in notes.select(split=split, pitch=PITCHES)]
    rows = [row for row in rows if program_of(notes, row) not in EXCLUDED_PROGRAMS]
    chosen = [
        row
        for _, group in groupby(sorted(rows, key=lambda row: str(notes.instrument[row])), notes.instrument.__getitem__)
        for row in np.random.default_rng(seed).permutation(list(group))[:limit]
    ]
    if not chosen:
        raise InputError(f"there must be notes with a key in the split, got none of {len(notes)} in {split!r}")
    sounds = ((str(notes.instrument[row]), notes.audio([row])[0], pitch_to_hz(int(notes.pitch[row]))) for row in chosen)
    return judge_sounds(sounds, sample_rate=notes.sample_rate)


def judge_sounds(
    sounds: Iterable[tuple[str, Tensor, float]], *, sample_rate: int
) -> tuple[TrackerScore, list[TrackerScore]]:
    """Evaluate the tracker on sounds of known, steady f0.

    Args:
        sounds: Name of the instrument, ``(samples,)`` and f0 in Hz of each.
        sample_rate: Hz.

    Returns:
        The score of all frames, and that of every instrument, the worst first.

    Raises:
        ValueError: If there is no sound.

    Example:
        >>> audio = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> score, _ = judge_sounds([("sine", audio, 440.0), ("sine", audio, 400.0)], sample_rate=16000)
        >>> score.n_frames, score.gross, score.gross_label  # the second is excused: its lowest partial is at 440 Hz
        (102, 0.0, 0.5)
    """
    found: dict[str, list[_Frames]] = {}
    for name, audio, f0 in sounds:
        found.setdefault(name, []).append(_judge(audio, sample_rate, f0))
    if not found:
        raise ValueError("there must be at least one sound, got none")
    scores = [_score(name, frames) for name, frames in found.items()]
    everything = [frames for several in found.values() for frames in several]
    return _score("all", everything), sorted(scores, key=lambda score: -score.gross)


def lowest_partial(audio: Tensor, sample_rate: int) -> float:
    """Return the frequency of the lowest partial that sounds.

    The median spectrum of windows of 0.25 s, of those within 40 dB of the loudest, so that no stroke counts, has a peak
    there: the highest of three semitones around it and less than 40 dB below the highest of all.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.

    Returns:
        Hz; NaN for silence.

    Example:
        >>> time = torch.arange(16000) / 16000
        >>> audio = torch.sin(2 * torch.pi * 880 * time) + 0.1 * torch.sin(2 * torch.pi * 220 * time)
        >>> round(lowest_partial(audio, 16000))
        220
    """
    n_window = round(SPECTRUM_SECONDS * sample_rate)
    padded = torch.nn.functional.pad(audio.double(), (0, max(0, n_window - len(audio))))
    frames = padded.unfold(0, n_window, n_window // 2) * torch.hann_window(n_window, dtype=torch.float64)
    energy = frames.square().sum(1, keepdim=True)
    loud = frames[energy[:, 0] >= 10 ** (-JUDGED_DB / 10) * energy.max()] / energy.max().sqrt().clamp(min=1e-12)
    power = torch.fft.rfft(loud, n=4 * n_window).abs().square().median(0).values.numpy()
    spacing = sample_rate / (4 * n_window)
    ratio = 2 ** (PARTIAL_SEMITONES / 12)
    for place in np.flatnonzero(power > 10 ** (-PARTIAL_DB / 10) * power.max()):
        if power[place] == power[int(place / ratio) : int(place * ratio) + 2].max() and place * spacing > LOWEST_HZ:
            return float(place * spacing)
    return float("nan")


@dataclass(frozen=True)
class _Frames:
    """Frames of one note: which are loud, which are evaluated, how far they are from the label, and which are wrong."""

    loud: Mask
    judged: Mask
    cents: npt.NDArray[np.float64]
    wrong: Mask


def _judge(audio: Tensor, sample_rate: int, f0: float) -> _Frames:
    hop_length = round(HOP_SECONDS * sample_rate)
    track = follow_pitch(audio, sample_rate, hop_length=hop_length)
    padded = torch.nn.functional.pad(audio.double(), (hop_length, 2 * hop_length))
    level = padded.unfold(0, 2 * hop_length, hop_length).square().sum(1)[: len(track.f0)].numpy()
    loud = (level > 0) & (level >= 10 ** (-JUDGED_DB / 10) * level.max())
    judged = loud & track.voiced.numpy()
    found = np.where(judged, track.f0.numpy(), f0)
    cents = 1200 * np.log2(found / f0)
    with np.errstate(invalid="ignore"):
        beside = np.abs(1200 * np.log2(found / lowest_partial(audio, sample_rate)))
    return _Frames(loud, judged, cents, ~(np.minimum(np.abs(cents), np.nan_to_num(beside, nan=np.inf)) <= GROSS_CENTS))


def _score(name: str, notes: list[_Frames]) -> TrackerScore:
    n_frames = sum(int(note.judged.sum()) for note in notes)
    places = [np.flatnonzero(note.judged) for note in notes]
    gaps = np.concatenate([np.diff(place) for place in places])
    steps = np.concatenate([np.abs(np.diff(note.cents[place])) for note, place in zip(notes, places, strict=True)])
    smooth = steps[(gaps == 1) & (steps <= FLIP_CENTS)]
    return TrackerScore(
        name=name,
        n_notes=len(notes),
        n_frames=n_frames,
        voiced=n_frames / max(1, sum(int(note.loud.sum()) for note in notes)),
        gross=sum(int(note.wrong[note.judged].sum()) for note in notes) / max(1, n_frames),
        gross_label=sum(int((np.abs(note.cents) > GROSS_CENTS).sum()) for note in notes) / max(1, n_frames),
        n_flips=int(((gaps <= FLIP_FRAMES) & (steps > FLIP_CENTS)).sum()),
        jitter=float(smooth.mean()) if len(smooth) else 0.0,
    )
