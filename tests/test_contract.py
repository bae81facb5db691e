"""Every representation and every model keeps its contract; a new kind is a line in one of two lists."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.models import Batch, ConditionedConfig, ConvBottleneckConfig, ConvConfig, Model, ModelConfig, build_model
from intertone.models.conv import DenseBottleneckConfig
from intertone.models.dense import DenseConfig
from intertone.models.wavenet import WaveNetConfig
from intertone.morphing import choose_method, morph
from intertone.phase import PhaseConfig
from intertone.pitch.chroma import class_of_pitch
from intertone.representation import (
    Analysis,
    AnyRepresentation,
    DecibelConfig,
    HarmonicConfig,
    MelConfig,
    PitchNormalisedConfig,
    RepresentationConfig,
    build_representation,
)
from intertone.representation.frames import FramesConfig
from intertone.representation.waveform import WaveformConfig
from intertone.stft import SpectrogramConfig

RATE = 8000
SMALL = SpectrogramConfig(sample_rate=RATE, n_fft=256, hop_length=64)

REPRESENTATIONS: Mapping[str, RepresentationConfig] = {
    "decibel": DecibelConfig(spectrogram=SMALL),
    "mel": MelConfig(spectrogram=SMALL, n_mels=32, f_max=4000),
    "snapped": PitchNormalisedConfig(spectrogram=SMALL),
    "frames": FramesConfig(spectrogram=SMALL),
    "frames, logarithm at equal level": FramesConfig(spectrogram=SMALL, reference="sound", scale="log1p"),
    "waveform": WaveformConfig(sample_rate=RATE),
    "waveform, not companded": WaveformConfig(sample_rate=RATE, scale="amplitude"),
    "harmonic": HarmonicConfig(sample_rate=RATE, hop_length=80, f_max=3800),
}

MODELS: Mapping[str, ModelConfig] = {
    "conv": ConvConfig(channels=(4, 6), strides=((2, 2), (2, 2)), bottleneck=ConvBottleneckConfig(channels=3)),
    "conv, dense bottleneck": ConvConfig(
        channels=(4, 6), strides=((2, 2), (2, 2)), bottleneck=DenseBottleneckConfig(size=5, n_frames=21)
    ),
    "dense": DenseConfig(widths=(12, 5), activation="leaky-relu", output_activation="relu"),
    "dense, one layer, differences, dropout": DenseConfig(
        widths=(7,),
        activation="tanh",
        code_activation="none",
        output_activation="none",
        bias=True,
        dropout=0.2,
        augmentation="second-difference",
        initial_deviation=0.1,
    ),
    "dense, chroma, variational": DenseConfig(
        widths=(12, 5),
        activation="leaky-relu",
        output_activation="relu",
        bias=True,
        decoder_widths=(9,),
        chroma="skip",
        cost="convergence",
        variational=True,
    ),
    "dense, cepstrum": DenseConfig(
        widths=(12, 5),
        output_activation="relu",
        bias=True,
        augmentation="mfcc",
        n_mels=16,
        cepstrum=(1, 9),
        cost="absolute",
    ),
    "conditioned": ConditionedConfig(channels=(8, 8), strides=(4, 2), condition_channels=8, note_dim=3, local_dim=2),
    "conditioned, convolutions alone": ConditionedConfig(
        channels=(8, 8), strides=(4, 2), condition_channels=8, note_dim=3, local_dim=2, linear=False
    ),
    "wavenet": WaveNetConfig(
        channels=6, blocks=3, cycle=2, latent_dim=4, frames_per_latent=8, decoder_channels=5, decoder_blocks=3
    ),
}

each_representation = pytest.mark.parametrize("representation", REPRESENTATIONS, indirect=True)
each_model = pytest.mark.parametrize("model", MODELS, indirect=True)


@pytest.fixture
def representation(request: pytest.FixtureRequest) -> AnyRepresentation:
    return build_representation(REPRESENTATIONS[request.param])


N_FEATURES = 24
WAVEFORM_MODELS = ("wavenet",)
"""Models that take features of one row only."""

SPECTRUM_MODELS = ("dense, one layer, differences, dropout", "dense, cepstrum")
"""Models that take spectra only."""


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Model:
    n_features = 1 if request.param in WAVEFORM_MODELS else N_FEATURES
    return build_model(MODELS[request.param], n_features=n_features, frequencies=torch.linspace(0, 8000, N_FEATURES))


def note(samples: int = 2400, f0: float = 220.0) -> Tensor:
    time = torch.arange(samples) / RATE
    partials = sum(torch.sin(2 * torch.pi * order * f0 * time) / order for order in range(1, 8))
    noise = 0.02 * torch.randn(samples, generator=seeded())
    return 0.2 * (torch.as_tensor(partials) + noise) * torch.exp(-2 * time)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def conditions(model: Model, n_rows: int) -> dict[str, Tensor]:
    values = {"chroma": class_of_pitch(60.0)}
    return {name: values.get(name, torch.full((1, 1, 1), 60.0)).expand(n_rows, -1, -1) for name in model.needs}


def batch_of(model: Model, *, rows: int = 3, n_frames: int | None = None, seed: int = 0) -> Batch:
    count = n_frames or model.n_frames or 21
    features = torch.rand(rows, model.n_features, count, generator=seeded(seed))
    told = conditions(model, rows)
    return Batch(features, features, told, told, generator=seeded())


# representations


@each_representation
@pytest.mark.parametrize("shape", [(2400,), (1, 2400), (2, 1999), (2, 1, 801), (2, 2, 640), (1,), (63,), (64,)])
def test_shapes_of_features_and_sounds(representation: AnyRepresentation, shape: tuple[int, ...]) -> None:
    audio = note(shape[-1]).expand(shape).contiguous()
    analysis = representation.analyse(audio)
    n_rows = max(1, audio[..., 0].numel())
    assert analysis.features.shape == (n_rows, representation.n_features, representation.n_frames(shape[-1]))
    assert analysis.features.dtype == torch.float32 and bool(analysis.features.isfinite().all())
    assert representation.synthesise(analysis).shape == shape
    assert sum(scale.n_rows for scale in representation.scales) == representation.n_features
    assert not analysis.context.edited and analysis.context.as_edited().edited
    for name, value in analysis.context.conditions.items():
        assert len(value) == n_rows and value.shape[-1] in (1, analysis.features.shape[-1]), name


@each_representation
def test_frames_and_samples_go_both_ways(representation: AnyRepresentation) -> None:
    for n_frames in (1, 2, 30):
        longest = representation.samples(n_frames)
        assert longest == 0 or representation.n_frames(longest) == n_frames
        assert representation.n_frames(longest + 1) == n_frames + 1
    step = (representation.samples(101) - representation.samples(1)) / representation.sample_rate / 100
    assert representation.frame_seconds == pytest.approx(step, rel=1e-9)


@each_representation
def test_the_way_there_and_back_is_the_sound(representation: AnyRepresentation) -> None:
    audio = torch.stack([note(), note(f0=230)])
    again = representation.synthesise(representation.analyse(audio))
    limit = 0.5 if REPRESENTATIONS["mel"] is getattr(representation, "config", None) else 1e-3
    assert float((again - audio).square().mean() / audio.square().mean()) < limit


@each_representation
def test_silence_stays_silent(representation: AnyRepresentation) -> None:
    analysis = representation.analyse(torch.zeros(2, 1600))
    assert bool(analysis.features.isfinite().all())
    sound = representation.synthesise(Analysis(analysis.features, analysis.context.as_edited()), generator=seeded())
    assert float(sound.abs().max()) < 1e-4


@each_representation
def test_the_phase_setting_is_obeyed(representation: AnyRepresentation) -> None:
    features, context = representation.analyse(note())
    kept = representation.synthesise(Analysis(features, context), phase=PhaseConfig(method="kept"))
    assert torch.equal(kept, representation.synthesise(Analysis(features, context)))
    with pytest.raises(ValueError, match="the phase method kept must be used with a context that is not edited"):
        representation.synthesise(Analysis(features, context.as_edited()), phase=PhaseConfig(method="kept"))
    estimated = [
        representation.synthesise(Analysis(features, context), phase=PhaseConfig(method=method), generator=seeded())
        for method in ("pghi", "griffin-lim")
    ]
    # a representation with phases of its own has none to estimate; every other one estimates it as it is told
    has_residual = "pitch" in representation.measures
    own_phases = has_residual or representation.hop_length == 1
    assert torch.equal(estimated[0], kept) == torch.equal(estimated[0], estimated[1]) == own_phases
    other = representation.synthesise(Analysis(features, context), residual=False, generator=seeded())
    assert torch.equal(other, kept) != has_residual  # where there is a residual, it is left out


@each_representation
def test_a_gradient_passes_or_is_refused_in_words(representation: AnyRepresentation) -> None:
    audio = note().requires_grad_()
    try:
        features = representation.features(audio)
    except NotImplementedError as error:
        assert "not differentiable" in str(error)
        assert "pitch" in str(error)
        return
    assert torch.allclose(features, representation.analyse(audio.detach()).features, atol=1e-6)
    features.square().sum().backward()
    assert audio.grad is not None and bool(audio.grad.isfinite().all()) and bool(audio.grad.any())
    silence = torch.zeros(640, requires_grad=True)
    representation.features(silence).sum().backward()
    assert silence.grad is not None and bool(silence.grad.isfinite().all())


@each_representation
def test_a_code_from_nowhere_is_decoded(representation: AnyRepresentation) -> None:
    pitch = torch.full((1, 1, 1), 57.0)
    context = representation.blank(2400, pitch=pitch)
    assert context.edited and torch.equal(context.conditions["pitch"], pitch)
    features = representation.analyse(note()).features
    sound = representation.synthesise(Analysis(features, context), generator=seeded())
    assert sound.shape == (2400,) and bool(sound.isfinite().all()) and 0.01 < float(sound.abs().max()) < 50


@each_representation
def test_the_context_of_a_mixture_lies_between(representation: AnyRepresentation) -> None:
    features, context = representation.analyse(note())
    given = context.with_conditions({"velocity": torch.full((1, 1, 1), 40.0)})
    twice = representation.analyse(2 * note())
    louder = twice.context.with_conditions({"velocity": torch.full((1, 1, 1), 80.0)})
    mixed = representation.mix([given, louder], torch.tensor([0.25, 0.75]))
    assert mixed.edited and float(mixed.conditions["velocity"]) == 70.0
    levels = [
        float(representation.synthesise(Analysis(features, each.as_edited()), generator=seeded()).square().mean())
        for each in (given, mixed, louder)
    ]
    # a level that the features show is not in the context
    shown = float((twice.features - features).abs().max()) > 0.05
    assert levels[0] == levels[1] == levels[2] if shown else levels[0] < levels[1] < levels[2]


# models


@each_model
@pytest.mark.parametrize("n_frames", [1, 2, 7, 8, 9, 50])
@pytest.mark.parametrize("rows", [1, 3])
def test_shapes_of_codes_and_features(model: Model, n_frames: int, rows: int) -> None:
    count = model.n_frames or n_frames
    batch = batch_of(model.eval(), rows=rows, n_frames=count)
    latents = model.encode(batch.features, batch.conditions)
    assert latents.shape == (rows, model.latent_dim, model.n_latents(count))
    assert model.decode(latents, batch.conditions, n_frames=count).shape == batch.features.shape
    whole = model.decode(latents, batch.conditions)
    assert whole.shape[:2] == (rows, model.n_features) and whole.shape[-1] >= count
    assert torch.equal(whole[..., :count], model(batch.features, batch.conditions))
    assert bool(whole.isfinite().all())


@each_model
def test_every_row_is_on_its_own(model: Model) -> None:
    batch = batch_of(model.eval())
    together = model(batch.features, batch.conditions)
    for row in range(3):
        told = {name: value[[row]] for name, value in batch.conditions.items()}
        assert torch.allclose(model(batch.features[[row]], told)[0], together[row], atol=1e-5)


@each_model
def test_other_sizes_are_refused(model: Model) -> None:
    told = conditions(model, 1)
    n_rows = model.n_features
    with pytest.raises(ValueError, match=f"features must have n_features={n_rows} rows, got {n_rows + 1}"):
        model.encode(torch.rand(1, n_rows + 1, model.n_frames or 8), told)
    with pytest.raises(ValueError, match=r"latents must be \(batch, "):
        model.decode(torch.rand(1, model.latent_dim + 1, 1), told)
    for name in model.needs:
        with pytest.raises(ValueError, match=f"must be conditioned on {name}, got conditions: "):
            model.encode(torch.rand(1, n_rows, 8), {other: value for other, value in told.items() if other != name})


@each_model
def test_the_loss_reaches_every_parameter(model: Model) -> None:
    parameters = dict(model.named_parameters())
    before = {name: value.detach().clone() for name, value in parameters.items()}
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.fit([batch_of(model, seed=2)])
    for seed in range(4):  # young blocks change nothing, so their insides are reached later
        optimiser.zero_grad(set_to_none=True)
        terms = model.loss(batch_of(model, seed=seed))
        assert terms and all(term.shape == () for term in terms.values())
        torch.stack(list(terms.values())).sum().backward()
        for name, value in parameters.items():
            assert value.grad is not None and bool(value.grad.isfinite().all()), name
        optimiser.step()
    assert [name for name, value in parameters.items() if torch.equal(value, before[name])] == []


@each_model
def test_the_loss_falls_and_reads_in_the_unit_of_the_features(model: Model) -> None:
    batch = batch_of(model)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = torch.stack(list(model.loss(batch).values())).sum()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    decibels = model.reading(losses[-1], build_representation(REPRESENTATIONS["decibel"]).scales)
    assert decibels.value > 0
    if decibels.unit != "bits" and decibels.name not in ("loss", "spectral_convergence"):  # which have no unit
        assert decibels.unit == "dB" and decibels.name.endswith("_db")


@each_model
def test_reach_is_as_far_as_the_model_sees(model: Model) -> None:
    reach = model.eval().encode_reach
    if reach is None:
        return
    far = 4 * reach + 8
    first = torch.rand(1, model.n_features, 2 * far + 1, generator=seeded())
    second = first.clone()
    second[..., far] = 1 - second[..., far]
    told = conditions(model, 1)
    changed = (model.encode(first, told) != model.encode(second, told)).any(1)[0].nonzero() * model.frames_per_latent
    assert far - reach < int(changed.min()) + model.frames_per_latent and int(changed.max()) <= far + reach
    if model.decode_reach is None:  # of the past, all
        return
    changed = (model(first, told) != model(second, told)).any(1)[0].nonzero()
    assert far - 2 * reach <= int(changed.min()) and int(changed.max()) <= far + 2 * reach


@each_model
def test_activations_are_the_encoders_and_keep_the_gradient(model: Model) -> None:
    batch = batch_of(model.eval())
    features = batch.features.requires_grad_()
    found = model.activations(features, batch.conditions)
    assert torch.equal(found["latents"], model.encode(features, batch.conditions))
    sum(value.square().sum() for value in found.values()).backward()  # type: ignore[union-attr]
    assert features.grad is not None and bool(features.grad.any())


@each_model
def test_a_silent_model_is_told_from_one_that_sounds(model: Model, request: pytest.FixtureRequest) -> None:
    batch = batch_of(model)
    for parameter in model.parameters():
        parameter.data.zero_()
    # one that draws its samples gives noise then
    assert model.eval().is_silent(batch) == (request.node.callspec.params["model"] not in WAVEFORM_MODELS)


# both, as a codec


def codec_of(representation: str, model: str) -> Codec:
    return Codec(CodecConfig(representation=REPRESENTATIONS[representation], model=MODELS[model]))


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_every_pair_is_a_codec(name: str, model_name: str, tmp_path: Path) -> None:
    shown = build_representation(REPRESENTATIONS[name])
    waveform = shown.n_features == 1
    if model_name in (SPECTRUM_MODELS if waveform else WAVEFORM_MODELS):
        with pytest.raises(InputError, match=r"must be (given a waveform|computed from the bins of a spectrum).* got "):
            codec_of(name, model_name)
        return
    if model_name == "dense, cepstrum" and shown.frequencies is None:
        with pytest.raises(InputError, match="rows have no fixed frequencies, got mfcc"):
            codec_of(name, model_name)
        return
    codec = codec_of(name, model_name)
    samples = codec.fixed_length or 1601
    audio = torch.stack([note(samples), note(samples, 230)])
    latents, context = codec.encode(audio)
    assert latents.shape == (2, codec.model.latent_dim, codec.model.n_latents(codec.representation.n_frames(samples)))
    assert set(codec.model.needs) <= set(context.conditions)
    sound = codec.decode(latents, context.as_edited(), generator=seeded())
    assert sound.shape == audio.shape and bool(sound.isfinite().all())
    codec.save(tmp_path, card="# a card\n")
    again = Codec.load(tmp_path)
    assert again.config == codec.config
    assert torch.equal(again.encode(audio)[0], latents)
    between = morph(codec, audio[0], note(samples, 247), mix=0.5, generator=seeded())
    assert between.ndim == 1 and bool(between.isfinite().all())
    facts = {**codec.representation.facts(), **codec.model.facts()}
    assert facts["representation"] == REPRESENTATIONS[name].kind and facts["n_features"] == codec.model.n_features


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_what_a_method_takes_it_takes(name: str) -> None:
    codec = codec_of(name, "conditioned")
    takes = choose_method(codec).takes
    long, short = note(2400), note(1600, 230)
    between = morph(codec, long, short, mix=0.25, generator=seeded())
    assert (between.shape[-1] == 2400) != takes.own_lengths
    source = morph(codec, long, short, mix=0.0, generator=seeded())
    assert torch.equal(source, long) == takes.exact
