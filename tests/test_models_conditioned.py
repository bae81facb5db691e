"""The conditioned model keeps the contract: shapes for every length, gradients everywhere, notes on their own."""

import pytest
import torch

from intertone.errors import InputError
from intertone.models import Batch, ConditionedAutoencoder, ConditionedConfig, build_model
from intertone.models.contract import note_conditions

ROWS = 13
SMALL = ConditionedConfig(channels=(8, 10), strides=(4, 2), condition_channels=12, note_dim=3, local_dim=2)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def trained(config: ConditionedConfig = SMALL) -> ConditionedAutoencoder:
    """A model whose blocks do something, as they do after training."""
    model = build_model(config, n_features=ROWS)
    assert isinstance(model, ConditionedAutoencoder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


PLAYED = torch.tensor([[60.0, 100.0], [64.5, float("nan")], [21.0, 1.0]])


@pytest.mark.parametrize("n_frames", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("changes", [{}, {"local_dim": 0}, {"encoder_blocks": 0, "kernel_size": 5}])
def test_shapes(n_frames: int, batch: int, changes: dict[str, int]) -> None:
    model = trained(SMALL.model_copy(update=changes))
    latents = model.encode(rand(batch, ROWS, n_frames), note_conditions(PLAYED[:batch]))
    assert latents.shape == (batch, 3 + model.config.local_dim, -(-n_frames // 8))
    assert (model.latent_dim, model.n_latents(n_frames)) == latents.shape[1:]
    decoded = model.decode(latents, note_conditions(PLAYED[:batch]))
    assert decoded.shape == (batch, ROWS, 8 * latents.shape[-1])
    whole = model(rand(batch, ROWS, n_frames), note_conditions(PLAYED[:batch]))
    assert torch.equal(whole, decoded[..., :n_frames])
    assert whole.isfinite().all() and whole.dtype == torch.float32


def test_the_numbers_of_the_note_do_not_change_in_time() -> None:
    latents = trained().encode(rand(3, ROWS, 50), note_conditions(PLAYED))
    assert torch.equal(latents[:, :3], latents[:, :3, :1].expand(-1, -1, 7))
    assert latents[:, 3:].std(-1).min() > 1e-3


@pytest.mark.parametrize("changes", [{}, {"local_dim": 0}])
def test_a_gradient_reaches_every_parameter(changes: dict[str, int]) -> None:
    model = trained(SMALL.model_copy(update=changes))
    (model(rand(3, ROWS, 24), note_conditions(PLAYED)) - rand(3, ROWS, 24, seed=1)).abs().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_a_batch_equals_one_by_one() -> None:
    model, features = trained(), rand(3, ROWS, 31)
    together = model(features, note_conditions(PLAYED))
    for row in range(3):
        assert torch.allclose(model(features[[row]], note_conditions(PLAYED[[row]]))[0], together[row], atol=1e-5)


def test_pitch_and_velocity_reach_encoder_and_decoder() -> None:
    model, features = trained(), rand(1, ROWS, 31)
    latents = model.encode(features, note_conditions(PLAYED[:1]))
    for other in ([60.5, 100.0], [60.0, 99.0], [60.0, float("nan")]):
        told = note_conditions(torch.tensor([other]))
        assert (model.encode(features, told) - latents).abs().max() > 1e-5
        assert (model.decode(latents, told) - model.decode(latents, note_conditions(PLAYED[:1]))).abs().max() > 1e-5
        assert torch.equal(model(features, note_conditions(PLAYED[:1]), told), model.decode(latents, told)[..., :31])


def test_an_unknown_velocity_is_not_velocity_zero() -> None:
    model, features = trained(), rand(1, ROWS, 31)
    silent, unknown = (
        model.encode(features, note_conditions(torch.tensor([[60.0, value]]))) for value in (0.0, float("nan"))
    )
    assert (silent - unknown).abs().max() > 1e-5


@torch.no_grad()
def test_the_loss_is_that_of_the_note_that_is_wanted() -> None:
    model, features = trained(), rand(3, ROWS, 31)
    told, wanted = note_conditions(PLAYED), note_conditions(PLAYED + 7)
    target = model(features, told, wanted)
    assert float(model.loss(Batch(features, target, told, wanted))["error"]) == 0
    assert float(model.loss(Batch(features, target, told, told))["error"]) > 1e-4
    # rows that do not exist may be anything
    exists = torch.ones(3, ROWS, 1, dtype=torch.bool)
    exists[:, 5] = False
    target[:, 5] += 0.5
    assert float(model.loss(Batch(features, target, told, wanted, exists))["error"]) == 0
    assert float(model.loss(Batch(features, target, told, wanted))["error"]) > 0.01


def test_a_small_model_learns_that_the_pitch_moves_the_image() -> None:
    # two notes of one instrument: the lower has its energy in other rows; the code of either must give both
    low, high = torch.zeros(2, ROWS, 16)
    low[2], high[9] = 1.0, 1.0
    source, target = torch.stack([low, high, low, high]), torch.stack([low, high, high, low])
    told = torch.tensor([[48.0, 100.0], [60.0, 100.0]])
    model = build_model(SMALL, n_features=ROWS)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        loss = (
            (model(source, note_conditions(told.repeat(2, 1)), note_conditions(told[[0, 1, 1, 0]])) - target)
            .square()
            .mean()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1 * target.var()


def test_the_default_fits_in_twelve_megabytes_of_16_bits() -> None:
    model = build_model(ConditionedConfig(), n_features=128)
    assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 12e6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"channels": [4, 8]}, "channels and strides must have one entry for each stage, got 2 and 3"),
        ({"kernel_size": 4}, "kernel_size must be odd, got 4"),
        ({"note_dim": 0}, "note_dim must be at least 1, got 0"),
        ({"note_dims": 3}, r"note_dims is not a setting; did you mean note_dim\?"),
    ],
)
def test_settings_refuse(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ConditionedConfig.parse(content)


def test_other_sizes_are_refused() -> None:
    model = build_model(SMALL, n_features=ROWS)
    with pytest.raises(ValueError, match="features must have n_features=13 rows, got 12"):
        model.encode(rand(1, 12, 8), note_conditions(PLAYED[:1]))
    with pytest.raises(ValueError, match=r"latents must be \(batch, 5, n_latents\), got \(1, 4, 2\)"):
        model.decode(rand(1, 4, 2), note_conditions(PLAYED[:1]))
    with pytest.raises(ValueError, match="every row must have its pitch and velocity, got 3 for 1 rows"):
        model.encode(rand(1, ROWS, 8), note_conditions(PLAYED))
