"""The transfer bench: melodies, pairs, baselines, a run that goes on, its summary, its page, its command."""

import json
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import names_in, refused, run
from conftest import tone
from test_data_soundfont import fluid_r3
from torch import Tensor

from intertone.audio import load_audio
from intertone.bench.transfer.baselines import copy_content, copy_style, exchange_envelopes, match_spectrum
from intertone.bench.transfer.measure import FIGURES, measure_mark, measure_transfer
from intertone.bench.transfer.melody import LOWER, UPPER, draw_melody
from intertone.bench.transfer.methods import BASELINES, TransferMethod, find_method
from intertone.bench.transfer.pairs import TransferPair, draw_transfer_pairs
from intertone.bench.transfer.report import (
    transfer_markdown,
    transfer_result,
    transfer_tables,
    transfer_verdict,
    write_transfer_bench,
)
from intertone.bench.transfer.run import TransferRow, run_transfers
from intertone.bench.transfer.summary import figures_won, summarise_transfers
from intertone.data.soundfont import find_soundfont, read_soundfont
from intertone.data.split import split_of
from intertone.errors import InputError
from intertone.metrics import gram_distance, mfcc_statistics
from intertone.stft import SpectrogramConfig, stft
from intertone.transfer import load_preset

RATE = 16000


def tune(*pitches: int, tilt: float) -> Tensor:
    """Notes of half a second, one after the other."""
    return torch.cat([tone(pitch, seconds=0.5, tilt=tilt) for pitch in pitches])


