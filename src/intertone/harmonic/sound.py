"""A harmonic sound: its partials, its noise and its residual. Harmonic features are a view of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from torch import Tensor

from intertone.harmonic.onset import shortest_ramps
from intertone.level import TINY, power_to_db
from intertone.pitch.continuity import clear_median
from intertone.pitch.note import hz_to_pitch
from intertone.pitch.stiffness import stretched


@dataclass(frozen=True)
class Residual:
    """The residual of a sound: the sound minus its partials.

    Attributes:
        sound: The residual from the onset on, ``(channels, samples)``.
        before: The sound before the onset, ``(channels, samples)``.
        below: What is slower than hearing, such as a DC offset, from the onset on; not in ``sound``, of its shape.
        powers: Mean squares of its noise bands, ``(channels, n_noise, n_frames)``.
        share: Share that is used in each frame, 0…1, ``(n_frames,)``.
        f0: Of the sound, Hz, ``(n_frames,)``, float64: remains of its partials in the residual are transposed by it.
    """

    sound: Tensor
    before: Tensor
    below: Tensor
    powers: Tensor
    share: Tensor
    f0: Tensor


@dataclass(frozen=True)
class HarmonicSound:
    """Partials, noise and residual of one sound.

    Frames are counted from the onset on; amplitudes are linear.

    Attributes:
        samples: Length of the sound.
        onset: Where the first frame lies, samples.
        reference: Amplitude of feature 1.
        f0: Hz, ``(n_frames,)``, float64.
        multiples: Frequency of each partial over f0, ``(n_partials,)``, float64; NaN: there is no such partial.
        amplitude: Of each partial, ``(channels, n_partials, n_frames)``.
        phase: Of each partial, in periods, relative to ``multiples`` times the phase of f0, unwrapped; of equal shape.
        noise: Amplitude of a sinusoid as loud as each noise band, ``(channels, n_noise, n_frames)``.
        residuals: Residuals that are used: the sound's own; of a mixture those of its sounds.
        ramps: Attack ramp, and release ramp in reversed time from the end: seconds at which the partials reach each
            sixteenth of their level, ``(2, 16)``; see ``find_ramp``.
    """

    samples: int
    onset: int
    reference: float
    f0: Tensor
    multiples: Tensor
    amplitude: Tensor
    phase: Tensor
    noise: Tensor
    residuals: tuple[Residual, ...] = ()
    ramps: Tensor = field(default_factory=shortest_ramps)

    @property
    def inharmonicity(self) -> float:
        """B of ``multiples = k·√(1 + B·k²)``; NaN where they do not lie so, as those of a bell."""
        count = len(self.multiples)
        stretch = float(self.multiples[-1]) / count
        found = max((stretch * stretch - 1) / (count * count), 0.0)
        return found if torch.allclose(self.multiples, stretched(count, found), rtol=1e-6) else math.nan

    @property
    def is_bell(self) -> bool:
        """Whether its partials are not those of a string."""
        return math.isnan(self.inharmonicity)

    @property
    def sounding(self) -> Tensor:
        """``multiples`` of the partials that are heard at any time; NaN of the others."""
        return torch.where((self.amplitude > 0).any(2).any(0), self.multiples, torch.nan)

    @property
    def level(self) -> Tensor:
        """Level of the partials, dB relative to the loudest frame and at least −60, ``(n_frames,)``."""
        power = self.amplitude.double().square().sum((0, 1))
        return power_to_db((power / power.max().clamp_min(TINY)).clamp_min(TINY)).clamp_min(-60)

    @property
    def median_hz(self) -> float:
        """Median f0 of the frames that are heard clearly, Hz."""
        return clear_median(self.f0, self.level)


@dataclass(frozen=True, kw_only=True)
class SeparatedSound(HarmonicSound):
    """A harmonic sound whose ``amplitude`` and ``phase`` change slowly, and the fast modulation of its partials.

    Attributes:
        modulation: Factor of the complex amplitude of each partial, ``(channels, n_partials, n_frames)``, complex64.
        regular: Its regular part, which can be interpolated between sounds: without noise.
        transient: Of the attack, from ``transient_levels``.
    """

    modulation: Tensor
    regular: Tensor
    transient: Tensor

    @property
    def strength(self) -> Tensor:
        """Amplitude of a sinusoid as loud as all partials and noise together, ``(n_frames,)``."""
        return torch.cat([self.amplitude * self.modulation.abs(), self.noise], 1).square().sum((0, 1)).sqrt()

    def joined(self) -> HarmonicSound:
        """Return the sound with its modulation."""
        sound = HarmonicSound(**{each.name: getattr(self, each.name) for each in fields(HarmonicSound)})
        phase = self.phase + self.modulation.angle() / (2 * math.pi)
        phase = torch.from_numpy(np.unwrap(phase.numpy(), axis=-1, period=1.0))
        return replace(sound, amplitude=self.amplitude * self.modulation.abs(), phase=phase)


@dataclass(frozen=True)
class HarmonicContext:
    """Context of a batch of harmonic sounds: all that synthesis needs beside the features.

    Attributes:
        sounds: The harmonic sound of each sound of the batch.
        periodicity: Share of each one's energy that repeats after a period, 0…1; 1 where f0 was given.
        leading: Axes of the audio before its samples.
        edited: Whether the code was changed.
        given: Conditions of a network that were not measured, or that replace measured ones.
    """

    sounds: tuple[HarmonicSound, ...]
    periodicity: tuple[float, ...]
    leading: tuple[int, ...]
    edited: bool = False
    given: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Length of the sounds."""
        return self.sounds[0].samples

    @property
    def conditions(self) -> Mapping[str, Tensor]:
        """Conditions of each channel of each sound, measured or given.

        ``pitch``, a MIDI number, ``(batch · channels, 1, 1)``, and ``f0``, Hz, ``(batch · channels, 1, n_frames)``.
        """
        channels = len(self.sounds[0].phase)
        pitch = torch.tensor([hz_to_pitch(sound.median_hz) for sound in self.sounds for _ in range(channels)])
        f0 = torch.stack([sound.f0 for sound in self.sounds]).repeat_interleave(channels, 0)
        return {"pitch": pitch[:, None, None], "f0": f0[:, None], **self.given}

    def with_conditions(self, conditions: Mapping[str, Tensor]) -> "HarmonicContext":
        """Return this context with further conditions, or others."""
        return replace(self, given={**self.given, **conditions})

    def as_edited(self) -> "HarmonicContext":
        """Return this context for a code that was changed: no residual is used."""
        return replace(self, sounds=tuple(replace(sound, residuals=()) for sound in self.sounds), edited=True)


def residual_correlation(residuals: Sequence[Residual]) -> Tensor:
    """Return how alike residuals are, ``(n, n)``, float64: their correlation, 0…1; 1 with itself.

    Example:
        >>> frames = torch.ones(3)
        >>> some = [Residual(sound, sound, sound, frames, frames, frames) for sound in torch.eye(3)[[0, 1, 1]][:, None]]
        >>> residual_correlation(some).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    length = min(residual.sound.shape[-1] for residual in residuals)
    rows = torch.stack([residual.sound[:, :length].flatten() for residual in residuals]).double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(TINY)
    return (rows @ rows.T).clamp(0, 1).fill_diagonal_(1)
