"""Cross-synthesis of spectrograms of any sounds: no pitch is needed, and the phases are those of the sounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.audio import three_axes
from intertone.curve import weights_over_time
from intertone.errors import InputError
from intertone.harmonic.onset import find_onset
from intertone.harmonic.rows import loudest
from intertone.level import amplitude_to_db, db_to_amplitude, db_to_power, power_to_db
from intertone.models.contract import Conditions
from intertone.morphing.contract import MorphMethod, Takes
from intertone.morphing.settings import MorphConfig
from intertone.morphing.weights import Weights
from intertone.phase import PhaseConfig
from intertone.pitch.note import note_hz
from intertone.representation import Analysis
from intertone.stft import SpectrogramConfig, istft, stft

WINDOW_SECONDS = 0.0464
"""Length of the window: 2048 samples at 44.1 kHz."""

TOP_DB = 120.0
"""Depth of the floor below the sound's loudest cell."""

LOUDEST = 1.2
"""Feature beyond which nothing is played."""

REACH_DB = 60.0
"""Level below the strongest sound, dB, from which on only a sound's nearness to its end counts."""

LATENESS = 8
"""Power of a sound's weight with which the rest of the difference comes: half of it at a weight of 0.92."""

FADE_SECONDS, FADE_DB = 0.3, 60.0
"""Time over which a sound that breaks off gives its weight to the others, and longest fade of one that is cut; depth of
that fade, which is straight in decibels: with 10 dB in 50 ms no step is heard."""

LAST_SECONDS = 0.005
"""Length of the ramp to silence at the end of a sound that is cut."""

END_SECONDS = 0.05
"""Stretch before the end of a sound whose level tells whether it decayed or breaks off."""

SILENCE = 1e-10
"""The least reference, so that a silent sound has features too."""


@dataclass(frozen=True)
class CrossContext:
    """The part of sounds that the features do not show: the sounds themselves, whose phases are used.

    Attributes:
        sounds: Of one time, ``(batch, channels, samples)`` each.
        references: Magnitude of feature 1, of each sound, ``(batch,)``.
        onsets: Of each sound, samples, one for each item of the batch.
        weights: How much each sound counts, ``(n_sounds, 1)`` or ``(n_sounds, n_frames)``.
        leading: Axes of the audio before its samples.
        edited: Whether the code that this goes with is another than the sounds' own.
        conditions: Empty: no network takes these features.
    """

    sounds: tuple[Tensor, ...]
    references: tuple[Tensor, ...]
    onsets: tuple[tuple[int, ...], ...]
    weights: Tensor
    leading: tuple[int, ...]
    edited: bool = False
    conditions: Conditions = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Length of the sounds."""
        return self.sounds[0].shape[-1]

    def as_edited(self) -> "CrossContext":
        """Return this context for a code that was changed; the phase is the sounds' all the same."""
        return replace(self, edited=True)

    def with_conditions(self, conditions: Conditions) -> "CrossContext":
        """Return this context as it is: no network is conditioned."""
        return self


