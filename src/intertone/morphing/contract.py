"""What a morph method is: how two analysed sounds become one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from intertone.morphing.settings import MorphConfig, Network
from intertone.morphing.weights import Weights
from intertone.phase import PhaseConfig
from intertone.representation import Analysis, Context


@dataclass(frozen=True)
class Takes:
    """What a morph method takes and gives, as facts that the command line, keys and bench read.

    Attributes:
        own_lengths: Sounds of different lengths; else the shorter are completed with silence.
        pitch: A pitch that the morph shall have: it hears that of the sounds.
        sustain: A sustain of another length than the sounds'.
        attributes: Names of what may have a ratio of its own.
        phase: A way to estimate the phase; else the phases are the sounds'.
        threads: Several morphs at a time; else one keeps all processors busy.
        loudness: The result is brought to the loudness between those of the sounds.
        network: What the network is for unless the settings say otherwise.
        exact: Where one weight is 1, and nothing else is asked, the morph is that sound.
    """

    own_lengths: bool = False
    pitch: bool = False
    sustain: bool = False
    attributes: tuple[str, ...] = ()
    phase: bool = False
    threads: bool = False
    loudness: bool = False
    network: Network = "alone"
    exact: bool = False


C = TypeVar("C", bound=Context)


class MorphMethod(Protocol[C]):
    """A way to morph: by code, by partials, by cells."""

    @property
    def takes(self) -> Takes:
        """What the method takes."""

    @property
    def frames_per_second(self) -> float:
        """Columns of weights over time per second."""

    def prepare(self, analysis: Analysis[C]) -> Analysis[C]:
        """Bring an analysed sound into the form in which it is morphed; it sounds as before."""

    def unpitched(self, analysis: Analysis[C]) -> str | None:
        """Say why a sound has no one pitch, where the method needs one; None: it has, or needs none.

        Args:
            analysis: Of the sound, as the codec gives it.

        Returns:
            ``"no one pitch (a measure of 0.31, below 0.84)"``, ``"no one pitch (several pitches)"``, or None.
        """

    def span(self, analyses: Sequence[Analysis[C]], weights: Tensor, config: MorphConfig) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its end: seconds from the mixture's start.

        Args:
            analyses: From ``prepare``.
            weights: Of the mixture's time, ``(n_sounds,)``.
            config: How the sounds are morphed.
        """

    def between(
        self, analyses: Sequence[Analysis[C]], weights: Weights, config: MorphConfig, *, kept: bool = False
    ) -> Analysis[C]:
        """Return what lies between sounds.

        Args:
            analyses: From ``prepare``.
            weights: How much of each.
            config: How the sounds are morphed.
            kept: Whether, where one weight is 1, the phase of that sound shall be kept.
        """

    def synthesise(
        self,
        analysis: Analysis[C],
        *,
        phase: PhaseConfig | None = None,
        residual: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the sounds of what lies between, ``(batch, channels, samples)``, on the CPU."""
