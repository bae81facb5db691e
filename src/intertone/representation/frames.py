"""Frames: magnitudes relative to the frame or to the sound; gains and phase go round the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.audio import three_axes
from intertone.curve import weights_over_time
from intertone.models.contract import Scale
from intertone.phase import PhaseConfig
from intertone.pitch.chroma import chroma_filterbank, strongest_class
from intertone.representation.contract import Analysis, mix_conditions
from intertone.representation.short_time import (
    ShortTimeConfig,
    ShortTimeContext,
    ShortTimeRepresentation,
    check_mixture,
)
from intertone.stft import SpectrogramConfig, hann_window, istft, stft


class FramesConfig(ShortTimeConfig):
    """Linear frequency; the magnitude relative to the frame's maximum, or to the root mean square of the sound."""

    later: ClassVar[frozenset[str]] = frozenset({"reference", "scale"})

    kind: Literal["frames"] = "frames"
    spectrogram: SpectrogramConfig = SpectrogramConfig(sample_rate=22050, n_fft=2048, hop_length=512)
    floor: float = Field(1e-9, gt=0, description="what is added to each frame's maximum, or to the RMS amplitude")
    reference: Literal["frame", "sound"] = Field(
        "frame", description="what a magnitude is divided by: the frame's maximum, or the RMS amplitude of the channel"
    )
    scale: Literal["linear", "log1p"] = Field("linear", description="log1p: the logarithm of 1 + that")

    @property
    def n_features(self) -> int:
        """Rows that the network sees: all bins."""
        return self.spectrogram.n_bins


@dataclass(frozen=True)
class FramesContext(ShortTimeContext):
    """The part of a batch of sounds that the network does not see.

    Attributes:
        gains: What the magnitudes of each frame were divided by, ``(batch · channels, 1, n_frames)``.
    """

    gains: Tensor


