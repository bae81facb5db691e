"""Synthesis of a sound from its harmonic features and its harmonic sound."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.curve import at_positions
from intertone.harmonic.noise import NoiseBands
from intertone.harmonic.onset import play_ramps
from intertone.harmonic.partials import slowest
from intertone.harmonic.rows import FeatureRows, HarmonicConfig
from intertone.harmonic.sound import HarmonicSound, Residual, residual_correlation
from intertone.harmonic.warp import BLOCK_SAMPLES, OVERSAMPLING, interpolate_at, oversample, periods_of, play_partials
from intertone.level import TINY, limited_gain
from intertone.parallel import side_by_side

MOST_GAIN_DB = 12.041199826559248
"""Largest gain that brings a sound to its known level, fourfold: an empty one stays empty."""

FRAMES_A_HOP = 4
"""Number of frames in a hop in which partials are played: with fewer, a beating partial has images 100 Hz away."""

STILL = 1e-4
"""Phase difference of f0, in periods, below which the residual is not transposed."""

LOUDER = 2.0
"""Largest gain of a residual: where it is weak, it consists of remains of the partials."""

DIPS = 0.99
"""Ratio of neighbouring amplitudes from which on one counts as the smaller one: rounding decides nothing."""

FADE_PERIODS = 0.1
"""Width, in periods, of the crossfade between the two nearest periods of a residual."""

NOT_WHOLE = 0.1
"""Fall of the share of equal residuals from 1 over which their slow part fades out: other mixtures have none."""


class Synthesiser:
    """Synthesises partials and noise from harmonic features and harmonic sounds."""

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.sample_rate = config.sample_rate
        self.rows = FeatureRows(config)
        self.bands = NoiseBands(config.sample_rate, config.hop_length, config.n_noise, config.f_max)

    def n_frames(self, samples: int) -> int:
        """Return the number of feature columns of a sound of ``samples``."""
        return 1 + -(-samples // self.config.hop_length)

    def partials(self, sound: HarmonicSound) -> Tensor:
        """Synthesise partials from the onset on, without the attack and release ramps.

        Each is a sinusoid that follows the phase of f0 and its own phase; those above ``f_max`` are left out.
        """
        config, samples, f0 = self.config, sound.samples - sound.onset, sound.f0
        periods = periods_of(f0, config.hop_length, self.sample_rate, samples)
        played = sound.multiples.isfinite() if sound.is_bell else sound.multiples * f0.median() <= config.f_max
        multiples, phase = sound.multiples[played], sound.phase[:, played]
        levels = torch.where(multiples[:, None] * f0 <= config.f_max, sound.amplitude[:, played], 0)
        step = float(f0.max()) * config.hop_length / self.sample_rate / FRAMES_A_HOP
        centres = torch.arange(2 + math.floor(float(periods[-1]) / step), dtype=torch.float64) * step
        places = torch.from_numpy(np.interp(centres.numpy(), periods.numpy(), np.arange(samples)) / config.hop_length)
        levels, phase = signed_amplitudes(levels, phase)
        moving, weight = at_positions(levels, places), levels.abs()
        # beside a louder frame, the phase of a faint one hardly counts
        angle = 2 * math.pi * at_positions(phase * weight, places) / at_positions(weight, places).clamp_min(TINY)
        return play_partials(torch.polar(moving, angle), multiples, centres, periods, self.sample_rate, slowest(f0))

    def sound(self, features: Tensor, sound: HarmonicSound, generator: torch.Generator) -> Tensor:
        """Synthesise a sound: its partials, the residuals by their shares, and random noise for the rest.

        Args:
            features: ``(channels, n_features, any number of frames)``, 1 is ``sound.reference``; frames that are
                missing are silent, those beyond the sound are not heard.
            sound: The harmonic sound; where its features are others, the result has its energy, by a gain of 4 at most.
            generator: Source of the random noise; nothing is drawn where residuals are used in full.

        Returns:
            The sound, ``(channels, sound.samples)``.
        """
        n_frames = self.n_frames(sound.samples)
        padded = pad(features, (0, max(0, n_frames - features.shape[-1])))[..., :n_frames]
        changed = self.rows.applied(padded, sound)
        if changed is sound:
            return self._sound(sound, generator)
        same_noise = torch.Generator().set_state(generator.get_state())
        played, own = self._sound(changed, generator), self._sound(sound, same_noise)
        found, known = (float(each.double().square().sum()) for each in (played, own))
        return limited_gain(math.sqrt(known / found), MOST_GAIN_DB) * played if found and known else played

    def _sound(self, sound: HarmonicSound, generator: torch.Generator) -> Tensor:
        """Return the sound of a harmonic sound, ``(channels, sound.samples)``."""
        body, channels = sound.samples - sound.onset, len(sound.amplitude)
        works = [partial(self.partials, sound), *(partial(self._along, each, sound.f0) for each in sound.residuals)]
        partials, *along = side_by_side(lambda work: work(), works)
        silence, white = torch.zeros(channels, sound.onset), None
        before = sum((each.share[0] * each.before for each in sound.residuals), silence)
        rest, shares = torch.ones(self.n_frames(body)), torch.zeros(0)
        if sound.residuals:
            shares = torch.stack([residual.share[: len(rest)].double() for residual in sound.residuals])
            alike = residual_correlation(sound.residuals) @ shares
            rest = (1 - (shares * alike).sum(0)).clamp_min(0).float()
            shares *= (1 - (1 - alike) / NOT_WHOLE).clamp(0, 1)
        parts = []
        for channel in range(channels):  # spectra take the most memory
            one = slice(channel, channel + 1)
            spectrum, gains = self._residuals(sound, [each[one] for each in along], rest, one)
            if bool(gains.any()):
                white = torch.randn(channels, body, generator=generator) if white is None else white
                spectrum = self.bands.spectrum(white[one]).mul_(gains).add_(spectrum)
            del gains
            parts.append(self.bands.sound(spectrum, body))
        played = partials * play_ramps(sound.ramps, body, self.sample_rate) + torch.cat(parts)
        for share, residual in zip(shares.float(), sound.residuals, strict=True):
            if bool(share.any()):
                played += residual.below * at_positions(share, torch.arange(body).double() / self.config.hop_length)
        return torch.cat([before, played], -1)

    def _residuals(
        self, sound: HarmonicSound, along: Sequence[Tensor], rest: Tensor, one: slice
    ) -> tuple[Tensor, Tensor]:
        """Return the STFT of the residuals of one channel, and the gains of the noise that is missing beside them.

        Args:
            sound: The harmonic sound.
            along: The channel of each residual as ``_along`` returns it, ``(1, samples)``.
            rest: Share of the power that the residuals together do not have, ``(n_frames,)``, 0…1.
            one: The channel.

        Returns:
            Both ``(1, n_bins, n_frames)``.
        """
        n_frames = len(rest)
        powers = sound.noise[one, :, :n_frames].square() / 2
        gains = self.bands.gains(powers)
        spectrum = torch.zeros(1, dtype=torch.complex64).expand_as(gains)
        for residual, moved in zip(sound.residuals, along, strict=True):
            share, change = residual.share[:n_frames], gains / self.bands.gains(residual.powers[one, :, :n_frames])
            louder = change.clamp(max=LOUDER)
            spectrum = self.bands.spectrum(moved).mul_(share * louder).add_(spectrum)
            rest = rest + share.square() * (1 - louder.div_(change).square_())
        return spectrum, gains.mul_(rest.sqrt()).mul_(powers.amax(1, keepdim=True) > 0)

    def _along(self, residual: Residual, f0: Tensor) -> Tensor:
        """Return a residual that is transposed with the partials, ``(channels, samples)``.

        Remains of the partials in it have the phase of the original partials. So it is read ahead by the phase
        difference of the two f0, less whole periods; where one period less becomes nearer, the two are crossfaded.
        """
        samples = residual.sound.shape[-1]
        hop = self.config.hop_length
        ahead = periods_of(f0, hop, self.sample_rate, samples) - periods_of(residual.f0, hop, self.sample_rate, samples)
        if float(ahead.abs().max()) < STILL:
            return residual.sound
        fine = oversample(residual.sound, self.sample_rate)
        parts = []
        for some in torch.arange(samples).split(BLOCK_SAMPLES):
            shift = ahead[some] - ahead[some].round()
            period = self.sample_rate / at_positions(residual.f0, some / hop)
            sound = interpolate_at(fine, OVERSAMPLING * (some + shift * period))
            share = (shift.abs() - 0.5) / FADE_PERIODS + 0.5
            (faded,) = (share > 0).nonzero(as_tuple=True)
            nearer = some[faded] + (shift - shift.sign())[faded] * period[faded]
            sound[:, faded] += share[faded].float() * (interpolate_at(fine, OVERSAMPLING * nearer) - sound[:, faded])
            parts.append(sound)
        return torch.cat(parts, -1)


def signed_amplitudes(amplitude: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Return amplitudes with a sign, and phases in periods without the half periods that the signs stand for.

    Where the components of a partial cancel each other, its amplitude passes through zero, and its phase moves by half
    a period from one frame to the next. Both are ``(..., n_frames)``; the complex amplitude of each frame is the same.

    Example:
        >>> amplitude, phase = signed_amplitudes(torch.tensor([3.0, 1, 1, 3]), torch.tensor([0.0, 0, 0.5, 0.5]))
        >>> amplitude.tolist(), phase.tolist()
        ([3.0, 1.0, -1.0, -3.0], [0.0, 0.0, 0.0, 0.0])
    """
    before, after = amplitude[..., :-1], amplitude[..., 1:]
    falls, rises = after < DIPS * before, before < DIPS * after
    dips = pad(falls, (1, 0))[..., :-1] & pad(rises, (0, 1))[..., 1:]
    halves = pad(((2 * phase.diff()).round() * dips).cumsum(-1), (1, 0))
    return amplitude * (1 - 2 * (halves % 2)), phase - 0.5 * halves
