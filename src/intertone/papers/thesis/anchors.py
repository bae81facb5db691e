"""Reference figures for the experiments: baselines without a network, and the fully trained codec."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from intertone.codec import Codec, CodecConfig
from intertone.evaluate.baselines import rank_one
from intertone.evaluate.resynthesis import fit_baseline
from intertone.experiments.figures import NoteFigures, PairFigures, by_codec, evaluate_notes, evaluate_pairs
from intertone.experiments.store import Key, remembered
from intertone.models import ConvConfig
from intertone.papers.thesis.study import Thesis, chosen, train_config
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

MOST_BYTES = 2e9
"""Largest memory for the features that the linear code is fitted to, bytes."""

Image = Callable[[Tensor], Tensor]
"""Function of features that replaces the network."""


@dataclass(frozen=True)
class Evaluated:
    """Figures of each note, and of half-way morphs; ``morphs`` is None if they are not evaluated."""

    figures: NoteFigures
    morphs: PairFigures | None = None


@dataclass(frozen=True)
class Anchor(Evaluated):
    """Reference figures with a title for tables and pictures."""

    title: str = ""


def evaluate_anchors(laboratory: Thesis) -> dict[str, Anchor]:
    """Evaluate the shipped codec, a linear code (PCA) and rank-one features on the notes of the experiments.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name → figures; only the shipped codec has ``morphs``.
    """
    codec = Codec.load("thesis")
    scales = codec.representation.scales
    titles = {
        "shipped": "the shipped codec, fully trained",
        "pca": "PCA of whole notes",
        "rank-one": "the note's own mean spectrum × envelope",
    }
    images: dict[str, Callable[[], Image]] = {
        "pca": lambda: _linear(laboratory, codec),
        "rank-one": lambda: lambda features: rank_one(features, scales),
    }
    return {name: _evaluate(laboratory, name, codec, title, images.get(name)) for name, title in titles.items()}


def evaluate_representations(laboratory: Thesis) -> dict[str, Anchor]:
    """Measure the error of each representation without a network: sounds are synthesised from the analysed features.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name of the first experiment with the representation → figures.
    """
    found: dict[str, Anchor] = {}
    seen = []
    for experiment in chosen(laboratory.budget):
        representation = train_config(experiment, laboratory.budget).representation
        if representation in seen:
            continue
        seen.append(representation)
        # a codec needs a network, but this one is not used
        network = ConvConfig(channels=(1,), strides=((1, 1),))
        codec = Codec(CodecConfig(representation=representation, model=network))
        name = f"true-{experiment.name}"
        found[experiment.name] = _evaluate(laboratory, name, codec, experiment.title, lambda: lambda features: features)
    return found


def _evaluate(laboratory: Thesis, name: str, codec: Codec, title: str, image: Callable[[], Image] | None) -> Anchor:
    notes, budget = laboratory.notes, laboratory.budget

    def make() -> Evaluated:
        logger.info("evaluating %s", title)
        if image is None:
            morphs = evaluate_pairs(codec, notes, laboratory.pairs(), seed=budget.seed)
            return Evaluated(laboratory.evaluate(codec, notes), morphs)
        reconstruct = by_codec(codec, seed=budget.seed, image=image())
        return Evaluated(evaluate_notes(reconstruct, notes, laboratory.rows(notes), laboratory.tuned(notes)))

    key: Key = {
        "notes": notes.digest(),
        "judging": {**budget.evaluation()},
        "of": name,
        "codec": codec_digest(codec),
        **({"components": budget.n_components, "examples": budget.examples} if name == "pca" else {}),
    }
    found = remembered(laboratory.folder / "results" / f"{name}.json", key, Evaluated, make)
    return Anchor(found.figures, found.morphs, title)


def codec_digest(codec: Codec) -> str:
    """Return a digest of a codec's settings and of the sum of its absolute weights."""
    weights = sum(float(value.double().abs().sum()) for value in codec.model.state_dict().values())
    return f"{codec.config.digest()}-{weights:.6g}"


def _linear(laboratory: Thesis, codec: Codec) -> Image:
    """Return a linear code that is fitted to as many notes as a run has examples, limited by ``MOST_BYTES``."""
    budget, notes = laboratory.budget, laboratory.notes
    cells = codec.representation.n_features * codec.representation.n_frames(notes.samples)
    n_bytes = min(MOST_BYTES, 4.0 * cells * budget.examples)
    with torch.inference_mode():
        linear = fit_baseline(codec, notes, n_components=budget.n_components, n_bytes=n_bytes, seed=budget.seed)
    return linear.reconstruct
