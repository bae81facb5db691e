import base64
import hashlib
import io
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.image import imread

from intertone.errors import InputError
from intertone.page import (
    Clip,
    Command,
    Listening,
    Picture,
    Points,
    Section,
    SoundMap,
    Spot,
    Table,
    audio_uri,
    png_uri,
    render_page,
)
from intertone.plot import bars_png, curves_png, map_png, spectrogram_png

VOID = {"meta", "img", "link", "br", "hr", "input"}
SAMPLE_RATE = 16000


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return "".join(self.words)


def check_self_contained(text: str) -> Page:
    """Parse a page and see that it asks for nothing, that its pictures show something and its sounds sound."""
    page = Page(text)
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "@import" not in text and "url(" not in text and not re.search(r"https?://", text)
    for image in page.all("img"):
        assert image["alt"].strip()
        assert n_colours(picture(image["src"])) > 20
    for player in page.all("audio"):
        assert "controls" in player and player["aria-label"].strip()
        samples, _ = sound(player["src"])
        assert len(samples) and np.abs(samples).max() > 1e-3
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert len(targets) == sum("id" in attributes for _, attributes in page.tags)
    assert all(link["href"].removeprefix("#") in targets for link in page.all("a"))
    assert all("scope" in cell for cell in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    return page


def sound(uri: str) -> tuple[np.ndarray, int]:
    kind, content = uri.split(";base64,")
    assert kind == "data:audio/flac"
    return soundfile.read(io.BytesIO(base64.b64decode(content, validate=True)))


def picture(uri: str) -> np.ndarray:
    kind, content = uri.split(";base64,")
    assert kind == "data:image/png"
    return imread(io.BytesIO(base64.b64decode(content, validate=True)), format="png")


def n_colours(pixels: np.ndarray) -> int:
    """Of a picture with values of 0…1, ``(height, width, 4)``."""
    return len(np.unique(np.round(255 * pixels).astype(np.uint8).view(np.uint32)))


def clips() -> list[Clip]:
    time = torch.arange(8000) / SAMPLE_RATE
    sounds = [0.3 * torch.sin(2 * torch.pi * f0 * time) for f0 in (440, 880)]
    return [
        Clip(f"tone {n}", audio, SAMPLE_RATE, spectrogram_png(audio, SAMPLE_RATE)) for n, audio in enumerate(sounds)
    ]


def test_a_page_holds_everything_that_it_shows() -> None:
    drawing = Picture(bars_png({"a": {"x": 1.0}}, y_label="dB"), "a bar", "One bar.")
    table = Table("Errors", "In dB.", ("method", "mean"), [("codec", "-1.25"), ("PCA", "–")], "Gate: reached.")
    sections = [
        Section("Figures", ["See below.", table, drawing, table]),
        Section("Listen", [Listening("Tones", "Two of them.", clips())]),
    ]
    page = check_self_contained(render_page("A page", sections, lead=[Points(["first", "second"]), Command("run me")]))
    assert [link["href"] for link in page.all("a")] == ["#1-figures", "#2-listen"]
    assert "Table 1. Errors." in page.text and "Table 2. Errors." in page.text and "Figure 1. One bar." in page.text
    assert len(page.all("img")) == 3 and len(page.all("audio")) == 2
    assert "−1.25" in page.text and "Gate: reached." in page.text and "run me" in page.text
    assert [cell.get("class") for cell in page.all("td")] == ["number"] * 4
    samples, rate = sound(page.all("audio")[1]["src"])
    assert rate == SAMPLE_RATE
    assert samples == pytest.approx(clips()[1].audio.numpy(), abs=2**-15)


def test_a_picture_holds_the_sounds_of_its_places() -> None:
    tones = [clip.audio for clip in clips()]
    spots = [
        Spot("the ground", tones[0], SAMPLE_RATE, (0.0, 0.5, 1.0, 0.5)),
        Spot('a "point"', tones[1], SAMPLE_RATE, (0.25, 0.5, 0.1, 0.1), listed=True),
    ]
    drawing = Picture(bars_png({"a": {"x": 1.0}}, y_label="dB"), "a bar", "One bar.")
    blocks = [drawing, SoundMap(drawing, spots), SoundMap(drawing, spots[:1])]
    page = check_self_contained(render_page("A page", [Section("Map", blocks)]))
    places = page.all("rect")
    assert [place["id"] for place in places] == ["spot-2-1", "spot-2-2", "spot-3-1"]
    for place, tone in zip(places, (tones[0], tones[1], tones[0]), strict=True):
        assert place["role"] == "button" and place["tabindex"] == "0"
        assert sound(place["data-sound"])[0] == pytest.approx(tone.numpy(), abs=2**-15)
    height, width = picture(page.all("img")[1]["src"]).shape[:2]
    assert page.all("svg")[0]["viewbox"] == f"0 0 {width} {height}"
    sizes = [float(places[0][name]) for name in ("x", "y", "width", "height")]
    assert sizes == pytest.approx([0, height / 2, width, height / 2], abs=0.06)
    # the name below the picture leads to the point
    assert [button["data-spot"] for button in page.all("button")] == ["spot-2-2"]
    assert page.text.count('a "point"') == 2 and places[1]["aria-label"] == 'a "point"'
    assert len(page.all("audio")) == len(page.all("output")) == 2 and "Figure 3. One bar." in page.text


def test_no_text_becomes_markup() -> None:
    evil = "</style><script>alert(1)</script>&lt;\"'"
    png = spectrogram_png(torch.randn(4000, generator=torch.Generator().manual_seed(0)), SAMPLE_RATE)
    sections = [
        Section(
            evil,
            [
                *(evil, Points([evil]), Command(evil), Picture(png, evil, evil)),
                Table(evil, evil, (evil, evil), [(evil, evil)], evil),
                Listening(evil, evil, [Clip(evil, torch.full((800,), 0.1), SAMPLE_RATE, png)]),
                SoundMap(Picture(png, evil), [Spot(evil, torch.full((800,), 0.1), SAMPLE_RATE, (0, 0, 1, 1), True)]),
            ],
        )
    ]
    page = check_self_contained(render_page(evil, sections, lead=[evil]))
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert page.text.count("<script>alert(1)</script>&lt;\"'") == 22  # each place once, the title in the head too
    assert page.all("audio")[0]["aria-label"] == evil
    assert page.all("img")[0]["alt"] == evil


def test_the_policy_of_the_page_admits_its_own_style_and_script_and_no_request() -> None:
    text = render_page("A page", [])
    (policy,) = [meta["content"] for meta in Page(text).all("meta") if "http-equiv" in meta]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == rules["media-src"] == "data:"
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"


def test_numbers_and_their_units_stay_on_one_line() -> None:
    text = Page(render_page("A page", [], lead=["It is 3 dB and 50 % of 4 sounds."])).text
    assert "It is 3\u00a0dB and 50\u00a0% of 4 sounds." in text


def test_a_page_refuses_what_it_cannot_show() -> None:
    with pytest.raises(ValueError, match="'Sums' must have 2 cells, got"):
        render_page("A page", [Section("s", [Table("Sums", "", ("a", "b"), [("1",)])])])
    with pytest.raises(InputError, match="every sample must be a finite number, got infinity or NaN in note"):
        audio_uri(torch.tensor([0.0, float("nan")]), SAMPLE_RATE, name="note")
    with pytest.raises(InputError, match="got no samples"):
        audio_uri(torch.zeros(0), SAMPLE_RATE)


def test_a_sound_of_two_channels_and_any_name_can_be_held() -> None:
    audio = torch.stack([torch.linspace(-0.5, 0.5, 900), torch.zeros(900)])
    samples, rate = sound(audio_uri(audio, 44100, name="a/b.wav"))
    for name in ("horn/", "/", "", "..", "a/.."):
        assert audio_uri(audio, 44100, name=name) == audio_uri(audio, 44100)
    assert samples.shape == (900, 2) and rate == 44100
    assert samples.T == pytest.approx(audio.numpy(), abs=2**-15)


# pictures


def rows_of(png: bytes) -> np.ndarray:
    return picture(png_uri(png))


def test_a_small_spectrogram_shows_a_tone_where_it_is() -> None:
    time = torch.arange(16000) / SAMPLE_RATE
    images = [rows_of(spectrogram_png(torch.sin(2 * torch.pi * f0 * time), SAMPLE_RATE)) for f0 in (2000, 6000)]
    # magma: the brighter, the louder; the row of the tone lies higher for the higher one
    bright = [int((image[..., :3].sum(-1) * image[..., 3])[:, image.shape[1] // 2].argmax()) for image in images]
    low, high = bright
    # 19 of the 98 semitones from A0 to 8 kHz, of an axis of 0.82 of the picture
    assert (low - high) / images[0].shape[0] == pytest.approx(12 * math.log2(3) / 98.2 * 0.82, abs=0.006)
    assert images[0].shape == images[1].shape
    assert images[0][0, 0, 3] == 0  # the ground is transparent


def test_curves_and_bars_have_a_colour_each_and_gaps_are_no_error() -> None:
    curves = {"a $x$": [0.0, 1.0, float("nan")], "b": [1.0, 0.5, 0.0]}
    image = rows_of(curves_png(curves, [1, 2, 4], x_label="mix", y_label="share_", log_x=True))
    bars = rows_of(bars_png({"g_1": {"a": 1.0, "b": 3.0}, "g 2": {"b": 2.0}}, y_label="dB"))
    for picture_of in (image, bars):
        for colour in (0x2F7FC1, 0xD9822B):
            wanted = np.array([colour >> 16, colour >> 8 & 255, colour & 255]) / 255
            assert (np.abs(picture_of[..., :3] - wanted).max(-1) < 0.01).sum() > 50
    # b's two bars cover 5/3 of what b covers with one of height 3 less the margin: more of b than of a
    counts = [
        (np.abs(bars[..., :3] - np.array(rgb) / 255).max(-1) < 0.01).sum() for rgb in ((47, 127, 193), (217, 130, 43))
    ]
    assert counts[1] / counts[0] == pytest.approx(5, rel=0.1)


def test_the_map_gives_the_rare_labels_one_sign() -> None:
    labels = [f"family-{min(n, 21):02d}" for n in range(24)]
    image = rows_of(map_png(list(range(24)), list(range(24)), labels, x_label="first", y_label="second"))
    assert image.shape[2] == 4 and n_colours(image) > 20
