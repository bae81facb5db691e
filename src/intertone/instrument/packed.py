"""Quantised tensors of one sound of a playable instrument: levels in half decibels, phases in 64ths of a period."""

import math

import numpy as np
import torch
from torch import Tensor

from intertone.curve import at_positions
from intertone.harmonic.morph.modulation import SeparatedSound
from intertone.harmonic.noise import NoiseBands
from intertone.harmonic.rows import FeatureRows
from intertone.level import TINY, amplitude_to_db

FINE_FRAMES = 16
"""Number of frames from the onset on that are all stored, so that the attack is exact."""
SLOW_STEP, FAST_STEP = 6, 2
"""Step between stored frames after the attack: for slow levels and phases, and for modulation and noise."""
LEVELS_A_DB = 2
"""Number of quantisation steps of a level per dB."""
ZERO_DB = 220
"""Stored value of 0 dB; 0 is silence, 1 is −109.5 dB."""
STEPS_A_PERIOD = 64
"""Number of quantisation steps of a phase per period. Differences between stored phases are limited to two periods."""
STEPS_OF_FACTOR = 100
"""Stored value of a modulation factor of 1; the largest factor is 2.55."""
WEAKEST_DB = -80.0
"""Level relative to the sound's reference up to which partials at the end of the series are left out, dB."""
STRONG, STRONGEST = 96, 48
"""Number of strongest partials whose phases and regular modulation are stored, and number of strongest partials whose
fast modulation is stored too. The player draws random modulation for the others."""
FAST_A_DB, FAST_ZERO = 4, 200
"""Number of quantisation steps per dB of the magnitude of fast modulation, and stored value of 0 dB."""
STEPS_A_TURN = 256
"""Number of quantisation steps of the angle of fast modulation per 2π."""

TENSORS = (
    "level", "partials", "top", "start", "phases", "modulation", "random", "strong", "magnitudes", "angles", "noise",
    "f0", "multiples", "ramp", "transient",
)  # fmt: skip
"""Names of the tensors of a sound with a pitch."""


def stored_frames(n_frames: int, step: int) -> Tensor:
    """Return the indices of the stored frames of a sound: all of the attack, then every ``step``-th, and the last one.

    Example:
        >>> stored_frames(23, 4).tolist()[13:], stored_frames(3, 4).tolist()
        ([13, 14, 15, 19, 22], [0, 1, 2])
    """
    later = torch.arange(FINE_FRAMES - 1 + step, max(FINE_FRAMES - 1 + step, n_frames - 1), step)
    return torch.cat([torch.arange(min(FINE_FRAMES, n_frames - 1)), later, torch.tensor([n_frames - 1])])


def pack_levels(decibels: Tensor) -> Tensor:
    """Return levels, dB, as bytes in steps of 0.5 dB, −109.5…17.5 dB; lower levels become 0, silence.

    Example:
        >>> pack_levels(torch.tensor([0.0, -20.3, -300.0])).tolist()
        [220, 179, 0]
    """
    return (ZERO_DB + LEVELS_A_DB * decibels).round().clamp(0, 255).to(torch.uint8)


