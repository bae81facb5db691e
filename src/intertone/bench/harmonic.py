"""A morph without learning that is told the pitches: partials and noise, measured, interpolated and played again."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv1d, interpolate, pad

from intertone.bench.baselines import level_between, rms
from intertone.bench.pair import Pair
from intertone.latent import lerp
from intertone.stft import SpectrogramConfig, istft, mel_filterbank, stft

N_PARTIALS = 64
HIGHEST = 0.475
"""Share of the sample rate above which no partial is measured or played."""

HOP_SECONDS = 0.005
SHORT_WINDOW, LONG_WINDOW = (3, 0.01), (8, 0.08)
"""Where a note changes and where it is steady: so many periods, but at least so many seconds."""

CHANGING = 0.03
"""Share of the energy that the two windows see differently at which each counts half."""

TRACK_WINDOW, TRACK_FRAMES = (3, 0.02), 7
TRACK_STAGES = (8, 8, 16, 32, 64, 64)
"""Partials that f0 and inharmonicity are refined with, in turn; the high ones tell most, once they are found."""

FLOOR_DB = -100.0
"""Of partials and noise, below the note's largest partial."""

NOISE_SECONDS, NOISE_BANDS = 0.032, 40


@dataclass(frozen=True)
class HarmonicNote:
    """A note as partials of the frequencies ``k · f0 · √(1 + B·k²)``, and noise.

    Attributes:
        f0: Hz, ``(n_frames,)``.
        inharmonicity: B.
        level: Amplitude of each partial, dB, ``(n_partials, n_frames)``.
        phase: Of each partial at the start, turns, ``(n_partials,)``.
        noise: Mean power of the cells of each band, dB, ``(n_bands, n_noise_frames)``.
    """

    f0: Tensor
    inharmonicity: float
    level: Tensor
    phase: Tensor
    noise: Tensor


