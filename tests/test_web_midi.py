"""MIDI messages: notes, channels, velocity, MPE, bend ranges, pedal; in node, and in a browser with a fake device."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import FAKE_MIDI, heard, is_silent, level_db, opened, played_pitch, sounds, to_left, wait_for
from commands import NODE

needs_node = pytest.mark.skipif(shutil.which("node") is None and not os.environ.get("CI"), reason="apt install nodejs")

MPE, MPE_UPPER = 17, 18
ON, OFF, POLY, CONTROL, PRESSURE, BEND = 0x90, 0x80, 0xA0, 0xB0, 0xD0, 0xE0


def calls(*messages: object, channel: int = 0, touch: float = 0.0) -> list[list[Any]]:
    """Return what the messages lead to: the names of handlers with their arguments."""
    words = [*NODE, str(Path(__file__).with_name("midi_in_node.mjs"))]
    job = json.dumps({"settings": {"channel": channel, "touch": touch}, "messages": messages})
    return json.loads(subprocess.run(words, input=job, check=True, capture_output=True, text=True).stdout)


def parameter(channel: int, number: int, value: int, fine: int | None = None) -> list[tuple[int, int, int]]:
    """Messages that set a registered parameter."""
    status = CONTROL | channel
    messages = [(status, 101, number >> 7), (status, 100, number & 127), (status, 6, value)]
    return messages if fine is None else [*messages, (status, 38, fine)]


@needs_node
def test_notes_begin_and_end() -> None:
    found = calls((ON, 60, 127), (ON | 3, 64, 127), (OFF, 60, 0), (ON | 3, 64, 0), (OFF, 99, 0))
    assert found == [
        ["on", 60, 1, "midi a 0 60", None],
        ["on", 64, 1, "midi a 3 64", None],
        ["off", "midi a 0 60"],
        ["off", "midi a 3 64"],
    ]


@needs_node
def test_a_pedal_that_is_lifted_leaves_that_of_another_channel_down() -> None:
    found = calls((CONTROL, 64, 127), (CONTROL | 1, 64, 127), (CONTROL | 1, 64, 0), (CONTROL, 64, 0))
    assert [call[1] for call in found if call[0] == "hold"][-2:] == [True, False]
    assert [call[1] for call in found].index(False) == len(found) - 1


@needs_node
def test_only_the_chosen_channel_plays_and_no_note_is_left_over() -> None:
    messages = [(ON, 60, 127), (ON | 4, 62, 127), (BEND | 4, 127, 127), {"channel": 5}]
    messages += [(OFF, 60, 0), (ON, 61, 127), (ON | 4, 64, 127), (CONTROL, 1, 127), (CONTROL | 4, 1, 127)]
    assert [call[:2] for call in calls(*messages)] == [
        ["on", 60],
        ["on", 62],
        ["set", "bend"],
        ["off", "midi a 0 60"],
        ["on", 64],
        ["set", "padX"],
    ]


@needs_node
def test_a_pedal_is_let_go_whichever_channel_was_chosen_meanwhile() -> None:
    pressed = [(CONTROL | 2, 64, 127), (CONTROL | 2, 64, 100), {"channel": 5}]
    assert calls(*pressed, (CONTROL | 2, 64, 0), (CONTROL | 2, 64, 0)) == [["hold", True], ["hold", False]]
    assert calls(*pressed, (CONTROL | 2, 64, 127)) == [["hold", True]]


@needs_node
@pytest.mark.parametrize(("touch", "exponent"), [(-1, 1 / 3), (0, 1), (0.5, 3**0.5), (1, 3)])
def test_velocity_follows_its_curve(touch: float, exponent: float) -> None:
    found = [call[2] for call in calls(*((ON, 60, struck) for struck in (1, 32, 100, 127)), touch=touch)]
    assert found == pytest.approx([(struck / 127) ** exponent for struck in (1, 32, 100, 127)])


@needs_node
def test_controllers_move_what_all_notes_share() -> None:
    messages = [(CONTROL, 1, 127), (CONTROL, 74, 0), (PRESSURE, 127), (BEND, 127, 127), (BEND, 0, 0), (BEND, 0, 64)]
    found = calls(*messages, (CONTROL, 64, 127), (CONTROL, 64, 0), (CONTROL, 120, 0), (CONTROL, 123, 0))
    assert found == [
        ["set", "padX", 1],
        ["set", "padY", 0],
        ["set", "pressure", 1],
        ["set", "bend", 2],
        ["set", "bend", -2],
        ["set", "bend", 0],
        ["hold", True],
        ["hold", False],
        ["panic"],
        ["panic"],
    ]


@needs_node
def test_a_key_has_its_own_pressure() -> None:
    found = calls((ON, 60, 127), (ON, 64, 127), (POLY, 64, 127), (POLY, 65, 127))
    assert found[2:] == [["express", "midi a 0 64", "pressure", 1]]


@needs_node
def test_the_range_of_bends_is_that_of_its_channel() -> None:
    up = (BEND, 127, 127)
    found = calls(*parameter(0, 0, 12, 50), up, (BEND | 1, 127, 127), *parameter(0, 0, 7), up)
    assert [call[2] for call in found] == pytest.approx([12.5, 2, 7])
    null = [(CONTROL, 101, 127), (CONTROL, 100, 127), (CONTROL, 6, 24)]
    unregistered = [(CONTROL, 99, 0), (CONTROL, 98, 0), (CONTROL, 6, 24)]
    assert calls(*null, up, *unregistered, up) == [["set", "bend", 2]] * 2


@needs_node
def test_a_note_of_mpe_has_what_its_channel_had_before_it() -> None:
    before = [(BEND | 1, 0, 96), (PRESSURE | 1, 127), (CONTROL | 1, 74, 127)]
    found = calls(*before, (ON | 1, 60, 127), (ON | 2, 64, 127), channel=MPE)
    assert found[0][4] == {"bend": pytest.approx(48 * 4096 / 8191), "pressure": 1, "timbre": 1}
    assert found[1][4] == {"bend": 0, "pressure": 0, "timbre": 0} and len(found) == 2


@needs_node
def test_the_messages_of_an_mpe_channel_are_about_its_note() -> None:
    notes = [(ON | 1, 60, 127), (ON | 2, 64, 127)]
    changes = [(BEND | 1, 127, 127), (PRESSURE | 2, 127), (CONTROL | 2, 74, 0), (CONTROL | 1, 74, 64)]
    shared = [(BEND, 127, 127), (PRESSURE, 127), (CONTROL, 74, 127)]
    found = calls(*notes, *changes, *shared, (OFF | 1, 60, 0), (BEND | 1, 0, 64), channel=MPE)
    assert found[2:] == [
        ["express", "midi a 1 60", "bend", 48],
        ["express", "midi a 2 64", "pressure", 1],
        ["express", "midi a 2 64", "timbre", -1],
        ["express", "midi a 1 60", "timbre", 0],
        ["set", "bend", 2],
        ["set", "pressure", 1],
        ["set", "padY", 1],
        ["off", "midi a 1 60"],
    ]


@needs_node
def test_the_range_of_one_mpe_channel_is_that_of_all() -> None:
    found = calls(*parameter(3, 0, 24), (ON | 1, 60, 127), (BEND | 1, 127, 127), (BEND, 127, 127), channel=MPE)
    assert [call[-1] for call in found[1:]] == [24, 2]


@needs_node
def test_a_device_says_which_channels_its_notes_have() -> None:
    notes = [(ON | 3, 60, 127), (ON | 4, 64, 127), (BEND | 3, 127, 127), (BEND | 4, 127, 127)]
    found = calls(*parameter(0, 6, 3), {"channel": MPE}, *notes)
    assert found[0] == ["zone", 3] and found[2][4] is None
    assert found[3:] == [["express", "midi a 3 60", "bend", 48], ["set", "bend", 2]]
    assert calls(*parameter(0, 6, 0), *parameter(1, 6, 5)) == [["zone", 0]]


@needs_node
def test_the_upper_zone_has_its_notes_below_channel_16() -> None:
    notes = [(ON | 13, 60, 127), (ON | 12, 62, 127), (ON | 11, 64, 127)]
    changes = [(BEND | 13, 127, 127), (CONTROL | 12, 74, 127), (PRESSURE | 15, 127), (BEND | 15, 127, 127)]
    found = calls(*parameter(15, 6, 3), {"channel": MPE}, *notes, (ON | 14, 66, 127), *changes)
    assert found[0] == ["zone", 3]
    rest = {"bend": 0, "pressure": 0, "timbre": 0}
    assert [call[4] for call in found[1:5]] == [rest, rest, None, rest]
    assert found[5:] == [
        ["express", "midi a 13 60", "bend", 48],
        ["express", "midi a 12 62", "timbre", 1],
        ["set", "pressure", 1],
        ["set", "bend", 2],
    ]


@needs_node
def test_each_zone_has_its_own_range_and_the_last_one_takes_what_it_needs() -> None:
    zones = [*parameter(0, 6, 10), *parameter(15, 6, 8)]  # channels 8 to 15 are the upper zone's; 2 to 7 are left
    ranges = [*parameter(6, 0, 12), *parameter(7, 0, 24)]
    notes = [(BEND | channel, 127, 127) for channel in (6, 7)]
    notes += [(ON | channel, 60, 127) for channel in (6, 7)]
    found = calls(*zones, {"channel": MPE}, *ranges, *notes)
    assert found[:2] == [["zone", 10], ["zone", 14]]
    assert [call[4]["bend"] for call in found[2:]] == [12, 24]
    off = calls(*zones, *parameter(15, 6, 0), {"channel": MPE}, (ON | 6, 60, 127), (ON | 7, 60, 127))
    assert off[2] == ["zone", 6] and off[3][4] is not None and off[4][4] is None


TWO_ZONES = [*parameter(0, 6, 3), *parameter(15, 6, 3), {"channel": MPE}]
LOWER_NOTES, UPPER_NOTES = [(ON | 1, 60, 127), (ON | 2, 64, 127)], [(ON | 14, 72, 127)]
UP = (127, 127)


def of_two_zones(*messages: object) -> list[list[Any]]:
    """Return what messages lead to while two notes of the lower zone and one of the upper one are held."""
    return calls(*TWO_ZONES, *LOWER_NOTES, *UPPER_NOTES, *messages)[5:]


@needs_node
@pytest.mark.parametrize(("zone", "ids"), [(0, ("midi a 1 60", "midi a 2 64")), (15, ("midi a 14 72",))])
def test_of_two_zones_the_channel_about_all_notes_moves_those_of_its_own(zone: int, ids: tuple[str, ...]) -> None:
    moved = [(BEND | zone, *UP), (CONTROL | zone, 74, 0), (PRESSURE | zone, 127)]
    changes = [("bend", 2), ("timbre", -1), ("pressure", 1)]
    expected = [["express", name, *change] for change in changes for name in ids]
    assert of_two_zones(*moved) == expected
    found = calls(*TWO_ZONES, *moved, *LOWER_NOTES, *UPPER_NOTES)[2:]
    rest, all_moved = {"bend": 0, "pressure": 0, "timbre": 0}, {"bend": 2, "pressure": 1, "timbre": -1}
    assert [call[4] for call in found] == [all_moved if call[3] in ids else rest for call in found] and len(found) == 3
    back = of_two_zones(*moved, (CONTROL | zone, 121, 0))[3 * len(ids) :]
    assert back == [["express", name, change, 0] for change in ("bend", "pressure", "timbre") for name in ids]


@needs_node
def test_what_a_note_and_its_zone_have_is_added() -> None:
    own = [(BEND | 1, *UP), (PRESSURE | 1, 64), (CONTROL | 1, 74, 32)]
    found = of_two_zones(*own, (BEND, 0, 0), (PRESSURE, 100), (CONTROL, 74, 127))[3:]
    assert [call[3] for call in found if call[1] == "midi a 1 60"] == [46, 1, 0.5]
    assert [call[3] for call in found if call[1] == "midi a 2 64"] == pytest.approx([-2, 100 / 127, 1])


@needs_node
def test_a_pedal_holds_the_notes_of_its_own_zone() -> None:
    down, up = (CONTROL, 64, 127), (CONTROL, 64, 0)
    let_go = [(OFF | 1, 60, 0), (OFF | 14, 72, 0)]
    assert of_two_zones(down, *let_go) == [["off", "midi a 14 72"]]
    struck = (ON | 1, 60, 127)  # again, while its pedal keeps the one before
    found = of_two_zones(down, *let_go, struck, (OFF | 1, 60, 0), (BEND | 1, *UP), (BEND, *UP))[1:]
    first = found[0]
    assert first[:2] == ["on", 60] and first[3] != "midi a 1 60"
    bent = {"midi a 1 60": 2, first[3]: 2, "midi a 2 64": 2}  # a key that is up does not follow its own channel
    assert all(call[::2] == ["express", "bend"] for call in found[1:]) and len(found) == 4
    assert {call[1]: call[3] for call in found[1:]} == bent
    ends = of_two_zones(down, *let_go, struck, (OFF | 1, 60, 0), {"channel": 0}, up)[2:]
    assert ends == [["off", "midi a 1 60"], ["off", first[3]]]
    assert of_two_zones((CONTROL | 1, 64, 127), *let_go, (OFF | 2, 64, 0)) == [
        ["off", "midi a 14 72"],
        ["off", "midi a 2 64"],
    ]


@needs_node
def test_all_notes_off_ends_the_notes_of_its_own_zone() -> None:
    kept = [(CONTROL, 64, 127), (OFF | 1, 60, 0)]
    assert of_two_zones(*kept, (CONTROL, 123, 0)) == [["off", "midi a 1 60"], ["off", "midi a 2 64"]]
    assert of_two_zones(*kept, (CONTROL | 15, 120, 0), (OFF | 14, 72, 0)) == [["off", "midi a 14 72"]]


@needs_node
def test_notes_end_where_their_zones_change() -> None:
    kept = [(CONTROL, 64, 127), (OFF | 1, 60, 0)]
    ends = [["off", "midi a 1 60"], ["off", "midi a 2 64"], ["off", "midi a 14 72"]]
    found = of_two_zones(*kept, *parameter(15, 6, 0), (CONTROL, 64, 0))
    assert sorted(found[:3]) == sorted(ends) and found[3:] == [["zone", 3]]


@needs_node
def test_the_upper_zone_is_chosen_by_hand() -> None:
    found = calls((ON | 14, 60, 127), (ON | 1, 60, 127), (ON, 60, 127), (ON | 15, 60, 127), channel=MPE_UPPER)
    assert [call[4] is None for call in found] == [False, False, False, True]


@needs_node
def test_reset_leaves_nothing_bent() -> None:
    found = calls((BEND, 127, 127), (CONTROL, 64, 127), (CONTROL, 121, 0))
    assert found[2:] == [["set", "bend", 0], ["set", "pressure", 0], ["hold", False]]
    clock = calls((0xF8,), (0xFE,))
    assert clock == []


# in a browser


def connect(page: Any) -> None:
    """Let the page listen to the fake device, which may be allowed already."""
    if page.locator("#midi").get_attribute("aria-pressed") == "false":
        page.click("#midi")
    wait_for(page, lambda: page.locator("#midi").get_attribute("aria-pressed") == "true")


def send(page: Any, *messages: tuple[int, ...]) -> None:
    for message in messages:
        page.evaluate("bytes => send(...bytes)", list(message))


def partial_db(page: Any, key: float) -> float:
    """Level of what is heard within 1 % of a key's frequency, dB relative to the loudest frequency."""
    samples, rate = heard(page)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    near = np.abs(hz / (440 * 2 ** ((key - 69) / 12)) - 1) < 0.01
    return float(10 * np.log10(power[near].max() / power.max()))


