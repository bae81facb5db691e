"""Morph methods for the hard pairs, by name; the sounds of a pair differ in length, and some have no pitch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from intertone.bench.cache import codec_mark, source_digest
from intertone.bench.hard.measure import MakeKey
from intertone.bench.hard.pairs import HardPair
from intertone.bench.methods import METHODS
from intertone.bench.pair import Kind, Pair
from intertone.codec import Codec, shipped_codecs
from intertone.errors import InputError
from intertone.instrument.keys import Key, render_key
from intertone.morphing import MorphConfig, analyse_sounds, choose_method, morph_steps

CROSSFADE = "crossfade"
"""The method with which all others are compared."""

BASELINES = {("harmonic model" if name == "harmonic" else name): method for name, method in METHODS.items()}
"""Methods without a codec by name; ``harmonic`` is renamed because a codec has that name."""

GIVEN_PITCH = ("aligned log magnitude", "harmonic model")
"""Baselines that need exactly one known pitch of each sound, and refuse other pairs."""

NO_NETWORK = ", no network"
"""Suffix of the name of a codec's morph without its network."""

LOOPED_SECONDS = 6.0
"""Longest rendered duration of a key; a longer key repeats its loop, as in ``intertone keys --seconds 6``."""

CODE = ("bench/*.py", "harmonic/**/*.py", "phase/*.py", "latent.py", "level.py", "stft.py")
KEY_CODE = ("instrument/keys.py", "instrument/looping.py", "recogniser.py", "data/*.py")


@dataclass(frozen=True)
class HardMethod:
    """A morph method that the hard bench compares.

    Attributes:
        name: Name on the command line and in tables.
        morph: ``(pair, mixes)`` → a sound for each mix, ``(samples,)`` of any length; raises ``InputError`` for a pair
            that the method refuses.
        mark: Hash of the method's code, settings and weights, which identifies cached results.
        keys: Returns a function that renders keys of a pair; None: the method renders no keys.
    """

    name: str
    morph: Callable[[HardPair, Sequence[float]], list[Tensor]]
    mark: str
    keys: Callable[[HardPair], MakeKey] | None = None


def load_codecs(names: Sequence[str], *, device: str = "cpu") -> dict[str, Codec]:
    """Return the codecs among some methods, loaded, by name.

    Args:
        names: Names of baselines and shipped codecs, or folders of codecs.
        device: Torch device of the codecs.

    Raises:
        InputError: If a name is neither a baseline nor a codec.
    """
    found = {}
    for name in names:
        if name in BASELINES:
            continue
        try:
            found[name] = Codec.load(name, device=device)
        except InputError as error:
            if "/" in name:
                raise
            known = ", ".join((*BASELINES, *shipped_codecs()))
            raise InputError(f"a method must be one of {known}, or a codec's folder, got {name}") from error
    return found


def method_names(names: Sequence[str], codecs: Mapping[str, Codec]) -> list[str]:
    """Return the methods of a run: codecs with and without their network, then baselines, and always the crossfade.

    Args:
        names: Names of baselines and codecs.
        codecs: Codecs of ``load_codecs``.

    Returns:
        Unique names for ``hard_method``.
    """
    rows = []
    for name in names:
        if name in codecs:
            rows.append(name)
            rows += [name + NO_NETWORK] if choose_method(codecs[name]).takes.pitch else []
    asked = [name for name in BASELINES if name in names and name != CROSSFADE]
    return [*dict.fromkeys([*rows, *asked, CROSSFADE])]


def hard_method(name: str, codecs: Mapping[str, Codec]) -> HardMethod:
    """Return a method by its name.

    Args:
        name: Name from ``method_names``.
        codecs: Codecs of ``load_codecs``.

    Returns:
        The method; every mix uses the same random seed.

    Raises:
        ValueError: If the name is unknown.
    """
    if name in BASELINES:
        return HardMethod(name, _baseline(name), f"{name} {source_digest(CODE)}")
    own = name.removesuffix(NO_NETWORK)
    if own not in codecs:
        raise ValueError(f"the method must be one of {', '.join((*BASELINES, *codecs))}, got {name}")
    codec, config = codecs[own], MorphConfig(network="none") if own != name else MorphConfig()
    keys = _keys(codec, config) if choose_method(codec).takes.pitch else None
    mark = f"{config.model_dump_json()} {codec_mark(codec)} {source_digest(KEY_CODE)}"
    return HardMethod(name, _through_codec(codec, config), mark, keys)


def _baseline(name: str) -> Callable[[HardPair, Sequence[float]], list[Tensor]]:
    def morph(pair: HardPair, mixes: Sequence[float]) -> list[Tensor]:
        pitches = (pair.f0_a, pair.f0_b)
        if name in GIVEN_PITCH and any(len(f0) != 1 for f0 in pitches):
            raise InputError(
                f"{name} must be given one pitch of each sound, got {len(pitches[0])} and {len(pitches[1])}"
            )
        f0_a, f0_b = (f0[0] if f0 else 0.0 for f0 in pitches)
        kind: Kind = "same" if f0_a == f0_b else "different"
        length = max(len(pair.a), len(pair.b))
        a, b = (pad(sound, (0, length - len(sound))) for sound in (pair.a, pair.b))
        plain = Pair(pair.name, kind, pair.title, a, b, f0_a, f0_b, pair.sample_rate)
        return [*BASELINES[name](plain, mixes)]

    return morph


def _through_codec(codec: Codec, config: MorphConfig) -> Callable[[HardPair, Sequence[float]], list[Tensor]]:
    def morph(pair: HardPair, mixes: Sequence[float]) -> list[Tensor]:
        _check_rate(codec, pair)
        return [*morph_steps(codec, pair.a, pair.b, mixes=mixes, config=config)]

    return morph


def _keys(codec: Codec, config: MorphConfig) -> Callable[[HardPair], MakeKey]:
    def prepare(pair: HardPair) -> MakeKey:
        _check_rate(codec, pair)
        sources = analyse_sounds(codec, pair.a, pair.b, pitched_for="a keyboard")

        def make(pitch: float, mix: float, held_seconds: float | None) -> Tensor:
            first = None if held_seconds is None else min(held_seconds, LOOPED_SECONDS)
            settings = config.model_copy(update={"hold_seconds": first})
            key = Key(round(pitch), round(pitch), round(pitch))
            audio, region = render_key(sources, key, mix=mix, config=settings)
            sound = audio[0]
            if held_seconds is None:
                return sound
            length = round(held_seconds * codec.sample_rate)
            if region.loop is None:
                return sound[: round(LOOPED_SECONDS * codec.sample_rate)]
            loop = sound[region.loop.start : region.loop.end]
            n_repeats = max(0, -(-(length - region.loop.end) // len(loop)))
            return torch.cat([sound[: region.loop.end], loop.repeat(n_repeats)])[:length]

        return make

    return prepare


def _check_rate(codec: Codec, pair: HardPair) -> None:
    if pair.sample_rate != codec.sample_rate:
        raise ValueError(f"pairs must be at the codec's {codec.sample_rate} Hz, got {pair.sample_rate} Hz")
