"""Several things at a time: in threads, in their order, with the caller's modes; in processes that end in time."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch

from intertone.errors import InputError
from intertone.parallel import in_processes, side_by_side


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_two_work_at_the_same_time_and_results_keep_their_order() -> None:
    met = threading.Barrier(2, timeout=20)  # breaks if one had to wait for the other

    def work(item: int) -> tuple[int, int]:
        met.wait()
        return item * item, torch.get_num_threads()

    assert list(side_by_side(work, [3, 1, 2, 5])) == [(9, 1), (1, 1), (4, 1), (25, 1)]
    assert torch.get_num_threads() == 2


def test_the_callers_modes_hold_in_every_thread() -> None:
    def work(_item: int) -> tuple[bool, bool]:
        return torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    assert list(side_by_side(work, [0, 1])) == [(False, True)] * 2
    with torch.inference_mode():
        assert list(side_by_side(work, [0, 1])) == [(True, False)] * 2
    with torch.no_grad():
        assert list(side_by_side(work, [0, 1])) == [(False, False)] * 2


def test_within_itself_it_works_in_the_same_thread() -> None:
    def inner(_item: int) -> int:
        return threading.get_ident()

    def outer(_item: int) -> bool:
        return set(side_by_side(inner, [0, 1, 2])) == {threading.get_ident()}

    assert list(side_by_side(outer, [0, 1])) == [True, True]


def test_few_wait_to_be_taken() -> None:
    begun: list[int] = []
    results = side_by_side(begun.append, list(range(10)))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 3 and torch.get_num_threads() == 2


def test_an_error_comes_through_and_leaves_everything_as_it_was() -> None:
    def work(item: int) -> int:
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        list(side_by_side(work, [1, 0, 1]))
    assert torch.get_num_threads() == 2
    assert list(side_by_side(work, [1])) == [1]


@contextmanager
def _base(folder: Path, base: int) -> Iterator[int]:
    (folder / f"{os.getpid()}").touch()
    yield base


def _work(base: int, item: int) -> tuple[int, int, int, bool]:
    return base + item, os.getpid(), torch.get_num_threads(), signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def _end(_: None, item: int) -> None:
    if item:
        os.kill(os.getpid(), signal.SIGKILL)


def test_processes_open_once_and_each_thing_comes_with_its_result(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what runs in the background
    start = partial(_base, tmp_path, 100)
    found = dict(in_processes(_work, list(range(7)), workers=2, start=start, name="adding", threads=1))
    assert {item: result[0] for item, result in found.items()} == {item: 100 + item for item in range(7)}
    used = {result[1] for result in found.values()}
    opened = {int(path.name) for path in tmp_path.iterdir()}
    assert used <= opened and len(opened) == 2 and os.getpid() not in opened
    assert {result[2:] for result in found.values()} == {(1, True)}
    alone = list(in_processes(_work, [3, 1], workers=1, start=start, name="adding", threads=1))
    assert alone == [(3, (103, os.getpid(), 2, False)), (1, (101, os.getpid(), 2, False))]


@pytest.mark.parametrize("inherited", [signal.SIG_DFL, signal.SIG_IGN])
def test_processes_end_with_their_iterator_and_a_killed_one_is_told(inherited: signal.Handlers) -> None:
    before = signal.signal(signal.SIGTERM, inherited)
    try:
        results = in_processes(pow, list(range(20)), workers=2, start=partial(nullcontext, 2), name="computing")
        next(results)
        results.close()  # type: ignore[attr-defined]
    finally:
        signal.signal(signal.SIGTERM, before)
    # not joined: a thread of the pool joins them too, and of two that do so at once one sees no end
    latest = time.monotonic() + 20
    while multiprocessing.active_children() and time.monotonic() < latest:
        time.sleep(0.02)
    assert not multiprocessing.active_children()
    with pytest.raises(InputError, match="every failing process must run to its end"):
        list(in_processes(_end, [0, 1], workers=2, start=partial(nullcontext, None), name="failing"))


ARENAS = """
import ctypes, threading
from intertone.__main__ import _use_one_arena
{call}
c = ctypes.CDLL(None)
c.malloc.restype, c.fopen.restype = ctypes.c_void_p, ctypes.c_void_p
together = threading.Barrier(4)
def work():
    together.wait()
    c.malloc(1000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
file = c.fopen(b"/dev/stdout", b"w")
c.malloc_info(0, ctypes.c_void_p(file))
c.fclose(ctypes.c_void_p(file))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc")
def test_all_threads_of_the_command_allocate_from_one_pool() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", ARENAS.format(call=call)], capture_output=True, text=True, check=True
        ).stdout.count("<heap nr=")
        for call in ("", "_use_one_arena()")
    ]
    assert found[0] > 1 and found[1] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch uses GNU's OpenMP on Linux")
@pytest.mark.parametrize(
    ("own", "expected"),
    [({}, "GOMP_SPINCOUNT = '1000'"), ({"GOMP_SPINCOUNT": "77"}, "GOMP_SPINCOUNT = '77'"),
     ({"OMP_WAIT_POLICY": "ACTIVE"}, "OMP_WAIT_POLICY = 'ACTIVE'")],
)  # fmt: skip
def test_threads_of_the_command_soon_sleep_unless_the_user_has_said_how_they_wait(
    own: dict[str, str], expected: str
) -> None:
    others = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    code = "from intertone.__main__ import _spin_briefly; _spin_briefly(); import torch"
    environment = others | own | {"OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert expected in done.stderr
    assert not own or "GOMP_SPINCOUNT = '1000'" not in done.stderr
