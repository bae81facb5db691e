"""The harmonic image: how loud each partial and each band of noise is over time; where they lie is told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.curve import weighted_sum, weights_over_time
from intertone.errors import InputError
from intertone.harmonic.analysis import analyse_sound
from intertone.harmonic.morph.align import align_images, common_span
from intertone.harmonic.morph.landmark import Alignment
from intertone.harmonic.morph.mix import mix_sounds, noise_reduction
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.morph.transpose import transpose_sounds
from intertone.harmonic.rows import LOUDEST, HarmonicConfig
from intertone.harmonic.sound import HarmonicContext
from intertone.harmonic.synthesis import Synthesiser
from intertone.phase import PhaseConfig


class HarmonicRepresentation:
    """``analyse`` and ``synthesise`` of the harmonic image.

    Channels are a batch axis; one pitch track, one onset and one reference serve all channels of a sound.
    """

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.player = Synthesiser(config)
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
        found = [analyse_sound(sound, self.player, f0) for sound in sounds]
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
        settled = [separate_modulation(*pair, self.player) for pair in zip(images, context.tracks, strict=True)]
        found = torch.cat([image for image, _ in settled]).to(features.device)
        return found, replace(context, tracks=tuple(track for _, track in settled))

    def span(
        self,
        images: Sequence[tuple[Tensor, HarmonicContext]],
        weights: Tensor,
        *,
        alignment: Alignment = "envelope",
        hold_seconds: float | None = None,
    ) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its end: seconds from the mixture's start.

        Args:
            images: As for ``align``; of a batch the first mixture counts.
            weights: Of the mixture's time, ``(n_sounds,)``.
            alignment: As for ``align``.
            hold_seconds: As for ``align``; then the beginning of the release counts as the end.

        Returns:
            ``(first, end)``.
        """
        tracks, shares = [context.tracks[0] for _, context in images], weights.tolist()
        held_samples = hold_seconds and hold_seconds * self.sample_rate
        first, end = common_span(tracks, shares, alignment, held_samples=held_samples)
        return first / self.sample_rate, end / self.sample_rate

    def align(
        self,
        images: Sequence[tuple[Tensor, HarmonicContext]],
        weights: Tensor,
        *,
        ratios: Mapping[str, Tensor] | None = None,
        alignment: Alignment = "envelope",
        hold_seconds: float | None = None,
    ) -> list[tuple[Tensor, HarmonicContext]]:
        """Bring sounds to one time, that of a mixture of them.

        Args:
            images: Features and context of each, from ``settle``; equal batches and channels.
            weights: How much each sound counts, ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``; the last
                frame is held. Each column sums to 1.
            ratios: Weights of single attributes: ``envelope`` says where the mixture's time lies, ``noise`` how much of
                the sounds' own is kept.
            alignment: ``none`` leaves the sounds where they are; ``onset`` lays onset on onset; ``envelope`` also
                interpolates attack, sustain and release.
            hold_seconds: From onset to release, with ``envelope``; each sustain is made so long, see
                ``sustained_positions``. As interpolated if not given.

        Returns:
            Features and context of each, of equal length.
        """
        return align_images(
            images,
            weights,
            self.player,
            ratios=ratios or {},
            alignment=alignment,
            hold_seconds=hold_seconds,
        )

    def move(
        self,
        images: Sequence[tuple[Tensor, HarmonicContext]],
        context: HarmonicContext,
        decoded: Sequence[tuple[Tensor, Tensor]] | None = None,
        *,
        share: float = 1.0,
    ) -> Sequence[tuple[Tensor, HarmonicContext]]:
        """Bring aligned sounds to the pitch of their mixture: to its levels, and to as many partials as it has.

        Args:
            images: Features and context of each, from ``align``.
            context: Of the mixture, from ``mix_contexts``.
            decoded: A network's image of each sound at the pitch of the mixture, and at its own.
            share: How much the network is believed.

        Returns:
            Features and context of each, to be mixed; at its own pitch a sound stays as it is.
        """
        return transpose_sounds(images, context, self.rows, decoded, share)

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
        noise = noise_reduction([image[:, self.parts["noise"]] for image in features], given["noise"])
        if all(torch.equal(given[name], given["envelope"]) for name in self.parts):
            mixed = weighted_sum(features, given["envelope"])
            return torch.cat([mixed[:, self.parts["harmonics"]], mixed[:, self.parts["noise"]] - noise], 1)
        levels = [self.rows.level(image) for image in features]
        parts = []
        for name, rows in self.parts.items():
            own = [image[:, rows] - level for image, level in zip(features, levels, strict=True)]
            parts.append(weighted_sum(own, given[name]) + weighted_sum(levels, given["envelope"]))
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

        Raises:
            InputError: If the pitch is so high that nothing is played.
        """
        n_frames = len(contexts[0].tracks[0].f0)
        full, tuned = (
            weights_over_time(weights, n_frames),
            weights_over_time(weights if pitch is None else pitch, n_frames),
        )
        tracks = tuple(
            mix_sounds(group, full, pitch=tuned, median_hz=median_hz)
            for group in zip(*(context.tracks for context in contexts), strict=True)
        )
        highest = max(float(track.f0.median()) for context in contexts for track in context.tracks)
        for track in tracks:
            if (found := float(track.f0.median())) > max(self.config.f_max, highest):
                raise InputError(
                    f"a pitch must be at most {self.config.f_max:g} Hz with this codec, got {found:.0f} Hz"
                )
        return replace(contexts[0], tracks=tracks, edited=True)
