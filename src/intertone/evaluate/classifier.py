"""An own listener: a small network that names the pitch, the family and the velocity of a note.

It is trained on the training split only, so that the held-out notes and what a codec makes of them are equally new to
it. What it names wrong of the originals is its own fault; what it names wrong beyond that is the codec's.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from intertone.data.notes import Notes
from intertone.evaluate.draw import Rows
from intertone.evaluate.figure import Step, at_16_khz
from intertone.stft import SpectrogramConfig, magnitude_to_db, stft

HEADS = ("pitch", "family", "velocity")
N_PITCHES = 128
STFT = SpectrogramConfig(sample_rate=16000, n_fft=8192, hop_length=4096)
BANDS_PER_OCTAVE = 36
LOWEST_HZ, HIGHEST_HZ = 27.5, 7600.0
N_SEGMENTS = 8
RANGE_DB = 70.0
LEVEL_RANGE_DB = 100.0
LEVEL_WEIGHT = 10.0
BATCH = 64
TRAINED_AT_A_TIME = 128
MOST_TRANSPOSED = 2
"""Semitones that an image is moved up or down in training, so that a pitch is learnt from its neighbours too."""


@dataclass(frozen=True)
class Classifier:
    """A trained network and the names of its classes.

    Attributes:
        network: ``(n, n_inputs)``, from ``note_images``, → scores of all heads side by side.
        families: Names, in the order of the scores.
        velocities: The same.
        n_notes: Notes that it was trained on.
        n_pitches: Different pitches of these.
    """

    network: nn.Module
    families: tuple[str, ...]
    velocities: tuple[int, ...]
    n_notes: int
    n_pitches: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of classes of each head."""
        return N_PITCHES, len(self.families), len(self.velocities)

    @torch.inference_mode()
    def probabilities(self, audio: Tensor, sample_rate: int) -> dict[str, Tensor]:
        """Return how likely it finds each class.

        Args:
            audio: ``(n, samples)``, as long as the notes that it was trained on.
            sample_rate: Hz.

        Returns:
            Head → ``(n, n_classes)``, rows that add up to 1.
        """
        scores = self.network(note_images(audio, sample_rate)).split(self.sizes, 1)
        return {head: part.softmax(1) for head, part in zip(HEADS, scores, strict=True)}

    def labels(self, notes: Notes, rows: Rows) -> dict[str, Tensor]:
        """Return the right class of each note, −1 where it is unknown or no class.

        Args:
            notes: The note set.
            rows: ``(n,)``.

        Returns:
            Head → ``(n,)``.
        """
        return _labels(notes, rows, self.families, self.velocities)


def note_images(audio: Tensor, sample_rate: int) -> Tensor:
    """Return what the classifier sees of sounds: a log-frequency image of each, and its level.

    Bands of a third of a semitone, triangles on the power of a spectrogram with windows of half a second; the time in
    eight equal parts; dB below the image's own maximum, which is the last number, ten times as heavy, being one only.

    Args:
        audio: ``(n, samples)``.
        sample_rate: Hz.

    Returns:
        ``(n, n_bands · 8 + 1)``, the image band by band, 0…1, and the level, 0…10.

    Example:
        >>> images = note_images(torch.randn(2, 16000), 16000)[:, :-1].reshape(2, -1, 8)
        >>> images.shape[1] // BANDS_PER_OCTAVE, float(images.amax())
        (8, 1.0)
    """
    power = stft(at_16_khz(audio.cpu(), sample_rate), STFT).abs().square()
    parts = nn.functional.adaptive_avg_pool1d(_bank() @ power, N_SEGMENTS)
    peak = parts.amax((-2, -1)).sqrt().clamp_min(1e-10)
    image = 1 + magnitude_to_db(parts.sqrt(), peak[:, None, None], top_db=RANGE_DB) / RANGE_DB
    full_scale = STFT.n_fft / 4  # what a sine of amplitude 1 has
    level = LEVEL_WEIGHT * (1 + magnitude_to_db(peak[:, None], full_scale, top_db=LEVEL_RANGE_DB) / LEVEL_RANGE_DB)
    return torch.cat([image.flatten(1), level], 1)


