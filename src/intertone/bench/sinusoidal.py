"""A baseline morph by a sinusoidal model: partials and noise are analysed at known f0, interpolated and synthesised."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from intertone.bench.baselines import level_between, rms
from intertone.bench.pair import Pair
from intertone.latent import lerp
from intertone.level import amplitude_to_db, db_to_amplitude, db_to_power, power_to_db
from intertone.pitch.heterodyne import (
    count_in_range,
    hann_kernel,
    hz_per_radian,
    partial_amplitudes,
    partial_periods,
    partial_steps,
    per_sample,
    refine_pitch,
    window_length,
)
from intertone.pitch.stiffness import at_frames, partial_orders, stretch_of
from intertone.stft import SpectrogramConfig, istft, mel_filterbank, stft

N_PARTIALS = 64
TUNING_FRAMES = 21
"""Number of frames over which the frequency deviation of a partial is averaged."""

FLOOR_DB = -100.0
"""Lowest level of partials and noise, dB relative to the note's largest partial."""

NOISE_SECONDS, NOISE_BANDS = 0.032, 40


@dataclass(frozen=True)
class HarmonicNote:
    """A note as partials with the frequencies ``k · f0 · tuning``, and noise bands.

    Attributes:
        f0: Fundamental frequency, Hz, ``(n_frames,)``.
        tuning: Factor of each partial's frequency, 1 for a harmonic one, ``(n_partials, n_frames)``.
        level: Amplitude of each partial, dB, ``(n_partials, n_frames)``.
        phase: Initial phase of each partial in periods, ``(n_partials,)``.
        noise: Mean STFT power of each noise band, dB, ``(n_bands, n_noise_frames)``.
    """

    f0: Tensor
    tuning: Tensor
    level: Tensor
    phase: Tensor
    noise: Tensor


