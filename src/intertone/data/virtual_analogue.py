"""Virtual-analogue synthesizer: band-limited oscillators, resonant filters, envelopes, LFO, overdrive and echo."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from intertone.data.patch import EchoConfig, EnvelopeConfig, ModulationConfig, OscillatorConfig, PatchConfig
from intertone.data.state_variable import BLOCK, state_variable_filter

Array = npt.NDArray[np.float64]

Period = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Samples of one period of a waveform, and their differences to the next sample."""
LEVEL = 0.2
"""Gain of the sum of a note's voices; a saw at full velocity then has a peak of about −14 dB."""
DECAY = 5.0
"""Exponent that decay and release reach in the given time: e⁻⁵ is 0.7 %."""
HIGHEST_PARTIAL = 0.48
"""Highest frequency of a partial, as a fraction of the sample rate."""
OVERSAMPLING = 4
"""Oversampling factor of the overdrive, which reduces the aliasing of tanh."""
SQUARE_SECONDS = 0.005
"""Length of the transition between the two levels of the LFO's square wave, s, since a step would click."""
FADE_SECONDS = 0.005
"""Length of the fade-out at the end of a note, s, since a release longer than the sound would click."""


def play_patch(
    patch: PatchConfig,
    chords: Sequence[Sequence[float]],
    velocities: Sequence[int],
    *,
    sample_rate: int,
    hold_seconds: float,
    release_seconds: float,
) -> npt.NDArray[np.float32]:
    """Return the sounds of notes or chords of one patch; equal arguments give equal samples.

    Args:
        patch: Settings of the instrument.
        chords: Keys of each note, MIDI numbers; a note with several keys is a chord.
        velocities: Velocity of each note, 1…127.
        sample_rate: Hz.
        hold_seconds: Time from the start to the release of the keys, s.
        release_seconds: Time from the release to the end, s.

    Returns:
        Sounds, ``(n_notes, samples)``; full scale is 1, which a resonant patch may exceed.

    Example:
        >>> play_patch(PatchConfig(), [[60], [60, 64, 67]], [100, 100],
        ...            sample_rate=16000, hold_seconds=0.3, release_seconds=0.2).shape
        (2, 8000)
    """
    samples = round(hold_seconds * sample_rate) + round(release_seconds * sample_rate)
    time = np.arange(samples) / sample_rate
    voices = [(note, key) for note, keys in enumerate(chords) for key in keys]
    velocity = np.array([velocities[note] for note, _ in voices]) / 127
    lfo = _modulation(patch.modulation, time)
    sound = np.stack([_voice(patch, key, lfo, time, sample_rate) for _, key in voices])
    sound = _filtered(patch, sound, np.array([key for _, key in voices]), velocity, lfo, hold_seconds, sample_rate)
    tremolo = 10 ** (-patch.modulation.tremolo_db / 20 * (1 - lfo) / 2)
    loudness = envelope(patch.amplitude, time, hold_seconds=hold_seconds) * tremolo
    notes = np.zeros((len(chords), samples))
    for (note, _), share, one in zip(voices, velocity, sound, strict=True):
        notes[note] += 10 ** (-patch.velocity_db / 20 * (1 - share)) * loudness * one
    if patch.overdrive_db:
        notes = _overdriven(notes, 10 ** (patch.overdrive_db / 20))
    notes = _with_echo(notes, patch.echo, sample_rate)
    fade = min(round(FADE_SECONDS * sample_rate), samples)
    notes[:, samples - fade :] *= np.linspace(1, 0, fade)
    return (LEVEL * notes).astype(np.float32)


