"""Several things at a time: in their order, each in one thread, with the caller's modes, whatever happens."""

import threading
from collections.abc import Iterator

import pytest
import torch

from intertone.parallel import side_by_side


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
