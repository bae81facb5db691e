"""How fast a codec morphs on this machine."""

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.reconstruction import ESTIMATED
from intertone.morphing import morph, morph_steps

SWEEP = 11
"""Steps from one sound to the other."""


def median_seconds(work: Callable[[], object], *, n_rounds: int = 3) -> float:
    """Return the median time of ``work``, after one round to warm up."""
    work()
    times = []
    for _ in range(n_rounds):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return float(np.median(times))


def measure_speed(codec: Codec, notes: Notes, pairs: Rows, *, batch_size: int) -> dict[str, Any]:
    """Time ``morph`` for one pair of notes, and for a batch of pairs.

    Args:
        codec: The codec.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``; repeated until there are enough.
        batch_size: Pairs of the batch.

    Returns:
        Seconds of sound made in one second, for both, and what the machine is.
    """
    rows = np.resize(pairs, (batch_size, 2))
    a, b = (notes.audio(column).unsqueeze(1) for column in rows.T)
    seconds = notes.samples / notes.sample_rate
    one = median_seconds(lambda: morph(codec, a[:1], b[:1], phase=ESTIMATED), n_rounds=5)
    many = median_seconds(lambda: morph(codec, a, b, phase=ESTIMATED), n_rounds=1)
    return {
        "one_pair": round(seconds / one, 2),
        "batch": round(batch_size * seconds / many, 2),
        "batch_size": batch_size,
        **_machine(codec),
    }


def measure_stereo_speed(codec: Codec, notes: Notes, pair: Rows) -> dict[str, Any]:
    """Time morphs of two notes in stereo, the right channel being the left one with a faint echo.

    Args:
        codec: The codec.
        notes: The note set.
        pair: Rows of A and B, ``(2,)``.

    Returns:
        Seconds of sound made in one second of work: ``one_pair``, both analyses included; ``sweep``, eleven morphs
        from A to B after one analysis of each, included too; and what the machine is.
    """
    sounds = notes.audio(pair)
    a, b = torch.stack([sounds, sounds + 0.1 * sounds.roll(notes.sample_rate // 100, -1)], 1)
    seconds = notes.samples / notes.sample_rate
    one = median_seconds(lambda: morph(codec, a, b))
    steps = [step / (SWEEP - 1) for step in range(SWEEP)]
    sweep = median_seconds(lambda: list(morph_steps(codec, a, b, mixes=steps)), n_rounds=1)
    return {
        "one_pair": round(seconds / one, 2),
        "sweep": round(SWEEP * seconds / sweep, 2),
        "n_steps": SWEEP,
        **_machine(codec),
    }


def _machine(codec: Codec) -> dict[str, Any]:
    return {"device": str(codec.device), "threads": torch.get_num_threads(), "cpus": os.cpu_count()}
