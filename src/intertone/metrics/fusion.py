"""Fusion: tests whether a morph is one sound or a mixture of two."""

import math

import numpy as np
import numpy.typing as npt
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.pitch.comb import Comb, Peaks, as_array, comb_partials, fit_comb

EXCLUSIVE_CENTS, PRESENCE_CENTS = 45.0, 20.0
BEATING_SECONDS = (0.25, 1.2)
BEATING_HARMONICS = 12
BEATING_RANGE_DB = 40.0
KNEE_RANGE_DB = 45.0
KNEE_SECONDS = 1.1

Array = npt.NDArray[np.float64]


def comb_residual(peaks: Peaks, f_low: float, f_high: float) -> float:
    """Return the share of the peaks' weight that the best harmonic comb does not explain.

    It is near 0 for a sound of one pitch and larger for two pitches. Since the notes themselves do not have exactly 0,
    the excess over their values is evaluated.

    Args:
        peaks: Peaks of ``spectral_peaks``.
        f_low: Lower f0 of the two notes, Hz.
        f_high: Higher f0 of the two notes, Hz.

    Returns:
        0…1; 1 without peaks.
    """
    return 1 - fit_comb(peaks, f_low, f_high).explained


def two_pitch_presence(peaks: Peaks, a: Comb, b: Comb) -> float:
    """Return the degree to which exclusive partials of both notes are present in a morph.

    A partial of one note is exclusive if the other note has no partial within 45 cents. The presence of a note is the
    share of the peaks' weight within 20 cents of its exclusive partials. The result is twice the smaller presence. It
    is 0 if one comb contains the other, as for an octave.

    Args:
        peaks: Peaks of the morph.
        a: Harmonic comb of the first note.
        b: Harmonic comb of the second note.

    Returns:
        0…1; 1 if the peaks are divided equally among exclusive partials of both notes.

    Example:
        >>> both = Peaks(np.array([200.0, 300.0]), np.ones(2))
        >>> two_pitch_presence(both, Comb(200, 0, 1), Comb(300, 0, 1))
        1.0
    """
    if not len(peaks.frequency):
        return 0.0
    top = peaks.frequency.max() * 1.05
    partials = [comb_partials(comb, top) for comb in (a, b)]
    shares = []
    for own, other in (partials, partials[::-1]):
        alone = own[_nearest_cents(own, other) > EXCLUSIVE_CENTS]
        near = _nearest_cents(peaks.frequency, alone) <= PRESENCE_CENTS
        shares.append(float(peaks.weight[near].sum() / peaks.weight.sum()))
    return 2 * min(shares)


def beating(audio: Tensor, sample_rate: int, comb: Comb) -> float:
    """Return the depth of the partials' amplitude modulation, which is large for two notes a few cents apart.

    For each of the first 12 partials, the level (Hann window of 64 ms, hop of 10 ms, energy within 35 cents, at least
    1.5 bins) between 0.25 and 1.2 s is compared with a fitted parabola. The result is the median, over the partials
    within 40 dB of the strongest one, of the standard deviation from the parabola.

    Args:
        audio: ``(samples,)``, at least half a second.
        sample_rate: Hz.
        comb: Harmonic comb of the partials.

    Returns:
        dB; 0 for silence and for a sound without f0.

    Raises:
        ValueError: If the sound is shorter than half a second.

    Example:
        >>> import torch
        >>> time = torch.arange(32000) / 16000
        >>> round(beating(torch.sin(2 * torch.pi * 440 * time), 16000, Comb(440, 0, 1)), 2)
        0.0
        >>> two = torch.sin(2 * torch.pi * 440 * time) + 0.5 * torch.sin(2 * torch.pi * 444 * time)
        >>> beating(two, 16000, Comb(441, 0, 1)) > 3
        True
    """
    if not math.isfinite(comb.f0):
        return 0.0
    first, last = (round(seconds * sample_rate) for seconds in BEATING_SECONDS)
    size, hop = round(0.064 * sample_rate), round(0.01 * sample_rate)
    part = as_array(audio)[first:last]
    if len(part) < 8 * hop + size:
        raise ValueError(f"a sound must be longer than half a second, got {audio.shape[-1] / sample_rate:g} s")
    frames = np.lib.stride_tricks.sliding_window_view(part, size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1], 2 * size)) ** 2
    bins = np.arange(power.shape[1]) * sample_rate / (2 * size)
    levels = []
    for centre in comb_partials(comb, 0.48 * sample_rate)[:BEATING_HARMONICS]:
        half = min(max(1.5 * sample_rate / size, centre * (2 ** (35 / 1200) - 1)), 0.5 * comb.f0)
        levels.append(power[:, np.abs(bins - centre) <= half].sum(1))
    if not levels:
        return 0.0
    energy = np.stack(levels)
    mean = energy.mean(1)
    if mean.max() < 1e-12:
        return 0.0
    kept = energy[mean >= mean.max() * db_to_power(-BEATING_RANGE_DB)]
    db = power_to_db(np.maximum(kept, kept.max(1, keepdims=True) * 1e-8))
    time = np.linspace(-1, 1, db.shape[1])
    trend = np.polynomial.polynomial.polyval(time, np.polynomial.polynomial.polyfit(time, db.T, 2))
    return float(np.median((db - trend).std(1)))