def envelope(config: EnvelopeConfig, time: Array, *, hold_seconds: float) -> Array:
    """Return the values of an envelope.

    Args:
        config: Settings of the envelope.
        time: Times since the start of the note, s, ``(n,)``.
        hold_seconds: Time of the release of the key, s.

    Returns:
        Values, 0…1, ``(n,)``.

    Example:
        >>> config = EnvelopeConfig(attack_seconds=1, decay_seconds=0.005, sustain=0.5, release_seconds=0.005)
        >>> envelope(config, np.array([0, 0.5, 2, 4]), hold_seconds=3).round(3).tolist()
        [0.0, 0.5, 0.5, 0.0]
    """

    def held(time: Array) -> Array:
        fall = np.exp(-DECAY * np.maximum(time - config.attack_seconds, 0) / config.decay_seconds)
        return np.minimum(time / config.attack_seconds, config.sustain + (1 - config.sustain) * fall)

    released = np.exp(-DECAY * np.maximum(time - hold_seconds, 0) / config.release_seconds)
    return held(np.minimum(time, hold_seconds)) * released


def _voice(patch: PatchConfig, key: float, lfo: Array, time: Array, sample_rate: int) -> Array:
    """Return the sum of oscillators, ring modulation and noise of one key, before the filter, ``(samples,)``."""
    generator = np.random.default_rng([patch.seed, round(100 * key)])
    oscillators = patch.oscillators
    starts = generator.random(len(oscillators))
    sound = sum(
        one.level * oscillator(one, patch.modulation, key, lfo, time, start=start, sample_rate=sample_rate)
        for one, start in zip(oscillators, starts, strict=True)
    )
    if patch.ring and len(oscillators) > 1:
        # each has partials up to a quarter of the sample rate, so that no sum of two frequencies is aliased
        first, second = (
            oscillator(one, patch.modulation, key, lfo, time, start=start, sample_rate=sample_rate, share=0.5)
            for one, start in zip(oscillators[:2], starts, strict=False)
        )
        sound = sound + patch.ring * first * second
    if patch.noise:
        sound = sound + patch.noise * generator.uniform(-1, 1, len(time))
    return np.asarray(sound)


def oscillator(
    config: OscillatorConfig,
    modulation: ModulationConfig,
    key: float,
    lfo: Array,
    time: Array,
    *,
    start: float,
    sample_rate: int,
    share: float = 1.0,
) -> npt.NDArray[np.float32]:
    """Return the output of an oscillator, which reads a stored period of a band-limited waveform.

    Args:
        config: Settings of the oscillator.
        modulation: Settings of vibrato and of the modulation of the pulse width.
        key: MIDI number, which may have a fraction.
        lfo: Value of the LFO at each sample, −1…1, ``(samples,)``.
        time: Time of each sample, s, ``(samples,)``.
        start: Initial phase, periods.
        sample_rate: Hz.
        share: Highest frequency of a partial as a fraction of ``HIGHEST_PARTIAL``.

    Returns:
        Samples, about −1…1, ``(samples,)``; zeros if even the fundamental is too high.
    """
    f0 = 440 * 2 ** ((key + config.semitones - 69 + config.cents / 100) / 12)
    highest = f0 * 2 ** (modulation.pitch_cents / 1200)
    n_partials = max(1, math.floor(share * HIGHEST_PARTIAL * sample_rate / highest))
    if highest > share * HIGHEST_PARTIAL * sample_rate:
        return np.zeros(len(time), np.float32)
    if modulation.pitch_cents:
        speed = f0 * 2 ** (modulation.pitch_cents / 1200 * lfo) / sample_rate
        phase = start + np.concatenate([[0.0], np.cumsum(speed[:-1])])
    else:
        phase = start + f0 * time
    if config.waveform != "pulse" or not modulation.pulse_width:
        return _read(_period(config.waveform, n_partials, config.pulse_width), phase)
    # a pulse is the difference of two saws whose phases differ by its width
    width = np.clip(config.pulse_width + modulation.pulse_width * lfo, 0.05, 0.95)
    saw = _period("saw", n_partials, 0.5)
    return _read(saw, phase) - _read(saw, phase + width)


