"""Settings of an instrument (patch) of the virtual-analogue synthesizer, and random patches within fixed ranges."""

import math
from typing import Literal

import numpy as np
from pydantic import Field

from intertone.config import Settings

Waveform = Literal["saw", "pulse", "triangle", "sine"]

CATEGORIES = ("bass", "lead", "pad", "pluck", "organ", "percussion")
"""Categories of patches, which differ in the ranges of their envelopes and cutoff frequencies."""


class EnvelopeConfig(Settings):
    """Settings of an envelope with attack, decay, sustain and release.

    The attack rises linearly from 0 to 1. Decay and release are exponentials that reach e⁻⁵ (0.7 %) of their distance
    in the given time.
    """

    attack_seconds: float = Field(
        0.005, ge=0.001, le=5, description="time from the start of the note to the maximum, s"
    )
    decay_seconds: float = Field(0.5, ge=0.005, le=20, description="time from the maximum to the sustain level, s")
    sustain: float = Field(0.7, ge=0, le=1, description="level while the key is held, relative to the maximum")
    release_seconds: float = Field(0.1, ge=0.005, le=20, description="time from the release of the key to silence, s")


class OscillatorConfig(Settings):
    """Settings of a band-limited oscillator."""

    waveform: Waveform = Field("saw", description="waveform; only pulse has a width")
    level: float = Field(1.0, ge=0, le=1, description="amplitude factor")
    pulse_width: float = Field(0.5, ge=0.05, le=0.95, description="share of the period in which a pulse is high")
    semitones: int = Field(0, ge=-24, le=24, description="transposition from the key, semitones")
    cents: float = Field(0.0, ge=-100, le=100, description="additional detuning, cents")


class FilterConfig(Settings):
    """Settings of a resonant filter and of the modulation of its cutoff frequency."""

    response: Literal["low-pass", "band-pass", "high-pass"] = "low-pass"
    poles: Literal[2, 4] = Field(2, description="number of poles; four are two equal filters in series")
    cutoff_hz: float = Field(
        2000.0,
        ge=20,
        le=20000,
        description="cutoff frequency, Hz, at key 60 and full velocity, with envelope and LFO at 0",
    )
    resonance_db: float = Field(
        0.0, ge=-3, le=30, description="gain at the cutoff frequency relative to the pass band, dB"
    )
    tracking: float = Field(0.5, ge=0, le=1, description="change of the cutoff for each octave of the key, octaves")
    envelope: EnvelopeConfig = EnvelopeConfig()
    envelope_octaves: float = Field(
        0.0, ge=-6, le=6, description="rise of the cutoff at the maximum of the envelope, octaves"
    )
    velocity_octaves: float = Field(0.0, ge=0, le=4, description="decrease of the cutoff at velocity 0, octaves")


class ModulationConfig(Settings):
    """Settings of the low-frequency oscillator (LFO), which begins with the note at phase 0."""

    waveform: Literal["sine", "triangle", "square"] = "sine"
    rate_hz: float = Field(5.0, ge=0.05, le=20)
    pitch_cents: float = Field(
        0.0, ge=0, le=200, description="vibrato: largest deviation of the pitch to each side, cents"
    )
    cutoff_octaves: float = Field(0.0, ge=0, le=3, description="largest deviation of the cutoff to each side, octaves")
    pulse_width: float = Field(
        0.0, ge=0, le=0.4, description="largest deviation of the pulse width to each side, periods"
    )
    tremolo_db: float = Field(0.0, ge=0, le=24, description="decrease in level at the LFO's minimum, dB")


class EchoConfig(Settings):
    """Settings of an echo: a delay with feedback."""

    seconds: float = Field(0.3, ge=0.01, le=2, description="delay, s")
    feedback: float = Field(0.4, ge=0, le=0.9, description="level of each repetition relative to the previous one")
    level: float = Field(0.0, ge=0, le=1, description="level of the first repetition relative to the sound")


class PatchConfig(Settings):
    """All settings of an instrument of the synthesizer.

    In each voice, oscillators, the product of two of them, and noise are added, filtered and multiplied by the
    amplitude envelope. The voices are added and processed by overdrive (tanh) and echo.
    """

    category: str = Field("lead", description="family of the instrument")
    seed: int = Field(0, ge=0, description="seed of the noise and of the oscillators' phases")
    oscillators: tuple[OscillatorConfig, ...] = Field((OscillatorConfig(),), min_length=1, max_length=4)
    ring: float = Field(0.0, ge=0, le=1, description="level of the product of the first two oscillators")
    noise: float = Field(0.0, ge=0, le=1, description="level of white noise, uniform in −1…1")
    filter: FilterConfig = FilterConfig()
    amplitude: EnvelopeConfig = EnvelopeConfig()
    modulation: ModulationConfig = ModulationConfig()
    echo: EchoConfig = EchoConfig()
    overdrive_db: float = Field(0.0, ge=0, le=40, description="gain before tanh; 0: no tanh")
    velocity_db: float = Field(12.0, ge=0, le=40, description="level of velocity 127 above velocity 0, dB")


ATTACKS = {"bass": (0.002, 0.02), "lead": (0.002, 0.1), "pad": (0.1, 1.0), "organ": (0.002, 0.02),
           "pluck": (0.001, 0.01), "percussion": (0.001, 0.004)}  # fmt: skip
"""Range of the attack of the amplitude envelope, s; the logarithm is drawn uniformly."""

