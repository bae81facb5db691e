"""The routes of the map: what they refuse, that a failure is one refusal, and what the process behind them answers."""

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from test_web_server import HOME, finished, order, upload
from web_work import answer_place, nothing, obey

from intertone.cli.play import _map_workers
from intertone.errors import InputError
from intertone.instrument import Instrument
from intertone.web.map_work import MapBench, mixture_name
from intertone.web.server import Site, make_app
from intertone.web.uploads import MapRequest, OwnCode
from intertone.web.workers import Limits, Workers


@pytest.fixture
def client() -> Iterator[TestClient]:
    start = partial(
        Workers, nothing, answer_place, count=1, limits=Limits(seconds=2), task="decoding of a place", items="places"
    )
    site = Site(Workers(nothing, obey, count=1), map_workers=start)
    yield TestClient(make_app(site), base_url=HOME)
    site.close()


def test_a_place_has_a_sound(client: TestClient) -> None:
    assert client.get("/start").json()["map"] is True
    answer = client.post("/map/sound", json={"x": 0.5, "y": 1, "instrument": None})
    assert answer.status_code == 200 and answer.content == b"0.5 1.0 0"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_sounds_of_an_instrument_are_points(client: TestClient) -> None:
    job = order(client, upload(client), upload(client, name="sitar.wav"))
    finished(client, job)
    points = client.get("/map", params={"instrument": job}).json()["points"]
    assert points == [{"name": "horn.wav", "corner": 0}, {"name": "sitar.wav", "corner": 1}]
    assert client.post("/map/sound", json={"x": 0.5, "y": 0, "instrument": job}).content == b"0.5 0.0 2"
    assert client.get("/map", params={"instrument": "unknown"}).json()["points"] == []


def test_sounds_of_an_earlier_server_are_one_clear_sentence(client: TestClient) -> None:
    assert client.get("/map", params={"instrument": "gone"}).json() == {"points": [], "known": False}
    assert client.get("/map").json()["known"] is True
    for address in ("/map/sound", "/map/page"):
        answer = client.post(address, json={"x": 0.5, "y": 0, "instrument": "gone"})
        assert answer.status_code == 404
        assert answer.json() == {"error": "the server no longer has your sounds; drop them again", "lost": True}


def test_a_place_and_a_code_are_pages(client: TestClient) -> None:
    for wanted, data in (({"x": 0.5, "y": 1}, b"0.5 1.0 0"), ({"codec": "canne", "values": [0, 1]}, b"canne 0.0 1.0")):
        answer = client.post("/map/page", json=wanted)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
        assert base64.b64encode(data).decode() in answer.text
    assert client.post("/map/page", json={"x": 2, "y": 0}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"[" * 1000,
            b"\xff\xfe",
            b'{"x": 0.5}',
            b'{"x": NaN, "y": 0}',
            b'{"x": "a", "y": 0}',
            b'{"x": null, "y": 0}',
        ),
        *(
            b'{"x": NaN, "y": 0}',
            b'{"x": 1.01, "y": 0}',
            b'{"x": 0, "y": -1e999}',
            b'{"x": 0, "y": 0, "instrument": 3}',
        ),
    ],
)
def test_no_place_is_refused_in_a_sentence(client: TestClient, body: bytes) -> None:
    answer = client.post("/map/sound", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith('a place must be {"x": 0…1, "y": 0…1, "instrument": identifier or null}')


def test_a_code_has_a_sound(client: TestClient) -> None:
    answer = client.post("/map/sound", json={"codec": "canne", "values": [0, 0.25, 1]})
    assert answer.status_code == 200 and answer.content == b"canne 0.0 0.25 1.0"


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"codec": "../../etc", "values": [0.5]}, "a code must be of one of the codecs canne, manne, got ../../etc"),
        ({"codec": ["canne"], "values": [0.5]}, "a code must be of one of the codecs canne, manne, got ['canne']"),
        ({"codec": "canne"}, "a code must be a list of at most 16 numbers in 0…1, got something else"),
        (
            {"codec": "canne", "values": [0.5] * 17},
            "a code must be a list of at most 16 numbers in 0…1, got something else",
        ),
        ({"codec": "canne", "values": [1.5]}, "a code must be a list of at most 16 numbers in 0…1, got others"),
        ({"codec": "canne", "values": ["a"]}, "a code must be a list of at most 16 numbers in 0…1, got others"),
    ],
)
def test_no_code_is_refused_in_a_sentence(client: TestClient, order: dict, sentence: str) -> None:
    answer = client.post("/map/sound", json=order)
    assert answer.status_code == 400 and answer.json()["error"] == sentence


