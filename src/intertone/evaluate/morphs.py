"""Half-way morphs of notes of equal pitch: do they keep the pitch, and do they lie between in loudness?"""

import math
from collections.abc import Callable, Sequence
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
from intertone.metrics import log_mel_error
from intertone.models import build_model
from intertone.morphing import morph
from intertone.pitch.note import hz_to_cents, pitch_to_hz
from intertone.pitch.yin import note_pitch
from intertone.representation import Analysis

SEARCH_OCTAVES = 1.3
"""How far from a note's key its pitch is searched: an octave error shall be seen as one."""

IN_TUNE = 50.0
"""Cents; further away is another note."""

BETWEEN = 0.5
"""dB that a morph may be louder than the louder end or quieter than the quieter one."""

HIGH = 72
"""C5; from here on the partials lie so far apart that a blurred spectrogram puts the pitch out."""

GATE_CENTS = 20.0
"""What the median of the codec's morphs from C5 up may be off."""

AUDIBLE = 6.0
"""dB of log-mel error from which on a pair counts as plainly changed."""

METHODS = ("codec", "log magnitude")

Hear = Callable[[Rows, dict[str, Tensor]], None]


@dataclass(frozen=True)
class PairFigures:
    """What was measured of one pair; by method where it is of the morph.

    Attributes:
        pitch: The nominal one, a MIDI number.
        measured: Whether both ends were found within 50 cents of their key.
        cents: Of the half-way morph against the geometric mean of the ends' pitches; NaN where none is heard.
        between_loudness: Whether its integrated loudness lies between the ends'.
        between_level: Whether its RMS level, which is its energy in dB, lies between the ends'.
        loudness: Its integrated loudness above the mean of the ends', LU.
    """

    pitch: int
    measured: bool
    cents: dict[str, float]
    between_loudness: dict[str, bool]
    between_level: dict[str, bool]
    loudness: dict[str, float]


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
    context = representation.mix([context_a, context_b], torch.tensor([1 - mix, mix]))
    generator = seeded(seed)
    features = lerp(features_a, features_b, mix)
    return representation.synthesise(Analysis(features, context), phase=ESTIMATED, generator=generator).cpu()


@torch.inference_mode()
def judge_morphs(
    codec: Codec, notes: Notes, pairs: Rows, *, seed: int, step: Step, hear: Hear | None = None
) -> list[PairFigures]:
    """Measure pitch and loudness of the half-way morph of every pair, the codec's and the one without a network.

    Args:
        codec: The codec.
        notes: The note set, at the codec's rate.
        pairs: Rows of A and B, ``(n, 2)``, the two of one known pitch.
        seed: Of random phase.
        step: Called after every batch with the number of pairs.
        hear: Called with the pairs of every batch and its half-way morphs, method → ``(n, samples)``.

    Returns:
        One entry for each pair, in their order.
    """
    figures = []
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        a, b = (notes.audio(rows).unsqueeze(1) for rows in batch.T)
        half_way = {
            "codec": morph(codec, a, b, phase=ESTIMATED, generator=seeded(seed))[..., : notes.samples],
            "log magnitude": log_magnitude_morph(codec, a.to(codec.device), b.to(codec.device), mix=0.5, seed=seed),
        }
        for item, row in enumerate(batch[:, 0]):
            sounds = {method: sound[item, 0] for method, sound in half_way.items()}
            figures.append(_measure(int(notes.pitch[row]), a[item, 0], b[item, 0], sounds, codec.sample_rate))
        if hear:
            hear(batch, {method: sound[:, 0] for method, sound in half_way.items()})
        step(len(batch))
    return figures


def search_range(pitch: int, sample_rate: int) -> tuple[float, float]:
    """Return between which frequencies the pitch of a note is searched, Hz."""
    key = pitch_to_hz(pitch)
    f_max = min(key * 2**SEARCH_OCTAVES, 0.49 * sample_rate)
    return min(key / 2**SEARCH_OCTAVES, f_max / 2), f_max


