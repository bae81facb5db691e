"""The rows of harmonic features: partials, then noise bands, in decibels below the loudest row."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Literal, Self, TypeVar

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import pad

from intertone.config import Settings
from intertone.harmonic.noise import NoiseBands
from intertone.harmonic.sound import HarmonicSound
from intertone.level import amplitude_to_db, db_to_amplitude, db_to_power, power_to_db

HOP_SECONDS = (0.005, 0.02)
"""Shortest and longest hop: averages over time are counted in frames of about 10 ms."""

LOWEST = 27.5
"""Hz of the lowest note whose partials reach ``f_max``: A0."""

LOUDEST = 1.2
"""Largest feature that is synthesised: a fifth of ``top_db`` above the loudest row."""

SILENCE = 1e-6
"""The least reference, so that a silent sound has features too."""

Sound = TypeVar("Sound", bound=HarmonicSound)


class HarmonicConfig(Settings):
    """Rows for partials and for noise, in decibels below the sound's loudest row."""

    kind: Literal["harmonic"] = "harmonic"
    sample_rate: int = Field(44100, ge=8000, le=192_000, description="in Hz")
    hop_length: int = Field(441, ge=16, description="samples from one frame to the next; 441 at 44.1 kHz are 10 ms")
    n_harmonics: int = Field(64, ge=8, description="partials that have a row of their own")
    n_groups: int = Field(32, ge=1, description="rows of the partials above, that widen geometrically")
    n_noise: int = Field(32, ge=8, description="bands of noise, equally wide in mel")
    f_max: float = Field(20000.0, gt=1000, description="nothing above is measured or played, Hz")
    top_db: float = Field(100.0, gt=0, le=200, description="depth of the floor below the loudest row, dB")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.f_max < self.sample_rate / 2:
            raise ValueError(f"f_max must be below half of sample_rate={self.sample_rate}, got {self.f_max:g}")
        shortest, longest = (round(seconds * self.sample_rate) for seconds in HOP_SECONDS)
        if not shortest <= self.hop_length <= longest:
            raise ValueError(f"hop_length must be 5 to 20 ms, {shortest} to {longest} samples, got {self.hop_length}")
        NoiseBands(self.sample_rate, self.hop_length, self.n_noise, self.f_max)  # refuses bands without a bin
        return self

    @property
    def frame_seconds(self) -> float:
        """Time from one frame to the next."""
        return self.hop_length / self.sample_rate

    @property
    def n_features(self) -> int:
        """Rows that the network sees."""
        return self.n_harmonics + self.n_groups + self.n_noise

    @property
    def edges(self) -> tuple[int, ...]:
        """First partial of each row, and one more: row ``r`` holds the partials ``edges[r] … edges[r + 1] − 1``."""
        highest = max(math.floor(self.f_max / LOWEST), self.n_harmonics + self.n_groups)
        first = self.n_harmonics + 1
        ratio = ((highest + 1) / first) ** (1 / self.n_groups)
        edges = [round(first * ratio**group) for group in range(self.n_groups + 1)]
        for index in range(1, len(edges)):
            edges[index] = max(edges[index], edges[index - 1] + 1)
        return (*range(1, first), *edges)


