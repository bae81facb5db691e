"""A sustain of any length: no click, no change of pitch, vibrato at its own rate."""

import numpy as np
import pytest
import torch
from conftest import tone
from methods import by_partials

from intertone.harmonic.morph.landmark import Landmarks
from intertone.harmonic.morph.sustain import sustain_landmarks, sustained_positions
from intertone.morphing import MorphConfig
from intertone.pitch.note import hz_to_cents
from intertone.pitch.yin import track_pitch
from intertone.representation import Analysis, HarmonicConfig, HarmonicRepresentation

RATE = 16000
CONFIG = HarmonicConfig(sample_rate=RATE, hop_length=160, f_max=7600)
SMALL, METHOD = HarmonicRepresentation(CONFIG), by_partials(CONFIG)
OWN = Landmarks(3.0, 83.0, 95.0)
STEADY = torch.full((96,), 200.0)


def places(own: Landmarks, frames: float, level: torch.Tensor, f0: torch.Tensor = STEADY) -> torch.Tensor:
    common = sustain_landmarks(own, frames)
    return sustained_positions(own, common, level, f0, round(common.end) + 1, frame_seconds=0.01)


@pytest.mark.parametrize("frames", [90, 120, 200, 777.7, 3000])
def test_a_longer_sustain_is_walked_at_its_own_speed(frames: float) -> None:
    found = places(OWN, frames, torch.zeros(96))
    steps = found.diff()
    assert steps.abs().max() < 1 + 1e-9
    # of all steps few are turns, the rest is natural speed, forth or back
    turns = 1 + 2 * np.ceil((frames - 83) / (2 * 64))
    assert int((steps.abs() < 1 - 1e-6).sum()) <= 12 * turns
    # no corner: a tenth of a second from one direction to the other, or all there is
    span = (frames - 83) / (turns - 1)
    assert float(steps.diff().abs().max()) < 1.1 * 4 / min(10, span)
    # attack and release are the sound's own, and it does not walk into them
    assert torch.allclose(found[:10], torch.arange(10.0, dtype=torch.float64))
    tail = found[round(frames) + 1 :]
    expected = 84 + torch.arange(len(tail) - 1, dtype=torch.float64) + round(frames) - frames
    assert torch.allclose(tail[:-1], expected)
    assert 11 <= float(found[20 : round(frames) - 9].min()) and float(found.max()) <= 95


def test_a_shorter_sustain_leaves_out_a_piece_between_places_that_fit() -> None:
    time = torch.arange(96)
    f0 = 200 * 2 ** (torch.sin(2 * torch.pi * time / 18) / 24)  # 50 cents, 18 frames long
    found = places(OWN, 47, torch.zeros(96), f0)
    steps = found.diff()
    jumps = steps[steps > 1.01]
    assert len(jumps) == 1 and float(jumps) == pytest.approx(37, abs=0.01)
    assert int(((steps - 1).abs() < 1e-9).sum()) == len(steps) - 1
    # 36 frames are two turns of the vibrato; with 45 no place fits as well, but none is far off
    at = int(steps.argmax())
    cents = hz_to_cents(f0[found[at + 1].round().long()], f0[found[at].round().long()])
    assert abs(float(cents)) < 20


def test_what_fades_is_stretched() -> None:
    level = -0.4 * torch.arange(96.0)
    steps = places(OWN, 243, level).diff()
    assert torch.allclose(steps[4:240], torch.tensor(1 / 3, dtype=torch.float64), atol=1e-9)
    # 8 dB in all are walked; a part is chosen over which it is less than 3 dB
    found = places(OWN, 243, 0.25 * level)
    turned = found[1:-1][(found[1:-1] > found[:-2]) & (found[1:-1] > found[2:])]
    assert len(turned) >= 2 and float(found[100:200].max() - found[100:200].min()) < 31


def test_hardly_any_sustain_is_stretched() -> None:
    assert float(places(Landmarks(3, 13, 95), 60, torch.zeros(96)).diff()[4:59].max()) < 0.2


def vibrato(seconds: float = 1.2, depth: float = 40, rate: float = 5.5) -> torch.Tensor:
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    f0 = 220 * 2 ** (depth * torch.sin(2 * torch.pi * rate * time) / 1200)
    turns = torch.cumsum(f0, 0) / RATE
    sound = sum(torch.sin(2 * torch.pi * k * turns + k) / k for k in range(1, 20))
    shape = (1 - torch.exp(-time / 0.02)) * torch.clamp((seconds - time) / 0.15, max=1)
    return (0.3 * torch.as_tensor(sound) * shape).float()


def held(sound: torch.Tensor, seconds: float) -> torch.Tensor:
    prepared = METHOD.prepare(SMALL.analyse(sound))
    ((features, context),) = METHOD.align([prepared], torch.tensor([1.0]), MorphConfig(hold_seconds=seconds))
    return SMALL.synthesise(Analysis(features, context))


def test_a_vibrato_keeps_its_rate_and_its_depth() -> None:
    sound = held(vibrato(), 3.0)
    assert 3.05 < len(sound) / RATE < 3.25
    f0, periodicity = track_pitch(sound, RATE, f_min=150, f_max=330, hop_length=160)
    cents = hz_to_cents(f0, 220.0)[20:290]
    assert float(periodicity[20:290].min()) > 0.98
    assert abs(float(cents.abs().max()) - 40) < 5
    spectrum = torch.fft.rfft((cents - cents.mean()) * torch.hann_window(len(cents)), 4096).abs()
    assert float(spectrum.argmax()) * 100 / 4096 == pytest.approx(5.5, abs=0.4)


