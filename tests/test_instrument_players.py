"""What a player makes of an instrument: sfizz opens the map, and its sound is measured."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from commands import names_in

from intertone import cli
from intertone.audio import load_audio, save_audio
from intertone.instrument import Loop, find_detuning, find_problems, read_sampler
from intertone.pitch.note import pitch_to_hz

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pysfizz") is None and not os.environ.get("CI"), reason="pip install pysfizz"
)

RATE = 44100
BLOCK = 64


class Player:
    """sfizz with an instrument."""

    def __init__(self, path: Path) -> None:
        import pysfizz

        self.synth = pysfizz.Synth(sample_rate=RATE, block_size=BLOCK)
        # files are read as a whole: in the background they may come late, and then the voice falls silent
        whole = path.with_name("whole.sfz")
        whole.write_text("<control> hint_ram_based=1\n" + path.read_text())
        assert self.synth.load_sfz_file(whole)
        whole.unlink()

    @property
    def n_regions(self) -> int:
        return int(self.synth._synth.get_num_regions())

    def play(
        self, key: int, velocity: int, seconds: float, morph: Callable[[float], float] = lambda time: 0.0
    ) -> torch.Tensor:
        """Return a key that is held, ``(1, samples)``; ``morph`` is the controller over time, 0…127."""
        engine = self.synth._synth
        engine.all_sound_off()
        engine.cc(0, 1, round(morph(0.0)))
        for _ in range(RATE // 5 // BLOCK):  # until the controller has come to rest
            engine.render_block()
        engine.note_on(0, key, velocity)
        blocks = []
        for number in range(round(seconds * RATE) // BLOCK):
            engine.cc(0, 1, round(morph(number * BLOCK / RATE)))
            blocks.append(np.array(engine.render_block()[0]))
        engine.note_off(0, key, 0)
        return torch.from_numpy(np.concatenate(blocks))[None]


def decibels(sound: torch.Tensor) -> float:
    return float(10 * torch.log10(sound.double().square().mean()))


def note(pitch: float, *, tilt: float, even: float, depth: float, phase: float, seconds: float) -> torch.Tensor:
    """A note that is held, with some noise: levels of partials, and of the even ones, vibrato in cents."""
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    periods = torch.cumsum(pitch_to_hz(pitch) * 2 ** (depth * torch.sin(2 * torch.pi * 5 * time) / 1200), 0) / RATE
    orders = range(1, int(18000 / pitch_to_hz(pitch)))
    partials = [torch.sin(2 * torch.pi * k * periods + phase * k * k) * (k % 2 or even) / k**tilt for k in orders]
    breath = 0.01 * torch.randn(len(time), generator=torch.Generator().manual_seed(round(pitch)))
    shape = (1 - torch.exp(-time / 0.03)) * torch.clamp((seconds - time) / 0.2, max=1)
    return (0.2 * (torch.stack(partials).sum(0) + breath) * shape).float()


def make(folder: Path, *words: str) -> Path:
    """Write an instrument of two sounds, whose vibrato is averaged out."""
    save_audio(folder / "a.wav", note(57.1, tilt=0.8, even=1, depth=0, phase=1.0, seconds=1.5), sample_rate=RATE)
    save_audio(folder / "b.wav", note(64.2, tilt=1.2, even=0.1, depth=60, phase=2.3, seconds=1.2), sample_rate=RATE)
    sounds = [str(folder / name) for name in ("a.wav", "b.wav")]
    with pytest.raises(SystemExit) as leave:
        cli.main(["keys", *sounds, "-o", str(folder / "out"), "--tune", *words])
        raise SystemExit(0)
    assert not leave.value.code
    return folder / "out"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for eight keys, with layers, of a small codec."""
    words = ("--range", "57:64", "--every", "8", "--seconds", "1.2", "--codec", "harmonic-16k")
    return make(tmp_path_factory.mktemp("small"), *words, "--velocities", "2", "--morph-layers", "3")


@pytest.fixture(scope="module")
def player(folder: Path) -> Player:
    return Player(folder / "instrument.sfz")


def check_pitch(player: Player, keys: list[int], cents: float = 2) -> None:
    for key in keys:
        for morph in (0, 64, 127):
            held = player.play(key, 100, 3, lambda time, value=morph: value)[:, RATE:]
            assert abs(find_detuning(held, RATE, key)) < cents, (key, morph)


