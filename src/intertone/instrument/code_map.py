"""A map of codes in two dimensions: instruments lie where they sound alike, and every place has a code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from intertone.codec import Codec
from intertone.data.render import FAMILIES
from intertone.harmonic.sound import HarmonicContext
from intertone.instrument.bank import InstrumentBank, high_passed
from intertone.instrument.decoded import HELD_SECONDS, OWN_KEY
from intertone.instrument.playable import PlayableSound, harmonic_method, time_facts, track_of
from intertone.pitch.note import hz_to_pitch
from intertone.remark import collect_remarks
from intertone.representation import Analysis

OWN_FAMILY = "your sounds"
"""Family of the user's own sounds."""

SHORTER = {"chromatic-percussion": "mallets", "synth-effects": "effects"}
"""Families that have a shorter name on a map."""

OTHERS = "other"
"""Family of instruments without the number of a program."""

N_NEAR = 6
"""Codes that have a part at a place at most; more make the map smoother, and its middle more like a mean."""

ITERATIONS = 300
"""Iterations of the stress majorisation; more change no place by more than a few thousandths of the map."""

APART = 0.08
"""Distance below which two places are pushed apart, in sides of the map; with 0.1 there is no room for 94."""

PUSHES = 60
"""Number of times that places are pushed."""

PLACED_BY = 3
"""Number of instruments that sound most alike, between which an own sound is placed."""

FLOOR = 0.3
"""Feature below which levels count as equal when sounds are compared: 70 dB below the loudest."""

EVERY = 5
"""Step between the frames that are compared."""

