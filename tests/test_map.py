"""What sounds where in the space of a code: what is measured, where it is drawn, and what is heard there."""

import json
import math
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import refused, run
from conftest import SAMPLE_RATE, tone, write_notes
from test_page import Page, check_self_contained, picture, sound

from intertone.codec import Codec, CodecConfig
from intertone.data.notes import Notes
from intertone.data.shards import NoteRow, begin_notes, finish_notes, quantise, write_shard
from intertone.errors import InputError
from intertone.instrument.map import MapConfig, map_page
from intertone.instrument.map_picture import cell_areas, notes_png, plane_png, shared_limits
from intertone.instrument.mesh import Plane, can_mesh, sample_mesh
from intertone.instrument.note_codes import NoteCodes, draw_notes, encode_notes, near_weights, note_of_each
from intertone.instrument.play import play_code
from intertone.metrics.descriptor import flatness_db
from intertone.models.dense import Activation, DenseConfig
from intertone.page import png_uri
from intertone.representation import DecibelConfig, MelConfig
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig

STFT = SpectrogramConfig(sample_rate=SAMPLE_RATE, n_fft=512, hop_length=128)
HZ = SAMPLE_RATE / STFT.n_fft
ROWS = (16, 64, 128)
"""Bins that the numbers of the code are the magnitudes of: 500, 2000 and 4000 Hz."""


