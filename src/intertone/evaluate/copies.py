"""What of a note is left in its harmonic image, and what of the image in its code."""

from collections.abc import Iterator

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.notes import Notes
from intertone.evaluate.baselines import rank_one
from intertone.evaluate.draw import Rows
from intertone.evaluate.morphs import IN_TUNE, search_range
from intertone.evaluate.reconstruction import BATCH, ESTIMATED, Figures, Reconstructions, at_16_khz, seeded
from intertone.metrics import LOG_MEL_44K, log_mel_error, pitch_error_cents
from intertone.phase import PhaseConfig
from intertone.representation import Analysis

KEPT = PhaseConfig(method="kept")
COPIES = (("image", KEPT), ("image", ESTIMATED), ("network", KEPT), ("network", ESTIMATED), ("rank one", ESTIMATED))
"""What is played: the image itself, what the network makes of it, a mean row times an envelope; with which noise."""

TUNED = (("image", "estimated"), ("network", "estimated"))
"""Copies whose pitch is looked at; the others' is the same."""

SAME_DB = -200.0
"""dB that no difference is said to be below."""


@torch.inference_mode()
def copy_notes(codec: Codec, notes: Notes, rows: Rows, *, seed: int) -> Iterator[Reconstructions]:
    """Yield what is played from the images of notes, batch by batch.

    The pitch is the one that is found in the sound, and the velocity is not told, as with anybody's sound.

    Args:
        codec: A codec of harmonic images.
        notes: The note set.
        rows: The notes.
        seed: Of the noise that is not the notes' own.

    Returns:
        An iterator over batches, in the order of ``rows``; ``kept`` is with the notes' own noise, ``estimated`` with
        other noise of its bands' levels.
    """
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        audio = notes.audio(batch)
        features, context = codec.analyse(audio.unsqueeze(1))
        latents = codec.encode_features(features, context.conditions)
        images = {
            "image": features,
            "network": codec.decode_features(latents, context.conditions)[..., : features.shape[-1]],
            "rank one": rank_one(features, range_db=codec.representation.scales[0].range_db),
        }
        sounds = {}
        for name, noise in COPIES:
            sound = codec.representation.synthesise(
                Analysis(images[name], context), residual=noise is KEPT, generator=seeded(seed)
            )
            sounds[name, "kept" if noise is KEPT else "estimated"] = sound.cpu().squeeze(1)
        yield Reconstructions(start, batch, audio, codec.sample_rate, latents.cpu(), sounds)


def judge_copies(notes: Notes, batch: Reconstructions, *, n_tuned: int) -> Figures:
    """Return how far copies are from their notes.

    Args:
        notes: The note set.
        batch: From ``copy_notes``.
        n_tuned: The pitch is looked at in the first so many notes only, in whole batches: that is slow.

    Returns:
        Figures of (what is played, noise), the notes themselves being ``("original", "own")``: those of
        ``log_mel_errors``; ``difference``, energy of the difference over that of the note, dB; and ``in_tune`` of the
        notes and of those in ``TUNED``, 1 where a search of 1.3 octaves around the key finds the f0 within 50 cents.
    """
    tuned = batch.start < n_tuned
    figures: Figures = {}
    if tuned:
        figures["original", "own"] = {"in_tune": _in_tune(notes, batch.rows, batch.audio)}
    for key, sound in batch.sounds.items():
        off = (sound - batch.audio).square().sum(-1) / batch.audio.square().sum(-1).clamp_min(1e-12)
        figures[key] = {
            **log_mel_errors(sound, batch.audio, batch.sample_rate),
            "difference": (10 * torch.log10(off.clamp_min(1e-30))).clamp_min(SAME_DB),
        }
        if tuned and key in TUNED:
            figures[key]["in_tune"] = _in_tune(notes, batch.rows, sound)
    return figures


def log_mel_errors(estimate: Tensor, reference: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """Return ``log_mel_error`` at the rates that it is defined for.

    Args:
        estimate: ``(..., samples)``.
        reference: The same shape.
        sample_rate: Of both, Hz.

    Returns:
        ``log_mel_16k``, dB, of the sounds at 16 kHz; and ``log_mel_44k``, up to 20 kHz, if they are at 44.1 kHz.

    Example:
        >>> {name: float(error) for name, error in log_mel_errors(torch.ones(9000), torch.ones(9000), 44100).items()}
        {'log_mel_16k': 0.0, 'log_mel_44k': 0.0}
    """
    errors = {"log_mel_16k": log_mel_error(at_16_khz(estimate, sample_rate), at_16_khz(reference, sample_rate))}
    if sample_rate == LOG_MEL_44K.stft.sample_rate:
        errors["log_mel_44k"] = log_mel_error(estimate, reference, LOG_MEL_44K)
    return errors


def _in_tune(notes: Notes, rows: Rows, sounds: Tensor) -> Tensor:
    found = []
    for sound, row in zip(at_16_khz(sounds, notes.sample_rate), rows, strict=True):
        pitch = int(notes.pitch[row])
        f_min, f_max = search_range(pitch, 16000)
        found.append(pitch_error_cents(sound, pitch, f_min=f_min, f_max=f_max).abs() <= IN_TUNE)
    return torch.stack(found).double()
