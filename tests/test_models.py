"""Every kind of layer keeps the contract: shapes, a mirror, gradients everywhere, and a reach that is known."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from intertone.errors import InputError
from intertone.models import ConvAutoencoder, ConvBottleneckConfig, ConvConfig, DenseBottleneckConfig, build_model
from intertone.models.contract import Scale, mean_error_reading, root_mean_square_reading

ROWS = 37
LAYERS = [  # kernel_size, strides
    ((3, 3), ((2, 2), (2, 2), (2, 2))),
    ((5, 5), ((4, 4), (2, 2))),
    ((4, 4), ((2, 2), (4, 2))),
    ((5, 3), ((2, 1), (5, 3), (1, 1))),
    ((6, 4), ((3, 2), (2, 4))),
    ((1, 1), ((1, 1),)),
    ((7, 2), ((1, 2), (3, 2))),
]


def small(kernel_size: tuple[int, int], strides: tuple[tuple[int, int], ...], **settings: object) -> ConvConfig:
    channels = (6, 8, 10)[: len(strides)]
    return ConvConfig(channels=channels, strides=strides, kernel_size=kernel_size, **settings)  # type: ignore[arg-type]


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def shapes_of(model: ConvAutoencoder, features: torch.Tensor) -> tuple[list[torch.Size], list[torch.Size]]:
    """What goes into each layer of the encoder and comes out of the last, and the same of the decoder."""
    into: list[torch.Size] = []
    out_of: list[torch.Size] = []

    def record(shapes: list[torch.Size]):
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if not shapes:
                shapes.append(inputs[0].shape)
            shapes.append(output.shape)

        return hook

    handles = [layer.register_forward_hook(record(into)) for layer in model.encoder]
    handles += [layer.register_forward_hook(record(out_of)) for layer in model.decoder]
    model(features)
    for handle in handles:
        handle.remove()
    return into, out_of


# contract


@pytest.mark.parametrize(("kernel_size", "strides"), LAYERS)
@pytest.mark.parametrize("activation", ["leaky-relu", "relu"])
@pytest.mark.parametrize("order", ["conv-norm-activation", "conv-activation-norm"])
@pytest.mark.parametrize(("batch", "n_frames"), [(1, 23), (3, 48), (2, 1)])
def test_conv_bottleneck(
    kernel_size: tuple[int, int],
    strides: tuple[tuple[int, int], ...],
    activation: str,
    order: str,
    batch: int,
    n_frames: int,
) -> None:
    config = small(
        kernel_size, strides, activation=activation, order=order, bottleneck=ConvBottleneckConfig(channels=3)
    )
    model = build_model(config, n_features=ROWS).eval()
    rows, columns = config.reduction
    latents = model.encode(rand(batch, ROWS, n_frames))
    # 3 channels for every started stride of rows, one vector for every started stride of columns
    assert latents.shape == (batch, 3 * -(-ROWS // rows), -(-n_frames // columns))
    assert (model.latent_dim, model.n_latents(n_frames)) == latents.shape[1:]
    assert model.frames_per_latent == columns
    decoded = model.decode(latents)
    assert decoded.shape == (batch, ROWS, latents.shape[-1] * columns)
    whole = model(rand(batch, ROWS, n_frames))
    assert torch.equal(whole, decoded[..., :n_frames])
    assert whole.isfinite().all() and whole.dtype == torch.float32


@pytest.mark.parametrize(("kernel_size", "strides"), LAYERS)
@pytest.mark.parametrize("bottleneck", [ConvBottleneckConfig(channels=2), DenseBottleneckConfig(size=5, n_frames=24)])
@pytest.mark.parametrize("order", ["conv-norm-activation", "conv-activation-norm"])
@pytest.mark.parametrize("activation", ["leaky-relu", "relu"])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_gradient_reaches_every_parameter(
    kernel_size: tuple[int, int],
    strides: tuple[tuple[int, int], ...],
    bottleneck: ConvBottleneckConfig | DenseBottleneckConfig,
    order: str,
    activation: str,
    batch: int,
) -> None:
    config = small(kernel_size, strides, bottleneck=bottleneck, order=order, activation=activation)
    model = build_model(config, n_features=ROWS)
    features = rand(batch, ROWS, 24).requires_grad_()
    (model(features) - rand(batch, ROWS, 24, seed=1)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
    assert features.grad is not None and features.grad.any()


@pytest.mark.parametrize(("kernel_size", "strides"), LAYERS)
def test_dense_bottleneck_is_one_vector_for_one_length(
    kernel_size: tuple[int, int], strides: tuple[tuple[int, int], ...]
) -> None:
    config = small(kernel_size, strides, bottleneck=DenseBottleneckConfig(size=7, n_frames=29))
    model = build_model(config, n_features=ROWS).eval()
    latents = model.encode(rand(2, ROWS, 29))
    assert latents.shape == (2, 7, 1)
    assert model.latent_dim == 7 and model.n_latents(29) == 1 and model.encode_reach is None
    assert model.decode(latents).shape == (2, ROWS, -(-29 // config.reduction[1]) * config.reduction[1])
    assert model(rand(1, ROWS, 29)).shape == (1, ROWS, 29)
    for n_frames in (28, 30):
        with pytest.raises(ValueError, match=f"features must have n_frames=29 columns, got {n_frames}"):
            model.encode(rand(2, ROWS, n_frames))


def test_the_default_gives_256_numbers_eight_times_for_four_seconds() -> None:
    model = build_model(ConvConfig(), n_features=512)
    # 512 / 2^5 = 16 rows of 16 channels; 251 frames / 2^5, rounded up
    assert model.latent_dim == 256
    assert model.n_latents(251) == 8
    # weights, no biases before the normalisations: 9·(1·32 + 32·64 + 64·128 + 128·256 + 256·256) twice,
    # 2·(32 + 64 + 128 + 256 + 256) and 2·(256 + 128 + 64 + 32) of the normalisations, the last bias,
    # and the bottleneck's 256·16 + 16 and 16·256 + 256
    layers = 2 * 9 * (32 + 32 * 64 + 64 * 128 + 128 * 256 + 256 * 256)
    assert sum(p.numel() for p in model.parameters()) == layers + 2 * 736 + 2 * 480 + 1 + 4112 + 4352


# structure


@pytest.mark.parametrize(("kernel_size", "strides"), LAYERS)
def test_the_decoder_mirrors_the_encoder_layer_by_layer(
    kernel_size: tuple[int, int], strides: tuple[tuple[int, int], ...]
) -> None:
    model = build_model(small(kernel_size, strides), n_features=ROWS).eval()
    encoder, decoder = shapes_of(model, rand(2, ROWS, 31))
    assert len(encoder) == len(strides) + 1
    assert decoder == encoder[::-1]
    for (outer, inner), stride in zip(pairwise(encoder), strides, strict=True):
        assert (outer[2] // inner[2], outer[3] // inner[3]) == stride
    kernels = [
        [m.kernel_size for m in half.modules() if hasattr(m, "kernel_size")] for half in (model.encoder, model.decoder)
    ]
    assert kernels[0] == kernels[1][::-1] == [kernel_size] * len(strides)


@pytest.mark.parametrize(
    ("order", "kinds"),
    [
        ("conv-norm-activation", (nn.BatchNorm2d, nn.LeakyReLU)),
        ("conv-activation-norm", (nn.LeakyReLU, nn.BatchNorm2d)),
    ],
)
def test_the_code_and_the_output_have_no_normalisation(order: str, kinds: tuple[type, type]) -> None:
    model = build_model(small((3, 3), ((2, 2),) * 3, order=order), n_features=ROWS)
    for layer in [*model.encoder, *list(model.decoder)[:-1]]:
        assert [type(step) for step in layer][1:] == list(kinds)
        assert layer[0].bias is None
    assert isinstance(model.decoder[-1], nn.ConvTranspose2d) and model.decoder[-1].bias is not None
    assert isinstance(model.to_latents, nn.Conv2d) and isinstance(model.from_latents, nn.Conv2d)


def test_the_output_is_not_clamped() -> None:
    model = build_model(small((3, 3), ((2, 2),)), n_features=ROWS).eval()
    output = model.decode(100 * torch.randn(1, model.latent_dim, 4, generator=torch.Generator().manual_seed(0)))
    assert output.min() < 0 and output.max() > 1


@pytest.mark.parametrize(("kernel_size", "strides"), LAYERS)
def test_nothing_reaches_farther_than_the_margin(
    kernel_size: tuple[int, int], strides: tuple[tuple[int, int], ...]
) -> None:
    model = build_model(small(kernel_size, strides), n_features=ROWS).eval()
    margin = model.encode_reach
    assert margin is not None and margin % model.frames_per_latent == 0
    n_frames = 2 * margin + 4 * model.frames_per_latent + 1
    features = rand(1, ROWS, n_frames)
    before = model(features)
    for position in range(n_frames // 2, n_frames // 2 + model.frames_per_latent):
        changed = features.clone()
        changed[..., position] += 1
        moved = (model(changed) - before).abs().amax((0, 1)) > 1e-6
        distance = (torch.arange(n_frames) - position).abs()
        assert moved.any()
        assert not moved[distance > margin].any()


# what a loss says


def test_a_loss_reads_in_the_unit_of_the_features() -> None:
    decibels, linear = Scale("decibels", 30, 80.0), Scale("linear", 7)
    for scales, root, mean, unit in [([decibels], 4.0, 0.2, "dB"), ([linear], 0.05, 0.0025, "")]:
        found = root_mean_square_reading(0.0025, scales), mean_error_reading(0.0025, scales)
        assert [reading.value for reading in found] == pytest.approx([root, mean])
        assert [reading.unit for reading in found] == [unit, unit]
    # rows of several kinds have no one unit
    assert root_mean_square_reading(0.0025, [decibels, linear]).name == "rmse"


# seeds


def test_the_seed_decides_the_weights_and_nothing_else_moves() -> None:
    config = small((3, 3), ((2, 2),) * 3)
    state = torch.get_rng_state()
    first, again, other = (
        torch.cat([p.flatten() for p in build_model(config, n_features=ROWS, seed=seed).parameters()])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_batch_equals_one_by_one() -> None:
    model = build_model(small((5, 5), ((4, 4), (2, 2))), n_features=ROWS).eval()
    features = rand(3, ROWS, 31)
    together = model(features)
    for row in range(3):
        assert torch.allclose(model(features[row : row + 1])[0], together[row], atol=1e-6)


# refusals


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"channels": []}, "channels must name at least one layer, got none"),
        ({"channels": [4, 8]}, "strides must have an entry for each layer, got 5 for 2"),
        (
            {"kernel_size": [4, 4], "channels": [4], "strides": [[2, 1]]},
            "odd where the stride is 1, got kernel 4 with str",
        ),
        (
            {"kernel_size": [3, 3], "channels": [4], "strides": [[4, 4]]},
            "at least the stride, .* got kernel 3 with stride 4",
        ),
        ({"kernel_size": [3, 65]}, "kernel_size.1 must be at most 64, got 65"),
        ({"strides": [[2, 2, 2]] * 5}, "strides"),
        ({"channels": [0] * 5}, "channels.0 must be at least 1, got 0"),
        ({"activation": "gelu"}, "activation must be 'leaky-relu' or 'relu', got 'gelu'"),
        ({"chanels": [4]}, r"chanels is not a setting; did you mean channels\?"),
        ({"bottleneck": {"kind": "dense", "sise": 3}}, r"bottleneck.sise is not a setting; did you mean size\?"),
        ({"bottleneck": {"kind": "lstm"}}, "bottleneck"),
    ],
)
def test_settings_refuse(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ConvConfig.parse(content)


def test_other_sizes_are_refused() -> None:
    model = build_model(small((3, 3), ((2, 2),)), n_features=ROWS)
    with pytest.raises(ValueError, match="features must have n_features=37 rows, got 36"):
        model.encode(rand(1, 36, 8))
    with pytest.raises(ValueError, match=r"latents must be \(batch, 304, n_latents\), got \(1, 303, 4\)"):
        model.decode(rand(1, 303, 4))
    dense = build_model(small((3, 3), ((2, 2),), bottleneck=DenseBottleneckConfig(size=3, n_frames=8)), n_features=ROWS)
    with pytest.raises(ValueError, match=r"latents must be \(batch, 3, 1\), got \(1, 3, 2\)"):
        dense.decode(rand(1, 3, 2))
