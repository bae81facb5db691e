"""Sounds from a code alone."""

import math

import pytest
import torch
from conftest import tone
from torch import Tensor

from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.instrument import InstrumentBank, play_code, takes_pitch, to_loudness
from intertone.loudness import integrated_loudness
from intertone.models.dense import DenseConfig
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.remark import collect_remarks
from intertone.representation.frames import FramesConfig
from intertone.shipped import CODECS
from intertone.stft import SpectrogramConfig, stft

STFT = SpectrogramConfig(sample_rate=16000, n_fft=512, hop_length=128)
FRAMES = FramesConfig(spectrogram=STFT)


def dense_codec() -> Codec:
    """A codec of frames whose four latents each add some bins: linear, so that results can be worked out."""
    model = DenseConfig(widths=(4,), code_activation="none", output_activation="none")
    codec = Codec(CodecConfig(representation=FRAMES, model=model))
    weights = torch.zeros(257, 4)
    weights[16, 0] = weights[32, 1] = weights[64, 2] = weights[128, 3] = 1.0
    codec.model.decoder[0][0].weight.data = weights
    return codec


@pytest.fixture(scope="module")
def shipped() -> Codec:
    return Codec.load("harmonic")


def loudest_bin(sound: Tensor) -> int:
    return int(stft(sound, STFT).abs()[:, 20:-20].mean(-1).argmax())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_each_latent_is_heard() -> None:
    codec = dense_codec()
    for unit, place in enumerate((16, 32, 64, 128)):
        sound = play_code(codec, torch.eye(4)[unit], seconds=0.5, generator=seeded())
        assert sound.shape == (8000,) and loudest_bin(sound) == place


def test_latents_over_time_are_played_in_their_order() -> None:
    latents = torch.zeros(4, 101)
    latents[0, :50] = latents[2, 50:] = 1.0
    sound = play_code(dense_codec(), latents, generator=seeded())
    assert sound.shape == (100 * 128,)
    first, second = sound.chunk(2)
    assert (loudest_bin(first), loudest_bin(second)) == (16, 64)
    # one vector held is that vector in each frame
    held = play_code(dense_codec(), latents[:, 0], seconds=0.2, generator=seeded())
    again = play_code(dense_codec(), latents[:, :50], seconds=0.2, generator=seeded())
    assert torch.equal(held, again)


def test_a_code_sounds_as_its_sound_does(small_codec: Codec) -> None:
    codec = small_codec
    latents, context = codec.encode(tone(57))
    sound = play_code(codec, latents[0], seconds=1, generator=seeded())
    decoded = codec.decode(latents, context.as_edited(), generator=seeded())
    images = [stft(one, STFT).abs()[:, 10:-10] for one in (sound, decoded)]
    images = [image / image.square().mean().sqrt() for image in images]
    assert float((images[0] - images[1]).square().mean()) < 0.02


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_every_sound_has_one_loudness(scale: float) -> None:
    sound = play_code(dense_codec(), scale * torch.tensor([1.0, 0.3, 0.0, 0.2]), seconds=1, generator=seeded())
    assert integrated_loudness(sound, 16000) == pytest.approx(-29, abs=0.01)
    assert float(sound.abs().max()) < 1


def test_a_click_is_as_loud_as_its_peak_allows_and_says_so() -> None:
    click = torch.zeros(16000)
    click[8000] = 0.1
    with collect_remarks() as remarks:
        sound = to_loudness(click, 16000)
    assert float(sound.abs().max()) == pytest.approx(0.99)
    (remark,) = remarks
    missing = -29 - integrated_loudness(sound, 16000)
    assert remark.text == f"the sound is {missing:.1f} LU below -29 LUFS, since its peak would exceed 1"


def test_a_code_of_nothing_is_silent_and_says_so() -> None:
    with collect_remarks() as remarks:
        sound = play_code(dense_codec(), torch.zeros(4), seconds=0.5)
    assert sound.shape == (8000,) and not sound.any()
    assert [remark.text for remark in remarks] == ["the sound is silent, since its code decodes to zeros"]


def test_both_ends_are_faded() -> None:
    sound = play_code(dense_codec(), torch.eye(4)[0], seconds=0.5, generator=seeded())
    middle = float(sound[2000:6000].abs().max())
    assert sound[0] == sound[-1] == 0
    # linear over 5 ms, 80 samples: a tenth of it after half a millisecond
    assert float(sound[:8].abs().max()) < 0.1 * middle and float(sound[-8:].abs().max()) < 0.1 * middle
    assert float(sound[80:400].abs().max()) > 0.8 * middle


@pytest.mark.parametrize("pitch", [36.0, 60.5, 84.0])
def test_a_harmonic_code_is_played_at_its_pitch(shipped: Codec, pitch: float) -> None:
    assert takes_pitch(shipped)
    latents = torch.zeros(193)
    sound = play_code(shipped, latents, seconds=0.5, pitch=pitch)
    assert abs(float(hz_to_cents(note_pitch(sound, 44100), pitch_to_hz(pitch)))) < 2
    loud = play_code(shipped, latents, seconds=0.5, pitch=pitch, velocity=127)
    assert not torch.equal(sound, loud)