class ByCells(MorphMethod[CrossContext]):
    """The morph method for sounds without one pitch: cross-synthesis of their spectrograms in decibels, no network.

    A mixture has in every cell the interpolated level, raised until all cells of a frame together have theirs too, and
    the phase of the sounds' weighted sum: at weight 1 that is the source sound, between them the phase of the strongest
    there, so that attacks stay attacks.

    Args:
        sample_rate: Hz.
    """

    takes = Takes(
        own_lengths=True,
        attributes=("envelope",),
        threads=True,
        loudness=True,
        network="none",
        length=True,
        exact=True,
    )

    def __init__(self, sample_rate: int) -> None:
        n_fft = 2 ** round(math.log2(WINDOW_SECONDS * sample_rate))
        self.sample_rate = sample_rate
        self.config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)
        self.frames_per_second = (self.config.n_frames(100 * sample_rate) - 1) / 100

    def analyse(self, audio: Tensor) -> Analysis[CrossContext]:
        """Turn sounds into features, ``1 + dB / 120`` with the sound's loudest cell at 1, and their context.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            ``(features, context)``; features ``(batch · channels, n_features, n_frames)`` in [0, 1].

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Example:
            >>> features, context = ByCells(44100).analyse(torch.randn(2, 44100))
            >>> features.shape, float(features.max())
            (torch.Size([2, 1025, 88]), 1.0)
        """
        sounds = three_axes(audio.detach().cpu().float())
        onsets = tuple(find_onset(sound, self.sample_rate) for sound in sounds)
        features, reference = self._show(sounds)
        context = CrossContext((sounds,), (reference,), (onsets,), torch.ones(1, 1), tuple(audio.shape[:-1]))
        return Analysis(features, context)

    def synthesise(
        self,
        analysis: Analysis[CrossContext],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Turn features back into sounds.

        Args:
            analysis: Features, ``(batch · channels, n_features, >= n_frames)``, columns beyond the sound being padding,
                and their context.
            phase: Not used: it is always the sounds'.
            residual: Not used: there is none.
            generator: Not used.

        Returns:
            Audio, ``(*leading, samples)``.

        Example:
            >>> audio, representation = torch.randn(44100), ByCells(44100)
            >>> again = representation.synthesise(representation.analyse(audio))
            >>> bool((again - audio).abs().max() < 1e-4)
            True
        """
        features, context = analysis
        samples = context.sounds[0].shape[-1]
        n_frames = self.config.n_frames(samples)
        weights = weights_over_time(context.weights, n_frames).float()
        level = torch.zeros(len(context.references[0]), n_frames)
        direction = torch.zeros((), dtype=torch.complex64)
        for sound, reference, row in zip(context.sounds, context.references, weights, strict=True):
            level = level + row * reference.log()[:, None]
            if bool(row.any()):
                direction = direction + row * stft(sound / reference[:, None, None], self.config)
        shown = (
            features.detach().cpu().float()[..., :n_frames].clamp(0, LOUDEST).unflatten(0, context.sounds[0].shape[:2])
        )
        magnitude = torch.where(shown > 0, 10 ** ((shown - 1) * TOP_DB / 20), 0) * level.exp()[:, None, None]
        sound = istft(torch.polar(magnitude, direction.angle()), self.config, length=samples)
        return sound.reshape(*context.leading, -1)

    def span(
        self, analyses: Sequence[Analysis[CrossContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[float, float]:
        """Return where the first column of a mixture lies, which is its start, and its end, seconds.

        Args:
            analyses: Of each sound.
            weights: Of the mixture's time, ``(n_sounds,)``.
            config: Its alignment.
        """
        return 0.0, self._plan(analyses, weights, config)[2] / self.sample_rate

    def between(
        self,
        analyses: Sequence[Analysis[CrossContext]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[CrossContext]:
        """Return the mixture of sounds: onset on onset, levels interpolated cell by cell.

        Args:
            analyses: Of each sound.
            weights: How much of each.
            config: Its alignment.
            kept: Not used: the phases are the sounds'.
            generator: Not used: there is no network.

        Raises:
            InputError: If a pitch is asked for.
        """
        median_hz = note_hz(config.pitch)
        if median_hz is not None:
            raise InputError(f"sounds must each have one pitch to be moved to {median_hz:.1f} Hz, got one that has not")
        aligned, ends = self.align(analyses, weights.timing, config)
        overall = self._handed_on(aligned, ends, weights.overall)
        context = self._mixed(aligned, overall)
        features = [one.features for one in aligned]
        mixed, levels = self.mix_features(features, overall), [_level(each) for each in features]
        # cell by cell, sounds whose strong cells are others are fainter half-way than both
        missing = self.mix_features(levels, overall) - _level(mixed)
        return Analysis((mixed + missing * (mixed > 0)).clamp(0, LOUDEST), context)

    def align(
        self, analyses: Sequence[Analysis[CrossContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[list[Analysis[CrossContext]], list[int]]:
        """Lay onset on onset, complete shorter sounds with silence, and fade out longer ones.

        Args:
            analyses: Of each sound; equal batches and channels.
            weights: Of the mixture's time, ``(n_sounds,)`` or ``(n_sounds, n_frames)``: the common onset lies between
                theirs.
            config: Alignment, where ``none`` leaves the sounds where they are, and length; time is not bent.

        Returns:
            Sounds of equal length, and where each of them ends, samples.
        """
        moves, ends, samples = self._plan(analyses, weights, config)
        aligned = []
        for (features, context), move, end in zip(analyses, moves.tolist(), ends, strict=True):
            sound = context.sounds[0]
            if any(move) or sound.shape[-1] != samples:
                sound = torch.stack([_moved(one, by, samples) for one, by in zip(sound, move, strict=True)])
                fade = min(end - samples, round(FADE_SECONDS * self.sample_rate), samples)
                sound = _faded(sound, fade, self.sample_rate)
                features, _ = self._show(sound, context.references[0])
            aligned.append(Analysis(features, replace(context, sounds=(sound,), edited=True)))
        return aligned, ends

    def mix_features(self, features: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Return the features between some.

        Decibels are interpolated, but a cell in which one sound is silent does not fall silent at once: of what a sound
        is weaker there than the strongest, what exceeds 60 dB counts with the eighth power of its weight.

        Args:
            features: Of equally shaped sounds.
            weights: ``(n_sounds,)`` or, frame by frame, ``(n_sounds, n_frames)``.

        Returns:
            Features of the same shape.

        Example:
            >>> loud, soft = torch.ones(1, 1, 1), torch.zeros(1, 1, 1)  # 120 dB apart
            >>> [
            ...     round(120 * float(ByCells(44100).mix_features([loud, soft], torch.tensor([1 - mix, mix]))))
            ...     for mix in (0, 0.1, 0.5, 0.9, 1)
            ... ]
            [120, 114, 90, 40, 0]
        """
        rows = weights_over_time(weights, features[0].shape[-1])
        top = torch.stack(list(features)).amax(0)
        mixed, reach = top, REACH_DB / TOP_DB
        for row, image in zip(rows, features, strict=True):
            gap = top - image
            late = row.clamp(0, 1) ** LATENESS
            mixed = mixed - row.to(gap) * gap.clamp_max(reach) - late.to(gap) * (gap - reach).clamp_min(0)
        return mixed.clamp(0, LOUDEST)

    def _mixed(self, aligned: Sequence[Analysis[CrossContext]], weights: Tensor) -> CrossContext:
        """Return the context of a mixture of aligned sounds; it counts as edited."""
        contexts = [one.context for one in aligned]
        return replace(
            contexts[0],
            sounds=tuple(context.sounds[0] for context in contexts),
            references=tuple(context.references[0] for context in contexts),
            onsets=tuple(context.onsets[0] for context in contexts),
            weights=weights[:, None] if weights.ndim == 1 else weights,
            edited=True,
        )

    def _handed_on(self, aligned: Sequence[Analysis[CrossContext]], ends: Sequence[int], weights: Tensor) -> Tensor:
        """Return weights over time of which a sound that breaks off has given its own to the others.

        A sound that has decayed by 60 dB at its end keeps its weight, so that the mixture decays too; one that breaks
        off at its full level gives all of it before its end, over the time by which the mixture is longer, and over at
        most 0.3 s; others give a share in between.

        Args:
            aligned: Of one time.
            ends: Where each sound ends in it, samples; beyond its last sample where the sound is cut.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.

        Returns:
            ``(n_sounds, n_frames)``; each column adds up to what it did.
        """
        rows = weights_over_time(weights, aligned[0].features.shape[-1]).double()
        seconds = torch.arange(rows.shape[1]) / self.frames_per_second
        kept = torch.ones_like(rows)
        for row, (_, context), end in zip(kept, aligned, ends, strict=True):
            sound, last = context.sounds[0], end / self.sample_rate
            if (longer := sound.shape[-1] / self.sample_rate - last) > 0:
                place = ((seconds - last) / min(FADE_SECONDS, longer) + 1).clamp(0, 1)
                row -= (1 - self._decay(sound, end)) * (0.5 - 0.5 * torch.cos(torch.pi * place))
        takers = rows.abs() * kept
        given = (rows * (1 - kept)).sum(0)
        return torch.where(takers.sum(0) > 0, rows * kept + given * takers / takers.sum(0).clamp_min(1e-9), rows)

    def _decay(self, sound: Tensor, end: int) -> float:
        """Return how far a sound has decayed before its end, 0…1: 1 is 60 dB below its loudest stretch, or farther."""
        length = round(END_SECONDS * self.sample_rate)
        last = loudest(sound[..., :end][..., -length:].flatten(0, 1), length)
        fall = amplitude_to_db(torch.tensor(loudest(sound.flatten(0, 1), length) / last))
        return min(1.0, max(0.0, float(fall) / REACH_DB))

    def _plan(
        self, analyses: Sequence[Analysis[CrossContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[Tensor, list[int], int]:
        """Return by how many samples each sound is moved, where each then ends, and the length of the mixture.

        Moves are ``(n_sounds, batch)``.
        """
        shares = weights.double().reshape(len(analyses), -1).mean(1)
        onsets = torch.tensor([context.onsets[0] for _, context in analyses], dtype=torch.float64)
        common = (shares @ onsets).round().clamp_min(0)
        aligned = config.alignment != "none"
        moves = (common - onsets).int() if aligned else torch.zeros(onsets.shape, dtype=torch.int32)
        ends = [
            context.sounds[0].shape[-1] + int(move.max()) for (_, context), move in zip(analyses, moves, strict=True)
        ]
        if config.length == "longest":
            return moves, ends, max(ends)
        if config.length == "mean":
            mean = round(float(shares @ torch.tensor(ends, dtype=torch.float64)))
            return moves, ends, min(max(mean, min(ends) // 10, 1), max(ends))
        return moves, ends, ends[ord(config.length) - ord("a")]

    def _show(self, sounds: Tensor, reference: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the features of ``(batch, channels, samples)`` and the reference of each sound."""
        magnitude = stft(sounds, self.config).abs()
        if reference is None:
            reference = magnitude.amax((1, 2, 3)).clamp_min(SILENCE)
        decibels = 20 * torch.log10((magnitude / reference[:, None, None, None]).clamp_min(1e-12))
        return (1 + decibels / TOP_DB).clamp(0, 1).flatten(0, 1), reference


def _level(features: Tensor) -> Tensor:
    """Return the level of all cells of each frame together, ``(batch · channels, 1, n_frames)``, in features."""
    return 1 + power_to_db(db_to_power(TOP_DB * (features - 1)).sum(1, keepdim=True)) / TOP_DB


def _moved(sound: Tensor, by: int, samples: int) -> Tensor:
    """Return ``(channels, any)`` later by so many samples, earlier if negative, cut or completed with silence."""
    moved = pad(sound[:, max(0, -by) :], (max(0, by), 0))
    return pad(moved, (0, max(0, samples - moved.shape[-1])))[:, :samples]


def _faded(sound: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return a sound that fades out over its last ``length`` samples, as it is where that is not positive.

    The slope is the same for every length, so that a sound of which little is cut does not fall faster; the last 5 ms
    end in silence.
    """
    if length <= 0:
        return sound
    seconds = torch.arange(1, length + 1) / sample_rate
    ramp = db_to_amplitude(-FADE_DB * seconds / FADE_SECONDS)
    last = min(length, round(LAST_SECONDS * sample_rate))
    ramp[-last:] *= 0.5 + 0.5 * torch.cos(torch.pi * torch.arange(1, last + 1) / last)
    return torch.cat([sound[..., :-length], sound[..., -length:] * ramp], -1)
