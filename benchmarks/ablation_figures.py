"""Figures of the ablation, each of three sets of notes or seeds: error of the tracker, of YIN, of combs, of loops, …"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import chords
import numpy as np
import numpy.typing as npt
import torch
from ablation_morph import end_figures, morph_figures, sustain_figures, transposition_figures
from ablation_noise import moving_figures, noisy_figures
from ablation_notes import DECAYING, RATE, SETS, Figures, drawn, sound_of
from ablation_phrases import offset_figures, phrase_figures
from torch import Tensor

from intertone.audio import resample
from intertone.bench.hard.fall import pulse_range_db
from intertone.bench.hard.unison import detuned_unison
from intertone.data.notes import Notes
from intertone.data.soundfont import find_soundfont
from intertone.data.synth import Synth
from intertone.evaluate.draw import program_of
from intertone.evaluate.studies.f0_tracker import lowest_partial
from intertone.harmonic.pitched import recognise
from intertone.instrument import close_loop, find_loop, find_problems
from intertone.metrics import log_mel_error
from intertone.phase import PhaseConfig
from intertone.pitch import follow_pitch
from intertone.pitch.comb import fit_comb, spectral_peaks
from intertone.pitch.heterodyne import refine_pitch
from intertone.pitch.note import pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis, HarmonicConfig, HarmonicRepresentation

GROSS_CENTS = 50.0
FAULT = 0.1
"""Height of a click that is put into a note, relative to its peak."""

STRUCK = {8, 9, 10, 11, 12, 13, 14, 15, 98, 108, 112, 113, 114}
"""Programs of bars, bells and steel drums."""

Line = npt.NDArray[np.float64]


def figures(group: str, folder: Path) -> dict[str, list[float]]:
    """Return the figures of a group, each of the three sets, from the note set in ``folder``."""
    notes = Notes.open(folder)
    found = [GROUPS[group](notes, number) for number in range(SETS)]
    return {name: [one[name] for one in found] for name in found[0]}


def partials(
    line: Tensor | float, amplitudes: dict[float, float], stiffness: float = 0.0, seconds: float = 0.8
) -> Tensor:
    """Return partials of these amplitudes along a line of f0, one value for each sample."""
    f0 = torch.as_tensor(line, dtype=torch.float64).expand(round(seconds * RATE))
    angle = 2 * torch.pi * torch.cumsum(f0, 0) / RATE
    sines = [
        size * torch.sin(order * (1 + stiffness * order**2) ** 0.5 * angle + order**2)
        for order, size in amplitudes.items()
        if order * (1 + stiffness * order**2) ** 0.5 * float(f0.max()) < 0.47 * RATE
    ]
    return 0.1 * torch.stack(sines).sum(0)


def noise(seed: int, seconds: float = 0.8) -> Tensor:
    """Return white noise of RMS 0.1, float64."""
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(round(seconds * RATE), generator=generator, dtype=torch.float64)


def hard_sounds(seed: int) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield sounds whose f0 is hard to follow: name, sound and f0 of each sample."""
    generator = np.random.default_rng(seed)
    time = torch.arange(round(0.8 * RATE), dtype=torch.float64) / RATE

    def f0_of(low: float, high: float) -> float:
        return float(np.exp(generator.uniform(np.log(low), np.log(high))))

    for _ in range(3):  # a low piano: stiff strings, a weak first partial
        f0, stiffness = f0_of(28, 60), float(generator.uniform(1e-4, 4e-4))
        sizes = {order: (0.1 if order == 1 else 1) * order**-0.7 for order in range(1, 40)}
        yield "low", partials(f0, sizes, stiffness) * torch.exp(-2 * time), torch.full_like(time, f0)
    for low in (60, 200, 450):  # no first partial
        f0 = f0_of(low, 1.5 * low)
        yield "missing", partials(f0, {2: 1, 3: 1, 4: 0.5, 5: 0.5, 6: 0.3}), torch.full_like(time, f0)
        f0 = f0_of(low, 1.5 * low)
        yield "missing", partials(f0, {1: 0.1, 2: 1, 3: 0.1, 4: 0.5}), torch.full_like(time, f0)
    for low in (60, 200, 800):  # vibrato of up to a semitone, and a slide of an octave
        line = f0_of(low, 1.5 * low) * 2 ** (generator.uniform(30, 100) / 1200 * torch.sin(2 * torch.pi * 6 * time))
        yield "vibrato", partials(line, {order: 1 / order for order in range(1, 6)}), line
        slide = f0_of(low, 1.5 * low) * 2**time
        yield "vibrato", partials(slide, {order: 1 / order for order in range(1, 4)}), slide
    for f0 in (f0_of(100, 300), f0_of(300, 600)):  # steps of an octave every 200 ms
        line = f0 * 2 ** (torch.div(time, 0.2, rounding_mode="floor") % 2)
        yield "jump", partials(line, {order: 1 / order for order in range(1, 8)}), line
    for low in (60, 200, 800):  # a tone in noise, 6 dB below it, between silences
        f0 = f0_of(low, 1.5 * low)
        tone = partials(f0, {order: 1 / order for order in range(1, 6)})
        sound = tone + noise(int(generator.integers(1 << 30))) * 0.5 * tone.square().mean().sqrt() / 0.1
        yield "noisy", sound, torch.full_like(time, f0)
    for low in (80, 200):  # the modes of a bar
        f0 = f0_of(low, 1.5 * low)
        bar = partials(f0, {1.0: 1.0, 2.99: 0.3, 5.76: 0.5}) * torch.exp(-4 * time)
        yield "bar", bar, torch.full_like(time, f0)
    f0 = f0_of(150, 600)  # a note of 60 ms, and a note after silence
    short = torch.zeros_like(time)
    short[4000:4960] = (partials(f0, {1: 1, 2: 0.5, 3: 0.3}) * 1.0)[:960] * torch.hann_window(960).double().sqrt()
    line = torch.full_like(time, torch.nan)
    line[4200:4760] = f0
    yield "short", short, line
    yield "none", noise(int(generator.integers(1 << 30))), torch.full_like(time, torch.nan)


