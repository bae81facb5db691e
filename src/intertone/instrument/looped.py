"""A playable instrument of a steady spectrum: the loop of one code of a codec of single frames, on every key."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.harmonic.rows import HarmonicConfig
from intertone.harmonic.synthesis import Synthesiser
from intertone.instrument.decoded import PLAYED_LOUDNESS
from intertone.instrument.live import Instrument, header_of
from intertone.instrument.play import LOUDNESS, play_loop, takes_pitch

LOOP_SECONDS = 1.0
"""Length of the loop; peaks of the spectrum move to multiples of its inverse, 1 Hz."""

LOOP_KEY = 60
"""MIDI number of the key on which the loop plays as it was rendered."""

OCTAVES = 5
"""Versions of the loop, each with half the samples of the one before, so that high keys have no aliases."""


def looped_instrument(codec: Codec, values: Tensor, name: str) -> Instrument:
    """Return the instrument of one code.

    Args:
        codec: A codec of single frames; one that is conditioned on a pitch or its class is played at C.
        values: The code, ``(latent_dim,)``.
        name: What the page calls it.

    Raises:
        InputError: As ``play_loop``.
    """
    pitch = float(LOOP_KEY) if takes_pitch(codec) else None
    generator = torch.Generator().manual_seed(0)  # phases are alike from code to code, so that they can be crossfaded
    sound = play_loop(codec, values, seconds=LOOP_SECONDS, pitch=pitch, generator=generator)
    facts: dict[str, Any] = {
        "name": name,
        "pitched": False,
        "reason": "a steady spectrum",
        "notes": [],
        "channels": 1,
        "samples": len(sound),
        "seconds": len(sound) / codec.sample_rate,
        "loudness": PLAYED_LOUDNESS,
        "loop_key": LOOP_KEY,
        "loop_gain": PLAYED_LOUDNESS - LOUDNESS,
    }
    loops = torch.cat(octaves_of(sound))
    tensors = {"0.loop": (32767 * loops).round().clamp(-32767, 32767).to(torch.int16)[None]}
    return Instrument(header_of(_rows(codec.sample_rate), 1, [facts]), tensors)


def octaves_of(loop: Tensor) -> list[Tensor]:
    """Return a loop for its own octave and for those above: each has half the bandwidth of the one before.

    Each has twice the samples that its bandwidth needs, so that the interpolation between samples has no audible
    images.

    Args:
        loop: ``(samples,)``, whose end goes on in its beginning; the length must be a multiple of 16.

    Example:
        >>> [len(each) for each in octaves_of(torch.zeros(320))]
        [640, 320, 160, 80, 40]
    """
    spectrum = torch.fft.rfft(loop)
    sizes = [2 * len(loop) >> octave for octave in range(OCTAVES)]
    return [torch.fft.irfft(spectrum[: size // 4], n=size) * size / len(loop) for size in sizes]


@lru_cache(maxsize=2)
def _rows(sample_rate: int) -> Synthesiser:
    """Return the rows that a header names, though a loop has none."""
    return Synthesiser(HarmonicConfig(sample_rate=sample_rate))