def pair(name: str = "01") -> TransferPair:
    """A dull style, a bright content; no bank is needed."""
    content, truth = (tune(60, 67, 64, tilt=tilt) for tilt in (0.3, 2.0))
    return TransferPair(name, "bright to dull", content, tune(62, 69, 65, tilt=2.0), truth, RATE)


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure is the mean magnitude relative to the peak: a run is tested, not what it measures."""

    def measure(output: Tensor, _: TransferPair) -> dict[str, float]:
        return dict.fromkeys(FIGURES, float(output.abs().mean() / output.abs().max()))

    monkeypatch.setattr("intertone.bench.transfer.run.measure_transfer", measure)


# melodies and pairs


@pytest.mark.parametrize("voices", [1, 2])
def test_a_melody_keeps_to_its_range_time_and_key(voices: int) -> None:
    for seed in range(20):
        first = draw_melody(np.random.default_rng(seed), voices=voices)
        second = draw_melody(np.random.default_rng(seed + 99), voices=voices, without={note.pitch for note in first})
        assert not {note.pitch for note in first} & {note.pitch for note in second}
        for notes in (first, second):
            assert max(note.start + note.duration for note in notes) <= 3.6 + 1e-9
            assert min(note.start for note in notes) >= 0.05
            assert all(LOWER[0] <= note.pitch <= UPPER[1] for note in notes)
            assert sum(note.start == notes[0].start for note in notes) == voices
            upper = [note for note in notes if note.pitch > LOWER[1]] if voices == 2 else notes
            assert all(a.start + a.duration <= b.start + 1e-9 for a, b in pairwise(upper))
        classes = {note.pitch % 12 for note in first}
        assert any(classes <= {(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)} for tonic in range(12))
    with pytest.raises(ValueError, match="voices must be 1 or 2, got 3"):
        draw_melody(np.random.default_rng(0), voices=3)


@pytest.mark.slow
def test_pairs_are_played_by_instruments_of_the_held_out_groups() -> None:
    drawn = draw_transfer_pairs(n_pairs=2, seed=3, soundfont=fluid_r3())
    again = draw_transfer_pairs(n_pairs=1, seed=3, soundfont=fluid_r3())
    assert torch.equal(drawn[0].content, again[0].content) and torch.equal(drawn[0].truth, again[0].truth)
    groups = read_soundfont(find_soundfont(fluid_r3())).groups()
    for one in drawn:
        programs = [int(name[:3]) for name in one.title.split(" to ")]
        first, second = (groups[program] for program in programs)
        assert first != second and split_of(first) == split_of(second) == "test"
        for sound in (one.content, one.style, one.truth):
            assert sound.shape == (4 * RATE,) and float(sound.abs().max()) <= 0.9 + 1e-6
        # the ground truth has the style's timbre more than the content has it, and plays other notes than the style
        style, truth, content = (mfcc_statistics(sound)[:12] for sound in (one.style, one.truth, one.content))
        assert float((truth - style).norm()) < float((content - style).norm())
        assert not torch.equal(one.truth, one.style)


# baselines


def test_copies_are_copies() -> None:
    content, style = torch.arange(5.0), torch.tensor([1.0, 2.0])
    assert copy_content(content, style, RATE) is content
    assert copy_style(content, style, RATE).tolist() == [1, 2, 1, 2, 1]


def test_the_filter_gives_the_long_term_spectrum_and_keeps_the_time() -> None:
    noise = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(0))
    other = torch.randn(4 * RATE, generator=torch.Generator().manual_seed(1))
    dull = torch.nn.functional.avg_pool1d(other[None], 3, 1, 1)[0]
    config = SpectrogramConfig(sample_rate=RATE, n_fft=1024, hop_length=256)

    def spectrum(sound: Tensor) -> Tensor:
        power = stft(sound, config).abs().square().mean(-1)
        bands = torch.stack([power[10:40].mean(), power[100:140].mean(), power[250:290].mean(), power[400:500].mean()])
        return 10 * (bands / bands[0]).log10()

    matched = match_spectrum(noise, dull, RATE)
    assert (spectrum(matched) - spectrum(dull)).abs().max() < 0.5 < (spectrum(noise) - spectrum(dull)).abs().max()
    click = torch.zeros(RATE)
    click[5000] = 1
    assert int(match_spectrum(click, dull[:RATE], RATE).abs().argmax()) == 5000  # no delay
    assert float(match_spectrum(noise, dull + 100, RATE).mean().abs()) < 0.01  # 0 Hz is not raised


def test_the_exchange_gives_the_envelope_and_keeps_partials_and_energy() -> None:
    one = pair()
    changed = exchange_envelopes(one.content, one.style[:9000], RATE)
    assert changed.shape == one.content.shape
    config = SpectrogramConfig(sample_rate=RATE, n_fft=1024, hop_length=256)
    before, after = (stft(sound, config).abs().square().sum(0) for sound in (one.content, changed))
    inner = slice(2, -2)
    # neighbouring frames overlap and cancel a little where they were changed in different ways
    assert (10 * (after / before)[inner].log10()).abs().median() < 1
    dull, mixed, bright = (
        float(stft(sound, config).abs()[200:].sum() / stft(sound, config).abs().sum())
        for sound in (one.style, changed, one.content)
    )
    assert dull < mixed < 0.5 * bright


def test_a_method_has_one_name() -> None:
    assert find_method("eq-match").transfer is match_spectrum
    assert len({find_method(name).mark for name in BASELINES}) == len(BASELINES)
    with pytest.raises(InputError, match=r"a method must be one of copy-content, .*, got eq"):
        find_method("eq")


def test_a_system_is_a_method_of_the_content_s_length(monkeypatch: pytest.MonkeyPatch) -> None:
    small = load_preset("house")
    small = small.model_copy(update={"solver": small.solver.model_copy(update={"iterations": 2}), "draft": None})
    monkeypatch.setattr("intertone.bench.transfer.methods.load_preset", lambda name: small)
    method = find_method("house")
    generator = torch.Generator().manual_seed(0)
    content, style = (torch.randn(n, generator=generator) for n in (9001, 7000))
    assert method.transfer(content, style, 22050).shape == (9001,)
    other = small.model_copy(update={"rms": 0.2})
    monkeypatch.setattr("intertone.bench.transfer.methods.load_preset", lambda name: other)
    assert find_method("house").mark != method.mark


# figures


def test_every_figure_is_best_where_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    few = partial(gram_distance, n_filters=64)  # 4,096 take a second to draw
    monkeypatch.setattr("intertone.bench.transfer.measure.gram_distance", few)
    one = pair()
    found = {name: measure_transfer(getattr(one, name), one) for name in ("content", "style", "truth")}
    assert all(list(figures) == list(FIGURES) for figures in found.values())
    best = {"style": "style", "content": "content", "truth": "truth"}
    for name, figure in FIGURES.items():
        sign = 1 if figure.higher else -1
        if figure.aspect in best:
            values = {row: sign * figures[name] for row, figures in found.items()}
            assert max(values, key=lambda row: values[row]) == best[figure.aspect], name
        if figure.aspect == "style":
            assert values["truth"] > values["content"], name
    assert found["style"]["crop_correlation"] == pytest.approx(1)
    assert found["truth"]["crop_correlation"] < 0.9
    assert found["content"]["noise_floor_lift"] == found["style"]["noise_floor_lift"] == 0
    with pytest.raises(ValueError, match=r"the output must be \(24000,\), got \(9000,\)"):
        measure_transfer(one.content[:9000], one)
    with pytest.raises(ValueError, match="the output must be finite and not silent"):
        measure_transfer(0 * one.content, one)


# the run


class Counted:
    """A method that counts its calls."""

    def __init__(self, mark: str = "a", output: Tensor | None = None) -> None:
        self.calls = 0
        self.mark = mark
        self.output = output

    def __call__(self, content: Tensor, style: Tensor, sample_rate: int) -> Tensor:
        self.calls += 1
        return 3 * content if self.output is None else self.output

    def find(self, name: str) -> TransferMethod:
        return TransferMethod(name, self, self.mark) if name == "counted" else find_method(name)


@pytest.mark.usefixtures("one_figure")
def test_a_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = Counted()
    done: list[tuple[int, int]] = []
    first = run_transfers(
        [pair()],
        ["counted", "eq-match", "counted"],
        folder=tmp_path / "results",
        find=method.find,
        progress=lambda *counts: done.append(counts),
    )
    assert list(first["rows"]["01"]) == ["counted", *BASELINES, "truth"]
    assert (method.calls, done) == (1, [(number, 6) for number in range(7)])
    assert names_in(tmp_path / "results") == sorted(
        f"01-{name}.{suffix}" for name in first["rows"]["01"] for suffix in ("json", "wav")
    )
    figures = first["rows"]["01"]["counted"]["figures"]
    # kept at a peak of 1: no figure depends on the level
    assert figures == pytest.approx(first["rows"]["01"]["copy-content"]["figures"], abs=1e-6)

    # a second pair: the first is not touched
    second = run_transfers([pair(), pair("02")], ["counted"], folder=tmp_path / "results", find=method.find)
    assert second["rows"]["01"] == first["rows"]["01"] and method.calls == 2
    # other figures: the sound is kept, and so are its seconds
    monkeypatch.setattr("intertone.bench.transfer.run.measure_mark", lambda: "other")
    third = run_transfers([pair()], ["counted"], folder=tmp_path / "results", find=method.find)
    assert third["rows"]["01"] == first["rows"]["01"] and method.calls == 2
    assert json.loads((tmp_path / "results" / "01-counted.json").read_text())["measured"] == "other"
    # another method, another sound, a damaged file
    method.mark = "b"
    run_transfers([pair()], ["counted"], folder=tmp_path / "results", find=method.find)
    assert method.calls == 3
    (tmp_path / "results" / "01-counted.json").write_text("{")
    run_transfers([pair()], ["counted"], folder=tmp_path / "results", find=method.find)
    assert method.calls == 4
    run_transfers([replace(pair(), style=pair().truth)], ["counted"], folder=tmp_path / "results", find=method.find)
    assert method.calls == 5


@pytest.mark.usefixtures("one_figure")
def test_what_a_method_may_not_give_is_refused(tmp_path: Path) -> None:
    for output, words in (
        (torch.ones(9), r"counted must return a sound of the content's 24000 samples, got \(9,\)"),
        (
            torch.zeros(24000),
            "counted must return a finite sound that is not silent, got silence, NaN or infinity for pair 01",
        ),
        (torch.full((24000,), math.nan), "counted must return a finite sound"),
    ):
        with pytest.raises(InputError, match=words):
            run_transfers([pair()], ["counted"], folder=tmp_path, find=Counted(output=output).find)
    with pytest.raises(ValueError, match="the names of the pairs must be unique"):
        run_transfers([pair(), pair()], [], folder=tmp_path)
    with pytest.raises(InputError, match="a method must be one of"):
        run_transfers([pair()], ["house of cards"], folder=tmp_path)
    with pytest.raises(InputError, match="the results must have a folder, got"):
        run_transfers([pair()], [], folder=tmp_path / "no" / "results")


# the summary


def rows_of(**values: list[float]) -> dict[str, dict[str, TransferRow]]:
    """Rows of so many pairs, in which every figure of a method has the same value."""
    n_pairs = len(next(iter(values.values())))
    return {
        f"{index:02d}": {
            name.replace("_", "-"): {"figures": dict.fromkeys(FIGURES, found[index]), "seconds": 2.0}
            for name, found in values.items()
        }
        for index in range(n_pairs)
    }


def test_gains_are_paired_and_point_to_the_better() -> None:
    spread = [0.0, 10.0, 20.0, 30.0]  # pairs differ far more than methods
    better = [value + 1 + 0.1 * index for index, value in enumerate(spread)]
    rows = rows_of(
        mine=better, copy_content=spread, copy_style=spread, eq_match=spread, cross_synthesis=spread, truth=spread
    )
    summary = summarise_transfers(rows, seed=1)
    gains = summary["mine"]["gains"]["eq-match"]
    for name, figure in FIGURES.items():
        assert gains[name]["mean"] == pytest.approx(1.15 if figure.higher else -1.15)
        assert gains[name]["low"] <= gains[name]["mean"] <= gains[name]["high"]
        assert (gains[name]["low"] > 0) == figure.higher
    assert summary["mine"]["figures"]["onset_f1"]["mean"] == pytest.approx(16.15)
    assert (summary["mine"]["n"], summary["mine"]["seconds"]) == (4, 2)
    assert "eq-match" not in summary["eq-match"]["gains"]
    assert figures_won(summary, "mine") == ["texture_snr"]
    assert figures_won(summary, "eq-match") == [
        name for name, figure in FIGURES.items() if figure.aspect in ("style", "truth") and not figure.higher
    ]
    assert summarise_transfers(rows, seed=1) == summary


def test_sentences_say_what_the_filter_wins_and_what_is_certain() -> None:
    low, high = [1.0, 2.0, 1.5], [6.0, 5.0, 7.0]
    rows = rows_of(mine=low, copy_content=high, copy_style=high, eq_match=low, cross_synthesis=high, truth=high)
    result = transfer_result({"rows": rows, "titles": dict.fromkeys(rows, "a to b")}, seed=0)
    lines = transfer_verdict(result)
    won = "MFCC, crops dB, Gram"
    assert lines[0] == f"Of all methods, eq-match has the best mean in {won}, LSD dB, MR-STFT."
    assert lines[1].startswith(f"eq-match is nearer to the style than the ground truth is in {won}.")
    assert "mine against copy-content: better in MFCC, crops dB, Gram, worse in texture dB." in lines
    assert "mine against eq-match: no clear difference in LSD dB, MR-STFT." in lines
    assert not any("truth against" in line for line in lines)
    tables = transfer_tables(result)
    assert [table.title for table in tables][5:] == [
        "mine over the baselines", "eq-match over the baselines", "cross-synthesis over the baselines",
    ]  # fmt: skip
    assert tables[5].rows[0][1] == "+4.50 (+3.00…+5.50)*"
    assert "| mine | 1.50 (1.00…2.00) |" in transfer_markdown(result, command="x")


# the page and the command


@pytest.mark.usefixtures("one_figure")
def test_the_page_holds_tables_and_sounds(tmp_path: Path) -> None:
    method = Counted()
    pairs = [pair()]
    found = run_transfers(pairs, ["counted"], folder=tmp_path / "results", find=method.find)
    result = transfer_result(found, seed=0)
    write_transfer_bench(tmp_path, result, pairs, command="intertone bench transfer counted")
    page = (tmp_path / "transfer.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 6  # content, style, counted, filter, cross-synthesis, ground truth
    assert page.count("over the baselines") >= 3 and "http" not in page.split("<body")[1].split("data:")[0]
    content = json.loads((tmp_path / "transfer.json").read_text(encoding="utf-8"))
    assert content["pairs"] == found["rows"] and content["titles"] == {"01": "bright to dull"}
    sound, rate = load_audio(tmp_path / "results" / "01-truth.wav")
    assert rate == RATE and torch.equal(sound[0], pairs[0].truth)
    assert json.loads((tmp_path / "results" / "01-truth.json").read_text())["measured"] == measure_mark()


@pytest.mark.usefixtures("one_figure")
def test_the_command_writes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = []

    def draw(**settings: object) -> list[TransferPair]:
        drawn.append(settings)
        return [pair()]

    monkeypatch.setattr("intertone.bench.transfer.pairs.draw_transfer_pairs", draw)
    out = tmp_path / "out"
    code, text, _ = run("bench", "transfer", "eq-match", "--pairs", "1", "--seed", "4", "-o", out, capsys=capsys)
    assert code == 0 and text.splitlines()[-1] == f"wrote {out}"
    assert drawn == [{"n_pairs": 1, "seed": 4, "soundfont": None}]
    assert {"results", "transfer.html", "transfer.json", "transfer.md"} == {path.name for path in out.iterdir()}
    code, text, _ = run("bench", "transfer", "-o", out, "--json", capsys=capsys)
    assert code == 0 and list(json.loads(text)["summary"]) == [*BASELINES, "truth"]


def test_the_command_refuses_before_it_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refused(tmp_path, "bench", "transfer", "eq", "-o", tmp_path / "out", capsys=capsys)
    assert sentence.startswith("a method must be one of copy-content, copy-style, eq-match, cross-synthesis, antognini")
    assert sentence.endswith("verma, got eq")
    (tmp_path / "mine.txt").write_text("mine")
    sentence = refused(tmp_path, "bench", "transfer", "-o", tmp_path, capsys=capsys)
    assert sentence.startswith("the output must be a new or empty folder or a transfer bench's, got")