def _measure(pitch: int, a: Tensor, b: Tensor, sounds: dict[str, Tensor], sample_rate: int) -> PairFigures:
    key = pitch_to_hz(pitch)
    f_min, f_max = search_range(pitch, sample_rate)
    ends = [note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max) for sound in (a, b)]
    reference = math.sqrt(ends[0] * ends[1])
    loudness = [integrated_loudness(sound, sample_rate) for sound in (a, b)]
    levels = [_rms_level(sound) for sound in (a, b)]
    cents, between_loudness, between_level, louder = {}, {}, {}, {}
    for method, sound in sounds.items():
        f0 = note_pitch(sound, sample_rate, f_min=f_min, f_max=f_max)
        cents[method] = float(hz_to_cents(f0, reference))
        own = integrated_loudness(sound, sample_rate)
        between_loudness[method] = _between(own, loudness)
        between_level[method] = _between(_rms_level(sound), levels)
        louder[method] = own - sum(loudness) / 2
    measured = all(abs(float(hz_to_cents(end, key))) <= IN_TUNE for end in ends)
    return PairFigures(pitch, measured, cents, between_loudness, between_level, louder)


def _rms_level(sound: Tensor) -> float:
    """In dB; −200 for silence."""
    return 10 * math.log10(max(float(sound.double().square().mean()), 1e-20))


def _between(value: float, ends: list[float]) -> bool:
    return min(ends) - BETWEEN <= value <= max(ends) + BETWEEN