def track_figures(notes: Notes, number: int) -> Figures:
    """Return the share of wrong frames, the median error and the share of voiced frames of notes and of hard sounds."""
    wrong, cents, voiced = [], [], []
    hop = round(0.01 * notes.sample_rate)
    for row in drawn(notes, number, 36):
        sound, f0 = sound_of(notes, row, 1.5), pitch_to_hz(int(notes.pitch[row]))
        track = follow_pitch(sound, notes.sample_rate, hop_length=hop)
        level = torch.nn.functional.pad(sound.double(), (hop, 2 * hop)).unfold(0, 2 * hop, hop).square().sum(1)
        loud = (level >= 1e-4 * level.max())[: len(track.f0)]
        judged = loud & track.voiced
        # some notes sound an octave beside their key; the lowest partial that sounds is right too
        near = [one for one in (f0, lowest_partial(sound, notes.sample_rate)) if one == one]
        off = torch.stack([(1200 * torch.log2(track.f0 / one)).abs() for one in near]).amin(0)[judged]
        wrong += (~(off <= GROSS_CENTS)).double().tolist()
        cents += off[off <= GROSS_CENTS].tolist()
        voiced += track.voiced[loud].double().tolist()
    found = {
        "notes, wrong frames, %": 100 * float(np.mean(wrong)),
        "notes, cents": float(np.median(cents)),
        "notes voiced, %": 100 * float(np.mean(voiced)),
    }
    lost, far, heard = [], [], []
    for name, sound, line in hard_sounds(number):
        track = follow_pitch(sound.float(), RATE, hop_length=160)
        wanted = line[(160 * torch.arange(len(track.f0))).clip(max=len(line) - 1)]
        known = wanted.isfinite()
        off = (1200 * torch.log2(track.f0 / wanted)).abs()[known]
        bad = ~(off <= GROSS_CENTS) | ~track.voiced[known]
        if name != "none":
            lost.append(float(bad.double().mean()))
            far += off[~bad].tolist()
        else:
            heard += track.voiced.double().tolist()
    found |= {"hard, wrong or unvoiced, %": 100 * float(np.mean(lost)), "hard, cents": float(np.median(far))}
    return found | {"noise voiced, %": 100 * float(np.mean(heard))}


