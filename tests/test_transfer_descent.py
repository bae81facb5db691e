"""How a style transfer finds its way down: the reflection of magnitudes, the content first, the rhythm of filters."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.models.alexnet import AlexNet, AlexNetConfig, Pooling
from intertone.transfer import Limits, Step, TransferConfig, load_preset, transfer
from intertone.transfer.signal import Waveform
from intertone.transfer.solver import TorchConfig, descend
from intertone.transfer.statistic import AutocorrelationConfig
from intertone.transfer.variable import InitConfig, LogMagnitudeConfig

RATE = 8000
STFT = {"kind": "stft", "n_fft": 256, "hop_length": 64}
NETWORK = {"kind": "random-conv-1d", "widths": [5], "filters": 64}


def melody() -> Tensor:
    """Return four notes of six partials, half a second."""
    time = torch.arange(RATE // 8) / RATE
    orders = torch.arange(1, 7)[:, None]
    notes = [(torch.sin(2 * math.pi * hz * orders * time) / orders).sum(0) for hz in (220, 330, 262, 440)]
    return 0.2 * (torch.stack(notes) * torch.linspace(1, 0, len(time))).reshape(1, -1)


def settings(**changes: object) -> TransferConfig:
    """Return a small system that starts from noise, with more weight on the style than on the content."""
    shared = {"front_end": STFT, "extractor": NETWORK}
    return TransferConfig.parse(
        {
            "sample_rate": RATE,
            "rms": 1.0,
            "variable": {"kind": "log-magnitude", "n_fft": 256, "hop_length": 64, "rounding": 0.1},
            "init": {"start": "noise", "deviation": 0.1},
            "solver": {"kind": "l-bfgs", "iterations": 60},
            "terms": [
                {"name": "content", "reference": "content", **shared},
                {"name": "style", "reference": "style", "statistic": {"kind": "gram"}, "weight": 100.0, **shared},
            ],
            **changes,
        }
    )


# solver


def valleys(values: Tensor) -> Tensor:
    """Return a function whose valleys have sharp bottoms, on which a line search finds nothing lower."""
    return (100 * (values[1:] - values[:-1] ** 2).abs() + (1 - values[:-1]) ** 2).sum()


def test_a_failed_line_search_is_followed_by_another_along_the_gradient() -> None:
    first = torch.randn(50, generator=torch.Generator().manual_seed(0))
    parameter = first.clone().requires_grad_(True)
    alone = torch.optim.LBFGS(
        [parameter],
        max_iter=300,
        max_eval=3000,
        history_size=25,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        alone.zero_grad()
        loss = valleys(parameter)
        loss.backward()
        return loss.detach()

    alone.step(closure)
    assert alone.state[parameter]["n_iter"] < 300  # it gave up
    found = descend(first, lambda: {"valleys": valleys(first)}, TorchConfig(iterations=300), Limits())
    assert found.steps[-1].best < 0.9 * float(valleys(parameter.detach()))
    assert float(valleys(first)) == pytest.approx(found.steps[-1].best)


def test_a_search_ends_where_two_line_searches_find_nothing() -> None:
    parameter = torch.tensor([3.0, -1.0])
    found = descend(parameter, lambda: {"bowl": 1e4 + parameter.square().sum()}, TorchConfig(iterations=1000), Limits())
    assert found.stop == "converged"
    assert len(found.steps) < 100
    assert float(parameter.abs().max()) < 0.1


# magnitudes


@pytest.mark.parametrize("rounding", [0.0, 0.1, 2.0])
def test_the_reflection_gives_the_first_magnitudes_back(rounding: float) -> None:
    config = LogMagnitudeConfig(n_fft=256, hop_length=64, rounding=rounding)
    variable = config.build(melody(), RATE, InitConfig(), torch.Generator().manual_seed(0))
    wanted = Waveform(melody()).magnitude(variable.spectrogram)
    assert torch.allclose(variable.signal().magnitude(variable.spectrogram), wanted, atol=1e-4 * float(wanted.max()))


def test_magnitudes_that_belong_at_0_are_found_sooner_without_a_corner() -> None:
    hiss = 0.1 * torch.randn(1, RATE // 2, generator=torch.Generator().manual_seed(3))
    term = {"name": "style", "reference": "style", "front_end": STFT, "statistic": {"kind": "filter-kernel"}}
    shared = {"init": {"start": "content"}, "solver": {"kind": "l-bfgs", "iterations": 30}, "terms": [term]}

    def best(rounding: float) -> float:
        variable = {"kind": "log-magnitude", "n_fft": 256, "hop_length": 64, "rounding": rounding}
        return transfer(hiss, melody(), settings(variable=variable, **shared)).descent.steps[-1].best

    assert best(0.1) < 0.7 * best(0.0)  # measured: 0.0022 and 0.0048; 0.41 to 0.87 times as much with other noise


# the content first


def test_the_content_is_found_again_where_it_is_sought_first() -> None:
    steps = [transfer(melody(), melody(), settings(content_first=first)).descent.steps for first in (0, 20)]
    at_once, later = (min(each, key=lambda step: step.loss).terms["content"] for each in steps)
    assert later < 0.7 * at_once  # measured: 0.14 and 0.25


def test_steps_show_the_system_s_own_weights_while_the_content_is_sought() -> None:
    shown: list[Step] = []
    config = settings(content_first=20)
    result = transfer(melody(), melody(), config, report=lambda step, heard: shown.append(step))
    steps = result.descent.steps
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    assert [step.loss for step in shown] == [step.loss for step in steps]
    assert steps[0].terms == pytest.approx(result.first, rel=1e-4)
    assert all(step.loss == pytest.approx(sum(step.terms.values())) for step in steps)
    assert [step.best for step in steps[:20]] == [min(step.loss for step in steps[:n]) for n in range(1, 21)]
    assert config.with_iterations(7).content_first == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_first": 60}, "content_first must be in 0..iterations - 1=59, got 60"),
        (
            {"content_first": 3, "terms": [{"name": "style", "reference": "style"}]},
            "content_first must go with a content term and no draft, got 3",
        ),
    ],
)
def test_a_content_that_cannot_be_sought_first_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(**changes)


def test_the_systems_with_a_classifier_seek_the_content_first() -> None:
    firsts = {name: load_preset(name).content_first for name in ("verma", "gatys_spectrogram", "ulyanov", "house")}
    assert firsts["verma"] > 0 and firsts["gatys_spectrogram"] > 0
    assert firsts["ulyanov"] == firsts["house"] == 0


# pooling


def test_average_pooling_gives_a_gradient_to_each_place_and_max_pooling_to_the_largest() -> None:
    model = AlexNet(AlexNetConfig(classes=("flute", "organ"), channels=(3, 2), pooled=(1,)), n_features=5)
    with torch.no_grad():
        for layer in model.convolutions:
            layer.weight.fill_(0.0)
            layer.weight[..., 1, 1] = 1.0
    reached = {}
    for pooling in get_args(Pooling):
        features = torch.rand(1, 5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
        found = model.activations(features, ["conv2"], pooling=pooling)["conv2"]
        assert found.shape == (1, 2, 3, 4)
        found.sum().backward()
        assert features.grad is not None
        reached[pooling] = int((features.grad != 0).sum())
    assert reached == {"max": 12, "average": 35}
    first = model.activations(features, ["conv2"], pooling="average")["conv2"][0, 0, 0, 0]
    assert float(first.detach()) == pytest.approx(3 * float(features.detach()[0, :2, :2].mean()))


def test_the_content_is_found_through_average_pooling() -> None:
    system = load_preset("gatys_spectrogram").with_iterations(40)
    content = melody()[:, :2000]

    def missed(pooling: str) -> float:
        terms = [
            {**term.model_dump(mode="json"), "extractor": {"kind": "recogniser", "pooling": pooling}}
            for term in system.terms
            if term.reference == "content"
        ]
        config = TransferConfig.parse({**system.model_dump(mode="json"), "terms": terms, "content_first": 0})
        return transfer(content, content, config).descent.steps[-1].best

    assert missed("average") < 0.2 * missed("max")  # measured: 0.0024 and 0.021


# rhythm


def test_the_rhythm_of_a_filter_that_is_nearly_always_0_counts_little() -> None:
    pulses = torch.zeros(1, 2, 200)
    pulses[:, 0, ::20] = 1.0
    quiet = pulses.clone()
    quiet[:, 1, 77] = 0.003  # 50 dB below the other filter
    [difference] = AutocorrelationConfig(seconds=(0.1, 0.5)).build(pulses, 0.01).differences(quiet)
    assert float(difference.squared / difference.reference) < 1e-4
    loud = pulses.clone()
    loud[:, 1, ::13] = 1.0
    [heard] = AutocorrelationConfig(seconds=(0.1, 0.5)).build(pulses, 0.01).differences(loud)
    assert float(heard.squared / heard.reference) > 0.1


def test_a_layer_of_one_place_has_no_rhythm() -> None:
    target = AutocorrelationConfig().build(torch.ones(1, 3, 1), 0.01)
    places = torch.tensor([0.0, 0.5, 2.0]).reshape(1, 3, 1)
    [difference] = target.differences(places)
    assert float(difference.squared) == 0
    assert difference.size > 0
