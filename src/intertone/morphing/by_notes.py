"""Morph of phrases note by note: notes are paired in order, each pair is morphed by partials, and all are added."""

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
    """Context of a phrase: the contexts and positions of its notes.

    Attributes:
        notes: Context of each note, in order.
        columns: Number of frames of each note; the features of the notes are concatenated over time.
        onsets: Onset of each note, samples from the start of the phrase.
        gains: Amplitude factor of each note: 1, or less for a note that has no partner in some of the mixed phrases.
        samples: Length of the phrase, samples.
        leading: Sizes of the axes of the audio before its samples.
        edited: Whether the features differ from those of the phrase.
        conditions: Always empty, since each note's context has the conditions of that note.
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
        """Return this context and those of its notes marked as edited."""
        return replace(self, notes=tuple(note.as_edited() for note in self.notes), edited=True)

    def with_conditions(self, conditions: Conditions) -> "PhraseContext":
        """Return this context unchanged, since the conditions are in the contexts of the notes."""
        return self


class ByNotes(MorphMethod[PhraseContext]):
    """Morph method for phrases of notes with one pitch each.

    Onsets are interpolated, and each pair of notes is morphed like two sounds. If the phrases have different numbers of
    notes, a note without a partner keeps its timbre, and its amplitude is multiplied by the weight of its phrase.

    Args:
        by_partials: Method that morphs two notes.
    """

    takes = replace(ByPartials.takes, sustain=False)

    def __init__(self, by_partials: ByPartials) -> None:
        self.by_partials = by_partials
        self.frames_per_second = by_partials.frames_per_second

    def analyse(self, sound: Tensor, starts: Sequence[int]) -> Analysis[PhraseContext]:
        """Cut a phrase into its notes and analyse each, ready to be morphed.

        Args:
            sound: ``(1, channels, samples)``.
            starts: Start of each note from the second on, samples.

        Returns:
            Features of all notes, concatenated over time, ``(channels, n_features, n_frames)``, and their context.
        """
        pieces = cut_notes(sound[0], starts, self.by_partials.codec.sample_rate)
        notes = [self.by_partials.prepare(self._analyse_note(note[None])) for _, note in pieces]
        onsets = [first + note.context.sounds[0].onset for (first, _), note in zip(pieces, notes, strict=True)]
        return _join(notes, onsets, [1.0] * len(notes), sound.shape[-1])

    def _analyse_note(self, note: Tensor) -> Analysis[HarmonicContext]:
        """Return the analysis of a note; where f0 near its ends is that of a neighbour, f0 of its middle is used."""
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
        """Return how many notes have no single pitch, ``"4 of 7 notes without one pitch"``, or None for half or less.

        Half are tolerated, since a short note that begins during the decay of the previous one is often
        recognised as a note without a pitch. For a sound of one note, the reason is that of ``ByPartials.unpitched``.
        """
        notes = _split(analysis)
        if len(notes) == 1:
            return self.by_partials.unpitched(notes[0])
        count = sum(self.by_partials.unpitched(note) is not None for note in notes)
        return f"{count} of {len(notes)} notes without one pitch" if 2 * count > len(notes) else None

    def note_pitches(self, analysis: Analysis[PhraseContext]) -> list[float]:
        """Return the median f0 of each note of a phrase, Hz, in order."""
        return [note.sounds[0].median_hz for note in analysis.context.notes]

    def span(
        self, analyses: Sequence[Analysis[PhraseContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[float, float]:
        """Return the times of the first frame of a mixture, 0, and of its end, s."""
        lengths = [context.samples for _, context in analyses]
        return 0.0, _weighted_mean(lengths, _mean_shares(weights)) / self.by_partials.representation.sample_rate

    def between(
        self,
        analyses: Sequence[Analysis[PhraseContext]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[PhraseContext]:
        """Return the mixture of phrases: paired notes are morphed and placed at the interpolated onsets.

        For ratios below 0 and above 1, the sounds are extrapolated, but the onsets are not.

        Args:
            analyses: Analyses from ``analyse``.
            weights: Weights of the phrases; weights that change over time are read at the time of each note.
            config: Settings of the morph of each pair of notes.
            kept: Not used, since partials have phases in their context.
            generator: Source of randomness, for models that draw samples.
        """
        phrases, contexts = [_split(one) for one in analyses], [one.context for one in analyses]
        shares = _mean_shares(weights.timing)
        rows = pair_notes([[onset / one.samples for onset in one.onsets] for one in contexts])
        times = _onset_times(rows, contexts)
        notes, onsets, gains = [], [], []
        for row, time in zip(rows, times, strict=True):
            onset = round(_weighted_mean(time, shares))
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
            notes.append(self.by_partials.between(chosen, _weights_among(own, held), config, generator=generator))
            onsets.append(onset)
            gains.append(gain)
        return _join(notes, onsets, gains, round(_weighted_mean([one.samples for one in contexts], shares)))

    def synthesise(
        self,
        analysis: Analysis[PhraseContext],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the sound of a phrase, ``(1, channels, samples)``: the sum of its notes, each in its full length."""
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
    """Return the analysis of a phrase from those of its notes; onsets and ``samples`` are in samples."""
    columns = tuple(note.features.shape[-1] for note in notes)
    channels = len(notes[0].features)
    context = PhraseContext(
        tuple(note.context for note in notes), columns, tuple(onsets), tuple(gains), samples, (1, channels)
    )
    return Analysis(torch.cat([note.features for note in notes], -1), context)