def yin_figures(notes: Notes, number: int) -> Figures:
    """Return the share of wrong notes and the mean error of ``note_pitch``, and the share of noises with a pitch."""
    errors = []
    for row in drawn(notes, number, 24):
        f0, sound = pitch_to_hz(int(notes.pitch[row])), resample(sound_of(notes, row, 0.6), notes.sample_rate, RATE)
        found, lowest = note_pitch(sound, RATE), lowest_partial(sound, RATE)
        errors.append(float(np.nanmin([abs(1200 * np.log2(found / near)) for near in (f0, lowest)])))
    hard = []
    for name, sound, line in hard_sounds(number):
        if name in ("low", "missing", "noisy", "bar"):
            hard.append(abs(1200 * np.log2(note_pitch(sound.float(), RATE) / float(line[0]))))
    noises = [note_pitch(noise(100 * number + seed).float(), RATE) for seed in range(4)]
    right = [error for error in [*errors, *hard] if error <= GROSS_CENTS]
    return {
        "notes wrong, %": 100 * float(np.mean([not error <= GROSS_CENTS for error in errors])),
        "hard wrong, %": 100 * float(np.mean([not error <= GROSS_CENTS for error in hard])),
        "cents": float(np.mean(right)),
        "noise with a pitch, %": 100 * float(np.mean([one == one for one in noises])),
    }


def strings(number: int) -> Iterator[tuple[Tensor, float, float]]:
    """Yield stiff strings in noise: sound, f0 and inharmonicity."""
    generator = np.random.default_rng(number)
    for index in range(12):
        f0, stiffness = float(np.exp(generator.uniform(4.2, 6.7))), float(generator.uniform(0, 3.8e-4))
        stiffness = 0.0 if index % 3 == 0 else stiffness
        sizes = {order: float(order ** -generator.uniform(0.6, 1.4)) for order in range(1, 40)}
        tone = partials(f0, sizes, stiffness, 1.3)
        level = 10 ** (-generator.uniform(15, 50) / 20) * tone.square().mean().sqrt() / 0.1
        yield (tone + level * noise(int(generator.integers(1 << 30)), 1.3)).float(), f0, stiffness


def comb_figures(notes: Notes, number: int) -> Figures:
    """Return the errors of the comb of strings and of notes, and what it explains of one note and of two."""
    cents, stiff, explained, two = [], [], [], []
    for (sound, f0, stiffness), (other, _, _) in pairwise(strings(number)):
        comb = fit_comb(spectral_peaks(sound, RATE), f0 / 1.02, f0 * 1.02)
        cents.append(abs(1200 * np.log2(comb.f0 / f0)))
        stiff.append(1e6 * abs(comb.inharmonicity - stiffness))
        explained.append(comb.explained)
        two.append(fit_comb(spectral_peaks(sound + other, RATE), f0, f0).explained)
    label = []
    for row in drawn(notes, number, 20):
        sound = resample(sound_of(notes, row, 1.5), notes.sample_rate, RATE)
        f0 = pitch_to_hz(int(notes.pitch[row]))
        label.append(abs(1200 * np.log2(fit_comb(spectral_peaks(sound, RATE), f0, f0).f0 / f0)))
    return {
        "strings, cents": float(np.mean(cents)),
        "notes, cents": float(np.nanmedian(label)),
        "B, 1e-6": float(np.mean(stiff)),
        "explained, %": 100 * float(np.mean(explained)),
        "of two notes, %": 100 * float(np.mean(two)),
    }


def heterodyne_figures(notes: Notes, number: int) -> Figures:
    """Return the errors of the refined f0 of strings and of a vibrato, and of their inharmonicity."""
    generator = np.random.default_rng(number)
    cents, stiff, moved = [], [], []
    for sound, f0, stiffness in strings(number):
        line, found = refine_pitch(sound, f0 * 2 ** (generator.uniform(-40, 40) / 1200), RATE)
        cents.append(float((1200 * torch.log2(line[10:-10] / f0)).abs().mean()))
        stiff.append(1e6 * abs(found - stiffness))
    time = torch.arange(round(0.8 * RATE), dtype=torch.float64) / RATE
    for _ in range(4):
        f0 = float(np.exp(generator.uniform(4.6, 6.7)))
        wanted = f0 * 2 ** (30 / 1200 * torch.sin(2 * torch.pi * 5.5 * time))
        line, _ = refine_pitch(partials(wanted, {order: 1 / order for order in range(1, 12)}).float(), f0, RATE)
        known = wanted[(80 * torch.arange(len(line))).clip(max=len(wanted) - 1)]
        moved.append(float((1200 * torch.log2(line / known))[10:-10].abs().mean()))
    return {
        "strings, cents": float(np.mean(cents)),
        "vibrato, cents": float(np.mean(moved)),
        "B, 1e-6": float(np.mean(stiff)),
    }


def harmonics() -> HarmonicRepresentation:
    """Return the representation by partials at 16 kHz."""
    return HarmonicRepresentation(HarmonicConfig(sample_rate=RATE, hop_length=160, f_max=7600))