LEAST = 3
"""Smallest number of codes, since fewer define no plane."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CodeMap:
    """Codes of instruments, and where they lie in the unit square.

    Attributes:
        names: Of the instruments, as a person writes them.
        families: Their families.
        codes: ``(n, latent_dim, n_latents)``.
        places: ``(n, 2)`` in 0…1, x from left to right, y downwards.
        heard: Features of the codes that are compared, ``(n, size)``.
        seconds: Length of the notes that the codes stand for.
    """

    names: tuple[str, ...]
    families: tuple[str, ...]
    codes: Tensor
    places: Array
    heard: Array
    seconds: float

    @classmethod
    def of(cls, codec: Codec, bank: InstrumentBank) -> Self:
        """Arrange the instruments of a codec: distances on the map follow those between the sounds.

        The codes are decoded at C4; the distance of two is the root mean square difference of their levels while the
        key is held. From the plane of the two principal components on, places are moved until distances between
        them are as near as possible to those. The axes are turned so that held sounds lie on the right and bright ones
        above. Each axis then becomes the mean of the place and of its rank, so that outliers leave the others room,
        and places nearer than ``APART`` are pushed apart.

        Args:
            codec: A harmonic codec.
            bank: Its instruments.

        Raises:
            ValueError: If there are fewer than three.

        Source:
            De Leeuw (1977), "Applications of convex analysis to multidimensional scaling", for the arrangement.
        """
        if len(bank.codes) < LEAST:
            raise ValueError(f"a map must have at least {LEAST} instruments, got {len(bank.codes)}")
        codes = torch.stack([*bank.codes.values()])
        heard = heard_features(codec, codes, bank.seconds)
        places = _arranged(_distances(heard, heard), _plane(heard))
        places = _oriented(places, heard, codec.representation.n_features)
        ranks = np.argsort(np.argsort(places, axis=0), axis=0) / (len(places) - 1)
        low, high = places.min(0), places.max(0)
        even = 0.5 * ranks + 0.5 * (places - low) / (high - low)
        families = tuple(_family(name) for name in bank.codes)
        names = tuple(name.replace("-", " ") for name in bank.names)
        return cls(names, families, codes, _pushed(even, len(even)), heard, bank.seconds)

    def with_sounds(self, codec: Codec, names: Sequence[str], codes: Sequence[Tensor]) -> Self:
        """Return the map with own sounds behind the instruments, which stay where they are.

        An own sound lies between the three instruments that sound most like it, by 1 / distance, and not on a point.

        Args:
            codec: The codec of the map.
            names: Of the sounds.
            codes: As many, ``(latent_dim, n_latents)`` each, from ``code_of_sound``.
        """
        if not names:
            return self
        added = torch.stack([*codes])
        heard = heard_features(codec, added, self.seconds)
        known = len(self.places)
        found = []
        for row in _distances(heard, self.heard):
            nearest = row.argsort()[:PLACED_BY]
            shares = 1 / np.maximum(row[nearest], 1e-9)
            found.append((shares / shares.sum()) @ self.places[nearest])
        # two that are equal are pushed apart in this direction
        places = np.concatenate([self.places, np.array(found) + 1e-3 * np.arange(len(found))[:, None]])
        return type(self)(
            (*self.names, *names),
            (*self.families, *[OWN_FAMILY] * len(names)),
            torch.cat([self.codes, added]),
            _pushed(places, len(found), fixed=known),
            np.concatenate([self.heard, heard]),
            self.seconds,
        )

    def weights(self, place: Sequence[float]) -> Array:
        """Return the part of each code at a place, ``(n,)``, the sum is 1: at an instrument it alone has a part.

        The six nearest have parts that reach 0 at the distance of the seventh, so that no part jumps anywhere.

        Args:
            place: x and y, 0…1.

        Source:
            Franke and Nielson (1980), "Smooth interpolation of large sets of scattered data".

        Example:
            >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
            >>> found = CodeMap(("a", "b", "c", "d"), ("x",) * 4, torch.zeros(4, 1, 1), corners, corners, 4.0)
            >>> found.weights([1.0, 0.0]).tolist(), found.weights([0.5, 0.0]).round(2).tolist()
            ([0.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0])
        """
        distance = np.linalg.norm(self.places - np.asarray(place), axis=1)
        nearest = distance.min()
        if nearest < 1e-6:
            return (distance == nearest) / (distance == nearest).sum()
        reach = np.sort(distance)[min(N_NEAR, len(distance) - 1)]
        parts = (np.maximum(0, reach - distance) / distance) ** 2
        if not parts.any():  # all are equally far
            parts = np.ones_like(parts)
        found: Array = parts / parts.sum()
        return found

    def code(self, place: Sequence[float]) -> Tensor:
        """Return the code of a place, ``(latent_dim, n_latents)``: a mixture of the nearest codes."""
        return torch.einsum("n,ndt->dt", torch.from_numpy(self.weights(place)).to(self.codes), self.codes)


def code_of_sound(codec: Codec, sound: PlayableSound, seconds: float) -> Tensor | None:
    """Return the code of an own sound, as the codes of instruments are: held for three seconds, then let go.

    It is made of the sound without what lies below 20 Hz, as those are. Its attack keeps its length; a sustain is
    stretched or shortened, a release moved. A sound that dies away by itself keeps its time.

    Args:
        codec: A harmonic codec.
        sound: From ``analyse_playable``.
        seconds: Length of the notes of the map.

    Returns:
        ``(latent_dim, n_latents)``, or None for a sound without one pitch.
    """
    if sound.analysis is None:
        return None
    method = harmonic_method(codec)
    with collect_remarks():  # those of the whole sound have been shown
        analysis = codec.analyse(high_passed(sound.audio, codec.sample_rate))
    audible = cast(Analysis[HarmonicContext], analysis)
    if method.unpitched(audible) is not None:
        return None
    rows, prepared = method.rows, method.prepare(audible)
    track = track_of(prepared)
    facts = time_facts([track], rows)[0]
    features = prepared.features.mean(0)
    last = features.shape[-1] - 1
    held = HELD_SECONDS / rows.config.frame_seconds
    wanted = np.arange(1 + round(seconds / rows.config.frame_seconds))
    places = wanted.astype(np.float64)
    if facts["released"] and facts["attack"] < min(held, facts["release"]):
        marks = [0.0, facts["attack"], facts["release"]]
        places = np.interp(places, [0.0, facts["attack"], held], marks) + np.maximum(0, places - held)
    below = np.floor(np.minimum(places, last)).astype(np.int64)
    above = np.minimum(below + 1, last)
    share = torch.from_numpy(np.minimum(places, last) - below).float()
    timed = features[:, below] * (1 - share) + features[:, above] * share
    timed = timed * torch.from_numpy(places <= last)
    pitch = torch.full((1, 1, 1), hz_to_pitch(track.median_hz))
    conditions = {"pitch": pitch, "velocity": torch.full_like(pitch, torch.nan)}
    return codec.encode_features(timed[None].float().to(codec.device), conditions)[0].float().cpu()


@torch.inference_mode()
def heard_features(codec: Codec, codes: Tensor, seconds: float) -> Array:
    """Return what codes are compared by: their levels at C4 while the key is held, dB, ``(n, size)``.

    A Euclidean distance of two is their root mean square difference.
    """
    method = harmonic_method(codec)
    n_frames = method.representation.n_frames(round(seconds * codec.sample_rate))
    pitch = torch.full((len(codes), 1, 1), float(OWN_KEY))
    conditions = {"pitch": pitch, "velocity": torch.full_like(pitch, torch.nan)}
    features = codec.decode_features(codes.to(codec.device), conditions, n_frames=n_frames).float().cpu()
    held = features[..., : round(HELD_SECONDS / method.rows.config.frame_seconds) : EVERY]
    levels: Array = method.rows.config.top_db * held.clamp(FLOOR, 1).flatten(1).double().numpy()
    return levels / np.sqrt(levels.shape[1])


def _family(name: str) -> str:
    """Return the family of a program of General MIDI: ``056-trumpet`` is brass."""
    program = re.match(r"(\d{3})-", name)
    family = FAMILIES[int(program[1]) // 8] if program and int(program[1]) < 128 else OTHERS
    return SHORTER.get(family, family.replace("-", " "))


def _plane(points: Array) -> Array:
    """Return points in the plane of their two principal components; the larger entry of each axis is positive."""
    centred = points - points.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
    found: Array = centred @ (axes * signs[:, None]).T
    return found


def _oriented(places: Array, heard: Array, n_rows: int) -> Array:
    """Return places whose axes are swapped or mirrored so that held sounds lie on the right, and bright ones above.

    Held is the highest row in the second half of the time, relative to the highest of all; bright the mean of the
    highest levels of the partials 9 to 32.
    """
    levels = heard.reshape(len(heard), n_rows, -1)
    half = levels.shape[-1] // 2
    held = levels[..., half:].max(1).mean(1) - levels.max((1, 2))
    dull = -levels[:, 8:32].max(-1).mean(1)
    alike = np.corrcoef(np.stack([*places.T, held, dull]))[:2, 2:]
    if abs(alike[0, 1]) + abs(alike[1, 0]) > abs(alike[0, 0]) + abs(alike[1, 1]):
        places, alike = places[:, ::-1], alike[::-1]
    return places * np.where(np.diag(alike) < 0, -1.0, 1.0)


def _distances(points: Array, others: Array) -> Array:
    """Return the Euclidean distances of ``(n, k)`` from ``(m, k)`` points, ``(n, m)``."""
    exact = "donot_use_mm_for_euclid_dist"  # a matrix product would lose the digits of small distances
    return np.asarray(torch.cdist(torch.from_numpy(points), torch.from_numpy(others), compute_mode=exact).numpy())


def _arranged(wanted: Array, places: Array) -> Array:
    """Return places whose distances are as near as possible to the wanted ones, by stress majorisation."""
    count = len(places)
    for _ in range(ITERATIONS):
        now = _distances(places, places)
        ratios = np.divide(wanted, now, out=np.zeros_like(now), where=now > 1e-12)
        places = (ratios.sum(1)[:, None] * places - ratios @ places) / count
    return places


def _pushed(places: Array, movable: int, fixed: int = 0) -> Array:
    """Return places in the unit square that are pushed apart where they are nearer than ``APART``.

    Args:
        places: ``(n, 2)``.
        movable: Number of places that may move, the last ones.
        fixed: Number of those before, which stay.
    """
    found = places.copy()
    for _ in range(PUSHES):
        apart = found[fixed : fixed + movable, None] - found[None]
        distance = np.linalg.norm(apart, axis=-1)
        push = np.where((distance > 0) & (distance < APART), 0.25 * (APART - distance), 0.0)
        moves = (apart / np.maximum(distance, 1e-9)[..., None] * push[..., None]).sum(1)
        found[fixed:] = (found[fixed:] + moves).clip(0, 1)
    return found