DECAYS = {"bass": (0.3, 3.0), "lead": (0.3, 3.0), "pad": (1.0, 6.0), "organ": (0.1, 1.0),
          "pluck": (0.3, 3.0), "percussion": (0.05, 1.0)}  # fmt: skip
"""Range of the decay of the amplitude envelope, s; the logarithm is drawn uniformly."""

SUSTAINS = {"bass": (0.2, 0.9), "lead": (0.4, 1.0), "pad": (0.5, 1.0), "organ": (0.8, 1.0),
            "pluck": (0.0, 0.0), "percussion": (0.0, 0.0)}  # fmt: skip
"""Range of the sustain level of the amplitude envelope."""

CUTOFFS = {"bass": (100, 1500), "lead": (500, 6000), "pad": (300, 4000), "organ": (800, 12000),
           "pluck": (300, 4000), "percussion": (200, 8000)}  # fmt: skip
"""Range of the cutoff frequency, Hz; the logarithm is drawn uniformly."""


def draw_patch(seed: int, *, category: str | None = None) -> PatchConfig:
    """Return a random patch; equal seeds give equal patches.

    A patch has one to three oscillators with any of four waveforms. All are detuned by up to ±15 cents; those after the
    first are transposed by −12, 0, 7 or 12 semitones. Pulse widths are 0.1…0.9. With two or more oscillators, 1/6 of
    the patches have ring modulation. Noise is in 30 % of the patches and in all of percussion, overdrive of 3…24 dB in
    25 %, echo in 30 %.

    Filters have two or four poles. The response is low-pass in 70 % of the patches, otherwise band-pass or high-pass.
    The resonance is −3…18 dB, the tracking 0…1, the modulation of the cutoff by the envelope −1…5 octaves. The LFO has
    0.1…8 Hz. Vibrato of up to 40 cents, modulation of the cutoff by up to 1.5 octaves and of the pulse width by up to
    0.3, and tremolo of up to 9 dB are each in 25 % of the patches. The ranges of attack, decay, sustain and cutoff
    depend on the category: ``ATTACKS``, ``DECAYS``, ``SUSTAINS``, ``CUTOFFS``. The release is 0.03…1 s.

    Args:
        seed: 0 or more.
        category: One of ``CATEGORIES``; None: drawn at random.

    Returns:
        The patch.

    Raises:
        ValueError: If ``category`` is unknown.

    Example:
        >>> draw_patch(3) == draw_patch(3), draw_patch(3) == draw_patch(4)
        (True, False)
    """
    generator = np.random.default_rng([seed, 0x5E7])
    category = category or str(generator.choice(CATEGORIES))
    if category not in CATEGORIES:
        raise ValueError(f"category must be one of {', '.join(CATEGORIES)}, got {category}")

    def even(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    def by_ratio(low: float, high: float) -> float:
        return math.exp(even(math.log(low), math.log(high)))

    def sometimes(share: float, value: float) -> float:
        return value if generator.random() < share else 0.0

    oscillators = tuple(
        OscillatorConfig(
            waveform=generator.choice(["saw", "pulse", "triangle", "sine"], p=[0.4, 0.35, 0.15, 0.1]),
            level=1.0 if number == 0 else even(0.3, 1.0),
            pulse_width=even(0.1, 0.9),
            semitones=0 if number == 0 else int(generator.choice([-12, 0, 0, 7, 12])),
            cents=even(-15, 15),
        )
        for number in range(int(generator.integers(1, 4)))
    )
    filter_envelope = EnvelopeConfig(
        attack_seconds=by_ratio(0.001, 0.5),
        decay_seconds=by_ratio(0.05, 3),
        sustain=even(0, 1),
        release_seconds=by_ratio(0.03, 1),
    )
    return PatchConfig(
        category=category,
        seed=seed,
        oscillators=oscillators,
        ring=sometimes(1 / 6 if len(oscillators) > 1 else 0, even(0.3, 1)),
        noise=sometimes(1 if category == "percussion" else 0.3, by_ratio(0.01, 0.5)),
        filter=FilterConfig(
            response=generator.choice(["low-pass", "band-pass", "high-pass"], p=[0.7, 0.15, 0.15]),
            poles=int(generator.choice([2, 4])),
            cutoff_hz=by_ratio(*CUTOFFS[category]),
            resonance_db=even(-3, 18),
            tracking=even(0, 1),
            envelope=filter_envelope,
            envelope_octaves=even(-1, 5),
            velocity_octaves=even(0, 2),
        ),
        amplitude=EnvelopeConfig(
            attack_seconds=by_ratio(*ATTACKS[category]),
            decay_seconds=by_ratio(*DECAYS[category]),
            sustain=even(*SUSTAINS[category]),
            release_seconds=by_ratio(0.03, 1),
        ),
        modulation=ModulationConfig(
            waveform=generator.choice(["sine", "triangle", "square"], p=[0.6, 0.3, 0.1]),
            rate_hz=by_ratio(0.1, 8),
            pitch_cents=sometimes(0.25, even(5, 40)),
            cutoff_octaves=sometimes(0.25, even(0.2, 1.5)),
            pulse_width=sometimes(0.25, even(0.05, 0.3)),
            tremolo_db=sometimes(0.25, even(1, 9)),
        ),
        echo=EchoConfig(seconds=by_ratio(0.05, 0.6), feedback=even(0.1, 0.7), level=sometimes(0.3, even(0.1, 0.6))),
        overdrive_db=sometimes(0.25, even(3, 24)),
        velocity_db=even(3, 20),
    )