def envelope_knee(audio: Tensor, sample_rate: int) -> float:
    """Return the RMS deviation of the decay from a straight line in dB.

    A fast decay that turns into a slow one, as in a mixture of a percussive and a sustained note, has a large value.
    The line is fitted to the level of ``decay_db``.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.

    Returns:
        dB; 0 for silence and for a decay of less than four steps.

    Example:
        >>> import torch
        >>> decay = 10 ** (-30 * torch.arange(32000) / 16000 / 20)
        >>> round(envelope_knee(decay, 16000), 2)
        0.0
    """
    db = decay_db(audio, sample_rate)
    if len(db) < 4:
        return 0.0
    steps = np.arange(len(db))
    slope, level = np.polyfit(steps, db, 1)
    return float(np.sqrt(np.mean((db - slope * steps - level) ** 2)))


def decay_db(audio: Tensor, sample_rate: int) -> Array:
    """Return the level in steps of 10 ms, from its peak until it is 45 dB lower, the sound ends, or 1.1 s have passed.

    Args:
        audio: ``(samples,)``.
        sample_rate: Hz.

    Returns:
        dB relative to the peak, ``(n_steps,)``; empty for silence.
    """
    sound, size = as_array(audio), round(0.01 * sample_rate)
    n_steps = len(sound) // size
    power = (sound[: n_steps * size].reshape(n_steps, size) ** 2).mean(1) if n_steps else np.zeros(0)
    if not n_steps or power.max() < 1e-14:
        return np.zeros(0)
    peak = int(power.argmax())
    db = power_to_db(np.maximum(power[peak : peak + round(KNEE_SECONDS / 0.01)] / power[peak], 1e-12))
    quiet = np.flatnonzero(db < -KNEE_RANGE_DB)
    return db[: quiet[0]] if len(quiet) else db


def fusion(
    *, comb_excess: float, beating_excess: float, presence: float | None = None, knee_excess: float | None = None
) -> float:
    """Return the degree of fusion of a morph: 1 for one sound, 0 for clearly two sounds.

    ``1 − min(1, max(0, CR/0.25, BD/1 dB, (TP − 0.1)/0.4, KN/1.5 dB))`` with the four arguments in this order.

    Args:
        comb_excess: ``comb_residual`` minus the interpolated value of the two notes.
        beating_excess: ``beating`` minus the interpolated value of the two notes, dB.
        presence: ``two_pitch_presence``; None for notes of equal pitch.
        knee_excess: ``envelope_knee`` minus the larger value of the two notes, dB; None unless exactly one note is
            percussive.

    Returns:
        0…1.

    Example:
        >>> fusion(comb_excess=0.05, beating_excess=-1.0)
        0.8
    """
    faults = [0.0, comb_excess / 0.25, beating_excess / 1.0]
    faults += [] if presence is None else [(presence - 0.1) / 0.4]
    faults += [] if knee_excess is None else [knee_excess / 1.5]
    return 1 - min(1.0, max(faults))


def _nearest_cents(frequency: Array, others: Array) -> Array:
    if not len(others) or not len(frequency):
        return np.full(len(frequency), np.inf)
    return np.abs(1200 * np.log2(frequency[:, None] / others)).min(1)
