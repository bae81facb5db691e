"""The work of the process behind the map: places become codes, and codes instruments of one sound."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from intertone.codec import Codec
from intertone.files import Json
from intertone.instrument.bank import InstrumentBank
from intertone.instrument.code_map import OWN_FAMILY, CodeMap
from intertone.instrument.decoded import decoded_instrument
from intertone.instrument.looped import looped_instrument
from intertone.web.uploads import MapRequest, OwnCode

NAMED, LEAST_PART = 3, 0.05
"""Number of instruments that the name of a place has at most, and the least part of each."""

REMEMBERED = 8
"""Sets of own sounds whose places are remembered."""


class MapBench:
    """What the process keeps from one place to the next: the codec and its map.

    Args:
        codec: Name or folder of a harmonic codec that has codes of instruments.
        threads: Threads of PyTorch; None: as many as it has.

    Raises:
        InputError: If the codec has none.
    """

    def __init__(self, codec: str, *, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.codec = Codec.load(codec)
        self.map = CodeMap.of(self.codec, InstrumentBank.read(codec))
        self._others: dict[str, Codec] = {}
        self._with_own = lru_cache(maxsize=REMEMBERED)(self._add)
        self.instrument(0.5, 0.5, ())  # what the first decoding prepares does not cost the first move its time

    def answer(self, request: MapRequest) -> "bytes | list[dict[str, Json]]":
        """Return the points of the map, or the bytes of the instrument at a place, or of a code.

        Raises:
            InputError: If the code does not fit its codec.
        """
        if request.codec is not None:
            return self.loop(request.codec, request.values)
        if request.place is None:
            return self.points(request.own)
        return self.instrument(*request.place, request.own)

    def points(self, own: tuple[OwnCode, ...]) -> "list[dict[str, Json]]":
        """Return name, family and place of every instrument and own sound, for JSON; own sounds come last."""
        found = self._with_own(own)
        every = zip(found.names, found.families, found.places.tolist(), strict=True)
        points: list[dict[str, Json]] = [
            {"name": name, "family": family, "own": family == OWN_FAMILY, "x": round(x, 4), "y": round(y, 4)}
            for name, family, (x, y) in every
        ]
        for point, one in zip(points[len(points) - len(own) :], own, strict=True):
            point["corner"] = one.corner
        return points

    def instrument(self, x: float, y: float, own: tuple[OwnCode, ...]) -> bytes:
        """Return the instrument of a place, as ``Instrument.to_bytes``; its name says between what it lies."""
        found = self._with_own(own)
        name = mixture_name(found.weights((x, y)).tolist(), found.names)
        return decoded_instrument(self.codec, found.code((x, y)), name, seconds=found.seconds).to_bytes()

    def loop(self, codec: str, values: tuple[float, ...]) -> bytes:
        """Return the instrument of a code of a codec of single frames, as ``Instrument.to_bytes``.

        Raises:
            InputError: If the code does not fit the codec.
        """
        if codec not in self._others:
            self._others[codec] = Codec.load(codec)
        return looped_instrument(self._others[codec], torch.tensor(values), codec).to_bytes()

    def _add(self, own: tuple[OwnCode, ...]) -> CodeMap:
        latent_dim = self.codec.model.latent_dim
        codes = [torch.from_numpy(np.frombuffer(one.code, np.float32).reshape(latent_dim, -1).copy()) for one in own]
        return self.map.with_sounds(self.codec, [one.name for one in own], codes)


def mixture_name(weights: Sequence[float], names: Sequence[str]) -> str:
    """Return the names of a mixture with their parts in percent, the three largest of 5 % or more.

    Example:
        >>> mixture_name([0.3, 0.02, 0.68], ["flute", "sitar", "oboe"])
        'oboe 68 %, flute 30 %'
    """
    order = sorted(range(len(names)), key=lambda at: -weights[at])[:NAMED]
    return ", ".join(f"{names[at]} {100 * weights[at]:.0f} %" for at in order if weights[at] >= LEAST_PART)