class FramesRepresentation(ShortTimeRepresentation[FramesConfig, FramesContext]):
    """``analyse`` and ``synthesise`` of frames that are divided by their own maxima, or by the level of the sound.

    The network sees the shape of each spectrum, or of the whole spectrogram, not its level: the gains pass by it, and
    so does the phase while the code is untouched. The strongest pitch class of each frame is measured, for networks
    that are conditioned on it.

    Args:
        config: The settings.

    Source:
        Colonel, Curro and Keene (2017), "Improving Neural Net Auto Encoders for Music Synthesis"; with ``log1p``
        Ulyanov and Lebedev (2016), "Audio texture synthesis and style transfer".
    """

    measures = ("chroma",)

    def __init__(self, config: FramesConfig) -> None:
        super().__init__(config)
        self.scales = (Scale(config.scale, self.n_features),)
        self._classes = chroma_filterbank(config.spectrogram)
        self.frequencies = config.spectrogram.frequencies()

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of sounds as ``analyse`` does, with gradient.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            ``(batch · channels, n_bins, n_frames)``, >= 0; with linear frames <= 1.

        Example:
            >>> config = FramesConfig(reference="sound", scale="log1p")
            >>> audio = torch.sin(0.1 * torch.arange(8192))
            >>> features = FramesRepresentation(config).features(torch.stack([audio, 0.01 * audio]))
            >>> torch.allclose(features[0], features[1], atol=1e-4)  # at every level the same
            True
        """
        return self._scaled(self._divided(audio)[0])

    def analyse(self, audio: Tensor) -> Analysis[FramesContext]:
        """Turn sounds into what the network sees and what it does not.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            Features, ``(batch · channels, n_bins, n_frames)``, of linear frames the loudest bin at 1, and context,
            whose ``chroma`` is one-hot, ``(batch · channels, 12, n_frames)``.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Example:
            >>> representation = FramesRepresentation(FramesConfig())
            >>> features, context = representation.analyse(torch.rand(2, 8192) * torch.linspace(0, 1, 8192))
            >>> features.shape, features.amax(1).min() > 0.99
            (torch.Size([2, 1025, 17]), tensor(True))
        """
        divided, gains = self._divided(audio)
        chroma = strongest_class(divided, self._classes.to(divided.device))
        return Analysis(self._scaled(divided), FramesContext(audio, gains, conditions={"chroma": chroma}))

    def _synthesise(
        self, analysis: Analysis[FramesContext], phase: PhaseConfig, residual: bool, generator: torch.Generator | None
    ) -> Tensor:
        """Turn features back into sounds: gains are applied again, then the phase.

        The phase of each channel is estimated from the same random numbers, so that equal channels stay equal. There is
        no residual: the features show all of a sound but gains and phase.

        Example:
            >>> representation = FramesRepresentation(FramesConfig())
            >>> audio = torch.sin(0.1 * torch.arange(8192))
            >>> bool((representation.synthesise(representation.analyse(audio)) - audio).abs().max() < 1e-4)
            True
        """
        context = analysis.context
        config, sounds = self.config.spectrogram, three_axes(context.audio)
        samples = sounds.shape[-1]
        magnitude = self.magnitude(analysis)
        if phase.method == "kept":
            angle = stft(sounds.flatten(0, 1), config).angle()
        else:
            generator = generator or torch.default_generator
            start = generator.get_state()
            angles = []
            for row in magnitude:
                generator.set_state(start)
                angles.append(phase.estimate(row, config, length=samples, generator=generator))
            angle = torch.stack(angles)
        return istft(torch.polar(magnitude, angle), config, length=samples).reshape(context.audio.shape)

    def magnitude(self, analysis: Analysis[FramesContext]) -> Tensor:
        """Return the features with their gains, ``(batch · channels, n_bins, n_frames)``."""
        features, context = analysis
        shown = features[..., : context.gains.shape[-1]].float().clamp_min(0)
        return (shown.expm1() if self.config.scale == "log1p" else shown) * context.gains

    def blank(self, samples: int, **conditions: Tensor) -> FramesContext:
        """Return the context of one mono sound that was not analysed: of the level of a sinusoid of full scale.

        Args:
            samples: Length of the sound.
            conditions: ``(1, size, 1 or n_frames)`` each.
        """
        full = hann_window(self.config.spectrogram, torch.ones(1)).sum() / 2
        if self.config.reference == "sound":
            full = torch.tensor(0.5).sqrt()
        gains = full.expand(1, 1, self.n_frames(samples))
        return FramesContext(torch.zeros(samples), gains, edited=True, conditions=conditions)

    def mix(self, contexts: Sequence[FramesContext], weights: Tensor, *, pitch: Tensor | None = None) -> FramesContext:
        """Return the context of a mixture of codes: gains are interpolated linearly, frame by frame.

        A gain that is extrapolated falls to no less than half of the smallest of the sounds'.

        Args:
            contexts: Of sounds of one shape.
            weights: ``(n_sounds,)`` or, frame by frame, ``(n_sounds, n_frames)``.
            pitch: Of the conditions; the features hold the pitch.

        Returns:
            A context that counts as edited.

        Raises:
            ValueError: If the shapes differ or the numbers of contexts and weights do.

        Example:
            >>> representation = FramesRepresentation(FramesConfig())
            >>> contexts = [representation.analyse(level * torch.ones(4096)).context for level in (0.2, 1.0)]
            >>> mixed = representation.mix(contexts, torch.tensor([0.5, 0.5]))
            >>> round(float((mixed.gains / contexts[1].gains).mean()), 3)
            0.6
        """
        check_mixture(contexts, weights)
        n_frames = contexts[0].gains.shape[-1]
        shares = weights_over_time(weights, n_frames).to(contexts[0].gains)
        own = torch.stack([one.gains for one in contexts])
        gains = torch.stack([share * one for share, one in zip(shares, own, strict=True)]).sum(0)
        conditions = mix_conditions([one.conditions for one in contexts], weights if pitch is None else pitch)
        return FramesContext(
            contexts[0].audio, torch.maximum(gains, 0.5 * own.amin(0)), edited=True, conditions=conditions
        )

    def _divided(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return magnitudes relative to each frame's maximum or to the level, and what they were divided by."""
        sounds = three_axes(audio).flatten(0, 1)
        magnitude = stft(sounds, self.config.spectrogram).abs()
        if self.config.reference == "sound":
            # within the root, for it has no gradient at 0
            level = (sounds.square().mean(-1) + self.config.floor**2).sqrt()
            gains = level[:, None, None].expand(-1, 1, magnitude.shape[-1])
        else:
            gains = magnitude.amax(1, keepdim=True) + self.config.floor
        return magnitude / gains, gains

    def _scaled(self, divided: Tensor) -> Tensor:
        return divided.log1p() if self.config.scale == "log1p" else divided
