"""How well the two networks that style transfer compares sounds with know held-out notes: the figures of their cards.

    python benchmarks/transfer_networks.py families wavenet NOTES

The recogniser: of which share of the notes it names the family and the key right, of each split and of the two held-out
ones together, beside the best constant guess there, and the mean of that share over the families or keys, of which a
constant guess knows one. The
WaveNet: how many bits it needs for a sample, given the samples before it and the code, beside the entropy of the
histogram of the 256 values in the same crops, which is the least that a constant distribution needs.
"""

import argparse
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.models.alexnet import CLASS, KEY, indices
from intertone.models.contract import Batch
from intertone.models.wavenet import LEVELS, classes
from intertone.recogniser import Recogniser

Rows = npt.NDArray[np.int64]

TITLES = {CLASS: "family", KEY: "key"}

BATCH = 16
HEARD = 40960
"""Samples from the key on that the recogniser is given: 257 frames, the picture of Verma and Smith."""

CROP, LATEST = 6144, 42000
"""Samples of a crop for the WaveNet, and the last one where it may begin: while the key is held."""


class Named(NamedTuple):
    """Shares of notes of which a fact is named right.

    Attributes:
        notes: How many have the fact.
        right: The share of them.
        constant: That of the most frequent value.
        balanced: Mean over the values of the share of each.
        values: How many there are.
    """

    notes: int
    right: float
    constant: float
    balanced: float
    values: int


def guesses(recogniser: Recogniser, notes: Notes, rows: Rows) -> dict[str, Rows]:
    """Return the index that is named for each note, by fact."""
    found = dict[str, list[int]]()
    for part in np.array_split(rows, -(-len(rows) // BATCH)):
        for fact, probabilities in recogniser.probabilities(notes.audio(part)[:, :HEARD]).items():
            found.setdefault(fact, []).extend(probabilities.argmax(1).tolist())
    return {fact: np.array(values) for fact, values in found.items()}


def named(guessed: Rows, truth: Rows) -> Named:
    """Return how many notes are named right, of those whose fact is known: −1 where it is not."""
    guessed, truth = guessed[truth >= 0], truth[truth >= 0]
    right = guessed == truth
    values, counts = np.unique(truth, return_counts=True)
    balanced = float(np.mean([right[truth == value].mean() for value in values]))
    return Named(len(right), float(right.mean()), float(counts.max() / len(right)), balanced, len(values))


@torch.inference_mode()
def bits(codec: Codec, notes: Notes, rows: Rows) -> tuple[float, float]:
    """Return the bits a sample of crops of some notes, and the entropy of their histogram."""
    starts = np.random.default_rng(0).integers(LATEST + 1, size=len(rows))
    counts, total = torch.zeros(LEVELS, dtype=torch.float64), 0.0
    for part, begin in zip(np.array_split(rows, len(rows)), starts, strict=True):
        features = codec.representation.features(notes.audio(part)[:, None, begin : begin + CROP])
        total += float(codec.model.loss(Batch(features, features))["cross_entropy"])
        counts += classes(features).flatten().bincount(minlength=LEVELS)
    shares = counts[counts > 0] / counts.sum()
    return total / len(rows), float(-(shares * shares.log2()).sum())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recogniser")
    parser.add_argument("wavenet")
    parser.add_argument("notes")
    parser.add_argument("--crops", type=int, default=200, help="held-out notes of which the WaveNet is given a crop")
    options = parser.parse_args()
    notes, recogniser = Notes.open(options.notes), Recogniser.load(options.recogniser)
    print("| split | fact | notes | values | named right | best constant guess | ratio | mean over values |")
    print("|---|---|---|---|---|---|---|---|")
    held_out = notes.select(split=("valid", "test"))
    seen = notes.select(split="train")
    seen = np.sort(np.random.default_rng(0).choice(seen, min(200, len(seen)), replace=False))
    rows = np.concatenate([seen, held_out])
    split, config = notes.split[rows], recogniser.config.model
    truth = {
        CLASS: indices(config.classes, notes.family[rows].tolist()).numpy(),
        KEY: indices(config.keys, notes.pitch[rows].tolist()).numpy(),
    }
    found = guesses(recogniser, notes, rows)
    for name, chosen in (
        ("training, drawn", split == "train"),
        ("validation", split == "valid"),
        ("test", split == "test"),
        ("validation and test", split != "train"),
    ):
        for fact, guessed in found.items():
            one = named(guessed[chosen], truth[fact][chosen])
            shares = f"{one.right:.1%} | {one.constant:.1%} | {one.right / one.constant:.2f} | {one.balanced:.1%}"
            print(f"| {name} | {TITLES[fact]} | {one.notes} | {one.values} | {shares} |")
    rows = np.sort(np.random.default_rng(1).choice(held_out, min(options.crops, len(held_out)), replace=False))
    needed, entropy = bits(Codec.load(options.wavenet), notes, rows)
    print(f"\nWaveNet: {needed:.2f} bits a sample, entropy of the histogram {entropy:.2f} ({len(rows)} crops)")


if __name__ == "__main__":
    main()
