"""A playable instrument as data: one to four sounds, and what the network says of them, in one small file."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from intertone.codec import Codec
from intertone.errors import InputError
from intertone.files import regular, replacing
from intertone.harmonic.morph.match import match_partials
from intertone.harmonic.synthesis import Synthesiser
from intertone.instrument.adpcm import to_adpcm
from intertone.instrument.packed import TENSORS, noise_centres, noise_widths, pack_sound
from intertone.instrument.playable import (
    PlayableSound,
    analyse_playable,
    attack_residual,
    harmonic_method,
    sound_facts,
    time_facts,
    track_of,
    with_channels,
)
from intertone.instrument.register import KEYS, PAD_KEYS, pack_changes, pad_corrections, pad_grid
from intertone.morphing import MorphConfig

FORMAT, KEY, SUFFIX = 1, "instrument", ".intertone"

MOST_SOUNDS = 4

HEADER = (
    "format", "sample_rate", "hop_length", "f_max", "row_edges", "noise_centres", "noise_widths", "keys", "pad_keys",
    "strength", "channels", "sounds",
)  # fmt: skip
"""Names of what the header holds."""


@dataclass(frozen=True)
class Instrument:
    """One to four sounds that are played between each other, as a page and Python read them.

    Attributes:
        header: What ``docs/instrument-file.md`` lists: settings, and facts of each sound.
        tensors: Name → quantised values; those of sound 0 begin with ``0.``.
    """

    header: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def from_sounds(cls, codec: Codec, sounds: Sequence[Tensor], names: Sequence[str]) -> Self:
        """Analyse sounds and make an instrument of them.

        Args:
            codec: A harmonic codec.
            sounds: One to four, ``(channels, samples)`` each, at ``codec.sample_rate`` Hz.
            names: What the page calls them, as many.

        Raises:
            InputError: As ``analyse_playable``, or if there are more sounds, or another number of names.
        """
        if len(names) != len(sounds):
            raise InputError(f"an instrument must have as many names as sounds, got {len(names)} and {len(sounds)}")
        _check_count(len(sounds))
        pairs = zip(sounds, names, strict=True)
        return cls.of(codec, [analyse_playable(codec, sound, name) for sound, name in pairs])

    @classmethod
    @torch.inference_mode()
    def of(cls, codec: Codec, sounds: Sequence[PlayableSound]) -> Self:
        """Return the instrument of sounds that were analysed with the same codec.

        Raises:
            InputError: If there are none, or more than four.
        """
        _check_count(len(sounds))
        method = harmonic_method(codec)
        rows = method.rows
        channels = max(len(sound.audio) for sound in sounds)
        pitched = [index for index, sound in enumerate(sounds) if sound.analysis is not None]
        analyses = [one for sound in sounds if (one := sound.analysis) is not None]
        matched = match_partials([track_of(one) for one in analyses], rows) if analyses else []
        facts: list[dict[str, Any]] = [sound_facts(sound, codec.sample_rate, channels) for sound in sounds]
        tensors: dict[str, Tensor] = {}
        for index, track, own in zip(pitched, matched, time_facts(matched, rows), strict=True):
            tensors |= {f"{index}.{name}": value for name, value in pack_sound(track, rows).items()}
            tensors[f"{index}.register"] = pack_changes(sounds[index].register)
            tensors[f"{index}.residual"] = attack_residual(track, codec.sample_rate)
            facts[index] |= own
        for index, sound in enumerate(sounds):
            if sound.analysis is None:
                tensors[f"{index}.recording"] = to_adpcm(sound.audio)
        if len(analyses) > 1:
            equal = torch.full((len(analyses),), 1 / len(analyses))
            aligned = method.align([with_channels(one, channels) for one in analyses], equal)
            tensors["pad"] = pack_changes(pad_corrections(codec, aligned, pad_grid(len(sounds), pitched)))
        return cls(header_of(method.representation.synthesiser, channels, facts), tensors)

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        tensors = {name: value.contiguous() for name, value in self.tensors.items()}
        return save(tensors, metadata={KEY: json.dumps(self.header, allow_nan=False)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the content of a file.

        Raises:
            InputError: If it is no instrument, or one of another format.
        """
        try:
            tensors = load(data)
            length = struct.unpack("<Q", data[:8])[0]
            header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
            problem = _problem(header, tensors)
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
            raise InputError(f"an instrument must be a file that intertone wrote, got {error!r}") from None
        if problem is not None:
            raise InputError(problem)
        return cls(header, tensors)

    def save(self, path: str | Path) -> None:
        """Write the instrument, in a file with the suffix ``.intertone``.

        Raises:
            InputError: If the suffix is another, or the file cannot be written.
        """
        if Path(path).suffix != SUFFIX:
            raise InputError(f"an instrument's file must end in {SUFFIX}, got {path}")
        content = self.to_bytes()
        with replacing(path) as temporary:
            temporary.write_bytes(content)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an instrument.

        Raises:
            InputError: If the file cannot be read, or is no instrument.
        """
        try:
            return cls.from_bytes(regular(Path(path)).read_bytes())
        except OSError as error:
            raise InputError(f"an instrument's file must be readable, got {error}") from None


def header_of(synthesiser: Synthesiser, channels: int, facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the header of an instrument: settings of its codec, and facts of each sound.

    Args:
        synthesiser: Of the representation.
        channels: The most that a sound has.
        facts: Of each sound, as ``docs/instrument-file.md`` lists them.
    """
    rows = synthesiser.rows
    config = rows.config
    return {
        "format": FORMAT,
        "sample_rate": config.sample_rate,
        "hop_length": config.hop_length,
        "f_max": config.f_max,
        "row_edges": list(config.edges),
        "noise_centres": noise_centres(rows),
        "noise_widths": noise_widths(synthesiser.bands),
        "keys": list(KEYS),
        "pad_keys": list(PAD_KEYS),
        "strength": MorphConfig().strength,
        "channels": channels,
        "sounds": list(facts),
    }


def _problem(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str | None:
    """Return what is wrong with the content of a file, in a sentence."""
    if header["format"] != FORMAT:
        return f"an instrument must have format {FORMAT}, got {header['format']}"
    missing = [name for name in HEADER if name not in header]
    for index, sound in enumerate(header["sounds"]):
        recorded = "loop" if "loop_key" in sound else "recording"
        needed = (*TENSORS, "register", "residual") if sound["pitched"] else (recorded,)
        missing += [f"{index}.{name}" for name in needed if f"{index}.{name}" not in tensors]
    if missing:
        return f"an instrument must hold {', '.join(missing)}, got a file without"
    return None


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_SOUNDS:
        raise InputError(f"an instrument must have 1 to {MOST_SOUNDS} sounds, got {count}")
