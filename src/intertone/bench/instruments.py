"""Synthetic notes whose every parameter is known: nine instruments, and the interpolation of two notes."""

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.level import db_to_amplitude
from intertone.pitch.note import pitch_to_hz

SECONDS = 2.0
ONSET_SECONDS = 0.02
RELEASE_SECONDS = 0.08
N_HARMONICS = 64
LEVEL = 0.1
"""RMS of every note."""

NOISE_BINS = 48_000
"""Bins of 0.5 Hz that a note's noise is drawn for, so that it is the same noise at every sample rate up to 48 kHz."""

Array = npt.NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class InstrumentConfig:
    """The ranges that one instrument's notes are drawn from, uniformly.

    Attributes:
        tilt: Fall of the partials, dB an octave of their number.
        even: How much lower the even partials lie, dB, halved every octave up.
        formants: Centre in Hz and height in dB of each; centres are drawn within ±8 %, heights within ±2 dB.
        width: Width of the formants, octaves.
        attack: Seconds from silence to full level, drawn evenly in its logarithm.
        attack_spread: The k-th partial takes ``k^spread`` times as long.
        decay: Fall of the first partial, dB/s.
        decay_slope: What every further partial falls faster, dB/s.
        inharmonicity: B of ``f_k = k·f0·√(1 + B·k²)``.
        vibrato_cents: Depth.
        vibrato_hz: Rate.
        noise: Level below the partials, dB.
        noise_tilt: Tilt of the noise, dB an octave above 1 kHz.
        only: Numbers of the partials that it has; empty for all. The others lie 50 dB lower.
    """

    tilt: Range
    attack: Range
    noise: Range
    even: Range = (0, 0)
    formants: tuple[tuple[float, float], ...] = ()
    width: Range = (0.5, 0.7)
    attack_spread: Range = (0, 0)
    decay: Range = (0, 1)
    decay_slope: Range = (0, 0)
    inharmonicity: Range = (0, 0)
    vibrato_cents: Range = (0, 0)
    vibrato_hz: Range = (4.5, 6.5)
    noise_tilt: Range = (-6, -3)
    only: tuple[int, ...] = ()


INSTRUMENTS = {
    "flute": InstrumentConfig(
        tilt=(13, 17), attack=(0.06, 0.12), noise=(-36, -30), vibrato_cents=(8, 16), even=(-4, 2), decay=(0, 1)
    ),
    "clarinet": InstrumentConfig(
        tilt=(7, 10), attack=(0.03, 0.06), noise=(-46, -40), even=(18, 26), formants=((1500, 6),)
    ),
    "trumpet": InstrumentConfig(
        tilt=(5, 8),
        attack=(0.025, 0.05),
        noise=(-50, -44),
        formants=((1200, 9), (2400, 6)),
        attack_spread=(0.2, 0.35),
        vibrato_cents=(0, 5),
    ),
    "string": InstrumentConfig(
        tilt=(6, 9),
        attack=(0.08, 0.16),
        noise=(-42, -36),
        formants=((500, 5), (1100, 5), (2700, 6)),
        width=(0.25, 0.4),
        vibrato_cents=(8, 18),
    ),
    "organ": InstrumentConfig(tilt=(8, 11), attack=(0.02, 0.04), noise=(-56, -50), even=(-3, 3)),
    "voice": InstrumentConfig(
        tilt=(9, 12),
        attack=(0.05, 0.1),
        noise=(-44, -38),
        formants=((650, 12), (1080, 10), (2700, 14)),
        width=(0.2, 0.3),
        vibrato_cents=(10, 20),
    ),
    "guitar": InstrumentConfig(
        tilt=(7, 10),
        attack=(0.003, 0.006),
        noise=(-56, -50),
        formants=((200, 4), (800, 4)),
        decay=(12, 20),
        decay_slope=(0.5, 1.0),
        inharmonicity=(2e-5, 8e-5),
    ),
    "piano": InstrumentConfig(
        tilt=(8, 11),
        attack=(0.002, 0.004),
        noise=(-54, -48),
        decay=(10, 16),
        decay_slope=(0.6, 1.2),
        inharmonicity=(1e-4, 3e-4),
    ),
    "marimba": InstrumentConfig(
        tilt=(8, 11), attack=(0.002, 0.004), noise=(-50, -44), decay=(40, 60), decay_slope=(2, 4), only=(1, 4, 10)
    ),
}
"""Nine instruments; a seed redraws every parameter of every note."""


