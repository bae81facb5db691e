"""How well the two networks that style transfer compares sounds with know held-out notes: the figures of their cards.

    python benchmarks/transfer_networks.py families wavenet NOTES

The recogniser: which share of the notes it names right, of each split and of the two held-out ones together, beside the
best constant guess there, and the mean of that share over the families, of which a constant guess knows one. The
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
from intertone.models.contract import Batch
from intertone.models.wavenet import LEVELS, classes
from intertone.recogniser import Recogniser

BATCH = 16
HEARD = 40960
"""Samples from the key on that the recogniser is given: 257 frames, the picture of Verma and Smith."""

CROP, LATEST = 6144, 42000
"""Samples of a crop for the WaveNet, and the last one where it may begin: while the key is held."""


class Named(NamedTuple):
    """Shares of notes named right.

    Attributes:
        notes: How many there are.
        right: The share of them.
        constant: That of the most frequent family.
        balanced: Mean over the families of the share of each.
        families: How many there are.
    """

    notes: int
    right: float
    constant: float
    balanced: float
    families: int


def named(recogniser: Recogniser, notes: Notes, rows: npt.NDArray[np.int64]) -> Named:
    """Return how many of some notes are named right."""
    found = []
    for part in np.array_split(rows, -(-len(rows) // BATCH)):
        found += recogniser.probabilities(notes.audio(part)[:, :HEARD]).argmax(1).tolist()
    right = np.array([recogniser.classes[index] for index in found]) == notes.family[rows]
    families, counts = np.unique(notes.family[rows], return_counts=True)
    balanced = float(np.mean([right[notes.family[rows] == family].mean() for family in families]))
    return Named(len(rows), float(right.mean()), float(counts.max() / len(rows)), balanced, len(families))


@torch.inference_mode()
def bits(codec: Codec, notes: Notes, rows: npt.NDArray[np.int64]) -> tuple[float, float]:
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
    print("| split | notes | families | named right | best constant guess | ratio | mean over families |")
    print("|---|---|---|---|---|---|---|")
    held_out = notes.select(split=("valid", "test"))
    seen = notes.select(split="train")
    seen = np.random.default_rng(0).choice(seen, min(400, len(seen)), replace=False)
    for name, rows in (
        ("training, drawn", seen),
        ("validation", notes.select(split="valid")),
        ("test", notes.select(split="test")),
        ("validation and test", held_out),
    ):
        found = named(recogniser, notes, rows)
        ratio = found.right / found.constant
        shares = f"{found.right:.1%} | {found.constant:.1%} | {ratio:.2f} | {found.balanced:.1%}"
        print(f"| {name} | {found.notes} | {found.families} | {shares} |")
    rows = np.sort(np.random.default_rng(1).choice(held_out, min(options.crops, len(held_out)), replace=False))
    needed, entropy = bits(Codec.load(options.wavenet), notes, rows)
    print(f"\nWaveNet: {needed:.2f} bits a sample, entropy of the histogram {entropy:.2f} ({len(rows)} crops)")


if __name__ == "__main__":
    main()
