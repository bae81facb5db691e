"""The linear part is what principal components are, and rows move by the interval that is asked for."""

import math

import numpy as np
import pytest
import torch

from intertone.models import Batch, ConditionedAutoencoder, ConditionedConfig, build_model
from intertone.models.contract import Rows, note_conditions
from intertone.models.linear import PrincipalComponents
from intertone.models.row_shift import RowShift
from intertone.representation import HarmonicConfig, HarmonicRepresentation

ROWS, FRAMES, BLOCK = 7, 20, 8
PARTIALS = torch.arange(1, 17).double().log2()
NOISE = torch.linspace(7, 12, 6).double()


def notes(count: int = 60, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    means = torch.rand(count, ROWS, 1, generator=generator)
    return 0.8 * means + 0.2 * torch.rand(count, ROWS, FRAMES, generator=generator)


def fitted(note_dim: int, local_dim: int) -> PrincipalComponents:
    model = PrincipalComponents(ROWS, note_dim=note_dim, local_dim=local_dim, block=BLOCK)
    model.fit(notes())
    return model


# principal components


@torch.no_grad()
def test_the_error_of_the_mean_is_that_of_the_components_left_out() -> None:
    features, model = notes(), fitted(3, 0)
    loud = (features.amax(1, keepdim=True) / 0.6).clamp(0, 1).square() + 1e-3
    means = ((features * loud).sum(-1) / loud.sum(-1)).double().numpy()
    values = np.linalg.svd(means - means.mean(0), compute_uv=False)
    note, _ = model.encode(features)
    error = model.note_out(note)[..., 0].double().numpy() - means
    assert np.square(error).sum() == pytest.approx(np.square(values[3:]).sum(), rel=1e-3)
    assert float(note.square().mean()) == pytest.approx(1, rel=1e-3)


@torch.no_grad()
def test_more_numbers_leave_less_and_all_leave_nothing() -> None:
    features, errors = notes(), []
    for local_dim in (1, 4, 16, ROWS * BLOCK):
        model = fitted(ROWS, local_dim)
        errors.append(float((model.decode(*model.encode(features))[..., :FRAMES] - features).square().mean().sqrt()))
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-4


@torch.no_grad()
def test_a_mean_that_changes_does_so_without_steps() -> None:
    model = fitted(3, 0)
    note = torch.linspace(-1, 1, 5).expand(1, 3, 5)
    steps = model.decode(note, None).diff().abs().amax(1)[0]
    assert steps.max() < 1.5 * steps[8:-8].mean()


# moving rows


def mover() -> RowShift:
    return RowShift(Rows(PARTIALS, NOISE))


def test_partials_stay_at_their_frequencies_and_noise_follows_the_pitch() -> None:
    # a formant at the eighth partial; noise at 2^9 Hz
    formant = torch.exp(-((PARTIALS - 3) ** 2)).float()
    noise = torch.exp(-((NOISE - 9) ** 2)).float()
    image = torch.cat([formant, noise])[None, :, None].expand(2, -1, 4)
    moved = mover()(image, torch.tensor([1.0, -0.5]))[..., 0]
    for row, interval in zip(moved, (1.0, -0.5), strict=True):
        assert abs(float(PARTIALS[row[:16].argmax()]) - (3 - interval)) < 0.2
        expected = torch.exp(-((NOISE - interval - 9) ** 2)).float()
        assert (row[16:] - expected)[1:-1].abs().max() < 0.15


def test_no_interval_moves_nothing_and_none_leaves_the_rows() -> None:
    image = torch.rand(3, 22, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mover()(image, torch.zeros(3)), image, atol=1e-6)
    far = mover()(image, torch.tensor([20.0, -20.0, 0.0]))
    assert torch.allclose(far[0, :16], image[0, 15].expand(16, -1))
    assert torch.allclose(far[1, :16], image[1, 0].expand(16, -1))


# in the model


def model_of(representation: HarmonicRepresentation) -> ConditionedAutoencoder:
    config = ConditionedConfig(channels=(8, 10), strides=(4, 2), condition_channels=12, note_dim=40, local_dim=3)
    model = build_model(config, n_features=representation.n_features, rows=representation.rows)
    assert isinstance(model, ConditionedAutoencoder)
    return model


@torch.no_grad()
def test_a_young_model_gives_the_components_at_its_own_pitch_and_moves_rows_to_another() -> None:
    representation = HarmonicRepresentation(HarmonicConfig(sample_rate=16000, hop_length=160, f_max=7600))
    model = model_of(representation)
    features = torch.rand(30, representation.n_features, 24, generator=torch.Generator().manual_seed(0))
    model.linear.fit(features)  # type: ignore[union-attr]
    told = note_conditions(torch.tensor([[57.3, math.nan]]).expand(30, 2))
    code = model.encode(features, told)
    assert code.shape == (30, 44, 3)
    assert torch.allclose(code[:, -1], torch.tensor((57.3 - 60) / 12))
    alone = model.linear.decode(*model.linear.encode(features))  # type: ignore[union-attr]
    assert torch.allclose(model.decode(code, told), alone, atol=1e-5)
    higher = model.decode(code, {**told, "pitch": told["pitch"] + 12.0})
    wanted = model.mover(alone, torch.ones(30))  # type: ignore[misc]
    assert torch.allclose(higher[:, :96], torch.lerp(alone, wanted, 0.4)[:, :96], atol=1e-5)
    assert torch.allclose(higher[:, 96:], torch.lerp(alone, wanted, 0.5)[:, 96:], atol=1e-5)


def test_a_model_is_fitted_to_the_notes_of_its_batches() -> None:
    config = ConditionedConfig(channels=(8, 10), strides=(4, 2), condition_channels=12, note_dim=3, local_dim=2)
    model = build_model(config, n_features=ROWS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.fit([Batch(part, part) for part in notes().split(25)])
    wanted = {f"linear.{name}": value for name, value in fitted(3, 2).state_dict().items()}
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted.get(name, before[name])), name


def test_where_the_rows_of_an_image_lie() -> None:
    rows = HarmonicRepresentation(HarmonicConfig()).rows
    partials, noise = rows.partials, rows.noise
    assert torch.equal(partials[:64], torch.arange(1, 65).double().log2())
    assert bool((partials.diff() > 0).all()) and bool((noise.diff() > 0).all())
    assert 19000 < 2 ** float(noise[-1]) < 20500 and 2 ** float(noise[0]) < 120