def _split(phrase: Analysis[PhraseContext]) -> list[Analysis[HarmonicContext]]:
    """Return the analysis of each note of a phrase."""
    pieces = phrase.features.split(list(phrase.context.columns), -1)
    return [Analysis(piece, note) for piece, note in zip(pieces, phrase.context.notes, strict=True)]


def _onset_times(rows: Sequence[tuple[int | None, ...]], contexts: Sequence[PhraseContext]) -> list[list[float]]:
    """Return the onset of each note of a mixture in each phrase, samples.

    For a note that a phrase does not have, the onset is interpolated between those of the paired notes, in proportion
    to the onsets in the phrase with the largest number of notes.
    """
    most = max(contexts, key=lambda one: len(one.onsets))
    columns = []
    for index, context in enumerate(contexts):
        pairs = [(place, row[index]) for place, row in enumerate(rows)]
        known = [(most.onsets[place], context.onsets[note]) for place, note in pairs if note is not None]
        there, here = zip((0, 0), *known, (most.samples, context.samples), strict=True)
        columns.append(np.interp(most.onsets, there, here).tolist())
    return [list(times) for times in zip(*columns, strict=True)]


def _mean_shares(weights: Tensor) -> list[float]:
    """Return the weight of each phrase averaged over time, without negative weights, normalised to a sum of 1."""
    shares = weights.reshape(len(weights), -1).mean(1).clamp_min(0)
    return [float(share) for share in shares / shares.sum()]


def _weighted_mean(values: Sequence[float], shares: Sequence[float]) -> float:
    return sum(share * value for share, value in zip(shares, values, strict=True))


def _cut_weights(weights: Weights, first: int, n_frames: int) -> Weights:
    """Return the weights of ``n_frames`` frames from frame ``first`` on; the last weights continue after their end."""

    def cut(values: Tensor) -> Tensor:
        if values.ndim == 1:
            return values
        places = (first + torch.arange(n_frames)).clamp_max(values.shape[1] - 1)
        return values[:, places]

    return Weights(cut(weights.overall), {name: cut(each) for name, each in weights.own.items()}, cut(weights.pitch))


def _weights_among(weights: Weights, held: Sequence[int]) -> Weights:
    """Return the weights of the sounds ``held``, normalised to a sum of 1; equal weights where their sum is 0."""
    if len(held) == len(weights.overall):
        return weights

    def among(values: Tensor) -> Tensor:
        chosen = values[list(held)]
        total = chosen.sum(0)
        return torch.where(total > SUM_TOLERANCE, chosen / total, 1 / len(held))

    return Weights(
        among(weights.overall), {name: among(each) for name, each in weights.own.items()}, among(weights.pitch)
    )
