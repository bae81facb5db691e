"""The WaveNet autoencoder: NSynth's encoder to the weight and the sample, and a decoder whose caches change nothing."""

import numpy as np
import pytest
import torch
from torch import Tensor

from intertone.models import Batch, build_model
from intertone.models.block import encode_in_blocks
from intertone.models.wavenet import WaveNetAutoencoder, WaveNetConfig, WaveNetSampler, classes, values

SMALL = WaveNetConfig(
    channels=6, blocks=4, cycle=3, latent_dim=4, frames_per_latent=16, decoder_channels=5, decoder_blocks=4
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def model() -> WaveNetAutoencoder:
    built = build_model(SMALL, n_features=1)
    assert isinstance(built, WaveNetAutoencoder)
    return built.eval()


def test_the_encoder_is_nsynths_to_the_weight() -> None:
    model = WaveNetAutoencoder(WaveNetConfig(), 1)
    sizes = {name: value.numel() for name, value in model.named_parameters()}
    encoder = {name: size for name, size in sizes.items() if not name.startswith("decoder.")}
    # 3·128 + 128, thirty times 3·128² + 128 and 128² + 128, and 128·16 + 16
    assert sum(encoder.values()) == 1_976_336
    assert [layer.dilated.dilation[0] for layer in model.blocks] == [2**n for n in range(10)] * 3  # type: ignore[union-attr, operator, index]
    assert model.encode_reach == 3070 and 2 * model.encode_reach + 1 == 6141
    # 5 MB in 16 bits
    assert sum(sizes.values()) <= 2_400_000


def test_the_receptive_field_is_6141_samples() -> None:
    model = WaveNetAutoencoder(WaveNetConfig(channels=1), 1)  # as many maps as need be for a path through all blocks
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    samples = torch.rand(1, 1, 8001, generator=seeded()).double().requires_grad_()
    model.double().activations(samples)["block.30.c"][..., 4000].sum().backward()
    assert samples.grad is not None
    reached = samples.grad[0, 0].nonzero()
    assert (int(reached.min()), int(reached.max())) == (4000 - 3070, 4000 + 3070)


def test_the_receptive_field_of_a_small_one_is_as_its_dilations_say(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(1, 1, 101, generator=seeded()).requires_grad_()
    model.activations(samples)["block.4.c"][..., 50].sum().backward()
    assert samples.grad is not None
    reached = samples.grad[0, 0].nonzero()
    # 1 of the first convolution, and 1 + 2 + 4 + 1
    assert (int(reached.min()), int(reached.max()), model.encode_reach) == (41, 59, 9)


def test_activations_are_by_name_and_as_long_as_the_sound(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(2, 1, 37, generator=seeded())
    found = model.activations(samples)
    assert list(found) == [f"block.{n}.{part}" for n in range(1, 5) for part in "abc"] + ["latents"]
    assert {tuple(value.shape) for name, value in found.items() if name != "latents"} == {(2, 6, 37)}
    assert all(float(found[f"block.{n}.{part}"].detach().min()) == 0 for n in range(1, 5) for part in "ab")
    inner = model.start(samples)
    assert torch.equal(found["block.1.a"], inner.relu())
    assert torch.equal(found["block.2.a"], found["block.1.c"].relu())


def test_nothing_behind_the_layers_that_are_needed_is_computed(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(1, 1, 50, generator=seeded())
    whole = model.activations(samples)
    calls: list[int] = []
    for number, block in enumerate(model.blocks, 1):
        block.mix.register_forward_hook(lambda *_, number=number: calls.append(number))  # type: ignore[union-attr]
    found = model.activations(samples, layers=["block.2.a", "block.1.b"])
    assert calls == [1] and torch.equal(found["block.2.a"], whole["block.2.a"])
    assert list(found) == ["block.1.b", "block.2.a"]
    calls.clear()
    assert list(model.activations(samples, layers=["latents"])) == ["latents"] and calls == [1, 2, 3, 4]


def test_a_latent_vector_is_the_mean_of_its_samples(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(1, 1, 40, generator=seeded())
    each = model.to_latents(model.activations(samples)["block.4.c"])
    expected = [each[..., :16].mean(-1), each[..., 16:32].mean(-1), each[..., 32:].mean(-1)]
    assert torch.allclose(model.encode(samples), torch.stack(expected, -1), atol=1e-6)


def test_in_blocks_the_code_is_the_same(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(1, 1, 5003, generator=seeded())
    assert torch.allclose(encode_in_blocks(model, samples), model.encode(samples), atol=1e-5)


def test_the_decoder_sees_the_past_alone(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(1, 1, 64, generator=seeded())
    latents = model.encode(samples)
    other = samples.clone()
    other[..., 30] = -other[..., 30]
    changed = (model.logits(latents, samples) != model.logits(latents, other)).any(1)[0].nonzero()
    assert int(changed.min()) == 31
    moved = latents.clone()
    moved[..., 2] += 1
    changed = (model.logits(latents, samples) != model.logits(moved, samples)).any(1)[0].nonzero()
    assert int(changed.min()) == 32


def test_with_caches_each_step_is_the_whole_network(model: WaveNetAutoencoder) -> None:
    latents = model.encode(torch.rand(3, 1, 70, generator=seeded())).detach()
    samples = model.decode(latents, generator=seeded(1))
    expected = model.logits(latents, samples).detach()
    sampler, before = WaveNetSampler(model, latents), np.zeros(3, np.float32)
    for step in range(samples.shape[-1]):
        found = torch.from_numpy(sampler.step(before))
        assert torch.allclose(found, expected[..., step], atol=1e-5), step
        before = samples[:, 0, step].numpy()


def test_samples_are_drawn_from_the_distribution(model: WaveNetAutoencoder) -> None:
    with torch.no_grad():  # a decoder that knows three values only, whatever came before
        for parameter in model.decoder.parameters():
            parameter.zero_()
        model.decoder.last.bias -= 30  # so that the distance from the sample before does not count either
        model.decoder.last.bias[[100, 128, 130]] += 30 + torch.tensor([0.2, 0.3, 0.5]).log()
    drawn = classes(model.decode(torch.zeros(1, 4, 250), generator=seeded())).flatten()
    shares = [float((drawn == each).float().mean()) for each in (100, 128, 130)]
    assert sum(shares) == pytest.approx(1) and np.allclose(shares, [0.2, 0.3, 0.5], atol=0.03)
    median = model.decode(torch.zeros(1, 4, 1))
    assert torch.equal(classes(median).unique(), torch.tensor([128]))


def test_the_same_random_numbers_give_the_same_samples(model: WaveNetAutoencoder) -> None:
    latents = model.encode(torch.rand(1, 1, 40, generator=seeded())).detach().expand(2, -1, -1)
    first, second = (model.decode(latents, generator=seeded(1)) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first[0], first[1])
    assert not torch.equal(first, model.decode(latents, generator=seeded(2)))


def test_the_loss_is_in_bits(model: WaveNetAutoencoder) -> None:
    features = 2 * torch.rand(2, 1, 50, generator=seeded()) - 1
    with torch.no_grad():
        for parameter in model.decoder.last.parameters():
            parameter.zero_()
        model.decoder.last.bias[-1] = -50.0  # the distance from the sample before does not count
    # without knowledge each of 256 values needs 8 bits
    assert float(model.loss(Batch(features, features))["cross_entropy"].detach()) == pytest.approx(8, abs=1e-5)
    with torch.no_grad():
        model.decoder.last.bias[128] = 50.0
    silence = torch.zeros(2, 1, 50)
    assert float(model.loss(Batch(silence, silence))["cross_entropy"].detach()) == pytest.approx(0, abs=1e-5)


def test_a_young_decoder_expects_the_sample_before(model: WaveNetAutoencoder) -> None:
    with torch.no_grad():
        model.decoder.last.weight.zero_()
        model.decoder.last.bias[:-1].zero_()
    samples = values(torch.tensor([[[20, 200, 77]]]))
    logits = model.logits(torch.zeros(1, 4, 1), samples)
    assert logits.argmax(1).tolist() == [[128, 20, 200]]
    # 20 nats for a distance of 1, that is for 128 classes
    assert float((logits[0, 20, 1] - logits[0, 148, 1]).detach()) == pytest.approx(20, abs=1e-4)


def test_classes_are_the_nearest_of_256_values() -> None:
    every = torch.arange(256)
    assert torch.equal(classes(values(every)), every)
    samples: Tensor = 2 * torch.rand(1000, generator=seeded()) - 1
    assert float((values(classes(samples)) - samples).abs().max()) <= 1 / 128
    assert float(values(classes(torch.zeros(1)))) == 0


def test_a_loss_reaches_the_samples(model: WaveNetAutoencoder) -> None:
    features = torch.rand(1, 1, 60, generator=seeded()).requires_grad_()
    model.activations(features)["block.4.b"].square().sum().backward()
    assert features.grad is not None and float(features.grad.abs().min()) > 0


def plain_activations(model: WaveNetAutoencoder, samples: Tensor) -> dict[str, Tensor]:
    """Return what the blocks find, by plain convolutions."""
    trunk, found = model.start(samples), {}
    for number, block in enumerate(model.blocks, 1):
        weights = dict(block.named_parameters())
        dilation = model.config.dilations(number)[-1]
        found[f"block.{number}.a"] = before = trunk.relu()
        seen = torch.conv1d(
            before, weights["dilated.weight"], weights["dilated.bias"], padding=dilation, dilation=dilation
        )
        found[f"block.{number}.b"] = after = seen.relu()
        found[f"block.{number}.c"] = trunk = trunk + torch.conv1d(after, weights["mix.weight"], weights["mix.bias"])
    return found


def test_the_layout_in_memory_changes_neither_activations_nor_gradients(model: WaveNetAutoencoder) -> None:
    samples = torch.rand(2, 1, 50, generator=seeded()).double()
    weights = torch.rand(12, 1, 6, 1, generator=seeded(1)).double()
    results = []
    for activations in (model.double().activations, lambda given: plain_activations(model, given)):
        given = samples.clone().requires_grad_()
        model.zero_grad()
        found = {name: value for name, value in activations(given).items() if name != "latents"}
        (torch.stack(list(found.values())) * weights).square().sum().backward()
        gradients = {
            name: value.grad.clone() for name, value in model.blocks.named_parameters() if value.grad is not None
        }
        results.append((found, given.grad, gradients))
    assert len(results[0][0]) == 12 and len(results[0][2]) == 16
    torch.testing.assert_close(results[0], results[1])
