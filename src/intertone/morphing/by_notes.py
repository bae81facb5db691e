"""Morph phrases note by note: notes are paired in order, each pair is morphed by partials, and the sum is one sound."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from intertone.harmonic.sound import HarmonicContext
from intertone.models.contract import Conditions
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.contract import MorphMethod
from intertone.morphing.notes import LEAST_SEMITONES, NEAR_SECONDS, cut_notes, pair_notes
from intertone.morphing.settings import MorphConfig
from intertone.morphing.weights import Weights
from intertone.phase import PhaseConfig
from intertone.ratio import SUM_TOLERANCE
from intertone.representation import Analysis


@dataclass(frozen=True)
class PhraseContext:
    """Context of a phrase: that of each of its notes, and where it lies.

    Attributes:
        notes: Context of each note, in order.
        columns: Columns of each note's features, which lie one after another.
        onsets: Onset of each note, samples from the start of the phrase.
        gains: Factor of each note, 1 but for notes that only some of the mixed phrases hold.
        samples: Length of the phrase.
        leading: Axes of the audio before its samples.
        edited: Whether the code that this goes with is another than the phrase's own.
        conditions: Empty: each note has its own.
    """

    notes: tuple[HarmonicContext, ...]
    columns: tuple[int, ...]
    onsets: tuple[int, ...]
    gains: tuple[float, ...]
    samples: int
    leading: tuple[int, ...]
    edited: bool = False
    conditions: Conditions = field(default_factory=dict)

    def as_edited(self) -> "PhraseContext":
        """Return this context for a code that was changed."""
        return replace(self, notes=tuple(note.as_edited() for note in self.notes), edited=True)

    def with_conditions(self, conditions: Conditions) -> "PhraseContext":
        """Return this context as it is: each note has its own conditions."""
        return self


class ByNotes(MorphMethod[PhraseContext]):
    """The morph method for phrases of notes that each have one pitch.

    Onsets are interpolated, and every pair of notes is morphed as two sounds are. Where the phrases have different
    numbers of notes, those without a partner keep their own sound and are faded by their weight.

    Args:
        by_partials: How two notes are morphed.
    """

    takes = replace(ByPartials.takes, sustain=False)

    def __init__(self, by_partials: ByPartials) -> None:
        self.by_partials = by_partials
        self.frames_per_second = by_partials.frames_per_second

    def analyse(self, sound: Tensor, starts: Sequence[int]) -> Analysis[PhraseContext]:
        """Cut a phrase into its notes and analyse each, ready to be morphed.

        Args:
            sound: ``(1, channels, samples)``.
            starts: Where its notes begin, samples, from the second on.

        Returns:
            Features of all notes one after another, ``(channels, n_features, n_frames)``, and their context.
        """
        pieces = cut_notes(sound[0], starts, self.by_partials.codec.sample_rate)
        notes = [self.by_partials.prepare(self._analyse_note(note[None])) for _, note in pieces]
        onsets = [first + note.context.sounds[0].onset for (first, _), note in zip(pieces, notes, strict=True)]
        return _join(notes, onsets, [1.0] * len(notes), sound.shape[-1])

    def _analyse_note(self, note: Tensor) -> Analysis[HarmonicContext]:
        """Return the analysis of a note, along the pitch of its middle where its ends still sound of its neighbours."""
        analysis = cast(Analysis[HarmonicContext], self.by_partials.codec.analyse(note))
        (sound,) = analysis.context.sounds
        hop_length, rate = self.by_partials.representation.hop_length, self.by_partials.representation.sample_rate
        near = round(NEAR_SECONDS * rate / hop_length)
        f0 = sound.f0[: 1 + (sound.samples - sound.onset) // hop_length]
        if len(f0) <= 2 * near:
            return analysis
        known = torch.cat([f0[near].expand(near), f0[near:-near], f0[-near - 1].expand(near)])
        if float(12 * (f0 / known).log2().abs().max()) < LEAST_SEMITONES:
            return analysis
        before = known[0].expand(round(sound.onset / hop_length))
        features, context = self.by_partials.representation.analyse(note, f0=torch.cat([before, known]))
        return Analysis(features.to(analysis.features.device), replace(analysis.context, sounds=context.sounds))

    def unpitched(self, analysis: Analysis[PhraseContext]) -> str | None:
        """Say how many notes of a phrase have no one pitch, ``"4 of 7 notes without one pitch"``; None: less than half.

        Of a sound that holds one note only, the reason is that of ``ByPartials.unpitched``.

        A short note that begins while the one before it still sounds is often taken for one without a pitch.
        """
        notes = _split(analysis)
        if len(notes) == 1:
            return self.by_partials.unpitched(notes[0])
        count = sum(self.by_partials.unpitched(note) is not None for note in notes)
        return f"{count} of {len(notes)} notes without one pitch" if 2 * count >= len(notes) else None

    def note_pitches(self, analysis: Analysis[PhraseContext]) -> list[float]:
        """Return the median f0 of each note of a phrase, Hz, in order."""
        return [float(note.sounds[0].f0.median()) for note in analysis.context.notes]

    def span(
        self, analyses: Sequence[Analysis[PhraseContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[float, float]:
        """Return where the first column of a mixture lies, which is its start, and its end, seconds."""
        lengths = [context.samples for _, context in analyses]
        return 0.0, _between(lengths, _shares(weights)) / self.by_partials.representation.sample_rate

    def between(
        self,
        analyses: Sequence[Analysis[PhraseContext]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[PhraseContext]:
        """Return the mixture of phrases: notes paired, morphed and laid at the interpolated onsets.

        Beyond the ratios 0 and 1 sounds are extrapolated, onsets are not.

        Args:
            analyses: From ``analyse``.
            weights: How much of each; where they change over time, each note gets those of its time.
            config: As for single notes.
            kept: Not used: partials have phases of their own.
            generator: Source of what a model draws that samples.
        """
        phrases, contexts = [_split(one) for one in analyses], [one.context for one in analyses]
        shares = _shares(weights.timing)
        rows = pair_notes([[onset / one.samples for onset in one.onsets] for one in contexts])
        times = _times(rows, contexts)
        notes, onsets, gains = [], [], []
        for row, time in zip(rows, times, strict=True):
            onset = round(_between(time, shares))
            held = [index for index, note in enumerate(row) if note is not None]
            chosen = [phrases[index][note] for index, note in enumerate(row) if note is not None]
            length = (
                max(note.context.sounds[0].samples for note in chosen) / self.by_partials.representation.sample_rate
            )
            start = onset / self.by_partials.representation.sample_rate
            own = _cut_weights(
                weights, round(start * self.frames_per_second), 1 + round(length * self.frames_per_second)
            )
            gain = float(own.timing[held].clamp(0, 1).sum(0).clamp_max(1).mean()) if len(held) < len(row) else 1.0
            if gain <= SUM_TOLERANCE:
                continue
            notes.append(self.by_partials.between(chosen, _weights_of(own, held), config, generator=generator))
            onsets.append(onset)
            gains.append(gain)
        return _join(notes, onsets, gains, round(_between([one.samples for one in contexts], shares)))

    def synthesise(
        self,
        analysis: Analysis[PhraseContext],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the sound of a phrase, ``(1, channels, samples)``: the sum of its notes, none of them cut short."""
        context = analysis.context
        pieces = []
        for note, onset, gain in zip(_split(analysis), context.onsets, context.gains, strict=True):
            sound = self.by_partials.synthesise(note, residual=residual, generator=generator)[0]
            first = onset - note.context.sounds[0].onset
            pieces.append((max(0, first), gain * sound[:, max(0, -first) :]))
        total = torch.zeros(context.leading[-1], max(context.samples, *(at + sound.shape[-1] for at, sound in pieces)))
        for first, sound in pieces:
            total[:, first : first + sound.shape[-1]] += sound
        return total[None]


