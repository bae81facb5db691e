"""Pairs of synthetic notes, and their ideal morphs (the oracle)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.bench.instruments import INSTRUMENTS, NoteParameters, draw_note, interpolate_notes, render_note
from intertone.bench.pair import Kind, Pair
from intertone.errors import InputError
from intertone.pitch.note import key_name

RATIOS = tuple(step / 10 for step in range(11))
"""Ratios of the morphs that are scored."""

NEAR_ENDS = (0.02, 0.98)
"""Further ratios, which reveal a jump if the morphs at 0 and 1 are copies of the notes and the others are not."""

ALL_RATIOS = (0.0, 0.02, *RATIOS[1:-1], 0.98, 1.0)

DETUNE = 0.3
"""Largest random deviation of a note's pitch from its key, in semitones."""

PAIRS: dict[str, tuple[Kind, tuple[str, int], tuple[str, int]]] = {
    "S1": ("same", ("flute", 69), ("trumpet", 69)),
    "S2": ("same", ("clarinet", 57), ("string", 57)),
    "S3": ("same", ("organ", 60), ("trumpet", 60)),
    "S4": ("same", ("voice", 55), ("trumpet", 55)),
    "S5": ("same", ("guitar", 48), ("piano", 48)),
    "D1": ("different", ("flute", 72), ("trumpet", 67)),
    "D2": ("different", ("clarinet", 57), ("string", 62)),
    "D3": ("different", ("organ", 60), ("trumpet", 61)),
    "D4": ("different", ("voice", 60), ("clarinet", 72)),
    "D5": ("different", ("guitar", 52), ("piano", 57)),
    "P1": ("percussive", ("guitar", 57), ("flute", 57)),
    "P2": ("percussive", ("piano", 60), ("string", 60)),
    "P3": ("percussive", ("marimba", 60), ("clarinet", 60)),
}
"""Name → kind, and instrument and MIDI number of both notes."""


@dataclass(frozen=True)
class SyntheticPair(Pair):
    """Pair of synthetic notes with known parameters.

    Attributes:
        note_a: Parameters of ``a``.
        note_b: Parameters of ``b``.
        third: Parameters of a third note, of another instrument and half-way in pitch, for a decoy.
    """

    note_a: NoteParameters
    note_b: NoteParameters
    third: NoteParameters


def synthetic_pair(name: str, *, seed: int, sample_rate: int) -> SyntheticPair:
    """Return one of the 13 pairs with random parameters.

    The seed determines all parameters of both notes, phases included, independently of the other pairs. The pitch
    deviates from the key by up to 30 cents; notes of equal key have the same deviation.

    Args:
        name: ``"S1"``…``"P3"``.
        seed: 0 or more.
        sample_rate: Hz, 8,000…48,000.

    Returns:
        The pair, two seconds long.

    Raises:
        InputError: If the seed or the sample rate is out of range.
        KeyError: If ``name`` is not in ``PAIRS``.

    Example:
        >>> pair = synthetic_pair("D3", seed=0, sample_rate=16000)
        >>> pair.title, pair.a.shape
        ('organ C4, trumpet C♯4', torch.Size([32000]))
    """
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    if not 8000 <= sample_rate <= 48000:
        raise InputError(f"the bench's sample_rate must be in 8000..48000 Hz, got {sample_rate}")
    kind, *ends = PAIRS[name]
    generator = np.random.default_rng([seed, list(PAIRS).index(name)])
    detune = generator.uniform(-DETUNE, DETUNE, 2)
    if kind != "different":
        detune[1] = detune[0]
    pitches = [key + offset for (_, key), offset in zip(ends, detune, strict=True)]
    a, b = (
        draw_note(INSTRUMENTS[instrument], pitch, generator)
        for (instrument, _), pitch in zip(ends, pitches, strict=True)
    )
    others = [instrument for instrument in INSTRUMENTS if instrument not in [end[0] for end in ends]]
    third = draw_note(INSTRUMENTS[others[generator.integers(len(others))]], sum(pitches) / 2, generator)
    return SyntheticPair(
        name=name,
        kind=kind,
        title=", ".join(f"{instrument} {key_name(key)}" for instrument, key in ends),
        a=render_note(a, sample_rate),
        b=render_note(b, sample_rate),
        f0_a=a.f0,
        f0_b=b.f0,
        sample_rate=sample_rate,
        note_a=a,
        note_b=b,
        third=third,
    )


def oracle(pair: Pair, ratios: Sequence[float]) -> Tensor:
    """Return the ideal morphs of a pair of synthetic notes: notes with interpolated parameters.

    Args:
        pair: A ``SyntheticPair``.
        ratios: Each in 0…1.

    Returns:
        ``(n_ratios, samples)``; the results at 0 and 1 are the pair's notes.

    Raises:
        ValueError: If the pair is not synthetic.
    """
    if not isinstance(pair, SyntheticPair):
        raise ValueError(f"an oracle must know the notes' parameters, got a {type(pair).__name__}")
    notes = (interpolate_notes(pair.note_a, pair.note_b, ratio) for ratio in ratios)
    return torch.stack([render_note(note, pair.sample_rate) for note in notes])


def third_sound(pair: Pair) -> Tensor:
    """Return the audio of the third note of a synthetic pair, ``(samples,)``, for the decoy ``third instrument``.

    Raises:
        ValueError: If the pair is not synthetic.
    """
    if not isinstance(pair, SyntheticPair):
        raise ValueError(f"a third note must have been drawn, got a {type(pair).__name__}")
    return render_note(pair.third, pair.sample_rate)
