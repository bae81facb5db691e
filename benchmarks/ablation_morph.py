"""Figures of the ablation for constants of the morph: mixtures, transposition and sustain, all without a network."""

import numpy as np
import torch
from ablation_notes import DECAYING, RATE, Figures, drawn, sound_of
from torch import Tensor

from intertone.audio import resample
from intertone.bench.hard.attack import attack_course, attack_error_db
from intertone.bench.hard.fall import pulse_range_db
from intertone.bench.hard.pairs import draw_hard_pairs
from intertone.bench.hard.phase_jump import phase_jumps
from intertone.bench.hard.third_pitch import third_pitch_db, voice_of
from intertone.bench.synthetic_pairs import oracle, synthetic_pair
from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.evaluate.draw import program_of
from intertone.metrics import log_mel_error
from intertone.models import ConditionedConfig
from intertone.morphing import MorphConfig, analyse_sounds, morph_sources
from intertone.pitch.note import key_name
from intertone.representation import HarmonicConfig

SYNTHETIC = ("S2", "S5", "D2", "P1", "P3")
"""Pairs of the bench whose mixture is known."""

INTERVALS = (12, -12, -24)
"""Transpositions that are compared with the real notes, semitones."""

MODES = (1.0, 2.0, 2.4, 3.0, 4.2, 5.4, 6.8)
"""Frequencies of the partials of a bell over the first."""

HELD_SECONDS, SHORT_SECONDS = 6.0, 1.5
"""Times for which notes of 3 s are sustained."""

RISE_SECONDS = 0.2
"""Steps in which the level of a decaying note is followed."""


def small_codec() -> Codec:
    """Return a codec of harmonic features at 16 kHz; its network has few weights and is not used."""
    features = HarmonicConfig(sample_rate=RATE, hop_length=160, f_max=7600)
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    return Codec(CodecConfig(representation=features, model=model))


def rendered(*sounds: Tensor, mix: float | tuple[float, ...] = 0.5, **settings: object) -> Tensor:
    """Return a morph without a network, ``(samples,)``."""
    sources = analyse_sounds(small_codec(), *sounds, recognise=False)
    return morph_sources(sources, mix, config=MorphConfig.parse({"network": "none", **settings})).flatten()


def error_db(estimate: Tensor, reference: Tensor) -> float:
    """Return the log-mel error of two sounds, cut to the shorter one."""
    length = min(len(estimate), len(reference))
    return float(log_mel_error(estimate[:length], reference[:length]))