def pack_differences(values: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return the first value of a curve and its differences as bytes; rounding errors do not accumulate.

    Args:
        values: ``(..., n)``.
        steps: Number of quantisation steps per unit.

    Returns:
        Rounded first values, ``(...)``, and differences in steps, ``(..., n − 1)``, int8.

    Example:
        >>> first, steps = pack_differences(torch.tensor([0.0, 0.4, 0.8, 1.2]), 1)
        >>> first.tolist(), steps.tolist()
        (0.0, [0, 1, 0])
    """
    wanted = (steps * values.double()).round()
    first, found = wanted[..., 0] / steps, torch.zeros(*wanted.shape[:-1], wanted.shape[-1] - 1)
    now = wanted[..., 0].clone()
    for place in range(found.shape[-1]):
        found[..., place] = (wanted[..., place + 1] - now).clamp(-127, 127)
        now += found[..., place]
    return first.float(), found.to(torch.int8)


def pack_sound(sound: SeparatedSound, rows: FeatureRows, *, count: int | None = None) -> dict[str, Tensor]:
    """Return the tensors of a sound with a pitch, by name; see ``docs/instrument-file.md``.

    Args:
        sound: The sound.
        rows: Of its representation.
        count: Number of partials that are stored; None: up to the highest one that is ever above ``WEAKEST_DB``, but
            at least one.
    """
    n_frames = sound.amplitude.shape[-1]
    view = rows.view(sound)
    level = rows.config.top_db * (rows.level(view).amax((0, 1)) - 1)
    loud = sound.amplitude.amax((0, 2)) > sound.reference * 10 ** (WEAKEST_DB / 20)
    if count is None:
        count = max(1, int(loud.nonzero().max()) + 1 if bool(loud.any()) else 1)
    slow, fast = stored_frames(n_frames, SLOW_STEP), stored_frames(n_frames, FAST_STEP)
    decibels = _decibels(sound.amplitude[:, :count], sound.reference) - level
    strong = sound.amplitude[:, :count].amax((0, 2)).argsort(descending=True)[:STRONG]
    start = sound.phase[:, :count, 0]
    _, phases = pack_differences(sound.phase[:, strong][..., slow], STEPS_A_PERIOD)
    modulation = (STEPS_OF_FACTOR * sound.regular[:, strong][..., fast].abs()).round().clamp(0, 255)
    random = (sound.modulation - sound.regular)[:, :count].abs().square().mean(-1).sqrt()
    fast_ones = sound.modulation[:, strong[:STRONGEST]]
    magnitudes = FAST_ZERO + FAST_A_DB * _decibels(fast_ones.abs(), 1.0)
    angles = STEPS_A_TURN * fast_ones.angle() / (2 * math.pi)
    last = rows.row_of[len(sound.multiples) - 1]
    top = rows.config.top_db * (view[:, max(0, int(last) - 3) : int(last) + 1].mean(1) - 1) - level
    cents = 1200 * (sound.f0 / sound.median_hz).log2()
    return {
        "level": (100 * level).round().clamp(-20000, 20000).to(torch.int16),
        "partials": pack_levels(decibels[..., slow]),
        "top": pack_levels(top[:, slow]),
        "start": start - start.floor(),
        "phases": phases,
        "modulation": modulation.to(torch.uint8),
        "random": (STEPS_OF_FACTOR * random).round().clamp(0, 255).to(torch.uint8),
        "strong": strong.to(torch.int16),
        "magnitudes": magnitudes.round().clamp(0, 255).to(torch.uint8),
        "angles": angles.round().remainder(STEPS_A_TURN).to(torch.uint8),
        "noise": pack_levels(_decibels(sound.noise, sound.reference)[..., fast]),
        "f0": (10 * cents).round().clamp(-32000, 32000).to(torch.int16),
        "multiples": sound.multiples[:count].float(),
        "ramp": sound.ramps[0].float(),
        "transient": sound.transient[0].float(),
    }


def unpack_levels(stored: Tensor) -> Tensor:
    """Return stored levels in dB, minus infinity for silence; the inverse of ``pack_levels``."""
    return torch.where(stored > 0, (stored.float() - ZERO_DB) / LEVELS_A_DB, -math.inf)


def unpack_partials(packed: dict[str, Tensor], n_frames: int) -> Tensor:
    """Return the slow level of each partial in all frames, dB above the reference, ``(channels, n, n_frames)``."""
    places = np.interp(
        np.arange(n_frames), stored_frames(n_frames, SLOW_STEP).numpy(), np.arange(packed["partials"].shape[-1])
    )
    decibels = at_positions(unpack_levels(packed["partials"]).clamp_min(-200), torch.from_numpy(places))
    return decibels + packed["level"].float() / 100


def noise_centres(rows: FeatureRows) -> list[float]:
    """Return the centre frequency of each noise band, Hz."""
    highest = 2595 * math.log10(1 + rows.config.f_max / 700)
    mels = torch.linspace(0, highest, rows.config.n_noise + 2, dtype=torch.float64)[1:-1]
    return [float(hz) for hz in 700 * (10 ** (mels / 2595) - 1)]


def noise_widths(bands: NoiseBands) -> list[float]:
    """Return the equivalent bandwidth of each noise band, Hz: its power divided by its power per Hz."""
    bin_hz = bands.config.sample_rate / bands.config.n_fft
    return [float(bins) * bin_hz for bins in bands.widths[:, 0]]


def _decibels(amplitude: Tensor, reference: float) -> Tensor:
    return amplitude_to_db((amplitude / reference).clamp_min(TINY))
