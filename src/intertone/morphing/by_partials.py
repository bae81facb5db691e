"""Morph by partials: harmonic sounds are interpolated partial by partial; the network corrects the interpolation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import weighted_sum, weights_over_time
from intertone.harmonic.morph.align import align_sounds
from intertone.harmonic.morph.duration import common_span
from intertone.harmonic.morph.mix import noise_reduction
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.morph.transpose import transpose_sounds
from intertone.harmonic.pitched import LEAST_MEASURE, recognise
from intertone.harmonic.rows import LOUDEST
from intertone.harmonic.sound import HarmonicContext
from intertone.morphing.by_code import decode_mixture, decode_sounds
from intertone.morphing.contract import CodecMethod, Takes
from intertone.morphing.settings import MorphConfig
from intertone.morphing.weights import Weights
from intertone.pitch.note import note_hz
from intertone.representation import Analysis, HarmonicRepresentation


class ByPartials(CodecMethod[HarmonicContext]):
    """The morph method of harmonic codecs.

    Args:
        codec: The codec.
        representation: Its representation.
    """

    takes = Takes(
        own_lengths=True,
        pitch=True,
        sustain=True,
        attributes=("harmonics", "noise", "envelope", "pitch"),
        threads=True,
        loudness=True,
        network="carried",
        register=True,
        exact=True,
    )

    def __init__(self, codec: Codec, representation: HarmonicRepresentation) -> None:
        super().__init__(codec)
        self.representation = representation
        self.rows = representation.synthesiser.rows

    def prepare(self, analysis: Analysis[HarmonicContext]) -> Analysis[HarmonicContext]:
        """Separate each partial's slow envelope from its fast modulation; the result sounds the same.

        Levels and phases that change slowly or all together can be interpolated between sounds; fast modulation (noise,
        beating) cannot: half of a beating in dB, at half of its phase, beats no less.
        """
        features, context = analysis
        images = features.detach().cpu().float().split(len(features) // len(context.tracks))
        synthesiser = self.representation.synthesiser
        found = [separate_modulation(*pair, synthesiser) for pair in zip(images, context.tracks, strict=True)]
        slow = torch.cat([image for image, _ in found]).to(features.device)
        return Analysis(slow, replace(context, tracks=tuple(track for _, track in found)))

    def unpitched(self, analysis: Analysis[HarmonicContext]) -> str | None:
        """Say why a sound has no one pitch; what is measured says ``intertone.harmonic.pitched.recognise``."""
        found = recognise(analysis.features, analysis.context, self.representation.config)
        worst = min(found, key=lambda one: (one.pitched, one.measure))
        if worst.pitched:
            return None
        if worst.measure < LEAST_MEASURE:  # noise, a chord or metal: which of them the measure hardly tells
            return f"no one pitch (a measure of {worst.measure:.2f}, below {LEAST_MEASURE:g})"
        return f"no one pitch ({worst.reason})"

    def span(
        self, analyses: Sequence[Analysis[HarmonicContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its end: seconds from the mixture's start.

        Args:
            analyses: From ``prepare``; of a batch the first mixture counts.
            weights: Of the mixture's time, ``(n_sounds,)``.
            config: Alignment and sustain; where a sound is sustained, the beginning of the release counts as the end.
        """
        rate, hold_seconds = self.representation.sample_rate, config.hold_seconds
        tracks, shares = [one.context.tracks[0] for one in analyses], weights.tolist()
        first, end = common_span(tracks, shares, config.alignment, held_samples=hold_seconds and hold_seconds * rate)
        return first / rate, end / rate

    def align(
        self,
        analyses: Sequence[Analysis[HarmonicContext]],
        weights: Tensor,
        config: MorphConfig | None = None,
        *,
        ratios: Mapping[str, Tensor] | None = None,
    ) -> list[Analysis[HarmonicContext]]:
        """Bring sounds to one time, that of a mixture of them.

        Args:
            analyses: From ``prepare``; equal batches and channels.
            weights: ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``; the last frame is held.
            config: Its alignment: ``none`` leaves the sounds where they are; ``onset`` lays onset on onset;
                ``envelope`` also interpolates attack, sustain and release. Its ``hold_seconds``: from onset to release.
            ratios: Weights of single attributes: ``envelope`` says where the mixture's time lies, ``noise`` how much of
                the sounds' own is kept.

        Returns:
            Sounds of equal length.
        """
        config = config or MorphConfig()
        aligned = align_sounds(
            analyses,
            weights,
            self.representation.synthesiser,
            ratios=ratios or {},
            alignment=config.alignment,
            hold_seconds=config.hold_seconds,
        )
        return [Analysis(*pair) for pair in aligned]

    def between(
        self,
        analyses: Sequence[Analysis[HarmonicContext]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[HarmonicContext]:
        """Return the mixture of sounds: aligned, transposed to their common pitch, interpolated, corrected.

        Args:
            analyses: From ``prepare``.
            weights: How much of each.
            config: How.
            kept: Not used: partials have phases of their own.
            generator: Source of what a model draws that samples.
        """
        aligned = self.align(analyses, weights.overall, config, ratios=weights.own)
        median_hz = note_hz(config.pitch)

        def mixed_context(contexts: Sequence[HarmonicContext]) -> HarmonicContext:
            return self.representation.mix(contexts, weights.overall, pitch=weights.pitch, median_hz=median_hz)

        context = mixed_context([one.context for one in aligned])
        network = config.network or self.takes.network
        correction: Tensor | float = 0.0
        pairs = None
        if network == "alone":
            full = decode_mixture(self.codec, aligned, context.conditions, weights.overall, generator=generator)
            pairs = [(full, full)] * len(aligned)
        if network == "carried":
            decoded = decode_sounds(self.codec, aligned, context.conditions, weights.overall, generator=generator)
            pairs = list(zip(decoded.at_mixture, decoded.at_own, strict=True))
            correction = config.strength * decoded.between
        moved = transpose_sounds(aligned, context, self.rows, pairs, config.register_strength)
        if any(new is not old.context for (_, new), old in zip(moved, aligned, strict=True)):
            context = mixed_context([one for _, one in moved])
        if network == "alone":
            return Analysis(full, context)
        mixed = self.mix_features([image for image, _ in moved], weights.overall, weights.own)
        return Analysis(mixed + correction, context)

    def mix_features(
        self, features: Sequence[Tensor], weights: Tensor, ratios: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Return the features between some, in dB, part by part; of noise the louder gives way first.

        Args:
            features: Of sounds that share one time, ``(batch · channels, n_features, n_frames)``.
            weights: ``(n_sounds,)`` or ``(n_sounds, n_frames)``.
            ratios: Weights for ``harmonics``, ``noise``, or ``envelope``, the level over time of all partials together;
                where nothing is given, ``weights``.

        Returns:
            Features of the same shape.
        """
        n_frames, n_partial_rows = features[0].shape[-1], self.rows.n_partial_rows
        parts = {"harmonics": slice(0, n_partial_rows), "noise": slice(n_partial_rows, features[0].shape[1])}
        given = {name: weights_over_time((ratios or {}).get(name, weights), n_frames) for name in (*parts, "envelope")}
        less = noise_reduction([image[:, parts["noise"]] for image in features], given["noise"])
        if all(torch.equal(given[name], given["envelope"]) for name in parts):
            mixed = weighted_sum(features, given["envelope"])
            return torch.cat([mixed[:, parts["harmonics"]], mixed[:, parts["noise"]] - less], 1)
        levels = [self.rows.level(image) for image in features]
        found = []
        for name, rows in parts.items():
            own = [image[:, rows] - level for image, level in zip(features, levels, strict=True)]
            found.append(weighted_sum(own, given[name]) + weighted_sum(levels, given["envelope"]))
        return torch.cat([found[0], found[1] - less], 1).clamp(0, LOUDEST)
