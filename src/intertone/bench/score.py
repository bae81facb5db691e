"""Metrics, gates and score of a series of morphs from A to B.

A change of a constant or a formula must increase ``BENCH_VERSION``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from intertone.audio import resample
from intertone.bench.pair import Pair
from intertone.bench.synthetic_pairs import ALL_RATIOS, NEAR_ENDS, RATIOS
from intertone.loudness import ABSOLUTE_GATE, integrated_loudness
from intertone.metrics.descriptor import describe, descriptor_non_linearity, descriptor_path_efficiency
from intertone.metrics.fusion import beating, comb_residual, envelope_knee, fusion, two_pitch_presence
from intertone.metrics.spectral import LOG_MEL_STFT, log_mel
from intertone.metrics.trajectory import path_projection, step_variation
from intertone.pitch.comb import Comb, fit_comb, spectral_peaks
from intertone.pitch.note import hz_to_cents

BENCH_VERSION = 1

SAMPLE_RATE = LOG_MEL_STFT.sample_rate
FUSED = (0.3, 0.7)
"""Range of ratios at which fusion into one sound is measured."""

BETWEEN = (0.2, 0.8)
"""Range of ratios at which morphs are compared with the oracle."""

NO_PITCH_CENTS = 1200.0
WORST_JUMP = 99.0
STANDING = 0.1
"""Least distance between the morphs at 0 and 1, as a share of the distance between A and B. A series below it counts as
constant, and its step variation is set to 3, the value of a single jump among ten steps."""

FLOOR = 0.02
"""Smallest value of each of the five parts of the score."""

GATES: dict[str, tuple[str, float]] = {
    "endpoint_error": ("max", 2.0),
    "descriptor_non_linearity": ("max", 0.45),
    "descriptor_path_efficiency": ("min", 0.80),
    "step_variation": ("max", 0.50),
    "comb_excess": ("max", 0.06),
    "beating_excess": ("max", 0.25),
    "presence": ("max", 0.15),
    "knee_excess": ("max", 0.30),
    "cents_median": ("max", 6.0),
    "cents_p90": ("max", 25.0),
    "oracle_ratio": ("max", 0.60),
}
"""Upper (``max``) or lower (``min``) limit of each metric; metrics that do not apply to a pair are not tested."""

Row = dict[str, float | None]
"""Figures of one method on one pair by name; None: the metric does not apply."""


@dataclass(frozen=True)
class Ends:
    """Measurements of the two notes of a pair, with which all morphs of the pair are compared.

    Attributes:
        pair: The pair.
        mel: Log-mel spectrograms of A and B, ``(2, 64, n_frames)``.
        described: Descriptors of A and B.
        combs: Harmonic combs that fit the spectral peaks of A and B.
        comb: Comb residuals of A and B.
        beating: Beating of A and B, dB.
        knee: Envelope knee of A and B, dB.
        oracle_mel: Log-mel spectrograms of the oracle at all ratios; None: there is no oracle.
        crossfade_distance: Log-mel distance of the waveform crossfade from the oracle, dB; None: there is no oracle.
    """

    pair: Pair
    mel: Tensor
    described: tuple[Mapping[str, float], Mapping[str, float]]
    combs: tuple[Comb, Comb]
    comb: tuple[float, float]
    beating: tuple[float, float]
    knee: tuple[float, float]
    oracle_mel: Tensor | None
    crossfade_distance: float | None


def judge_ends(pair: Pair, oracle: Tensor | None = None) -> Ends:
    """Return the measurements of a pair's two notes, which are the reference of all methods.

    Args:
        pair: The pair.
        oracle: The ideal morphs at ``ALL_RATIOS``, ``(13, samples)``, at the pair's sample rate; None: not known.
    """
    sounds = [at_bench_rate(sound, pair.sample_rate) for sound in (pair.a, pair.b)]
    low, high = sorted((pair.f0_a, pair.f0_b))
    peaks = [spectral_peaks(sound, SAMPLE_RATE) for sound in sounds]
    combs = [fit_comb(found, f0, f0) for found, f0 in zip(peaks, (pair.f0_a, pair.f0_b), strict=True)]
    oracle_mel = distance = None
    if oracle is not None:
        oracle_mel = log_mel(at_bench_rate(oracle, pair.sample_rate))
        mixes = torch.stack([(1 - ratio) * sounds[0] + ratio * sounds[1] for ratio in ALL_RATIOS])
        distance = _distance(log_mel(mixes), oracle_mel)
    return Ends(
        pair=pair,
        mel=log_mel(torch.stack(sounds)),
        described=(describe(sounds[0]), describe(sounds[1])),
        combs=(combs[0], combs[1]),
        comb=(comb_residual(peaks[0], low, high), comb_residual(peaks[1], low, high)),
        beating=(beating(sounds[0], SAMPLE_RATE, combs[0]), beating(sounds[1], SAMPLE_RATE, combs[1])),
        knee=(envelope_knee(sounds[0], SAMPLE_RATE), envelope_knee(sounds[1], SAMPLE_RATE)),
        oracle_mel=oracle_mel,
        crossfade_distance=distance,
    )


def judge_row(ends: Ends, sounds: Tensor) -> Row:
    """Return the metrics and the score of one method's morphs of one pair.

    Args:
        ends: Measurements of ``judge_ends``.
        sounds: Morphs at ``ALL_RATIOS``, ``(13, samples)``, at the pair's sample rate.

    Returns:
        The rounded metrics, defined in ``docs/bench.md``, and the score. ``presence`` is None for all kinds but
        ``different``, ``knee_excess`` for all kinds but ``percussive``; without an oracle there is no ``oracle_…``.

    Raises:
        ValueError: If ``sounds`` does not have one sound for each ratio.
    """
    if sounds.ndim != 2 or len(sounds) != len(ALL_RATIOS):
        raise ValueError(f"sounds must be ({len(ALL_RATIOS)}, samples), got {tuple(sounds.shape)}")
    judged = at_bench_rate(sounds, ends.pair.sample_rate)
    mel = log_mel(judged)
    chosen = [ALL_RATIOS.index(ratio) for ratio in RATIOS]
    row = {**_path(ends, mel, mel[chosen]), **_descriptors(ends, judged[chosen]), **_one_source(ends, judged[chosen])}
    row["loudness_error"] = _loudness(judged[chosen])
    if ends.oracle_mel is not None and ends.crossfade_distance is not None:
        distance = _distance(mel, ends.oracle_mel)
        row |= {"oracle_distance": distance, "oracle_ratio": distance / max(ends.crossfade_distance, 1e-9)}
    rounded = {name: None if value is None else round(float(value), 6) for name, value in row.items()}
    return {**rounded, **score(rounded)}


def score(row: Mapping[str, float | None]) -> dict[str, float]:
    """Return the five parts of the score, each 0.02…1, and ``morph_score``, 100 times their harmonic mean.

    ``end = exp(−END/6)``, ``between = exp(−PI/0.5 − DNL/0.5)``, ``smooth = √(exp(−CV)·DPE)``, ``fusion``,
    ``pitch = exp(−c90/60)``. Parts below 0.02 are set to 0.02.

    Args:
        row: Metrics of ``judge_row``.

    Returns:
        ``part_end``, ``part_between``, ``part_smooth``, ``part_fusion``, ``part_pitch`` and ``morph_score``.

    Example:
        >>> perfect = {"endpoint_error": 0, "projection_error": 0, "descriptor_non_linearity": 0, "step_variation": 0}
        >>> perfect |= {"descriptor_path_efficiency": 1, "fusion": 1, "cents_p90": 0}
        >>> score(perfect)["morph_score"]
        100.0
    """
    value = {name: float(number) for name, number in row.items() if number is not None}
    parts = {
        "part_end": math.exp(-value["endpoint_error"] / 6),
        "part_between": math.exp(-value["projection_error"] / 0.5 - value["descriptor_non_linearity"] / 0.5),
        "part_smooth": math.sqrt(math.exp(-value["step_variation"]) * value["descriptor_path_efficiency"]),
        "part_fusion": value["fusion"],
        "part_pitch": math.exp(-value["cents_p90"] / 60),
    }
    parts = {name: round(max(part, FLOOR), 6) for name, part in parts.items()}
    return {**parts, "morph_score": round(100 * len(parts) / sum(1 / part for part in parts.values()), 4)}


def gates(row: Mapping[str, float | None], oracle_row: Mapping[str, float | None] | None) -> dict[str, bool]:
    """Return whether each gate is passed, for the gates that apply to a pair.

    A gate that the oracle of the pair does not pass does not apply, because the metric is not reliable there.

    Args:
        row: Metrics of ``judge_row``.
        oracle_row: Metrics of the oracle of the same pair; None: there is no oracle, and all gates apply.

    Returns:
        Gate → whether it is passed.

    Example:
        >>> gates({"endpoint_error": 1.0, "step_variation": 0.9}, {"endpoint_error": 0.0, "step_variation": 0.6})
        {'endpoint_error': True}
    """
    result = {}
    for name, (side, limit) in GATES.items():
        measured = row.get(name)
        if measured is None or (oracle_row is not None and not _passes(oracle_row.get(name), side, limit)):
            continue
        result[name] = _passes(measured, side, limit)
    return result


def at_bench_rate(audio: Tensor, sample_rate: int) -> Tensor:
    """Return sounds resampled to 16 kHz, the sample rate of all metrics of the bench."""
    return audio if sample_rate == SAMPLE_RATE else resample(audio, sample_rate, SAMPLE_RATE)


def _passes(measured: float | None, side: str, limit: float) -> bool:
    return measured is None or (measured <= limit if side == "max" else measured >= limit)


def _path(ends: Ends, everywhere: Tensor, mel: Tensor) -> dict[str, float]:
    """Return metrics of the log-mel spectrograms' path; ``everywhere`` is at ``ALL_RATIOS``, ``mel`` at ``RATIOS``."""
    a, b = ends.mel
    projection = path_projection(mel, torch.tensor(RATIOS), ends=(a, b))
    variation = step_variation(mel)
    moved = float((mel[-1] - mel[0]).norm()) >= STANDING * float((b - a).norm())
    median = float((mel[1:] - mel[:-1]).square().mean((1, 2)).sqrt().median())
    near = max(float((everywhere[i] - everywhere[j]).square().mean().sqrt()) for i, j in ((0, 1), (-2, -1)))
    per_ratio = near / NEAR_ENDS[0], max(median, 1e-9) / RATIOS[1]
    return {
        "endpoint_error": float(((mel[0] - a).abs().mean() + (mel[-1] - b).abs().mean()) / 2),
        "projection_error": float(projection.projection_error),
        "off_axis": float(projection.off_axis),
        "midpoint_error": _midpoint(mel[5], a, b),
        "step_variation": float(variation.deviation) if moved else math.sqrt(len(RATIOS) - 2),
        "largest_step": float(variation.largest),
        "end_jump": min(per_ratio[0] / per_ratio[1], WORST_JUMP),
    }


