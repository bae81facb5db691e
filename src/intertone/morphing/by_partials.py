"""Morph by partials: harmonic sounds are interpolated partial by partial; the network corrects the interpolation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from typing import NamedTuple, cast

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import weights_over_time
from intertone.errors import InputError
from intertone.harmonic.morph.align import align_sounds
from intertone.harmonic.morph.duration import common_span
from intertone.harmonic.morph.landmark import AUDIBLE_DB
from intertone.harmonic.morph.mix import mix_f0, mix_reference, mix_sounds
from intertone.harmonic.morph.modulation import separate_modulation
from intertone.harmonic.morph.transpose import transpose_sound
from intertone.harmonic.pitched import LEAST_MEASURE, recognise
from intertone.harmonic.sound import HarmonicContext, HarmonicSound, SeparatedSound
from intertone.morphing.by_code import (
    Codes,
    decode_mixture,
    decode_own,
    decode_sounds,
    decode_velocity,
    encode_sounds,
)
from intertone.morphing.contract import AtPitch, CodecMethod, Takes
from intertone.morphing.settings import MorphConfig
from intertone.morphing.weights import Weights
from intertone.pitch.note import note_hz
from intertone.representation import Analysis, HarmonicRepresentation
from intertone.representation.contract import mix_conditions


@dataclass(frozen=True)
class _Prepared:
    """All of a mixture that does not depend on its pitch.

    Attributes:
        aligned: The sounds at one time.
        weights: Weights of the sounds.
        config: Settings of the morph, of which pitch and velocity are not used.
        codes: Codes of the sounds; None: the network does not correct the interpolation.
        at_own: Features of each sound, decoded with its own conditions.
    """

    aligned: Sequence[Analysis[HarmonicContext]]
    weights: Weights
    config: MorphConfig
    codes: Codes | None = None
    at_own: Sequence[Tensor] = ()


class _Decoded(NamedTuple):
    """Decoded features of aligned sounds, ``(batch · channels, n_features, n_frames)``; see ``decode_sounds``.

    Attributes:
        at_mixture: Of each sound with the conditions (pitch, …) of the mixture.
        at_own: Of each sound with its own conditions.
        between: The network's correction of interpolated features, or with ``full`` the decoded features.
    """

    at_mixture: Sequence[Tensor]
    at_own: Sequence[Tensor]
    between: Tensor


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
        network="residual",
        register=True,
        exact=True,
        velocity=True,
        common=True,
    )

    def __init__(self, codec: Codec, representation: HarmonicRepresentation) -> None:
        super().__init__(codec)
        self.representation = representation
        self.rows = representation.synthesiser.rows

    def prepare(self, analysis: Analysis[HarmonicContext]) -> Analysis[HarmonicContext]:
        """Separate each partial's slow envelope from its fast modulation; features are those of the envelope."""
        synthesiser = self.representation.synthesiser
        return self._analysis([separate_modulation(sound, synthesiser) for sound in analysis.context.sounds], analysis)

    def unpitched(self, analysis: Analysis[HarmonicContext]) -> str | None:
        """Say why a sound has no one pitch; what is measured says ``intertone.harmonic.pitched.recognise``."""
        found = recognise(analysis.features, analysis.context, self.representation.config)
        worst = min(found, key=lambda one: (one.pitched, one.measure))
        if worst.pitched:
            return None
        if worst.measure < LEAST_MEASURE:  # noise, a chord or metal: which of them the measure hardly tells
            scale = f"noise has 0, a periodic tone 1, a sound with one pitch at least {LEAST_MEASURE:g}"
            return f"no one pitch (harmonicity {worst.measure:.2f}; {scale})"
        return f"no one pitch ({worst.reason})"

    def pitch(self, analysis: Analysis[HarmonicContext]) -> float | None:
        """Return the median f0 of a sound, Hz."""
        return analysis.context.sounds[0].median_hz

    def span(
        self, analyses: Sequence[Analysis[HarmonicContext]], weights: Tensor, config: MorphConfig
    ) -> tuple[float, float]:
        """Return where the first column of a mixture lies, and its end: seconds from the mixture's start.

        Of a batch the first mixture counts; where a sound is sustained, the beginning of the release counts as the end.
        """
        rate, hold_seconds = self.representation.sample_rate, config.hold_seconds
        sounds, shares = [one.context.sounds[0] for one in analyses], weights.tolist()
        first, end = common_span(sounds, shares, config.alignment, held_samples=hold_seconds and hold_seconds * rate)
        return first / rate, end / rate

    def align(
        self,
        analyses: Sequence[Analysis[HarmonicContext]],
        weights: Tensor,
        config: MorphConfig | None = None,
        *,
        ratios: Mapping[str, Tensor] | None = None,
    ) -> list[Analysis[HarmonicContext]]:
        """Bring sounds to one time, that of a mixture of them; all are of equal length then.

        Args:
            analyses: From ``prepare``; equal batches and channels.
            weights: ``(n_sounds,)``, or frame by frame ``(n_sounds, n_frames)``; the last frame is held.
            config: Its alignment: ``none`` leaves the sounds where they are; ``onset`` lays onset on onset;
                ``envelope`` also interpolates attack, sustain and release. Its ``hold_seconds``: from onset to release.
            ratios: Weights of single attributes: ``envelope`` says where the mixture's time lies, ``noise`` how much of
                the sounds' own is kept.
        """
        config = config or MorphConfig()
        mixtures, synthesiser = list(zip(*map(_sounds, analyses), strict=True)), self.representation.synthesiser
        aligned = align_sounds(
            mixtures, weights, synthesiser,
            ratios=ratios or {}, alignment=config.alignment, hold_seconds=config.hold_seconds,
        )  # fmt: skip
        return [self._analysis(sounds, one) for sounds, one in zip(zip(*aligned, strict=True), analyses, strict=True)]

    def _audible(self, analysis: Analysis[HarmonicContext]) -> Analysis[HarmonicContext]:
        """Return an analysis whose inaudible partials are as loud as they count in a mixture."""
        features, n_rows = analysis.features, self.rows.n_partial_rows
        least = (1 + AUDIBLE_DB / self.representation.config.top_db) * (features.amax(1, keepdim=True) > 0)
        partials = torch.maximum(features[:, :n_rows], least)
        return Analysis(torch.cat([partials, features[:, n_rows:]], 1), analysis.context)

    def between(
        self,
        analyses: Sequence[Analysis[HarmonicContext]],
        weights: Weights,
        config: MorphConfig,
        *,
        kept: bool = False,
        generator: torch.Generator | None = None,
    ) -> Analysis[HarmonicContext]:
        """Return the mixture of sounds from ``prepare``: aligned, transposed to one pitch, interpolated, corrected.

        ``kept`` is not used, since partials have phases of their own; the generator is that of a model that samples.
        """
        mixture = self.at_pitches(analyses, weights, config)
        return mixture(config.pitch, velocity=config.velocity, generator=generator)

    def at_pitches(
        self, analyses: Sequence[Analysis[HarmonicContext]], weights: Weights, config: MorphConfig
    ) -> AtPitch[HarmonicContext]:
        """Return the mixture of sounds as a function of its pitch; see ``MorphMethod``.

        The alignment of the sounds, their codes, and what these are decoded to at their own pitch serve all pitches.
        """
        timing = {} if weights.common is None else {"envelope": weights.common}
        aligned = self.align(analyses, weights.overall, config, ratios={**weights.own, **timing})
        prepared = _Prepared(aligned, weights, config)
        if config.network not in ("none", "full"):
            codes = encode_sounds(self.codec, aligned, weights.overall)
            prepared = replace(prepared, codes=codes, at_own=decode_own(self.codec, codes))
        return partial(self._at_pitch, prepared)

    def _at_pitch(
        self,
        prepared: _Prepared,
        pitch: str,
        *,
        velocity: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Analysis[HarmonicContext]:
        """Return the mixture of prepared sounds at one pitch."""
        aligned, weights = prepared.aligned, prepared.weights
        tuned = weights_over_time(weights.pitch, aligned[0].features.shape[-1])
        mixtures = list(zip(*(_sounds(one) for one in aligned), strict=True))
        pitches = [self._mixed_f0(sounds, tuned, note_hz(pitch)) for sounds in mixtures]
        targets = tuple(replace(sounds[0], f0=f0) for sounds, f0 in zip(mixtures, pitches, strict=True))
        given = mix_conditions([one.context.given for one in aligned], tuned)
        context = replace(aligned[0].context, sounds=targets, given=given, edited=True)
        decoded = self._decoded(prepared, context, generator)
        softer = None
        if velocity is not None:
            codes = prepared.codes or encode_sounds(self.codec, aligned, weights.overall)
            softer = decode_velocity(self.codec, codes, context.conditions, velocity, generator=generator)
        mixed = [
            self._mix(sounds, f0, partial(_of_item, item=item, n_items=len(mixtures)), decoded, softer, prepared)
            for item, (sounds, f0) in enumerate(zip(mixtures, pitches, strict=True))
        ]
        return self._analysis(mixed, Analysis(aligned[0].features, context))

    def _mix(
        self,
        sounds: Sequence[SeparatedSound],
        f0: Tensor,
        of_item: Callable[[Tensor], Tensor],
        decoded: _Decoded,
        softer: Tensor | None,
        prepared: _Prepared,
    ) -> HarmonicSound:
        """Return the mixture of aligned sounds at one pitch; ``of_item`` takes its part of a batch of features."""
        weights, config = prepared.weights, prepared.config
        overall = weights_over_time(weights.overall, len(f0))
        own = {name: weights_over_time(each, len(f0)) for name, each in weights.own.items()}
        common = None if weights.common is None else weights_over_time(weights.common, len(f0))
        decoded_pairs = zip(map(of_item, decoded.at_mixture), map(of_item, decoded.at_own), strict=True)
        moved = [
            transpose_sound(sound, f0, self.rows, decoded=pair, share=config.register_strength)
            for sound, pair in zip_longest(sounds, decoded_pairs)
        ]
        mixed = mix_sounds(moved, overall, f0, self.representation.synthesiser, own=own, common=common)
        if config.network == "full":
            change = of_item(decoded.between) - self.rows.view(mixed, mix_reference(moved, overall))
            mixed = self.rows.scaled(mixed, change)
        elif decoded.at_own:
            mixed = self.rows.scaled(mixed, config.strength * of_item(decoded.between))
        return (mixed if softer is None else self.rows.scaled(mixed, of_item(softer))).joined()

    def _decoded(self, prepared: _Prepared, context: HarmonicContext, generator: torch.Generator | None) -> _Decoded:
        """Return what the network decodes of aligned sounds: nothing where it is not used.

        With ``full``, that is the mixture alone, and not the sounds.
        """
        aligned, wanted = prepared.aligned, context.conditions
        if prepared.codes is not None:
            at_mixture, between = decode_sounds(self.codec, prepared.codes, wanted, generator=generator)
            return _Decoded(at_mixture, prepared.at_own, between)
        if prepared.config.network == "none":
            return _Decoded((), (), torch.zeros(()))
        audible = [self._audible(one) for one in aligned]
        full = decode_mixture(self.codec, audible, wanted, prepared.weights.overall, generator=generator)
        return _Decoded([full] * len(aligned), [full] * len(aligned), full)

    def _analysis(
        self, sounds: Sequence[HarmonicSound], analysis: Analysis[HarmonicContext]
    ) -> Analysis[HarmonicContext]:
        """Return the analysis of other sounds, such as transposed ones, with the conditions of the given analysis."""
        features = self.representation.view(sounds).to(analysis.features)
        return Analysis(features, replace(analysis.context, sounds=tuple(sounds)))

    def _mixed_f0(self, sounds: Sequence[HarmonicSound], weights: Tensor, median_hz: float | None) -> Tensor:
        """Return f0 of a mixture; refuse one at which nothing is played."""
        f0 = mix_f0(sounds, weights, median_hz)
        highest = max(self.representation.config.f_max, *(sound.median_hz for sound in sounds))
        if (median := float(f0.median())) > highest:
            raise InputError(
                f"a pitch must be at most {self.representation.config.f_max:g} Hz with this codec, got {median:.0f} Hz"
            )
        return f0


def _sounds(analysis: Analysis[HarmonicContext]) -> tuple[SeparatedSound, ...]:
    """Return the sounds of an analysis from ``prepare``."""
    return cast(tuple[SeparatedSound, ...], analysis.context.sounds)


def _of_item(features: Tensor, item: int, n_items: int) -> Tensor:
    """Return the features of one of the mixtures of a batch, ``(channels, n_features, n_frames)``."""
    return features.detach().cpu().float().chunk(n_items)[item]
