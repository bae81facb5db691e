"""Pitch-normalised spectrogram: each sound is resampled so that its pitch is an octave of one base frequency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from intertone.audio import resample, three_axes
from intertone.models.contract import Facts
from intertone.phase import PhaseConfig
from intertone.pitch import median_f0
from intertone.pitch.note import pitch_to_hz
from intertone.representation.contract import Analysis, mean_shares, mix_conditions
from intertone.representation.decibel import DecibelConfig, DepthConfig, SpectrogramContext
from intertone.representation.short_time import ShortTimeContext, ShortTimeRepresentation
from intertone.representation.spectrogram import SpectrogramRepresentation

RESAMPLING_HZ = 48_000
"""Nominal sample rate in resampling by the ratio of two hops, Hz; only the ratio of the rates affects the result."""


class PitchNormalisedConfig(DepthConfig):
    """Settings of the spectrogram in decibels of the resampled sound, whose pitch is an octave of ``base_hz``."""

    kind: Literal["snapped"] = "snapped"
    base_hz: float = Field(15.625, gt=0, description="base frequency, Hz; pitches are moved to this times 2, 4, 8, …")

    @model_validator(mode="after")
    def _check_hop(self) -> Self:
        longest = math.floor(self.spectrogram.n_fft / 2 / math.sqrt(2))
        if self.spectrogram.hop_length > longest:
            raise ValueError(
                f"hop_length must be in 1..n_fft/√8={longest}, since resampling lengthens it by up to √2, "
                f"got {self.spectrogram.hop_length}"
            )
        return self


@dataclass(frozen=True)
class PitchNormalisedContext(ShortTimeContext):
    """Context of pitch-normalised spectrograms: the contexts and hops of the resampled sounds.

    Attributes:
        spectrograms: Context of each resampled sound.
        hops: Hop of each resampled sound, samples; the resampling ratio is this hop divided by ``hop_length``.
    """

    spectrograms: tuple[SpectrogramContext, ...]
    hops: tuple[int, ...]

    def as_edited(self) -> Self:
        """Return this context marked as edited, so that the phase is estimated in the synthesis."""
        return replace(self, spectrograms=tuple(each.as_edited() for each in self.spectrograms), edited=True)


class PitchNormalisedRepresentation(ShortTimeRepresentation[PitchNormalisedConfig, PitchNormalisedContext]):
    """Spectrogram in decibels of sounds that are resampled to a common pitch.

    A sound is resampled so that its median f0 becomes the nearest ``base_hz · 2^k``, at most half an octave away. Thus
    the partials of all notes lie in the same rows, except for octaves. The hop is changed in the same ratio, so that
    the times of the frames do not change. Since the hop is rounded to an integer, the pitch deviates by up to half a
    sample of the hop: at most 5 cents for a ``hop_length`` of 256. A sound without pitch is not resampled.

    If the pitch is raised, frequencies that would exceed half of the sample rate are lost: at most those above 0.7 of
    this limit.

    Args:
        config: The settings.
    """

    no_gradient = "a pitch-normalised spectrogram is not differentiable: the sound is resampled by its measured pitch"

    def __init__(self, config: PitchNormalisedConfig) -> None:
        super().__init__(config)
        self.scales = self._representation_at(self.hop_length).scales

    def facts(self) -> Facts:
        """Return the main settings by name, for ``intertone info``."""
        return {**super().facts(), "top_db": self.config.top_db, "base_hz": self.config.base_hz}

    def analyse(self, audio: Tensor) -> Analysis[PitchNormalisedContext]:
        """Return the features and the context of sounds.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            Features, ``(batch · channels, n_features, n_frames)`` in [0, 1], and context.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Example:
            >>> representation = PitchNormalisedRepresentation(PitchNormalisedConfig())
            >>> periods = 440 * torch.arange(16000) / 16000  # to 500 Hz, which is row 32
            >>> features, context = representation.analyse(torch.sin(2 * torch.pi * periods))
            >>> features.shape, int(features[0, :, 30].argmax()), context.hops
            (torch.Size([1, 512, 64]), 32, (225,))
        """
        rows, contexts, hops = [], [], []
        for sound in three_axes(audio):
            hop = self.hop_at(median_f0(sound, self.sample_rate))
            features, context = self._representation_at(hop).analyse(self._resampled(sound, hop))
            rows.append(features)
            contexts.append(context)
            hops.append(hop)
        return Analysis(torch.cat(rows), PitchNormalisedContext(audio, tuple(contexts), tuple(hops)))

    def _synthesise(
        self,
        analysis: Analysis[PitchNormalisedContext],
        phase: PhaseConfig,
        residual: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Return the sounds of features, resampled to the pitches of the context.

        There is no residual, since the features contain the whole sound except its phase.

        Example:
            >>> representation = PitchNormalisedRepresentation(PitchNormalisedConfig())
            >>> audio = torch.hann_window(8000) * torch.sin(2 * torch.pi * 300 * torch.arange(8000) / 16000)
            >>> again = representation.synthesise(representation.analyse(audio))
            >>> bool((again - audio).square().mean() < 1e-6 * audio.square().mean())
            True
        """
        features, context = analysis
        samples = context.audio.shape[-1]
        sounds = []
        for rows, own, hop in zip(
            features.split(len(features) // len(context.hops)), context.spectrograms, context.hops, strict=True
        ):
            sound = self._representation_at(hop).synthesise(Analysis(rows, own), phase=phase, generator=generator)
            sounds.append(self._resampled(sound, self.hop_length, source=hop)[..., :samples])
        return torch.stack(sounds).reshape(context.audio.shape)

    def blank(self, samples: int, **conditions: Tensor) -> PitchNormalisedContext:
        """Return a context for one mono sound without an analysis.

        Args:
            samples: Length of the sound, samples.
            conditions: ``(1, size, 1 or n_frames)`` each. The synthesis resamples the sound to ``pitch``, a MIDI
                number; without it, the sound is not resampled.
        """
        pitch = conditions.get("pitch")
        hop = self.hop_at(math.nan if pitch is None else pitch_to_hz(float(pitch.median())))
        length = math.ceil(samples * hop / self.hop_length)
        spectrogram = self._representation_at(hop).blank(length)
        spectrogram = replace(spectrogram, audio=spectrogram.audio.reshape(1, 1, -1))
        silence = torch.zeros(samples)
        return PitchNormalisedContext(silence, (spectrogram,), (hop,), edited=True, conditions=conditions)

    def mix(
        self, contexts: Sequence[PitchNormalisedContext], weights: Tensor, *, pitch: Tensor | None = None
    ) -> PitchNormalisedContext:
        """Return the context of a mixture of codes.

        The logarithm of the resampling ratio is interpolated, so that two notes with the same normalised pitch give a
        note between them. Notes with normalised pitches in different octaves give a mixture that contains both pitches.

        Args:
            contexts: Contexts of sounds with equal batch, channels and samples.
            weights: Weight of each sound, ``(n_sounds,)``, with the sum 1; weights over time are averaged.
            pitch: Weights of the pitch; None: ``weights``.

        Returns:
            A context, marked as edited.

        Raises:
            ValueError: If the shapes of the sounds, or the numbers of contexts and weights, are not equal.
        """
        tuned = weights if pitch is None else pitch
        shares = mean_shares(tuned)
        mixed, hops = [], []
        for item in range(len(contexts[0].hops)):
            moved = sum(share * math.log(each.hops[item]) for share, each in zip(shares, contexts, strict=True))
            hop = round(math.exp(moved))
            moved_contexts = [
                replace(
                    each.spectrograms[item],
                    audio=self._resampled(each.audio.reshape(len(each.hops), -1, each.audio.shape[-1])[item], hop),
                )
                for each in contexts
            ]
            mixed.append(self._representation_at(hop).mix(moved_contexts, weights))
            hops.append(hop)
        conditions = mix_conditions([each.conditions for each in contexts], tuned)
        audio = contexts[0].audio
        return PitchNormalisedContext(audio, tuple(mixed), tuple(hops), edited=True, conditions=conditions)

    def hop_at(self, f0: float) -> int:
        """Return the hop of a resampled sound, samples, whose f0 was ``f0`` Hz; NaN stands for a sound without pitch.

        Example:
            >>> representation = PitchNormalisedRepresentation(PitchNormalisedConfig())
            >>> [representation.hop_at(f0) for f0 in (250.0, 300.0, 400.0, float("nan"))]
            [256, 307, 205, 256]
        """
        hop = self.hop_length
        if not math.isfinite(f0):
            return hop
        octaves = math.log2(f0 / self.config.base_hz)
        return max(1, round(hop * 2 ** (octaves - round(octaves))))

    def _resampled(self, sound: Tensor, hop: int, *, source: int | None = None) -> Tensor:
        """Return a sound resampled in the ratio of ``hop`` to ``source``, ``(1, channels, samples)``."""
        source = self.hop_length if source is None else source
        factor = max(1, RESAMPLING_HZ // max(hop, source))
        return resample(sound.reshape(1, -1, sound.shape[-1]), source * factor, hop * factor)

    def _representation_at(self, hop: int) -> SpectrogramRepresentation:
        """Return the spectrogram representation of sounds that are resampled to this hop."""
        spectrogram = self.config.spectrogram.model_copy(update={"hop_length": hop})
        return SpectrogramRepresentation(DecibelConfig(spectrogram=spectrogram, top_db=self.config.top_db))
