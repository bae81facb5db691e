"""Phase gradient heap integration (PGHI) of a whole sound, along a maximum spanning forest."""

import math

import numpy as np

from intertone.phase.gradient import phase_gradient
from intertone.stft import SpectrogramConfig

TOLERANCE = 1e-7
"""Magnitude relative to the maximum below which a cell gets the fallback phase instead of an integrated one."""


def integrate_phase(
    magnitude: np.ndarray,
    config: SpectrogramConfig,
    *,
    fallback: np.ndarray,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Return a phase by integrating the phase gradient of ``magnitude`` along its ridges (PGHI).

    The original algorithm visits the loudest reachable cell next, by means of a heap. Its paths are close to a maximum
    spanning forest of the grid in which the weight of an edge is the sum of the magnitudes at its ends. Here this
    forest is computed directly, and the gradient is summed along its trees, each from a local maximum.

    Args:
        magnitude: ``(n_frames, n_bins)``, >= 0.
        config: The analysis settings that made it.
        fallback: Phase of cells below the tolerance, radians, of the shape of ``magnitude``.
        known: Given phase of the first frames, radians, ``(n_known, n_bins)``, from which the integration begins; None:
            no phase is given.

    Returns:
        Phase of the transform, radians, of the shape of ``magnitude``.

    Source:
        Průša, Balazs and Søndergaard (2017), algorithm 1, reformulated with a spanning forest.

    Example:
        >>> config = SpectrogramConfig(n_fft=16, hop_length=4)
        >>> integrate_phase(np.ones((3, 9)), config, fallback=np.zeros((3, 9))).shape
        (3, 9)
    """
    n_frames, n_bins = magnitude.shape
    cells = n_frames * n_bins
    peak = float(magnitude.max())
    if peak <= 0:
        return fallback.astype(np.float32)
    over_time, over_frequency = phase_gradient(magnitude, config)
    parents = _spanning_forest(magnitude, 0 if known is None else len(known), TOLERANCE * peak)
    index = np.arange(cells)
    inside = (parents >= 0) & (parents < cells)
    step = parents[inside] - index[inside]
    # trapezoidal rule: the mean of the gradients at parent and child
    gradient = np.where(np.abs(step) == 1, over_frequency.ravel()[inside], over_time.ravel()[inside])
    ends = parents[inside]
    gradient = gradient + np.where(np.abs(step) == 1, over_frequency.ravel()[ends], over_time.ravel()[ends])
    phase = np.zeros(cells + 1)
    phase[:cells][inside] = -0.5 * np.sign(step) * gradient
    half_turns = np.tile(math.pi * (np.arange(n_bins) % 2), n_frames)
    if known is not None:
        phase[: known.size] = known.ravel() - half_turns[: known.size]
    jump = np.append(np.where(inside, parents, cells), cells)
    while (jump < cells).any():
        phase += phase[jump]
        jump = jump[jump]
    phase = phase[:cells] + half_turns
    phase = np.where(parents >= 0, phase, fallback.ravel())
    return phase.reshape(n_frames, n_bins).astype(np.float32)


def _spanning_forest(magnitude: np.ndarray, n_known: int, threshold: float) -> np.ndarray:
    """Return the index of each cell's parent; ``cells`` for a root, -1 where the magnitude is below ``threshold``."""
    n_frames, n_bins = magnitude.shape
    cells = magnitude.size
    flat = magnitude.ravel()
    loud = magnitude > threshold
    index = np.arange(cells).reshape(n_frames, n_bins)
    starts, ends = [], []
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        both = loud[first] & loud[second]
        starts.append(index[first][both])
        ends.append(index[second][both])
    start, end = np.concatenate(starts), np.concatenate(ends)
    # csgraph finds the minimum forest and takes weight 0 for "no edge", so loud edges get small positive weights
    peak = float(flat.max())
    weight = 2 - (flat[start] + flat[end]) / (2 * peak)
    roots = np.flatnonzero(_local_maxima(magnitude, loud))
    root_weight = 4 - flat[roots] / peak
    if n_known:
        first_known = index[:n_known][loud[:n_known]]
        keep = roots >= n_known * n_bins
        roots = np.concatenate([first_known, roots[keep]])
        root_weight = np.concatenate([np.full(len(first_known), 0.5), root_weight[keep]])
    start = np.concatenate([start, np.full(len(roots), cells)])
    end = np.concatenate([end, roots])
    weight = np.concatenate([weight, root_weight])
    from scipy import sparse  # a slow import, which harmonic codecs do not need
    from scipy.sparse import csgraph

    graph = sparse.csr_array((weight, (start, end)), shape=(cells + 1, cells + 1))
    tree = csgraph.minimum_spanning_tree(graph)
    _, parents = csgraph.breadth_first_order(tree, cells, directed=False)
    parents = parents[:cells].astype(np.int64)
    return np.where(parents < 0, -1, parents)


def _local_maxima(magnitude: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Return a mask of the loud cells that are at least as large as their four neighbours; each region has one."""
    padded = np.pad(magnitude, 1, constant_values=-1)
    centre = padded[1:-1, 1:-1]
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    return loud & np.logical_and.reduce([centre >= neighbour for neighbour in neighbours])
