"""Errors of the f0 tracker on notes whose f0 is known from their key."""

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
"""Deviation in cents above which the f0 of a frame is wrong."""

FLIP_CENTS = 100.0
"""Difference in cents between successive evaluated frames above which it counts as a flip (an f0 jump)."""

FLIP_FRAMES = 5
"""Largest distance, in frames, between two evaluated frames whose difference can count as a flip."""

EVALUATED_DB = 40.0
"""Range below the note's loudest frame, in dB, within which frames are evaluated."""

PARTIAL_DB = 40.0
"""Range below the highest peak of the spectrum, in dB, within which a peak counts as a partial."""

PARTIAL_SEMITONES = 3
"""Distance on either side, in semitones, within which no bin is higher than the peak of a partial."""

LOWEST_HZ = 20.0
"""Lowest frequency of a partial, Hz."""

HOP_SECONDS = 0.01
SPECTRUM_SECONDS = 0.25
PITCHES = range(24, 101)
"""Keys that are evaluated."""

KEYS = f"{PITCHES[0]} to {PITCHES[-1]}"

WORST = 5
"""Number of instruments in the table, those with the most errors."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TrackerScore:
    """Errors of the tracker on some notes.

    Attributes:
        name: Name of the instrument; ``all`` for all instruments.
        n_notes: Number of notes.
        n_frames: Number of evaluated frames: voiced, and within 40 dB of the note's loudest.
        voiced: Share of the frames within 40 dB of the loudest that the tracker classifies as voiced.
        gross: Share of the evaluated frames whose f0 is more than 50 cents from the key's f0 and also from the lowest
            partial.
        gross_label: Share of the evaluated frames whose f0 is more than 50 cents from the key's f0.
        n_flips: Number of changes by more than 100 cents between evaluated frames at most five frames apart.
        jitter: Mean absolute change of f0 between adjacent evaluated frames, flips left out, cents.
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
        notes: Errors on all notes; None: no note has a key of ``PITCHES``.
        synthetic: Errors on the synthetic sounds of known f0; None: there are no such sounds.
        instruments: Errors on the notes of each instrument, the largest first.
    """

    notes: TrackerScore | None = None
    synthetic: TrackerScore | None = None
    instruments: tuple[TrackerScore, ...] = ()


class TrackerStudy(Study[Tracking]):
    """Study of the f0 tracker."""

    name = "f0_tracker"

    def applies(self, codec: Codec, notes: Notes) -> str | None:
        """Return None if the codec is harmonic and the notes are of a soundfont; otherwise the reason."""
        if not has_partials(codec):
            return "The f0 tracker: this codec has no harmonic representation."
        if notes.kind != "soundfont":
            return f"The f0 tracker: {_refusal(notes)}."
        return None

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Tracking:
        """Return the errors on some notes of each instrument, and on the known sounds."""
        config = draw.config
        step = draw.steps.begin("f0 tracker", 2)
        try:
            score, instruments = evaluate_tracker(notes, split=config.split, limit=config.n_tracked, seed=config.seed)
        except InputError:
            return Tracking()
        step(1)
        sounds = list(draw.known_sounds)
        known = evaluate_sounds(sounds, sample_rate=notes.sample_rate)[0] if sounds else None
        return Tracking(score, known, tuple(instruments))

    def show(self, result: Tracking) -> Shown:
        """Return the scores as a table and a sentence."""
        if result.notes is None:
            return Shown("F0 tracker", left_out=(f"The f0 tracker: no note has a key of {KEYS}.",))
        text = f"The f0 tracker is wrong in {percent(result.notes.gross, decimals=2)} of the voiced frames "
        text += f"({percent(result.notes.gross_label, decimals=2)} if only the f0 of the key counts as right)"
        if result.synthetic:
            text += f", on synthetic notes in {percent(result.synthetic.gross, decimals=2)}"
        return Shown("F0 tracker", (_table(result, result.notes),), (text + ".",))


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
        "The f0 tracker",
        f"Notes of keys {KEYS}; frames of 10 ms that are voiced and within 40 dB of the note's loudest. Gross: share "
        "of the frames whose f0 is more than 50 cents from the key and from the lowest partial; key: share more than "
        f"50 cents from the key. Programs {programs} (percussion and effects) and drum kits are left out. Flips: "
        "changes by more than 100 cents; jitter: mean of the smaller changes, cents. Last rows: the "
        "instruments with the most errors.",
        ("notes", "evaluated", "frames", "gross", "key", "voiced", "flips", "jitter"),
        rows,
    )


def _refusal(notes: Notes) -> str:
    return f"the tracker must be evaluated on notes of a soundfont, got those of kind {notes.kind!r}"


def evaluate_tracker(
    notes: Notes, *, split: str, limit: int | None = None, seed: int = 0
) -> tuple[TrackerScore, list[TrackerScore]]:
    """Evaluate the tracker on a soundfont's notes.

    The notes of each instrument are drawn from those with a key of 24 to 100. Some notes do not sound at the f0 of
    their key, such as organs with a lower register and harmonics of a guitar. The f0 of a frame is therefore right if
    it is near the key's f0 or near the lowest partial, see ``lowest_partial``.

    Args:
        notes: A note set rendered from a soundfont; its instruments' names begin with the program number.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        limit: Largest number of notes of each instrument; None: all.
        seed: Seed of the random selection.

    Returns:
        The errors on all frames, and those on every instrument, the largest first.

    Raises:
        InputError: If ``limit`` < 1, the notes are not those of a soundfont, or no note has such a key.
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
    return evaluate_sounds(sounds, sample_rate=notes.sample_rate)


