"""The virtual-analogue synthesizer: what a patch says is what sounds, and notes of it are a note set."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import freqz, lfilter
from typer.testing import CliRunner

from intertone.cli import app
from intertone.data.notes import Notes
from intertone.data.patch import (
    CATEGORIES,
    EchoConfig,
    EnvelopeConfig,
    FilterConfig,
    ModulationConfig,
    OscillatorConfig,
    PatchConfig,
    draw_patch,
)
from intertone.data.patch_set import VirtualAnalogueConfig, read_patches, render_patches
from intertone.data.state_variable import BLOCK, state_variable_filter
from intertone.data.virtual_analogue import envelope, oscillator, play_patch
from intertone.errors import InputError

RATE = 44100
OPEN = FilterConfig(cutoff_hz=20000, tracking=0)
HELD = EnvelopeConfig(attack_seconds=0.001, sustain=1)


def level_of(sound: np.ndarray, f0: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the spectrum in dB below its maximum, and whether each bin is of a partial of ``f0``."""
    window = np.blackman(len(sound))
    magnitude = np.abs(np.fft.rfft(window * sound))
    decibels = 20 * np.log10(np.maximum(magnitude / magnitude.max(), 1e-12))
    frequency = np.fft.rfftfreq(len(sound), 1 / RATE)
    order = np.maximum(np.round(frequency / f0), 1)
    return decibels, np.abs(frequency - order * f0) < 6 * RATE / len(sound)


def cents(sound: np.ndarray, expected: float) -> float:
    """Return how far the strongest partial near ``expected`` Hz is from it, by the phase's advance."""
    time = np.arange(len(sound)) / RATE
    down = sound * np.exp(-2j * np.pi * expected * time)
    half = len(sound) // 2
    window = np.blackman(half)
    first, second = (window @ down[:half], window @ down[half : 2 * half])
    advance = np.angle(second / first) / (2 * np.pi * half / RATE)
    return float(1200 * np.log2(1 + advance / expected))


