"""Spectrogram in decibels on a linear or mel frequency scale: the representation of Langer (2023)."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from intertone.audio import three_axes
from intertone.models.contract import Facts, Scale
from intertone.phase import PhaseConfig
from intertone.representation.contract import Analysis, mean_shares, mix_conditions
from intertone.representation.decibel import DecibelConfig, MelConfig, SpectrogramContext, build_filterbank
from intertone.representation.short_time import ShortTimeRepresentation, check_mixture
from intertone.stft import (
    db_to_magnitude,
    hann_window,
    istft,
    magnitude_to_db,
    magnitude_to_mel,
    mel_to_magnitude,
    stft,
)

SILENCE = 1e-10
"""Smallest magnitude of 0 dB, and root of the smallest energy: floors that avoid divisions by zero for silence."""
BEYOND = 4.0
"""Limit of extrapolated energies: at most this factor (6 dB) above the largest and below the smallest of the sounds."""


class SpectrogramRepresentation(ShortTimeRepresentation[DecibelConfig | MelConfig, SpectrogramContext]):
    """Spectrogram in decibels relative to the maximum of the sound.

    Each channel is an item of the batch. The dB reference and the energy are those of all channels together, so the
    features contain the balance between the channels.
    """

    def __init__(self, config: DecibelConfig | MelConfig) -> None:
        super().__init__(config)
        self.filterbank = build_filterbank(config)
        self.scales = (Scale("decibels", self.n_features, config.top_db),)
        self.frequencies = config.spectrogram.frequencies()[: self.n_features]
        if self.filterbank is not None:
            bins = config.spectrogram.frequencies().to(self.filterbank)
            self.frequencies = self.filterbank @ bins / self.filterbank.sum(1)

    def facts(self) -> Facts:
        """Return the main settings by name, for ``intertone info``."""
        return {**super().facts(), "top_db": self.config.top_db}

    def features(self, audio: Tensor) -> Tensor:
        """Return the features of sounds as ``analyse`` does, with gradient.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            ``(batch · channels, n_features, n_frames)`` in [0, 1].

        Example:
            >>> audio = torch.randn(1, 8000, requires_grad=True)
            >>> SpectrogramRepresentation(DecibelConfig()).features(audio).mean().backward()
            >>> bool(audio.grad.isfinite().all())
            True
        """
        # abs() is a root, which has no gradient at 0
        magnitude = stft(three_axes(audio), self.config.spectrogram).abs().clamp_min(SILENCE)
        shown = self._bands(magnitude)
        reference = shown.amax((-3, -2, -1), keepdim=True).clamp_min(SILENCE)
        top_db = self.config.top_db
        return (1 + magnitude_to_db(shown, reference, top_db=top_db) / top_db).flatten(0, 1)

    def analyse(self, audio: Tensor) -> Analysis[SpectrogramContext]:
        """Return the features and the context of sounds.

        ``features = 1 + dB / top_db``: the largest magnitude of the sound is 1, the floor is 0.

        Args:
            audio: ``(batch, channels, samples)``, or ``(channels, samples)`` or ``(samples,)`` of one sound.

        Returns:
            Features, ``(batch · channels, n_features, n_frames)`` in [0, 1], and context.

        Raises:
            ValueError: If ``audio`` has more than three axes, or no sample.

        Source:
            Langer (2023), sections 3.3 and 3.6; here the reference is the exact maximum.

        Example:
            >>> features, context = SpectrogramRepresentation(DecibelConfig()).analyse(torch.rand(2, 1, 64000))
            >>> features.shape, float(features.max())
            (torch.Size([2, 512, 251]), 1.0)
        """
        sounds = three_axes(audio)
        batch, channels, samples = sounds.shape
        n_frames = self.n_frames(samples)
        features = audio.new_empty(batch * channels, self.n_features, n_frames)
        reference, energies = audio.new_zeros(batch), audio.new_zeros(batch, n_frames)
        top_db = self.config.top_db
        # one channel after the other, so that only one spectrum of a long sound is in memory
        for channel in range(channels):
            magnitude = stft(sounds[:, channel], self.config.spectrogram).abs()
            energies += magnitude.square().mean(-2) / channels
            shown = self._bands(magnitude)
            reference = torch.maximum(reference, shown.amax((-2, -1)))
            features[channel::channels] = shown
        reference, energies = reference.clamp_min(SILENCE), energies.clamp_min(SILENCE**2)
        per_row = reference.repeat_interleave(channels)
        for row in range(len(features)):
            features[row] = 1 + magnitude_to_db(features[row], per_row[row], top_db=top_db) / top_db
        energy = energies.mean(-1)
        return Analysis(features, SpectrogramContext(audio, reference, energy, energy, energies.amax(-1)))

    def _synthesise(
        self,
        analysis: Analysis[SpectrogramContext],
        phase: PhaseConfig,
        residual: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Return the sounds of features.

        With the phase method ``kept``, the phase of the analysed sound is used; frames of this sound that lie below the
        floor have no meaningful phase and become silent. With other methods, the phase of the mono mix is estimated,
        and the phase differences between each channel and the mix are added, so that equal channels stay equal.

        The sound is scaled to the energy of the context. The energy is measured in the STFT of the result, since the
        requested magnitudes need not be those of any sound. With an estimated phase, the gain is limited so that the
        loudest frame is at most as loud as ``loudest`` of the context, but not so far that the energy falls below
        ``least_energy``.

        There is no residual, since the features contain the whole sound except its phase.

        Source:
            Langer (2023), sections 3.5 and 3.6.

        Example:
            >>> representation = SpectrogramRepresentation(DecibelConfig())
            >>> audio = torch.hann_window(8000) * torch.sin(torch.arange(8000) * torch.tensor([[0.1], [0.2]]))
            >>> again = representation.synthesise(representation.analyse(audio))
            >>> bool((again - audio).square().mean() < 1e-6 * audio.square().mean())
            True
        """
        features, context = analysis
        sources = three_axes(context.audio)
        batch, channels, samples = sources.shape
        rows = features[..., : self.n_frames(samples)].unflatten(0, (batch, channels))
        audio = torch.empty_like(sources)
        for item in range(batch):
            one = replace(
                context,
                reference=context.reference[item],
                energy=context.energy[item],
                least_energy=context.least_energy[item],
                loudest=context.loudest[item],
                audio=sources[item],
            )
            audio[item] = self._synthesise_one(rows[item], one, phase, generator)
        return audio.reshape(context.audio.shape)

    def blank(self, samples: int, **conditions: Tensor) -> SpectrogramContext:
        """Return a context for one mono sound without an analysis.

        Feature 1 is the magnitude of a full-scale sinusoid, and the sound is not scaled to an energy.

        Args:
            samples: Length of the sound, samples.
            conditions: ``(1, size, 1 or n_frames)`` each.

        Example:
            >>> representation = SpectrogramRepresentation(DecibelConfig())
            >>> tone = 0.01 * torch.sin(2 * torch.pi * torch.arange(8000) / 16)
            >>> analysis = Analysis(representation.analyse(tone).features, representation.blank(8000))
            >>> sound = representation.synthesise(analysis, generator=torch.Generator().manual_seed(0))
            >>> sound.shape, round(float(sound[2000:6000].abs().max()), 1)
            (torch.Size([8000]), 1.0)
        """
        config = self.config.spectrogram
        full = hann_window(config, torch.ones(1)).sum().reshape(1) / 2
        unknown = torch.full((1,), math.nan)
        silence = torch.zeros(samples)
        return SpectrogramContext(silence, full, unknown, unknown, unknown, edited=True, conditions=conditions)

    def mix(
        self, contexts: Sequence[SpectrogramContext], weights: Tensor, *, pitch: Tensor | None = None
    ) -> SpectrogramContext:
        """Return the context of a mixture of codes.

        The reference is interpolated in decibels, like the features, and the energy linearly. ``loudest`` is the
        largest and ``least_energy`` the smallest value of the sounds. An extrapolated energy is limited by ``BEYOND``.
        The phase differences between channels are those of the sound with the largest weight; at a tie those of the
        later one.

        Args:
            contexts: Contexts of sounds with equal batch, channels and samples.
            weights: Weight of each sound, ``(n_sounds,)``, with the sum 1; weights over time are averaged.
            pitch: Not used, since the context has no pitch.

        Returns:
            A context, marked as edited.

        Raises:
            ValueError: If the shapes of the sounds, or the numbers of contexts and weights, are not equal.

        Example:
            >>> representation = SpectrogramRepresentation(DecibelConfig())
            >>> contexts = [representation.analyse(level * torch.ones(1, 1, 4000)).context for level in (0.1, 1.0)]
            >>> mixed = representation.mix(contexts, torch.tensor([0.5, 0.5]))
            >>> round(float(mixed.reference / contexts[1].reference), 3)
            0.316
        """
        check_mixture(contexts, weights)
        shares = mean_shares(weights)
        log_reference = sum(weight * context.reference.log() for weight, context in zip(shares, contexts, strict=True))
        energy = sum(weight * context.energy for weight, context in zip(shares, contexts, strict=True))
        loudest = max(range(len(shares)), key=lambda index: (shares[index], index))
        present = [context for weight, context in zip(shares, contexts, strict=True) if weight]
        energies = torch.stack([context.energy for context in present])
        energy = torch.as_tensor(energy).clamp(energies.amin(0) / BEYOND, energies.amax(0) * BEYOND)
        return replace(
            contexts[loudest],
            reference=torch.as_tensor(log_reference).exp(),
            energy=energy.clamp_min(SILENCE**2),
            least_energy=energies.amin(0),
            loudest=torch.stack([context.loudest for context in present]).amax(0),
            edited=True,
            conditions=mix_conditions([context.conditions for context in contexts], weights),
        )

    def _bands(self, magnitude: Tensor) -> Tensor:
        if self.filterbank is None:
            return magnitude[..., :-1, :]
        return magnitude_to_mel(magnitude, self.filterbank.to(magnitude))

    def _magnitude(self, features: Tensor, reference: Tensor) -> Tensor:
        """Return the linear magnitude of one channel, ``(n_bins, n_frames)``, before it is scaled to the energy.

        A cell at the floor becomes 0, since its magnitude may be any value below the floor; hundreds of cells at the
        floor itself would be audible as noise.
        """
        shown = features.float().clamp(0, 1)
        shown = torch.where(shown > 0, db_to_magnitude((shown - 1) * self.config.top_db, reference), 0)
        if self.filterbank is not None:
            return mel_to_magnitude(shown, self.filterbank.to(shown))
        return torch.nn.functional.pad(shown, (0, 0, 0, 1))

    def _synthesise_one(
        self, features: Tensor, context: SpectrogramContext, phase: PhaseConfig, generator: torch.Generator | None
    ) -> Tensor:
        """Return one sound, ``(channels, samples)``; its channels are synthesised one after the other."""
        source, reference, config = context.audio, context.reference, self.config.spectrogram
        channels, samples = source.shape
        found = None if phase.method == "kept" else self._downmix_phase(features, source, reference, phase, generator)
        audio = torch.empty_like(source)
        energies = torch.zeros(config.n_frames(samples), dtype=torch.float64)
        floor = reference * 10 ** (-self.config.top_db / 20)
        for channel in range(channels):
            magnitude = self._magnitude(features[channel], reference)
            angle = found if channels == 1 else None
            if angle is None:
                own = stft(source[channel], config)
                angle = own.angle() if found is None else own.angle() + found
                if found is None:
                    magnitude = magnitude * (own.abs().amax(-2) > floor)
            audio[channel] = istft(torch.polar(magnitude, angle), config, length=samples)
            energies += stft(audio[channel], config).abs().square().mean(-2).double().cpu() / channels
        mean, highest = (max(float(value), SILENCE**2) for value in (energies.mean(), energies.max()))
        if math.isnan(float(context.energy)):  # the context is from ``blank``
            return audio
        gain = float(context.energy) / mean
        if found is not None:
            gain = min(gain, max(float(context.loudest) / highest, float(context.least_energy) / mean))
        return audio * float(gain**0.5)

    def _downmix_phase(
        self,
        features: Tensor,
        source: Tensor,
        reference: Tensor,
        phase: PhaseConfig,
        generator: torch.Generator | None,
    ) -> Tensor:
        """Return the estimated phase of a mono sound; for more channels, the difference to add to the phase of each."""
        config, (channels, samples) = self.config.spectrogram, source.shape
        if channels == 1:
            magnitude = self._magnitude(features[0], reference)
        else:
            # channels of opposite polarity would cancel, so they are inverted before the sum
            polarity = torch.where(source @ source[source.square().sum(-1).argmax()] < 0, -1.0, 1.0).to(source)
            spectrum = torch.zeros((), dtype=torch.complex64, device=source.device)
            for channel in range(channels):
                angle = stft(source[channel], config).angle()
                spectrum = spectrum + polarity[channel] * torch.polar(
                    self._magnitude(features[channel], reference), angle
                )
            magnitude = spectrum.abs() / channels
            del spectrum
        found = phase.estimate(magnitude, config, length=samples, generator=generator)
        if channels == 1:
            return found
        return found - stft((polarity @ source) / channels, config).angle()
