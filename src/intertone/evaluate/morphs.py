"""Half-way morphs of notes of equal pitch: do they keep the pitch, and do they lie between in loudness?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.reconstruction import BATCH, ESTIMATED, Step, at_16_khz, seeded, summary
from intertone.latent import lerp
from intertone.loudness import integrated_loudness
from intertone.metrics import log_mel
from intertone.models import build_model
from intertone.morphing import morph
from intertone.pitch import hz_to_cents, note_pitch, pitch_to_hz
from intertone.representation import SpectrogramContext

SEARCH_OCTAVES = 1.3
"""How far from a note's key its pitch is searched: an octave error shall be seen as one."""

IN_TUNE = 50.0
"""Cents; further away is another note."""

BETWEEN = 0.5
"""dB that a morph may be louder than the louder end or quieter than the quieter one."""

METHODS = ("codec", "log magnitude")


@dataclass(frozen=True)
class PairFigures:
    """What was measured of one pair; by method where it is of the morph.

    Attributes:
        octave: Of the nominal pitch, 4 from middle C on.
        measured: Whether both ends were found within 50 cents of their key.
        cents: Of the half-way morph against the geometric mean of the ends' pitches; NaN where none is heard.
        between: Whether its loudness lies between the ends'.
        level: Its loudness above the mean of the ends', dB.
    """

    octave: int
    measured: bool
    cents: dict[str, float]
    between: dict[str, bool]
    level: dict[str, float]


def log_magnitude_morph(codec: Codec, a: Tensor, b: Tensor, *, mix: float, seed: int = 0) -> Tensor:
    """Return what there is without a network: both spectrograms interpolated in dB, and the same way back as ``morph``.

    Args:
        codec: Only its representation is used.
        a: ``(batch, 1, samples)`` at the codec's rate.
        b: The same shape.
        mix: 0 is A, 1 is B.
        seed: Of random phase.

    Returns:
        Audio of the same shape.
    """
    representation = codec.representation
    features_a, context_a = representation.analyse(a)
    features_b, context_b = representation.analyse(b)
    context = representation.mix_contexts([context_a, context_b], [1 - mix, mix])
    generator = seeded(seed)
    features = lerp(features_a, features_b, mix)
    return representation.synthesise(features, context, phase=ESTIMATED, generator=generator).cpu()


@torch.inference_mode()
def judge_morphs(codec: Codec, notes: Notes, pairs: Rows, *, seed: int, step: Step) -> list[PairFigures]:
    """Measure pitch and loudness of the half-way morph of every pair, the codec's and the one without a network."""
    figures = []
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        a, b = (notes.audio(rows).unsqueeze(1) for rows in batch.T)
        half_way = {
            "codec": morph(codec, a, b, phase=ESTIMATED, generator=seeded(seed)),
            "log magnitude": log_magnitude_morph(codec, a.to(codec.device), b.to(codec.device), mix=0.5, seed=seed),
        }
        for item, row in enumerate(batch[:, 0]):
            sounds = {method: sound[item, 0] for method, sound in half_way.items()}
            figures.append(_measure(int(notes.pitch[row]), a[item, 0], b[item, 0], sounds, codec.sample_rate))
        step(len(batch))
    return figures