def recognition_figures(notes: Notes, number: int) -> Figures:
    """Return how many notes are recognised as pitched, and how many drums, noises and chords as not."""
    representation, generator = harmonics(), np.random.default_rng(number)

    def pitched(sound: Tensor) -> bool:
        return recognise(*representation.analyse(sound.float()[None, None]), representation.config)[0].pitched

    def at_rate(row: int) -> Tensor:
        return resample(sound_of(notes, row, 1.0), notes.sample_rate, RATE)

    tones = [pitched(at_rate(row)) for row in drawn(notes, number, 16)]
    drums = [pitched(at_rate(row)) for row in drawn(notes, number, 12, pitched=False)]
    with Synth(find_soundfont(), sample_rate=chords.RATE, gain=0.8) as synth:
        for program in generator.choice(chords.PROGRAMS, 24, replace=False):
            name, root = str(generator.choice(list(chords.CHORDS))), int(generator.integers(*chords.ROOTS))
            steps = chords.CHORDS[name][generator.integers(len(chords.CHORDS[name]))]
            played = [chords.chord(synth, int(program), [root + step for step in each]) for each in ((0,), steps)]
            for found, sound in zip((tones, together := []), played, strict=True):
                if sound is not None:
                    found.append(pitched(resample(sound.mean(0), chords.RATE, RATE)))
    return {
        "notes right, %": 100 * float(np.mean(tones)),
        "drums right, %": 100 * (1 - float(np.mean(drums))),
        "chords right, %": 100 * (1 - float(np.mean(together))),
    }


def struck_figures(notes: Notes, number: int) -> Figures:
    """Return how far struck bars, bells and drums of one pitch are found and analysed: by label, and resynthesised."""
    representation, near, errors = harmonics(), [], []
    rows = [row for row in drawn(notes, number, len(notes)) if program_of(notes, row) in STRUCK][:16]
    for row in rows:
        sound = resample(sound_of(notes, row, 1.5), notes.sample_rate, RATE)
        analysis = Analysis(*representation.analyse(sound[None, None]))
        f0 = float(analysis.context.sounds[0].f0.median())
        near.append(abs(12 * np.log2(f0 / pitch_to_hz(float(notes.pitch[row])))) < 0.5)
        generator = torch.Generator().manual_seed(number)
        without = representation.synthesise(
            analysis, phase=PhaseConfig(method="pghi-fast"), residual=False, generator=generator
        ).flatten()
        errors.append(float(log_mel_error(without, sound)))
    return {
        "struck, f0 as labelled, %": 100 * float(np.mean(near)),
        "struck, log-mel error, dB": float(np.mean(errors)),
    }


def octave_levels(sound: Tensor, at: int, rate: int) -> Tensor:
    """Return the level of each octave from 125 Hz of 160 ms around a place, dB, none below −40 of the loudest."""
    half = round(0.08 * rate)
    part = sound[max(0, at - half) : at + half]
    power = torch.fft.rfft(part * torch.hann_window(len(part))).abs().square()
    edges = [round(125 * 2**octave * len(part) / rate) for octave in range(8)]
    octaves = torch.stack([power[low:high].sum() for low, high in pairwise(edges) if high <= len(power)])
    return 10 * torch.log10(octaves + 1e-4 * octaves.max() + 1e-20)


def kinds(sound: Tensor, rate: int) -> set[str]:
    """Return the kinds of problems of a sound, without their places."""
    return {problem.partition(" at ")[0] for problem in find_problems(sound, rate)}


