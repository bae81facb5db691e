"""The evaluation of a codec of harmonic images: it needs no phase, and can do what spectrograms cannot."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.errors import InputError
from intertone.evaluate.copies import copy_notes, judge_copies
from intertone.evaluate.draw import Rows, draw_notes, draw_pairs, pitched_rows
from intertone.evaluate.latents import latent_statistics
from intertone.evaluate.reconstruction import Collected
from intertone.evaluate.register import bank_of, draw_moves, judge_moves, register_table
from intertone.evaluate.speed import measure_stereo_speed
from intertone.evaluate.task import EvaluateConfig, Steps, check_notes, codec_facts, note_facts
from intertone.evaluate.tracking import judge_sounds, judge_tracker

LEFT_OUT = (
    "Half-way morphs: `intertone bench morph` judges them, with and without the network, on real notes too.",
    "The phase: partials have their own, there is none to estimate.",
    "The classifier of families and velocities: it knows notes at 16 kHz; the pitch is looked for instead.",
    "The linear code (PCA): fitting one takes the images of a thousand training notes, minutes of analysis.",
)
"""What is judged of other codecs and not of these, and why."""


def evaluate_harmonic(
    codec: Codec,
    notes: Notes,
    *,
    config: EvaluateConfig,
    known_sounds: Iterable[tuple[str, Tensor, float]] = (),
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Judge a codec of harmonic images on held-out notes that have a pitch.

    Args:
        codec: The codec.
        notes: The note set; ``config.split`` of it is judged, without the programs of ``EXCLUDED_PROGRAMS``.
        config: How much is judged.
        known_sounds: Name, ``(samples,)`` at the codec's rate and f0 in Hz of sounds that the tracker is judged on too.
        progress: Called with (what is done, notes or pairs done, of how many).

    Returns:
        ``settings``, ``codec``, ``notes``; ``copies``: what is left in the image and in the code; ``register``: notes
        moved to another pitch, and ``tracking``: the tracker of f0, each None where the notes are of no soundfont;
        ``latents``, ``speed``; and ``left_out``, sentences. Equal for equal arguments, but for ``speed``.

    Raises:
        InputError: If the rates differ, or the split holds fewer than three notes with a pitch.
    """
    among = pitched_rows(notes, split=config.split)
    check_notes(codec, notes, among, config)
    rows = draw_notes(notes, config.n_notes, split=config.split, seed=config.seed, among=among)
    pairs = draw_pairs(notes, config.n_pairs, split=config.split, seed=config.seed)
    steps, left_out = Steps(progress), list(LEFT_OUT)
    result: dict[str, Any] = {
        "settings": config.model_dump(mode="json"),
        "codec": codec_facts(codec, notes),
        "notes": note_facts(notes, rows, pairs),
        **_copies(codec, notes, rows, config, steps),
        "register": None,
        "tracking": None,
    }
    try:
        bank = bank_of(notes)
    except InputError as error:
        left_out.append(f"Notes moved to another pitch: {error}.")
    else:
        moves = draw_moves(notes, bank, config.n_moves, split=config.split, seed=config.seed)
        steps.begin("notes moved", len(moves.rows))
        result["register"] = register_table(moves, judge_moves(codec, notes, moves, seed=config.seed, step=steps))
    try:
        result["tracking"] = _tracking(notes, list(known_sounds), config, steps)
    except InputError as error:
        left_out.append(f"The tracker of f0: {error}.")
    steps.begin("speed", 1)
    any_pairs = pairs if len(pairs) else np.stack([rows, np.roll(rows, 1)], 1)
    result["speed"] = measure_stereo_speed(codec, notes, any_pairs[0])
    return {**result, "left_out": left_out}


def _copies(codec: Codec, notes: Notes, rows: Rows, config: EvaluateConfig, steps: Steps) -> dict[str, Any]:
    steps.begin("reconstruction", len(rows))
    figures, latents = Collected(), []
    for batch in copy_notes(codec, notes, rows, seed=config.seed):
        figures.add(judge_copies(notes, batch, n_tuned=config.n_estimated))
        latents.append(batch.latents)
        steps(len(batch.rows))
    return {"copies": figures.table(), "latents": latent_statistics(torch.cat(latents))}


def _tracking(
    notes: Notes, known_sounds: list[tuple[str, Tensor, float]], config: EvaluateConfig, steps: Steps
) -> dict[str, Any]:
    steps.begin("tracker of f0", 2)
    score, instruments = judge_tracker(notes, split=config.split, limit=config.n_tracked, seed=config.seed)
    steps(1)
    known = judge_sounds(known_sounds, sample_rate=notes.sample_rate)[0] if known_sounds else None
    return {
        "notes": asdict(score),
        "instruments": [asdict(each) for each in instruments],
        "synthetic": asdict(known) if known else None,
    }
