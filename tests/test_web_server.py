"""The server of the page: what it refuses, and that nothing that happens to a worker process ends it."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from web_work import no_codec, nothing, obey

from intertone.instrument.live import MOST_SOUNDS
from intertone.web.server import Site, make_app, static_files
from intertone.web.shelf import MAX_UPLOAD_BYTES
from intertone.web.uploads import MAX_SOUNDS
from intertone.web.workers import Limits, Workers

HOME = "http://127.0.0.1:8642"


def served(site: Site, **settings: str) -> TestClient:
    return TestClient(make_app(site, **settings), base_url=HOME)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site(Workers(nothing, obey, limits=Limits(seconds=2, memory_bytes=2**30)))
    yield site
    site.close()


@pytest.fixture
def client(site: Site) -> TestClient:
    return served(site)


def upload(client: TestClient, content: bytes = b"sound", name: str = "horn.wav") -> str:
    answer = client.post("/sounds", params={"name": name}, content=content)
    assert answer.status_code == 201
    return answer.json()["id"]


def order(client: TestClient, *sounds: str) -> str:
    answer = client.post("/instruments", json={"sounds": sounds})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def finished(client: TestClient, job: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = client.get(f"/instruments/{job}").json()
        if state["state"] in ("done", "failed"):
            return state
        time.sleep(0.02)
    raise AssertionError("the job did not end")


def test_sounds_become_an_instrument(client: TestClient) -> None:
    job = order(client, upload(client, b"one"), upload(client, b"two"))
    assert finished(client, job)["sounds"] == [{"remarks": []}] * 2
    assert client.get(f"/instruments/{job}/data").content == b"onetwo"


def test_the_page_the_server_and_an_instrument_have_the_same_number_of_sounds() -> None:
    assert f"export const MOST_SOUNDS = {MAX_SOUNDS};" in static_files()["size.js"].decode()
    assert MOST_SOUNDS == MAX_SOUNDS


def test_the_page_and_its_modules_are_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8" and 'src="static/page.js"' in page.text
    assert client.get("/static/page.js").headers["content-type"] == "text/javascript; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "__init__.py"])
def test_no_name_leads_out_of_the_static_files(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_the_name_of_an_upload_is_harmless(client: TestClient, site: Site) -> None:
    answer = client.post("/sounds", params={"name": "../../etc/horn.wav"}, content=b"sound").json()
    stored = site.shelf.find(answer["id"])
    assert answer["name"] == "horn.wav" and stored is not None
    assert stored.path.name.isalnum() and stored.path.read_bytes() == b"sound"


def test_a_large_upload_is_refused_before_it_is_read(client: TestClient) -> None:
    headers = {"content-length": str(MAX_UPLOAD_BYTES + 1)}
    answer = client.post("/sounds", content=b"x", headers=headers)
    assert answer.status_code == 413 and answer.json()["error"].startswith("a sound must have at most 96 MiB")


def test_a_large_upload_without_a_length_is_refused(
    client: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intertone.web.server.MAX_UPLOAD_BYTES", 1000)
    folder = site.shelf.new_path().parent
    answer = client.post("/sounds", content=(b"x" * 300 for _ in range(5)))
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 413 and list(folder.iterdir()) == []
    assert client.post("/sounds", content=(b"x" * 300 for _ in range(3))).status_code == 201
    assert client.post("/instruments", content=(b" " * 1000 for _ in range(5))).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8642"},
        {"host": "[:::"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_foreign_hosts_and_origins_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.post("/sounds", content=b"sound", headers=headers)
    assert answer.status_code == 403 and " must " in answer.json()["error"]


def test_other_sites_may_link_to_the_page_and_fetch_nothing(client: TestClient) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    for mode in ("no-cors", "cors"):
        assert client.get("/page.js", headers={**link, "sec-fetch-mode": mode}).status_code == 403


def test_the_pages_own_origin_is_taken(client: TestClient) -> None:
    assert client.post("/sounds", content=b"sound", headers={"origin": HOME}).status_code == 201
    assert client.get("/", headers={"host": "localhost:8642"}).status_code == 200


def test_a_public_address_needs_the_token(site: Site) -> None:
    client = served(site, host="0.0.0.0", token="abcdefghijkl")
    assert client.get("/", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/").status_code == 401
    assert client.get("/?token=abcdefghijkx").status_code == 401
    bearer = {"authorization": "Bearer abcdefghijkl"}
    assert client.get("/start", headers=bearer).status_code == 200
    entered = client.get("/?token=abcdefghijkl")
    assert entered.url.path == "/" and not entered.url.query and entered.status_code == 200
    cookie = entered.history[0].headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert client.get("/start").status_code == 200
    stranger = served(site, host="0.0.0.0", token="abcdefghijkl")  # with cookies of other programs of the same host
    for others in ("a/b=1", 'x={"a":1}', "a[b]=1"):
        assert stranger.get("/start", headers={"cookie": f"{others}; intertone=abcdefghijkl"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "got something else"),
        (b"[1]", "got something else"),
        (b'{"sounds": []}', "got 0"),
        (b'{"sounds": "abcd"}', "got no list"),
        (b'{"sounds": ["a","b","c","d","e"]}', f"with 1 to {MAX_SOUNDS}, got 5"),
        (b'{"sounds": [1]}', "got one that is no text"),
        (b"[" * 4000, "got something else"),
    ],
)
def test_an_order_that_is_none_is_refused(client: TestClient, body: bytes, sentence: str) -> None:
    answer = client.post("/instruments", content=body)
    assert answer.status_code == 400 and sentence in answer.json()["error"]


def test_an_unknown_sound_is_named(client: TestClient) -> None:
    answer = client.post("/instruments", json={"sounds": [upload(client), "nothing"]})
    assert answer.status_code == 404 and answer.json()["sound"] == 1


def test_a_refused_sound_is_named(client: TestClient) -> None:
    state = finished(client, order(client, upload(client), upload(client, b"refuse", "noise.txt")))
    assert state["error"] == "a sound must be a sound, got noise.txt" and state["sound"] == 1
    assert client.get(f"/instruments/{state['id']}/data").status_code == 404


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"die", "the process for the analysis of a sound ended; a new one was started, so try again"),
        (b"fill", "the analysis of a sound must need at most 1024 MiB, and needed more"),
        (b"sleep", "the analysis of a sound must take at most 2 s, and took longer"),
        (b"fail", "the analysis of a sound failed with KeyError, an error of the program"),
    ],
)
def test_a_failed_process_is_one_failed_job(client: TestClient, site: Site, content: bytes, sentence: str) -> None:
    jobs = [order(client, upload(client, content)), order(client, upload(client, b"other"))]
    assert finished(client, jobs[0])["error"] == sentence
    assert finished(client, jobs[1])["state"] == "done"
    assert client.get(f"/instruments/{jobs[1]}/data").content == b"other"
    again = [order(client, upload(client, b"later")) for _ in range(4)]
    assert [finished(client, job)["state"] for job in again] == ["done"] * 4
    deadline = time.monotonic() + 20
    while len(site.workers.processes()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(site.workers.processes()) == 2


def test_a_codec_that_cannot_be_opened_refuses_every_job() -> None:
    site = Site(Workers(no_codec, obey, count=1))
    try:
        client = served(site)
        for _ in range(2):
            assert finished(client, order(client, upload(client)))["error"] == "a codec must be there, got none"
        assert len(site.workers.processes()) == 1
    finally:
        site.close()


def test_fifty_uploads_queue_and_finish(client: TestClient) -> None:
    jobs = [order(client, upload(client, f"sound {index}".encode())) for index in range(50)]
    assert [finished(client, job)["state"] for job in jobs] == ["done"] * 50
    contents = [client.get(f"/instruments/{job}/data").content for job in jobs]
    assert contents == [f"sound {index}".encode() for index in range(50)]


def test_a_full_queue_refuses_in_a_sentence() -> None:
    site = Site(Workers(nothing, obey, count=1, limits=Limits(seconds=30, waiting=2)))
    try:
        client = served(site)
        sleeping, other = upload(client, b"sleep"), upload(client, b"other")
        first = order(client, sleeping)
        while client.get(f"/instruments/{first}").json()["state"] == "waiting":
            time.sleep(0.02)
        waiting = [order(client, other), order(client, other)]
        assert [client.get(f"/instruments/{job}").json()["before"] for job in waiting] == [0, 1]
        answer = client.post("/instruments", json={"sounds": [other]})
        assert answer.status_code == 503 and answer.json()["error"].startswith("at most 2 sounds may wait")
    finally:
        site.close()


def test_the_oldest_uploads_make_room(client: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intertone.web.shelf.MAX_SOUNDS", 3)
    names = [upload(client, bytes([index])) for index in range(5)]
    assert [site.shelf.find(name) is not None for name in names] == [False, False, True, True, True]


def test_the_oldest_results_make_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("intertone.web.workers.KEPT_BYTES", 10_000)
    path = tmp_path / "horn.wav"
    path.write_bytes(b"own")
    site = Site(Workers(nothing, obey, count=1), [path])
    try:
        client = served(site)
        own = client.get("/start").json()["instrument"]
        jobs = [order(client, upload(client, 4000 * bytes([index]))) for index in range(4)]
        finished(client, jobs[-1])
        deadline = time.monotonic() + 20
        while site.workers.find(jobs[1]) is not None and time.monotonic() < deadline:
            time.sleep(0.02)
        found = [client.get(f"/instruments/{job}/data").status_code for job in (own, *jobs)]
        assert found == [200, 404, 404, 200, 200]
        large = order(client, upload(client, b"x" * 20_000))
        finished(client, large)
        assert client.get(f"/instruments/{large}/data").status_code == 200
    finally:
        site.close()


def test_jobs_that_wait_when_the_server_ends_fail() -> None:
    site = Site(Workers(nothing, obey, count=1, task="drawing"))
    client = served(site)
    first = order(client, upload(client, b"sleep"))
    while client.get(f"/instruments/{first}").json()["state"] == "waiting":
        time.sleep(0.02)
    waiting = site.workers.find(order(client, upload(client, b"other")))
    site.close()
    assert waiting is not None and waiting.finished.wait(10)
    assert (waiting.state, waiting.error) == ("failed", "the server ended before the drawing began")


def test_a_dropped_result_is_forgotten(client: TestClient, site: Site) -> None:
    job = site.workers.find(order(client, upload(client)))
    assert job is not None and job.finished.wait(60)
    site.workers.drop(job)
    assert site.workers.find(job.name) is None


def test_a_process_that_cannot_be_started_is_tried_again(
    client: TestClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_process: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.context.SpawnProcess.start", refuse)
        for number in site.workers.processes():
            os.kill(number, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while site.workers.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        states = [finished(client, order(client, upload(client)))["error"] for _ in range(4)]
        assert states[-1] == "no process could be started for the analysis of a sound; try again in a while"
    deadline = time.monotonic() + 20
    while len(site.workers.processes()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert finished(client, order(client, upload(client)))["state"] == "done"


def test_files_of_the_command_line_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "horn.wav"
    path.write_bytes(b"own")
    site = Site(Workers(nothing, obey, count=1), [path])
    client = served(site)
    start = client.get("/start").json()
    assert [sound["name"] for sound in start["sounds"]] == ["horn.wav"]
    assert finished(client, start["instrument"])["state"] == "done"
    site.close()
    assert path.read_bytes() == b"own"


def test_a_job_of_an_earlier_server_is_one_clear_sentence(client: TestClient) -> None:
    for address in ("/instruments/gone", "/instruments/gone/data", "/instruments/gone/page"):
        answer = client.get(address)
        assert answer.status_code == 404
        sentence = "the server no longer has this instrument; drop its sounds again, or reload the page"
        assert answer.json() == {"error": sentence}
