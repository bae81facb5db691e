"""Style transfer: front ends, statistics, objective, solvers, variables, presets."""

import math
import re
import weakref
from collections.abc import Collection
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

from intertone.audio import load_audio, save_audio
from intertone.errors import InputError
from intertone.stft import SpectrogramConfig, magnitude_to_db, magnitude_to_mel, mel_filterbank, stft
from intertone.transfer import Limits, Step, TransferConfig, load_preset, preset_names, transfer
from intertone.transfer.extractor import RandomConv1d, RandomConv1dConfig
from intertone.transfer.filter_kernel import FilterKernelConfig
from intertone.transfer.frontend import (
    ConstantQFrontEnd,
    FramesFrontEnd,
    FrontEnd,
    LogMelFrontEnd,
    RealImaginaryFrontEnd,
    SamplesFrontEnd,
    StftFrontEnd,
)
from intertone.transfer.memory import available_bytes, check_memory
from intertone.transfer.objective import Objective, TermConfig
from intertone.transfer.signal import Waveform, overlap_add
from intertone.transfer.solver import AdamConfig, ScipyConfig, SolverConfig, TorchConfig, descend
from intertone.transfer.statistic import (
    AutocorrelationConfig,
    CorrelationMapsConfig,
    DiversityConfig,
    FrequencyEnvelopeConfig,
    GramConfig,
    MeanCovarianceConfig,
    RawConfig,
    SortedProjectionsConfig,
    StatisticConfig,
    TimeEnvelopeConfig,
)
from intertone.transfer.variable import (
    FreeFramesConfig,
    InitConfig,
    LogMagnitudeConfig,
    MaskConfig,
    MuLawConfig,
    VariableConfig,
    WaveformConfig,
)

RATE = 8000
STFT = {"kind": "stft", "n_fft": 256, "hop_length": 64}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tone(hz: float, seconds: float = 1.0, *, partials: int = 6) -> Tensor:
    time = torch.arange(round(seconds * RATE)) / RATE
    orders = torch.arange(1, partials + 1)[:, None]
    return 0.2 * (torch.sin(2 * math.pi * hz * orders * time) / orders).sum(0, keepdim=True)