def play(patch: PatchConfig, key: float, *, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    (sound,) = play_patch(patch, [[key]], [127], sample_rate=rate, hold_seconds=seconds, release_seconds=0.1)
    return np.asarray(sound[: round(seconds * rate)], np.float64)


@pytest.mark.parametrize("waveform", ["saw", "pulse", "triangle", "sine"])
def test_oscillators_have_no_aliases(waveform: str) -> None:
    time = np.arange(RATE) / RATE
    config = OscillatorConfig(waveform=waveform, pulse_width=0.3)
    for key in (96, 96.37, 108):
        f0 = 440 * 2 ** ((key - 69) / 12)
        sound = oscillator(config, ModulationConfig(), key, 0 * time, time, start=0.2, sample_rate=RATE)
        decibels, partial = level_of(sound, f0)
        assert decibels[~partial].max() <= -60
        if waveform == "saw":
            assert decibels[np.argmin(np.abs(np.fft.rfftfreq(RATE, 1 / RATE) - 2 * f0))] == pytest.approx(-6, abs=1.5)


def test_overdrive_has_few_aliases() -> None:
    patch = PatchConfig(oscillators=(OscillatorConfig(),), filter=OPEN, amplitude=HELD, overdrive_db=24)
    decibels, partial = level_of(play(patch, 96)[RATE // 10 :], 440 * 2 ** (27 / 12))
    assert decibels[~partial].max() <= -45


@pytest.mark.parametrize("key", [36, 60.5, 84])
def test_a_plain_patch_is_in_tune(key: float) -> None:
    patch = PatchConfig(filter=OPEN, amplitude=HELD)
    assert abs(cents(play(patch, key)[4410:], 440 * 2 ** ((key - 69) / 12))) <= 1


def test_detune_and_vibrato_are_what_the_patch_says() -> None:
    detuned = PatchConfig(oscillators=(OscillatorConfig(waveform="sine", cents=37, semitones=7),), filter=OPEN)
    assert abs(cents(play(detuned, 60)[4410:], 440 * 2 ** ((60 + 7.37 - 69) / 12))) <= 2
    vibrato = PatchConfig(
        oscillators=(OscillatorConfig(waveform="sine"),),
        filter=OPEN,
        amplitude=HELD,
        modulation=ModulationConfig(rate_hz=4, pitch_cents=30),
    )
    sound = play(vibrato, 69, seconds=2)
    phase = np.unwrap(np.angle(_analytic(sound)))
    deviation = 1200 * np.log2(np.diff(phase)[RATE // 4 : -RATE // 4] * RATE / (2 * np.pi) / 440)
    wanted = 30 * np.sin(2 * np.pi * 4 * np.arange(len(sound)) / RATE)[RATE // 4 : -RATE // 4 - 1]
    assert np.abs(deviation - wanted).max() <= 2


def test_a_square_tremolo_does_not_click() -> None:
    modulation = ModulationConfig(waveform="square", rate_hz=4, tremolo_db=12)
    patch = PatchConfig(
        oscillators=(OscillatorConfig(waveform="sine"),), filter=OPEN, amplitude=HELD, modulation=modulation
    )
    sound = play(patch, 69)
    levels = [np.abs(sound[round(t * RATE) : round((t + 0.05) * RATE)]).max() for t in (0.03, 0.16, 0.28, 0.41)]
    assert 20 * np.log10(np.array(levels) / levels[0]) == pytest.approx([0, -12, 0, -12], abs=0.2)
    high = np.abs(np.fft.rfft(np.blackman(len(sound)) * sound))
    # a step of 12 dB would leave −35 dB there
    assert 20 * np.log10(high[5000:].max() / high.max()) < -70


def _analytic(sound: np.ndarray) -> np.ndarray:
    spectrum = np.fft.fft(sound)
    spectrum[len(sound) // 2 :] = 0
    return np.asarray(np.fft.ifft(2 * spectrum))


def response_of(config: FilterConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and the gain in dB that a voice's filter has, by its answer to an impulse."""
    impulse = np.zeros((1, RATE))
    impulse[0, 0] = 1
    stages = config.poles // 2
    resonance = np.array([10 ** (config.resonance_db / 20 / stages)])
    cutoff = np.full((1, math.ceil(RATE / BLOCK)), config.cutoff_hz)
    for _ in range(stages):
        impulse = state_variable_filter(
            impulse, cutoff, resonance, response=np.array([config.response]), sample_rate=RATE
        )
    return np.fft.rfftfreq(RATE, 1 / RATE), 20 * np.log10(np.maximum(np.abs(np.fft.rfft(impulse[0])), 1e-9))


@pytest.mark.parametrize("poles", [2, 4])
@pytest.mark.parametrize("cutoff", [200.0, 1000.0, 6000.0])
def test_cutoff_and_resonance_are_what_the_patch_says(poles: int, cutoff: float) -> None:
    for resonance in (6.0, 18.0):
        low = FilterConfig(poles=poles, cutoff_hz=cutoff, resonance_db=resonance)
        frequency, gain = response_of(low)
        assert frequency[gain.argmax()] == pytest.approx(cutoff, rel=0.05 if resonance > 12 else 0.3)
        assert gain[np.argmin(np.abs(frequency - cutoff))] == pytest.approx(resonance, abs=1)
        assert gain[1] == pytest.approx(0, abs=0.1)
        frequency, gain = response_of(low.model_copy(update={"response": "high-pass"}))
        assert gain[np.argmin(np.abs(frequency - cutoff))] == pytest.approx(resonance, abs=1)
        assert gain[frequency < cutoff / 10].max() < -35 * poles / 2
        frequency, gain = response_of(low.model_copy(update={"response": "band-pass"}))
        assert frequency[gain.argmax()] == pytest.approx(cutoff, rel=0.05) and gain.max() == pytest.approx(0, abs=0.1)


def test_the_slope_is_that_of_the_poles() -> None:
    for poles in (2, 4):
        frequency, gain = response_of(FilterConfig(poles=poles, cutoff_hz=200))
        octave = gain[np.argmin(np.abs(frequency - 1600))] - gain[np.argmin(np.abs(frequency - 3200))]
        assert octave == pytest.approx(6 * poles, abs=1)


def test_a_filter_with_moving_cutoff_is_the_recursion_sample_by_sample() -> None:
    generator = np.random.default_rng(0)
    sound = generator.normal(size=(3, 5 * BLOCK - 7))
    cutoff = generator.uniform(100, 10000, (3, 5))
    resonance = np.array([0.7, 2.0, 8.0])
    response = np.array(["low-pass", "band-pass", "high-pass"])
    found = state_variable_filter(sound, cutoff, resonance, response=response, sample_rate=RATE)
    for row in range(3):
        first = second = 0.0
        for n, sample in enumerate(sound[row]):
            g, k = math.tan(math.pi * cutoff[row, n // BLOCK] / RATE), 1 / resonance[row]
            # solved for the band, with the low-pass a trapezoid behind it
            band = (first + g * (sample - second)) / (1 + g * (g + k))
            low = second + g * band
            first, second = 2 * band - first, 2 * low - second
            wanted = {"low-pass": low, "band-pass": k * band, "high-pass": sample - k * band - low}[response[row]]
            assert found[row, n] == pytest.approx(wanted, abs=1e-9)


def test_a_constant_filter_is_scipys() -> None:
    sound = np.random.default_rng(1).normal(size=(1, 4000))
    g = math.tan(math.pi * 1000 / RATE)
    denominator = [1 + g + g * g, 2 * g * g - 2, 1 - g + g * g]
    wanted = lfilter([g * g, 2 * g * g, g * g], denominator, sound[0])
    found = state_variable_filter(
        sound, np.full((1, 125), 1000.0), np.ones(1), response=np.array(["low-pass"]), sample_rate=RATE
    )
    assert np.allclose(found[0], wanted, atol=1e-9)
    assert abs(freqz([g * g, 2 * g * g, g * g], denominator, [2 * np.pi * 1000 / RATE])[1][0]) == pytest.approx(1)


def test_an_envelope_has_its_times_and_levels() -> None:
    config = EnvelopeConfig(attack_seconds=0.1, decay_seconds=0.5, sustain=0.4, release_seconds=0.2)
    time = np.array([0, 0.05, 0.1, 0.6, 1.0, 1.2])
    found = envelope(config, time, hold_seconds=1.0)
    assert found[:3].tolist() == pytest.approx([0, 0.5, 1])
    assert found[3] == pytest.approx(0.4 + 0.6 * math.exp(-5)) and found[4] == pytest.approx(0.4, abs=1e-3)
    assert found[5] == pytest.approx(found[4] * math.exp(-5))
    # a key that is let go while the attack rises falls from there
    assert envelope(config, np.array([0.05, 0.1]), hold_seconds=0.05)[1] < 0.5


def test_velocity_tracking_and_envelope_move_the_cutoff() -> None:
    def centroid(patch: PatchConfig, key: float, velocity: int) -> float:
        (sound,) = play_patch(patch, [[key]], [velocity], sample_rate=RATE, hold_seconds=0.5, release_seconds=0.1)
        magnitude = np.abs(np.fft.rfft(sound))
        return float((np.fft.rfftfreq(len(sound), 1 / RATE) * magnitude).sum() / magnitude.sum())

    plain = FilterConfig(cutoff_hz=500, tracking=0)
    patch = PatchConfig(filter=plain)
    brighter = {"tracking": 1.0, "envelope_octaves": 4.0}
    for name, value in brighter.items():
        other = PatchConfig(filter=plain.model_copy(update={name: value}))
        assert centroid(other, 84, 127) > 1.2 * centroid(patch, 84, 127)
    soft = PatchConfig(filter=plain.model_copy(update={"velocity_octaves": 3.0}))
    assert centroid(soft, 60, 30) < 0.9 * centroid(soft, 60, 127)
    quiet, loud = (
        play_patch(patch, [[60]], [v], sample_rate=RATE, hold_seconds=0.5, release_seconds=0.1) for v in (1, 127)
    )
    assert 20 * math.log10(np.abs(loud).max() / np.abs(quiet).max()) == pytest.approx(12 * 126 / 127, abs=0.1)


def test_an_echo_repeats_and_fades() -> None:
    short = EnvelopeConfig(attack_seconds=0.001, decay_seconds=0.02, sustain=0, release_seconds=0.01)
    dry = PatchConfig(amplitude=short)
    wet = PatchConfig(amplitude=short, echo=EchoConfig(seconds=0.2, feedback=0.5, level=0.6))
    plain, repeated = (play(patch, 60, seconds=0.9) for patch in (dry, wet))
    delay = round(0.2 * RATE)
    for number in (1, 2, 3):
        part = slice(number * delay, number * delay + 2000)
        assert np.allclose(repeated[part], 0.6 * 0.5 ** (number - 1) * plain[:2000] + plain[part], atol=1e-4)


def test_a_ring_has_the_sums_and_differences() -> None:
    sine = OscillatorConfig(waveform="sine")
    ring = PatchConfig(
        oscillators=(sine.model_copy(update={"level": 0.0}), sine.model_copy(update={"level": 0.0, "semitones": 7})),
        ring=1.0,
        filter=OPEN,
        amplitude=HELD,
    )
    magnitude = np.abs(np.fft.rfft(np.blackman(RATE) * play(ring, 69)))
    found = sorted(np.argsort(magnitude)[-200:])
    second = 440 * 2 ** (7 / 12)
    assert {min(found, key=lambda bin: abs(bin - f)) for f in (second - 440, second + 440)} <= set(found)
    assert magnitude[440] < 0.01 * magnitude.max()
    for frequency in (second - 440, second + 440):
        assert magnitude[round(frequency)] > 0.3 * magnitude.max()


def test_a_note_repeats_in_any_company() -> None:
    patch = draw_patch(11)
    settings = {"sample_rate": 16000, "hold_seconds": 0.3, "release_seconds": 0.2}
    together = play_patch(patch, [[60], [48, 55], [60]], [100, 80, 100], **settings)
    alone = play_patch(patch, [[60]], [100], **settings)
    assert np.array_equal(together[0], together[2]) and np.allclose(together[0], alone[0], atol=1e-6)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_patches_are_drawn_within_their_ranges() -> None:
    patches = [draw_patch(seed) for seed in range(60)]
    assert {patch.category for patch in patches} == set(CATEGORIES)
    assert len({patch.filter.cutoff_hz for patch in patches}) == 60
    assert {patch.filter.response for patch in patches} == {"low-pass", "band-pass", "high-pass"}
    for share in (
        [bool(p.ring) for p in patches],
        [p.overdrive_db > 0 for p in patches],
        [p.echo.level > 0 for p in patches],
    ):
        assert 0 < sum(share) < 30
    assert all(patch.noise for patch in patches if patch.category == "percussion")
    with pytest.raises(ValueError, match=r"category must be one of bass, .*, got drum"):
        draw_patch(0, category="drum")


SMALL = VirtualAnalogueConfig(
    sample_rate=16000, hold_seconds=0.3, release_seconds=0.2, patches=3, pitch_min=48, pitch_max=60, pitch_step=6
)


def test_patches_become_a_note_set(tmp_path: Path) -> None:
    header = render_patches(tmp_path / "a", config=SMALL, workers=1)
    assert header["kind"] == "virtual-analogue" and sum(header["shards"]) == 3 * 3 * 2
    notes = Notes.open(tmp_path / "a")
    assert notes.samples == 8000 and set(notes.pitch.tolist()) == {48, 54, 60}
    assert set(notes.velocity.tolist()) == {75, 127}
    assert read_patches(tmp_path / "a") == {f"patch-{seed:05d}": draw_patch(seed) for seed in range(3)}
    played = play_patch(draw_patch(1), [[54]], [127], sample_rate=16000, hold_seconds=0.3, release_seconds=0.2)
    (row,) = notes.select(instrument="patch-00001", pitch=54, velocity=127)
    assert torch.allclose(notes.audio([row])[0], torch.from_numpy(played[0]), atol=1e-4)
    # again, and after an interruption
    (tmp_path / "b").mkdir()
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_patches(tmp_path / "b", config=SMALL, workers=1, progress=stop)
    render_patches(tmp_path / "b", config=SMALL, workers=1, progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for path in sorted((tmp_path / "a").glob("shard-*.npy")):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_chords_have_no_pitch_and_their_keys_in_the_name(tmp_path: Path) -> None:
    render_patches(tmp_path, config=SMALL.model_copy(update={"polyphony": 4}), workers=1)
    notes = Notes.open(tmp_path)
    n_keys = [name.count("+") + 1 for name in notes.name.tolist()]
    assert set(n_keys) >= {1, 2} and max(n_keys) <= 4
    assert all((pitch == -1) == (count > 1) for pitch, count in zip(notes.pitch, n_keys, strict=True))


def test_the_command_line(tmp_path: Path) -> None:
    words = ["data", "virtual-analogue", "-o", str(tmp_path / "set"), "--patches", "2", "--sample-rate", "16000"]
    words += ["--pitch-min", "60", "--pitch-max", "60", "--velocities", "100", "--workers", "1", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["settings"]["patches"] == 2
    assert len(Notes.open(tmp_path / "set")) == 2
    again = CliRunner().invoke(app, [*words, "--seed", "5"])
    assert isinstance(again.exception, InputError)
    wrong = CliRunner().invoke(app, [*words[:3], str(tmp_path / "other"), "--category", "drum"])
    assert isinstance(wrong.exception, InputError) and "category must be one of" in str(wrong.exception)
    assert not (tmp_path / "other").exists()
    with pytest.raises(InputError, match="must be one of the virtual-analogue synthesizer"):
        read_patches(tmp_path / "other")
