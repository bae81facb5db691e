"""Training and validation batches of whole notes, slices, crops or pairs of notes."""

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
"""Numbers that replace the epoch in random seeds of validation and of the fit; no training epoch is as large."""


class NoteBatches:
    """Source of batches of whole notes, of slices, or of crops.

    A model that transposes receives pairs of input and target notes, see ``PairConfig``. If training uses slices,
    validation still uses whole notes; if training uses crops, validation uses one fixed random crop of each note.

    Args:
        config: The settings of the run.
        data: The notes.
        representation: The representation that the features are in.
        model: The model that is trained.
        workers: The processes that share each step.

    Raises:
        InputError: If the notes are too few, or their length does not fit the model or ``slice_frames``.
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
        """Yield this process's part of each step's batch, from step ``start`` of the epoch on.

        The batches depend on seed, epoch and rank only.

        Raises:
            TrainingStoppedError: If every note of a batch is silent; crops are not checked.
        """
        steps = self.order.steps(epoch)
        rank, seed = self.workers.rank, self.config.seed

        def read(step: int) -> Batch:
            rows, number = steps[step, rank], epoch * self.steps_per_epoch + step
            generator = np.random.default_rng([seed, PAIRS, epoch, step, rank])
            pairs = None if self.drawer is None else self.drawer.draw(rows, generator, self.config.pairs)
            batch = self.batch(rows, pairs, self._starts(rows, number, rank))
            # a crop may begin after the end of a short sound and then be silent
            if not self.config.crop_samples and not bool(batch.features.any()):
                raise TrainingStoppedError(
                    "a batch of notes was silent; look at the note set with `intertone data info`"
                )
            return self._sliced(batch, number)

        return read_ahead(read, start, len(steps))

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield ``(group, batch)`` for all validation notes.

        For a model that transposes, every note comes twice: in group ``self`` the target is the note itself, in group
        ``other`` another note of the instrument (left out if ``other_share`` is 0). No velocity is hidden. For other
        models the only group is the empty string.
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
        """Yield the training notes for a fit in closed form; the target of each note is the note itself."""
        for number, rows in enumerate(self.order.fitted()):
            yield self.batch(rows, starts=self._starts(rows, FITTING, number))

    def examples(self) -> Tensor:
        """Return the audio of a few validation notes, ``(notes, samples)``."""
        return self.data.examples(self.order.valid_rows)

    def batch(self, rows: Rows, pairs: Pairs | None = None, starts: Rows | None = None) -> Batch:
        """Return a batch of notes.

        Args:
            rows: Row numbers of the input notes, ``(batch,)``.
            pairs: The target of each note, hidden velocities and mixtures; None: the targets are the input notes.
            starts: First sample of each note's crop, ``(batch,)``; None: whole notes.
        """
        features, conditions = self.data.read(rows, starts)
        f0 = torch.from_numpy(self.data.f0[rows if pairs is None else pairs.wanted])
        weight = None if self.rows is None else self.rows.exist(f0)[..., None]
        if pairs is None:
            return Batch(features, features, conditions, conditions, weight)
        target, wanted = features.clone(), {name: value.clone() for name, value in conditions.items()}
        if pairs.others.any():
            others = torch.from_numpy(pairs.others)
            target[others], others_conditions = self.data.read(pairs.wanted[pairs.others], _of(starts, pairs.others))
            for name, value in others_conditions.items():
                wanted[name][others] = value
        if pairs.mixtures:
            self._mix(features, target, rows, pairs, starts)
        for side, hidden in zip((conditions, wanted), torch.from_numpy(pairs.hidden).T, strict=True):
            if "velocity" in side:
                side["velocity"][hidden] = torch.nan
        return Batch(features, target, conditions, wanted, weight)

    def _mix(self, features: Tensor, target: Tensor, rows: Rows, pairs: Pairs, starts: Rows | None) -> None:
        """Replace some input and target notes, in place, by mixtures with a note of a second instrument."""
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
        """Return a random first sample for the crop of each row, ``(batch,)``; None if notes are not cropped."""
        if not self.config.crop_samples:
            return None
        generator = np.random.default_rng([self.config.seed, CROPS, *use])
        starts: Rows = generator.integers(self.data.room + 1, size=len(rows))
        return starts

    def _sliced(self, batch: Batch, number: int) -> Batch:
        """Return a batch with one random slice of each note, at the same frames of input, target and conditions."""
        length, n_frames = self.config.slice_frames, batch.features.shape[-1]
        if not length:
            return batch
        starts = self.order.slice_starts(number, n_frames)

        def cut(value: Tensor) -> Tensor:
            if value.shape[-1] != n_frames:  # constant over the note
                return value
            return torch.stack([own[:, start : start + length] for own, start in zip(value, starts, strict=True)])

        conditions, wanted = (
            {name: cut(value) for name, value in side.items()} for side in (batch.conditions, batch.wanted)
        )
        return Batch(cut(batch.features), cut(batch.target), conditions, wanted, batch.weight)


def _of(starts: Rows | None, places: npt.NDArray[np.bool_ | np.int64]) -> Rows | None:
    return None if starts is None else starts[places]


def _check_length(config: TrainConfig, only: int | None, n_frames: int) -> None:
    """Refuse notes shorter than a slice, or, for a model of one fixed length (``only``), of another length."""
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
    """Return the dotted path of a setting in nested tables, ``model.bottleneck.n_frames``; empty if there is none."""
    inner = [(key, value) for key, value in settings.items() if isinstance(value, Mapping)]
    found = [_path(name, value, (*above, key)) for key, value in inner]
    return ".".join((*above, name)) if name in settings else next(filter(None, found), "")
