"""The harmonic image: how loud each partial and each band of noise is over time; where they lie is told apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn.functional import conv1d, pad

from intertone.config import Settings
from intertone.pitch import pitch_to_hz
from intertone.representation.noise import NoiseBands
from intertone.representation.partials import SHORTEST_SECONDS, TURNS, Warped, play_partials, turns_of
from intertone.representation.timeline import (
    Alignment,
    at_positions,
    find_landmarks,
    mix_landmarks,
    positions,
)
from intertone.representation.tracks import (
    HarmonicContext,
    KeptNoise,
    PartialTrack,
    kept_share,
    mix_tracks,
    retime_track,
)
from intertone.representation.tuning import find_onset, refine_tuning, stretched
from intertone.tracking import follow_pitch

LOWEST = 27.5
"""Hz of the lowest note whose partials reach ``f_max``: A0."""

RAMP_SECONDS = 0.001
"""In which the partials come in at the onset."""

LOUDEST = 1.2
"""Feature beyond which nothing is played: 20 dB above the loudest row."""

STEADY_FRAMES, WEAK_FRAMES = 21, 61
"""Over which a partial's own level is averaged between the ends; the second where it is hardly louder than noise."""

CLEAR_DB = 15.0
"""A partial this much above the noise under its window is clear of it."""

WINDOW_BINS = 1.5
"""Bandwidth of a Hann window's noise, in bins of its length."""

SILENCE = 1e-6
"""The least reference, so that a silent sound has features too."""


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
        if self.hop_length > self.sample_rate // 20:
            raise ValueError(f"hop_length must be at most 50 ms, {self.sample_rate // 20}, got {self.hop_length}")
        return self

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


