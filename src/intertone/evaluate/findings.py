"""What an evaluation says, in sentences: good and bad alike, all from its numbers."""

from collections.abc import Mapping
from typing import Any

from intertone.evaluate.classifier import HEADS
from intertone.evaluate.harmonic_report import harmonic_findings
from intertone.evaluate.report import verdict

CLOSE = 0.05
"""dB; nearer than this, two errors count as equal."""


def findings(result: Mapping[str, Any]) -> list[str]:
    """Return what a reader should know first.

    Args:
        result: From ``evaluate_codec``.

    Returns:
        Sentences: reconstruction beside the baselines, the two stages, recognition, morphs, code, network, speed.
    """
    if "copies" in result:
        return harmonic_findings(result)
    lines = [*_reconstruction(result), *_recognition(result)]
    if result["morphs"]:
        lines += _morphs(result)
    latents, network, speed = result["latents"], result["network"], result["speed"]
    even = f"The code has {latents['n_dimensions']:,} dimensions, {latents['active']:,} of them active, and spreads "
    even += f"like an even one of {latents['participation']:.0f}"
    if latents["mean_correlation"] is not None:
        even += f"; two of them correlate by {latents['mean_correlation']:.2f} in the mean"
    lines.append(even + ".")
    changed = [f"{network[name]['mean']:.1f} dB" for name in ("random_weights", "exchanged_code")]
    lines.append(
        f"Random weights change a half-way morph by {changed[0]}, another note's code in B's place by {changed[1]}."
    )
    lines.append(
        f"One second of work makes {speed['one_pair']:g} s of morph, in batches {speed['batch']:g} s, on "
        f"{speed['device']} with {speed['threads']} thread{'s' * (speed['threads'] != 1)}."
    )
    return lines


def _reconstruction(result: Mapping[str, Any]) -> list[str]:
    error = {(line["method"], line["phase"]): line["log_mel_error"]["mean"] for line in result["reconstruction"]}
    codec, pca, n_components = error["codec", "kept"], error["PCA", "kept"], result["pca"]["n_components"]
    size = result["codec"]["code_size"]
    numbers = f"{n_components:,} numbers" + ("" if n_components == size else f", where the codec has {size:,},")
    if abs(codec - pca) < CLOSE:
        outcome = "neither is better"
    else:
        outcome = f"the codec is {abs(codec - pca):.2f} dB {'better' if codec < pca else 'worse'}"
    alone, whole = error["true magnitude", "estimated"], error["codec", "estimated"]
    return [
        f"With the note's own phase, a reconstruction is {codec:.2f} dB of log-mel error off, and a linear code (PCA) "
        f"of {numbers} {pca:.2f} dB: {outcome}. An image of rank one is {error['rank one', 'kept']:.2f} dB off, the "
        f"mean image {error['mean image', 'kept']:.2f} dB.",
        f"Finding the phase of the true magnitudes costs {alone:.2f} dB by itself; with it the reconstruction is "
        f"{whole:.2f} dB off, so that {'the code' if codec > alone else 'the phase'} is where most is lost.",
    ]


def _recognition(result: Mapping[str, Any]) -> list[str]:
    lines = {(line["method"], line["phase"]): line for line in result["recognition"]}
    morphs = {line["method"]: line for line in result["morph_recognition"]}
    sentences = []
    for head in HEADS:
        original = lines["original", "own"][head]
        if original is None:
            continue
        guess = 1 / max(1, result["classifier"]["n_classes"][head])
        kept, estimated = (lines["codec", phase][head]["mean"] for phase in ("kept", "estimated"))
        text = f"The classifier names the right {head} of {_percent(original['mean'])} of the notes, and of "
        text += f"{_percent(kept)} and {_percent(estimated)} of their reconstructions with kept and estimated phase"
        if head == "pitch" and "codec" in morphs and morphs["codec"]["pitch"]:
            halves = [_percent(morphs[name]["pitch"]["mean"]) for name in ("codec", "log magnitude")]
            text += f"; of half-way morphs {halves[0]}, without a network {halves[1]}"
        if original["mean"] < 2 * guess:
            text += f". Guessing gives {_percent(guess)}, so this says little"
        sentences.append(text + ".")
    return sentences


def _morphs(result: Mapping[str, Any]) -> list[str]:
    lines = {line["method"]: line for line in result["morphs"] if line["pitches"] == "all"}
    codec, without = lines["codec"], lines["log magnitude"]
    sentences = [verdict(result["pitch_gate"])]
    sentences.append(
        f"Of {codec['n']} half-way morphs {_percent(codec['between_loudness'])} lie between their ends in loudness "
        f"(without a network {_percent(without['between_loudness'])}); "
        f"{_percent(codec['in_tune'])} of those whose ends are in tune are in tune themselves "
        f"({_percent(without['in_tune'])})."
    )
    if path := result["path"]["methods"]:
        sentences.append(
            f"From A to B, the classifier hears A's family fall and B's rise at every step in "
            f"{_percent(path['codec']['monotone'])} of {result['path']['n_pairs']} pairs (without a network "
            f"{_percent(path['log magnitude']['monotone'])})."
        )
    return sentences


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.0f} %"
