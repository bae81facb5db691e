"""Pair of notes, the input of every morph method of the bench, and the type of such a method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

Kind = Literal["same", "different", "percussive"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of pairs: two notes of equal pitch, both sustained or both percussive; two of different pitch; one percussive
and one sustained note."""


@dataclass(frozen=True)
class Pair:
    """Two notes to morph.

    Attributes:
        name: Short and unique within a set of pairs: ``S1``, ``D3``, …
        kind: Kind of the pair, which decides the tests that apply.
        title: Description of the two notes for tables.
        a: Sound at ratio 0, mono, ``(samples,)``.
        b: Sound at ratio 1, of the same length.
        f0_a: Fundamental frequency of ``a``, Hz.
        f0_b: Fundamental frequency of ``b``, Hz.
        sample_rate: Sample rate of both, Hz.
    """

    name: str
    kind: Kind
    title: str
    a: Tensor
    b: Tensor
    f0_a: float
    f0_b: float
    sample_rate: int


Method = Callable[[Pair, Sequence[float]], Tensor]
"""Function that returns morphs of a pair at ratios in 0…1, ``(n_ratios, samples)``, with the pair's length and rate."""
