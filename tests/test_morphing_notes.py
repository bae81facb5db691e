"""Phrases: their notes are found, cut, paired and morphed one by one."""

import math
from collections.abc import Sequence

import pytest
import torch
from conftest import SAMPLE_RATE, tone

from intertone.codec import Codec, CodecConfig
from intertone.errors import InputError
from intertone.models import ConditionedConfig
from intertone.morphing import (
    MixCurve,
    MorphConfig,
    Sources,
    analyse_sounds,
    morph,
    morph_sources,
    morph_steps,
    require_single_notes,
)
from intertone.morphing.by_notes import ByNotes
from intertone.morphing.by_partials import ByPartials
from intertone.morphing.notes import cut_notes, find_notes, pair_notes
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.remark import collect_remarks
from intertone.representation import HarmonicConfig

PARTIALS_ONLY = MorphConfig(network="none")
GAP = 0.1
"""Seconds of silence before each note of a phrase."""

A_PITCHES, B_PITCHES = (60, 64, 62), (67, 65, 69)
A_SECONDS, B_SECONDS = (0.3, 0.3, 0.4), (0.4, 0.2, 0.3)


def phrase(pitches: Sequence[float], seconds: Sequence[float], *, tilt: float = 1.0) -> torch.Tensor:
    silence = torch.zeros(round(GAP * SAMPLE_RATE))
    notes = []
    for pitch, length in zip(pitches, seconds, strict=True):
        note = tone(pitch, seconds=length, tilt=tilt, decay=3)
        note[-160:] *= torch.linspace(1, 0, 160)
        notes += [silence, note]
    return torch.cat(notes)


def onsets(seconds: Sequence[float]) -> list[float]:
    """Onset of each note, seconds."""
    return [GAP * (index + 1) + sum(seconds[:index]) for index in range(len(seconds))]


A, B = phrase(A_PITCHES, A_SECONDS), phrase(B_PITCHES, B_SECONDS, tilt=2)
TIME = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


def wavering(*, semitones: float = 0.0, loudness: float = 0.0, hertz: float = 5.5) -> torch.Tensor:
    """Two seconds of one note with vibrato or tremolo."""
    slow = torch.sin(2 * torch.pi * hertz * TIME)
    periods = torch.cumsum(330 * 2 ** (semitones / 12 * slow.double()), 0) / SAMPLE_RATE
    sound = torch.stack([torch.sin(2 * torch.pi * order * periods) / order for order in range(1, 10)]).sum(0)
    return (0.1 * sound * (1 + loudness * slow)).float()


def sung(pitch: torch.Tensor, level: torch.Tensor | float = 1.0) -> torch.Tensor:
    """A harmonic sound with a pitch of every sample, MIDI numbers."""
    periods = torch.cumsum(440 * 2 ** ((pitch.double() - 69) / 12), 0) / SAMPLE_RATE
    sound = torch.stack([torch.sin(2 * torch.pi * order * periods) / order for order in range(1, 16)]).sum(0)
    return (0.1 * sound * level).float()


def sliding(semitones: float, *, vibrato: float, seconds: float = 1.2) -> torch.Tensor:
    """Two seconds of one note whose pitch slides from 57, with a vibrato of 5.5 Hz."""
    ramp = ((TIME - 0.3) / seconds).clamp(0, 1)
    return sung(57 + semitones * ramp + vibrato * torch.sin(2 * torch.pi * 5.5 * TIME))