def bells(number: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Return four pairs of bells with partials of other levels, and the bell between each, of 1.2 s."""
    generator, found = np.random.default_rng(number), []
    time = torch.arange(round(1.2 * RATE), dtype=torch.float64) / RATE
    for _ in range(4):
        octaves = torch.from_numpy(np.log2(300) + generator.uniform(0, 1.2, (2, 1)) + np.log2(MODES))
        levels = torch.from_numpy(generator.uniform(-3, 0, (2, len(MODES))))
        decays = torch.from_numpy(generator.uniform(0.5, 1.5, (2, len(MODES)))) + torch.arange(len(MODES)) / 2
        three = [torch.cat([each, each.mean(0, keepdim=True)])[..., None] for each in (octaves, levels, decays)]
        pitch, level, decay = three
        sounds = (torch.exp(level - decay * time) * torch.sin(2 * torch.pi * 2**pitch * time)).sum(1)
        found.append(tuple(0.05 * sounds.float()))
    return found


def morph_figures(notes: Notes, number: int) -> Figures:
    """Return errors of mixtures half-way: of synthetic pairs, bells, plucks and ensembles."""
    errors, attacks, thirds, jumps = [], [], [], []
    for name in SYNTHETIC:
        pair = synthetic_pair(name, seed=number, sample_rate=RATE)
        errors.append(error_db(rendered(pair.a, pair.b), oracle(pair, [0.5])[0]))
    two = [error_db(rendered(a, b), between) for a, b, between in bells(number)]
    for hard in draw_hard_pairs(per_kind=1, seed=number, sample_rate=RATE, kinds=("bell", "pluck", "ensemble")):
        sound = rendered(hard.a, hard.b)
        voices = voice_of(hard.a, hard.f0_a, RATE), voice_of(hard.b, hard.f0_b, RATE)
        thirds.append(third_pitch_db(sound, *voices, 0.5, RATE))
        if hard.kind == "ensemble":
            own = max(phase_jumps(source, hard.f0_a, RATE) for source in (hard.a, hard.b))
            jumps.append(phase_jumps(sound, hard.f0_a, RATE) - own)
        else:
            courses = [attack_course(one, hard.onsets[0], RATE) for one in (sound, hard.a, hard.b)]
            attacks.append(abs(attack_error_db(*courses, 0.5)))
    return {
        "synthetic, log-mel error, dB": float(np.mean(errors)),
        "bells, log-mel error, dB": float(np.mean(two)),
        "attack, dB": float(np.mean(attacks)),
        "third pitch, dB": float(np.mean(thirds)),
        "jumps, 1/s": float(np.mean(jumps)),
    }


def end_figures(notes: Notes, number: int) -> Figures:
    """Return what happens near a weight of 1, where the sound itself is approached, and beyond it.

    The first figure is the difference of mixtures at 0.98 and 1, the second the peak of mixtures at 1.5 and −0.5 over
    that of the louder sound.
    """
    steps, peaks = [], []
    pairs = [synthetic_pair(name, seed=number, sample_rate=RATE) for name in SYNTHETIC]
    two = [(pair.a, pair.b) for pair in pairs]
    two += [
        (hard.a, hard.b) for hard in draw_hard_pairs(per_kind=1, seed=number, sample_rate=RATE, kinds=("bell", "pluck"))
    ]
    for a, b in two:
        steps.append(error_db(rendered(a, b, mix=0.98), rendered(a, b, mix=1.0)))
        loudest = max(float(one.abs().max()) for one in (a, b))
        beyond = [float(rendered(a, b, mix=mix).abs().max()) / loudest for mix in (1.5, -0.5)]
        peaks.append(20 * float(np.log10(max(beyond))))
    return {"0.98 to 1, log-mel, dB": float(np.mean(steps)), "beyond, peak, dB": float(np.max(peaks))}


def transposition_figures(notes: Notes, number: int) -> Figures:
    """Return the log-mel error of transposed notes against the real ones."""
    rows = {(notes.instrument[row], int(notes.pitch[row])): row for row in drawn(notes, 0, len(notes), of=1)}
    errors: dict[int, list[float]] = {interval: [] for interval in INTERVALS}
    for row in drawn(notes, number, 600):
        instrument, pitch = notes.instrument[row], int(notes.pitch[row])
        others = {interval: rows.get((instrument, pitch + interval)) for interval in INTERVALS}
        if not 48 <= pitch <= 72 or None in others.values():
            continue
        sources = analyse_sounds(small_codec(), at_rate(notes, row, 1.5), recognise=False)
        for interval, other in others.items():
            config = MorphConfig(network="none", pitch=key_name(pitch + interval))
            sound = morph_sources(sources, (1.0,), config=config).flatten()
            errors[interval].append(error_db(sound, at_rate(notes, other, 1.5)))
        if len(errors[12]) == 8:
            break
    return {f"{interval:+} semitones, log-mel error, dB": float(np.mean(each)) for interval, each in errors.items()}


def sustain_figures(notes: Notes, number: int) -> Figures:
    """Return what sustaining notes of 3 s for 6 and for 1.5 s changes."""
    pulses, errors, short, rises = [], [], [], []
    some = [row for row in drawn(notes, number, 60) if 48 <= notes.pitch[row] <= 84]
    sustained = [row for row in some if program_of(notes, row) not in DECAYING][:4]
    for row in sustained:
        sound = at_rate(notes, row, 3.6)
        own = pulse_range_db(sound, 0.5, 2.9, RATE)
        longer = rendered(sound, mix=(1.0,), hold_seconds=HELD_SECONDS)
        pulses.append(pulse_range_db(longer, 0.5, HELD_SECONDS - 0.1, RATE) - own)
        middle = [one[round(start * RATE) : round((start + 2) * RATE)] for one, start in ((longer, 2.0), (sound, 0.5))]
        errors.append(error_db(*middle))
        less = rendered(sound, mix=(1.0,), hold_seconds=SHORT_SECONDS)
        short.append(pulse_range_db(less, 0.3, SHORT_SECONDS - 0.1, RATE) - own)
    for row in [row for row in some if row not in sustained and program_of(notes, row) in DECAYING][:2]:
        longer = rendered(at_rate(notes, row, 3.6), mix=(1.0,), hold_seconds=HELD_SECONDS)
        size = round(RISE_SECONDS * RATE)
        level = 10 * (longer[: round(HELD_SECONDS * RATE)].unfold(0, size, size).square().mean(1) + 1e-8).log10()
        rises.append(float((level.flip(0).cummax(0).values.flip(0) - level)[1:].max()))
    return {
        "6 s, pulse, dB": float(np.mean(pulses)),
        "6 s, log-mel error, dB": float(np.mean(errors)),
        "1.5 s, pulse, dB": float(np.mean(short)),
        "decaying, rise, dB": float(np.mean(rises)),
    }


def at_rate(notes: Notes, row: int, seconds: float) -> Tensor:
    """Return the beginning of a note at 16 kHz, ``(samples,)``."""
    return resample(sound_of(notes, row, seconds), notes.sample_rate, RATE)
