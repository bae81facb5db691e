"""The dense autoencoder: every frame alone, layers as they are told."""

from typing import Literal

import pytest
import torch
from scipy.fft import dct

from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.models import Batch, Scale, build_model
from intertone.models.dense import DenseAutoencoder, DenseConfig
from intertone.pitch.chroma import class_of_pitch
from intertone.representation.frames import FramesConfig
from intertone.stft import SpectrogramConfig, magnitude_to_mel, mel_filterbank

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
    appended = model._input(ramp, {})[0, 0, 33:]
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
        ({"widths": [0]}, "at least 1"),
        ({"dropout": 1.0}, "dropout must be less than 1"),
        ({"activation": "gelu"}, "activation must be"),
        ({"width": [3]}, r"width is not a setting; did you mean widths\?"),
    ],
)
def test_settings_refuse(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DenseConfig.parse(content)


def test_too_few_rows_for_a_difference_are_refused() -> None:
    with pytest.raises(ValueError, match="must be computed from the bins of a spectrum, got features of 2"):
        DenseAutoencoder(DenseConfig(widths=(1,), augmentation="second-difference"), 2)


PUBLISHED = [
    ("none", "none", 2049),
    ("first-difference", "none", 4097),
    ("second-difference", "none", 4096),
    ("mfcc", "none", 2279),
    ("mel", "none", 2561),
    ("none", "input", 2061),
]


@pytest.mark.parametrize(("augmentation", "chroma", "size"), PUBLISHED)
def test_input_sizes_are_the_published_ones(augmentation: str, chroma: str, size: int) -> None:
    config = DenseConfig.parse({"widths": [2], "augmentation": augmentation, "chroma": chroma})
    model = DenseAutoencoder(config, 2049, torch.linspace(0, 22050, 2049))
    assert next(model.encoder.parameters()).shape == (2, size)
    features, told = torch.rand(1, 2049, 3), {"chroma": torch.zeros(1, 12, 1)}
    assert model.encode(features, told).shape == (1, 2, 3)
    assert set(model.state_dict()) == {"encoder.0.0.weight", "decoder.0.0.weight"}


def test_mel_and_cepstrum_are_of_the_frame() -> None:
    settings = {"widths": [2], "n_mels": 12, "cepstrum": [2, 9]}
    frequencies = torch.linspace(0, 4000, 65)
    mel, mfcc = (
        DenseAutoencoder(DenseConfig.parse({**settings, "augmentation": a}), 65, frequencies) for a in ("mel", "mfcc")
    )
    frames = torch.rand(1, 65, 4, generator=torch.Generator().manual_seed(2))
    assert mel.augmentation is not None and mfcc.augmentation is not None
    bands = mel.augmentation(frames.mT)
    config = SpectrogramConfig(sample_rate=8000, n_fft=128, hop_length=32)
    expected = magnitude_to_mel(frames, mel_filterbank(config, n_mels=12, f_min=0, f_max=4000))
    assert torch.allclose(bands.mT, expected, atol=1e-5)
    coefficients = dct(bands.log().numpy(), norm="ortho")[..., 2:9]
    assert torch.allclose(mfcc.augmentation(frames.mT), torch.from_numpy(coefficients), atol=1e-4)
    assert bool(mfcc.augmentation(torch.zeros(1, 2, 65)).isfinite().all())


@pytest.mark.parametrize("sample_rate", [8000, 44100])
def test_mel_bands_lie_at_the_frequencies_of_the_representation(sample_rate: int) -> None:
    spectrogram = SpectrogramConfig(sample_rate=sample_rate, n_fft=512, hop_length=128)
    model = DenseConfig(widths=(2,), augmentation="mel", n_mels=12, cepstrum=(2, 9))
    codec = Codec(CodecConfig(representation=FramesConfig(spectrogram=spectrogram), model=model))
    expected = mel_filterbank(spectrogram, n_mels=12, f_min=0, f_max=sample_rate / 2)
    assert torch.allclose(dict(codec.model.named_buffers())["augmentation.bank"], expected, atol=1e-4)


@pytest.mark.parametrize("augmentation", ["mel", "mfcc"])
def test_mel_bands_of_rows_without_frequencies_are_refused(augmentation: Literal["mel", "mfcc"]) -> None:
    with pytest.raises(InputError, match=f"rows have no fixed frequencies, got {augmentation}"):
        build_model(DenseConfig(augmentation=augmentation), n_features=65)


def test_a_sample_rate_is_read_from_saved_settings_and_refused_in_written_ones() -> None:
    config = DenseConfig(augmentation="mel")
    saved = {**config.model_dump(mode="json"), "sample_rate": 44100}
    assert DenseConfig.parse(saved) == config and DenseConfig.parse(saved).digest() == config.digest()
    older = {name: value for name, value in saved.items() if name not in DenseConfig.later}
    assert DenseConfig.parse(older) == config
    with pytest.raises(InputError, match="sample_rate is not a setting"):
        DenseConfig.parse({"augmentation": "mel", "sample_rate": 44100})


@pytest.mark.parametrize("cepstrum", [[5, 5], [3, 13]])
def test_a_cepstrum_that_the_bands_have_not_is_refused(cepstrum: list[int]) -> None:
    with pytest.raises(InputError, match="cepstrum must be two rising numbers up to n_mels=12, got"):
        DenseConfig.parse({"n_mels": 12, "cepstrum": cepstrum})


def test_with_a_skip_the_decoder_follows_the_chroma_and_without_it_does_not() -> None:
    torch.manual_seed(0)
    c, a = class_of_pitch(60), class_of_pitch(69)
    code = torch.rand(1, 4, 5)
    skip = DenseAutoencoder(DenseConfig(widths=(16, 4), chroma="skip"), 33)
    assert not torch.allclose(skip.decode(code, {"chroma": c}), skip.decode(code, {"chroma": a}))
    assert torch.equal(
        skip.decode(code, {"chroma": c * torch.nan}), skip.decode(code, {"chroma": torch.zeros(1, 12, 5)})
    )
    only_in = DenseAutoencoder(DenseConfig(widths=(16, 4), chroma="input"), 33)
    assert torch.equal(only_in.decode(code, {"chroma": c}), only_in.decode(code))
    assert not torch.allclose(only_in.encode(FRAMES[:1], {"chroma": c}), only_in.encode(FRAMES[:1], {"chroma": a}))
    with pytest.raises(ValueError, match="conditioned on chroma"):
        skip.decode(code)


@pytest.mark.parametrize(
    ("cost", "expected", "name"),
    [("squared", 0.25, "rmse"), ("absolute", 0.5, "error"), ("convergence", 0.25 / 0.75, "spectral_convergence")],
)
def test_costs(cost: str, expected: float, name: str) -> None:
    config = DenseConfig.parse({"widths": [3], "cost": cost, "output_activation": "sigmoid"})
    model = DenseAutoencoder(config, 4)
    torch.nn.init.zeros_(model.decoder[0][0].weight)  # a sigmoid of 0 is 1/2 everywhere
    target = torch.tensor([0.0, 1.0, 1.0, 1.0])[None, :, None]
    (loss,) = model.loss(Batch(target, target)).values()
    assert float(loss) == pytest.approx(expected)
    reading = model.reading(float(loss), [Scale("linear", 4)])
    assert reading.name == name and reading.value == pytest.approx(expected if cost == "absolute" else expected**0.5)


def test_a_variational_code_is_drawn_in_training_and_its_divergence_rises_with_the_run() -> None:
    torch.manual_seed(0)
    model = DenseAutoencoder(DenseConfig(widths=(16, 3), variational=True, kl_weights=(0.0, 0.5)), 33)

    def loss(progress: float, seed: int = 0) -> dict[str, float]:
        batch = Batch(FRAMES, FRAMES, progress=progress, generator=torch.Generator().manual_seed(seed))
        return {name: float(value.detach()) for name, value in model.loss(batch).items()}

    assert loss(0)["divergence"] == 0 and loss(1)["divergence"] == pytest.approx(2 * loss(0.5)["divergence"])
    assert loss(0)["squared_error"] == loss(0)["squared_error"] != loss(0, seed=1)["squared_error"]
    assert model.distribution is not None
    mean, log_variance = model.distribution(model.encoder(FRAMES.mT)).chunk(2, -1)
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(-1).mean()
    assert loss(1)["divergence"] == pytest.approx(0.5 * float(expected.detach()), rel=1e-4)
    assert torch.equal(model.encode(FRAMES), mean.mT) and torch.equal(model.activations(FRAMES)["latents"], mean.mT)
    model.eval()
    assert loss(1, seed=0) == loss(1, seed=1)


def test_the_decoder_can_have_widths_of_its_own() -> None:
    model = DenseAutoencoder(DenseConfig(widths=(20, 4), decoder_widths=(24,)), 33)
    assert [tuple(value.shape) for value in model.parameters()] == [(20, 33), (4, 20), (24, 4), (33, 24)]


@pytest.mark.parametrize("augmentation", ["first-difference", "second-difference"])
@pytest.mark.parametrize("chroma", ["none", "skip"])
def test_a_compact_model_gives_the_same_without_the_differences(augmentation: str, chroma: str) -> None:
    torch.manual_seed(0)
    config = DenseConfig.parse({"widths": [16, 4], "augmentation": augmentation, "chroma": chroma, "bias": True})
    model = DenseAutoencoder(config, 33)
    found = model.compact()
    assert found is not None
    settings, compact = found
    assert settings == config.model_copy(update={"augmentation": "none"}) and compact.compact() is None
    told = {"chroma": class_of_pitch(60)}
    assert torch.allclose(compact(FRAMES[:1], told), model(FRAMES[:1], told), atol=1e-5)
    codec = Codec(CodecConfig(representation=FramesConfig(), model=config))
    assert codec.compact().config.model == settings
    audio = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(codec.compact().reconstruct(audio), codec.reconstruct(audio), atol=1e-4)


def test_a_deep_network_tells_frames_apart_before_it_is_trained() -> None:
    torch.manual_seed(0)
    widths = (512, 256, 128, 64, 32, 16, 3)
    model = DenseAutoencoder(
        DenseConfig(widths=widths, activation="leaky-relu", code_activation="none", bias=True), 600
    )
    frames = torch.rand(1, 600, 200, generator=torch.Generator().manual_seed(0)) ** 4
    latents = model.encode(frames / frames.amax(1, keepdim=True)).detach()
    assert float((latents.std(-1) / latents.abs().mean(-1)).max()) > 0.02
    assert float(latents.abs().mean()) > 0.05


def test_the_smoothness_term_is_what_a_step_of_one_number_changes() -> None:
    features = torch.rand(4, 33, 20, generator=torch.Generator().manual_seed(0))

    def roughness(
        widths: tuple[int, ...], activation: Literal["relu", "sigmoid"]
    ) -> tuple[torch.Tensor, DenseAutoencoder]:
        torch.manual_seed(0)
        config = DenseConfig(widths=widths, activation=activation, code_activation=activation, smoothness=2.0)
        model = DenseAutoencoder(config.model_copy(update={"output_activation": "relu"}), 33)
        terms = model.train().loss(Batch(features, features, generator=torch.Generator().manual_seed(1)))
        return terms["roughness"], model

    # the decoder has no bias: one number alone only scales the spectrum, whose shape stays
    assert float(roughness((1,), "relu")[0].detach()) == pytest.approx(0, abs=1e-6)
    term, model = roughness((8, 3), "sigmoid")
    assert float(term.detach()) > 1e-4
    term.backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(float(parameter.grad.abs().max()) > 0 for parameter in model.decoder.parameters())
    assert list(model.eval().loss(Batch(features, features))) == ["squared_error"]


def test_the_smoothness_term_knows_a_chroma_that_skips() -> None:
    chroma = torch.eye(12)[:, :5].expand(2, 12, 5)
    model = DenseAutoencoder(DenseConfig(widths=(8, 3), chroma="skip", smoothness=1.0), 33).train()
    features = torch.rand(2, 33, 5)
    terms = model.loss(Batch(features, features, {"chroma": chroma}, {"chroma": chroma}))
    assert torch.isfinite(terms["roughness"])