@lru_cache(maxsize=256)
def _period(waveform: str, n_partials: int, width: float) -> Period:
    """Return one period of a waveform with ``n_partials`` partials; its first sample is repeated at the end.

    It has at least 64 samples for each period of the highest partial, so that the error of linear interpolation is
    below −72 dB of that partial.
    """
    order = np.arange(1, n_partials + 1)
    level: npt.NDArray[np.complexfloating | np.floating]
    if waveform == "saw":
        level = 2 / math.pi / order
    elif waveform == "pulse":
        level = 2 / math.pi / order * (1 - np.exp(2j * math.pi * order * width))
    elif waveform == "triangle":
        level = 8 / math.pi**2 / order**2 * np.sin(order * math.pi / 2)
    else:
        level = (order == 1).astype(float)
    length = max(2048, 64 * 2 ** math.ceil(math.log2(n_partials)))
    spectrum = np.zeros(length // 2 + 1, complex)
    spectrum[order] = -0.5j * length * level
    period = irfft(spectrum, length)
    return np.append(period, period[0]).astype(np.float32), np.append(np.diff(period, append=period[0]), 0).astype(
        np.float32
    )


def _read(period: Period, phase: Array) -> npt.NDArray[np.float32]:
    """Return the values of a period at phases, which are in periods."""
    values, slopes = period
    position = (phase - np.floor(phase)) * (len(values) - 1)
    index = position.astype(np.int32)
    found = slopes[index]
    found *= (position - index).astype(np.float32)
    found += values[index]
    return found


def _modulation(config: ModulationConfig, time: Array) -> Array:
    turn = config.rate_hz * time
    if config.waveform == "sine":
        return np.sin(2 * np.pi * turn)
    if config.waveform == "square":
        steepness = max(1.0, 1 / (math.pi * config.rate_hz * SQUARE_SECONDS))
        return np.clip(steepness * np.sin(2 * np.pi * turn), -1, 1)
    return 1 - 4 * np.abs((turn + 0.25) % 1 - 0.5)


def _filtered(
    patch: PatchConfig,
    sound: Array,
    keys: Array,
    velocity: Array,
    lfo: Array,
    hold_seconds: float,
    sample_rate: int,
) -> Array:
    """Return filtered voices, ``(n_voices, samples)``; the cutoff depends on key, velocity, envelope and LFO."""
    config = patch.filter
    time = np.arange(0, sound.shape[1], BLOCK) / sample_rate
    moved = config.envelope_octaves * envelope(config.envelope, time, hold_seconds=hold_seconds)
    moved = moved + patch.modulation.cutoff_octaves * lfo[::BLOCK]
    fixed = config.tracking * (keys - 60) / 12 - config.velocity_octaves * (1 - velocity)
    cutoff = np.maximum(config.cutoff_hz * 2 ** (fixed[:, None] + moved), 20)
    stages = config.poles // 2
    resonance = np.full(len(keys), 10 ** (config.resonance_db / 20 / stages))
    for _ in range(stages):
        sound = state_variable_filter(
            sound, cutoff, resonance, response=np.full(len(keys), config.response), sample_rate=sample_rate
        )
    return sound


def _overdriven(notes: Array, gain: float) -> Array:
    """Return ``tanh(gain · notes)``, ``(n, samples)``, computed with oversampling."""
    samples = notes.shape[1]
    length = next_fast_len(samples + BLOCK, real=True)
    driven = np.empty_like(notes)
    for note, row in zip(notes.astype(np.float32), driven, strict=True):
        spectrum = rfft(note, length)
        finer = irfft(spectrum * OVERSAMPLING, length * OVERSAMPLING)
        row[:] = irfft(rfft(np.tanh(np.float32(gain) * finer))[: len(spectrum)] / OVERSAMPLING, length)[:samples]
    return driven


def _with_echo(notes: Array, config: EchoConfig, sample_rate: int) -> Array:
    if not config.level:
        return notes
    delay = round(config.seconds * sample_rate)
    echo = np.zeros_like(notes)
    for first in range(delay, notes.shape[1], delay):
        block = slice(first, min(first + delay, notes.shape[1]))
        before = slice(first - delay, block.stop - delay)
        echo[:, block] = notes[:, before] + config.feedback * echo[:, before]
    return notes + config.level * echo