class FeatureRows:
    """Amplitudes ⇄ harmonic features, and levels of their rows."""

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.n_partial_rows = config.n_harmonics + config.n_groups
        widths = torch.tensor([after - before for before, after in pairwise(config.edges)])
        self.row_of = torch.repeat_interleave(torch.arange(self.n_partial_rows), widths)
        """Row of each partial."""

    def partial_rows(self, levels: Tensor) -> Tensor:
        """Return the root mean square of the partials of each row, ``(channels, n_partial_rows, n_frames)``.

        Amplitudes are linear, from the first partial on, ``(channels, n_partials, n_frames)``. Rows above the highest
        partial hold the geometric mean of the last four that have one.
        """
        row_of = self.row_of[: levels.shape[1]]
        n_rows = int(row_of[-1]) + 1
        rows = levels.new_zeros(len(levels), self.n_partial_rows, levels.shape[-1])
        rows[:, :n_rows].index_add_(1, row_of, levels.square())
        rows[:, :n_rows] = (rows[:, :n_rows] / row_of.bincount()[:, None]).sqrt()
        if n_rows < self.n_partial_rows:
            rows[:, n_rows:] = rows[:, max(0, n_rows - 4) : n_rows].clamp_min(1e-9).log().mean(1, keepdim=True).exp()
        return rows

    def view(self, sound: HarmonicSound, reference: Tensor | None = None) -> Tensor:
        """Return the harmonic features of a sound, ``(channels, n_features, n_frames)``, in [0, 1].

        Args:
            sound: The sound.
            reference: Amplitude of feature 1 over time, ``(n_frames,)``; the sound's if not given.
        """
        rows = torch.cat([self.partial_rows(sound.amplitude), sound.noise], 1)
        return self.to_features(rows, sound.reference if reference is None else reference)

    def scaled(self, sound: Sound, change: Tensor) -> Sound:
        """Return a sound whose features are raised.

        Args:
            sound: The sound.
            change: What its features are raised by, ``(channels, n_features, n_frames)``.
        """
        gains = db_to_amplitude(change * self.config.top_db)
        row_of = self.row_of[: len(sound.multiples)]
        amplitude, noise = sound.amplitude * gains[:, row_of], sound.noise * gains[:, self.n_partial_rows :]
        return replace(sound, amplitude=amplitude, noise=noise)

    def applied(self, features: Tensor, sound: HarmonicSound) -> HarmonicSound:
        """Return a sound that has these features: the way back from ``view``.

        A row is scaled as a whole; in a row without amplitude all partials become equally loud.

        Args:
            features: ``(channels, n_features, n_frames)``.
            sound: The sound; it is returned as it is where features are its own.
        """
        own = self.view(sound)
        if torch.equal(features, own):
            return sound
        wanted, now = (self.to_amplitudes(each, sound.reference) for each in (features, own))
        gains = torch.where(features == own, 1, wanted / now)
        row_of, first = self.row_of[: len(sound.multiples)], self.n_partial_rows
        amplitude = torch.where(gains.isfinite()[:, row_of], sound.amplitude * gains[:, row_of], wanted[:, row_of])
        noise = torch.where(gains.isfinite()[:, first:], sound.noise * gains[:, first:], wanted[:, first:])
        return replace(sound, amplitude=amplitude, noise=noise)

    def to_features(self, amplitude: Tensor, reference: float | Tensor) -> Tensor:
        """Return amplitudes, linear, ≥ 0, as features, ``1 + 20·log10(amplitude / reference) / top_db``, in [0, 1].

        1 is the reference or louder, 0 is ``top_db`` below it or less.
        """
        return (1 + amplitude_to_db(amplitude.clamp_min(1e-12) / reference) / self.config.top_db).clamp(0, 1)

    def to_amplitudes(self, features: Tensor, reference: float) -> Tensor:
        """Return features, cut to 0…1.2, as amplitudes: the way back from ``to_features``; 0 is silence."""
        shown = features.clamp(0, LOUDEST)
        return torch.where(shown > 0, reference * db_to_amplitude((shown - 1) * self.config.top_db), 0)

    def level(self, features: Tensor) -> Tensor:
        """Return the level of all partials and bands together, the sum of their powers, ``(channels, 1, n_frames)``.

        It is in the scale of features, above 1 where several rows are loud.
        """
        decibels = (features - 1) * self.config.top_db
        return 1 + power_to_db(db_to_power(decibels).sum(1, keepdim=True)) / self.config.top_db


def loudest(body: Tensor, length: int) -> float:
    """Return the amplitude of a sinusoid as loud as the loudest stretch of ``length`` samples, over all channels."""
    length = min(length, body.shape[-1])
    total = pad(body.double().square().cumsum(-1), (1, 0))
    return max(math.sqrt(2 * float((total[:, length:] - total[:, :-length]).max()) / length), SILENCE)
