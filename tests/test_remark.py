"""Remarks: each thread, task and command collects its own, and the log has them all."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import torch

from intertone import Remark, collect_remarks
from intertone.morphing import match_shapes
from intertone.parallel import side_by_side
from intertone.remark import RemarkLogger

logger = RemarkLogger("intertone.test")


def completed(samples: int) -> Remark:
    return Remark("info", f"A was padded with silence from {samples} to 100 samples")


def match(samples: int) -> None:
    match_shapes(torch.ones(samples), torch.ones(100))


def test_remarks_have_a_level_and_a_text() -> None:
    with collect_remarks() as remarks:
        match(3)
        logger.warning("%s is odd: %.2f", "B", 0.123)
        logger.info("done, 100 %s", "%")
    logger.warning("too late")
    assert remarks == [completed(3), Remark("warning", "B is odd: 0.12"), Remark("info", "done, 100 %")]


def test_the_log_has_what_it_would_have_without_a_collector(caplog: pytest.LogCaptureFixture) -> None:
    found = []
    with caplog.at_level(logging.INFO, logger="intertone"):
        logger.warning("%s is odd", "A")
        with collect_remarks():
            logger.warning("%s is odd", "A")
    for record in caplog.records:
        found.append((record.name, record.levelno, record.msg, record.args, record.message, record.funcName))
    own = "test_the_log_has_what_it_would_have_without_a_collector"
    assert found == [("intertone.test", logging.WARNING, "%s is odd", ("A",), "A is odd", own)] * 2


def test_levels_of_the_log_leave_remarks_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, logger="intertone"), collect_remarks() as remarks:
        match(5)
    assert remarks == [completed(5)] and caplog.messages == []


def test_blocks_within_blocks_collect_the_same_remarks() -> None:
    shown: list[Remark] = []
    with collect_remarks(shown.append) as outer:
        match(1)
        with pytest.raises(KeyError), collect_remarks() as inner:
            match(2)
            raise KeyError
        match(3)
    assert outer == shown == [completed(1), completed(2), completed(3)]
    assert inner == [completed(2)]


def in_two_threads(work: Callable[[int], list[Remark]]) -> list[list[Remark]]:
    found: dict[int, list[Remark]] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: work(n)})) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return [found[0], found[1]]


def test_two_requests_at_the_same_time_have_their_own_remarks() -> None:
    met = threading.Barrier(2, timeout=30)

    def request(number: int) -> list[Remark]:
        with collect_remarks() as remarks:
            for step in range(5):
                met.wait()  # both are inside their blocks, before each remark and after the last
                match(10 * number + step + 1)
            met.wait()
        return remarks

    first, second = in_two_threads(request)
    assert first == [completed(samples) for samples in range(1, 6)]
    assert second == [completed(samples) for samples in range(11, 16)]


def test_nothing_is_lost_side_by_side_and_nothing_mixed_up() -> None:
    """One request has a pool of threads and the other, meanwhile, works through its own things itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    met = threading.Barrier(2, timeout=30)

    def request(number: int) -> list[Remark]:
        with collect_remarks() as remarks:
            met.wait()
            list(side_by_side(match, [40 * number + item + 1 for item in range(40)]))
            met.wait()
        return remarks

    found = in_two_threads(request)
    torch.set_num_threads(before)
    for number, remarks in enumerate(found):
        expected = [completed(40 * number + item + 1) for item in range(40)]
        assert sorted(remarks, key=str) == sorted(expected, key=str)


def test_every_thread_of_a_pool_reaches_the_collector() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    met = threading.Barrier(2, timeout=30)  # breaks unless two threads work

    def work(samples: int) -> None:
        met.wait()
        match(samples)

    with collect_remarks() as remarks:
        list(side_by_side(work, [1, 2, 3, 4]))
    torch.set_num_threads(before)
    assert sorted(remarks, key=str) == [completed(samples) for samples in (1, 2, 3, 4)]


def test_tasks_have_their_own_remarks() -> None:
    async def request(samples: int) -> list[Remark]:
        with collect_remarks() as remarks:
            await asyncio.sleep(0)
            await asyncio.to_thread(match, samples)
            await asyncio.sleep(0)
            match(samples + 1)
        return remarks

    async def both() -> list[list[Remark]]:
        return list(await asyncio.gather(request(10), request(20)))

    assert asyncio.run(both()) == [[completed(10), completed(11)], [completed(20), completed(21)]]


def test_a_command_shows_each_remark_once_and_none_after_its_end() -> None:
    code = (
        "import typer\n"
        "from intertone.cli.options import Report, logger\n"
        "app = typer.Typer()\n"
        "@app.command()\n"
        "def verb(context: typer.Context, json: bool = False):\n"
        "    report = Report(context, as_json=json)\n"
        "    logger.info('%s was done', 'A')\n"
        "    logger.warning('%s is odd', 'B')\n"
        "    report.finish({'a': 1}, 'wrote it')\n"
        "app([], standalone_mode=False)\n"
        "logger.warning('nobody asked')\n"
        "app(['--json'], standalone_mode=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == "  A was done\n  B is odd\n"
    expected = 'wrote it\n{\n  "a": 1,\n  "done": [\n    "A was done",\n    "B is odd"\n  ]\n}\n'
    assert done.stdout == expected
