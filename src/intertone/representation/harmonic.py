"""Harmonic features: levels of partials and noise bands over time; their frequencies are in the context."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.audio import three_axes
from intertone.curve import weights_over_time
from intertone.harmonic.analysis import analyse_sound
from intertone.harmonic.morph.landmark import mix_ramps
from intertone.harmonic.morph.mix import mix_f0, mix_sounds, residual_shares, retime_sound
from intertone.harmonic.morph.modulation import unmodulated
from intertone.harmonic.partials import count_partials
from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.sound import HarmonicContext, HarmonicSound, SeparatedSound
from intertone.harmonic.synthesis import Synthesiser
from intertone.models.contract import Facts, Rows, Scale
from intertone.phase import PhaseConfig
from intertone.pitch.note import pitch_to_hz
from intertone.pitch.stiffness import stretched
from intertone.representation.contract import Analysis, Representation, mix_conditions


class HarmonicRepresentation(Representation[HarmonicContext]):
    """Representation of sounds by the levels of their partials and noise bands.

    Each channel is an item of the batch; all channels of a sound have the same f0, onset and reference level.
    """

    measures = ("pitch", "f0")
    no_gradient = "harmonic features are not differentiable: they are measured along the pitch"

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.synthesiser = Synthesiser(config)
        self.sample_rate = config.sample_rate
        self.hop_length = config.hop_length
        self.n_features = config.n_features
        self.scales = (Scale("decibels", config.n_features, config.top_db),)
        edges = torch.tensor(config.edges).double()
        partials = 0.5 * (edges[:-1].log2() + (edges[1:] - 1).log2())
        lowest = torch.tensor(config.edges[:-1])
        self.rows = Rows(partials, self.synthesiser.bands.centres.log2(), lowest, config.f_max)

    def facts(self) -> Facts:
        """Return the main settings by name, for ``intertone info``."""
        shown = ("hop_length", "n_harmonics", "n_groups", "n_noise", "top_db")
        settings = {name: getattr(self.config, name) for name in shown}
        return {"representation": self.config.kind, **settings, "n_features": self.n_features}

    def analyse(self, audio: Tensor, *, f0: Tensor | None = None) -> Analysis[HarmonicContext]:
        """Return the features and the context of sounds.

        The first frame is at the onset. A feature is ``1 + dB / top_db`` of an amplitude: that of a partial, the RMS of
        the partials that share a row, or that of a sinusoid with the power of a noise band. 0 dB is the amplitude of a
        sinusoid with the power of the loudest 20 ms of the sound. Rows of partials above ``f_max`` contain the mean of
        the highest existing rows.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.
            f0: Hz, ``(n_frames,)``, > 0, with a hop of ``hop_length`` from the first sample on; None: it is measured.

        Returns:
            Features, ``(batch · channels, n_features, n_frames)`` in [0, 1], and context.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Source:
            McAulay and Quatieri (1986), "Speech analysis/synthesis based on a sinusoidal representation", and Serra and
            Smith (1990), "Spectral modeling synthesis"; here the partials are measured at multiples of f0.

        Example:
            >>> representation = HarmonicRepresentation(HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600))
            >>> periods = 220 * torch.arange(8000) / 16000
            >>> features, context = representation.analyse(torch.sin(2 * torch.pi * periods))
            >>> features.shape, round(float(features[0, 0, 20]), 2), round(float(context.sounds[0].f0[20]))
            (torch.Size([1, 128, 51]), 1.0, 220)
        """
        batch = three_axes(audio.detach().cpu().float())
        sounds, periodicity = zip(*(analyse_sound(each, self.synthesiser, f0) for each in batch), strict=True)
        context = HarmonicContext(sounds, periodicity, tuple(audio.shape[:-1]))
        return Analysis(self.view(sounds).to(audio.device), context)

    def view(self, sounds: Sequence[HarmonicSound]) -> Tensor:
        """Return the features of harmonic sounds, ``(batch · channels, n_features, n_frames)``."""
        return torch.cat([self.synthesiser.rows.view(sound) for sound in sounds])

    def _synthesise(
        self,
        analysis: Analysis[HarmonicContext],
        phase: PhaseConfig,
        residual: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Return the sounds of features.

        The phases of partials are those of the context, so ``phase`` is not used. Noise is the residual of the sounds
        where the context has one and ``residual`` is True; other noise is random, from a generator with seed 0 if none
        is given.
        """
        features, context = analysis
        if not residual:
            context = context.as_edited()
        generator = generator or torch.Generator().manual_seed(0)
        channels = len(features) // len(context.sounds)
        each = features.detach().cpu().float().split(channels)
        sounds = [self.synthesiser.sound(*pair, generator) for pair in zip(each, context.sounds, strict=True)]
        return torch.stack(sounds).reshape(*context.leading, -1).to(features.device)

    def blank(self, samples: int, **conditions: Tensor) -> HarmonicContext:
        """Return a context for one mono sound without an analysis, with harmonic partials that begin in cosine phase.

        Raises:
            ValueError: If ``conditions`` has no ``pitch``, which is a MIDI number.

        Example:
            >>> representation = HarmonicRepresentation(HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600))
            >>> features = torch.zeros(1, 128, 51)
            >>> features[:, 0] = 1.0  # the first partial at full scale
            >>> context = representation.blank(8000, pitch=torch.full((1, 1, 1), 69.0))
            >>> round(float(representation.synthesise(Analysis(features, context))[2000:6000].abs().max()), 2)
            1.0
        """
        if "pitch" not in conditions:
            raise ValueError("conditions must have a pitch for a harmonic sound without an analysis, got none")
        n_frames = self.n_frames(samples)
        f0 = torch.tensor([pitch_to_hz(pitch) for pitch in conditions["pitch"][0, 0].tolist()], dtype=torch.float64)
        f0 = f0.expand(n_frames).contiguous()
        count = count_partials(f0, 0.0, self.config)
        phase, noise = torch.zeros(1, count, n_frames), torch.zeros(1, self.config.n_noise, n_frames)
        sound = HarmonicSound(samples, 0, 1.0, f0, stretched(count, 0.0), torch.zeros_like(phase), phase, noise)
        return HarmonicContext((sound,), (1.0,), (), True, conditions)

    def mix(
        self, contexts: Sequence[HarmonicContext], weights: Tensor, *, pitch: Tensor | None = None
    ) -> HarmonicContext:
        """Return the context, marked as edited, of a mixture of sounds with equal batch, channels and frames.

        Weights are ``(n_sounds,)`` or ``(n_sounds, n_frames)``. The logarithm of f0 is interpolated with the weights
        ``pitch``; None: ``weights``.
        """
        n_frames = len(contexts[0].sounds[0].f0)
        full, tuned = (weights_over_time(each, n_frames) for each in (weights, weights if pitch is None else pitch))
        mixed = []
        for group in zip(*(context.sounds for context in contexts), strict=True):
            sounds = self._with_common_onset(group, full)
            mixed.append(mix_sounds(sounds, full, mix_f0(sounds, tuned), self.synthesiser).joined())
        given = mix_conditions([context.given for context in contexts], tuned)
        return replace(contexts[0], sounds=tuple(mixed), edited=True, given=given)

    def _with_common_onset(self, group: Sequence[HarmonicSound], weights: Tensor) -> list[SeparatedSound]:
        """Return sounds that are aligned to the interpolated onset and ramps; their modulation is not separated."""
        mean, places = weights.mean(1).tolist(), torch.arange(weights.shape[1], dtype=torch.float64)
        onset = max(0, round(sum(share * sound.onset for share, sound in zip(mean, group, strict=True))))
        ramps = torch.stack([mix_ramps([sound.ramps[end] for sound in group], mean) for end in (0, 1)])
        aligned = [
            retime_sound(
                unmodulated(sound, self.synthesiser), places, itself, share,
                self.config, samples=sound.samples, onset=onset,
            )
            for sound, itself, share in zip(group, *residual_shares(group, weights, weights), strict=True)
        ]  # fmt: skip
        return [replace(one, ramps=ramps) for one in aligned]
