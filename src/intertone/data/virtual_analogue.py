"""A virtual-analogue synthesizer: band-limited oscillators, resonant filters, envelopes; notes of it as a note set."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from intertone.audio import MIN_SAMPLE_RATE, MIN_SECONDS
from intertone.config import Settings
from intertone.data.header import NoteHeader
from intertone.data.patch import EchoConfig, EnvelopeConfig, ModulationConfig, OscillatorConfig, PatchConfig, draw_patch
from intertone.data.row import NoteRow, ReportLine
from intertone.data.shards import begin_notes, finish_notes, quantise, write_shard
from intertone.data.split import split_of
from intertone.data.state_variable import BLOCK, state_variable_filter
from intertone.data.store import shard_done
from intertone.errors import InputError
from intertone.parallel import in_processes

Array = npt.NDArray[np.float64]

LEVEL = 0.2
"""Factor of the sum of a note's voices; a plain saw at full velocity then peaks at about −14 dB."""

DECAY = 5.0
"""Exponent that decay and release have reached in the time given: e⁻⁵ is 0.7 %."""

HIGHEST_PARTIAL = 0.48
"""Frequency that no partial exceeds, of the sample rate."""

OVERSAMPLING = 4
"""Of the overdrive: what tanh makes below 3.5 times the sample rate does not fold back into the audible half."""

FADE_SECONDS = 0.005
"""At a note's end, so that a release that is longer than the sound does not click."""

SAMPLES_AT_A_TIME = 12_000_000
"""Of all voices together, about 0.5 GB."""


class VirtualAnalogueConfig(Settings):
    """Which patches are drawn and which notes are played on each."""

    sample_rate: int = Field(44100, ge=MIN_SAMPLE_RATE, le=96000, description="in Hz")
    hold_seconds: float = Field(3.0, gt=0, le=60, description="until the keys are let go")
    release_seconds: float = Field(1.0, ge=0, le=60, description="after that")
    patches: int = Field(64, ge=1, le=100_000, description="instruments")
    seed: int = Field(0, ge=0, description="of the first patch; the others have the seeds that follow")
    category: str = Field("", description="bass, lead, pad, pluck, organ or percussion; drawn if empty")
    pitch_min: int = Field(36, ge=0, le=127, description="lowest key")
    pitch_max: int = Field(84, ge=0, le=127, description="highest key, included")
    pitch_step: int = Field(4, ge=1, le=127, description="2 takes every second key from pitch_min on")
    velocities: tuple[int, ...] = Field((75, 127), min_length=1, description="each 1..127")
    polyphony: int = Field(1, ge=1, le=4, description="most keys at a time: each note has one to so many")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pitch_min > self.pitch_max:
            raise ValueError(f"pitch_min must be <= pitch_max={self.pitch_max}, got {self.pitch_min}")
        if any(not 1 <= velocity <= 127 for velocity in self.velocities):
            raise ValueError(f"velocities must be in 1..127, got {self.velocities}")
        if (seconds := self.hold_seconds + self.release_seconds) < MIN_SECONDS:
            raise ValueError(f"hold_seconds and release_seconds must add up to >= {MIN_SECONDS}, got {seconds:g}")
        return self


def play_patch(
    patch: PatchConfig,
    chords: Sequence[Sequence[float]],
    velocities: Sequence[int],
    *,
    sample_rate: int,
    hold_seconds: float,
    release_seconds: float,
) -> npt.NDArray[np.float32]:
    """Play notes or chords on one patch; equal arguments give equal samples.

    Args:
        patch: The knobs.
        chords: Keys of each note, MIDI numbers, one to as many as there shall be voices.
        velocities: 1…127, of each note.
        sample_rate: Hz.
        hold_seconds: Until the keys are let go.
        release_seconds: After that; the sound ends with it.

    Returns:
        ``(n_notes, samples)``; full scale is 1, which a resonant patch may exceed.

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
    """Return an envelope's values.

    Args:
        config: Attack, decay, sustain, release.
        time: Seconds since the key was struck.
        hold_seconds: When the key is let go.

    Returns:
        As many values, in 0…1.

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


