"""Morph by cells: cross-synthesis of spectrograms with the phases of the sounds, for sounds without a single pitch."""

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
"""Length of the window of the spectrogram, s: 2048 samples at 44.1 kHz."""
TOP_DB = 120.0
"""Dynamic range of the features, dB: feature 1 is the sound's loudest cell, feature 0 lies this far below."""
LOUDEST = 1.2
"""Largest feature that is synthesised: 24 dB above the loudest cell. Extrapolation could give larger ones."""
REACH_DB = 60.0
"""Part of a level difference to the loudest sound that is interpolated linearly, dB; ``LATENESS`` is for the excess."""
LATENESS = 8
"""Exponent of a sound's weight for the part of the difference beyond ``REACH_DB``: a weight of 0.92 counts as 0.5."""
FADE_SECONDS, FADE_DB = 0.3, 60.0
"""Longest fade at the end of a sound that is shortened, or whose weight passes to the others, s; and the decrease in
level over this time, which is linear in dB: with this slope, 10 dB in 50 ms, no step is audible."""
LAST_SECONDS = 0.005
"""Length of the ramp to silence at the end of a shortened sound, s."""
END_SECONDS = 0.05
"""Length of the stretch at the end of a sound whose level shows whether the sound has decayed or is cut off, s."""
SILENCE = 1e-10
"""Smallest reference magnitude, which avoids a division by zero for silent sounds."""


