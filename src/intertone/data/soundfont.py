"""Tables of a SoundFont (.sf2, .sf3): programs, their zones and recordings, and groups of programs that share one.

Only the tables are read, not the audio. The zones of a preset refer to instruments, and the zones of an instrument to
samples; the ranges of both levels are intersected. The first zone of each level may be global: it refers to nothing,
and its values are the defaults of the other zones.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from intertone.errors import InputError

BANK = "FluidR3Mono_GM"
INSTALL_EXTRA = "pip install -c constraints.txt -e '.[render]' in the checkout"
INSTALL = "apt-get install libfluidsynth3 fluidr3mono-gm-soundfont"

_PLACES = (
    "/usr/share/sounds/sf3",
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
)
_RECORDS = {
    "phdr": [("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("rest", "V12")],
    "inst": [("name", "S20"), ("bag", "<u2")],
    "pbag": [("generator", "<u2"), ("modulator", "<u2")],
    "pgen": [("kind", "<u2"), ("low", "u1"), ("high", "u1")],
    "shdr": [
        ("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop_start", "<u4"), ("loop_end", "<u4"),
        ("sample_rate", "<u4"), ("root_key", "u1"), ("correction", "i1"), ("link", "<u2"), ("type", "<u2"),
    ],
}  # fmt: skip
_RECORDS |= {"ibag": _RECORDS["pbag"], "igen": _RECORDS["pgen"]}
_INSTRUMENT, _KEY_RANGE, _VELOCITY_RANGE, _SAMPLE, _SCALE_TUNING = 41, 43, 44, 53, 56
_STEREO_HALVES = (2, 4)
_POINTERS = (("phdr", "bag"), ("inst", "bag"), ("pbag", "generator"), ("ibag", "generator"))
"""Columns with indices into the next table, which never decrease."""
MOST_ZONES = 500_000
"""Largest number of zones of all programs: FluidR3Mono_GM has 5,000, a damaged SoundFont may claim billions."""


@dataclass(frozen=True)
class Sample:
    """Recording in a SoundFont: ``place`` is its ``(start, end)``, ``link`` the index of its other stereo half."""

    name: str
    place: tuple[int, int]
    link: int | None


@dataclass(frozen=True)
class Zone:
    """Range of keys and velocities (ends included) that plays ``sample``, an index into ``Bank.samples``.

    ``scale_tuning`` is the change of pitch per key, cents: usually 100, or 0 if all keys have the same pitch.
    """

    key_low: int
    key_high: int
    velocity_low: int
    velocity_high: int
    sample: int
    scale_tuning: int

    def sounds(self, pitch: int, velocity: int) -> bool:
        """Return whether this zone covers ``pitch`` and ``velocity``."""
        return self.key_low <= pitch <= self.key_high and self.velocity_low <= velocity <= self.velocity_high


@dataclass(frozen=True)
class Preset:
    """Preset of a SoundFont, which MIDI selects by ``bank`` and ``program``."""

    bank: int
    program: int
    name: str
    zones: tuple[Zone, ...]


@dataclass(frozen=True)
class Bank:
    """Tables of a SoundFont file; ``presets`` are by (bank, program)."""

    path: Path
    name: str
    samples: tuple[Sample, ...]
    presets: Mapping[tuple[int, int], Preset]

    @property
    def programs(self) -> tuple[int, ...]:
        """Program numbers of bank 0, rising."""
        return tuple(sorted(program for bank, program in self.presets if bank == 0))

    def sounding(self, program: int, pitch: int, velocity: int) -> tuple[Sample, ...]:
        """Return the recordings that ``program`` of bank 0 plays at ``pitch`` and ``velocity``."""
        zones = self.presets[0, program].zones
        return tuple(self.samples[zone.sample] for zone in zones if zone.sounds(pitch, velocity))

    def groups(self) -> dict[int, str]:
        """Return groups of the programs of bank 0, such that programs that share a recording are in one group.

        Sharing is transitive: if A shares with B and B with C, all three are in one group. The two halves of a stereo
        recording are one recording.

        Returns:
            Name of the group of each program: the SoundFont's name and the group's smallest program number.
        """
        leader = {program: program for program in self.programs}

        def find(program: int) -> int:
            while leader[program] != program:
                program = leader[program]
            return program

        first_user: dict[tuple[int, int], int] = {}
        for program in self.programs:
            for zone in self.presets[0, program].zones:
                first, second = find(program), find(first_user.setdefault(self._recording(zone.sample), program))
                leader[max(first, second)] = min(first, second)
        return {program: f"{self.name}-{find(program):03d}" for program in self.programs}

    def _recording(self, index: int) -> tuple[int, int]:
        sample = self.samples[index]
        return sample.place if sample.link is None else min(sample.place, self.samples[sample.link].place)


def find_soundfont(path: Path | str | None = None) -> Path:
    """Return the path of a SoundFont: ``path``, or that in the variable ``SOUNDFONT``, or the system's FluidR3Mono_GM.

    Another installed SoundFont is never taken by default, since its notes would differ.

    Args:
        path: A ``.sf2`` or ``.sf3`` file, or None.

    Returns:
        Path of the file.

    Raises:
        InputError: If the given file does not exist, or none is given and FluidR3Mono_GM is not installed.
    """
    named = path or os.environ.get("SOUNDFONT")
    if named:
        if not Path(named).is_file():
            raise InputError(f"the soundfont must be a file, got {named}")
        return Path(named)
    present = [file for place in _PLACES for file in sorted(Path(place).glob("*.sf[23]")) if file.is_file()]
    for file in present:
        if file.stem == BANK:
            return file
    others = f" (here: {', '.join(map(str, present))})" if present else ""
    raise InputError(f"{BANK} must be installed or another SoundFont be given{others}, got neither; {INSTALL}")


def read_soundfont(path: Path | str) -> Bank:
    """Read the tables of a SoundFont.

    Args:
        path: A ``.sf2`` or ``.sf3`` file.

    Returns:
        Presets and samples. The name is the one inside the file, so that a renamed copy has the same groups.

    Raises:
        InputError: If the file is not a SoundFont, or is truncated or damaged.

    Source:
        E-mu Systems (2006), "SoundFont Technical Specification 2.04", sections 4-7 and 9.
    """
    path = Path(path)
    try:
        chunks = _read_chunks(path)
        tables = {name: np.frombuffer(chunks[name], dtype) for name, dtype in _RECORDS.items()}
        for name, column in _POINTERS:
            if (np.diff(tables[name][column].astype(int)) < 0).any():
                raise ValueError(f"{name} points backwards")
        samples = tuple(_sample(record, tables["shdr"]) for record in tables["shdr"][:-1])
        instruments = [
            list(_zones(tables["ibag"], tables["igen"], int(start), int(stop), _SAMPLE))
            for start, stop in zip(tables["inst"]["bag"][:-1], tables["inst"]["bag"][1:], strict=True)
        ]
        presets: dict[tuple[int, int], Preset] = {}
        n_zones = 0
        for record, following in zip(tables["phdr"][:-1], tables["phdr"][1:], strict=True):
            outer = list(_zones(tables["pbag"], tables["pgen"], int(record["bag"]), int(following["bag"]), _INSTRUMENT))
            n_zones += sum(len(instruments[_unsigned(zone[_INSTRUMENT])]) for zone in outer)
            if n_zones > MOST_ZONES:
                raise InputError(f"a soundfont must have at most {MOST_ZONES:,} zones, got more in {path}")
            zones = tuple(_combine(outer, instruments))
            preset = Preset(int(record["bank"]), int(record["program"]), _text(record["name"]), zones)
            presets[preset.bank, preset.program] = preset
        if any(zone.sample >= len(samples) for preset in presets.values() for zone in preset.zones):
            raise ValueError(f"a zone plays none of the {len(samples)} samples")
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"the soundfont must be readable, got {path}: {error.strerror}") from None
    except (KeyError, ValueError, IndexError, struct.error) as error:
        raise InputError(f"{path} must be a complete SoundFont file, got a damaged one ({error})") from None
    name = _text(chunks.get("INAM", b""))
    return Bank(path, Path(name).stem or path.stem, samples, presets)


def _read_chunks(path: Path) -> dict[str, bytes]:
    """Return all chunks but the audio; chunks of odd length are padded in some files and not in others."""
    chunks = {}
    with path.open("rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(0)
        if handle.read(4) != b"RIFF" or handle.read(8)[4:] != b"sfbk":
            raise InputError(f"{path} must be a SoundFont file (.sf2, .sf3), got something else")
        while (place := handle.tell()) + 8 <= size:
            name, length = struct.unpack("<4sI", handle.read(8))
            if name == b"LIST":
                handle.read(4)
                continue
            if place + 8 + length > size:
                raise ValueError(f"{name.decode('latin-1')} ends after the file")
            if name in (b"smpl", b"sm24"):
                handle.seek(length, os.SEEK_CUR)
            else:
                chunks[name.decode("latin-1")] = handle.read(length)
            if length % 2 and handle.read(1) != b"\0":
                handle.seek(-1, os.SEEK_CUR)
    return chunks


def _zones(
    bags: npt.NDArray[np.void], generators: npt.NDArray[np.void], start: int, stop: int, target: int
) -> Iterator[dict[int, tuple[int, int]]]:
    """Yield each zone's generators as ``{kind: (low byte, high byte)}``; the global zone's are the defaults."""
    common: dict[int, tuple[int, int]] = {}
    for bag in range(start, stop):
        first, last = int(bags["generator"][bag]), int(bags["generator"][bag + 1])
        zone = {int(kind): (int(low), int(high)) for kind, low, high in generators[first:last]}
        if target in zone:
            yield common | zone
        elif bag == start:
            common = zone


def _combine(
    outer: list[dict[int, tuple[int, int]]], instruments: list[list[dict[int, tuple[int, int]]]]
) -> Iterator[Zone]:
    for above in outer:
        for below in instruments[_unsigned(above[_INSTRUMENT])]:
            keys = [zone.get(_KEY_RANGE, (0, 127)) for zone in (above, below)]
            velocities = [zone.get(_VELOCITY_RANGE, (0, 127)) for zone in (above, below)]
            zone = Zone(
                max(low for low, _ in keys), min(high for _, high in keys),
                max(low for low, _ in velocities), min(high for _, high in velocities),
                _unsigned(below[_SAMPLE]),
                _signed(below.get(_SCALE_TUNING, (100, 0))) + _signed(above.get(_SCALE_TUNING, (0, 0))),
            )  # fmt: skip
            if zone.key_low <= zone.key_high and zone.velocity_low <= zone.velocity_high:
                yield zone


def _sample(record: np.void, table: npt.NDArray[np.void]) -> Sample:
    stereo = int(record["type"]) & 0xF in _STEREO_HALVES and int(record["link"]) < len(table) - 1
    return Sample(
        _text(record["name"]),
        (int(record["start"]), int(record["end"])),
        int(record["link"]) if stereo else None,
    )


def _text(raw: bytes) -> str:
    return bytes(raw).split(b"\0")[0].decode("latin-1").strip()


def _unsigned(amount: tuple[int, int]) -> int:
    return amount[0] | amount[1] << 8


def _signed(amount: tuple[int, int]) -> int:
    value = _unsigned(amount)
    return value - 65536 if value >= 32768 else value
