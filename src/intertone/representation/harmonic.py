"""The harmonic image: how loud each partial and each band of noise is over time; where they lie is told apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from intertone.representation.free import find_free_partials, measure_free_partials
from intertone.representation.holding import hold_track
from intertone.representation.image import LOUDEST, HarmonicConfig, loudest
from intertone.representation.measuring import measure_partials
from intertone.representation.pairing import pair_partials
from intertone.representation.phasing import PhaseConfig
from intertone.representation.planning import plan_time
from intertone.representation.playing import Player
from intertone.representation.settling import settle_track
from intertone.representation.timeline import Alignment, at_positions, held, weights_over_time
from intertone.representation.tracks import (
    HarmonicContext,
    KeptNoise,
    PartialTrack,
    mix_tracks,
    retime_track,
)
from intertone.representation.tuning import find_onset, find_pitch

NOISY, LITTLE_NOISE, LESS_NOISE = 0.02, 0.3, 0.5
"""Where harmonics leave more than the first share of the energy, free partials are tried; they must leave less than the
second, and than the third of what harmonics left."""


class HarmonicRepresentation:
    """``analyse`` and ``synthesise`` of the harmonic image.

    Channels are a batch axis; one pitch track, one onset and one reference serve all channels of a sound.
    """

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.player = Player(config)
        self.rows, self.bands = self.player.rows, self.player.bands

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
        return {
            "harmonics": slice(0, self.rows.n_partial_rows),
            "noise": slice(self.rows.n_partial_rows, self.n_features),
        }

    @property
    def feature_range_db(self) -> float:
        """Decibels between features 0 and 1."""
        return self.config.top_db

    @property
    def orders(self) -> Tensor:
        """Lowest partial of each row of partials, ``(n_harmonics + n_groups,)``."""
        return torch.tensor(self.config.edges[:-1])

    @property
    def octaves(self) -> tuple[Tensor, Tensor]:
        """Where the rows of partials lie, log2 of their order, and those of noise, log2 of Hz."""
        edges = torch.tensor(self.config.edges).double()
        partials = 0.5 * (edges[:-1].log2() + (edges[1:] - 1).log2())
        return partials, self.bands.centres.log2()

    @property
    def bends_time(self) -> bool:
        """Whether ``align`` takes sounds of different lengths."""
        return True

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
        return self.player.n_frames(samples)

    def samples(self, n_frames: int) -> int:
        """Return the length of the longest sound that has ``n_frames`` columns."""
        return (n_frames - 1) * self.config.hop_length

    def analyse(self, audio: Tensor, *, f0: Tensor | None = None) -> tuple[Tensor, HarmonicContext]:
        """Turn sounds into what the network sees and what it does not.

        The first column is the onset. ``features = 1 + dB / top_db`` of the amplitude of each partial, root mean
        square where several share a row, and of a sinusoid as loud as each band of noise; 0 dB is a sinusoid as loud as
        the loudest 20 ms. Rows of partials above
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
            >>> features.shape, round(float(features[0, 0, 20]), 2), round(float(context.tracks[0].f0[20]))
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
        phase: PhaseConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Turn features back into sounds.

        Args:
            features: ``(batch · channels, n_features, >= n_frames)``; columns beyond the sound are padding.
            context: From ``analyse`` or ``mix_contexts``; an untouched one gives the sounds' own noise back.
            phase: ``kept`` (the default where the code is untouched) uses the sounds' own noise; every other method
                only says that none of it is used. The phases of partials are always the context's.
            generator: Source of the noise that is not the sounds' own; seeded with 0 if not given.

        Returns:
            Audio, ``(*leading, samples)``, on the device of the features.

        Raises:
            ValueError: If the phase of an edited code shall be kept.

        Example:
            >>> representation = HarmonicRepresentation(HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600))
            >>> audio = torch.sin(2 * torch.pi * 220 * torch.arange(8000) / 16000)
            >>> again = representation.synthesise(*representation.analyse(audio))
            >>> bool((again - audio).abs().max() < 1e-5)
            True
        """
        if phase is not None and phase.method == "kept" and context.edited:
            raise ValueError("the kept phase goes with an untouched code only, got an edited one")
        if phase is not None and phase.method != "kept":
            context = context.as_edited()
        generator = generator or torch.Generator().manual_seed(0)
        channels = len(features) // len(context.tracks)
        images = features.detach().cpu().float().split(channels)
        sounds = [self.player.sound(*pair, generator) for pair in zip(images, context.tracks, strict=True)]
        return torch.stack(sounds).reshape(*context.leading, -1).to(features.device)

    def settle(self, features: Tensor, context: HarmonicContext) -> tuple[Tensor, HarmonicContext]:
        """Move what each partial does for itself and quickly from the image and the phases to the context.

        What is left, levels and phases that change slowly or all together, can be interpolated between sounds; what
        wavers around it (noise, beating) cannot: half of a beating in dB, at half of its phase, beats no less.

        Args:
            features: From ``analyse``.
            context: From ``analyse``.

        Returns:
            Features and context that ``synthesise`` turns into the same sound.
        """
        count = len(features) // len(context.tracks)
        images = features.detach().cpu().float().split(count)
        settled = [settle_track(*pair, self.player) for pair in zip(images, context.tracks, strict=True)]
        found = torch.cat([image for image, _ in settled]).to(features.device)
        return found, replace(context, tracks=tuple(track for _, track in settled))

    def align(
        self,
        images: Sequence[tuple[Tensor, HarmonicContext]],
        weights: Tensor,
        *,
        alignment: Alignment = "envelope",
        hold_seconds: float | None = None,
    ) -> list[tuple[Tensor, HarmonicContext]]:
        """Bring sounds to one time, that of a mixture of them.

        Args:
            images: Features and context of each, from ``settle``; equal batches and channels.
            weights: How much each sound counts, ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``; the last
                frame is held. Each column sums to 1.
            alignment: ``none`` leaves the sounds where they are; ``onset`` lays onset on onset; ``envelope`` also
                interpolates attack, sustain and release.
            hold_seconds: From onset to release, with ``envelope``; each sustain is made so long, see
                ``held_positions``. As interpolated if not given.

        Returns:
            Features and context of each, of equal length.
        """
        overall = weights_over_time(weights, 1).mean(1) if weights.ndim == 1 else weights.double().mean(1)
        images = pair_partials(images, self.config.n_harmonics)
        n_batch = len(images[0][1].tracks)
        shown = [features.detach().cpu().float().unflatten(0, (n_batch, -1)) for features, _ in images]
        plans = [
            plan_time(
                [context.tracks[item] for _, context in images],
                [self.rows.level(image[item]).amax((0, 1)) * self.config.top_db for image in shown],
                overall.tolist(),
                alignment,
                hop_length=self.config.hop_length,
                hold_frames=hold_seconds and hold_seconds * self.sample_rate / self.config.hop_length,
            )
            for item in range(n_batch)
        ]
        longest = max(plan.samples for plan in plans)
        n_frames = self.n_frames(longest)
        full = weights_over_time(weights, n_frames)
        aligned = []
        for index, (features, context) in enumerate(images):
            rows, tracks = [], []
            for track, image, plan in zip(context.tracks, shown[index], plans, strict=True):
                places = plan.maps[index](n_frames)
                moved = retime_track(
                    track, places, full[index],
                    samples=longest, onset=plan.onset, hop_length=self.config.hop_length,
                )  # fmt: skip
                if hold_seconds is not None:
                    moved = hold_track(moved, track, places, plan.releases[index])
                tracks.append(moved)
                inside = (places >= 0) & (places <= image.shape[-1] - 1)
                rows.append(at_positions(image, places) * inside)
            aligned.append((torch.cat(rows).to(features.device), replace(context, tracks=tuple(tracks), edited=True)))
        return aligned

    def mix_features(
        self, features: Sequence[Tensor], weights: Tensor, ratios: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the features between some, in dB, part by part; of noise the louder gives way first.

        Args:
            features: From ``align``.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
            ratios: Weights for a part, or for ``envelope``, the level over time of all partials together; where
                nothing is given, ``weights``.

        Returns:
            Features of the same shape.
        """
        n_frames = features[0].shape[-1]
        given = {
            name: weights_over_time((ratios or {}).get(name, weights), n_frames) for name in (*self.parts, "envelope")
        }
        noise = self.rows.less_noise([image[:, self.parts["noise"]] for image in features], given["noise"])
        if all(torch.equal(given[name], given["envelope"]) for name in self.parts):
            mixed = _blend(features, given["envelope"])
            return torch.cat([mixed[:, self.parts["harmonics"]], mixed[:, self.parts["noise"]] - noise], 1)
        levels = [self.rows.level(image) for image in features]
        parts = []
        for name, rows in self.parts.items():
            own = [image[:, rows] - level for image, level in zip(features, levels, strict=True)]
            parts.append(_blend(own, given[name]) + _blend(levels, given["envelope"]))
        return torch.cat([parts[0], parts[1] - noise], 1).clamp(0, LOUDEST)

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
        full, tuned = (
            weights_over_time(weights, n_frames),
            weights_over_time(weights if pitch is None else pitch, n_frames),
        )
        tracks = tuple(
            mix_tracks(group, full, pitch=tuned, median_hz=median_hz)
            for group in zip(*(context.tracks for context in contexts), strict=True)
        )
        return replace(contexts[0], tracks=tracks, edited=True)

    def _analyse_one(self, sound: Tensor, f0: Tensor | None) -> tuple[Tensor, PartialTrack]:
        hop, onset = self.config.hop_length, find_onset(sound, self.sample_rate)
        body = sound[:, onset:]
        if f0 is not None:
            known = at_positions(f0.double(), torch.arange(self.n_frames(body.shape[-1])) + onset / hop)
            return self._describe(sound, onset, *measure_partials(body, known, self.config))
        found, periodicity = find_pitch(body, self.sample_rate, hop)
        image, track = self._describe(sound, onset, *measure_partials(body, found, self.config))
        if (rest := _noise_share(track, body)) > NOISY:
            freely = self._analyse_freely(sound, track)
            if freely is not None and _noise_share(freely[1], body) < min(LESS_NOISE * rest, LITTLE_NOISE):
                image, track = freely
        return image, replace(track, periodicity=periodicity)

    def _analyse_freely(self, sound: Tensor, track: PartialTrack) -> tuple[Tensor, PartialTrack] | None:
        """Return image and track of a sound of free partials, or None where there are none that explain it."""
        body = sound[:, track.onset :]
        shown = self.n_frames(body.shape[-1])
        found = find_free_partials(body, float(track.f0[:shown].median()), track.inharmonicity, self.config)
        if found is None:
            return None
        f0 = torch.full((shown,), found[0], dtype=torch.float64)
        amplitudes = measure_free_partials(body, found[1], f0, self.config)
        return self._describe(sound, track.onset, f0, 0.0, amplitudes, found[1])

    def _describe(
        self,
        sound: Tensor,
        onset: int,
        f0: Tensor,
        inharmonicity: float,
        amplitudes: Tensor,
        ratios: Tensor | None = None,
    ) -> tuple[Tensor, PartialTrack]:
        """Return image and track of a sound whose partials are measured."""
        config, samples = self.config, sound.shape[-1]
        body, n_frames = sound[:, onset:], self.n_frames(samples)
        levels = amplitudes.abs()
        reference = loudest(body, 2 * config.hop_length)
        rows = self.rows.partial_rows(levels)
        inside = torch.arange(n_frames) < rows.shape[-1]
        partials = self.rows.to_features(held(rows, n_frames) * inside, reference)
        turned = torch.from_numpy(np.unwrap(amplitudes.angle().numpy(), axis=-1)).float() / (2 * math.pi)
        track = PartialTrack(
            samples=samples,
            onset=onset,
            reference=reference,
            f0=held(f0, n_frames),
            inharmonicity=inharmonicity,
            phase=held(turned, n_frames),
            detail=self.rows.detail(levels, rows),
            noise=(),
            ratios=ratios,
        )
        noise = body - self.player.partials(self.rows.to_amplitudes(partials, reference), track)
        between = self.bands.between(f0, track.multiples(len(self.rows.row_of) + 1).sort().values)
        powers = self.bands.powers(self.bands.spectrum(noise), between)
        bands = self.rows.to_features(held((2 * powers).sqrt(), n_frames) * inside, reference)
        # the powers that the features show, so that noise is not changed where they are not
        shown = self.rows.to_amplitudes(bands, reference).square() / 2
        kept = KeptNoise(noise, sound[:, :onset], shown, torch.ones(n_frames), track.f0)
        return torch.cat([partials, bands], 1), replace(track, noise=(kept,), level=float(sound.square().mean().sqrt()))


def _noise_share(track: PartialTrack, body: Tensor) -> float:
    (kept,) = track.noise
    return float(kept.sound.square().sum() / body.square().sum().clamp_min(1e-30))


def _blend(values: Sequence[Tensor], weights: Tensor) -> Tensor:
    total = torch.zeros_like(values[0])
    for row, value in zip(weights, values, strict=True):
        if bool(row.any()):
            total = total + row.to(value) * value
    return total
