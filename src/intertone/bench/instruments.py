"""Synthetic notes of nine instruments, with known parameters, and the interpolation of two notes."""

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
"""RMS amplitude of every note."""

NOISE_BINS = 48_000
"""Number of random noise bins, 0.5 Hz each; the noise of a note is thus the same at every sample rate up to 48 kHz."""

Array = npt.NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class InstrumentConfig:
    """Ranges of the parameters of one instrument's notes; values are drawn uniformly.

    Attributes:
        tilt: Decrease of the partials' level, dB per octave of their order.
        even: Attenuation of the even partials, dB; it halves with every octave of the order.
        formants: Centre in Hz and height in dB of each formant; centres vary by ±8 %, heights by ±2 dB.
        width: Width of the formants, octaves.
        attack: Attack time from silence to full level, seconds, drawn uniformly in its logarithm.
        attack_spread: Exponent of the attack time over the order: the k-th partial takes ``k^spread`` times as long.
        decay: Decay of the first partial, dB/s.
        decay_slope: Increase of the decay from each partial to the next, dB/s.
        inharmonicity: B of ``f_k = k·f0·√(1 + B·k²)``.
        vibrato_cents: Depth of the vibrato.
        vibrato_hz: Rate of the vibrato.
        noise: Level of the noise relative to the partials, dB.
        noise_tilt: Slope of the noise spectrum above 1 kHz, dB per octave.
        only: Orders of the audible partials, the others are 50 dB lower; empty: all are audible.
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
"""Parameter ranges of the nine instruments by name."""


@dataclass(frozen=True)
class NoteParameters:
    """Parameters of one synthetic note.

    Attributes:
        f0: Fundamental frequency, Hz.
        level: Level of each partial, dB, ``(64,)``.
        phase: Initial phase of each partial, radians, ``(64,)``.
        attack: Attack time of the first partial, seconds.
        attack_spread: Exponent of the attack time over the order: the k-th partial takes ``k^spread`` times as long.
        decay: Decay of each partial, dB/s, ``(64,)``.
        inharmonicity: B of ``f_k = k·f0·√(1 + B·k²)``.
        vibrato_cents: Depth of the vibrato.
        vibrato_hz: Rate of the vibrato.
        vibrato_phase: Initial phase of the vibrato, radians.
        noise: Level of the noise relative to the partials, dB.
        noise_tilt: Slope of the noise spectrum above 1 kHz, dB per octave.
        noise_spectrum: Random complex spectrum of the noise, one value for each 0.5 Hz.
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
    """Return the parameters of a random note.

    Args:
        config: The parameter ranges of the instrument.
        pitch: MIDI number, with fractions.
        generator: Source of the random parameters.

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
    """Return the interpolated parameters of two notes, which define the ideal morph (the oracle).

    f0, attack and inharmonicity are interpolated in their logarithm (inharmonicity linearly if one note has none),
    levels and decays in dB, phases along the shorter arc, vibrato and spreads linearly. The noise is a crossfade of
    constant power.

    Args:
        a: Note at ratio 0.
        b: Note at ratio 1.
        ratio: 0…1.

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
    """Return the audio of a note of two seconds.

    Partials up to 0.48 of the sample rate begin at 0.02 s with a ``sin²`` attack and decay linearly in dB. The depth of
    the vibrato increases over 0.3 s. The noise has the envelope of the first partial.

    Args:
        note: The parameters of the note.
        sample_rate: Hz, at most 48,000.

    Returns:
        ``(samples,)``, float32, with an RMS amplitude of 0.1, or less if the peak would exceed ±1.

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
    """Return two seconds of noise, ``(samples,)``, from the random spectrum and its tilt."""
    spectrum = note.noise_spectrum[: samples // 2 + 1].copy()
    frequency = np.arange(len(spectrum)) / SECONDS
    octave = np.log2(np.maximum(frequency, 50) / 1000)
    spectrum *= db_to_amplitude(note.noise_tilt * np.maximum(octave, 0)) * (frequency > 50)
    return np.fft.irfft(spectrum, samples)
