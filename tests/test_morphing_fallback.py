"""Sounds without one pitch in a codec that needs one: spectrograms, exact ends, odd inputs."""

import logging
import math

import pytest
import torch
from conftest import SAMPLE_RATE, tone

from intertone.audio import resample
from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.loudness import maximum_momentary_loudness
from intertone.metrics import log_mel_error
from intertone.metrics.spectral import log_mel
from intertone.models import ConditionedConfig
from intertone.morphing import MixCurve, MorphConfig, analyse_sounds, morph, morph_sources, morph_steps, require_pitch
from intertone.morphing.by_cells import ByCells
from intertone.morphing.by_code import ByCode
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.method import warn_of_noise
from intertone.morphing.weights import Weights
from intertone.representation import Analysis, HarmonicConfig

PARTIALS_ONLY = MorphConfig(network="none")


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def drum(seconds: float = 0.5, decay: float = 15, seed: int = 1, lead: int = 0) -> torch.Tensor:
    samples = round(seconds * SAMPLE_RATE)
    sound = noise(samples, seed) * torch.exp(-decay * torch.arange(samples) / SAMPLE_RATE)
    return torch.cat([torch.zeros(lead), 4 * sound])


def speech() -> torch.Tensor:
    """Pulses through two moving resonances, and a hiss."""
    time = torch.arange(8000, dtype=torch.float64) / SAMPLE_RATE
    f0 = 120 + 30 * torch.sin(2 * math.pi * 2 * time)
    periods = torch.cumsum(f0, 0) / SAMPLE_RATE
    orders = torch.arange(1, 40, dtype=torch.float64)[:, None]
    formants = (600 + 300 * torch.sin(9 * time), 1800 + 500 * torch.sin(7 * time))
    shape = sum(torch.exp(-(((orders * f0 - formant) / 150) ** 2)) for formant in formants)
    voiced = (torch.as_tensor(shape) * torch.sin(2 * math.pi * orders * periods)).sum(0)
    return torch.cat([0.05 * voiced.float(), noise(3000, 5).diff(), 0.05 * voiced.float()[:4000]])


CLICK = torch.zeros(1600).index_fill(0, torch.tensor([300]), 0.9)
CHORD = torch.stack([tone(pitch, seconds=0.5) for pitch in (60, 64, 67)]).mean(0)
NOTE = tone(57, seconds=0.5)
PAD = tone(48, seconds=10, decay=0)
DRUM, OTHER = drum(lead=800), drum(0.4, decay=30, seed=2)


@pytest.fixture(scope="module")
def codec() -> Codec:
    """A codec that needs a pitch; its network has learned nothing."""
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    config = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
    return Codec(CodecConfig(representation=config, model=model))