def melody(*notes: float) -> Tensor:
    return torch.cat([tone(hz, 0.25) * torch.linspace(1, 0, RATE // 4) for hz in notes], -1)


CONTENT, STYLE = melody(220, 330, 262, 440), tone(196, 1.0, partials=18) + 0.03 * noise(1, RATE)


def small(
    variable: dict[str, object],
    *,
    content: float,
    style: float,
    start: str = "content",
    deviation: float = 0.0,
    filters: int = 64,
    **solver: object,
) -> TransferConfig:
    """Settings with one content and one style term on random filters."""
    network = {"kind": "random-conv-1d", "widths": [5], "filters": filters}
    shared = {"front_end": STFT, "extractor": network}
    terms: list[dict[str, object]] = [
        {"name": "style", "reference": "style", "statistic": {"kind": "gram"}, "weight": style, **shared}
    ]
    if content:
        terms.append({"name": "content", "reference": "content", "weight": content, **shared})
    return TransferConfig.parse(
        {
            "sample_rate": RATE,
            "rms": 1.0,
            "variable": variable,
            "init": {"start": start, "deviation": deviation if start == "content" else 1e-3},
            "solver": {"kind": "l-bfgs", "iterations": 60, **solver},
            "terms": terms,
        }
    )


WAVE: dict[str, object] = {"kind": "waveform"}
MAGNITUDE: dict[str, object] = {
    "kind": "log-magnitude",
    "n_fft": 256,
    "hop_length": 64,
    "phase": {"method": "fast-griffin-lim", "n_iter": 30},
}

# signals and front ends


def test_frames_under_a_hann_window_add_up_to_their_sound() -> None:
    audio = noise(2, 1024)
    frames = Waveform(audio).frames(128, 32)
    added = overlap_add(frames, 32) * 2 * 32 / 128
    assert torch.allclose(added[:, 128:-128], audio[:, 128:-128], atol=1e-5)


FRONT_ENDS: list[FrontEnd] = [
    StftFrontEnd(n_fft=256, hop_length=64),
    StftFrontEnd(n_fft=256, hop_length=64, scale="power", n_bins=20),
    FramesFrontEnd(frame_length=128, hop_length=32),
    FramesFrontEnd(frame_length=128, hop_length=32, part="magnitude"),
    RealImaginaryFrontEnd(n_fft=256, hop_length=64),
    LogMelFrontEnd(n_fft=256, hop_length=64, n_mels=12),
    ConstantQFrontEnd(f_min=110, f_max=1760),
    ConstantQFrontEnd(f_min=110, f_max=1760, wavelet="morlet"),
    SamplesFrontEnd(),
    SamplesFrontEnd(scale="linear", segment=300),
]


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=lambda each: f"{each.kind}")
@pytest.mark.parametrize("audio", [noise(2, 700), torch.zeros(1, 700)], ids=["noise", "silence"])
def test_every_front_end_has_a_finite_gradient(front_end: FrontEnd, audio: Tensor) -> None:
    sound = audio.clone().requires_grad_(True)
    features = front_end.features(Waveform(sound), RATE)
    (features * noise(*features.shape)).sum().backward()
    assert features.isfinite().all()
    assert sound.grad is not None and sound.grad.isfinite().all()
    if audio.any():
        assert float(sound.grad.abs().max()) > 0


@pytest.mark.parametrize("wavelet", ["morlet", "hann"])
@pytest.mark.parametrize("hz", [220.0, 880.0])
def test_a_tone_is_loudest_in_its_own_band(wavelet: str, hz: float) -> None:
    front_end = ConstantQFrontEnd.parse({"f_min": 110, "f_max": 1760, "wavelet": wavelet, "log": False})
    time = torch.arange(RATE) / RATE
    features = front_end.features(Waveform(torch.sin(2 * math.pi * hz * time)[None]), RATE)[0]
    middle = features[:, features.shape[1] // 2]
    assert float(front_end.centres(RATE)[middle.argmax()]) == pytest.approx(hz, rel=1e-3)
    assert float(middle.max()) == pytest.approx(1.0, abs=0.02)


# statistics


def gram_distance(a: Tensor, b: Tensor) -> float:
    first, second = (each.flatten(2).transpose(0, 1).flatten(1).double() for each in (a, b))
    difference = first @ first.T / first.shape[1] - second @ second.T / second.shape[1]
    return float(difference.square().sum())


@pytest.mark.parametrize("shape", [(1, 50, 20), (2, 8, 60), (1, 40, 5, 7)])
def test_a_gram_distance_is_that_of_the_matrices(shape: tuple[int, ...]) -> None:
    first, second = noise(*shape).relu(), noise(*shape[:-1], shape[-1] + 3, seed=1).relu()
    by_positions = shape == (1, 50, 20)
    for dtype, tolerance in ((torch.float32, 1e-8 if by_positions else 1e-6), (torch.float64, 1e-8)):
        [difference] = GramConfig().build(second.to(dtype), 0.01).differences(first.to(dtype))
        assert float(difference.squared) == pytest.approx(gram_distance(first, second), rel=tolerance), dtype
        assert difference.size == shape[1] ** 2


def test_counted_positions_scale_a_gram_matrix() -> None:
    rows = noise(1, 4, 20)
    [plain] = GramConfig().build(torch.zeros_like(rows), 0.01).differences(rows)
    [scaled] = GramConfig(added=10).build(torch.zeros_like(rows), 0.01).differences(rows)
    [whole] = GramConfig(norm="elements").build(torch.zeros_like(rows), 0.01).differences(rows)
    assert float(plain.squared / scaled.squared) == pytest.approx((30 / 20) ** 2)
    assert float(plain.squared / whole.squared) == pytest.approx(4**2)


@pytest.mark.parametrize("width", [1, 4])
def test_the_kernel_of_filters_is_the_limit_of_many_drawn_ones(width: int) -> None:
    first, second = noise(2, 9, 30).abs(), noise(1, 9, 40, seed=1).abs()
    network = RandomConv1dConfig(widths=(width,), filters=20000, seed=5).build(first, RATE, StftFrontEnd())
    drawn = [network(each)[f"width.{width}"] for each in (first, second)]
    [expected] = GramConfig().build(drawn[1], 0.01).differences(drawn[0])
    [difference] = FilterKernelConfig(widths=(width,)).build(second, 0.01).differences(first)
    relative = float(expected.squared / expected.reference)
    assert float(difference.squared / difference.reference) == pytest.approx(relative, rel=0.05)


def test_the_kernel_of_filters_has_the_gradient_of_its_value() -> None:
    target = FilterKernelConfig(widths=(1, 3)).build(noise(1, 5, 12).abs().double(), 0.01)
    sound = noise(1, 5, 9, seed=1).abs().double().requires_grad_(True)
    values = lambda each: sum(part.squared for part in target.differences(each))  # noqa: E731
    assert torch.autograd.gradcheck(values, (sound,), atol=1e-5)


STATISTICS: list[StatisticConfig] = [
    FilterKernelConfig(widths=(2, 5)),
    RawConfig(),
    GramConfig(),
    MeanCovarianceConfig(),
    SortedProjectionsConfig(),
    AutocorrelationConfig(),
    TimeEnvelopeConfig(),
    FrequencyEnvelopeConfig(),
    CorrelationMapsConfig(),
]


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda each: f"{each.kind}")
def test_equal_sounds_have_no_distance_and_others_have(statistic: StatisticConfig) -> None:
    shape = (1, 6, 9, 80) if statistic.kind == "correlation-maps" else (1, 6, 80)
    activations = noise(*shape).square()
    ramp = torch.linspace(0.5, 3, 80)
    target = statistic.build(activations, 0.02)
    equal = [float(each.squared / each.reference) for each in target.differences(activations)]
    other = [float(each.squared / each.reference) for each in target.differences(noise(*shape, seed=1).square() * ramp)]
    assert max(equal) < 1e-10
    assert max(other) > 1e-2


def test_equal_gram_matrices_with_other_means_differ_in_mean_and_covariance() -> None:
    rows = noise(1, 3, 400)
    rows = rows - rows.mean(-1, keepdim=True)
    turned = torch.linalg.svd(rows[0], full_matrices=False)
    spread = turned.U @ turned.S.diag()  # a third set of rows with the same Gram matrix, whose mean is not 0
    basis, _ = torch.linalg.qr(torch.cat([torch.ones(400, 1), noise(400, 2, seed=2)], 1))
    shifted = (spread @ basis.T)[None]
    [gram] = GramConfig().build(rows, 0.01).differences(shifted)
    mean, covariance = MeanCovarianceConfig().build(rows, 0.01).differences(shifted)
    assert float(gram.squared / gram.reference) < 1e-10
    assert float(mean.squared) > 0.1 * float(gram.reference) ** 0.5
    assert float(covariance.squared / covariance.reference) > 0.01


def test_an_autocorrelation_has_the_period_of_a_rhythm() -> None:
    pulses = torch.zeros(1, 1, 200)
    pulses[..., ::20] = 1.0
    target = AutocorrelationConfig(seconds=(0.1, 0.5)).build(pulses, 0.01)
    lags = target.correlation[0]  # type: ignore[attr-defined]  # the statistic itself
    assert int(lags[5:].argmax()) + 5 in (20, 40)
    assert float(lags.max()) == pytest.approx(1.0, abs=0.02)
    later = torch.roll(pulses, 7, -1)
    [difference] = target.differences(later)
    assert float(difference.squared / difference.reference) < 0.01


@pytest.mark.parametrize("floor", [0.0, 1e-6])
def test_the_autocorrelation_of_a_click_is_a_finite_distance_away(floor: float) -> None:
    click = torch.full((1, 4, 300), floor)
    click[..., 150] = 1.0
    sound = noise(1, 4, 300).abs()
    target = AutocorrelationConfig(seconds=(0.2, 1.0)).build(click, 0.01)
    [difference] = target.differences(sound)
    n_lags = 81
    assert float(difference.squared / difference.reference) < n_lags  # no correlation is greater than 1
    [none] = target.differences(torch.roll(click, 40, -1))
    assert float(none.squared / none.reference) < 1e-6


def test_a_copy_is_more_alike_than_another_sound_of_the_same_kind() -> None:
    original = noise(1, 8, 100)
    target = DiversityConfig().build(original, 0.01)
    [copied] = target.differences(torch.roll(original, 30, -1))
    [other] = target.differences(noise(1, 8, 100, seed=1))
    assert float(copied.squared) > 20 * float(other.squared)


def test_an_envelope_of_another_length_is_stretched() -> None:
    short = torch.linspace(0.1, 1, 40).expand(1, 5, 40)
    long = torch.linspace(0.1, 1, 120).expand(1, 5, 120)
    config = TimeEnvelopeConfig(smoothing_seconds=0.0)
    [difference] = config.build(short, 0.01).differences(long)
    assert float(difference.squared / difference.size) < 1e-3


# objective


def term(name: str, reference: str, **settings: object) -> TermConfig:
    return TermConfig.parse({"name": name, "reference": reference, "front_end": STFT, **settings})


def test_terms_that_share_a_network_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    features = StftFrontEnd.features

    def counted(self: StftFrontEnd, signal: Waveform, sample_rate: int) -> Tensor:
        calls.append(1)
        return features(self, signal, sample_rate)

    monkeypatch.setattr(StftFrontEnd, "features", counted)
    terms = [
        term("raw", "content"),
        term("gram", "style", statistic={"kind": "gram"}, extractor={"kind": "random-conv-1d", "filters": 8}),
    ]
    objective = Objective(terms, Waveform(CONTENT), Waveform(STYLE), sample_rate=RATE)
    assert len(calls) == 2
    objective(Waveform(CONTENT))
    assert len(calls) == 3


def test_a_network_gets_the_names_of_the_layers_that_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []
    convolve = RandomConv1d.__call__

    def recorded(self: RandomConv1d, features: Tensor, layers: Collection[str] = ()) -> dict[str, Tensor]:
        asked.append(set(layers))
        return convolve(self, features, layers)

    monkeypatch.setattr(RandomConv1d, "__call__", recorded)
    extractor = {"kind": "random-conv-1d", "filters": 8, "widths": [3, 5]}
    terms = [
        term("one", "content", layers=["width.3"], extractor=extractor),
        term("other", "style", layers=["width.5"], extractor=extractor),
    ]
    objective = Objective(terms, Waveform(CONTENT), Waveform(STYLE), sample_rate=RATE)
    objective(Waveform(CONTENT))
    Objective([*terms, term("all", "style", extractor=extractor)], Waveform(CONTENT), Waveform(STYLE), sample_rate=RATE)
    assert asked == [{"width.3"}, {"width.5"}, {"width.3", "width.5"}, {"width.3"}, set()]


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do() -> None:
    terms = [term("gram", "style", layers=["width.3"], extractor={"kind": "random-conv-1d", "filters": 8})]
    with pytest.raises(ValueError, match=r"layers of the term gram must be among width\.11, got width\.3"):
        Objective(terms, Waveform(CONTENT), Waveform(STYLE), sample_rate=RATE)


FAMILIES = {"kind": "recogniser", "recogniser": "families"}
OF_FAMILIES = {"kind": "stft", "n_fft": 512, "hop_length": 160, "scale": "log1p"}


@pytest.mark.parametrize(
    ("changes", "rate", "got"),
    [
        ({"hop_length": 128}, 16000, "hop_length 128"),
        ({"scale": "power"}, 16000, "scale power"),
        ({"gain": 10.0}, 16000, "gain 10.0"),
        ({"n_bins": 200}, 16000, "n_bins 200"),
        ({"n_fft": 1024}, 8000, "n_fft 1024, sample_rate 8000"),
    ],
)
def test_a_recogniser_behind_another_front_end_is_refused(changes: dict[str, object], rate: int, got: str) -> None:
    terms = [term("classes", "style", extractor=FAMILIES, front_end={**OF_FAMILIES, **changes})]
    needed = "kind stft, n_fft 512, hop_length 160, n_bins 257, scale log1p, gain 1.0, sample_rate 16000"
    sentence = f"the recogniser families must have the front end {needed}, got {got}"
    with pytest.raises(InputError, match=rf"^{re.escape(sentence)}$"):
        Objective(terms, Waveform(CONTENT), Waveform(STYLE), sample_rate=rate)
    whole = [term("classes", "style", extractor=FAMILIES, front_end={**OF_FAMILIES, "n_bins": 257})]
    Objective(whole, Waveform(CONTENT), Waveform(STYLE), sample_rate=16000)


def test_a_codec_behind_another_front_end_is_refused() -> None:
    codec = {"kind": "codec", "codec": "wavenet"}
    for front_end, got in ((STFT, "kind stft, n_fft 256"), ({"kind": "samples"}, "kind samples, scale mu-law")):
        terms = [term("code", "style", extractor=codec, front_end=front_end)]
        with pytest.raises(
            InputError, match=f"the codec wavenet must have the front end kind samples, scale linear, got {got}"
        ):
            Objective(terms, Waveform(CONTENT), Waveform(STYLE), sample_rate=16000)


def test_random_filters_have_the_deviation_of_the_paper() -> None:
    (name, drawn), *_ = RandomConv1dConfig(filters=256, widths=(11, 3)).kernels(n_maps=1, n_rows=129)
    expected = math.sqrt(2) * math.sqrt(2 / ((129 + 256) * 11))
    assert name == "width.11" and drawn.shape == (256, 129, 11)
    assert float(drawn.std()) == pytest.approx(expected, rel=0.01)
    again, other = (dict(RandomConv1dConfig(filters=256, seed=seed).kernels(n_maps=1, n_rows=129)) for seed in (0, 1))
    assert torch.equal(drawn, again["width.11"])
    assert not torch.equal(drawn, other["width.11"])


# solvers


@pytest.mark.parametrize(
    "config", [ScipyConfig(iterations=50), TorchConfig(iterations=50), AdamConfig(iterations=400, learning_rate=0.05)]
)
def test_every_solver_finds_the_bottom_of_a_bowl(config: SolverConfig) -> None:
    wanted = torch.tensor([1.0, -2.0, 3.0])
    parameter = torch.zeros(3)
    scales = torch.tensor([1.0, 10.0, 0.3])
    found = descend(parameter, lambda: {"bowl": (scales * (parameter - wanted)).square().sum()}, config, Limits())
    assert torch.allclose(parameter, wanted, atol=0.02)
    assert not parameter.requires_grad
    assert found.steps[-1].best == min(step.loss for step in found.steps)
    assert [step.number for step in found.steps] == list(range(1, len(found.steps) + 1))


def test_the_best_value_is_kept_when_a_step_goes_wrong() -> None:
    parameter = torch.tensor([1.0])
    found = descend(
        parameter,
        lambda: {"steep": parameter.square().sum()},
        AdamConfig(iterations=1, learning_rate=3.0),
        Limits(),
    )
    assert float(parameter.square()) == pytest.approx(found.steps[-1].best)
    assert found.steps[-1].loss > found.steps[-1].best


def test_an_interruption_keeps_the_best_so_far() -> None:
    parameter = torch.tensor([5.0])

    def interrupted(step: Step) -> None:
        if step.number == 4:
            raise KeyboardInterrupt

    config = AdamConfig(iterations=100, learning_rate=0.5)
    found = descend(parameter, lambda: {"bowl": parameter.square().sum()}, config, Limits(), report=interrupted)
    assert (found.stop, len(found.steps)) == ("interrupted", 4)
    assert float(parameter) == pytest.approx(3.5, abs=0.1)


def test_a_plateau_and_a_limit_of_time_end_it() -> None:
    def run(limits: Limits) -> tuple[str, int]:
        parameter = torch.tensor([5.0])
        config = AdamConfig(iterations=2000, learning_rate=0.5)
        found = descend(parameter, lambda: {"bowl": (parameter.square() + 1).sum()}, config, limits)
        return found.stop, len(found.steps)

    assert run(Limits(plateau=1e-3, window=10))[0] == "plateau"
    assert run(Limits(seconds=1e-9)) == ("time", 1)


def test_a_loss_that_is_not_finite_at_once_is_an_error() -> None:
    parameter = torch.tensor([0.0])
    with pytest.raises(FloatingPointError, match="must be finite, got nan"):
        descend(parameter, lambda: {"broken": (parameter / 0).sum()}, TorchConfig(), Limits())


# variables


VARIABLES: list[VariableConfig] = [
    WaveformConfig(),
    MuLawConfig(),
    FreeFramesConfig(frame_length=128, hop_length=32),
    LogMagnitudeConfig.parse(MAGNITUDE),
    MaskConfig(n_fft=256, hop_length=64),
]


@pytest.mark.parametrize("config", VARIABLES, ids=lambda each: f"{each.kind}")
@pytest.mark.parametrize("channels", [1, 2])
def test_a_variable_that_starts_at_the_content_sounds_like_it(config: VariableConfig, channels: int) -> None:
    content = torch.cat([CONTENT, 0.5 * CONTENT.roll(3, -1)])[:channels]
    variable = config.build(content, RATE, InitConfig(), torch.Generator().manual_seed(0))
    audio = variable.audio(torch.Generator().manual_seed(0))
    assert audio.shape == content.shape
    inner = slice(200, -200)
    if isinstance(config, LogMagnitudeConfig):  # a phase had to be found
        first, second = (
            Waveform(each).spectrum(StftFrontEnd.parse(STFT).spectrogram(RATE)).abs() for each in (audio, content)
        )
        assert float((first - second).norm() / second.norm()) < 0.15
    else:
        assert float((audio - content)[:, inner].abs().max()) < 2e-3
    if channels == 2:
        levels = audio.square().mean(1).sqrt()
        assert float(levels[1] / levels[0]) == pytest.approx(0.5, abs=0.02)
        shifts = torch.fft.irfft(torch.fft.rfft(audio[1]) * torch.fft.rfft(audio[0]).conj())
        assert int(shifts.argmax()) == 3


def test_a_log_magnitude_has_a_finite_loss_wherever_a_line_search_steps() -> None:
    init = InitConfig(start="content")
    variable = LogMagnitudeConfig().build(CONTENT, RATE, init, torch.Generator().manual_seed(0))
    for far in (-1e4, 1e4):
        variable.parameter = torch.full_like(variable.parameter, far)
        for scale in ("log1p", "power"):
            features = StftFrontEnd(scale=scale).features(variable.signal(), RATE)
            assert bool(features.sum().isfinite()), (far, scale)
        assert bool(variable.audio(torch.Generator()).isfinite().all())


def test_a_mask_cannot_make_what_the_content_has_not() -> None:
    variable = MaskConfig(n_fft=256, hop_length=64).build(CONTENT, RATE, InitConfig(), torch.Generator())
    variable.parameter.fill_(math.log(2))
    assert torch.allclose(variable.audio(torch.Generator()), 2 * CONTENT, atol=1e-4)


@pytest.mark.parametrize("init", [{"start": "noise"}, {"deviation": 0.1}, {"start": "noise", "deviation": 0.1}])
def test_a_mask_with_another_first_value_is_refused(init: dict[str, object]) -> None:
    content = small({"kind": "mask", "n_fft": 256, "hop_length": 64}, content=0.1, style=1.0).model_dump(mode="json")
    assert TransferConfig.parse(content).init == InitConfig()
    with pytest.raises(InputError, match="a mask must begin at the content as it is, without init, got init from"):
        TransferConfig.parse({**content, "init": init})


# transfers


def test_the_loss_of_the_written_sound_is_that_of_the_optimisation(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = small(WAVE, content=0.1, style=1.0, iterations=15)
    result = transfer(CONTENT, STYLE, config)
    best = result.descent.steps[-1].best
    assert best < 0.5 * result.descent.steps[0].loss
    assert sum(result.realised.values()) == pytest.approx(best, rel=1e-6)
    path = tmp_path_factory.mktemp("written") / "out.wav"
    save_audio(path, result.audio, sample_rate=RATE)
    read, _ = load_audio(path)
    assert sum(result.evaluate(read).values()) == pytest.approx(best, rel=1e-4)


def test_a_large_content_weight_gives_the_content_from_noise() -> None:
    config = small(MAGNITUDE, content=1000.0, style=1.0, start="noise", filters=512, iterations=60)
    last = transfer(CONTENT, STYLE, config).descent.steps[-1]
    assert last.terms["content"] / 1000 <= 0.02


def test_a_large_content_weight_takes_away_what_was_added_to_a_waveform() -> None:
    config = small(WAVE, content=1000.0, style=1.0, deviation=0.3, iterations=60)
    result = transfer(CONTENT, STYLE, config)
    assert result.descent.steps[0].terms["content"] / 1000 > 0.1
    assert result.realised["content"] / 1000 <= 0.02


@pytest.mark.parametrize("variable", [WAVE, MAGNITUDE], ids=["waveform", "log-magnitude"])
def test_without_a_content_term_the_texture_is_reached(variable: dict[str, object]) -> None:
    result = transfer(CONTENT, STYLE, small(variable, content=0.0, style=1.0, start="noise", iterations=150))
    assert min(step.terms["style"] for step in result.descent.steps) <= 2e-3


def test_equal_sounds_stay_as_they_are() -> None:
    result = transfer(CONTENT, CONTENT, small(WAVE, content=0.1, style=1.0, iterations=20))
    assert result.realised["style"] <= 1e-3
    assert float((result.audio - CONTENT)[:, 100:-200].abs().max()) < 0.01


def test_the_strength_goes_from_the_content_to_the_style() -> None:
    styles = {
        strength: transfer(CONTENT, STYLE, small(WAVE, content=1.0, style=1.0, iterations=20), strength=strength)
        for strength in (0.0, 0.3, 1.0, 5.0)
    }
    assert torch.equal(styles[0.0].audio, CONTENT)
    distances = [result.realised["style"] / (strength or 1.0) for strength, result in styles.items()]
    distances[0] = (
        transfer(CONTENT, STYLE, small(WAVE, content=1.0, style=1.0, iterations=1)).descent.steps[0].terms["style"]
    )
    assert distances == sorted(distances, reverse=True)


def test_a_system_without_a_content_term_stays_closer_to_the_content_below_strength_1() -> None:
    config = small(WAVE, content=0.0, style=1.0, iterations=20)
    results = {strength: transfer(CONTENT, STYLE, config, strength=strength) for strength in (0.1, 0.5, 1.0)}
    apart = [float((result.audio - CONTENT).square().mean()) for result in results.values()]
    assert apart == sorted(apart)
    assert apart[0] < 0.5 * apart[-1]


def test_a_draft_begins_closer_to_the_style() -> None:
    config = small(WAVE, content=0.01, style=1.0, iterations=10)
    draft = {"variable": MAGNITUDE, "solver": {"kind": "l-bfgs", "iterations": 30}}
    drafted = TransferConfig.parse({**config.model_dump(mode="json"), "draft": draft})
    plain, better = (transfer(CONTENT, STYLE, each).descent.steps for each in (config, drafted))
    begun = next(step for step in better if step.number > 30)
    assert begun.loss < 0.8 * plain[0].loss
    assert better[-1].best < plain[-1].best


def test_a_bounded_magnitude_is_never_below_0_and_an_unbounded_one_may_be() -> None:
    stft = StftFrontEnd.parse(STFT)
    for bounded in (True, False):
        config = LogMagnitudeConfig.parse({**MAGNITUDE, "bounded": bounded})
        variable = config.build(CONTENT, RATE, InitConfig(), torch.Generator())
        variable.parameter.sub_(0.05)
        lowest = float(variable.signal().magnitude(stft.spectrogram(RATE)).min())
        assert (lowest >= 0) == bounded


def test_level_and_channels_are_the_content_s() -> None:
    loud, quiet = CONTENT, CONTENT / 128  # a power of two, so that the working sounds are equal
    config = small(WAVE, content=0.1, style=1.0, iterations=5)
    results = [transfer(content, 3 * STYLE, config).audio for content in (loud, quiet)]
    assert torch.allclose(results[0], 128 * results[1], atol=1e-6)
    stereo = transfer(torch.cat([CONTENT, 0.25 * CONTENT]), STYLE, config).audio
    levels = stereo.square().mean(1).sqrt()
    assert stereo.shape == (2, CONTENT.shape[1])
    assert float(levels[1] / levels[0]) == pytest.approx(0.25, abs=0.1)


def test_a_seed_gives_the_same_sound() -> None:
    config = small(MAGNITUDE, content=0.1, style=1.0, start="noise", iterations=5)
    first, again, other = (transfer(CONTENT, STYLE, config, seed=seed).audio for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("content", "style", "strength", "message"),
    [
        (torch.zeros(1, 800), STYLE, 1.0, "the content must not be silent"),
        (CONTENT, torch.zeros(1, 800), 1.0, "the style must not be silent"),
        (CONTENT, torch.full((1, 800), math.nan), 1.0, "the style must be finite"),
        (CONTENT, STYLE, -1.0, "the strength must be at least 0, got -1"),
    ],
)
def test_sounds_that_cannot_be_are_refused(content: Tensor, style: Tensor, strength: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        transfer(content, style, small(WAVE, content=0.1, style=1.0), strength=strength)


@pytest.mark.parametrize("variable", [WAVE, MAGNITUDE, {"kind": "mu-law"}], ids=lambda each: f"{each['kind']}")
@pytest.mark.parametrize("samples", [1, 40, 700])
def test_sounds_of_any_length(variable: dict[str, object], samples: int) -> None:
    config = small(variable, content=0.1, style=1.0, iterations=3)
    click = torch.zeros(1, samples)
    click[:, samples // 2] = 0.5
    assert transfer(click, STYLE, config).audio.shape == (1, samples)
    assert transfer(CONTENT, click, config).audio.isfinite().all()


# presets


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_complete(name: str) -> None:
    config = load_preset(name)
    assert config.purpose and config.source
    assert TransferConfig.parse(config.model_dump(mode="json")) == config


def test_a_preset_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(
        InputError, match=r"the preset must be one of antognini.*, ulyanov.* or a settings file, got monet"
    ):
        load_preset("monet")


def check_that_it_runs(name: str) -> None:
    config = load_preset(name)
    config = config.model_copy(update={"solver": config.solver.model_copy(update={"iterations": 2})})
    samples = config.sample_rate // 3
    time = torch.arange(samples) / config.sample_rate
    content, style = (0.3 * torch.sin(2 * math.pi * hz * time)[None] + 0.01 * noise(1, samples) for hz in (330, 500))
    result = transfer(content, style, config, strength=0.5)
    assert result.audio.shape == content.shape
    assert result.audio.isfinite().all()
    assert all(math.isfinite(value) for value in result.realised.values())
    assert not any(torch.equal(result.audio, each) for each in (content, style))


MU_LAW = ["boemer_l2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("boemer_gram", "mital_nsynth"))]


@pytest.mark.parametrize("name", MU_LAW)
def test_the_loss_of_a_written_sound_of_companded_samples_is_that_of_the_optimisation(
    name: str, tmp_path: Path
) -> None:
    config = load_preset(name).with_iterations(2)
    time = torch.arange(config.sample_rate // 16) / config.sample_rate
    content, style = (0.3 * torch.sin(2 * math.pi * hz * time)[None] for hz in (330, 500))
    result = transfer(content, style, config)
    save_audio(tmp_path / "out.wav", result.audio, sample_rate=config.sample_rate)
    read, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")  # with its mean, which load_audio takes away
    best = result.descent.steps[-1].best
    assert sum(result.evaluate(torch.from_numpy(read)[None]).values()) == pytest.approx(best, rel=1e-2)
    assert sum(result.evaluate(content).values()) != pytest.approx(best, rel=1e-2)


def test_sounds_that_need_more_memory_than_there_is_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_preset("boemer_l2").with_iterations(1)
    long, short = 0.1 * noise(1, 24000), 0.1 * noise(1, 800)
    available = "intertone.transfer.memory.available_bytes"
    monkeypatch.setattr(available, lambda: 1e8)
    rule = r"must be at most 0\.6 s long, since each second needs 0\.15 GB of the 0\.1 GB of free memory, got 1\.5 s"
    with pytest.raises(InputError, match=f"^the content {rule}$"):
        transfer(long, short, config)
    monkeypatch.setattr(available, lambda: 1e7)
    with pytest.raises(InputError, match=r"^the style must be at most 0\.2 s long"):
        check_memory(short, long, config, config.terms)
    check_memory(short, short, config, config.terms)  # too short to be worth the estimate
    monkeypatch.setattr(available, lambda: 1e9)
    check_memory(long, long, config, config.terms)


def test_layers_at_the_rate_of_frames_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    front_end = {"kind": "stft", "n_fft": 8192, "hop_length": 2048}
    extractor = {"kind": "random-conv-1d", "widths": [3], "filters": 256}
    term = {"name": "style", "reference": "style", "front_end": front_end, "extractor": extractor}
    config = TransferConfig.parse({"terms": [term], "sample_rate": RATE})
    long, short = 0.1 * noise(1, 8 * RATE), 0.1 * noise(1, 2 * RATE)
    monkeypatch.setattr("intertone.transfer.memory.available_bytes", lambda: 1e6)
    with pytest.raises(InputError, match=r"^the content must be at most \d\.\d s long, since each second needs "):
        check_memory(long, short, config, config.terms)
    check_memory(short, short, config, config.terms)  # not longer than what the estimate looks at
    monkeypatch.setattr("intertone.transfer.memory.available_bytes", lambda: 1e8)
    check_memory(long, short, config, config.terms)


def test_an_estimate_of_memory_leaves_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    front_end = {"kind": "stft", "n_fft": 512, "hop_length": 256}
    extractor = {"kind": "random-conv-1d", "widths": [3], "filters": 64}
    term = {"name": "style", "reference": "style", "front_end": front_end, "extractor": extractor}
    config = TransferConfig.parse({"terms": [term], "sample_rate": RATE})
    built: list[weakref.ref[Tensor]] = []
    build = RandomConv1dConfig.build

    def recorded(self: RandomConv1dConfig, features: Tensor, rate: int, front_end: FrontEnd) -> RandomConv1d:
        network = build(self, features, rate, front_end)
        built.append(weakref.ref(network.convolutions["width.3"].weights))
        return network

    monkeypatch.setattr(RandomConv1dConfig, "build", recorded)
    check_memory(0.1 * noise(1, 3 * RATE), 0.1 * noise(1, 3 * RATE), config, config.terms)
    assert [weights() for weights in built] == [None, None]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  3000 kB\n"}, 3000 * 1024),
        ({"proc/meminfo": "MemAvailable: 3000 kB\n", "sys/fs/cgroup/memory.max": "1000000\n"}, 1e6),
        ({"proc/meminfo": "MemAvailable: 3000 kB\n", "sys/fs/cgroup/memory.max": "max\n"}, 3000 * 1024),
        ({"proc/meminfo": "MemAvailable: 3000 kB\n", "sys/fs/cgroup/memory.max": "9000000\n"}, 3000 * 1024),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000\n"}, 2e6),
        (
            {  # the process's own group has less left than the one above it
                "proc/self/cgroup": "0::/jobs/one\n",
                "sys/fs/cgroup/jobs/memory.max": "5000000\n",
                "sys/fs/cgroup/jobs/memory.current": "1000000\n",
                "sys/fs/cgroup/jobs/one/memory.max": "3000000\n",
                "sys/fs/cgroup/jobs/one/memory.current": "900000\n",
                "sys/fs/cgroup/jobs/one/memory.stat": "anon 500000\ninactive_file 400000\n",
                "sys/fs/cgroup/other/memory.max": "1\n",
            },
            2.5e6,
        ),
        (
            {  # the one above it has less left
                "proc/self/cgroup": "0::/jobs/one\n",
                "sys/fs/cgroup/jobs/memory.max": "5000000\n",
                "sys/fs/cgroup/jobs/memory.current": "4900000\n",
                "sys/fs/cgroup/jobs/one/memory.max": "max\n",
            },
            1e5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/\n4:memory:/jobs\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": "2000000\n",
                "sys/fs/cgroup/memory/jobs/memory.usage_in_bytes": "1500000\n",
                "sys/fs/cgroup/memory/jobs/memory.stat": "inactive_file 7\ntotal_inactive_file 100000\n",
            },
            6e5,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "5\n", "sys/fs/cgroup/memory.current": "9\n"}, 0.0),
        ({"proc/self/cgroup": "4:memory:/of/the/host\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000\n"}, 2e3),
        ({"proc/meminfo": "MemTotal: 9 kB\n"}, math.inf),
        ({}, math.inf),
    ],
)
def test_what_is_free_of_the_limits_of_control_groups_counts(
    tmp_path: Path, files: dict[str, str], expected: float
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert available_bytes(tmp_path) == expected


HEAVY = {
    "antognini",
    "caracalla_ri",
    "grinstein_random",
    "mital",
    "boemer_gram",
    "mital_nsynth",
    "mital_nsynth_faithful",
    "ulyanov",
    "ulyanov_faithful",
}
"""Systems that take more than a second for two steps."""


@pytest.mark.parametrize("name", [name for name in preset_names() if name not in HEAVY])
def test_every_preset_runs(name: str) -> None:
    check_that_it_runs(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(HEAVY))
def test_every_heavy_preset_runs(name: str) -> None:
    check_that_it_runs(name)


@pytest.mark.slow
def test_house_leaves_a_sound_with_its_own_style_as_it_is() -> None:
    config = load_preset("house")
    result = transfer(CONTENT, CONTENT, config)
    spectrogram = SpectrogramConfig(sample_rate=config.sample_rate, n_fft=1024, hop_length=256)
    bank = mel_filterbank(spectrogram, n_mels=40, f_min=40.0, f_max=config.sample_rate / 2)
    before, after = (magnitude_to_mel(stft(sound, spectrogram).abs(), bank) for sound in (CONTENT, result.audio))
    levels = [magnitude_to_db(each, before.max(), top_db=60) for each in (before, after)]
    assert float((levels[1] - levels[0]).abs().mean()) <= 0.5
    assert max(result.realised[term.name] for term in config.terms if term.reference == "style") <= 1e-3


@pytest.mark.slow
def test_ulyanov_falls_as_far_as_it_is_known_to() -> None:
    config = load_preset("ulyanov")
    seconds = 3
    time = torch.arange(seconds * config.sample_rate) / config.sample_rate

    def chord(*hz: float, rate: float) -> Tensor:
        swell = 0.6 + 0.4 * torch.sin(2 * math.pi * rate * time)
        return (0.1 * swell * sum(torch.sin(2 * math.pi * each * k * time) / k for each in hz for k in (1, 2, 3)))[None]

    result = transfer(chord(220, 277, 330, rate=2), chord(196, 247, 370, rate=5), config, limits=Limits(seconds=150))
    first, best = result.descent.steps[0], min(result.descent.steps, key=lambda step: step.loss)
    assert best.terms["style"] <= 2.5e-3 * first.terms["style"]
    assert best.loss <= 1e-2 * first.loss  # the chords share no partial, so the content's term cannot fall


def test_levelled_magnitudes_keep_the_power_of_the_content_wherever_they_are_moved() -> None:
    content = 0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    for levelled in (True, False):
        config = LogMagnitudeConfig(n_fft=512, hop_length=128, levelled=levelled)
        variable = config.build(content, 16000, InitConfig(), torch.Generator())
        power = variable.reference(content).magnitude(variable.spectrogram).square().sum()
        variable.parameter += 1
        ratio = float(variable.signal().magnitude(variable.spectrogram).square().sum() / power)
        assert ratio == pytest.approx(1, rel=1e-4) if levelled else ratio > 2


def drafted(**changes: object) -> TransferConfig:
    """Return a small system with a draft."""
    config = small(WAVE, content=0.1, style=1.0, iterations=12)
    draft = {"variable": {"kind": "log-magnitude", **STFT_SIZES}, "solver": {"kind": "l-bfgs", "iterations": 6}}
    return TransferConfig.parse({**config.model_dump(mode="json"), "draft": draft, **changes})


STFT_SIZES = {"n_fft": 256, "hop_length": 64, "levelled": True, "phase": {"method": "fast-griffin-lim", "n_iter": 8}}


def test_a_draft_is_counted_limited_and_interrupted_with_the_rest() -> None:
    numbers: list[int] = []
    result = transfer(CONTENT, STYLE, drafted(), report=lambda step, heard: numbers.append(step.number))
    assert numbers == list(range(1, len(result.descent.steps) + 1)) == [step.number for step in result.descent.steps]
    assert len(numbers) > 12
    seconds = [step.seconds for step in result.descent.steps]
    assert seconds == sorted(seconds)
    assert result.realised["style"] < 0.5 * result.first["style"]
    short = transfer(CONTENT, STYLE, drafted().with_iterations(4))
    assert len(short.descent.steps) < 12
    quick = transfer(CONTENT, STYLE, drafted(), limits=Limits(seconds=1e-3))
    assert quick.descent.stop == "time"
    assert len(quick.descent.steps) <= 2

    def stop(step: Step, heard: object) -> None:
        if step.number == 3:
            raise KeyboardInterrupt

    ended = transfer(CONTENT, STYLE, drafted(), report=stop)
    assert ended.descent.stop == "interrupted"
    assert len(ended.descent.steps) == 3


def test_a_draft_that_is_worse_than_the_content_is_not_used() -> None:
    result = transfer(CONTENT, CONTENT, drafted())
    assert result.realised["style"] <= 1e-3
    assert float((result.audio - CONTENT)[:, 100:-200].abs().max()) < 0.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": {"start": "noise"}}, "draft must go with a start from the content, got noise"),
        ({"terms": [{"name": "style", "reference": "style"}]}, "draft must have the spectrogram of at least one term"),
    ],
)
def test_a_draft_that_would_do_nothing_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        drafted(**changes)


def test_a_file_that_was_scaled_down_has_the_loss_of_the_optimisation() -> None:
    result = transfer(5 * CONTENT, STYLE, small(WAVE, content=0.1, style=1.0, iterations=5))
    peak = float(result.audio.abs().max())
    assert peak > 1
    for name, value in result.evaluate(result.audio / peak).items():
        assert value == pytest.approx(result.realised[name], rel=1e-4)


def test_channels_keep_their_levels_from_noise_and_where_the_content_is_silent() -> None:
    mono = noise(1, 6000)
    content = torch.cat([mono, 0.1 * mono])
    content[:, :2000] = 0
    config = TransferConfig.parse(
        {
            "sample_rate": RATE,
            "variable": {"kind": "waveform"},
            "init": {"start": "noise", "deviation": 0.1},
            "terms": [{"name": "style", "reference": "style", "front_end": STFT}],
            "solver": {"kind": "adam", "iterations": 1},
        }
    )
    audio = transfer(content, noise(1, 6000, seed=3).expand(2, -1), config).audio
    assert float(audio[1].square().mean() / audio[0].square().mean()) == pytest.approx(0.01, rel=0.2)
    magnitudes = LogMagnitudeConfig(n_fft=256, hop_length=64).build(
        content, RATE, InitConfig(start="noise", deviation=1.0), torch.Generator().manual_seed(0)
    )
    sound = magnitudes.audio(torch.Generator().manual_seed(0))
    assert float(sound[:, :1500].square().mean()) > 0.1 * float(sound[:, 3000:].square().mean())


def test_the_kernel_of_a_long_sound_is_that_of_a_part_of_its_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, other = noise(1, 5, 400).abs(), noise(1, 5, 400, seed=1).square()

    def distance() -> float:
        [found] = FilterKernelConfig(widths=(4,)).build(reference, 0.01).differences(other)
        return float(found.squared / found.reference)

    whole = distance()
    monkeypatch.setattr("intertone.transfer.filter_kernel.MOST_PATCHES", 150)
    assert distance() == pytest.approx(whole, rel=0.1)
    [none] = FilterKernelConfig(widths=(4,)).build(reference, 0.01).differences(reference)
    assert float(none.squared) < 1e-9


def test_lags_of_a_short_and_a_long_sound_are_the_same_lags() -> None:
    pulses = torch.zeros(1, 3, 300)
    pulses[..., ::25] = 1
    config = AutocorrelationConfig(seconds=(0.2, 2.0))
    for length in (300, 120, 60):
        [found] = config.build(pulses[..., :length], 0.02).differences(pulses)
        assert float(found.squared / found.reference) < 0.02