class HarmonicRepresentation:
    """``analyse`` and ``synthesise`` of the harmonic image.

    Channels are a batch axis; one pitch track, one onset and one reference serve all channels of a sound.
    """

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.n_partial_rows = config.n_harmonics + config.n_groups
        widths = torch.tensor([after - before for before, after in pairwise(config.edges)])
        self.row_of = torch.repeat_interleave(torch.arange(self.n_partial_rows), widths)
        """Row of each partial."""

    @cached_property
    def bands(self) -> NoiseBands:
        """The bands of noise."""
        config = self.config
        return NoiseBands(config.sample_rate, config.hop_length, config.n_noise, config.f_max)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.config.sample_rate

    @property
    def n_features(self) -> int:
        """Rows that the network sees."""
        return self.config.n_features

    @property
    def parts(self) -> Mapping[str, slice]:
        """Names of groups of feature rows that may be mixed by ratios of their own."""
        return {"harmonics": slice(0, self.n_partial_rows), "noise": slice(self.n_partial_rows, self.n_features)}

    @property
    def feature_range_db(self) -> float:
        """Decibels between features 0 and 1."""
        return self.config.top_db

    @property
    def orders(self) -> Tensor:
        """Lowest partial of each row of partials, ``(n_harmonics + n_groups,)``."""
        return torch.tensor(self.config.edges[:-1])

    def facts(self) -> dict[str, float | int | str]:
        """Return what a person would want to know, by name."""
        config = self.config
        return {
            "representation": config.kind,
            "hop_length": config.hop_length,
            "n_harmonics": config.n_harmonics,
            "n_groups": config.n_groups,
            "n_noise": config.n_noise,
            "top_db": config.top_db,
            "n_features": self.n_features,
        }

    def n_frames(self, samples: int) -> int:
        """Return the number of feature columns of a sound of ``samples``."""
        return 1 + -(-samples // self.config.hop_length)

    def samples(self, n_frames: int) -> int:
        """Return the length of the longest sound that has ``n_frames`` columns."""
        return (n_frames - 1) * self.config.hop_length

    def analyse(self, audio: Tensor, *, f0: Tensor | None = None) -> tuple[Tensor, HarmonicContext]:
        """Turn sounds into what the network sees and what it does not.

        The first column is the onset. ``features = 1 + dB / top_db`` of the amplitude of each partial, root mean
        square where several share a row, and of a sinusoid as loud as each band of noise. Rows of partials above
        ``f_max`` hold the mean of the highest rows that there are.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.
            f0: Hz every ``hop_length`` samples from the first sample on, ``(n_frames,)``, > 0; found if not given.

        Returns:
            ``(features, context)``; features ``(batch · channels, n_features, n_frames)`` in [0, 1].

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Source:
            McAulay and Quatieri (1986), "Speech analysis/synthesis based on a sinusoidal representation", and Serra and
            Smith (1990), "Spectral modeling synthesis", measured along the pitch.

        Example:
            >>> representation = HarmonicRepresentation(HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600))
            >>> turns = 220 * torch.arange(8000) / 16000
            >>> features, context = representation.analyse(torch.sin(2 * torch.pi * turns))
            >>> features.shape, round(float(features[0, 0, 20]), 3), round(float(context.tracks[0].f0[20]))
            (torch.Size([1, 128, 51]), 1.0, 220)
        """
        if not 1 <= audio.ndim <= 3 or not audio.numel():
            raise ValueError(f"audio must be (batch, channels, samples) or less, none 0, got {tuple(audio.shape)}")
        device = audio.device
        sounds = audio.detach().cpu().float().reshape(*(1,) * (3 - audio.ndim), *audio.shape)
        found = [self._analyse_one(sound, f0) for sound in sounds]
        context = HarmonicContext(tuple(track for _, track in found), tuple(audio.shape[:-1]))
        return torch.cat([image for image, _ in found]).to(device), context

    def synthesise(
        self,
        features: Tensor,
        context: HarmonicContext,
        *,
        phase: object = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Turn features back into sounds.

        Args:
            features: ``(batch · channels, n_features, >= n_frames)``; columns beyond the sound are padding.
            context: From ``analyse`` or ``mix_contexts``; an untouched one gives the sounds' own noise back.
            phase: Not used: the phases of partials are in the context.
            generator: Source of the noise that is not the sounds' own; seeded with 0 if not given.

        Returns:
            Audio, ``(*leading, samples)``, on the device of the features.

        Example:
            >>> representation = HarmonicRepresentation(HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600))
            >>> audio = torch.sin(2 * torch.pi * 220 * torch.arange(8000) / 16000)
            >>> again = representation.synthesise(*representation.analyse(audio))
            >>> bool((again - audio).abs().max() < 1e-5)
            True
        """
        generator = generator or torch.Generator().manual_seed(0)
        channels = len(features) // len(context.tracks)
        images = features.detach().cpu().float().split(channels)
        sounds = [self._synthesise_one(*pair, generator) for pair in zip(images, context.tracks, strict=True)]
        return torch.stack(sounds).reshape(*context.leading, -1).to(features.device)

    def align(
        self,
        images: Sequence[tuple[Tensor, HarmonicContext]],
        weights: Tensor,
        *,
        alignment: Alignment = "envelope",
    ) -> list[tuple[Tensor, HarmonicContext]]:
        """Bring sounds to one time, that of a mixture of them.

        Between its ends, where a sound has not all the weight, a partial's own flicker is averaged away: what all
        partials do together stays.

        Args:
            images: Features and context of each, from ``analyse``; equal batches and channels.
            weights: How much each sound counts, ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``; the last
                frame is held. Each column sums to 1.
            alignment: ``none`` leaves the sounds where they are; ``onset`` lays onset on onset; ``envelope`` also
                interpolates attack, sustain and release.

        Returns:
            Features and context of each, of equal length.
        """
        overall = _columns(weights, 1).mean(1) if weights.ndim == 1 else weights.double().mean(1)
        n_batch = len(images[0][1].tracks)
        plans = [self._plan([context.tracks[item] for _, context in images],
                            [features.unflatten(0, (n_batch, -1))[item] for features, _ in images],
                            overall.tolist(), alignment) for item in range(n_batch)]  # fmt: skip
        longest = max(samples for samples, _, _ in plans)
        n_frames = self.n_frames(longest)
        full = _columns(weights, n_frames)
        aligned = []
        for index, (features, context) in enumerate(images):
            rows, tracks = [], []
            for item, image in enumerate(features.detach().cpu().float().unflatten(0, (n_batch, -1))):
                _, onset, maps = plans[item]
                places = maps[index](n_frames)
                tracks.append(
                    retime_track(
                        context.tracks[item], places, full[index],
                        samples=longest, onset=onset, hop_length=self.config.hop_length,
                    )
                )  # fmt: skip
                rows.append(self._retime_image(image, context.tracks[item], places, full[index]))
            aligned.append((torch.cat(rows).to(features.device), replace(context, tracks=tuple(tracks), edited=True)))
        return aligned

    def mix_features(
        self, features: Sequence[Tensor], weights: Tensor, ratios: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the features between some, in dB, part by part.

        Args:
            features: From ``align``.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
            ratios: Weights for a part, or for ``envelope``, the level over time of all partials together; where
                nothing is given, ``weights``.

        Returns:
            Features of the same shape.
        """
        n_frames = features[0].shape[-1]
        given = {name: _columns((ratios or {}).get(name, weights), n_frames) for name in (*self.parts, "envelope")}
        if all(torch.equal(given[name], given["envelope"]) for name in self.parts):
            return _blend(features, given["envelope"])
        levels = [self._level(image) for image in features]
        parts = []
        for name, rows in self.parts.items():
            own = [image[:, rows] - level for image, level in zip(features, levels, strict=True)]
            parts.append(_blend(own, given[name]) + _blend(levels, given["envelope"]))
        return torch.cat(parts, 1).clamp(0, LOUDEST)

    def mix_contexts(
        self,
        contexts: Sequence[HarmonicContext],
        weights: Tensor,
        *,
        pitch: Tensor | None = None,
        median_hz: float | None = None,
    ) -> HarmonicContext:
        """Return the context of a mixture of aligned sounds.

        Args:
            contexts: From ``align``.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
            pitch: Weights for f0, whose logarithm is interpolated; as ``weights`` if not given.
            median_hz: What the median of f0 is shifted to.

        Returns:
            A context that counts as edited.
        """
        n_frames = len(contexts[0].tracks[0].f0)
        full, tuned = _columns(weights, n_frames), _columns(weights if pitch is None else pitch, n_frames)
        tracks = tuple(
            mix_tracks(group, full, pitch=tuned, median_hz=median_hz)
            for group in zip(*(context.tracks for context in contexts), strict=True)
        )
        return replace(contexts[0], tracks=tracks, edited=True)

    def _analyse_one(self, sound: Tensor, f0: Tensor | None) -> tuple[Tensor, PartialTrack]:
        config, samples = self.config, sound.shape[-1]
        onset, n_frames = find_onset(sound, self.sample_rate), self.n_frames(samples)
        body = sound[:, onset:]
        f0 = self._pitch(body) if f0 is None else at_positions(
            f0.double(), torch.arange(self.n_frames(body.shape[-1])) + onset / config.hop_length
        )  # fmt: skip
        f0, inharmonicity, amplitudes = self._measure(body, f0)
        levels = amplitudes.abs()
        rows = self._rows(levels)
        turned = torch.from_numpy(np.unwrap(amplitudes.angle().numpy(), axis=-1)).float() / (2 * math.pi)
        track = PartialTrack(
            samples, onset, 1.0, _held(f0, n_frames), inharmonicity, _held(turned, n_frames),
            self._detail(levels, rows), (),
        )  # fmt: skip
        partials = _held(rows, n_frames) * (torch.arange(n_frames) < rows.shape[-1])
        noise = body - self._play(partials, track)
        between = self._between(f0, inharmonicity)
        powers = _held(self.bands.powers(self.bands.spectrum(noise), between), n_frames)
        amplitude = torch.cat([partials, (2 * powers).sqrt()], 1)
        reference = max(float(amplitude.max()), SILENCE)
        features = self._to_features(amplitude, reference)
        # what comes back of the features, so that nothing is changed where they are not
        partials, shown = self._to_amplitudes(features, reference).split([self.n_partial_rows, config.n_noise], 1)
        kept = KeptNoise(body - self._play(partials, track), sound[:, :onset], shown.square() / 2, torch.ones(n_frames))
        return features, replace(track, reference=reference, noise=(kept,))

    def _pitch(self, body: Tensor) -> Tensor:
        """Return f0 in Hz; a sound without pitch is taken at A2, where the partials lie closely."""
        f0 = follow_pitch(body, self.sample_rate, hop_length=self.config.hop_length).f0
        return f0 if not bool(f0.isnan().any()) else torch.full_like(f0, pitch_to_hz(45))

    def _measure(self, body: Tensor, f0: Tensor) -> tuple[Tensor, float, Tensor]:
        """Return f0, inharmonicity and the complex amplitudes of the partials."""
        hop = self.config.hop_length
        length = max(TURNS, SHORTEST_SECONDS * float(f0.median()))
        places = (torch.arange(len(f0)) * hop).clamp(max=body.shape[-1] - 1)
        turns = turns_of(f0, hop, self.sample_rate, body.shape[-1])
        warped = Warped(body, turns, self.sample_rate, _slowest(f0))
        correction, inharmonicity = refine_tuning(
            warped, f0, turns[places], length=length, n_partials=self._count(f0, 0),
            frame_rate=self.sample_rate / hop,
        )  # fmt: skip
        f0 = f0 * (1 + correction)
        turns = turns_of(f0, hop, self.sample_rate, body.shape[-1])
        warped = Warped(body, turns, self.sample_rate, _slowest(f0))
        multiples = stretched(self._count(f0, inharmonicity), inharmonicity)
        return f0, inharmonicity, warped.measure(multiples, turns[places], length)

    def _count(self, f0: Tensor, inharmonicity: float) -> int:
        """Return how many partials the median pitch has below ``f_max``, at least one."""
        multiples = stretched(len(self.row_of), inharmonicity)
        return max(1, int((multiples * float(f0.median()) <= self.config.f_max).sum()))

    def _rows(self, levels: Tensor) -> Tensor:
        """Return the amplitude of each row, root mean square over its partials; rows too high hold the last ones."""
        edges, count = self.config.edges, levels.shape[1]
        n_rows = int(self.row_of[count - 1]) + 1
        rows = levels.new_empty(len(levels), self.n_partial_rows, levels.shape[-1])
        for row in range(n_rows):
            rows[:, row] = levels[:, edges[row] - 1 : min(edges[row + 1] - 1, count)].square().mean(1).sqrt()
        if n_rows < self.n_partial_rows:
            rows[:, n_rows:] = rows[:, max(0, n_rows - 4) : n_rows].clamp_min(1e-9).log().mean(1, keepdim=True).exp()
        return rows

    def _detail(self, levels: Tensor, rows: Tensor) -> Tensor:
        """Return how much louder than its row each partial is over the whole sound, dB."""
        count, own = levels.shape[1], self.config.n_harmonics
        row = rows[:, self.row_of[:count]].square().mean(-1)
        detail = 10 * torch.log10((levels.square().mean(-1) + 1e-20) / (row + 1e-20))
        detail[:, :own] = 0
        return detail.clamp(-60, 20)

    def _to_features(self, amplitude: Tensor, reference: float) -> Tensor:
        return (1 + 20 * torch.log10(amplitude.clamp_min(1e-12) / reference) / self.config.top_db).clamp(0, 1)

    def _to_amplitudes(self, features: Tensor, reference: float) -> Tensor:
        shown = features.clamp(0, LOUDEST)
        return torch.where(shown > 0, reference * 10 ** ((shown - 1) * self.config.top_db / 20), 0)

    def _between(self, f0: Tensor, inharmonicity: float) -> Tensor:
        """Return how far each bin lies from the nearest partial, 0.02…1, ``(n_bins, n_frames)``.

        Below the first partial, and where a bin is too wide to lie between two, all bins tell the same.
        """
        config = self.bands.config
        bin_hz = config.sample_rate / config.n_fft
        frequency = torch.arange(config.n_bins, dtype=torch.float64) * bin_hz
        multiples = np.concatenate([[0], stretched(len(self.row_of) + 1, inharmonicity).numpy()])
        place = np.interp((frequency[:, None] / f0).numpy(), multiples, np.arange(len(multiples)))
        far = torch.from_numpy(np.where(place < 0.5, 1.0, np.sin(np.pi * place) ** 2))
        resolved = ((f0 / (2 * bin_hz) - 1.5) / 2).clamp(0, 1)
        return (1 - resolved * (1 - far)).clamp_min(0.02).float()

    def _play(self, amplitude: Tensor, track: PartialTrack) -> Tensor:
        """Return the partials from the onset on; ``amplitude`` is ``(channels, n_partial_rows, n_frames)``."""
        config, samples, f0 = self.config, track.samples - track.onset, track.f0
        turns = turns_of(f0, config.hop_length, self.sample_rate, samples)
        count = min(self._count(f0, track.inharmonicity), track.phase.shape[1])
        multiples = stretched(count, track.inharmonicity)
        levels = amplitude[:, self.row_of[:count]] * 10 ** (track.detail[:, :count, None] / 20)
        levels = torch.where(multiples[:, None] * f0 <= config.f_max, levels, 0)
        step = float(f0.max()) * config.hop_length / self.sample_rate
        centres = torch.arange(2 + math.floor(float(turns[-1]) / step), dtype=torch.float64) * step
        places = torch.from_numpy(np.interp(centres.numpy(), turns.numpy(), np.arange(samples)) / config.hop_length)
        moving = at_positions(levels, places)
        angle = 2 * math.pi * at_positions(track.phase[:, :count], places)
        sound = play_partials(torch.polar(moving, angle), multiples, centres, turns, self.sample_rate, _slowest(f0))
        ramp = min(samples, round(RAMP_SECONDS * self.sample_rate))
        sound[:, :ramp] *= 0.5 - 0.5 * torch.cos(math.pi * torch.arange(ramp) / ramp)
        return sound

    def _synthesise_one(self, features: Tensor, track: PartialTrack, generator: torch.Generator) -> Tensor:
        body = track.samples - track.onset
        n_frames = self.n_frames(track.samples)
        image = pad(features, (0, max(0, n_frames - features.shape[-1])))[..., :n_frames]
        amplitude = self._to_amplitudes(image, track.reference)
        partials = self._play(amplitude[:, : self.n_partial_rows], track)
        shown = self.n_frames(body)
        powers = amplitude[:, self.n_partial_rows :, :shown].square() / 2
        gains = self.bands.gains(powers)
        rest = (1 - sum((noise.share[:shown].square() for noise in track.noise), torch.zeros(shown))).clamp_min(0)
        spectrum = torch.zeros(len(image), self.bands.config.n_bins, shown, dtype=torch.complex64)
        if bool(rest.any()):
            spectrum += (
                self.bands.white(len(image), body, generator) * gains * (powers.amax(1, keepdim=True) > 0) * rest.sqrt()
            )
        before = torch.zeros(len(image), track.onset)
        for noise in track.noise:
            change = gains / self.bands.gains(noise.powers[..., :shown])
            spectrum += noise.share[:shown] * change * self.bands.spectrum(noise.sound)
            before += noise.share[0] * noise.before
        return torch.cat([before, partials + self.bands.sound(spectrum, body)], -1)

    def _level(self, image: Tensor) -> Tensor:
        """Return the level of all partials and bands together, in features, ``(channels, 1, n_frames)``."""
        decibels = (image - 1) * self.config.top_db
        return 1 + 10 * torch.log10((10 ** (decibels / 10)).sum(1, keepdim=True)) / self.config.top_db

    def _plan(self, tracks, images, weights, alignment):
        hop = self.config.hop_length
        bodies = [track.samples - track.onset for track in tracks]
        if alignment == "none":
            onset = min(track.onset for track in tracks)
            samples = max(track.samples for track in tracks)
            shifts = [(track.onset - onset) / hop for track in tracks]
            maps = [lambda n, shift=shift: torch.arange(n, dtype=torch.float64) - shift for shift in shifts]
            return samples, onset, maps
        onset = max(0, round(sum(weight * track.onset for weight, track in zip(weights, tracks, strict=True))))
        if alignment == "onset":
            return onset + max(bodies), onset, [lambda n: torch.arange(n, dtype=torch.float64)] * len(tracks)
        marks = [
            find_landmarks(self._level(image).amax((0, 1)) * self.config.top_db, body / hop)
            for image, body in zip(images, bodies, strict=True)
        ]
        common = mix_landmarks(marks, weights)
        maps = [lambda n, own=own: positions(own, common, n) for own in marks]
        return onset + max(1, round(common.end * hop)), onset, maps

    def _retime_image(self, image: Tensor, track: PartialTrack, places: Tensor, weights: Tensor) -> Tensor:
        """Return an image on another time, without flicker where the sound has not all the weight; silent outside."""
        moved = at_positions(image, places)
        share = kept_share(weights).float()
        if float(share.min()) < 1:
            steady = at_positions(self._steady(image, float(track.f0.median())), places)
            moved = steady + share * (moved - steady)
        inside = (places >= 0) & (places <= image.shape[-1] - 1)
        return moved * inside

    def _steady(self, image: Tensor, f0: float) -> Tensor:
        """Return an image whose partials keep only what they do slowly, or all together."""
        rows, noise = image[:, : self.n_partial_rows], image[:, self.n_partial_rows :]
        level = self._level(image)
        own = rows - level
        slow, slower = (_average(own, n) for n in (STEADY_FRAMES, WEAK_FRAMES))
        clear = (
            (_average(rows, WEAK_FRAMES) - _average(self._under(noise, f0), WEAK_FRAMES))
            * self.config.top_db
            / CLEAR_DB
        ).clamp(0, 1)
        steady = slower + clear * (slow - slower) + level
        return torch.cat([torch.where(rows > 0, steady, rows).clamp_min(0), noise], 1)

    def _under(self, noise: Tensor, f0: float) -> Tensor:
        """Return what each partial's row would show of the noise alone, ``(channels, n_partial_rows, n_frames)``."""
        bands, length = self.bands, max(TURNS / f0, SHORTEST_SECONDS)
        bin_hz = self.sample_rate / bands.config.n_fft
        nearest = (self.orders * f0 / bin_hz).round().long().clamp(max=bands.config.n_bins - 1)
        density = 20 * torch.log10((WINDOW_BINS / length / (bands.widths[:, 0] * bin_hz)).sqrt()) / self.config.top_db
        return (noise + density[:, None])[:, bands.shares.argmax(0)[nearest]]


def _columns(weights: Tensor, n_frames: int) -> Tensor:
    """Return weights frame by frame, the last one held, ``(n_sounds, n_frames)``, float64."""
    rows = weights.double()
    return rows[:, None].expand(-1, n_frames) if rows.ndim == 1 else _held(rows, n_frames)


def _blend(values: Sequence[Tensor], weights: Tensor) -> Tensor:
    total = torch.zeros_like(values[0])
    for row, value in zip(weights, values, strict=True):
        if bool(row.any()):
            total = total + row.to(value) * value
    return total


def _held(values: Tensor, n_frames: int) -> Tensor:
    missing = n_frames - values.shape[-1]
    if missing <= 0:
        return values[..., :n_frames]
    return torch.cat([values, values[..., -1:].expand(*values.shape[:-1], missing)], -1)


def _slowest(f0: Tensor) -> float:
    """Return the f0 that a turn's samples are counted for; far outliers below are not worth their samples."""
    return max(float(f0.min()), 0.25 * float(f0.median()))


def _average(values: Tensor, n_frames: int) -> Tensor:
    kernel = torch.hann_window(n_frames + 2, periodic=False)[1:-1]
    padded = pad(values.flatten(0, 1)[:, None], (n_frames // 2,) * 2, mode="replicate")
    return conv1d(padded, (kernel / kernel.sum())[None, None])[:, 0].unflatten(0, values.shape[:2])