def evaluate_sounds(
    sounds: Iterable[tuple[str, Tensor, float]], *, sample_rate: int
) -> tuple[TrackerScore, list[TrackerScore]]:
    """Evaluate the tracker on sounds of known, constant f0.

    Args:
        sounds: Instrument name, audio ``(samples,)`` and f0 in Hz of each sound.
        sample_rate: Hz.

    Returns:
        The errors on all frames, and those on every instrument, the largest first.

    Raises:
        ValueError: If there is no sound.

    Example:
        >>> audio = torch.sin(2 * torch.pi * 440 * torch.arange(8000) / 16000)
        >>> score, _ = evaluate_sounds([("sine", audio, 440.0), ("sine", audio, 400.0)], sample_rate=16000)
        >>> score.n_frames, score.gross, score.gross_label  # the second is no gross error: its partial is at 440 Hz
        (102, 0.0, 0.5)
    """
    found: dict[str, list[_Frames]] = {}
    for name, audio, f0 in sounds:
        found.setdefault(name, []).append(_frame_errors(audio, sample_rate, f0))
    if not found:
        raise ValueError("there must be at least one sound, got none")
    scores = [_score(name, frames) for name, frames in found.items()]
    everything = [frames for several in found.values() for frames in several]
    return _score("all", everything), sorted(scores, key=lambda score: -score.gross)


def lowest_partial(audio: Tensor, sample_rate: int) -> float:
    """Return the frequency of the lowest partial of a steady sound.

    It is searched for in the median power spectrum of all windows of 0.25 s within 40 dB of the loudest; the median
    suppresses a percussive onset. A partial is a bin that is the highest within three semitones on either side and
    less than 40 dB below the highest bin of all.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.

    Returns:
        Frequency in Hz; NaN for silence.

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
    loud = frames[energy[:, 0] >= 10 ** (-EVALUATED_DB / 10) * energy.max()] / energy.max().sqrt().clamp(min=1e-12)
    power = torch.fft.rfft(loud, n=4 * n_window).abs().square().median(0).values.numpy()
    spacing = sample_rate / (4 * n_window)
    ratio = 2 ** (PARTIAL_SEMITONES / 12)
    for place in np.flatnonzero(power > 10 ** (-PARTIAL_DB / 10) * power.max()):
        if power[place] == power[int(place / ratio) : int(place * ratio) + 2].max() and place * spacing > LOWEST_HZ:
            return float(place * spacing)
    return float("nan")


@dataclass(frozen=True)
class _Frames:
    """Frames of one note, ``(n_frames,)`` each.

    Attributes:
        loud: Whether the frame is within 40 dB of the loudest.
        evaluated: Whether it is loud and voiced.
        cents: Deviation of its f0 from the key's f0; 0 for frames that are not evaluated.
        wrong: Whether the f0 is more than 50 cents from the key's f0 and from the lowest partial.
    """

    loud: Mask
    evaluated: Mask
    cents: npt.NDArray[np.float64]
    wrong: Mask


def _frame_errors(audio: Tensor, sample_rate: int, f0: float) -> _Frames:
    hop_length = round(HOP_SECONDS * sample_rate)
    track = follow_pitch(audio, sample_rate, hop_length=hop_length)
    padded = torch.nn.functional.pad(audio.double(), (hop_length, 2 * hop_length))
    level = padded.unfold(0, 2 * hop_length, hop_length).square().sum(1)[: len(track.f0)].numpy()
    loud = (level > 0) & (level >= 10 ** (-EVALUATED_DB / 10) * level.max())
    evaluated = loud & track.voiced.numpy()
    found = np.where(evaluated, track.f0.numpy(), f0)
    cents = 1200 * np.log2(found / f0)
    with np.errstate(invalid="ignore"):
        from_partial = np.nan_to_num(np.abs(1200 * np.log2(found / lowest_partial(audio, sample_rate))), nan=np.inf)
    return _Frames(loud, evaluated, cents, ~(np.minimum(np.abs(cents), from_partial) <= GROSS_CENTS))


def _score(name: str, notes: list[_Frames]) -> TrackerScore:
    n_frames = sum(int(note.evaluated.sum()) for note in notes)
    places = [np.flatnonzero(note.evaluated) for note in notes]
    gaps = np.concatenate([np.diff(place) for place in places])
    steps = np.concatenate([np.abs(np.diff(note.cents[place])) for note, place in zip(notes, places, strict=True)])
    smooth = steps[(gaps == 1) & (steps <= FLIP_CENTS)]
    return TrackerScore(
        name=name,
        n_notes=len(notes),
        n_frames=n_frames,
        voiced=n_frames / max(1, sum(int(note.loud.sum()) for note in notes)),
        gross=sum(int(note.wrong[note.evaluated].sum()) for note in notes) / max(1, n_frames),
        gross_label=sum(int((np.abs(note.cents) > GROSS_CENTS).sum()) for note in notes) / max(1, n_frames),
        n_flips=int(((gaps <= FLIP_FRAMES) & (steps > FLIP_CENTS)).sum()),
        jitter=float(smooth.mean()) if len(smooth) else 0.0,
    )