def _loudness(sounds: Tensor) -> float:
    """Return the mean deviation, in LU, of the integrated loudness from the line between the first and last sound."""
    levels = np.maximum([integrated_loudness(sound, SAMPLE_RATE) for sound in sounds], ABSOLUTE_GATE)
    return float(np.abs(levels - np.interp(RATIOS, (0, 1), levels[[0, -1]])).mean())


def _midpoint(middle: Tensor, a: Tensor, b: Tensor) -> float:
    """Return the asymmetry of the half-way morph, 0…0.5: |d(A) / (d(A) + d(B)) − 0.5| of its log-mel distances d."""
    first, second = (float((middle - end).norm(dim=0).mean()) for end in (a, b))
    return abs(first / max(first + second, 1e-9) - 0.5)


def _descriptors(ends: Ends, sounds: Tensor) -> dict[str, float]:
    described = [*ends.described, *(describe(sound) for sound in sounds)]
    return {
        "descriptor_non_linearity": descriptor_non_linearity(described, RATIOS),
        "descriptor_path_efficiency": descriptor_path_efficiency(described, RATIOS),
    }


def _one_source(ends: Ends, sounds: Tensor) -> dict[str, float | None]:
    """Return the metrics of fusion, as means over the ratios in ``FUSED``, and the pitch errors over all ratios."""
    pair = ends.pair
    low, high = sorted((pair.f0_a, pair.f0_b))
    found: dict[str, list[float]] = {name: [] for name in ("comb", "beating", "presence", "knee", "fusion", "cents")}
    for ratio, sound in zip(RATIOS, sounds, strict=True):
        peaks = spectral_peaks(sound, SAMPLE_RATE)
        comb = fit_comb(peaks, low, high)
        cents = abs(float(hz_to_cents(comb.f0, pair.f0_a ** (1 - ratio) * pair.f0_b**ratio)))
        found["cents"].append(cents if math.isfinite(cents) else NO_PITCH_CENTS)
        if not FUSED[0] - 1e-9 <= ratio <= FUSED[1] + 1e-9:
            continue
        excess = 1 - comb.explained - _between(ends.comb, ratio)
        beats = beating(sound, SAMPLE_RATE, comb) - _between(ends.beating, ratio)
        presence = two_pitch_presence(peaks, *ends.combs) if pair.kind == "different" else None
        knee = envelope_knee(sound, SAMPLE_RATE) - max(ends.knee) if pair.kind == "percussive" else None
        fused = fusion(comb_excess=excess, beating_excess=beats, presence=presence, knee_excess=knee)
        for name, value in (("comb", excess), ("beating", beats), ("fusion", fused)):
            found[name].append(value)
        found["presence"] += [] if presence is None else [presence]
        found["knee"] += [] if knee is None else [knee]
    return {
        "comb_excess": float(np.mean(found["comb"])),
        "beating_excess": float(np.mean(found["beating"])),
        "presence": float(np.mean(found["presence"])) if found["presence"] else None,
        "knee_excess": float(np.mean(found["knee"])) if found["knee"] else None,
        "fusion": float(np.mean(found["fusion"])),
        "cents_median": float(np.median(found["cents"])),
        "cents_p90": float(np.percentile(found["cents"], 90)),
    }


def _between(ends: Sequence[float], ratio: float) -> float:
    return (1 - ratio) * ends[0] + ratio * ends[1]


def _distance(mel: Tensor, oracle_mel: Tensor) -> float:
    """Return the mean absolute log-mel difference from the oracle, dB, over the ratios in ``BETWEEN``."""
    chosen = [index for index, ratio in enumerate(ALL_RATIOS) if BETWEEN[0] - 1e-9 <= ratio <= BETWEEN[1] + 1e-9]
    return float((mel[chosen] - oracle_mel[chosen]).abs().mean())
