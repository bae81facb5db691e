"""Pairs of input and target notes; the target is the input note or another note of the same instrument."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from intertone.train.note_data import NoteData, Rows
from intertone.train.settings import PairConfig


@dataclass(frozen=True)
class Mixture:
    """Mixture of a note of a batch with notes of a second instrument.

    Attributes:
        index: Index of the note in the batch.
        share: Share of the second instrument, 0…1.
        given: Row of the second instrument's note that is mixed with the input note.
        wanted: Row of the second instrument's note that is mixed with the target note.
    """

    index: int
    share: float
    given: int
    wanted: int


@dataclass(frozen=True)
class Pairs:
    """Random targets for a batch of input notes.

    Attributes:
        wanted: Rows of the target notes, ``(batch,)``.
        others: Whether the target was drawn among other notes, instead of the input note, ``(batch,)``.
        hidden: Whether the velocity of the input and that of the target are replaced by unknown, ``(batch, 2)``.
        mixtures: The notes of the batch that are mixed with a second instrument.
    """

    wanted: Rows
    others: npt.NDArray[np.bool_]
    hidden: npt.NDArray[np.bool_]
    mixtures: tuple[Mixture, ...] = ()


class PairDrawer:
    """Random generator of pairs; both notes of a pair are usable and share instrument and split.

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
        """Return random targets for the input notes ``rows``.

        If the target's velocity is hidden, the target has the velocity of the input: an unknown velocity means that
        the velocity does not change.
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
        """Return the rows of the same instrument and split within ``reach`` semitones of ``row``, which is included."""
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
        """Return random mixtures with a second instrument, which add timbres to a set of few instruments.

        The second instrument is drawn from those of the split and may be the first one again. Its notes are those
        nearest in pitch to input and target, at the same velocity; a note without such partners is not mixed.
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
        """Return the row of ``instrument`` with the velocity of ``row`` and the nearest pitch; −1: beyond ``reach``."""
        data = self.data
        rows = self._choices[str(data.split[row]), instrument]
        rows = rows[data.velocity[rows] == data.velocity[row]]
        away = np.abs(data.pitch[rows] - data.pitch[row])
        return int(rows[away.argmin()]) if len(rows) and away.min() <= reach else -1