def gliding(pitches: Sequence[float], *, seconds: float, glide: float, gap_db: float = 0) -> torch.Tensor:
    """Notes of equal length; the pitch slides from note to note, with a dip of the level between them."""
    size, width = round(seconds * SAMPLE_RATE), round(glide * SAMPLE_RATE)
    stairs = torch.tensor(pitches, dtype=torch.float64).repeat_interleave(size)
    padded = torch.cat([stairs[:1].expand(width // 2), stairs, stairs[-1:].expand(width - width // 2 - 1)])
    pitch = padded.unfold(0, width, 1).mean(1)
    level = torch.ones(size)
    level[-800:] = 10 ** (-gap_db / 20)
    return sung(pitch, level.repeat(len(pitches)))


def echoing(pitch: float) -> torch.Tensor:
    sound = torch.zeros(2 * SAMPLE_RATE)
    for index in range(5):
        first = index * 5000
        sound[first : first + 6400] += 0.6**index * tone(pitch, seconds=0.4, decay=8)
    return sound


SINGLE = {
    "a note": tone(57, seconds=1),
    "a hammer's noise": tone(57, seconds=1)
    + torch.nn.functional.pad(0.2 * torch.randn(800, generator=torch.Generator().manual_seed(0)), (0, 15200)),
    "vibrato": wavering(semitones=0.7, loudness=0.3),
    "wide vibrato": wavering(semitones=1.5),
    "tremolo": wavering(loudness=0.95),
    "slow slide": wavering(semitones=2, hertz=0.4),
    "slide with vibrato": sliding(7, vibrato=0.3),
    "fall with vibrato": sliding(-12, vibrato=0.3, seconds=0.8),
    "wide slide with vibrato": sliding(12, vibrato=0.2, seconds=1.6),
    "echo": echoing(57),
    "repeated notes": torch.cat([tone(57, seconds=0.4, decay=6)] * 4),
    "noise": 0.1 * torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(1)),
    "silence": torch.zeros(SAMPLE_RATE),
    "one sample": torch.ones(1),
}


@pytest.fixture(scope="module")
def codec() -> Codec:
    """A codec that needs a pitch; its network has learned nothing."""
    model = ConditionedConfig(channels=(8, 8), strides=(4, 2), note_dim=3, local_dim=2)
    config = HarmonicConfig(sample_rate=SAMPLE_RATE, hop_length=160, f_max=7600)
    return Codec(CodecConfig(representation=config, model=model))


@pytest.fixture(scope="module")
def sources(codec: Codec) -> Sources:
    return analyse_sounds(codec, A, B, by_notes=True)


def level_db(sound: torch.Tensor) -> float:
    return 10 * math.log10(float(sound.double().square().mean()) + 1e-20)


def stretch(sound: torch.Tensor, first: float, last: float) -> torch.Tensor:
    return sound[..., round(first * SAMPLE_RATE) : round(last * SAMPLE_RATE)]


def cents_between(sound: torch.Tensor, pitch: float) -> float:
    return abs(float(hz_to_cents(note_pitch(sound, SAMPLE_RATE), pitch_to_hz(pitch))))


# where notes begin


@pytest.mark.parametrize(("sound", "seconds"), [(A, A_SECONDS), (B, B_SECONDS)])
def test_notes_of_a_phrase_are_found(sound: torch.Tensor, seconds: Sequence[float]) -> None:
    found = [start / SAMPLE_RATE for start in find_notes(sound[None], SAMPLE_RATE)]
    assert found == pytest.approx(onsets(seconds)[1:], abs=0.008)


def test_a_note_with_a_slow_attack_starts_before_it_rises() -> None:
    """The steepest rise lies within the attack, whose beginning would end the note before."""
    rise = (TIME[: round(0.5 * SAMPLE_RATE)] / 0.06).clamp(0, 1) ** 2
    notes = [torch.cat([tone(pitch, seconds=0.5, decay=1) * rise, torch.zeros(3200)]) for pitch in (60, 64, 62)]
    starts = find_notes(torch.cat(notes)[None], SAMPLE_RATE)
    assert [start / SAMPLE_RATE for start in starts] == pytest.approx([0.7, 1.4], abs=0.01)
    for _, note in cut_notes(torch.cat(notes)[None], starts, SAMPLE_RATE)[:-1]:
        assert float(note[0, -1600:].abs().max()) < 0.01 * float(note.abs().max())


def test_notes_are_found_where_the_channels_have_opposite_polarity() -> None:
    assert find_notes(torch.stack([A, -A]), SAMPLE_RATE) == find_notes(A[None], SAMPLE_RATE) != []


def test_a_note_that_is_repeated_in_a_phrase_is_one_of_its_notes() -> None:
    seconds = (0.4, 0.4, 0.4, 0.4)
    found = [start / SAMPLE_RATE for start in find_notes(phrase((60, 60, 64, 64), seconds)[None], SAMPLE_RATE)]
    assert found == pytest.approx(onsets(seconds)[1:], abs=0.008)


def test_notes_are_found_whose_pitch_changes_before_they_swell() -> None:
    """A flute: the pitch of a note begins 60 ms before its level rises."""
    size = round(0.5 * SAMPLE_RATE)
    place = torch.arange(size) / SAMPLE_RATE
    swell = 0.03 + 0.97 * ((place - 0.06) / 0.08).clamp(0, 1)
    pitch = torch.tensor([60.0, 62, 65, 64]).repeat_interleave(size)
    found = [start / SAMPLE_RATE for start in find_notes(sung(pitch, swell.repeat(4))[None], SAMPLE_RATE)]
    assert found == pytest.approx([0.5, 1.0, 1.5], abs=0.13)


@pytest.mark.parametrize(("glide", "gap_db"), [(0.02, 0), (0.05, 0), (0.05, 20)])
def test_a_melody_whose_pitch_slides_quickly_from_note_to_note_is_a_phrase(glide: float, gap_db: float) -> None:
    sound = gliding((57, 61, 59, 64), seconds=0.5, glide=glide, gap_db=gap_db)
    found = [start / SAMPLE_RATE for start in find_notes(sound[None], SAMPLE_RATE)]
    assert found == pytest.approx([0.5, 1.0, 1.5], abs=0.05)


def test_hum_before_the_first_note_is_no_note() -> None:
    hum = torch.cat([0.0006 * torch.sin(2 * torch.pi * 4000 * TIME[: SAMPLE_RATE // 2]), torch.zeros(len(A))])
    sound = torch.cat([torch.zeros(SAMPLE_RATE // 2), A]) + hum
    found = [start / SAMPLE_RATE for start in find_notes(sound[None], SAMPLE_RATE)]
    assert found == pytest.approx([0.5 + onset for onset in onsets(A_SECONDS)[1:]], abs=0.008)


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_note_is_no_phrase(name: str) -> None:
    assert find_notes(SINGLE[name][None], SAMPLE_RATE) == []


def test_notes_of_both_channels_are_cut_and_add_up_to_the_phrase() -> None:
    sound = torch.stack([A, 0.5 * A + 0.01])
    pieces = cut_notes(sound, find_notes(sound, SAMPLE_RATE), SAMPLE_RATE)
    total = torch.zeros_like(sound)
    for first, piece in pieces:
        total[:, first : first + piece.shape[-1]] += piece
    assert len(pieces) == 3
    assert float((total - sound).abs().max()) < 1e-6


@pytest.mark.parametrize(
    ("places", "rows"),
    [
        ([(0.1, 0.2, 0.3), (0.1, 0.8, 0.9)], [(0, 0), (1, 1), (2, 2)]),  # as many notes: in order, wherever they lie
        ([(0.0, 0.2, 0.5, 0.7), (0.15, 0.52, 0.71)], [(0, None), (1, 0), (2, 1), (3, 2)]),
        ([(0.5,), (0.0, 0.6, 0.9)], [(None, 0), (0, 1), (None, 2)]),
        ([(0.0, 0.5), (0.0, 0.3, 0.5), (0.31,)], [(0, 0, None), (None, 1, 0), (1, 2, None)]),
    ],
)
def test_notes_are_paired_in_order_at_the_least_distance(
    places: list[tuple[float, ...]], rows: list[tuple[int | None, ...]]
) -> None:
    assert pair_notes(places) == rows


# the morph


@pytest.mark.parametrize("mix", [0.25, 0.5, 0.75])
def test_each_note_has_the_onset_and_pitch_between_and_silence_before_it(sources: Sources, mix: float) -> None:
    sound = morph_sources(sources, mix, config=PARTIALS_ONLY)
    places = [(1 - mix) * a + mix * b for a, b in zip(onsets(A_SECONDS), onsets(B_SECONDS), strict=True)]
    for place, a, b in zip(places, A_PITCHES, B_PITCHES, strict=True):
        note = stretch(sound, place + 0.02, place + 0.18)
        assert cents_between(note, (1 - mix) * a + mix * b) < 5
        assert level_db(stretch(sound, place - 0.06, place - 0.01)) < level_db(note) - 50
        assert level_db(stretch(sound, place, place + 0.02)) > level_db(note) - 12


def test_as_one_sound_the_next_note_slides_in(codec: Codec) -> None:
    """What the test above would not pass without cutting."""
    sound = morph_sources(analyse_sounds(codec, A, B), 0.5, config=PARTIALS_ONLY)
    places = [0.5 * (a + b) for a, b in zip(onsets(A_SECONDS), onsets(B_SECONDS), strict=True)]
    levels = [level_db(stretch(sound, at - 0.06, at - 0.01)) - level_db(stretch(sound, at, at + 0.1)) for at in places]
    assert max(levels) > -40


@pytest.mark.parametrize(("mix", "source"), [(0.0, A), (1.0, B)])
def test_at_weight_one_the_phrase_itself_comes_back(sources: Sources, mix: float, source: torch.Tensor) -> None:
    assert torch.equal(morph_sources(sources, mix), source)


def test_near_weight_one_the_phrase_is_nearly_itself(sources: Sources) -> None:
    found = morph_sources(sources, 1e-6, config=PARTIALS_ONLY)[: len(A)]
    assert level_db(found - A[: len(found)]) < level_db(A) - 60


def test_single_notes_are_morphed_as_they_were(codec: Codec) -> None:
    a, b = tone(57, seconds=0.5), tone(64, seconds=0.4, tilt=2)
    whole = morph_sources(analyse_sounds(codec, a, b), 0.5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(morph(codec, a, b, mix=0.5), whole)


def test_a_note_that_is_analysed_again_along_its_own_pitch_keeps_its_conditions(codec: Codec, sources: Sources) -> None:
    assert isinstance(sources.method, ByNotes)
    sound = torch.cat([tone(60, seconds=0.5, decay=2), tone(65.5, seconds=0.5, decay=2)])
    early = round(0.47 * SAMPLE_RATE)  # the cut note begins with 30 ms of the one before it
    note = sources.method.analyse(sound[None, None], [early]).context.notes[1]
    assert float(hz_to_cents(note.sounds[0].f0[:10], pitch_to_hz(65.5)).abs().max()) < 50
    assert set(codec.model.needs) <= set(note.conditions)


def test_a_note_without_a_partner_is_faded_by_its_weight(codec: Codec) -> None:
    silence = torch.zeros(round((A_SECONDS[1] + GAP) * SAMPLE_RATE))
    first = round((onsets(A_SECONDS)[1] - GAP) * SAMPLE_RATE)
    b = torch.cat([A[:first], silence, A[first + len(silence) :]])  # without the second note
    sources = analyse_sounds(codec, A, b, by_notes=True)
    place, last = onsets(A_SECONDS)[1:]
    own = level_db(stretch(A, place + 0.02, place + 0.28)) - level_db(stretch(A, last + 0.02, last + 0.28))
    for mix in (0.25, 0.75):
        sound = morph_sources(sources, mix, config=PARTIALS_ONLY)
        found = level_db(stretch(sound, place + 0.02, place + 0.28)) - level_db(
            stretch(sound, last + 0.02, last + 0.28)
        )
        assert found - own == pytest.approx(20 * math.log10(1 - mix), abs=0.5)


def test_with_a_curve_each_note_gets_the_weights_of_its_time(sources: Sources) -> None:
    sound = morph_sources(sources, MixCurve((0.45, 0.55), (0, 1)), config=PARTIALS_ONLY)
    first = stretch(sound, 0.15, 0.3)
    last = stretch(sound, len(sound) / SAMPLE_RATE - 0.25, len(sound) / SAMPLE_RATE - 0.1)
    assert cents_between(first, A_PITCHES[0]) < 5
    assert cents_between(last, B_PITCHES[2]) < 5


def test_three_phrases_in_stereo_are_morphed(codec: Codec) -> None:
    third = phrase((72, 71), (0.3, 0.5))
    sources = analyse_sounds(codec, torch.stack([A, A]), torch.stack([B, 0.5 * B]), third, by_notes=True)
    sound = morph_sources(sources, (0.5, 0.5, 0.0), config=PARTIALS_ONLY)
    pair = morph_sources(analyse_sounds(codec, A, B, by_notes=True), 0.5, config=PARTIALS_ONLY)
    assert sources.phrases == "A holds 3 notes, B 3, C 2"
    assert tuple(sound.shape) == (2, len(pair))
    assert level_db(stretch(sound[0], 0.1, 0.4)) == pytest.approx(level_db(stretch(pair, 0.1, 0.4)), abs=3)


def test_a_phrase_takes_the_pitches_of_one_sound(sources: Sources) -> None:
    sound = morph_sources(sources, 0.5, config=PARTIALS_ONLY.model_copy(update={"pitch": "a"}))
    place = 0.5 * (onsets(A_SECONDS)[1] + onsets(B_SECONDS)[1])
    assert cents_between(stretch(sound, place + 0.02, place + 0.18), A_PITCHES[1]) < 5


def test_beyond_the_ends_sounds_are_extrapolated_and_onsets_are_not(sources: Sources) -> None:
    sound = morph_sources(sources, 1.3, config=PARTIALS_ONLY)
    assert len(sound) == pytest.approx(len(B), abs=160)
    for place, a, b in zip(onsets(B_SECONDS), A_PITCHES, B_PITCHES, strict=True):
        assert cents_between(stretch(sound, place + 0.02, place + 0.18), -0.3 * a + 1.3 * b) < 5


# what is said, and refused


def test_what_is_done_is_said_in_one_line(codec: Codec) -> None:
    with collect_remarks() as remarks:
        analyse_sounds(codec, A, tone(60, seconds=0.5), by_notes=True)
    assert [remark.text for remark in remarks] == [
        "A holds 3 notes, B 1: morphed note by note; a note without a partner is faded"
    ]


@pytest.mark.parametrize(
    ("n_notes", "n_unpitched", "whole"), [(5, 2, False), (4, 2, False), (4, 3, True), (5, 3, True)]
)
def test_phrases_whose_notes_have_no_pitch_stay_whole(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, n_notes: int, n_unpitched: int, whole: bool
) -> None:
    sound = phrase((60, 64, 62, 65, 67)[:n_notes], (0.3,) * n_notes)
    answers = iter(["noise"] * n_unpitched + [None] * 20)
    monkeypatch.setattr(ByPartials, "unpitched", lambda self, analysis: next(answers))
    with collect_remarks() as remarks:
        sources = analyse_sounds(codec, sound, B, by_notes=True)
    assert (sources.phrases is None) == whole
    if whole:
        (remark,) = remarks
        assert remark.text == (
            f"A holds {n_notes} notes, B 3, but A has 3 of {n_notes} notes without one pitch, so they are morphed as "
            "whole sounds"
        )


def test_the_harmonicity_of_a_single_sound_beside_a_phrase_is_given_once(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = phrase((60, 64, 62, 65, 67), (0.3,) * 5)
    monkeypatch.setattr(ByPartials, "unpitched", lambda self, analysis: "no one pitch (harmonicity 0.31; noise has 0)")
    with collect_remarks() as remarks:
        assert (
            analyse_sounds(
                codec,
                sound,
                torch.randn(8000, generator=torch.Generator().manual_seed(0)) * torch.linspace(0, -8, 8000).exp(),
                by_notes=True,
            ).phrases
            is None
        )
    (first, *_) = (remark.text for remark in remarks)
    assert "B has no one pitch, so they are morphed as whole sounds" in first
    assert "B holds" not in first and "harmonicity" not in first


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"pitch": "C4"}, "one note for the pitch C4, but A holds 3 notes, B 3"),
        ({"hold_seconds": 2.0}, "one note for a sustain of a given length, but A holds 3 notes"),
    ],
)
def test_what_takes_a_single_note_refuses_phrases(codec: Codec, settings: dict[str, str | float], match: str) -> None:
    with pytest.raises(InputError, match=match):
        morph_steps(codec, A, B, mixes=[0.5], config=MorphConfig.model_validate(settings))


def test_a_keyboard_refuses_phrases(sources: Sources) -> None:
    with pytest.raises(InputError, match=r"every sound must be one note for a keyboard, but A holds 3 notes, B 3"):
        require_single_notes(sources, "a keyboard")


def test_phrases_are_refused_before_it_is_logged_how_they_would_be_morphed(codec: Codec) -> None:
    with (
        collect_remarks() as remarks,
        pytest.raises(InputError, match=r"must be one note for a keyboard, but A .* B 1; cut out single notes$"),
    ):
        analyse_sounds(
            codec, A, tone(60, seconds=0.5), pitched_for="a keyboard", single_for="a keyboard", by_notes=True
        )
    assert remarks == []
    with collect_remarks() as remarks, pytest.raises(InputError, match="must be one note for the pitch C4"):
        list(morph_steps(codec, A, B, mixes=[0.5], config=MorphConfig(pitch="C4")))
    assert remarks == []


def test_phrases_that_are_not_moved_in_time_stay_whole(codec: Codec) -> None:
    config = MorphConfig(network="none", alignment="onset")
    with collect_remarks() as remarks:
        (sound,) = morph_steps(codec, A, B, mixes=[0.5], config=config)
    whole = morph_sources(analyse_sounds(codec, A, B), 0.5, config=config, generator=torch.Generator().manual_seed(0))
    assert not remarks
    assert torch.equal(sound, whole)
