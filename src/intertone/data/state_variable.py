"""Two-pole filter with coefficients that change over time, vectorised over blocks of samples."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

BLOCK = 32
"""Number of samples for which the coefficients are constant."""


def state_variable_filter(
    audio: Array, cutoff_hz: Array, resonance: Array, *, response: npt.NDArray[np.str_], sample_rate: int
) -> Array:
    """Return sounds filtered by a two-pole filter whose cutoff frequency changes over time.

    It is the trapezoidal state-variable filter. Its gain at the cutoff is exact, since the frequency axis is
    pre-warped, and it is stable for any change of the cutoff. The coefficients are constant in blocks of ``BLOCK``
    samples. All blocks are filtered in parallel with initial state 0; a recursion over the blocks then gives their true
    initial states, with which they are filtered again.

    Args:
        audio: ``(n, samples)``.
        cutoff_hz: Cutoff frequency of each block, Hz, ``(n, ceil(samples / BLOCK))``, limited to 0.49 · sample_rate.
        resonance: ``(n,)``, > 0: for low-pass and high-pass the linear gain at the cutoff; for band-pass, whose gain at
            the cutoff is 1, cutoff / bandwidth.
        response: ``low-pass``, ``band-pass`` or ``high-pass`` for each sound, ``(n,)``.
        sample_rate: Hz.

    Returns:
        Filtered sounds, ``(n, samples)``.

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
    steps = np.ascontiguousarray(
        padded.reshape(n, n_blocks, BLOCK).transpose(2, 0, 1)
    )  # (sample in the block, n, block)
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
    """Return band-pass and low-pass output of each sample, and the states at the ends of the blocks.

    ``first`` and ``second`` are the initial states of all blocks; without ``keep`` the outputs are empty.
    """
    band, low = (np.empty_like(steps) if keep else steps[:0] for _ in range(2))
    first, second = first.copy(), second.copy()
    # results are written into existing arrays, since allocation would take as long as the arithmetic
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
    """Return 2 × 2 matrices, ``(4, n, n_blocks)``, to the power ``exponent``, which is a power of two."""
    while exponent > 1:
        a, b, c, d = matrix
        matrix = np.stack([a * a + b * c, b * (a + d), c * (a + d), d * d + b * c])
        exponent //= 2
    return matrix


def _states_at_borders(transition: Array, first: Array, second: Array) -> tuple[Array, Array]:
    """Return the initial states of all blocks: a block maps a state s to ``transition · s + (first, second)``."""
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
