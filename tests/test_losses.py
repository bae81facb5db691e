"""Losses: known values, what they ignore, and what they dislike."""

import math

import pytest
import torch

from intertone.losses import FAINTEST, audible_error, existing_rows, image_error, mean_squared_error

ALL = torch.ones(1, 2, dtype=torch.bool)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_mean_squared_error_is_that_of_the_formula() -> None:
    estimate, reference = rand(3, 4, 5), rand(3, 4, 5, seed=1)
    assert float(mean_squared_error(estimate, reference)) == pytest.approx(
        sum((a - b) ** 2 for a, b in zip(estimate.flatten().tolist(), reference.flatten().tolist(), strict=True)) / 60
    )


def test_rows_above_the_limit_do_not_exist() -> None:
    orders = torch.tensor([*range(1, 65), 65, 70, 80])
    exists = existing_rows(orders, torch.tensor([27.5, 400.0, 12000.0]), n_features=70)
    assert exists.shape == (3, 70)
    assert exists[0].all()  # 80 · 27.5 = 2,200 Hz
    assert exists[1].nonzero()[:, 0].tolist() == [*range(50), 67, 68, 69]  # 50 · 400 = 20,000 Hz, and the noise
    assert exists[2].nonzero()[:, 0].tolist() == [0, 67, 68, 69]
    assert existing_rows(orders, torch.tensor([400.0]), n_features=67, f_max=1999.0).sum() == 4


def test_a_loud_cell_counts_in_full_and_a_faint_one_by_the_square_of_its_level() -> None:
    # levels 1 and 0.3, errors 0.1 and 0.2: weights 1 and (0.3 / 0.6)² = 0.25
    reference, estimate = torch.tensor([[[1.0], [0.3]]]), torch.tensor([[[0.9], [0.1]]])
    assert float(audible_error(estimate, reference, ALL)) == pytest.approx((0.1 + 0.25 * 0.2) / 1.25)


def test_sound_where_there_should_be_none_costs_as_much_as_sound_that_is_missing() -> None:
    loud, silent = torch.full((1, 2, 3), 0.8), torch.zeros(1, 2, 3)
    assert float(audible_error(loud, silent, ALL)) == pytest.approx(0.8)
    assert float(audible_error(silent, loud, ALL)) == pytest.approx(0.8)
    # below the floor nobody hears anything: the weight is the least one, and so is the weight of the other cell
    assert float(audible_error(-loud, silent, ALL)) == pytest.approx(0.8)
    mixed = torch.cat([torch.full((1, 1, 3), 1.0), torch.zeros(1, 1, 3)], 1)
    quiet = mixed - torch.tensor([0.0, 0.5])[:, None]
    assert float(audible_error(quiet, mixed, ALL)) == pytest.approx(0.5 * FAINTEST / (1 + FAINTEST))


def test_rows_that_do_not_exist_are_ignored() -> None:
    reference, estimate = rand(1, 2, 9), rand(1, 2, 9, seed=1)
    exists = torch.tensor([[True, False]])
    changed = estimate + torch.tensor([0.0, 5.0])[:, None]
    assert torch.equal(image_error(changed, reference, exists), image_error(estimate, reference, exists))
    estimate.requires_grad_()
    image_error(estimate, reference, exists).backward()
    assert estimate.grad is not None and estimate.grad[0, 0].all() and not estimate.grad[0, 1].any()


def test_every_note_counts_the_same() -> None:
    # the second note is silent but for one cell, with the same error in it
    reference = torch.zeros(2, 1, 100)
    reference[0], reference[1, 0, 0] = 1.0, 1.0
    exists = torch.ones(2, 1, dtype=torch.bool)
    first = torch.stack([reference[0] - 0.1, reference[1]])
    assert float(audible_error(first, reference, exists)) == pytest.approx(0.05)


def test_flicker_costs_less_than_an_offset_of_its_size() -> None:
    reference = torch.full((1, 2, 64), 0.8)
    flicker = torch.tensor([0.1, -0.1]).repeat(32)
    offset, flickering = (float(image_error(reference + change, reference, ALL)) for change in (0.1, flicker))
    assert offset == pytest.approx(0.1)
    assert flickering == pytest.approx(0.1 / 3, rel=1e-4)  # only the first of the three scales sees it


def test_any_length_and_equal_images() -> None:
    for n_frames in (1, 3, 17):
        image = rand(2, 2, n_frames)
        assert float(image_error(image, image, ALL.expand(2, -1))) == 0.0
        assert math.isfinite(float(image_error(image, 0 * image, ALL.expand(2, -1))))