@dataclass(frozen=True)
class NoteParameters:
    """Everything that a synthetic note is made of.

    Attributes:
        f0: Hz.
        level: Of each partial, dB, ``(64,)``.
        phase: Starting phase of each partial, radians, ``(64,)``.
        attack: Seconds from silence to full level.
        attack_spread: The k-th partial takes ``k^spread`` times as long.
        decay: Of each partial, dB/s, ``(64,)``.
        inharmonicity: B of ``f_k = k·f0·√(1 + B·k²)``.
        vibrato_cents: Depth.
        vibrato_hz: Rate.
        vibrato_phase: At the start, radians.
        noise: Level below the partials, dB.
        noise_tilt: dB an octave above 1 kHz.
        noise_spectrum: Random complex numbers, one each 0.5 Hz.
    """

    f0: float
    level: Array
    phase: Array
    attack: float
    attack_spread: float
    decay: Array
    inharmonicity: float
    vibrato_cents: float
    vibrato_hz: float
    vibrato_phase: float
    noise: float
    noise_tilt: float
    noise_spectrum: npt.NDArray[np.complex128]


def draw_note(config: InstrumentConfig, pitch: float, generator: np.random.Generator) -> NoteParameters:
    """Draw a note.

    Args:
        config: The instrument.
        pitch: MIDI number; fractions are welcome.
        generator: Source of every parameter.

    Returns:
        Its parameters.

    Example:
        >>> note = draw_note(INSTRUMENTS["organ"], 69, np.random.default_rng(0))
        >>> note.f0, note.inharmonicity
        (440.0, 0.0)
    """

    def one(limits: Range) -> float:
        return float(generator.uniform(*limits))

    f0, order = pitch_to_hz(pitch), np.arange(1, N_HARMONICS + 1)
    octave = np.log2(order)
    level = -one(config.tilt) * octave + generator.uniform(-1.5, 1.5, N_HARMONICS)
    level -= np.where(order % 2 == 0, one(config.even) * 2.0 ** (1 - octave), 0)
    for centre, height in config.formants:
        away = np.log2(order * f0 / (centre * one((0.92, 1.08)))) / one(config.width)
        level += (height + one((-2, 2))) * np.exp(-0.5 * away**2)
    if config.only:
        level -= np.where(np.isin(order, config.only), 0, 50)
    return NoteParameters(
        f0=f0,
        level=level,
        phase=generator.uniform(-math.pi, math.pi, N_HARMONICS),
        attack=math.exp(one((math.log(config.attack[0]), math.log(config.attack[1])))),
        attack_spread=one(config.attack_spread),
        decay=np.asarray(one(config.decay) + one(config.decay_slope) * (order - 1), np.float64),
        inharmonicity=one(config.inharmonicity),
        vibrato_cents=one(config.vibrato_cents),
        vibrato_hz=one(config.vibrato_hz),
        vibrato_phase=one((-math.pi, math.pi)),
        noise=one(config.noise),
        noise_tilt=one(config.noise_tilt),
        noise_spectrum=generator.standard_normal((NOISE_BINS, 2)) @ np.array([1, 1j]),
    )