def render_patches(
    folder: Path | str,
    *,
    config: VirtualAnalogueConfig | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> NoteHeader:
    """Play drawn patches into a note set, one shard each; a killed run goes on when it is called again.

    A patch is an instrument, a group of its own and one line of ``report.jsonl``, which keeps its knobs. A chord's
    pitch is −1; its keys stand in its name.

    Args:
        folder: Where the set goes: new, empty, or begun with the same settings.
        config: What is drawn and played.
        workers: Processes; 1 stays in this one. From a script, call it under ``if __name__ == "__main__"``.
        progress: Called with (patches done, patches in all).

    Returns:
        The content of ``notes.json``, with the counts of each split.

    Raises:
        InputError: If the category is unknown, or the folder holds something else.
    """
    config = config or VirtualAnalogueConfig()
    if workers < 1:
        raise InputError(f"workers must be >= 1, got {workers}")
    try:
        draw_patch(config.seed, category=config.category or None)
    except ValueError as error:
        raise InputError(str(error)) from None
    samples = round(config.hold_seconds * config.sample_rate) + round(config.release_seconds * config.sample_rate)
    header = begin_notes(
        folder,
        sample_rate=config.sample_rate,
        samples=samples,
        kind="virtual-analogue",
        settings=config.model_dump(mode="json"),
    )
    if header["finished"]:
        return header
    todo = [shard for shard in range(config.patches) if not shard_done(folder, shard)]
    render = partial(_render_patch, Path(folder), config)
    for done, _ in enumerate(
        in_processes(render, todo, workers=workers, start=nullcontext, name="rendering", threads=1), 1
    ):
        if progress:
            progress(config.patches - len(todo) + done, config.patches)
    return finish_notes(folder, config.patches)


def read_patches(folder: Path | str) -> dict[str, PatchConfig]:
    """Return the knobs of each instrument of a note set that ``render_patches`` wrote.

    Raises:
        InputError: If it is none.
    """
    path = Path(folder) / "report.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
    patches = {
        line["instrument"]: PatchConfig.parse(line["patch"], source=str(path)) for line in lines if "patch" in line
    }
    if not patches:
        raise InputError(f"the note set must be one of the virtual-analogue synthesizer, got {folder}")
    return patches


def _render_patch(folder: Path, config: VirtualAnalogueConfig, _state: None, number: int) -> None:
    patch = draw_patch(config.seed + number, category=config.category or None)
    instrument = f"patch-{config.seed + number:05d}"
    split = split_of(instrument)
    rows: list[NoteRow] = []
    pcm: list[npt.NDArray[np.int16]] = []
    scales: list[float] = []
    for played in _batches(_chords(config, patch), config):
        sounds = play_patch(
            patch,
            [chord for chord, _ in played],
            [velocity for _, velocity in played],
            sample_rate=config.sample_rate,
            hold_seconds=config.hold_seconds,
            release_seconds=config.release_seconds,
        )
        for (chord, velocity), sound in zip(played, sounds, strict=True):
            values, scale = quantise(sound)
            pcm.append(values)
            scales.append(scale)
            name = f"{instrument}-{'+'.join(f'{key:03d}' for key in chord)}-{velocity:03d}"
            pitch = chord[0] if len(chord) == 1 else -1
            rows.append(
                NoteRow(name, pitch, velocity, instrument, patch.category, "virtual-analogue", instrument, split)
            )
    line: ReportLine = {"instrument": instrument, "group": instrument, "split": split, "notes": len(rows)}
    line |= {"peak": max(scales), "patch": patch.model_dump(mode="json")}
    write_shard(folder, number, np.stack(pcm), scales, rows, [line])


def _chords(config: VirtualAnalogueConfig, patch: PatchConfig) -> list[tuple[tuple[int, ...], int]]:
    """Return keys and velocity of each note; of a chord, the others are within an octave above its lowest key."""
    generator = np.random.default_rng([patch.seed, 0xC0D])
    played = []
    for pitch in range(config.pitch_min, config.pitch_max + 1, config.pitch_step):
        for velocity in config.velocities:
            above = generator.permutation(np.arange(1, 13))[: generator.integers(config.polyphony)]
            others = sorted(pitch + int(interval) for interval in above if pitch + interval <= 127)
            played.append(((pitch, *others), velocity))
    return played


def _batches(
    played: list[tuple[tuple[int, ...], int]], config: VirtualAnalogueConfig
) -> Iterator[list[tuple[tuple[int, ...], int]]]:
    seconds = config.hold_seconds + config.release_seconds
    at_a_time = max(1, int(SAMPLES_AT_A_TIME / (seconds * config.sample_rate * config.polyphony)))
    for first in range(0, len(played), at_a_time):
        yield played[first : first + at_a_time]


def _voice(patch: PatchConfig, key: float, lfo: Array, time: Array, sample_rate: int) -> Array:
    """Return oscillators, their product and noise of one key, before the filter."""
    generator = np.random.default_rng([patch.seed, round(100 * key)])
    oscillators = patch.oscillators
    starts = generator.random(len(oscillators))
    sound = sum(
        one.level * oscillator(one, patch.modulation, key, lfo, time, start=start, sample_rate=sample_rate)
        for one, start in zip(oscillators, starts, strict=True)
    )
    if patch.ring and len(oscillators) > 1:
        # each has half of the partials, so that no sum of two frequencies lies above half of the sample rate
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
) -> Array:
    """Return one oscillator: a period with all partials below half of the sample rate, read at the wanted speed.

    Args:
        config: Waveform, width, detune.
        modulation: Depths of vibrato and of the pulse width's modulation.
        key: MIDI number, a fraction too.
        lfo: −1…1 at each sample.
        time: Seconds of each sample.
        start: Phase at the start, in periods.
        sample_rate: Hz.
        share: Of half of the sample rate that partials may fill.

    Returns:
        As many samples, about −1…1.
    """
    f0 = 440 * 2 ** ((key + config.semitones - 69 + config.cents / 100) / 12)
    highest = f0 * 2 ** (modulation.pitch_cents / 1200)
    n_partials = max(1, math.floor(share * HIGHEST_PARTIAL * sample_rate / highest))
    if highest > share * HIGHEST_PARTIAL * sample_rate:
        return np.zeros_like(time)
    if modulation.pitch_cents:
        speed = f0 * 2 ** (modulation.pitch_cents / 1200 * lfo) / sample_rate
        phase = start + np.concatenate([[0.0], np.cumsum(speed[:-1])])
    else:
        phase = start + f0 * time
    if config.waveform != "pulse":
        return _read(_period(config.waveform, n_partials), phase)
    # a pulse is the difference of two saws that lie its width apart
    width = np.clip(config.pulse_width + modulation.pulse_width * lfo, 0.05, 0.95)
    saw = _period("saw", n_partials)
    return _read(saw, phase) - _read(saw, phase + width)