def check_sweep(player: Player, keys: list[int]) -> None:
    """From A to B the level never lies more than 1.5 dB below the line between both ends; nothing clicks."""
    for key in keys:
        swept = player.play(key, 100, 5, lambda time: 127 * min(1.0, max(0.0, (time - 1) / 3)))
        levels = np.array([decibels(part) for part in swept[:, RATE // 2 :].split(RATE // 10, -1)][:-1])
        line = np.interp(np.arange(len(levels)), [5, 35], [levels[:5].mean(), levels[-5:].mean()])
        assert (levels - line).min() > -1.5 and (levels - line).max() < 1.5, key
        assert not [problem for problem in find_problems(swept, RATE) if "click" in problem or "dropout" in problem]


def check_velocities(player: Player, keys: list[int], velocities: range) -> None:
    """The harder a key is played, the louder it sounds, and no more so from one layer to the next."""
    for key in keys:
        levels = [decibels(player.play(key, velocity, 1)[:, RATE // 2 :]) for velocity in velocities]
        steps = np.diff(levels)
        assert steps.min() > 0 and steps.max() < 1.5, key


def check_files(folder: Path, player: Player, n_files: int) -> None:
    """Every file is known to both maps, and tells its root and its loop by itself."""
    wavs = [name for name in names_in(folder) if name.endswith(".wav")]
    assert len(wavs) == player.n_regions == n_files
    zones = [zone.attrib for zone in ElementTree.parse(folder / "instrument.dspreset").iter("sample")]
    assert sorted(zone["path"] for zone in zones) == wavs
    by_name = {zone["path"]: zone for zone in zones}
    for name in wavs:
        sampler = read_sampler(folder / name)
        assert sampler is not None and f"{sampler.root:03d}" == name[5:8] and sampler.cents == 0
        zone = by_name[name]
        assert sampler.loop == Loop(int(zone["loopStart"]), int(zone["loopEnd"]) + 1)
        assert sampler.root == int(zone["rootNote"])


def test_files_and_maps_agree(folder: Path, player: Player) -> None:
    check_files(folder, player, 6)


def test_pitch(player: Player) -> None:
    check_pitch(player, [57, 64])


def test_the_wheel_goes_from_a_to_b_without_a_dip(player: Player) -> None:
    check_sweep(player, [57])


def test_velocities_rise_without_a_jump(player: Player) -> None:
    check_velocities(player, [64], range(60, 70))


def test_loops_go_on_without_a_click_and_layers_stay_in_phase(player: Player) -> None:
    held = player.play(57, 100, 22, lambda time: 96)  # half-way between two layers
    assert find_problems(held, RATE) == []
    levels = [decibels(held[:, second * RATE : (second + 1) * RATE]) for second in range(1, 22)]
    assert max(levels) - min(levels) < 0.3
    ends = [decibels(player.play(57, 100, 2, lambda time, value=value: value)[:, RATE:]) for value in (64, 127)]
    assert levels[-1] > np.mean(ends) - 0.3


def test_the_chunk_alone_tells_root_and_loop(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes((folder / "note-057-A3-v2-m1.wav").read_bytes())
    (tmp_path / "chunk.sfz").write_text("<region> sample=a.wav pitch_keycenter=sample\n")
    held = Player(tmp_path / "chunk.sfz").play(64, 100, 4)
    assert abs(find_detuning(held[:, RATE:], RATE, 64)) < 2
    assert decibels(held[:, -RATE // 2 :]) > decibels(held[:, RATE : 2 * RATE]) - 1  # the file lasts 1.4 s
    assert load_audio(tmp_path / "a.wav")[0].shape[-1] < 2 * RATE


@pytest.mark.slow
def test_a_keyboard_of_five_octaves_with_three_velocities_and_five_morph_layers(tmp_path: Path) -> None:
    words = ("--range", "C2:C7", "--every", "6", "--seconds", "2.5", "--velocities", "3", "--morph-layers", "5")
    folder = make(tmp_path, *words)
    player = Player(folder / "instrument.sfz")
    check_files(folder, player, 11 * 15)
    check_pitch(player, list(range(36, 97, 6)))
    check_sweep(player, list(range(36, 97, 12)))
    check_velocities(player, [36, 60, 84], range(30, 100))
    for key in range(36, 97, 12):
        held = player.play(key, 100, 20, lambda time: 16)
        assert not [problem for problem in find_problems(held, RATE) if "click" in problem], key
