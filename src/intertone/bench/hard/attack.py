"""Level and time of the attack transient above 3 kHz, such as the click of a pluck or a hammer."""

import numpy as np
import numpy.typing as npt
from scipy import signal
from torch import Tensor

from intertone.level import db_to_power, power_to_db
from intertone.loudness import ABSOLUTE_GATE, maximum_momentary_loudness
from intertone.pitch.comb import as_array

CUTOFF_HZ = 3000.0
BEFORE_SECONDS, AFTER_SECONDS = 0.02, 0.05
"""Time before and after the key onset that counts as the attack."""

STEP_SECONDS = 0.002
FLOOR_DB = -45.0
"""Lowest level of the attack, dB relative to the loudest 400 ms; the sound masks anything below."""

NEAR_MAXIMUM_DB = 6.0
"""Distance below the maximum, in dB, at which the attack's time is taken; a later rise belongs to the note."""

Array = npt.NDArray[np.float64]


def attack_course(sound: Tensor, struck_seconds: float, sample_rate: int) -> Array:
    """Return the level above 3 kHz over the time of the attack.

    Args:
        sound: ``(samples,)``, at least up to the end of the attack.
        struck_seconds: Time of the key onset, at least 0.02.
        sample_rate: Hz, above 6000.

    Returns:
        Level above 3 kHz in steps of 2 ms, from 20 ms before the onset to 50 ms after it, dB relative to the loudness
        of the loudest 400 ms, at least −45, ``(35,)``. It does not depend on the gain of the sound.

    Raises:
        ValueError: If the sound ends before the attack does, or the attack begins before the sound.

    Example:
        >>> import torch
        >>> noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
        >>> attack_course(noise * (torch.arange(16000) >= 2000), 0.125, 16000)[[0, 20]].round() + 0.0
        array([-45.,  -4.])
    """
    first, last = (round((struck_seconds + offset) * sample_rate) for offset in (-BEFORE_SECONDS, AFTER_SECONDS))
    if first < 0 or last > len(sound):
        raise ValueError(f"a sound must hold its attack, {first}..{last}, got {len(sound)} samples")
    # forward and backward filtering has no delay
    filtered = signal.sosfiltfilt(signal.butter(4, CUTOFF_HZ, "high", fs=sample_rate, output="sos"), as_array(sound))
    step = round(STEP_SECONDS * sample_rate)
    n_steps = (last - first) // step
    power = (filtered[first : first + n_steps * step].reshape(n_steps, step) ** 2).mean(1)
    level = power_to_db(np.maximum(power, 1e-30)) - max(maximum_momentary_loudness(sound, sample_rate), ABSOLUTE_GATE)
    course: Array = np.maximum(level, FLOOR_DB)
    return course


def attack_level_db(course: Array) -> float:
    """Return the mean power, in dB, of an attack of ``attack_course``.

    Example:
        >>> round(attack_level_db(np.full(35, -20.0)), 6)
        -20.0
    """
    return float(power_to_db(db_to_power(course).mean()))


def attack_place_ms(course: Array) -> float | None:
    """Return the time after the key onset at which an attack first reaches 6 dB below its maximum.

    Returns:
        Milliseconds, −20 to 50; None: the attack is never above the floor of −45 dB.

    Example:
        >>> attack_place_ms(np.array([-45.0] * 15 + [0.0] + [-45.0] * 19)), attack_place_ms(np.full(35, -45.0))
        (10.0, None)
    """
    if course.max() <= FLOOR_DB:
        return None
    first = int((course >= course.max() - NEAR_MAXIMUM_DB).argmax())
    return round(1000 * (first * STEP_SECONDS - BEFORE_SECONDS), 6)


def attack_error_db(course: Array, a: Array, b: Array, mix: float) -> float:
    """Return the level of a morph's attack minus the level interpolated in dB between the two sounds' attacks.

    Args:
        course: Attack of the morph, from ``attack_course``.
        a: Attack of the first sound.
        b: Attack of the second sound.
        mix: Weight of the second sound, 0…1.

    Returns:
        dB, positive where the attack is too strong.

    Example:
        >>> round(attack_error_db(np.full(35, -30.0), np.full(35, -10.0), np.full(35, -30.0), 0.5), 6)
        -10.0
    """
    level = (1 - mix) * attack_level_db(a) + mix * attack_level_db(b)
    return attack_level_db(course) - level


def attack_error_ms(course: Array, a: Array, b: Array) -> float:
    """Return by how much a morph's attack is earlier or later than the attacks of both sounds.

    Args:
        course: Attack of the morph, from ``attack_course``.
        a: Attack of the first sound.
        b: Attack of the second sound.

    Returns:
        Milliseconds: negative before the earlier attack, positive after the later one, 0 between them. 0 also if the
        morph or both sounds have no attack.

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
