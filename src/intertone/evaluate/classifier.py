"""A small classifier of the pitch, the instrument family and the velocity of a note.

It is trained on the training split only, so that held-out notes and their reconstructions are equally new to it. Its
error rate on the original held-out notes is the reference; additional errors on reconstructions are due to the codec.
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import Step, at_16_khz
from intertone.models import Batch, Trainable
from intertone.stft import SpectrogramConfig, magnitude_to_db, stft
from intertone.train import Processes, Progress, Record, Run, TrainConfig, train_model
from intertone.train.batch import BatchSource
from intertone.train.run import MeanLoss

HEADS = ("pitch", "family", "velocity")
N_PITCHES = 128
STFT = SpectrogramConfig(sample_rate=16000, n_fft=8192, hop_length=4096)
BANDS_PER_OCTAVE = 36
LOWEST_HZ, HIGHEST_HZ = 27.5, 7600.0
N_BANDS = 1 + math.floor(BANDS_PER_OCTAVE * math.log2(HIGHEST_HZ / LOWEST_HZ))
N_SEGMENTS = 8
RANGE_DB = 70.0
LEVEL_RANGE_DB = 100.0
LEVEL_WEIGHT = 10.0
BATCH = 64
TRAINED_AT_A_TIME = 128
MOST_TRANSPOSED = 2
"""Largest random transposition of a training batch, in semitones; it augments the examples of every pitch."""


class Classifier(Trainable):
    """Network with two hidden layers that classifies pitch, family and velocity of notes.

    Attributes:
        families: Names of the families, in the order of the scores.
        velocities: MIDI velocities, in the order of the scores.
        n_notes: Number of training notes.
        n_pitches: Number of distinct pitches among them.

    Args:
        notes: The note set.
        rows: Row numbers of the training notes, whose families and velocities are the classes.
    """

    def __init__(self, notes: Notes, rows: Rows) -> None:
        super().__init__()
        self.families = tuple(sorted({str(name) for name in notes.family[rows]}))
        self.velocities = tuple(sorted({int(value) for value in notes.velocity[rows] if value >= 0}))
        self.n_notes, self.n_pitches = len(rows), len(np.unique(notes.pitch[rows][notes.pitch[rows] >= 0]))
        layers: list[nn.Module] = []
        for n_in, n_out in ((N_BANDS * N_SEGMENTS + 1, 512), (512, 256)):
            layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(0.3)]
        self.layers = nn.Sequential(*layers, nn.Linear(256, sum(self.sizes)))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of classes of each head."""
        return N_PITCHES, len(self.families), len(self.velocities)

    def scores(self, images: Tensor) -> dict[str, Tensor]:
        """Return the logits of the classes.

        Args:
            images: Output of ``note_images``, ``(n, n_inputs)``.

        Returns:
            Head → logits, ``(n, n_classes)``.
        """
        return dict(zip(HEADS, self.layers(images).split(self.sizes, 1), strict=True))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy of each head that has a label in the batch; the batch is transposed at random."""
        semitones = int(torch.randint(-MOST_TRANSPOSED, MOST_TRANSPOSED + 1, (), generator=batch.generator))
        images, pitch = _transpose(batch.features[..., 0], batch.labels["pitch"], semitones)
        labels = {**batch.labels, "pitch": pitch}
        return {
            head: nn.functional.cross_entropy(scores, labels[head], ignore_index=-1)
            for head, scores in self.scores(images).items()
            if (labels[head] >= 0).any()
        }

    @torch.inference_mode()
    def probabilities(self, audio: Tensor, sample_rate: int) -> dict[str, Tensor]:
        """Return the probability of each class.

        Args:
            audio: ``(n, samples)``, as long as the training notes.
            sample_rate: Hz.

        Returns:
            Head → probabilities, ``(n, n_classes)``; each row has the sum 1.
        """
        return {head: scores.softmax(1) for head, scores in self.scores(note_images(audio, sample_rate)).items()}

    def labels(self, notes: Notes, rows: Rows) -> dict[str, Tensor]:
        """Return the true class of each note.

        Args:
            notes: The note set.
            rows: Row numbers of the notes, ``(n,)``.

        Returns:
            Head → index of the class, ``(n,)``; −1: unknown, or not among the classes.
        """
        family = {name: index for index, name in enumerate(self.families)}
        velocity = {value: index for index, value in enumerate(self.velocities)}
        return {
            "pitch": torch.tensor([int(value) for value in notes.pitch[rows]]),
            "family": torch.tensor([family.get(str(name), -1) for name in notes.family[rows]]),
            "velocity": torch.tensor([velocity.get(int(value), -1) for value in notes.velocity[rows]]),
        }


class LabelledImages(BatchSource):
    """Training batches of labelled notes, without validation batches.

    Args:
        images: Output of ``note_images``, ``(n, n_inputs)``.
        labels: Head → index of the class, ``(n,)``; −1: unknown.
        seed: Seed of the order of the notes.
    """

    def __init__(self, images: Tensor, labels: Mapping[str, Tensor], seed: int) -> None:
        self.images, self.labels, self.seed = images, labels, seed
        self.steps_per_epoch, self.n_validation = -(-len(images) // TRAINED_AT_A_TIME), 0

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield all notes, in another random order in each epoch."""
        order = torch.from_numpy(np.random.default_rng([self.seed, epoch]).permutation(len(self.images)))
        for chosen in order.tensor_split(self.steps_per_epoch)[start:]:
            images = self.images[chosen, :, None]
            yield Batch(images, images, labels={name: values[chosen] for name, values in self.labels.items()})


