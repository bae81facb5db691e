import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAMPLE_RATE, tone
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance
from torch import Tensor

from intertone import morph
from intertone.audio import load_audio
from intertone.bench.baselines import rms, spectrogram_config, transposed_magnitude
from intertone.bench.decoys import BLUR, DECOYS, blur, progress, third_instrument
from intertone.bench.methods import METHODS, codec_methods
from intertone.bench.pair import Pair
from intertone.bench.sinusoidal import analyse_note, mix_notes
from intertone.bench.transport import find_path
from intertone.codec import Codec
from intertone.metrics.spectral import log_mel_error
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch, track_pitch
from intertone.stft import SpectrogramConfig, stft

ALL = {**METHODS, **DECOYS, "third instrument": third_instrument(lambda pair: tone(50, seconds=len(pair.a) / 16000))}
PLAYED = [name for name in METHODS if name != "crossfade"]
C4, G4 = pitch_to_hz(60), pitch_to_hz(67)


def pair_of(a: Tensor, b: Tensor, f0_a: float, f0_b: float | None = None, sample_rate: int = SAMPLE_RATE) -> Pair:
    return Pair("T", "same", "two tones", a, b, f0_a, f0_b or f0_a, sample_rate)


def partials(
    f0: float | Tensor, levels_db: list[float], *, seconds: float = 1.0, stiffness: float = 0.0, rate: int = SAMPLE_RATE
) -> Tensor:
    """A steady sum of partials ``k·f0·√(1 + B·k²)``, each of a level in dB and an arbitrary phase, ``(samples,)``."""
    samples = round(seconds * rate)
    turns = torch.as_tensor(f0, dtype=torch.float64).expand(samples).cumsum(0) / rate
    orders = torch.arange(1, len(levels_db) + 1, dtype=torch.float64)
    angle = 2 * math.pi * orders * (1 + stiffness * orders**2).sqrt() * turns[:, None] + orders**2
    return (angle.sin() @ 10 ** (torch.tensor(levels_db, dtype=torch.float64) / 20)).float()


def vibrato(f0: float, cents: float, *, seconds: float = 1.0) -> Tensor:
    time = torch.arange(round(seconds * SAMPLE_RATE), dtype=torch.float64) / SAMPLE_RATE
    return f0 * 2 ** (cents / 1200 * (2 * math.pi * 5.5 * time).sin())