def dense_codec(latent_dim: int, code: Activation = "sigmoid") -> Codec:
    """A codec whose numbers are the magnitudes of single bins, two octaves, then one, apart."""
    model = DenseConfig(widths=(latent_dim,), code_activation=code, output_activation="relu")
    torch.manual_seed(0)
    codec = Codec(CodecConfig(representation=FramesConfig(spectrogram=STFT), model=model))
    (linear, _), *_ = codec.model.decoder  # type: ignore[misc, has-type]
    with torch.no_grad():
        linear.weight.zero_()
        for number, row in enumerate(ROWS[:latent_dim]):
            linear.weight[row, number] = 1.0
        if latent_dim > 3:
            linear.weight += 0.1 * torch.rand(linear.weight.shape)
    return codec


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Notes:
    return write_notes(tmp_path_factory.mktemp("notes"), seconds=0.3)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages with few and short sounds."""
    monkeypatch.setattr("intertone.instrument.map.sample_mesh", partial(sample_mesh, n_points=500))
    monkeypatch.setattr("intertone.instrument.map.CELLS", {2: 2, 3: 1})
    monkeypatch.setattr("intertone.instrument.mesh.N_PLANES", 2)
    monkeypatch.setattr("intertone.instrument.map.NOTE_CELLS", 2)
    monkeypatch.setattr("intertone.instrument.map.CLIP_SECONDS", 0.25)


# what is measured


def test_the_mesh_measures_what_a_code_is_decoded_to() -> None:
    (plane,) = sample_mesh(dense_codec(2), ((0.0, 1.0), (0.0, 1.0)), n_points=9)
    assert plane.third is None and plane.centroid.shape == (3, 3)
    low, high = (math.log2(row * HZ) for row in ROWS[:2])
    # rows: the second number 0, 0.5, 1; columns: the first
    assert math.isnan(plane.centroid[0, 0]) and math.isnan(plane.flatness[0, 0])
    assert plane.centroid[0, 1:].tolist() == pytest.approx([low, low])
    assert plane.centroid[1:, 0].tolist() == pytest.approx([high, high])
    assert float(plane.centroid[1, 2]) == pytest.approx((2 * low + high) / 3)
    # two octaves apart, weights 2/3 and 1/3
    assert float(plane.spread[1, 2]) == pytest.approx(2 * math.sqrt(2 / 9), rel=1e-4)
    assert float(plane.spread[0, 2]) == pytest.approx(0, abs=1e-3)
    # one bin of 257 at 0 dB, the others 60 dB below: −60 + 60/257 dB over the mean power
    mean_db = 10 * math.log10((1 + 256e-6) / 257)
    assert float(plane.flatness[0, 2]) == pytest.approx(-60 * 256 / 257 - mean_db, abs=0.01)


def test_a_third_number_makes_five_planes() -> None:
    ranges = ((0.0, 1.0), (0.0, 1.0), (0.0, 2.0))
    done: list[tuple[int, int]] = []
    planes = sample_mesh(dense_codec(3), ranges, n_points=45, progress=lambda *pair: done.append(pair))
    assert [plane.third for plane in planes] == pytest.approx([0.2, 0.6, 1.0, 1.4, 1.8])
    assert {plane.centroid.shape for plane in planes} == {(3, 3)}
    assert [float(plane.centroid[0, 0]) for plane in planes] == pytest.approx([math.log2(ROWS[2] * HZ)] * 5)
    # more of the highest of three bins
    corners = [float(plane.centroid[2, 2]) for plane in planes]
    assert corners == sorted(corners) and corners[4] > corners[0] + 0.3
    assert done == [(9 * n, 45) for n in range(1, 6)]


@pytest.mark.parametrize("kind", ["frames", "linear", "mel"])
def test_the_loudest_row_lies_at_the_frequency_of_a_sinusoid(kind: str) -> None:
    configs = {
        "frames": FramesConfig(spectrogram=STFT),
        "linear": DecibelConfig(spectrogram=STFT),
        "mel": MelConfig(spectrogram=STFT, n_mels=64),
    }
    representation = Codec(CodecConfig(representation=configs[kind], model=DenseConfig(widths=(2,)))).representation
    sine = torch.sin(2 * torch.pi * 2000 * torch.arange(4000) / SAMPLE_RATE)
    loudest = representation.analyse(sine).features[0, :, 15].argmax()
    assert representation.frequencies is not None and len(representation.frequencies) == representation.n_features
    assert float(representation.frequencies[loudest]) == pytest.approx(2000, rel=0.04)


def test_a_decibel_feature_is_measured_by_its_magnitude() -> None:
    codec = Codec(CodecConfig(representation=DecibelConfig(spectrogram=STFT), model=DenseConfig(widths=(2,))))
    assert can_mesh(codec)
    (linear, _), *_ = codec.model.decoder  # type: ignore[misc, has-type]
    with torch.no_grad():
        linear.weight.fill_(-1e3)  # the sigmoid: 0, the floor
        linear.weight[ROWS[0], 0] = 1e3
        linear.weight[ROWS[1]] = math.log(3.0)  # the sigmoid: 0.75, a quarter of 80 dB down
    (plane,) = sample_mesh(codec, ((1.0, 2.0), (0.0, 1.0)), n_points=4)
    share = 0.1 / 1.1
    low, high = (math.log2(row * HZ) for row in ROWS[:2])
    assert float(plane.centroid[0, 0]) == pytest.approx(low + share * (high - low), rel=1e-3)


@pytest.mark.usefixtures("coarse")
def test_a_codec_that_takes_a_pitch_is_decoded_at_it() -> None:
    config = DenseConfig(widths=(2,), output_activation="relu", chroma="skip")
    codec = Codec(CodecConfig(representation=FramesConfig(spectrogram=STFT), model=config))
    (linear, _), *_ = codec.model.decoder  # type: ignore[misc, has-type]
    with torch.no_grad():  # each pitch class is a bin
        linear.weight.zero_()
        linear.weight[range(100, 112), range(2, 14)] = 1.0
    for pitch, words, row in ((None, "decoded at C4", 100), (57.0, "decoded at A3", 109)):
        page = Page(map_page(codec, title="chroma", command="", config=MapConfig(pitch=pitch)))
        samples, _ = sound(spots(page)[1]["data-sound"])
        assert words in page.text and abs(int(np.abs(np.fft.rfft(samples)).argmax()) - row * HZ * 0.25) <= 1


def test_white_noise_is_flat_and_a_sinusoid_is_not() -> None:
    noise = torch.fft.rfft(torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))).abs()
    assert float(flatness_db(noise)) == pytest.approx(-2.51, abs=0.1)  # Euler's constant in dB
    assert float(flatness_db(5 * noise)) == pytest.approx(float(flatness_db(noise)))


def test_only_codes_of_single_spectra_are_meshed(small_codec: Codec, harmonic_codec: Codec) -> None:
    assert [can_mesh(dense_codec(size)) for size in (1, 2, 3, 4)] == [False, True, True, False]
    assert not can_mesh(small_codec) and not can_mesh(harmonic_codec)
    assert [dense_codec(2, code).model.latent_range for code in ("sigmoid", "tanh", "relu")] == [(0, 1), (-1, 1), None]


# notes


def test_silence_says_nothing_of_a_sound(notes: Notes) -> None:
    latents = torch.tensor([[[1.0, 1.0, 7.0, 7.0]]])
    codes = NoteCodes(latents, torch.tensor([[0.5, 0.5, 0.0, 0.0]]), ("a",), ("b",))
    assert float(codes.means) == pytest.approx(1.0)
    found = encode_notes(dense_codec(2), notes, np.arange(11))
    assert found.latents.shape[:2] == (11, 2) and found.levels.shape == (11, found.latents.shape[-1])
    # instrument 1 is nearer to silence after 0.3 s than at its start
    assert found.names[8] == "instrument-1" and found.levels[8, 1] > 1.2 * found.levels[8, -2] > 0
    other = Codec(CodecConfig(representation=FramesConfig(), model=DenseConfig(widths=(2,))))
    with pytest.raises(InputError, match="the notes must have the codec's sample_rate=22050, got 16000"):
        encode_notes(other, notes, np.arange(1))


def test_each_instrument_gives_the_note_nearest_to_a_pitch(notes: Notes) -> None:
    rows = note_of_each(notes, 60, split="train", pitch=58)
    assert [str(name) for name in notes.instrument[rows]] == ["instrument-0", "instrument-1", "instrument-2"]
    assert notes.pitch[rows].tolist() == [57, 57, 57]
    assert len(note_of_each(notes, 2, split="train", pitch=58)) == 2
    with pytest.raises(InputError, match="the test split must hold at least 3 instruments, got 1"):
        note_of_each(notes, 60, split="test", pitch=58)
    drawn = draw_notes(notes, 10, split="train")
    assert len(set(drawn.tolist())) == 10 and set(notes.split[drawn]) == {"train"}
    assert drawn.tolist() == draw_notes(notes, 10, split="train").tolist() != sorted(drawn.tolist())


def test_at_a_note_the_mixture_is_the_note_and_between_two_it_is_half_of_each() -> None:
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 50.0], [9.0, 900.0]])
    assert near_weights(points, points[1]).tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)
    between = near_weights(points, torch.tensor([1.0, 0.0])).tolist()
    assert between == pytest.approx([1 / 2.02, 1 / 2.02, 0.02 / 2.02, 0.0])


# where it is drawn


def at(pixels: np.ndarray, area: tuple[float, float, float, float]) -> np.ndarray:
    """The colour of a picture at the centre of an area."""
    height, width = pixels.shape[:2]
    return pixels[round(height * (area[1] + area[3] / 2)), round(width * (area[0] + area[2] / 2)), :3]


def test_a_cell_lies_over_its_code() -> None:
    # blue to yellow: the centroid rises with the first number more than with the second
    rising = torch.arange(9.0).reshape(3, 3).T.contiguous() + 5
    plane = Plane(None, rising, rising, rising)
    png, area = plane_png(plane, ((0, 3), (0, 3)), shared_limits([plane]), torch.empty(0, 2), n_cells=3)
    pixels = picture(png_uri(png))
    colours = [at(pixels, cell) for cell in cell_areas(area, 3)]
    # the red and green of viridis rise with the value from half its range on; green does all over
    greens = [float(colour[1]) for colour in colours]
    order = [5 + 3 * column + row for row in range(3) for column in range(3)]
    assert np.argsort(greens).tolist() == np.argsort(order).tolist()


def test_a_point_lies_where_its_note_does() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    png, area, places, ranges = notes_png(
        points, ["a", "b", "c"], ["brass", "brass", "reed"], labels=("x", "y"), n_cells=2
    )
    pixels = picture(png_uri(png))
    blue, orange = np.array([0x2F, 0x7F, 0xC1]) / 255, np.array([0xD9, 0x82, 0x2B]) / 255
    for place, colour in zip(places, (blue, blue, orange), strict=True):
        assert np.abs(at(pixels, place) - colour).max() < 0.02
        assert area[0] < place[0] < area[0] + area[2] and area[1] < place[1] < area[1] + area[3]
    assert ranges[0][0] < 0 < 1 < ranges[0][1] and ranges[1][0] < 0 < 2 < ranges[1][1]


# the page


def spots(page: Page) -> list[dict[str, str]]:
    return [attributes for attributes in page.all("rect") if "data-sound" in attributes]


@pytest.mark.usefixtures("coarse")
def test_a_code_of_two_numbers_is_shown_as_a_whole() -> None:
    codec = dense_codec(2)
    page = check_self_contained(map_page(codec, title="two < numbers", command="intertone map"))
    found = spots(page)
    wanted = ["code 0.25, 0.25", "code 0.75, 0.25", "code 0.25, 0.75", "code 0.75, 0.75"]
    assert [spot["aria-label"] for spot in found] == wanted
    assert "two < numbers" in page.text and "22 × 22 codes" in page.text and len(page.all("img")) == 1
    for spot, code in zip(found, ([0.25, 0.25], [0.75, 0.25]), strict=False):
        samples, rate = sound(spot["data-sound"])
        generator = torch.Generator().manual_seed(0)
        expected = play_code(codec, torch.tensor(code), seconds=0.25, generator=generator)
        assert rate == SAMPLE_RATE and samples == pytest.approx(expected.numpy(), abs=2**-14)
    # the first number is the level of 500 Hz, the second that of 2000 Hz
    levels = [np.abs(np.fft.rfft(sound(spot["data-sound"])[0]))[[125, 500]] for spot in found]
    ratios = [level[0] / level[1] for level in levels]
    assert ratios[2] < 0.5 < 0.8 < ratios[0] < 1.25 < 2 < ratios[1]


@pytest.mark.usefixtures("coarse")
def test_with_notes_the_range_of_their_codes_is_shown(notes: Notes) -> None:
    page = Page(map_page(dense_codec(3), notes, title="three", command="intertone map"))
    assert len(page.all("img")) == 3 and len(spots(page)) == 2
    assert "Codes of 24 notes of the train split" in page.text
    codes = encode_notes(dense_codec(3), notes, notes.select(split="train")).means
    for spot in spots(page):
        code = torch.tensor([float(word) for word in re.findall(r"[\d.]+", spot["aria-label"])])
        assert bool((code > codes.amin(0) - 0.2).all()) and bool((code < codes.amax(0) + 0.2).all())
    thirds = [float(spot["aria-label"].split()[-1]) for spot in spots(page)]
    assert thirds == sorted(thirds) and thirds[-1] - thirds[0] < 0.4  # of all codes, 0.5


@pytest.mark.usefixtures("coarse")
def test_larger_codes_are_shown_by_those_of_instruments(notes: Notes, harmonic_codec: Codec) -> None:
    steps: list[str] = []
    page = check_self_contained(
        map_page(
            harmonic_codec, notes, title="harmonic", command="intertone map", config=MapConfig(pitch=57, seed=3),
            progress=lambda name, done, total: steps.append(f"{name} {done}/{total}"),
        )
    )  # fmt: skip
    assert steps[0] == "notes 3/3" and steps[-1] == "sounds 7/7"
    titles = [spot["aria-label"] for spot in spots(page)]
    assert titles[4:] == [f"instrument-{number} (A3)" for number in range(3)]
    assert all(re.fullmatch(r"between: (instrument-\d \d+ %(, )?){3}", title) for title in titles[:4])
    assert [name["data-spot"] for name in page.all("button")] == [spot["id"] for spot in spots(page)[4:]]
    row = int(note_of_each(notes, 60, split="train", pitch=57)[1])
    latents = harmonic_codec.encode(notes.audio([row])[:, None])[0][0]
    generator = torch.Generator().manual_seed(3)
    expected = play_code(harmonic_codec, latents, seconds=0.25, pitch=57, generator=generator)
    samples, _ = sound(spots(page)[5]["data-sound"])
    assert samples == pytest.approx(expected.numpy(), abs=2**-13)


@pytest.mark.usefixtures("coarse")
def test_a_code_of_frames_is_held_at_its_mean(notes: Notes) -> None:
    codec = dense_codec(5)
    page = Page(map_page(codec, notes, title="five", command="intertone map"))
    rows = note_of_each(notes, 60, split="train", pitch=60)
    mean = encode_notes(codec, notes, rows).means[0]
    expected = play_code(codec, mean, seconds=0.25, generator=torch.Generator().manual_seed(0))
    assert sound(spots(page)[4]["data-sound"])[0] == pytest.approx(expected.numpy(), abs=2**-13)


# the command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, codec in (("two", dense_codec(2)), ("relu", dense_codec(2, "relu")), ("eight", dense_codec(8))):
        codec.save(name, card="# dense\n")
    samples = SAMPLE_RATE // 10
    begin_notes(tmp_path / "one", sample_rate=SAMPLE_RATE, samples=samples, kind="synthetic", settings={})
    pcm, scale = quantise(tone(60, seconds=0.1).numpy())
    row = NoteRow("a-60", 60, 100, "a", "b", "test", "a", "train")
    write_shard(tmp_path / "one", 0, np.stack([pcm]), [scale], [row])
    finish_notes(tmp_path / "one", 1)
    return tmp_path


@pytest.mark.usefixtures("coarse")
def test_the_command_writes_the_page(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run("map", "two", "-o", "page.html", capsys=capsys)
    assert code == 0 and re.fullmatch(r"wrote page.html, 0.\d MB \(\d+\.\d s\)\n", out) and err == ""
    assert len(spots(Page((here / "page.html").read_text(encoding="utf-8")))) == 4


def test_the_options_reach_the_page(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("intertone.instrument.map.map_page", lambda *_, config, **__: f"{config}")
    words = ("two", "-o", "page.html", "--seed", "7", "--pitch", "A3", "--split", "test", "--json")
    code, out, _ = run("map", *words, capsys=capsys)
    assert code == 0 and json.loads(out)["outputs"] == ["page.html"] and json.loads(out)["done"] == []
    assert (here / "page.html").read_text(encoding="utf-8") == str(MapConfig(pitch=57.0, split="test", seed=7))


GIVEN = "notes must be given with --data, "
HELD = "a pitch must be left out with this codec, whose latents contain it, got 60"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("eight", GIVEN + "unless the code of each spectrum has two or three numbers, got latent_dim=8"),
        ("relu", GIVEN + "since this codec's code has no fixed range, got none"),
        ("two --pitch H4", "a pitch must be a note or a MIDI number within 0..127, got H4"),
        ("two --pitch C4", HELD),
        ("eight --data one", "the train split must hold at least 3 instruments, got 1"),
        ("two --data one", "the train split must hold at least 3 notes, got 1"),
        ("two -o page.png", "the page must end in .html, got page.png"),
    ],
)
def test_what_cannot_be(here: Path, words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(here, "map", "-o", "page.html", *words.split(), capsys=capsys) == sentence
