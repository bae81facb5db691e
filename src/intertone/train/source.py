"""Batches of whole notes, slices, crops and pairs, from any note data."""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.errors import InputError
from intertone.models.contract import Batch, Trainable
from intertone.representation import AnyRepresentation
from intertone.train.batch import CROPS, PAIRS, Order, TrainingStoppedError, read_ahead
from intertone.train.note_data import NoteData, Rows
from intertone.train.pairs import PairDrawer, Pairs
from intertone.train.processes import Processes
from intertone.train.settings import PairConfig, TrainConfig

VALIDATION, FITTING = 2**32, 2**32 + 1
"""Stand for the epoch where pairs and crops are drawn that no step sees."""


class NoteBatches:
    """Batches of notes, or of a part of each.

    A model that transposes is given pairs: see ``PairConfig``. Validation is on whole notes, also where training
    is on slices; where it is on crops, validation is on crops that are drawn once.

    Args:
        config: The settings.
        data: The notes.
        representation: What made the features, or makes them.
        model: What is trained.
        workers: The processes that share each step.

    Raises:
        InputError: If data and settings do not fit.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: NoteData,
        representation: AnyRepresentation,
        model: Trainable,
        workers: Processes,
    ) -> None:
        self.config, self.data, self.workers, self.rows = config, data, workers, representation.rows
        _check_length(config, model.n_frames, data.n_frames)
        self.order = Order(config, data, workers)
        self.steps_per_epoch = self.order.steps_per_epoch
        self.drawer = PairDrawer(data) if model.transposes else None
        self.groups = {"": 0.0} if self.drawer is None else {"self": 0.0, "other": 1.0}
        if not config.pairs.other_share:
            self.groups.pop("other", None)
        self.n_validation = len(self.order.validated()) * len(self.groups)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's share of each step: a pure function of seed, epoch and rank.

        Raises:
            TrainingStoppedError: If all whole notes of a step are silent.
        """
        steps = self.order.steps(epoch)
        rank, seed = self.workers.rank, self.config.seed

        def read(step: int) -> Batch:
            rows, number = steps[step, rank], epoch * self.steps_per_epoch + step
            generator = np.random.default_rng([seed, PAIRS, epoch, step, rank])
            pairs = None if self.drawer is None else self.drawer.draw(rows, generator, self.config.pairs)
            batch = self.batch(rows, pairs, self._starts(rows, number, rank))
            # a crop may lie behind the end of a short sound
            if not self.config.crop_samples and not bool(batch.features.any()):
                raise TrainingStoppedError(
                    "a batch of notes was silent; look at the note set with `intertone data info`"
                )
            return self._sliced(batch, number)

        return read_ahead(read, start, len(steps))

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield the validation notes; of pairs twice: ``self`` asks for the note itself, ``other`` for another one.

        Every velocity that is known is given. Where training asks for no other notes, validation does not either.
        """
        for number, rows in enumerate(self.order.validated()):
            starts = self._starts(rows, VALIDATION, number)
            if self.drawer is None:
                yield "", self.batch(rows, starts=starts)
                continue
            for name, share in self.groups.items():
                config = PairConfig(other_share=share, reach=self.config.pairs.reach, hidden_velocity=0.0)
                generator = np.random.default_rng([self.config.seed, PAIRS, VALIDATION, number])
                yield name, self.batch(rows, self.drawer.draw(rows, generator, config), starts)

    def fitting(self) -> Iterator[Batch]:
        """Yield the notes that a model may be fitted to in closed form, each asked for itself."""
        for number, rows in enumerate(self.order.fitted()):
            yield self.batch(rows, starts=self._starts(rows, FITTING, number))

    def examples(self) -> Tensor:
        """Return a few validation notes as they sound, ``(notes, samples)``."""
        return self.data.examples(self.order.valid_rows)

    def batch(self, rows: Rows, pairs: Pairs | None = None, starts: Rows | None = None) -> Batch:
        """Return a batch of notes.

        Args:
            rows: Of the notes that are given, ``(batch,)``.
            pairs: What is wanted; None: these notes themselves.
            starts: First sample of the crop of each; None: whole notes.
        """
        features, conditions = self.data.read(rows, starts)
        f0 = torch.from_numpy(self.data.f0[rows if pairs is None else pairs.wanted])
        weight = None if self.rows is None else self.rows.exist(f0)[..., None]
        if pairs is None:
            return Batch(features, features, conditions, conditions, weight)
        target, wanted = features.clone(), {name: value.clone() for name, value in conditions.items()}
        if pairs.others.any():
            others = torch.from_numpy(pairs.others)
            target[others], told = self.data.read(pairs.wanted[pairs.others], _of(starts, pairs.others))
            for name, value in told.items():
                wanted[name][others] = value
        if pairs.mixtures:
            self._mix(features, target, rows, pairs, starts)
        for side, hidden in zip((conditions, wanted), torch.from_numpy(pairs.hidden).T, strict=True):
            if "velocity" in side:
                side["velocity"][hidden] = torch.nan
        return Batch(features, target, conditions, wanted, weight)

    def _mix(self, features: Tensor, target: Tensor, rows: Rows, pairs: Pairs, starts: Rows | None) -> None:
        """Put mixtures in place of some notes."""
        places = np.array([each.index for each in pairs.mixtures])
        given, aims = (np.array([getattr(each, side) for each in pairs.mixtures]) for side in ("given", "wanted"))
        partners, _ = self.data.read(given, _of(starts, places))
        wanted, _ = self.data.read(aims, _of(starts, places))
        for each, partner, aim in zip(pairs.mixtures, partners, wanted, strict=True):
            index = each.index
            features[index] = torch.lerp(features[index], partner, each.share)
            same = rows[index] == pairs.wanted[index]
            target[index] = features[index] if same else torch.lerp(target[index], aim, each.share)

    def _starts(self, rows: Rows, *use: int) -> Rows | None:
        """Return where the crops of some notes begin, or None where notes are whole."""
        if not self.config.crop_samples:
            return None
        generator = np.random.default_rng([self.config.seed, CROPS, *use])
        starts: Rows = generator.integers(self.data.room + 1, size=len(rows))
        return starts

    def _sliced(self, batch: Batch, number: int) -> Batch:
        """Return a slice of each note, at the same place in what is given and what is wanted."""
        length, n_frames = self.config.slice_frames, batch.features.shape[-1]
        if not length:
            return batch
        starts = self.order.slice_starts(number, n_frames)

        def cut(value: Tensor) -> Tensor:
            if value.shape[-1] != n_frames:  # the same over the whole note
                return value
            return torch.stack([own[:, start : start + length] for own, start in zip(value, starts, strict=True)])

        conditions, wanted = (
            {name: cut(value) for name, value in side.items()} for side in (batch.conditions, batch.wanted)
        )
        return Batch(cut(batch.features), cut(batch.target), conditions, wanted, batch.weight)


def _of(starts: Rows | None, places: npt.NDArray[np.bool_ | np.int64]) -> Rows | None:
    return None if starts is None else starts[places]


def _check_length(config: TrainConfig, only: int | None, n_frames: int) -> None:
    """Refuse notes that are too short for slices, or of another length than the model's only one."""
    if only not in (None, n_frames):
        path = _path("n_frames", config.model.model_dump(), ("model",))
        hint = f"; --set {path}={n_frames}" if path else ""
        raise InputError(f"the model must have the notes' n_frames={n_frames}, got {only}{hint}")
    if config.frames_per_batch and only is not None:
        raise InputError(f"frames_per_batch must be 0 for a model of whole notes, got {config.frames_per_batch}")
    if config.slice_frames > n_frames or (config.slice_frames and only is not None):
        longest = n_frames if only is None else 0
        raise InputError(f"slice_frames must be in 0..{longest} with these notes, got {config.slice_frames}")


def _path(name: str, settings: Mapping[str, object], above: tuple[str, ...]) -> str:
    """Return where a setting lies in nested tables, such as ``model.bottleneck.n_frames``."""
    inner = [(key, value) for key, value in settings.items() if isinstance(value, Mapping)]
    found = [_path(name, value, (*above, key)) for key, value in inner]
    return ".".join((*above, name)) if name in settings else next(filter(None, found), "")
