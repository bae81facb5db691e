"""Layers of a key: its files for ranges of velocities, and for mixes between two sounds."""

from dataclasses import dataclass

LARGEST = 127
"""Largest MIDI velocity, and largest value of a MIDI controller."""


@dataclass(frozen=True)
class Layer:
    """Position of a file among the files of a key.

    Attributes:
        velocity: Index of its velocity range; 0 is the softest.
        n_velocities: Number of velocity ranges.
        step: Index of its mix between the sounds; 0 is sound A.
        n_steps: Number of mixes.

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
        """Lowest and highest velocity that play the file."""
        edges = [round(LARGEST * edge / self.n_velocities) for edge in (self.velocity, self.velocity + 1)]
        return edges[0] + 1, edges[1]

    @property
    def ratio(self) -> float:
        """Mix between the sounds: 0 is A and 1 is B."""
        return self.step / max(1, self.n_steps - 1)

    @property
    def fades(self) -> tuple[int | None, int, int | None]:
        """Values of the MIDI controller at which only the previous, this, and the next layer sounds; None: no layer."""
        places = [
            round(LARGEST * step / max(1, self.n_steps - 1)) if 0 <= step < self.n_steps else None
            for step in (self.step - 1, self.step, self.step + 1)
        ]
        assert places[1] is not None
        return places[0], places[1], places[2]

    @property
    def suffix(self) -> str:
        """End of the file name, in which velocities and steps are counted from 1."""
        velocity = f"-v{self.velocity + 1}" if self.n_velocities > 1 else ""
        return velocity + (f"-m{self.step + 1}" if self.n_steps > 1 else "")


WHOLE = Layer()
"""Layer of a key that has only one file."""


def layers_of(n_velocities: int, n_steps: int) -> list[Layer]:
    """Return all layers of a key, ordered by velocity range and then by mix, from A to B."""
    return [Layer(velocity, n_velocities, step, n_steps) for velocity in range(n_velocities) for step in range(n_steps)]
