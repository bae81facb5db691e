"""The networks of Colonel and Keene (2020), manne, their corpora, and the budgets."""

import copy
from collections.abc import Callable, Mapping

import numpy as np

from intertone.data.notes import Notes
from intertone.data.split import split_groups
from intertone.errors import InputError
from intertone.experiments.experiment import Experiment
from intertone.experiments.frame_study import Network, check_rate, frame_config
from intertone.models.dense import DenseConfig
from intertone.papers.colonel2018.study import STFT, Budget, hidden
from intertone.representation.frames import FramesConfig
from intertone.train import TrainConfig

ENCODER = (1024, 512, 256, 128, 64, 32, 16)
"""Widths of the encoder's hidden layers; the decoder has the same widths in reverse order."""

CORPORA: Mapping[str, tuple[str, int, int]] = {
    "one octave": ("synth-lead", 60, 71),
    "five octaves": ("synth-lead", 36, 95),
    "violin": ("violin", 0, 127),
    "guitar": ("guitar", 0, 127),
}
"""Name of a corpus → suffix of the instruments' names, or name of the family; lowest and highest MIDI number."""


def _network(
    corpus: str, size: int, title: str, *changes: str, all_seeds: bool = True, table: str = ""
) -> tuple[Network, ...]:
    widths = f"model.widths={[*ENCODER, size]}"
    table = table or f"{size} numbers"
    return (Network(table, f"{size}, {title}", (widths, *changes), corpus, all_seeds),)


SIGMOID, LEAKY = "model.code_activation=sigmoid", "model.code_activation=leaky-relu"
CHROMA, SKIP = "model.chroma=input", "model.chroma=skip"
FOUR = (
    ("sigmoid", (SIGMOID, CHROMA)),
    ("sigmoid, skip", (SIGMOID, SKIP)),
    ("leaky ReLU", (LEAKY, CHROMA)),
    ("leaky ReLU, skip", (LEAKY, SKIP)),
)
"""Activation of the code, and whether the decoder is conditioned on the chroma (skip); the input always includes it."""

EIGHT = (
    *_network("five octaves", 8, "chroma", SIGMOID, CHROMA),
    *_network("five octaves", 8, "frame alone", SIGMOID),
    *_network("five octaves", 8, "first difference", SIGMOID, "model.augmentation=first-difference"),
)
"""Networks with a code size of eight and three different inputs, the one with chroma first."""

SMALL: Mapping[tuple[str, int], tuple[Network, ...]] = {
    (corpus, size): tuple(network for title, changes in FOUR for network in _network(corpus, size, title, *changes))
    for corpus in ("one octave", "violin")
    for size in (2, 3)
}
"""Corpus and code size (2 or 3) → the four networks of ``FOUR``."""

VARIATIONAL = _network(
    "one octave", 3, "variational", SIGMOID, SKIP, "model.variational=true", "weight_decay=0", all_seeds=False
)
GUITAR = _network("guitar", 8, "chroma", SIGMOID, CHROMA, all_seeds=False)

INTERPOLATION = (
    Network(
        "timbre-interp",
        "10, frame alone",
        ("model.widths=[256,128,64,32,16,10]", SIGMOID, "learning_rate=1e-4"),
        "five octaves",
        all_seeds=False,
    ),
)
"""The network of the authors' later work timbre-interp, which interpolates codes."""

NETWORKS = (*EIGHT, *(network for four in SMALL.values() for network in four), *VARIATIONAL, *GUITAR, *INTERPOLATION)


BUDGETS = {
    "smoke": Budget(epochs=1, seeds=1, narrower=4, names=("10, frame alone", "2, sigmoid, skip"), training_notes=16),
    "cpu": Budget(epochs=12, narrower=4),
    "longer": Budget(
        epochs=48,
        seeds=1,
        narrower=4,
        names=("2, sigmoid", "2, sigmoid, skip", "2, leaky ReLU", "3, sigmoid, skip", "3, leaky ReLU"),
    ),
    "gpu": Budget(),
}


def corpus_of(name: str) -> Callable[[Notes], Notes]:
    """Return a function that selects the notes of a corpus from a note set, and splits them note by note.

    The returned function raises ``InputError`` if the note set has fewer than three notes of the corpus.
    """
    ending, lowest, highest = CORPORA[name]

    def take(notes: Notes) -> Notes:
        named = np.char.endswith(notes.instrument, ending) | (notes.family == ending)
        own = np.flatnonzero(named & (notes.pitch >= lowest) & (notes.pitch <= highest))
        if len(own) < 3:
            raise InputError(
                f"the note set must hold at least three notes of the corpus {name}, got {len(own)}; "
                "intertone data render --sample-rate 44100 --programs 24,40,80-83 --velocities 100 makes such"
            )
        splits = split_groups({str(notes.name[row]): 1 for row in own})
        part = copy.copy(notes)
        part.split = np.full(len(notes), "none", dtype="<U5")
        part.split[own] = [splits[str(notes.name[row])] for row in own]
        return part

    return take


PARTS = {name: corpus_of(name) for name in CORPORA}
"""Name of a corpus → function that selects its notes from a note set."""


def train_config(experiment: Experiment, budget: Budget) -> TrainConfig:
    """Return the settings of a run: leaky ReLU, biases, ReLU at the output, squared error, Adam, batches of 200 frames.

    Example:
        >>> config = train_config(Experiment("a", "8", "a", ("model.widths=[1024,16,3]",)), BUDGETS["gpu"])
        >>> config.model.widths, config.learning_rate, config.model.bias
        ((1024, 16, 3), 0.0005, True)
    """
    paper = TrainConfig(
        representation=FramesConfig(spectrogram=STFT),
        model=DenseConfig(activation="leaky-relu", output_activation="relu", bias=True),
        frames_per_batch=200,
        optimiser="adam",
        learning_rate=5e-4,
        weight_decay=1e-7,
    )
    config = frame_config(paper, experiment, budget)
    content = config.model_dump(mode="json")
    *inner, code = content["model"]["widths"]
    content["model"]["widths"] = [*hidden(tuple(inner), budget.narrower), code]
    return TrainConfig.parse(content)


def check_notes(notes: Notes) -> None:
    """Refuse notes that are not at the sample rate of the paper.

    Raises:
        InputError: If the sample rate is not 44,100 Hz.
    """
    check_rate(notes, STFT.sample_rate, "intertone data render --sample-rate 44100")
