"""Settings of one sound of the virtual-analogue synthesizer, drawn by seed within documented ranges."""

import math
from typing import Literal

import numpy as np
from pydantic import Field

from intertone.config import Settings

Waveform = Literal["saw", "pulse", "triangle", "sine"]

CATEGORIES = ("bass", "lead", "pad", "pluck", "organ", "percussion")
"""Families of patches; they differ in their envelopes and in the range of their filter."""


class EnvelopeConfig(Settings):
    """Attack, decay, sustain, release.

    The attack is a straight line from 0 to 1, decay and release are exponentials that have gone all but e⁻⁵ (0.7 %) of
    their way in the time given.
    """

    attack_seconds: float = Field(0.005, ge=0.001, le=5, description="from the key's stroke to the top")
    decay_seconds: float = Field(0.5, ge=0.005, le=20, description="from there to the sustain level")
    sustain: float = Field(0.7, ge=0, le=1, description="level while the key is held, of the top")
    release_seconds: float = Field(0.1, ge=0.005, le=20, description="from the key's release to silence")


class OscillatorConfig(Settings):
    """One band-limited oscillator."""

    waveform: Waveform = Field("saw", description="pulse has a width, the others are symmetrical")
    level: float = Field(1.0, ge=0, le=1, description="factor")
    pulse_width: float = Field(0.5, ge=0.05, le=0.95, description="share of the period that a pulse is up")
    semitones: int = Field(0, ge=-24, le=24, description="above the key")
    cents: float = Field(0.0, ge=-100, le=100, description="detune: above that")


class FilterConfig(Settings):
    """A resonant filter and what moves its cutoff."""

    response: Literal["low-pass", "band-pass", "high-pass"] = "low-pass"
    poles: Literal[2, 4] = Field(2, description="four are two equal filters of two, one after the other")
    cutoff_hz: float = Field(2000.0, ge=20, le=20000, description="at key 60, full velocity, envelope and LFO at 0")
    resonance_db: float = Field(0.0, ge=-3, le=30, description="gain at the cutoff, of that in the pass band")
    tracking: float = Field(0.5, ge=0, le=1, description="octaves of the cutoff for each octave of the key")
    envelope: EnvelopeConfig = EnvelopeConfig()
    envelope_octaves: float = Field(0.0, ge=-6, le=6, description="that the envelope's top raises the cutoff by")
    velocity_octaves: float = Field(0.0, ge=0, le=4, description="that velocity 0 lowers the cutoff by")


class ModulationConfig(Settings):
    """The low-frequency oscillator; it starts with the key, at phase 0."""

    waveform: Literal["sine", "triangle", "square"] = "sine"
    rate_hz: float = Field(5.0, ge=0.05, le=20)
    pitch_cents: float = Field(0.0, ge=0, le=200, description="largest deviation, both ways: vibrato")
    cutoff_octaves: float = Field(0.0, ge=0, le=3, description="largest deviation of the cutoff, both ways")
    pulse_width: float = Field(0.0, ge=0, le=0.4, description="largest deviation of the pulse width, both ways")
    tremolo_db: float = Field(0.0, ge=0, le=24, description="that the level falls at the LFO's lowest point")


class EchoConfig(Settings):
    """A delay whose output is fed back."""

    seconds: float = Field(0.3, ge=0.01, le=2, description="delay")
    feedback: float = Field(0.4, ge=0, le=0.9, description="level of each repetition, of the one before")
    level: float = Field(0.0, ge=0, le=1, description="of the first repetition, of the sound")


class PatchConfig(Settings):
    """All knobs of the synthesizer.

    Oscillators, their product and noise are mixed, filtered and shaped by the amplitude envelope in each voice; the
    voices are added, driven through tanh and sent through the echo.
    """

    category: str = Field("lead", description="family of the instrument")
    seed: int = Field(0, ge=0, description="of the noise and of the oscillators' phases")
    oscillators: tuple[OscillatorConfig, ...] = Field((OscillatorConfig(),), min_length=1, max_length=4)
    ring: float = Field(0.0, ge=0, le=1, description="level of the product of the first two oscillators")
    noise: float = Field(0.0, ge=0, le=1, description="level of white noise, uniform in −1…1")
    filter: FilterConfig = FilterConfig()
    amplitude: EnvelopeConfig = EnvelopeConfig()
    modulation: ModulationConfig = ModulationConfig()
    echo: EchoConfig = EchoConfig()
    overdrive_db: float = Field(0.0, ge=0, le=40, description="gain before tanh; 0: no tanh")
    velocity_db: float = Field(12.0, ge=0, le=40, description="that velocity 0 is softer than velocity 127")


ATTACKS = {"bass": (0.002, 0.02), "lead": (0.002, 0.1), "pad": (0.1, 1.0), "organ": (0.002, 0.02),
           "pluck": (0.001, 0.01), "percussion": (0.001, 0.004)}  # fmt: skip
"""Attack of the amplitude, seconds, drawn evenly in the logarithm."""

DECAYS = {"bass": (0.3, 3.0), "lead": (0.3, 3.0), "pad": (1.0, 6.0), "organ": (0.1, 1.0),
          "pluck": (0.3, 3.0), "percussion": (0.05, 1.0)}  # fmt: skip
"""Decay of the amplitude, seconds, drawn evenly in the logarithm."""

SUSTAINS = {"bass": (0.2, 0.9), "lead": (0.4, 1.0), "pad": (0.5, 1.0), "organ": (0.8, 1.0),
            "pluck": (0.0, 0.0), "percussion": (0.0, 0.0)}  # fmt: skip
"""Sustain level of the amplitude."""

CUTOFFS = {"bass": (100, 1500), "lead": (500, 6000), "pad": (300, 4000), "organ": (800, 12000),
           "pluck": (300, 4000), "percussion": (200, 8000)}  # fmt: skip
"""Hz, drawn evenly in the logarithm."""


def draw_patch(seed: int, *, category: str | None = None) -> PatchConfig:
    """Draw the knobs of one patch; equal seeds give equal patches.

    The waveform of each of one to three oscillators is any of four; the second is −12, 0, 7 or 12 semitones from the
    first, all are detuned by up to ±15 cents. Pulse width 0.1…0.9; ring modulation in one of six with two, noise in
    three of ten (all percussion), overdrive of 3…24 dB in one of four, echo in three of ten. Two or four poles; the
    response is low-pass in seven of ten patches, else band-pass or high-pass; resonance −3…18 dB, tracking 0…1, the
    envelope moves the cutoff by −1…5 octaves. LFO of 0.1…8 Hz: vibrato up to 40 cents, cutoff up to 1.5 octaves, pulse
    width up to 0.3, tremolo up to 9 dB, each in one of four patches. Attack, decay, sustain and cutoff have ranges by
    category: ``ATTACKS``, ``DECAYS``, ``SUSTAINS``, ``CUTOFFS``; release 0.03…1 s.

    Args:
        seed: 0 or more.
        category: One of ``CATEGORIES``; drawn if not given.

    Returns:
        The patch.

    Raises:
        ValueError: If there is no such category.

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