def level_db(sound: Tensor, frequencies: list[float]) -> np.ndarray:
    """Amplitude of sinusoids in the middle half of a sound, dB."""
    middle = sound[len(sound) // 4 : -len(sound) // 4].double()
    window = torch.hann_window(len(middle), periodic=False, dtype=torch.float64)
    time = torch.arange(len(middle), dtype=torch.float64) / SAMPLE_RATE
    waves = torch.exp(-2j * math.pi * torch.tensor(frequencies, dtype=torch.float64)[:, None] * time)
    return (20 * torch.log10(2 * (waves @ (window * middle).to(waves.dtype)).abs() / window.sum())).numpy()


@pytest.fixture(scope="module")
def pair() -> Pair:
    return pair_of(tone(60, tilt=0.8, decay=0.5), tone(67, tilt=1.8, decay=3), C4, G4)


# every method


def test_the_methods_have_names() -> None:
    assert list(METHODS) == [
        "crossfade", "linear magnitude", "log magnitude", "aligned log magnitude", "optimal transport", "harmonic",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_a_sound_for_each_ratio_that_does_not_depend_on_the_others(name: str, pair: Pair) -> None:
    torch.manual_seed(len(name))  # of no consequence
    row = ALL[name](pair, [0, 0.3, 1])
    assert row.shape == (3, SAMPLE_RATE) and row.dtype == torch.float32
    assert torch.isfinite(row).all()
    assert torch.equal(ALL[name](pair, [0.3])[0], row[1])


@pytest.mark.parametrize("name", ALL)
def test_silence_is_no_special_case(name: str, pair: Pair) -> None:
    silent = pair_of(torch.zeros(8000), pair.b[:8000], C4)
    row = ALL[name](silent, [0, 0.5])
    assert torch.isfinite(row).all()
    assert float(row[0].abs().max()) < 1e-3


@pytest.mark.parametrize("name", PLAYED)
def test_the_ends_are_played_anew_and_close(name: str, pair: Pair) -> None:
    first, last = METHODS[name](pair, [0, 1])
    for estimate, reference in ((first, pair.a), (last, pair.b)):
        assert 0 < float(log_mel_error(estimate, reference)) < 0.45
        assert not torch.allclose(estimate, reference, atol=0.01)


@pytest.mark.parametrize("name", PLAYED)
def test_the_level_is_interpolated_in_decibels(name: str, pair: Pair) -> None:
    quiet = pair_of(pair.a, 0.01 * pair.b, C4, G4)
    wanted = rms(quiet.a) ** 0.75 * rms(quiet.b) ** 0.25
    assert float(rms(METHODS[name](quiet, [0.25])[0]) / wanted) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_another_sample_rate(name: str) -> None:
    a, b = (partials(f0, [0, -10, -20], seconds=0.3, rate=44100) for f0 in (C4, G4))
    assert ALL[name](pair_of(a, b, C4, G4, 44100), [0.5, 1]).shape == (2, 13230)


def test_codec_method_is_morph(small_codec: Codec, pair: Pair) -> None:
    (method,) = codec_methods(small_codec).values()  # of spectrograms: nothing else goes without the network
    row = method(pair, [0.25, 1])
    assert row.shape == (2, SAMPLE_RATE)
    assert torch.equal(row[0], morph(small_codec, pair.a, pair.b, mix=0.25))
    with pytest.raises(ValueError, match="at the codec's 16000 Hz, got 22050 Hz"):
        method(pair_of(pair.a, pair.b, C4, G4, 22050), [0.5])


# mixtures of waveforms and of spectrograms


def test_crossfade_is_the_weighted_sum(pair: Pair) -> None:
    assert torch.equal(METHODS["crossfade"](pair, [0.3])[0], 0.7 * pair.a + 0.3 * pair.b)


@pytest.mark.parametrize(("name", "wanted"), [("linear magnitude", 0.55), ("log magnitude", 0.1**0.5)])
def test_the_balance_of_two_partials_half_way(name: str, wanted: float) -> None:
    """The second is a tenth of the first in A, and equal to it in B."""
    a, b = partials(500, [0, -20]), partials(500, [0, 0])
    sound = METHODS[name](pair_of(a, b, 500), [0.5])[0]
    power = torch.fft.rfft(sound * torch.hann_window(SAMPLE_RATE)).abs().square()  # bins of 1 Hz
    low, high = (float(power[frequency - 50 : frequency + 51].sum()) for frequency in (500, 1000))
    assert 10 * math.log10(high / low) == pytest.approx(20 * math.log10(wanted), abs=0.2)


def test_only_what_is_told_the_pitches_finds_the_one_between(pair: Pair) -> None:
    target = (C4 * G4) ** 0.5
    for name, method in METHODS.items():
        found = note_pitch(method(pair, [0.5])[0], SAMPLE_RATE)
        off = abs(float(hz_to_cents(found, target)))
        assert off < 2 if name in ("aligned log magnitude", "harmonic") else not off < 100


@pytest.mark.parametrize("factor", [0.5, 2 ** (-1 / 120), 1.2345, 2.0])
def test_a_transposed_spectrogram_is_in_tune_and_in_time(factor: float) -> None:
    config = SpectrogramConfig(n_fft=8192, hop_length=256)
    spectrum = transposed_magnitude(partials(440, [0], seconds=2), factor, config)[:, 60].log()
    top = int(spectrum.argmax())
    before, here, after = spectrum[top - 1 : top + 2].tolist()
    place = top + 0.5 * (before - after) / (before - 2 * here + after)
    assert abs(float(hz_to_cents(place * SAMPLE_RATE / 8192, 440 * factor))) < 0.5
    click = torch.zeros(2 * SAMPLE_RATE)
    click[40 * 256] = 1
    image = transposed_magnitude(click, factor, spectrogram_config(SAMPLE_RATE))
    assert image.shape == (513, 126)
    assert int(image.sum(0).argmax()) == 40


def test_a_spectrogram_transposed_by_1_is_the_spectrogram(pair: Pair) -> None:
    config = spectrogram_config(SAMPLE_RATE)
    assert torch.allclose(transposed_magnitude(pair.a, 1.0, config), stft(pair.a, config).abs(), atol=1e-4)


# optimal transport


def test_a_sinusoid_moves_to_another_as_one() -> None:
    a, b = partials(440, [0]), partials(660, [0])
    for ratio, frequency in ((0.25, 495), (0.5, 550)):
        sound = METHODS["optimal transport"](pair_of(a, b, 440, 660), [ratio])[0]
        power = torch.fft.rfft(sound * torch.hann_window(SAMPLE_RATE)).abs().square()  # bins of 1 Hz
        assert abs(int(power.argmax()) - frequency) <= 3
        assert float(power[frequency - 30 : frequency + 31].sum() / power.sum()) > 0.99
        assert level_db(sound, [440, 660]).max() < level_db(sound, [frequency])[0] - 30


def test_the_path_leads_from_one_spectrum_to_the_other() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 5, 200, generator=generator)
    a[3] = 0  # silent
    path = find_path(a, b)
    assert torch.allclose(path.at(0), a, atol=1e-4)
    assert torch.allclose(path.at(1), b, atol=1e-4)
    assert torch.allclose(path.at(0.3).sum(1), 0.7 * a.sum(1) + 0.3 * b.sum(1), rtol=1e-4)


def test_the_transport_costs_as_little_as_scipys() -> None:
    a, b = torch.rand(2, 1, 300, generator=torch.Generator().manual_seed(1)) ** 4
    path = find_path(a, b)
    first, second = path.ends
    way = (first.centre[path.lobes[0]] - second.centre[path.lobes[1]]).abs()
    wanted = wasserstein_distance(*(x.numpy() for x in (first.centre, second.centre, first.mass, second.mass)))
    assert float((path.mass * way).sum()) == pytest.approx(wanted, rel=1e-4)


# partials and noise


def test_levels_are_interpolated_in_decibels_partial_by_partial() -> None:
    a, b = [0.0, -20, -6, -40, -12, -30], [-10.0, 0, -26, -4, -50, -20]
    pair = pair_of(partials(300, a), partials(450, b), 300, 450)
    for ratio, f0 in ((0.0, 300), (0.5, (300 * 450) ** 0.5), (1.0, 450)):
        measured = level_db(METHODS["harmonic"](pair, [ratio])[0], [k * f0 for k in range(1, 7)])
        wanted = (1 - ratio) * np.array(a) + ratio * np.array(b)
        assert measured - measured.mean() == pytest.approx(wanted - wanted.mean(), abs=0.3)


def test_f0_follows_a_vibrato_and_half_of_it_half_way() -> None:
    f0 = vibrato(440, 25)
    levels = [0.0, -3, -6, -9, -12]
    pair = pair_of(partials(f0, levels), partials(440, levels), 441, 439)
    note = analyse_note(pair.a, pair.f0_a, SAMPLE_RATE)
    inner = slice(10, -10)
    assert hz_to_cents(note.f0, [*f0[::80].tolist(), 440.0])[inner].abs().max() < 1.5
    for ratio, depth in ((0.0, 25), (0.5, 12.5), (1.0, 0)):
        sound = METHODS["harmonic"](pair, [ratio])[0]
        track, _ = track_pitch(sound, SAMPLE_RATE, f_min=300, f_max=600, hop_length=80)
        cents = hz_to_cents(track, 440)[inner]
        assert float(cents.max() - cents.min()) / 2 == pytest.approx(depth, abs=1.5)
        assert abs(float(cents.mean())) < 1


@pytest.mark.parametrize("stiffness", [0.0, 4e-5, 4e-4])
def test_the_tuning_of_a_stiff_string(stiffness: float) -> None:
    levels = [-3.0 * k for k in range(12)]
    stiff = analyse_note(partials(131, levels, stiffness=stiffness), 131.3, SAMPLE_RATE)
    pure = analyse_note(partials(131, levels), 130.8, SAMPLE_RATE)
    orders = torch.arange(1, 13, dtype=torch.float64)
    for note, share in ((stiff, 1.0), (mix_notes(stiff, pure, 0.5), 0.5)):
        wanted = 131 * orders * (1 + stiffness * orders**2).sqrt() ** share
        found = (note.f0 * note.tuning[:12])[:, 100] * orders
        assert hz_to_cents(found, wanted).abs().max() < 1


def test_a_partial_out_of_tune_goes_half_of_the_way() -> None:
    """The third partial is 30 cents sharp in A."""
    sharp = partials(220, [0, -6, -80, -12]) + 0.4 * partials(660 * 2 ** (30 / 1200), [0.0])
    pair = pair_of(sharp, partials(220, [0, -6, -8, -12]), 220)
    sound = METHODS["harmonic"](pair, [0.5])[0]
    power = torch.fft.rfft(sound * torch.hann_window(SAMPLE_RATE)).abs()
    assert int(power[640:700].argmax()) + 640 == pytest.approx(660 * 2 ** (15 / 1200), abs=1)


def test_noise_is_interpolated_in_decibels() -> None:
    noise = torch.randn(2, SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    note = partials(1000, [0, -10, -20])
    pair = pair_of(note + 0.1 * noise[0], note + 0.001 * noise[1], 1000)
    row = METHODS["harmonic"](pair, [0, 0.5, 1])
    between = torch.fft.rfft(row[:, 4000:12000] * torch.hann_window(8000)).abs().square()[:, 3700:3900].mean(1)
    measured = 10 * torch.log10(between / between[0])
    assert measured.tolist() == pytest.approx([0, -20, -40], abs=1.5)
    own = torch.fft.rfft(pair.a[4000:12000] * torch.hann_window(8000)).abs().square()[3700:3900].mean()
    assert float(10 * torch.log10(between[0] / own)) == pytest.approx(0, abs=1.5)


def test_the_two_notes_of_the_examples() -> None:
    """Recorded instruments: vibrato, beating strings, and partials that are not quite where they should be."""
    folder = Path(__file__).parents[1] / "examples"
    a, b = (
        load_audio(folder / f"{name}.wav", sample_rate=SAMPLE_RATE)[0][0, : 2 * SAMPLE_RATE]
        for name in ("english-horn", "sitar")
    )
    first, last = METHODS["harmonic"](pair_of(a, b, C4), [0, 1])
    assert float(log_mel_error(first, a)) < 1.0
    assert float(log_mel_error(last, b)) < 0.6


def test_partials_that_would_fold_down_are_silent() -> None:
    """Half-way between 26 partials at 290 Hz and three at 2500 Hz there is room for eight, and for nothing else."""
    pair = pair_of(partials(290, [0.0] * 26), partials(2500, [0.0] * 3), 290, 2500)
    sound = METHODS["harmonic"](pair, [0.5])[0]
    power = torch.fft.rfft(sound * torch.hann_window(SAMPLE_RATE)).abs().square()
    f0 = (290 * 2500) ** 0.5
    near = torch.zeros(len(power), dtype=torch.bool)
    for order in range(1, 9):
        near[round(order * f0) - 10 : round(order * f0) + 11] = True
    assert float(power[~near].sum() / power.sum()) < 1e-4
    assert level_db(sound, [order * f0 for order in range(1, 9)]) == pytest.approx(
        level_db(sound, [f0]).repeat(8), abs=1
    )


def test_an_attack_stays_sharp() -> None:
    onset = torch.cat([torch.zeros(3200), partials(262, [0, -3, -6], seconds=0.8)])
    first = METHODS["harmonic"](pair_of(onset, onset, 262), [0.5])[0].abs()
    peak = first[4800:-1600].max()
    assert float(first[: 3200 - 320].max() / peak) < 0.01  # 20 ms before
    assert float(first[3200 + 160 : 3200 + 480].max() / peak) > 0.9  # 10 to 30 ms after


# decoys


def test_a_warped_crossfade_is_where_it_should_be_on_the_way(pair: Pair) -> None:
    ratios = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]
    row = DECOYS["warped crossfade"](pair, ratios)
    assert progress(row, pair.a, pair.b).tolist() == pytest.approx(ratios, abs=0.002)
    assert torch.equal(row[0], pair.a) and torch.equal(row[-1], pair.b)
    straight = progress(METHODS["crossfade"](pair, ratios), pair.a, pair.b)
    assert float((straight - torch.tensor(ratios)).abs().max()) > 0.1
    basis = torch.stack([pair.a, pair.b], 1)  # and still two sounds at once
    rest = row[3] - basis @ torch.linalg.lstsq(basis, row[3][:, None]).solution[:, 0]
    assert float(rest.square().mean() / row[3].square().mean()) < 1e-8


def test_decoys_that_only_copy(pair: Pair) -> None:
    ratios = [0, 0.02, 0.5, 0.98, 1]
    other = tone(50)
    for method, wanted in (
        (DECOYS["switch"], [pair.a, pair.a, pair.b, pair.b, pair.b]),
        (DECOYS["constant mix"], [pair.a, *[0.5 * (pair.a + pair.b)] * 3, pair.b]),
        (third_instrument(lambda _: other), [pair.a, other, other, other, pair.b]),
    ):
        assert torch.equal(method(pair, ratios), torch.stack(wanted))


def test_a_blurred_image_is_scipys(pair: Pair) -> None:
    magnitude = torch.full((40, 30), 0.5)
    magnitude[20, 15] = 50
    wanted = gaussian_filter(np.log(magnitude.numpy()), BLUR)
    assert blur(magnitude).log().numpy() == pytest.approx(wanted, abs=1e-5)
    sharp, blurred = (method(pair, [0])[0] for method in (METHODS["log magnitude"], DECOYS["blurred"]))
    assert float(log_mel_error(blurred, pair.a)) > 3 * float(log_mel_error(sharp, pair.a))