def harmonic_morph(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return morphs by interpolating the partials and the noise bands of two notes, frame by frame.

    Args:
        pair: The notes, with their f0.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``; all sounds, also those at 0 and 1, are synthesised, at the interpolated RMS level.
    """
    a = analyse_note(pair.a, pair.f0_a, pair.sample_rate)
    b = analyse_note(pair.b, pair.f0_b, pair.sample_rate)
    sounds = [play_note(mix_notes(a, b, ratio), pair.sample_rate, len(pair.a)) for ratio in ratios]
    levels = [level_between(pair, ratio) / rms(sound) for sound, ratio in zip(sounds, ratios, strict=True)]
    return torch.stack([sound * level for sound, level in zip(sounds, levels, strict=True)])


def mix_notes(a: HarmonicNote, b: HarmonicNote, ratio: float) -> HarmonicNote:
    """Return the interpolation of two notes of equal length.

    Levels are interpolated in dB, f0 and tuning in their logarithm, phases along the shorter arc.

    Args:
        a: Note at ratio 0.
        b: Note at ratio 1.
        ratio: 0…1.
    """
    return HarmonicNote(
        f0=lerp(a.f0.log(), b.f0.log(), ratio).exp(),
        tuning=lerp(a.tuning.log(), b.tuning.log(), ratio).exp(),
        level=lerp(a.level, b.level, ratio),
        phase=a.phase + ratio * ((b.phase - a.phase + 0.5) % 1 - 0.5),
        noise=lerp(a.noise, b.noise, ratio),
    )


def analyse_note(audio: Tensor, f0: float, sample_rate: int) -> HarmonicNote:
    """Return the partials and the noise bands of a note.

    Every partial is demodulated to 0 Hz by its frequency track and averaged over a few periods. The noise is the sound
    minus the partials. Partials above the measurable range get the mean level of the four highest measured ones,
    because a morph to a lower pitch may need them.

    Args:
        audio: ``(samples,)``.
        f0: Approximate f0, Hz; the note may deviate from it by a semitone.
        sample_rate: Hz.

    Example:
        >>> time = torch.arange(16000) / 16000
        >>> tone = 0.5 * torch.sin(2 * torch.pi * 440 * time) + 0.05 * torch.sin(2 * torch.pi * 880 * time)
        >>> note = analyse_note(tone, 441.0, 16000)
        >>> round(float(note.f0[100]), 1), note.level[:2, 100].round().tolist()
        (440.0, [-6.0, -26.0])
    """
    f0_track, inharmonicity = refine_pitch(audio, f0, sample_rate)
    tuning = stretch_of(N_PARTIALS, inharmonicity)[:, None].repeat(1, len(f0_track))
    n_measured = count_in_range(f0_track, tuning, sample_rate)
    length = window_length(f0, sample_rate)
    frequency = partial_orders(n_measured)[:, None] * f0_track * tuning[:n_measured]
    steps = partial_steps(audio, frequency, length, sample_rate)
    tuning[:n_measured] *= 1 + _own_errors(steps) * hz_per_radian(sample_rate) / frequency
    periods = partial_periods(
        partial_orders(n_measured)[:, None] * f0_track * tuning[:n_measured], sample_rate, len(audio)
    )
    partials = partial_amplitudes(audio, periods, length, sample_rate)
    floor = float(partials.abs().max().clamp_min(1e-10)) * db_to_amplitude(FLOOR_DB)
    level = amplitude_to_db(partials.abs().clamp_min(floor))
    missing = N_PARTIALS - n_measured
    return HarmonicNote(
        f0=f0_track,
        tuning=tuning,
        level=torch.cat([level, level[-4:].mean(0, keepdim=True).expand(missing, -1)]),
        phase=pad((partials * partials.abs()).sum(1).angle() / (2 * math.pi), (0, missing)),
        noise=_noise_level(audio - _play_partials(partials, periods, sample_rate), sample_rate, floor),
    )


def play_note(note: HarmonicNote, sample_rate: int, samples: int) -> Tensor:
    """Return the audio of a note; the random numbers of the noise are the same for every note.

    Args:
        note: The partials and noise bands of the note.
        sample_rate: Hz.
        samples: Number of samples of the analysed sound.

    Returns:
        ``(samples,)``.
    """
    n_heard = count_in_range(note.f0, note.tuning, sample_rate)
    frequency = partial_orders(n_heard)[:, None] * note.f0 * note.tuning[:n_heard]
    amplitude = db_to_amplitude(note.level[:n_heard])
    angle = 2 * math.pi * note.phase[:n_heard, None].expand_as(amplitude)
    partials = _play_partials(
        torch.polar(amplitude, angle), partial_periods(frequency, sample_rate, samples), sample_rate
    )
    return partials + _play_noise(note.noise, sample_rate, samples)


def _own_errors(steps: Tensor) -> Tensor:
    """Return the frequency error of each partial's demodulation, radians per frame, ``(n_partials, n_frames)``.

    The error of a weak partial is reduced, by half at 40 dB below the loudest one, since it may come from noise.
    """
    parts = torch.cat([steps.real, steps.imag])[:, None]
    real, imaginary = conv1d(parts, hann_kernel(TUNING_FRAMES).double(), padding=TUNING_FRAMES // 2)[:, 0].chunk(2)
    weak = 1e-4 * real.amax(0) + 1e-6 * real.amax() + 1e-30
    return at_frames(torch.atan2(imaginary, real + weak))


def _play_partials(partials: Tensor, periods: Tensor, sample_rate: int) -> Tensor:
    """Return the sum of partials of slowly changing complex amplitudes, ``(samples,)``."""
    samples, angle = periods.shape[-1], 2 * math.pi * periods
    real, imaginary = (per_sample(part, sample_rate, samples) for part in (partials.real, partials.imag))
    return (real * angle.cos() - imaginary * angle.sin()).sum(0)


def _noise_level(noise: Tensor, sample_rate: int, floor: float) -> Tensor:
    config, filterbank = _noise_bands(sample_rate)
    power = filterbank @ stft(noise, config).abs().square() / filterbank.sum(1, keepdim=True).clamp_min(1e-6)
    return power_to_db(power.clamp_min(floor**2))


def _play_noise(level: Tensor, sample_rate: int, samples: int) -> Tensor:
    config, filterbank = _noise_bands(sample_rate)
    white = stft(torch.randn(samples, generator=torch.Generator().manual_seed(0)), config)
    power = filterbank.T @ db_to_power(level) / filterbank.sum(0)[:, None].clamp_min(1e-6)
    mean_power = 0.375 * config.n_fft  # of white noise under a Hann window
    return istft(white * (power / mean_power).sqrt(), config, length=samples)


def _noise_bands(sample_rate: int) -> tuple[SpectrogramConfig, Tensor]:
    n_fft = 2 ** round(math.log2(NOISE_SECONDS * sample_rate))
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)
    return config, mel_filterbank(config, n_mels=NOISE_BANDS, f_min=0, f_max=sample_rate / 2)
