"""The dense autoencoder: every frame alone, layers as they are told."""

import pytest
import torch

from intertone.errors import InputError
from intertone.models import Batch
from intertone.models.dense import DenseAutoencoder, DenseConfig

FRAMES = torch.rand(2, 33, 20, generator=torch.Generator().manual_seed(0))


def test_a_frame_depends_on_itself_alone() -> None:
    model = DenseAutoencoder(DenseConfig(widths=(16, 4)), 33)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(model(FRAMES[..., order]), model(FRAMES)[..., order], atol=1e-6)
    assert torch.allclose(model.encode(FRAMES[..., 7:8]), model.encode(FRAMES)[..., 7:8], atol=1e-6)


def test_it_memorises_a_batch() -> None:
    torch.manual_seed(0)
    model = DenseAutoencoder(DenseConfig(widths=(64, 24), activation="leaky-relu", code_activation="none"), 33)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch = Batch(FRAMES, FRAMES)
    losses = []
    for _ in range(400):
        optimiser.zero_grad()
        (loss,) = model.loss(batch).values()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("widths", [(8,), (16, 8), (24, 16, 8, 4)])
def test_the_decoder_mirrors_the_encoder(widths: tuple[int, ...]) -> None:
    model = DenseAutoencoder(DenseConfig(widths=widths, bias=True), 33)
    shapes = [tuple(weight.shape) for name, weight in model.named_parameters() if name.endswith("weight")]
    inward = list(zip(widths, (33, *widths), strict=False))
    assert shapes == inward + [(before, after) for after, before in reversed(inward)]
    assert (model.latent_dim, model.n_latents(20)) == (widths[-1], 20)
    assert sum("bias" in name for name, _ in model.named_parameters()) == 2 * len(widths)


def test_without_bias_silence_is_the_same_everywhere() -> None:
    model = DenseAutoencoder(DenseConfig(widths=(16, 4), code_activation="relu", output_activation="relu"), 33)
    assert [name for name, _ in model.named_parameters() if "bias" in name] == []
    assert float(model(torch.zeros(1, 33, 5)).detach().abs().max()) == 0.0


@pytest.mark.parametrize(("augmentation", "more"), [("none", 0), ("first-difference", 32), ("second-difference", 31)])
def test_differences_are_appended_to_the_input_only(augmentation: str, more: int) -> None:
    config = DenseConfig.parse({"widths": [8], "augmentation": augmentation})
    model = DenseAutoencoder(config, 33)
    assert next(model.encoder.parameters()).shape == (8, 33 + more)
    assert model(FRAMES).shape == FRAMES.shape
    ramp = torch.linspace(0, 1, 33)[None, :, None]
    appended = model._input(ramp)[0, 0, 33:]
    assert torch.allclose(appended, torch.full((more,), 1 / 32 if more == 32 else 0.0), atol=1e-6)


def test_dropout_is_drawn_from_the_batch_and_only_in_the_loss() -> None:
    model = DenseAutoencoder(DenseConfig(widths=(64, 8), dropout=0.5), 33)

    def loss(seed: int) -> float:
        batch = Batch(FRAMES, FRAMES, generator=torch.Generator().manual_seed(seed))
        return float(model.loss(batch)["squared_error"].detach())

    assert loss(0) == loss(0) != loss(1)
    model.eval()
    assert loss(0) == loss(1)
    assert torch.equal(model(FRAMES), model(FRAMES))


def test_first_weights_are_cut_off_at_twice_their_deviation() -> None:
    torch.manual_seed(0)
    model = DenseAutoencoder(DenseConfig(widths=(200,), initial_deviation=0.15), 200)
    weight = next(model.parameters())
    # a normal distribution cut off at two deviations has 0.88 of its deviation left
    assert float(weight.abs().max()) <= 0.3 and float(weight.std()) == pytest.approx(0.88 * 0.15, rel=0.02)


def test_activations_by_layer() -> None:
    model = DenseAutoencoder(DenseConfig(widths=(16, 4)), 33)
    found = model.activations(FRAMES)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "encoder.0": (2, 16, 20),
        "encoder.1": (2, 4, 20),
        "latents": (2, 4, 20),
    }
    assert float(found["latents"].min()) > 0 and float(found["latents"].max()) < 1  # a sigmoid


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"widths": []}, "widths must name at least one layer, got none"),
        ({"widths": [0]}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "dropout: Input should be less than 1"),
        ({"activation": "gelu"}, "activation: Input should be"),
        ({"width": [3]}, r"width is no setting; did you mean widths\?"),
    ],
)
def test_settings_refuse(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DenseConfig.parse(content)


def test_too_few_rows_for_a_difference_are_refused() -> None:
    with pytest.raises(ValueError, match="the features must have more than 2 rows, got 2"):
        DenseAutoencoder(DenseConfig(widths=(1,), augmentation="second-difference"), 2)
