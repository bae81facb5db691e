"""The hard pairs of the morph bench: each measure sees its fault, the pairs, the run, the summary, the command."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import refused, run
from conftest import SAMPLE_RATE as RATE
from conftest import tone
from test_data_soundfont import fluid_r3
from torch import Tensor

from intertone.bench.hard.attack import FLOOR_DB, attack_course, attack_error_db, attack_error_ms
from intertone.bench.hard.fall import cliff_db, ghost_db, pulse_range_db
from intertone.bench.hard.measure import KEY_STEPS, MEASURES, MIXES, measure_keys, measure_morphs, measures_of
from intertone.bench.hard.methods import BASELINES, CROSSFADE, HardMethod, hard_method, load_codecs, method_names
from intertone.bench.hard.momentary import key_bend_lu, loudness_bend_lu
from intertone.bench.hard.pairs import HARD_KINDS, HardKind, HardPair, draw_hard_pairs
from intertone.bench.hard.phase_jump import phase_jumps
from intertone.bench.hard.report import WRITTEN, hard_result, hard_tables, hard_verdict, write_hard_bench
from intertone.bench.hard.run import HardEntry, HardRow, measure_method, run_hard_pairs
from intertone.bench.hard.summary import ALL, compare_figures, summarise_hard
from intertone.bench.hard.third_pitch import third_pitch_db, two_keys_db, voice_of
from intertone.bench.hard.unison import detuned_unison
from intertone.data.soundfont import read_soundfont
from intertone.data.split import split_of
from intertone.errors import InputError
from intertone.loudness import integrated_loudness, maximum_momentary_loudness
from intertone.pitch.note import pitch_to_hz

C4 = 60
ONE_EACH: tuple[HardKind, ...] = ("bell", "pluck", "chord", "melody")
F0 = pitch_to_hz(C4)


def sine(hz: float, *, seconds: float = 2.0, level: float = 0.3) -> Tensor:
    return level * torch.sin(2 * math.pi * hz * torch.arange(round(seconds * RATE)) / RATE)


def partials(*ratios: float) -> Tensor:
    """Partials of one level at multiples of C4."""
    return torch.stack([sine(ratio * F0, level=0.1) for ratio in ratios]).sum(0)


def level_of(sound: Tensor, db: float) -> Tensor:
    return sound * 10 ** (db / 20)


def pair_of(kind: str, a: Tensor, b: Tensor, *, pitched: bool = True) -> HardPair:
    f0 = (F0,) if pitched else ()
    return HardPair(f"0/{kind}-1", kind, "a with b", a, b, f0, f0, (0.05,), RATE)  # type: ignore[arg-type]


def struck(sound: Tensor) -> Tensor:
    return torch.cat([torch.zeros(round(0.05 * RATE)), sound])


# a third pitch, two keys


def test_a_partial_between_wrongly_paired_ones_is_a_third_pitch() -> None:
    bell, choir = partials(0.952, 1, 2, 2.76), partials(1, 2, 3)
    voices = voice_of(bell, [F0], RATE), voice_of(choir, [F0], RATE)
    clean = partials(1, 2, math.sqrt(2.76 * 3), 0.952)
    # 0.952 and 2 are neither neighbours nor harmonics of one f0: their mean is a tritone above the note
    wrong = clean + level_of(sine(math.sqrt(0.952 * 2) * F0, level=0.1), -12)
    assert third_pitch_db(clean, *voices, 0.5, RATE) == -55
    assert third_pitch_db(wrong, *voices, 0.5, RATE) == pytest.approx(-12, abs=0.5)
    for end in (bell, choir):
        assert third_pitch_db(end, *voices, 0.5, RATE) == -55


def test_the_way_between_two_pitches_is_no_third_pitch() -> None:
    low, high = (tone(pitch, seconds=2, decay=0) for pitch in (60, 67))
    voices = voice_of(low, [pitch_to_hz(60)], RATE), voice_of(high, [pitch_to_hz(67)], RATE)
    assert third_pitch_db(tone(63.5, seconds=2, decay=0), *voices, 0.5, RATE) == -55
    assert third_pitch_db(tone(62, seconds=2, decay=0), *voices, 0.5, RATE) == pytest.approx(0, abs=0.1)


def test_a_crossfade_keeps_two_keys_and_a_glide_none() -> None:
    low, high = (tone(pitch, seconds=2, decay=0) for pitch in (60, 66))
    voices = voice_of(low, [pitch_to_hz(60)], RATE), voice_of(high, [pitch_to_hz(66)], RATE)
    assert two_keys_db(low + level_of(high, -10), *voices, RATE) == pytest.approx(-10, abs=1)
    assert two_keys_db(tone(63, seconds=2, decay=0), *voices, RATE) == -55


# loudness


def test_the_loudest_400_ms_of_a_steady_tone_are_its_loudness() -> None:
    steady = sine(997)
    assert maximum_momentary_loudness(steady, RATE) == pytest.approx(integrated_loudness(steady, RATE), abs=0.05)
    burst = torch.cat([level_of(steady, -30), steady[: RATE // 2], level_of(steady, -30)])
    assert maximum_momentary_loudness(burst, RATE) == pytest.approx(integrated_loudness(steady, RATE), abs=0.05)
    assert maximum_momentary_loudness(torch.zeros(100), RATE) == -math.inf


def test_a_bent_sweep_of_loudness_is_seen() -> None:
    sound, mixes = sine(440), (0.0, 0.25, 0.5, 0.75, 1.0)
    straight = [level_of(sound, -8 * mix) for mix in mixes]
    assert loudness_bend_lu(straight, mixes, RATE) == pytest.approx(0, abs=0.01)
    fault = [level_of(sound, db) for db in (-15, -13.5, -8, -12, -15)]
    assert loudness_bend_lu(fault, mixes, RATE) == pytest.approx(7, abs=0.01)
    with pytest.raises(ValueError, match="a sound for each of three mixes or more, got 2 and 5"):
        loudness_bend_lu(fault[:2], mixes, RATE)


def test_a_key_that_sticks_out_is_seen() -> None:
    sound, pitches = sine(440), [C4 + step for step in KEY_STEPS]
    keys = [level_of(sound, 0.3 * step) for step in KEY_STEPS]
    assert key_bend_lu(keys, pitches, RATE) == pytest.approx(0, abs=0.01)
    keys[3] = level_of(keys[3], 4)
    assert key_bend_lu(keys, pitches, RATE) == pytest.approx(4 * 6 / 7, abs=0.05)  # the line is drawn up by a seventh


# attack


def test_a_tick_that_is_lost_or_late_is_seen() -> None:
    hold = 0.3 * tone(C4, seconds=1, decay=0)
    noise = torch.randn(RATE // 100, generator=torch.Generator().manual_seed(0))

    def ticked(db: float, late: float = 0.005) -> np.ndarray:
        sound, place = struck(hold).clone(), round((0.05 + late) * RATE)
        sound[place : place + len(noise)] += level_of(0.3 * noise, db)
        return attack_course(sound, 0.05, RATE)

    loud, soft = ticked(0), ticked(-20)
    assert attack_error_db(ticked(-10), loud, soft, 0.5) == pytest.approx(0, abs=1)
    assert attack_error_db(ticked(-22), loud, soft, 0.5) < -6
    assert abs(attack_error_ms(ticked(-10), loud, soft)) <= 2
    assert attack_error_ms(ticked(-10, 0.035), loud, soft) == pytest.approx(30, abs=3)
    assert attack_error_ms(ticked(-10, -0.015), loud, soft) == pytest.approx(-20, abs=3)
    assert attack_course(struck(sine(440)), 0.05, RATE)[:5].max() == FLOOR_DB
    with pytest.raises(ValueError, match=r"a sound must hold its attack, 480\.\.1600, got 1000 samples"):
        attack_course(torch.ones(1000), 0.05, RATE)


# falls, ghosts, pulses


def test_a_dc_offset_is_no_level() -> None:
    note, quiet = tone(60, seconds=1.0), 0.01 * tone(60, seconds=1.0)
    sources = [torch.cat([note, quiet + offset]) for offset in (0.02, -0.02)]
    swing = 0.02 * torch.linspace(5, -5, RATE).clamp(-1, 1)
    assert cliff_db(torch.cat([note, quiet + swing]), sources, RATE) < 6
    assert pulse_range_db(0.1 * sine(220, seconds=1) + 0.3, 0.2, 0.8, RATE) < 0.01
    assert cliff_db(sine(220, seconds=1), [torch.zeros(0)], RATE) < 1


def test_a_cliff_counts_only_where_no_source_falls() -> None:
    loop, hold = sine(330, seconds=1), sine(220, seconds=2)
    cliff = torch.cat([hold[:RATE], level_of(hold[RATE:], -35)])
    assert cliff_db(cliff, [loop, hold], RATE) == pytest.approx(35, abs=0.5)
    assert cliff_db(cliff, [cliff, hold], RATE) == 0
    assert cliff_db(hold, [loop, hold], RATE) == pytest.approx(0, abs=0.1)
    elsewhere = torch.cat([hold[: RATE // 2], level_of(hold[RATE // 2 :], -35)])
    assert cliff_db(cliff, [elsewhere, hold], RATE) == pytest.approx(35, abs=0.5)


def test_a_note_that_begins_before_its_onset_is_a_ghost() -> None:
    rest = torch.zeros(round(0.7 * RATE))
    notes = torch.cat([rest, sine(440, seconds=0.3), rest, sine(550, seconds=0.3)])
    onsets = [0.7, 1.7]
    ghost = notes.clone()
    ghost[round(1.45 * RATE) : round(1.7 * RATE)] = level_of(sine(530, seconds=0.25), -25)
    assert ghost_db(notes, [notes, notes], onsets, RATE) == -80
    assert ghost_db(ghost, [notes, notes], onsets, RATE) == pytest.approx(-25, abs=0.5)
    assert ghost_db(ghost, [notes, ghost], onsets, RATE) == -80


def test_a_held_key_that_pulses_is_seen() -> None:
    time = torch.arange(8 * RATE) / RATE
    steady = sine(220, seconds=8)
    pulsing = steady * 10 ** (5 * torch.sin(2 * math.pi * time / 0.73) / 20)
    assert pulse_range_db(level_of(steady, -20) * (1 - 0.1 * time), 0.5, 7.5, RATE) < 2  # it fades, it does not pulse
    assert pulse_range_db(pulsing, 0.5, 7.5, RATE) == pytest.approx(9.8, abs=0.4)


# grain


def test_jumps_of_phase_are_counted_and_beats_are_not() -> None:
    note = tone(C4, seconds=2, decay=0)
    assert phase_jumps(note, [F0], RATE) == 0
    beating = note + 0.5 * tone(C4 + 0.15, seconds=2, decay=0)
    assert phase_jumps(beating, [F0], RATE) == 0
    places = [round((0.3 + 0.2 * step) * RATE) for step in range(8)]
    grainy, shift = note.clone(), round(RATE / F0 / 4)  # a quarter of the period: 90° of the first partial
    for place in places:
        grainy[place:] = grainy[place - shift : -shift].clone()
    # the first partial jumps by 90° and others by what is left of its multiples
    assert phase_jumps(grainy, [F0], RATE) >= len(places) / 2
    with pytest.raises(ValueError, match=r"longer than 0\.2 s, got 0\.1 s"):
        phase_jumps(note[: RATE // 10], [F0], RATE)


def test_a_unison_is_spread_around_its_pitch_and_has_few_jumps() -> None:
    sound, cents = detuned_unison(F0, RATE, np.random.default_rng(4), seconds=2, held_seconds=1.8)
    again, _ = detuned_unison(F0, RATE, np.random.default_rng(4), seconds=2, held_seconds=1.8)
    assert torch.equal(sound, again)
    clean = sound[: round(1.7 * RATE)]
    grainy = clean.clone()
    for step in range(15):
        place = round((0.1 + 0.1 * step) * RATE)
        grainy[place:] = grainy[place:].roll(round(RATE / F0 / 4))
    assert phase_jumps(clean, [F0], RATE) <= 2 and phase_jumps(grainy, [F0], RATE) >= 8
    spectrum = torch.fft.rfft(sound[: round(1.6 * RATE)] * torch.hann_window(round(1.6 * RATE))).abs()
    loud = torch.nonzero(spectrum[:640] > 0.3 * spectrum[:640].max()).flatten() / 1.6
    spread = 1200 * torch.log2(loud / F0)
    assert spread.max() == pytest.approx(cents, abs=8) and spread.min() == pytest.approx(-cents, abs=8)


# the table of measures


def test_every_measure_has_a_kind_and_every_kind_measures() -> None:
    assert all(measure.kinds for measure in MEASURES.values())
    for kind in HARD_KINDS:
        assert len(measures_of(kind, of_keys=False)) >= 2


@pytest.mark.parametrize("kind", HARD_KINDS)
def test_a_morph_between_equal_sounds_has_no_fault(kind: str) -> None:
    note = struck(tone(C4, seconds=1.5))
    row = measure_morphs(pair_of(kind, note, note), [note] * len(MIXES))
    assert list(row) == measures_of(kind, of_keys=False)  # type: ignore[arg-type]
    assert all(MEASURES[name].excess(value) == 0 for name, values in row.items() for value in values)


def test_keys_are_measured_against_the_sound_itself() -> None:
    note = struck(tone(C4, seconds=4, decay=0))
    pitches: set[float] = set()

    def make(pitch: float, mix: float, held: float | None) -> Tensor:
        pitches.add(pitch)
        if held is None:
            return level_of(note, 4 if pitch == C4 else 0)
        time = torch.arange(round(held * RATE)) / RATE
        return sine(F0, seconds=held) * 10 ** (5 * torch.sin(2 * math.pi * time / 0.73) / 20)

    assert measure_keys(pair_of("pluck", note, note), make)["key_bend_lu"] == [pytest.approx(3.43, abs=0.05)] * 2
    assert pitches == {C4 + step for step in KEY_STEPS}
    assert measure_keys(pair_of("ensemble", note, note), make)["pulse_db"] == [pytest.approx(9.8, abs=0.4)] * 3


# pairs


@pytest.fixture(scope="module")
def drawn() -> dict[str, HardPair]:
    """A few pairs of seed 3."""
    bank = fluid_r3()
    both = draw_hard_pairs(per_kind=2, seed=3, kinds=["drums"], soundfont=bank)
    return {pair.name: pair for pair in [*both, *draw_hard_pairs(per_kind=1, seed=3, kinds=ONE_EACH, soundfont=bank)]}


def test_the_same_seed_draws_the_same_pairs(drawn: dict[str, HardPair]) -> None:
    (again,) = draw_hard_pairs(per_kind=1, seed=3, kinds=["melody"], soundfont=fluid_r3())
    (other,) = draw_hard_pairs(per_kind=1, seed=4, kinds=["melody"], soundfont=fluid_r3())
    first = drawn["3/melody-1"]
    assert torch.equal(again.a, first.a) and torch.equal(again.b, first.b)
    assert (again.onsets, again.title) == (first.onsets, first.title)
    assert other.onsets != first.onsets and other.title != first.title


def test_pairs_have_the_sounds_of_their_kind(drawn: dict[str, HardPair]) -> None:
    assert list(drawn) == ["3/drums-1", "3/drums-2", "3/bell-1", "3/pluck-1", "3/chord-1", "3/melody-1"]
    pattern, single, bell, pluck, chord, melody = drawn.values()
    assert len(single.a) == 1.2 * RATE and 1.7 * RATE < len(pattern.a) < 2.8 * RATE and len(pattern.b) == 4 * RATE
    assert not pattern.f0_a and len(pattern.f0_b) == 1
    assert bell.f0_a == bell.f0_b and pluck.f0_a == pluck.f0_b
    assert len(chord.f0_a) == 3 and not set(chord.f0_b) & set(chord.f0_a)
    assert all(later - sooner > 0.79 for sooner, later in pairwise(melody.onsets))
    for pair in drawn.values():
        for sound in (pair.a, pair.b):
            loudness, peak = maximum_momentary_loudness(sound, RATE), float(sound.abs().max())
            assert loudness == pytest.approx(-20, abs=0.05) or (peak == pytest.approx(0.9) and loudness < -20)
            assert float(sound[: round(0.045 * RATE)].abs().max()) < 0.01  # silence before the key is struck


def test_a_star_marks_what_was_trained_on(drawn: dict[str, HardPair]) -> None:
    bank = read_soundfont(fluid_r3())
    groups = bank.groups()
    split = {bank.presets[0, program].name: split_of(groups[program]) for program in bank.programs}
    for pair in drawn.values():
        for title in pair.title.split(" with "):
            if pair.kind == "drums" and title.startswith("drum"):
                continue
            name = max((name for name in split if title.startswith(name)), key=len)
            assert title.startswith(f"{name}*") == (split[name] == "train")
            assert pair.kind == "bell" or split[name] != "train"


# methods, run, summary


def test_methods_are_codecs_and_baselines() -> None:
    codecs = load_codecs(["harmonic-16k", "thesis", "crossfade"])
    assert list(codecs) == ["harmonic-16k", "thesis"]
    names = method_names(["crossfade", "thesis", "linear magnitude", "harmonic-16k"], codecs)
    assert names == ["thesis", "harmonic-16k", "harmonic-16k, no network", "linear magnitude", CROSSFADE]
    assert hard_method("thesis", codecs).keys is None
    assert len({hard_method(name, codecs).mark for name in names}) == len(names)
    with pytest.raises(InputError, match=r"a method must be one of crossfade, .*, harmonic model, .* got nothing"):
        load_codecs(["nothing"])
    with pytest.raises(ValueError, match=r"the method must be one of .* got other"):
        hard_method("other", codecs)


def test_a_crossfade_goes_on_where_one_sound_has_ended() -> None:
    loop, hold = struck(tone(C4, seconds=0.5)), struck(tone(C4, seconds=1, decay=0))
    sounds = hard_method(CROSSFADE, {}).morph(pair_of("drums", loop, hold, pitched=False), [0.25])
    assert len(sounds[0]) == len(hold)
    assert torch.allclose(sounds[0][len(loop) :], 0.25 * hold[len(loop) :])


def test_a_method_that_refuses_is_reported_and_not_dropped(tmp_path: Path) -> None:
    note = struck(tone(C4, seconds=1))
    pairs = [pair_of("drums", note, note, pitched=False)]
    entries = run_hard_pairs(pairs, ["harmonic model", CROSSFADE], {}, cache=tmp_path)
    row = entries["0/drums-1"]["rows"]["harmonic model"]
    assert row["refused"] == {"morphs": "harmonic model must be given one pitch of each sound, got 0 and 0"}
    assert row["figures"] == {}
    summary = summarise_hard(entries)["drums"]["harmonic model"]
    assert (summary["n"], summary["refused"], summary["better"], summary["worse"]) == (1, 1, 0, 0)
    assert summary["measures"] == {}
    assert "refuses 1" in hard_verdict(hard_result(entries, seeds=[0], per_kind=1, sample_rate=RATE))[0]


def test_a_method_that_returns_no_sound_refuses() -> None:
    note = struck(tone(C4, seconds=1))
    method = HardMethod("silent", lambda pair, mixes: [0 * pair.a for _ in mixes], "")
    row = measure_method(pair_of("drums", note, note), method)
    assert row["refused"] == {
        "morphs": "a method must return finite sounds that are not silent, got a silent sound, NaN or infinity"
    }


def test_rows_are_kept_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = pair_of("drums", struck(tone(C4)), struck(tone(C4, decay=0)), pitched=False)
    first = run_hard_pairs([pair], [CROSSFADE], {}, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr("intertone.bench.hard.run.measure_method", None)
    assert run_hard_pairs([pair], [CROSSFADE], {}, cache=tmp_path) == first
    file.write_text("{", encoding="utf-8")
    with pytest.raises(TypeError):  # the damaged row is measured anew, by the function that is gone
        run_hard_pairs([pair], [CROSSFADE], {}, cache=tmp_path)
    monkeypatch.undo()
    run_hard_pairs([replace(pair, b=0.5 * pair.b)], [CROSSFADE], {}, cache=tmp_path)
    assert len([*tmp_path.iterdir()]) == 2
    with pytest.raises(ValueError, match="a unique name"):
        run_hard_pairs([pair, pair], [CROSSFADE], {})


def test_measures_vote_by_their_excess_over_the_limit() -> None:
    good = {"loudness_bend_lu": [1.0], "cliff_db": [3.0, 0.0]}
    assert compare_figures(good, {"loudness_bend_lu": [-1.4], "cliff_db": [11.0, 0.0]}) == 0  # both within the limits
    assert compare_figures(good, {"loudness_bend_lu": [-1.6], "cliff_db": [11.0, 0.0]}) == 1
    assert compare_figures({"loudness_bend_lu": [5.0], "cliff_db": [13.0]}, {"loudness_bend_lu": [9.0]}) == 1
    assert compare_figures({"loudness_bend_lu": [5.0], "cliff_db": [13.0]}, good) == -1
    assert compare_figures({}, good) == 0


def entry(bend: float, fade_bend: float) -> HardEntry:
    rows: dict[str, HardRow] = {
        name: {"figures": {"loudness_bend_lu": [value]}, "refused": {}, "seconds": 1.0}
        for name, value in (("other", bend), (CROSSFADE, fade_bend))
    }
    return {"kind": "drums", "title": "a with b", "rows": rows}


def test_the_summary_has_the_mean_and_the_worst_with_its_sign() -> None:
    summary = summarise_hard({"0/drums-1": entry(-3.0, 2.0), "0/drums-2": entry(1.0, 4.0)})
    assert list(summary) == ["drums", ALL]
    line = summary["drums"]["other"]
    assert line["measures"]["loudness_bend_lu"] == {"mean": 2.0, "worst": -3.0, "failed": 1, "of": 2}
    assert (line["better"], line["worse"]) == (1, 1)
    assert summary[ALL][CROSSFADE]["better"] is None
    table = hard_tables(
        hard_result({"0/drums-1": entry(-3.0, 2.0)}, seeds=[0], per_kind=1, sample_rate=RATE),
    )[0]
    assert table.columns[:2] == ("method", "bend LU ± 1.5") and table.rows[0][1] == "3.0 / −3.0"


def test_the_page_has_the_sounds(tmp_path: Path) -> None:
    pair = pair_of("drums", struck(tone(C4)), struck(tone(C4, decay=0)), pitched=False)
    result = hard_result(
        run_hard_pairs([pair], [CROSSFADE, "harmonic model"], {}), seeds=[0], per_kind=1, sample_rate=RATE
    )
    write_hard_bench(tmp_path / "out", result, [pair], {}, command="here")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(WRITTEN)
    page = (tmp_path / "out" / "hard.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 3  # A, the crossfade, B; the harmonic model refused


# the command


def test_the_command_refuses_what_does_not_go_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def sentence(*words: str | Path) -> str:
        return refused(tmp_path, "bench", "morph", *words, capsys=capsys)

    assert sentence("thesis", "harmonic") == "at most one codec must be given without --hard, got thesis harmonic"
    assert sentence("--per-kind", "2") == "--per-kind must be used with --hard, got 2 without it"
    pairs_of_own = "--hard must be used without --only, since it draws its own pairs, got both"
    assert sentence("--hard", "--only", "S1") == pairs_of_own
    rates = "all codecs must have the same sample rate, got 16000 and 44100 Hz"
    assert sentence("--hard", "thesis", "harmonic") == rates
    assert "a method must be one of" in sentence("--hard", "nothing")
    device = "--device must be used with a codec, got cuda without one"
    assert sentence("--hard", "crossfade", "--device", "cuda") == device


def test_the_baselines_keep_their_names() -> None:
    assert set(BASELINES) >= {CROSSFADE, "log magnitude", "harmonic model"}
    assert "harmonic" not in BASELINES  # that is a codec


@pytest.mark.slow
def test_a_bench_of_one_pair_of_two_kinds(tmp_path: Path) -> None:
    codecs = load_codecs(["harmonic-16k"])
    pairs = draw_hard_pairs(per_kind=1, kinds=["ensemble", "drums"], soundfont=fluid_r3())
    entries = run_hard_pairs(pairs, method_names(["harmonic-16k"], codecs), codecs, cache=tmp_path)
    for item in entries.values():
        row = item["rows"]["harmonic-16k"]
        wanted = [*measures_of(item["kind"], of_keys=False), *measures_of(item["kind"], of_keys=True)]
        assert list(row["figures"]) == wanted and not row["refused"]
        assert all(math.isfinite(value) for values in row["figures"].values() for value in values)
    again = run_hard_pairs(pairs, method_names(["harmonic-16k"], codecs), codecs, cache=tmp_path)
    assert again == entries


@pytest.mark.slow
def test_the_command_prints_tables_and_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fluid_r3()
    words = ("bench", "morph", "crossfade", "--hard", "--per-kind", "1", "--cache", tmp_path / "cache")
    code, out, _ = run(*words, "-o", tmp_path / "out", "--json", capsys=capsys)
    result = json.loads(out)
    assert code == 0 and len(result["pairs"]) == len(HARD_KINDS) and result["verdict"] == []
    assert (tmp_path / "out" / "hard.md").read_text(encoding="utf-8").count("| crossfade |") == len(HARD_KINDS) + 1
