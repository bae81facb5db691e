"""Waveform as features: one row, and one frame for each sample, with or without μ-law companding."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from intertone.audio import three_axes
from intertone.config import Settings
from intertone.container import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE
from intertone.models.contract import Facts, Scale
from intertone.phase import PhaseConfig
from intertone.representation.contract import Analysis, Representation, mix_conditions
from intertone.representation.short_time import ShortTimeContext, check_mixture

MU = 255.0
"""Parameter μ of the μ-law for 8 bits; a larger value resolves small samples more finely."""


class WaveformConfig(Settings):
    """Settings of the waveform representation."""

    kind: Literal["waveform"] = "waveform"
    sample_rate: int = Field(16000, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="sample rate, Hz")
    scale: Literal["mu_law", "amplitude"] = Field(
        "mu_law", description="mu_law: companded samples; amplitude: unchanged samples"
    )


@dataclass(frozen=True)
class WaveformContext(ShortTimeContext):
    """Context of a waveform; of its audio only the shape is used, since the features are the whole sound."""


class WaveformRepresentation(Representation[WaveformContext]):
    """Representation whose features are the samples.

    The features contain the whole sound with level and phase, so the synthesis estimates no phase. Samples are
    companded but not rounded to 256 values, since rounding has no gradient; a network that predicts classes of samples
    rounds them itself (``models/wavenet.py``).

    Args:
        config: The settings.

    Source:
        ITU-T G.711 for the μ-law; Engel et al. (2017), "Neural audio synthesis of musical notes with WaveNet
        autoencoders"; its code rounds before the encoder, which loses the gradient.
    """

    hop_length = 1
    n_features = 1

    def __init__(self, config: WaveformConfig) -> None:
        self.config = config
        self.sample_rate = config.sample_rate
        self.scales = (Scale(config.scale, 1),)

    def facts(self) -> Facts:
        """Return the main settings by name, for ``intertone info``."""
        return {"representation": self.config.kind, "scale": self.config.scale, "n_features": 1}

    def n_frames(self, samples: int) -> int:
        """Return the number of frames of a sound of ``samples``, which is ``samples``."""
        return samples

    def samples(self, n_frames: int) -> int:
        """Return the length of a sound that has ``n_frames`` frames, samples: ``n_frames``."""
        return n_frames

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of sounds as ``analyse`` does, with gradient.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            ``(batch · channels, 1, samples)``.
        """
        sounds = three_axes(audio).flatten(0, 1).unsqueeze(1)
        return mu_law(sounds) if self.config.scale == "mu_law" else sounds

    def analyse(self, audio: Tensor) -> Analysis[WaveformContext]:
        """Return the features and the context of sounds.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            Features, ``(batch · channels, 1, samples)``, −1…1 for samples −1…1, and context.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Example:
            >>> WaveformRepresentation(WaveformConfig()).analyse(torch.tensor([0.0, 1.0, -0.01])).features
            tensor([[[ 0.0000,  1.0000, -0.2285]]])
        """
        if not audio.shape[-1]:
            raise ValueError("audio must hold at least one sample, got none")
        return Analysis(self.features(audio), WaveformContext(audio))

    def _synthesise(
        self,
        analysis: Analysis[WaveformContext],
        phase: PhaseConfig,
        residual: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Return the sounds of features; samples after the length of the analysed sound are ignored.

        Example:
            >>> representation = WaveformRepresentation(WaveformConfig())
            >>> audio = torch.rand(2, 100) - 0.5
            >>> torch.allclose(representation.synthesise(representation.analyse(audio)), audio, atol=1e-6)
            True
        """
        features, context = analysis
        shape = context.audio.shape
        companded = features[:, 0, : shape[-1]].float()
        return (inverse_mu_law(companded) if self.config.scale == "mu_law" else companded).reshape(shape)

    def blank(self, samples: int, **conditions: Tensor) -> WaveformContext:
        """Return a context for one mono sound without an analysis.

        Args:
            samples: Length of the sound, samples.
            conditions: ``(1, size, 1 or n_frames)`` each.
        """
        return WaveformContext(torch.zeros(samples), edited=True, conditions=conditions)

    def mix(
        self, contexts: Sequence[WaveformContext], weights: Tensor, *, pitch: Tensor | None = None
    ) -> WaveformContext:
        """Return the context of a mixture of codes, marked as edited, with interpolated conditions.

        Args:
            contexts: Contexts of sounds of the same shape.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
            pitch: Weights of the conditions; None: ``weights``.

        Raises:
            ValueError: If the shapes of the sounds, or the numbers of contexts and weights, are not equal.
        """
        check_mixture(contexts, weights)
        conditions = mix_conditions([one.conditions for one in contexts], weights if pitch is None else pitch)
        return WaveformContext(contexts[0].audio, edited=True, conditions=conditions)


def mu_law(audio: Tensor) -> Tensor:
    """Return companded samples, ``sign(x) · log(1 + 255 |x|) / log 256``, with a gradient everywhere.

    Args:
        audio: Samples of any shape, −1…1; the slope of the function at 0 is 46.

    Returns:
        The same shape, −1…1.

    Source:
        ITU-T G.711.

    Example:
        >>> audio = torch.tensor([0.0, 0.5], requires_grad=True)
        >>> mu_law(audio).sum().backward()
        >>> audio.grad
        tensor([45.9859,  0.3579])
    """
    # at 0 clamp_min has the slope 1 and relu the slope 0, so that the sum has the right slope
    above, below = audio.clamp_min(0), (-audio).relu()
    return ((MU * above).log1p() - (MU * below).log1p()) / math.log1p(MU)


def inverse_mu_law(companded: Tensor) -> Tensor:
    """Return the samples of companded samples; the inverse of ``mu_law``.

    Args:
        companded: Any shape, −1…1.

    Returns:
        The same shape, −1…1.

    Example:
        >>> inverse_mu_law(mu_law(torch.tensor([-1.0, 0.0, 0.25])))
        tensor([-1.0000,  0.0000,  0.2500])
    """
    above, below = companded.clamp_min(0), (-companded).relu()
    return ((math.log1p(MU) * above).expm1() - (math.log1p(MU) * below).expm1()) / MU
