"""A playable instrument of one code: the codec decodes it at every sixth key, and the engine plays the rows."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.curve import at_positions
from intertone.data.keyboard import KeyboardConfig
from intertone.harmonic.morph.landmark import AUDIBLE_DB, Landmarks, find_landmarks
from intertone.harmonic.morph.modulation import unmodulated
from intertone.harmonic.rows import FeatureRows
from intertone.harmonic.sound import HarmonicSound, SeparatedSound
from intertone.instrument.live import Instrument, header_of
from intertone.instrument.packed import noise_centres, pack_sound
from intertone.instrument.playable import harmonic_method, landmark_facts
from intertone.instrument.register import STEP_SECONDS, pack_changes
from intertone.level import db_to_power, power_to_db
from intertone.loudness import BLOCK_SECONDS, LUFS_OFFSET, weighting_at
from intertone.morphing.by_partials import ByPartials
from intertone.pitch.note import pitch_to_hz

KEYS = tuple(range(36, 97, 6))
"""MIDI numbers of the keys at which a code is decoded: below and above, the rows of the last one are played. Fewer keys
would be decoded sooner; every twelfth is 3 dB off half-way between two, for a trumpet."""

OWN_KEY = 60
"""MIDI number of the key whose rows are stored in full, one of ``KEYS``; at other keys changes are added."""

REFERENCE = 0.1
"""Amplitude of 0 dB: the level is set by ``PLAYED_LOUDNESS``; this keeps the change small."""

PLAYED_LOUDNESS = -23.0
"""Maximum momentary loudness at which every code is played, LUFS, that of broadcasts: a code says nothing of its level,
and a move on the map shall change the timbre."""

HELD_SECONDS = KeyboardConfig().hold_seconds
"""Time after which the keys of the training notes are let go, seconds."""

EARLY_FRAMES = 2.0
"""Number of frames before ``HELD_SECONDS`` at which the release counts as begun, so that its knee, which decoding
blurs, is in it."""

OCTAVE = 2
"""Keys of ``KEYS`` from one octave to the next."""

MOST_GAIN_DB = 24.0
"""Largest change of the level of a key, dB."""

UNUSED = ("strong", "phases", "modulation", "magnitudes", "angles")
"""Tensors of fast modulation and of phases over time, of which a code holds nothing."""


@torch.inference_mode()
def decode_at_keys(codec: Codec, code: Tensor, n_frames: int, *, keys: Sequence[int] = KEYS) -> Tensor:
    """Return the features of a code at some keys, 0…1, ``(n_keys, n_features, n_frames)``, on the CPU.

    Args:
        codec: A harmonic codec.
        code: ``(latent_dim, n_latents)``.
        n_frames: Columns.
        keys: MIDI numbers.
    """
    pitch = torch.tensor(keys, dtype=torch.float32)[:, None, None]
    conditions = {"pitch": pitch, "velocity": torch.full_like(pitch, torch.nan)}
    codes = code.to(codec.device).expand(len(keys), -1, -1)
    return codec.decode_features(codes, conditions, n_frames=n_frames).float().cpu().clamp(0, 1)


def decoded_instrument(codec: Codec, code: Tensor, name: str, *, seconds: float) -> Instrument:
    """Return the playable instrument of one code.

    All such instruments of one codec and of one length have tensors of the same shapes, so that a player can move from
    one to another row by row.

    Args:
        codec: A harmonic codec.
        code: ``(latent_dim, n_latents)``, as ``InstrumentBank`` holds them.
        name: What the page calls it.
        seconds: Length of the note that the code stands for.

    Raises:
        InputError: If the codec is none of harmonic sounds.
    """
    method = harmonic_method(codec)
    samples = round(seconds * codec.sample_rate)
    features = decode_at_keys(codec, code, method.representation.n_frames(samples))
    sound = _sound(method, features[KEYS.index(OWN_KEY)], samples)
    packed = pack_sound(sound, method.rows, count=len(sound.multiples))
    tensors = {f"0.{key}": value for key, value in packed.items()}
    for unused in UNUSED:
        value = tensors[f"0.{unused}"]
        tensors[f"0.{unused}"] = value[:0] if value.ndim == 1 else value[:, :0]
    changes = _changes(features, sound, method.rows)
    tensors["0.register"] = pack_changes(changes)
    tensors["0.residual"] = torch.zeros(1, 0, dtype=torch.int16)
    level = level_of(features[KEYS.index(OWN_KEY)], method.rows)
    marks = held_landmarks(level, method.rows.config.frame_seconds)
    facts: dict[str, Any] = {
        "name": name,
        "pitched": True,
        "reason": None,
        "notes": [],
        "channels": 1,
        "samples": samples,
        "seconds": seconds,
        "loudness": PLAYED_LOUDNESS,
        **landmark_facts(sound, level, marks, marks, method.rows.config.frame_seconds),
    }
    gains = _gains(changes, method.rows.view(sound)[0], codec.sample_rate, method.rows)
    header = header_of(method.representation.synthesiser, 1, [facts]) | {"keys": list(KEYS), "gains": gains}
    return Instrument(header, tensors)


def level_of(features: Tensor, rows: FeatureRows) -> Tensor:
    """Return the level of all rows together, dB, ``(n_frames,)``, of features ``(n_features, n_frames)``."""
    return rows.config.top_db * (rows.level(features[None])[0, 0] - 1)


def held_landmarks(level: Tensor, frame_seconds: float) -> Landmarks:
    """Return the landmarks of a decoded note: all notes of the training are let go after ``HELD_SECONDS``.

    A note that has died away before has no release.

    Args:
        level: dB, frame by frame, ``(n_frames,)``.
        frame_seconds: From one frame to the next.

    Example:
        >>> level = torch.zeros(401)
        >>> level[300:] = -6.0 * torch.arange(101)
        >>> marks = held_landmarks(level, 0.01)
        >>> marks.release, marks.silence, marks.released
        (298.0, 311.0, True)
    """
    end = float(len(level) - 1)
    release = min(end, HELD_SECONDS / frame_seconds - EARLY_FRAMES)
    attack = find_landmarks(level[: round(release)], release).attack
    audible = level >= level.max() + AUDIBLE_DB
    last = int(audible.nonzero().max())
    if last < release:
        return Landmarks(attack, max(attack, float(last)), end, False)
    return Landmarks(attack, release, end, True, min(end, float(last + 1)))


def _sound(method: ByPartials, features: Tensor, samples: int) -> SeparatedSound:
    """Return the sound that has these features at ``OWN_KEY``, with harmonic partials whose phases are spread."""
    representation, rows = method.representation, method.rows
    context = representation.blank(samples, pitch=torch.full((1, 1, 1), float(OWN_KEY)))
    (blank,) = context.sounds
    levels = rows.to_amplitudes(features[None], REFERENCE)
    count = len(blank.multiples)
    orders = torch.arange(1, count + 1, dtype=torch.float64)
    phase = (orders.square() * 0.6180339887498949).remainder(1).float()[None, :, None].expand_as(blank.phase)
    sound = HarmonicSound(
        samples,
        0,
        REFERENCE,
        blank.f0,
        blank.multiples,
        levels[:, rows.row_of[:count]],
        phase,
        levels[:, rows.n_partial_rows :],
    )
    return unmodulated(sound, representation.synthesiser)


def _gains(changes: Tensor, own: Tensor, sample_rate: int, rows: FeatureRows) -> list[float]:
    """Return what makes each key as loud as ``PLAYED_LOUDNESS``, dB, octave by octave from the first of ``KEYS``.

    The levels are those that a player reads: those of ``OWN_KEY``, and changes that are averaged over time.

    Args:
        changes: From ``_changes``.
        own: Features at ``OWN_KEY``, ``(n_features, n_frames)``.
        sample_rate: Of the codec, Hz.
        rows: Of the representation.
    """
    places = torch.arange(own.shape[1], dtype=torch.float64) / _step_frames(rows) - 0.5
    levels = rows.config.top_db * (own - 1) + at_positions(changes[::OCTAVE], places.clamp(min=0))
    power = db_to_power(levels) * (own > 0)
    weighted = (power * _row_weights(sample_rate, rows)[::OCTAVE, :, None]).sum(1)
    size = min(weighted.shape[1], round(BLOCK_SECONDS / rows.config.frame_seconds))
    loudest = 0.5 * REFERENCE**2 * weighted.unfold(1, size, 1).mean(-1).amax(1)
    found = PLAYED_LOUDNESS - (LUFS_OFFSET + power_to_db(loudest.clamp_min(1e-12)))
    return [round(float(gain), 2) for gain in found.clamp(-MOST_GAIN_DB, MOST_GAIN_DB)]


@lru_cache(maxsize=2)
def _row_weights(sample_rate: int, rows: FeatureRows) -> Tensor:
    """Return the K-weighting of each row at each of ``KEYS``, power gains, summed over its partials."""
    found = torch.zeros(len(KEYS), rows.config.n_features)
    centres = torch.tensor(noise_centres(rows))
    for key, row in zip(KEYS, found, strict=True):
        hz = pitch_to_hz(float(key)) * torch.arange(1, len(rows.row_of) + 1)
        heard = hz <= rows.config.f_max
        row.index_add_(0, rows.row_of[heard], weighting_at(hz[heard], sample_rate))
        row[rows.n_partial_rows :] = weighting_at(centres, sample_rate)
    return found


def _changes(features: Tensor, sound: SeparatedSound, rows: FeatureRows) -> Tensor:
    """Return by how many dB the rows of each key differ from those of ``OWN_KEY``, ``(n_keys, n_features, n_steps)``.

    Rows above the highest partial of ``OWN_KEY`` are relative to the mean of the highest four, which stands for them.
    """
    apart = features - rows.view(sound)[0]
    return rows.config.top_db * torch.stack([part.mean(-1) for part in apart.split(_step_frames(rows), -1)], -1)


def _step_frames(rows: FeatureRows) -> int:
    return max(1, round(STEP_SECONDS / rows.config.frame_seconds))
