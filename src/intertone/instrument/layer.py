"""Layers of a key: files that share its keys, for velocities and for places between two sounds."""

from dataclasses import dataclass

LARGEST = 127
"""Largest velocity, and largest value of a controller."""


@dataclass(frozen=True)
class Layer:
    """Which of the files of a key one is.

    Attributes:
        velocity: Number of its range of velocities, 0 is the softest.
        n_velocities: How many ranges there are.
        step: Number of its place between the sounds, 0 is A.
        n_steps: How many places there are.

    Example:
        >>> Layer(1, 3, 4, 5).velocities, Layer(1, 3, 4, 5).fades, Layer(1, 3, 4, 5).suffix
        ((43, 85), (95, 127, None), '-v2-m5')
        >>> Layer().velocities, Layer().fades, Layer().suffix
        ((1, 127), (None, 0, None), '')
    """

    velocity: int = 0
    n_velocities: int = 1
    step: int = 0
    n_steps: int = 1

    @property
    def velocities(self) -> tuple[int, int]:
        """Lowest and highest velocity that play it."""
        edges = [round(LARGEST * edge / self.n_velocities) for edge in (self.velocity, self.velocity + 1)]
        return edges[0] + 1, edges[1]

    @property
    def ratio(self) -> float:
        """Mix between the sounds, 0 is A and 1 is B."""
        return self.step / max(1, self.n_steps - 1)

    @property
    def fades(self) -> tuple[int | None, int, int | None]:
        """Values of the controller at which its neighbour before, itself, and its neighbour after sound alone."""
        places = [
            round(LARGEST * step / max(1, self.n_steps - 1)) if 0 <= step < self.n_steps else None
            for step in (self.step - 1, self.step, self.step + 1)
        ]
        assert places[1] is not None
        return places[0], places[1], places[2]

    @property
    def suffix(self) -> str:
        """End of the name of its file: velocities and steps are counted from 1."""
        velocity = f"-v{self.velocity + 1}" if self.n_velocities > 1 else ""
        return velocity + (f"-m{self.step + 1}" if self.n_steps > 1 else "")


WHOLE = Layer()
"""The layer of a key that has only one."""


def layers_of(n_velocities: int, n_steps: int) -> list[Layer]:
    """Return all layers of a key, the softest first, and of each velocity those from A to B."""
    return [Layer(velocity, n_velocities, step, n_steps) for velocity in range(n_velocities) for step in range(n_steps)]