def _join(
    notes: Sequence[Analysis[HarmonicContext]], onsets: Sequence[int], gains: Sequence[float], samples: int
) -> Analysis[PhraseContext]:
    """Return a phrase of notes."""
    columns = tuple(note.features.shape[-1] for note in notes)
    channels = len(notes[0].features)
    context = PhraseContext(
        tuple(note.context for note in notes), columns, tuple(onsets), tuple(gains), samples, (1, channels)
    )
    return Analysis(torch.cat([note.features for note in notes], -1), context)


def _split(phrase: Analysis[PhraseContext]) -> list[Analysis[HarmonicContext]]:
    """Return the notes of a phrase."""
    pieces = phrase.features.split(list(phrase.context.columns), -1)
    return [Analysis(piece, note) for piece, note in zip(pieces, phrase.context.notes, strict=True)]


def _times(rows: Sequence[tuple[int | None, ...]], contexts: Sequence[PhraseContext]) -> list[list[float]]:
    """Return the onset of each note of a mixture in each phrase, samples; where it is missing, that of its place there.

    The place lies between those of the paired notes as in the phrase of most notes.
    """
    most = max(contexts, key=lambda one: len(one.onsets))
    columns = []
    for index, context in enumerate(contexts):
        pairs = [(place, row[index]) for place, row in enumerate(rows)]
        known = [(most.onsets[place], context.onsets[note]) for place, note in pairs if note is not None]
        there, here = zip((0, 0), *known, (most.samples, context.samples), strict=True)
        columns.append(np.interp(most.onsets, there, here).tolist())
    return [list(times) for times in zip(*columns, strict=True)]


def _shares(weights: Tensor) -> list[float]:
    """Return the part of each phrase in the time of a mixture, 0…1."""
    shares = weights.reshape(len(weights), -1).mean(1).clamp_min(0)
    return [float(share) for share in shares / shares.sum()]


def _between(values: Sequence[float], shares: Sequence[float]) -> float:
    return sum(share * value for share, value in zip(shares, values, strict=True))


def _cut_weights(weights: Weights, first: int, n_frames: int) -> Weights:
    """Return the weights of a stretch of time; the last ones are held."""

    def cut(values: Tensor) -> Tensor:
        if values.ndim == 1:
            return values
        places = (first + torch.arange(n_frames)).clamp_max(values.shape[1] - 1)
        return values[:, places]

    return Weights(cut(weights.overall), {name: cut(each) for name, each in weights.own.items()}, cut(weights.pitch))


def _weights_of(weights: Weights, held: Sequence[int]) -> Weights:
    """Return the weights of some of the sounds, with the sum 1; equal ones where all others have it all."""
    if len(held) == len(weights.overall):
        return weights

    def among(values: Tensor) -> Tensor:
        chosen = values[list(held)]
        total = chosen.sum(0)
        return torch.where(total > SUM_TOLERANCE, chosen / total, 1 / len(held))

    return Weights(
        among(weights.overall), {name: among(each) for name, each in weights.own.items()}, among(weights.pitch)
    )