def morph_table(figures: Sequence[PairFigures]) -> list[dict[str, Any]]:
    """Return one row for each range of pitches and method.

    Args:
        figures: From ``judge_morphs``.

    Returns:
        Rows of all pitches, of those from C5 up (``pitches`` ``"from C5 up"``), and of each octave; ranges without a
        pair are left out. ``median_cents`` is of absolute values, and None where half of the morphs have no pitch at
        all; ``in_tune`` is the share within 50 cents. Both are of the pairs whose ends are in tune themselves,
        ``n_measured``. ``between_loudness`` and ``between_level`` are shares of all pairs, ``loudness`` is the
        ``summary`` of those that are heard.
    """
    octaves = sorted({figure.pitch // 12 for figure in figures})
    ranges = {"all": range(128), "from C5 up": range(HIGH, 128)}
    ranges |= {f"C{octave - 1}–B{octave - 1}": range(12 * octave, 12 * octave + 12) for octave in octaves}
    return [
        {"pitches": name, "method": method, **_row(chosen, method)}
        for name, pitches in ranges.items()
        if (chosen := [figure for figure in figures if figure.pitch in pitches])
        for method in METHODS
    ]


def _row(figures: list[PairFigures], method: str) -> dict[str, Any]:
    cents = np.abs([figure.cents[method] for figure in figures if figure.measured])
    cents = np.where(np.isnan(cents), np.inf, cents)
    median = float(np.median(cents)) if len(cents) else math.inf
    loudness = [figure.loudness[method] for figure in figures if math.isfinite(figure.loudness[method])]
    return {
        "n": len(figures),
        "n_measured": len(cents),
        "median_cents": round(median, 3) if math.isfinite(median) else None,
        "in_tune": float((cents <= IN_TUNE).mean()) if len(cents) else None,
        "between_loudness": float(np.mean([figure.between_loudness[method] for figure in figures])),
        "between_level": float(np.mean([figure.between_level[method] for figure in figures])),
        "loudness": summary(loudness) if loudness else None,
    }


def pitch_gate(table: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Say whether the codec's morphs from C5 up keep the pitch: median |cents| of at most 20.

    Args:
        table: From ``morph_table``.

    Returns:
        ``limit_cents``, ``n_measured``, ``median_cents`` (None where half of the morphs have no pitch, or nothing was
        measured) and ``reached``, None where nothing was measured.

    Example:
        >>> pitch_gate([{"pitches": "from C5 up", "method": "codec", "n_measured": 9, "median_cents": 23.5}])
        {'limit_cents': 20.0, 'n_measured': 9, 'median_cents': 23.5, 'reached': False}
    """
    rows = [row for row in table if (row["pitches"], row["method"]) == ("from C5 up", "codec")]
    n_measured, median = (rows[0]["n_measured"], rows[0]["median_cents"]) if rows else (0, None)
    reached = median is not None and median <= GATE_CENTS
    return {
        "limit_cents": GATE_CENTS,
        "n_measured": n_measured,
        "median_cents": median,
        "reached": reached if n_measured else None,
    }


@torch.no_grad()
def random_codec(codec: Codec, features: Tensor, *, seed: int) -> Codec:
    """Return a codec of the same settings with random weights that is not silent.

    Untrained layers put out next to nothing, and clamped to the floor that is silence. So the statistics of the
    normalisation are fitted to ``features``, and the last layer to a mean of 0.5 and a spread of 0.2.

    Args:
        codec: Gives settings and device.
        features: ``(batch, n_features, n_frames)``, what the statistics are taken of.
        seed: Of the weights.

    Returns:
        The codec; the other one is left as it is.
    """
    model = build_model(codec.config.model, n_features=codec.representation.n_features, seed=seed).to(codec.device)
    for _ in range(10):
        model(features)
    model.eval()
    layers = model.get_submodule("decoder").get_submodule(str(len(list(model.get_submodule("decoder").children())) - 1))
    weight, bias = layers.parameters()
    weight.mul_(0.2 / model(features).std())
    bias.add_(0.5 - model(features).mean())
    return Codec(codec.config, model)


@torch.inference_mode()
def judge_network(codec: Codec, notes: Notes, pairs: Rows, others: Rows, *, seed: int, step: Step) -> dict[str, Any]:
    """Show that the morph depends on the network and on both codes.

    Args:
        codec: The codec.
        notes: The note set, at the codec's rate.
        pairs: Rows of A and B, ``(n, 2)``.
        others: Rows of the notes whose code is exchanged for B's, ``(n,)``, the context staying that of A and B.
        seed: Of random phase; the random weights have the next one.
        step: Called after every pair.

    Returns:
        ``mean_code_difference``: largest difference of a sample between ``morph`` at 0.5 and the decoded mean of the
        two codes, which should be 0. ``random_weights`` and ``exchanged_code``: ``summary`` of the ``log_mel_error``,
        dB, of the morph that has them against the one that has not, and ``above_6_db``, the share of pairs of more than
        6 dB.
    """
    few = codec.representation.analyse(notes.audio(pairs[:2].reshape(-1)).unsqueeze(1).to(codec.device))[0]
    untrained = random_codec(codec, few, seed=seed + 1)
    differences, random_weights, exchanged = [], [], []
    for (row_a, row_b), row_c in zip(pairs, others, strict=True):
        sounds = notes.audio([row_a, row_b, row_c])
        whole = morph(codec, sounds[0], sounds[1], phase=ESTIMATED, generator=seeded(seed))
        # a codec of one length has completed them with silence
        a, b, c = torch.nn.functional.pad(sounds, (0, whole.shape[-1] - notes.samples))
        (code_a, context_a), (code_b, context_b) = codec.encode(a), codec.encode(b)
        context = codec.representation.mix([context_a, context_b], torch.tensor([0.5, 0.5]))
        code_of_c = codec.encode(c)[0]
        half_way = [
            (codec, (code_a + code_b) / 2),
            (untrained, lerp(untrained.encode(a)[0], untrained.encode(b)[0], 0.5)),
            (codec, lerp(code_a, code_of_c, 0.5)),
        ]
        same, random, other = (
            by.decode(code, context, phase=ESTIMATED, generator=seeded(seed)) for by, code in half_way
        )
        differences.append(float((whole - same).abs().max()))
        reference = at_16_khz(whole, codec.sample_rate)
        random_weights.append(float(log_mel_error(at_16_khz(random, codec.sample_rate), reference)))
        exchanged.append(float(log_mel_error(at_16_khz(other, codec.sample_rate), reference)))
        step(1)
    return {
        "mean_code_difference": max(differences),
        "random_weights": _changes(random_weights),
        "exchanged_code": _changes(exchanged),
    }


def _changes(errors: list[float]) -> dict[str, float | int]:
    return {**summary(errors), "above_6_db": float(np.mean(np.array(errors) > AUDIBLE))}