@lru_cache(maxsize=256)
def _period(waveform: str, n_partials: int) -> npt.NDArray[np.float32]:
    """Return one period of a waveform with so many partials, and its first sample again at the end.

    It has at least 64 samples in a period of the highest partial, so that reading between two samples along a straight
    line adds less than −72 dB of that partial.
    """
    order = np.arange(1, n_partials + 1)
    if waveform == "saw":
        level = 2 / math.pi / order
    elif waveform == "triangle":
        level = 8 / math.pi**2 / order**2 * np.sin(order * math.pi / 2)
    else:
        level = (order == 1).astype(float)
    length = max(2048, 64 * 2 ** math.ceil(math.log2(n_partials)))
    spectrum = np.zeros(length // 2 + 1, complex)
    spectrum[order] = -0.5j * length * level
    period = np.fft.irfft(spectrum, length)
    return np.append(period, period[0]).astype(np.float32)


def _read(period: npt.NDArray[np.float32], phase: Array) -> Array:
    """Return a period's values at phases given in periods."""
    position = (phase - np.floor(phase)) * (len(period) - 1)
    index = np.minimum(position.astype(np.int64), len(period) - 2)
    before = period[index]
    return before + (position - index) * (period[index + 1] - before)


def _modulation(config: ModulationConfig, time: Array) -> Array:
    turn = config.rate_hz * time
    if config.waveform == "sine":
        return np.sin(2 * np.pi * turn)
    if config.waveform == "square":
        return np.where(turn % 1 < 0.5, 1.0, -1.0)
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
    """Filter voices ``(n_voices, samples)``; the cutoff follows key, velocity, envelope and LFO."""
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
    """Drive notes ``(n, samples)`` through tanh at a higher sample rate."""
    samples = notes.shape[1]
    length = samples + BLOCK
    spectrum = np.fft.rfft(notes, length)
    finer = np.fft.irfft(spectrum * OVERSAMPLING, length * OVERSAMPLING)
    driven = np.fft.rfft(np.tanh(gain * finer))[:, : spectrum.shape[1]] / OVERSAMPLING
    return np.fft.irfft(driven, length)[:, :samples]


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