def train_classifier(notes: Notes, rows: Rows, *, n_steps: int, seed: int, step: Step) -> Classifier:
    """Train on notes of the training split.

    Args:
        notes: The note set.
        rows: The notes.
        n_steps: Steps of training, 128 of the notes each, or all where there are fewer.
        seed: Of the first weights and the order; torch's global generator is left as it was.
        step: Called with the number of notes that were looked at; the training follows.

    Returns:
        The classifier, on the CPU.

    Source:
        After Engel et al. (2017), "Neural audio synthesis of musical notes with WaveNet autoencoders", where a network
        with a head for the pitch and one for the qualities of a note judges reconstructions. Images, layers and heads
        are our own; note sets tell no qualities.
    """
    families = tuple(sorted({str(name) for name in notes.family[rows]}))
    velocities = tuple(sorted({int(value) for value in notes.velocity[rows] if value >= 0}))
    labels = _labels(notes, rows, families, velocities)
    n_pitches = len(np.unique(notes.pitch[rows][notes.pitch[rows] >= 0]))
    images = []
    for start in range(0, len(rows), BATCH):
        images.append(note_images(notes.audio(rows[start : start + BATCH]), notes.sample_rate))
        step(len(images[-1]))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = _network(images[0].shape[1], N_PITCHES + len(families) + len(velocities))
        classifier = Classifier(network, families, velocities, len(rows), n_pitches)
        _train(classifier, torch.cat(images), labels, n_steps)
    return classifier


def _network(n_inputs: int, n_outputs: int) -> nn.Module:
    layers: list[nn.Module] = []
    for n_in, n_out in ((n_inputs, 512), (512, 256)):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(256, n_outputs))


def _train(classifier: Classifier, images: Tensor, labels: dict[str, Tensor], n_steps: int) -> None:
    """Train the network in place; the rate of learning rises and falls once."""
    network = classifier.network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=n_steps)
    for _, chosen in zip(range(n_steps), _batches(len(images)), strict=False):
        moved = int(torch.randint(-MOST_TRANSPOSED, MOST_TRANSPOSED + 1, ()))
        batch, pitch = _transpose(images[chosen], labels["pitch"][chosen], moved)
        wanted = {name: values[chosen] for name, values in labels.items()} | {"pitch": pitch}
        loss = torch.zeros(())
        for head, scores in zip(HEADS, network(batch).split(classifier.sizes, 1), strict=True):
            if (wanted[head] >= 0).any():
                loss = loss + nn.functional.cross_entropy(scores, wanted[head], ignore_index=-1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()


def _batches(n_images: int) -> Iterator[Tensor]:
    """Yield rows without end, in a new order after every pass."""
    while True:
        yield from torch.randperm(n_images).tensor_split(-(-n_images // TRAINED_AT_A_TIME))


def _transpose(images: Tensor, pitch: Tensor, semitones: int) -> tuple[Tensor, Tensor]:
    """Move the bands of images, and their pitches as far."""
    shift = semitones * BANDS_PER_OCTAVE // 12
    bands = images[:, :-1].unflatten(1, (-1, N_SEGMENTS))
    bands = nn.functional.pad(bands, (0, 0, shift, -shift)).flatten(1)
    moved = pitch + semitones
    return torch.cat([bands, images[:, -1:]], 1), torch.where((pitch >= 0) & (moved < N_PITCHES), moved, -1)


def _labels(notes: Notes, rows: Rows, families: Sequence[str], velocities: Sequence[int]) -> dict[str, Tensor]:
    family = {name: index for index, name in enumerate(families)}
    velocity = {value: index for index, value in enumerate(velocities)}
    return {
        "pitch": torch.tensor([int(value) for value in notes.pitch[rows]]),
        "family": torch.tensor([family.get(str(name), -1) for name in notes.family[rows]]),
        "velocity": torch.tensor([velocity.get(int(value), -1) for value in notes.velocity[rows]]),
    }


@cache
def _bank() -> Tensor:
    """Return triangles from one band's centre to the next ones', at least two bins wide, ``(n_bands, n_bins)``."""
    n_bands = 1 + math.floor(BANDS_PER_OCTAVE * math.log2(HIGHEST_HZ / LOWEST_HZ))
    centre = LOWEST_HZ * 2 ** (torch.arange(n_bands, dtype=torch.float64)[:, None] / BANDS_PER_OCTAVE)
    bin_width = STFT.sample_rate / STFT.n_fft
    hz = torch.arange(STFT.n_bins, dtype=torch.float64) * bin_width
    below = (centre * (1 - 2 ** (-1 / BANDS_PER_OCTAVE))).clamp_min(bin_width)
    above = (centre * (2 ** (1 / BANDS_PER_OCTAVE) - 1)).clamp_min(bin_width)
    slope = torch.where(hz < centre, (hz - centre) / below, (centre - hz) / above)
    return (1 + slope).clamp_min(0).float()
