"""Pairs of notes: a model is given one note and asked for it, or for another one of the same instrument."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intertone.train.note_data import NoteData, Rows
from intertone.train.settings import PairConfig


@dataclass(frozen=True)
class Mixture:
    """A note of a batch that is mixed with one of a second instrument.

    Attributes:
        index: Its place in the batch.
        share: Of the second instrument, 0…1.
        given: The second instrument's note beside the one that is given.
        wanted: The same beside the one that is wanted.
    """

    index: int
    share: float
    given: int
    wanted: int


@dataclass(frozen=True)
class Pairs:
    """Draw of a batch of notes.

    Attributes:
        wanted: Rows of the notes that are wanted, ``(batch,)``.
        others: Whether that was drawn, rather than the note itself, ``(batch,)``.
        hidden: Whether the velocity of the given note is hidden, and that of the wanted one, ``(batch, 2)``.
        mixtures: Of some notes.
    """

    wanted: Rows
    others: npt.NDArray[np.bool_]
    hidden: npt.NDArray[np.bool_]
    mixtures: tuple[Mixture, ...] = ()


class PairDrawer:
    """Draws pairs of usable notes of one instrument and split.

    Args:
        data: The notes.
    """

    def __init__(self, data: NoteData) -> None:
        self.data = data
        self._choices: dict[tuple[str, str], Rows] = {}
        self._names: dict[str, list[str]] = {}
        for split in ("train", "valid"):
            own = np.flatnonzero(data.usable & (data.split == split))
            self._names[split] = [str(name) for name in np.unique(data.instrument[own])]
            for name in self._names[split]:
                self._choices[split, name] = own[data.instrument[own] == name]

    def draw(self, rows: Rows, generator: np.random.Generator, config: PairConfig) -> Pairs:
        """Draw what is wanted when the notes ``rows`` are given.

        A note whose velocity is hidden is wanted as loud as the one that is given: an unknown velocity means no change.
        """
        hidden = generator.random((len(rows), 2)) < config.hidden_velocity
        others = generator.random(len(rows)) < config.other_share
        places = generator.random(len(rows))
        wanted = rows.copy()
        for index in np.flatnonzero(others):
            choices = self.choices(int(rows[index]), config.reach, same_velocity=bool(hidden[index, 1]))
            wanted[index] = choices[int(places[index] * len(choices))]
        mixtures = self._mixtures(rows, wanted, generator, config) if config.mixed_share else ()
        return Pairs(wanted, others, hidden, mixtures)

    def choices(self, row: int, reach: int, *, same_velocity: bool) -> Rows:
        """Return the notes of the same instrument and split within ``reach`` semitones; at least ``row`` itself."""
        data = self.data
        rows = self._choices[str(data.split[row]), str(data.instrument[row])]
        keep = np.abs(data.pitch[rows] - data.pitch[row]) <= reach
        if same_velocity:
            keep &= data.velocity[rows] == data.velocity[row]
        found: Rows = rows[keep | (rows == row)]
        return found

    def _mixtures(
        self, rows: Rows, wanted: Rows, generator: np.random.Generator, config: PairConfig
    ) -> tuple[Mixture, ...]:
        """Draw mixtures of two instruments: there are few instruments, and many between them.

        The second instrument, drawn from those of the split, plays, as nearly as it can, the same two notes; the first
        one itself may be drawn.
        """
        names = self._names[str(self.data.split[rows[0]])]
        mixed = generator.random(len(rows)) < config.mixed_share
        drawn, shares = generator.integers(len(names), size=len(rows)), generator.random(len(rows), np.float32)
        mixtures = []
        for index in np.flatnonzero(mixed):
            pair = (int(rows[index]), int(wanted[index]))
            given, aim = (self._nearest(names[drawn[index]], row, config.mixed_reach) for row in pair)
            if -1 not in (given, aim):
                mixtures.append(Mixture(int(index), float(shares[index]), given, aim))
        return tuple(mixtures)

    def _nearest(self, instrument: str, row: int, reach: float) -> int:
        """Return an instrument's note of the velocity of ``row`` and the nearest pitch, −1 if it is out of reach."""
        data = self.data
        rows = self._choices[str(data.split[row]), instrument]
        rows = rows[data.velocity[rows] == data.velocity[row]]
        away = np.abs(data.pitch[rows] - data.pitch[row])
        return int(rows[away.argmin()]) if len(rows) and away.min() <= reach else -1
