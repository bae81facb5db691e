"""The waveform itself as features: one row, one column a sample; μ-law companded or as it is."""

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
"""Companding of 8 bits: how much finer soft samples are shown than loud ones."""


class WaveformConfig(Settings):
    """Every sample is a feature."""

    kind: Literal["waveform"] = "waveform"
    sample_rate: int = Field(16000, ge=MIN_SAMPLE_RATE, le=MAX_SAMPLE_RATE, description="Hz")
    scale: Literal["mu_law", "amplitude"] = Field("mu_law", description="companded for 8 bits, or samples as they are")


@dataclass(frozen=True)
class WaveformContext(ShortTimeContext):
    """The part of a batch of sounds that the network does not see: their shape, and what it is conditioned on."""


class WaveformRepresentation(Representation[WaveformContext]):
    """``analyse`` and ``synthesise`` of samples.

    The features show all of a sound, level and phase too, so no phase is estimated on the way back and the context
    holds nothing of the sound. Samples are companded, not rounded to 256 values: what is rounded has no gradient.
    The network that predicts classes of samples rounds them itself; see ``models/wavenet.py``.

    Args:
        config: The settings.

    Source:
        ITU-T G.711 for the μ-law; Engel et al. (2017), "Neural audio synthesis of musical notes with WaveNet
        autoencoders", whose code rounds before the encoder and notes that this loses the gradient.
    """

    hop_length = 1
    n_features = 1

    def __init__(self, config: WaveformConfig) -> None:
        self.config = config
        self.sample_rate = config.sample_rate
        self.scales = (Scale(config.scale, 1),)

    def facts(self) -> Facts:
        """Return what a person would want to know, by name."""
        return {"representation": self.config.kind, "scale": self.config.scale, "n_features": 1}

    def n_frames(self, samples: int) -> int:
        """Return the number of feature columns of a sound of ``samples``: as many."""
        return samples

    def samples(self, n_frames: int) -> int:
        """Return the length of a sound that has ``n_frames`` columns."""
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
        """Turn sounds into what the network sees and what it does not.

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
        """Turn features back into sounds; samples beyond those that were analysed are padding.

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
        """Return the context of one mono sound that was not analysed.

        Args:
            samples: Length of the sound.
            conditions: ``(1, size, 1 or n_frames)`` each.
        """
        return WaveformContext(torch.zeros(samples), edited=True, conditions=conditions)

    def mix(
        self, contexts: Sequence[WaveformContext], weights: Tensor, *, pitch: Tensor | None = None
    ) -> WaveformContext:
        """Return the context of a mixture of codes, which holds conditions and nothing of the sounds.

        Args:
            contexts: Of sounds of one shape.
            weights: ``(n_sounds,)`` or, frame by frame, ``(n_sounds, n_frames)``.
            pitch: Of the conditions.

        Raises:
            ValueError: If the shapes differ or the numbers of contexts and weights do.
        """
        check_mixture(contexts, weights)
        conditions = mix_conditions([one.conditions for one in contexts], weights if pitch is None else pitch)
        return WaveformContext(contexts[0].audio, edited=True, conditions=conditions)


def mu_law(audio: Tensor) -> Tensor:
    """Return companded samples, with gradient everywhere: ``sign(x) · log(1 + 255 |x|) / log 256``.

    Args:
        audio: Samples of any shape, −1…1; the slope at 0 is 46.

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
    # of the two halves only the upper one has a slope at 0, so that it counts once
    above, below = audio.clamp_min(0), (-audio).relu()
    return ((MU * above).log1p() - (MU * below).log1p()) / math.log1p(MU)


def inverse_mu_law(companded: Tensor) -> Tensor:
    """Return samples of companded ones: the inverse of ``mu_law``.

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