@dataclass(frozen=True)
class CrossContext:
    """Context of a cross-synthesis: the sounds whose phases are used, and the reference of their levels.

    Attributes:
        sounds: Aligned sounds of equal length, ``(batch, channels, samples)`` each.
        references: For each sound, the magnitude whose feature is 1, ``(batch,)``.
        onsets: For each sound, the onset of each item of the batch, samples.
        weights: Weight of each sound, ``(n_sounds, 1)`` or ``(n_sounds, n_frames)``.
        leading: Sizes of the axes of the audio before its samples.
        edited: Whether the features differ from those of the sounds.
        conditions: Always empty, since no network uses these features.
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
        """Length of the sounds, samples."""
        return self.sounds[0].shape[-1]

    def as_edited(self) -> "CrossContext":
        """Return this context marked as edited; the phases of the sounds are used nevertheless."""
        return replace(self, edited=True)

    def with_conditions(self, conditions: Conditions) -> "CrossContext":
        """Return this context unchanged, since there is no network to condition."""
        return self


class ByCells(MorphMethod[CrossContext]):
    """Morph method for sounds without a single pitch: cross-synthesis of spectrograms in decibels, without a network.

    Each cell of the mixture has the interpolated level, raised by one gain for each frame until the level of all cells
    together is interpolated too, and the phase of the weighted sum of the spectra. At weight 1 this gives the source
    sound; otherwise mainly the phase of the loudest sound in the cell, which preserves attacks.

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
        """Return the features of sounds, ``1 + dB / 120`` relative to the sound's loudest cell, and their context.

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
        features, reference = self._features_of(sounds)
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
        """Return the sounds of features.

        Args:
            analysis: Features, ``(batch · channels, n_features, >= n_frames)``, of which frames after the end of the
                sound are ignored, and their context.
            phase: Not used, since the phases are always those of the sounds.
            residual: Not used, since there is no residual.
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
        """Return the times of the first and the last frame of a mixture from its start, s; the first is 0.

        Args:
            analyses: Analysis of each sound.
            weights: Weights of the timing, ``(n_sounds,)``.
            config: Settings of the morph; alignment and length are used.
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
        """Return the mixture of sounds: onsets are aligned, and levels are interpolated cell by cell.

        Args:
            analyses: Analysis of each sound.
            weights: Weights of the sounds.
            config: Settings of the morph; alignment and length are used.
            kept: Not used, since the phases are always those of the sounds.
            generator: Not used, since there is no network.

        Raises:
            InputError: If ``config.pitch`` is a note.
        """
        median_hz = note_hz(config.pitch)
        if median_hz is not None:
            raise InputError(f"every sound must have one pitch to be transposed to {median_hz:.1f} Hz, got one without")
        aligned, ends = self.align(analyses, weights.timing, config)
        overall = self._passed_on(aligned, ends, weights.overall)
        context = self._mixed_context(aligned, overall)
        features = [one.features for one in aligned]
        mixed, levels = self.mix_features(features, overall), [_level(each) for each in features]
        # cell by cell, sounds whose strong cells are others are fainter half-way than both
        missing = self.mix_features(levels, overall) - _level(mixed)
        return Analysis((mixed + missing * (mixed > 0)).clamp(0, LOUDEST), context)

    def align(
        self, analyses: Sequence[Analysis[CrossContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[list[Analysis[CrossContext]], list[int]]:
        """Return sounds of equal length with a common onset: short ones are padded with silence, long ones faded out.

        Args:
            analyses: Analysis of each sound, all with the same batch size and number of channels.
            weights: Weights of the timing, ``(n_sounds,)`` or ``(n_sounds, n_frames)``; the common onset is the
                weighted mean of the sounds' onsets.
            config: Settings of the morph: with the alignment ``none`` the sounds are not shifted. The sounds are never
                time-stretched.

        Returns:
            Analyses of the aligned sounds, and the end of each sound, samples.
        """
        moves, ends, samples = self._plan(analyses, weights, config)
        aligned = []
        for (features, context), move, end in zip(analyses, moves.tolist(), ends, strict=True):
            sound = context.sounds[0]
            if any(move) or sound.shape[-1] != samples:
                sound = torch.stack([_moved(one, by, samples) for one, by in zip(sound, move, strict=True)])
                fade = min(end - samples, round(FADE_SECONDS * self.sample_rate), samples)
                sound = _faded(sound, fade, self.sample_rate)
                features, _ = self._features_of(sound, context.references[0])
            aligned.append(Analysis(features, replace(context, sounds=(sound,), edited=True)))
        return aligned, ends

    def mix_features(self, features: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Return the interpolated features of sounds.

        In each cell the difference of a sound to the loudest sound is subtracted with the weight of that sound. The
        part of the difference beyond 60 dB is subtracted with the eighth power of the weight, so that a cell that is
        silent in one sound becomes silent only near weight 1 of that sound.

        Args:
            features: Features of each sound, of equal shape.
            weights: ``(n_sounds,)``, or ``(n_sounds, n_frames)`` for weights that change over time.

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

    def _mixed_context(self, aligned: Sequence[Analysis[CrossContext]], weights: Tensor) -> CrossContext:
        """Return the context of a mixture of aligned sounds, marked as edited."""
        contexts = [one.context for one in aligned]
        return replace(
            contexts[0],
            sounds=tuple(context.sounds[0] for context in contexts),
            references=tuple(context.references[0] for context in contexts),
            onsets=tuple(context.onsets[0] for context in contexts),
            weights=weights[:, None] if weights.ndim == 1 else weights,
            edited=True,
        )

    def _passed_on(self, aligned: Sequence[Analysis[CrossContext]], ends: Sequence[int], weights: Tensor) -> Tensor:
        """Return weights in which a sound that is cut off before the mixture ends passes its weight to the others.

        A sound that has decayed by 60 dB at its end keeps its weight, so that the mixture decays too. A sound that is
        cut off at its full level passes on its whole weight, in a fade before its end that lasts as long as the mixture
        continues after the sound, but at most 0.3 s. Between these cases, the share is proportional to the missing
        decay in dB.

        Args:
            aligned: Aligned sounds of equal length.
            ends: End of each sound, samples; it lies after the end of the mixture where the sound was shortened.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.

        Returns:
            Weights, ``(n_sounds, n_frames)``; their sum in each frame is unchanged.
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
        """Return the decay of a sound at its end, 0…1; 1 means 60 dB or more below its loudest 50 ms."""
        length = round(END_SECONDS * self.sample_rate)
        last = loudest(sound[..., :end][..., -length:].flatten(0, 1), length)
        fall = amplitude_to_db(torch.tensor(loudest(sound.flatten(0, 1), length) / last))
        return min(1.0, max(0.0, float(fall) / REACH_DB))

    def _plan(
        self, analyses: Sequence[Analysis[CrossContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[Tensor, list[int], int]:
        """Return the shift of each sound, ``(n_sounds, batch)``, its end after the shift, and the mixture's length.

        All are in samples.
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

    def _features_of(self, sounds: Tensor, reference: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the features of sounds, ``(batch, channels, samples)``, and the reference magnitude of each sound."""
        magnitude = stft(sounds, self.config).abs()
        if reference is None:
            reference = magnitude.amax((1, 2, 3)).clamp_min(SILENCE)
        decibels = 20 * torch.log10((magnitude / reference[:, None, None, None]).clamp_min(1e-12))
        return (1 + decibels / TOP_DB).clamp(0, 1).flatten(0, 1), reference


def _level(features: Tensor) -> Tensor:
    """Return the level of all cells of each frame together, ``(batch · channels, 1, n_frames)``, in features."""
    return 1 + power_to_db(db_to_power(TOP_DB * (features - 1)).sum(1, keepdim=True)) / TOP_DB


def _moved(sound: Tensor, by: int, samples: int) -> Tensor:
    """Return a sound, ``(channels, any)``, shifted by ``by`` samples (positive: later), as ``(channels, samples)``."""
    moved = pad(sound[:, max(0, -by) :], (max(0, by), 0))
    return pad(moved, (0, max(0, samples - moved.shape[-1])))[:, :samples]


def _faded(sound: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return a sound that fades out over its last ``length`` samples; unchanged if ``length`` is not positive.

    The fade has the same slope in dB for every length, so a short fade does not reach silence; a ramp to silence over
    the last 5 ms follows.
    """
    if length <= 0:
        return sound
    seconds = torch.arange(1, length + 1) / sample_rate
    ramp = db_to_amplitude(-FADE_DB * seconds / FADE_SECONDS)
    last = min(length, round(LAST_SECONDS * sample_rate))
    ramp[-last:] *= 0.5 + 0.5 * torch.cos(torch.pi * torch.arange(1, last + 1) / last)
    return torch.cat([sound[..., :-length], sound[..., -length:] * ramp], -1)