def harmonic_morph(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Interpolate two notes partial by partial and frame by frame, and the noise beside the partials.

    Args:
        pair: The notes; each is measured around the f0 that is told.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``, their levels interpolated in dB; everything is played anew, at the ends too.
    """
    a = analyse_note(pair.a, pair.f0_a, pair.sample_rate)
    b = analyse_note(pair.b, pair.f0_b, pair.sample_rate)
    sounds = [play_note(mix_notes(a, b, ratio), pair.sample_rate, len(pair.a)) for ratio in ratios]
    levels = [level_between(pair, ratio) / rms(sound) for sound, ratio in zip(sounds, ratios, strict=True)]
    return torch.stack([sound * level for sound, level in zip(sounds, levels, strict=True)])


def mix_notes(a: HarmonicNote, b: HarmonicNote, ratio: float) -> HarmonicNote:
    """Return the note between two.

    Args:
        a: Note at ratio 0.
        b: Note at ratio 1, as long.
        ratio: 0…1.

    Returns:
        Levels interpolated in dB, f0 in its logarithm, inharmonicity linearly, phases the shorter way round.
    """
    return HarmonicNote(
        f0=lerp(a.f0.log(), b.f0.log(), ratio).exp(),
        inharmonicity=(1 - ratio) * a.inharmonicity + ratio * b.inharmonicity,
        level=lerp(a.level, b.level, ratio),
        phase=a.phase + ratio * ((b.phase - a.phase + 0.5) % 1 - 0.5),
        noise=lerp(a.noise, b.noise, ratio),
    )


def analyse_note(audio: Tensor, f0: float, sample_rate: int) -> HarmonicNote:
    """Measure the partials and the noise of a note.

    Every partial is turned down to 0 Hz along the f0 track and averaged over a window: a long one that leaves the noise
    out where the note is steady, a short one where it changes. What the partials do not explain is noise. A partial
    too high to be measured is as loud as the highest ones that are, since it may come into reach of a lower note.

    Args:
        audio: ``(samples,)``.
        f0: Hz; the note may waver around it by a semitone.
        sample_rate: Hz.

    Returns:
        The note.

    Example:
        >>> time = torch.arange(16000) / 16000
        >>> tone = 0.5 * torch.sin(2 * torch.pi * 440 * time) + 0.05 * torch.sin(2 * torch.pi * 880 * time)
        >>> note = analyse_note(tone, 441.0, 16000)
        >>> round(float(note.f0[100]), 1), note.level[:2, 100].round().tolist()
        (440.0, [-6.0, -26.0])
    """
    f0_track, inharmonicity = _track(audio, f0, sample_rate)
    multiples = _multiples(N_PARTIALS, inharmonicity, f0_track, sample_rate)
    turns = _turns(f0_track, sample_rate, len(audio))
    short, long = (
        _amplitudes(audio, turns, multiples, _length(window, f0, sample_rate), sample_rate)
        for window in (SHORT_WINDOW, LONG_WINDOW)
    )
    changed = (short - long).abs().square().sum(0) / short.abs().square().sum(0).clamp_min(1e-20)
    partials = long + (short - long) * (changed / (changed + CHANGING))
    floor = float(partials.abs().max().clamp_min(1e-10)) * 10 ** (FLOOR_DB / 20)
    level = 20 * torch.log10(partials.abs().clamp_min(floor))
    missing = N_PARTIALS - len(multiples)
    return HarmonicNote(
        f0=f0_track,
        inharmonicity=inharmonicity,
        level=torch.cat([level, level[-4:].mean(0, keepdim=True).expand(missing, -1)]),
        phase=pad((partials * partials.abs()).sum(1).angle() / (2 * math.pi), (0, missing)),
        noise=_noise_level(audio - _play_partials(partials, turns, multiples, sample_rate), sample_rate, floor),
    )


def play_note(note: HarmonicNote, sample_rate: int, samples: int) -> Tensor:
    """Return the sound of a note, with noise that is the same in every note.

    Args:
        note: Its partials and its noise.
        sample_rate: Hz.
        samples: As many as the analysed sound had.

    Returns:
        ``(samples,)``.
    """
    multiples = _multiples(len(note.level), note.inharmonicity, note.f0, sample_rate)
    level = note.level[: len(multiples)]
    angle = 2 * math.pi * note.phase[: len(multiples), None].expand_as(level)
    turns = _turns(note.f0, sample_rate, samples)
    partials = _play_partials(torch.polar(10 ** (level / 20), angle), turns, multiples, sample_rate)
    return partials + _play_noise(note.noise, sample_rate, samples)


def _track(audio: Tensor, f0: float, sample_rate: int) -> tuple[Tensor, float]:
    """Return f0 in Hz ``(n_frames,)`` and the inharmonicity of a note, by the speeds at which its partials turn."""
    track = torch.full((1 + -(-len(audio) // _hop(sample_rate)),), f0, dtype=torch.float64)
    inharmonicity = 0.0
    for n_partials in TRACK_STAGES:
        multiples = _multiples(n_partials, inharmonicity, track, sample_rate)
        turns = _turns(track, sample_rate, len(audio))
        partials = _amplitudes(audio, turns, multiples, _length(TRACK_WINDOW, f0, sample_rate), sample_rate)
        steps = (partials[:, 1:] * partials[:, :-1].conj()).to(torch.complex128)
        hz_per_radian = sample_rate / (2 * math.pi * _hop(sample_rate))
        track = track * (1 + _common_error(steps, multiples, hz_per_radian / f0))
        track = track.clamp(f0 * 2 ** (-1 / 12), f0 * 2 ** (1 / 12))
        inharmonicity = _fit_inharmonicity(steps.sum(1), multiples, hz_per_radian / f0)
    return track.float(), inharmonicity


def _common_error(steps: Tensor, multiples: Tensor, scale: float) -> Tensor:
    """Return the share by which f0 is too low in each frame: what the partials agree on, the loud and high ones most.

    Args:
        steps: Product of each amplitude with the conjugate of the one before, ``(n_partials, n_frames − 1)``.
        multiples: Frequencies in f0, ``(n_partials,)``.
        scale: f0 a radian a frame.
    """
    weight = steps.abs() * multiples[:, None].square()
    error = steps.angle() * scale / multiples[:, None]
    sums = torch.stack([(weight * error).sum(0), weight.sum(0)])[:, None]
    window = torch.hann_window(TRACK_FRAMES + 2, periodic=False, dtype=torch.float64)[1:-1]
    total, weights = conv1d(sums, window[None, None], padding=TRACK_FRAMES // 2)[:, 0]
    between = total / (weights + 1e-4 * weights.max() + 1e-30)  # two frames; where there is no sound f0 stays
    return torch.cat([between[:1], 0.5 * (between[1:] + between[:-1]), between[-1:]])


def _fit_inharmonicity(steps: Tensor, multiples: Tensor, scale: float) -> float:
    """Return B of ``(f_k / k f0)² = c (1 + B·k²)``, a straight line through squares, weighted by loudness and k²."""
    squares = torch.arange(1, len(multiples) + 1, dtype=torch.float64).square()
    stretch = (multiples + steps.angle() * scale).square() / squares
    weight = steps.abs() * squares + 1e-30
    weight = weight / weight.sum()
    x, y = squares - (weight * squares).sum(), (weight * stretch).sum()
    slope = (weight * x * stretch).sum() / ((weight * x * x).sum() + 1e-30)
    return max(0.0, float(slope / (y - slope * (weight * squares).sum())))


def _amplitudes(audio: Tensor, turns: Tensor, multiples: Tensor, length: int, sample_rate: int) -> Tensor:
    """Return the complex amplitude of each partial under a Hann window, ``(n_partials, n_frames)``.

    Beyond the ends of the sound the window is cut off, not filled with silence.
    """
    hop = _hop(sample_rate)
    window = torch.hann_window(length + 2, periodic=False)[1:-1]
    angle = _angle(turns, multiples)
    rows = torch.cat([audio * angle.cos(), -audio * angle.sin(), torch.ones(1, len(audio))])
    after = -(-len(audio) // hop) * hop + length // 2 + 1 - len(audio)
    sums = conv1d(pad(rows, (length // 2, after))[:, None], window[None, None], stride=hop)[:, 0]
    real, imaginary = sums[:-1].chunk(2)
    return torch.complex(real, imaginary) * 2 / sums[-1]


def _play_partials(partials: Tensor, turns: Tensor, multiples: Tensor, sample_rate: int) -> Tensor:
    """Return the sum of partials of slowly changing complex amplitudes, ``(samples,)``."""
    angle = _angle(turns, multiples)
    real, imaginary = (_per_sample(part, sample_rate, len(turns)) for part in (partials.real, partials.imag))
    return (real * angle.cos() - imaginary * angle.sin()).sum(0)


def _noise_level(noise: Tensor, sample_rate: int, floor: float) -> Tensor:
    config, filterbank = _noise_bands(sample_rate)
    power = filterbank @ stft(noise, config).abs().square() / filterbank.sum(1, keepdim=True).clamp_min(1e-6)
    return 10 * torch.log10(power.clamp_min(floor**2))


def _play_noise(level: Tensor, sample_rate: int, samples: int) -> Tensor:
    config, filterbank = _noise_bands(sample_rate)
    white = stft(torch.randn(samples, generator=torch.Generator().manual_seed(0)), config)
    power = filterbank.T @ 10 ** (level / 10) / filterbank.sum(0)[:, None].clamp_min(1e-6)
    mean_power = 0.375 * config.n_fft  # of white noise under a Hann window
    return istft(white * (power / mean_power).sqrt(), config, length=samples)


def _noise_bands(sample_rate: int) -> tuple[SpectrogramConfig, Tensor]:
    n_fft = 2 ** round(math.log2(NOISE_SECONDS * sample_rate))
    config = SpectrogramConfig(sample_rate=sample_rate, n_fft=n_fft, hop_length=n_fft // 4)
    return config, mel_filterbank(config, n_mels=NOISE_BANDS, f_min=0, f_max=sample_rate / 2)


def _hop(sample_rate: int) -> int:
    return round(HOP_SECONDS * sample_rate)


def _length(window: tuple[float, float], f0: float, sample_rate: int) -> int:
    """Return an odd number of samples."""
    periods, seconds = window
    return 2 * round(max(periods / f0, seconds) * sample_rate / 2) + 1


def _multiples(n_partials: int, inharmonicity: float, f0: Tensor, sample_rate: int) -> Tensor:
    """Return the frequencies in f0 of those partials that are always low enough."""
    order = torch.arange(1, n_partials + 1, dtype=torch.float64)
    multiples = order * (1 + inharmonicity * order.square()).sqrt()
    return multiples[multiples * f0.max() < HIGHEST * sample_rate]


def _turns(f0: Tensor, sample_rate: int, samples: int) -> Tensor:
    """Return how often the fundamental has turned by each sample, ``(samples,)``."""
    return (_per_sample(f0[None].double(), sample_rate, samples)[0] / sample_rate).cumsum(0)


def _angle(turns: Tensor, multiples: Tensor) -> Tensor:
    return (multiples[:, None] * turns % 1).float() * (2 * math.pi)


def _per_sample(values: Tensor, sample_rate: int, samples: int) -> Tensor:
    """Draw straight lines between the frames: ``(rows, n_frames)`` to ``(rows, samples)``."""
    size = (values.shape[-1] - 1) * _hop(sample_rate) + 1
    return interpolate(values[None], size=size, mode="linear", align_corners=True)[0, :, :samples]
