"""A filter of two poles whose coefficients change over time, exact and without a loop over samples."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BLOCK = 32
"""Samples for which the coefficients hold."""


def state_variable_filter(
    audio: Array, cutoff_hz: Array, resonance: Array, *, response: npt.NDArray[np.str_], sample_rate: int
) -> Array:
    """Filter sounds with two poles whose cutoff follows a curve.

    The trapezoidal state-variable filter: its gain at the cutoff is exact (the frequency axis is warped so that it is),
    and it stays stable however fast the cutoff moves. Coefficients hold for ``BLOCK`` samples. Within a block the
    filter is linear and constant, so all blocks run at the same time from state 0, the states at the blocks' borders
    follow by a recursion over blocks, and a second run starts from these.

    Args:
        audio: ``(n, samples)``.
        cutoff_hz: ``(n, ceil(samples / BLOCK))``; frequencies from 0.49 · sample_rate on are taken as that.
        resonance: ``(n,)``, gain at the cutoff of low-pass and high-pass, linear, > 0; of the band-pass, whose gain
            there is 1, cutoff / bandwidth.
        response: ``(n,)`` of ``low-pass``, ``band-pass``, ``high-pass``.
        sample_rate: Hz.

    Returns:
        ``(n, samples)``.

    Source:
        Zavalishin (2018), "The Art of VA Filter Design", chapter 4.

    Example:
        >>> sound = np.random.default_rng(0).normal(size=(1, 4096))
        >>> cutoff = np.full((1, 128), 100.0)
        >>> low = state_variable_filter(sound, cutoff, np.ones(1), response=np.array(["low-pass"]), sample_rate=8000)
        >>> bool(low.std() < 0.3 * sound.std())
        True
    """
    n, samples = audio.shape
    n_blocks = cutoff_hz.shape[1]
    padded = np.zeros((n, n_blocks * BLOCK))
    padded[:, :samples] = audio
    steps = np.ascontiguousarray(padded.reshape(n, n_blocks, BLOCK).transpose(2, 0, 1))  # sample in the block first
    g = np.tan(np.pi * np.minimum(cutoff_hz / sample_rate, 0.49))
    damping = 1 / resonance[:, None]
    a1 = 1 / (1 + g * (g + damping))
    a2 = g * a1
    a3 = g * a2
    # the state after a sample is A · state + b · input
    transition = np.stack([2 * a1 - 1, -2 * a2, 2 * a2, 1 - 2 * a3])
    zero = np.zeros_like(a1)
    _, first, second = _run(steps, zero, zero, a1, a2, a3, keep=False)
    start = _states_at_borders(_power(transition, BLOCK), first, second)
    (band, low), _, _ = _run(steps, *start, a1, a2, a3, keep=True)
    wanted = np.empty_like(steps)
    for name, rows in ((name, response == name) for name in set(response.tolist())):
        if name == "low-pass":
            wanted[:, rows] = low[:, rows]
        elif name == "band-pass":
            wanted[:, rows] = damping[rows] * band[:, rows]
        else:
            wanted[:, rows] = steps[:, rows] - damping[rows] * band[:, rows] - low[:, rows]
    return wanted.transpose(1, 2, 0).reshape(n, -1)[:, :samples]


def _run(
    steps: Array, first: Array, second: Array, a1: Array, a2: Array, a3: Array, *, keep: bool
) -> tuple[tuple[Array, Array], Array, Array]:
    """Run all blocks from their states; return band and low of each sample, and the states at the blocks' ends."""
    band, low = (np.empty_like(steps) if keep else steps[:0] for _ in range(2))
    first, second = first.copy(), second.copy()
    # in memory that is used again: fresh arrays of this size would cost as much as the arithmetic
    difference, v1, v2, term = (np.empty_like(a1) for _ in range(4))
    for number, sample in enumerate(steps):
        np.subtract(sample, second, out=difference)
        np.multiply(a1, first, out=v1)
        v1 += np.multiply(a2, difference, out=term)
        np.multiply(a2, first, out=v2)
        v2 += second
        v2 += np.multiply(a3, difference, out=term)
        np.subtract(np.multiply(v1, 2, out=term), first, out=first)
        np.subtract(np.multiply(v2, 2, out=term), second, out=second)
        if keep:
            band[number], low[number] = v1, v2
    return (band, low), first, second


def _power(matrix: Array, exponent: int) -> Array:
    """Return a power, a power of two, of the 2 × 2 matrices ``(4, n, n_blocks)``."""
    while exponent > 1:
        a, b, c, d = matrix
        matrix = np.stack([a * a + b * c, b * (a + d), c * (a + d), d * d + b * c])
        exponent //= 2
    return matrix


def _states_at_borders(transition: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Return the state at the start of each block from what each block adds to a state that it multiplies."""
    a, b, c, d = (np.ascontiguousarray(part.T) for part in transition)  # (n_blocks, n)
    first, second = np.ascontiguousarray(first.T), np.ascontiguousarray(second.T)
    starts = np.zeros((2, *first.shape))
    one, other = starts[0, 0], starts[1, 0]
    for block in range(len(first) - 1):
        one, other = (
            a[block] * one + b[block] * other + first[block],
            c[block] * one + d[block] * other + second[block],
        )
        starts[0, block + 1], starts[1, block + 1] = one, other
    return starts[0].T, starts[1].T