def interpolate_notes(a: NoteParameters, b: NoteParameters, ratio: float) -> NoteParameters:
    """Return the note between two: the oracle of a morph.

    f0, attack and inharmonicity are interpolated in their logarithm (inharmonicity linearly where one has none), levels
    and decays in dB, angles the shorter way round, vibrato and spreads linearly. Noises of equal power are turned into
    one another at equal power.

    Args:
        a: Note at ratio 0.
        b: Note at ratio 1.
        ratio: 0…1.

    Returns:
        The parameters; those of ``a`` at 0, of ``b`` at 1.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> low, high = (draw_note(INSTRUMENTS["flute"], pitch, generator) for pitch in (57, 69))
        >>> round(interpolate_notes(low, high, 0.5).f0, 2)
        311.13
    """
    mixed = {
        field.name: (1 - ratio) * getattr(a, field.name) + ratio * getattr(b, field.name)
        for field in fields(NoteParameters)
    }
    for name in ("f0", "attack", "inharmonicity"):
        first, second = getattr(a, name), getattr(b, name)
        if first > 0 and second > 0:
            mixed[name] = first ** (1 - ratio) * second**ratio
    for name in ("phase", "vibrato_phase"):
        first, second = getattr(a, name), getattr(b, name)
        mixed[name] = first + ratio * ((second - first + math.pi) % (2 * math.pi) - math.pi)
    angle = 0.5 * math.pi * ratio
    mixed["noise_spectrum"] = math.cos(angle) * a.noise_spectrum + math.sin(angle) * b.noise_spectrum
    return NoteParameters(**mixed)


def render_note(note: NoteParameters, sample_rate: int) -> Tensor:
    """Return the sound of a note of two seconds.

    Partials of at most 0.48 of the sample rate, each rising as ``sin²`` from 0.02 s on and falling in dB; vibrato sets
    in over 0.3 s; noise is shaped by its tilt and rises and falls with the first partial.

    Args:
        note: Its parameters.
        sample_rate: Hz, at most 48,000.

    Returns:
        ``(samples,)``, float32, of RMS 0.1 and at most ±1.

    Raises:
        ValueError: If the sample rate is above 48 kHz.

    Example:
        >>> note = draw_note(INSTRUMENTS["piano"], 60, np.random.default_rng(0))
        >>> render_note(note, 16000).shape
        torch.Size([32000])
    """
    if sample_rate > NOISE_BINS:
        raise ValueError(f"sample_rate must be at most {NOISE_BINS} Hz, got {sample_rate}")
    samples = round(SECONDS * sample_rate)
    time = np.arange(samples) / sample_rate
    since = np.maximum(time - ONSET_SECONDS, 0)
    depth = note.vibrato_cents / 1200 * np.minimum(since / 0.3, 1)
    f0 = note.f0 * 2 ** (depth * np.sin(2 * math.pi * note.vibrato_hz * time + note.vibrato_phase))
    periods = np.cumsum(f0) / sample_rate
    release = np.sin(0.5 * math.pi * np.clip((SECONDS - time) / RELEASE_SECONDS, 0, 1)) ** 2
    sound = np.zeros(samples)
    for index, level in enumerate(note.level):
        order = index + 1
        stretched = order * math.sqrt(1 + note.inharmonicity * order**2)
        if stretched * note.f0 * 2 ** (note.vibrato_cents / 1200) > 0.48 * sample_rate:
            break
        amplitude = db_to_amplitude(level - note.decay[index] * since) * _rise(note, order, since) * release
        sound += amplitude * np.sin(2 * math.pi * stretched * periods + note.phase[index])
    envelope = db_to_amplitude(-note.decay[0] * since) * _rise(note, 1, since) * release
    noise = _noise(note, samples) * envelope
    tonal = math.sqrt(float(np.mean(sound**2)))
    sound += noise * tonal * db_to_amplitude(note.noise) / math.sqrt(float(np.mean(noise**2)))
    sound *= LEVEL / math.sqrt(float(np.mean(sound**2)))
    peak = float(np.abs(sound).max())
    return torch.from_numpy(sound / max(1.0, peak)).float()


def _rise(note: NoteParameters, order: int, since: Array) -> Array:
    return np.sin(0.5 * math.pi * np.minimum(since / (note.attack * order**note.attack_spread), 1)) ** 2


def _noise(note: NoteParameters, samples: int) -> Array:
    """Return noise of two seconds, from its bins of 0.5 Hz."""
    spectrum = note.noise_spectrum[: samples // 2 + 1].copy()
    frequency = np.arange(len(spectrum)) / SECONDS
    octave = np.log2(np.maximum(frequency, 50) / 1000)
    spectrum *= db_to_amplitude(note.noise_tilt * np.maximum(octave, 0)) * (frequency > 50)
    return np.fft.irfft(spectrum, samples)
