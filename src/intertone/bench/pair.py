"""Input of every method of the bench, and what it must return."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

Kind = Literal["same", "different", "percussive"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Two sustained or two plucked notes of one pitch; of different pitches; a percussive and a sustained one."""


@dataclass(frozen=True)
class Pair:
    """Two notes to morph.

    Attributes:
        name: Short and unique within a set of pairs: ``S1``, ``D3``, …
        kind: Which tests apply to it.
        title: Which notes these are, for people.
        a: Sound at ratio 0, mono, ``(samples,)``.
        b: Sound at ratio 1, as long.
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
"""Pair and ratios, each in 0…1 → one sound a ratio, ``(n_ratios, samples)``, as long as the pair's and at its rate."""
