"""Magnitude frames that are normalised one by one or for the whole sound; gains and phase are in the context."""

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
    """Settings of magnitudes relative to the maximum of the frame, or to the RMS amplitude of the sound."""

    later: ClassVar[frozenset[str]] = frozenset({"reference", "scale"})

    kind: Literal["frames"] = "frames"
    spectrogram: SpectrogramConfig = SpectrogramConfig(sample_rate=22050, n_fft=2048, hop_length=512)
    floor: float = Field(
        1e-9, gt=0, description="number that is added to each frame's maximum, or to the RMS amplitude"
    )
    reference: Literal["frame", "sound"] = Field(
        "frame", description="divisor of the magnitudes: the maximum of the frame, or the RMS amplitude of the channel"
    )
    scale: Literal["linear", "log1p"] = Field(
        "linear", description="linear: the normalised magnitude; log1p: log(1 + that magnitude)"
    )

    @property
    def n_features(self) -> int:
        """Number of rows of the features: all bins."""
        return self.spectrogram.n_bins


@dataclass(frozen=True)
class FramesContext(ShortTimeContext):
    """Context of normalised frames: the gains.

    Attributes:
        gains: Divisor of the magnitudes of each frame, ``(batch · channels, 1, n_frames)``.
    """

    gains: Tensor


class FramesRepresentation(ShortTimeRepresentation[FramesConfig, FramesContext]):
    """Magnitude frames divided by their maxima, or by the RMS amplitude of the sound.

    The features contain the shape of each spectrum, or of the whole spectrogram, but not its level. The gains, and the
    phase of sounds whose code is not edited, are in the context. The strongest pitch class of each frame is measured
    for networks that are conditioned on it.

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
            ``(batch · channels, n_bins, n_frames)``, >= 0; at most 1 with ``reference="frame"`` and a linear scale.

        Example:
            >>> config = FramesConfig(reference="sound", scale="log1p")
            >>> audio = torch.sin(0.1 * torch.arange(8192))
            >>> features = FramesRepresentation(config).features(torch.stack([audio, 0.01 * audio]))
            >>> torch.allclose(features[0], features[1], atol=1e-4)  # independent of the level
            True
        """
        return self._scaled(self._normalised(audio)[0])

    def analyse(self, audio: Tensor) -> Analysis[FramesContext]:
        """Return the features and the context of sounds.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            Features, ``(batch · channels, n_bins, n_frames)``, and context, whose condition ``chroma`` is one-hot,
            ``(batch · channels, 12, n_frames)``. With ``reference="frame"`` and a linear scale, the loudest bin is 1.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Example:
            >>> representation = FramesRepresentation(FramesConfig())
            >>> features, context = representation.analyse(torch.rand(2, 8192) * torch.linspace(0, 1, 8192))
            >>> features.shape, features.amax(1).min() > 0.99
            (torch.Size([2, 1025, 17]), tensor(True))
        """
        divided, gains = self._normalised(audio)
        chroma = strongest_class(divided, self._classes.to(divided.device))
        return Analysis(self._scaled(divided), FramesContext(audio, gains, conditions={"chroma": chroma}))

    def _synthesise(
        self, analysis: Analysis[FramesContext], phase: PhaseConfig, residual: bool, generator: torch.Generator | None
    ) -> Tensor:
        """Return the sounds of features: magnitudes are multiplied by the gains and combined with a phase.

        The phase estimation of each channel begins with the same random numbers, so that equal channels stay equal.
        There is no residual, since features, gains and phase are the whole sound.

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
        """Return the magnitudes of features, multiplied by the gains, ``(batch · channels, n_bins, n_frames)``."""
        features, context = analysis
        shown = features[..., : context.gains.shape[-1]].float().clamp_min(0)
        return (shown.expm1() if self.config.scale == "log1p" else shown) * context.gains

    def blank(self, samples: int, **conditions: Tensor) -> FramesContext:
        """Return a context for one mono sound without an analysis, whose gains are those of a full-scale sinusoid.

        Args:
            samples: Length of the sound, samples.
            conditions: ``(1, size, 1 or n_frames)`` each.
        """
        full = hann_window(self.config.spectrogram, torch.ones(1)).sum() / 2
        if self.config.reference == "sound":
            full = torch.tensor(0.5).sqrt()
        gains = full.expand(1, 1, self.n_frames(samples))
        return FramesContext(torch.zeros(samples), gains, edited=True, conditions=conditions)

    def mix(self, contexts: Sequence[FramesContext], weights: Tensor, *, pitch: Tensor | None = None) -> FramesContext:
        """Return the context of a mixture of codes; the gains are interpolated linearly in each frame.

        An extrapolated gain is at least half of the smallest gain of the sounds.

        Args:
            contexts: Contexts of sounds of the same shape.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
            pitch: Weights of the conditions; None: ``weights``.

        Returns:
            A context, marked as edited.

        Raises:
            ValueError: If the shapes of the sounds, or the numbers of contexts and weights, are not equal.

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

    def _normalised(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalised magnitudes, ``(batch · channels, n_bins, n_frames)``, and their divisors."""
        sounds = three_axes(audio).flatten(0, 1)
        magnitude = stft(sounds, self.config.spectrogram).abs()
        if self.config.reference == "sound":
            # the floor is added inside the root, which has no gradient at 0
            level = (sounds.square().mean(-1) + self.config.floor**2).sqrt()
            gains = level[:, None, None].expand(-1, 1, magnitude.shape[-1])
        else:
            gains = magnitude.amax(1, keepdim=True) + self.config.floor
        return magnitude / gains, gains

    def _scaled(self, divided: Tensor) -> Tensor:
        return divided.log1p() if self.config.scale == "log1p" else divided
