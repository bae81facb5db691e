"""The straight path is told from paths that only seem to be straight."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from intertone.metrics import (
    bunched_counterfeit,
    detour_counterfeit,
    equidistant_counterfeit,
    path_efficiency,
    path_projection,
    sobolev_distance,
    step_variation,
)

RATIOS = torch.linspace(0, 1, 11)
SHAPE = (16, 8)
SEEDS = range(5)


def make_ends(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(SHAPE, generator=generator), 3 * torch.randn(SHAPE, generator=generator) + 1


def straight(seed: int, *, deviation: float = 0.0) -> Tensor:
    """The straight path, each inner point moved by a share of the distance of the ends."""
    start, end = make_ends(seed)
    moves = torch.randn(11, *SHAPE, generator=torch.Generator().manual_seed(100 + seed))
    moves *= deviation * (end - start).norm() / moves.flatten(1).norm(dim=1)[:, None, None]
    moves[0] = moves[-1] = 0
    return start + RATIOS[:, None, None] * (end - start) + moves


def equidistant(seed: int) -> Tensor:
    return equidistant_counterfeit(*make_ends(seed), RATIOS, generator=torch.Generator().manual_seed(seed))


def bunched(seed: int) -> Tensor:
    return bunched_counterfeit(*make_ends(seed), RATIOS)


def detour(seed: int) -> Tensor:
    return detour_counterfeit(*make_ends(seed), RATIOS, generator=torch.Generator().manual_seed(seed))


every_counterfeit = pytest.mark.parametrize("counterfeit", [equidistant, bunched, detour])


def failures(path: Tensor) -> set[str]:
    projection_error, off_axis = path_projection(path, RATIOS)
    found = {"projection"} if projection_error > 0.1 else set()
    found |= {"off-axis"} if off_axis > 0.25 else set()
    return found | ({"steps"} if step_variation(path).deviation > 0.5 else set())


def test_the_straight_path_is_perfect() -> None:
    path = straight(0)
    assert [float(value) for value in path_projection(path, RATIOS)] == pytest.approx([0, 0], abs=1e-6)
    assert [float(value) for value in step_variation(path)] == pytest.approx([0, 1], abs=1e-6)
    assert float(path_efficiency(path)) == pytest.approx(1)
    assert float(sobolev_distance(path, RATIOS)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@every_counterfeit
def test_counterfeits_are_caught_and_an_inexact_straight_path_is_not(
    counterfeit: Callable[[int], Tensor], seed: int
) -> None:
    inexact = straight(seed, deviation=0.03)
    assert failures(inexact) == set()
    assert failures(counterfeit(seed))
    assert float(sobolev_distance(counterfeit(seed), RATIOS)) > 2 * float(sobolev_distance(inexact, RATIOS))


def test_each_counterfeit_fails_where_it_should() -> None:
    assert {"projection", "off-axis"} <= failures(equidistant(0))
    assert failures(bunched(0)) == {"projection", "steps"}
    assert failures(detour(0)) == {"off-axis"}
    assert float(path_efficiency(bunched(0))) == pytest.approx(1)
    # two sides of sqrt(0.5² + 2²)
    assert float(path_efficiency(detour(0))) == pytest.approx(1 / (2 * math.sqrt(4.25)), abs=1e-5)


def test_each_counterfeit_has_the_ends_and_pleases_the_metric_that_it_was_made_for() -> None:
    start, end = make_ends(0)
    for path in (equidistant(0), bunched(0), detour(0)):
        assert path.shape == (11, *SHAPE)
        assert torch.allclose(path[0], start, atol=1e-5) and torch.allclose(path[-1], end, atol=1e-5)
    distances = [(equidistant(0) - point).flatten(1).norm(dim=1) for point in (start, end)]
    assert np.corrcoef(distances[0], RATIOS)[0, 1] == pytest.approx(1)
    assert float(distances[1][5]) > 0.9 * float((end - start).norm())  # half-way it is no nearer to B
    distances = [(detour(0) - point).flatten(1).norm(dim=1) for point in (start, end)]
    assert float(distances[0][5]) == pytest.approx(float(distances[1][5]), rel=1e-5)
    assert float(step_variation(detour(0)).deviation) < 1e-4
    assert float(bunched(0).diff(dim=0).flatten(1).norm(dim=1).sum()) == pytest.approx(float((end - start).norm()))


def test_distance_grows_with_the_deviation_and_no_number_depends_on_the_scale() -> None:
    paths = [straight(1, deviation=share) for share in (0, 0.02, 0.05, 0.2)]
    for measure in (
        lambda path: sobolev_distance(path, RATIOS),
        lambda path: path_projection(path, RATIOS).off_axis,
        lambda path: step_variation(path).deviation,
        lambda path: -path_efficiency(path),
    ):
        values = [float(measure(path)) for path in paths]
        assert values == sorted(values) and values[-1] > values[0] + 0.01
        assert float(measure(-100 * paths[2] + 5)) == pytest.approx(values[2], rel=1e-3)


def test_distance_of_a_parabola_is_the_integrals() -> None:
    ratios = torch.linspace(0, 1, 2001, dtype=torch.float64)
    path = torch.stack([ratios, 4 * ratios * (1 - ratios)], 1)
    # ∫ 16a²(1 − a)² = 16/30 and ∫ 16(1 − 2a)² = 16/3
    wanted = math.sqrt(16 / 30) + math.sqrt(16 / 3)
    assert float(sobolev_distance(path, ratios)) == pytest.approx(wanted, abs=1e-3)
    uneven = ratios**2
    path = torch.stack([uneven, 4 * uneven * (1 - uneven)], 1)
    assert float(sobolev_distance(path, uneven)) == pytest.approx(wanted, abs=1e-3)


def test_ends_may_be_other_points_than_those_of_the_path() -> None:
    start, end = torch.tensor([0.0, 0.0]), torch.tensor([4.0, 0.0])
    path = torch.tensor([[1.0, 2.0], [2.0, 2.0], [4.0, 2.0]])
    ratios = torch.tensor([0.0, 0.5, 1.0])
    error, off_axis = path_projection(path, ratios, ends=(start, end))
    assert (float(error), float(off_axis)) == pytest.approx((0.25 / 3, 0.5))
    # squared errors of the places 5, 4, 4; velocities 2 and 4 of 4
    wanted = (math.sqrt(0.25 * (5 + 4) + 0.25 * (4 + 4)) + math.sqrt(0.5 * 4)) / 4
    assert float(sobolev_distance(path, ratios, ends=(start, end))) == pytest.approx(wanted)
    assert [float(value) for value in step_variation(path)] == pytest.approx([1 / 3, 4 / 3])  # steps 1 and 2


def test_a_path_that_does_not_move_is_defined() -> None:
    still = torch.ones(5, 3)
    ratios = torch.linspace(0, 1, 5)
    assert float(path_efficiency(still)) == 1
    assert [float(value) for value in step_variation(still)] == [0, 1]
    assert [float(value) for value in path_projection(still, ratios)] == [0.5, 0]
    assert float(sobolev_distance(still, ratios)) == 0


def test_wrong_arguments_are_refused() -> None:
    path = straight(0)
    with pytest.raises(ValueError, match=r"at least two points, got \(1, 3\)"):
        step_variation(torch.zeros(1, 3))
    with pytest.raises(ValueError, match=r"ratios must be \(11,\), one for each point, got \(10,\)"):
        path_projection(path, RATIOS[1:])
    with pytest.raises(ValueError, match="ratios must rise"):
        sobolev_distance(path, RATIOS.flip(0))
    with pytest.raises(ValueError, match=r"ends must be two points of shape \(16, 8\), got \(16, 8\) and \(8,\)"):
        path_projection(path, RATIOS, ends=(path[0], path[0, 0]))
    with pytest.raises(ValueError, match=r"one shape of at least two numbers, got \(1,\) and \(1,\)"):
        detour_counterfeit(torch.zeros(1), torch.ones(1), RATIOS, generator=torch.Generator())