def test_a_steady_tone_stays_on_pitch_and_level_at_the_turns() -> None:
    sound = held(vibrato(depth=0), 4.0)
    f0, _ = track_pitch(sound, RATE, f_min=150, f_max=330, hop_length=160)
    assert float(hz_to_cents(f0, 220.0)[20:390].abs().max()) < 5
    level = 10 * torch.log10(sound[4000:62000].unfold(0, 1600, 400).square().mean(1))
    assert float(level.max() - level.min()) < 1


def test_inharmonic_partials_keep_their_frequencies_whichever_way_time_goes() -> None:
    time = torch.arange(round(1.2 * RATE), dtype=torch.float64) / RATE
    shape = (1 - torch.exp(-time / 0.02)) * torch.clamp((1.2 - time) / 0.15, max=1)
    sound = (0.2 * shape * (torch.sin(2 * torch.pi * 220 * time) + torch.sin(2 * torch.pi * 664 * time))).float()
    result = held(sound, 3.0)[8000:40000].double()
    spectrum = torch.fft.rfft(result * torch.hann_window(len(result)), 2**18).abs()
    bins = torch.arange(len(spectrum)) * RATE / 2**18
    above = (bins > 600) & (bins < 730)
    assert float(bins[above][spectrum[above].argmax()]) == pytest.approx(664, abs=0.5)


def stereo(hz: float, turn: float, decay: float = 0.0) -> torch.Tensor:
    """A tone whose right channel has another frequency, or turns against the left one by a part of a period."""
    time = torch.arange(round(1.2 * RATE), dtype=torch.float64) / RATE
    shape = (1 - torch.exp(-time / 0.02)) * torch.clamp((1.2 - time) / 0.15, max=1) * torch.exp(-decay * time)
    phases = torch.stack([220 * time, hz * time + turn * time / 1.2])
    return (0.1 * shape * sum(torch.sin(2 * torch.pi * k * phases) for k in (1, 2, 3))).float()


def test_the_channels_of_a_held_note_do_not_drift_apart() -> None:
    sound = held(stereo(220, 0.15), 8.0)
    middle = sound.mean(0)[RATE : 7 * RATE].unfold(0, 1600, 1600)
    level = 10 * torch.log10(middle.square().mean(1) / sound[:, RATE : 7 * RATE].square().mean())
    assert float(level.min()) > -4.5  # the third partial turns by 0.45 periods; in antiphase all vanish


@pytest.mark.parametrize("decay", [0.0, 2.5])  # a loop, and a sound that is stretched
def test_detuned_channels_of_a_held_note_keep_their_frequencies(decay: float) -> None:
    for channel, hz in zip(held(stereo(223, 0, decay), 8.0), (220, 223), strict=True):
        part = channel[RATE : 7 * RATE].double()
        spectrum = torch.fft.rfft(part * torch.hann_window(len(part)), 2**18).abs()[: round(300 * 2**18 / RATE)]
        assert float(spectrum.argmax()) * RATE / 2**18 == pytest.approx(hz, abs=0.2)


@pytest.mark.parametrize("right", ["silent", "noise"])
def test_a_quiet_channel_does_not_move_the_frequencies_of_the_other(right: str) -> None:
    time = torch.arange(round(1.2 * RATE), dtype=torch.float64) / RATE
    shape = (1 - torch.exp(-time / 0.02)) * torch.clamp((1.2 - time) / 0.15, max=1)
    left = sum(torch.sin(2 * torch.pi * hertz * time) for hertz in (220, 441.5, 658.5))
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0)).double()
    sound = held((0.1 * shape * torch.stack([left, 0.003 * noise * (right == "noise")])).float(), 6.0)[0]
    spectrum = torch.fft.rfft(sound.double())
    hertz = torch.fft.rfftfreq(len(sound), 1 / RATE)
    for partial in (441.5, 658.5):
        band = torch.where((hertz - partial).abs() < 60, spectrum, 0)
        turning = torch.fft.ifft(torch.nn.functional.pad(2 * band, (0, len(sound) - len(band))))[RATE : 5 * RATE]
        speed = (turning[1:] * turning[:-1].conj()).angle() / (2 * torch.pi) * RATE
        assert float((speed.unfold(0, 800, 800).mean(1) - partial).abs().max()) < 0.5


@pytest.mark.parametrize("seconds", [0.4, 1.0, 3.0])
def test_a_plucked_tone_rings_as_long_as_it_is_held(seconds: float) -> None:
    sound = held(tone(57, decay=6, seconds=1.2), seconds)
    energy = sound.double().square()
    level = 10 * torch.log10(energy.unfold(0, 400, 400).mean(1) / energy[:400].mean())
    reached = float((level < -30).int().argmax()) * 400 / RATE
    whole = 10 * torch.log10(tone(57, decay=6, seconds=1.2).double().square().unfold(0, 400, 400).mean(1))
    own = float((whole - whole[0] < -30).int().argmax()) * 400 / RATE
    assert reached / own == pytest.approx(seconds / 1.2, rel=0.15)


def test_a_held_sound_must_be_laid_by_its_envelope() -> None:
    with pytest.raises(ValueError, match="hold_seconds must be used with the alignment envelope, got onset"):
        MorphConfig(alignment="onset", hold_seconds=1.0)
