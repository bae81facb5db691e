"""What the harmonic image does not show of a sound, and what lies between several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from intertone.harmonic.onset import shortest_rise
from intertone.pitch.note import hz_to_pitch
from intertone.pitch.stiffness import stretched


@dataclass(frozen=True)
class Residual:
    """The noise of a sound itself.

    Attributes:
        sound: From the onset on, ``(channels, samples)``.
        before: What lies before the onset, ``(channels, samples)``.
        powers: Mean squares of its bands, ``(channels, n_noise, n_frames)``.
        share: How much of it is used in each frame, 0…1, ``(n_frames,)``.
        f0: Of the sound, Hz, ``(n_frames,)``, float64: what is left of its partials in the noise goes along with them.
    """

    sound: Tensor
    before: Tensor
    powers: Tensor
    share: Tensor
    f0: Tensor


@dataclass(frozen=True)
class HarmonicSound:
    """Where the partials and the noise of one sound lie; how loud they are says the image.

    Frames are counted from the onset on.

    Attributes:
        samples: Length of the sound.
        onset: Where the first frame lies, samples.
        reference: Amplitude of feature 1.
        f0: Hz, ``(n_frames,)``, float64.
        inharmonicity: B of ``f_k = k · f0 · √(1 + B·k²)``.
        phase: Of each partial, turns, beyond ``k·√(1 + B·k²)`` times the turns of f0, unwrapped in time,
            ``(channels, n_partials, n_frames)``.
        detail: Level of each partial beyond its row's, dB, ``(channels, n_partials)``.
        noise: The sounds' own noise.
        power: Mean square of each partial, ``(channels, n_partials)``: in which channel it is heard; None if in all.
        rise: When the partials reach each sixteenth of their level; see ``find_ramp``.
        fall: The same before the end, as if time went back.
        gain_curve: Factor of all levels, ``(n_frames,)``, between sounds of different references; None is 1.
        amplitude_modulation: Factor of each partial's level, ``(channels, n_partials, n_frames)``; None where the
            features say it all.
        phase_deviation: Phase beyond ``phase``, turns, of the same shape; None where ``phase`` says it all.
        tonality: How little of both is noise, 0…1, of the same shape.
        level: Root mean square that the sound is brought to; None leaves it as the image says.
        periodicity: Share of the energy that repeats after a period, 0…1; 1 where f0 was given.
        ratios: Where the partial of each row lies, in f0, ``(n_partials,)``, float64, where partials are free; NaN in
            rows without one. None where all partials are harmonics.
    """

    samples: int
    onset: int
    reference: float
    f0: Tensor
    inharmonicity: float
    phase: Tensor
    detail: Tensor
    noise: tuple[Residual, ...]
    power: Tensor | None = None
    rise: Tensor = field(default_factory=shortest_rise)
    fall: Tensor = field(default_factory=shortest_rise)
    gain_curve: Tensor | None = None
    amplitude_modulation: Tensor | None = None
    phase_deviation: Tensor | None = None
    tonality: Tensor | None = None
    periodicity: float = 1.0
    ratios: Tensor | None = None
    level: float | None = None

    def multiples(self, count: int) -> Tensor:
        """Return the frequencies of the first partials in f0, ``(count,)``, float64."""
        harmonics = stretched(count, self.inharmonicity)
        if self.ratios is None:
            return harmonics
        known = self.ratios[:count]
        return torch.cat([torch.where(known.isnan(), harmonics[: len(known)], known), harmonics[len(known) :]])

    @property
    def pitch(self) -> float:
        """MIDI number of the median f0."""
        return hz_to_pitch(float(self.f0.median()))


@dataclass(frozen=True)
class HarmonicContext:
    """What the network does not see of a batch of sounds, and what the way back needs.

    Attributes:
        tracks: One for each sound.
        leading: Axes of the audio before its samples.
        edited: Whether the code that this goes with is another than the sounds' own.
        given: Conditions of a network that were not measured, or that stand in the place of measured ones.
    """

    tracks: tuple[HarmonicSound, ...]
    leading: tuple[int, ...]
    edited: bool = False
    given: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def conditions(self) -> Mapping[str, Tensor]:
        """What is measured of each channel of each sound, and what was given.

        ``pitch``, a MIDI number, ``(batch · channels, 1, 1)``, and ``f0``, Hz, ``(batch · channels, 1, n_frames)``.
        """
        channels = len(self.tracks[0].phase)
        pitch = torch.tensor([track.pitch for track in self.tracks for _ in range(channels)])
        f0 = torch.stack([track.f0 for track in self.tracks]).repeat_interleave(channels, 0)
        return {"pitch": pitch[:, None, None], "f0": f0[:, None], **self.given}

    def with_conditions(self, conditions: Mapping[str, Tensor]) -> "HarmonicContext":
        """Return this context with further conditions, or others."""
        return replace(self, given={**self.given, **conditions})

    def as_edited(self) -> "HarmonicContext":
        """Return this context for a code that was changed: nothing of the sounds' own noise is used."""
        return replace(self, tracks=tuple(replace(track, noise=()) for track in self.tracks), edited=True)


Analysed = Sequence[tuple[Tensor, HarmonicContext]]
"""Features and context of each of several sounds."""


def residual_correlation(noises: Sequence[Residual]) -> Tensor:
    """Return how far noises are the same, ``(n, n)``, float64: their correlation, 0…1; 1 with itself.

    Example:
        >>> frames = torch.ones(3)
        >>> noises = [Residual(sound, sound, frames, frames, frames) for sound in torch.eye(3)[[0, 1, 1]][:, None]]
        >>> residual_correlation(noises).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    length = min(noise.sound.shape[-1] for noise in noises)
    rows = torch.stack([noise.sound[:, :length].flatten() for noise in noises]).double()
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return (rows @ rows.T).clamp(0, 1).fill_diagonal_(1)
