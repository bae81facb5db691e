"""File names: what is a pitch, and above all what is none."""

import pytest

from intertone.data.naming import Naming, pitch_of_name, read_names


@pytest.mark.parametrize(
    ("stem", "pitch", "velocity", "instrument"),
    [
        ("guitar_acoustic_001-060-100", 60, 100, "guitar_acoustic_001"),
        ("Piano_021_127", 21, 127, "Piano"),
        ("Piano.mf.Db3", 49, -1, "Piano-mf"),
        ("violin_As4_vel64", 70, 64, "violin"),
        ("C#4", 61, -1, ""),
        ("Cb4 horn", 59, -1, "horn"),
        ("Oboe (C4) take3", 60, -1, "Oboe"),
        ("Juno_60", -1, -1, "Juno"),
        ("marimba-pitch60", 60, -1, "marimba"),
        ("marimba_MIDI72_velocity1", 72, 1, "marimba"),
        ("take2", -1, -1, "take2"),
        ("take_60", -1, -1, "take"),
        ("drums bpm_90", -1, -1, "drums-bpm"),
        ("loop1_90", -1, -1, "loop1"),
        ("take_b2", -1, -1, "take-b2"),
        ("flute 60", -1, -1, "flute"),
        ("flute_2024", -1, -1, "flute-2024"),
        ("Steps A4 to C5", -1, -1, "Steps-to"),
        ("C4B4", -1, -1, "C4B4"),
        ("x-999-100", -1, -1, "x"),
        ("pitch200", -1, -1, "pitch200"),
        ("MP3 of F16", -1, -1, "MP3-of-F16"),
    ],
)
def test_names(stem: str, pitch: int, velocity: int, instrument: str) -> None:
    assert read_names([stem]) == [Naming(pitch, velocity, instrument)]


def test_last_numbers_are_pitches_only_in_a_series_that_does_not_count() -> None:
    def pitches(*stems: str) -> list[int]:
        return [naming.pitch for naming in read_names(stems)]

    assert pitches("flute_60", "flute_62", "Juno_60", "Roland_Juno_106") == [60, 62, -1, -1]
    assert pitches("hit_01", "hit_45", "hit_46") == [-1, -1, -1]
    assert pitches("take_60", "take_61", "piano_vel_50", "piano_vel_100", "loop1_90", "loop1_91") == [-1] * 6
    assert pitches("flute_060", "flute_109") == [60, -1]


def test_takes_of_one_instrument_have_one_name() -> None:
    stems = ["Violin_A4_take1", "Violin_A4_take2", "Violin_C5_1", "Violin_rr3_D5"]
    assert {naming.instrument for naming in read_names(stems)} == {"Violin"}


def test_middle_c_is_c4() -> None:
    # A4 = 440 Hz = 69, nine keys above C4
    assert (pitch_of_name("C4"), pitch_of_name("A4"), pitch_of_name("C0"), pitch_of_name("G9")) == (60, 69, 12, 127)
    assert pitch_of_name("A9") == -1
    assert read_names(["a_C4_D4"]) == [Naming(-1, -1, "a")]
