"""What the figures of the experiments are held against: no network at all, and the fully trained one."""

from collections.abc import Callable

import torch
from torch import Tensor

from intertone.codec import Codec, CodecConfig
from intertone.evaluate.baselines import rank_one
from intertone.evaluate.resynthesis import fit_baseline
from intertone.experiments.figures import by_codec, judge_notes, judge_pairs
from intertone.experiments.store import Result, remembered
from intertone.models import ConvConfig
from intertone.papers.thesis.experiment import Laboratory
from intertone.papers.thesis.study import chosen, train_config
from intertone.remark import RemarkLogger

logger = RemarkLogger(__name__)

MOST_BYTES = 2e9
"""Memory for the images that the linear code is fitted to."""


def judge_anchors(laboratory: Laboratory) -> dict[str, Result]:
    """Judge the shipped codec, a linear code and a rank-one image on the notes of the experiments.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name → ``title``, ``figures`` of each note, and ``morphs`` of the shipped codec.
    """
    codec = Codec.load("thesis")
    scales = codec.representation.scales
    return {
        "shipped": _judge(laboratory, "shipped", codec, "the shipped codec, fully trained", None),
        "pca": _judge(laboratory, "pca", codec, "PCA of whole notes", lambda: _linear(laboratory, codec)),
        "rank-one": _judge(
            laboratory,
            "rank-one",
            codec,
            "the note's own mean spectrum × envelope",
            lambda: lambda features: rank_one(features, scales),
        ),
    }


def judge_representations(laboratory: Laboratory) -> dict[str, Result]:
    """Judge what each representation alone costs: true features, and the way back.

    Args:
        laboratory: Notes, folder and budget.

    Returns:
        Name of the first experiment that has the representation → ``title``, ``figures`` of each note.
    """
    found: dict[str, Result] = {}
    seen = []
    for experiment in chosen(laboratory.budget):
        representation = train_config(experiment, laboratory.budget).representation
        if representation in seen:
            continue
        seen.append(representation)
        # the network is not used, so any will do
        network = ConvConfig(channels=(1,), strides=((1, 1),))
        codec = Codec(CodecConfig(representation=representation, model=network))
        name = f"true-{experiment.name}"
        found[experiment.name] = _judge(laboratory, name, codec, experiment.title, lambda: lambda features: features)
    return found


def _judge(
    laboratory: Laboratory, name: str, codec: Codec, title: str, image: Callable[[], Callable[[Tensor], Tensor]] | None
) -> Result:
    notes, seed = laboratory.notes, laboratory.budget.seed
    rows = laboratory.rows(notes)

    def make() -> Result:
        logger.info("judging %s", title)
        if image is None:
            figures = judge_notes(by_codec(codec, seed=seed), notes, rows, laboratory.tuned(notes))
            return {"figures": figures, "morphs": judge_pairs(codec, notes, laboratory.pairs(), seed=seed)}
        give_back = by_codec(codec, seed=seed, image=image())
        return {"figures": judge_notes(give_back, notes, rows, laboratory.tuned(notes))}

    key: Result = {"notes": notes.digest(), "judging": laboratory.judging(), "of": name, "codec": codec_digest(codec)}
    if name == "pca":
        key |= {"components": laboratory.budget.n_components, "examples": laboratory.budget.examples}
    return {"title": title, **remembered(laboratory.folder / "results" / f"{name}.json", key, make)}


def codec_digest(codec: Codec) -> str:
    """Return a short text that is equal for codecs of equal settings and weights."""
    weights = sum(float(value.double().abs().sum()) for value in codec.model.state_dict().values())
    return f"{codec.config.digest()}-{weights:.6g}"


def _linear(laboratory: Laboratory, codec: Codec) -> Callable[[Tensor], Tensor]:
    """Fit a linear code to as many notes as a run has examples, if they fit into the memory for it."""
    budget, notes = laboratory.budget, laboratory.notes
    cells = codec.representation.n_features * codec.representation.n_frames(notes.samples)
    n_bytes = min(MOST_BYTES, 4.0 * cells * budget.examples)
    with torch.inference_mode():
        linear = fit_baseline(codec, notes, n_components=budget.n_components, n_bytes=n_bytes, seed=budget.seed)
    return linear.reconstruct
