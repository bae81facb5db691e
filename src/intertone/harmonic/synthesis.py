"""Synthesis of a sound from its harmonic features and its harmonic sound."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.curve import at_positions, held
from intertone.harmonic.noise import NoiseBands
from intertone.harmonic.onset import play_ends
from intertone.harmonic.partials import count_partials, slowest
from intertone.harmonic.rows import HarmonicConfig, ImageRows
from intertone.harmonic.sound import HarmonicSound, Residual, residual_correlation
from intertone.harmonic.warp import OVERSAMPLING, interpolate_at, oversample, play_partials, turns_of
from intertone.level import db_to_amplitude, limited_gain

MOST_GAIN_DB = 12.041199826559248
"""Largest gain that brings a sound to its known level, fourfold: an empty one stays empty."""

STILL = 1e-4
"""Phase difference of f0, in periods, below which the residual is not transposed."""

LOUDER = 2.0
"""Largest gain of a residual: where it is weak, it consists of remains of the partials."""

FADE_TURNS = 0.1
"""Width, in periods, of the crossfade between the two nearest periods of a residual."""


class Synthesiser:
    """Synthesises partials and noise from harmonic features and harmonic sounds.

    Args:
        config: The rows.
    """

    def __init__(self, config: HarmonicConfig) -> None:
        self.config = config
        self.sample_rate = config.sample_rate
        self.rows = ImageRows(config)
        self.bands = NoiseBands(config.sample_rate, config.hop_length, config.n_noise, config.f_max)

    def n_frames(self, samples: int) -> int:
        """Return the number of feature columns of a sound of ``samples``."""
        return 1 + -(-samples // self.config.hop_length)

    def partials(self, amplitude: Tensor, track: HarmonicSound) -> Tensor:
        """Synthesise partials from the onset on, without the attack and release ramps.

        Each is a sinusoid that follows the phase of f0 and its own phase; those above ``f_max`` are left out.

        Args:
            amplitude: Of each row of partials, linear, ``(channels, n_partial_rows, n_frames)``, frames from the onset.
            track: The harmonic sound.

        Returns:
            The sound from the onset on, ``(channels, track.samples - track.onset)``.
        """
        config, samples, f0 = self.config, track.samples - track.onset, track.f0
        turns = turns_of(f0, config.hop_length, self.sample_rate, samples)
        count = track.phase.shape[1]
        if track.ratios is None:
            count = min(count_partials(f0, track.inharmonicity, config), count)
        multiples = track.multiples(count)
        levels = amplitude[:, self.rows.row_of[:count]] * db_to_amplitude(track.detail[:, :count, None])
        if track.amplitude_modulation is not None:
            levels = levels * track.amplitude_modulation[:, :count]
        levels = torch.where(multiples[:, None] * f0 <= config.f_max, levels, 0)
        step = float(f0.max()) * config.hop_length / self.sample_rate
        centres = torch.arange(2 + math.floor(float(turns[-1]) / step), dtype=torch.float64) * step
        places = torch.from_numpy(np.interp(centres.numpy(), turns.numpy(), np.arange(samples)) / config.hop_length)
        moving = at_positions(levels, places)
        phase = track.phase if track.phase_deviation is None else track.phase + track.phase_deviation
        angle = 2 * math.pi * at_positions(phase[:, :count], places)
        return play_partials(torch.polar(moving, angle), multiples, centres, turns, self.sample_rate, slowest(f0))

    def sound(self, features: Tensor, track: HarmonicSound, generator: torch.Generator) -> Tensor:
        """Synthesise a sound: its partials, the residuals by their shares, and random noise for the rest.

        Args:
            features: ``(channels, n_features, any number of frames)``, 1 is ``track.reference``; frames that are
                missing are silent, those beyond the sound are not heard.
            track: The harmonic sound.
            generator: Source of the random noise; nothing is drawn where residuals are used in full.

        Returns:
            The sound, ``(channels, track.samples)``, scaled to ``track.level`` by a gain of 4 at most.
        """
        body = track.samples - track.onset
        n_frames = self.n_frames(track.samples)
        image = pad(features, (0, max(0, n_frames - features.shape[-1])))[..., :n_frames]
        amplitude = self.rows.to_amplitudes(image, track.reference)
        if track.gain_curve is not None:
            amplitude = amplitude * held(track.gain_curve, n_frames)
        partials = self.partials(amplitude[:, : self.rows.n_partial_rows], track)
        partials = partials * play_ends(track.rise, track.fall, body, self.sample_rate)
        shown = self.n_frames(body)
        powers = amplitude[:, self.rows.n_partial_rows :, :shown].square() / 2
        gains = self.bands.gains(powers)
        rest = torch.ones(shown)
        if track.noise:
            shares = torch.stack([noise.share[:shown].double() for noise in track.noise])
            rest = (1 - (shares * (residual_correlation(track.noise) @ shares)).sum(0)).clamp_min(0).float()
        spectrum = torch.zeros(len(image), self.bands.config.n_bins, shown, dtype=torch.complex64)
        before = torch.zeros(len(image), track.onset)
        for noise in track.noise:
            share, change = noise.share[:shown], gains / self.bands.gains(noise.powers[..., :shown])
            louder = change.clamp(max=LOUDER)
            spectrum += share * louder * self.bands.spectrum(self._along(noise, track.f0))
            before += noise.share[0] * noise.before
            rest = rest + share.square() * (1 - (louder / change).square())
        if bool(rest.any()):
            heard = powers.amax(1, keepdim=True) > 0
            spectrum += self.bands.white(len(image), body, generator) * gains * heard * rest.sqrt()
        sound = torch.cat([before, partials + self.bands.sound(spectrum, body)], -1)
        found = float(sound.square().mean().sqrt())
        return sound if not track.level or not found else sound * limited_gain(track.level / found, MOST_GAIN_DB)

    def _along(self, noise: Residual, f0: Tensor) -> Tensor:
        """Return a residual that is transposed with the partials, ``(channels, samples)``.

        Remains of the partials in it have the phase of the original partials. So it is read ahead by the phase
        difference of the two f0, less whole periods; where one period less becomes nearer, the two are crossfaded.
        """
        samples = noise.sound.shape[-1]
        turns = [turns_of(each, self.config.hop_length, self.sample_rate, samples) for each in (f0, noise.f0)]
        ahead = turns[0] - turns[1]
        if float(ahead.abs().max()) < STILL:
            return noise.sound
        ahead = ahead - ahead.round()
        period = self.sample_rate / at_positions(noise.f0, torch.arange(samples) / self.config.hop_length)
        fine, places = oversample(noise.sound, self.sample_rate), torch.arange(samples, dtype=torch.float64)
        share = ((ahead.abs() - 0.5) / FADE_TURNS + 0.5).clamp(min=0).float()
        first, second = (
            interpolate_at(fine, OVERSAMPLING * (places + turn * period)) for turn in (ahead, ahead - ahead.sign())
        )
        return first + share * (second - first)