def test_a_large_body_is_refused_also_in_chunks(client: TestClient) -> None:
    for content in (b" " * 2000, (b" " * 100 for _ in range(20))):
        answer = client.post("/map/sound", content=content)
        assert answer.status_code == 413
        assert answer.json()["error"] == "a place must have at most 1024 bytes, got more"


def test_foreign_requests_reach_no_process(client: TestClient) -> None:
    place = {"x": 0.5, "y": 0.5}
    assert client.post("/map/sound", json=place, headers={"host": "evil.example"}).status_code == 403
    assert client.post("/map/sound", json=place, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("/map", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (0.1, "the process for the decoding of a place ended; a new one was started, so try again"),
        (0.2, "the decoding of a place must take at most 2 s, and took longer"),
        (0.3, "the decoding of a place failed with KeyError, an error of the program"),
    ],
)
def test_a_failure_is_one_refusal(client: TestClient, x: float, sentence: str) -> None:
    answer = client.post("/map/sound", json={"x": x, "y": 0})
    assert answer.status_code == 500 and answer.json()["error"] == sentence
    assert client.post("/map/sound", json={"x": 0.5, "y": 0}).content == b"0.5 0.0 0"


def test_the_process_starts_with_the_first_request(client: TestClient) -> None:
    before = _children()
    client.get("/map")
    assert len(_children() - before) == 1
    client.get("/map")
    assert len(_children() - before) == 1


def _children() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_a_page_without_a_map_says_so() -> None:
    site = Site(Workers(nothing, obey, count=1))
    try:
        client = TestClient(make_app(site), base_url=HOME)
        assert client.get("/start").json()["map"] is False
        assert client.get("/map").status_code == 404 == client.post("/map/sound", json={}).status_code
    finally:
        site.close()


def test_codecs_with_codes_of_instruments_have_a_map() -> None:
    assert _map_workers("harmonic") is not None
    assert _map_workers("harmonic-16k") is None


@pytest.fixture(scope="module")
def bench() -> MapBench:
    return MapBench("harmonic")


def test_the_process_answers_with_points_and_instruments(bench: MapBench) -> None:
    code = bench.map.codes[3].numpy()
    own = (OwnCode("mine", 2, code.tobytes()),)
    points = bench.answer(MapRequest(own))
    assert isinstance(points, list) and len(points) == len(bench.map.names) + 1
    assert points[-1]["own"] and points[-1]["corner"] == 2 and points[-1]["family"] == "your sounds"
    assert points[0] | {"x": 0, "y": 0} == {
        "name": "yamaha grand piano",
        "family": "piano",
        "own": False,
        "x": 0,
        "y": 0,
    }
    found = bench.answer(MapRequest(own, (points[-1]["x"], points[-1]["y"])))
    assert isinstance(found, bytes)
    instrument = Instrument.from_bytes(found)
    (sound,) = instrument.header["sounds"]
    assert sound["name"].startswith("mine ") and sound["pitched"] and len(instrument.header["gains"]) == 6
    assert np.isfinite(instrument.header["gains"]).all()


def test_the_process_answers_with_loops(bench: MapBench) -> None:
    found = bench.answer(MapRequest(codec="manne", values=(0.2, 0.4, 0.9)))
    assert isinstance(found, bytes)
    (sound,) = Instrument.from_bytes(found).header["sounds"]
    assert sound["name"] == "manne" and sound["loop_key"] == 60
    with pytest.raises(InputError, match="the latents of this codec must be 3 numbers"):
        bench.answer(MapRequest(codec="manne", values=(0.2, 0.4)))


def test_a_mixture_is_named_after_its_largest_parts() -> None:
    assert mixture_name([0.3, 0.02, 0.68], ["flute", "sitar", "oboe"]) == "oboe 68 %, flute 30 %"
