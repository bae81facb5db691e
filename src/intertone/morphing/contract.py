"""Interface of a morph method, which makes one analysis of the analyses of several sounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.morphing.settings import MorphConfig, Network
from intertone.morphing.weights import Weights
from intertone.phase import PhaseConfig
from intertone.representation import Analysis, Context


@dataclass(frozen=True)
class Takes:
    """Capabilities of a morph method, which the command line, keys and bench read.

    Attributes:
        own_lengths: The sounds may have different lengths; otherwise shorter ones are padded with silence.
        pitch: The sounds' pitches are measured, and the pitch of the morph can be set.
        sustain: The length of the sustain can be set.
        attributes: Names of attributes that may have a separate ratio.
        phase: The phase is estimated, with a method that can be set; otherwise the phases of the sounds are used.
        threads: Several morphs are computed at the same time; otherwise one morph uses all processors.
        loudness: The result is scaled to the interpolated loudness of the sounds.
        network: Use of the network where the settings leave it open.
        length: The length of the morph can be set; otherwise it is interpolated with the envelope.
        register: The strength of the correction between registers (``register_strength``) can be set.
        exact: At weight 1, with default settings, the morph is the unchanged source sound.
        common: Timing, pitch and phases can be shared by several morphs (``common`` of ``morph_sources``).
        velocity: The network can be conditioned on a MIDI velocity.
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


class AtPitch(Protocol[C]):
    """Mixture of sounds that is complete except for its pitch and its velocity; it may be called from threads."""

    def __call__(
        self, pitch: str, *, velocity: float | None = None, generator: torch.Generator | None = None
    ) -> Analysis[C]:
        """Return the mixture; ``pitch`` and ``velocity`` are those of ``MorphConfig``."""


class MorphMethod(Generic[C]):
    """Base class of morph methods: by code, by partials, by cells, by notes.

    Attributes:
        takes: Capabilities of the method.
        frames_per_second: Frame rate of weights that change over time, 1/s.
    """

    takes: Takes
    frames_per_second: float

    def prepare(self, analysis: Analysis[C]) -> Analysis[C]:
        """Return an analysed sound in the form that ``between`` needs; its sound is unchanged."""
        return analysis

    def unpitched(self, analysis: Analysis[C]) -> str | None:
        """Return why a sound has no single pitch; None if it has one, or if the method needs none.

        Args:
            analysis: Analysis of the sound by the codec.

        Returns:
            ``"no one pitch (harmonicity 0.31; noise has 0, …)"``, ``"no one pitch (several pitches)"``, or None.
        """
        return None

    def pitch(self, analysis: Analysis[C]) -> float | None:
        """Return the median pitch of a sound, Hz; None if the method measures no pitch.

        Args:
            analysis: Analysis from ``prepare``; only the first sound of a batch is used.
        """
        return None

    def span(self, analyses: Sequence[Analysis[C]], weights: Tensor, config: MorphConfig) -> tuple[float, float]:
        """Return the times of the first frame of a mixture and of its end, s from the start of the mixture.

        Args:
            analyses: Analyses from ``prepare``.
            weights: Weights of the timing, ``(n_sounds,)``.
            config: Settings of the morph.
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
            analyses: Analyses from ``prepare``.
            weights: Weights of the sounds.
            config: Settings of the morph.
            kept: Whether the phase of a sound with weight 1 is kept.
            generator: Source of randomness, for models that draw samples.
        """
        raise NotImplementedError

    def at_pitches(self, analyses: Sequence[Analysis[C]], weights: Weights, config: MorphConfig) -> AtPitch[C]:
        """Return a function that returns ``between`` at any pitch; what does not depend on it is computed only once.

        Args:
            analyses: Analyses from ``prepare``.
            weights: Weights of the sounds, which are those of each of the mixtures.
            config: Settings of the morph; its pitch and its velocity are not used.
        """

        def at(pitch: str, *, velocity: float | None = None, generator: torch.Generator | None = None) -> Analysis[C]:
            changed = config.model_copy(update={"pitch": pitch, "velocity": velocity})
            return self.between(analyses, weights, changed, generator=generator)

        return at

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
    """Morph method whose analyses are those of a codec.

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