@pytest.mark.slow
def test_two_notes_of_mpe_are_bent_apart(browser: Any, address: str) -> None:
    with opened(browser, address, FAKE_MIDI) as page:
        to_left(page)
        connect(page)
        send(page, *parameter(0, 6, 15))
        assert page.locator("#channel").input_value() == str(MPE)
        send(page, (ON | 1, 60, 100), (ON | 2, 67, 100), (BEND | 2, 0, 72), (BEND | 1, 0, 64))  # 6 semitones of 48
        sounds(page)
        page.wait_for_timeout(700)
        assert partial_db(page, 60) > -30 and partial_db(page, 73) > -30
        assert partial_db(page, 67) < -40
        send(page, (OFF | 1, 60, 0))
        page.wait_for_timeout(900)
        assert partial_db(page, 60) < -40
        send(page, (OFF | 2, 67, 0))
        is_silent(page)


@pytest.mark.slow
def test_the_channel_and_the_touch_are_chosen_on_the_page(browser: Any, address: str) -> None:
    with opened(browser, address, FAKE_MIDI) as page:
        to_left(page)
        connect(page)
        page.focus("#channel")
        page.keyboard.press("Space")  # opens the list, and holds no notes
        assert page.locator("#hold").get_attribute("aria-pressed") == "false"
        page.keyboard.press("Escape")
        page.select_option("#channel", "3")
        send(page, (ON, 60, 100))
        page.wait_for_timeout(300)
        assert level_db(page) < -100
        send(page, (ON | 2, 64, 100))
        assert played_pitch(page) == pytest.approx(64, abs=0.2)
        soft = level_db(page)
        send(page, (OFF | 2, 64, 0))
        is_silent(page)
        page.focus("#control-touch")
        page.keyboard.press("Home")
        assert page.locator("#control-touch + output").text_content() == "soft 100 %"
        send(page, (ON | 2, 64, 100))
        played_pitch(page)
        assert level_db(page) == pytest.approx(soft + 30 * ((100 / 127) ** (1 / 3) - 100 / 127), abs=1.5)
        wait_for(page, lambda: {"touch=-1", "channel=3"} <= set(page.evaluate("location.hash")[1:].split("&")))
        page.click("#undo")
        page.click("#undo")
        assert page.locator("#channel").input_value() == "0"


@pytest.mark.slow
def test_a_device_that_is_pulled_out_leaves_no_note(browser: Any, address: str) -> None:
    script = FAKE_MIDI.replace("onstatechange: null })", "set onstatechange(act) { window.changed = act; } })")
    with opened(browser, address, script) as page:
        to_left(page)
        connect(page)
        send(page, (ON, 62, 100))
        sounds(page)
        page.evaluate("midi.state = 'disconnected'; changed()")
        is_silent(page)
