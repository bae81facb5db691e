"""Attack of a sound above 3 kHz: the tick of a pluck or a hammer."""

import numpy as np
import numpy.typing as npt
from scipy import signal
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.loudness import ABSOLUTE_GATE, maximum_momentary_loudness
from intertone.pitch.comb import as_array

CUTOFF_HZ = 3000.0
BEFORE_SECONDS, AFTER_SECONDS = 0.02, 0.05
"""Time before and after the stroke of the key that is the attack. A tick that is later than that is none."""

STEP_SECONDS = 0.002
FLOOR_DB = -45.0
"""Level of a step of the attack, below the loudest 400 ms, that counts as silent: the sound masks it."""

NEAR_MAXIMUM_DB = 6.0
"""An attack lies where it first comes so near to its maximum: what rises further on is the note."""

Array = npt.NDArray[np.float64]


def attack_course(sound: Tensor, struck_seconds: float, sample_rate: int) -> Array:
    """Return the course of the attack above 3 kHz.

    Args:
        sound: ``(samples,)``, at least to the end of the attack.
        struck_seconds: Time at which the key is struck, at least 0.02.
        sample_rate: Hz, above 6000.

    Returns:
        Power above 3 kHz in steps of 2 ms from 20 ms before the stroke to 50 ms after it, dB relative to the loudest
        400 ms of the sound in LUFS, at least −45, ``(35,)``; the gain of a sound changes nothing.

    Raises:
        ValueError: If the sound does not hold the attack.

    Example:
        >>> import torch
        >>> noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
        >>> attack_course(noise * (torch.arange(16000) >= 2000), 0.125, 16000)[[0, 20]].round() + 0.0
        array([-45.,  -4.])
    """
    first, last = (round((struck_seconds + offset) * sample_rate) for offset in (-BEFORE_SECONDS, AFTER_SECONDS))
    if first < 0 or last > len(sound):
        raise ValueError(f"a sound must hold its attack, {first}..{last}, got {len(sound)} samples")
    # both ways through the filter, so that nothing is delayed
    filtered = signal.sosfiltfilt(signal.butter(4, CUTOFF_HZ, "high", fs=sample_rate, output="sos"), as_array(sound))
    step = round(STEP_SECONDS * sample_rate)
    n_steps = (last - first) // step
    power = (filtered[first : first + n_steps * step].reshape(n_steps, step) ** 2).mean(1)
    level = power_to_db(np.maximum(power, 1e-30)) - max(maximum_momentary_loudness(sound, sample_rate), ABSOLUTE_GATE)
    course: Array = np.maximum(level, FLOOR_DB)
    return course


def attack_level_db(course: Array) -> float:
    """Return the mean power of a course of ``attack_course``, dB.

    Example:
        >>> round(attack_level_db(np.full(35, -20.0)), 6)
        -20.0
    """
    return float(power_to_db(db_to_power(course).mean()))


def attack_place_ms(course: Array) -> float | None:
    """Return the time after the stroke at which a course of ``attack_course`` first comes within 6 dB of its maximum.

    Returns:
        Milliseconds, −20 to 50; None where nothing of the attack is heard.

    Example:
        >>> attack_place_ms(np.array([-45.0] * 15 + [0.0] + [-45.0] * 19)), attack_place_ms(np.full(35, -45.0))
        (10.0, None)
    """
    if course.max() <= FLOOR_DB:
        return None
    first = int((course >= course.max() - NEAR_MAXIMUM_DB).argmax())
    return round(1000 * (first * STEP_SECONDS - BEFORE_SECONDS), 6)


def attack_error_db(course: Array, a: Array, b: Array, mix: float) -> float:
    """Return how far the level of an attack is from the one that is interpolated in dB between two sounds.

    Args:
        course: Of the morph, from ``attack_course``.
        a: Of the first sound.
        b: Of the second one.
        mix: Weight of the second one, 0…1.

    Returns:
        dB, positive where the attack is too strong.

    Example:
        >>> round(attack_error_db(np.full(35, -30.0), np.full(35, -10.0), np.full(35, -30.0), 0.5), 6)
        -10.0
    """
    level = (1 - mix) * attack_level_db(a) + mix * attack_level_db(b)
    return attack_level_db(course) - level


def attack_error_ms(course: Array, a: Array, b: Array) -> float:
    """Return how far an attack lies outside the places of the attacks of two sounds.

    Args:
        course: Of the morph, from ``attack_course``.
        a: Of the first sound.
        b: Of the second one.

    Returns:
        Milliseconds, negative where the attack comes before both, 0 between them and where there is none.

    Example:
        >>> early, late = (np.array([-45.0] * n + [0.0] + [-45.0] * (34 - n)) for n in (13, 20))
        >>> attack_error_ms(late, early, early), attack_error_ms(early, early, late)
        (14.0, 0.0)
    """
    place = attack_place_ms(course)
    ends = [end for end in (attack_place_ms(a), attack_place_ms(b)) if end is not None]
    if place is None or not ends:
        return 0.0
    return place - min(max(place, min(ends)), max(ends))