class SilentRecord(Record):
    """Record that writes and logs nothing, and sets the precision to ``float32`` so that no test measures it."""

    def restore(self, run: Run) -> Progress:
        """Return the progress of a new run in single precision."""
        return Progress(precision="float32")

    def log(self, progress: Progress, split: str, found: MeanLoss, run: Run) -> None:
        """Log nothing."""


def note_images(audio: Tensor, sample_rate: int) -> Tensor:
    """Return the input of the classifier: a log-frequency spectrogram of each sound, and its peak level.

    The power spectrogram (windows of 0.5 s) is averaged over triangular bands a third of a semitone apart and over
    eight equal parts of the time, and converted to dB below its maximum. That maximum, the peak level, is the last
    input; it is scaled by 10 because it is a single value beside many.

    Args:
        audio: ``(n, samples)``.
        sample_rate: Hz.

    Returns:
        ``(n, n_bands · 8 + 1)``: the spectrogram band by band, 0…1 for −70…0 dB, and the level, 0…10 for −100…0 dB.

    Example:
        >>> images = note_images(torch.randn(2, 16000), 16000)[:, :-1].reshape(2, -1, 8)
        >>> images.shape[1] // BANDS_PER_OCTAVE, float(images.amax())
        (8, 1.0)
    """
    power = stft(at_16_khz(audio.cpu(), sample_rate), STFT).abs().square()
    parts = nn.functional.adaptive_avg_pool1d(_bank() @ power, N_SEGMENTS)
    peak = parts.amax((-2, -1)).sqrt().clamp_min(1e-10)
    image = 1 + magnitude_to_db(parts.sqrt(), peak[:, None, None], top_db=RANGE_DB) / RANGE_DB
    full_scale = STFT.n_fft / 4  # magnitude of a sine of amplitude 1
    level = LEVEL_WEIGHT * (1 + magnitude_to_db(peak[:, None], full_scale, top_db=LEVEL_RANGE_DB) / LEVEL_RANGE_DB)
    return torch.cat([image.flatten(1), level], 1)


def train_classifier(notes: Notes, rows: Rows, *, n_steps: int, seed: int, step: Step) -> Classifier:
    """Train a classifier on notes of the training split.

    Args:
        notes: The note set.
        rows: Row numbers of the notes.
        n_steps: Number of training steps of 128 notes, or of all notes if there are fewer.
        seed: Seed of the initial weights and the order of the notes; torch's global generator keeps its state.
        step: Called with the number of notes of each batch whose inputs were computed, before the training begins.

    Returns:
        The classifier, on the CPU.

    Source:
        After Engel et al. (2017), "Neural audio synthesis of musical notes with WaveNet autoencoders", where a
        classifier with a head for the pitch and one for the qualities of a note evaluates reconstructions. Inputs,
        layers and heads are this project's; its note sets do not store qualities.
    """
    images = []
    for start in range(0, len(rows), BATCH):
        images.append(note_images(notes.audio(rows[start : start + BATCH]), notes.sample_rate))
        step(len(images[-1]))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        classifier = Classifier(notes, rows)
    config = TrainConfig(
        seed=seed,
        steps=n_steps,
        batch_size=TRAINED_AT_A_TIME,
        optimiser="adamw",
        weight_decay=1e-4,
        learning_rate=1e-3,
        schedule="cosine",
        warm_up_steps=n_steps * 3 // 10,
        stop_patience=n_steps,
    )
    source = LabelledImages(torch.cat(images), classifier.labels(notes, rows), seed)
    train_model(Run(config, classifier, source, Processes()), SilentRecord())
    return classifier.eval()


def _transpose(images: Tensor, pitch: Tensor, semitones: int) -> tuple[Tensor, Tensor]:
    """Return inputs and pitches transposed by some semitones; a pitch beyond the MIDI range becomes −1 (unknown)."""
    shift = semitones * BANDS_PER_OCTAVE // 12
    bands = images[:, :-1].unflatten(1, (-1, N_SEGMENTS))
    bands = nn.functional.pad(bands, (0, 0, shift, -shift)).flatten(1)
    moved = pitch + semitones
    return torch.cat([bands, images[:, -1:]], 1), torch.where((pitch >= 0) & (moved < N_PITCHES), moved, -1)


@cache
def _bank() -> Tensor:
    """Return triangular weights that reach to the next bands' centres, at least one bin, ``(n_bands, n_bins)``."""
    centre = LOWEST_HZ * 2 ** (torch.arange(N_BANDS, dtype=torch.float64)[:, None] / BANDS_PER_OCTAVE)
    bin_width = STFT.sample_rate / STFT.n_fft
    hz = torch.arange(STFT.n_bins, dtype=torch.float64) * bin_width
    below = (centre * (1 - 2 ** (-1 / BANDS_PER_OCTAVE))).clamp_min(bin_width)
    above = (centre * (2 ** (1 / BANDS_PER_OCTAVE) - 1)).clamp_min(bin_width)
    slope = torch.where(hz < centre, (hz - centre) / below, (centre - hz) / above)
    return (1 + slope).clamp_min(0).float()