def loop_figures(notes: Notes, number: int) -> Figures:
    """Return how many held and decaying notes get a loop, and how its ends differ; all notes at 22.05 kHz."""
    rate, kept, faded, level, timbre, pulse, length, clicks = 22050, [], [], [], [], [], [], []
    sounds = [
        (resample(notes.audio([row])[0], notes.sample_rate, rate), program_of(notes, row) in DECAYING)
        for row in drawn(notes, number, 36)
    ]
    generator = np.random.default_rng(number)
    sounds += [(detuned_unison(f0, rate, generator, seconds=4, held_seconds=3)[0], False) for f0 in (110.0, 330.0)]
    for sound, decays in sounds:
        loop = find_loop(sound[None], rate, 3.0)
        (faded if decays else kept).append(loop is not None)
        if loop is None or decays:
            continue
        closed = close_loop(sound[None], loop, rate)[0]
        turn, count = closed[loop.start : loop.end], 1 + round(5 * rate / (loop.end - loop.start))
        played = torch.cat([closed[: loop.end], *[turn] * count, closed[loop.start :]])
        window = round(0.1 * rate)
        before, after = played[loop.end - window : loop.end], played[loop.end : loop.end + window]
        reach = round(0.3 * rate)
        turned = played[max(0, loop.end - reach) : loop.end + reach]
        clicks.append(bool(kinds(turned, rate) - kinds(sound, rate)))
        level.append(abs(float(10 * torch.log10(before.square().mean() / after.square().mean()))))
        ends = [octave_levels(played, loop.end + step, rate) for step in (-round(0.08 * rate), round(0.08 * rate))]
        timbre.append(float((ends[0] - ends[1]).abs().max()))
        own = pulse_range_db(sound, 0.5, 2.9, rate)
        pulse.append(max(0.0, pulse_range_db(played, 1.1, 6.0, rate) - own))
        length.append((loop.end - loop.start) / rate)
    return {
        "held with a loop, %": 100 * float(np.mean(kept)),
        "decaying with a loop, %": 100 * float(np.mean(faded)),
        "length, s": float(np.mean(length)),
        "level jump, dB": float(np.mean(level)),
        "timbre jump, dB": float(np.mean(timbre)),
        "pulse, dB": float(np.mean(pulse)),
        "clicks at the turn, %": 100 * float(np.mean(clicks)),
    }


def check_figures(notes: Notes, number: int) -> Figures:
    """Return how many faults are found that were put into notes, and how many in notes that have none."""
    generator, found, false = np.random.default_rng(number), {"clicks": [], "dropouts": [], "clipping": []}, []
    words = {"clicks": "a click", "dropouts": "a dropout", "clipping": "clipping"}
    for row in drawn(notes, number, 24):
        whole = resample(sound_of(notes, row, 1.0), notes.sample_rate, RATE)
        false.append(bool(find_problems(whole, RATE)))
        at, peak = int(generator.integers(3000, 9000)), float(whole.abs().max())
        faulty = {name: whole.clone() for name in words}
        faulty["clicks"][at] += FAULT * peak
        faulty["dropouts"][at : at + 48] = 0
        faulty["clipping"] = whole.clamp(-0.6 * peak, 0.6 * peak)
        for name, sound in faulty.items():
            found[name].append(any(one.startswith(words[name]) for one in find_problems(sound, RATE)))
    # the beginnings of notes and the turns of loops of noise, where nothing is wrong
    bursts = [noise(number * 100 + seed, 0.4) * torch.exp(-torch.arange(6400) / 900) for seed in range(6)]
    false += [bool(find_problems(torch.cat([torch.zeros(800), burst]).float(), RATE)) for burst in bursts]
    shares = {f"{name} found, %": 100 * float(np.mean(values)) for name, values in found.items()}
    return shares | {"false alarms, %": 100 * float(np.mean(false))}


def analysis_figures(notes: Notes, number: int) -> Figures:
    """Return the error of notes that are synthesised from their harmonic features, without and with their residual."""
    representation, errors, differences = harmonics(), [], []
    for row in drawn(notes, number, 12):
        sound = resample(sound_of(notes, row, 1.5), notes.sample_rate, RATE)
        analysis = Analysis(*representation.analyse(sound[None, None]))
        generator = torch.Generator().manual_seed(number)
        without = representation.synthesise(
            analysis, phase=PhaseConfig(method="pghi-fast"), residual=False, generator=generator
        ).flatten()
        errors.append(float(log_mel_error(without, sound)))
        off = (without - sound).square().sum() / sound.square().sum().clamp_min(1e-12)
        differences.append(float(10 * torch.log10(off.clamp_min(1e-30))))
    return {"log-mel error, dB": float(np.median(errors)), "difference, dB": float(np.median(differences))}


GROUPS: dict[str, Callable[[Notes, int], Figures]] = {
    "tracker": track_figures,
    "yin": yin_figures,
    "comb": comb_figures,
    "heterodyne": heterodyne_figures,
    "recognition": recognition_figures,
    "struck": struck_figures,
    "loops": loop_figures,
    "check": check_figures,
    "analysis": analysis_figures,
    "morph": morph_figures,
    "ends": end_figures,
    "transposition": transposition_figures,
    "sustain": sustain_figures,
    "noisy": noisy_figures,
    "moving": moving_figures,
    "phrases": phrase_figures,
    "offset": offset_figures,
}
"""Groups of figures by name."""
