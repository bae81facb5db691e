"""The contract of a morph method: the way from analysed sounds to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.morphing.settings import MorphConfig, Network
from intertone.morphing.weights import Weights
from intertone.phase import PhaseConfig
from intertone.representation import Analysis, Context


@dataclass(frozen=True)
class Takes:
    """Facts about a morph method that the command line, keys and bench read.

    Attributes:
        own_lengths: Sounds of different lengths; else the shorter are completed with silence.
        pitch: A pitch that the morph shall have; that of the sounds is measured.
        sustain: A sustain of another length than the sounds'.
        attributes: Names of what may have a ratio of its own.
        phase: A way to estimate the phase; else the phases are the sounds'.
        threads: Several morphs at a time; else one keeps all processors busy.
        loudness: The result is brought to the loudness between those of the sounds.
        network: What the network is for unless the settings say otherwise.
        length: A length that the morph shall have; else it is interpolated with the envelope.
        register: A strength of its own for the correction between registers.
        exact: Where one weight is 1, and nothing else is asked, the morph is that sound.
        common: Time, pitch and phases that several morphs share.
        velocity: A velocity that the network is conditioned on.
    """

    own_lengths: bool = False
    pitch: bool = False
    sustain: bool = False
    attributes: tuple[str, ...] = ()
    phase: bool = False
    threads: bool = False
    loudness: bool = False
    network: Network = "full"
    length: bool = False
    register: bool = False
    exact: bool = False
    common: bool = False
    velocity: bool = False


C = TypeVar("C", bound=Context)


class MorphMethod(Generic[C]):
    """A way to morph: by code, by partials, by cells.

    Attributes:
        takes: What the method takes.
        frames_per_second: Columns of weights over time per second.
    """

    takes: Takes
    frames_per_second: float

    def prepare(self, analysis: Analysis[C]) -> Analysis[C]:
        """Bring an analysed sound into the form in which it is morphed; it sounds as before."""
        return analysis

    def unpitched(self, analysis: Analysis[C]) -> str | None:
        """Say why a sound has no one pitch, where the method needs one; None: it has, or needs none.

        Args:
            analysis: Of the sound, as the codec gives it.

        Returns:
            ``"no one pitch (harmonicity 0.31, below 0.84)"``, ``"no one pitch (several pitches)"``, or None.
        """
        return None

    def pitch(self, analysis: Analysis[C]) -> float | None:
        """Return the median pitch of a sound, Hz; None: the method measures none.

        Args:
            analysis: From ``prepare``; of a batch the first sound counts.
        """
        return None

    def span(self, analyses: Sequence[Analysis[C]], weights: Tensor, config: MorphConfig) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its end: seconds from the mixture's start.

        Args:
            analyses: From ``prepare``.
            weights: Of the mixture's time, ``(n_sounds,)``.
            config: How the sounds are morphed.
        """
        raise NotImplementedError

    def between(
        self,
        analyses: Sequence[Analysis[C]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[C]:
        """Return the mixture of sounds.

        Args:
            analyses: From ``prepare``.
            weights: How much of each.
            config: How the sounds are morphed.
            kept: Whether, where one weight is 1, the phase of that sound shall be kept.
            generator: Source of what a model draws that samples.
        """
        raise NotImplementedError

    def synthesise(
        self,
        analysis: Analysis[C],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the sounds of a mixture, ``(batch, channels, samples)``, on the CPU."""
        raise NotImplementedError


class CodecMethod(MorphMethod[C]):
    """A morph method that works on a codec's analyses.

    Args:
        codec: The codec.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        rate = codec.representation.sample_rate
        self.frames_per_second = (codec.representation.n_frames(100 * rate) - 1) / 100

    def synthesise(
        self,
        analysis: Analysis[C],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the sounds of features, ``(batch, channels, samples)``, on the CPU."""
        representation = self.codec.representation
        return representation.synthesise(analysis, phase=phase, residual=residual, generator=generator).cpu()