def test_a_pitch_becomes_the_class_that_a_decoder_is_told() -> None:
    config = DenseConfig(widths=(4,), output_activation="relu", chroma="skip")
    codec = Codec(CodecConfig(representation=FRAMES, model=config))
    (linear, _), *_ = codec.model.decoder  # type: ignore[misc, has-type]
    with torch.no_grad():  # each pitch class is a bin
        linear.weight.zero_()
        linear.weight[range(20, 140, 10), range(4, 16)] = 1.0
    assert takes_pitch(codec)
    for pitch, place in ((60.0, 20), (73.0, 30), (59.4, 130)):
        sound = play_code(codec, torch.zeros(4), seconds=0.5, pitch=pitch, generator=seeded())
        assert loudest_bin(sound) == place
    only_in = DenseConfig(widths=(4,), chroma="input")
    assert not takes_pitch(Codec(CodecConfig(representation=FRAMES, model=only_in)))


@pytest.mark.parametrize("name", ["yamaha-grand-piano", "glockenspiel", "trombone", "flute"])
def test_the_code_of_an_instrument_comes_back(shipped: Codec, name: str) -> None:
    """A note played from a code is heard as that instrument: of all 94 its code is the nearest."""
    bank = InstrumentBank.read("harmonic")
    sound = play_code(shipped, bank.mixture(name), pitch=60, seconds=4)
    latents = shipped.encode(sound)[0][0]
    distances = {full: float((code - latents).norm()) for full, code in bank.codes.items()}
    assert min(distances, key=distances.__getitem__).endswith(name)


def test_the_shipped_table_is_small_and_all_of_it_is_heard(shipped: Codec) -> None:
    bank = InstrumentBank.read("harmonic")
    assert (CODECS / "harmonic" / "instruments.npz").stat().st_size < 300_000
    assert len(bank.codes) == len(set(bank.names)) == 94 and len(bank.refused) == 34
    assert all(code.shape == (193, 13) and code.isfinite().all() for code in bank.codes.values())
    assert torch.equal(bank.mixture("trumpet:1,flute:0"), bank.mixture("056-trumpet"))
    with pytest.raises(InputError, match="got ocarina, which is held out from training to test the codec"):
        bank.mixture("ocarina")


@pytest.mark.parametrize(
    ("latents", "options", "sentence"),
    [
        (torch.ones(3), {"seconds": 1}, "the latents of this codec must be 4 numbers or 4×n_latents, got 3"),
        (torch.ones(3, 4), {}, "the latents of this codec must be 4 numbers or 4×n_latents, got 3×4"),
        (torch.ones(1, 4, 5), {}, "the latents of this codec must be 4 numbers or 4×n_latents, got 1×4×5"),
        (torch.ones(4, 0), {}, "the latents of this codec must be 4 numbers or 4×n_latents, got 4×0"),
        (torch.tensor([1, 2, math.nan, 0]), {"seconds": 1}, "all latents must be finite, got NaN or infinity"),
        (torch.ones(4), {}, "seconds must be given for a single latent vector, got none"),
        (torch.ones(4), {"seconds": 0.01}, "a sound must last 0.02 to 300 s, got 0.01"),
        (torch.ones(4), {"seconds": math.nan}, "a sound must last 0.02 to 300 s, got nan"),
        (torch.ones(4, 101), {"seconds": 1}, "seconds must be at most the length of the latents, 0.80 s, got 1 s"),
        (
            torch.ones(4),
            {"seconds": 1, "pitch": 60},
            "a pitch must be left out with this codec, whose latents contain it, got 60",
        ),
        (
            torch.ones(4),
            {"seconds": 1, "velocity": 60},
            "a velocity must be left out with this codec, which is not conditioned on it, got 60",
        ),
    ],
)
def test_what_cannot_be_played(latents: Tensor, options: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}$"):
        play_code(dense_codec(), latents, **options)  # type: ignore[arg-type]


def test_a_code_that_decodes_to_infinity() -> None:
    codec = dense_codec()
    codec.model.decoder[0][0].weight.data *= 2
    with pytest.raises(InputError, match=r"the latents must decode to finite numbers, got latents up to 3e\+38"):
        play_code(codec, torch.full((4,), 3e38), seconds=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "a pitch must be given with this codec, got none"),
        ({"pitch": 128}, r"a pitch must be a MIDI number in 0..127, got 128"),
        ({"pitch": math.nan}, r"a pitch must be a MIDI number in 0..127, got nan"),
        ({"pitch": 120}, "a pitch must be at most 7600 Hz with this codec, got 8372 Hz"),
        ({"pitch": 60, "velocity": 0}, r"a velocity must be in 1..127, got 0"),
    ],
)
def test_conditions_that_cannot_be(harmonic_codec: Codec, options: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{sentence}$"):
        play_code(harmonic_codec, torch.zeros(6), seconds=0.5, **options)  # type: ignore[arg-type]
