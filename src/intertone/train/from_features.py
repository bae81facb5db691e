"""Training on prepared images: a model is shown a note and asked for it, or for another of the same instrument."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from intertone.data.features import Images
from intertone.errors import InputError
from intertone.losses import existing_rows, image_error
from intertone.models import ConditionedConfig
from intertone.models.contract import note_conditions
from intertone.pitch.note import hz_to_pitch
from intertone.representation.harmonic import HarmonicConfig, HarmonicRepresentation
from intertone.train.batch import FITTED, PAIRS, Judgement, Order, autocast, chosen_rows, read_ahead
from intertone.train.processes import Processes
from intertone.train.settings import PairConfig, TrainConfig

Rows = npt.NDArray[np.int64]

FITTED_NOTES = 2048
"""Notes whose principal components a linear part begins with."""

EPOCH_OF_JUDGEMENT = 2**32
"""Stands for the epoch where the pairs of the validation are drawn."""


@dataclass(frozen=True)
class Pairs:
    """Notes that a model is shown, and notes that it is asked for.

    Attributes:
        features: Of the notes that are shown, ``(notes, n_features, n_frames)``.
        conditions: Pitch and velocity of these, ``(notes, 2)``; NaN where the velocity is not told.
        wanted: Pitch and velocity of the notes that are asked for, ``(notes, 2)``.
        target: Their features.
        exists: Which of their rows count, ``(notes, n_features)``.
    """

    features: Tensor
    conditions: Tensor
    wanted: Tensor
    target: Tensor
    exists: Tensor


class PairMaterial:
    """Prepared images, and the loss of a conditioned model on pairs of them.

    Args:
        config: The settings.
        images: The prepared images.
        workers: The processes that share each step.

    Raises:
        InputError: If images and settings do not fit.
    """

    judgements = 2
    """Times that a validation note is judged."""

    def __init__(self, config: TrainConfig, images: Images, workers: Processes) -> None:
        self.config, self.images, self.workers = config, images, workers
        self.n_features = images.n_features
        if not isinstance(config.representation, HarmonicConfig):
            raise InputError(
                f"prepared images must be those of a harmonic representation, got {config.representation.kind}"
            )
        self.representation = HarmonicRepresentation(config.representation)
        if not isinstance(config.model, ConditionedConfig):
            raise InputError(f"prepared images must train a conditioned model, got model.kind={config.model.kind}")
        if images.representation != config.representation.model_dump(mode="json"):
            raise InputError(
                f"the images must have been made with the run's representation, got other settings in {images.folder}"
            )
        if config.slice_frames > images.n_frames:
            raise InputError(
                f"slice_frames must be in 0..{images.n_frames} with these images, got {config.slice_frames}"
            )
        keep = chosen_rows(config, images.pitch, images.instrument)
        train, valid = (np.flatnonzero(keep & (images.split == split)) for split in ("train", "valid"))
        self.order = Order(config, train, valid, workers)
        self.pitch = hz_to_pitch(images.f0)
        self._choices, self._names = {}, {}
        for split, rows in (("train", train), ("valid", valid)):
            self._names[split] = [str(name) for name in np.unique(images.instrument[rows])]
            for name in self._names[split]:
                self._choices[split, name] = rows[images.instrument[rows] == name]

    def batches(self, epoch: int, start: int = 0) -> Iterator[Pairs]:
        """Yield this process's share of each step: a pure function of seed, epoch and rank."""
        steps = self.order.steps(epoch)

        def read(step: int) -> Pairs:
            seed = [self.config.seed, PAIRS, epoch, step, self.workers.rank]
            return self.pairs(steps[step, self.workers.rank], np.random.default_rng(seed), self.config.pairs)

        return read_ahead(read, start, len(steps))

    def pairs(self, rows: npt.NDArray[np.int64], generator: np.random.Generator, config: PairConfig) -> Pairs:
        """Draw what is asked for when the notes ``rows`` are shown.

        A note whose velocity is not told is wanted as loud as the one that is shown: an unknown velocity means no
        change.
        """
        hidden = generator.random((len(rows), 2)) < config.hidden_velocity
        others = generator.random(len(rows)) < config.other_share
        places = generator.random(len(rows))
        wanted_rows = rows.copy()
        for index in np.flatnonzero(others):
            choices = self.choices(int(rows[index]), config.reach, same_velocity=bool(hidden[index, 1]))
            wanted_rows[index] = choices[int(places[index] * len(choices))]
        conditions, wanted = self._told(rows, hidden[:, 0]), self._told(wanted_rows, hidden[:, 1])
        f0 = torch.from_numpy(self.images.f0[wanted_rows])
        exists = existing_rows(
            self.representation.orders, f0, n_features=self.n_features, f_max=self.representation.config.f_max
        )
        features = self.images.features(rows)
        target = features.clone()
        if others.any():
            target[torch.from_numpy(others)] = self.images.features(wanted_rows[others])
        if config.mixed_share:
            self._mix(features, target, rows, wanted_rows, generator, config)
        return Pairs(features, conditions, wanted, target, exists)

    def _mix(
        self,
        features: Tensor,
        target: Tensor,
        rows: Rows,
        wanted: Rows,
        generator: np.random.Generator,
        config: PairConfig,
    ) -> None:
        """Put mixtures of two instruments in place of some notes: there are few instruments, and many between them.

        The second instrument, drawn from those of the split, plays, as nearly as it can, the same two notes; the first
        one itself may be drawn.
        """
        names = self._names[str(self.images.split[rows[0]])]
        mixed = generator.random(len(rows)) < config.mixed_share
        drawn, shares = generator.integers(len(names), size=len(rows)), generator.random(len(rows), np.float32)
        for index in np.flatnonzero(mixed):
            row, aim = int(rows[index]), int(wanted[index])
            found = [self._nearest(names[drawn[index]], note, config.mixed_reach) for note in (row, aim)]
            if -1 in found:
                continue
            share = float(shares[index])
            features[index] = torch.lerp(features[index], self.images.features([found[0]])[0], share)
            target[index] = (
                features[index] if row == aim else torch.lerp(target[index], self.images.features([found[1]])[0], share)
            )

    def _nearest(self, instrument: str, row: int, reach: float) -> int:
        """Return an instrument's note of the velocity of ``row`` and the nearest pitch, −1 if it is out of reach."""
        images = self.images
        rows = self._choices[str(images.split[row]), instrument]
        rows = rows[images.velocity[rows] == images.velocity[row]]
        away = np.abs(self.pitch[rows] - self.pitch[row])
        return int(rows[away.argmin()]) if len(rows) and away.min() <= reach else -1

    def choices(self, row: int, reach: int, *, same_velocity: bool) -> npt.NDArray[np.int64]:
        """Return the notes of the same instrument and split within ``reach`` semitones; at least ``row`` itself."""
        images = self.images
        rows = self._choices[str(images.split[row]), str(images.instrument[row])]
        keep = np.abs(self.pitch[rows] - self.pitch[row]) <= reach
        if same_velocity:
            keep &= images.velocity[rows] == images.velocity[row]
        return rows[keep]

    def loss(self, model: nn.Module, pairs: Pairs, step: int, precision: str) -> Tensor:
        """Return a step's loss."""
        device, length = self.workers.device, self.config.slice_frames
        features, target = pairs.features, pairs.target
        if length:
            starts = self.order.slice_starts(step, features.shape[-1])
            features, target = (
                torch.stack([image[:, start : start + length] for image, start in zip(batch, starts, strict=True)])
                for batch in (features, target)
            )
        with autocast(device, precision):
            estimate = model(
                features.to(device),
                note_conditions(pairs.conditions.to(device)),
                note_conditions(pairs.wanted.to(device)),
            )
        return image_error(estimate.float(), target.to(device), pairs.exists.to(device))

    def judge(self, model: nn.Module, precision: str) -> Judgement:
        """Return how well a model does on the validation notes: itself asked for, and another note of the instrument.

        The loss is the mean of the two; every velocity that is known is told.
        """
        device, totals, loudest = self.workers.device, {"self": 0.0, "other": 0.0}, 0.0
        for batch, rows in enumerate(self.order.judged()):
            for name, share in (("self", 0.0), ("other", 1.0)):
                config = PairConfig(other_share=share, reach=self.config.pairs.reach, hidden_velocity=0.0)
                generator = np.random.default_rng([self.config.seed, PAIRS, EPOCH_OF_JUDGEMENT, batch])
                pairs = self.pairs(rows, generator, config)
                with autocast(device, precision):
                    estimate = model(
                        pairs.features.to(device),
                        note_conditions(pairs.conditions.to(device)),
                        note_conditions(pairs.wanted.to(device)),
                    )
                error = image_error(estimate.float(), pairs.target.to(device), pairs.exists.to(device))
                totals[name] += float(error) * len(rows)
                loudest = max(loudest, float(estimate.max()))
        means = {name: total / len(self.order.valid_rows) for name, total in totals.items()}
        details = {f"{name}_db": mean * self.representation.scales[0].range_db for name, mean in means.items()}
        return Judgement(sum(means.values()) / len(means), loudest, details)

    def describe(self, loss: float) -> tuple[str, float, str]:
        """Return what a loss is in dB: its name in the log, the number, and what to call it."""
        return "error_db", loss * self.representation.scales[0].range_db, "mean error"

    def begin(self, model: nn.Module) -> None:
        """Set the linear part of a new model, if it has one, to the principal components of some notes."""
        linear = getattr(model, "linear", None)
        if linear is not None:
            drawn = np.random.default_rng([self.config.seed, FITTED]).permutation(self.order.train_rows)[:FITTED_NOTES]
            linear.fit(self.images.features(np.sort(drawn)).to(self.workers.device))

    def examples(self) -> Tensor:
        """Return the validation notes that are kept as sound, ``(notes, samples)``, for the ear."""
        return self.images.examples()

    def _told(self, rows: npt.NDArray[np.int64], hidden: npt.NDArray[np.bool_]) -> Tensor:
        """Return ``(rows, 2)``: pitch and velocity, NaN where that is hidden or unknown."""
        velocity = self.images.velocity[rows].astype(np.float64)
        velocity[hidden | (velocity < 0)] = np.nan
        return torch.from_numpy(np.stack([self.pitch[rows], velocity], 1)).float()
