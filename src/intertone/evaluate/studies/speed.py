"""Speed of a codec's morphs on this machine."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.resynthesis import ESTIMATED, has_partials
from intertone.evaluate.study import Draw, Shown, Study
from intertone.morphing import morph, morph_steps
from intertone.page import Table

SWEEP = 11
"""Number of morphs in a series from A to B."""


@dataclass(frozen=True)
class Speed:
    """Speed of morphing, in seconds of audio per second of computation.

    Attributes:
        one_pair: Speed of one morph of two sounds, both analyses included.
        several: Speed of several morphs in one call.
        several_words: Description of the several morphs, such as ``batch of 32``.
        sound: ``sound`` (one channel) or ``stereo``.
        device: Device of the computation.
        threads: Number of PyTorch threads.
        cpus: Number of processors of the machine.
    """

    one_pair: float
    several: float
    several_words: str
    sound: str
    device: str
    threads: int
    cpus: int


class SpeedStudy(Study[Speed]):
    """Study of the speed of morphs: of a batch or, for harmonic codecs, of a series from A to B with one analysis."""

    name = "speed"

    def measure(self, codec: Codec, notes: Notes, draw: Draw) -> Speed:
        """Return the speed of the first pairs."""
        draw.steps.begin("speed", 1)
        if has_partials(codec):
            return measure_stereo_speed(codec, notes, draw.any_pairs[0])
        return measure_speed(codec, notes, draw.any_pairs, batch_size=draw.config.batch_size)

    def show(self, result: Speed) -> Shown:
        """Return the speed as a table and a sentence."""
        device = f"{result.device}, {result.threads} threads, {result.cpus} CPUs"
        threads = f"{result.threads} thread{'s' * (result.threads != 1)}"
        rows = [("one pair", f"{result.one_pair:g}"), (result.several_words, f"{result.several:g}")]
        sentence = (
            f"One second of computation makes {result.one_pair:g} s of a morph of two sounds ({result.sound}), "
            f"analysis included; {result.several_words}: {result.several:g} s; on {result.device} with {threads}."
        )
        note = f"Seconds of {result.sound} per second of computation, analysis included, after a warm-up; {device}."
        return Shown("Speed", (Table("Speed", note, ("morph", "s/s"), rows),), (sentence,))


def median_seconds(work: Callable[[], object], *, n_rounds: int = 3) -> float:
    """Return the median duration of ``work`` in seconds, after one call that is not timed."""
    work()
    times = []
    for _ in range(n_rounds):
        started = time.monotonic()
        work()
        times.append(time.monotonic() - started)
    return float(np.median(times))


def measure_speed(codec: Codec, notes: Notes, pairs: Rows, *, batch_size: int) -> Speed:
    """Time ``morph`` for one pair of notes, and for a batch of pairs.

    Args:
        codec: The codec.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``; they are repeated to fill the batch.
        batch_size: Number of pairs in the batch.
    """
    rows = np.resize(pairs, (batch_size, 2))
    a, b = (notes.audio(column).unsqueeze(1) for column in rows.T)
    seconds = notes.samples / notes.sample_rate
    one = median_seconds(lambda: morph(codec, a[:1], b[:1], phase=ESTIMATED), n_rounds=5)
    many = median_seconds(lambda: morph(codec, a, b, phase=ESTIMATED), n_rounds=1)
    return _speed(codec, seconds / one, batch_size * seconds / many, f"batch of {batch_size}", "sound")


def measure_stereo_speed(codec: Codec, notes: Notes, pair: Rows) -> Speed:
    """Time stereo morphs of two notes: one morph, and eleven morphs from A to B that share one analysis.

    The right channel is the left one with a faint echo. The analysis is part of both times.

    Args:
        codec: The codec.
        notes: The note set.
        pair: Rows of A and B, ``(2,)``.
    """
    sounds = notes.audio(pair)
    a, b = torch.stack([sounds, sounds + 0.1 * sounds.roll(notes.sample_rate // 100, -1)], 1)
    seconds = notes.samples / notes.sample_rate
    one = median_seconds(lambda: morph(codec, a, b))
    steps = [step / (SWEEP - 1) for step in range(SWEEP)]
    sweep = median_seconds(lambda: list(morph_steps(codec, a, b, mixes=steps)), n_rounds=1)
    return _speed(codec, seconds / one, SWEEP * seconds / sweep, f"{SWEEP} steps, one analysis", "stereo")


def _speed(codec: Codec, one_pair: float, several: float, words: str, sound: str) -> Speed:
    machine = str(codec.device), torch.get_num_threads(), os.cpu_count() or 1
    return Speed(round(one_pair, 2), round(several, 2), words, sound, *machine)
