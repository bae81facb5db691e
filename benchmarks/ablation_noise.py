"""Figures of the ablation: where notes begin behind noise, hum and soft sounds, and their pitch over hum."""

import numpy as np
import torch
from ablation_morph import small_codec
from ablation_notes import RATE, Figures, drawn, sound_of
from torch import Tensor

from intertone.audio import resample
from intertone.data.notes import Notes
from intertone.harmonic.onset import find_onset
from intertone.harmonic.tuning import find_pitch
from intertone.morphing import analyse_sounds
from intertone.pitch.note import hz_to_cents, hz_to_pitch, pitch_to_hz

N_NOTES = 24
LEAD_SECONDS, LATE_SECONDS = 0.3, 0.02
SECONDS = 3.0
MEDIAN_SEMITONES = 0.2
HOP = 128

WHITE = {"noise": -50.0, "louder noise": -40.0, "rain": -27.0}
"""Level of the noise before a note, dB below its peak; rain belongs to the sound."""


def noisy_figures(notes: Notes, number: int) -> Figures:
    """Return how many notes begin or sound at the wrong place or pitch, %, where something else is heard with them."""
    generator = torch.Generator().manual_seed(number)
    late = dict.fromkeys(("clean", *WHITE, "hum", "soft tone"), 0)
    astray = {"pitch off, %": 0, "pitch off over hum, %": 0}
    median = {"median off in silence, %": 0, "median off in hum, %": 0}
    rows = drawn(notes, number, N_NOTES)
    for row in rows:
        sound = resample(sound_of(notes, row, SECONDS), notes.sample_rate, RATE)
        pitch = float(notes.pitch[row])
        begin = _first_loud(sound)
        late["clean"] += abs(find_onset(sound[None], RATE) - begin) > LATE_SECONDS * RATE
        lead = round(LEAD_SECONDS * RATE)
        leads = {name: _at(torch.randn(lead, generator=generator), sound, db) for name, db in WHITE.items()}
        leads["hum"] = _at(_sine(100.0, lead), sound, -40.0)
        leads["soft tone"] = _at(_sine(max(pitch_to_hz(pitch), 140.0), lead), sound, -30.0)
        for name, before in leads.items():
            found = find_onset(torch.cat([before, sound[begin:]])[None], RATE)
            wanted = 0 if name in ("rain", "soft tone") else lead
            late[name] += abs(found - wanted) > LATE_SECONDS * RATE
        over_hum = sound + _at(_sine(50.0, len(sound)), sound, -40.0)
        for name, heard in zip(astray, (sound, over_hum), strict=True):
            f0, _ = find_pitch(heard[None, begin:], RATE, HOP)
            off = hz_to_cents(f0, pitch_to_hz(pitch)).abs() > 50
            astray[name] += float(off.double().mean()) > 0.05
        between = torch.cat([torch.zeros(RATE), sound[begin:], torch.zeros(2 * RATE)])
        hummed = between + _at(_sine(50.0, len(between)), sound, -50.0)
        for name, heard in zip(median, (between, hummed), strict=True):
            analysis = analyse_sounds(small_codec(), heard, recognise=False).analyses[0]
            median[name] += abs(hz_to_pitch(analysis.context.sounds[0].median_hz) - pitch) > MEDIAN_SEMITONES
    counts = {f"begin off, {name}, %": count for name, count in late.items()} | astray | median
    return {name: 100 * count / len(rows) for name, count in counts.items()}


def moving_figures(notes: Notes, number: int) -> Figures:
    """Return the share of frames, %, whose f0 is more than 3 semitones off: in fast slides, melodies, and attacks."""
    generator = np.random.default_rng(number)
    slides, melodies, attacks = [], [], []
    for _ in range(N_NOTES):
        low = generator.uniform(60, 250)
        ratio, seconds = generator.uniform(3, 9), generator.uniform(0.08, 0.25)
        time = torch.arange(RATE // 2) / RATE
        line = low * ratio ** (1 - time / seconds).clamp(min=0)
        phase = 2 * torch.pi * line.cumsum(0) / RATE
        slide = sum(torch.sin(order * phase) / order for order in range(1, 5)) * torch.exp(-3 * time)
        slides.append(_off(torch.as_tensor(slide), line[::HOP]))
        octave = torch.cat([_sine(0.5 * low, round(0.05 * RATE)), _sine(low, RATE // 2)])
        attacks.append(_off(octave, torch.full((len(octave) // HOP,), low)))
    rows = drawn(notes, number, N_NOTES)
    length = round(0.5 * RATE) // HOP * HOP
    for three in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        parts = [resample(sound_of(notes, row, 0.6), notes.sample_rate, RATE)[:length] for row in three]
        parts = [part / part.abs().max() for part in parts]
        hertz = torch.tensor([pitch_to_hz(float(notes.pitch[row])) for row in three])
        melodies.append(_off(torch.cat(parts), hertz.repeat_interleave(length // HOP)))
    found = {"slides": slides, "melodies": melodies, "octave attacks": attacks}
    return {f"f0 off, {name}, %": 100 * float(np.mean(shares)) for name, shares in found.items()}


def _off(sound: Tensor, line: Tensor) -> float:
    """Return the share of frames whose f0 is more than 3 semitones from a line of Hz."""
    f0, _ = find_pitch(sound.float()[None], RATE, HOP)
    count = min(len(f0), len(line))
    return float((hz_to_cents(f0[:count], line[:count].double()).abs() > 300).double().mean())


def _first_loud(sound: Tensor) -> int:
    """Return where the level of 3 ms is first within 46 dB of the loudest."""
    length = round(0.003 * RATE)
    level = sound.double().square().unfold(0, length, 1).mean(1)
    return int((level > level.max() * 10**-4.6).int().argmax())


def _sine(hz: float, samples: int) -> Tensor:
    return torch.sin(2 * torch.pi * hz * torch.arange(samples) / RATE)


def _at(other: Tensor, sound: Tensor, db: float) -> Tensor:
    """Return a sound whose root mean square lies some dB below the peak of another."""
    return other * (10 ** (db / 20) * sound.abs().max() / other.square().mean().sqrt())
