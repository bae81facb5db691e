"""Evaluation of one pair: morphs by several methods, and the measurements of each."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from intertone.bench.decoys import DECOYS, one_sound, third_instrument
from intertone.bench.methods import CODEC, METHODS, codec_methods
from intertone.bench.pair import Method, Pair
from intertone.bench.score import Row, judge_ends, judge_row
from intertone.bench.synthetic_pairs import ALL_RATIOS, SyntheticPair, oracle, third_sound
from intertone.codec import Codec

ORACLE = "oracle"

Rows = dict[str, Row]
"""Method → figures on one pair; the figure ``seconds`` is the computation time of one morph."""


def _half_way(pair: Pair) -> Tensor:
    return oracle(pair, [0.5])[0]


DECOY_METHODS: dict[str, Method] = {
    **DECOYS,
    "third instrument": third_instrument(third_sound),
    "one sound": one_sound(_half_way),
}
"""All decoys; the last two need a pair with known parameters."""


def names_for(pair: Pair, methods: Sequence[str], *, decoys: bool) -> list[str]:
    """Return the methods to evaluate on a pair besides the codec; synthetic pairs add the oracle and the decoys."""
    if not isinstance(pair, SyntheticPair):
        return list(methods)
    return [ORACLE, *methods, *(DECOY_METHODS if decoys else ())]


def method_of(name: str, codec: Codec | None) -> Method:
    """Return a method by its name in the results.

    Raises:
        ValueError: If the name is unknown, or it is ``codec`` and ``codec`` is None.
    """
    if name == CODEC and codec is None:
        raise ValueError("the codec must be given, got None")
    known = {**codec_methods(codec), ORACLE: oracle, **METHODS, **DECOY_METHODS}
    if name not in known:
        raise ValueError(f"the method must be one of {', '.join(known)}, got {name}")
    return known[name]


def morph_and_judge(pair: Pair, names: Sequence[str], codec: Codec | None) -> Rows:
    """Morph a pair by several methods and measure the morphs of each.

    Args:
        pair: The pair.
        names: Names of methods, see ``method_of``.
        codec: The codec of the methods that need one; None: there are no such methods.

    Returns:
        Method → figures.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread sums in the same order on every machine
    try:
        ends = judge_ends(pair, oracle(pair, ALL_RATIOS) if isinstance(pair, SyntheticPair) else None)
        rows = {}
        for name in names:
            started = time.monotonic()
            sounds = method_of(name, codec)(pair, ALL_RATIOS)
            seconds = (time.monotonic() - started) / len(ALL_RATIOS)
            rows[name] = {**judge_row(ends, sounds), "seconds": round(seconds, 4)}
        return rows
    finally:
        torch.set_num_threads(before)