def _measure(pitch: int, a: Tensor, b: Tensor, sounds: dict[str, Tensor], sample_rate: int) -> PairFigures:
    key = pitch_to_hz(pitch)
    f_max = min(key * 2**SEARCH_OCTAVES, 0.49 * sample_rate)
    f_min = min(key / 2**SEARCH_OCTAVES, f_max / 2)
    ends = [note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max) for sound in (a, b)]
    reference = math.sqrt(ends[0] * ends[1])
    levels = [integrated_loudness(sound, sample_rate) for sound in (a, b)]
    cents, between, level = {}, {}, {}
    for method, sound in sounds.items():
        f0 = note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max)
        cents[method] = float(hz_to_cents(f0, reference))
        own = integrated_loudness(sound, sample_rate)
        between[method] = min(levels) - BETWEEN <= own <= max(levels) + BETWEEN
        level[method] = own - sum(levels) / 2
    measured = all(abs(float(hz_to_cents(end, key))) <= IN_TUNE for end in ends)
    return PairFigures(pitch // 12 - 1, measured, cents, between, level)


def morph_table(figures: Sequence[PairFigures]) -> list[dict[str, Any]]:
    """Return one row for each octave and method, and one for all octaves (``octave`` None).

    ``median_cents`` is of absolute values, and None where half of the morphs have no pitch at all; ``in_tune`` is the
    share within 50 cents. Both are of the pairs whose ends are in tune themselves, ``n_measured``; the loudness is of
    all pairs that are heard.
    """
    table = []
    for octave in [None, *sorted({figure.octave for figure in figures})]:
        chosen = [figure for figure in figures if octave in (None, figure.octave)]
        for method in METHODS:
            cents = np.abs([figure.cents[method] for figure in chosen if figure.measured])
            cents = np.where(np.isnan(cents), np.inf, cents)
            median = float(np.median(cents)) if len(cents) else math.inf
            levels = [figure.level[method] for figure in chosen if math.isfinite(figure.level[method])]
            table.append(
                {
                    "octave": octave,
                    "method": method,
                    "n": len(chosen),
                    "n_measured": len(cents),
                    "median_cents": round(median, 3) if math.isfinite(median) else None,
                    "in_tune": float((cents <= IN_TUNE).mean()) if len(cents) else None,
                    "between": float(np.mean([figure.between[method] for figure in chosen])),
                    "level": summary(levels) if levels else None,
                }
            )
    return table


@torch.inference_mode()
def judge_network(codec: Codec, notes: Notes, pairs: Rows, *, seed: int, step: Step) -> dict[str, Any]:
    """Show that the morph depends on the network and on both codes.

    Args:
        codec: The codec.
        notes: The note set.
        pairs: Rows of A and B, ``(n, 2)``; the code exchanged for B's is that of the next pair's B.
        seed: The random weights have the next one.
        step: Called after every pair.

    Returns:
        ``mean_code_difference``: largest difference of a sample between ``morph`` at 0.5 and the decoded mean of the
        two codes, which should be 0. ``random_weights`` and ``exchanged_code``: summary of the mean absolute
        difference in dB between the ``log_mel`` of the morph that has them and of the one that has not; a network that
        says nothing is at most 60 dB off.
    """
    model = build_model(codec.config.model, n_features=codec.representation.n_features, seed=seed + 1)
    untrained = Codec(codec.config, model.to(codec.device))
    largest, random_weights, exchanged = 0.0, [], []
    for index, (row_a, row_b) in enumerate(pairs):
        row_c = pairs[(index + 1) % len(pairs), 1]
        a, b, c = notes.audio([row_a, row_b, row_c]).to(codec.device)
        (code_a, context_a), (code_b, context_b) = codec.encode(a), codec.encode(b)
        context = codec.representation.mix_contexts([context_a, context_b], [0.5, 0.5])

        def decode(half_way: Tensor, by: Codec = codec, context: SpectrogramContext = context) -> Tensor:
            return by.decode(half_way, context, phase=ESTIMATED, generator=seeded(seed))

        whole = morph(codec, a, b, phase=ESTIMATED, generator=seeded(seed))
        largest = max(largest, float((whole - decode((code_a + code_b) / 2)).abs().max()))
        changed = (
            decode(lerp(untrained.encode(a)[0], untrained.encode(b)[0], 0.5), by=untrained),
            decode(lerp(code_a, codec.encode(c)[0], 0.5)),
        )
        judged = [at_16_khz(sound, codec.sample_rate) for sound in (*changed, whole)]
        images = log_mel(torch.stack(judged))
        random_weights.append(float((images[0] - images[2]).abs().mean()))
        exchanged.append(float((images[1] - images[2]).abs().mean()))
        step(1)
    return {
        "mean_code_difference": largest,
        "random_weights": summary(random_weights),
        "exchanged_code": summary(exchanged),
    }
