"""ViSQOL, a model of the mean opinion score of listeners, through the optional package ``visqol-python``."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from intertone.audio import resample
from intertone.errors import InputError
from intertone.metrics.pair import same_shape

if TYPE_CHECKING:
    from visqol import VisqolApi

INSTALL = "pip install intertone[visqol]"
VISQOL_RATE = 48000
"""Sample rate of ViSQOL's audio mode, Hz."""

SHORTEST_SECONDS = 0.96
"""Shortest duration of a sound: one patch of 45 frames of 80 ms with a hop of 20 ms."""

MOS_RANGE = (1.0, 4.732)
"""Lowest score, and the score of equal sounds."""


def visqol_mos(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return ViSQOL's estimate of the mean opinion score of listeners, in audio mode (MOS-LQO).

    ViSQOL maps the similarity of two gammatone spectrograms to a score by a trained model. Both sounds are resampled to
    48 kHz; ViSQOL aligns them in time and level. The first call takes seconds. The score hardly distinguishes single
    notes: a badly estimated phase, and even a note of the neighbouring key, have more than 4.

    Args:
        estimate: Mono, ``(..., samples)``, at least 0.96 s; level, polarity and a delay of 5 ms do not matter.
        reference: The same shape.
        sample_rate: Hz.

    Returns:
        1…4.73, higher is better, ``(...,)``; 4.73 for equal sounds, 1 if exactly one sound is silent.

    Raises:
        ValueError: If the shapes differ.
        InputError: If ``visqol-python`` is not installed, or the sounds are shorter than 0.96 s.

    Source:
        Chinen et al. (2020), "ViSQOL v3: an open source production ready objective speech and audio metric".
    """
    first, second = (sound.detach().cpu().float() for sound in same_shape(estimate, reference))
    seconds = first.shape[-1] / sample_rate
    if seconds < SHORTEST_SECONDS:
        raise InputError(f"a sound must last at least {SHORTEST_SECONDS:g} s for ViSQOL, got {seconds:g} s")
    judge = _load()
    first, second = (resample(sound, sample_rate, VISQOL_RATE) for sound in (first, second))
    rows = (sound.reshape(-1, sound.shape[-1]) for sound in (first, second))
    scores = [_score(judge, *pair) for pair in zip(*rows, strict=True)]
    return torch.tensor(scores, dtype=torch.float32).reshape(estimate.shape[:-1])


def _score(judge: "VisqolApi", estimate: Tensor, reference: Tensor) -> float:
    silent = [not bool(sound.any()) for sound in (estimate, reference)]
    if any(silent):
        return MOS_RANGE[all(silent)]
    return float(judge.measure_from_arrays(reference.numpy(), estimate.numpy(), VISQOL_RATE).moslqo)


def _load() -> "VisqolApi":
    try:
        from visqol import VisqolApi
    except ImportError as error:
        raise InputError(f"visqol-python must be installed for ViSQOL ({INSTALL}), got {error}") from error
    judge = VisqolApi()
    judge.create(mode="audio")
    return judge
