"""Linear probes: linear classifiers that predict pitch, family or velocity from a latent code."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

PENALTIES = tuple(10.0**power for power in range(-4, 5))
"""Ridge penalties to choose from, as multiples of the number of notes."""


@dataclass(frozen=True)
class LinearProbe:
    """Linear classifier that predicts the class with the highest linear score.

    Attributes:
        classes: The classes, sorted, ``(n_classes,)``.
        centre: Mean of each feature, ``(n_features,)``.
        scale: Standard deviation of each feature, ``(n_features,)``.
        weights: Weights of the standardised features, ``(n_features, n_classes)``.
        offset: Offset of each class's score, ``(n_classes,)``.
        penalty: The ridge penalty that was selected.
    """

    classes: npt.NDArray[np.generic]
    centre: Array
    scale: Array
    weights: Array
    offset: Array
    penalty: float

    def predict(self, features: npt.ArrayLike) -> npt.NDArray[np.generic]:
        """Return the predicted class of each row of ``(n, n_features)``, ``(n,)``."""
        scores = (np.asarray(features, np.float64) - self.centre) / self.scale @ self.weights + self.offset
        return self.classes[scores.argmax(1)]


def fit_probe(features: npt.ArrayLike, labels: Sequence[int] | Sequence[str] | npt.NDArray[np.generic]) -> LinearProbe:
    """Return a linear classifier: a ridge regression of one-hot classes on standardised features.

    The penalty is the one of ``PENALTIES`` with the smallest leave-one-out squared error, which is computed in closed
    form from the singular values.

    Args:
        features: ``(n, n_features)``.
        labels: ``(n,)``, of at least two classes.

    Returns:
        The classifier.

    Raises:
        ValueError: If there are fewer than two classes.

    Source:
        Alain and Bengio (2017), "Understanding intermediate layers using linear classifier probes"; the leave-one-out
        error is Allen's (1974) PRESS.

    Example:
        >>> probe = fit_probe([[0.0, 1.0], [0.1, 5.0], [1.0, 2.0], [1.1, 4.0]], ["low", "low", "high", "high"])
        >>> probe.predict([[0.2, 3.0], [0.9, 3.0]]).tolist()
        ['low', 'high']
    """
    given = np.asarray(features, np.float64)
    classes, place = np.unique(np.asarray(labels), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"a probe needs at least two classes, got {len(classes)}")
    centre, scale = given.mean(0), given.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    left, values, right = np.linalg.svd((given - centre) / scale, full_matrices=False)
    targets = np.eye(len(classes))[place]
    offset = targets.mean(0)
    targets = targets - offset
    projected = left.T @ targets
    errors = []
    for penalty in PENALTIES:
        shrunk = values**2 / (values**2 + penalty * len(given))
        reach = np.minimum((left**2 * shrunk).sum(1) + 1 / len(given), 1 - 1e-9)
        residual = (targets - left @ (shrunk[:, None] * projected)) / (1 - reach)[:, None]
        errors.append(float((residual**2).mean()))
    penalty = PENALTIES[int(np.argmin(errors))]
    weights = right.T @ ((values / (values**2 + penalty * len(given)))[:, None] * projected)
    return LinearProbe(classes, centre, scale, weights, offset, penalty)


def accuracy(probe: LinearProbe, features: npt.ArrayLike, labels: npt.NDArray[np.generic]) -> float:
    """Return the share of the rows of ``(n, n_features)`` whose class is predicted correctly."""
    return float((probe.predict(features) == labels).mean())


def best_constant(labels: npt.NDArray[np.generic]) -> float:
    """Return the accuracy of always predicting the most frequent class of ``labels``.

    Example:
        >>> best_constant(np.array(["a", "b", "a", "c"]))
        0.5
    """
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))
