"""A harmonic sound: where its partials lie, and its residual. Their levels over time are the harmonic features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from intertone.harmonic.onset import shortest_rise
from intertone.pitch.note import hz_to_pitch
from intertone.pitch.stiffness import stretched


@dataclass(frozen=True)
class Residual:
    """The residual of a sound: the sound minus its partials.

    Attributes:
        sound: The residual from the onset on, ``(channels, samples)``.
        before: The sound before the onset, ``(channels, samples)``.
        powers: Mean squares of its noise bands, ``(channels, n_noise, n_frames)``.
        share: Share that is used in each frame, 0…1, ``(n_frames,)``.
        f0: Of the sound, Hz, ``(n_frames,)``, float64: remains of its partials in the residual are transposed by it.
    """

    sound: Tensor
    before: Tensor
    powers: Tensor
    share: Tensor
    f0: Tensor


@dataclass(frozen=True)
class HarmonicSound:
    """Frequencies and phases of the partials of one sound, and its residual; levels are in the harmonic features.

    Frames are counted from the onset on.

    Attributes:
        samples: Length of the sound.
        onset: Where the first frame lies, samples.
        reference: Amplitude of feature 1.
        f0: Hz, ``(n_frames,)``, float64.
        inharmonicity: B of ``f_k = k · f0 · √(1 + B·k²)``.
        phase: Of each partial, in periods, relative to ``k·√(1 + B·k²)`` times the phase of f0, unwrapped in time,
            ``(channels, n_partials, n_frames)``.
        detail: Level of each partial relative to its row, dB, ``(channels, n_partials)``.
        noise: Residuals that are used: the sound's own; of a mixture those of its sounds.
        power: Mean square of each partial in each channel, ``(channels, n_partials)``; None: equal in all channels.
        rise: Attack ramp: times at which the partials reach each sixteenth of their level; see ``find_ramp``.
        fall: Release ramp: the same in reversed time, from the end.
        gain_curve: Factor of all levels, ``(n_frames,)``, between sounds of different references; None is 1.
        amplitude_modulation: Factor of each partial's level, ``(channels, n_partials, n_frames)``; None where the
            features are complete.
        phase_deviation: Added to ``phase``, in periods, of the same shape; None where ``phase`` is complete.
        tonality: Share of both modulations that is no noise, 0…1, of the same shape.
        level: Root mean square that the synthesised sound is scaled to; None: it is not scaled.
        periodicity: Share of the energy that repeats after a period, 0…1; 1 where f0 was given.
        ratios: Frequency of the partial of each row over f0, ``(n_partials,)``, float64, of inharmonic partials; NaN in
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
        """Return the frequencies of the first partials over f0, ``(count,)``, float64."""
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
    """Context of a batch of harmonic sounds: all that synthesis needs beside the features.

    Attributes:
        tracks: The harmonic sounds, one for each sound of the batch.
        leading: Axes of the audio before its samples.
        edited: Whether the code was changed.
        given: Conditions of a network that were not measured, or that replace measured ones.
    """

    tracks: tuple[HarmonicSound, ...]
    leading: tuple[int, ...]
    edited: bool = False
    given: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def conditions(self) -> Mapping[str, Tensor]:
        """Conditions of each channel of each sound, measured or given.

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
        """Return this context for a code that was changed: no residual is used."""
        return replace(self, tracks=tuple(replace(track, noise=()) for track in self.tracks), edited=True)


Analysed = Sequence[tuple[Tensor, HarmonicContext]]
"""Features and context of each of several sounds."""


def residual_correlation(noises: Sequence[Residual]) -> Tensor:
    """Return how alike residuals are, ``(n, n)``, float64: their correlation, 0…1; 1 with itself.

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