def difference_db(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    """Of the longer ones' completion with silence too."""
    missing = estimate.shape[-1] - reference.shape[-1]
    reference = torch.nn.functional.pad(reference, (0, missing))
    power = (estimate - reference).square().sum() / reference.square().sum()
    return 10 * math.log10(float(power) + 1e-20)


# what is recognised, and said


def test_what_is_done_is_said_in_one_line(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="intertone"):
        sources = analyse_sounds(codec, NOTE, DRUM)
    (line,) = caplog.messages
    assert line.startswith("B has no one pitch (harmonicity 0.")
    scale = "noise has 0, a periodic tone 1, a sound with one pitch at least 0.84"
    assert line.endswith(f"{scale}), so all sounds are mixed as spectrograms, without the network")
    assert isinstance(sources.method, ByCells) and sources.unpitched in line


def test_what_harmonicity_is_stands_once_in_the_line(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="intertone"):
        analyse_sounds(codec, DRUM, DRUM.flip(-1))
    (line,) = caplog.messages
    assert line.count("harmonicity") == 2 and line.count("noise has 0") == 1


def test_a_reconstruction_says_that_a_sound_has_no_pitch(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    warn_of_noise(codec, NOTE, "note.wav")
    warn_of_noise(codec, DRUM, "drum.wav")
    (line,) = caplog.messages
    assert line.startswith("drum.wav has no one pitch (harmonicity 0.") and line.endswith(
        "little more than noise bands"
    )


def test_notes_stay_with_the_codec_and_other_codecs_ask_nothing(codec: Codec, small_codec: Codec) -> None:
    assert isinstance(analyse_sounds(codec, NOTE, tone(64, seconds=0.5)).method, ByPartials)
    assert isinstance(analyse_sounds(small_codec, DRUM, OTHER).method, ByCode)


def test_every_sound_may_be_taken_for_one_with_a_pitch(codec: Codec) -> None:
    sources = analyse_sounds(codec, NOTE, DRUM, recognise=False)
    assert isinstance(sources.method, ByPartials) and sources.unpitched is None


def test_what_needs_a_pitch_is_refused(codec: Codec) -> None:
    sources = analyse_sounds(codec, NOTE, CHORD)
    sentence = r"every sound must have one pitch for {}, but B has no one pitch \(several pitches"
    with pytest.raises(InputError, match=sentence.format("a keyboard")):
        require_pitch(sources, "a keyboard")
    with pytest.raises(InputError, match=sentence.format("a sustain of a given length")):
        morph_sources(sources, 0.5, config=MorphConfig(hold_seconds=2))
    require_pitch(analyse_sounds(codec, NOTE), "a keyboard")


def test_nothing_is_said_of_what_is_refused(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("intertone"), "propagate", True)
    with pytest.raises(InputError, match="every sound must have one pitch for the pitch A3, but B has"):
        morph(codec, NOTE, CHORD, config=MorphConfig(pitch="A3"))
    assert not caplog.messages


# ends and what lies between


@pytest.mark.parametrize(
    "pair",
    [(DRUM, OTHER), (DRUM, NOTE), (speech(), noise(8000)), (CLICK, NOTE), (torch.stack([DRUM, 0.3 * DRUM]), CHORD)],
    ids=["drums", "drum and note", "speech and noise", "click and note", "stereo and chord"],
)
def test_the_ends_are_the_sounds(codec: Codec, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    first, *_, last = morph_steps(codec, *pair, mixes=[0, 0.5, 1])
    for estimate, sound in zip((first, last), pair, strict=True):
        assert difference_db(estimate, sound.expand_as(estimate[..., : sound.shape[-1]])) < -90


def test_an_end_is_as_long_as_its_sound(codec: Codec) -> None:
    pair = torch.nn.functional.pad(NOTE, (0, 4000)), CHORD
    lengths = [sound.shape[-1] for sound in morph_steps(codec, *pair, mixes=[0, 0.5, 1])]
    assert lengths == [12000, 10000, 8000]
    three = morph(codec, *pair, DRUM, mix=(0, 2, 0))
    assert three.shape == CHORD.shape and difference_db(three, CHORD) < -90
    # of a sound with a pitch too, where nothing is stretched
    for alignment in ("none", "onset"):
        config = MorphConfig(network="none", alignment=alignment)
        short = morph(codec, pair[0], NOTE[:6000], mix=1, config=config)
        assert short.shape == (6000,) and difference_db(short, NOTE[:6000]) < -60
    # unless another length is asked for
    for length, samples in (("longest", 12000), ("a", 12000), ("b", 8000)):
        assert len(morph(codec, *pair, config=MorphConfig(length=length))) == samples
    assert len(morph(codec, *pair, ratios={"envelope": 1.0})) == 8000
    with pytest.raises(InputError, match="length must be that of a sound, a to b, got c"):
        morph(codec, *pair, config=MorphConfig(length="c"))
    with pytest.raises(InputError, match="the length longest must be used with sounds without one pitch"):
        morph(codec, NOTE, NOTE, config=MorphConfig(length="longest"))


@pytest.mark.parametrize("mix", [0.25, 0.5])
def test_a_held_sound_goes_on_where_the_other_breaks_off(codec: Codec, mix: float) -> None:
    loop, held = drum(1.0, decay=0), tone(48, seconds=3, decay=0)
    sound = morph(codec, loop, held, mix=mix, config=MorphConfig(length="longest"))
    assert len(sound) == len(held)
    level = 20 * sound.unfold(0, 800, 400).square().mean(1).sqrt().log10()
    assert float((level[:-1] - level[1:])[:-2].max()) < 6  # of a level that would fall by 45 dB at the end of the loop
    own = 20 * math.log10(float(held.square().mean().sqrt()))
    assert abs(float(level[60:].mean()) - own) < 12
    # a drum that dies away leaves it as faint as it was
    faint = morph(codec, drum(1.0, decay=15), held, mix=mix, config=MorphConfig(length="longest"))
    assert float(faint[24000:].square().mean().log10() * 10) < own - 15


@pytest.mark.parametrize("mix", [0.25, 0.75])
def test_a_sound_that_is_cut_fades(codec: Codec, mix: float) -> None:
    held = noise(32000)
    sound = morph(codec, drum(0.5), held, mix=mix)
    assert len(sound) == 8000 + round(mix * 24000)
    assert float(sound[-80:].square().mean()) < 1e-3 * float(sound[-8000:-4000].square().mean())


@pytest.mark.parametrize("pair", [(DRUM, OTHER), (DRUM, NOTE), (speech(), noise(8000))])
def test_no_jump_near_the_ends(codec: Codec, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    mixes = [0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1]
    sounds = list(morph_steps(codec, *pair, mixes=mixes))
    samples = max(sound.shape[-1] for sound in sounds)
    images = log_mel(torch.stack([torch.nn.functional.pad(sound, (0, samples - len(sound))) for sound in sounds]))
    steps = (images[1:] - images[:-1]).abs().mean((1, 2)) / torch.tensor(mixes).diff()
    assert max(steps[0], steps[-1]) < 2 * steps.median()


def test_half_way_each_band_has_lost_half_of_what_it_lacks(codec: Codec) -> None:
    low, high = noise(8000, 1), noise(8000, 2).diff(append=torch.zeros(1))  # flat, and rising by 6 dB an octave
    levels = []
    for sound in morph_steps(codec, low, high, mixes=[0, 0.5, 1]):
        power = torch.fft.rfft(sound).abs().square()[:4000].view(8, 500).mean(1)
        levels.append(10 * torch.log10(power))
    a, middle, b = levels
    away = middle - (a + b) / 2
    assert float((away - away.mean()).abs().max()) < 1


def test_a_loop_with_a_pluck_keeps_its_level_after_the_first_hit() -> None:
    time = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    hits = torch.cat([drum(0.25, seed=seed) for seed in range(4)])
    pluck = 0.5 * torch.sin(2 * math.pi * 440 * time) * torch.exp(-4 * time)
    sounds = [ByCells(SAMPLE_RATE).analyse(each[None, None]) for each in (hits, pluck)]
    weights = Weights(torch.tensor([0.5, 0.5]).double(), {}, torch.tensor([0.5, 0.5]).double(), 0.0)
    between = ByCells(SAMPLE_RATE).synthesise(ByCells(SAMPLE_RATE).between(sounds, weights, PARTIALS_ONLY))[0, 0]
    levels = [
        [10 * math.log10(float(each[at : at + 800].square().mean())) for at in range(0, SAMPLE_RATE, 4000)]
        for each in (hits, pluck, between)
    ]
    # a sine and noise have hardly a strong cell in common: cell by cell, the mixture would be 20 dB fainter
    for first, second, middle in zip(*levels, strict=True):
        assert middle == pytest.approx((first + second) / 2, abs=2.5)


def test_a_short_sound_and_a_long_one(codec: Codec) -> None:
    config = MorphConfig(length="longest")
    sounds = list(morph_steps(codec, DRUM, tone(48, decay=0), mixes=[0, 0.25, 0.5, 0.75, 1], config=config))
    tails = [float(sound[12000:15000].square().mean().sqrt()) for sound in sounds[1:]]
    assert tails == sorted(tails) and len(sounds[0]) == len(DRUM)
    # the tail comes in along decibels: by about 15 in each quarter
    assert 20 < 20 * math.log10(tails[-1] / tails[1]) < 40


def test_a_curve_takes_the_attack_of_one_and_the_sustain_of_the_other(codec: Codec) -> None:
    held = tone(48, seconds=2, decay=0)
    sound = morph(codec, CLICK, held, mix=MixCurve((0, 0.1), (0, 1)))
    at = int(sound.abs().argmax())
    assert at < 400 and 0.5 * 0.9 < float(sound.abs().max()) < 1.1 * 0.9  # the click
    rest, own = sound[at + 3200 : at + 25600], held[3200:25600]
    assert abs(10 * math.log10(float(rest.square().mean() / own.square().mean()))) < 0.1
    # half way it is 20 dB weaker or more beside the click
    half = morph(codec, CLICK, held)
    assert float(half[at + 3200 : at + 25600].square().mean() / own.square().mean()) < 0.01


def test_onsets_meet_between_theirs(codec: Codec) -> None:
    late, early = drum(lead=3000, decay=40), drum(lead=1000, decay=60, seed=2)
    for mix, onset in ((0, 3000), (0.25, 2500), (0.5, 2000), (1, 1000)):
        sound = morph(codec, late, early, mix=mix)
        loud = sound.abs() > 0.2 * sound.abs().max()
        assert abs(int(loud.int().argmax()) - onset) < 60
    apart = morph(codec, late, early, config=MorphConfig(alignment="none"))
    assert float(apart[1000:1400].square().mean()) > 0.01 * float(apart.square().amax())


def test_the_loudest_moment_lies_between(codec: Codec) -> None:
    steps = morph_steps(codec, DRUM, 0.05 * NOTE, mixes=[0, 0.25, 0.5, 0.75, 1])
    levels = torch.tensor([maximum_momentary_loudness(sound, SAMPLE_RATE) for sound in steps])
    assert torch.allclose(levels.diff(), levels.diff().mean(), atol=0.02)


def test_three_sounds_curves_and_batches(codec: Codec) -> None:
    three = morph(codec, DRUM, NOTE, OTHER, mix=(0, 1, 0))
    assert difference_db(three, NOTE) < -90
    curve = morph(codec, OTHER, noise(8000), mix=MixCurve((0, 0.05, 0.4), (0, 0, 1)))
    assert difference_db(curve[:400], OTHER[:400]) < -40 and difference_db(curve[7000:], noise(8000)[7000:]) < 0
    sounds = torch.stack([OTHER, NOTE[: len(OTHER)]])[:, None]
    batch = morph(codec, sounds, NOTE.expand(2, 1, -1))
    assert batch.shape[:2] == (2, 1) and batch.isfinite().all()


def test_two_identical_sounds_are_the_sound_at_every_mix(codec: Codec) -> None:
    for sound in (DRUM, CHORD, noise(4000)):
        for result in morph_steps(codec, sound, sound.clone(), mixes=[0, 0.3, 1]):
            assert difference_db(result, sound) < -90


# odd inputs: each a sound


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(resample(resample(NOTE, SAMPLE_RATE, 8000), 8000, SAMPLE_RATE),
                     resample(resample(torch.stack([NOTE, 0.5 * NOTE]), SAMPLE_RATE, 96000), 96000, SAMPLE_RATE),
                     id="mono 8 kHz, stereo 96 kHz"),
        pytest.param(CLICK, PAD, id="0.1 s, 10 s"),
        pytest.param(NOTE, NOTE, id="identical"),
        pytest.param(CHORD, NOTE, id="chord"),
        pytest.param(DRUM, DRUM[:100], id="drum"),
        pytest.param(speech(), NOTE, id="speech"),
        pytest.param(noise(4000), noise(1), id="noise"),
        pytest.param(torch.zeros(4000), NOTE, id="silence"),
        pytest.param(torch.zeros(1), torch.zeros(1), id="one sample of silence"),
    ],
)  # fmt: skip
def test_odd_sounds_give_a_sound(codec: Codec, first: torch.Tensor, second: torch.Tensor) -> None:
    result = morph(codec, first, second, config=PARTIALS_ONLY)
    channels = max(sound.shape[0] if sound.ndim == 2 else 1 for sound in (first, second))
    assert result.shape[:-1] == ((channels,) if channels > 1 else ())
    assert result.isfinite().all() and float(result.abs().max()) < 4
    assert result.shape[-1] >= min(first.shape[-1], second.shape[-1])


def test_a_sound_of_nan_is_refused(codec: Codec) -> None:
    with pytest.raises(InputError, match="every sample must be a finite number"):
        morph(codec, torch.full((800,), math.nan), NOTE)


# the representation alone


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 96000])
def test_there_and_back(sample_rate: int) -> None:
    representation = ByCells(sample_rate)
    assert 0.03 < representation.config.n_fft / sample_rate < 0.07
    sounds = torch.stack([noise(3001), 0.01 * noise(3001, 1)]).reshape(2, 1, 3001)
    features, context = representation.analyse(sounds)
    assert features.shape == (2, representation.config.n_bins, representation.config.n_frames(3001))
    assert float(features.amin()) >= 0 and features.amax((1, 2)).tolist() == [1, 1]
    for estimate, sound in zip(representation.synthesise(Analysis(features, context)), sounds, strict=True):
        assert difference_db(estimate, sound) < -100


def test_extrapolation_stays_finite_and_goes_on(codec: Codec) -> None:
    beyond = morph(codec, DRUM, OTHER, mix=1.3)
    assert beyond.isfinite().all()
    samples = min(len(beyond), len(OTHER))
    assert log_mel_error(beyond[:samples], OTHER[:samples]) > 0.5
